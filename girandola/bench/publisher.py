"""The process that publishes at a steady pace: ``python -m girandola.bench.publisher``.

Blocking connections to the server API, because event loops wait in milliseconds and a pace of
thousands a second needs better. They take turns, as in the pool of an application whose workers
do not wait for each other. Reads one order a line from stdin, as JSON, and answers with one line
on stdout. It does not wait for answers before it publishes on; they are counted.
"""

import contextlib
import gc
import json
import socket
import struct
import sys
import time
from collections.abc import Callable
from itertools import cycle
from typing import Any

from girandola.bench import wire

CONNECTIONS = 16

ANSWER_TIMEOUT = 30
"""Seconds without any answer after which the rest is given up."""

_TIMEVAL = struct.pack("ll", ANSWER_TIMEOUT, 0)

_OK = b"HTTP/1.1 200"
_ERROR = b'"error":'
_OVERLAP = max(len(_OK), len(_ERROR)) - 1


class _Connection:
    """Sends requests, and counts answers, however the network cut them."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._connection: socket.socket | None = None

    def begin(self) -> None:
        """Count from zero, on the connection there is or a new one."""
        self._tail = b""
        self.sent = self.good = self.errors = 0
        if self._connection is not None:
            self.take(wait=False)  # finds out whether the server has closed it meanwhile
        if self._connection is None:
            self._connection = socket.create_connection(self._address)
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Not settimeout: it makes Python wait for the socket even with MSG_DONTWAIT.
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL)

    def send(self, requests: list[bytes]) -> None:
        """Write requests at once, and read answers to earlier ones."""
        self.take(wait=False)
        if self._connection is None:
            raise OSError("the server closed the connection")
        self.sent += len(requests)
        self._connection.sendall(b"".join(requests))

    def finish(self) -> None:
        """Wait until all is answered, or nothing comes any more."""
        while self.good < self.sent and self.take(wait=True):
            pass

    def take(self, *, wait: bool) -> bool:
        """Read what is there, or wait for something; false once there is nothing to read."""
        if self._connection is None:
            return False
        try:
            data = self._connection.recv(1 << 18, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        seen = self._tail + data
        # A mark that lies wholly in the tail was counted before.
        self.good += seen.count(_OK) - self._tail.count(_OK)
        self.errors += seen.count(_ERROR) - self._tail.count(_ERROR)
        self._tail = seen[-_OVERLAP:]
        if not data:
            self._connection.close()
            self._connection = None
        return bool(data)


def publish(
    target: dict[str, Any], pool: list[_Connection], order: dict[str, Any]
) -> dict[str, Any]:
    """Publish ``count`` times, ``burst`` at once, ``rate`` a second, into the channels in turn."""
    requests = [_request(target, channel, order["size"]) for channel in order["channels"]]
    count, burst, rate, first = order["count"], order["burst"], order["rate"], order["first"]
    # Servers close connections that say nothing for long: at a slow pace there are fewer turns.
    pool = pool[: max(1, int(rate / burst))]
    for connection in pool:
        connection.begin()
    began, behind = time.monotonic(), 0.0
    for connection, sent in zip(cycle(pool), range(0, count, burst), strict=False):
        pause = began + sent / rate - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        else:
            behind = max(behind, -pause)
        numbers = range(first + sent, first + min(sent + burst, count))
        connection.send([requests[each % len(requests)]() for each in numbers])
    seconds = time.monotonic() - began
    for connection in pool:
        connection.finish()
    answered = sum(connection.good - connection.errors for connection in pool)
    return {"seconds": seconds, "sent": count, "failed": count - answered, "behind": behind}


def _request(target: dict[str, Any], channel: str, size: int) -> Callable[[], bytes]:
    """Return a function that makes a request with the time of its making."""
    body = wire.publish_body(channel, 0, size)
    path = f"{target['api_path']}/publish"
    whole = wire.api_head(target["host"], target["api_port"], path, target["key"], len(body)) + body
    before, mark, rest = whole.partition(wire.MARK)
    before, after = before + mark, rest[wire.STAMP_DIGITS :]
    return lambda: b"%b%016d%b" % (before, wire.now_us(), after)


def main() -> None:
    """Obey until stdin ends."""
    gc.disable()
    with contextlib.suppress(KeyboardInterrupt):
        target = json.loads(sys.stdin.readline())
        address = (target["host"], target["api_port"])
        pool = [_Connection(*address) for _ in range(CONNECTIONS)]
        for line in sys.stdin:
            try:
                answer = publish(target, pool, json.loads(line))
            except OSError as error:
                answer = {"failure": f"publishing: {error}"}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
