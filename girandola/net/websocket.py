"""One WebSocket connection on an asyncio transport: reading, writing, the closing handshake.

It keeps no task and no timer while it is idle, and does not know what messages mean. Frames are
the business of ``frames.py``, the handshake that of ``handshake.py``; users import both from here.
"""

import asyncio
import logging
from collections.abc import Callable
from math import inf
from typing import Protocol

from girandola.core.ports import Clock
from girandola.net.frames import (
    ABNORMAL_CLOSURE,
    BINARY,
    CLOSE,
    CONTINUATION,
    INTERNAL_ERROR,
    NORMAL_CLOSURE,
    PING,
    POLICY_VIOLATION,
    PONG,
    TEXT,
    FrameParser,
    Inflate,
    Opcode,
    ProtocolError,
    close_payload,
    frame,
    parse_close,
)
from girandola.net.handshake import (
    accept_key,
    handshake_refusal,
    handshake_response,
    select_subprotocol,
)
from girandola.net.writing import CLOSED, OPEN, TimedWriter

__all__ = [
    "DEFAULT_CLOSE_TIMEOUT",
    "FrameParser",
    "Listener",
    "Opcode",
    "ProtocolError",
    "WebSocketConnection",
    "accept_key",
    "close_payload",
    "frame",
    "handshake_refusal",
    "handshake_response",
    "parse_close",
    "select_subprotocol",
]

logger = logging.getLogger(__name__)


class Listener(Protocol):
    """Who is behind a connection. Called on the loop; an exception closes with code 1011."""

    def on_open(self, connection: "WebSocketConnection") -> None:
        """Begin: called once, before everything else."""

    def on_message(self, payload: bytes, is_text: bool) -> None:
        """Take a whole message; a text one is valid UTF-8. Never after ``close``."""

    def on_pong(self, payload: bytes) -> None:
        """Take a pong, asked for or not."""

    def on_write_timeout(self) -> None:
        """Decide about a peer that takes nothing: usually ``abort``."""

    def on_close(self, code: int, reason: str) -> None:
        """End: called once, after everything else, when the connection is truly gone.

        The code is that of the peer's close frame: 1005 when it had none, and 1006 when there
        was no valid close frame at all, whoever ended the connection.
        """


# What a connection is in besides OPEN, plain integers as the opcodes are.
_CLOSING = 1  # our close frame is written, the peer's is awaited
_FAILED = 2  # our close frame is written, what comes in has no meaning any more

# Work in one turn of the loop: a frame counts one, and one for each KiB of its payload.
_TURN = 64

TURN_TIME = 0.005
"""Seconds after which a turn ends before that: some messages are more work than others."""

MOST_CONTROL_FRAMES = 100
"""Pings and pongs that a peer may send in one second."""

# What pausing cannot hold back: a close that the peer never answers must not wait for ever.
DEFAULT_CLOSE_TIMEOUT = 5.0


class WebSocketConnection(TimedWriter):
    """One open WebSocket over an asyncio transport, from behind the handshake to its end.

    Methods may be called at any time, also twice and after the end; none waits and none raises.
    """

    __slots__ = (
        "_close_timeout",
        "_code",
        "_control_frames",
        "_controls_end",
        "_forget",
        "_listener",
        "_parser",
        "_pong",
        "_reading_paused",
        "_reason",
        "_turn_is_over",
    )

    def __init__(
        self,
        listener: Listener,
        *,
        clock: Clock,
        max_message_size: int,
        write_timeout: float = 0.0,
        close_timeout: float = DEFAULT_CLOSE_TIMEOUT,
        forget: Callable[["WebSocketConnection"], object] | None = None,
        inflate: Inflate | None = None,
    ) -> None:
        """Prepare; the connection begins with ``connection_made``.

        Times are in seconds; ``write_timeout`` 0 waits for ever. ``forget`` is called at the
        end, before ``Listener.on_close``. ``inflate`` is there where permessage-deflate was agreed
        on.
        """
        super().__init__(clock, write_timeout)
        self._listener = listener
        self._close_timeout = close_timeout
        self._forget = forget
        self._parser = FrameParser(max_message_size, inflate)
        self._code, self._reason = ABNORMAL_CLOSURE, ""
        self._reading_paused = False  # by the listener
        self._turn_is_over = False
        # Pings and pongs since a second began that ends at this time of the clock.
        self._control_frames = 0
        self._controls_end = 0.0
        # What is still owed to a peer that takes too little.
        self._pong: bytes | None = None

    # ── for the listener's side ──────────────────────────────────────────────────────────────

    def ping(self, payload: bytes = b"ping") -> None:
        """Send a ping frame; at most 125 bytes."""
        self.write(frame(PING, payload))

    def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Send what was written, then a close frame; end when it is answered, or in 5 seconds.

        Codes 0 and 1005 send a close frame without a code; one that a close frame cannot carry
        becomes 1011.
        """
        if self._state == OPEN:
            self._start_closing(_CLOSING, code, reason)

    def abort(self) -> None:
        """End at once, without a close frame; what is unsent is dropped."""
        self._state = CLOSED
        self._transport.abort()

    def hang_up(self) -> None:
        """Send what was written and end, without a close frame."""
        if self._state == OPEN:
            self._state = CLOSED
            self._restart_timer(self._close_timeout, self._transport.abort)
            self._transport.close()

    def pause_reading(self) -> None:
        """Deliver no message until ``resume_reading``, not even one that has arrived already."""
        if self._state == OPEN and not self._reading_paused:
            self._reading_paused = True
            if not self._turn_is_over:
                self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Deliver messages again, from the next turn of the loop on, in order."""
        if self._reading_paused:
            self._reading_paused = False
            # Not from here: the caller need not be ready for a message before it returns.
            if not self._turn_is_over:
                self._turn_is_over = True
                self._clock.call_soon(self._begin_turn)

    # ── for the loop ─────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin on ``transport``; the handshake is over."""
        super().connection_made(transport)
        self._call(self._listener.on_open, self)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self._state <= _CLOSING:
            self._parser.feed(data)
            if not self._turn_is_over:
                self._deliver()

    def eof_received(self) -> None:
        """Take the end of the peer's bytes: the transport closes once our own are sent."""
        if self._state != CLOSED:
            self._state = CLOSED
            self._restart_timer(self._close_timeout, self._transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end."""
        self._cancel_timer()
        self._state = CLOSED
        if self._forget is not None:
            self._forget(self)
        try:
            self._listener.on_close(self._code, self._reason)
        except Exception:
            logger.exception("connection %s: internal error at its end", self.peer)

    def resume_writing(self) -> None:
        """Stop the write timeout: all is sent."""
        super().resume_writing()
        if self._state == OPEN:
            pong, self._pong = self._pong, None
            if pong is not None:
                self.write(frame(PONG, pong))

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _deliver(self) -> None:
        """Deliver what came, up to the end of this turn of the loop."""
        next_event = self._parser.next_event
        left = _TURN
        ends = inf
        try:
            while not self._reading_paused and self._state <= _CLOSING:
                if left <= 0 and self._parser.has_input():
                    self._end_turn()
                    return
                event = next_event()
                if event is None:
                    return
                opcode, payload = event
                left -= 1 + (len(payload) >> 10)
                if opcode <= BINARY and self._parser.has_input():
                    # Most often nothing comes behind a message, and no clock is read.
                    now = self._clock.now()
                    if ends == inf:
                        ends = now + TURN_TIME
                    elif now >= ends:
                        left = 0
                if opcode == CLOSE:
                    self._receive_close(payload)
                elif opcode > BINARY:
                    self._receive_control(opcode, payload)
                elif opcode != CONTINUATION and self._state == OPEN:
                    # Messages that crossed our close frame are not delivered.
                    self._call(self._listener.on_message, payload, opcode == TEXT)
        except ProtocolError as error:
            logger.info("connection %s: invalid frame: %s", self.peer, error.reason)
            self._fail(error)

    def _end_turn(self) -> None:
        """Let others have a turn before the rest of what came is looked at."""
        self._turn_is_over = True
        self._transport.pause_reading()
        self._clock.call_soon(self._begin_turn)

    def _begin_turn(self) -> None:
        self._turn_is_over = False
        if self._reading_paused or self._state == CLOSED:
            return
        if self._state != _FAILED:
            self._deliver()
        if not (self._reading_paused or self._turn_is_over or self._transport.is_closing()):
            self._transport.resume_reading()

    def _receive_control(self, opcode: int, payload: bytes) -> None:
        self._control_frames += 1
        if self._control_frames > MOST_CONTROL_FRAMES:
            self._check_controls()
        if self._state != OPEN:
            return
        if opcode == PING:
            self._answer_ping(payload)
        else:
            self._call(self._listener.on_pong, payload)

    def _check_controls(self) -> None:
        """Begin to count anew, if a second has passed; raise ``ProtocolError`` if not."""
        now = self._clock.now()
        if now < self._controls_end:
            raise ProtocolError(
                POLICY_VIOLATION, f"more than {MOST_CONTROL_FRAMES} pings and pongs in a second"
            )
        self._control_frames, self._controls_end = 1, now + 1.0

    def _call(self, method: Callable[..., object], *args: object) -> None:
        try:
            method(*args)
        except Exception:
            logger.exception("connection %s: internal error", self.peer)
            self.close(INTERNAL_ERROR, "internal error")

    def _answer_ping(self, payload: bytes) -> None:
        # A peer that pings and does not read must not fill our memory; RFC 6455 section 5.5.3
        # lets us answer the latest ping only.
        if self._queued >= 0:
            self._pong = payload
        else:
            self.write(frame(PONG, payload))

    def _receive_close(self, payload: bytes) -> None:
        self._code, self._reason = parse_close(payload)
        if self._state == OPEN:
            self._transport.write(frame(CLOSE, payload[:2]))
            self._restart_timer(self._close_timeout, self._transport.abort)
        self._state = CLOSED
        self._transport.close()

    def _start_closing(self, state: int, code: int, reason: str) -> None:
        try:
            payload = close_payload(code, reason)
        except ValueError as error:
            logger.error("connection %s: %s", self.peer, error)
            payload = close_payload(INTERNAL_ERROR)
        self._state = state
        self._transport.write(frame(CLOSE, payload))
        self._restart_timer(self._close_timeout, self._transport.abort)
        self.resume_reading()

    def _fail(self, error: ProtocolError) -> None:
        """Say what the peer did wrong and end (RFC 6455 section 7.1.7)."""
        if self._state == OPEN:
            self._start_closing(_FAILED, error.code, error.reason)
        self._state = _FAILED
        # Closing now, with input unread, would make TCP drop our close frame on its way. We
        # end our half; the peer ends its own, or the close timeout does.
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def _on_write_timeout(self) -> None:
        self._call(self._listener.on_write_timeout)
