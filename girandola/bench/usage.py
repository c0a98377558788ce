"""What a process uses, from Linux's ``/proc``: processor time, memory, and what it may open.

Knows process ids; not what runs behind them.
"""

import os
from pathlib import Path

from msgspec import Struct

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class ProcessGone(Exception):
    """There is no such process, or not any more."""


class Cpu(Struct, frozen=True):
    """Seconds of processor time since a process began."""

    user: float = 0.0
    system: float = 0.0

    @property
    def total(self) -> float:
        """Both together."""
        return self.user + self.system

    def __add__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.user + other.user, self.system + other.system)

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.user - other.user, self.system - other.system)


def cpu(pid: int) -> Cpu:
    """Return the time of a process with its threads and children, in steps of a tick (10 ms)."""
    fields = _read(pid, "stat").rpartition(")")[2].split()
    user, system, children_user, children_system = map(int, fields[11:15])
    own = Cpu((user + children_user) / _TICKS, (system + children_system) / _TICKS)
    for child in _children(pid):
        try:
            own += cpu(child)
        except ProcessGone:
            continue  # its time is its parent's by now
    return own


def resident_bytes(pid: int) -> int:
    """Return the memory that a process and its children hold in RAM."""
    total = int(_read(pid, "statm").split()[1]) * _PAGE
    for child in _children(pid):
        try:
            total += resident_bytes(child)
        except ProcessGone:
            continue
    return total


def max_open_files(pid: int) -> int:
    """Return how many descriptors a process may have open."""
    for line in _read(pid, "limits").splitlines():
        if line.startswith("Max open files"):
            soft = line.split()[3]
            return int(soft) if soft.isdigit() else 1 << 30
    raise ProcessGone(f"process {pid}: no limits")


def allowed_cores(pid: int) -> list[int]:
    """Return the cores that a process may run on."""
    try:
        return sorted(os.sched_getaffinity(pid))
    except ProcessLookupError:
        raise ProcessGone(f"process {pid}: there is none") from None


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += map(int, path.read_text().split())
        except OSError:
            continue  # the thread has ended
    return children


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError as error:
        raise ProcessGone(f"process {pid}: {error.strerror}") from None
