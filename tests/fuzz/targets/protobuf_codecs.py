"""Protobuf of every generation: any frame is commands, or ``Malformed`` as the last of them."""

from girandola.protocol.frames import with_length
from girandola.protocol.negotiation import PROTOCOLS, recognise_binary
from girandola.protocol.pb import client_pb2, v1_pb2
from tests.fuzz.targets.json_codecs import check

CODECS = tuple(codec for codec in PROTOCOLS if codec.binary)


def _today(**request: object) -> bytes:
    return with_length(client_pb2.Command(id=1, **request).SerializeToString())


def _of_v1(method: int, params: bytes) -> bytes:
    return with_length(v1_pb2.Command(id=1, method=method, params=params).SerializeToString())


SEEDS = (
    _today(connect=client_pb2.ConnectRequest(token="a", data=b"{}", name="js")),
    _today(subscribe=client_pb2.SubscribeRequest(channel="a", recover=True, offset=2**64 - 1)),
    _today(publish=client_pb2.PublishRequest(channel="a", data=b'{"a":1}')) + b"\x00",
    _today(history=client_pb2.HistoryRequest(channel="a", limit=-1, reverse=True)),
    _of_v1(0, v1_pb2.ConnectRequest(name="js", token="a").SerializeToString()),
    _of_v1(3, v1_pb2.PublishRequest(channel="a", data=b"\xff\x00").SerializeToString()),
    _of_v1(1, v1_pb2.SubscribeRequest(channel="a", recover=True, seq=1).SerializeToString()),
    b"\xff\xff\xff\xff\x0f" + b"\x0b" * 200,
)
WORDS = (
    *(b"\x00", b"\x01", b"\x08\x01", b"\x0b", b"\x0c", b"\x13", b"\x7f", b"\x80", b"\xff"),
    *(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x80\x00", b"\x0a\x01a", b"\x12\x00"),
)


def one_input(data: bytes) -> None:
    """Decode ``data`` as every codec; also behind its length, as most frames are."""
    for frame in (data, with_length(data)):
        assert recognise_binary(frame) in PROTOCOLS
        for codec in CODECS:
            check(codec, frame)
