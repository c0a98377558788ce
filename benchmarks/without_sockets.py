"""What the server's own code costs, without kernel and loop: for looking at a change.

    .venv/bin/python benchmarks/without_sockets.py [--without gc|frames]

The whole application runs in this process behind connections that are not there. Each figure is
the least of several rounds, so other programs on the machine matter little; `girandola bench`
measures what users get. Nothing here is for publication by itself. Without `gc` there is no
garbage collection, without `frames` the frames of a broadcast are made for each subscriber anew.
"""

import argparse
import asyncio
import gc
import json
import struct
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from girandola.app.build import Application
from girandola.app.clock import LoopClock
from girandola.config.load import Sources
from girandola.net.connections import Connections
from girandola.transports.base import Framing

KEY = "k" * 32
CONFIG = {
    "client": {"allow_anonymous_connect_without_token": True},
    "channel": {
        "without_namespace": {
            "allow_subscribe_for_client": True,
            "allow_subscribe_for_anonymous": True,
        },
        "namespaces": [{"name": "history", "history_size": 1000, "history_ttl": "1h"}],
    },
    "http_api": {"key": KEY},
}
ROUNDS = 9
SUBSCRIBERS = 1000
HANDSHAKE = (
    b"GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Nowhere(asyncio.Transport):
    """A connection that takes everything at once."""

    def __init__(self, connections: Connections) -> None:
        super().__init__({"peername": ("127.0.0.1", 5555)})
        self.writes = 0
        self.protocol: Any = connections.make()
        self.protocol.connection_made(self)

    def receive(self, data: bytes) -> None:
        """Be sent something. The bytes are new ones, as those of a socket are."""
        self.protocol.data_received(bytes(bytearray(data)))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes += 1

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return False

    def resume_reading(self) -> None:
        pass


def client_frame(text: str) -> bytes:
    """Return a masked frame; a mask of zeros changes nothing."""
    data = text.encode()
    short = len(data) < 126
    head = (
        struct.pack("!BB", 0x81, 0x80 | len(data))
        if short
        else struct.pack("!BBH", 0x81, 0xFE, len(data))
    )
    return head + bytes(4) + data


def publish_request(channel: str) -> bytes:
    """Return a publish of 128 bytes."""
    body = json.dumps({"channel": channel, "data": {"text": "a" * 100, "at": 123456789}}).encode()
    head = f"POST /api/publish HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def settle() -> None:
    """Let the loop do what is due now."""
    for _ in range(50):
        await asyncio.sleep(0)


async def cheapest(work: Callable[[], object], times: int, each: int = 1) -> float:
    """Return processor time in µs of one of the ``each`` things that ``work`` does."""
    least = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(times):
            work()
        await settle()
        least = min(least, time.process_time() - started)
    return least / times / each * 1e6


def start_session(connections: Connections) -> Nowhere:
    """Return a client that is subscribed."""
    client = Nowhere(connections)
    client.receive(HANDSHAKE)
    client.receive(client_frame('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"room"}}'))
    return client


async def measure(connections: Connections) -> None:
    """Print all figures."""
    publisher = Nowhere(connections)
    for name, channel in (("publish", "nobody"), ("publish with history", "history:a")):
        say(name, await cheapest(partial(publisher.receive, publish_request(channel)), 5000))

    clients: list[Nowhere] = []
    cost = await cheapest(lambda: clients.append(start_session(connections)), SUBSCRIBERS)
    say("session: upgrade, connect, subscribe", cost)
    for client in clients[SUBSCRIBERS:]:
        client.protocol.connection_lost(None)
    await settle()
    gc.collect()

    publish = partial(publisher.receive, publish_request("room"))
    for burst in (1, 10):
        before = clients[0].writes
        cost = await cheapest(publish, burst, SUBSCRIBERS)
        if clients[0].writes - before != ROUNDS:
            raise SystemExit("a broadcast did not arrive in one write")
        say(f"delivery to one of 1,000, {burst} at once", cost)


def say(name: str, cost: float) -> None:
    """Print one figure, in µs."""
    print(f"{name:38} {cost:7.2f} µs")


async def main() -> None:
    """Build the application and measure it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.json"
        file.write_text(json.dumps(CONFIG), encoding="utf-8")
        config = Sources(path=str(file)).load().config
    clock = LoopClock()
    application = Application(config, clock, separate_internal=False)
    gc.collect()
    gc.freeze()
    await measure(Connections(application.router.find, clock))


def leave_out(choice: str | None) -> None:
    """Take back one of the choices that docs/performance.md gives figures for."""
    if choice == "gc":
        gc.disable()
    elif choice == "frames":
        Framing.wire = lambda self, messages: self._encode(messages)  # type: ignore[method-assign]  # for comparing


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the server's own code.")
    parser.add_argument("--without", choices=("gc", "frames"))
    leave_out(parser.parse_args().without)
    uvloop.run(main())
