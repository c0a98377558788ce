"""What time brings: modern.md sections 4.4 (pings), 5.8, 5.9 (refresh) and 8.8 (expiry)."""

import pytest

from girandola.core.duties import NOWHERE
from girandola.core.grants import SubscribeGrant
from girandola.core.node import Target
from girandola.protocol.frame_pings import WITH_FRAME_PINGS
from girandola.protocol.v2_json import V2_JSON
from tests.auth.tokens import NOW, token
from tests.scenarios.modern_world import OPEN, Connection, World, connect_line, sub_token

BAD_REQUEST = (3501, "bad request")
INVALID_TOKEN = (3500, "invalid token")
PING = "{}"
PONG = "{}"


# ── 4.4 ping and pong ────────────────────────────────────────────────────────────────────────


def test_the_first_ping_comes_in_the_second_half_of_the_interval_and_others_follow() -> None:
    """First between 12.5 and 25 s, spread by chance, then every 25 s."""
    world = World(ping_interval=25.0)
    world.node.random = lambda: 0.0
    early = world.connect()
    world.node.random = lambda: 0.999
    late = world.connect()
    world.advance(12.4)
    assert early.read() == late.read() == []
    world.advance(0.3)
    assert early.ask(PONG) == [PING]
    assert late.read() == []
    world.advance(12.4)
    assert late.ask(PONG) == [PING]
    world.advance(12.4)
    assert early.read() == []
    world.advance(0.3)
    assert early.read() == [PING]


def test_a_ping_without_a_pong_ends_the_connection() -> None:
    """3012 once ``client.pong_timeout`` has passed."""
    world = World(ping_interval=10.0, pong_timeout=3.0)
    world.node.random = lambda: 0.999
    client = world.connect()
    world.advance(10.1)
    assert client.read() == [PING]
    world.advance(2.8)
    assert client.closed is None
    world.advance(0.3)
    assert client.closed == (3012, "no pong")


def test_a_pong_in_time_keeps_the_connection() -> None:
    world = World(ping_interval=10.0, pong_timeout=3.0)
    client = world.connect()
    for _ in range(100):
        world.advance(1.0)
        if client.read() == [PING]:
            client.send(PONG)
    assert client.closed is None


@pytest.mark.parametrize("pongs", [1, 2])
def test_a_pong_nobody_asked_for_is_a_bad_request(pongs: int) -> None:
    """Neither one before any ping, nor a second one for the same ping."""
    world = World(ping_interval=10.0)
    client = world.connect()
    if pongs == 2:
        world.advance(10.1)
        assert client.ask(PONG) == [PING]
        assert client.closed is None
    client.send(PONG)
    assert client.closed == BAD_REQUEST


@pytest.mark.parametrize("line", ['{"id":0}', '{"unknown":{}}', '{"id":null,"send":null}'])
def test_any_empty_command_without_an_id_is_a_pong(line: str) -> None:
    world = World(ping_interval=10.0, pong_timeout=3.0)
    client = world.connect()
    world.advance(10.0)
    client.send(line)
    world.advance(4.0)
    assert client.closed is None


def test_without_a_pong_timeout_no_pong_is_expected() -> None:
    world = World(ping_interval=10.0, pong_timeout=0.0)
    client = world.connect()
    world.advance(60)
    assert set(client.read()) == {PING}
    assert client.closed is None


@pytest.mark.parametrize("interval", [0.0, -1.0])
def test_pings_can_be_switched_off(interval: float) -> None:
    world = World(ping_interval=interval)
    client = world.connect()
    world.advance(3600)
    assert client.read() == []
    assert client.closed is None


def test_a_pong_is_heard_while_a_command_waits_for_the_engine() -> None:
    world = World({"": OPEN}, ping_interval=10.0, pong_timeout=3.0)
    client = world.connect()
    world.gates.shut("subscribe")
    client.send('{"id":2,"subscribe":{"channel":"news"}}')
    world.advance(10.1)
    assert client.ask(PONG) == [PING]
    world.advance(4.0)
    assert client.closed is None


def test_a_client_is_not_closed_for_a_pong_that_we_do_not_read() -> None:
    """While the transport is paused for our backlog, the pong may lie behind it."""
    world = World({"": OPEN}, ping_interval=10.0, pong_timeout=3.0)
    client = world.connect()
    world.gates.shut("subscribe")
    client.send('{"id":2,"subscribe":{"channel":"news"}}')
    client.send('{"id":3,"rpc":{}}')
    assert client.transport.paused
    world.advance(14.0)
    assert client.closed is None
    world.gates.open("subscribe")
    assert not client.transport.paused
    world.advance(1.2)
    assert client.closed == (3012, "no pong")


def test_frame_pings_replace_those_of_the_protocol() -> None:
    """``cf_ws_frame_ping_pong``: no ``ping`` in the reply, WebSocket pings, a cut without pong."""
    world = World(ping_interval=9.0)
    client = world.open(WITH_FRAME_PINGS[V2_JSON])
    assert client.ask(connect_line()) == [
        '{"id":1,"connect":{"client":"c1","version":"1.0 girandola"}}'
    ]
    world.advance(9.1)
    assert client.transport.pings == 1
    client.session.receive_transport_pong()
    world.advance(9.2)
    assert client.transport.pings == 2
    assert not client.transport.aborted
    world.advance(1.1)
    assert client.transport.aborted
    assert client.read() == []


# ── 5.8 refresh ──────────────────────────────────────────────────────────────────────────────


def refresh(user: str = "42", **claims: object) -> str:
    return f'{{"id":9,"refresh":{{"token":"{token({"sub": user, **claims})}"}}}}'


def test_a_refresh_prolongs_the_connection() -> None:
    world = World(ping_interval=0.0, expired_close_delay=25.0)
    client = world.connect(exp=NOW + 60)
    assert client.ask(refresh(exp=NOW + 120)) == ['{"id":9,"refresh":{"expires":true,"ttl":120}}']
    world.advance(144)
    assert client.closed is None
    world.advance(2)
    assert client.closed == (3005, "connection expired")


def test_a_refresh_by_a_token_without_end_ends_the_expiry() -> None:
    world = World(ping_interval=0.0)
    client = world.connect(exp=NOW + 60)
    assert client.ask(refresh()) == ['{"id":9,"refresh":{}}']
    world.advance(10**6)
    assert client.closed is None


@pytest.mark.parametrize(
    ("line", "closed"),
    [
        ('{"id":9,"refresh":{"token":""}}', BAD_REQUEST),
        (refresh(exp=NOW - 1), (3005, "connection expired")),
        ('{"id":9,"refresh":{"token":"garbage"}}', INVALID_TOKEN),
        (refresh("43", exp=NOW + 60), INVALID_TOKEN),
        (refresh(exp=NOW + 60, channels=["news"]), (3010, "insufficient state")),
    ],
    ids=["empty", "expired", "invalid", "of another user", "of other channels"],
)
def test_a_refresh_by_a_wrong_token_ends_the_connection(line: str, closed: tuple[int, str]) -> None:
    client = World({"": OPEN}).connect(exp=NOW + 60)
    assert client.ask(line) == []
    assert client.closed == closed


def test_a_refresh_must_list_the_channels_of_the_token_before() -> None:
    """The same ones are fine, in whichever claim; none is not."""
    world = World({"": OPEN})
    client = world.connect(channels=["a", "b"], exp=NOW + 60)
    assert client.ask(refresh(subs={"b": {}, "a": {}}, exp=NOW + 60))
    assert client.closed is None
    client.send(refresh(channels=["a"], exp=NOW + 60))
    assert client.closed == (3010, "insufficient state")


@pytest.mark.parametrize(
    ("claims", "answer"),
    [
        ({"exp": NOW + 60, "expire_at": NOW - 1}, '{"code":110,"message":"expired"}'),
        ({"channels": ["unknown:x"]}, '{"code":102,"message":"unknown channel"}'),
    ],
)
def test_a_refresh_may_be_refused_without_an_end(claims: dict[str, object], answer: str) -> None:
    client = World().connect(exp=NOW + 60)
    assert client.ask(refresh(**claims)) == [f'{{"id":9,"error":{answer}}}']
    assert client.closed is None


def test_a_refresh_replaces_the_connection_s_info_everywhere() -> None:
    """Publications and leaves show the new info, in channels subscribed before, too.

    A token without info leaves it as it was.
    """
    options = OPEN | {
        "allow_publish_for_client": True,
        "join_leave": True,
        "force_push_join_leave": True,
    }
    world = World({"": options})
    witness = world.subscribed("news", "1")
    client = world.connect(exp=NOW + 60, info={"n": 1})
    client.subscribe("news", f',"token":"{sub_token("news", info={"role": 7})}"')
    client.send(refresh(exp=NOW + 60, info={"n": 2}), refresh(exp=NOW + 90))
    witness.read()
    client.send('{"id":3,"publish":{"channel":"news","data":1}}')
    info = '"info":{"user":"42","client":"c2","conn_info":{"n": 2},"chan_info":{"role": 7}}'
    assert witness.read() == [f'{{"push":{{"channel":"news","pub":{{"data":1,{info}}}}}}}']
    client.hang_up()
    assert witness.read() == [f'{{"push":{{"channel":"news","leave":{{{info}}}}}}}']


# ── 5.9 sub_refresh ──────────────────────────────────────────────────────────────────────────


def sub_refresh(channel: str = "$news", user: str = "42", **claims: object) -> str:
    jwt = sub_token(channel, user, **claims)
    return f'{{"id":10,"sub_refresh":{{"channel":"$news","token":"{jwt}"}}}}'


def subscribed_by_token(world: World, **claims: object) -> Connection:
    client = world.connect()
    client.subscribe("$news", f',"token":"{sub_token("$news", **claims)}"')
    return client


def test_a_sub_refresh_prolongs_the_subscription_and_replaces_its_info() -> None:
    world = World({"": OPEN | {"presence": True}}, ping_interval=0.0)
    client = subscribed_by_token(world, exp=NOW + 60, info={"n": 1})
    assert client.ask(sub_refresh(exp=NOW + 600, info={"n": 2})) == [
        '{"id":10,"sub_refresh":{"expires":true,"ttl":600}}'
    ]
    world.advance(120)
    assert client.read() == []
    assert world.members("$news")["c1"].chan_info == b'{"n": 2}'


def test_a_sub_refresh_by_a_token_without_end_ends_the_expiry() -> None:
    world = World({"": OPEN}, ping_interval=0.0)
    client = subscribed_by_token(world, exp=NOW + 60)
    assert client.ask(sub_refresh()) == ['{"id":10,"sub_refresh":{}}']
    world.advance(3600)
    assert client.read() == []


def test_a_sub_refresh_may_give_an_end_to_a_subscription_that_had_none() -> None:
    world = World({"": OPEN}, ping_interval=0.0, presence_update_interval=1.0)
    client = subscribed_by_token(world)
    world.advance(30)
    assert client.ask(sub_refresh(exp=NOW + 60))
    world.advance(120)
    assert client.read() == [
        '{"push":{"channel":"$news","unsubscribe":{"code":2501,"reason":"subscription expired"}}}'
    ]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ('{"id":10,"sub_refresh":{"channel":"$news"}}', '{"code":107,"message":"bad request"}'),
        (
            sub_refresh(exp=NOW + 60, expire_at=NOW - 1),
            '{"code":110,"message":"expired"}',
        ),
        # Upstream forgets about the expiry instead; that is a defect not to be copied.
        (sub_refresh(exp=NOW - 1), '{"code":109,"message":"token expired"}'),
        (
            '{"id":10,"sub_refresh":{"channel":"other","token":"t"}}',
            '{"code":103,"message":"permission denied"}',
        ),
    ],
    ids=["no token", "expire_at over", "token expired", "not subscribed"],
)
def test_a_sub_refresh_may_be_refused(line: str, answer: str) -> None:
    client = subscribed_by_token(World({"": OPEN}), exp=NOW + 60)
    assert client.ask(line) == [f'{{"id":10,"error":{answer}}}']
    assert client.closed is None


@pytest.mark.parametrize(
    "line",
    [
        '{"id":10,"sub_refresh":{"channel":"$news","token":"garbage"}}',
        sub_refresh("$other", exp=NOW + 60),
        sub_refresh("$news", "43", exp=NOW + 60),
        sub_refresh(client="c9", exp=NOW + 60),
    ],
    ids=["garbage", "another channel", "another user", "another client"],
)
def test_a_sub_refresh_by_a_wrong_token_ends_the_connection(line: str) -> None:
    client = subscribed_by_token(World({"": OPEN}), exp=NOW + 60)
    assert client.ask(line) == []
    assert client.closed == INVALID_TOKEN


# ── 8.8 expiry ───────────────────────────────────────────────────────────────────────────────


def test_a_connection_that_is_not_refreshed_in_time_is_closed() -> None:
    """3005 when the time to live and ``client.expired_close_delay`` have passed."""
    world = World(ping_interval=0.0, expired_close_delay=25.0)
    client = world.connect(exp=NOW + 60)
    world.advance(84.9)
    assert client.closed is None
    world.advance(0.3)
    assert client.closed == (3005, "connection expired")


def test_a_connection_with_nothing_to_look_after_is_left_alone() -> None:
    """Presence and positions are the node's to look after, not each connection's."""
    world = World({"": OPEN | {"presence": True}}, ping_interval=0.0)
    client = world.connect()
    client.subscribe("news")
    assert client.session.slot == NOWHERE
    client.subscribe("$news", f',"token":"{sub_token("$news", exp=NOW + 60)}"')
    assert client.session.slot != NOWHERE
    client.send('{"id":4,"unsubscribe":{"channel":"$news"}}')
    world.advance(60)
    assert client.session.slot == NOWHERE


def test_a_subscription_that_is_not_refreshed_in_time_is_ended() -> None:
    """Unsubscribe 2501 at the first presence tick after expiry and grace; others stay."""
    world = World({"": OPEN}, ping_interval=0.0, presence_update_interval=1.0)
    client = subscribed_by_token(world, exp=NOW + 60)
    client.subscribe("other")
    world.advance(84)
    assert client.read() == []
    world.advance(2.2)
    assert client.read() == [
        '{"push":{"channel":"$news","unsubscribe":{"code":2501,"reason":"subscription expired"}}}'
    ]
    world.publish("$news", "1")
    world.publish("other", "2")
    assert client.read() == ['{"push":{"channel":"other","pub":{"data":2}}}']


def test_a_server_side_subscription_that_expires_ends_the_connection() -> None:
    """3006, because its client cannot subscribe again by itself."""
    world = World(ping_interval=0.0, presence_update_interval=1.0)
    client = world.connect()
    grant = SubscribeGrant(expire_at=NOW + 60)
    world.clock.result(world.node.subscribe(Target("42"), "news", grant))
    world.advance(84)
    assert client.closed is None
    world.advance(2.2)
    assert client.closed == (3006, "subscription expired")


def test_a_subscription_without_a_token_never_expires() -> None:
    world = World({"": OPEN}, ping_interval=0.0)
    client = world.subscribed("news")
    world.advance(10**6)
    assert client.read() == []
