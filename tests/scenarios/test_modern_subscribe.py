"""Subscribing and unsubscribing: modern.md sections 5.1, 5.2, 8.3 and 8.4."""

import pytest

from girandola.core.grants import PublishOptions
from girandola.model import Publication
from tests.auth.tokens import NOW, token
from tests.scenarios.modern_world import HISTORY, OPEN, RECOVERY, World, sub_token

UNKNOWN = '{"code":102,"message":"unknown channel"}'
DENIED = '{"code":103,"message":"permission denied"}'
ALREADY = '{"code":105,"message":"already subscribed"}'
INTERNAL = '{"code":100,"message":"internal server error","temporary":true}'
LIMIT = '{"code":106,"message":"limit exceeded"}'
BAD = '{"code":107,"message":"bad request"}'
NOT_AVAILABLE = '{"code":108,"message":"not available"}'
TOKEN_EXPIRED = '{"code":109,"message":"token expired"}'
EXPIRED = '{"code":110,"message":"expired"}'
UNRECOVERABLE = '{"code":112,"message":"unrecoverable position"}'


def subscribe(channel: str, more: str = "") -> str:
    return f'{{"id":2,"subscribe":{{"channel":"{channel}"{more}}}}}'


def with_token(channel: str, user: str = "42", **claims: object) -> str:
    return subscribe(channel, f',"token":"{sub_token(channel, user, **claims)}"')


def refused(error: str) -> list[str]:
    return [f'{{"id":2,"error":{error}}}']


def granted(result: str = "{}") -> list[str]:
    return [f'{{"id":2,"subscribe":{result}}}']


# ── 5.1 validation ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (subscribe("news", ',"type":4'), NOT_AVAILABLE),
        (subscribe("news", ',"type":1'), DENIED),
        (subscribe("n" * 256), BAD),
        (subscribe("é" * 128), BAD),
        (subscribe("unknown:x"), UNKNOWN),
        (subscribe("news", ',"tf":{"key":"a","cmp":"eq","val":"b"}'), BAD),
        (subscribe("news", ',"tf":{"cmp":"like"}'), BAD),
    ],
    ids=[
        "shared poll",
        "map",
        "too long",
        "too many bytes",
        "unknown namespace",
        "tags filter",
        "malformed tags filter",
    ],
)
def test_a_subscribe_that_makes_no_sense_is_refused(line: str, error: str) -> None:
    """The connection goes on, and nothing of the subscription is left."""
    world = World({"": OPEN})
    client = world.connect()
    assert client.ask(line) == refused(error)
    assert client.closed is None
    assert not client.session.subscriptions
    assert not world.node.hub.num_subscriptions


def test_the_longest_name_is_allowed() -> None:
    assert World({"": OPEN}).connect().ask(subscribe("n" * 255)) == granted()


def test_a_second_subscribe_to_a_channel_is_refused() -> None:
    """Error 105, also where the first is still under way or was made by the server."""
    world = World({"": OPEN}, concurrency=4)
    client = world.connect(channels=["own"])
    client.subscribe("news")
    assert client.ask(subscribe("news")) == refused(ALREADY)
    assert client.ask(subscribe("own")) == refused(ALREADY)
    world.gates.shut("subscribe")
    client.send('{"id":7,"subscribe":{"channel":"slow"}}')
    assert client.ask(subscribe("slow")) == refused(ALREADY)
    world.gates.open("subscribe")
    assert client.read() == ['{"id":7,"subscribe":{}}']


def test_one_subscription_too_many_is_refused() -> None:
    """Error 106 from ``client.channel_limit`` on; those of the server count, too."""
    client = World({"": OPEN}, channel_limit=2).connect(channels=["own"])
    client.subscribe("one")
    assert client.ask(subscribe("two")) == refused(LIMIT)
    client.send('{"id":3,"unsubscribe":{"channel":"one"}}')
    client.read()
    assert client.ask(subscribe("two")) == granted()


@pytest.mark.parametrize("method", ["subscribe", "history", "put"])
def test_an_engine_that_fails_while_subscribing_is_a_temporary_error(method: str) -> None:
    """Error 100, after which libraries try again; nothing of the subscription is left."""
    world = World({"": RECOVERY | {"presence": True}})
    other = world.subscribed("other")
    client = world.connect()
    world.gates.broken.add(method)
    assert client.ask(subscribe("news")) == refused(INTERNAL)
    assert client.closed is None
    assert other.closed is None
    assert world.node.hub.num_subscriptions == 1
    world.gates.broken.clear()
    world.advance(20)
    assert world.members("news") == {}
    assert client.ask(subscribe("news")) != refused(INTERNAL)


# ── 5.1 results ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ({}, "{}"),
        (HISTORY, "{}"),
        (HISTORY | {"force_positioning": True}, '{"epoch":"E1","offset":1,"positioned":true}'),
        (
            HISTORY | {"force_recovery": True},
            '{"recoverable":true,"epoch":"E1","offset":1,"positioned":true}',
        ),
    ],
    ids=["plain", "with history", "positioned", "recoverable"],
)
def test_a_position_is_told_where_it_is_tracked(options: dict[str, object], result: str) -> None:
    """``epoch`` and ``offset`` stand for the current top, in positioned channels only."""
    world = World({"": OPEN | options})
    world.publish("news", "1")
    assert world.connect().ask(subscribe("news")) == granted(result)


def test_an_empty_channel_has_an_epoch_already() -> None:
    """Offset 0 is left out; the epoch is that of later publications."""
    world = World({"": RECOVERY})
    client = world.connect()
    assert client.ask(subscribe("news")) == granted(
        '{"recoverable":true,"epoch":"E1","positioned":true}'
    )
    world.publish("news", "1")
    assert world.top("news").epoch == "E1"


def test_a_recover_that_is_not_enabled_is_told_as_tried_in_vain() -> None:
    client = World({"": OPEN}).connect()
    assert client.ask(subscribe("news", ',"recover":true,"offset":7,"epoch":"x"')) == granted(
        '{"was_recovering":true}'
    )


@pytest.mark.parametrize(
    ("wish", "options", "honoured"),
    [
        ("positioned", {}, ""),
        ("positioned", {"allow_positioning": True}, '"epoch":"E1","positioned":true'),
        ("positioned", {"allow_history_for_subscriber": True}, '"epoch":"E1","positioned":true'),
        ("recoverable", {}, ""),
        ("recoverable", {"allow_positioning": True}, ""),
        (
            "recoverable",
            {"allow_recovery": True},
            '"recoverable":true,"epoch":"E1","positioned":true',
        ),
        (
            "recoverable",
            {"allow_history_for_client": True},
            '"recoverable":true,"epoch":"E1","positioned":true',
        ),
    ],
)
def test_wishes_for_position_and_recovery_are_honoured_if_allowed(
    wish: str, options: dict[str, object], honoured: str
) -> None:
    """By their own permission, or where the client may read history; else silently not."""
    client = World({"": OPEN | HISTORY | options}).connect()
    assert client.ask(subscribe("news", f',"{wish}":true')) == granted(f"{{{honoured}}}")


@pytest.mark.parametrize(
    ("options", "honoured"),
    [
        ({"join_leave": True, "allow_presence_for_subscriber": True}, True),
        ({"join_leave": True, "allow_presence_for_client": True}, True),
        ({"join_leave": True}, False),
        ({"allow_presence_for_subscriber": True}, False),
    ],
)
def test_a_wish_for_joins_is_honoured_where_presence_may_be_seen(
    options: dict[str, object], honoured: bool
) -> None:
    client = World({"": OPEN | options}).connect()
    answers = client.ask(subscribe("news", ',"join_leave":true'))
    join = '{"push":{"channel":"news","join":{"info":{"user":"42","client":"c1"}}}}'
    assert answers == granted() + [join] * honoured


def test_publications_come_strictly_after_the_reply() -> None:
    """What is published while the engine dawdles waits for the reply, none lost or repeated."""
    world = World({"": RECOVERY})
    world.publish("news", "1")
    world.gates.shut("history")
    client = world.connect()
    client.send(subscribe("news", ',"recover":true,"epoch":"E1"'))
    world.publish("news", "2")
    assert client.read() == []
    world.gates.open("history")
    assert client.read() == granted(
        '{"recoverable":true,"epoch":"E1",'
        '"publications":[{"data":1,"offset":1,"epoch":"E1"},{"data":2,"offset":2}],'
        '"recovered":true,"positioned":true,"was_recovering":true}'
    )
    world.publish("news", "3")
    assert client.read() == ['{"push":{"channel":"news","pub":{"data":3,"offset":3}}}']


def test_a_client_gets_its_own_join_after_the_reply() -> None:
    options = OPEN | {"join_leave": True, "force_push_join_leave": True}
    assert World({"": options}).connect().ask(subscribe("news")) == [
        *granted(),
        '{"push":{"channel":"news","join":{"info":{"user":"42","client":"c1"}}}}',
    ]


def test_a_payload_that_is_no_json_reads_null_and_ends_no_connection() -> None:
    """Live, recovered and in the history; what comes after it is as ever."""
    options = {"publication_data_format": "binary", "allow_history_for_client": True}
    world = World({"": RECOVERY | options})
    live = world.subscribed("news")
    world.publish("news", "no JSON", "2")
    assert live.read() == [
        '{"push":{"channel":"news","pub":{"data":null,"offset":1,"epoch":"E1"}}}',
        '{"push":{"channel":"news","pub":{"data":2,"offset":2}}}',
    ]
    both = '"publications":[{"data":null,"offset":1,"epoch":"E1"},{"data":2,"offset":2}]'
    (answer,) = world.connect().ask(subscribe("news", ',"recover":true,"epoch":"E1"'))
    assert both in answer
    (answer,) = live.ask('{"id":9,"history":{"channel":"news","limit":9}}')
    assert both in answer


# ── 8.3 subscription tokens ──────────────────────────────────────────────────────────────────


def test_a_token_opens_a_private_channel() -> None:
    """With its data in the reply; and its info in presence."""
    world = World({"": {"presence": True}})
    client = world.connect()
    assert client.ask(with_token("$news", info={"a": 1}, data={"b": 2})) == granted(
        '{"data":{"b": 2}}'
    )
    assert world.members("$news")["c1"].chan_info == b'{"a": 1}'


def test_a_token_opens_a_channel_that_is_shut_otherwise() -> None:
    assert World({"shut": {}}).connect().ask(with_token("shut:x")) == granted()


def test_an_expiring_token_makes_an_expiring_subscription() -> None:
    """By ``exp``, or else by ``expire_at``; capped to a year."""
    world = World({"": OPEN})
    assert world.connect().ask(with_token("$n", exp=NOW + 60)) == granted(
        '{"expires":true,"ttl":60}'
    )
    assert world.connect().ask(with_token("$n", exp=NOW + 60, expire_at=NOW + 90)) == granted(
        '{"expires":true,"ttl":90}'
    )
    assert world.connect().ask(with_token("$n", exp=NOW + 60, expire_at=0)) == granted()
    assert world.connect().ask(with_token("$n", exp=NOW + 10**9)) == granted(
        '{"expires":true,"ttl":31536000}'
    )


def test_a_token_may_override_its_namespace() -> None:
    world = World({"": HISTORY})
    line = with_token("$n", override={"force_positioning": {"value": True}})
    assert world.connect().ask(line) == granted('{"epoch":"E1","positioned":true}')


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (with_token("$news", exp=NOW - 1), TOKEN_EXPIRED),
        (with_token("$news", nbf=NOW + 60), TOKEN_EXPIRED),
        (with_token("$news", exp=NOW + 60, expire_at=NOW - 1), EXPIRED),
        (subscribe("$news", ',"token":"garbage"'), DENIED),
        (subscribe("$news", f',"token":"{token({"sub": "42", "channel": "$news"})}"'), DENIED),
        (subscribe("$news", f',"token":"{sub_token("")}"'), DENIED),
        (with_token("unknown:x"), UNKNOWN),
    ],
    ids=[
        "expired",
        "not yet",
        "expire_at over",
        "garbage",
        "signed with another key",
        "without a channel",
        "of an unknown namespace",
    ],
)
def test_a_token_may_be_refused(line: str, error: str) -> None:
    client = World({"": OPEN}).connect()
    assert client.ask(line) == refused(error)
    assert client.closed is None


@pytest.mark.parametrize(
    "jwt",
    [sub_token("$other"), sub_token("$news", "43"), sub_token("$news", client="c9")],
    ids=["another channel", "another user", "another client"],
)
def test_a_token_for_somebody_else_ends_the_connection(jwt: str) -> None:
    world = World({"": OPEN})
    client = world.connect()
    assert client.ask(subscribe("$news", f',"token":"{jwt}"')) == []
    assert client.closed == (3500, "invalid token")
    assert not world.node.hub.num_subscriptions


def test_a_token_that_names_this_client_is_good() -> None:
    assert World({"": OPEN}).connect().ask(with_token("$news", client="c1")) == granted()


# ── 8.4 names and authorisation ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("channel", "user", "error"),
    [
        ("open", "42", ""),
        ("open", "", ""),
        ("users:x", "42", ""),
        ("users:x", "", DENIED),
        ("shut:x", "42", DENIED),
        ("$open", "42", DENIED),
        ("$users:x", "42", DENIED),
        ("unknown:x", "42", UNKNOWN),
        (":x", "42", ""),
        ("users:a:b", "42", ""),
        ("limited:#42", "42", ""),
        ("limited:room#7,42", "42", ""),
        ("limited:room#7,42", "43", DENIED),
        ("limited:#42#43", "42", DENIED),
        ("limited:room", "42", DENIED),
        ("open#7", "42", ""),
        ("digits:12", "42", ""),
        ("digits:a1b", "42", ""),
        ("digits:ab", "42", BAD),
        ("digits:٣", "42", BAD),
        ("naïve", "42", BAD),
    ],
)
def test_who_may_subscribe_to_what_without_a_token(channel: str, user: str, error: str) -> None:
    """Namespace, name, private prefix, user limits, permissions, in the order of section 8.4."""
    world = World(
        {
            "": OPEN,
            "users": {"allow_subscribe_for_client": True},
            "shut": {},
            "limited": {"allow_user_limited_channels": True},
            "digits": OPEN | {"channel_regex": "[0-9]"},
        },
        allow_anonymous_connect_without_token=True,
    )
    client = world.connect(user) if user else world.open()
    if not user:
        client.ask('{"id":1,"connect":{}}')
    assert client.ask(subscribe(channel)) == (refused(error) if error else granted())


@pytest.mark.parametrize(
    ("channel", "error"),
    [("shut:x", ""), ("limited:#7", ""), ("$open", DENIED), ("unknown:x", UNKNOWN)],
)
def test_an_insecure_server_opens_all_but_private_channels(channel: str, error: str) -> None:
    client = World({"": {}, "shut": {}, "limited": {}}, insecure=True).connect()
    assert client.ask(subscribe(channel)) == (refused(error) if error else granted())


# ── 5.2 unsubscribe ──────────────────────────────────────────────────────────────────────────


def test_an_unsubscribe_is_answered_and_nothing_more_comes() -> None:
    """What was queued before may precede the reply; nothing of the channel follows it."""
    world = World({"": OPEN})
    client = world.subscribed("news")
    world.clock.spawn(world.node.publish("news", *publication("1")))
    client.session.receive(b'{"id":3,"unsubscribe":{"channel":"news"}}')
    world.clock.spawn(world.node.publish("news", *publication("2")))
    assert client.read() == [
        '{"push":{"channel":"news","pub":{"data":1}}}',
        '{"id":3,"unsubscribe":{}}',
    ]
    world.publish("news", "3")
    assert client.read() == []
    assert world.broker.is_idle()


def publication(data: str) -> tuple[Publication, PublishOptions]:
    return Publication(data.encode()), PublishOptions()


def test_an_unsubscribe_from_a_channel_never_subscribed_succeeds() -> None:
    client = World().connect()
    for channel in ("news", "unknown:x", "$private"):
        assert client.ask(f'{{"id":3,"unsubscribe":{{"channel":"{channel}"}}}}') == [
            '{"id":3,"unsubscribe":{}}'
        ]


def test_an_unsubscribe_behind_a_subscribe_under_way_waits_for_it() -> None:
    world = World({"": OPEN})
    world.gates.shut("subscribe")
    client = world.connect()
    client.send(subscribe("news"))
    client.send('{"id":3,"unsubscribe":{"channel":"news"}}')
    assert client.read() == []
    world.gates.open("subscribe")
    assert client.read() == [*granted(), '{"id":3,"unsubscribe":{}}']
    assert world.broker.is_idle()


def test_an_unsubscribe_handled_at_once_withdraws_a_subscribe_under_way() -> None:
    """With ``client.concurrency`` both are answered and nothing is left."""
    world = World({"": OPEN | {"presence": True}}, concurrency=2)
    world.gates.shut("subscribe")
    client = world.connect()
    client.send(subscribe("news"))
    client.send('{"id":3,"unsubscribe":{"channel":"news"}}')
    world.gates.open("subscribe")
    assert sorted(client.read()) == [*refused(DENIED), '{"id":3,"unsubscribe":{}}']
    assert world.broker.is_idle()
    assert world.presence.is_empty()


def test_a_client_may_subscribe_again() -> None:
    world = World({"": OPEN})
    client = world.subscribed("news")
    client.send('{"id":3,"unsubscribe":{"channel":"news"}}')
    client.read()
    assert client.ask(subscribe("news")) == granted()
    world.publish("news", "1")
    assert client.read() == ['{"push":{"channel":"news","pub":{"data":1}}}']
