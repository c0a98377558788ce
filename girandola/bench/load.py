"""The process that plays the clients: ``python -m girandola.bench.load``.

Reads one order a line from stdin, as JSON, carries it out, and answers with one line on stdout. It
knows nothing of what is measured; ``fleet`` is the other end.
"""

import asyncio
import contextlib
import gc
import json
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import uvloop

from girandola.bench import wire
from girandola.bench.clients import (
    BinarySubscriber,
    Caller,
    Client,
    OneWaySubscriber,
    Resubscriber,
    Subscriber,
    Tally,
    Work,
)
from girandola.bench.histogram import Histogram
from girandola.bench.streams import Emulation, OneWayStream, TwoWayStream
from girandola.bench.wire import ProtocolError

CONNECTIONS_AN_ADDRESS = 20_000
"""Connections from one source address; ports are scarce, and stay taken for a while when closed."""

CONNECT_TIMEOUT = 30.0
"""Seconds for one connection to come up."""

ORDER_SIZE = 1 << 26
"""Bytes of the longest order: tens of thousands of sessions with their tokens."""


EMULATION_CONNECTIONS = 16
"""The most over which the commands of streams go, as from a proxy that keeps connections open."""

EMULATION_PATH = "/emulation"


class Load:
    """The clients of one process."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._host: str = order["host"]
        self._port: int = order["port"]
        self._api_port: int = order["api_port"]
        self._api_path: str = order["api_path"]
        self._key: str = order["key"]
        self._path: str = order["path"]
        self._handshake = wire.handshake(self._host, self._port, self._path)
        self._clients: list[Client] = []
        self._emulation = Emulation(
            lambda protocol: self._open(protocol, self._port), EMULATION_CONNECTIONS
        )
        self._tallies: dict[str, Tally] = {}
        self._opened = 0

    # ── orders ───────────────────────────────────────────────────────────────────────────────

    async def join(self, order: dict[str, Any]) -> dict[str, Any]:
        """Open sessions (group, token and channels of each), so many at a time."""
        transport, remember = order["transport"], order["remember"]
        if transport == "websocket":
            clients: list[Client] = [
                self._subscriber(group, token, channels, remember=remember)
                for group, token, channels in order["sessions"]
            ]
        else:
            make = TRANSPORTS[transport]
            clients = [
                make(self, transport, self._tally(group), token, channels)
                for group, token, channels in order["sessions"]
            ]
        return await self._bring_up(clients, order["window"])

    async def cut(self, order: dict[str, Any]) -> dict[str, Any]:
        """Cut all sessions at once."""
        for client in self._clients:
            client.leave()
        return {}

    async def rejoin(self, order: dict[str, Any]) -> dict[str, Any]:
        """Bring the sessions that were cut back, recovering from where they stood."""
        clients: list[Client] = [
            self._subscriber(
                before.group, before.token, before.channels, before.positions, remember=True
            )
            for before in self._clients
            if isinstance(before, Subscriber)
        ]
        self._clients = []
        return await self._bring_up(clients, order["window"])

    async def watch(self, order: dict[str, Any]) -> dict[str, Any]:
        """Count from zero; time the messages of the groups named."""
        for name, tally in self._tallies.items():
            tally.reset()
            tally.timed = name in order["timed"]
        return {}

    async def count(self, order: dict[str, Any]) -> dict[str, Any]:
        """Tell what came, once as much did as is wanted or the time is over."""
        until = time.monotonic() + order["timeout"]
        # An event would have to be set by the path that counts every message.
        while self._received() < order["received"] and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        if self._emulation.problem:
            raise ProtocolError(f"a command by emulation: {self._emulation.problem}")
        durations: dict[str, Any] = {}
        for name, tally in self._tallies.items():
            if tally.timed:
                histogram = Histogram()
                histogram.add(tally.durations)
                durations[name] = histogram.dump()
        return {
            "received": self._received(),
            "lost": sum(tally.lost for tally in self._tallies.values()),
            "durations": durations,
        }

    async def call(self, order: dict[str, Any]) -> dict[str, Any]:
        """Repeat an API request over some connections."""
        body = order["body"].encode()
        path = f"{self._api_path}/{order['method']}"
        request = wire.api_head(self._host, self._api_port, path, self._key, len(body)) + body
        work = Work(order["most"])
        callers = [Caller(request, work) for _ in range(order["connections"])]
        for caller in callers:
            await self._open(caller, self._api_port)
        began = time.monotonic()
        work.open(order["seconds"])
        for caller in callers:
            caller.start()
        await asyncio.gather(*(caller.finished for caller in callers))
        return _outcome(work, began)

    async def resubscribe(self, order: dict[str, Any]) -> dict[str, Any]:
        """Leave a channel and come back to it, over some connections."""
        work = Work()
        clients = []
        for token in order["tokens"]:
            client = Resubscriber(
                self._handshake,
                work,
                token=token,
                channel=order["channel"],
                missed=order["missed"],
            )
            await self._open(client, self._port)
            await client.ready
            clients.append(client)
        began = time.monotonic()
        work.open(order["seconds"])
        for client in clients:
            client.start()
        await asyncio.gather(*(client.finished for client in clients))
        return _outcome(work, began)

    async def yield_to_others(self, order: dict[str, Any]) -> dict[str, Any]:
        """Let the other processes on this core go first."""
        os.nice(order["by"])
        return {}

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _received(self) -> int:
        return sum(tally.received for tally in self._tallies.values())

    def _subscriber(
        self,
        group: str,
        token: str,
        channels: list[str],
        positions: dict[str, tuple[int, str]] | None = None,
        *,
        remember: bool,
    ) -> Subscriber:
        return Subscriber(
            self._handshake,
            self._tally(group),
            group=group,
            token=token,
            channels=channels,
            positions=positions,
            remember=remember,
        )

    def _tally(self, group: str) -> Tally:
        return self._tallies.setdefault(group, Tally())

    def _binary(self, _: str, tally: Tally, token: str, channels: list[str]) -> Client:
        request = wire.handshake(self._host, self._port, self._path, "centrifuge-protobuf")
        return BinarySubscriber(request, tally, token=token, channels=channels)

    def _one_way(self, name: str, tally: Tally, token: str, channels: list[str]) -> Client:
        request = wire.handshake(self._host, self._port, self._path_of(name))
        return OneWaySubscriber(request, tally, token=token, channels=channels)

    def _stream(self, name: str, tally: Tally, token: str, channels: list[str]) -> Client:
        """Make a two-way stream; all but its connect goes by ``_emulation``."""
        connect, _, rest = wire.command_lines(token, channels, {}).partition(b"\n")
        return TwoWayStream(
            self._stream_request(name, connect),
            tally,
            rest=rest,
            replies=1 + len(channels),
            emulate=partial(wire.emulation_request, self._host, self._port, EMULATION_PATH),
            send=self._emulation.send,
        )

    def _one_way_stream(self, name: str, tally: Tally, token: str, channels: list[str]) -> Client:
        request = self._stream_request(name, wire.connect_request(token, channels))
        return OneWayStream(request, tally, channels=channels)

    def _stream_request(self, name: str, said: bytes) -> bytes:
        """Return the request for a stream, as browsers make it."""
        events = name in ("sse", "uni_sse")
        make = wire.event_source_request if events else wire.stream_request
        return make(self._host, self._port, self._path_of(name), said)

    def _path_of(self, name: str) -> str:
        """Return the path of a door that stands beside the WebSocket's."""
        return f"{self._path.rpartition('/')[0]}/{name}"

    async def _bring_up(self, clients: list[Client], window: int) -> dict[str, Any]:
        """Connect all, ``window`` at a time, and say how it went."""
        failures: list[str] = []
        waiting = iter(clients)

        async def connect_some() -> None:
            for client in waiting:
                try:
                    await self._open(client, self._port)
                    await asyncio.wait_for(client.ready, CONNECT_TIMEOUT)
                except (OSError, ProtocolError, TimeoutError) as error:
                    failures.append(str(error) or type(error).__name__)

        began = time.monotonic()
        await asyncio.gather(*(connect_some() for _ in range(min(window, len(clients)))))
        seconds = time.monotonic() - began
        self._clients += clients
        # What is here by now stays; looking at it again and again would be the load's cost.
        gc.freeze()
        return {
            "seconds": seconds,
            "failures": len(failures),
            "first_failure": next(iter(failures), ""),
            "recovered": sum(client.recovered for client in clients),
        }

    async def _open(self, protocol: asyncio.Protocol, port: int) -> None:
        """Open a connection; on the same machine that waits for nobody."""
        connection = socket.socket()
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            group, self._opened = self._opened // CONNECTIONS_AN_ADDRESS, self._opened + 1
            if group and self._host.startswith("127."):
                connection.bind((f"127.0.{group // 200}.{1 + group % 200}", 0))
            connection.settimeout(CONNECT_TIMEOUT)
            connection.connect((self._host, port))
            connection.setblocking(False)
        except OSError:
            connection.close()
            raise
        await asyncio.get_running_loop().create_connection(lambda: protocol, sock=connection)


TRANSPORTS: dict[str, Callable[[Load, str, Tally, str, list[str]], Client]] = {
    "websocket_protobuf": Load._binary,
    "sse": Load._stream,
    "http_stream": Load._stream,
    "uni_websocket": Load._one_way,
    "uni_sse": Load._one_way_stream,
    "uni_http_stream": Load._one_way_stream,
}
"""How a client is made of the name of its transport, its tally, token and channels.

Beside ``websocket``, which alone can recover. Paths of streams end with these names.
"""


def _outcome(work: Work, began: float) -> dict[str, Any]:
    histogram = Histogram()
    histogram.add(work.durations)
    return {
        "seconds": time.monotonic() - began,
        "requests": len(work.durations),
        "errors": work.errors,
        "first_error": work.first_error,
        "durations": histogram.dump(),
    }


async def _obey() -> None:
    reader = asyncio.StreamReader(limit=ORDER_SIZE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    load = Load(json.loads(await reader.readline()))
    orders: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
        order.__name__: order
        for order in (
            load.join,
            load.cut,
            load.rejoin,
            load.watch,
            load.count,
            load.call,
            load.resubscribe,
            load.yield_to_others,
        )
    }
    while line := await reader.readline():
        order = json.loads(line)
        try:
            answer = await orders[order["do"]](order)
        except (OSError, ProtocolError) as error:
            answer = {"failure": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def main() -> None:
    """Obey until stdin ends."""
    gc.disable()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_obey())


if __name__ == "__main__":
    main()
