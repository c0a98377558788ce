"""The request that carries commands beside their connection (modern.md section 1.5)."""

from google.protobuf.message import DecodeError
from msgspec import Struct

from girandola.protocol.json_requests import Reader, Request
from girandola.protocol.pb import client_pb2 as pb
from girandola.protocol.raw_json import Unreadable


class EmulationRequest(Struct, frozen=True):
    """``frame`` is for the session with the secret id ``session`` on the node ``node``."""

    node: str
    session: str
    frame: bytes


class _Json(Request):
    session: str
    data: str
    node: str = ""


_JSON: Reader[_Json] = Reader(_Json)


def decode_emulation(body: bytes, *, binary: bool) -> EmulationRequest:
    """Return what a request asks for; ``binary`` tells Protobuf from JSON.

    Raises:
        ValueError: it is not understood; the text says why, for the log.
    """
    if binary:
        try:
            request = pb.EmulationRequest.FromString(body)
        except DecodeError as error:
            raise ValueError(str(error)) from None
        return EmulationRequest(request.node, request.session, request.data)
    try:
        read = _JSON.read(body)
    except Unreadable as error:
        raise ValueError(str(error)) from None
    return EmulationRequest(read.node, read.session, read.data.encode("utf-8", "replace"))
