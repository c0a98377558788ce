"""A server API on a real node with the memory engine, and a clock moved by hand."""

from collections.abc import Collection, Coroutine
from typing import Any, cast

import pytest

from girandola.api.door import ApiDoor
from girandola.api.methods import Methods
from girandola.channels import Channels
from girandola.core.grants import SubscribeGrant
from girandola.core.node import Node, Target
from girandola.core.ports import Policy
from girandola.engines.memory.broker import MemoryBroker
from girandola.engines.memory.presence import MemoryPresence
from girandola.errors import FORCE_DISCONNECT, Disconnect
from girandola.globs import compile_glob
from girandola.net.http import Request, Response
from girandola.options import (
    ChannelOptions,
    ChannelSection,
    ClassicOptions,
    ClientOptions,
    HttpApiOptions,
    Namespace,
)
from tests.fakes import FakeClock

KEY = "key-of-tests"

SECTION = ChannelSection(
    without_namespace=ChannelOptions(),
    namespaces=(
        Namespace(name="chat", presence=True, join_leave=True, history_size=10, history_ttl=60),
        Namespace(name="json", publication_data_format="json"),
        Namespace(name="object", publication_data_format="json_object"),
        Namespace(name="binary", publication_data_format="binary", history_size=10, history_ttl=60),
        Namespace(name="all", presence=True, force_recovery=True, history_size=10, history_ttl=60),
    ),
)


class ApiNode(Node):
    """A node without connections that writes down what it is asked to do with them."""

    def __init__(self, clock: FakeClock) -> None:
        self.engine = MemoryBroker(clock)
        super().__init__(
            clock=clock,
            broker=self.engine,
            presence=MemoryPresence(),
            policy=cast(Policy, None),
            options=ClientOptions(),
            name="host_8000",
            version="1.0",
        )
        self.asked: list[tuple[Any, ...]] = []
        self.listeners: dict[str, int] = {}
        self.failure: Exception | None = None

    async def subscribe(self, target: Target, channel: str, grant: SubscribeGrant) -> None:
        self._ask("subscribe", target, channel, grant)

    async def unsubscribe(self, target: Target, channel: str = "") -> None:
        self._ask("unsubscribe", target, channel)

    async def disconnect(
        self,
        target: Target,
        why: Disconnect = FORCE_DISCONNECT,
        whitelist: Collection[str] = (),
    ) -> None:
        self._ask("disconnect", target, why, set(whitelist))

    async def refresh(
        self,
        target: Target,
        *,
        expired: bool = False,
        expire_at: int = 0,
        info: bytes | None = None,
    ) -> None:
        self._ask("refresh", target, expired, expire_at, info)

    async def channels(self, pattern: str = "") -> dict[str, int]:
        matches = compile_glob(pattern or "*")
        return {channel: count for channel, count in self.listeners.items() if matches(channel)}

    def _ask(self, *what: Any) -> None:
        if self.failure is not None:
            raise self.failure
        self.asked.append(what)


class Api:
    """The door, what is behind it, and a caller in front of it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.node = ApiNode(self.clock)
        self.section = SECTION
        self.methods = Methods(self.node, lambda: Channels(self.section))
        self.door = ApiDoor(self.methods, HttpApiOptions(key=KEY), ClassicOptions())

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        query: str = "",
        **headers: str,
    ) -> Response:
        """Send a request; underscores in header names stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(
            method, path, query=query, headers=named, body=body, peer="192.0.2.1:5000"
        )
        found = self.door.find(request)
        if isinstance(found, Response):
            return found
        answer = found.handler(request)
        assert isinstance(answer, Coroutine)
        response = self.clock.result(answer)
        assert isinstance(response, Response)
        return response

    def call(self, name: str, body: str, **headers: str) -> str:
        """Call a method of today's API with the key; return the body of a 200."""
        response = self.send("POST", f"/api/{name}", body.encode(), x_api_key=KEY, **headers)
        assert response.status == 200
        assert response.content_type == "application/json"
        return response.body.decode()

    def publish(self, channel: str, *payloads: str) -> str:
        """Publish and return the stream's epoch."""
        for payload in payloads:
            self.call("publish", f'{{"channel":"{channel}","data":{payload}}}')
        page = self.clock.result(self.node.history(channel))
        return page.top.epoch

    def stored(self, channel: str) -> list[bytes]:
        """Return what the channel's stream keeps."""
        page = self.clock.result(self.node.history(channel))
        return [publication.data for publication in page.publications]


@pytest.fixture
def api() -> Api:
    return Api()
