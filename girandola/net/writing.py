"""Writing to a peer that may take too little, and who that peer is.

What WebSockets and streaming answers share: how much is unsent, and a limit on how long that may
last. It knows bytes; not what they say. While a peer keeps up there is no timer and no task.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from girandola.core.ports import Clock, Timer

OPEN = 0
"""The state in which writing goes on and is timed."""
CLOSED = 3
"""The state in which the transport is closing, gone, or somebody else's.

What lies between the two is the connection's own."""


class TimedWriter(asyncio.Protocol):
    """The writing half of a connection, to be inherited.

    ``_state`` is ``OPEN`` as long as something may be written. The timer is the write timeout
    until then and the connection's own afterwards. ``_on_write_timeout`` is called while open,
    when what was unsent has not been taken in ``write_timeout`` seconds (0: never).
    """

    __slots__ = ("_clock", "_queued", "_state", "_timer", "_transport", "_write_timeout")

    _transport: asyncio.Transport

    def __init__(self, clock: Clock, write_timeout: float) -> None:
        self._clock = clock
        self._write_timeout = write_timeout
        self._state = OPEN
        self._timer: Timer | None = None
        # While the peer takes too little: bytes written since the timer started. -1: it keeps up.
        self._queued = -1

    @property
    def peer(self) -> str:
        """Who is at the other end, like ``127.0.0.1:5555``; for the log."""
        return peer_name(self._transport)

    def write(self, data: bytes) -> None:
        """Send bytes as they are; nothing unless open."""
        if self._state == OPEN:
            if self._queued >= 0:
                self._queued += len(data)
            self._transport.write(data)

    def buffered(self) -> int:
        """Return how many bytes were written but are not on the wire yet."""
        # A peer that keeps up has nothing waiting: its transport was told to say so at once.
        if self._queued < 0 or self._state == CLOSED:
            return 0
        return self._transport.get_write_buffer_size()

    # ── for the loop ─────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin on ``transport``."""
        # Both loops promise a transport that writes; uvloop's is no asyncio.Transport by name.
        self._transport = cast(asyncio.Transport, transport)
        # Being told as soon as anything is unsent is what the write timeout counts from.
        self._transport.set_write_buffer_limits(0)

    def pause_writing(self) -> None:
        """Start the write timeout: the peer takes less than we write."""
        self._queued = 0
        if self._write_timeout and self._state == OPEN:
            self._restart_timer(self._write_timeout, self._check_progress)

    def resume_writing(self) -> None:
        """Stop the write timeout: all is sent."""
        self._queued = -1
        if self._state == OPEN:
            self._cancel_timer()

    # ── for the connection ───────────────────────────────────────────────────────────────────

    def _on_write_timeout(self) -> None:
        raise NotImplementedError

    def _check_progress(self) -> None:
        """Time is up: complain unless all that was unsent when it started is sent by now."""
        self._timer = None
        if self._transport.get_write_buffer_size() <= self._queued:
            self._queued = 0
            self._restart_timer(self._write_timeout, self._check_progress)
        else:
            self._on_write_timeout()

    def _restart_timer(self, delay: float, callback: Callable[[], object]) -> None:
        self._cancel_timer()
        self._timer = self._clock.call_later(delay, callback)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def peer_name(transport: asyncio.BaseTransport) -> str:
    """Return who is at the other end, like ``127.0.0.1:5555`` or ``[::1]:5555``."""
    address = transport.get_extra_info("peername")
    if not isinstance(address, tuple):
        return "local"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
