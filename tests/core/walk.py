"""A walk: clients publish, subscribe, unsubscribe, drop and return while the engine dawdles.

Every engine call takes some ticks before and after it takes effect, and publications reach the
node some ticks after they were published, as with an engine in another process. The clients are
models of a real one: they know what they have seen and complain at once about anything lost,
repeated, out of order, or sent before the reply; and at every pause they ask whether anyone was
left behind.
"""

import itertools
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from girandola.core.grants import (
    ConnectGrant,
    PublishGrant,
    PublishOptions,
    RefreshGrant,
    SubscribeGrant,
)
from girandola.core.node import Node
from girandola.core.ports import BrokerEvents, HistoryPage, PublishResult
from girandola.core.session import Session
from girandola.engines.memory.broker import MemoryBroker
from girandola.engines.memory.presence import MemoryPresence
from girandola.model import ClientInfo, Publication
from girandola.options import ClientOptions
from girandola.protocol.v2_json import V2_JSON
from tests.fakes import FakeClock, FakeTransport

CHANNEL = "walk"
KEPT = PublishOptions(history_size=1000, history_ttl=1000.0, history_meta_ttl=1000.0)

Step = tuple[str, int]
"""What happens next, and to which client or for how many ticks."""

STEPS = (
    "publish",
    "subscribe",
    "unsubscribe",
    "resubscribe",
    "reconnect",
    "tick",
    "pause",
    "kick",
    "drop",
)


class Left(AssertionError):
    """Something was lost, repeated, reordered, or somebody was left behind."""


class SlowBroker(MemoryBroker):
    """The memory engine, as if it were far away. ``delays`` says how far, call by call."""

    far = True

    def __init__(self, clock: FakeClock, delays: Iterator[int]) -> None:
        super().__init__(clock)
        self._fake = clock
        self._delays = delays
        self._wire: deque[tuple[str, Publication]] = deque()
        self._carrying = False
        self.drop_next = False
        self.dropped = False

    async def start(self, events: BrokerEvents) -> None:
        self.node = events
        await super().start(self)  # type: ignore[arg-type]  # joins and leaves are not walked

    async def dawdle(self) -> None:
        for _ in range(next(self._delays)):
            waiter = self._fake.waiter()
            self._fake.call_soon(waiter.set_result, None)
            await waiter

    # Publications travel one behind the other.

    def on_publication(self, channel: str, publication: Publication) -> None:
        if self.drop_next:
            self.drop_next = False
            self.dropped = True
            return
        self._wire.append((channel, publication))
        if not self._carrying:
            self._carrying = True
            self._fake.spawn(self._carry())

    async def _carry(self) -> None:
        while self._wire:
            await self.dawdle()
            channel, publication = self._wire.popleft()
            if channel in self._subscribed:
                self.node.on_publication(channel, publication)
        self._carrying = False

    async def publish(
        self, channel: str, publication: Publication, options: PublishOptions
    ) -> PublishResult:
        await self.dawdle()
        result = await super().publish(channel, publication, options)
        await self.dawdle()
        return result

    async def subscribe(self, channels: Sequence[str]) -> None:
        await self.dawdle()
        await super().subscribe(channels)
        await self.dawdle()

    async def unsubscribe(self, channels: Mapping[str, float]) -> None:
        await self.dawdle()
        await super().unsubscribe(channels)
        await self.dawdle()

    async def history(self, channel: str, **how: Any) -> HistoryPage:
        await self.dawdle()
        page = await super().history(channel, **how)
        await self.dawdle()
        return page


class OpenPolicy:
    """Everybody may do everything; deciding takes no time."""

    async def connect(self, peer: object, command: object) -> ConnectGrant:
        return ConnectGrant(user="u")

    async def refresh(self, peer: object, command: object) -> RefreshGrant:
        return RefreshGrant()

    async def subscribe(self, peer: object, command: object) -> SubscribeGrant:
        return SubscribeGrant(positioned=True, recoverable=True, history_meta_ttl=1000.0)

    async def sub_refresh(self, peer: object, command: object) -> RefreshGrant:
        return RefreshGrant()

    async def publish(self, peer: object, command: Any) -> PublishGrant:
        return PublishGrant(data=command.data, options=KEPT)

    async def presence(self, peer: object, channel: str) -> None:
        return None

    async def history(self, peer: object, channel: str) -> Any:
        raise NotImplementedError

    async def rpc(self, peer: object, command: object) -> bytes:
        raise NotImplementedError

    def is_too_long(self, channel: str) -> bool:
        return False


@dataclass
class Client:
    """What a client library knows of one channel, and what it would be shocked by."""

    world: "World"
    transport: FakeTransport = field(default_factory=FakeTransport)
    session: Session = field(init=False)
    state: str = "unsubscribed"
    position: tuple[str, int] | None = None
    pending: dict[int, str] = field(default_factory=dict)
    subscribing: int = 0
    read: int = 0
    stale: int = 0
    """How many messages already queued were sent for a subscription that is over."""
    refused: int = 0

    def __post_init__(self) -> None:
        self.connect()

    def connect(self) -> None:
        self.transport = FakeTransport()
        self.session = Session(self.world.node, self.transport, V2_JSON)
        self.transport.on_closed = self.session.on_transport_closed
        self.read = self.stale = self.subscribing = 0
        self.pending.clear()
        self.state = "unsubscribed"
        self.send("connect", {})

    def send(self, what: str, request: dict[str, Any]) -> int:
        number = next(self.world.numbers)
        self.pending[number] = what
        self.session.receive(json.dumps({"id": number, what: request}).encode())
        return number

    def subscribe(self) -> None:
        if self.state != "unsubscribed":
            return
        request: dict[str, Any] = {"channel": CHANNEL}
        if self.position is not None:
            epoch, offset = self.position
            request |= {"recover": True, "epoch": epoch, "offset": offset}
        self.state = "subscribing"
        self.subscribing = self.send("subscribe", request)

    def unsubscribe(self) -> None:
        if self.state == "unsubscribed":
            return
        self.listen()
        self.state = "unsubscribed"
        self.subscribing = 0
        self.stale = len(self.session.outbox.messages or ())
        self.send("unsubscribe", {"channel": CHANNEL})

    def resubscribe(self) -> None:
        self.unsubscribe()
        self.subscribe()

    def reconnect(self) -> None:
        self.listen()
        self.session.on_transport_closed()
        self.connect()

    # ── what comes in ────────────────────────────────────────────────────────────────────────

    def listen(self) -> None:
        messages = self.transport.messages
        for message in messages[self.read :]:
            self.take(json.loads(message))
        self.read = len(messages)

    def take(self, message: dict[str, Any]) -> None:
        stale = self.stale > 0
        self.stale -= stale
        if "id" in message:
            self.take_reply(message)
        elif "push" in message and not stale:
            self.take_push(message["push"])

    def take_reply(self, message: dict[str, Any]) -> None:
        what = self.pending.pop(message["id"])
        if what != "subscribe" or message["id"] != self.subscribing:
            return
        if "error" in message:
            raise Left(f"a subscribe that nobody withdrew was refused: {message}")
        result = message["subscribe"]
        self.state = "subscribed"
        if self.position is not None and not result.get("was_recovering"):
            raise Left("recovery was asked for and not tried")
        if result.get("recovered"):
            for publication in result.get("publications", []):
                self.take_publication(publication)
        elif self.position is not None and not self.world.forgetful:
            raise Left(f"not recovered although the engine dropped nothing: {result}")
        else:
            self.position = (result["epoch"], result.get("offset", 0))

    def take_push(self, push: dict[str, Any]) -> None:
        if "unsubscribe" in push:
            if not self.world.forgetful and push["unsubscribe"]["code"] == 2500:
                raise Left("a gap although the engine dropped nothing")
            self.state = "unsubscribed"
            self.refused += 1
            return
        if self.state == "subscribing":
            raise Left(f"a push before the reply: {push}")
        if self.state == "unsubscribed":
            raise Left(f"a push after the end: {push}")
        self.take_publication(push["pub"])

    def take_publication(self, publication: dict[str, Any]) -> None:
        assert self.position is not None
        epoch, offset = self.position
        if publication["offset"] != offset + 1:
            raise Left(f"order broken: {publication['offset']} after {offset}")
        if publication["data"] != self.world.log[publication["offset"] - 1]:
            raise Left(f"another publication than was published: {publication}")
        self.position = (epoch, publication["offset"])


class World:
    """A node with a slow engine, and its clients."""

    def __init__(self, clients: int, delays: Sequence[int], *, forgetful: bool = False) -> None:
        self.clock = FakeClock()
        self.broker = SlowBroker(self.clock, itertools.cycle(delays or (0,)))
        self.forgetful = forgetful
        self.node = Node(
            clock=self.clock,
            broker=self.broker,
            presence=MemoryPresence(),
            policy=OpenPolicy(),
            options=ClientOptions(concurrency=16),
        )
        self.clock.result(self.node.start())
        self.numbers = itertools.count(1)
        self.log: list[int] = []
        self.published = 0
        self.clients = [Client(self) for _ in range(clients)]

    def step(self, what: str, which: int) -> None:
        client = self.clients[which % len(self.clients)]
        if what == "publish":
            self.clock.spawn(self.publish())
        elif what == "tick":
            for _ in range(which):
                self.clock.tick()
        elif what == "pause":
            self.pause()
        elif what == "kick":
            self.clock.spawn(self.kick(client))
        elif what == "drop":
            self.broker.drop_next = self.forgetful
        else:
            getattr(client, what)()
        for client in self.clients:
            client.listen()

    async def publish(self) -> None:
        self.published += 1
        number = self.published
        publication = Publication(str(number).encode())
        await self.broker.dawdle()
        # The log and the engine agree because nothing waits between these two.
        self.log.append(number)
        await MemoryBroker.publish(self.broker, CHANNEL, publication, KEPT)

    async def kick(self, client: Client) -> None:
        """The engine's far end comes back while a command of another client is under way."""
        await self.broker.dawdle()
        client.reconnect()

    def pause(self) -> None:
        """Let everything happen that is under way; then nobody may be behind."""
        self.clock.run()
        for client in self.clients:
            client.listen()
        assert not self.clock.unfinished, "something waits for ever"
        for client in self.clients:
            if client.pending:
                raise Left(f"never answered: {client.pending}")
            if client.state == "subscribing":
                raise Left("a subscribe without an answer")
            behind = client.state == "subscribed" and client.position[1] != len(self.log)
            if behind and not self.broker.dropped:
                raise Left(f"left behind at {client.position} of {len(self.log)}")
        self.check_registry()

    def check_registry(self) -> None:
        """Everybody who is subscribed is heard, and nobody else is."""
        listening = sum(client.state == "subscribed" for client in self.clients)
        if self.node.hub.num_subscriptions != listening:
            raise Left(f"{self.node.hub.num_subscriptions} in the hub, {listening} subscribed")
        if (CHANNEL in self.broker._subscribed) != bool(listening):
            raise Left("the node hears a channel nobody listens to, or the other way round")

    def finish(self) -> None:
        self.broker.drop_next = False
        self.pause()
        for client in self.clients:
            client.subscribe()
        self.pause()
        if self.broker.dropped:
            # A gap shows with the next publication; then everybody comes back.
            self.step("publish", 0)
            self.clock.run()
            self.broker.dropped = False
            for client in self.clients:
                client.listen()
                client.subscribe()
            self.pause()
        for client in self.clients:
            client.unsubscribe()
        self.pause()


def walk(
    steps: Sequence[Step], delays: Sequence[int], clients: int, *, forgetful: bool = False
) -> World:
    """Walk; raise ``Left`` at the first thing that a client would complain about."""
    world = World(clients, delays, forgetful=forgetful)
    for what, which in steps:
        world.step(what, which)
    world.finish()
    return world


__all__ = ["STEPS", "ClientInfo", "Left", "Step", "World", "walk"]
