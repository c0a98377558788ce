"""Where measurements take place: a server, the load, the window between two looks at both.

And the rules by which a measurement is void. What is measured is written in the other files.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct

from girandola.bench import usage, wire
from girandola.bench.fleet import BenchError, Fleet, Joined, Pace, Session
from girandola.bench.machine import Cores
from girandola.bench.report import Row
from girandola.bench.target import PING_INTERVAL, Target

LOAD_LIMIT = 0.8
"""The share of its core above which the load, and not the server, may be what is measured."""

FULL_CORE = 0.03
"""The share of a core that a server under a steady pace leaves idle, at most, if it is behind."""

STOLEN_LIMIT = 0.02
"""The share of the server's core that the host of a virtual machine may take without mention."""

PACE_TOLERANCE = 0.95
"""The share of the rate wanted that the publisher must reach."""

DESCRIPTORS_KEPT = 128
"""Descriptors of a server that are not for sessions."""

GROUP = "all"


class Scale(Struct, frozen=True, kw_only=True):
    """How much is done. The defaults are the definitions; less is not for publication."""

    name: str = "full"
    sizes: tuple[int, ...] = (10, 100, 1000, 10_000)
    rates: tuple[int, ...] = (20_000, 60_000)
    seconds: float = 5.0
    rounds: int = 5
    """Into how many windows those seconds are divided where the median counts."""
    least_publications: int = 10
    least_bursts: int = 5
    middle: int = 1000
    large: int = 10_000
    small: int = 10
    latency_seconds: float = 20.0
    first_rate: float = 20_000.0
    step: float = 1.1
    most_steps: int = 40
    sessions: int = 10_000
    ping_interval: float = PING_INTERVAL
    call_seconds: float = 5.0
    broadcast: int = 1000
    batch: int = 100
    stored: int = 1_000_000
    settling: float = 0.3
    """Seconds of quiet before a measurement."""


FULL = Scale()
QUICK = Scale(
    name="quick",
    sizes=(10, 100, 1000),
    seconds=1.0,
    least_publications=5,
    least_bursts=2,
    large=2000,
    latency_seconds=3.0,
    step=1.5,
    sessions=1000,
    ping_interval=2,
    call_seconds=1.0,
    stored=20_000,
)


class Window:
    """What server and load used between ``start`` and ``stop``, once or several times.

    Making one starts it. ``core`` is the server's; ``None``: it has none of its own.
    """

    def __init__(self, pid: int, fleet: Fleet, core: int | None = None) -> None:
        self._pid = pid
        self._fleet = fleet
        self._core = core
        self._load_used = 0.0
        self._core_used = usage.Core()
        self.seconds = 0.0
        self.laps: list[usage.Cpu] = []
        """What the server used each time."""
        self.start()

    def start(self) -> None:
        """Look for the first time."""
        self._began = time.monotonic()
        self._core_before = self._look_at_core()
        self._server_before = usage.cpu(self._pid)
        self._load_before = self._fleet.cpu()

    def stop(self) -> float:
        """Look for the second time. Returns the seconds since the first."""
        self.laps.append(usage.cpu(self._pid) - self._server_before)
        self._load_used += (self._fleet.cpu() - self._load_before).total
        self._core_used += self._look_at_core() - self._core_before
        seconds = time.monotonic() - self._began
        self.seconds += seconds
        return seconds

    @property
    def cpu(self) -> usage.Cpu:
        """What the server used."""
        return sum(self.laps, usage.Cpu())

    @property
    def load(self) -> float:
        """The share of its core that the load took."""
        return self._load_used / self.seconds if self.seconds else 0.0

    def problems(self) -> list[str]:
        """Return why nothing that was seen meanwhile counts."""
        if self.load <= LOAD_LIMIT:
            return []
        return [f"the load took {self.load:.0%} of its core"]

    def notes(self) -> list[str]:
        """Return what explains figures that surprise."""
        if self._core is None or not self.seconds:
            return []
        stolen = self._core_used.stolen / self.seconds
        if stolen <= STOLEN_LIMIT:
            return []
        return [f"the machine's host took {stolen:.0%} of the server's core"]

    @property
    def core_was_full(self) -> bool:
        """Whether there was nothing left of the server's core."""
        return self._core is not None and self._core_used.idle < self.seconds * FULL_CORE

    def _look_at_core(self) -> usage.Core:
        return usage.Core() if self._core is None else usage.core(self._core)


class Delivered(Struct):
    """What came of publications: who used what, and how long the messages took, by group.

    ``messages`` were to come in each lap of the window, ``received`` came in all.
    """

    window: Window
    messages: list[int]
    received: int
    percentiles: dict[str, dict[str, float]]
    problems: list[str]

    @property
    def cpu_us(self) -> float:
        """The server's processor time for one message, publishing included: the median."""
        return statistics.median(self._laps_us())

    @property
    def user_us(self) -> float:
        """The part of it that was not the kernel's. Sampled, so all laps tell it together."""
        cpu = self.window.cpu
        return self.cpu_us * cpu.user / cpu.total if cpu.total else 0.0

    @property
    def spread(self) -> float:
        """How far the dearest lap and the cheapest are apart, in percent of the median."""
        laps = self._laps_us()
        return (max(laps) - min(laps)) / (self.cpu_us or 1.0) * 100

    def costs(self) -> dict[str, float]:
        """Return what messages cost, as rows show it."""
        return {"cpu_us": self.cpu_us, "user_us": self.user_us, "spread": self.spread}

    def _laps_us(self) -> list[float]:
        return [
            cpu.total / messages * 1e6
            for cpu, messages in zip(self.window.laps, self.messages, strict=True)
        ]


class Running:
    """A server that is there, and the load on it."""

    def __init__(self, target: Target, fleet: Fleet, scale: Scale) -> None:
        self.pid = target.pid
        self.server = target.name
        self.secret = target.address.secret
        self.fleet = fleet
        self.scale = scale
        self.notes: list[str] = []
        self._users = 0
        allowed = usage.allowed_cores(target.pid)
        self._core = allowed[0] if len(allowed) == 1 else None

    def row(
        self,
        benchmark: str,
        case: str,
        figures: dict[str, float],
        *,
        window: Window | None = None,
        problems: list[str] | None = None,
    ) -> Row:
        """Return the row of a case."""
        return Row(
            benchmark=benchmark,
            case=case,
            server=self.server,
            figures=figures,
            load=window.load if window is not None else 0.0,
            void=problems if problems is not None else window.problems() if window else [],
            notes=[*self.notes, *(window.notes() if window is not None else ())],
        )

    def window(self) -> Window:
        """Begin to watch."""
        return Window(self.pid, self.fleet, self._core)

    # ── sessions ─────────────────────────────────────────────────────────────────────────────

    def sessions(
        self,
        count: int,
        channels: Callable[[int], list[str]],
        *,
        group: str = GROUP,
        anonymous: bool = False,
    ) -> list[Session]:
        """Make sessions, each a user of its own, with what ``channels`` says for its number.

        No more than the server may have descriptors for; a note says so.
        """
        room = usage.max_open_files(self.pid) - DESCRIPTORS_KEPT
        if count > room:
            self.notes.append(f"{room} connections instead of {count}: descriptors of the server")
            count = room
        first, self._users = self._users, self._users + count
        secret = "" if anonymous else self.secret
        return [
            Session(
                group,
                wire.token(secret, f"user-{first + number}") if secret else "",
                channels(number),
            )
            for number in range(count)
        ]

    def join(
        self,
        sessions: list[Session],
        *,
        apart: bool = False,
        nice: int = 0,
        transport: str = "websocket",
    ) -> Joined:
        """Open sessions, all of them, and let things settle. The keywords are ``Fleet.join``'s.

        Raises:
            BenchError: some did not come up.
        """
        joined = self.fleet.join(sessions, apart=apart, nice=nice, transport=transport)
        if joined.failures:
            raise BenchError(
                f"{self.server}: {joined.failures} of {joined.sessions} sessions did not come up: "
                f"{joined.first_failure}"
            )
        time.sleep(self.scale.settling)
        return joined

    # ── publications ─────────────────────────────────────────────────────────────────────────

    def deliver(
        self,
        *work: tuple[Pace, int],
        timed: tuple[str, ...] = (),
        patience: float = 10.0,
        rounds: int = 1,
    ) -> Delivered:
        """Publish at each pace, to so many subscribers a publication, and wait for all messages.

        A single pace can be divided into ``rounds``, each a lap of the window.
        """
        paces = [pace for pace, _ in work]
        self.fleet.watch()
        self.fleet.publish(*(_first(pace) for pace in paces))
        self.fleet.count(sum(subscribers for _, subscribers in work), patience)
        self.fleet.watch(timed)
        time.sleep(self.scale.settling)
        parts = [[pace] for pace in paces[0].rounds(rounds)] if len(paces) == 1 else [paces]
        messages: list[int] = []
        failed, took = [0 for _ in paces], 0.0
        window = self.window()
        for number, part in enumerate(parts):
            if number:
                window.start()
            listeners = (each for _, each in work)
            messages.append(sum(p.count * each for p, each in zip(part, listeners, strict=True)))
            began = time.monotonic()
            published = self.fleet.publish(*part)
            counted = self.fleet.count(sum(messages), patience)
            seconds = time.monotonic() - began
            wanted = max(pace.seconds for pace in part)
            # A round has the time of its pace, so that the load's share is that of the rate.
            time.sleep(max(0.0, wanted - seconds))
            window.stop()
            took += max(seconds, wanted)
            failed = [before + done.failed for before, done in zip(failed, published, strict=True)]
            if counted.received != sum(messages):
                break
        problems = window.problems()
        if counted.received != sum(messages):
            problems.append(f"{counted.received:,} of {sum(messages):,} messages arrived")
        for pace, failures in zip(paces, failed, strict=True):
            problems += _pace_problems(pace, failures, took)
        if problems and window.core_was_full:
            problems.append("the server's core was full")
        if counted.lost:
            problems.append(f"{counted.lost} connections were lost")
        percentiles = {
            group: histogram.percentiles() for group, histogram in counted.durations.items()
        }
        return Delivered(window, messages, counted.received, percentiles, problems)


class Stage:
    """Where the benchmarks of one server run."""

    def __init__(self, target: Target, scale: Scale, cores: Cores) -> None:
        self._target = target
        self._cores = cores
        self.scale = scale

    @contextmanager
    def fresh(self) -> Iterator[Running]:
        """Have a server, new where it is ours to start, and a load without connections."""
        with self._target as target, Fleet(target.address, self._cores.load) as fleet:
            yield Running(target, fleet, self.scale)


def _first(pace: Pace) -> Pace:
    """Return one publication of ``pace``: it warms up what runs for the first time."""
    return Pace(channels=pace.channels[:1], rate=1.0, count=1, size=pace.size)


def _pace_problems(pace: Pace, failed: int, seconds: float) -> list[str]:
    """Return what was wrong with publications that had all arrived after ``seconds``."""
    problems = []
    if failed:
        problems.append(f"{failed} publications failed")
    # The last burst has its share of the time to arrive.
    if seconds * PACE_TOLERANCE > pace.seconds + 0.05:
        took = f"{seconds:.2f} s instead of {pace.seconds:.2f} s"
        problems.append(f"the rate was not kept up: {took}")
    return problems
