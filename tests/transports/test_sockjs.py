"""SockJS: what every transport promises over each of its six, and what only SockJS says.

A real server on loopback; aiohttp and ``websockets`` in front of it, which know no SockJS.
"""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from yarl import URL

from girandola.app.build import Application
from girandola.config.load import load
from girandola.core.grants import PublishOptions
from girandola.core.node import Target
from girandola.model import Publication
from girandola.net.connections import Connections
from girandola.net.http import Request, Response
from girandola.net.router import WebSocketRoute
from girandola.net.websocket import Opcode, WebSocketConnection
from girandola.transports.sockjs import frames, table
from girandola.transports.sockjs.session import AWAY_TIMEOUT
from tests.contracts.transport import USER, Run, Scenario, TransportContract, come
from tests.fakes import FakeClock, FakeWaiter
from tests.net.wire import FakeTransport as FakeSocket
from tests.net.wire import client_frame
from tests.transports.test_websocket import BOTH_GENERATIONS, DIALECTS, Of2018, Running, Today

BASE = "/connection/sockjs"
SOCKJS: dict[str, dict[str, Any]] = {
    **BOTH_GENERATIONS,
    "sockjs": {"enabled": True, "url": "//cdn/a.js?b&c"},
}
ORIGIN = "https://www.example.com"
_ids = itertools.count()

# ── a client's ends ──────────────────────────────────────────────────────────────────────────


def _lines(body: bytes) -> tuple[list[bytes], bytes]:
    *lines, rest = body.split(b"\n")
    return lines, rest


def _events(body: bytes) -> tuple[list[bytes], bytes]:
    *events, rest = body.split(b"\r\n\r\n")
    assert all(event.startswith(b"data: ") for event in events), events
    return [event.removeprefix(b"data: ") for event in events], rest


def _scripts(body: bytes) -> tuple[list[bytes], bytes]:
    *scripts, rest = body.split(b"</script>\r\n")
    found = []
    for script in scripts:
        matched = re.fullmatch(rb"<script>\np\((\".*\")\);\n", script)
        assert matched is not None, script
        found.append(json.loads(matched[1]).encode())
    return found, rest


def _calls(body: bytes) -> tuple[list[bytes], bytes]:
    *calls, rest = body.split(b"\r\n")
    found = []
    for call in calls:
        matched = re.fullmatch(rb"cb\.x\((\".*\")\);", call)
        assert matched is not None, call
        found.append(json.loads(matched[1]).encode())
    return found, rest


class HttpLine:
    """A session over HTTP: always with a receiver, unless something waits to be received here."""

    transport = "xhr"
    method = "POST"
    query = ""
    begins = 0
    """Bytes before the first frame."""
    begin = b""
    read: Callable[[bytes], tuple[list[bytes], bytes]] = staticmethod(_lines)

    def __init__(self, server: "SockJs", path: str = "") -> None:
        self._server = server
        self.path = path or f"{BASE}/000/session{next(_ids)}"
        self.answer: aiohttp.ClientResponse | None = None
        self._rest = b""
        self._frames: list[bytes] = []
        self._texts: list[str] = []
        self.reason: tuple[int, str] | None = None

    async def open(self) -> None:
        await self.ask()
        assert await self.frame() == b"o"

    async def ask(self) -> aiohttp.ClientResponse:
        url = self._server.http_url(f"{self.path}/{self.transport}{self.query}")
        self._rest = b""
        self.answer = await self._server.http.request(self.method, url)
        assert self.answer.status == 200
        self.begin = await self.answer.content.readexactly(self.begins)
        return self.answer

    async def send(self, command: str) -> None:
        await self.post("xhr_send", json.dumps([command]))

    async def post(self, transport: str, body: Any, status: int = 204) -> bytes:
        url = self._server.http_url(f"{self.path}/{transport}")
        async with self._server.http.post(url, data=body) as answer:
            assert answer.status == status, await answer.text()
            return await answer.read()

    async def frame(self) -> bytes:
        """Return the next frame; ask anew where an answer ended."""
        while not self._frames:
            if self.answer is None:
                await self.ask()
            assert self.answer is not None
            data = await self.answer.content.readany()
            found, self._rest = self.read(self._rest + data)
            self._frames += found
            if not data or (found and self.transport in ("xhr", "jsonp")):
                assert data or not self._rest, "the answer ended within a frame"
                await self.answer.read()
                self.answer = None
        frame = self._frames.pop(0)
        if frame.startswith(b"c"):
            code, text = json.loads(frame[1:])
            self.reason = code, text
        elif self.answer is None:
            await self.ask()
        return frame

    async def receive(self) -> str:
        while not self._texts:
            if self.reason is not None:
                raise EOFError
            frame = await self.frame()
            if frame.startswith(b"a"):
                self._texts = json.loads(frame[1:])
        return self._texts.pop(0)

    async def ended(self) -> tuple[int, str]:
        while self.reason is None:
            await self.frame()
        return self.reason

    async def close(self) -> None:
        self.vanish()

    def vanish(self) -> None:
        answer, self.answer = self.answer, None
        if answer is not None:
            if answer.connection is not None and answer.connection.transport is not None:
                answer.connection.transport.abort()
            answer.close()


class XhrStreamingLine(HttpLine):
    transport = "xhr_streaming"
    begins = 2049


class EventSourceLine(HttpLine):
    transport = "eventsource"
    method = "GET"
    begins = 2
    read = staticmethod(_events)


class HtmlFileLine(HttpLine):
    transport = "htmlfile"
    method = "GET"
    query = "?c=cb"
    begins = 1028
    read = staticmethod(_scripts)


class JsonpLine(HttpLine):
    transport = "jsonp"
    method = "GET"
    query = "?c=cb.x"
    read = staticmethod(_calls)

    async def send(self, command: str) -> None:
        form = urlencode({"d": json.dumps([command])})
        url = self._server.http_url(f"{self.path}/jsonp_send")
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        async with self._server.http.post(url, data=form, headers=headers) as answer:
            assert (answer.status, await answer.read()) == (200, b"ok")


class WebSocketLine:
    """A session over a WebSocket."""

    def __init__(self, server: "SockJs", path: str = "") -> None:
        self._server = server
        self._path = path or f"{BASE}/000/session{next(_ids)}"
        self._texts: list[str] = []
        self.reason: tuple[int, str] | None = None

    async def open(self) -> None:
        self.socket = await self._server.connect(path=f"{self._path}/websocket")
        assert await self.socket.recv() == "o"

    async def send(self, command: str) -> None:
        await self.socket.send(json.dumps([command]))

    async def frame(self) -> str:
        frame = await self.socket.recv()
        assert isinstance(frame, str)
        return frame

    async def receive(self) -> str:
        while not self._texts:
            if self.reason is not None:
                raise EOFError
            frame = await self.frame()
            if frame.startswith("c"):
                code, text = json.loads(frame[1:])
                self.reason = code, text
            elif frame.startswith("a"):
                self._texts = json.loads(frame[1:])
        return self._texts.pop(0)

    async def ended(self) -> tuple[int, str]:
        assert self.reason is not None
        await self.socket.wait_closed()
        return self.reason

    async def close(self) -> None:
        await self.socket.close()

    def vanish(self) -> None:
        self.socket.transport.abort()


LINES: dict[str, Any] = {
    "websocket": WebSocketLine,
    "xhr": HttpLine,
    "xhr_streaming": XhrStreamingLine,
    "eventsource": EventSourceLine,
    "htmlfile": HtmlFileLine,
    "jsonp": JsonpLine,
}
HTTP_LINES = {name: line for name, line in LINES.items() if name != "websocket"}


# ── the server ───────────────────────────────────────────────────────────────────────────────


class SockJs(Running):
    """A server with SockJS; ``line`` is what ``open`` makes."""

    line: Any = WebSocketLine
    http: aiohttp.ClientSession

    async def start(self) -> None:
        await super().start()
        self._lines: list[Any] = []
        # A connection that is kept would count as one that is left behind.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        timeout = aiohttp.ClientTimeout(20)
        self.http = aiohttp.ClientSession(connector=connector, timeout=timeout)

    def url(self, path: str = "") -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    def http_url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def connect(self, query: str = "", *, path: str = "", **how: Any) -> Any:
        return await super().connect(path or query, **how)

    def new(self, path: str = "") -> Any:
        self._lines.append(self.line(self, path))
        return self._lines[-1]

    async def open(self) -> Any:
        line = self.new()
        await line.open()
        return line

    @asynccontextmanager
    async def asked(
        self, path: str, method: str = "GET", **how: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = self.http_url(BASE + path)
        async with self.http.request(method, url, allow_redirects=False, **how) as answer:
            yield answer

    async def finish(self) -> None:
        for line in self._lines:
            if isinstance(line, HttpLine):
                line.vanish()
        await self.http.close()
        await super().finish()

    async def cut_off(self) -> None:
        await self.http.close()
        await super().cut_off()


Play = Callable[..., None]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Play a scenario with twenty seconds for all of it. Options go over those above."""

    def play(
        scenario: Callable[[SockJs], Awaitable[None]],
        line: Any = HttpLine,
        dialect: Any = None,
        **changes: dict[str, Any],
    ) -> None:
        async def with_server() -> None:
            config = {
                name: SOCKJS.get(name, {}) | changes.get(name, {}) for name in {**SOCKJS, **changes}
            }
            running = SockJs(tmp_path, dialect or Today(), config)
            running.line = line
            await running.start()
            try:
                async with asyncio.timeout(20):
                    await scenario(running)
                    await running.finish()
            finally:
                await running.cut_off()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(with_server())

    return play


class TestEveryTransport(TransportContract):
    """The suite that every transport runs, for both generations over all six."""

    @pytest.fixture(params=itertools.product(LINES, DIALECTS), ids="-".join)
    def run(self, request: pytest.FixtureRequest, play: Play) -> Run:
        line, dialect = request.param

        def run(scenario: Scenario) -> None:
            play(scenario, LINES[line], DIALECTS[dialect]())

        return run


# ── addresses (classic.md section 4.16) ──────────────────────────────────────────────────────

NOT_CACHED = "no-store, no-cache, must-revalidate, max-age=0"
KEPT = "public, max-age=31536000"


def test_the_base_address_greets(play: Play) -> None:
    async def scenario(server: SockJs) -> None:
        async with server.asked("") as answer:
            assert (answer.status, answer.headers["Location"]) == (301, BASE + "/")
        async with server.asked("/") as answer:
            assert (answer.status, await answer.read()) == (200, b"Welcome to SockJS!\n")
            assert answer.headers["Content-Type"] == "text/plain;charset=UTF-8"

    play(scenario)


def test_info_says_what_a_client_needs_to_choose(play: Play) -> None:
    async def scenario(server: SockJs) -> None:
        entropies = set()
        for _ in range(5):
            async with server.asked("/info", headers={"Origin": ORIGIN}) as answer:
                told = json.loads(await answer.read())
                assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
                assert answer.headers["Cache-Control"] == NOT_CACHED
                assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
                assert answer.headers["Access-Control-Allow-Credentials"] == "true"
                assert "Set-Cookie" not in answer.headers
            entropies.add(entropy := told.pop("entropy"))
            assert 0 <= entropy < 2**31
            assert told == {"websocket": True, "cookie_needed": False, "origins": ["*:*"]}
        assert len(entropies) > 1

    play(scenario)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/info", "OPTIONS, GET"),
        ("/0/s/xhr", "OPTIONS, POST"),
        ("/0/s/xhr_send", "OPTIONS, POST"),
        ("/0/s/xhr_streaming", "OPTIONS, POST"),
        ("/0/s/jsonp", "OPTIONS, POST"),
    ],
)
def test_a_browser_may_ask_first(play: Play, path: str, methods: str) -> None:
    """Its wishes for headers are granted, and the answer is good for a year."""

    async def scenario(server: SockJs) -> None:
        asked = {"Origin": ORIGIN, "Access-Control-Request-Headers": "content-type, x-a"}
        async with server.asked(path, "OPTIONS", headers=asked) as answer:
            assert answer.status == 204
            assert answer.headers["Access-Control-Allow-Methods"] == methods
            assert answer.headers["Access-Control-Allow-Headers"] == "content-type, x-a"
            assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
            assert answer.headers["Access-Control-Max-Age"] == "31536000"
            assert answer.headers["Cache-Control"] == KEPT
            assert "Expires" in answer.headers
        async with server.asked(path, "OPTIONS") as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"

    play(scenario)


@pytest.mark.parametrize("name", ["iframe.html", "iframe-1.1.4.html", "iframe123.html"])
def test_the_iframe_page_is_kept_for_a_year(play: Play, name: str) -> None:
    """It loads the library from where the option says, and is sent only once to a browser."""

    async def scenario(server: SockJs) -> None:
        async with server.asked(f"/{name}") as answer:
            page = await answer.text()
            tag = answer.headers["ETag"]
            assert answer.headers["Content-Type"] == "text/html; charset=UTF-8"
            assert answer.headers["Cache-Control"] == KEPT
            assert "Expires" in answer.headers
        assert "document.domain = document.domain" in page
        assert "_sockjs_onload = function () { SockJS.bootstrap_iframe(); }" in page
        assert '<script src="//cdn/a.js?b&amp;c"></script>' in page
        async with server.asked(f"/{name}", headers={"If-None-Match": f'"x", {tag}'}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
        async with server.asked(f"/{name}", headers={"If-None-Match": '"x"'}) as answer:
            assert answer.status == 200

    play(scenario)


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("/", "POST", "GET, HEAD"),
        ("/info", "POST", "OPTIONS, GET, HEAD"),
        ("/iframe.html", "POST", "GET, HEAD"),
        ("/0/s/xhr", "GET", "OPTIONS, POST"),
        ("/0/s/xhr_streaming", "GET", "OPTIONS, POST"),
        ("/0/s/xhr_send", "GET", "OPTIONS, POST"),
        ("/0/s/jsonp_send", "GET", "POST"),
        ("/0/s/eventsource", "POST", "GET"),
        ("/0/s/htmlfile", "OPTIONS", "GET"),
        ("/0/s/jsonp", "POST", "OPTIONS, GET"),
        ("/0/s/websocket", "POST", "GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    play: Play, path: str, method: str, allowed: str
) -> None:
    async def scenario(server: SockJs) -> None:
        async with server.asked(path, method) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, allowed)

    play(scenario)


@pytest.mark.parametrize(
    "path",
    [
        *("/x", "//", "/0", "/0/s", "/0/s/", "/0//xhr", "//s/xhr", "/0/a.b/xhr", "/a.b/s/xhr"),
        *(
            "/0/s/xhr/",
            "/0/s/nothing",
            "/0/s/xhr_send/x",
            "/iframe",
            "/iframe.htm",
            "/a/iframe.html",
        ),
        *("x", "-more/info", "/a/iframe.html", f"/0/{'s' * 129}/xhr", "/0/s%2Ft/xhr"),
    ],
)
def test_other_addresses_are_unknown(play: Play, path: str) -> None:
    async def scenario(server: SockJs) -> None:
        for method in ("GET", "POST"):
            url = URL(server.http_url(BASE + path), encoded=True)
            async with server.http.request(method, url) as answer:
                assert answer.status == 404

    play(scenario)


@pytest.mark.parametrize("base", ["/connection", BASE])
def test_every_generation_finds_it_where_it_looks_for_it(play: Play, base: str) -> None:
    async def scenario(server: SockJs) -> None:
        async with server.http.get(server.http_url(f"{base}/info")) as answer:
            assert answer.status == 200

    play(scenario)


@pytest.mark.parametrize(
    ("sockjs", "classic", "here", "not_here"),
    [
        ("/rt", "/old", ["/rt", "/old"], ["/connection", BASE]),
        ("/rt/", "", ["/rt"], ["/connection", BASE]),
        ("/rt", "/rt", ["/rt"], ["/connection"]),
        ("/", "/connection", ["", "/connection"], [BASE]),
    ],
)
def test_where_it_is_can_be_chosen(
    play: Play, sockjs: str, classic: str, here: list[str], not_here: list[str]
) -> None:
    async def scenario(server: SockJs) -> None:
        for base in (*here, *not_here):
            async with server.http.get(server.http_url(f"{base}/info")) as answer:
                assert answer.status == (200 if base in here else 404)

    play(
        scenario,
        sockjs={"handler_prefix": sockjs},
        classic={"sockjs_handler_prefix": classic},
    )


def test_other_doors_keep_their_addresses_below_the_prefix(play: Play) -> None:
    """In 2018 SockJS had ``/connection``, and WebSocket a place below it."""

    async def scenario(server: SockJs) -> None:
        socket = await server.connect(path="/connection/websocket")
        await socket.send(Of2018().connect())
        assert json.loads(await socket.recv())["method"] == "connect"
        await socket.close()

    play(scenario)


def test_without_the_option_there_is_no_sockjs(play: Play) -> None:
    async def scenario(server: SockJs) -> None:
        async with server.asked("/info") as answer:
            assert answer.status == 404

    play(scenario, sockjs={"enabled": False})


# ── who may come in ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("transport", [*HTTP_LINES, "xhr_send", "jsonp_send"])
def test_pages_of_other_origins_are_shut_out(play: Play, transport: str) -> None:
    """Some of the transports need no leave of the browser, so it is the server that refuses."""

    async def scenario(server: SockJs) -> None:
        line = await server.open()
        path = line.path.removeprefix(BASE)
        method = "GET" if transport in ("eventsource", "htmlfile", "jsonp") else "POST"
        headers = {"Origin": "https://evil.org"}
        async with server.asked(f"{path}/{transport}?c=x", method, headers=headers) as answer:
            assert answer.status == 403
            assert "Access-Control-Allow-Origin" not in answer.headers
        assert line.reason is None
        await line.send(server.dialect.connect())
        assert server.dialect.read(await line.receive()).kind == "connected"

    play(scenario)


def test_a_websocket_of_another_origin_is_refused(play: Play) -> None:
    async def scenario(server: SockJs) -> None:
        path = f"{BASE}/0/s/websocket"
        with pytest.raises(InvalidStatus) as raised:
            await server.connect(path=path, additional_headers={"Origin": "https://evil.org"})
        assert raised.value.response.status_code == 403
        await (await server.connect(path=path, additional_headers={"Origin": ORIGIN})).close()

    play(scenario)


@pytest.mark.parametrize("line", [HttpLine, WebSocketLine])
def test_a_session_takes_one_place_until_it_ends(play: Play, line: Any) -> None:
    async def scenario(server: SockJs) -> None:
        first = await server.open()
        for _ in range(2):
            async with server.asked("/0/more/xhr", "POST") as answer:
                assert answer.status == 503
        await first.send("nonsense")
        with pytest.raises(EOFError):
            await first.receive()
        await first.ended()
        await server.open()

    play(scenario, line, client={"connection_limit": 1})


def test_nobody_comes_in_while_the_server_stops(play: Play) -> None:
    async def scenario(server: SockJs) -> None:
        server.node.shutting_down = True
        for path in ("/info", "/"):
            async with server.asked(path) as answer:
                assert (answer.status, await answer.read()) == (503, b"")
        async with server.asked("/0/s/xhr", "POST") as answer:
            assert answer.status == 503

    play(scenario)


# ── sending ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("transport", ["xhr_send", "jsonp_send"])
def test_a_bad_payload_is_explained_and_does_no_harm(play: Play, transport: str) -> None:
    async def scenario(server: SockJs) -> None:
        line = await server.open()
        for body in ('["x', "x", '{"a":1}', "[1]", "null", '"x"', "[" * 5000):
            assert await line.post(transport, body, 500) == b"Broken JSON encoding."
        assert await line.post(transport, b"", 500) == b"Payload expected."
        stranger = server.new()
        await stranger.post(transport, "[]", 404)
        await line.send(server.dialect.connect())
        assert server.dialect.read(await line.receive()).kind == "connected"

    play(scenario)


def test_a_form_without_its_field_has_no_payload(play: Play) -> None:
    async def scenario(server: SockJs) -> None:
        line = await server.open()
        for form in ({"x": "[]"}, {"d": ""}, {f"a{n}": "1" for n in range(50)}):
            assert await line.post("jsonp_send", form, 500) == b"Payload expected."
        connect = json.dumps([server.dialect.connect()])
        assert await line.post("jsonp_send", {"d": connect}, 200) == b"ok"
        assert server.dialect.read(await line.receive()).kind == "connected"
        assert await line.post("jsonp_send", "[]", 200) == b"ok"

    play(scenario)


def test_messages_of_one_request_are_carried_out_in_order(play: Play) -> None:
    async def scenario(server: SockJs) -> None:
        line, dialect = await server.open(), server.dialect
        said = [dialect.connect(), *(dialect.subscribe(f"c{n}") for n in range(50))]
        await line.post("xhr_send", json.dumps(said))
        heard = [dialect.read(await line.receive()) for _ in said]
        assert [each.channel for each in heard] == ["", *(f"c{n}" for n in range(50))]

    play(scenario)


@pytest.mark.parametrize(
    ("dialect", "told"),
    [
        (Of2018, (3000, '{"reason":"limit exceeded","reconnect":false}')),
        (Today, (3501, "limit exceeded")),
    ],
)
@pytest.mark.parametrize("line", [HttpLine, WebSocketLine])
def test_a_message_over_the_limit_ends_the_session(
    play: Play, line: Any, dialect: Any, told: tuple[int, str]
) -> None:
    async def scenario(server: SockJs) -> None:
        client = await server.open()
        connect = server.dialect.connect()
        await client.send(connect + " " * (1000 - len(connect)))
        assert server.dialect.read(await client.receive()).kind == "connected"
        await client.send(" " * 1001)
        with pytest.raises(EOFError):
            await client.receive()
        assert await client.ended() == told

    play(scenario, line, dialect(), websocket={"message_size_limit": 1000})


def test_a_body_over_the_limit_is_refused(play: Play) -> None:
    async def scenario(server: SockJs) -> None:
        line = await server.open()
        await line.post("xhr_send", '["' + "x" * 1000 + '"]', 413)
        await line.post("xhr", "x" * 1000, 413)

    play(scenario, sockjs={"max_request_body_size": 500})


def test_malformed_frames_end_a_websocket_without_a_word(play: Play) -> None:
    """An empty one means nothing."""

    async def scenario(server: SockJs) -> None:
        line = await server.open()
        await line.socket.send("")
        await line.send(server.dialect.connect())
        assert server.dialect.read(await line.receive()).kind == "connected"
        await line.socket.send('{"id":1}')
        with pytest.raises(ConnectionClosed):
            await line.receive()
        assert line.socket.close_code == 1006

    play(scenario, WebSocketLine)


# ── receiving ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("transport", "content_type"),
    [
        ("xhr", "application/javascript; charset=UTF-8"),
        ("xhr_streaming", "application/javascript; charset=UTF-8"),
        ("eventsource", "text/event-stream; charset=UTF-8"),
        ("htmlfile", "text/html; charset=UTF-8"),
        ("jsonp", "application/javascript; charset=UTF-8"),
    ],
)
def test_answers_are_kept_by_nobody_and_readable_for_pages(
    play: Play, transport: str, content_type: str
) -> None:
    async def scenario(server: SockJs) -> None:
        line = server.new()
        answer = await line.ask()
        assert answer.headers["Content-Type"] == content_type
        assert answer.headers["Cache-Control"] == NOT_CACHED
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    play(scenario, LINES[transport])


def test_streams_begin_as_browsers_need_it(play: Play) -> None:
    async def scenario(server: SockJs) -> None:
        begins = {}
        for name in ("xhr_streaming", "eventsource", "htmlfile"):
            server.line = LINES[name]
            begins[name] = (await server.open()).begin
        assert begins["xhr_streaming"] == b"h" * 2048 + b"\n"
        assert begins["eventsource"] == b"\r\n"
        page = begins["htmlfile"]
        assert page.startswith(b"<!doctype html>")
        assert b"var c = parent.cb;\nc.start();\nfunction p(d) { c.message(d); }" in page

    play(scenario)


@pytest.mark.parametrize("transport", ["jsonp", "htmlfile"])
@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", b'"callback" parameter required\n'),
        ("?c=", b'"callback" parameter required\n'),
        ("?c=alert(1)//", b'invalid "callback" parameter\n'),
        ("?c=a%3Cscript%3E", b'invalid "callback" parameter\n'),
        ("?c=a%0Ab", b'invalid "callback" parameter\n'),
        ("?c=a%0A", b'invalid "callback" parameter\n'),
        ("?c=%C3%BC", b'invalid "callback" parameter\n'),
        (f"?c={'a' * 129}", b'invalid "callback" parameter\n'),
    ],
)
def test_a_callback_is_a_name_and_nothing_more(
    play: Play, transport: str, query: str, told: bytes
) -> None:
    async def scenario(server: SockJs) -> None:
        url = URL(server.http_url(f"{BASE}/0/s/{transport}{query}"), encoded=True)
        async with server.http.get(url) as answer:
            assert (answer.status, await answer.read()) == (500, told)
            assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
        assert server.node.hub.num_clients == 0

    play(scenario)


@pytest.mark.parametrize("line", HTTP_LINES.values(), ids=HTTP_LINES)
def test_a_second_receiver_is_refused_and_harms_nobody(play: Play, line: Any) -> None:
    """Whoever chose the same session id hears nothing of the session."""

    async def scenario(server: SockJs) -> None:
        first = await server.open()
        second = server.new(first.path)
        assert await second.frame() == b'c[2010,"Another connection still open"]'
        await first.send(server.dialect.connect())
        assert server.dialect.read(await first.receive()).kind == "connected"

    play(scenario, line)


@pytest.mark.parametrize(
    "line", [XhrStreamingLine, EventSourceLine, HtmlFileLine], ids=lambda line: line.transport
)
def test_a_streaming_answer_ends_after_128_kib(play: Play, line: Any) -> None:
    """The next one goes on where it stopped."""

    async def scenario(server: SockJs) -> None:
        client = await come(server)
        await client.subscribe("a")
        line: Any = client.line
        answer = line.answer
        for number in range(4):
            await server.publish("a", f'[{number},"{"x" * 45_000}"]')
            assert (await client.hear("message")).data[0] == number
            if number == 2:
                assert await answer.content.read() == b""
            assert answer.content.at_eof() == (number >= 2)

    play(scenario, line)


@pytest.mark.parametrize("line", HTTP_LINES.values(), ids=HTTP_LINES)
def test_a_client_whose_receiver_breaks_off_must_begin_anew(play: Play, line: Any) -> None:
    """What was on its way may be lost, and the session could not tell what."""

    async def scenario(server: SockJs) -> None:
        client = await come(server)
        await client.subscribe("a")
        client.line.vanish()
        await server.emptied()
        assert server.node.hub.num_clients == 0
        gone: Any = client.line
        again = server.new(gone.path)
        assert await again.frame() == b'c[1002,"Connection interrupted!"]'
        await again.post("xhr_send", "[]", 404)

    play(scenario, line)


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_what_looks_like_markup_or_breaks_lines_arrives_as_it_is(play: Play, line: Any) -> None:
    async def scenario(server: SockJs) -> None:
        client = await come(server)
        await client.subscribe("a")
        text = "</script><!-- & ü 😀 \u2028\u2029\ufeff\u200c\x7f \\ \" ' \r\n\t data: x\n\n"
        await server.publish("a", json.dumps(text, ensure_ascii=False))
        assert (await client.hear("message")).data == text

    play(scenario, line)


# ── frames ───────────────────────────────────────────────────────────────────────────────────


def test_frames_are_spelled_as_specified() -> None:
    assert frames.messages_frame([b'{"a":"b"}', b"[1]"]) == b'a["{\\"a\\":\\"b\\"}","[1]"]'
    assert frames.messages_frame(["\u2028ü".encode()]) == 'a["\\u2028ü"]'.encode()
    assert frames.close_frame(3000, '{"a":1}') == b'c[3000,"{\\"a\\":1}"]'
    assert frames.quote_for_script(b'a["</b>&"]') == (b'"a[\\"\\u003c/b\\u003e\\u0026\\"]"')


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_every_text_comes_through(texts: list[str]) -> None:
    """In one line, whatever it holds, and unharmed by any wrapping."""
    frame = frames.messages_frame([text.encode() for text in texts])
    assert json.loads(frame[1:]) == texts
    assert len(frame.splitlines()) == 1
    assert len(frame.decode().splitlines()) == 1 + sum(text.count("\x85") for text in texts)
    script = frames.quote_for_script(frame)
    assert json.loads(script) == frame.decode()
    assert not set(b"<>&\r\n") & set(script)
    assert frames.read_payload(json.dumps(texts).encode()) == [text.encode() for text in texts]


@given(st.binary())
def test_no_payload_does_harm(payload: bytes) -> None:
    try:
        found = frames.read_payload(payload)
    except ValueError:
        return
    assert [text.decode() for text in found] == json.loads(payload)


# ── time in hand, on a fake wire ─────────────────────────────────────────────────────────────


class Wire:
    """A server behind fake sockets, on a clock moved by hand."""

    def __init__(self, folder: Path, **changes: dict[str, Any]) -> None:
        file = folder / "config.json"
        sections = {**SOCKJS, **changes}
        file.write_text(
            json.dumps({name: SOCKJS.get(name, {}) | changes.get(name, {}) for name in sections})
        )
        self.clock = FakeClock()
        self.app = Application(load(str(file)).config, self.clock)
        self.node = self.app.node
        self.connections = Connections(self.app.router.find, self.clock)

    def ask(self, path: str, body: str = "", method: str = "POST", id_: str = "s") -> FakeSocket:
        """Send a request on a connection of its own."""
        socket = FakeSocket(self.clock)
        socket.connect(self.connections.make())
        head = f"{method} {BASE}/0/{id_}/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}"
        socket.receive(f"{head}\r\n\r\n{body}".encode())
        return socket

    def frames(self, transport: str = "xhr") -> bytes:
        """Return the body of an answer so far."""
        return body_of(self.ask(transport))

    def send(self, *texts: str) -> None:
        assert self.ask("xhr_send", json.dumps(texts)).take().startswith(b"HTTP/1.1 204 ")

    def connected(self, dialect: Any) -> None:
        """Open the session and connect in it."""
        assert self.frames() == b"o\n"
        self.send(dialect.connect())
        assert self.frames().startswith(b"a[")


def body_of(socket: FakeSocket) -> bytes:
    """Return what came of an answer's body, out of its chunks."""
    raw = socket.take()
    if raw.startswith(b"HTTP/1.1"):
        head, _, raw = raw.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
    body = b""
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        body += raw[: int(size, 16)]
        raw = raw[int(size, 16) + 2 :]
    return body


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    return Wire(tmp_path)


def test_a_session_without_a_receiver_ends_after_five_seconds(wire: Wire) -> None:
    """The core hears of it then; a client that comes back too late is told, and may not send."""
    wire.connected(Of2018())
    wire.clock.advance(4.9)
    assert wire.node.hub.num_clients == 1
    waiting = wire.ask("xhr")
    wire.clock.advance(20)
    assert wire.node.hub.num_clients == 1
    wire.clock.advance(5)
    assert body_of(waiting) == b"h\n"
    wire.clock.advance(4.9)
    assert wire.node.hub.num_clients == 1
    wire.clock.advance(0.1)
    assert wire.node.hub.num_clients == 0
    assert wire.frames() == b'c[3000,"{\\"reason\\":\\"\\",\\"reconnect\\":true}"]\n'
    assert wire.ask("xhr_send", "[]").take().startswith(b"HTTP/1.1 404 ")


def test_a_farewell_is_remembered_for_five_seconds_and_the_id_is_free_then(wire: Wire) -> None:
    """Nobody can open a second session by the same id before."""
    assert wire.frames() == b"o\n"
    wire.send("nonsense")
    told = b'c[3501,"bad request"]\n'
    assert wire.frames() == told
    assert wire.frames() == told
    wire.clock.advance(4.9)
    assert wire.frames() == told
    wire.clock.advance(0.1)
    assert wire.frames() == b"o\n"


@pytest.mark.parametrize(
    ("transport", "frame"), [("xhr_streaming", b"h\n"), ("eventsource", b"data: h\r\n\r\n")]
)
def test_a_receiver_hears_heartbeats(tmp_path: Path, transport: str, frame: bytes) -> None:
    wire = Wire(tmp_path, sockjs={"heartbeat_delay": "10s"}, client={"stale_close_delay": "0s"})
    socket = wire.ask(transport, method="GET" if transport == "eventsource" else "POST")
    body_of(socket)
    wire.clock.advance(9.9)
    assert body_of(socket) == b""
    wire.clock.advance(0.1)
    assert body_of(socket) == frame
    wire.clock.advance(20)
    assert body_of(socket) == frame * 2


def test_heartbeats_can_be_switched_off(tmp_path: Path) -> None:
    wire = Wire(tmp_path, sockjs={"heartbeat_delay": "0s"}, client={"stale_close_delay": "0s"})
    wire.frames()
    socket = wire.ask("xhr_streaming")
    body_of(socket)
    wire.clock.advance(1000)
    assert body_of(socket) == b""


def test_clients_of_2018_need_not_answer_pings_over_http(wire: Wire) -> None:
    """There is nothing that they could answer."""
    wire.connected(Of2018())
    socket = wire.ask("xhr_streaming")
    wire.clock.advance(500)
    assert b"c[" not in body_of(socket)
    assert wire.node.hub.num_clients == 1


def test_what_waits_is_bounded(wire: Wire) -> None:
    """A client that does not fetch its messages is closed as slow, and they are dropped."""
    dialect = Today()
    wire.connected(dialect)
    wire.send(dialect.subscribe("a"))
    wire.frames()

    async def publish() -> None:
        await wire.node.publish("a", Publication(b'"%b"' % (b"x" * 100_000)), PublishOptions())

    for left in (1, 1, 0):
        wire.clock.spawn(publish())
        wire.clock.run()
        assert wire.node.hub.num_clients == left
    assert wire.frames() == b'c[3008,"slow"]\n'


def test_what_waits_comes_at_once_and_before_the_farewell(wire: Wire) -> None:
    dialect = Today()
    wire.connected(dialect)
    wire.send(dialect.subscribe("a"), dialect.subscribe("b"))
    wire.clock.spawn(wire.node.disconnect(Target(USER)))
    wire.clock.run()
    body = wire.frames()
    assert [json.loads(text)["id"] for text in json.loads(body[1:])] == [2, 3]
    assert wire.frames() == b'c[3503,"force disconnect"]\n'


def test_commands_that_wait_are_bounded(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests cannot be held back as a socket can."""
    dialect = Today()
    wire.connected(dialect)
    held = FakeWaiter(wire.clock)

    async def stuck(*args: Any, **how: Any) -> None:
        await held

    monkeypatch.setattr(wire.node._broker, "subscribe", stuck)
    for number in range(100):
        answer = wire.ask("xhr_send", json.dumps([dialect.subscribe(f"{number}" + "x" * 200)] * 50))
        if b" 404 " in answer.take():
            break
    else:
        pytest.fail("commands pile up without a limit")
    assert wire.frames() == b'c[3013,"too many requests"]\n'
    held.set_result(None)
    wire.clock.run()


def test_a_stopping_server_does_not_wait_for_strangers(wire: Wire) -> None:
    """Who has not connected is cut off, who has is told."""
    stranger = wire.ask("xhr_streaming", id_="stranger")
    wire.connected(Of2018())
    client = wire.ask("xhr_streaming")
    wire.clock.spawn(wire.app.close())
    wire.clock.run()
    assert stranger.aborted
    assert b'c[3000,"{\\"reason\\":\\"shutting down\\"' in body_of(client)
    assert not client.aborted


def test_a_receiver_that_takes_nothing_ends_the_session(tmp_path: Path) -> None:
    wire = Wire(tmp_path, websocket={"write_timeout": "1s"})
    wire.connected(Of2018())
    stream = wire.ask("xhr_streaming")
    stream.stuck = True
    wire.clock.advance(25.9)
    assert wire.node.hub.num_clients == 1
    wire.clock.advance(0.1)
    assert stream.aborted
    assert wire.node.hub.num_clients == 0


def test_farewells_are_remembered_for_so_many(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten first; whoever asks for it again begins anew."""
    monkeypatch.setattr(table, "MAX_RETIRED", 2)
    for id_ in "abc":
        wire.ask("xhr", id_=id_)
        wire.ask("xhr_send", '["nonsense"]', id_=id_)
    told = [body_of(wire.ask("xhr", id_=id_)) for id_ in "cba"]
    assert told == [b'c[3501,"bad request"]\n'] * 2 + [b"o\n"]


def test_there_are_no_more_sessions_than_a_server_can_hold(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They need no open connection, so nothing else would keep a stranger from making more."""
    monkeypatch.setattr(table, "MAX_LIVE", 2)
    for id_ in "ab":
        assert body_of(wire.ask("xhr", id_=id_)) == b"o\n"
    assert wire.ask("xhr", id_="c").take().startswith(b"HTTP/1.1 503 ")
    wire.clock.advance(AWAY_TIMEOUT)
    assert body_of(wire.ask("xhr", id_="c")) == b"o\n"


def open_websocket(wire: Wire) -> FakeSocket:
    """Open a SockJS session over a WebSocket that is past its handshake."""
    request = Request("GET", f"{BASE}/0/s/websocket", peer="192.0.2.1:5000")
    route = wire.app.router.find(request)
    assert isinstance(route, WebSocketRoute)
    listener = route.accept(request)
    assert not isinstance(listener, Response)
    socket = FakeSocket(wire.clock)
    socket.connect(
        WebSocketConnection(listener, clock=wire.clock, max_message_size=route.max_message_size)
    )
    return socket


def test_a_websocket_hears_heartbeats_until_it_ends(tmp_path: Path) -> None:
    wire = Wire(tmp_path, sockjs={"heartbeat_delay": "10s"}, client={"stale_close_delay": "0s"})
    socket = open_websocket(wire)
    assert socket.take() == b"\x81\x01o"
    wire.clock.advance(20)
    assert socket.take() == b"\x81\x01h" * 2
    socket.abort()
    wire.clock.run()
    assert not [timer for _, _, timer in wire.clock._later if not timer.cancelled]


def test_clients_of_2018_answer_pings_over_a_websocket(wire: Wire) -> None:
    """As on a raw WebSocket: whoever does not is gone (classic.md section 4.1)."""
    socket = open_websocket(wire)
    payload = json.dumps([Of2018().connect()]).encode()
    socket.receive(client_frame(Opcode.TEXT, payload))
    for _ in range(2):
        wire.clock.advance(26)
        assert b"\x89\x04ping" in socket.take()
        socket.receive(client_frame(Opcode.PONG, b"ping"))
    assert wire.node.hub.num_clients == 1
    wire.clock.advance(30)
    assert wire.node.hub.num_clients == 0
    assert socket.aborted
