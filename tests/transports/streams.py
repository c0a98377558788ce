"""Clients of SSE and HTTP streaming for tests: they read streams as their formats are specified.

A real server on loopback, aiohttp in front of it.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import aiohttp
import uvloop
from yarl import URL

from girandola.protocol.frames import with_length
from girandola.protocol.pb import client_pb2 as pb
from tests.auth.tokens import token
from tests.contracts.transport import USER, Said
from tests.transports.test_websocket import BOTH_GENERATIONS, SECRET, Config, Running, Today

Loop = Callable[[], asyncio.AbstractEventLoop]

DOORS: Config = {
    **BOTH_GENERATIONS,
    **{
        name: {"enabled": True, "write_timeout": "0s"}
        for name in ("sse", "http_stream", "uni_sse", "uni_http_stream", "uni_websocket")
    },
}


# ── formats ──────────────────────────────────────────────────────────────────────────────────


class Events:
    """Server-sent events, as the HTML standard has browsers read them."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        """The last id as it was at each event."""
        self._last_id = ""
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        self._rest += data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *blocks, self._rest = self._rest.split(b"\n\n")
        messages = []
        for block in blocks:
            parts = []
            for line in block.split(b"\n"):
                field, _, value = line.partition(b":")
                value = value.removeprefix(b" ")
                if field == b"data":
                    parts.append(value)
                elif field == b"id":
                    self._last_id = value.decode()
                else:
                    assert not line, f"a line that no event has: {line!r}"
            if parts:
                messages.append(b"\n".join(parts))
                self.ids.append(self._last_id)
        return messages


class Lines:
    """A message a line."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        assert b"" not in lines
        return lines


class Lengths:
    """Each message behind its length."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        self._rest += data
        messages = []
        while (found := self._head()) is not None:
            start, length = found
            if len(self._rest) < start + length:
                break
            messages.append(self._rest[start : start + length])
            self._rest = self._rest[start + length :]
        return messages

    def _head(self) -> tuple[int, int] | None:
        length = 0
        for place, byte in enumerate(self._rest):
            length |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return place + 1, length
        return None


# ── Protobuf ─────────────────────────────────────────────────────────────────────────────────


class TodayBinary:
    """Today's Protobuf."""

    ends: ClassVar = Today.ends

    def __init__(self) -> None:
        self._id = 0
        self._channels: dict[int, str] = {}
        self._epochs: dict[str, str] = {}

    def _command(self, **request: Any) -> bytes:
        self._id += 1
        return with_length(pb.Command(id=self._id, **request).SerializeToString())

    def connect(self) -> bytes:
        jwt = token({"sub": USER}, secret=SECRET)
        return self._command(connect=pb.ConnectRequest(token=jwt))

    def subscribe(self, channel: str, place: Any = None) -> bytes:
        request = pb.SubscribeRequest(channel=channel)
        if place is not None:
            request.recover, request.offset, request.epoch = True, *place
        self._channels[self._id + 1] = channel
        return self._command(subscribe=request)

    def publish(self, channel: str, payload: str) -> bytes:
        return self._command(publish=pb.PublishRequest(channel=channel, data=payload.encode()))

    def nonsense(self) -> bytes:
        return b"\xff"

    def read(self, message: bytes) -> Said:
        said = pb.Reply.FromString(message)
        raw = str(said)
        if said.HasField("connect"):
            return Said("connected", raw)
        if said.HasField("publish"):
            return Said("published", raw)
        if said.HasField("subscribe"):
            channel, result = self._channels[said.id], said.subscribe
            self._epochs[channel] = result.epoch
            found = [json.loads(each.data) for each in result.publications]
            return Said("subscribed", raw, channel, recovered=found)
        if said.push.HasField("pub"):
            channel, pub = said.push.channel, said.push.pub
            place = (pub.offset, self._epochs[channel])
            return Said("message", raw, channel, json.loads(pub.data), place=place)
        return Said("other", raw)


# ── lines ────────────────────────────────────────────────────────────────────────────────────


class StreamLine:
    """A client's end of a stream, whose first words open it."""

    path = ""
    method = "POST"
    query = ""
    """What follows the connect request in the URL."""
    format: Callable[[], Any]
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, server: "Streams") -> None:
        self._server = server
        self._answer: aiohttp.ClientResponse | None = None
        self._waiting: list[bytes] = []
        self._taken = 0
        self.read = type(self).format()
        self.reason: tuple[int, str] | None = None
        self.session = self.node = ""

    @property
    def answer(self) -> aiohttp.ClientResponse:
        assert self._answer is not None, "nothing was said yet"
        return self._answer

    async def send(self, command: Any) -> None:
        if self._answer is None:
            await self.open(command)
        else:
            await self.emulate(command)

    async def open(self, command: Any, **headers: str) -> None:
        self._answer = await self._server.http.request(
            self.method,
            self._server.http_url(self._path(command)),
            data=command if self.method == "POST" else None,
            headers={**self.headers, **headers},
        )
        assert self._answer.status == 200, await self._answer.text()

    def _path(self, command: Any) -> Any:
        if self.method == "POST":
            return self.path
        return f"{self.path}?cf_connect={quote(command, safe='')}{self.query}"

    async def emulate(self, command: Any) -> None:
        body = {"session": self.session, "node": self.node, "data": command}
        url = self._server.http_url("/emulation")
        data = json.dumps(body, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json"}
        async with self._server.http.post(url, data=data, headers=headers) as answer:
            assert answer.status == 204, await answer.text()

    async def receive(self) -> Any:
        while not self._waiting:
            try:
                data = await self.answer.content.readany()
            except (aiohttp.ClientPayloadError, OSError):
                data = b""
            if not data:
                raise EOFError
            self._waiting = self.read.feed(data)
        message = self._waiting.pop(0)
        self._taken += 1
        if self._is_end(message):
            assert not self._waiting, "something came behind the end"
            return await self.receive()
        return self._text(message)

    def _text(self, message: bytes) -> Any:
        return message.decode()

    def _is_end(self, message: bytes) -> bool:
        """Learn what a client of streams has to know; tell whether it is the last message."""
        said = json.loads(message)
        if "connect" in said:
            self.session, self.node = said["connect"]["session"], said["connect"].get("node", "")
        push = said.get("push", said)
        if "disconnect" in push:
            self.reason = push["disconnect"]["code"], push["disconnect"]["reason"]
        return "disconnect" in push

    async def ended(self) -> tuple[int, str]:
        with contextlib.suppress(EOFError):
            while True:
                await self.receive()
        assert self.reason is not None, "the end came without a reason"
        return self.reason

    async def close(self) -> None:
        self.answer.close()

    def let_go(self) -> None:
        if self._answer is not None:
            self._answer.close()

    def vanish(self) -> None:
        connection = self.answer.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.abort()


class SseLine(StreamLine):
    """Two-way server-sent events, opened as a browser does."""

    path = "/connection/sse"
    method = "GET"
    format = Events


class SsePostLine(SseLine):
    """The same, opened by a POST."""

    method = "POST"


class HttpStreamLine(StreamLine):
    """Two-way HTTP streaming in JSON."""

    path = "/connection/http_stream"
    format = Lines


class HttpStreamBinaryLine(StreamLine):
    """Two-way HTTP streaming in Protobuf."""

    path = "/connection/http_stream"
    format = Lengths
    headers: ClassVar = {"Content-Type": "application/octet-stream"}

    async def emulate(self, command: Any) -> None:
        request = pb.EmulationRequest(node=self.node, session=self.session, data=command)
        url, body = self._server.http_url("/emulation"), request.SerializeToString()
        async with self._server.http.post(url, data=body, headers=self.headers) as answer:
            assert answer.status == 204, await answer.text()

    def _text(self, message: bytes) -> Any:
        return message

    def _is_end(self, message: bytes) -> bool:
        said = pb.Reply.FromString(message)
        if said.HasField("connect"):
            self.session, self.node = said.connect.session, said.connect.node
        if said.push.HasField("disconnect"):
            self.reason = said.push.disconnect.code, said.push.disconnect.reason
        return said.push.HasField("disconnect")


class UniSseLine(StreamLine):
    """One-way server-sent events."""

    path = "/connection/uni_sse"
    method = "GET"
    format = Events

    @property
    def last_id(self) -> str:
        """The last id as it was at the last message that was received."""
        return str(self.read.ids[self._taken - 1])


class UniHttpStreamLine(StreamLine):
    """One-way HTTP streaming."""

    path = "/connection/uni_http_stream"
    format = Lines


# ── the server ───────────────────────────────────────────────────────────────────────────────


class Streams(Running):
    """A server with every streaming door; ``line`` is what ``open`` makes."""

    line: type[StreamLine] = SseLine
    http: aiohttp.ClientSession

    async def start(self) -> None:
        await super().start()
        # A connection that is kept would count as one that is left behind.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._lines: list[StreamLine] = []
        self.http = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(20)
        )

    def http_url(self, path: str) -> URL:
        return URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)

    async def open(self) -> Any:
        return self.new_line()

    def new_line(self) -> StreamLine:
        self._lines.append(self.line(self))
        return self._lines[-1]

    async def let_go(self) -> None:
        for line in self._lines:
            line.let_go()
        await self.http.close()

    async def finish(self) -> None:
        await self.let_go()
        await super().finish()


def play_streams(
    folder: Path,
    scenario: Callable[[Any], Awaitable[None]],
    *,
    kind: type[Streams] = Streams,
    line: type[StreamLine] = SseLine,
    dialect: Any = None,
    loop: Loop = uvloop.new_event_loop,
    **changes: dict[str, Any],
) -> None:
    """Play a scenario with twenty seconds for all of it. Options go over those of ``DOORS``."""

    async def with_server() -> None:
        config = {
            section: DOORS.get(section, {}) | changes.get(section, {})
            for section in {**DOORS, **changes}
        }
        running = kind(folder, dialect, config)
        running.line = line
        await running.start()
        try:
            async with asyncio.timeout(20):
                await scenario(running)
                await running.finish()
        finally:
            # A loop with open sockets would wait for ever for them when it closes.
            await running.let_go()
            await running.server.stop_accepting()
            await running.server.drain(0)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(with_server())
