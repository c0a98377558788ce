"""The frames of SockJS: what is said in both directions, before a transport wraps it.

It knows texts and codes; not what the texts mean, nor how frames travel.
"""

import re

import msgspec

OPEN = b"o"
HEARTBEAT = b"h"

# What browsers of the time lost or changed on the way, so that SockJS servers write it as escapes.
_FRAGILE = re.compile("[\x7f\u200c-\u200f\u2028-\u202f\u2060-\u206f\ufff0-\uffff]")
_PAYLOAD = msgspec.json.Decoder(list[str])


def messages_frame(messages: list[bytes]) -> bytes:
    """Return the frame that carries texts of a codec: ``a["…","…"]``, without a line break."""
    return b"a[" + b",".join(map(_quote, messages)) + b"]"


def close_frame(code: int, reason: str) -> bytes:
    """Return the frame that ends a session: ``c[3000,"…"]``."""
    return b"c[%d,%b]" % (code, _quote(reason.encode(errors="replace")))


def read_payload(payload: bytes) -> list[bytes]:
    """Return the texts that a client sent: a JSON array of strings.

    Raises ``ValueError`` when it is something else.
    """
    try:
        return [text.encode() for text in _PAYLOAD.decode(payload)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("expected a JSON array of strings") from None


def quote_for_script(frame: bytes) -> bytes:
    """Return a frame as a JavaScript string that cannot end a script element around it."""
    quoted = _quote(frame).replace(b"<", b"\\u003c")
    return quoted.replace(b">", b"\\u003e").replace(b"&", b"\\u0026")


def _quote(text: bytes) -> bytes:
    quoted = msgspec.json.encode(text.decode("utf-8", "replace"))
    if quoted.isascii() and b"\x7f" not in quoted:
        return quoted
    return _FRAGILE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted.decode()).encode()
