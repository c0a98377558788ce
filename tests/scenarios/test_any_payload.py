"""Nothing that one client publishes ends the connection of another, whatever either speaks."""

import pytest

from girandola.core.grants import SubscribeGrant
from girandola.core.node import Target
from girandola.protocol import commands
from girandola.protocol.codec import Codec
from girandola.protocol.frames import without_lengths
from girandola.protocol.negotiation import PROTOCOLS
from girandola.protocol.pb import client_pb2
from girandola.protocol.v2_protobuf import V2_PROTOBUF
from tests.auth.tokens import token
from tests.scenarios.modern_world import HISTORY, OPEN, Connection, World

FREE = OPEN | HISTORY | {"allow_publish_for_client": True, "allow_history_for_client": True}
DEEP = b"[" * 300 + b"]" * 300
PAYLOADS = [b"\x00\xff", b"{", b'"\xff"', DEEP, b"\n"]


def connected(world: World, codec: Codec) -> Connection:
    """Connect a client of any generation, without its spelling."""
    client = world.open(codec)
    client.session.receive_commands([commands.Connect(id=1, token=token({"sub": "42"}))], 0)
    assert client.session.connected
    return client


def publish(client: Connection, data: bytes) -> client_pb2.Reply:
    """Publish in Protobuf and return the answer, which comes last."""
    command = commands.Publish(id=2, channel="news", data=data)
    client.session.receive_commands([command], len(data))
    client.world.clock.run()
    *_, last = without_lengths(client.transport.messages[-1])
    return client_pb2.Reply.FromString(last)


@pytest.mark.parametrize("data", PAYLOADS, ids=lambda data: repr(data[:5]))
def test_what_json_cannot_carry_is_told_to_all_and_ends_nobody(data: bytes) -> None:
    """Live and in answers, to clients of every generation."""
    world = World({"": FREE})
    clients = [connected(world, codec) for codec in PROTOCOLS]
    world.clock.result(world.node.subscribe(Target("42"), "news", SubscribeGrant()))
    for client in clients:
        client.world.clock.run()
        client.transport.writes.clear()
    assert not publish(connected(world, V2_PROTOBUF), data).HasField("error")
    for client in clients:
        assert len(client.transport.messages) == 1
        if not client.session.codec.name.endswith("one-way"):
            history = commands.History(id=3, channel="news", limit=9)
            client.session.receive_commands([history], 0)
            world.clock.run()
            assert len(client.transport.messages) == 2
    assert {client.closed for client in clients} == {None}


@pytest.mark.parametrize("wanted", ["json", "json_object"])
@pytest.mark.parametrize("data", [*PAYLOADS, b'{"a":' * 300 + b"1" + b"}" * 300])
def test_where_json_is_wanted_it_is_refused_to_its_publisher(data: bytes, wanted: str) -> None:
    """As the server API refuses it; nobody else hears of it."""
    world = World({"": FREE | {"publication_data_format": wanted}})
    listener = world.subscribed("news")
    assert publish(connected(world, V2_PROTOBUF), data).error.code == 107
    assert listener.read() == []
    assert world.top("news").offset == 0
