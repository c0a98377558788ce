"""The process that publishes at a steady pace: ``python -m girandola.bench.publisher``.

One blocking connection to the server API, because event loops wait in milliseconds and a pace of
thousands a second needs better. Reads one order a line from stdin, as JSON, and answers with one
line on stdout. It does not wait for answers before it publishes on; they are counted.
"""

import contextlib
import gc
import json
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from girandola.bench import wire

ANSWER_TIMEOUT = 30.0
"""Seconds without any answer after which the rest is given up."""

_OK = b"HTTP/1.1 200"
_ERROR = b'"error":'
_OVERLAP = max(len(_OK), len(_ERROR)) - 1


class _Answers:
    """Counts answers, however the network cut them."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._tail = b""
        self.good = 0
        self.errors = 0

    def take(self, *, wait: bool) -> bool:
        """Read what is there, or wait for something; false once there is nothing to read."""
        try:
            data = self._connection.recv(1 << 18, 0 if wait else socket.MSG_DONTWAIT)
        except (BlockingIOError, TimeoutError):
            return False
        seen = self._tail + data
        # A mark that lies wholly in the tail was counted before.
        self.good += seen.count(_OK) - self._tail.count(_OK)
        self.errors += seen.count(_ERROR) - self._tail.count(_ERROR)
        self._tail = seen[-_OVERLAP:]
        return bool(data)


def publish(target: dict[str, Any], order: dict[str, Any]) -> dict[str, Any]:
    """Publish ``count`` times, ``burst`` at once, ``rate`` a second, into the channels in turn."""
    requests = [_request(target, channel, order["size"]) for channel in order["channels"]]
    with socket.create_connection((target["host"], target["api_port"])) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(ANSWER_TIMEOUT)
        answers = _Answers(connection)
        began, behind = time.monotonic(), 0.0
        count, burst, rate = order["count"], order["burst"], order["rate"]
        for sent in range(0, count, burst):
            pause = began + sent / rate - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            else:
                behind = max(behind, -pause)
            numbers = range(sent, min(sent + burst, count))
            connection.sendall(b"".join(requests[each % len(requests)]() for each in numbers))
            answers.take(wait=False)
        seconds = time.monotonic() - began
        while answers.good < count and answers.take(wait=True):
            pass
    return {
        "seconds": seconds,
        "sent": count,
        "failed": count - answers.good + answers.errors,
        "behind": behind,
    }


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
        for line in sys.stdin:
            try:
                answer = publish(target, json.loads(line))
            except OSError as error:
                answer = {"failure": f"publishing: {error}"}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
