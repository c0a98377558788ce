"""A server of today on a clock moved by hand, and its clients: no loop, no socket.

Node, engine, policy and codec are those of a real server; only time and the wire are fakes.
Frames are literal: clients are called ``c1``, ``c2``, … and streams ``E1``, ``E2``, … in the order
of their making, so that what is random on a real server can stand in a test. Time begins at
``NOW``, at which the tokens of ``tests/auth/tokens.py`` are made, too.
"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from girandola.auth.jwt import Verifier
from girandola.channels import Channels
from girandola.core.grants import publish_options
from girandola.core.node import Node
from girandola.core.ports import Entry, HistoryPage, PublishResult
from girandola.core.session import Session
from girandola.engines.memory.broker import MemoryBroker
from girandola.engines.memory.presence import MemoryPresence
from girandola.engines.memory.stream import Stream
from girandola.errors import Disconnect
from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.options import (
    ChannelOptions,
    ChannelSection,
    ClassicOptions,
    ClientSection,
    LegacyOptions,
    Namespace,
    RpcPingOptions,
    SubscriptionTokenOptions,
    TokenOptions,
)
from girandola.policy.policy import ConfiguredPolicy
from girandola.policy.rules import Rules
from girandola.protocol.codec import Codec
from girandola.protocol.v2_json import V2_JSON
from tests.auth.tokens import NOW, SECRET, token
from tests.fakes import FakeClock, FakeTransport, FakeWaiter

Options = Mapping[str, Any]

OPEN: dict[str, Any] = {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True}
"""A namespace that anybody may listen to."""
HISTORY: dict[str, Any] = {"history_size": 10, "history_ttl": 60.0}
RECOVERY = OPEN | HISTORY | {"force_recovery": True}
SUB_SECRET = "secret of subscription tokens"


class Gates:
    """Stops and failures of an engine's methods, by name."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._closed: dict[str, FakeWaiter] = {}
        self.broken: set[str] = set()
        self.calls: Counter[str] = Counter()

    def shut(self, method: str) -> None:
        """Let calls of ``method`` wait."""
        self._closed[method] = self._clock.waiter()

    def open(self, method: str) -> None:
        """Let them go on, and do what follows from it."""
        self._closed.pop(method).set_result(None)
        self._clock.run()

    async def pass_through(self, method: str) -> None:
        self.calls[method] += 1
        while method in self._closed:
            await self._closed[method]
        if method in self.broken:
            raise ConnectionError(f"the engine does not answer to {method}")


class Engine(MemoryBroker):
    """The memory engine, whose methods can be made to wait or to fail."""

    def __init__(self, clock: FakeClock, gates: Gates) -> None:
        super().__init__(clock)
        self._gates = gates
        self._numbers = itertools.count(1)

    def _create(self, channel: str, meta_ttl: float) -> Stream:
        stream = super()._create(channel, meta_ttl)
        stream.epoch = f"E{next(self._numbers)}"
        return stream

    async def publish(self, channel: str, *rest: Any) -> PublishResult:
        await self._gates.pass_through("publish")
        return await super().publish(channel, *rest)

    async def subscribe(self, channels: Sequence[str]) -> None:
        await self._gates.pass_through("subscribe")
        for channel in channels:
            await self._gates.pass_through(f"subscribe {channel}")
        await super().subscribe(channels)

    async def unsubscribe(self, channels: Mapping[str, float]) -> None:
        await self._gates.pass_through("unsubscribe")
        await super().unsubscribe(channels)

    async def publish_join(self, channel: str, info: ClientInfo) -> None:
        await self._gates.pass_through("publish_join")
        await super().publish_join(channel, info)

    async def history(self, channel: str, **how: Any) -> HistoryPage:
        await self._gates.pass_through("history")
        page = await super().history(channel, **how)
        await self._gates.pass_through("history read")
        return page

    def is_idle(self) -> bool:
        """Tell whether the node listens to nothing."""
        return not self._subscribed


class Members(MemoryPresence):
    """Presence whose methods can be made to wait or to fail."""

    def __init__(self, gates: Gates) -> None:
        super().__init__()
        self._gates = gates

    async def put(self, entries: Sequence[Entry]) -> None:
        await self._gates.pass_through("put")
        await super().put(entries)
        await self._gates.pass_through("have put")

    async def remove(self, entries: Sequence[Entry]) -> None:
        await self._gates.pass_through("remove")
        await super().remove(entries)

    def is_empty(self) -> bool:
        """Tell whether nobody is anywhere."""
        return not self._channels


class World:
    """One server.

    ``namespaces`` are options by namespace name, ``""`` for channels outside of all; ``client``
    are options of the section of that name, as ``ClientSection`` spells them.
    """

    def __init__(
        self,
        namespaces: Mapping[str, Options] | None = None,
        *,
        rpc_ping: bool = False,
        legacy: LegacyOptions = LegacyOptions(),  # noqa: B008  an immutable value
        **client: Any,
    ) -> None:
        self.clock = FakeClock(unix_time=NOW)
        self.gates = Gates(self.clock)
        self.broker = Engine(self.clock, self.gates)
        self.presence = Members(self.gates)
        self._client = client
        self.policy = ConfiguredPolicy(
            Rules(
                channels=channels_of(namespaces or {}),
                client=self._section(),
                classic=ClassicOptions(),
                rpc_ping=RpcPingOptions(enabled=rpc_ping),
                connection_tokens=self._verifier(SECRET),
                subscription_tokens=self._verifier(SUB_SECRET),
                time=self.clock.time,
                legacy=legacy,
            )
        )
        self.node = Node(
            clock=self.clock,
            broker=self.broker,
            presence=self.presence,
            policy=self.policy,
            options=self.policy.rules.client,
            name="world",
            version="1.0 girandola",
        )
        self.clock.result(self.node.start())
        # Timers that are spread by chance stand in the middle.
        self.node.random = lambda: 0.5
        self._names = (f"c{number}" for number in itertools.count(1))

    def _section(self) -> ClientSection:
        return ClientSection(
            token=TokenOptions(hmac_secret_key=SECRET),
            subscription_token=SubscriptionTokenOptions(enabled=True, hmac_secret_key=SUB_SECRET),
            **self._client,
        )

    def _verifier(self, secret: str) -> Verifier:
        return Verifier(TokenOptions(hmac_secret_key=secret), time=self.clock.time)

    # ── clients ──────────────────────────────────────────────────────────────────────────────

    def open(self, codec: Codec = V2_JSON, headers: dict[str, str] | None = None) -> "Connection":
        """Open a connection that has not said anything yet."""
        return Connection(self, next(self._names), codec, headers or {})

    def connect(self, user: str = "42", codec: Codec = V2_JSON, **claims: Any) -> "Connection":
        """Open a connection and authenticate it; its reply is read already."""
        connection = self.open(codec)
        (answer,) = connection.ask(connect_line(user, **claims))
        assert f'"client":"{connection.name}"' in answer, answer
        return connection

    def subscribed(self, channel: str, user: str = "42", **claims: Any) -> "Connection":
        """Open a connection that listens to ``channel``; its replies are read already."""
        connection = self.connect(user, **claims)
        connection.subscribe(channel)
        return connection

    # ── the application, and time ────────────────────────────────────────────────────────────

    def publish(self, channel: str, *payloads: str, **how: Any) -> list[PublishResult]:
        """Publish as the server API does."""
        options = publish_options(self.policy.rules.channels.options(channel), **how)
        return [
            self.clock.result(self.node.publish(channel, Publication(payload.encode()), options))
            for payload in payloads
        ]

    def top(self, channel: str) -> StreamPosition:
        """Return the newest position of a stream."""
        return self.clock.result(self.node.read_history(channel, limit=0)).top

    def members(self, channel: str) -> dict[str, ClientInfo]:
        """Return who is present."""
        return self.clock.result(self.node.presence(channel))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)


class Connection:
    """One client: sends literal lines and reads literal messages."""

    def __init__(self, world: World, name: str, codec: Codec, headers: dict[str, str]) -> None:
        self.world = world
        self.name = name
        self.transport = FakeTransport()
        self.session = Session(world.node, self.transport, codec, headers)
        self.session.client = name
        self.transport.on_closed = self.session.on_transport_closed
        self._ids = itertools.count(100)

    def send(self, *lines: str) -> None:
        """Send lines in one frame, and let everything happen that follows at once."""
        self.session.receive("\n".join(lines).encode())
        self.world.clock.run()

    def read(self) -> list[str]:
        """Return the messages that came since this was asked last."""
        return [message for write in self.writes() for message in write]

    def writes(self) -> list[list[str]]:
        """Return the messages that came since this was asked last, write by write."""
        self.world.clock.run()
        writes, self.transport.writes = self.transport.writes, []
        return [[message.decode() for message in write] for write in writes]

    def ask(self, *lines: str) -> list[str]:
        """Send lines in one frame and return all that comes."""
        self.send(*lines)
        return self.read()

    def subscribe(self, channel: str, more: str = "") -> str:
        """Subscribe, with ``more`` fields; return the reply, which must be no error."""
        number = next(self._ids)
        answers = self.ask(f'{{"id":{number},"subscribe":{{"channel":"{channel}"{more}}}}}')
        assert answers, self.closed
        assert answers[0].startswith(f'{{"id":{number},"subscribe":'), answers
        return answers[0]

    @property
    def closed(self) -> tuple[int, str] | None:
        """Code and reason of the close frame, if there was one."""
        self.world.clock.run()
        why: Disconnect | None = self.transport.closed_with
        return None if why is None else self.session.codec.close(why)

    def hang_up(self) -> None:
        """Go away."""
        self.session.on_transport_closed()
        self.world.clock.run()


def channels_of(namespaces: Mapping[str, Options], **section: Any) -> Channels:
    """Return channel names as a configuration of these namespaces reads them."""
    return Channels(
        ChannelSection(
            without_namespace=ChannelOptions(**namespaces.get("", {})),
            namespaces=tuple(
                Namespace(name=name, **options) for name, options in namespaces.items() if name
            ),
            **section,
        )
    )


def connect_line(user: str = "42", *, number: int = 1, more: str = "", **claims: Any) -> str:
    """Return a connect command with a token of these claims, and ``more`` fields."""
    jwt = token({"sub": user, **claims})
    return f'{{"id":{number},"connect":{{"token":"{jwt}"{more}}}}}'


def sub_token(channel: str, user: str = "42", **claims: Any) -> str:
    """Return a subscription token."""
    return token({"sub": user, "channel": channel, **claims}, secret=SUB_SECRET)
