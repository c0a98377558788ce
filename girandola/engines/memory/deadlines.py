"""When to look at what: deadlines by key, on one timer that only runs when there are any.

Knows nothing of what expires. Precision is a second for what is near, and a sixty-fourth of the
wait for what is far, because whoever keeps expiring things also checks them when they are read;
this is what frees the memory of those that nobody reads.
"""

import heapq
from collections.abc import Callable
from math import ceil

from girandola.core.ports import Clock, Timer

SLICE = 1000
"""Keys looked at in one go; the loop breathes in between."""


class Deadlines:
    """Calls ``look`` with a key when its time has come; it may be watched again from there.

    A deadline that moves later needs no call: ``look`` finds that out and watches again. The
    owner sees to it that a key is watched once at a time.
    """

    def __init__(self, clock: Clock, look: Callable[[str], object]) -> None:
        self._clock = clock
        self._look = look
        self._slots: dict[int, set[str]] = {}
        self._order: list[int] = []
        self._timer: Timer | None = None
        self._timer_due = 0

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))

    def watch(self, key: str, deadline: float) -> int:
        """Look at ``key`` soon after ``deadline``; returns the slot, by which it is forgotten."""
        wait = max(0, int(deadline - self._clock.now()))
        # Few slots for far deadlines, so that one of its own for each key is no waste of memory.
        step = 1 << max(0, wait.bit_length() - 7)
        due = ceil(deadline / step) * step
        keys = self._slots.get(due)
        if keys is None:
            self._slots[due] = {key}
            heapq.heappush(self._order, due)
            if self._timer is None or due < self._timer_due:
                self._arm()
        else:
            keys.add(key)
        return due

    def forget(self, key: str, due: int) -> None:
        """Look at ``key`` no more; harmless when it is not watched."""
        keys = self._slots.get(due)
        if keys is not None:
            keys.discard(key)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._order:
            delay = self._order[0] - self._clock.now()
            # At least a second, so that many deadlines close together are one round; but what the
            # last round left over is due at once.
            delay = 0.0 if delay <= 0 else max(1.0, delay)
            self._timer_due = self._order[0]
            self._timer = self._clock.call_later(delay, self._sweep)

    def _sweep(self) -> None:
        try:
            self._look_at_due()
        finally:
            self._timer = None
            self._arm()

    def _look_at_due(self) -> None:
        now = self._clock.now()
        left = SLICE
        while self._order and self._order[0] <= now:
            keys = self._slots[self._order[0]]
            while keys:
                if not left:
                    return
                left -= 1
                self._look(keys.pop())
            del self._slots[heapq.heappop(self._order)]
