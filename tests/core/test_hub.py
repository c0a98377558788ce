"""Who is connected, who listens, and who gets what."""

from collections import Counter

import pytest

from girandola.core.grants import SubscribeGrant
from girandola.core.joining import begin, enter, go_live, join
from girandola.core.node import Target
from girandola.model import ClientInfo, Publication
from girandola.protocol.commands import Join, Push, Recovery, Subscribed
from girandola.protocol.v2_json import V2_JSON, V2Json
from tests.scenarios.modern_world import OPEN, RECOVERY, World


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


class Broken(V2Json):
    """A codec with a mistake."""

    def push(self, channel: str, push: Push) -> bytes:
        raise RuntimeError("a mistake in a codec")


@pytest.mark.parametrize("first", [True, False])
def test_a_codec_that_fails_keeps_a_message_from_its_own_subscribers_only(
    caplog: pytest.LogCaptureFixture, first: bool
) -> None:
    """Tried once and logged once; nobody is closed, and the publisher knows nothing of it."""
    world = World({"": RECOVERY})
    codecs = [Broken()] * 17 + [V2_JSON] * 3
    clients = [world.connect(codec=codec) for codec in (codecs if first else codecs[::-1])]
    for client in clients:
        client.subscribe("a")
    world.node.stats.broadcasts_encoded = 0
    (result,) = world.publish("a", "1")
    assert result.position.offset == 1
    told = Counter(tuple(client.read()) for client in clients)
    push = '{"push":{"channel":"a","pub":{"data":1,"offset":1,"epoch":"E1"}}}'
    assert told == {(): 17, (push,): 3}
    assert {client.closed for client in clients} == {None}
    assert world.node.stats.broadcasts_encoded == 2
    assert caplog.text.count("Traceback") == caplog.text.count("in 'a'") == 1


def test_who_missed_a_message_by_a_mistake_of_ours_gets_the_next_one() -> None:
    """Its position goes on: a recovery would meet the same mistake, again and again."""
    world = World({"": RECOVERY})
    broken = Broken()
    client = world.connect(codec=broken)
    client.subscribe("a")
    world.publish("a", "1")
    client.session.subscriptions["a"].encoding = V2_JSON
    world.publish("a", "2")
    assert client.read() == ['{"push":{"channel":"a","pub":{"data":2,"offset":2}}}']


def test_a_filter_that_fails_concerns_its_own_subscriber_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World({"": RECOVERY})
    clients = [world.subscribed("a") for _ in range(4)]

    def fails(tags: object) -> bool:
        raise RuntimeError("a mistake in a filter")

    for client in clients[:3]:
        client.session.subscriptions["a"].filter = fails
    world.publish("a", "1")
    assert [len(client.read()) for client in clients] == [0, 0, 0, 1]
    assert caplog.text.count("RuntimeError: a mistake") == 1


def test_an_event_that_fails_concerns_the_subscribers_of_that_codec_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    clients = [world.connect(codec=codec) for codec in (Broken(), V2Json())]
    for client in clients:
        grant = SubscribeGrant(push_join_leave=True)
        subscription = enter(client.session, "a", server_side=True)
        begin(subscription, grant)
        world.clock.result(join(subscription, grant, Recovery()))
        go_live(subscription, Subscribed())
    world.node.hub.broadcast_event("a", Join(ClientInfo("7", "x")))
    assert [len(client.read()) for client in clients] == [0, 1]
    assert caplog.text.count("RuntimeError: a mistake") == 1


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
