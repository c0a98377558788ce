"""The streams of the load: server-sent events and HTTP streaming, two-way and one-way.

Chunks are taken apart, since a server may cut them anywhere; of what was in them a stream that is
live looks at no more than the other clients do (``clients``). Runs in ``load``'s process.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Coroutine
from typing import cast

from girandola.bench import wire
from girandola.bench.clients import Client, Tally
from girandola.bench.wire import PING, ProtocolError

_STATUS = b"HTTP/1.1 200"
_NO_CONTENT = b"HTTP/1.1 204"
_CHUNKED = b"transfer-encoding: chunked"


class StreamClient(Client):
    """A client that counts what the answer to its request brings."""

    def __init__(self, request: bytes, tally: Tally) -> None:
        super().__init__(request, tally)
        self._counts = tally
        self._line = b""
        self._streaming = False

    def data_received(self, data: bytes) -> None:
        """Take apart what comes."""
        data = self._rest + data
        try:
            if not self._streaming:
                data = self._begin(data)
            body, ended = b"", False
            if self._streaming:
                body, data, ended = wire.split_chunks(data)
            self._rest = data
            self._take(body)
            if ended:
                raise ProtocolError("the server ended the stream")
        except ProtocolError as error:
            self.fail(str(error))

    def _begin(self, data: bytes) -> bytes:
        """Take the head of the answer; return what is not of it."""
        head, end, rest = data.partition(wire.HEAD_END)
        if not end:
            return data
        if not head.startswith(_STATUS):
            raise ProtocolError(head.partition(b"\r\n")[0].decode(errors="replace"))
        if _CHUNKED not in head.lower():
            raise ProtocolError("the stream is not chunked")
        self._streaming = True
        return rest

    def _take(self, body: bytes) -> None:
        body = self._line + body
        if not self.ready.done():
            *lines, self._line = body.split(b"\n")
            for message in wire.messages_of(lines):
                self.on_message(message)
        elif body.endswith(b"\n"):
            self._line = b""
            self._counts.take(body)
            if PING in body:
                self.on_ping()
        else:
            self._line = body

    def on_message(self, message: bytes) -> None:
        """Take one message; raises ``ProtocolError``."""
        raise NotImplementedError

    def on_ping(self) -> None:
        """Take a ping."""


class TwoWayStream(StreamClient):
    """A client that connects with its request, says the ``rest`` beside it, and answers pings.

    ``emulate`` makes of the result of its connect, and of lines, the request that says them, and
    ``send`` sends it, as client libraries do.
    """

    def __init__(
        self,
        request: bytes,
        tally: Tally,
        *,
        rest: bytes,
        replies: int,
        emulate: Callable[[dict[str, str], bytes], bytes],
        send: Callable[[bytes], None],
    ) -> None:
        super().__init__(request, tally)
        self._waiting = replies
        self._commands = rest
        self._emulate = emulate
        self._send = send
        self._pong = b""

    def on_message(self, message: bytes) -> None:
        """Take a reply, or what comes between replies."""
        if message.startswith(b'{"id":'):
            wire.check_reply(message)
            if message.startswith(b'{"id":1,'):
                connected = json.loads(message)["connect"]
                self._pong = self._emulate(connected, PING)
                if self._commands:
                    self._send(self._emulate(connected, self._commands))
            self._waiting -= 1
            if not self._waiting:
                self.ready.set_result(None)
        elif message == PING:
            self.on_ping()
        elif message.startswith(b'{"push":{"disconnect":'):
            raise ProtocolError(message.decode(errors="replace"))
        else:
            self._counts.take(message)

    def on_ping(self) -> None:
        """Answer by a request."""
        self._send(self._pong)


class OneWayStream(StreamClient):
    """A client that says in which channels it wants to be, and never answers."""

    def __init__(self, request: bytes, tally: Tally, *, channels: list[str]) -> None:
        super().__init__(request, tally)
        self._channels = channels

    def on_message(self, message: bytes) -> None:
        """Take the answer to the connect request, which comes first."""
        if self.ready.done():
            self._counts.take(message)
        else:
            wire.check_connected(message, self._channels)
            self.ready.set_result(None)


# ── what streams cannot carry ────────────────────────────────────────────────────────────────


class Emulation:
    """Keep-alive connections over which the commands of streams go, one at a time on each.

    As in browsers and proxies there are as many as were needed at once, and no more than
    ``limit``; ``connect`` makes one. ``problem`` says what went wrong first.
    """

    def __init__(
        self, connect: Callable[[asyncio.Protocol], Coroutine[None, None, None]], limit: int
    ) -> None:
        self.problem = ""
        self._connect = connect
        self._room = limit
        self._idle: deque[_EmulationConnection] = deque()
        self._waiting: deque[bytes] = deque()
        self._opening: set[asyncio.Task[None]] = set()

    def send(self, request: bytes) -> None:
        """Send a request as soon as a connection is free."""
        if self._idle:
            self._idle.popleft().send(request)
            return
        self._waiting.append(request)
        if self._room:
            self._room -= 1
            opening = asyncio.ensure_future(self._open())
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        try:
            await self._connect(_EmulationConnection(self))
        except OSError as error:
            self._room += 1
            self.fail(str(error))

    # ── from the connections ─────────────────────────────────────────────────────────────────

    def free(self, connection: "_EmulationConnection") -> None:
        """Use a connection for what waits."""
        if self._waiting:
            connection.send(self._waiting.popleft())
        else:
            self._idle.append(connection)

    def lose(self, connection: "_EmulationConnection") -> None:
        """Go on without a connection that has ended."""
        self._room += 1
        if connection in self._idle:
            self._idle.remove(connection)

    def fail(self, why: str) -> None:
        """Note that a request was not carried out."""
        self.problem = self.problem or why


class _EmulationConnection(asyncio.Protocol):
    def __init__(self, pool: Emulation) -> None:
        self._pool = pool
        self._rest = b""
        self._answered = 0
        self._request = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._pool.free(self)

    def send(self, request: bytes) -> None:
        self._request = request
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if not self._rest.startswith(_NO_CONTENT[: len(self._rest)]):
            self._give_up(self._rest.partition(b"\r\n")[0].decode(errors="replace"))
        elif self._rest.endswith(wire.HEAD_END):
            self._rest = self._request = b""
            self._answered += 1
            self._pool.free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lose(self)
        if self._request and self._answered and not self._rest:
            # It was idle too long, which the server noticed first.
            self._pool.send(self._request)
        elif self._request:
            self._give_up("the server closed the connection")

    def _give_up(self, why: str) -> None:
        self._pool.fail(why)
        self._request = b""
        self._transport.abort()
