"""permessage-deflate (RFC 7692) without any I/O: what is agreed on, messages in, messages out.

No context is taken over in either direction, so nothing is kept between messages: a message is
compressed once for all connections that agreed on the same, and an idle connection costs nothing.
It knows payloads and frames; not connections, nor why a message is sent.
"""

import re
import zlib
from functools import partial
from typing import NamedTuple

from msgspec import Struct

from girandola.net.frames import (
    COMPRESSED,
    MESSAGE_TOO_BIG,
    PROTOCOL_ERROR,
    Inflate,
    ProtocolError,
    frame,
)

# ── what is agreed on ────────────────────────────────────────────────────────────────────────

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*({_WORD})(?:[ \t]*=[ \t]*("?)({_WORD})\2)?[ \t]*')
_NAME = re.compile(rf"[ \t]*({_WORD})[ \t]*")
_ANSWER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
_SIZES = {str(bits): bits for bits in range(8, 16)}

WINDOWS = (9, 12)
"""Bits of the windows messages are compressed with. A larger one makes messages of this kind
hardly smaller, and costs two to four times as much; so all who allow 12 share that one."""


class Agreement(NamedTuple):
    """The value of our Sec-WebSocket-Extensions, and one of ``WINDOWS``."""

    answer: str
    window_bits: int


def agree(offered: str) -> Agreement | None:
    """Return what the first offer that can be kept leads to (RFC 7692 section 7.1).

    ``offered`` is the value of Sec-WebSocket-Extensions, all of its headers joined by commas.
    Offers of other extensions, of windows zlib cannot make, and against the grammar lead nowhere.
    """
    for offer in offered.split(","):
        name = _NAME.match(offer)
        if name is None or name[1] != "permessage-deflate":
            continue
        parameters = _parameters(offer, name.end())
        if parameters is not None and (agreed := _agree(parameters)) is not None:
            return agreed
    return None


def _parameters(offer: str, position: int) -> dict[str, str] | None:
    """Return what is behind the name; ``""`` stands for no value, ``None`` for no sense."""
    parameters: dict[str, str] = {}
    while position < len(offer):
        parameter = _PARAMETER.match(offer, position)
        if parameter is None or parameter[1] in parameters:
            return None
        parameters[parameter[1]] = parameter[3] or ""
        position = parameter.end()
    return parameters


def _agree(parameters: dict[str, str]) -> Agreement | None:
    answer, window_bits = _ANSWER, max(WINDOWS)
    for name, value in parameters.items():
        match name:
            case "server_no_context_takeover" | "client_no_context_takeover":
                if value:
                    return None
            case "client_max_window_bits":
                # What is inflated with the largest window needs no smaller one.
                if value and value not in _SIZES:
                    return None
            case "server_max_window_bits":
                allowed = [bits for bits in WINDOWS if bits <= _SIZES.get(value, 0)]
                if not allowed:
                    return None
                window_bits = max(allowed)
                answer = f"{_ANSWER}; server_max_window_bits={value}"
            case _:
                return None
    return Agreement(answer, window_bits)


# ── messages out ─────────────────────────────────────────────────────────────────────────────

_HUFFMAN_ONLY = -2
"""The level that looks for no repetitions."""
# Of 1 to 9. As for windows: more is slower, and only for long messages smaller.
_MEMORY = 5
_TAIL = b"\x00\x00\xff\xff"


def deflate(payload: bytes, *, level: int, window_bits: int) -> bytes:
    """Return the payload of a compressed message (RFC 7692 section 7.2.1)."""
    strategy = zlib.Z_DEFAULT_STRATEGY
    if level == _HUFFMAN_ONLY:
        level, strategy = 1, zlib.Z_HUFFMAN_ONLY
    compressor = zlib.compressobj(level, zlib.DEFLATED, -window_bits, _MEMORY, strategy)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[: -len(_TAIL)]


class Deflater(Struct, frozen=True):
    """How messages are compressed: longer ones than ``min_size`` bytes, from level -2 to 9.

    Levels are those of zlib; -2 stands for Huffman coding only. ``window_bits`` is one of
    ``WINDOWS``.
    """

    window_bits: int
    level: int = 1
    min_size: int = 0

    def frame(self, opcode: int, payload: bytes) -> bytes:
        """Return a server's frame with a whole message, compressed where that makes it shorter."""
        if len(payload) > self.min_size:
            deflated = deflate(payload, level=self.level, window_bits=self.window_bits)
            if len(deflated) < len(payload):
                return frame(opcode | COMPRESSED, deflated)
        return frame(opcode, payload)


# ── messages in ──────────────────────────────────────────────────────────────────────────────

# One more block, empty and final: it is reached if, and only if, the message ends with a block.
_END = b"\x01\x00\x00\xff\xff"
# What may follow a block that was final itself (RFC 7692 section 7.2.3.4).
_AFTER_FINAL = frozenset({b"", _TAIL + _END, b"\x00" + _TAIL + _END})


def inflater(max_size: int) -> Inflate:
    """Return ``inflate`` with its limit, for all connections that share it."""
    return partial(inflate, max_size=max_size)


def inflate(payload: bytes, max_size: int) -> bytes:
    """Return a message that a client compressed (RFC 7692 section 7.2.2).

    Never makes more of it than ``max_size`` bytes and one. Raises ``ProtocolError``: 1009 for a
    longer message, 1002 for what is not DEFLATE (the RFC names no code).
    """
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        message = decompressor.decompress(payload + _TAIL + _END, max_size + 1)
    except zlib.error:
        raise ProtocolError(PROTOCOL_ERROR, "compressed message is broken") from None
    if len(message) > max_size:
        raise ProtocolError(MESSAGE_TOO_BIG, f"message inflates to more than {max_size} bytes")
    if not decompressor.eof or decompressor.unused_data not in _AFTER_FINAL:
        raise ProtocolError(PROTOCOL_ERROR, "compressed message is broken")
    return message
