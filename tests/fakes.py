"""Stand-ins for the seams of the core: a clock moved by hand, a transport that remembers.

No loop, no socket, no sleeping: time moves when a test says so.
"""

import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from girandola.errors import Disconnect

T = TypeVar("T")


class FakeTimer:
    """A call that is still to come."""

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.callback = callback
        self.args = args
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeWaiter:
    """A value that is still to come, without a loop."""

    def __init__(self, clock: "FakeClock") -> None:
        self._clock = clock
        self._done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._waiting: list[Callable[[], None]] = []

    def done(self) -> bool:
        return self._done

    def set_result(self, value: Any, /) -> None:
        self._finish(value, None)

    def set_exception(self, exception: BaseException, /) -> None:
        self._finish(None, exception)

    def _finish(self, value: Any, error: BaseException | None) -> None:
        assert not self._done, "a waiter is finished once"
        self._done, self._value, self._error = True, value, error
        for resume in self._waiting:
            self._clock.call_soon(resume)

    def __await__(self) -> Generator["FakeWaiter", None, Any]:
        if not self._done:
            yield self
        if self._error is not None:
            raise self._error
        return self._value

    def add_callback(self, resume: Callable[[], None]) -> None:
        self._waiting.append(resume)


class FakeClock:
    """A ``Clock`` moved by hand. ``run`` does what is due now, ``advance`` moves time."""

    def __init__(self, unix_time: float = 1_700_000_000.0) -> None:
        self._now = 1000.0
        self._unix_start = unix_time - self._now
        self._ready: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._later: list[tuple[float, int, FakeTimer]] = []
        self._count = 0
        self.unfinished = 0
        """Coroutines that wait for something."""
        self.waits = 0
        """How many coroutines ever had to wait: what would have become tasks."""

    def now(self) -> float:
        return self._now

    def time(self) -> float:
        return self._unix_start + self._now

    def call_soon(self, callback: Callable[..., object], *args: Any) -> None:
        self._ready.append((callback, args))

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> FakeTimer:
        timer = FakeTimer(callback, args)
        self._count += 1
        heapq.heappush(self._later, (self._now + delay, self._count, timer))
        return timer

    def waiter(self) -> FakeWaiter:
        return FakeWaiter(self)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._start(coroutine, lambda _: None)

    def _start(self, coroutine: Coroutine[Any, Any, T], finished: Callable[[T], object]) -> None:
        waited = False

        def step() -> None:
            nonlocal waited
            try:
                waits_for = coroutine.send(None)
            except StopIteration as end:
                self.unfinished -= waited
                finished(end.value)
            else:
                assert isinstance(waits_for, FakeWaiter), f"the core awaited {waits_for!r}"
                if not waited:
                    waited = True
                    self.unfinished += 1
                    self.waits += 1
                waits_for.add_callback(step)

        step()

    # ── for tests ────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """Do everything that is due at this instant, and what follows from it."""
        while self._ready:
            callback, args = self._ready.popleft()
            callback(*args)

    def tick(self) -> None:
        """Do what is ready now; what that makes ready waits for the next tick."""
        for _ in range(len(self._ready)):
            callback, args = self._ready.popleft()
            callback(*args)

    def pass_time(self, seconds: float) -> None:
        """Let time pass in which the loop does nothing, as while somebody computes."""
        self._now += seconds

    def advance(self, seconds: float) -> None:
        """Let time pass; what becomes due happens at its own time, in order."""
        self.run()
        end = self._now + seconds
        while self._later and self._later[0][0] <= end:
            at, _, timer = heapq.heappop(self._later)
            self._now = max(self._now, at)
            if not timer.cancelled:
                timer.callback(*timer.args)
                self.run()
        self._now = end

    def result(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, without letting time pass, and return what it returns."""
        results: list[T] = []
        self._start(coroutine, results.append)
        self.run()
        assert results, "the coroutine still waits"
        return results[0]


class FakeTransport:
    """A ``Transport`` that remembers what was written, as one list of messages a write."""

    name = "fake"
    peer = "nowhere"
    one_way = False

    def __init__(self) -> None:
        self.writes: list[list[bytes]] = []
        self.pings = 0
        self.paused = False
        self.closed_with: Disconnect | None = None
        self.aborted = False
        self.stuck = 0
        """Bytes that pretend to be unsent."""
        self.on_closed: Callable[[], None] = lambda: None

    @property
    def messages(self) -> list[bytes]:
        """All that was written, message by message."""
        return [message for write in self.writes for message in write]

    def write(self, messages: list[bytes]) -> None:
        if self.closed_with is None and not self.aborted:
            self.writes.append(messages)

    def buffered(self) -> int:
        return self.stuck

    def ping(self) -> None:
        self.pings += 1

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def close(self, disconnect: Disconnect) -> None:
        if self.closed_with is None:
            self.closed_with = disconnect
            self.on_closed()

    def abort(self) -> None:
        if not self.aborted and self.closed_with is None:
            self.aborted = True
            self.on_closed()
