"""The one-way transports keep what every one-way transport promises, and what is their own."""

import asyncio
import json
import logging
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from girandola.core.node import Target
from girandola.errors import CONNECTION_CLOSED
from tests.auth.tokens import NOW, token
from tests.contracts.transport import (
    USER,
    Client,
    OneWayContract,
    Run,
    Said,
    Scenario,
    listen,
)
from tests.transports.streams import (
    StreamLine,
    Streams,
    UniHttpStreamLine,
    UniSseLine,
    play_streams,
)
from tests.transports.test_websocket import ALL_LOOPS, SECRET, WebSocketLine

EXPIRED = token({"sub": USER, "exp": NOW - 10}, secret=SECRET)
FORGED = token({"sub": USER}, secret="a guess")
GOOD = token({"sub": USER}, secret=SECRET)


class OneWay:
    """Today's one-way JSON."""

    def __init__(self) -> None:
        self._epochs: dict[str, str] = {}

    def connect(self, *channels: str, token: str = GOOD, **places: Any) -> str:
        subs: dict[str, Any] = {channel: {} for channel in channels}
        for channel, (offset, epoch) in places.items():
            subs[channel] = {"recover": True, "offset": offset, "epoch": epoch}
        return json.dumps({"token": token, "subs": subs})

    def read(self, message: str) -> Said:
        said = json.loads(message)
        if "connect" in said:
            subs = said["connect"].get("subs", {})
            self._epochs = {channel: sub["epoch"] for channel, sub in subs.items()}
            found = {
                channel: [each["data"] for each in sub.get("publications", [])]
                for channel, sub in subs.items()
            }
            return Said("connected", message, place=found)
        if "pub" in said:
            channel, pub = said["channel"], said["pub"]
            place = (pub["offset"], self._epochs[channel])
            return Said("message", message, channel, pub["data"], place=place)
        return Said("other" if said else "ping", message)


class UniWebSocketLine(WebSocketLine):
    """A client's end of a one-way WebSocket: what comes first is the connect request."""

    reason: tuple[int, str] | None = None
    compression: str | None = None

    async def receive(self) -> str:
        message = await super().receive()
        said = json.loads(message)
        if "disconnect" in said:
            self.reason = said["disconnect"]["code"], said["disconnect"]["reason"]
            return await self.receive()
        return message

    async def ended_after_everything(self) -> tuple[int, str]:
        """Return what the close frame says, whatever the push said."""
        return await super().ended()

    async def ended(self) -> tuple[int, str]:
        assert await super().ended() == self.reason, "push and close frame differ"
        assert self.reason is not None
        return self.reason


class DeflatedUniWebSocketLine(UniWebSocketLine):
    """The same, of a client that can take compressed messages."""

    compression = "deflate"


class OneWayStreams(Streams):
    """A server with every one-way door; ``way`` is the one that ``open`` goes through."""

    way: type[StreamLine] | type[UniWebSocketLine]

    async def open(self) -> Any:
        if issubclass(self.way, StreamLine):
            self.line = self.way
            return self.new_line()
        return self.way(await self.connect_one_way(compression=self.way.compression))

    async def connect_one_way(self, query: str = "", **how: Any) -> Any:
        path, self._path = self._path, "/connection/uni_websocket"
        try:
            return await self.connect(query, **how)
        finally:
            self._path = path

    _path = "/connection/websocket"

    def url(self, query: str = "") -> str:
        return f"ws://127.0.0.1:{self.port}{self._path}{query}"

    def bad_tokens(self) -> dict[str, tuple[int, str]]:
        return {EXPIRED: (3005, "connection expired"), FORGED: (3500, "invalid token")}


WAYS: dict[str, type[StreamLine] | type[UniWebSocketLine]] = {
    "SSE": UniSseLine,
    "HTTP streaming": UniHttpStreamLine,
    "WebSocket": UniWebSocketLine,
    "WebSocket, compressed": DeflatedUniWebSocketLine,
}
COMPRESSION = {"compression": True}

Play = Callable[..., None]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    def play(way: Any, scenario: Scenario, **how: Any) -> None:
        async def one_way(running: OneWayStreams) -> None:
            running.way = way
            await scenario(running)

        play_streams(tmp_path, one_way, kind=OneWayStreams, dialect=OneWay(), **how)

    return play


class TestEveryOneWayTransport(OneWayContract):
    """The suite that every one-way transport runs."""

    @pytest.fixture(params=ALL_LOOPS)
    def loop(self, request: pytest.FixtureRequest) -> Any:
        return ALL_LOOPS[request.param]

    @pytest.fixture(params=WAYS)
    def run(self, request: pytest.FixtureRequest, loop: Any, play: Play) -> Run:
        return lambda scenario: play(
            WAYS[request.param], scenario, loop=loop, uni_websocket=COMPRESSION
        )

    @pytest.fixture(params=WAYS)
    def run_impatiently(self, request: pytest.FixtureRequest, play: Play) -> Run:
        often = {"ping_interval": "100ms", "pong_timeout": "50ms"}
        return lambda scenario: play(
            WAYS[request.param], scenario, client=often, uni_websocket=COMPRESSION
        )


# ── refused connects as HTTP statuses ────────────────────────────────────────────────────────

STATUSES = {
    "connect_code_to_http_response": {
        "enabled": True,
        "transforms": [
            {"code": 3500, "to": {"status_code": 401, "body": "log in"}},
            {"code": 109, "to": {"status_code": 403}},
        ],
    }
}
STREAMS = {"SSE": UniSseLine, "HTTP streaming": UniHttpStreamLine}
ORIGIN = {"Origin": "https://www.example.com"}


async def until(holds: Callable[[], Any]) -> None:
    """Turn the loop until something holds that nobody announces."""
    while not holds():  # noqa: ASYNC110  the time limit is that of the whole scenario
        await asyncio.sleep(0)


async def post(running: OneWayStreams, body: str, **headers: str) -> tuple[int, str, Any]:
    url = running.http_url(running.way.path)  # type: ignore[union-attr]
    async with running.http.post(url, data=body, headers=headers) as answer:
        return answer.status, await answer.text(), answer.headers


@pytest.mark.parametrize("way", STREAMS)
def test_by_option_a_refused_connect_is_an_http_status(way: str, play: Play) -> None:
    """The code is that of the error (not of its disconnect) or of the disconnect."""

    async def scenario(running: OneWayStreams) -> None:
        dialect = OneWay()
        status, text, headers = await post(running, dialect.connect(token=FORGED), **ORIGIN)
        assert (status, text) == (401, "log in")
        assert headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
        assert (await post(running, dialect.connect(token=EXPIRED)))[:2] == (403, "token expired")
        no_namespace = dialect.connect("what:a")
        assert (await post(running, no_namespace))[:2] == (500, "Internal Server Error\n")
        await running.emptied()
        assert running.node.hub.sessions() == []

        client, _ = await listen(running, "a")
        await running.publish("a", "1", "2")
        assert await client.hear_all(2) == [1, 2]
        await running.node.disconnect(Target(USER))
        assert await client.line.ended() == (3503, "force disconnect")

    only = {"connection_limit": 1}
    play(STREAMS[way], scenario, client=only, uni_sse=STATUSES, uni_http_stream=STATUSES)


class Gate:
    """A policy that decides on connects when told to."""

    def __init__(self, policy: Any) -> None:
        self._policy = policy
        self.asked = asyncio.Event()
        self.open = asyncio.Event()

    async def connect(self, *args: Any) -> Any:
        self.asked.set()
        await self.open.wait()
        return await self._policy.connect(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._policy, name)


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("options", [{}, STATUSES], ids=["stream first", "status first"])
def test_the_answer_waits_for_the_decision_only_where_a_status_tells_it(
    way: str, options: Any, play: Play
) -> None:
    async def scenario(running: OneWayStreams) -> None:
        gate = running.node.policy = Gate(running.node.policy)
        line = await running.open()
        opening = asyncio.create_task(line.send(OneWay().connect("a")))
        await gate.asked.wait()
        if not options:
            await opening
        assert opening.done() == (not options)
        gate.open.set()
        await opening
        client = Client(running.dialect, line)
        await client.hear("connected")
        await running.publish("a", "1")
        assert await client.hear_all(1) == [1]

    play(STREAMS[way], scenario, uni_sse=options, uni_http_stream=options)


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("options", [{}, STATUSES], ids=["stream first", "status first"])
@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
def test_a_client_that_leaves_before_the_decision_leaves_nothing_behind(
    way: str, options: Any, reset: bool, play: Play
) -> None:
    async def scenario(running: OneWayStreams) -> None:
        gate = running.node.policy = Gate(running.node.policy)
        _, writer = await asyncio.open_connection("127.0.0.1", running.port)
        body = OneWay().connect("a").encode()
        path = running.way.path.encode()  # type: ignore[union-attr]
        writer.write(
            b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (path, len(body), body)
        )
        await gate.asked.wait()
        if reset:
            opened = writer.transport.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        if reset:
            await until(lambda: not running.server.open_http)
        gate.open.set()
        await until(lambda: not running.node.hub.sessions())
        assert dict(running.node.hub.channels()) == {}
        # Its place is free again.
        client, _ = await listen(running, "a")
        client.line.vanish()

    limit = {"connection_limit": 1}
    play(STREAMS[way], scenario, client=limit, uni_sse=options, uni_http_stream=options)


@pytest.mark.parametrize("way", STREAMS)
def test_a_session_that_ends_while_its_stream_begins_still_says_why(way: str, play: Play) -> None:
    """The connect is decided, the answer on its way, and the API ends the connection."""

    async def scenario(running: OneWayStreams) -> None:
        gate = running.node.policy = Gate(running.node.policy)
        line = await running.open()
        opening = asyncio.create_task(line.send(OneWay().connect("a")))
        await gate.asked.wait()
        gate.open.set()
        await until(lambda: running.node.hub.num_clients == 1)
        await running.node.disconnect(Target(USER))
        await opening
        assert await line.ended() == (3503, "force disconnect")

    play(STREAMS[way], scenario, uni_sse=STATUSES, uni_http_stream=STATUSES)


@pytest.mark.parametrize("way", WAYS)
def test_the_code_of_a_peer_that_went_away_is_never_said(way: str, play: Play) -> None:
    """modern.md section 4.6: 3000 is internal, whoever asks for it."""

    async def scenario(running: OneWayStreams) -> None:
        client, _ = await listen(running, "a")
        await running.publish("a", "1")
        await running.node.disconnect(Target(USER), CONNECTION_CLOSED)
        assert await client.hear_rest() == [1]
        assert client.line.reason is None  # type: ignore[attr-defined]
        if isinstance(client.line, UniWebSocketLine):
            assert await client.line.ended_after_everything() == (1005, "")

    play(WAYS[way], scenario)


# ── requests ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("body", ["[", "[]", '{"token":5}', '"text"'])
def test_what_is_no_connect_request_is_refused_with_400(
    way: str, body: str, play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(running: OneWayStreams) -> None:
        with caplog.at_level(logging.INFO, "girandola.transports"):
            assert (await post(running, body))[:2] == (400, "Bad Request\n")
        (record,) = caplog.records
        assert "refused with 400: " in record.getMessage()
        await running.emptied()
        # It has given its place back.
        assert (await post(running, "["))[0] == 400

    play(STREAMS[way], scenario, client={"connection_limit": 1})


@pytest.mark.parametrize("body", ["", "null", "{}"])
@pytest.mark.parametrize("way", STREAMS)
def test_an_empty_request_is_a_connect_without_anything(way: str, body: str, play: Play) -> None:
    async def scenario(running: OneWayStreams) -> None:
        line = await running.open()
        await line.send(body)
        assert '"client":' in await line.receive()

    play(STREAMS[way], scenario, client={"allow_anonymous_connect_without_token": True})


def test_the_disconnect_of_an_error_can_be_chosen(play: Play) -> None:
    to = {"code": 4501, "reason": "log in again"}
    chosen = {"enabled": True, "transforms": [{"code": 109, "to": to}]}

    async def scenario(running: OneWayStreams) -> None:
        line = await running.open()
        await line.send(OneWay().connect(token=EXPIRED))
        assert await line.ended() == (4501, "log in again")

    play(UniHttpStreamLine, scenario, client={"connect_code_to_unidirectional_disconnect": chosen})


# ── one-way WebSocket ────────────────────────────────────────────────────────────────────────


def test_the_connect_request_may_stand_in_the_url(play: Play) -> None:
    async def scenario(running: OneWayStreams) -> None:
        query = "?cf_connect=" + quote(OneWay().connect("a"), safe="")
        client = Client(running.dialect, UniWebSocketLine(await running.connect_one_way(query)))
        await client.hear("connected")
        await running.publish("a", "1")
        assert await client.hear_all(1) == [1]

    play(UniWebSocketLine, scenario)


def test_what_is_no_connect_request_ends_a_websocket(play: Play) -> None:
    async def scenario(running: OneWayStreams) -> None:
        for line in (
            UniWebSocketLine(await running.connect_one_way()),
            UniWebSocketLine(await running.connect_one_way("?cf_connect=%5B")),
        ):
            if line.socket.request.path == "/connection/uni_websocket":
                await line.send("[")
            assert await line.ended_after_everything() == (3501, "bad request")

    play(UniWebSocketLine, scenario)


def test_what_a_client_says_after_the_connect_is_ignored(play: Play) -> None:
    async def scenario(running: OneWayStreams) -> None:
        client, _ = await listen(running, "a")
        for said in ("{}", OneWay().connect("b"), "nonsense"):
            await client.line.send(said)
        await running.publish("a", "1")
        assert await client.hear_all(1) == [1]
        assert dict(running.node.hub.channels()) == {"a": 1}

    play(UniWebSocketLine, scenario)


@pytest.mark.parametrize("join", [False, True])
def test_a_push_is_a_message_unless_they_are_to_be_joined(join: bool, play: Play) -> None:
    async def scenario(running: OneWayStreams) -> None:
        client, _ = await listen(running, "a")
        await running.publish("a", "1", "2", "3")
        first = await client.line.socket.recv()
        assert first.count("\n") == (2 if join else 0)

    play(UniWebSocketLine, scenario, uni_websocket={"join_push_messages": join})


def test_a_ping_of_the_protocol_goes_with_a_ping_frame(play: Play) -> None:
    async def scenario(running: OneWayStreams) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        query = quote(OneWay().connect("a"), safe="").encode()
        writer.write(
            b"GET /connection/uni_websocket?cf_connect=" + query + b" HTTP/1.1\r\nHost: a\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"\x81\x02{}\x89\x04ping")
        writer.transport.abort()

    play(UniWebSocketLine, scenario, client={"ping_interval": "100ms", "pong_timeout": "50ms"})


@pytest.mark.parametrize("push", [True, False])
@pytest.mark.parametrize("close", [True, False])
def test_how_a_websocket_says_goodbye_can_be_chosen(push: bool, close: bool, play: Play) -> None:
    options = {"disable_disconnect_push": not push, "disable_closing_handshake": not close}

    async def scenario(running: OneWayStreams) -> None:
        client, _ = await listen(running, "a")
        await running.publish("a", "1")
        await running.node.disconnect(Target(USER))
        assert await client.hear_rest() == [1]
        assert client.line.reason == ((3503, "force disconnect") if push else None)
        end = await client.line.ended_after_everything()
        assert end == ((3503, "force disconnect") if close else (1006, ""))

    play(UniWebSocketLine, scenario, uni_websocket=options)


def test_a_websocket_of_an_unwelcome_origin_is_refused(play: Play) -> None:
    async def scenario(running: OneWayStreams) -> None:
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Origin": "https://evil.org",
        }
        url = running.http_url("/connection/uni_websocket")
        async with running.http.get(url, headers=headers) as answer:
            assert answer.status == 403

    play(UniWebSocketLine, scenario)


# ── one-way WebSocket, compressed ────────────────────────────────────────────────────────────

LONG = f'"{"very " * 50}long"'
SMALL_WINDOW = ClientPerMessageDeflateFactory(server_max_window_bits=9)


async def listen_over(running: OneWayStreams, **how: Any) -> Client:
    """Listen to ``a`` over a one-way WebSocket that is opened in a way of its own."""
    client = Client(running.dialect, UniWebSocketLine(await running.connect_one_way(**how)))
    await client.say(OneWay().connect("a"))
    await client.hear("connected")
    return client


def test_a_broadcast_is_compressed_once_for_all_who_agreed_on_the_same(
    play: Play, compressions: list[bytes]
) -> None:
    """Clients with the large window, with a small one, and some that do not ask."""

    async def scenario(running: OneWayStreams) -> None:
        ways: list[dict[str, Any]] = [
            {"compression": "deflate"},
            {"extensions": [SMALL_WINDOW]},
            {"compression": None},
        ]
        clients = [await listen_over(running, **how) for _ in range(5) for how in ways]
        compressions.clear()
        await running.publish("a", LONG)
        heard = [await client.hear("message") for client in clients]
        assert {each.data for each in heard} == {json.loads(LONG)}
        assert compressions == [heard[0].raw.encode()] * 2

    play(UniWebSocketLine, scenario, uni_websocket=COMPRESSION)


@pytest.mark.parametrize("options", [{}, COMPRESSION], ids=["by default", "by option"])
def test_a_websocket_is_compressed_only_by_option(
    play: Play, compressions: list[bytes], options: Any
) -> None:
    async def scenario(running: OneWayStreams) -> None:
        client = await listen_over(running, compression="deflate")
        await running.publish("a", LONG)
        assert await client.hear_all(1) == [json.loads(LONG)]
        extensions = client.line.socket.protocol.extensions  # type: ignore[attr-defined]
        assert len(extensions) == bool(options)
        assert bool(compressions) == bool(options)

    play(UniWebSocketLine, scenario, uni_websocket=options)


def test_pushes_of_one_moment_are_compressed_together_if_they_are_joined(
    play: Play, compressions: list[bytes]
) -> None:
    """And short ones go as they are: as short as the options say."""
    options = COMPRESSION | {"join_push_messages": True, "compression_min_size": 300}

    async def scenario(running: OneWayStreams) -> None:
        client = await listen_over(running, compression="deflate")
        compressions.clear()
        await running.publish("a", "1")
        assert await client.hear_all(1) == [1]
        assert compressions == []
        await running.publish("a", LONG, LONG)
        heard = [(await client.hear("message")).raw for _ in range(2)]
        assert compressions == ["\n".join(heard).encode()]

    play(UniWebSocketLine, scenario, uni_websocket=options)


def test_a_connect_request_that_inflates_beyond_the_limit_ends_a_websocket(play: Play) -> None:
    options = COMPRESSION | {"decompressed_message_size_limit": 2000}

    async def scenario(running: OneWayStreams) -> None:
        request = OneWay().connect("a")
        client = Client(
            running.dialect,
            UniWebSocketLine(await running.connect_one_way(compression="deflate")),
        )
        await client.say(request.ljust(2000))
        await client.hear("connected")
        line = UniWebSocketLine(await running.connect_one_way(compression="deflate"))
        await line.send(request.ljust(2001))
        end = await line.ended_after_everything()
        assert end == (1009, "message inflates to more than 2000 bytes")

    play(UniWebSocketLine, scenario, uni_websocket=options)
