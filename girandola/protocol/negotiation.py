"""Which protocol generation a peer speaks: the only place that knows them all."""

import msgspec
from msgspec import Raw

from girandola.protocol import raw_json
from girandola.protocol.classic import CLASSIC
from girandola.protocol.codec import Codec
from girandola.protocol.v2_json import V2_JSON

PROTOCOLS: tuple[Codec, ...] = (CLASSIC, V2_JSON)
"""Every codec there is."""

_OBJECT = msgspec.json.Decoder(dict[str, Raw])


def recognise(frame: bytes) -> Codec:
    """Return the codec of a peer whose first text message is ``frame``.

    Messages of 2018 are arrays, or objects with a string ``uid`` or with a ``method`` and no
    ``id`` (classic.md section 4.2). Everything else is today's, garbage included. Never raises;
    the time taken is proportional to the size of the frame.
    """
    if frame.startswith(b"["):
        return CLASSIC
    fields = _fields(frame)
    has_text_uid = fields.get("uid", b"").startswith(b'"')
    has_method_only = "method" in fields and "id" not in fields
    return CLASSIC if has_text_uid or has_method_only else V2_JSON


def _fields(frame: bytes) -> dict[str, bytes]:
    """Return the fields of an object, names in lower case as 2018 takes them, or nothing."""
    try:
        fields = raw_json.read(_OBJECT, frame)
    except raw_json.Unreadable:
        # Several objects, one a line, end up here too: 2018 does not know them.
        return {}
    return {name.lower(): bytes(value) for name, value in fields.items()}
