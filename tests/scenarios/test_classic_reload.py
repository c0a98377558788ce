"""What a reload changes for whom: classic.md section 2.5."""

from pathlib import Path

import pytest

from girandola.auth.signs import client_token
from tests.scenarios.classic_world import HISTORY, NOW, SECRET, World, credentials


def test_existing_subscriptions_are_not_checked_again(tmp_path: Path) -> None:
    world = World(tmp_path, anonymous=True)
    client = world.client(user="")
    client.subscribe("a")
    world.reload(anonymous=False)
    world.publish("a", "1")
    assert client.received() == ['{"method":"message","body":{"uid":"*","channel":"a","data":1}}']
    assert '"permission denied"' in client.call("subscribe", '{"channel":"b"}')[0]


def test_channel_options_hold_at_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    client = world.client()
    client.subscribe("a")
    assert '"permission denied"' in client.call("publish", '{"channel":"a","data":1}')[0]
    world.reload(publish=True, presence=True, **HISTORY)
    assert '"status":true' in client.call("publish", '{"channel":"a","data":1}')[1]
    assert client.call("history", '{"channel":"a"}')[0].count('"uid":"A1"') == 1
    assert '"error"' not in client.call("presence", '{"channel":"a"}')[0]
    world.reload(publish=None)
    assert '"permission denied"' in client.call("publish", '{"channel":"a","data":1}')[0]


def test_namespaces_and_names_hold_at_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    client = world.client()
    assert '"namespace not found"' in client.call("subscribe", '{"channel":"chat:a"}')[0]
    world.reload(namespaces=[{"name": "chat"}])
    client.subscribe("chat:a")
    world.reload(namespace_channel_boundary="/", private_channel_prefix="%")
    client.subscribe("shop:a")
    assert '"namespace not found"' in client.call("subscribe", '{"channel":"shop/a"}')[0]
    assert '"permission denied"' in client.call("subscribe", '{"channel":"%a"}')[0]


def test_limits_hold_at_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    client = world.client()
    client.subscribe("a")
    world.reload(client_channel_limit=1, user_connection_limit=1)
    assert '"limit exceeded"' in client.call("subscribe", '{"channel":"b"}')[0]
    second = world.open("SECOND")
    second.call("connect", credentials())
    assert second.end == '{"reason":"limit exceeded","reconnect":false}'
    world.reload(client_channel_limit=9, max_channel_length=3)
    assert '"limit exceeded"' in client.call("subscribe", '{"channel":"long"}')[0]
    client.subscribe("b")


def test_the_secret_holds_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, connection_lifetime=60)
    client = world.client()
    world.reload(secret="another")
    signed = client_token("another", "42", str(NOW), "")
    params = f'{{"user":"42","timestamp":"{NOW}","token":"{signed}"}}'
    assert '"expired":false' in client.call("refresh", params)[0]
    assert client.call("refresh", credentials()) == []
    assert client.end == '{"reason":"invalid token","reconnect":false}'
    assert world.post('{"method":"channels"}').status == 401
    world.reload(secret=SECRET)
    assert world.post('{"method":"channels"}').status == 200


def test_the_lifetime_holds_from_the_next_connect_or_refresh(tmp_path: Path) -> None:
    world = World(tmp_path, ping_interval=0)
    client = world.client()
    world.reload(connection_lifetime=60)
    world.clock.advance(100)
    assert client.end == ""
    assert (
        '"expires":true,"expired":false,"ttl":60'
        in (client.call("refresh", credentials(timestamp=NOW + 100))[0])
    )
    late = world.open("LATE")
    assert '"expired":true' in late.call("connect", credentials())[0]


@pytest.mark.xfail(strict=True, reason="the core does not ask the policy when time is up")
def test_without_lifetime_nobody_expires_any_more(tmp_path: Path) -> None:
    world = World(tmp_path, connection_lifetime=60, ping_interval=0)
    client = world.client()
    world.reload(connection_lifetime=0)
    world.clock.advance(1000)
    assert client.end == ""


def test_insecure_mode_holds_at_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    client = world.client(user="")
    assert '"permission denied"' in client.call("subscribe", '{"channel":"a"}')[0]
    world.reload(insecure=True)
    client.subscribe("a")
    assert '"status":true' in client.call("publish", '{"channel":"a","data":1}')[1]
    world.reload(insecure=False)
    assert '"permission denied"' in client.call("publish", '{"channel":"a","data":1}')[0]


def test_the_stale_delay_holds_for_new_connections(tmp_path: Path) -> None:
    world = World(tmp_path, stale_connection_close_delay=10)
    before = world.open("BEFORE")
    world.reload(stale_connection_close_delay=2)
    after = world.open("AFTER")
    world.clock.advance(2.2)
    assert (before.end, after.end) == ("", '{"reason":"stale","reconnect":false}')


def test_the_queue_limit_holds_for_new_connections(tmp_path: Path) -> None:
    world = World(tmp_path)
    before = world.client("BEFORE")
    before.subscribe("a")
    world.reload(client_queue_max_size=300)
    after = world.client("AFTER")
    after.subscribe("a")
    world.publish("a", f'"{"x" * 290}"')
    assert len(before.received()) == 1
    assert (before.end, after.end) == ("", '{"reason":"slow","reconnect":false}')
