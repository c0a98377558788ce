"""A server made of a configuration, and the people who try what it lets them do.

Objects are those of a real server; only time and the wire are fakes. Answers are codes: 0 for yes,
or that of the error or the disconnect.
"""

import itertools
import json
from typing import Any

from girandola.app.build import Application
from girandola.config.schema import Config
from girandola.core.session import Session
from girandola.protocol.v2_json import V2_JSON
from tests.auth.tokens import NOW, token
from tests.fakes import FakeClock, FakeTransport


class Server:
    """One server; ``key`` signs the tokens of its visitors."""

    def __init__(self, config: Config, key: str = "k") -> None:
        self.key = key
        self.clock = FakeClock(unix_time=NOW)
        self.node = Application(config, self.clock).node

    def visit(self, user: str | None, key: str = "", **claims: Any) -> "Visitor":
        """Connect with a token of ``user``, or without any for ``None``."""
        connect: dict[str, Any] = {}
        if user is not None:
            connect["token"] = token({"sub": user, **claims}, secret=key or self.key)
        visitor = Visitor(self, user or "")
        visitor.connected = visitor.ask("connect", **connect)
        return visitor


class Visitor:
    """One connection. ``connected`` is how its connect was answered."""

    def __init__(self, server: Server, user: str) -> None:
        self.user = user
        self.connected = 0
        self._server = server
        self._transport = FakeTransport()
        self._session = Session(server.node, self._transport, V2_JSON, {})
        self._session.client = "c1"
        self._transport.on_closed = self._session.on_transport_closed
        self._ids = itertools.count(1)

    def ask(self, command: str, **params: Any) -> int:
        """Send a command and return how it is answered."""
        line = {"id": next(self._ids), command: params}
        self._session.receive(json.dumps(line).encode())
        self._server.clock.run()
        if self._transport.closed_with is not None:
            return self._transport.closed_with.code
        for message in self._transport.messages:
            reply = json.loads(message)
            if reply.get("id") == line["id"]:
                return int(reply["error"]["code"]) if "error" in reply else 0
        raise AssertionError(f"no answer to {line}")

    def subscribe(self, channel: str, key: str = "", **claims: Any) -> int:
        """Subscribe; with claims by a token that has them, of the channel and the user."""
        if not claims:
            return self.ask("subscribe", channel=channel)
        claims = {"channel": channel, "sub": self.user} | claims
        text = token(claims, secret=key or self._server.key)
        return self.ask("subscribe", channel=channel, token=text)

    def publish(self, channel: str) -> int:
        """Publish something."""
        return self.ask("publish", channel=channel, data={})

    def presence(self, channel: str) -> int:
        """Ask who is there."""
        return self.ask("presence", channel=channel)

    def history(self, channel: str) -> int:
        """Ask for what was published."""
        return self.ask("history", channel=channel, limit=1)
