"""The WebSocket door: what every transport promises, and what only this one does.

A real server on loopback, the ``websockets`` package in front of it.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from girandola.app.build import Application
from girandola.app.clock import LoopClock
from girandola.auth.signs import client_token
from girandola.config.load import load
from girandola.core.grants import PublishOptions, publish_options
from girandola.core.node import Target
from girandola.engines.memory.broker import MemoryBroker
from girandola.errors import CONNECTION_CLOSED, Disconnect
from girandola.model import Publication
from girandola.net import deflate
from girandola.net.http import Request, Response
from girandola.net.router import WebSocketRoute
from girandola.net.server import Server
from girandola.net.websocket import Opcode, WebSocketConnection
from girandola.options import ChannelOptions
from tests.auth.tokens import token
from tests.contracts.transport import USER, Run, Said, Scenario, TransportContract, come
from tests.fakes import FakeClock
from tests.net.wire import FakeTransport as FakeSocket
from tests.net.wire import client_frame

SECRET = "secret"
ALL_LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
KEPT = ChannelOptions(history_size=1000, history_ttl=60.0)

Config = dict[str, dict[str, Any]]


# ── dialects ─────────────────────────────────────────────────────────────────────────────────


class Today:
    """Today's JSON."""

    ends: ClassVar = {
        "force_disconnect": (3503, "force disconnect"),
        "bad_request": (3501, "bad request"),
        "shutdown": (3001, "shutdown"),
        "slow": (3008, "slow"),
    }

    def __init__(self) -> None:
        self._id = 0
        self._channels: dict[int, str] = {}

    def _command(self, text: str) -> str:
        self._id += 1
        return f'{{"id":{self._id},{text}}}'

    def connect(self) -> str:
        return self._command(f'"connect":{{"token":"{token({"sub": USER}, secret=SECRET)}"}}')

    def subscribe(self, channel: str, place: Any = None) -> str:
        since = ""
        if place is not None:
            since = f',"recover":true,"offset":{place[0]},"epoch":"{place[1]}"'
        self._channels[self._id + 1] = channel
        return self._command(f'"subscribe":{{"channel":"{channel}"{since}}}')

    def publish(self, channel: str, payload: str) -> str:
        return self._command(f'"publish":{{"channel":"{channel}","data":{payload}}}')

    def nonsense(self) -> str:
        return "nonsense"

    def read(self, message: str) -> Said:
        said = json.loads(message)
        if "connect" in said:
            return Said("connected", message)
        if "publish" in said:
            return Said("published", message)
        if "subscribe" in said:
            self._epoch = said["subscribe"]["epoch"]
            found = [each["data"] for each in said["subscribe"].get("publications", [])]
            return Said("subscribed", message, self._channels[said["id"]], recovered=found)
        if "pub" in said.get("push", {}):
            pub = said["push"]["pub"]
            place = (pub.get("offset"), self._epoch)
            return Said("message", message, said["push"]["channel"], pub["data"], place=place)
        return Said("other", message)


class Of2018:
    """The JSON of 2018."""

    ends: ClassVar = {
        "force_disconnect": (3000, '{"reason":"disconnect","reconnect":false}'),
        "bad_request": (3000, '{"reason":"invalid message","reconnect":false}'),
        "shutdown": (3000, '{"reason":"shutting down","reconnect":true}'),
        "slow": (3000, '{"reason":"slow","reconnect":false}'),
    }

    def connect(self) -> str:
        signed = client_token(SECRET, USER, "1528600000")
        return (
            f'{{"method":"connect","params":'
            f'{{"user":"{USER}","timestamp":"1528600000","token":"{signed}"}}}}'
        )

    def subscribe(self, channel: str, place: Any = None) -> str:
        since = "" if place is None else f',"recover":true,"last":"{place}"'
        return f'{{"method":"subscribe","params":{{"channel":"{channel}"{since}}}}}'

    def publish(self, channel: str, payload: str) -> str:
        return f'{{"method":"publish","params":{{"channel":"{channel}","data":{payload}}}}}'

    def nonsense(self) -> str:
        return "nonsense"

    def read(self, message: str) -> Said:
        said = json.loads(message)
        body = said["body"]
        match said["method"]:
            case "connect":
                return Said("connected", message)
            case "publish" if body["status"]:
                return Said("published", message)
            case "subscribe" if body["status"]:
                found = [each["data"] for each in reversed(body["messages"] or [])]
                return Said("subscribed", message, body["channel"], recovered=found)
            case "message":
                return Said("message", message, body["channel"], body["data"], place=body["uid"])
        return Said("other", message)


DIALECTS: dict[str, Any] = {"today": Today, "2018": Of2018}


# ── the server and a client's end ────────────────────────────────────────────────────────────


class WebSocketLine:
    """A client's end of a WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._waiting: list[str] = []

    async def send(self, command: str) -> None:
        await self.socket.send(command)

    async def receive(self) -> str:
        if not self._waiting:
            try:
                frame = await self.socket.recv()
            except ConnectionClosed:
                raise EOFError from None
            assert isinstance(frame, str)
            self._waiting = frame.split("\n")
        return self._waiting.pop(0)

    async def ended(self) -> tuple[int, str]:
        await self.socket.wait_closed()
        code, reason = self.socket.close_code, self.socket.close_reason
        assert code is not None
        assert reason is not None
        return code, reason

    async def close(self) -> None:
        await self.socket.close()

    def vanish(self) -> None:
        self.socket.transport.abort()


class Running:
    """A server of both generations on a free port of loopback."""

    def __init__(self, folder: Path, dialect: Any, config: Config) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps(config))
        clock = LoopClock()
        self.dialect = dialect
        self.app = Application(load(str(file)).config, clock)
        self.node = self.app.node
        self.server = Server(self.app.router, clock=clock)
        self.sockets: list[ClientConnection] = []
        self.compression: str | None = None
        self._stopped = False

    async def start(self) -> None:
        ((_, self.port),) = await self.server.start("127.0.0.1", 0)

    def url(self, query: str = "") -> str:
        return f"ws://127.0.0.1:{self.port}/connection/websocket{query}"

    async def connect(self, query: str = "", **how: Any) -> ClientConnection:
        """Connect without keepalive pings of the client's own, and compressing where it is said."""
        settings = {"compression": self.compression, "ping_interval": None, "proxy": None, **how}
        opened = await connect(self.url(query), **settings)
        self.sockets.append(opened)
        return opened

    async def open(self) -> WebSocketLine:
        return WebSocketLine(await self.connect())

    async def publish(self, channel: str, *payloads: str) -> None:
        for data in payloads:
            await self.node.publish(channel, Publication(data.encode()), publish_options(KEPT))

    async def emptied(self) -> None:
        assert await self.server.drain(5) == 0

    async def shut_down(self) -> None:
        self._stopped = True
        await self.server.stop_accepting()
        await self.app.close()

    async def finish(self) -> None:
        """Let the clients go and look whether anything is left of them."""
        for opened in self.sockets:
            await opened.close()
        self.server.close_idle()
        await self.emptied()
        assert self.server.open_websockets == 0
        assert self.node.hub.num_clients == 0
        assert self.node.hub.num_subscriptions == 0
        assert dict(self.node.hub.channels()) == {}
        if not self._stopped:
            await self.shut_down()

    async def cut_off(self) -> None:
        """End what a failed scenario left open: uvloop does not close before."""
        for opened in self.sockets:
            opened.transport.abort()
        await self.server.stop_accepting()
        await self.server.drain(0)


BOTH_GENERATIONS: Config = {
    "classic": {"secret": SECRET},
    "client": {
        "token": {"hmac_secret_key": SECRET},
        "allowed_origins": ["https://*.example.com"],
        "queue_max_size": 300_000,
        "user_connection_limit": 0,
    },
    "channel": {
        "without_namespace": {
            "presence": True,
            "history_size": 1000,
            "history_ttl": "60s",
            "force_recovery": True,
            "allow_subscribe_for_client": True,
            "allow_publish_for_subscriber": True,
            "allow_publish_for_anonymous": True,
        }
    },
    "websocket": {"write_timeout": "0s"},
}


def merged(changes: Config) -> Config:
    """Return the options above, section by section with changes."""
    sections = {**BOTH_GENERATIONS, **changes}
    return {name: BOTH_GENERATIONS.get(name, {}) | changes.get(name, {}) for name in sections}


COMPRESSION = {"compression": True}

Play = Callable[..., None]


@pytest.fixture(params=ALL_LOOPS)
def loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    factory: Callable[[], asyncio.AbstractEventLoop] = ALL_LOOPS[request.param]
    return factory


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Play a scenario with twenty seconds for all of it. Options go over those above."""

    def play(
        scenario: Callable[[Running], Awaitable[None]],
        loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
        dialect: Any = None,
        *,
        server: type[Running] = Running,
        **changes: dict[str, Any],
    ) -> None:
        async def with_server() -> None:
            running = server(tmp_path, dialect, merged(changes))
            await running.start()
            try:
                async with asyncio.timeout(20):
                    await scenario(running)
                    await running.finish()
            finally:
                await running.cut_off()

        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(with_server())

    return play


class TestEveryTransport(TransportContract):
    """The suite that every transport runs, for both generations on both loops."""

    @pytest.fixture(params=DIALECTS)
    def run(
        self,
        request: pytest.FixtureRequest,
        play: Play,
        loop: Callable[[], asyncio.AbstractEventLoop],
    ) -> Run:
        def run(scenario: Scenario) -> None:
            play(scenario, loop, DIALECTS[request.param]())

        return run


class TestCompressing(TransportContract):
    """The same suite over connections that compress everything."""

    @pytest.fixture(params=DIALECTS)
    def run(self, request: pytest.FixtureRequest, play: Play) -> Run:
        def run(scenario: Scenario) -> None:
            async def compressing(running: Running) -> None:
                running.compression = "deflate"
                await scenario(running)
                assert all(socket.protocol.extensions for socket in running.sockets)

            dialect = DIALECTS[request.param]()
            play(compressing, dialect=dialect, websocket=COMPRESSION | {"write_timeout": "0s"})

        return run


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_code_of_a_peer_that_went_away_is_never_said(play: Play, dialect: str) -> None:
    """modern.md section 3.2: the close frame has no code, whatever words the API chose.

    The 2018 generation has another meaning for 3000, and without a reason its clients come back.
    """

    async def scenario(running: Running) -> None:
        for why in (CONNECTION_CLOSED, Disconnect(3000, "go away")):
            client = await come(running)
            await client.subscribe("a")
            await running.publish("a", "1")
            await running.node.disconnect(Target(USER), why)
            assert await client.hear_rest() == [1]
            assert await client.line.ended() == (1005, "")

    play(scenario, dialect=DIALECTS[dialect]())


# ── the handshake, from real clients ─────────────────────────────────────────────────────────

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def status_of(running: Running, **headers: str) -> int:
    """Return the HTTP status that a handshake is answered with."""
    try:
        opened = await running.connect(additional_headers=headers)
    except InvalidStatus as error:
        return error.response.status_code
    await opened.close()
    return 101


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://www.example.com", 101),
        ("HTTPS://WWW.Example.COM", 101),
        ("https://example.com", 403),
        ("http://www.example.com", 403),
        ("https://www.example.com.evil.org", 403),
        ("null", 403),
        ("", 101),
    ],
)
def test_a_browser_comes_in_from_allowed_origins_only(play: Play, origin: str, status: int) -> None:
    async def scenario(running: Running) -> None:
        assert await status_of(running, Origin=origin) == status
        assert await status_of(running) == 101

    play(scenario)


def test_without_origins_no_browser_comes_in(play: Play) -> None:
    async def scenario(running: Running) -> None:
        assert await status_of(running, Origin="https://www.example.com") == 403
        assert await status_of(running) == 101

    play(scenario, client={"allowed_origins": []})


def test_a_request_that_is_no_handshake_is_answered(play: Play) -> None:
    async def scenario(running: Running) -> None:
        url = running.url().replace("ws:", "http:")
        async with aiohttp.ClientSession() as session:
            async with session.get(url) as answer:
                assert answer.status == 400
                assert answer.headers["Sec-WebSocket-Version"] == "13"
            async with session.post(url, data=b"{}") as answer:
                assert answer.status == 405

    play(scenario)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("centrifuge-json", "centrifuge-json"),
        ("graphql-ws, centrifuge-json", "centrifuge-json"),
        ("centrifuge-protobuf", "centrifuge-protobuf"),
        ("graphql-ws", None),
        ("", None),
    ],
)
def test_the_subprotocol_is_chosen_where_it_is_known(
    play: Play, offered: str, chosen: str | None
) -> None:
    """An empty header counts as none: old Python clients send it."""

    async def scenario(running: Running) -> None:
        url = running.url().replace("ws:", "http:")
        headers = HANDSHAKE | {"Sec-WebSocket-Protocol": offered}
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            assert answer.status == 101
            assert answer.headers.get("Sec-WebSocket-Protocol") == chosen
            answer.close()

    play(scenario)


def test_there_are_as_many_connections_as_allowed(play: Play) -> None:
    """A refused handshake takes no place, and whoever goes frees one."""

    async def scenario(running: Running) -> None:
        first, _ = await running.connect(), await running.connect()
        for _ in range(3):
            assert await status_of(running) == 503
        await first.close()
        assert await status_of(running) == 101
        assert await status_of(running) == 101

    play(scenario, client={"connection_limit": 2})


def test_there_are_as_many_connections_a_second_as_allowed(play: Play) -> None:
    async def scenario(running: Running) -> None:
        statuses = [await status_of(running) for _ in range(5)]
        assert statuses == [101, 101, 101, 503, 503]

    play(scenario, client={"connection_rate_limit": 3})


def test_a_refused_origin_takes_no_place(play: Play) -> None:
    async def scenario(running: Running) -> None:
        assert await status_of(running, Origin="https://evil.org") == 403
        assert await status_of(running) == 101

    play(scenario, client={"connection_limit": 1})


@pytest.mark.parametrize(
    ("headers", "options", "line"),
    [
        (
            {"Origin": "https://evil.org/" + "x" * 1000},
            {},
            f"refused with 403: origin {'https://evil.org/' + 'x' * 183!r} "
            "matches none of client.allowed_origins",
        ),
        (
            {},
            {"connection_limit": 1},
            "refused with 503: over client.connection_limit or client.connection_rate_limit",
        ),
    ],
)
def test_the_log_says_why_a_handshake_was_refused(
    play: Play,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str],
    options: dict[str, Any],
    line: str,
) -> None:
    """One line, however long the origin is."""

    async def scenario(running: Running) -> None:
        await running.connect()
        with caplog.at_level(logging.INFO, "girandola.transports"):
            assert await status_of(running, **headers) in (403, 503)
        (record,) = caplog.records
        assert record.getMessage().startswith("connection 127.0.0.1:")
        assert record.getMessage().endswith(f": {line}")

    play(scenario, client=options)


def test_nobody_comes_in_while_the_server_stops(play: Play) -> None:
    async def scenario(running: Running) -> None:
        running.node.shutting_down = True
        assert await status_of(running) == 503

    play(scenario)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_message_over_the_limit_ends_the_connection_with_1009(play: Play, dialect: str) -> None:
    """One as long as the limit is taken."""

    async def scenario(running: Running) -> None:
        line = await running.open()
        connected = running.dialect.connect()
        await line.send(connected + " " * (1000 - len(connected)))
        assert running.dialect.read(await line.receive()).kind == "connected"
        await line.send(" " * 1001)
        assert (await line.ended())[0] == 1009

    play(scenario, dialect=DIALECTS[dialect](), websocket={"message_size_limit": 1000})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_text_and_binary_frames_are_taken_alike(play: Play, dialect: str) -> None:
    """The server's own are text frames."""

    async def scenario(running: Running) -> None:
        line = await running.open()
        await line.socket.send(running.dialect.connect().encode())
        assert running.dialect.read(await line.receive()).kind == "connected"
        await line.socket.send(running.dialect.subscribe("a").encode())
        assert running.dialect.read(await line.receive()).kind == "subscribed"

    play(scenario, dialect=DIALECTS[dialect]())


def test_a_trusted_proxy_says_who_it_is(play: Play) -> None:
    async def scenario(running: Running) -> None:
        opened = await running.connect(additional_headers={"x-USER-id": "from proxy"})
        await opened.send('{"id":1,"connect":{}}')
        assert '"connect":{"client":' in str(await opened.recv())
        assert running.node.hub.find(Target("from proxy"))
        other = await running.connect()
        await other.send('{"id":1,"connect":{}}')
        await other.wait_closed()
        assert other.close_code == 3501

    play(scenario, client={"user_id_http_header": "X-User-ID"})


def test_a_header_says_nothing_unless_configured(play: Play) -> None:
    async def scenario(running: Running) -> None:
        opened = await running.connect(additional_headers={"X-User-Id": "42"})
        await opened.send('{"id":1,"connect":{}}')
        await opened.wait_closed()
        assert opened.close_code == 3501

    play(scenario)


# ── the first message, frames and writes: on a fake wire, with time in hand ──────────────────


class Wire:
    """The door of a real server behind fake sockets, on a clock moved by hand."""

    def __init__(self, folder: Path, **changes: dict[str, Any]) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps(merged(changes)))
        self.clock = FakeClock()
        self.app = Application(load(str(file)).config, self.clock)
        self.node = self.app.node
        self.node.random = lambda: 1.0  # a first ping comes after a whole interval, too

    def open(self, query: str = "", window: int = 0) -> "Plug":
        """Open a connection; ``window`` is what a handshake for compression agreed on."""
        request = Request("GET", "/connection/websocket", query=query, peer="192.0.2.1:5000")
        request.deflate_window = window
        route = self.app.router.find(request)
        assert isinstance(route, WebSocketRoute)
        listener = route.accept(request)
        assert not isinstance(listener, Response)
        connection = WebSocketConnection(
            listener,
            clock=self.clock,
            max_message_size=route.max_message_size,
            write_timeout=route.write_timeout,
            inflate=route.inflate if window else None,
        )
        return Plug(self.clock, connection)

    def subscriber(self, dialect: Any, query: str = "", window: int = 0) -> "Plug":
        """Open a connection that listens to ``a``."""
        plug = self.open(query, window)
        plug.send(dialect.connect())
        plug.send(dialect.subscribe("a"))
        plug.transport.writes = 0
        return plug

    def publish(self, *payloads: str) -> None:
        """Publish into ``a``, all in one tick, without history."""

        async def publish() -> None:
            for data in payloads:
                await self.node.publish("a", Publication(data.encode()), PublishOptions())

        self.clock.spawn(publish())
        self.clock.run()


class Plug:
    """A client's end of a fake socket."""

    def __init__(self, clock: FakeClock, connection: WebSocketConnection) -> None:
        self.clock = clock
        self.transport = FakeSocket(clock)
        self.transport.connect(connection)

    def send(self, *messages: str) -> bytes:
        """Send text messages; return the bytes that came back."""
        frames = [client_frame(Opcode.TEXT, message.encode()) for message in messages]
        self.transport.receive(b"".join(frames))
        return self.received()

    def received(self) -> bytes:
        self.clock.run()
        return self.transport.take()


def text(message: str) -> bytes:
    """Write a text frame as a server does."""
    return client_frame(Opcode.TEXT, message.encode(), mask=None)


def close(code: int, reason: str) -> bytes:
    return client_frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason.encode(), mask=None)


OF_2018 = (3000, '{"reason":"invalid message","reconnect":false}')
NOT_AUTHORIZED = (3000, '{"reason":"unauthorized","reconnect":false}')
OF_TODAY = (3501, "bad request")


@pytest.mark.parametrize(
    ("first", "end"),
    [
        ("[]", OF_2018),
        ("[7]", OF_2018),
        ('[{"method":"ping"}]', NOT_AUTHORIZED),
        ('{"uid":"1","method":"ping"}', NOT_AUTHORIZED),
        ('{"method":"ping"}', NOT_AUTHORIZED),
        ('{"id":1,"subscribe":{"channel":"a"}}', OF_TODAY),
        ("{}", OF_TODAY),
        ("", OF_TODAY),
        ("hello", OF_TODAY),
    ],
)
def test_the_first_message_decides_which_protocol_is_spoken(
    tmp_path: Path, first: str, end: tuple[int, str]
) -> None:
    """Seen by how the server takes leave."""
    assert Wire(tmp_path).open().send(first) == close(*end)


def test_the_protocol_does_not_change_after_the_first_message(tmp_path: Path) -> None:
    wire = Wire(tmp_path)
    today, of_2018 = wire.open(), wire.open()
    today.send(Today().connect())
    assert today.send(Of2018().connect()) == close(*OF_TODAY)
    of_2018.send(Of2018().connect())
    unknown = '{"reason":"method not found","reconnect":false}'
    assert of_2018.send(Today().connect()) == close(3000, unknown)


def test_a_silent_connection_is_told_in_todays_words_that_it_is_stale(tmp_path: Path) -> None:
    wire = Wire(tmp_path, client={"stale_close_delay": "10s"})
    plug = wire.open()
    wire.clock.advance(9.8)
    assert plug.received() == b""
    wire.clock.advance(0.4)
    assert plug.received() == close(3502, "stale")


def test_ten_publications_of_a_tick_are_one_frame_for_clients_of_today(tmp_path: Path) -> None:
    wire = Wire(tmp_path)
    plug = wire.subscriber(Today())
    wire.publish(*"0123456789")
    pushes = [f'{{"push":{{"channel":"a","pub":{{"data":{number}}}}}}}' for number in range(10)]
    assert plug.received() == text("\n".join(pushes))
    assert plug.transport.writes == 1


def test_ten_publications_of_a_tick_are_ten_frames_in_one_write_in_2018(tmp_path: Path) -> None:
    wire = Wire(tmp_path)
    plug = wire.subscriber(Of2018())
    for number in range(10):
        wire.app.node.clock.spawn(publish_with_uid(wire, number))
    pushes = [
        f'{{"method":"message","body":{{"uid":"id-{number}","channel":"a","data":{number}}}}}'
        for number in range(10)
    ]
    assert plug.received() == b"".join(map(text, pushes))
    assert plug.transport.writes == 1


async def publish_with_uid(wire: Wire, number: int) -> None:
    publication = Publication(str(number).encode(), uid=f"id-{number}")
    await wire.node.publish("a", publication, PublishOptions())


def test_subscribers_who_get_the_same_get_the_same_bytes(tmp_path: Path) -> None:
    """And those who get something else beside it get that, too."""
    wire = Wire(tmp_path)
    plugs = [wire.subscriber(Today()) for _ in range(3)]
    last = Today()
    both = wire.subscriber(last)
    both.send(last.subscribe("b"))

    async def publish() -> None:
        await wire.node.publish("a", Publication(b"1"), PublishOptions())
        await wire.node.publish("b", Publication(b"2"), PublishOptions())

    wire.clock.spawn(publish())
    one = '{"push":{"channel":"a","pub":{"data":1}}}'
    assert [plug.received() for plug in plugs] == [text(one)] * 3
    two = '{"push":{"channel":"b","pub":{"data":2}}}'
    assert both.received() == text(f"{one}\n{two}")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_peer_that_takes_nothing_is_cut_off(
    tmp_path: Path, dialect: str, caplog: pytest.LogCaptureFixture
) -> None:
    """After the write timeout, without a close frame, and with a line in the log."""
    caplog.set_level(logging.INFO, "girandola")
    wire = Wire(tmp_path, websocket={"write_timeout": "1s"})
    plug = wire.subscriber(DIALECTS[dialect]())
    plug.transport.stuck = True
    wire.publish("1")
    wire.clock.advance(0.9)
    assert not plug.transport.aborted
    wire.clock.advance(0.2)
    assert plug.transport.aborted
    assert wire.node.hub.num_clients == 0
    assert dict(wire.node.hub.channels()) == {}
    assert [line for line in caplog.messages if "3009 write error" in line]


def test_a_peer_that_takes_something_in_time_is_not_cut_off(tmp_path: Path) -> None:
    wire = Wire(tmp_path, websocket={"write_timeout": "1s"})
    plug = wire.subscriber(Today())
    plug.transport.stuck = True
    wire.publish("1")
    wire.clock.advance(0.9)
    plug.transport.unstick()
    wire.clock.advance(5)
    assert not plug.transport.aborted
    assert wire.node.hub.num_clients == 1


PING = client_frame(Opcode.PING, b"ping", mask=None)


def test_a_client_of_today_is_pinged_by_the_protocol(tmp_path: Path) -> None:
    wire = Wire(tmp_path)
    plug = wire.open()
    assert b',"ping":25,"pong":true}' in plug.send(Today().connect())
    wire.clock.advance(25.2)
    assert plug.received() == text("{}")
    assert plug.send("{}") == b""
    wire.clock.advance(20)
    assert not plug.transport.closing


@pytest.mark.parametrize("dialect", DIALECTS)
def test_pings_are_frames_where_the_client_asks_and_in_2018(tmp_path: Path, dialect: str) -> None:
    wire = Wire(tmp_path, client={"ping_interval": "9s", "pong_timeout": "3s"})
    plug = wire.open("cf_ws_frame_ping_pong=true" if dialect == "today" else "")
    answer = plug.send(DIALECTS[dialect]().connect())
    assert b"ping" not in answer
    assert b"pong" not in answer
    for _ in range(3):
        wire.clock.advance(9.15)
        assert plug.received() == PING
        plug.transport.receive(client_frame(Opcode.PONG, b"ping"))
    wire.clock.advance(9.15)
    assert plug.received() == PING
    assert not plug.transport.aborted
    wire.clock.advance(1.2)
    assert plug.transport.aborted
    assert plug.received() == b""
    assert wire.node.hub.num_clients == 0


@pytest.mark.parametrize("query", ["cf_ws_frame_ping_pong=false", "cf_ws_frame_ping_pong", ""])
def test_pings_are_the_protocols_unless_asked_for(tmp_path: Path, query: str) -> None:
    assert b'"ping":25' in Wire(tmp_path).open(query).send(Today().connect())


@pytest.mark.parametrize("query", ["cf_protocol_version=v2", "cf_protocol=json", "format=json"])
def test_other_parameters_change_nothing(tmp_path: Path, query: str) -> None:
    assert b'"connect":{"client":' in Wire(tmp_path).open(query).send(Today().connect())


def test_a_peer_that_runs_ahead_of_the_engine_is_not_read_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its commands wait, and are answered in order once the engine has answered."""
    wire = Wire(tmp_path)
    plug, dialect = wire.open(), Today()
    plug.send(dialect.connect())
    answered = wire.clock.waiter()

    async def dawdle(*_: object) -> None:
        await answered

    with monkeypatch.context() as patch:
        patch.setattr(MemoryBroker, "subscribe", dawdle)
        assert plug.send(dialect.subscribe("a"), dialect.subscribe("b")) == b""
    assert not plug.transport.reading
    answered.set_result(None)
    answers = plug.received()
    assert answers.index(b'"id":2,"subscribe"') < answers.index(b'"id":3,"subscribe"')
    assert plug.transport.reading


# ── compression ──────────────────────────────────────────────────────────────────────────────

LONG = f'"{"very " * 50}long"'


def test_compression_is_for_those_who_ask_and_all_get_the_same(play: Play) -> None:
    """Clients with and without it in one channel, and one with a small window."""

    async def scenario(running: Running) -> None:
        small = ClientPerMessageDeflateFactory(server_max_window_bits=9)
        sockets = [
            await running.connect(),
            await running.connect(compression="deflate"),
            await running.connect(extensions=[small]),
        ]
        lines = [(WebSocketLine(socket), Today()) for socket in sockets]
        for line, dialect in lines:
            await line.send(dialect.connect())
            await line.send(dialect.subscribe("a"))
            assert dialect.read(await line.receive()).kind == "connected"
            assert dialect.read(await line.receive()).kind == "subscribed"
        await running.publish("a", LONG, "1")
        for line, dialect in lines:
            said = [dialect.read(await line.receive()) for _ in range(2)]
            assert [each.data for each in said] == [json.loads(LONG), 1]
        assert [len(socket.protocol.extensions) for socket in sockets] == [0, 1, 1]

    play(scenario, websocket=COMPRESSION)


@pytest.mark.parametrize(
    ("offered", "answered"),
    [
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("compression", [True, False])
def test_compression_is_agreed_on_where_it_is_configured(
    play: Play, offered: str, answered: str | None, compression: bool
) -> None:
    """In the words of 2018 (classic.md section 4.1); not by default."""

    async def scenario(running: Running) -> None:
        url = running.url().replace("ws:", "http:")
        headers = HANDSHAKE | {"Sec-WebSocket-Extensions": offered}
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            assert answer.status == 101
            expected = answered if compression else None
            assert answer.headers.get("Sec-WebSocket-Extensions") == expected
            answer.close()

    play(scenario, websocket=COMPRESSION if compression else {})


def inflated(data: bytes) -> bytes:
    """Read the only frame in ``data``, a short compressed text frame."""
    assert data[0] == 0xC1
    assert data[1] == len(data) - 2
    return deflate.inflate(data[2:], 10_000)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_broadcast_is_compressed_once_for_all_who_agreed_on_the_same(
    tmp_path: Path, compressions: list[bytes], dialect: str
) -> None:
    """A hundred with the large window, a few with the small one, and a few without."""
    wire = Wire(tmp_path, websocket=COMPRESSION, client={"connection_limit": 0})
    large, small, plain = (
        [wire.subscriber(DIALECTS[dialect](), window=window) for _ in range(count)]
        for window, count in ((12, 100), (9, 5), (0, 5))
    )
    compressions.clear()
    wire.publish(LONG)
    (expected,) = {plug.received() for plug in plain}
    message = expected[4:]
    for plugs in (large, small):
        (same,) = {plug.received() for plug in plugs}
        assert inflated(same) == message
    assert compressions == [message, message]


def test_nothing_is_compressed_for_those_who_did_not_agree(
    tmp_path: Path, compressions: list[bytes]
) -> None:
    wire = Wire(tmp_path, websocket=COMPRESSION)
    plug = wire.subscriber(Today())
    wire.publish(LONG)
    assert json.dumps(json.loads(LONG)).encode() in plug.received()
    assert compressions == []


def test_short_messages_go_as_they_are(tmp_path: Path, compressions: list[bytes]) -> None:
    """As short as the options say."""
    wire = Wire(tmp_path, websocket=COMPRESSION | {"compression_min_size": 200})
    plug = wire.subscriber(Today(), window=12)
    plug.received()
    compressions.clear()
    wire.publish('"short"')
    assert plug.received() == text('{"push":{"channel":"a","pub":{"data":"short"}}}')
    wire.publish(LONG)
    assert json.loads(LONG).encode() in inflated(plug.received())
    assert len(compressions) == 1


def test_compression_changes_for_connections_that_come_later(
    tmp_path: Path, compressions: list[bytes]
) -> None:
    wire = Wire(tmp_path, websocket=COMPRESSION | {"compression_level": 0})
    before = wire.subscriber(Today(), window=12)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(merged({"websocket": COMPRESSION})))
    wire.app.reconfigure(load(str(file)).config)
    after = wire.subscriber(Today(), window=12)
    wire.publish(LONG)
    assert json.loads(LONG).encode() in before.received()
    assert json.loads(LONG).encode() in inflated(after.received())


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({"message_size_limit": 200}, 2000),
        ({"message_size_limit": 200, "decompressed_message_size_limit": 300}, 300),
        ({"decompressed_message_size_limit": 300}, 300),
    ],
)
def test_a_message_that_inflates_beyond_the_limit_ends_the_connection(
    tmp_path: Path, options: dict[str, Any], limit: int
) -> None:
    """Ten times ``message_size_limit`` unless said otherwise."""
    wire = Wire(tmp_path, websocket=COMPRESSION | options)

    def send(size: int) -> bytes:
        plug = wire.open(window=12)
        command = Today().connect().encode()
        payload = deflate.deflate(command + b" " * (size - len(command)), level=9, window_bits=12)
        plug.transport.receive(client_frame(Opcode.TEXT, payload, reserved=4))
        return plug.received()

    assert send(limit)[0] == 0xC1
    reason = f"message inflates to more than {limit} bytes"
    assert send(limit + 1) == close(1009, reason)


def test_compressed_messages_are_broken_frames_without_an_agreement(tmp_path: Path) -> None:
    plug = Wire(tmp_path, websocket=COMPRESSION).open()
    plug.transport.receive(client_frame(Opcode.TEXT, b"\x00", reserved=4))
    assert plug.received() == close(1002, "reserved bits are set")
