"""A server with a few routes, whose listener remembers what happened."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import structs
from websockets.asyncio.client import connect

from girandola.app.clock import LoopClock
from girandola.net.deflate import inflater
from girandola.net.http import Request, Response, Route
from girandola.net.router import Router, WebSocketRoute
from girandola.net.server import Server
from girandola.net.websocket import Opcode, WebSocketConnection, frame

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Echo:
    """Sends back what it gets, and remembers how connections ended."""

    def __init__(self, running: "Running") -> None:
        self._running = running

    def on_open(self, connection: WebSocketConnection) -> None:
        self.connection = connection
        self._running.open.append(connection)
        self._running.opened.set()

    def on_message(self, payload: bytes, is_text: bool) -> None:
        self._running.heard += 1
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
    """A server with a few routes. It listens nowhere yet."""

    def __init__(self) -> None:
        self.open: list[WebSocketConnection] = []
        self.heard = 0
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
        router.add("/deflate", structs.replace(route, inflate=inflater(1_000_000)))
        router.add("/echo", Route(lambda request: Response(200, request.body), max_body=1_000_000))
        router.add("/slow", Route(self.slow))
        self.server = Server(router, clock=LoopClock())
        self.port = 0

    async def slow(self, request: Request) -> Response:
        self.asked.set()
        await self.finish.wait()
        return Response(200, b"done")

    def websocket(self, path: str = "/ws", **options: Any) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}{path}", proxy=None, **options)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


Scenario = Callable[[Running], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
