"""What a process uses, from Linux's ``/proc``: processor time, memory, and what it may open.

And what the cores did. Knows ids of processes and numbers of cores; not what runs there.
"""

import os
from pathlib import Path

from msgspec import Struct

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class ProcessGone(Exception):
    """There is no such process, or not any more."""


class Cpu(Struct, frozen=True):
    """Processor time since a process began, or between two looks at it.

    The kernel knows the ``total`` (in seconds) exactly. What of it was its own work it only
    samples, in ticks of 10 ms.
    """

    total: float = 0.0
    user_ticks: int = 0
    system_ticks: int = 0

    @property
    def user(self) -> float:
        """The seconds outside the kernel, as far as the samples can tell."""
        ticks = self.user_ticks + self.system_ticks
        return self.total * self.user_ticks / ticks if ticks else 0.0

    def __add__(self, other: "Cpu") -> "Cpu":
        return Cpu(
            self.total + other.total,
            self.user_ticks + other.user_ticks,
            self.system_ticks + other.system_ticks,
        )

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(
            self.total - other.total,
            self.user_ticks - other.user_ticks,
            self.system_ticks - other.system_ticks,
        )


def cpu(pid: int) -> Cpu:
    """Return the time of a process with its threads and children."""
    fields = _read(pid, "stat").rpartition(")")[2].split()
    user, system, children_user, children_system = map(int, fields[11:15])
    # Both are a little behind: ticks are whole ones, and threads that have ended are in them only.
    seconds = max((user + system) / _TICKS, _exact_seconds(pid))
    seconds += (children_user + children_system) / _TICKS
    own = Cpu(seconds, user + children_user, system + children_system)
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


class Core(Struct, frozen=True):
    """Seconds since the machine began, or between two looks, that a core did not work for us."""

    idle: float = 0.0
    stolen: float = 0.0
    """Taken by the host of a virtual machine for somebody else."""

    def __add__(self, other: "Core") -> "Core":
        return Core(self.idle + other.idle, self.stolen + other.stolen)

    def __sub__(self, other: "Core") -> "Core":
        return Core(self.idle - other.idle, self.stolen - other.stolen)


def core(number: int) -> Core:
    """Return what a core did, in steps of a tick (10 ms); zeros where the kernel does not tell."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, *fields = line.split()
        if name == f"cpu{number}" and len(fields) > 7:
            return Core((int(fields[3]) + int(fields[4])) / _TICKS, int(fields[7]) / _TICKS)
    return Core()


def _exact_seconds(pid: int) -> float:
    """Return how long the threads that a process has now were running; 0 if it is not told."""
    nanoseconds = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            nanoseconds += int(path.read_text().split()[0])
        except OSError:
            continue  # the thread has ended
    return nanoseconds / 1e9


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
