"""Whole sessions: whatever a client says, nothing inside breaks, and its neighbour hears all."""

import logging

from girandola.protocol.classic import CLASSIC
from girandola.protocol.codec import Codec
from girandola.protocol.frames import with_length
from girandola.protocol.negotiation import PROTOCOLS
from girandola.protocol.pb import client_pb2, v1_pb2
from tests.auth.tokens import token
from tests.fuzz.targets import json_codecs, protobuf_codecs
from tests.scenarios.modern_world import HISTORY, OPEN, World

CODECS: tuple[Codec, ...] = tuple(
    codec for codec in PROTOCOLS if not codec.name.endswith("one-way")
)
JWT = token({"sub": "42"})
OPTIONS = (
    OPEN
    | HISTORY
    | {
        "presence": True,
        "force_recovery": True,
        "allow_publish_for_client": True,
        "allow_history_for_client": True,
        "allow_presence_for_client": True,
        "allow_publish_for_anonymous": True,
        "allow_history_for_anonymous": True,
        "allow_presence_for_anonymous": True,
        "publication_data_format": "json",
        "allowed_delta_types": ("fossil",),
        "allow_tags_filter": True,
    }
)

SEEDS = (
    *(bytes((index,)) + seed for index, _ in enumerate(CODECS) for seed in json_codecs.SEEDS[:6]),
    *(bytes((index,)) + seed for index, _ in enumerate(CODECS) for seed in protobuf_codecs.SEEDS),
)
WORDS = (*json_codecs.WORDS, *protobuf_codecs.WORDS, b'"a"', b'{"id":9,"unsubscribe":')


CONNECTS = {
    "classic": b'{"method":"connect","params":{"user":"42","timestamp":"1","token":""}}',
    "v1-json": f'{{"id":1,"params":{{"token":"{JWT}"}}}}'.encode(),
    "v1-protobuf": with_length(
        v1_pb2.Command(
            id=1, params=v1_pb2.ConnectRequest(token=JWT).SerializeToString()
        ).SerializeToString()
    ),
    "v2-json": f'{{"id":1,"connect":{{"token":"{JWT}"}}}}'.encode(),
    "v2-protobuf": with_length(
        client_pb2.Command(id=1, connect=client_pb2.ConnectRequest(token=JWT)).SerializeToString()
    ),
}
"""How a client of each generation begins."""


class _Errors(logging.Handler):
    """Makes an error in the log one of the test."""

    def emit(self, record: logging.LogRecord) -> None:
        raise AssertionError(f"logged: {self.format(record)}")


def one_input(data: bytes) -> None:
    """Say ``data`` on a connection of some generation, beside a listener to the channel ``a``."""
    if not data:
        return
    logger, errors = logging.getLogger("girandola.core"), _Errors(logging.ERROR)
    logger.addHandler(errors)
    try:
        _say(data)
    finally:
        logger.removeHandler(errors)


def _say(data: bytes) -> None:
    codec = CODECS[data[0] % len(CODECS)]
    world = World({"": OPTIONS}, insecure=codec is CLASSIC)
    listener = world.subscribed("a")
    client = world.open(codec)
    client.session.receive(CONNECTS[codec.name.removesuffix("-newest-first")])
    world.clock.run()
    assert client.session.connected
    client.session.receive(data[1:])
    world.clock.run()
    listener.read()
    world.publish("a", "1")
    (push,) = listener.read()
    assert '"pub":{"data":1' in push, (push, listener.closed)
