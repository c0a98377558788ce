"""What one process has for requests and connections, and what of it is kept for applications.

Descriptors and memory run out for everybody at once, and a stranger may use up both. So clients are
refused a while before the end, and the application behind them still gets through. Knows numbers,
and the time since they were short; not who asks, nor how a refusal looks.
"""

import contextlib
import logging
import os
import resource
from collections.abc import Callable

from girandola.net.messages import Caller

logger = logging.getLogger(__name__)

DEFAULT_MAX_UNFINISHED = 256 * 1024 * 1024
"""Bytes of requests that are not whole yet."""

QUIET_TIME = 10.0
"""Seconds without a refusal after which the next one is worth another line in the log."""

MOST_KEPT = 1024
"""Descriptors that are kept for applications at most; an eighth of them where that is less."""


class Capacity:
    """Descriptors and memory of one process, shared by all its servers.

    Being short of either is one line in the log, however many are refused.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        max_unfinished: int = DEFAULT_MAX_UNFINISHED,
        descriptors: int = 0,
    ) -> None:
        """Prepare. ``now`` gives seconds that never go back; ``descriptors`` 0: ask the system."""
        self._max_unfinished = max_unfinished
        self._held = 0
        self._descriptors = descriptors or resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.kept = min(max(self._descriptors // 8, 2), MOST_KEPT)
        """How many descriptors are kept for applications."""
        # A look takes two system calls. So many connections may come before the next one.
        self._looks_away = 0
        self._no_descriptors, self._no_memory = _Burst(now), _Burst(now)

    # ── descriptors ──────────────────────────────────────────────────────────────────────────

    def is_crowded(self) -> bool:
        """Tell, for a connection just accepted, whether it took one of the last descriptors."""
        if self._looks_away > 0:
            self._looks_away -= 1
            return False
        left = self._descriptors - self.kept - _lowest_free_descriptor()
        if left > 0:
            self._looks_away = left // 2
            return False
        if self._no_descriptors.begins():
            logger.warning(
                "nearly all of the %d files that may be open are: clients are refused with 503, "
                "applications are not (raise the limit: ulimit -n, LimitNOFILE=)",
                self._descriptors,
            )
        return True

    # ── memory ───────────────────────────────────────────────────────────────────────────────

    def hold(self, size: int, caller: Caller) -> bool:
        """Count ``size`` more bytes of an unfinished request in, or tell that there is no room.

        Half of the room is for applications only.
        """
        if not self.has_room(size, caller):
            return False
        self._held += size
        return True

    def has_room(self, size: int, caller: Caller) -> bool:
        """Tell whether ``hold`` would count ``size`` bytes in; if not, that is logged."""
        most = self._max_unfinished
        if caller is not Caller.APPLICATION:
            most //= 2
        if self._held + size <= most:
            return True
        if self._no_memory.begins():
            logger.warning(
                "requests that are not whole yet hold %d bytes: those that need more are refused "
                "with 503 (http_server.max_unfinished_size is %d, half of it for applications)",
                self._held,
                self._max_unfinished,
            )
        return False

    def release(self, size: int) -> None:
        """Count bytes out that were counted in."""
        self._held -= size


class _Burst:
    """Tells the first of many events from those that follow it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._ends = 0.0

    def begins(self) -> bool:
        """Tell whether there was a quiet time before this event."""
        now = self._now()
        begins = now >= self._ends
        self._ends = now + QUIET_TIME
        return begins


def _lowest_free_descriptor() -> int:
    """Return which number the next descriptor would get: the system takes the lowest free one."""
    try:
        number = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    os.close(number)
    return number


def raise_descriptor_limit() -> tuple[int, int]:
    """Let the process open as many files as it may; return the limits before and after.

    The lower limit is for programs that use ``select``, which these numbers break.
    """
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before != most:
        # Some systems name a limit that they do not grant.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return before, resource.getrlimit(resource.RLIMIT_NOFILE)[0]
