"""Queues, slow clients, concurrency and what stays behind: modern.md section 9.

With it the promises of the house: one flush per tick, wide flushes in slices, one timer for all.
"""

import pytest

from girandola.core.grants import PublishOptions
from girandola.core.outbox import SLICE
from girandola.errors import FORCE_DISCONNECT
from girandola.model import Publication
from tests.scenarios.modern_world import OPEN, RECOVERY, Connection, World

SLOW = (3008, "slow")
BIG = '"' + "x" * 400 + '"'


def push(data: str, channel: str = "news") -> str:
    return f'{{"push":{{"channel":"{channel}","pub":{{"data":{data}}}}}}}'


def publication(data: str) -> tuple[Publication, PublishOptions]:
    return Publication(data.encode()), PublishOptions()


def crowd(world: World, channel: str, size: int) -> list[Connection]:
    return [world.subscribed(channel, str(number)) for number in range(size)]


# ── slow clients ─────────────────────────────────────────────────────────────────────────────


def test_a_client_over_its_queue_limit_in_one_tick_is_closed_and_its_queue_dropped() -> None:
    """3008; those with room are not concerned."""
    world = World({"": OPEN}, queue_max_size=1000)
    client, other = world.connect(), world.connect("43")
    for channel in ("a", "b", "c"):
        client.subscribe(channel)
    other.subscribe("a")
    for channel in ("a", "b", "c"):
        world.clock.spawn(world.node.publish(channel, *publication(BIG)))
    assert client.read() == []
    assert client.closed == SLOW
    assert other.read() == [push(BIG, "a")]
    assert other.closed is None


def test_bytes_that_are_not_on_the_wire_yet_count() -> None:
    """The transport's buffer and the queue together are what the limit is about."""
    world = World({"": OPEN}, queue_max_size=1000)
    client, other = world.subscribed("news"), world.subscribed("news", "43")
    client.transport.stuck = 900
    world.publish("news", '"fits not"' + " " * 60)
    assert client.read() == []
    assert client.closed == SLOW
    assert len(other.read()) == 1
    assert other.closed is None


def test_a_queue_that_is_exactly_full_is_not_too_full() -> None:
    world = World({"": OPEN}, queue_max_size=1000)
    client = world.subscribed("news")
    client.transport.stuck = 1000 - len(push("1"))
    world.publish("news", "1")
    assert client.read() == [push("1")]
    client.transport.stuck += 1
    world.publish("news", "1")
    assert client.closed == SLOW


def test_a_slow_client_leaves_its_channels() -> None:
    """Presence and leave, as with any other end."""
    options = OPEN | {"presence": True, "join_leave": True, "force_push_join_leave": True}
    world = World({"": options}, queue_max_size=1000)
    witness = world.subscribed("news", "1")
    client = world.subscribed("news", "2")
    client.transport.stuck = 1000
    witness.read()
    world.publish("news", "1")
    assert witness.read() == [
        push("1"),
        '{"push":{"channel":"news","leave":{"info":{"user":"2","client":"c2"}}}}',
    ]
    assert list(world.members("news")) == ["c1"]


def test_a_client_over_its_limit_while_subscribing_is_closed() -> None:
    """What waits for the reply counts as queued; the engine's answer comes too late for it."""
    world = World({"": RECOVERY}, queue_max_size=1000)
    client, other = world.connect(), world.subscribed("news", "43")
    world.gates.shut("history")
    client.send('{"id":2,"subscribe":{"channel":"news"}}')
    for _ in range(3):
        world.publish("news", BIG)
    assert client.closed == SLOW
    world.gates.open("history")
    assert client.read() == []
    assert len(other.read()) == 3
    assert world.node.hub.num_subscriptions == 1


def test_replies_count_too() -> None:
    world = World({"": OPEN}, queue_max_size=1000)
    client = world.connect()
    lines = (f'{{"id":{number},"unsubscribe":{{"channel":"news"}}}}' for number in range(2, 60))
    assert client.ask(*lines) == []
    assert client.closed == SLOW


# ── one flush per tick ───────────────────────────────────────────────────────────────────────


def publish_in_this_tick(world: World, channel: str, *payloads: str) -> None:
    for data in payloads:
        world.clock.spawn(world.node.publish(channel, *publication(data)))


def test_ten_publications_of_one_tick_are_one_write() -> None:
    """For every subscriber, whatever else is queued in between."""
    world = World({"": OPEN})
    clients = crowd(world, "news", 3)
    publish_in_this_tick(world, "news", *"0123456789")
    for client in clients:
        assert client.writes() == [[push(data) for data in "0123456789"]]


def test_publications_of_two_ticks_are_two_writes() -> None:
    world = World({"": OPEN})
    client = world.subscribed("news")
    publish_in_this_tick(world, "news", "1")
    world.clock.tick()
    publish_in_this_tick(world, "news", "2")
    assert client.writes() == [[push("1")], [push("2")]]


def test_replies_and_pushes_keep_their_order_in_one_write() -> None:
    world = World({"": OPEN})
    client = world.subscribed("news")
    publish_in_this_tick(world, "news", "1")
    client.session.receive(b'{"id":5,"unsubscribe":{"channel":"none"}}')
    publish_in_this_tick(world, "news", "2")
    assert client.writes() == [[push("1"), '{"id":5,"unsubscribe":{}}', push("2")]]


def test_a_wide_channel_does_not_hold_up_a_narrow_one() -> None:
    """A flush of thousands goes on in slices, and small flushes come in between."""
    world = World({"": OPEN})
    wide, narrow = crowd(world, "wide", 10 * SLICE), crowd(world, "narrow", 10)
    publish_in_this_tick(world, "wide", "1")
    world.clock.tick()
    world.clock.tick()
    publish_in_this_tick(world, "narrow", "2")
    world.clock.tick()
    assert all(client.transport.writes for client in narrow)
    written = sum(bool(client.transport.writes) for client in wide)
    assert SLICE <= written <= 2 * SLICE
    world.clock.run()
    assert all(client.writes() == [[push("1", "wide")]] for client in wide)


def test_what_comes_while_a_wide_flush_goes_on_joins_the_same_write() -> None:
    """Those not reached yet get both in one, those reached already get a second write."""
    world = World({"": OPEN})
    wide = crowd(world, "wide", 3 * SLICE)
    publish_in_this_tick(world, "wide", "1")
    world.clock.tick()
    world.clock.tick()
    publish_in_this_tick(world, "wide", "2")
    one, two = push("1", "wide"), push("2", "wide")
    written = [client.writes() for client in wide]
    assert written.count([[one], [two]]) == SLICE
    assert written.count([[one, two]]) == 2 * SLICE


def test_a_session_that_ends_before_its_slice_is_not_written_to() -> None:
    world = World({"": OPEN})
    wide = crowd(world, "wide", 2 * SLICE)
    publish_in_this_tick(world, "wide", "1")
    world.clock.tick()
    for client in wide:
        client.session.on_transport_closed()
    assert all(client.writes() == [] for client in wide)


# ── commands under way ───────────────────────────────────────────────────────────────────────


def rpc(number: int) -> str:
    return f'{{"id":{number},"rpc":{{"method":"ping"}}}}'


def subscribe(number: int, channel: str) -> str:
    return f'{{"id":{number},"subscribe":{{"channel":"{channel}"}}}}'


def test_commands_are_carried_out_one_after_the_other() -> None:
    """By default; replies come in the order of the commands, however long one takes."""
    world = World({"": OPEN}, rpc_ping=True)
    client = world.connect()
    world.gates.shut("subscribe")
    client.send(subscribe(2, "news"), rpc(3))
    client.send(rpc(4))
    assert client.read() == []
    world.gates.open("subscribe")
    assert client.read() == [
        '{"id":2,"subscribe":{}}',
        '{"id":3,"rpc":{}}',
        '{"id":4,"rpc":{}}',
    ]


def test_the_transport_is_paused_while_frames_wait() -> None:
    """So that the peer feels our pace and nothing piles up here; then it goes on."""
    world = World({"": OPEN}, rpc_ping=True)
    client = world.connect()
    world.gates.shut("subscribe")
    client.send(subscribe(2, "news"))
    assert not client.transport.paused
    client.send(rpc(3))
    assert client.transport.paused
    world.gates.open("subscribe")
    assert not client.transport.paused
    assert len(client.read()) == 2


@pytest.mark.parametrize("concurrency", [2, 3])
def test_as_many_commands_as_configured_are_under_way_at_once(concurrency: int) -> None:
    """``client.concurrency``: quick ones overtake slow ones, up to the limit."""
    world = World({"": OPEN}, rpc_ping=True, concurrency=concurrency)
    client = world.connect()
    world.gates.shut("subscribe")
    slow = [subscribe(10 + number, f"slow{number}") for number in range(concurrency - 1)]
    client.send(*slow)
    assert client.ask(rpc(3)) == ['{"id":3,"rpc":{}}']
    client.send(subscribe(20, "last"))
    assert not client.transport.paused
    assert client.ask(rpc(4)) == []
    assert client.transport.paused
    world.gates.open("subscribe")
    assert not client.transport.paused
    answers = client.read()
    assert len(answers) == concurrency + 1
    assert '{"id":4,"rpc":{}}' in answers


@pytest.mark.parametrize("concurrency", [0, 1])
def test_a_concurrency_of_none_or_one_is_one(concurrency: int) -> None:
    world = World({"": OPEN}, rpc_ping=True, concurrency=concurrency)
    client = world.connect()
    world.gates.shut("subscribe")
    client.send(subscribe(2, "news"))
    assert client.ask(rpc(3)) == []


def test_a_peer_that_leaves_takes_its_waiting_commands_along() -> None:
    world = World({"": OPEN | {"allow_publish_for_client": True}})
    witness, client = world.subscribed("news", "1"), world.connect()
    world.gates.shut("subscribe")
    client.send(subscribe(2, "other"))
    client.send('{"id":3,"publish":{"channel":"news","data":1}}')
    client.hang_up()
    world.gates.open("subscribe")
    assert witness.read() == []
    assert client.read() == []
    assert not world.clock.unfinished
    assert list(dict(world.node.hub.channels())) == ["news"]


def test_a_frame_of_two_lines_is_two_commands() -> None:
    client = World({"": OPEN}, rpc_ping=True).connect()
    client.send(subscribe(2, "news"), rpc(3))
    assert client.writes() == [['{"id":2,"subscribe":{}}', '{"id":3,"rpc":{}}']]


@pytest.mark.parametrize("frame", [rpc(2) + "\n", rpc(2)])
def test_one_newline_at_the_end_of_a_frame_is_tolerated(frame: str) -> None:
    client = World(rpc_ping=True).connect()
    assert client.ask(frame) == ['{"id":2,"rpc":{}}']
    assert client.closed is None


def test_a_second_newline_at_the_end_of_a_frame_is_a_bad_request() -> None:
    client = World(rpc_ping=True).connect()
    assert client.ask(rpc(2) + "\n\n") == ['{"id":2,"rpc":{}}']
    assert client.closed == (3501, "bad request")


# ── what stays behind ────────────────────────────────────────────────────────────────────────


def timers(world: World) -> int:
    return sum(not timer.cancelled for _, _, timer in world.clock._later)


def test_all_connections_cost_one_timer_altogether() -> None:
    world = World()
    assert timers(world) == 0
    for number in range(300):
        world.connect(str(number))
        world.advance(0.05)
    assert timers(world) == 1


@pytest.mark.parametrize("how", ["hang up", "disconnect", "bad request", "unsubscribe first"])
def test_nothing_is_left_of_those_who_have_gone(how: str) -> None:
    """A thousand connects and disconnects: no session, subscription, presence, duty or timer."""
    options = {"presence": True, "join_leave": True, "allow_user_limited_channels": True}
    world = World({"": OPEN | options})
    for number in range(1000):
        client = world.connect(str(number), channels=["server", f"own{number}"])
        client.subscribe("shared")
        client.subscribe(f"alone{number}")
        if how == "unsubscribe first":
            for channel in ("server", f"own{number}", "shared", f"alone{number}"):
                client.send(f'{{"id":9,"unsubscribe":{{"channel":"{channel}"}}}}')
        if how == "bad request":
            client.send("{")
        elif how == "disconnect":
            client.session.close(FORCE_DISCONNECT)
        else:
            client.hang_up()
    hub = world.node.hub
    assert (hub.num_clients, hub.num_users, hub.num_subscriptions, hub.num_channels) == (0,) * 4
    assert not hub.sessions()
    assert world.presence.is_empty()
    assert world.broker.is_idle()
    assert not world.clock.unfinished
    assert not any(world.node.wheel._slots.values())
    world.advance(60)
    assert not world.node.wheel._slots
    assert not world.node.wheel._order
    assert timers(world) == 0
    stats = world.node.stats
    assert stats.connections_opened == stats.connections_closed == 1000


def test_a_closed_session_does_nothing_more() -> None:
    """Whatever comes or becomes due afterwards."""
    world = World({"": OPEN})
    client = world.subscribed("news")
    client.session.close(FORCE_DISCONNECT)
    client.session.close(FORCE_DISCONNECT)
    client.send(subscribe(2, "other"))
    world.publish("news", "1")
    client.hang_up()
    world.advance(100)
    assert client.read() == []
    assert not client.session.subscriptions
    assert world.node.stats.connections_closed == 1


# ── subscriptions ────────────────────────────────────────────────────────────────────────────


def test_a_channel_limit_of_0_is_the_default() -> None:
    client = World({"": OPEN}, channel_limit=0).connect()
    for number in range(128):
        client.subscribe(f"a{number}")
    answer = client.ask('{"id":999,"subscribe":{"channel":"one more"}}')
    assert answer == ['{"id":999,"error":{"code":106,"message":"limit exceeded"}}']
