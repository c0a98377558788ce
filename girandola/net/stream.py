"""One HTTP answer whose body goes on until somebody ends it, on an asyncio transport.

The head is sent before a stream begins (``http.py``). It keeps no task, no timer and no parser
while it is idle, and does not know what its bytes mean.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from girandola.core.ports import Clock
from girandola.net.writing import CLOSED, OPEN, TimedWriter

logger = logging.getLogger(__name__)

LAST_CHUNK = b"0\r\n\r\n"

# What a stream is in besides OPEN.
_CLOSING = 1  # all is written


def chunk(data: bytes) -> bytes:
    """Return ``data`` as one chunk (RFC 9112 section 7.1); it must not be empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class StreamListener(Protocol):
    """Who writes a stream. Called on the loop; an exception ends the stream."""

    def on_open(self, stream: "Stream") -> None:
        """Begin: the head is sent. Not called when the peer was gone by then."""

    def on_write_timeout(self) -> None:
        """Decide about a peer that takes nothing: usually ``abort``."""

    def on_close(self) -> None:
        """End: called once, after everything else, when nobody is there any more."""


class Stream(TimedWriter):
    """The body of one answer, from behind its head to its end.

    ``write`` takes bytes as they go on the wire: where ``chunked`` they must be chunks. Methods
    may be called at any time, also twice and after the end; none waits and none raises.
    """

    __slots__ = ("_close_timeout", "_ended", "_listener", "_reusable", "chunked")

    def __init__(
        self,
        listener: StreamListener,
        *,
        clock: Clock,
        write_timeout: float,
        close_timeout: float,
        chunked: bool,
        reusable: bool,
        ended: Callable[["Stream", asyncio.Transport | None], object],
    ) -> None:
        """Prepare; the stream begins with ``connection_made``.

        Times are in seconds; ``write_timeout`` 0 waits for ever. ``ended`` is called once, before
        ``StreamListener.on_close``: with the transport where another request may follow on it
        (only if ``reusable``), otherwise when it is gone.
        """
        super().__init__(clock, write_timeout)
        self._listener = listener
        self._close_timeout = close_timeout
        self._reusable = reusable and chunked
        self._ended = ended
        self.chunked = chunked

    # ── for the listener's side ──────────────────────────────────────────────────────────────

    def close(self, last: bytes = b"") -> None:
        """Send what was written, ``last`` and the end of the body, and end."""
        if self._state != OPEN:
            return
        self._state = _CLOSING
        if end := last + LAST_CHUNK if self.chunked else last:
            self._transport.write(end)
        transport = self._transport
        if self._reusable and not transport.is_closing() and not self.buffered():
            self._finish(transport)
        else:
            self._restart_timer(self._close_timeout, transport.abort)
            transport.close()

    def abort(self) -> None:
        """End at once; what is unsent is dropped, and the peer sees that the body is cut."""
        if self._state != CLOSED:
            self._state = CLOSED
            self._transport.abort()

    # ── for the loop ─────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin on ``transport``; the head is written."""
        super().connection_made(transport)
        self._call(self._listener.on_open, self)

    def data_received(self, data: bytes) -> None:
        """Throw away what the peer sends before the answer is over.

        A request among it goes unanswered, which clients that send ahead must expect (RFC 9112
        section 9.3.2): the connection ends with the stream.
        """
        self._reusable = False

    def eof_received(self) -> None:
        """Take the end of the peer's bytes: it has gone, and the transport closes."""
        if self._state != CLOSED:
            self._state = CLOSED
            self._restart_timer(self._close_timeout, self._transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end."""
        self._finish(None)

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _finish(self, transport: asyncio.Transport | None) -> None:
        self._cancel_timer()
        self._state = CLOSED
        self._ended(self, transport)
        try:
            self._listener.on_close()
        except Exception:
            logger.exception("connection %s: internal error at its end", self.peer)

    def _on_write_timeout(self) -> None:
        self._call(self._listener.on_write_timeout)

    def _call(self, method: Callable[..., object], *args: object) -> None:
        try:
            method(*args)
        except Exception:
            logger.exception("connection %s: internal error", self.peer)
            self.abort()
