"""The machine that is measured on: what it is, and which of its cores do what.

A figure without its machine, commit and date means nothing; they are gathered here.
"""

import os
import platform
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct


class Machine(Struct, frozen=True):
    """What figures depend on, as far as it can be told."""

    processor: str
    cores: int
    memory_mb: int
    kernel: str
    python: str
    load_average: float
    """Processes that wanted to run in the minute before: above 0.5 the machine was shared."""
    commit: str
    date: str


def describe() -> Machine:
    """Return what this machine is, now."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_mb=pages * size >> 20,
        kernel=platform.release(),
        python=platform.python_version(),
        load_average=round(os.getloadavg()[0], 2),
        commit=_commit(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _commit() -> str:
    """Return the commit of the source that runs, with a ``+`` where files differ from it."""
    folder = Path(__file__).parent
    git = ["git", "-C", str(folder)]
    try:
        found = subprocess.run(  # noqa: S603 - fixed words and our own folder
            [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        )
        changed = subprocess.run(  # noqa: S603 - fixed words and our own folder
            [*git, "status", "--porcelain", "--", str(folder.parent)],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found.stdout.strip() + ("+" if changed.stdout else "")


# ── cores and descriptors ────────────────────────────────────────────────────────────────────


class Cores(Struct, frozen=True):
    """One core for the server, one for the load; the same where there is only one."""

    server: int
    load: int

    @property
    def apart(self) -> bool:
        """Whether the load takes nothing from the server."""
        return self.server != self.load


def choose_cores() -> Cores:
    """Return the first two cores that we may use."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[0], allowed[min(1, len(allowed) - 1)])


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Run on ``core`` meanwhile; processes that are started here stay on it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_open_files() -> int:
    """Raise our own limit of open files, and that of processes to come, as far as allowed.

    Returns the limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = max(soft, 1 << 20)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
