"""A real server on loopback, under both event loops, with real clients."""

import asyncio
import logging
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect, unix_connect
from websockets.exceptions import ConnectionClosed

from girandola.net.websocket import Opcode, frame
from tests.net.running import HANDSHAKE, Run, Running
from tests.net.wire import client_frame


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


def test_others_have_their_turn_while_one_sends_without_end(run: Run) -> None:
    async def scenario(running: Running) -> None:
        flood = 20_000
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(client_frame(1, b"x") * flood)
        other, other_writer = await asyncio.open_connection("127.0.0.1", running.port)
        other_writer.write(b"GET /echo HTTP/1.1\r\nHost: test\r\n\r\n")
        assert (await other.readline()).startswith(b"HTTP/1.1 200 ")
        assert running.heard < flood // 2
        await reader.readexactly(3 * flood)  # and all of it is answered
        writer.close()
        other_writer.close()

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


@pytest.mark.parametrize("every", ["", "::", "0:0::0"])
def test_an_empty_host_means_every_interface_with_one_port(run: Run, every: str) -> None:
    """And so does the IPv6 address for all, as with Go's servers."""

    async def scenario(running: Running) -> None:
        addresses = await running.server.start(every, 0)
        assert {host for host, _ in addresses} == {"0.0.0.0", "::"}
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


def test_a_unix_socket_is_served_like_a_port(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "server.sock")

    async def scenario(running: Running) -> None:
        await running.server.start_unix(path, mode=0o600)
        connector = aiohttp.UnixConnector(path)
        async with (
            aiohttp.ClientSession(connector=connector) as client,
            client.post("http://server/echo", data=b"over a file") as response,
        ):
            assert await response.read() == b"over a file"
        async with unix_connect(path, "ws://server/ws") as websocket:
            await websocket.send("hello")
            assert await websocket.recv() == "hello"

    run(scenario)
    assert not Path(path).exists()


def test_sockets_of_another_process_are_served_and_their_files_left_alone(
    run: Run, tmp_path: Path
) -> None:
    path = str(tmp_path / "inherited.sock")

    async def scenario(running: Running) -> None:
        over_file = socket.socket(socket.AF_UNIX)
        over_file.bind(path)
        over_file.listen()
        over_tcp = socket.create_server(("127.0.0.1", 0))
        port = over_tcp.getsockname()[1]
        await running.server.start_inherited(over_file)
        await running.server.start_inherited(over_tcp)
        async with unix_connect(path, "ws://server/ws") as websocket:
            await websocket.send("hello")
            assert await websocket.recv() == "hello"
        async with connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as client:
            await client.send("hello")
            assert await client.recv() == "hello"

    run(scenario)
    assert Path(path).exists()


def test_ipv6_is_served(run: Run) -> None:
    async def scenario(running: Running) -> None:
        ((host, port),) = await running.server.start("::1", 0)
        assert host == "::1"
        async with connect(f"ws://[::1]:{port}/ws", proxy=None) as client:
            await client.send("hello")
            assert await client.recv() == "hello"

    run(scenario)
