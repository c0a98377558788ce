"""Publishing and reading in 2018: classic.md sections 4.4, 4.11 and 4.12."""

from pathlib import Path

import pytest

from girandola.engines.memory.broker import MemoryBroker
from girandola.engines.memory.presence import MemoryPresence
from tests.scenarios.classic_world import HISTORY, RECOVERY, Client, World


class Broken(Exception):
    """What an engine raises whose service is away."""


async def fail(*_: object, **__: object) -> None:
    raise Broken


def publish(client: Client, params: str) -> list[str]:
    return client.send(f'{{"uid":"5","method":"publish","params":{params}}}')


def refused(method: str, error: str, advice: str, rest: str) -> list[str]:
    return [
        f'{{"uid":"5","method":"{method}","error":"{error}","advice":"{advice}","body":{{{rest}}}}}'
    ]


# ── publish: section 4.11 ────────────────────────────────────────────────────────────────────


def test_the_publisher_gets_its_own_message_before_the_response(tmp_path: Path) -> None:
    world = World(tmp_path, publish=True)
    client, other = world.client(info='{"n":1}'), world.client("OTHER", user="43")
    client.subscribe("a")
    other.subscribe("a")
    push = (
        '{"method":"message","body":{"uid":"*","client":"ID",'
        '"info":{"default_info":{"n":1},"user":"42","client":"ID"},'
        '"channel":"a","data":{"text":"hi"}}}'
    )
    assert publish(client, '{"channel":"a","data":{"text":"hi"}}') == [
        push,
        '{"uid":"5","method":"publish","body":{"channel":"a","status":true}}',
    ]
    assert other.received() == [push]


@pytest.mark.parametrize(
    "data",
    ["null", "true", "0", "-1.50e+07", '""', '"ü\\u00fc<&>"', "[]", '{ "a" : [ 1,2 ] }', "{}"],
)
def test_any_json_value_is_published_as_it_was_written(tmp_path: Path, data: str) -> None:
    client = World(tmp_path, publish=True).client()
    client.subscribe("a")
    assert publish(client, f'{{"channel":"a","data":{data}}}')[0] == (
        '{"method":"message","body":{"uid":"*","client":"ID","info":{"user":"42","client":"ID"},'
        f'"channel":"a","data":{data}}}}}'
    )


LACKING = [
    ('{"channel":""}', ""),
    ('{"channel":"","data":1}', ""),
    ('{"data":1}', ""),
    ("{}", ""),
    ('{"channel":"b"}', "b"),
]


def test_a_publication_without_data_is_an_invalid_message(tmp_path: Path) -> None:
    """It does not end the connection, unlike most of what lacks something."""
    client = World(tmp_path).client()
    client.subscribe("a")
    assert publish(client, '{"channel":"a"}') == refused(
        "publish", "invalid message", "fix", '"channel":"a","status":false'
    )
    assert client.end == ""


@pytest.mark.parametrize(("params", "channel"), LACKING)
def test_what_a_publication_lacks_is_told_before_anything_else(
    tmp_path: Path, params: str, channel: str
) -> None:
    assert publish(World(tmp_path).client(), params) == refused(
        "publish", "invalid message", "fix", f'"channel":"{channel}","status":false'
    )


@pytest.mark.parametrize("channel", ["b", "shop:x", "$private", "inbox#43"])
def test_publishing_without_being_subscribed_is_denied(tmp_path: Path, channel: str) -> None:
    """Also where the namespace does not exist: this check comes first."""
    world = World(tmp_path, publish=True)
    client, other = world.client(), world.client("OTHER")
    client.subscribe("a")
    other.subscribe("b")
    assert publish(client, f'{{"channel":"{channel}","data":1}}') == refused(
        "publish", "permission denied", "fix", f'"channel":"{channel}","status":false'
    )
    assert other.received() == []


def test_publishing_where_the_option_is_off_is_denied(tmp_path: Path) -> None:
    world = World(tmp_path)
    client = world.client()
    client.subscribe("a")
    assert publish(client, '{"channel":"a","data":1}') == refused(
        "publish", "permission denied", "fix", '"channel":"a","status":false'
    )


@pytest.mark.parametrize("user", ["42", ""])
def test_insecure_mode_lets_every_subscriber_publish(tmp_path: Path, user: str) -> None:
    client = World(tmp_path, insecure=True).client(user=user)
    client.subscribe("a")
    assert publish(client, '{"channel":"a","data":1}')[1] == (
        '{"uid":"5","method":"publish","body":{"channel":"a","status":true}}'
    )
    assert publish(client, '{"channel":"b","data":1}') == refused(
        "publish", "permission denied", "fix", '"channel":"b","status":false'
    )


def test_an_anonymous_subscriber_may_publish(tmp_path: Path) -> None:
    client = World(tmp_path, publish=True, anonymous=True).client(user="")
    client.subscribe("a")
    assert publish(client, '{"channel":"a","data":1}')[0] == (
        '{"method":"message","body":{"uid":"*","client":"ID","info":{"user":"","client":"ID"},'
        '"channel":"a","data":1}}'
    )


def test_publishing_into_a_namespace_that_vanished_is_an_internal_error(tmp_path: Path) -> None:
    world = World(tmp_path, namespaces=[{"name": "chat", "publish": True}])
    client = world.client()
    client.subscribe("chat:a")
    world.reload(namespaces=[])
    assert publish(client, '{"channel":"chat:a","data":1}') == refused(
        "publish", "internal server error", "retry", '"channel":"chat:a","status":false'
    )


def test_an_engine_that_fails_makes_the_client_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's own text, which 2018 servers told, stays in the log."""
    client = World(tmp_path, publish=True).client()
    client.subscribe("a")
    monkeypatch.setattr(MemoryBroker, "publish", fail)
    assert publish(client, '{"channel":"a","data":1}') == refused(
        "publish", "internal server error", "retry", '"channel":"a","status":false'
    )


# ── what the application publishes: section 4.4 ──────────────────────────────────────────────


def test_a_message_of_the_application_has_no_info(tmp_path: Path) -> None:
    world = World(tmp_path)
    client = world.client()
    client.subscribe("a")
    world.publish("a", "1")
    world.api("publish", '{"channel":"a","data":2,"client":"SOMEBODY","uid":"own"}')
    world.api("broadcast", '{"channels":["b","a"],"data":null}')
    assert client.received() == [
        '{"method":"message","body":{"uid":"*","channel":"a","data":1}}',
        '{"method":"message","body":{"uid":"own","client":"SOMEBODY","channel":"a","data":2}}',
        '{"method":"message","body":{"uid":"*","channel":"a","data":null}}',
    ]


def test_messages_without_history_have_different_ids(tmp_path: Path) -> None:
    client = World(tmp_path, publish=True).client()
    client.subscribe("a")
    for _ in range(2):
        client.session.receive(b'{"method":"publish","params":{"channel":"a","data":1}}')
    client.world.clock.run()
    first, _, second, _ = client.transport.messages
    assert first != second


def test_joins_and_leaves_are_sent_only_where_the_option_is_on(tmp_path: Path) -> None:
    world = World(tmp_path, join_leave=True, namespaces=[{"name": "quiet"}])
    watcher, client = world.client("WATCHER"), world.client(info="[1]")
    for channel in ("a", "quiet:a"):
        watcher.subscribe(channel)
    for channel in ("a", "quiet:a"):
        client.subscribe(channel)
        client.call("unsubscribe", f'{{"channel":"{channel}"}}')
    info = '{"default_info":[1],"user":"42","client":"ID"}'
    assert watcher.received() == [
        f'{{"method":"join","body":{{"channel":"a","data":{info}}}}}',
        f'{{"method":"leave","body":{{"channel":"a","data":{info}}}}}',
    ]


# ── presence and history: section 4.12 ───────────────────────────────────────────────────────


def read(client: Client, method: str, channel: str) -> list[str]:
    return client.send(f'{{"uid":"5","method":"{method}","params":{{"channel":"{channel}"}}}}')


def test_presence_tells_who_is_there(tmp_path: Path) -> None:
    world = World(tmp_path, presence=True)
    client, other = world.client(info='{"n": "<"}'), world.client("OTHER", user="")
    assert read(client, "presence", "a") == refused(
        "presence", "permission denied", "fix", '"channel":"a","data":null'
    )
    client.subscribe("a")
    assert read(client, "presence", "a") == [
        '{"uid":"5","method":"presence","body":{"channel":"a","data":{'
        r'"ID":{"default_info":{"n":"\u003c"},"user":"42","client":"ID"}}}}'
    ]
    assert '"permission denied"' in other.call("subscribe", '{"channel":"a"}')[0]


def test_history_is_newest_first(tmp_path: Path) -> None:
    client = World(tmp_path, publish=True, **HISTORY).client()
    client.subscribe("a")
    assert read(client, "history", "a") == [
        '{"uid":"5","method":"history","body":{"channel":"a","data":[]}}'
    ]
    client.world.publish("a", "1", "2", "3")
    publish(client, '{"channel":"a","data":{ "n": 4 }}')
    assert read(client, "history", "a") == [
        '{"uid":"5","method":"history","body":{"channel":"a","data":['
        '{"uid":"A4","client":"ID","info":{"user":"42","client":"ID"},"channel":"a",'
        '"data":{"n":4}},'
        '{"uid":"A3","channel":"a","data":3},{"uid":"A2","channel":"a","data":2}]}}'
    ]


def test_history_may_have_more_messages_than_todays_page(tmp_path: Path) -> None:
    """2018 clients know no pages."""
    world = World(tmp_path, history_size=1000, history_lifetime=60)
    client = world.client()
    client.subscribe("a")
    world.publish("a", *map(str, range(500)))
    client.received()
    assert read(client, "history", "a")[0].count('"uid":"A') == 500


def test_history_expires(tmp_path: Path) -> None:
    world = World(tmp_path, ping_interval=0, **HISTORY)
    client = world.client()
    client.subscribe("a")
    world.publish("a", "1")
    client.received()
    world.clock.advance(61)
    assert read(client, "history", "a") == [
        '{"uid":"5","method":"history","body":{"channel":"a","data":[]}}'
    ]


@pytest.mark.parametrize("method", ["presence", "history"])
@pytest.mark.parametrize("channel", ["b", "", "shop:x"])
def test_reading_without_being_subscribed_is_denied(
    tmp_path: Path, method: str, channel: str
) -> None:
    world = World(tmp_path, presence=True, **HISTORY)
    world.client("OTHER").subscribe("b")
    assert read(world.client(), method, channel) == refused(
        method, "permission denied", "fix", f'"channel":"{channel}","data":null'
    )


@pytest.mark.parametrize("method", ["presence", "history"])
@pytest.mark.parametrize("options", [{}, {"history_size": 3}, {"history_lifetime": 60}])
def test_reading_what_is_not_kept_is_not_available(
    tmp_path: Path, method: str, options: dict[str, int]
) -> None:
    """With the advice to try again, which is odd but was so; insecure mode does not matter."""
    for insecure in (False, True):
        client = World(tmp_path, insecure=insecure, **options).client()
        client.subscribe("a")
        assert read(client, method, "a") == refused(
            method, "not available", "retry", '"channel":"a","data":null'
        )


@pytest.mark.parametrize("method", ["presence", "history"])
def test_reading_in_a_namespace_that_vanished(tmp_path: Path, method: str) -> None:
    world = World(tmp_path, namespaces=[{"name": "chat", "presence": True, **HISTORY}])
    client = world.client()
    client.subscribe("chat:a")
    world.reload(namespaces=[])
    assert read(client, method, "chat:a") == refused(
        method, "namespace not found", "retry", '"channel":"chat:a","data":null'
    )


@pytest.mark.parametrize(
    ("method", "engine", "call"),
    [("presence", MemoryPresence, "members"), ("history", MemoryBroker, "history")],
)
def test_reading_from_an_engine_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, engine: type, call: str
) -> None:
    client = World(tmp_path, presence=True, **HISTORY).client()
    client.subscribe("a")
    monkeypatch.setattr(engine, call, fail)
    assert read(client, method, "a") == refused(
        method, "internal server error", "retry", '"channel":"a","data":null'
    )


# ── history of inactive channels: section 8.1 ────────────────────────────────────────────────


def kept(world: World) -> int:
    return world.api("history", '{"channel":"a"}').count('"data":') - 1


def test_messages_for_nobody_are_not_kept(tmp_path: Path) -> None:
    """Where history_drop_inactive is on; until somebody was there."""
    world = World(tmp_path, history_drop_inactive=True, **RECOVERY)
    world.publish("a", "1")
    assert kept(world) == 0
    client = world.client()
    client.subscribe("a")
    world.publish("a", "2")
    assert kept(world) == 1
    client.hang_up()
    world.publish("a", "3")
    assert kept(world) == 2


def test_who_comes_back_within_the_lifetime_recovers_what_nobody_heard(tmp_path: Path) -> None:
    world = World(tmp_path, history_drop_inactive=True, **RECOVERY)
    client = world.client()
    client.subscribe("a")
    world.publish("a", "1")
    client.received()
    client.hang_up()
    world.publish("a", "2")
    assert world.client().call("subscribe", '{"channel":"a","recover":true,"last":"A1"}') == [
        '{"method":"subscribe","body":{"channel":"a","status":true,"last":"",'
        '"messages":[{"uid":"A2","channel":"a","data":2}],"recovered":true}}'
    ]
