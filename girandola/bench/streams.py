"""The streams of the load: server-sent events and HTTP streaming, two-way and one-way.

Chunks are taken apart, since a server may cut them anywhere; of what was in them a stream that is
live looks at no more than the other clients do (``clients``). Runs in ``load``'s process.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import cast

from girandola.bench import wire
from girandola.bench.clients import Client, Tally
from girandola.bench.wire import PING, ProtocolError

_STATUS = b"HTTP/1.1 200"
_NO_CONTENT = b"HTTP/1.1 204"
_CHUNKED = b"transfer-encoding: chunked"


class StreamClient(Client):
    """A client that says all it has to say in its request, and counts what the answer brings."""

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
    """A client that connects and subscribes with its request, and answers pings.

    ``pong`` makes of the result of its connect the request that answers, and ``send`` sends it.
    """

    def __init__(
        self,
        request: bytes,
        tally: Tally,
        *,
        replies: int,
        pong: Callable[[dict[str, str]], bytes],
        send: Callable[[bytes], None],
    ) -> None:
        super().__init__(request, tally)
        self._waiting = replies
        self._make_pong = pong
        self._send = send
        self._pong = b""

    def on_message(self, message: bytes) -> None:
        """Take a reply, or what comes between replies."""
        if message.startswith(b'{"id":'):
            wire.check_reply(message)
            if message.startswith(b'{"id":1,'):
                self._pong = self._make_pong(json.loads(message)["connect"])
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

    ``problem`` says what went wrong first; what is sent after that may not be carried out.
    """

    def __init__(self) -> None:
        self.problem = ""
        self._idle: deque[_EmulationConnection] = deque()
        self._waiting: deque[bytes] = deque()

    def add(self) -> asyncio.Protocol:
        """Return a connection that is not made yet."""
        return _EmulationConnection(self)

    def send(self, request: bytes) -> None:
        """Send a request as soon as a connection is free."""
        if self._idle:
            # The one that was idle longest, so that the server closes none.
            self._idle.popleft().send(request)
        else:
            self._waiting.append(request)

    def free(self, connection: "_EmulationConnection") -> None:
        """Use a connection for what waits."""
        if self._waiting:
            connection.send(self._waiting.popleft())
        else:
            self._idle.append(connection)

    def lose(self, connection: "_EmulationConnection", why: str) -> None:
        """Go on without a connection."""
        self.problem = self.problem or why
        if connection in self._idle:
            self._idle.remove(connection)


class _EmulationConnection(asyncio.Protocol):
    def __init__(self, pool: Emulation) -> None:
        self._pool = pool
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._pool.free(self)

    def send(self, request: bytes) -> None:
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        self._rest = data
        if not data.startswith(_NO_CONTENT[: len(data)]):
            self._pool.lose(self, data.partition(b"\r\n")[0].decode(errors="replace"))
        elif data.endswith(wire.HEAD_END):
            self._rest = b""
            self._pool.free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lose(self, "the server closed the connection")
