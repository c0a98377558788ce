"""A walk through a cluster: two nodes on one far engine, and everything that may happen at once.

Clients publish, subscribe, leave and come back; the server API, called on either node, subscribes,
unsubscribes, refreshes and disconnects them; engine calls are late, overtake each other and fail;
delivery to a node breaks off for a while; time passes; nodes stop. The clients are models of a real
one. At every pause it is asked: is anyone left behind, present who should not be, absent who should
be, told twice or out of order, and does a node still hear what nobody there listens to?
"""

import itertools
import json
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from girandola.core.grants import ConnectGrant, RefreshGrant, SubscribeGrant
from girandola.core.node import Node
from girandola.core.session import Session
from girandola.errors import Unavailable
from girandola.model import Publication, Target
from girandola.options import ClientOptions
from girandola.protocol.v2_json import V2_JSON
from tests.core.walk import CHANNEL, KEPT, Left, OpenPolicy
from tests.engines.far import FarBroker, FarController, FarPresence, Sea
from tests.fakes import FakeClock, FakeTransport

Step = tuple[str, int]

STEPS = (
    "publish",
    "subscribe",
    "unsubscribe",
    "resubscribe",
    "reconnect",
    "server subscribe",
    "server unsubscribe",
    "server unsubscribe all",
    "refresh",
    "rename",
    "sub_refresh",
    "expire",
    "disconnect",
    "tick",
    "wait",
    "pause",
    "cut",
    "mend",
)

GRANT: dict[str, Any] = {
    "positioned": True,
    "recoverable": True,
    "presence": True,
    "join_leave": True,
    "push_join_leave": True,
    "history_meta_ttl": 1000.0,
}

PLAIN: dict[str, Any] = {"presence": True, "join_leave": True, "push_join_leave": True}
"""What subscriptions may do in channels where nobody looks for gaps."""

CHANNELS = (CHANNEL, "second")

PATIENCE = 60.0
"""Seconds after which everything that was interrupted must have been noticed."""


class Policy(OpenPolicy):
    """Everybody may do everything; every client is a user of its own."""

    def __init__(self, grant: dict[str, Any]) -> None:
        self.grant = grant
        self.names = itertools.count(1)

    def name(self) -> bytes:
        """Return info that nobody had yet."""
        return b'{"n":%d}' % next(self.names)

    async def connect(self, peer: object, command: Any) -> ConnectGrant:
        return ConnectGrant(user=command.token)

    async def subscribe(self, peer: object, command: object) -> SubscribeGrant:
        return SubscribeGrant(**self.grant)

    async def sub_refresh(self, peer: object, command: object) -> RefreshGrant:
        return RefreshGrant(info=self.name())


@dataclass
class Client:
    """What a client library knows of one channel, and what it would be shocked by."""

    world: "World"
    user: str
    channel: str = CHANNEL
    transport: FakeTransport = field(default_factory=FakeTransport)
    session: Session = field(init=False)
    state: str = "unsubscribed"
    connected: bool = False
    position: tuple[str, int] | None = None
    pending: dict[int, str] = field(default_factory=dict)
    there: dict[str, bool] = field(default_factory=dict)
    """Clients that joined (true) and left (false) while this one was subscribed."""
    read: int = 0

    def connect(self) -> None:
        node = self.world.nodes[self.world.next_node()]
        self.transport = FakeTransport()
        self.session = Session(node, self.transport, V2_JSON)
        self.transport.on_closed = self.session.on_transport_closed
        self.read = 0
        self.pending.clear()
        self.leave()
        self.connected = False
        self.send("connect", {"token": self.user})

    def send(self, what: str, request: dict[str, Any]) -> None:
        number = next(self.world.numbers)
        self.pending[number] = what
        self.session.receive(json.dumps({"id": number, what: request}).encode())

    def subscribe(self) -> None:
        if self.state != "unsubscribed" or not self.connected:
            return
        request: dict[str, Any] = {"channel": self.channel}
        if self.world.plain:
            self.position = None
        if self.position is not None:
            epoch, offset = self.position
            request |= {"recover": True, "epoch": epoch, "offset": offset}
        self.state = "subscribing"
        self.send("subscribe", request)

    def unsubscribe(self) -> None:
        self.listen()
        if self.state == "subscribed":
            self.state = "unsubscribing"
            self.send("unsubscribe", {"channel": self.channel})

    def sub_refresh(self) -> None:
        self.listen()
        if self.state == "subscribed":
            self.send("sub_refresh", {"channel": self.channel, "token": "t"})

    def resubscribe(self) -> None:
        self.unsubscribe()
        self.listen()
        self.subscribe()

    def reconnect(self) -> None:
        self.listen()
        self.session.on_transport_closed()
        self.connect()

    def come_back(self) -> None:
        """Do what a library does by itself."""
        if self.transport.closed_with is not None or self.transport.aborted:
            self.connect()

    def leave(self) -> None:
        self.state = "unsubscribed"
        self.there.clear()

    # ── what comes in ────────────────────────────────────────────────────────────────────────

    def listen(self) -> None:
        messages = self.transport.messages
        for message in messages[self.read :]:
            self.take(json.loads(message))
        self.read = len(messages)
        if self.transport.closed_with is not None:
            code = self.transport.closed_with.code
            if code in (3004, 3008, 3010) and not self.world.troubled:
                raise Left(f"closed with {code} although nothing went wrong")
            self.leave()
            self.connected = False

    def take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            if message["id"] not in self.pending:
                raise Left(f"answered twice, or never asked: {message}")
            self.take_reply(self.pending.pop(message["id"]), message)
        elif "push" in message:
            self.take_push(message["push"])

    def take_reply(self, what: str, message: dict[str, Any]) -> None:
        if "error" in message:
            self.take_error(what, message["error"])
        elif what == "connect":
            self.connected = True
        elif what == "unsubscribe":
            self.leave()
        elif what == "subscribe":
            result = message["subscribe"]
            if self.state != "subscribing":
                raise Left(f"a reply to nothing: {message} while {self.state}")
            self.begin(result, asked=self.position is not None)

    def take_error(self, what: str, error: dict[str, Any]) -> None:
        withdrawn = error["code"] == 103 and self.world.meddled
        taken = error["code"] == 105 and self.world.meddled
        if not (withdrawn or taken or (error["code"] == 100 and self.world.troubled)):
            raise Left(f"{what} was refused: {error}")
        if what == "subscribe" and self.state == "subscribing":
            self.leave()

    def begin(self, result: dict[str, Any], *, asked: bool) -> None:
        self.state = "subscribed"
        if self.world.plain:
            self.position = None  # that everything comes is promised from the reply on
        elif result.get("recovered"):
            for publication in result.get("publications", []):
                self.take_publication(publication)
        elif asked and not self.world.lossy:
            raise Left(f"not recovered although everything is kept: {result}")
        else:
            self.position = (result["epoch"], result.get("offset", 0))

    def take_push(self, push: dict[str, Any]) -> None:
        if "subscribe" in push:
            if self.state == "subscribed":
                raise Left("subscribed by the server twice")
            self.position = None
            self.begin(push["subscribe"], asked=False)
        elif "unsubscribe" in push:
            code = push["unsubscribe"]["code"]
            if self.state not in ("subscribed", "unsubscribing"):
                raise Left(f"told of the end twice: {push}")
            if code == 2500 and not self.world.lossy:
                raise Left("a gap although nothing was lost")
            self.leave()
        elif "refresh" in push or "disconnect" in push:
            if not self.connected:
                raise Left(f"a push before the reply to connect: {push}")
        elif self.state not in ("subscribed", "unsubscribing"):
            raise Left(f"a push while {self.state}: {push}")
        elif "pub" in push:
            self.take_publication(push["pub"])
        else:
            self.take_event(push)

    def take_event(self, push: dict[str, Any]) -> None:
        joined = "join" in push
        client = push["join" if joined else "leave"]["info"]["client"]
        if self.there.get(client, not joined) is joined and not self.world.troubled:
            raise Left(f"told twice: {push}")
        self.there[client] = joined

    def take_publication(self, publication: dict[str, Any]) -> None:
        if self.position is None:
            assert self.world.plain
            return
        epoch, offset = self.position
        if publication["offset"] != offset + 1 and not (self.world.plain and self.world.lossy):
            raise Left(f"order broken: {publication['offset']} after {offset}")
        self.position = (epoch, publication["offset"])


class World:
    """Two nodes with a far engine, and their clients."""

    def __init__(
        self, clients: int, delays: Sequence[int], faults: Sequence[int], plain: bool
    ) -> None:
        self.clock = FakeClock()
        self.plain = plain
        self.policy = Policy(PLAIN if plain else GRANT)
        self.sea = Sea(self.clock, delays, faults)
        self.numbers = itertools.count(1)
        self._turns = itertools.count()
        self.published = 0
        self.lost = False
        self.meddled = False
        self.doomed: list[Session] = []
        """Connections that the server API was asked to end."""
        self.sea.calm = True
        self.clock.result(self.sea.start())
        self.nodes = [self._node(), self._node()]
        for node in self.nodes:
            self.clock.spawn(node.start())
        self.clock.advance(4)
        self.sea.calm = False
        # Three in the first channel, where most happens, and the others in the second.
        self.clients = [
            Client(self, f"u{number}", CHANNELS[number // 3]) for number in range(clients)
        ]
        for client in self.clients:
            client.connect()

    def _node(self) -> Node:
        return Node(
            clock=self.clock,
            broker=FarBroker(self.sea),
            presence=FarPresence(self.sea),
            controller=FarController(self.sea),
            policy=self.policy,
            options=ClientOptions(
                concurrency=16,
                ping_interval=0.0,
                stale_close_delay=0.0,
                channel_position_check_delay=2.0,
                presence_update_interval=5.0,
            ),
        )

    def next_node(self) -> int:
        return next(self._turns) % len(self.nodes)

    @property
    def troubled(self) -> bool:
        """Whether something went wrong that clients may notice."""
        return self.sea.failures > 0 or self.lossy

    @property
    def lossy(self) -> bool:
        """Whether a publication may be missing somewhere."""
        return self.lost or any(broker.wire.lost for broker in self.sea.brokers)

    # ── steps ────────────────────────────────────────────────────────────────────────────────

    def step(self, what: str, which: int) -> None:
        client = self.clients[which % len(self.clients)]
        broker = self.sea.brokers[which % 2]
        if what == "publish":
            self.clock.spawn(self.publish(client))
        elif what == "tick":
            for _ in range(which):
                self.clock.tick()
        elif what == "wait":
            self.clock.advance(which * 0.7)
        elif what == "pause":
            self.pause()
        elif what == "cut":
            self.lost = True
            broker.cut()
        elif what == "mend":
            broker.mend()
        elif what in ("subscribe", "unsubscribe", "resubscribe", "reconnect", "sub_refresh"):
            getattr(client, what)()
        else:
            self.meddled = True
            if what in ("disconnect", "expire") and client.connected:
                self.doomed.append(client.session)
            self.clock.spawn(self.ask(self.call(what, self.nodes[which % 2], client)))
        for each in self.clients:
            each.listen()
            each.come_back()

    def call(self, what: str, node: Node, client: Client) -> Coroutine[Any, Any, None]:
        target = Target(client.user)
        if what == "server subscribe":
            return node.subscribe(target, client.channel, SubscribeGrant(**self.policy.grant))
        if what == "server unsubscribe":
            return node.unsubscribe(target, client.channel)
        if what == "server unsubscribe all":
            return node.unsubscribe(target)
        if what == "refresh":
            return node.refresh(target, expire_at=int(self.clock.time()) + 10_000)
        if what == "rename":
            return node.refresh(target, info=self.policy.name())
        if what == "expire":
            return node.refresh(target, expired=True)
        return node.disconnect(target)

    async def ask(self, call: Coroutine[Any, Any, None]) -> None:
        try:
            await call
        except Unavailable:
            assert self.sea.failures, "a call failed although the engine did not"

    async def publish(self, client: Client) -> None:
        self.published += 1
        publication = Publication(str(self.published).encode())
        try:
            await client.session.node.publish(client.channel, publication, KEPT)
        except Unavailable:
            pass

    # ── looking ──────────────────────────────────────────────────────────────────────────────

    def pause(self) -> None:
        """Let everything happen that is under way, with an engine that works; then look."""
        was_calm, self.sea.calm = self.sea.calm, True
        for broker in self.sea.brokers:
            if broker.wire.cut:
                broker.mend()
        for _ in range(3):
            self.clock.advance(PATIENCE / 3)
            for client in self.clients:
                client.listen()
                client.come_back()
        # Nodes look after themselves now and then; between two of these nothing is under way,
        # unless they take so long that there is always one.
        self.sea.near = True
        for _ in range(200):
            if not self.clock.unfinished and not any(n.interest.unsettled for n in self.nodes):
                break
            self.clock.advance(0.05)
        self.look()
        self.sea.near = False
        self.sea.calm = was_calm

    def look(self) -> None:
        assert not self.clock.unfinished, "something waits for ever"
        for client in self.clients:
            top = self.clock.result(self.sea.store.history(client.channel, limit=0)).top
            client.listen()
            if client.pending:
                raise Left(f"never answered: {client.pending}")
            subscribed = client.state == "subscribed"
            if self.plain and (client.position is None or self.lossy):
                client.position = (top.epoch, top.offset)  # from here on it gets everything
            if subscribed and client.position != (top.epoch, top.offset):
                raise Left(f"left behind at {client.position} of {top}")
            if client.session.is_subscribed(client.channel) is not subscribed:
                raise Left(f"{client.state}, and the server thinks otherwise")
        if any(not session.closed for session in self.doomed) and not self.troubled:
            raise Left("a disconnect did not reach the other node")
        for channel in CHANNELS:
            self.look_at_the_engine(channel)

    def look_at_the_engine(self, channel: str) -> None:
        inside = [
            client.session
            for client in self.clients
            if client.state == "subscribed" and client.channel == channel
        ]
        present = self.clock.result(self.sea.presence.members(channel))
        seen = {each.client: each.info_in(each.subscriptions[channel]) for each in inside}
        if present != seen:
            raise Left(f"present are {present}, subscribed are {seen}")
        for node, broker in zip(self.nodes, self.sea.brokers, strict=True):
            if node.interest.unsettled:
                raise Left("wishes that never come true")
            listening = any(session.node is node for session in inside)
            if (channel in broker.heard) is not listening:
                raise Left("a node hears a channel nobody listens to, or the other way round")

    def finish(self) -> None:
        self.pause()
        for client in self.clients:
            client.subscribe()
        self.pause()
        self.sea.calm = True
        self.stopped = False
        self.clock.spawn(self.stop(self.nodes[0]))
        self.clock.advance(10)
        if not self.stopped:
            raise Left("a node that does not stop")

    async def stop(self, node: Node) -> None:
        await node.shutdown()
        self.stopped = True
        gone = {client.session.client for client in self.clients if client.session.node is node}
        for channel in CHANNELS:
            if gone & set(await self.sea.presence.members(channel)):
                raise Left("a node that stopped is still in the engine")
        if self.sea.brokers[0].heard:
            raise Left("a node that stopped still hears something")


def walk(
    steps: Sequence[Step],
    delays: Sequence[int],
    clients: int,
    faults: Sequence[int] = (),
    *,
    plain: bool = False,
) -> World:
    """Walk; raise ``Left`` at the first thing that a client would complain about.

    ``plain``: in channels where nobody looks for gaps.
    """
    world = World(clients, delays, faults, plain)
    for what, which in steps:
        world.step(what, which)
    world.finish()
    return world
