"""Who is connected, who listens, and who gets what."""

import pytest

from girandola.core.grants import SubscribeGrant
from girandola.core.node import Target
from girandola.model import ClientInfo, Publication
from girandola.protocol.commands import Join
from girandola.protocol.v2_json import V2Json
from tests.scenarios.modern_world import OPEN, World


class Mute(V2Json):
    """A generation that does not know joins."""

    def push(self, channel: str, push: object) -> bytes:
        return b"" if isinstance(push, Join) else super().push(channel, push)  # type: ignore[arg-type]


def test_sessions_are_counted_by_client_and_user() -> None:
    """The anonymous ones are one user; those still connecting are nobody yet."""
    world = World(allow_anonymous_connect_without_token=True)
    hub = world.node.hub
    clients = [world.connect("42"), world.connect("42"), world.open(), world.open(), world.open()]
    assert (hub.num_clients, hub.num_users) == (2, 1)
    for client in clients[2:4]:
        client.ask('{"id":1,"connect":{}}')
    assert (hub.num_clients, hub.num_users) == (4, 2)
    assert (hub.sessions_of("42"), hub.sessions_of(""), hub.sessions_of("x")) == (2, 2, 0)
    assert len(hub.sessions()) == 5
    for client in clients:
        client.hang_up()
    assert (hub.num_clients, hub.num_users, hub.sessions()) == (0, 0, [])


def test_a_session_is_found_by_its_client_id() -> None:
    world = World()
    client = world.connect()
    assert world.node.hub.session("c1") is client.session
    assert world.node.hub.session("c2") is None


def test_a_refused_session_is_not_found() -> None:
    """But a shutdown reaches it."""
    world = World()
    client = world.open()
    client.ask('{"id":1,"connect":{"token":""}}')
    hub = world.node.hub
    assert hub.find(Target("")) == []
    assert hub.num_clients == 0


def test_subscriptions_are_counted_until_they_end() -> None:
    world = World({"": OPEN})
    hub = world.node.hub
    first, second = world.subscribed("a"), world.subscribed("a")
    second.subscribe("b")
    assert (hub.num_subscriptions, hub.num_channels) == (3, 2)
    assert dict(hub.channels()) == {"a": 2, "b": 1}
    assert hub.has_subscribers("b")
    second.hang_up()
    assert (hub.num_subscriptions, hub.num_channels) == (1, 1)
    assert not hub.has_subscribers("b")
    hub.unsubscribe(first.session.subscriptions["a"])
    hub.unsubscribe(first.session.subscriptions["a"])
    assert (hub.num_subscriptions, hub.num_channels) == (0, 0)


def test_a_broadcast_reaches_the_subscribers_of_its_channel_only() -> None:
    world = World({"": OPEN})
    inside, outside = world.subscribed("a"), world.subscribed("b")
    world.node.hub.broadcast("a", Publication(b"1"))
    assert inside.read() == ['{"push":{"channel":"a","pub":{"data":1}}}']
    assert outside.read() == []


def test_nobody_leaves_within_the_broadcast_that_ends_them() -> None:
    """Delivery marks; the end of the tick acts."""
    world = World({"": OPEN}, queue_max_size=100)
    clients = [world.subscribed("a") for _ in range(3)]
    world.node.hub.broadcast("a", Publication(b'"' + b"x" * 100 + b'"'))
    assert world.node.hub.num_subscriptions == 3
    assert {client.closed for client in clients} == {(3008, "slow")}
    assert world.node.hub.num_subscriptions == 0


def test_a_payload_that_cannot_be_encoded_is_tried_once() -> None:
    """All its subscribers end, those of other channels do not."""
    world = World({"": OPEN})
    clients, other = [world.subscribed("a") for _ in range(3)], world.subscribed("b")
    world.node.stats.broadcasts_encoded = 0
    world.node.hub.broadcast("a", Publication(b"\xff"))
    assert {client.closed for client in clients} == {(3506, "inappropriate protocol")}
    assert world.node.stats.broadcasts_encoded == 1
    assert other.closed is None


def test_events_reach_those_who_get_them() -> None:
    """Encoded once for each codec, and not at all for one that does not know them."""
    world = World()
    grants = [SubscribeGrant(push_join_leave=True), SubscribeGrant()]
    clients = []
    for grant in grants:
        for codec in (V2Json(), Mute()):
            client = world.connect(codec=codec)
            target = Target("42", client.name)
            world.clock.result(world.node.subscribe(target, "a", grant))
            client.read()
            clients.append(client)
    world.node.hub.broadcast_event("a", Join(ClientInfo("7", "x")))
    push = '{"push":{"channel":"a","join":{"info":{"user":"7","client":"x"}}}}'
    assert [client.read() for client in clients] == [[push], [], [], []]


@pytest.mark.parametrize("event", [True, False])
def test_a_broadcast_to_a_channel_without_subscribers_is_nothing(event: bool) -> None:
    world = World()
    if event:
        world.node.hub.broadcast_event("a", Join(ClientInfo("7", "x")))
    else:
        world.node.hub.broadcast("a", Publication(b"1"))
    assert world.node.stats.broadcasts_encoded == 0
