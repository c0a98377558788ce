"""Server-sent events, byte by byte, and a plain EventSource that recovers by itself."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from girandola.core.grants import publish_options, subscribe_grant
from girandola.core.node import Target
from girandola.model import Publication
from girandola.options import ChannelOptions
from tests.contracts.transport import USER, Client
from tests.transports.streams import Streams, UniSseLine, play_streams
from tests.transports.test_one_way import GOOD, OneWay
from tests.transports.test_websocket import KEPT, Today

Play = Callable[..., None]
Scenario = Callable[[Any], Awaitable[None]]
RECOVERS = ChannelOptions(history_size=1000, history_ttl=60.0, force_recovery=True)
HEAD = (
    b"Content-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n"
    b"Connection: keep-alive\r\nX-Accel-Buffering: no\r\n"
    b"Cache-Control: private, no-cache, no-store, must-revalidate, max-age=0\r\n"
    b"Pragma: no-cache\r\nExpire: 0\r\n\r\n"
)


@pytest.fixture
def play(tmp_path: Path) -> Play:
    def play(scenario: Scenario, **how: Any) -> None:
        play_streams(tmp_path, scenario, **{"line": UniSseLine, "dialect": OneWay(), **how})

    return play


async def exchange(running: Streams, request: str, end: bytes) -> bytes:
    """Send a literal request and read until ``end``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(request.replace("\n", "\r\n").encode())
    try:
        return await reader.readuntil(end)
    finally:
        writer.transport.abort()


# ── the bytes ────────────────────────────────────────────────────────────────────────────────


def test_the_head_and_the_first_event(play: Play) -> None:
    """modern.md section 3.4."""

    async def scenario(running: Streams) -> None:
        query = quote(Today().connect(), safe="")
        request = f"GET /connection/sse?cf_connect={query} HTTP/1.1\nHost: a\n\n"
        answer = await exchange(running, request, b"}}\n\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert (head + b"\r\n\r\n").partition(b"GMT\r\n")[2] == HEAD
        preface, _, event = body.partition(b"\r\n\r\n\r\n")
        assert preface == b"2"
        size, _, event = event.partition(b"\r\n")
        assert int(size, 16) == len(event) - 2
        assert event.startswith(b'data: {"id":1,"connect":{"client":"')

    play(scenario)


def test_a_client_of_http_1_0_reads_until_the_connection_ends(play: Play) -> None:
    async def scenario(running: Streams) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        query = quote(OneWay().connect("a"), safe="")
        writer.write(f"GET /connection/uni_sse?cf_connect={query} HTTP/1.0\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Connection: close\r\n" in head
        assert b"Transfer-Encoding" not in head
        assert (await reader.readuntil(b"\n\n")).startswith(b"\r\nid: ")
        await running.publish("a", "1")
        assert b'"pub":{"data":1' in await reader.readuntil(b"\n\n")
        await running.node.disconnect(Target(USER))
        rest = await reader.read()
        assert rest == b'data: {"disconnect":{"code":3503,"reason":"force disconnect"}}\n\n'
        writer.close()

    play(scenario)


def test_line_ends_within_a_payload_do_not_end_an_event(play: Play) -> None:
    """A carriage return alone ends a line of an event stream, too."""

    async def scenario(running: Streams) -> None:
        line = await running.open()
        await line.send(OneWay().connect("a"))
        await line.receive()
        data = '{"a":\r\n[1,\r2,\n3],"b":"\\r\\n"}'
        await running.node.publish("a", Publication(data.encode()), publish_options(KEPT))
        assert json.loads(await line.receive())["pub"]["data"] == {"a": [1, 2, 3], "b": "\r\n"}

    play(scenario)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /connection/sse HTTP/1.1\nHost: a\n\n", b"400"),
        ("GET /connection/sse?cf_connect= HTTP/1.1\nHost: a\n\n", b"400"),
        ("POST /connection/sse HTTP/1.1\nHost: a\nContent-Length: 0\n\n", b"400"),
        ("POST /connection/sse HTTP/1.1\nHost: a\nContent-Length: 70000\n\n", b"413"),
        ("POST /connection/uni_sse HTTP/1.1\nHost: a\nContent-Length: 70000\n\n", b"413"),
        ("PUT /connection/sse HTTP/1.1\nHost: a\nContent-Length: 0\n\n", b"405"),
        ("HEAD /connection/uni_sse HTTP/1.1\nHost: a\n\n", b"405"),
        ("GET /connection/uni_sse?cf_connect=%5B HTTP/1.1\nHost: a\n\n", b"400"),
        ("GET /connection/http_stream HTTP/1.1\nHost: a\n\n", b"405"),
        ("GET /connection/uni_http_stream HTTP/1.1\nHost: a\n\n", b"405"),
        ("GET /emulation HTTP/1.1\nHost: a\n\n", b"405"),
    ],
)
def test_requests_that_open_nothing(request_: str, status: bytes, play: Play) -> None:
    async def scenario(running: Streams) -> None:
        answer = await exchange(running, request_, b"\r\n")
        assert answer.split()[1] == status
        assert running.node.hub.sessions() == []

    play(scenario)


# ── browsers of other origins ────────────────────────────────────────────────────────────────

PATHS = {
    "/connection/sse": "GET, POST, OPTIONS",
    "/connection/uni_sse": "GET, POST, OPTIONS",
    "/connection/http_stream": "POST, OPTIONS",
    "/connection/uni_http_stream": "POST, OPTIONS",
    "/emulation": "POST, OPTIONS",
}


@pytest.mark.parametrize("path", PATHS)
def test_a_browser_that_asks_first_is_told_what_it_may(path: str, play: Play) -> None:
    """modern.md section 3.1."""

    async def scenario(running: Streams) -> None:
        asked = {"Access-Control-Request-Headers": "content-type"}
        for origin, allowed in (("https://www.example.com", True), ("https://evil.org", False)):
            headers = {"Origin": origin, **asked}
            url = running.http_url(path)
            async with running.http.request("OPTIONS", url, headers=headers) as answer:
                assert answer.status == 204
                assert answer.headers["Access-Control-Max-Age"] == "300"
                assert answer.headers["Access-Control-Allow-Methods"] == PATHS[path]
                given = answer.headers.get("Access-Control-Allow-Origin")
                assert given == (origin if allowed else None)
                wanted = answer.headers.get("Access-Control-Allow-Headers")
                assert wanted == ("content-type" if allowed else None)

    play(scenario)


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/emulation"])
def test_a_stream_says_who_may_read_it_and_opens_for_others_too(path: str, play: Play) -> None:
    async def scenario(running: Streams) -> None:
        body = OneWay().connect() if "uni" in path else Today().connect()
        for origin, allowed in (("https://www.example.com", True), ("https://evil.org", False)):
            url = running.http_url(path)
            async with running.http.post(url, data=body, headers={"Origin": origin}) as answer:
                assert answer.status == 200
                given = answer.headers.get("Access-Control-Allow-Origin")
                assert given == (origin if allowed else None)
                assert answer.headers.get("Access-Control-Allow-Credentials") == (
                    "true" if allowed else None
                )

    play(scenario)


# ── limits ───────────────────────────────────────────────────────────────────────────────────


def test_streams_and_websockets_share_the_limit_of_connections(play: Play) -> None:
    async def scenario(running: Streams) -> None:
        socket = await running.connect()
        line = await running.open()
        await line.send(OneWay().connect("a"))
        url = running.http_url("/connection/http_stream")
        origin = {"Origin": "https://www.example.com"}
        async with running.http.post(url, data="{}", headers=origin) as answer:
            assert answer.status == 503
            assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]
        await socket.close()
        async with running.http.post(url, data=Today().connect()) as answer:
            assert answer.status == 200

    play(scenario, client={"connection_limit": 2})


def test_a_server_that_stops_opens_no_stream(play: Play) -> None:
    async def scenario(running: Streams) -> None:
        await running.app.close()
        async with running.http.get(running.http_url("/connection/uni_sse")) as answer:
            assert answer.status == 503

    play(scenario)


@pytest.mark.parametrize("path", ["/connection/uni_sse", "/connection/uni_http_stream"])
def test_a_peer_that_takes_nothing_is_cut_off_after_the_write_timeout(
    path: str, play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    """The queue has no limit here, so that time is what ends the connection."""

    async def scenario(running: Streams) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port, limit=1)
        body = OneWay().connect("a").encode()
        writer.write(
            b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b"
            % (path.encode(), len(body), body)
        )
        assert await reader.read(5) == b"HTTP/"
        text = json.dumps("x" * 1_000_000)
        while running.node.hub.sessions():
            await running.publish("a", text)
            await asyncio.sleep(0)
        writer.transport.abort()

    quick = {"write_timeout": "100ms"}
    with caplog.at_level(logging.INFO):
        play(scenario, client={"queue_max_size": 2**31}, uni_sse=quick, uni_http_stream=quick)
    assert "closing: 3009 write error: a write did not finish in time" in caplog.text


# ── a plain EventSource ──────────────────────────────────────────────────────────────────────


class EventSource:
    """What a browser's EventSource does, as far as it matters here: one URL, and the last id."""

    def __init__(self, running: Streams, connect: str, *, by_query: bool = False) -> None:
        self._running = running
        self._connect = connect
        self._by_query = by_query
        self.last_id = ""
        self.heard: list[Any] = []

    async def open(self) -> Client:
        line = self._running.new_line()
        if self._by_query:
            line.query = f"&lastEventId={quote(self.last_id, safe='')}"
            await line.open(self._connect)
        else:
            headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
            await line.open(self._connect, **headers)
        client = Client(OneWay(), line)
        found = (await client.hear("connected")).place
        self.heard += [(channel, data) for channel in found for data in found[channel]]
        self.last_id = client.line.last_id
        return client

    async def hear(self, client: Client, count: int) -> None:
        for _ in range(count):
            said = await client.hear("message")
            self.heard.append((said.channel, said.data))
            self.last_id = client.line.last_id


@pytest.mark.parametrize("by_query", [False, True], ids=["header", "query"])
def test_an_event_source_recovers_by_itself(by_query: bool, play: Play) -> None:
    """In every channel, whichever event was the last that it got, with nothing lost or twice."""

    async def scenario(running: Streams) -> None:
        source = EventSource(running, OneWay().connect("a", "b"), by_query=by_query)
        for count in (0, 1, 4, 10):
            client = await source.open()
            first = len(source.heard)
            await running.publish("a", *(str(n) for n in range(first, first + 5)))
            await running.publish("b", *(str(n) for n in range(first + 5, first + 10)))
            await source.hear(client, count)
            client.line.vanish()
            await running.emptied()
        client = await source.open()
        a = [data for channel, data in source.heard if channel == "a"]
        b = [data for channel, data in source.heard if channel == "b"]
        published = {
            channel: [json.loads(each.data) for each in page.publications]
            for channel in "ab"
            for page in [await running.node.read_history(channel)]
        }
        assert a == published["a"]
        assert b == published["b"]

    play(scenario)


def test_channels_that_the_server_added_are_recovered_too(play: Play) -> None:
    async def scenario(running: Streams) -> None:
        source = EventSource(running, OneWay().connect())
        client = await source.open()
        assert source.last_id == ""
        await running.node.subscribe(Target(USER), "later", subscribe_grant(RECOVERS))
        said = json.loads(await client.line.receive())
        assert said["subscribe"]["recoverable"] is True
        source.last_id = client.line.last_id
        client.line.vanish()
        await running.emptied()
        await running.publish("later", "1", "2")
        await source.open()
        assert source.heard == [("later", 1), ("later", 2)]

    play(scenario)


def test_after_an_unsubscribe_the_id_is_empty_again(play: Play) -> None:
    async def scenario(running: Streams) -> None:
        source = EventSource(running, OneWay().connect("a"))
        client = await source.open()
        assert source.last_id.endswith(":0:a")
        await running.node.unsubscribe(Target(USER), "a")
        assert '"unsubscribe"' in await client.line.receive()
        assert client.line.last_id == ""

    play(scenario)


@pytest.mark.parametrize("last_id", ["nonsense", "E:1:what:a,E:2:$private,E:9:a", "E:1:a,,"])
def test_a_forged_or_broken_id_is_never_an_error(
    last_id: str, play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    """At worst nothing is recovered; a channel that is not there is not subscribed to."""

    async def scenario(running: Streams) -> None:
        await running.publish("a", "1", "2")
        source = EventSource(running, OneWay().connect("a"))
        source.last_id = last_id
        with caplog.at_level(logging.INFO, "girandola.transports"):
            client = await source.open()
        assert dict(running.node.hub.channels()) == {"a": 1}
        assert source.heard == []
        await running.publish("a", "3")
        await source.hear(client, 1)
        assert source.heard == [("a", 3)]

    play(scenario)
    if last_id != "E:1:what:a,E:2:$private,E:9:a":
        assert "Last-Event-ID is ignored: expected epoch:offset:channel" in caplog.text


def test_a_channel_without_a_configuration_is_ignored_and_the_rest_recovered(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(running: Streams) -> None:
        source = EventSource(running, OneWay().connect("a"))
        client = await source.open()
        client.line.vanish()
        await running.emptied()
        await running.publish("a", "1")
        source.last_id += ",E:1:what%3Aa,E:1:%24private"
        with caplog.at_level(logging.INFO, "girandola.transports"):
            await source.open()
        assert source.heard == [("a", 1)]
        assert "Last-Event-ID names channel 'what:a', which is ignored" in caplog.text

    play(scenario)


def test_an_id_asks_for_no_more_channels_than_a_client_may_have(play: Play) -> None:
    async def scenario(running: Streams) -> None:
        source = EventSource(running, OneWay().connect("a"))
        source.last_id = ",".join(f"E:1:forged{number}" for number in range(50))
        await source.open()
        assert len(dict(running.node.hub.channels())) == 5
        assert running.node.hub.num_clients == 1

    play(scenario, client={"channel_limit": 5})


def test_the_id_is_newer_than_what_the_url_says(play: Play) -> None:
    async def scenario(running: Streams) -> None:
        await running.publish("a", "1", "2", "3")
        top = (await running.node.read_history("a")).top
        source = EventSource(running, OneWay().connect(a=(0, top.epoch)))
        assert GOOD in source._connect
        client = await source.open()
        assert source.heard == [("a", 1), ("a", 2), ("a", 3)]
        client.line.vanish()
        await running.emptied()
        await running.publish("a", "4")
        await source.open()
        assert source.heard[3:] == [("a", 4)]

    play(scenario)


def test_readers_of_the_same_channels_share_the_work_of_a_broadcast(play: Play) -> None:
    """Ids differ from reader to reader, and still each gets its own."""

    async def scenario(running: Streams) -> None:
        both = [await EventSource(running, OneWay().connect("a", "b")).open() for _ in range(3)]
        one = [await EventSource(running, OneWay().connect("a")).open() for _ in range(3)]
        await running.publish("a", "1")
        for client in [*both, *one]:
            await client.hear("message")
        ids = [client.line.last_id for client in [*both, *one]]
        epochs = {c: (await running.node.read_history(c)).top.epoch for c in "ab"}
        assert ids[:3] == [f"{epochs['b']}:0:b,{epochs['a']}:1:a"] * 3
        assert ids[3:] == [f"{epochs['a']}:1:a"] * 3

    play(scenario)
