"""What a session has still to write, its limit, and the flush at the end of the tick.

Messages are encoded already; nothing here knows what they say. Nothing here waits.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Protocol

from girandola.core.ports import Clock, Transport
from girandola.core.stats import Stats

logger = logging.getLogger(__name__)

SLICE = 256
"""Outboxes flushed in one go; a wider flush lets the loop breathe between slices."""


class Owner(Protocol):
    """Whose outbox it is."""

    def on_outbox_full(self) -> None:
        """Act on a peer that reads too slowly. Called by the flush, never by ``push``."""

    def on_marked(self) -> None:
        """Act on what ``mark`` was called for. Called by the flush, before the messages go."""

    def on_write_failed(self) -> None:
        """Act on a transport that raised, whose messages may be lost. Called by the flush."""


class Outbox:
    """The messages of one session that wait for the end of the tick.

    ``limit`` is in bytes and counts what the transport has not sent yet, too. Over it the
    messages are dropped and the owner is told, at the next flush. ``mark`` is for what the
    broadcast loop notices but may not act on. Between ``hold_back`` and ``go_on`` nothing is
    written.
    """

    __slots__ = (
        "_flusher",
        "_owner",
        "_touched",
        "_transport",
        "full",
        "holding_back",
        "limit",
        "marked",
        "messages",
        "size",
    )

    def __init__(self, owner: Owner, transport: Transport, flusher: "Flusher", limit: int) -> None:
        self._owner = owner
        self._transport = transport
        self._flusher = flusher
        self._touched = False
        self.limit = limit
        self.messages: list[bytes] | None = None
        self.size = 0
        self.full = False
        self.marked = False
        self.holding_back = False

    def push(self, message: bytes) -> None:
        """Queue a message for the end of this tick."""
        messages = self.messages
        if messages is None:
            if self.full:
                return
            self.messages = [message]
            self.size = len(message)
            self._touch()
        else:
            messages.append(message)
            self.size += len(message)
        if self.size > self.limit:
            self.overflow()

    def hold_back(self) -> None:
        """Write what waits, and from here on nothing until ``go_on``; it waits and counts."""
        if not self.holding_back:
            self.flush()
            self.holding_back = True

    def go_on(self, first: bytes) -> None:
        """Queue ``first``, and behind it what was held back; all is written again."""
        waiting: list[bytes] = []
        if self.holding_back:
            self.holding_back = False
            waiting, self.messages = self.messages or [], None
        self.push(first)
        for message in waiting:
            self.push(message)

    def room(self) -> int:
        """Return how many bytes may be queued now without being too many."""
        return self.limit - self.size - self._transport.buffered()

    def mark(self) -> None:
        """Let the flush at the end of this tick ask the owner what is to be done."""
        self.marked = True
        self._touch()

    def _touch(self) -> None:
        if not self._touched:
            self._touched = True
            self._flusher.add(self)

    def overflow(self) -> None:
        """Drop what waits; the owner is told at the next flush."""
        self.messages = None
        self.size = 0
        self.full = True
        self._touch()

    def discard(self) -> None:
        """Drop what waits and take nothing more; the session has ended."""
        self.messages = None
        self.size = 0
        self.full = True
        self.marked = False

    def flush(self) -> None:
        """Write what waits, in one go; then forget it."""
        self._touched = False
        if self.marked:
            self.marked = False
            try:
                self._owner.on_marked()
            except Exception:
                # What waits must still go, or it would wait for ever.
                self._flusher.log_failure()
        messages = self.messages
        if messages is not None and not self.holding_back:
            self.messages = None
            size, self.size = self.size, 0
            try:
                if size + self._transport.buffered() > self.limit:
                    self.full = True
                else:
                    stats = self._flusher.stats
                    stats.flushes += 1
                    stats.messages_queued += len(messages)
                    stats.bytes_out += size
                    self._transport.write(messages)
            except Exception:
                self._flusher.log_failure()
                self._owner.on_write_failed()
                return
        if self.full:
            self._owner.on_outbox_full()


class Flusher:
    """Visits every outbox touched in a tick, at its end.

    A wide flush goes on in slices, one a tick; outboxes touched meanwhile do not queue behind
    it, so that a channel of ten thousand does not hold up a channel of ten. What goes wrong in
    one of them is logged and concerns none of the others.
    """

    def __init__(self, clock: Clock, stats: Stats) -> None:
        self._call_soon: Callable[..., object] = clock.call_soon
        self._touched: list[Outbox] = []
        self._wide: deque[Iterator[Outbox]] = deque()
        self._failed = False
        self.stats = stats

    def add(self, outbox: Outbox) -> None:
        """Visit ``outbox`` at the end of this tick. Each stands here at most once."""
        touched = self._touched
        if not touched:
            self._call_soon(self._flush)
        touched.append(outbox)

    def log_failure(self) -> None:
        """Log the exception being handled, the first one of a tick: many fail in the same way."""
        if not self._failed:
            self._failed = True
            self._call_soon(self._forget_failure)
            logger.exception("internal error in a flush")

    def _forget_failure(self) -> None:
        self._failed = False

    def _flush(self) -> None:
        touched, self._touched = self._touched, []
        if len(touched) <= SLICE:
            for outbox in touched:
                try:
                    outbox.flush()
                except Exception:
                    self.log_failure()
            return
        if not self._wide:
            self._call_soon(self._flush_slice)
        self._wide.append(iter(touched))

    def _flush_slice(self) -> None:
        wide = self._wide.popleft()
        visited = 0
        for outbox in islice(wide, SLICE):
            visited += 1
            try:
                outbox.flush()
            except Exception:
                self.log_failure()
        if visited == SLICE:
            self._wide.append(wide)
        if self._wide:
            self._call_soon(self._flush_slice)
