"""WebSocket frames and messages, RFC 6455 section 5, without any I/O.

``frame`` writes them, ``FrameParser`` reads them. It knows neither connections nor what messages
mean. Of extensions it knows the bit that marks a compressed message, not how that is compressed.
"""

import enum
import struct
from collections.abc import Callable

try:
    from websockets.speedups import apply_mask
except ImportError:  # no C compiler was at hand when websockets was installed
    from websockets.utils import apply_mask

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
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = map(int, Opcode)

COMPRESSED = 0x40
"""Added to the opcode of a message's first frame: RSV1 (RFC 7692 section 6)."""

NORMAL_CLOSURE = 1000
PROTOCOL_ERROR = 1002
NO_STATUS = 1005
ABNORMAL_CLOSURE = 1006
INVALID_DATA = 1007
POLICY_VIOLATION = 1008
MESSAGE_TOO_BIG = 1009
INTERNAL_ERROR = 1011

MAX_CONTROL_PAYLOAD = 125
MAX_CLOSE_REASON = MAX_CONTROL_PAYLOAD - 2

# Libraries cut messages into pieces of a KiB or more. A message of usual size may have more pieces
# than it takes, a long one four for every KiB.
_FEWEST_FRAGMENTS = 1024
_FRAGMENT_SIZE = 256

# Ready-made heads of final frames: a short text frame is one look-up and one concatenation.
_SHORT_HEADS = {
    opcode: tuple(bytes((0x80 | opcode, length)) for length in range(126))
    for opcode in (*map(int, Opcode), TEXT | COMPRESSED, BINARY | COMPRESSED)
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
"""An ``Opcode`` and a payload: a whole message (TEXT, BINARY), or a PING, PONG or CLOSE.

A CONTINUATION without payload is a fragment with which no message is whole yet.
"""

_UNFINISHED: Event = (CONTINUATION, b"")


Inflate = Callable[[bytes], bytes]
"""Makes a message of a compressed one, or raises ``ProtocolError``."""


class FrameParser:
    """Makes messages of a client's bytes, however they are cut.

    ``inflate`` is there where permessage-deflate was agreed on; compressed messages are broken
    frames otherwise.

    Feed bytes, then ask for events until there is none; each takes one frame at most. At most one
    message of ``max_message_size`` bytes, compressed or not, and what was fed last is ever kept.
    After a ``ProtocolError`` or a CLOSE event the stream has no more meaning: do not ask again.
    """

    __slots__ = (
        "_data",
        "_fragments",
        "_frame",
        "_frame_left",
        "_head",
        "_inflate",
        "_max_message_size",
        "_message",
        "_message_first",
        "_position",
    )

    def __init__(self, max_message_size: int, inflate: Inflate | None = None) -> None:
        self._max_message_size = max_message_size
        self._inflate = inflate
        self._data = b""  # fed and, from _position on, not looked at yet
        self._position = 0
        # A frame whose head is known and whose payload is still coming.
        self._frame: bytearray | None = None
        self._frame_left = 0
        self._head: tuple[int, bytes] = (0, b"")  # its first byte and its mask
        # A message of which some, but not all, fragments are here.
        self._message: bytearray | None = None
        self._message_first = 0  # the first byte of its first frame
        self._fragments = 0

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
            # Who says no more for now is not to keep what was said.
            self._data, self._position = b"", 0
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
            return TEXT, payload if payload.isascii() else _checked_utf8(payload)
        return self._next_event_of_any_kind()

    def _next_event_of_any_kind(self) -> Event | None:
        if self._frame is None and not self._take_head():
            return None
        payload = self._take_payload()
        if payload is None:
            return None
        first, _ = self._head
        opcode = first & 0x0F
        if opcode >= CLOSE:
            if opcode == CLOSE:
                parse_close(payload)
            return opcode, payload
        return self._add_fragment(first, payload)

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
        self._head = (first, mask)
        self._frame, self._frame_left = bytearray(), length
        self._position = position + size + 4
        return True

    def _check_head(self, first: int, second: int) -> None:
        """Raise what the first two bytes of a frame tell already (RFC 6455 section 5.2)."""
        opcode = first & 0x0F
        if first & 0x70 and not self._is_compressed(first):
            raise ProtocolError(PROTOCOL_ERROR, "reserved bits are set")
        if second < 0x80:
            raise ProtocolError(PROTOCOL_ERROR, "frame is not masked")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise ProtocolError(PROTOCOL_ERROR, f"unknown opcode {opcode}")
            if first < 0x80:
                raise ProtocolError(PROTOCOL_ERROR, "control frame is fragmented")
            if second & 0x7F > MAX_CONTROL_PAYLOAD:
                raise ProtocolError(PROTOCOL_ERROR, "control frame is too long")
        elif opcode > BINARY:
            raise ProtocolError(PROTOCOL_ERROR, f"unknown opcode {opcode}")
        elif opcode == CONTINUATION and self._message is None:
            raise ProtocolError(PROTOCOL_ERROR, "continuation without a beginning")
        elif opcode != CONTINUATION and self._message is not None:
            raise ProtocolError(PROTOCOL_ERROR, "new message before the end of the last one")

    def _is_compressed(self, first: int) -> bool:
        """Tell whether the only reserved bit is RSV1, agreed on and on a message's first frame."""
        return (
            first & 0x70 == COMPRESSED
            and self._inflate is not None
            and first & 0x0F in {TEXT, BINARY}
        )

    def _check_size(self, opcode: int, length: int) -> None:
        if opcode >= CLOSE:
            return
        already = len(self._message) if self._message is not None else 0
        if already + length > self._max_message_size:
            raise ProtocolError(
                MESSAGE_TOO_BIG, f"message is longer than {self._max_message_size} bytes"
            )

    def _check_fragments(self) -> None:
        most = max(_FEWEST_FRAGMENTS, self._max_message_size // _FRAGMENT_SIZE)
        if self._fragments > most:
            raise ProtocolError(POLICY_VIOLATION, f"message in more than {most} fragments")

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
        return apply_mask(masked, self._head[1])

    def _add_fragment(self, first: int, payload: bytes) -> Event:
        fin = first >= 0x80
        if self._message is None:
            if not fin:
                self._message, self._message_first = bytearray(payload), first
                self._fragments = 1
                return _UNFINISHED
        else:
            self._message += payload
            self._fragments += 1
            if not fin:
                self._check_fragments()
                return _UNFINISHED
            first, payload = self._message_first, bytes(self._message)
            self._message = None
        if first & COMPRESSED and self._inflate is not None:
            payload = self._inflate(payload)
        opcode = first & 0x0F
        return opcode, _checked_utf8(payload) if opcode == TEXT else payload


def _checked_utf8(payload: bytes) -> bytes:
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise ProtocolError(INVALID_DATA, "text message is not UTF-8") from None
    return payload
