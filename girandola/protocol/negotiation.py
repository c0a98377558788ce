"""Which protocol generation a peer speaks: the only place that knows them all.

The address and the subprotocol choose between text and Protobuf; of the generations in either,
the first message tells.
"""

import re

import msgspec
from google.protobuf.message import DecodeError
from msgspec import Raw

from girandola.protocol import frames, raw_json
from girandola.protocol.classic import CLASSIC
from girandola.protocol.codec import Codec
from girandola.protocol.pb import client_pb2, v1_pb2
from girandola.protocol.v1_json import V1_JSON, V1_JSON_NEWEST_FIRST
from girandola.protocol.v1_protobuf import V1_PROTOBUF, V1_PROTOBUF_NEWEST_FIRST
from girandola.protocol.v2_json import V2_JSON
from girandola.protocol.v2_one_way import V2_JSON_ONE_WAY, V2_PROTOBUF_ONE_WAY
from girandola.protocol.v2_protobuf import V2_PROTOBUF, has_request

PROTOCOLS: tuple[Codec, ...] = (
    CLASSIC,
    V1_JSON,
    V1_JSON_NEWEST_FIRST,
    V1_PROTOBUF,
    V1_PROTOBUF_NEWEST_FIRST,
    V2_JSON,
    V2_PROTOBUF,
    V2_JSON_ONE_WAY,
    V2_PROTOBUF_ONE_WAY,
)
"""Every codec there is."""

SUBPROTOCOLS = ("centrifuge-json", "centrifuge-protobuf")
"""What a WebSocket handshake may agree on (modern.md section 3.2)."""

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_DIGITS = b"0123456789"
_TODAY = re.compile(rb'\{(?:"id":[0-9]+,)?"connect":')
"""How the libraries of today begin; everybody else is looked at more closely."""
_OF_V1 = {"id", "method", "params"}


def negotiate(query: dict[str, list[str]], subprotocol: str) -> Codec | None:
    """Return what a two-way peer speaks as far as its request tells (modern.md section 3.2).

    ``subprotocol`` is the one agreed on, ``""`` for none. ``V2_PROTOBUF`` means Protobuf, of
    which ``recognise_binary`` tells the generation; ``None`` means text, for ``recognise``.
    """
    asked = (query.get("format", [""])[0], query.get("cf_protocol", [""])[0])
    return V2_PROTOBUF if subprotocol == "centrifuge-protobuf" or "protobuf" in asked else None


def recognise(frame: bytes) -> Codec:
    """Return the codec of a peer whose first text message is ``frame``.

    Messages of 2018 are arrays, or objects with a string ``uid`` or with a ``method`` and no
    ``id`` (classic.md section 4.2). Those for the v2 and v3 servers have a number as ``id``, and
    beside it nothing but ``method`` and ``params``, which a connect may both leave out. Everything
    else is today's, garbage included. Never raises; the time taken is proportional to the size of
    the frame.
    """
    if _TODAY.match(frame):
        return V2_JSON
    if frame.startswith(b"["):
        return CLASSIC
    # Only 2018 knows no lines, and may spread one message over several.
    fields = _fields(frame.partition(b"\n")[0]) or _fields(frame)
    has_text_uid = fields.get("uid", b"").startswith(b'"')
    if has_text_uid or ("method" in fields and "id" not in fields):
        return CLASSIC
    has_number = fields.get("id", b"-")[0] in _DIGITS
    if has_number and fields.keys() <= _OF_V1:
        return V1_JSON if _has_name(fields) else V1_JSON_NEWEST_FIRST
    return V2_JSON


def recognise_binary(frame: bytes) -> Codec:
    """Return the codec of a peer whose first message is ``frame``, where Protobuf was asked for.

    Commands for the v2 and v3 servers have an id and none of the fields of today's. Never raises.
    """
    try:
        message = next(frames.without_lengths(frame), b"")
        command = client_pb2.Command.FromString(message)
        if not command.id or has_request(command):
            return V2_PROTOBUF
        params = v1_pb2.Command.FromString(message).params
        connect = v1_pb2.ConnectRequest.FromString(params)
    except (frames.Incomplete, DecodeError):
        return V2_PROTOBUF
    return V1_PROTOBUF if connect.name else V1_PROTOBUF_NEWEST_FIRST


def _fields(text: bytes) -> dict[str, bytes]:
    """Return the fields of an object, names in lower case as 2018 takes them, or nothing."""
    try:
        fields = raw_json.read(_OBJECT, text)
    except raw_json.Unreadable:
        return {}
    return {name.lower(): bytes(value) for name, value in fields.items()}


def _has_name(command: dict[str, bytes]) -> bool:
    """Tell whether a client names itself, as they do since they know offsets."""
    name = _fields(command.get("params", b"")).get("name", b"")
    return name not in (b"", b'""', b"null")
