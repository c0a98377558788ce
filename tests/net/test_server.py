"""A real server on loopback, under both event loops, with real clients."""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest
import uvloop
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from girandola.app.clock import LoopClock
from girandola.net.http import Request, Response, Route
from girandola.net.router import Router, WebSocketRoute
from girandola.net.server import Server
from girandola.net.websocket import Opcode, WebSocketConnection, frame
from tests.net.wire import client_frame

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

Scenario = Callable[["Running"], Coroutine[Any, Any, None]]


class Echo:
    """Sends back what it gets, and remembers how connections ended."""

    def __init__(self, running: "Running") -> None:
        self._running = running

    def on_open(self, connection: WebSocketConnection) -> None:
        self.connection = connection
        self._running.open.append(connection)
        self._running.opened.set()

    def on_message(self, payload: bytes, is_text: bool) -> None:
        if payload == b"close me":
            self.connection.close(3501, "bad request")
        elif payload == b"break":
            raise RuntimeError("the listener is broken")
        else:
            self.connection.write(frame(Opcode.TEXT if is_text else Opcode.BINARY, payload))

    def on_pong(self, payload: bytes) -> None:
        self._running.ponged.set()

    def on_write_timeout(self) -> None:
        self._running.timed_out.set()
        self.connection.abort()

    def on_close(self, code: int, reason: str) -> None:
        self._running.closed.put_nowait((code, reason))


class Running:
    """A server with a few routes, on a free port."""

    def __init__(self) -> None:
        self.open: list[WebSocketConnection] = []
        self.closed: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
        self.opened = asyncio.Event()
        self.ponged = asyncio.Event()
        self.timed_out = asyncio.Event()
        self.asked = asyncio.Event()
        self.finish = asyncio.Event()
        router = Router()
        route = WebSocketRoute(
            lambda request: Echo(self), max_message_size=1_000_000, write_timeout=0.05
        )
        router.add("/ws", route)
        router.add("/echo", Route(lambda request: Response(200, request.body), max_body=1_000_000))
        router.add("/slow", Route(self.slow))
        self.server = Server(router, clock=LoopClock())
        self.port = 0

    async def slow(self, request: Request) -> Response:
        self.asked.set()
        await self.finish.wait()
        return Response(200, b"done")

    def websocket(self, **options: Any) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}/ws", proxy=None, **options)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    """Run a scenario under one of the loops, with ten seconds for all of it."""

    async def with_server(scenario: Scenario) -> None:
        running = Running()
        ((_, running.port),) = await running.server.start("127.0.0.1", 0)
        try:
            async with asyncio.timeout(10):
                await scenario(running)
        finally:
            await running.server.stop_accepting()
            running.server.close_idle()
            await running.server.drain(0)

    def run(scenario: Scenario) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(with_server(scenario))

    return run


Run = Callable[[Scenario], None]


def test_the_websockets_client_talks_to_us(run: Run) -> None:
    async def scenario(running: Running) -> None:
        async with running.websocket() as client:
            messages: list[str | bytes] = [
                "hello",
                "",
                "ü" * 1000,
                b"",
                bytes(range(256)),
                b"x" * 300_000,
            ]
            for message in messages:
                await client.send(message)
                assert await client.recv() == message
            await client.send(["in ", "three ", "pieces"])
            assert await client.recv() == "in three pieces"
            await (await client.ping(b"are you there"))
            running.open[0].ping()
            await running.ponged.wait()
        assert await running.closed.get() == (1000, "")
        assert running.server.open_websockets == 0

    run(scenario)


def test_many_messages_in_one_go_come_back_in_order(run: Run) -> None:
    async def scenario(running: Running) -> None:
        async with running.websocket() as client:
            for number in range(500):
                await client.send(str(number))
            assert [await client.recv() for _ in range(500)] == [str(n) for n in range(500)]

    run(scenario)


def test_the_client_hears_why_we_close(run: Run) -> None:
    async def scenario(running: Running) -> None:
        async with running.websocket() as client:
            await client.send("close me")
            with pytest.raises(ConnectionClosed) as caught:
                await client.recv()
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (3501, "bad request")
        assert await running.closed.get() == (3501, "bad request")

    run(scenario)


@pytest.mark.parametrize(
    ("message", "code"), [("x" * 1_000_001, 1009), ("break", 1011)], ids=["too big", "broken"]
)
def test_what_happens_to_one_connection_leaves_others_alone(
    run: Run, message: str, code: int
) -> None:
    async def scenario(running: Running) -> None:
        async with running.websocket() as other, running.websocket() as client:
            await client.send(message)
            with pytest.raises(ConnectionClosed) as caught:
                await client.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == code
            await other.send("still here")
            assert await other.recv() == "still here"

    run(scenario)


def test_a_broken_frame_is_answered_before_the_connection_ends(run: Run) -> None:
    """Also when much more was sent behind it that we never read."""

    async def scenario(running: Running) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(HANDSHAKE + client_frame(1, b"early") + client_frame(3) + bytes(100_000))
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b"\x81\x05early\x88\x12\x03\xeaunknown opcode 3"
        writer.close()
        assert await running.closed.get() == (1006, "")

    run(scenario)


def test_a_client_that_never_reads_is_reported_and_can_be_cut_off(run: Run) -> None:
    async def scenario(running: Running) -> None:
        client = socket.create_connection(("127.0.0.1", running.port))
        client.sendall(HANDSHAKE)
        await running.opened.wait()
        running.open[0].write(frame(Opcode.BINARY, bytes(20_000_000)))
        assert running.open[0].buffered() > 0
        await running.timed_out.wait()
        assert await running.closed.get() == (1006, "")
        client.close()

    run(scenario)


def test_small_messages_are_not_held_back_by_the_kernel(run: Run) -> None:
    """TCP_NODELAY is set."""

    async def scenario(running: Running) -> None:
        async with running.websocket():
            kernel_socket = running.open[0]._transport.get_extra_info("socket")
            assert kernel_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(scenario)


def test_a_real_http_client_is_answered_over_one_connection(run: Run) -> None:
    async def scenario(running: Running) -> None:
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector) as client:
            for body in [b"", b"abc", b"x" * 500_000]:
                async with client.post(running.url("/echo"), data=body) as response:
                    assert await response.read() == body
            async with client.post(running.url("/echo"), data=_in_pieces()) as response:
                assert await response.read() == b"chunked"
            assert running.server.open_http == 1

    run(scenario)


async def _in_pieces() -> Any:
    yield b"chun"
    yield b"ked"


def test_a_body_that_is_too_long_is_refused_so_that_the_client_can_read_it(run: Run) -> None:
    async def scenario(running: Running) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5000000\r\n\r\n")
        writer.write(bytes(5_000_000))
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")
        writer.close()

    run(scenario)


def test_draining_waits_for_an_answer_that_is_under_way(run: Run) -> None:
    async def scenario(running: Running) -> None:
        async with aiohttp.ClientSession() as client:
            asking = asyncio.create_task(client.get(running.url("/slow")))
            await running.asked.wait()
            await running.server.stop_accepting()
            running.server.close_idle()
            draining = asyncio.create_task(running.server.drain(10))
            await asyncio.sleep(0)
            assert not draining.done()
            running.finish.set()
            response = await asking
            assert await response.read() == b"done"
            assert await draining == 0
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", running.port)

    run(scenario)


def test_draining_cuts_off_what_does_not_end_in_time(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "girandola")

    async def scenario(running: Running) -> None:
        async with running.websocket() as client:
            assert await running.server.drain(0.01) == 1
            with pytest.raises(ConnectionClosed):
                await client.recv()
        assert await running.closed.get() == (1006, "")
        assert running.server.open_websockets == 0

    run(scenario)
    assert "cut off 1 connections" in caplog.text


def test_an_empty_host_means_every_interface_with_one_port(run: Run) -> None:
    async def scenario(running: Running) -> None:
        addresses = await running.server.start("", 0)
        assert addresses[0][0] in {"0.0.0.0", "::"}
        assert len({port for _, port in addresses}) == 1
        for host, port in addresses:
            _, writer = await asyncio.open_connection("::1" if host == "::" else "127.0.0.1", port)
            writer.close()

    run(scenario)


def test_an_occupied_address_is_named(run: Run) -> None:
    async def scenario(running: Running) -> None:
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1, port {running.port}: "):
            await running.server.start("127.0.0.1", running.port)

    run(scenario)


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_an_address_that_is_not_ours_is_named(run: Run, host: str) -> None:
    async def scenario(running: Running) -> None:
        with pytest.raises(OSError, match=f"cannot listen on {host}, port 8000: "):
            await running.server.start(host, 8000)

    run(scenario)
