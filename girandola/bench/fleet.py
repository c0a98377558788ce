"""The processes of the load, seen from the bench: give orders, get answers.

They share one core. What they do is written in ``load`` and ``publisher``.
"""

import json
import math
import select
import subprocess
import sys
import time
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from msgspec import Struct, structs

from girandola.bench import machine, usage
from girandola.bench.histogram import Histogram
from girandola.bench.target import Address

PATIENCE = 300.0
"""Seconds to wait for an answer, beyond what the order itself takes."""

DESCRIPTORS_KEPT = 64
"""Descriptors of a process that are not for connections."""

JOIN_WINDOW = 200
REJOIN_WINDOW = 1000


class BenchError(Exception):
    """A measurement cannot be made; the text says why."""


class Session(Struct, frozen=True):
    """A session to be opened: its group, its token (none: anonymous), its channels."""

    group: str
    token: str
    channels: list[str]


class Joined(Struct, frozen=True):
    """How opening sessions went."""

    sessions: int
    seconds: float
    failures: int
    first_failure: str
    recovered: int


class Counted(Struct, frozen=True):
    """What arrived: messages, connections lost, and how long messages took, by group."""

    received: int
    lost: int
    durations: dict[str, Histogram]


class Called(Struct, frozen=True):
    """What closed-loop callers did."""

    seconds: float
    requests: int
    errors: int
    first_error: str
    durations: Histogram


class Published(Struct, frozen=True):
    """What the publisher did. ``behind``: seconds it was late at worst."""

    seconds: float
    sent: int
    failed: int
    behind: float


class LoadProcess:
    """One process of the load, pinned to ``core``. It ends with ``close``."""

    def __init__(self, module: str, address: Address, core: int) -> None:
        with machine.on_core(core):
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
                [sys.executable, "-m", f"girandola.bench.{module}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        self._name = module
        self.tell(address.as_order())

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def tell(self, order: dict[str, Any]) -> None:
        """Give an order."""
        stdin = self._process.stdin
        if stdin is None:
            raise BenchError(f"{self._name}: has no stdin")
        try:
            stdin.write(json.dumps(order).encode() + b"\n")
            stdin.flush()
        except OSError as error:
            raise BenchError(f"{self._name} has ended: {error.strerror}") from None

    def hear(self, seconds: float = 0.0) -> dict[str, Any]:
        """Return the answer to an order that takes about so many seconds."""
        stdout = self._process.stdout
        if stdout is None or not select.select([stdout], [], [], seconds + PATIENCE)[0]:
            raise BenchError(f"{self._name} does not answer")
        line = stdout.readline()
        if not line:
            raise BenchError(f"{self._name} has ended")
        answer: dict[str, Any] = json.loads(line)
        if "failure" in answer:
            raise BenchError(answer["failure"])
        return answer

    def close(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Fleet:
    """All clients of one measurement. A context manager: they are gone afterwards."""

    def __init__(self, address: Address, core: int) -> None:
        self._address = address
        self._core = core
        self._room = machine.raise_open_files() - DESCRIPTORS_KEPT
        self._loads: list[LoadProcess] = []
        self._free: list[int] = []
        self._publishers: list[LoadProcess] = []

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self._loads, *self._publishers):
            process.close()
        self._loads, self._free, self._publishers = [], [], []

    @property
    def processes(self) -> int:
        """How many processes hold the connections."""
        return len(self._loads)

    def cpu(self) -> usage.Cpu:
        """Return the processor time of all of them."""
        total = usage.Cpu()
        for process in (*self._loads, *self._publishers):
            total += usage.cpu(process.pid)
        return total

    # ── subscribers ──────────────────────────────────────────────────────────────────────────

    def join(
        self,
        sessions: list[Session],
        *,
        window: int = JOIN_WINDOW,
        remember: bool = False,
        apart: bool = False,
        nice: int = 0,
        transport: str = "websocket",
    ) -> Joined:
        """Open sessions, ``window`` at a time, over a ``transport`` (``load.TRANSPORTS``).

        ``remember`` keeps positions to come back to. ``apart`` puts them into a process of their
        own, and ``nice`` lets the other processes go first.
        """
        if apart:
            self._free = [0 for _ in self._free]
        answers = []
        rest = [[session.group, session.token, session.channels] for session in sessions]
        while rest:
            process, room = self._with_room()
            if nice:
                process.tell({"do": "yield_to_others", "by": nice})
                process.hear()
            part, rest = rest[:room], rest[room:]
            process.tell(
                {
                    "do": "join",
                    "sessions": part,
                    "window": window,
                    "remember": remember,
                    "transport": transport,
                }
            )
            answers.append(process.hear())
            self._free[self._loads.index(process)] -= len(part)
        return _joined(len(sessions), answers, together=False)

    def cut(self) -> None:
        """Cut all sessions at once."""
        self._ask({"do": "cut"})

    def rejoin(self, sessions: int, window: int = REJOIN_WINDOW) -> Joined:
        """Bring back all that were cut (so many), with recovery."""
        answers = self._ask({"do": "rejoin", "window": max(1, window // len(self._loads))})
        return _joined(sessions, answers, together=True)

    def watch(self, timed: Iterable[str] = ()) -> None:
        """Count from zero; time the messages of the groups named."""
        self._ask({"do": "watch", "timed": list(timed)})

    def count(self, expected: int = 0, timeout: float = 10.0) -> Counted:
        """Return what has arrived, once ``expected`` messages did or the time is over."""
        until = time.monotonic() + timeout
        while True:
            received, lost = 0, 0
            durations: dict[str, Histogram] = {}
            # A single process waits by itself; several are asked in turns.
            wanted = expected if len(self._loads) == 1 else 0
            left = max(0.0, until - time.monotonic())
            for answer in self._ask({"do": "count", "received": wanted, "timeout": left}, left):
                received += answer["received"]
                lost += answer["lost"]
                for group, counts in answer["durations"].items():
                    durations.setdefault(group, Histogram()).merge(Histogram.load(counts))
            if received >= expected or time.monotonic() >= until:
                return Counted(received, lost, durations)
            time.sleep(0.02)

    # ── closed loops ─────────────────────────────────────────────────────────────────────────

    def call(
        self, method: str, body: bytes, *, connections: int, seconds: float, most: int = 0
    ) -> Called:
        """Repeat an API request over some connections, for a time, at most so often."""
        return self._loop(
            {
                "do": "call",
                "method": method,
                "body": body.decode(),
                "connections": connections,
                "seconds": seconds,
                "most": most,
            },
            seconds,
        )

    def resubscribe(
        self,
        channel: str,
        tokens: list[str],
        *,
        missed: int | None,
        seconds: float,
    ) -> Called:
        """Leave a channel and come back to it, over a connection for each token, for a time.

        ``missed`` is how many publications to recover each time; ``None``: just subscribe.
        """
        return self._loop(
            {
                "do": "resubscribe",
                "channel": channel,
                "tokens": tokens,
                "missed": missed,
                "seconds": seconds,
            },
            seconds,
        )

    def _loop(self, order: dict[str, Any], seconds: float) -> Called:
        process, _ = self._with_room()
        process.tell(order)
        answer = process.hear(seconds)
        return Called(**{**answer, "durations": Histogram.load(answer["durations"])})

    # ── publishers ───────────────────────────────────────────────────────────────────────────

    def publish(self, *orders: "Pace") -> list[Published]:
        """Publish at the given paces side by side, and return when all are through."""
        while len(self._publishers) < len(orders):
            self._publishers.append(LoadProcess("publisher", self._address, self._core))
        busy = list(zip(self._publishers, orders, strict=False))
        for process, pace in busy:
            process.tell(pace.as_order())
        return [Published(**process.hear(pace.seconds)) for process, pace in busy]

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _with_room(self) -> tuple[LoadProcess, int]:
        if not self._free or not self._free[-1]:
            self._loads.append(LoadProcess("load", self._address, self._core))
            self._free.append(self._room)
        return self._loads[-1], self._free[-1]

    def _ask(self, order: dict[str, Any], seconds: float = 0.0) -> list[dict[str, Any]]:
        for process in self._loads:
            process.tell(order)
        return [process.hear(seconds) for process in self._loads]


class Pace(Struct, frozen=True, kw_only=True):
    """How the publisher works: into ``channels`` in turn, ``rate`` publications a second.

    ``first`` is the number of the first publication, which decides where the turns begin.
    """

    channels: list[str]
    rate: float
    count: int
    burst: int = 1
    size: int = 128
    first: int = 0

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.count / self.rate

    def as_order(self) -> dict[str, Any]:
        """Return what the publisher is told."""
        return {
            "channels": self.channels,
            "rate": self.rate,
            "count": self.count,
            "burst": self.burst,
            "size": self.size,
            "first": self.first,
        }

    def rounds(self, most: int) -> list["Pace"]:
        """Return parts of it that come to the same, of whole bursts and about the same length."""
        bursts = math.ceil(self.count / self.burst)
        most = min(most, bursts)
        ends = [bursts * number // most * self.burst for number in range(most + 1)]
        return [
            structs.replace(self, count=min(end, self.count) - begin, first=self.first + begin)
            for begin, end in pairwise(ends)
        ]


def _joined(sessions: int, answers: list[dict[str, Any]], *, together: bool) -> Joined:
    seconds = [answer["seconds"] for answer in answers]
    return Joined(
        sessions=sessions,
        seconds=max(seconds) if together else sum(seconds),
        failures=sum(answer["failures"] for answer in answers),
        first_failure=next((each["first_failure"] for each in answers if each["failures"]), ""),
        recovered=sum(answer["recovered"] for answer in answers),
    )
