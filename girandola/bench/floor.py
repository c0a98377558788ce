"""The least that a Python server can do: ``python -m girandola.bench.floor PORT``.

Subscribes everybody to one channel, answers every POST as if it were a publish, and sends the
body's data to all: no check, no order, no limit, no state. What it costs is uvloop's, httptools'
and the kernel's, so B1, B2, B3 (a) and the plain publishes of B6 measured on it are the floor
under what a server with all its duties can reach on the same machine. Port 0 takes a free one;
the port is printed once it is open.
"""

import asyncio
import contextlib
import gc
import re
import sys
from typing import cast

import httptools
import uvloop

from girandola.bench.wire import HEAD_END

_ID = re.compile(rb'"id": ?(\d+), ?"(\w+)"')
_UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
# The answer to the one key that the load uses.
_ACCEPT = b"Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n"
_PUBLISHED = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"result":{}}'

_subscribers: set[asyncio.Transport] = set()


class Connection(asyncio.Protocol):
    """A subscriber or a publisher, as its first bytes say."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's is no asyncio.Transport by name.
        self._transport = cast(asyncio.Transport, transport)
        self._parser: httptools.HttpRequestParser | None = None
        self._body = b""
        self._upgraded = False

    def data_received(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self._parser is not None:
            self._parser.feed_data(data)
        elif self._upgraded:
            self._answer(data)
        elif data.startswith(b"GET"):
            # The load waits for this before it says more.
            self._upgraded = data.endswith(HEAD_END)
            self._transport.write(_UPGRADED + _ACCEPT)
        else:
            self._parser = httptools.HttpRequestParser(self)
            self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end."""
        self._parser = None
        _subscribers.discard(self._transport)

    def on_body(self, data: bytes) -> None:
        """Take a part of a body. See httptools."""
        self._body += data

    def on_message_complete(self) -> None:
        """Send what was published to all. See httptools."""
        body, self._body = self._body, b""
        start = body.find(b'"data":') + len(b'"data":')
        push = b'{"push":{"channel":"bench","pub":{"data":%b}}' % body[start:] + b"}"
        frame = _frame(push)
        for subscriber in _subscribers:
            subscriber.write(frame)
        self._transport.write(_PUBLISHED)

    def _answer(self, data: bytes) -> None:
        found = _ID.findall(data)
        if found:
            replies = b"\n".join(b'{"id":%b,"%b":{}}' % pair for pair in found)
            self._transport.write(_frame(replies))
            _subscribers.add(self._transport)


def _frame(payload: bytes) -> bytes:
    if len(payload) < 126:
        return bytes((0x81, len(payload))) + payload
    return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(
        Connection, "127.0.0.1", port, backlog=2048
    )
    gc.freeze()
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until interrupted."""
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
