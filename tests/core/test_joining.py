"""How subscriptions begin and end, by whichever side's wish, and what stays of them."""

import pytest

from girandola.core import joining
from girandola.core.grants import SubscribeGrant
from girandola.core.node import Target
from girandola.protocol.commands import Recovery, Subscribed
from tests.scenarios.modern_world import OPEN, RECOVERY, Connection, World, connect_line

PRESENT = OPEN | {"presence": True, "join_leave": True, "force_push_join_leave": True}
SUBSCRIBE = '{"id":2,"subscribe":{"channel":"news"}}'


def clean(world: World) -> bool:
    return (
        world.broker.is_idle()
        and world.presence.is_empty()
        and not world.node.hub.num_subscriptions
        and not world.clock.unfinished
    )


@pytest.mark.parametrize("method", ["subscribe", "put", "have put", "history"])
def test_a_peer_that_goes_at_any_wait_leaves_nothing(method: str) -> None:
    """After each wait the subscription looks whether it is still wanted."""
    world = World({"": PRESENT | RECOVERY})
    client = world.connect()
    world.gates.shut(method)
    client.send(SUBSCRIBE)
    client.hang_up()
    world.gates.open(method)
    assert clean(world)


@pytest.mark.parametrize("method", ["subscribe", "put", "have put", "history"])
def test_an_unsubscribe_by_the_server_at_any_wait_leaves_nothing(method: str) -> None:
    world = World({"": PRESENT | RECOVERY})
    client = world.connect()
    world.gates.shut(method)
    client.send(SUBSCRIBE)
    world.clock.spawn(world.node.unsubscribe(Target("42"), "news"))
    world.gates.open(method)
    assert client.read() == ['{"id":2,"error":{"code":103,"message":"permission denied"}}']
    assert clean(world)


@pytest.mark.parametrize("method", ["subscribe", "put", "have put", "history"])
def test_a_new_subscription_takes_the_place_of_one_withdrawn_at_any_wait(method: str) -> None:
    """The one before does not touch it, whatever comes back from the engine for it."""
    world = World({"": PRESENT | RECOVERY}, concurrency=8)
    client = world.connect()
    world.gates.shut(method)
    client.send(SUBSCRIBE)
    client.send('{"id":3,"unsubscribe":{"channel":"news"}}')
    client.send('{"id":4,"subscribe":{"channel":"news"}}')
    world.gates.open(method)
    world.publish("news", "1")
    answers = client.read()
    assert sum('"id":4,"subscribe"' in answer for answer in answers) == 1
    assert '"pub":{"data":1,' in answers[-1]
    assert list(world.members("news")) == ["c1"]
    assert world.node.hub.num_subscriptions == 1


def test_nobody_hears_a_join_of_somebody_who_has_gone() -> None:
    """Nor a leave of somebody who never joined."""
    world = World({"": PRESENT})
    witness = world.subscribed("news", "1")
    witness.read()
    client = world.connect()
    world.gates.shut("have put")
    client.send(SUBSCRIBE)
    client.hang_up()
    world.gates.open("have put")
    assert witness.read() == []


def test_presence_that_cannot_be_removed_does_not_keep_the_node_listening() -> None:
    """It is tried again until it is gone."""
    world = World({"": PRESENT})
    client = world.subscribed("news")
    world.gates.broken.add("remove")
    client.send('{"id":3,"unsubscribe":{"channel":"news"}}')
    assert '{"id":3,"unsubscribe":{}}' in client.read()
    assert world.broker.is_idle()
    assert not world.presence.is_empty()
    world.gates.broken.clear()
    world.advance(1)
    assert world.presence.is_empty()


def test_abandoning_twice_is_leaving_once() -> None:
    world = World({"": PRESENT})
    witness, client = world.subscribed("news", "1"), world.subscribed("news", "2")
    witness.read()
    subscription = client.session.subscriptions["news"]
    joining.abandon(subscription)
    joining.abandon(subscription)
    assert len(witness.read()) == 1


def test_going_live_after_the_end_is_nothing() -> None:
    world = World({"": OPEN})
    client = world.connect()
    subscription = joining.enter(client.session, "news", server_side=False)
    client.hang_up()
    joining.go_live(subscription, Subscribed())
    assert not client.session.is_subscribed("news")


# ── server-side subscriptions ────────────────────────────────────────────────────────────────


def connecting(world: World, *channels: str) -> Connection:
    client = world.open()
    client.send(connect_line(channels=list(channels)))
    return client


@pytest.mark.parametrize("busy_with", ["a", "b"])
def test_a_channel_ended_while_connecting_is_not_told(busy_with: str) -> None:
    """The others are; whether it was being made or made already."""
    world = World({"": OPEN}, ping_interval=0.0)
    world.gates.shut(f"subscribe {busy_with}")
    client = connecting(world, "a", "b")
    world.clock.spawn(world.node.unsubscribe(Target("42"), "a"))
    world.gates.open(f"subscribe {busy_with}")
    assert client.read() == [
        '{"id":1,"connect":{"client":"c1","version":"1.0 girandola","subs":{"b":{}}}}'
    ]
    assert list(dict(world.node.hub.channels())) == ["b"]
    assert list(world.clock.result(world.node.channels())) == ["b"]


def test_a_leave_is_told_behind_the_join_however_long_that_takes() -> None:
    world = World({"": PRESENT})
    witness = world.subscribed("a", "1")
    witness.read()
    world.gates.shut("publish_join")
    client = connecting(world, "a")
    client.hang_up()
    assert witness.read() == []
    world.gates.open("publish_join")
    assert [("join" in line, "leave" in line) for line in witness.read()] == [
        (True, False),
        (False, True),
    ]


def test_a_session_still_connecting_is_not_subscribed_by_the_server() -> None:
    world = World({"": OPEN})
    world.gates.shut("subscribe")
    client = connecting(world, "a")
    world.clock.spawn(world.node.subscribe(Target("42"), "b", SubscribeGrant()))
    world.gates.open("subscribe")
    assert "b" not in client.session.subscriptions


@pytest.mark.parametrize("method", ["subscribe", "have put", "history"])
def test_a_peer_that_goes_while_the_server_subscribes_it_leaves_nothing(method: str) -> None:
    world = World()
    client = world.connect()
    world.gates.shut(method)
    grant = SubscribeGrant(presence=True, recoverable=True, join_leave=True)
    world.clock.spawn(world.node.subscribe(Target("42"), "news", grant))
    client.hang_up()
    world.gates.open(method)
    assert clean(world)


def test_a_server_side_subscription_that_cannot_recover_tells_the_top() -> None:
    world = World({"": RECOVERY})
    world.publish("news", "1", "2")
    client = world.connect()
    grant = SubscribeGrant(
        recoverable=True, recovery=Recovery(recover=True, offset=1, epoch="other")
    )
    world.clock.result(world.node.subscribe(Target("42"), "news", grant))
    assert client.read() == [
        '{"push":{"channel":"news","subscribe":'
        '{"recoverable":true,"epoch":"E1","offset":2,"positioned":true}}}'
    ]


@pytest.mark.parametrize("method", ["subscribe", "put", "have put", "history"])
def test_info_that_is_renewed_at_any_wait_is_what_others_see(method: str) -> None:
    world = World({"": PRESENT | RECOVERY})
    client = world.connect()
    world.gates.shut(method)
    client.send(SUBSCRIBE)
    world.clock.result(world.node.refresh(Target("42"), info=b'{"n":1}'))
    world.gates.open(method)
    assert world.members("news")["c1"].conn_info == b'{"n":1}'
