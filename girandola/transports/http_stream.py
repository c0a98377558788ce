"""HTTP streaming, two-way by emulation and one-way (modern.md sections 3.3 and 3.10).

The body of an answer is messages: in JSON one a line, in Protobuf each behind its length.
"""

from girandola.net.http import Request, Response, plain_response
from girandola.options import HttpStreamOptions, UniHttpStreamOptions
from girandola.protocol.codec import Codec
from girandola.protocol.v2_json import V2_JSON
from girandola.protocol.v2_one_way import V2_JSON_ONE_WAY
from girandola.protocol.v2_protobuf import V2_PROTOBUF
from girandola.transports.base import Entrance
from girandola.transports.one_way import OneWayDoor, OneWayTransport, read_connect
from girandola.transports.streaming import First, Format, StreamDoor, StreamTransport, is_binary


def _lines(messages: list[bytes]) -> bytes:
    return b"\n".join((*messages, b""))


_JSON = Format(V2_JSON, _lines)
_PROTOBUF = Format(V2_PROTOBUF, b"".join)
_ONE_WAY = Format(V2_JSON_ONE_WAY, _lines)


class HttpStreamTransport(StreamTransport):
    """A two-way session over HTTP streaming."""

    __slots__ = ()

    name = "http_stream"


class HttpStreamDoor(StreamDoor):
    """Opens two-way streams."""

    def __init__(self, entrance: Entrance, options: HttpStreamOptions) -> None:
        super().__init__(entrance, options.write_timeout)

    def _open(self, request: Request, headers: dict[str, str]) -> StreamTransport | Response:
        format_ = _PROTOBUF if is_binary(request) else _JSON
        first = First(format_.codec.decode(request.body), len(request.body))
        return HttpStreamTransport(self._entrance, headers, format_, first)


class UniHttpStreamTransport(OneWayTransport):
    """A one-way session over HTTP streaming."""

    __slots__ = ()

    name = "uni_http_stream"


class UniHttpStreamDoor(OneWayDoor):
    """Opens one-way streams; the body of the request is the connect request."""

    def __init__(self, entrance: Entrance, options: UniHttpStreamOptions) -> None:
        super().__init__(entrance, options.write_timeout, options.connect_code_to_http_response)

    def _open(self, request: Request, headers: dict[str, str]) -> StreamTransport | Response:
        codec: Codec = _ONE_WAY.codec
        connect = read_connect(codec, request.body, request.peer)
        if connect is None:
            return plain_response(400)
        first = First([connect], len(request.body))
        return UniHttpStreamTransport(self._entrance, headers, _ONE_WAY, first)
