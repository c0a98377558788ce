"""WebSocket, RFC 6455: frames, handshake, and one connection on an asyncio transport.

The codec (``frame``, ``FrameParser``) does no I/O. ``WebSocketConnection`` adds reading, writing
and the closing handshake, and keeps no task and no timer while a connection is idle. Neither
knows what messages mean, nor HTTP beyond the headers of the handshake. No extensions.
"""

import asyncio
import base64
import binascii
import enum
import hashlib
import logging
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, cast

from girandola.core.ports import Clock, Timer

try:
    from websockets.speedups import apply_mask
except ImportError:  # no C compiler was at hand when websockets was installed
    from websockets.utils import apply_mask

logger = logging.getLogger(__name__)

# ── frames out ───────────────────────────────────────────────────────────────────────────────


class Opcode(enum.IntEnum):
    """What a frame is (RFC 6455 section 5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


# As plain integers: looking a member up in an enumeration takes longer than parsing a frame.
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = map(int, Opcode)

NORMAL_CLOSURE = 1000
PROTOCOL_ERROR = 1002
NO_STATUS = 1005
ABNORMAL_CLOSURE = 1006
INVALID_DATA = 1007
MESSAGE_TOO_BIG = 1009
INTERNAL_ERROR = 1011

MAX_CONTROL_PAYLOAD = 125
MAX_CLOSE_REASON = MAX_CONTROL_PAYLOAD - 2

# Ready-made heads of final frames: a short text frame is one look-up and one concatenation.
_SHORT_HEADS = {
    int(opcode): tuple(bytes((0x80 | opcode, length)) for length in range(126)) for opcode in Opcode
}
_MEDIUM_HEAD = struct.Struct("!BBH")
_LONG_HEAD = struct.Struct("!BBQ")
_CODE = struct.Struct("!H")


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """Return a server's frame: one piece, not masked."""
    length = len(payload)
    if fin and length < 126:
        return _SHORT_HEADS[opcode][length] + payload
    first = 0x80 | opcode if fin else opcode
    if length < 126:
        return bytes((first, length)) + payload
    if length < 65536:
        return _MEDIUM_HEAD.pack(first, 126, length) + payload
    return _LONG_HEAD.pack(first, 127, length) + payload


def close_payload(code: int, reason: str = "") -> bytes:
    """Return the payload of a close frame; codes 0 and 1005 mean one without a code.

    The reason is cut to the 123 bytes that fit, between characters. Raises ``ValueError`` for a
    code that must not be sent (RFC 6455 section 7.4).
    """
    if code in {0, NO_STATUS}:
        return b""
    if not _may_be_sent(code):
        raise ValueError(f"close code {code}: expected 1000-1003, 1007-1014 or 3000-4999")
    text = reason.encode(errors="replace")
    if len(text) > MAX_CLOSE_REASON:
        text = text[:MAX_CLOSE_REASON].decode(errors="ignore").encode()
    return _CODE.pack(code) + text


def parse_close(payload: bytes) -> tuple[int, str]:
    """Return code and reason of a close frame; code 1005 where there is none.

    Raises ``ProtocolError`` for what RFC 6455 section 5.5.1 does not allow.
    """
    if not payload:
        return NO_STATUS, ""
    if len(payload) == 1:
        raise ProtocolError(PROTOCOL_ERROR, "close frame with half a code")
    (code,) = _CODE.unpack_from(payload)
    try:
        reason = payload[2:].decode()
    except UnicodeDecodeError:
        raise ProtocolError(INVALID_DATA, "close reason is not UTF-8") from None
    if not _may_be_sent(code):
        raise ProtocolError(PROTOCOL_ERROR, f"close frame with code {code}")
    return code, reason


def _may_be_sent(code: int) -> bool:
    return 3000 <= code <= 4999 or 1000 <= code <= 1003 or 1007 <= code <= 1014


# ── frames in ────────────────────────────────────────────────────────────────────────────────


class ProtocolError(Exception):
    """The peer broke the protocol; ``code`` and ``reason`` are for the close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


Event = tuple[int, bytes]
"""An ``Opcode`` and a payload: a whole message (TEXT, BINARY), or a PING, PONG or CLOSE."""


class FrameParser:
    """Makes messages of a client's bytes, however they are cut.

    Feed bytes, then ask for events until there is none. At most one message of
    ``max_message_size`` bytes and what was fed last is ever kept. After a ``ProtocolError`` or a
    CLOSE event the stream has no more meaning: do not ask again.
    """

    __slots__ = (
        "_data",
        "_frame",
        "_frame_left",
        "_head",
        "_max_message_size",
        "_message",
        "_message_opcode",
        "_position",
    )

    def __init__(self, max_message_size: int) -> None:
        self._max_message_size = max_message_size
        self._data = b""  # fed and, from _position on, not looked at yet
        self._position = 0
        # A frame whose head is known and whose payload is still coming.
        self._frame: bytearray | None = None
        self._frame_left = 0
        self._head: tuple[int, bool, bytes] = (0, True, b"")
        # A message of which some, but not all, fragments are here.
        self._message: bytearray | None = None
        self._message_opcode = 0

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self._position < len(self._data):
            self._data = self._data[self._position :] + data
        else:
            self._data = data
        self._position = 0

    def has_input(self) -> bool:
        """Tell whether bytes were fed that no event was asked from yet."""
        return self._position < len(self._data)

    def next_event(self) -> Event | None:
        """Return the next event, ``None`` when it takes more bytes.

        Raises ``ProtocolError`` where the next frame is not allowed.
        """
        data, position = self._data, self._position
        available = len(data) - position
        if not available:
            return None
        # Nearly every frame there is: a short text message, in one piece, all here.
        if (
            available >= 6
            and data[position] == 0x81
            and 0 <= (length := data[position + 1] - 0x80) < 126
            and (end := position + 6 + length) <= len(data)
            and self._frame is None
            and self._message is None
            and length <= self._max_message_size
        ):
            payload = apply_mask(data[position + 6 : end], data[position + 2 : position + 6])
            self._position = end
            return _TEXT, payload if payload.isascii() else _checked_utf8(payload)
        return self._next_event_of_any_kind()

    def _next_event_of_any_kind(self) -> Event | None:
        while self._frame is not None or self._take_head():
            payload = self._take_payload()
            if payload is None:
                return None
            opcode, fin, _ = self._head
            if opcode >= _CLOSE:
                if opcode == _CLOSE:
                    parse_close(payload)
                return opcode, payload
            event = self._add_fragment(opcode, fin, payload)
            if event is not None:
                return event
        return None

    def _take_head(self) -> bool:
        """Read the head of a frame into ``_head`` and ``_frame``; tell whether it was all here."""
        data, position = self._data, self._position
        available = len(data) - position
        if available < 2:
            return False
        first, second = data[position], data[position + 1]
        self._check_head(first, second)
        length, size = second & 0x7F, 2
        if length == 126:
            if available < 4:
                return False
            length, size = int.from_bytes(data[position + 2 : position + 4], "big"), 4
        elif length == 127:
            if available < 10:
                return False
            length, size = int.from_bytes(data[position + 2 : position + 10], "big"), 10
            if length >> 63:
                raise ProtocolError(PROTOCOL_ERROR, "frame length of more than 63 bits")
        self._check_size(first & 0x0F, length)
        if available < size + 4:
            return False
        mask = data[position + size : position + size + 4]
        self._head = (first & 0x0F, first >= 0x80, mask)
        self._frame, self._frame_left = bytearray(), length
        self._position = position + size + 4
        return True

    def _check_head(self, first: int, second: int) -> None:
        """Raise what the first two bytes of a frame tell already (RFC 6455 section 5.2)."""
        opcode = first & 0x0F
        if first & 0x70:
            raise ProtocolError(PROTOCOL_ERROR, "reserved bits are set")
        if second < 0x80:
            raise ProtocolError(PROTOCOL_ERROR, "frame is not masked")
        if opcode >= _CLOSE:
            if opcode > _PONG:
                raise ProtocolError(PROTOCOL_ERROR, f"unknown opcode {opcode}")
            if first < 0x80:
                raise ProtocolError(PROTOCOL_ERROR, "control frame is fragmented")
            if second & 0x7F > MAX_CONTROL_PAYLOAD:
                raise ProtocolError(PROTOCOL_ERROR, "control frame is too long")
        elif opcode > _BINARY:
            raise ProtocolError(PROTOCOL_ERROR, f"unknown opcode {opcode}")
        elif opcode == _CONTINUATION and self._message is None:
            raise ProtocolError(PROTOCOL_ERROR, "continuation without a beginning")
        elif opcode != _CONTINUATION and self._message is not None:
            raise ProtocolError(PROTOCOL_ERROR, "new message before the end of the last one")

    def _check_size(self, opcode: int, length: int) -> None:
        if opcode >= _CLOSE:
            return
        already = len(self._message) if self._message is not None else 0
        if already + length > self._max_message_size:
            raise ProtocolError(
                MESSAGE_TOO_BIG, f"message is longer than {self._max_message_size} bytes"
            )

    def _take_payload(self) -> bytes | None:
        """Return the payload of the frame begun, unmasked, once all of it is here."""
        assert self._frame is not None  # noqa: S101  the caller has looked; this is for mypy
        start, left = self._position, self._frame_left
        piece = self._data[start : start + left]
        self._position = start + len(piece)
        if len(piece) < left:
            self._frame += piece
            self._frame_left = left - len(piece)
            return None
        masked = bytes(self._frame) + piece if self._frame else piece
        self._frame = None
        return apply_mask(masked, self._head[2])

    def _add_fragment(self, opcode: int, fin: bool, payload: bytes) -> Event | None:
        if self._message is None:
            if not fin:
                self._message, self._message_opcode = bytearray(payload), opcode
                return None
        else:
            self._message += payload
            if not fin:
                return None
            opcode, payload = self._message_opcode, bytes(self._message)
            self._message = None
        return opcode, _checked_utf8(payload) if opcode == _TEXT else payload


def _checked_utf8(payload: bytes) -> bytes:
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise ProtocolError(INVALID_DATA, "text message is not UTF-8") from None
    return payload


# ── the handshake ────────────────────────────────────────────────────────────────────────────

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = ("Sec-WebSocket-Version", "13")


class HandshakeRefusal(NamedTuple):
    """The HTTP answer to a request that does not open a WebSocket."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...]


def accept_key(key: str) -> str:
    """Return the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key."""
    # RFC 6455 names SHA-1; it protects nothing here.
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def handshake_refusal(
    method: str, http_version: str, headers: Mapping[str, str]
) -> HandshakeRefusal | None:
    """Return why a request does not open a WebSocket (RFC 6455 section 4.2.1), or ``None``.

    Header names are in lower case, repeated values joined by ``", "``.
    """
    if method != "GET":
        return HandshakeRefusal(405, "WebSocket opens with GET", (("Allow", "GET"),))
    if http_version != "1.1":
        return _bad_handshake("WebSocket needs HTTP/1.1")
    if "upgrade" not in _tokens(headers.get("connection", "")):
        return _bad_handshake("Connection: Upgrade is missing")
    if "websocket" not in _tokens(headers.get("upgrade", "")):
        return _bad_handshake("Upgrade: websocket is missing")
    if headers.get("sec-websocket-version", "").strip() != "13":
        upgrade = (("Upgrade", "websocket"), ("Connection", "Upgrade"), _VERSION)
        return HandshakeRefusal(426, "Sec-WebSocket-Version must be 13", upgrade)
    if not _is_key(headers.get("sec-websocket-key", "")):
        return _bad_handshake("Sec-WebSocket-Key must be 16 bytes in base64")
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return _bad_handshake("a WebSocket handshake has no body")
    return None


def select_subprotocol(offered: str, supported: Sequence[str]) -> str:
    """Return the first offered subprotocol that is supported, ``""`` when there is none.

    ``offered`` is the header's value. An empty one counts as absent: old Python clients send it
    (modern.md section 3.2).
    """
    names = (name.strip() for name in offered.split(","))
    return next((name for name in names if name in supported), "")


def handshake_response(key: str, subprotocol: str) -> bytes:
    """Return the 101 that opens the WebSocket, head and all."""
    protocol = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n{protocol}\r\n"
    ).encode("latin-1")


def _bad_handshake(text: str) -> HandshakeRefusal:
    return HandshakeRefusal(400, text, (_VERSION,))


def _tokens(value: str) -> list[str]:
    return [token.strip().lower() for token in value.split(",")]


def _is_key(value: str) -> bool:
    try:
        return len(binascii.a2b_base64(value, strict_mode=True)) == 16
    except ValueError:
        return False


# ── one connection ───────────────────────────────────────────────────────────────────────────


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


# What a connection is in, plain integers as the opcodes are.
_OPEN = 0
_CLOSING = 1  # our close frame is written, the peer's is awaited
_FAILED = 2  # our close frame is written, what comes in has no meaning any more
_CLOSED = 3  # the transport is closing or gone

# What pausing cannot hold back: a close that the peer never answers must not wait for ever.
DEFAULT_CLOSE_TIMEOUT = 5.0


class WebSocketConnection(asyncio.Protocol):
    """One open WebSocket over an asyncio transport, from behind the handshake to its end.

    Methods may be called at any time, also twice and after the end; none waits and none raises.
    """

    __slots__ = (
        "_clock",
        "_close_timeout",
        "_code",
        "_forget",
        "_listener",
        "_parser",
        "_pong",
        "_queued",
        "_reading_paused",
        "_reason",
        "_state",
        "_timer",
        "_transport",
        "_write_timeout",
    )

    _transport: asyncio.Transport

    def __init__(
        self,
        listener: Listener,
        *,
        clock: Clock,
        max_message_size: int,
        write_timeout: float = 0.0,
        close_timeout: float = DEFAULT_CLOSE_TIMEOUT,
        forget: Callable[["WebSocketConnection"], object] | None = None,
    ) -> None:
        """Prepare; the connection begins with ``connection_made``.

        Times are in seconds; ``write_timeout`` 0 waits for ever. ``forget`` is called at the
        end, before ``Listener.on_close``.
        """
        self._listener = listener
        self._clock = clock
        self._write_timeout = write_timeout
        self._close_timeout = close_timeout
        self._forget = forget
        self._parser = FrameParser(max_message_size)
        self._state = _OPEN
        self._code, self._reason = ABNORMAL_CLOSURE, ""
        self._reading_paused = False
        self._timer: Timer | None = None  # the write timeout while open, then the close timeout
        # While the peer takes too little: bytes written since the timer started, and the pong
        # still owed. -1: the peer keeps up.
        self._queued = -1
        self._pong: bytes | None = None

    # ── for the listener's side ──────────────────────────────────────────────────────────────

    @property
    def peer(self) -> str:
        """Who is at the other end, like ``127.0.0.1:5555``; for the log."""
        return peer_name(self._transport)

    def write(self, data: bytes) -> None:
        """Send ready-made frames."""
        if self._state == _OPEN:
            if self._queued >= 0:
                self._queued += len(data)
            self._transport.write(data)

    def ping(self, payload: bytes = b"ping") -> None:
        """Send a ping frame; at most 125 bytes."""
        self.write(frame(_PING, payload))

    def buffered(self) -> int:
        """Return how many bytes were written but are not on the wire yet."""
        if self._state == _CLOSED:
            return 0
        return self._transport.get_write_buffer_size()

    def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Send what was written, then a close frame; end when it is answered, or in 5 seconds.

        Codes 0 and 1005 send a close frame without a code; one that a close frame cannot carry
        becomes 1011.
        """
        if self._state == _OPEN:
            self._start_closing(_CLOSING, code, reason)

    def abort(self) -> None:
        """End at once, without a close frame; what is unsent is dropped."""
        self._state = _CLOSED
        self._transport.abort()

    def pause_reading(self) -> None:
        """Deliver no message until ``resume_reading``, not even one that has arrived already."""
        if self._state == _OPEN and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Deliver messages again, from the next turn of the loop on, in order."""
        if self._reading_paused:
            self._reading_paused = False
            # Not from here: the caller need not be ready for a message before it returns.
            self._clock.call_soon(self._go_on_reading)

    # ── for the loop ─────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin on ``transport``; the handshake is over."""
        # Both loops promise a transport that writes; uvloop's is no asyncio.Transport by name.
        self._transport = cast(asyncio.Transport, transport)
        # Being told as soon as anything is unsent is what the write timeout counts from.
        self._transport.set_write_buffer_limits(0)
        self._call(self._listener.on_open, self)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self._state <= _CLOSING:
            self._parser.feed(data)
            self._deliver()

    def eof_received(self) -> None:
        """Take the end of the peer's bytes: the transport closes once our own are sent."""
        if self._state != _CLOSED:
            self._state = _CLOSED
            self._restart_timer(self._close_timeout, self._transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end."""
        self._cancel_timer()
        self._state = _CLOSED
        if self._forget is not None:
            self._forget(self)
        try:
            self._listener.on_close(self._code, self._reason)
        except Exception:
            logger.exception("connection %s: internal error at its end", self.peer)

    def pause_writing(self) -> None:
        """Start the write timeout: the peer takes less than we write."""
        self._queued = 0
        if self._write_timeout and self._state == _OPEN:
            self._restart_timer(self._write_timeout, self._check_progress)

    def resume_writing(self) -> None:
        """Stop the write timeout: all is sent."""
        self._queued = -1
        if self._state == _OPEN:
            self._cancel_timer()
            pong, self._pong = self._pong, None
            if pong is not None:
                self.write(frame(_PONG, pong))

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _deliver(self) -> None:
        next_event = self._parser.next_event
        try:
            while not self._reading_paused and self._state <= _CLOSING:
                event = next_event()
                if event is None:
                    return
                opcode, payload = event
                if opcode == _CLOSE:
                    self._receive_close(payload)
                elif self._state != _OPEN:
                    continue  # messages that crossed our close frame
                elif opcode <= _BINARY:
                    self._call(self._listener.on_message, payload, opcode == _TEXT)
                elif opcode == _PING:
                    self._answer_ping(payload)
                else:
                    self._call(self._listener.on_pong, payload)
        except ProtocolError as error:
            logger.info("connection %s: invalid frame: %s", self.peer, error.reason)
            self._fail(error)

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
            self.write(frame(_PONG, payload))

    def _receive_close(self, payload: bytes) -> None:
        self._code, self._reason = parse_close(payload)
        if self._state == _OPEN:
            self._transport.write(frame(_CLOSE, payload[:2]))
            self._restart_timer(self._close_timeout, self._transport.abort)
        self._state = _CLOSED
        self._transport.close()

    def _start_closing(self, state: int, code: int, reason: str) -> None:
        try:
            payload = close_payload(code, reason)
        except ValueError as error:
            logger.error("connection %s: %s", self.peer, error)
            payload = close_payload(INTERNAL_ERROR)
        self._state = state
        self._transport.write(frame(_CLOSE, payload))
        self._restart_timer(self._close_timeout, self._transport.abort)
        self.resume_reading()

    def _fail(self, error: ProtocolError) -> None:
        """Say what the peer did wrong and end (RFC 6455 section 7.1.7)."""
        if self._state == _OPEN:
            self._start_closing(_FAILED, error.code, error.reason)
        self._state = _FAILED
        # Closing now, with input unread, would make TCP drop our close frame on its way. We
        # end our half; the peer ends its own, or the close timeout does.
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def _go_on_reading(self) -> None:
        if self._reading_paused or self._state == _CLOSED:
            return
        if self._state != _FAILED:
            self._deliver()
        if not self._reading_paused and not self._transport.is_closing():
            self._transport.resume_reading()

    def _check_progress(self) -> None:
        """Time is up: complain unless all that was unsent when it started is sent by now."""
        self._timer = None
        if self.buffered() <= self._queued:
            self._queued = 0
            self._restart_timer(self._write_timeout, self._check_progress)
        else:
            self._call(self._listener.on_write_timeout)

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
