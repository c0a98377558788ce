"""A whole server in process on a clock moved by hand: bytes in, bytes out, no socket.

Configured as the benchmarks configure it, so that what tests assert is true of what they measure.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from girandola.app.build import Application
from girandola.auth import signs
from girandola.bench import wire
from girandola.bench.target import configuration
from girandola.config.load import load
from girandola.config.schema import Config
from girandola.net.connections import Connections
from tests.fakes import FakeClock, FakeTimer
from tests.net.wire import FakeTransport

SECRET = "secret of the tokens in the tests of costs"
CLASSIC_SECRET = "secret of 2018 in the tests of costs"
API_KEY = "key of the API in the tests of costs"
HANDSHAKE = wire.handshake("localhost", 8000, "/connection/websocket")


def config(folder: Path) -> Config:
    """The configuration of the benchmarks, which people of 2018 may use, too."""
    file = folder / "config.json"
    options = configuration(API_KEY, SECRET)
    options["classic"] = {"secret": CLASSIC_SECRET}
    file.write_text(json.dumps(options), encoding="utf-8")
    return load(str(file)).config


class CountingClock(FakeClock):
    """Knows the timers that are still to come."""

    def __init__(self) -> None:
        super().__init__()
        self._timers: set[FakeTimer] = set()

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> FakeTimer:
        def fire() -> None:
            self._timers.discard(timer)
            callback(*args)

        timer = super().call_later(delay, fire)
        self._timers.add(timer)
        return timer

    @property
    def pending(self) -> int:
        self._timers = {timer for timer in self._timers if not timer.cancelled}
        return len(self._timers)


class House:
    """One server."""

    def __init__(self, folder: Path) -> None:
        self.clock = CountingClock()
        self.application = Application(config(folder), self.clock)
        self.connections = Connections(self.application.router.find, self.clock)
        self.node = self.application.node

    def open(self) -> FakeTransport:
        """Return a connection that has said nothing yet."""
        transport = FakeTransport(self.clock)
        transport.connect(self.connections.make())
        return transport

    def upgrade(self) -> FakeTransport:
        transport = self.open()
        transport.receive(HANDSHAKE)
        assert transport.take().startswith(b"HTTP/1.1 101 ")
        return transport

    def modern(self, *channels: str, user: str = "42") -> FakeTransport:
        """Return a connection of today that is subscribed."""
        transport = self.upgrade()
        transport.receive(wire.commands(wire.token(SECRET, user), channels, {}))
        replies = transport.take()
        assert replies.count(b'{"id":') == 1 + len(channels), replies
        assert b'"error"' not in replies
        return transport

    def classic(self, channel: str) -> FakeTransport:
        """Return a connection of 2018 that is subscribed."""
        transport = self.upgrade()
        now = str(int(self.clock.time()))
        token = signs.client_token(CLASSIC_SECRET, "42", now, "")
        params = {"user": "42", "timestamp": now, "token": token}
        connect = {"method": "connect", "params": params}
        subscribe = {"method": "subscribe", "params": {"channel": channel}}
        transport.receive(wire.frame(json.dumps([connect, subscribe]).encode()))
        replies = transport.take()
        assert b'"status":true' in replies, replies
        return transport

    def leave(self, transport: FakeTransport) -> None:
        """Cut a connection."""
        transport.abort()
        self.clock.run()

    def publish(self, channel: str, times: int = 1) -> None:
        """Publish by the server API: so many requests in one piece, within one tick."""
        transport = self.open()
        body = wire.publish_body(channel, 0)
        head = wire.api_head("localhost", 8000, "/api/publish", API_KEY, len(body))
        transport.receive((head + body) * times)
        answers = transport.take()
        assert answers.count(b"HTTP/1.1 200 OK") == times, answers
        self.leave(transport)
