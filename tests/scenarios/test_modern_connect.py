"""Connecting: modern.md sections 1.4, 4.1-4.3, 4.5, 4.6, 8.1, 8.2 and 8.7, frame by frame."""

import pytest

from girandola.errors import Unavailable
from girandola.model import ClientInfo
from girandola.options import PersonalChannel
from tests.auth.tokens import NOW, token
from tests.scenarios.modern_world import (
    HISTORY,
    OPEN,
    RECOVERY,
    Connection,
    World,
    connect_line,
)

BAD_REQUEST = (3501, "bad request")
ANONYMOUS = '{"id":1,"connect":{}}'


def has_left(world: World, connection: Connection) -> bool:
    return connection.session.closed and not world.node.hub.num_clients


# ── 4.1 before connect ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "line",
    [
        '{"id":1,"subscribe":{"channel":"news"}}',
        '{"id":1,"unsubscribe":{"channel":"news"}}',
        '{"id":1,"publish":{"channel":"news","data":1}}',
        '{"id":1,"presence":{"channel":"news"}}',
        '{"id":1,"presence_stats":{"channel":"news"}}',
        '{"id":1,"history":{"channel":"news"}}',
        '{"id":1,"rpc":{"method":"m"}}',
        '{"send":{"data":1}}',
        '{"id":1,"refresh":{"token":"t"}}',
        '{"id":1,"sub_refresh":{"channel":"news","token":"t"}}',
        "{}",
        "",
        "no JSON",
    ],
)
def test_anything_but_connect_as_the_first_command_is_a_bad_request(line: str) -> None:
    world = World({"": OPEN})
    client = world.open()
    assert client.ask(line) == []
    assert client.closed == BAD_REQUEST


def test_a_connection_that_never_authenticates_is_closed_as_stale() -> None:
    world = World(stale_close_delay=10.0)
    client = world.open()
    world.advance(9.9)
    assert client.closed is None
    world.advance(0.3)
    assert client.closed == (3502, "stale")


def test_a_connection_that_authenticated_in_time_does_not_become_stale() -> None:
    world = World(stale_close_delay=10.0, ping_interval=-1.0)
    client = world.connect()
    world.advance(60)
    assert client.closed is None


# ── 4.2 connect ──────────────────────────────────────────────────────────────────────────────


def test_a_connect_reply_tells_client_version_and_pings() -> None:
    """The result has the client id, the version, the ping interval and that pongs are wanted."""
    client = World().open()
    assert client.ask(connect_line()) == [
        '{"id":1,"connect":{"client":"c1","version":"1.0 girandola","ping":25,"pong":true}}'
    ]


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({"ping_interval": 60.0}, '"ping":60,"pong":true'),
        ({"pong_timeout": -1.0}, '"ping":25'),
        ({"pong_timeout": 0.0}, '"ping":25'),
    ],
)
def test_ping_and_pong_are_told_as_configured(options: dict[str, float], fields: str) -> None:
    client = World(**options).open()
    assert client.ask(connect_line()) == [
        f'{{"id":1,"connect":{{"client":"c1","version":"1.0 girandola",{fields}}}}}'
    ]


def test_a_connection_without_pings_is_told_of_none() -> None:
    client = World(ping_interval=-1.0).open()
    assert client.ask(connect_line()) == [
        '{"id":1,"connect":{"client":"c1","version":"1.0 girandola"}}'
    ]


def test_server_time_is_told_when_configured() -> None:
    client = World(ping_interval=0.0, connect_include_server_time=True).open()
    assert client.ask(connect_line()) == [
        f'{{"id":1,"connect":{{"client":"c1","version":"1.0 girandola","time":{NOW}000}}}}'
    ]


def test_an_expiring_token_makes_the_reply_tell_the_time_to_live() -> None:
    client = World(ping_interval=0.0).open()
    assert client.ask(connect_line(exp=NOW + 120)) == [
        '{"id":1,"connect":{"client":"c1","version":"1.0 girandola","expires":true,"ttl":120}}'
    ]


def test_expire_at_decouples_the_connection_from_the_token() -> None:
    """``expire_at`` counts instead of ``exp``; 0 means never."""
    world = World(ping_interval=0.0)
    (answer,) = world.open().ask(connect_line(exp=NOW + 1, expire_at=NOW + 60))
    assert '"expires":true,"ttl":60' in answer
    (answer,) = world.open().ask(connect_line(exp=NOW + 1, expire_at=0))
    assert "expires" not in answer


def test_a_time_to_live_is_capped_to_a_year() -> None:
    (answer,) = World(ping_interval=0.0).open().ask(connect_line(exp=NOW + 10**9))
    assert '"ttl":31536000' in answer


def test_a_second_connect_is_a_bad_request() -> None:
    client = World().connect()
    assert client.ask(connect_line(number=2)) == []
    assert client.closed == BAD_REQUEST


def test_a_second_connect_while_the_first_is_under_way_is_a_bad_request() -> None:
    """Whatever came of the first one, the second ends the connection and leaves nothing."""
    world = World({"": OPEN})
    world.gates.shut("subscribe")
    client = world.open()
    client.send(connect_line(channels=["news"]), connect_line(number=2))
    world.gates.open("subscribe")
    assert client.read()[0].startswith('{"id":1,"connect":')
    assert client.closed == BAD_REQUEST
    assert has_left(world, client)


def test_commands_in_the_frame_of_the_connect_follow_it() -> None:
    """Clients send connect and subscribe in one frame, and are answered in one write."""
    client = World({"": OPEN}, ping_interval=0.0).open()
    client.send(connect_line(), '{"id":2,"subscribe":{"channel":"news"}}')
    assert client.writes() == [
        [
            '{"id":1,"connect":{"client":"c1","version":"1.0 girandola"}}',
            '{"id":2,"subscribe":{}}',
        ]
    ]


def test_commands_behind_a_connect_that_waits_are_carried_out_after_it() -> None:
    world = World({"": OPEN}, ping_interval=0.0)
    world.gates.shut("subscribe")
    client = world.open()
    client.send(connect_line(channels=["own"]))
    client.send('{"id":2,"rpc":{"method":"m"}}', '{"id":3,"subscribe":{"channel":"news"}}')
    assert client.read() == []
    world.gates.open("subscribe")
    first, second, third = client.read()
    assert first.startswith('{"id":1,"connect":')
    assert second == '{"id":2,"error":{"code":108,"message":"not available"}}'
    assert third == '{"id":3,"subscribe":{}}'


@pytest.mark.parametrize("clients", [1, 3])
def test_more_server_side_subscriptions_than_the_limit_end_the_connect(clients: int) -> None:
    """3505 where a token lists more channels than ``client.channel_limit``; as many are fine."""
    world = World({"": OPEN}, channel_limit=clients)
    allowed = world.open()
    (answer,) = allowed.ask(connect_line(channels=[f"c{n}" for n in range(clients)]))
    assert answer.startswith('{"id":1,"connect":')
    refused = world.open()
    assert refused.ask(connect_line(channels=[f"c{n}" for n in range(clients + 1)])) == []
    assert refused.closed == (3505, "channel limit")
    assert world.node.hub.num_clients == 1


def test_more_connections_of_a_user_than_the_limit_are_refused() -> None:
    """3504; other users, and those without an id, are not concerned."""
    world = World(user_connection_limit=1, allow_anonymous_connect_without_token=True)
    first = world.connect("42")
    second = world.open()
    assert second.ask(connect_line("42")) == []
    assert second.closed == (3504, "connection limit")
    world.connect("43")
    for _ in range(2):
        assert world.open().ask(ANONYMOUS)
    first.hang_up()
    world.connect("42")


def test_credentials_that_are_over_already_are_expired() -> None:
    """Error 110 for an ``expire_at`` in the past, whereas 109 is for the token itself."""
    client = World().open()
    assert client.ask(connect_line(exp=NOW + 60, expire_at=NOW - 1)) == [
        '{"id":1,"error":{"code":110,"message":"expired"}}'
    ]
    assert client.closed is None


def test_server_side_subscriptions_are_told_in_the_reply() -> None:
    """Channels of the token stand in ``subs``, each with what a subscribe reply would say."""
    world = World({"": OPEN, "keep": RECOVERY}, ping_interval=0.0)
    world.publish("keep:x", '"before"')
    client = world.open()
    assert client.ask(connect_line(channels=["news", "keep:x"])) == [
        '{"id":1,"connect":{"client":"c1","version":"1.0 girandola","subs":{'
        '"news":{},'
        '"keep:x":{"recoverable":true,"epoch":"E1","offset":1,"positioned":true}}}}'
    ]
    world.publish("keep:x", '"live"')
    assert client.read() == [
        '{"push":{"channel":"keep:x","pub":{"data":"live","offset":2}}}',
    ]


def test_server_side_subscriptions_recover_from_where_the_client_says() -> None:
    """``connect.subs`` carries positions; what was missed comes in the connect reply."""
    world = World({"": RECOVERY}, ping_interval=0.0)
    world.publish("news", "1", "2", "3")
    client = world.open()
    subs = ',"subs":{"news":{"recover":true,"epoch":"E1","offset":1}}'
    assert client.ask(connect_line(channels=["news"], more=subs)) == [
        '{"id":1,"connect":{"client":"c1","version":"1.0 girandola","subs":{"news":{'
        '"recoverable":true,"epoch":"E1",'
        '"publications":[{"data":2,"offset":2},{"data":3,"offset":3}],'
        '"recovered":true,"offset":1,"positioned":true,"was_recovering":true}}}}'
    ]


def test_publications_while_connecting_come_behind_the_reply() -> None:
    """Reply first, then what was published meanwhile, then the joins."""
    options = RECOVERY | {"join_leave": True, "force_push_join_leave": True, "presence": True}
    world = World({"": options}, ping_interval=0.0)
    world.gates.shut("history")
    client = world.open()
    client.send(connect_line(channels=["news"]))
    world.publish("news", "1")
    assert client.read() == []
    # The position is read before this is published: the gate stands in front of the engine.
    world.gates.open("history")
    world.publish("news", "2")
    reply, *pushes = client.read()
    assert reply.startswith('{"id":1,"connect":')
    assert '"offset":1' in reply
    assert pushes == [
        '{"push":{"channel":"news","join":{"info":{"user":"42","client":"c1"}}}}',
        '{"push":{"channel":"news","pub":{"data":2,"offset":2}}}',
    ]


def test_a_subscription_that_fails_fails_the_whole_connect() -> None:
    """The engine's failure answers the connect; nothing of it is left."""
    world = World({"": OPEN})
    world.gates.broken.add("subscribe")
    client = world.open()
    assert client.ask(connect_line(channels=["news"])) == [
        '{"id":1,"error":{"code":100,"message":"internal server error","temporary":true}}'
    ]
    assert not world.node.hub.num_clients
    assert not world.node.hub.num_subscriptions


def test_a_peer_that_hangs_up_while_connecting_leaves_nothing() -> None:
    world = World({"": OPEN | {"presence": True}})
    world.gates.shut("put")
    client = world.open()
    client.send(connect_line(channels=["news", "more"]))
    client.hang_up()
    world.gates.open("put")
    assert has_left(world, client)
    assert not world.node.hub.num_subscriptions
    assert world.presence.is_empty()
    assert world.broker.is_idle()


# ── 4.3 connect failure ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("claims", "answer"),
    [
        ({"exp": NOW - 1}, '{"code":109,"message":"token expired"}'),
        ({"nbf": NOW + 60}, '{"code":109,"message":"token expired"}'),
        ({"channels": ["unknown:x"]}, '{"code":102,"message":"unknown channel"}'),
    ],
)
def test_an_error_to_connect_leaves_the_client_a_moment_to_go(
    claims: dict[str, object], answer: str
) -> None:
    """The reply is written, and the connection dropped without a close frame 5 s later."""
    world = World()
    client = world.open()
    assert client.ask(connect_line(**claims)) == [f'{{"id":1,"error":{answer}}}']
    world.advance(4.9)
    assert not client.transport.aborted
    world.advance(0.3)
    assert client.transport.aborted
    assert client.closed is None
    assert client.session.closed


@pytest.mark.parametrize("line", [connect_line(number=2), '{"id":2,"rpc":{"method":"m"}}', "{}"])
def test_any_command_after_a_refused_connect_is_a_bad_request(line: str) -> None:
    client = World().open()
    client.ask(connect_line(exp=NOW - 1))
    assert client.ask(line) == []
    assert client.closed == BAD_REQUEST


def test_commands_in_the_frame_of_a_refused_connect_are_not_looked_at() -> None:
    """Section 1.4: the client gets its error and the moment to go, not a close for the rest."""
    client = World({"": OPEN}).open()
    answers = client.ask(connect_line(exp=NOW - 1), '{"id":2,"subscribe":{"channel":"news"}}')
    assert answers == ['{"id":1,"error":{"code":109,"message":"token expired"}}']
    assert client.closed is None


@pytest.mark.parametrize(
    ("line", "closed"),
    [
        ('{"id":1,"connect":{"token":"garbage"}}', (3500, "invalid token")),
        (
            f'{{"id":1,"connect":{{"token":"{token({"sub": "42"}, secret="another")}"}}}}',
            (3500, "invalid token"),
        ),
        (connect_line(channel="news"), (3500, "invalid token")),
        (ANONYMOUS, BAD_REQUEST),
    ],
)
def test_a_disconnect_on_connect_writes_no_reply(line: str, closed: tuple[int, str]) -> None:
    client = World().open()
    assert client.ask(line) == []
    assert client.closed == closed


# ── 8.1 who a connection is ──────────────────────────────────────────────────────────────────


def user_of(client: Connection) -> str:
    assert client.session.connected
    return client.session.user


def test_without_a_token_a_connection_is_anonymous_where_allowed() -> None:
    client = World(allow_anonymous_connect_without_token=True).open()
    assert client.ask(ANONYMOUS)
    assert user_of(client) == ""


def test_an_insecure_server_asks_for_no_token_but_verifies_one_that_is_shown() -> None:
    """Insecure connections never expire; an invalid token is still refused."""
    world = World(insecure=True)
    assert world.open().ask(ANONYMOUS)
    (answer,) = world.open().ask(connect_line(exp=NOW + 60))
    assert "expires" not in answer
    refused = world.open()
    refused.ask('{"id":1,"connect":{"token":"garbage"}}')
    assert refused.closed == (3500, "invalid token")


def test_the_user_may_come_from_a_header() -> None:
    """A token comes first, and anonymous access where it is on."""
    world = World(user_id_http_header="X-User")
    client = world.open(headers={"x-user": "7"})
    assert client.ask(ANONYMOUS)
    assert user_of(client) == "7"
    client = world.open(headers={"x-user": "7"})
    assert client.ask(connect_line("42"))
    assert user_of(client) == "42"
    without = world.open()
    assert without.ask(ANONYMOUS) == []
    assert without.closed == BAD_REQUEST


def test_a_token_without_a_user_may_be_refused() -> None:
    client = World(disallow_anonymous_connection_tokens=True).open()
    assert client.ask(connect_line("")) == []
    assert client.closed == (3507, "permission denied")


@pytest.mark.parametrize(
    ("channel", "user", "granted"),
    [
        ("open", "42", True),
        ("open", "", True),
        ("users:x", "42", True),
        ("users:x", "", False),
        ("shut:x", "42", False),
        ("$open", "42", False),
        ("$users:x", "42", False),
        ("limited:#42", "42", True),
        ("limited:#42,43", "43", True),
        ("limited:#42", "43", False),
        ("naïve", "42", False),
        ("o" * 256, "42", False),
    ],
)
def test_channels_that_a_client_asks_for_when_connecting_are_granted_if_open(
    channel: str, user: str, granted: bool
) -> None:
    """``connect.subs`` adds what the client could subscribe to without a token, silently."""
    world = World(
        {
            "": OPEN,
            "users": {"allow_subscribe_for_client": True},
            "shut": {},
            "limited": {"allow_user_limited_channels": True},
        },
        allow_anonymous_connect_without_token=True,
    )
    client = world.open()
    subs = f'"subs":{{"{channel}":{{}}}}'
    line = connect_line(user, more="," + subs) if user else f'{{"id":1,"connect":{{{subs}}}}}'
    (answer,) = client.ask(line)
    assert (f'"subs":{{"{channel}":{{}}}}' in answer) is granted
    assert client.session.is_subscribed(channel) is granted


def test_asking_for_a_channel_of_an_unknown_namespace_fails_the_connect() -> None:
    client = World().open()
    assert client.ask(connect_line(more=',"subs":{"unknown:x":{}}')) == []
    assert client.closed == BAD_REQUEST


# ── 4.5 dispatch ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "line",
    [
        '{"id":2}',
        '{"id":2,"unknown":{}}',
        '{"id":2,"ping":{}}',
        '{"ping":{}}',
        '{"subscribe":{"channel":"news"}}',
        '{"id":0,"publish":{"channel":"news","data":1}}',
        '{"id":2,"subscribe":{}}',
        '{"id":2,"subscribe":{"channel":""}}',
        '{"id":2,"unsubscribe":{}}',
        '{"id":2,"publish":{"data":1}}',
        '{"id":2,"presence":{}}',
        '{"id":2,"presence_stats":{}}',
        '{"id":2,"history":{}}',
        '{"id":2,"sub_refresh":{"token":"t"}}',
        '{"id":2,"subscribe":{"channel":"news","delta":"xdelta"}}',
        '{"id":2,"refresh":{}}',
        '{"id":-1,"rpc":{}}',
        '[{"id":2,"rpc":{}}]',
        "null",
        "{} ",
        "",
        "no JSON",
    ],
)
def test_what_is_no_command_is_a_bad_request(line: str) -> None:
    client = World({"": OPEN}).connect()
    assert client.ask(line) == []
    assert client.closed == BAD_REQUEST


def test_commands_before_a_malformed_one_are_still_carried_out() -> None:
    client = World({"": OPEN}).connect()
    answers = client.ask('{"id":2,"subscribe":{"channel":"news"}}', "{", '{"id":3,"rpc":{}}')
    assert answers == ['{"id":2,"subscribe":{}}']
    assert client.closed == BAD_REQUEST


def test_the_first_known_field_of_a_command_counts() -> None:
    client = World({"": OPEN}).connect()
    line = '{"id":2,"publish":{"channel":"x","data":1},"subscribe":{"channel":"news"}}'
    assert client.ask(line) == ['{"id":2,"subscribe":{}}']


def test_send_is_not_available() -> None:
    client = World().connect()
    assert client.ask('{"send":{"data":{"a":1}}}') == []
    assert client.closed == (3508, "not available")


# ── 4.6 closing ──────────────────────────────────────────────────────────────────────────────


def test_a_connection_that_ends_leaves_its_channels() -> None:
    """Presence is gone, the others hear of it, and nothing is registered any more."""
    options = OPEN | {"presence": True, "join_leave": True, "force_push_join_leave": True}
    world = World({"": options})
    witness = world.subscribed("news", "1")
    client = world.subscribed("news", "2")
    witness.read()
    client.send("{")
    assert witness.read() == [
        '{"push":{"channel":"news","leave":{"info":{"user":"2","client":"c2"}}}}'
    ]
    assert list(world.members("news")) == ["c1"]
    assert world.node.hub.num_clients == 1
    assert world.node.hub.num_subscriptions == 1


def test_what_is_queued_goes_out_before_the_close() -> None:
    world = World({"": OPEN | HISTORY})
    client = world.subscribed("news")
    world.publish("news", "1")
    client.send("no JSON")
    assert client.read() == ['{"push":{"channel":"news","pub":{"data":1,"offset":1,"epoch":"E1"}}}']
    assert client.closed == BAD_REQUEST


def test_no_disconnect_push_is_sent_where_there_is_a_close_frame() -> None:
    world = World()
    client = world.connect()
    client.send("{")
    assert client.read() == []
    assert client.closed == BAD_REQUEST


# ── 8.7 server-side subscriptions ────────────────────────────────────────────────────────────


def personal(namespace: str = "", *, single_connection: bool = False) -> dict[str, object]:
    return {
        "subscribe_to_user_personal_channel": PersonalChannel(
            enabled=True,
            personal_channel_namespace=namespace,
            single_connection=single_connection,
        )
    }


@pytest.mark.parametrize(("namespace", "channel"), [("", "#42"), ("own", "own:#42")])
def test_every_user_gets_a_personal_channel(namespace: str, channel: str) -> None:
    world = World({"": {}, "own": {}}, **personal(namespace))
    client = world.connect("42")
    world.publish(channel, '"for you"')
    assert client.read() == [f'{{"push":{{"channel":"{channel}","pub":{{"data":"for you"}}}}}}']


def test_the_anonymous_have_no_personal_channel() -> None:
    world = World(allow_anonymous_connect_without_token=True, **personal())
    (answer,) = world.open().ask(ANONYMOUS)
    assert "subs" not in answer


def test_a_single_connection_ends_the_user_s_other_ones() -> None:
    """3504 for the older one; other users stay."""
    world = World({"": {"presence": True}}, **personal(single_connection=True))
    older, other = world.connect("42"), world.connect("43")
    newer = world.connect("42")
    assert older.closed == (3504, "connection limit")
    assert newer.closed is None
    assert other.closed is None


def test_a_single_connection_that_cannot_be_seen_to_comes_back() -> None:
    """One reply to the connect, then 3004: an error on top of it would be a second reply."""
    world = World({"": {"presence": True}}, **personal(single_connection=True))

    async def members(channel: str) -> dict[str, ClientInfo]:
        raise Unavailable("away")

    world.presence.members = members  # type: ignore[method-assign]
    client = world.open()
    (answer,) = client.ask(connect_line())
    assert answer.startswith('{"id":1,"connect":')
    assert client.closed == (3004, "internal server error")


def test_a_single_connection_needs_presence() -> None:
    world = World(**personal(single_connection=True))
    older = world.connect("42")
    world.connect("42")
    assert older.closed is None


def test_subs_of_a_token_come_with_info_data_and_override() -> None:
    """Info shows in presence, data in the reply, and the override beats the namespace."""
    world = World({"": OPEN | HISTORY}, ping_interval=0.0)
    sub = {
        "info": {"role": "host"},
        "data": {"hello": 1},
        "override": {"presence": {"value": True}, "force_recovery": {"value": True}},
    }
    client = world.open()
    assert client.ask(connect_line(subs={"news": sub}, info={"name": "A"})) == [
        '{"id":1,"connect":{"client":"c1","version":"1.0 girandola","subs":{"news":{'
        '"recoverable":true,"epoch":"E1","positioned":true,"data":{"hello": 1}}}}}'
    ]
    info = world.members("news")["c1"]
    assert (info.user, info.client) == ("42", "c1")
    assert info.conn_info == b'{"name": "A"}'
    assert info.chan_info == b'{"role": "host"}'


def test_channels_of_a_token_are_ignored_where_it_has_subs() -> None:
    client = World({"": OPEN}).connect(subs={"one": {}}, channels=["two"])
    assert client.session.is_subscribed("one")
    assert not client.session.is_subscribed("two")


def test_a_client_may_leave_a_server_side_subscription() -> None:
    world = World({"": OPEN})
    client = world.connect(channels=["news"])
    assert client.ask('{"id":2,"unsubscribe":{"channel":"news"}}') == ['{"id":2,"unsubscribe":{}}']
    world.publish("news", "1")
    assert client.read() == []
