"""Publishing, reading and calling: modern.md sections 5.3-5.7, 6, 8.5 and 10.8."""

import pytest

from girandola.options import LegacyOptions
from tests.scenarios.modern_world import HISTORY, OPEN, Connection, World, sub_token

UNKNOWN = '{"code":102,"message":"unknown channel"}'
DENIED = '{"code":103,"message":"permission denied"}'
BAD = '{"code":107,"message":"bad request"}'
NOT_AVAILABLE = '{"code":108,"message":"not available"}'
UNRECOVERABLE = '{"code":112,"message":"unrecoverable position"}'

PUBLISH = OPEN | {"allow_publish_for_client": True}


def refused(error: str) -> list[str]:
    return [f'{{"id":4,"error":{error}}}']


def command(name: str, channel: str, more: str = "") -> str:
    return f'{{"id":4,"{name}":{{"channel":"{channel}"{more}}}}}'


def publish(channel: str, data: str = '"hi"') -> str:
    return command("publish", channel, f',"data":{data}')


def somebody(world: World, user: str) -> Connection:
    """Return a connection of a user, or an anonymous one."""
    client = world.open() if not user else world.connect(user)
    if not user:
        client.ask('{"id":1,"connect":{}}')
    return client


# ── 5.3 publish ──────────────────────────────────────────────────────────────────────────────


def test_a_publication_reaches_every_subscriber_with_its_publisher_s_info() -> None:
    """The publisher has it before its reply; ``info`` says who it was."""
    world = World({"": PUBLISH | HISTORY})
    client, other = world.subscribed("news", "42", info={"a": 1}), world.subscribed("news", "43")
    push = (
        '{"push":{"channel":"news","pub":{"data":"hi",'
        '"info":{"user":"42","client":"c1","conn_info":{"a": 1}},"offset":1,"epoch":"E1"}}}'
    )
    client.send(publish("news"))
    assert client.writes() == [[push, '{"id":4,"publish":{}}']]
    assert other.read() == [push]


def test_a_publisher_s_channel_info_is_told_only_where_it_is_subscribed() -> None:
    world = World({"": PUBLISH})
    client, witness = world.connect(), world.connect("1")
    for channel in ("inside", "outside"):
        witness.subscribe(channel)
    client.subscribe("inside", f',"token":"{sub_token("inside", info={"r": 1})}"')
    client.send(publish("inside", "1"), publish("outside", "2"))
    assert witness.read() == [
        '{"push":{"channel":"inside","pub":{"data":1,'
        '"info":{"user":"42","client":"c1","chan_info":{"r": 1}}}}}',
        '{"push":{"channel":"outside","pub":{"data":2,"info":{"user":"42","client":"c1"}}}}',
    ]


def test_payloads_travel_byte_for_byte_without_newlines() -> None:
    world = World({"": PUBLISH})
    witness = world.subscribed("news", "1")
    world.connect().send(publish("news", '{ "n" : 1.50e1, "u" : "\\u00e9é" }'))
    (push,) = witness.read()
    assert '"data":{ "n" : 1.50e1, "u" : "\\u00e9é" },' in push
    world.publish("news", '{\n"a":\n1}')
    assert witness.read() == ['{"push":{"channel":"news","pub":{"data":{"a":1}}}}']


def test_payloads_that_are_no_json_are_not_decoded() -> None:
    client = World({"": PUBLISH}).connect()
    assert client.ask(publish("news", "tru")) == []
    assert client.closed == (3501, "bad request")


@pytest.mark.parametrize(
    ("data_format", "data", "accepted"),
    [
        ("", "1", True),
        ("", '""', True),
        ("", None, False),
        ("json", '"text"', True),
        ("json", None, False),
        ("json_object", '{"a":1}', True),
        ("json_object", "[1]", False),
        ("json_object", "1", False),
        ("json_object", None, False),
        ("binary", None, True),
        ("binary", "1", True),
    ],
)
def test_data_must_be_what_the_channel_wants(
    data_format: str, data: str | None, accepted: bool
) -> None:
    """By ``publication_data_format``; error 107 otherwise."""
    client = World({"": PUBLISH | {"publication_data_format": data_format}}).connect()
    line = command("publish", "news") if data is None else publish("news", data)
    assert client.ask(line) == (['{"id":4,"publish":{}}'] if accepted else refused(BAD))


@pytest.mark.parametrize(
    ("permissions", "user", "subscribed", "allowed"),
    [
        ((), "42", True, False),
        (("client",), "42", False, True),
        (("client",), "", True, False),
        (("client", "anonymous"), "", False, True),
        (("subscriber",), "42", True, True),
        (("subscriber",), "42", False, False),
        (("subscriber",), "", True, False),
        (("subscriber", "anonymous"), "", True, True),
        (("anonymous",), "42", True, False),
    ],
)
@pytest.mark.parametrize("what", ["publish", "presence", "presence_stats", "history"])
def test_who_may_publish_and_read(
    what: str, permissions: tuple[str, ...], user: str, subscribed: bool, allowed: bool
) -> None:
    """Any client, or subscribers; users without an id only with the anonymous permission."""
    right = "presence" if what == "presence_stats" else what
    options = {f"allow_{right}_for_{who}": True for who in permissions}
    world = World(
        {"": OPEN | HISTORY | {"presence": True} | options},
        allow_anonymous_connect_without_token=True,
    )
    client = somebody(world, user)
    if subscribed:
        client.subscribe("news")
    line = publish("news") if what == "publish" else command(what, "news")
    answer = client.ask(line)[-1]
    assert answer.startswith(f'{{"id":4,"{what}":') if allowed else [answer] == refused(DENIED)


@pytest.mark.parametrize("what", ["publish", "presence", "presence_stats", "history"])
def test_an_insecure_server_lets_anybody_publish_and_read(what: str) -> None:
    client = somebody(World({"": HISTORY | {"presence": True}}, insecure=True), "")
    line = publish("news") if what == "publish" else command(what, "news")
    (answer,) = client.ask(line)
    assert answer.startswith(f'{{"id":4,"{what}":')


@pytest.mark.parametrize("what", ["publish", "presence", "presence_stats", "history"])
def test_publishing_and_reading_need_a_namespace_that_is_known(what: str) -> None:
    client = World(insecure=True).connect()
    line = publish("unknown:x") if what == "publish" else command(what, "unknown:x")
    assert client.ask(line) == refused(UNKNOWN)


@pytest.mark.parametrize(
    ("what", "options"),
    [
        ("presence", HISTORY),
        ("presence_stats", HISTORY),
        ("history", {"presence": True}),
        ("history", {"history_size": 10}),
        ("history", {"history_ttl": 60.0}),
    ],
)
def test_what_is_switched_off_is_not_available(what: str, options: dict[str, object]) -> None:
    """Error 108 comes before the question of permission."""
    for permission in ({}, {f"allow_{what.removesuffix('_stats')}_for_client": True}):
        client = World({"": options | permission}).connect()
        assert client.ask(command(what, "news")) == refused(NOT_AVAILABLE)


def test_an_engine_that_fails_is_an_internal_error() -> None:
    """Error 100, temporary; the connection goes on."""
    world = World({"": PUBLISH})
    client = world.connect()
    world.gates.broken.add("publish")
    error = '{"code":100,"message":"internal server error","temporary":true}'
    assert client.ask(publish("news")) == refused(error)
    world.gates.broken.clear()
    assert client.ask(publish("news")) == ['{"id":4,"publish":{}}']


# ── 5.4 presence ─────────────────────────────────────────────────────────────────────────────

PRESENCE = OPEN | {"presence": True, "allow_presence_for_client": True}


def test_presence_tells_who_is_there() -> None:
    """Client id to info; an empty channel has an empty object."""
    world = World({"": PRESENCE})
    client = world.connect()
    assert client.ask(command("presence", "news")) == ['{"id":4,"presence":{"presence":{}}}']
    world.subscribed("news", "42", info={"name": "A"})
    assert client.ask(command("presence", "news")) == [
        '{"id":4,"presence":{"presence":{'
        '"c2":{"user":"42","client":"c2","conn_info":{"name": "A"}}}}}'
    ]


def test_presence_stats_count_clients_and_users() -> None:
    """The users without an id count as one; zeros are written, too."""
    world = World({"": PRESENCE}, allow_anonymous_connect_without_token=True)
    client = world.connect()
    zero = '{"id":4,"presence_stats":{"num_clients":0,"num_users":0}}'
    assert client.ask(command("presence_stats", "news")) == [zero]
    for user in ("42", "42", "43", "", ""):
        somebody(world, user).subscribe("news")
    assert client.ask(command("presence_stats", "news")) == [
        '{"id":4,"presence_stats":{"num_clients":5,"num_users":3}}'
    ]


# ── 5.5 history ──────────────────────────────────────────────────────────────────────────────


def page(offsets: list[int], top: int = 5, epoch: str = "E1") -> list[str]:
    first = ',"epoch":"E1"'
    items = ",".join(
        f'{{"data":{offset},"offset":{offset}{first * (offset == 1)}}}' for offset in offsets
    )
    return [f'{{"id":4,"history":{{"publications":[{items}],"epoch":"{epoch}","offset":{top}}}}}']


def reader(published: int = 5, **options: object) -> Connection:
    world = World({"": HISTORY | {"allow_history_for_client": True} | options})
    world.publish("news", *(str(number + 1) for number in range(published)))
    return world.connect()


@pytest.mark.parametrize(
    ("request_", "offsets"),
    [
        ("", []),
        (',"limit":0', []),
        (',"limit":2', [1, 2]),
        (',"limit":-1', [1, 2, 3, 4, 5]),
        (',"limit":1000', [1, 2, 3, 4, 5]),
        (',"limit":-1,"since":{"offset":3,"epoch":"E1"}', [4, 5]),
        (',"limit":-1,"since":{"offset":3}', [4, 5]),
        (',"limit":1,"since":{"offset":3,"epoch":"E1"}', [4]),
        (',"limit":-1,"since":{"offset":5,"epoch":"E1"}', []),
        (',"limit":-1,"since":{"offset":9,"epoch":"E1"}', []),
        (',"limit":-1,"since":{}', [1, 2, 3, 4, 5]),
        (',"since":{"offset":3,"epoch":"E1"}', []),
        (',"limit":-1,"reverse":true', [5, 4, 3, 2, 1]),
        (',"limit":2,"reverse":true', [5, 4]),
        (',"limit":-1,"reverse":true,"since":{"offset":3,"epoch":"E1"}', [2, 1]),
        (',"limit":1,"reverse":true,"since":{"offset":3,"epoch":"E1"}', [2]),
        (',"limit":-1,"reverse":true,"since":{"offset":1}', []),
        (',"limit":-1,"reverse":true,"since":{"offset":6}', []),
    ],
)
def test_history_is_read_in_pages_and_directions(request_: str, offsets: list[int]) -> None:
    """The position told is the top of the stream, whatever the page."""
    assert reader().ask(command("history", "news", request_)) == page(offsets)


@pytest.mark.parametrize(
    ("request_", "offsets"),
    [
        (',"limit":-1,"since":{"offset":1}', [4, 5, 6]),
        (',"limit":-1,"since":{"offset":4}', [5, 6]),
        (',"limit":-1,"reverse":true,"since":{"offset":2}', []),
        (',"limit":-1,"reverse":true,"since":{"offset":5}', [4]),
    ],
)
def test_history_since_what_is_gone_starts_at_what_is_kept(
    request_: str, offsets: list[int]
) -> None:
    """Backwards from what is gone there is nothing."""
    client = reader(6, history_size=3)
    assert client.ask(command("history", "news", request_)) == page(offsets, 6)


def test_backwards_from_before_the_first_publication_makes_no_sense() -> None:
    request = ',"limit":1,"reverse":true,"since":{"offset":0,"epoch":"E1"}'
    assert reader().ask(command("history", "news", request)) == refused(BAD)


@pytest.mark.parametrize("limit", [0, 10])
def test_history_since_another_epoch_is_unrecoverable(limit: int) -> None:
    request = f',"limit":{limit},"since":{{"offset":1,"epoch":"other"}}'
    assert reader().ask(command("history", "news", request)) == refused(UNRECOVERABLE)


def test_one_page_of_history_is_limited() -> None:
    """``client.history_max_publication_limit`` holds for more, and for as many as there are."""
    options = {"allow_history_for_client": True, "history_size": 10, "history_ttl": 60.0}
    world = World({"": options}, history_max_publication_limit=3)
    world.publish("news", *"12345")
    client = world.connect()
    for limit in (-1, 4):
        assert client.ask(command("history", "news", f',"limit":{limit}')) == page([1, 2, 3])


@pytest.mark.parametrize(("limit", "offsets"), [("", [1, 2, 3]), (',"limit":2', [1, 2])])
def test_history_without_a_limit_is_one_full_page_where_older_servers_rules_hold(
    limit: str, offsets: list[int]
) -> None:
    options = {"allow_history_for_client": True, "history_size": 10, "history_ttl": 60.0}
    legacy = LegacyOptions(unlimited_history_by_default=True)
    world = World({"": options}, legacy=legacy, history_max_publication_limit=3)
    world.publish("news", *"12345")
    assert world.connect().ask(command("history", "news", limit)) == page(offsets)


def test_a_limit_of_history_that_is_0_is_none() -> None:
    """As in v2, where there was none."""
    options = {"allow_history_for_client": True, "history_size": 10, "history_ttl": 60.0}
    world = World({"": options}, history_max_publication_limit=0)
    world.publish("news", *"12345")
    client = world.connect()
    for limit in (-1, 400):
        asked = client.ask(command("history", "news", f',"limit":{limit}'))
        assert asked == page([1, 2, 3, 4, 5])


def test_the_history_of_an_unused_channel_is_empty_but_has_an_epoch() -> None:
    client = reader(0)
    assert client.ask(command("history", "news", ',"limit":-1')) == page([], 0)


# ── 5.6 rpc ──────────────────────────────────────────────────────────────────────────────────


def test_the_built_in_ping_answers_with_nothing() -> None:
    client = World(rpc_ping=True).connect()
    assert client.ask('{"id":4,"rpc":{"method":"ping","data":{}}}') == ['{"id":4,"rpc":{}}']


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("method", ["sum", "", "Ping"])
def test_a_call_that_nobody_answers_is_not_available(enabled: bool, method: str) -> None:
    client = World(rpc_ping=enabled).connect()
    line = f'{{"id":4,"rpc":{{"method":"{method}","data":1}}}}'
    assert client.ask(line) == refused(NOT_AVAILABLE)


# ── 10.8 presence, join and leave ────────────────────────────────────────────────────────────

JOINS = OPEN | {"presence": True, "join_leave": True, "force_push_join_leave": True}


def event(what: str, client: str, user: str = "42") -> str:
    info = f'{{"info":{{"user":"{user}","client":"{client}"}}}}'
    return f'{{"push":{{"channel":"news","{what}":{info}}}}}'


def test_presence_is_there_before_the_reply_and_gone_after_the_end() -> None:
    world = World({"": PRESENCE})
    client = world.connect()
    answers = client.ask('{"id":3,"subscribe":{"channel":"news"}}', command("presence", "news"))
    assert '"c1":' in answers[1]
    client.send('{"id":3,"unsubscribe":{"channel":"news"}}')
    assert world.presence.is_empty()


def test_joins_and_leaves_are_told_to_the_others() -> None:
    """A client hears of its own join, never of its own leave."""
    world = World({"": JOINS})
    witness, client = world.subscribed("news", "1"), world.connect()
    witness.read()
    assert client.ask('{"id":3,"subscribe":{"channel":"news"}}') == [
        '{"id":3,"subscribe":{}}',
        event("join", "c2"),
    ]
    assert witness.read() == [event("join", "c2")]
    assert client.ask('{"id":3,"unsubscribe":{"channel":"news"}}') == ['{"id":3,"unsubscribe":{}}']
    assert witness.read() == [event("leave", "c2")]


def test_joins_and_leaves_go_only_to_those_who_asked() -> None:
    options = OPEN | {"join_leave": True, "allow_presence_for_subscriber": True}
    world = World({"": options})
    asked, silent = world.connect("1"), world.subscribed("news", "2")
    asked.subscribe("news", ',"join_leave":true')
    asked.read()
    world.subscribed("news", "3").hang_up()
    assert asked.read() == [event("join", "c3", "3"), event("leave", "c3", "3")]
    assert silent.read() == []


def test_without_join_leave_nobody_hears_of_anybody() -> None:
    world = World({"": OPEN | {"force_push_join_leave": True}})
    witness = world.subscribed("news", "1")
    world.subscribed("news", "2").hang_up()
    assert witness.read() == []


def test_presence_made_too_late_is_not_taken_back_from_the_next_subscription() -> None:
    """Unsubscribed and subscribed again while the first entry was being made."""
    world = World({"": PRESENCE}, concurrency=4)
    client = world.connect()
    world.gates.shut("have put")
    client.send('{"id":2,"subscribe":{"channel":"news"}}')
    client.send('{"id":3,"unsubscribe":{"channel":"news"}}')
    client.send('{"id":4,"subscribe":{"channel":"news"}}')
    world.gates.open("have put")
    assert '{"id":4,"subscribe":{}}' in client.read()
    assert list(world.members("news")) == ["c1"]


def test_presence_that_is_reasserted_too_late_is_taken_back() -> None:
    """The client left while its entry was being renewed: no ghost stays."""
    world = World({"": PRESENCE}, ping_interval=0.0, presence_update_interval=20.0)
    client = world.subscribed("news")
    world.gates.shut("put")
    world.advance(20.1)
    client.hang_up()
    assert world.presence.is_empty()
    world.gates.open("put")
    assert world.presence.is_empty()
