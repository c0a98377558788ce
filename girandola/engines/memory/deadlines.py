"""When to look at what: deadlines by key, on one timer that only runs when there are any.

Knows nothing of what expires. Precision is a second, because whoever keeps expiring things also
checks them when they are read; this is what frees the memory of those that nobody reads.
"""

import heapq
from collections.abc import Callable
from math import ceil

from girandola.core.ports import Clock, Timer


class Deadlines:
    """Asks ``look`` about a key when its time has come.

    ``look`` returns the time (of ``Clock.now``) at which to ask again, or ``None`` to have the
    key forgotten. A deadline that moves later needs no call: ``look`` says so when asked. The
    owner sees to it that a key is watched once at a time.
    """

    def __init__(self, clock: Clock, look: Callable[[str], float | None]) -> None:
        self._clock = clock
        self._look = look
        self._heap: list[tuple[int, str]] = []
        self._timer: Timer | None = None
        self._timer_due = 0

    def watch(self, key: str, deadline: float) -> None:
        """Ask about ``key`` within a second after ``deadline``."""
        due = ceil(deadline)
        heapq.heappush(self._heap, (due, key))
        if self._timer is None or due < self._timer_due:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            # At least a second, so that many deadlines close together are one round.
            delay = max(1.0, self._heap[0][0] - self._clock.now())
            self._timer_due = self._heap[0][0]
            self._timer = self._clock.call_later(delay, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            key = self._heap[0][1]
            deadline = self._look(key)
            if deadline is None:
                heapq.heappop(self._heap)
            else:
                # Later than now in any case, or this loop would never end.
                heapq.heapreplace(self._heap, (max(ceil(deadline), int(now) + 1), key))
        self._arm()
