"""Being connected in 2018: classic.md sections 4.1, 4.6, 4.7, 4.14, 4.15 and 10.6."""

import logging
import uuid
from pathlib import Path
from typing import Any

import pytest

from girandola.core.session import Session
from girandola.errors import WRITE_ERROR
from girandola.protocol.classic import CLASSIC
from tests.fakes import FakeTransport
from tests.scenarios.classic_world import (
    NOW,
    TOKEN_OF_42,
    TOKEN_OF_42_WITH_INFO,
    TOKEN_OF_NOBODY,
    Client,
    World,
    credentials,
)

CONNECTED = (
    '{"uid":"1","method":"connect","body":{"version":"1.8.0","client":"ID","expires":false,'
    '"expired":false,"ttl":0}}'
)
EXPIRING = (
    '{"uid":"1","method":"connect","body":{"version":"1.8.0","client":"ID","expires":true,'
    '"expired":false,"ttl":60}}'
)
EXPIRED = (
    '{"uid":"1","method":"connect","body":{"version":"1.8.0","client":"","expires":true,'
    '"expired":true,"ttl":60}}'
)
END_INVALID = '{"reason":"invalid message","reconnect":false}'
END_EXPIRED = '{"reason":"expired","reconnect":true}'
LIFETIME = {"connection_lifetime": 60, "expired_connection_close_delay": 10, "ping_interval": 0}


def connect(client: Client, params: str) -> list[str]:
    return client.send(f'{{"uid":"1","method":"connect","params":{params}}}')


def refresh(client: Client, params: str) -> list[str]:
    return client.send(f'{{"uid":"1","method":"refresh","params":{params}}}')


# ── connect: section 4.6 ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("user", "info", "token"),
    [
        ("42", "", TOKEN_OF_42),
        ("42", r"{\"a\":1}", TOKEN_OF_42_WITH_INFO),
        ("", "", TOKEN_OF_NOBODY),
    ],
)
def test_the_tokens_of_the_specification_are_good(
    tmp_path: Path, user: str, info: str, token: str
) -> None:
    params = f'{{"user":"{user}","timestamp":"1528600000","info":"{info}","token":"{token}"}}'
    assert connect(World(tmp_path).open(), params) == [CONNECTED]


def test_info_may_be_left_out(tmp_path: Path) -> None:
    params = f'{{"user":"42","timestamp":"1528600000","token":"{TOKEN_OF_42}"}}'
    assert connect(World(tmp_path).open(), params) == [CONNECTED]


def test_the_client_id_is_a_uuid_of_version_4(tmp_path: Path) -> None:
    world, transport = World(tmp_path), FakeTransport()
    session = Session(world.node, transport, CLASSIC)
    session.receive(f'{{"method":"connect","params":{credentials()}}}'.encode())
    world.clock.run()
    assert uuid.UUID(session.client).version == 4
    assert f'"client":"{session.client}"'.encode() in transport.messages[0]


def without_lifetime(tmp_path: Path, timestamp: int, **options: Any) -> None:
    world = World(tmp_path, ping_interval=0, **options)
    client = world.open()
    assert connect(client, credentials(timestamp=timestamp)) == [CONNECTED]
    world.clock.advance(10**6)
    assert client.end == ""


@pytest.mark.parametrize("timestamp", [10**9, NOW - 10**6, NOW + 300])
def test_without_lifetime_a_timestamp_is_good_for_ever(tmp_path: Path, timestamp: int) -> None:
    without_lifetime(tmp_path, timestamp)


@pytest.mark.parametrize("timestamp", [0, 1, NOW + 301, NOW + 10**6, NOW * 1000])
def test_a_timestamp_that_is_no_time_in_ten_digits_is_taken_by_option_only(
    tmp_path: Path, timestamp: int
) -> None:
    """Else its digits could be those of a user's id."""
    client = World(tmp_path).open()
    assert connect(client, credentials(timestamp=timestamp)) == []
    assert client.end == END_INVALID
    without_lifetime(tmp_path, timestamp, classic={"allow_ambiguous_signatures": True})


@pytest.mark.parametrize("timestamp", ["", "soon", "1528600000.5", "0x10", " 1528600000"])
def test_a_timestamp_that_is_no_integer_is_an_invalid_message(
    tmp_path: Path, timestamp: str
) -> None:
    client = World(tmp_path).open()
    assert connect(client, credentials(timestamp=timestamp)) == []
    assert client.end == '{"reason":"invalid message","reconnect":false}'


def test_the_token_is_checked_before_the_timestamp(tmp_path: Path) -> None:
    client = World(tmp_path).open()
    assert connect(client, '{"user":"42","timestamp":"soon","token":"x"}') == []
    assert client.end == '{"reason":"invalid token","reconnect":false}'


def test_the_timestamp_is_checked_before_the_limit(tmp_path: Path) -> None:
    world = World(tmp_path, user_connection_limit=1)
    world.client("ONE")
    client = world.open()
    connect(client, credentials(timestamp="soon"))
    assert client.end == '{"reason":"invalid message","reconnect":false}'


def test_the_limit_is_checked_before_expiry(tmp_path: Path) -> None:
    world = World(tmp_path, user_connection_limit=1, **LIFETIME)
    world.client("ONE")
    client = world.open()
    connect(client, credentials(timestamp=NOW - 60))
    assert client.end == '{"reason":"limit exceeded","reconnect":false}'


def test_the_connection_limit_is_not_for_anonymous_users(tmp_path: Path) -> None:
    world = World(tmp_path, user_connection_limit=1)
    world.client("ONE", user="")
    assert connect(world.open(), credentials("")) == [CONNECTED]


def test_ttl_is_the_whole_lifetime(tmp_path: Path) -> None:
    world = World(tmp_path, **LIFETIME)
    assert connect(world.open(), credentials(timestamp=NOW - 59)) == [EXPIRING]


def test_expired_credentials_leave_the_connection_open_for_others(tmp_path: Path) -> None:
    client = World(tmp_path, **LIFETIME).open()
    assert connect(client, credentials(timestamp=NOW - 60)) == [EXPIRED]
    assert connect(client, credentials()) == [EXPIRING]
    assert client.send('{"method":"ping"}') == ['{"method":"ping"}']


def test_after_expired_credentials_the_client_is_not_authenticated(tmp_path: Path) -> None:
    world = World(tmp_path, **LIFETIME)
    client = world.open()
    connect(client, credentials(timestamp=NOW - 60))
    assert world.node.hub.num_clients == 0
    assert client.send('{"method":"ping"}') == []
    assert client.end == '{"reason":"unauthorized","reconnect":false}'


def test_after_expired_credentials_the_connection_becomes_stale(tmp_path: Path) -> None:
    world = World(tmp_path, **LIFETIME)
    client = world.open()
    connect(client, credentials(timestamp=NOW - 60))
    world.clock.advance(24.8)
    assert client.end == ""
    world.clock.advance(0.4)
    assert client.end == '{"reason":"stale","reconnect":false}'


def test_a_connection_ends_after_lifetime_and_grace(tmp_path: Path) -> None:
    """Counted from the timestamp, not from the moment of connecting."""
    world = World(tmp_path, **LIFETIME)
    client = world.open()
    connect(client, credentials(timestamp=NOW - 20))
    world.clock.advance(49.8)
    assert client.end == ""
    world.clock.advance(0.4)
    assert client.end == END_EXPIRED


# ── refresh: section 4.7 ─────────────────────────────────────────────────────────────────────


def test_a_refresh_prolongs_the_connection(tmp_path: Path) -> None:
    world = World(tmp_path, **LIFETIME)
    client = world.client()
    world.clock.advance(65)
    assert refresh(client, credentials(timestamp=NOW + 65)) == [
        '{"uid":"1","method":"refresh","body":{"version":"1.8.0","client":"ID","expires":true,'
        '"expired":false,"ttl":60}}'
    ]
    world.clock.advance(69.8)
    assert client.end == ""
    world.clock.advance(0.4)
    assert client.end == END_EXPIRED


def test_a_refresh_with_expired_credentials_changes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, **LIFETIME)
    client = world.client()
    world.clock.advance(65)
    assert refresh(client, credentials(timestamp=NOW, info="[1]")) == [
        '{"uid":"1","method":"refresh","body":{"version":"1.8.0","client":"ID","expires":true,'
        '"expired":true,"ttl":60}}'
    ]
    assert client.end == ""
    world.clock.advance(5.2)
    assert client.end == END_EXPIRED


def test_without_lifetime_a_refresh_has_no_effect(tmp_path: Path) -> None:
    world = World(tmp_path, join_leave=True)
    client = world.client()
    assert refresh(client, credentials(info='{"n":2}')) == [
        '{"uid":"1","method":"refresh","body":{"version":"1.8.0","client":"ID","expires":false,'
        '"expired":false,"ttl":0}}'
    ]
    assert '{"user":"42","client":"ID"}' in client.call("subscribe", '{"channel":"a"}')[1]


def test_a_refresh_replaces_the_info(tmp_path: Path) -> None:
    world = World(tmp_path, join_leave=True, **LIFETIME)
    client = world.client(info='{"n":1}')
    refresh(client, credentials(info='{"n":2}'))
    assert client.call("subscribe", '{"channel":"a"}')[1] == (
        '{"method":"join","body":{"channel":"a",'
        '"data":{"default_info":{"n":2},"user":"42","client":"ID"}}}'
    )
    refresh(client, credentials(info=""))
    assert '"default_info":{"n":2}' in client.call("subscribe", '{"channel":"b"}')[1]


def test_a_refresh_does_not_care_whose_credentials_it_is_given(tmp_path: Path) -> None:
    world = World(tmp_path, join_leave=True, **LIFETIME)
    client = world.client(user="42")
    assert '"expired":false' in refresh(client, credentials("43"))[0]
    assert '{"user":"42","client":"ID"}' in client.call("subscribe", '{"channel":"a"}')[1]


@pytest.mark.parametrize("options", [{}, {"insecure": True}], ids=["secure", "insecure"])
def test_a_refresh_with_a_wrong_token_ends_the_connection(
    tmp_path: Path, options: dict[str, bool]
) -> None:
    client = World(tmp_path, **options).client()
    assert refresh(client, '{"user":"42","timestamp":"1528600000","token":"x"}') == []
    assert client.end == '{"reason":"invalid token","reconnect":false}'


def test_a_refresh_with_a_timestamp_that_is_no_integer_is_an_invalid_message(
    tmp_path: Path,
) -> None:
    client = World(tmp_path).client()
    assert refresh(client, credentials(timestamp="soon")) == []
    assert client.end == '{"reason":"invalid message","reconnect":false}'


# ── insecure mode: section 4.14 ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "params",
    ['{"user":"42","info":"1"}', '{"user":"42","info":"1","timestamp":"soon","token":"garbage"}'],
)
def test_insecure_mode_looks_at_neither_token_nor_timestamp(tmp_path: Path, params: str) -> None:
    client = World(tmp_path, insecure=True, join_leave=True).open()
    assert connect(client, params) == [CONNECTED]
    assert (
        '{"default_info":1,"user":"42","client":"ID"}'
        in client.call("subscribe", '{"channel":"a"}')[1]
    )


def test_insecure_mode_starts_no_expiry_timer(tmp_path: Path) -> None:
    """What the client is told of it still follows from the lifetime."""
    world = World(tmp_path, insecure=True, **LIFETIME)
    client = world.open()
    assert connect(client, '{"user":"42"}') == [EXPIRING]
    world.clock.advance(10**6)
    assert client.end == ""


def test_insecure_mode_keeps_the_connection_limit(tmp_path: Path) -> None:
    world = World(tmp_path, insecure=True, user_connection_limit=1)
    connect(world.open("ONE"), '{"user":"42"}')
    client = world.open()
    assert connect(client, '{"user":"42"}') == []
    assert client.end == '{"reason":"limit exceeded","reconnect":false}'


# ── the server's pings: section 4.1 ──────────────────────────────────────────────────────────


def test_the_server_pings_by_websocket_frames(tmp_path: Path) -> None:
    """Nothing of it is seen in the protocol."""
    world = World(tmp_path, ping_interval=9)
    client = world.client()
    for pings in (1, 2, 3):
        world.clock.advance(9.15)
        assert client.transport.pings == pings
        client.session.receive_transport_pong()
    assert client.received() == []
    assert client.end == ""


def test_a_client_that_does_not_pong_is_dropped_without_a_word(tmp_path: Path) -> None:
    """After ten ninths of the interval, whatever else it says."""
    world = World(tmp_path, ping_interval=9)
    client = world.client()
    world.clock.advance(9.9)
    assert client.send('{"method":"ping"}') == ['{"method":"ping"}']
    assert client.end == ""
    world.clock.advance(0.4)
    assert client.end == "cut"
    assert world.node.hub.num_clients == 0


def test_an_empty_message_is_no_answer_to_a_websocket_ping(tmp_path: Path) -> None:
    world = World(tmp_path, ping_interval=9)
    client = world.client()
    world.clock.advance(9.15)
    client.send("")
    assert client.end == '{"reason":"invalid message","reconnect":false}'


def test_no_ping_interval_means_no_pings(tmp_path: Path) -> None:
    world = World(tmp_path, ping_interval=0)
    client = world.client()
    world.clock.advance(10**5)
    assert client.transport.pings == 0
    assert client.end == ""


# ── how it ends: section 4.15 ────────────────────────────────────────────────────────────────


def test_who_does_not_authenticate_in_time_is_stale(tmp_path: Path) -> None:
    world = World(tmp_path, stale_connection_close_delay=3)
    silent, quick = world.open("SILENT"), world.open()
    connect(quick, credentials())
    world.clock.advance(3.2)
    assert silent.end == '{"reason":"stale","reconnect":false}'
    assert quick.end == ""


def test_a_stale_delay_of_0_waits_for_ever(tmp_path: Path) -> None:
    world = World(tmp_path, stale_connection_close_delay=0)
    client = world.open()
    world.clock.advance(10**5)
    assert client.end == ""


def test_a_client_that_reads_too_slowly_is_closed_as_slow(tmp_path: Path) -> None:
    """What was queued is dropped; the others go on."""
    world = World(tmp_path, client_queue_max_size=1000)
    slow, quick = world.client("SLOW"), world.client("QUICK", user="43")
    for client in (slow, quick):
        client.subscribe("a")
    slow.transport.stuck = 900
    world.publish("a", f'"{"x" * 200}"')
    assert slow.received() == []
    assert slow.end == '{"reason":"slow","reconnect":false}'
    assert len(quick.received()) == 1
    assert quick.end == ""


def test_more_messages_in_one_tick_than_the_queue_holds_are_too_many(tmp_path: Path) -> None:
    world = World(tmp_path, client_queue_max_size=1000)
    client = world.client()
    client.subscribe("a")
    commands = ",".join('{"method":"publish","params":{"channel":"a","data":1}}' for _ in range(20))
    world.post(f"[{commands}]")
    assert client.received() == []
    assert client.end == '{"reason":"slow","reconnect":false}'


def test_a_write_that_fails_is_an_error_sending_message(tmp_path: Path) -> None:
    client = World(tmp_path).client()
    client.session.close(WRITE_ERROR)
    assert client.end == '{"reason":"error sending message","reconnect":true}'


def test_the_application_disconnects_a_user(tmp_path: Path) -> None:
    world = World(tmp_path)
    one, two, other = world.client("ONE"), world.client("TWO"), world.client("OTHER", user="43")
    answer = world.api("disconnect", '{"user":"42"}')
    assert answer == '{"method":"disconnect","error":null,"body":null}'
    assert one.end == two.end == '{"reason":"disconnect","reconnect":false}'
    assert other.end == ""


def test_at_shutdown_clients_are_told_to_come_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    client = world.client()
    world.shut_down()
    assert client.end == '{"reason":"shutting down","reconnect":true}'
    assert world.post('{"method":"channels"}').status == 503


@pytest.mark.parametrize("ending", ["disconnect", "hang up", "fatal", "no pong", "write error"])
def test_whoever_leaves_leaves_every_channel(tmp_path: Path, ending: str) -> None:
    """Presence goes, the others are told, and the leaver gets no unsubscribe pushes."""
    world = World(tmp_path, presence=True, join_leave=True, ping_interval=9)
    client = world.client()
    client.subscribe("a")
    other = world.client("OTHER", user="43")
    other.subscribe("a")
    client.received()
    match ending:
        case "disconnect":
            world.api("disconnect", '{"user":"42"}')
        case "hang up":
            client.hang_up()
        case "fatal":
            client.send("[]")
        case "no pong":
            world.clock.advance(9.15)
            other.session.receive_transport_pong()
            world.clock.advance(1.2)
        case "write error":
            client.session.close(WRITE_ERROR)
    assert client.received() == []
    assert other.received() == [
        '{"method":"leave","body":{"channel":"a","data":{"user":"42","client":"ID"}}}'
    ]
    assert world.api("presence", '{"channel":"a"}') == (
        '{"method":"presence","error":null,"body":{"channel":"a",'
        '"data":{"OTHER":{"user":"43","client":"OTHER"}}}}'
    )
    assert world.node.hub.num_clients == 1
    assert world.node.hub.num_subscriptions == 1


def test_an_end_is_one_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "girandola")
    client = World(tmp_path).open()
    connect(client, '{"user":"42","timestamp":"1528600000","token":"secret token"}')
    (line,) = caplog.messages
    assert "ID" in line
    assert "invalid token" in line
    assert "'42'" in line
    assert "secret token" not in line
