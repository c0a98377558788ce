"""What the application does to connections: modern.md sections 6, 7.2, 7.3 and 8.7."""

import pytest

from girandola import errors
from girandola.core.grants import SubscribeGrant
from girandola.core.node import Target
from girandola.errors import Disconnect, Error, UnsubscribeCode
from tests.auth.tokens import NOW
from tests.scenarios.modern_world import OPEN, RECOVERY, World, connect_line


def subscribe(world: World, target: Target, channel: str = "news", **grant: object) -> None:
    world.clock.result(world.node.subscribe(target, channel, SubscribeGrant(**grant)))


def unsubscribe(world: World, target: Target, channel: str = "") -> None:
    world.clock.result(world.node.unsubscribe(target, channel))


# ── subscribe ────────────────────────────────────────────────────────────────────────────────


def test_a_server_side_subscription_is_told_by_a_push_and_is_live_at_once() -> None:
    world = World()
    client = world.connect()
    subscribe(world, Target("42"), data=b'{"a":1}')
    world.publish("news", "1")
    assert client.read() == [
        '{"push":{"channel":"news","subscribe":{"data":{"a":1}}}}',
        '{"push":{"channel":"news","pub":{"data":1}}}',
    ]


def test_a_recoverable_server_side_subscription_tells_its_position() -> None:
    world = World({"": RECOVERY})
    world.publish("news", "1")
    client = world.connect()
    subscribe(world, Target("42"), recoverable=True, positioned=True)
    assert client.read() == [
        '{"push":{"channel":"news","subscribe":'
        '{"recoverable":true,"epoch":"E1","offset":1,"positioned":true}}}'
    ]


def test_publications_that_come_while_subscribing_follow_the_push() -> None:
    world = World({"": RECOVERY})
    client = world.connect()
    world.gates.shut("subscribe")
    grant = SubscribeGrant(recoverable=True, positioned=True)
    world.clock.spawn(world.node.subscribe(Target("42"), "news", grant))
    assert client.read() == []
    world.gates.open("subscribe")
    world.publish("news", "1")
    first, second = client.read()
    assert first.startswith('{"push":{"channel":"news","subscribe":')
    assert second.startswith('{"push":{"channel":"news","pub":')


def test_a_server_side_subscription_joins_and_is_present() -> None:
    world = World()
    client = world.connect()
    subscribe(world, Target("42"), presence=True, join_leave=True, push_join_leave=True)
    assert client.read() == [
        '{"push":{"channel":"news","subscribe":{}}}',
        '{"push":{"channel":"news","join":{"info":{"user":"42","client":"c1"}}}}',
    ]
    assert list(world.members("news")) == ["c1"]


def test_who_is_subscribed_already_stays_as_it_is() -> None:
    world = World({"": OPEN})
    client = world.subscribed("news")
    subscribe(world, Target("42"), presence=True)
    assert client.read() == []
    assert world.presence.is_empty()


def test_one_server_side_subscription_too_many_ends_the_connection() -> None:
    """3505."""
    world = World({"": OPEN}, channel_limit=1)
    client = world.subscribed("one")
    subscribe(world, Target("42"), "two")
    assert client.closed == (3505, "channel limit")


def test_an_engine_that_fails_leaves_the_connection_without_the_channel() -> None:
    """Whoever asked is told; the client is not."""
    world = World()
    client = world.connect()
    world.gates.broken.add("subscribe")
    with pytest.raises(ConnectionError):
        subscribe(world, Target("42"))
    assert client.read() == []
    assert not client.session.subscriptions
    assert not world.node.hub.num_subscriptions


# ── whom a call is about ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("target", "reached"),
    [
        (Target("42"), ["c1", "c2"]),
        (Target("42", client="c2"), ["c2"]),
        (Target("42", session="secret"), ["c1"]),
        (Target("42", client="c2", session="secret"), []),
        (Target("43", client="c2"), []),
        (Target("nobody"), []),
        (Target(""), ["c4"]),
    ],
)
def test_a_call_reaches_a_user_s_connections_or_one_of_them(
    target: Target, reached: list[str]
) -> None:
    """The empty user id stands for the anonymous; ids narrow it down."""
    world = World(allow_anonymous_connect_without_token=True)
    clients = [world.connect("42"), world.connect("42"), world.connect("43"), world.open()]
    clients[3].ask('{"id":1,"connect":{}}')
    clients[0].session.id = "secret"
    subscribe(world, target)
    assert [client.name for client in clients if client.read()] == reached


# ── unsubscribe, 7.3 ─────────────────────────────────────────────────────────────────────────

UNSUBSCRIBED = '"unsubscribe":{"code":2000,"reason":"server unsubscribe"}'


@pytest.mark.parametrize("by_server", [True, False])
def test_an_unsubscribe_by_the_server_is_told_by_a_push(by_server: bool) -> None:
    """2000, for client-side and server-side subscriptions alike; nothing comes after it."""
    world = World({"": OPEN})
    client = world.connect(channels=["news"]) if by_server else world.subscribed("news")
    unsubscribe(world, Target("42"), "news")
    world.publish("news", "1")
    assert client.read() == [f'{{"push":{{"channel":"news",{UNSUBSCRIBED}}}}}']
    assert client.ask('{"id":2,"subscribe":{"channel":"news"}}') == ['{"id":2,"subscribe":{}}']


def test_an_unsubscribe_without_a_channel_ends_all() -> None:
    world = World({"": OPEN | {"presence": True}})
    client = world.connect(channels=["a"])
    client.subscribe("b")
    unsubscribe(world, Target("42"))
    assert client.read() == [
        f'{{"push":{{"channel":"{channel}",{UNSUBSCRIBED}}}}}' for channel in "ab"
    ]
    assert world.presence.is_empty()
    assert world.broker.is_idle()


def test_an_unsubscribe_from_a_channel_nobody_has_is_not_told() -> None:
    world = World()
    client = world.connect()
    unsubscribe(world, Target("42"), "news")
    assert client.read() == []


def test_an_unsubscribe_withdraws_a_subscribe_under_way() -> None:
    """The client is answered 103 and gets no push of a subscription it never heard of."""
    world = World({"": OPEN})
    world.gates.shut("subscribe")
    client = world.connect()
    client.send('{"id":2,"subscribe":{"channel":"news"}}')
    world.clock.spawn(world.node.unsubscribe(Target("42"), "news"))
    world.gates.open("subscribe")
    assert client.read() == ['{"id":2,"error":{"code":103,"message":"permission denied"}}']
    assert world.broker.is_idle()


# ── disconnect, 7.2 ──────────────────────────────────────────────────────────────────────────


def test_a_disconnect_by_the_server_spares_those_it_is_told_to() -> None:
    """3503 where nothing else is said."""
    world = World()
    gone, spared, other = world.connect("42"), world.connect("42"), world.connect("43")
    world.clock.result(world.node.disconnect(Target("42"), whitelist=["c2"]))
    assert gone.closed == (3503, "force disconnect")
    assert spared.closed is None
    assert other.closed is None
    assert world.node.hub.num_clients == 2


def test_an_application_may_give_its_own_code() -> None:
    world = World()
    client = world.connect()
    world.clock.result(world.node.disconnect(Target("42"), Disconnect(4000, "be gone")))
    assert client.closed == (4000, "be gone")


def test_what_is_pushed_in_the_same_tick_goes_out_before_a_disconnect() -> None:
    world = World({"": OPEN})
    client = world.subscribed("news")
    world.publish("news", "1")
    client.transport.writes.clear()
    subscribe(world, Target("42"), "more")
    world.clock.result(world.node.disconnect(Target("42")))
    assert client.read() == ['{"push":{"channel":"more","subscribe":{}}}']


# ── refresh ──────────────────────────────────────────────────────────────────────────────────


def refresh(world: World, **how: object) -> None:
    world.clock.result(world.node.refresh(Target("42"), **how))


def test_a_refresh_by_the_server_is_told_and_changes_the_expiry() -> None:
    world = World(ping_interval=0.0)
    client = world.connect(exp=NOW + 60)
    refresh(world, expire_at=NOW + 600)
    assert client.read() == ['{"push":{"refresh":{"expires":true,"ttl":600}}}']
    world.advance(620)
    assert client.closed is None
    world.advance(6)
    assert client.closed == (3005, "connection expired")


def test_a_refresh_without_a_time_ends_the_expiry() -> None:
    world = World(ping_interval=0.0)
    client = world.connect(exp=NOW + 60)
    refresh(world)
    assert client.read() == ['{"push":{"refresh":{}}}']
    world.advance(1000)
    assert client.closed is None


@pytest.mark.parametrize("how", [{"expired": True}, {"expire_at": NOW - 1}, {"expire_at": NOW}])
def test_a_refresh_may_end_connections_as_expired(how: dict[str, object]) -> None:
    world = World()
    client = world.connect()
    refresh(world, **how)
    assert client.read() == []
    assert client.closed == (3005, "connection expired")


def test_a_refresh_may_replace_the_info() -> None:
    world = World({"": OPEN | {"presence": True}}, presence_update_interval=1.0)
    world.subscribed("news", info={"a": 1})
    refresh(world, info=b'{"a":2}')
    world.advance(2)
    assert world.members("news")["c1"].conn_info == b'{"a":2}'


# ── channels and info ────────────────────────────────────────────────────────────────────────


def test_channels_with_subscribers_are_counted() -> None:
    world = World({"": OPEN})
    client = world.subscribed("a")
    world.subscribed("a").subscribe("b")
    world.publish("c", "1")
    assert dict(world.node.hub.channels()) == {"a": 2, "b": 1}
    client.hang_up()
    assert dict(world.node.hub.channels()) == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ("", {"news", "news:1", "news:22", "n.ws", "chat"}),
        ("*", {"news", "news:1", "news:22", "n.ws", "chat"}),
        ("news", {"news"}),
        ("news:*", {"news:1", "news:22"}),
        ("news:?", {"news:1"}),
        ("n.ws", {"n.ws"}),
        ("n[.e]ws", {"n.ws", "news"}),
        ("n[!e]ws", {"n.ws"}),
        ("n[a-f]ws", {"news"}),
        ("{chat,news:*}", {"chat", "news:1", "news:22"}),
        ("{n[.]ws,c?at}", {"n.ws", "chat"}),
        ("news}", set()),
    ],
)
def test_channels_are_found_by_a_pattern(pattern: str, matching: set[str]) -> None:
    world = World({"": OPEN, "news": OPEN})
    client = world.connect()
    for channel in ("news", "news:1", "news:22", "n.ws", "chat"):
        client.subscribe(channel)
    assert set(world.clock.result(world.node.channels(pattern))) == matching


def test_a_node_tells_about_itself() -> None:
    world = World({"": OPEN}, ping_interval=0.0)
    world.subscribed("a", "42").subscribe("b")
    world.subscribed("a", "42")
    world.connect("43")
    world.advance(90.5)
    (info,) = world.node.info()
    assert (info.num_clients, info.num_users, info.num_subs, info.num_channels) == (3, 2, 3, 2)
    assert (info.uptime, info.started_at) == (90, NOW)
    assert info.uid == world.node.uid


# ── shutdown ─────────────────────────────────────────────────────────────────────────────────


def test_a_shutdown_closes_every_client() -> None:
    """3001, with what is queued going out first; those still connecting included."""
    world = World({"": OPEN})
    client, other, early = world.subscribed("news"), world.connect("43"), world.open()
    subscribe(world, Target("42"), "more")
    world.clock.result(world.node.shutdown())
    assert client.read() == ['{"push":{"channel":"more","subscribe":{}}}']
    assert {client.closed, other.closed, early.closed} == {(3001, "shutdown")}
    assert world.node.shutting_down
    assert not world.node.hub.sessions()


def test_a_connect_under_way_does_not_outlive_a_shutdown() -> None:
    world = World({"": OPEN})
    world.gates.shut("subscribe")
    client = world.open()
    client.send(connect_line(channels=["news"]))
    world.clock.result(world.node.shutdown())
    world.gates.open("subscribe")
    assert client.read() == []
    assert client.closed == (3001, "shutdown")
    assert world.broker.is_idle()


def test_a_node_without_clients_shuts_down_at_once() -> None:
    world = World()
    world.clock.result(world.node.shutdown())
    assert world.node.shutting_down


# ── 7 the tables of codes ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "code", "message", "temporary"),
    [
        (errors.INTERNAL, 100, "internal server error", True),
        (errors.UNAUTHORIZED, 101, "unauthorized", False),
        (errors.UNKNOWN_CHANNEL, 102, "unknown channel", False),
        (errors.PERMISSION_DENIED, 103, "permission denied", False),
        (errors.METHOD_NOT_FOUND, 104, "method not found", False),
        (errors.ALREADY_SUBSCRIBED, 105, "already subscribed", False),
        (errors.LIMIT_EXCEEDED, 106, "limit exceeded", False),
        (errors.BAD_REQUEST, 107, "bad request", False),
        (errors.NOT_AVAILABLE, 108, "not available", False),
        (errors.TOKEN_EXPIRED, 109, "token expired", False),
        (errors.EXPIRED, 110, "expired", False),
        (errors.TOO_MANY_REQUESTS, 111, "too many requests", True),
        (errors.UNRECOVERABLE, 112, "unrecoverable position", False),
    ],
)
def test_the_table_of_errors(error: Error, code: int, message: str, temporary: bool) -> None:
    assert error == Error(code, message, temporary)


@pytest.mark.parametrize(
    ("disconnect", "code", "reason", "reconnect"),
    [
        (errors.CONNECTION_CLOSED, 3000, "connection closed", True),
        (errors.SHUTDOWN, 3001, "shutdown", True),
        (errors.SERVER_ERROR, 3004, "internal server error", True),
        (errors.CONNECTION_EXPIRED, 3005, "connection expired", True),
        (errors.SUBSCRIPTION_EXPIRED, 3006, "subscription expired", True),
        (errors.SLOW, 3008, "slow", True),
        (errors.WRITE_ERROR, 3009, "write error", True),
        (errors.INSUFFICIENT_STATE, 3010, "insufficient state", True),
        (errors.FORCE_RECONNECT, 3011, "force reconnect", True),
        (errors.NO_PONG, 3012, "no pong", True),
        (errors.TOO_MANY_REQUESTS_CLOSE, 3013, "too many requests", True),
        (errors.INVALID_TOKEN, 3500, "invalid token", False),
        (errors.BAD_REQUEST_CLOSE, 3501, "bad request", False),
        (errors.STALE, 3502, "stale", False),
        (errors.FORCE_DISCONNECT, 3503, "force disconnect", False),
        (errors.CONNECTION_LIMIT, 3504, "connection limit", False),
        (errors.CHANNEL_LIMIT, 3505, "channel limit", False),
        (errors.INAPPROPRIATE_PROTOCOL, 3506, "inappropriate protocol", False),
        (errors.PERMISSION_DENIED_CLOSE, 3507, "permission denied", False),
        (errors.NOT_AVAILABLE_CLOSE, 3508, "not available", False),
        (Disconnect(1000, ""), 1000, "", True),
        (Disconnect(4000, ""), 4000, "", True),
        (Disconnect(4499, ""), 4499, "", True),
        (Disconnect(4500, ""), 4500, "", False),
        (Disconnect(4999, ""), 4999, "", False),
        (Disconnect(5000, ""), 5000, "", True),
    ],
)
def test_the_table_of_disconnects(
    disconnect: Disconnect, code: int, reason: str, reconnect: bool
) -> None:
    """Clients come back by themselves except after 3500-3999 and 4500-4999."""
    assert (disconnect.code, disconnect.reason) == (code, reason)
    assert disconnect.reconnect is reconnect


@pytest.mark.parametrize(
    ("why", "code", "reason"),
    [
        (errors.UNSUBSCRIBED_BY_SERVER, 2000, "server unsubscribe"),
        (errors.UNSUBSCRIBED_INSUFFICIENT_STATE, 2500, "insufficient state"),
        (errors.UNSUBSCRIBED_EXPIRED, 2501, "subscription expired"),
    ],
)
def test_the_table_of_unsubscribes(why: UnsubscribeCode, code: int, reason: str) -> None:
    assert (why.code, why.reason) == (code, reason)
