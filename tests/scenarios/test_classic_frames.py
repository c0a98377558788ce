"""Requests, responses and fatal errors of 2018: classic.md sections 4.2, 4.3, 4.5 and 4.13."""

from pathlib import Path

import pytest

from girandola.core.turns import COMMANDS_IN_A_TURN
from girandola.engines.memory.presence import MemoryPresence
from tests.scenarios.classic_world import TOKEN_OF_42, World, credentials

INVALID_MESSAGE = '{"reason":"invalid message","reconnect":false}'
SUBSCRIBED = '"body":{"channel":"%s","status":true,"last":"","messages":null,"recovered":false}}'
PONG = '{"uid":"1","method":"ping"}'


# ── requests: section 4.2 ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        ('{"uid":"7","method":"ping"}', '{"uid":"7","method":"ping"}'),
        ('{"method":"ping"}', '{"method":"ping"}'),
        ('{"uid":"","method":"ping"}', '{"method":"ping"}'),
        ('{"uid":null,"method":"ping","params":null}', '{"method":"ping"}'),
        ('{"UID":"7","Method":"ping"}', '{"uid":"7","method":"ping"}'),
        ('{"uid":"7","method":"ping","id":1,"x":{"y":[]}}', '{"uid":"7","method":"ping"}'),
        (
            '{"method":"subscribe","params":{"CHANNEL":"a","last":null,"x":1}}',
            '{"method":"subscribe",' + SUBSCRIBED % "a",
        ),
    ],
    ids=["uid", "no uid", "empty uid", "null", "case", "unknown keys", "keys of params"],
)
def test_a_request_is_read_leniently_where_2018_did(
    tmp_path: Path, frame: str, answer: str
) -> None:
    assert World(tmp_path).client().send(frame) == [answer]


@pytest.mark.parametrize(
    "frame",
    [
        "",
        " ",
        "[]",
        "null",
        '"ping"',
        "{",
        ' {"method":"ping"}',
        '\n{"method":"ping"}',
        '{"method":"ping"}x',
        '{"method":"ping"}\n{"method":"ping"}',
        '{"uid":7,"method":"ping"}',
        '{"method":7}',
        '[{"method":"ping"},7]',
        '{"method":"ping","params":[]}',
        '{"method":"ping","params":{"data":7}}',
        '{"method":"subscribe"}',
        '{"method":"subscribe","params":{"channel":7}}',
        '{"method":"subscribe","params":{"channel":"a","recover":"yes"}}',
        '{"method":"subscribe","params":{"channel":""}}',
        '{"method":"subscribe","params":{}}',
        '{"method":"unsubscribe","params":{"channel":""}}',
        '{"method":"unsubscribe","params":{}}',
        '{"method":"publish"}',
        '{"method":"presence"}',
        '{"method":"history","params":"a"}',
        '{"method":"refresh"}',
    ],
)
def test_a_malformed_message_ends_the_connection(tmp_path: Path, frame: str) -> None:
    client = World(tmp_path).client()
    assert client.send(frame) == []
    assert client.end == INVALID_MESSAGE


@pytest.mark.parametrize("frame", [b"\xff", b'{"method":"\xff"}', b"[" * 100_000])
def test_garbage_ends_the_connection(tmp_path: Path, frame: bytes) -> None:
    client = World(tmp_path).client()
    assert client.send_bytes(frame) == []
    assert client.end == INVALID_MESSAGE


def test_commands_are_carried_out_in_order(tmp_path: Path) -> None:
    client = World(tmp_path).client()
    answers = client.send(
        '[{"uid":"1","method":"subscribe","params":{"channel":"a"}},'
        '{"uid":"2","method":"subscribe","params":{"channel":"a"}},'
        '{"uid":"3","method":"unsubscribe","params":{"channel":"a"}},'
        '{"uid":"4","method":"subscribe","params":{"channel":"a"}}]'
    )
    refused = SUBSCRIBED.replace("true", "false", 1) % "a"
    assert answers == [
        '[{"uid":"1","method":"subscribe",' + SUBSCRIBED % "a" + ","
        '{"uid":"2","method":"subscribe","error":"already subscribed","advice":"fix",'
        + refused
        + ","
        '{"uid":"3","method":"unsubscribe","body":{"channel":"a","status":true}},'
        '{"uid":"4","method":"subscribe",' + SUBSCRIBED % "a" + "]"
    ]


# ── responses: section 4.3 ───────────────────────────────────────────────────────────────────


def test_one_command_in_an_array_is_answered_with_an_object(tmp_path: Path) -> None:
    assert World(tmp_path).client().send('[{"uid":"1","method":"ping"}]') == [PONG]


def test_several_commands_are_answered_with_one_array(tmp_path: Path) -> None:
    batch = '[{"uid":"1","method":"ping"},{"method":"ping","params":{"data":"x"}}]'
    answer = '[{"uid":"1","method":"ping"},{"method":"ping","body":{"data":"x"}}]'
    assert World(tmp_path).client().send(batch) == [answer]


def test_a_batch_may_begin_with_connect(tmp_path: Path) -> None:
    client = World(tmp_path).open()
    connect = f'{{"uid":"1","method":"connect","params":{credentials()}}}'
    answers = client.send(f'[{connect},{{"uid":"2","method":"ping"}}]')
    assert answers == [
        '[{"uid":"1","method":"connect","body":{"version":"1.8.0","client":"ID","expires":false,'
        '"expired":false,"ttl":0}},{"uid":"2","method":"ping"}]'
    ]


def test_a_batch_with_a_fatal_command_is_not_answered_but_took_effect(tmp_path: Path) -> None:
    """What came before it was done, and what it set off goes out before the end."""
    world = World(tmp_path, publish=True)
    listener = world.client("OTHER")
    listener.subscribe("a")
    client = world.client()
    answers = client.send(
        '[{"method":"subscribe","params":{"channel":"a"}},'
        '{"method":"publish","params":{"channel":"a","data":1}},'
        '{"method":"nonsense","params":{}},'
        '{"method":"publish","params":{"channel":"a","data":2}}]'
    )
    message = (
        '{"method":"message","body":{"uid":"*","client":"ID","info":{"user":"42","client":"ID"},'
        '"channel":"a","data":1}}'
    )
    assert answers == [message]
    assert client.end == '{"reason":"method not found","reconnect":false}'
    assert listener.received() == [message]


# ── fatal errors: section 4.5 ────────────────────────────────────────────────────────────────

BEFORE_CONNECT = [
    ("", "invalid message"),
    ("[]", "invalid message"),
    ('{"method":"ping"}', "unauthorized"),
    ('{"method":"subscribe","params":{"channel":"a"}}', "unauthorized"),
    ('{"method":"publish","params":{"channel":"a","data":1}}', "unauthorized"),
    ('{"method":"refresh","params":{}}', "unauthorized"),
    ('{"method":"nonsense"}', "unauthorized"),
    ('{"method":"connect"}', "invalid message"),
    ('{"method":"connect","params":{"user":42}}', "invalid message"),
    ('{"method":"connect","params":{}}', "invalid token"),
    (
        '{"method":"connect","params":{"user":"42","timestamp":"1528600000","token":"9a99"}}',
        "invalid token",
    ),
    (
        '{"method":"connect","params":{"user":"43","timestamp":"1528600000",'
        f'"token":"{TOKEN_OF_42}"}}}}',
        "invalid token",
    ),
    (
        '{"method":"connect","params":{"user":"42","timestamp":"1528600000","info":"{}",'
        f'"token":"{TOKEN_OF_42}"}}}}',
        "invalid token",
    ),
    (
        '{"method":"connect","params":{"user":"42","timestamp":"1528600000",'
        f'"token":"{TOKEN_OF_42.upper()}"}}}}',
        "invalid token",
    ),
    (
        '{"method":"connect","params":{"user":"42","timestamp":"1528600000",'
        f'"token":"{TOKEN_OF_42}a"}}}}',
        "invalid token",
    ),
]


@pytest.mark.parametrize(("frame", "reason"), BEFORE_CONNECT)
def test_a_fatal_error_before_connect(tmp_path: Path, frame: str, reason: str) -> None:
    client = World(tmp_path).open()
    assert client.send(frame) == []
    assert client.end == f'{{"reason":"{reason}","reconnect":false}}'


AFTER_CONNECT = [
    ('{"method":"nonsense","params":{}}', "method not found"),
    ('{"params":{}}', "method not found"),
    ('{"method":"Ping"}', "method not found"),
    (f'{{"method":"connect","params":{credentials()}}}', "invalid message"),
    ('{"method":"refresh","params":{}}', "invalid token"),
    ('{"method":"subscribe","params":{"channel":""}}', "invalid message"),
    ('{"method":"unsubscribe","params":{"channel":""}}', "invalid message"),
]


@pytest.mark.parametrize(("frame", "reason"), AFTER_CONNECT)
def test_a_fatal_error_after_connect(tmp_path: Path, frame: str, reason: str) -> None:
    client = World(tmp_path).client()
    assert client.send(frame) == []
    assert client.end == f'{{"reason":"{reason}","reconnect":false}}'


def test_one_connection_too_many_ends_with_limit_exceeded(tmp_path: Path) -> None:
    world = World(tmp_path, user_connection_limit=1)
    first, second = world.client("ONE"), world.open("TWO")
    assert second.send(f'{{"method":"connect","params":{credentials()}}}') == []
    assert second.end == '{"reason":"limit exceeded","reconnect":false}'
    assert first.send('{"method":"ping"}') == ['{"method":"ping"}']


class Broken(Exception):
    """What an engine raises whose service is away."""


def test_an_engine_that_fails_while_subscribing_ends_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise Broken

    client = World(tmp_path, presence=True).client()
    monkeypatch.setattr(MemoryPresence, "put", fail)
    assert client.call("subscribe", '{"channel":"a"}') == []
    assert client.end == '{"reason":"internal server error","reconnect":true}'


# ── ping: section 4.13 ───────────────────────────────────────────────────────────────────────


def test_ping_brings_its_data_back(tmp_path: Path) -> None:
    client = World(tmp_path).client()
    assert client.ask('{"uid":"9","method":"ping"}') == '{"uid":"9","method":"ping"}'
    assert client.ask('{"uid":"9","method":"ping","params":{}}') == '{"uid":"9","method":"ping"}'
    assert (
        client.ask('{"uid":"9","method":"ping","params":{"data":"x"}}')
        == '{"uid":"9","method":"ping","body":{"data":"x"}}'
    )


def test_no_message_of_a_channel_comes_before_the_array_that_says_it_is_subscribed(
    tmp_path: Path,
) -> None:
    """Libraries take the position there for the newest, and would ask for the message again."""
    world = World(tmp_path)
    client = world.client()
    pings = ",".join(['{"method":"ping"}'] * COMMANDS_IN_A_TURN)
    subscribe = '{"method":"subscribe","params":{"channel":"a"}}'
    client.session.receive(f"[{subscribe},{pings}]".encode())
    assert client.session.is_subscribed("a")
    world.publish("a", "1")
    world.clock.tick()
    answers, message = client.received()
    assert answers.startswith('[{"method":"subscribe","body":{"channel":"a","status":true')
    assert message.startswith('{"method":"message","body":')


def test_what_waits_behind_a_long_batch_goes_out_before_an_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    client = world.client()
    client.subscribe("a")
    pings = ",".join(['{"method":"ping"}'] * COMMANDS_IN_A_TURN)
    client.session.receive(f"[{pings},{{}}]".encode())
    world.publish("a", "1")
    (message,) = client.received()
    assert message.startswith('{"method":"message","body":')
    assert client.end
