"""Commands beside their connection (modern.md section 3.5)."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from girandola.protocol.pb import client_pb2 as pb
from tests.contracts.transport import Client, come
from tests.transports.streams import HttpStreamLine, SseLine, Streams, play_streams
from tests.transports.test_one_way import EXPIRED, FORGED
from tests.transports.test_websocket import Today

Play = Callable[..., None]
Scenario = Callable[[Any], Awaitable[None]]
ORIGIN = {"Origin": "https://www.example.com"}


@pytest.fixture
def play(tmp_path: Path) -> Play:
    def play(scenario: Scenario, **how: Any) -> None:
        play_streams(tmp_path, scenario, **{"dialect": Today(), **how})

    return play


async def emulate(running: Streams, body: Any, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "text/plain", **headers}
    url = running.http_url("/emulation")
    async with running.http.post(url, data=data, headers=headers) as answer:
        await answer.read()
        return answer


def test_a_command_is_answered_in_the_stream(play: Play) -> None:
    async def scenario(running: Streams) -> None:
        client = await come(running)
        command = running.dialect.subscribe("a")
        body = {"session": client.line.session, "node": client.line.node, "data": command}
        answer = await emulate(running, body, **ORIGIN)
        assert (answer.status, answer.headers.get("Content-Length")) == (204, None)
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
        assert (await client.hear("subscribed")).channel == "a"

    play(scenario)


def test_several_commands_may_come_in_one_request(play: Play) -> None:
    async def scenario(running: Streams) -> None:
        client = await come(running)
        names = [f"channel-{number}" for number in range(20)]
        await client.say("\n".join(running.dialect.subscribe(name) for name in names))
        assert [(await client.hear("subscribed")).channel for _ in names] == names

    play(scenario, line=HttpStreamLine)


@pytest.mark.parametrize("session", ["", "unknown", "client", "one-way"])
def test_an_unknown_session_is_answered_as_if_it_were_known(session: str, play: Play) -> None:
    """The public id of a client is not its session, and one-way clients take no commands."""

    async def scenario(running: Streams) -> None:
        client = await come(running)
        url = running.http_url("/connection/uni_http_stream")
        body = json.loads(running.dialect.connect())["connect"]
        async with running.http.post(url, json=body) as one_way:
            said = json.loads(await one_way.content.readline())
            ids = {
                "client": next(s.client for s in running.node.hub.sessions()),
                "one-way": said["connect"]["session"],
            }
            data = '{"id":2,"subscribe":{"channel":"a"}}'
            wrong = {"session": ids.get(session, session), "node": client.line.node, "data": data}
            assert (await emulate(running, wrong)).status == 204
            assert dict(running.node.hub.channels()) == {}

    play(scenario)


def test_an_unknown_node_is_404(play: Play) -> None:
    async def scenario(running: Streams) -> None:
        client = await come(running)
        body = {"session": client.line.session, "node": "another", "data": "{}"}
        assert (await emulate(running, body)).status == 404
        del body["node"]
        assert (await emulate(running, body)).status == 404

    play(scenario)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "application/json"),
        (b"nonsense", ""),
        (b'{"session":"x"}', "application/json"),
        (b"\xff\xff", "application/octet-stream"),
        (b"\xff\xff", "Application/Octet-Stream; charset=x"),
    ],
)
def test_what_is_no_request_is_400(
    body: bytes, content_type: str, play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(running: Streams) -> None:
        with caplog.at_level(logging.INFO, "girandola.transports"):
            answer = await emulate(running, body, **{"Content-Type": content_type}, **ORIGIN)
        assert answer.status == 400
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
        (record,) = caplog.records
        assert "emulation refused with 400: " in record.getMessage()

    play(scenario)


def test_a_body_that_is_too_long_is_413(play: Play) -> None:
    async def scenario(running: Streams) -> None:
        assert (await emulate(running, b" " * 1001)).status == 413
        assert (await emulate(running, b" " * 1000)).status == 400

    play(scenario, emulation={"max_request_body_size": 1000})


def test_the_encoding_of_the_request_is_its_own(play: Play) -> None:
    """A client of JSON may wrap its commands in Protobuf; they stay JSON."""

    async def scenario(running: Streams) -> None:
        client = await come(running)
        request = pb.EmulationRequest(
            node=client.line.node,
            session=client.line.session,
            data=running.dialect.subscribe("a").encode(),
        )
        binary = {"Content-Type": "application/octet-stream"}
        await emulate(running, request.SerializeToString(), **binary)
        assert (await client.hear("subscribed")).channel == "a"

    play(scenario)


def test_commands_and_replies_keep_their_order_while_an_engine_takes_its_time(play: Play) -> None:
    """What a client sends in one request after the other is carried out one after the other."""

    async def scenario(running: Streams) -> None:
        client = await come(running)
        broker = running.node._broker
        gate, subscribe = asyncio.Event(), broker.subscribe

        async def slow(channel: str) -> None:
            await gate.wait()
            await subscribe(channel)

        broker.subscribe = slow
        names = [f"channel-{number}" for number in range(10)]
        for name in names:
            await client.say(running.dialect.subscribe(name))
        gate.set()
        assert [(await client.hear("subscribed")).channel for _ in names] == names

    play(scenario)


def test_a_disconnect_instead_of_the_connect_reply_is_all_there_is(play: Play) -> None:
    async def scenario(running: Streams) -> None:
        client = Client(running.dialect, await running.open())
        await client.say(f'{{"id":1,"connect":{{"token":"{FORGED}"}}}}')
        assert await client.hear_rest() == []
        assert await client.line.ended() == (3500, "invalid token")
        rude = Client(running.dialect, await running.open())
        await rude.say('{"id":1,"subscribe":{"channel":"a"}}')
        assert await rude.line.ended() == (3501, "bad request")

    play(scenario)


def test_a_refused_client_that_does_not_leave_is_stale(play: Play) -> None:
    """The error is in the stream, and the end of it comes later (modern.md section 4.3)."""

    async def scenario(running: Streams) -> None:
        client = Client(running.dialect, await running.open())
        await client.say(f'{{"id":1,"connect":{{"token":"{EXPIRED}"}}}}')
        assert '"code":109' in (await client.hear("other")).raw
        assert await client.line.ended() == (3502, "stale")

    play(scenario, line=SseLine, client={"stale_close_delay": "200ms"})
