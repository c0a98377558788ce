"""The walk of ``walk.py`` in a channel with deltas: some clients take them, some do not.

A client with deltas keeps what it received last, in the stream or not, and over every reconnect,
as the client libraries do; whatever comes must make exactly what was published out of it.
"""

import json
from collections.abc import Sequence
from typing import Any

from girandola.core.grants import PublishOptions, SubscribeGrant
from girandola.engines.memory.broker import MemoryBroker
from girandola.model import Publication
from girandola.protocol import fossil
from tests.core.walk import CHANNEL, KEPT, Client, Left, OpenPolicy, Step, World

STEPS = (
    "publish",
    "publish without delta",
    "publish without history",
    "forget",
    "subscribe",
    "resubscribe",
    "reconnect",
    "tick",
    "pause",
    "drop",
)

OPTIONS = {
    "publish": PublishOptions(history_size=4, history_ttl=9.0, history_meta_ttl=9.0, delta=True),
    "publish without delta": PublishOptions(history_size=4, history_ttl=9.0, history_meta_ttl=9.0),
    "publish without history": PublishOptions(),
}
assert KEPT.history_size > OPTIONS["publish"].history_size, "here, recovery is to fail at times"


def payload(number: int) -> bytes:
    return f'{{"text":"Größe und Gewicht bleiben, wie sie waren","number":{number}}}'.encode()


class DeltaPolicy(OpenPolicy):
    """Everybody may have deltas; only some have a position."""

    def __init__(self, *, positioned: bool) -> None:
        self._positioned = positioned

    async def subscribe(self, peer: object, command: Any) -> SubscribeGrant:
        return SubscribeGrant(
            positioned=self._positioned,
            recoverable=self._positioned,
            history_meta_ttl=9.0,
            delta=bool(command.delta),
        )


class DeltaClient(Client):
    """A client library that may take deltas. It reads, and does not ask whether it is behind."""

    deltas = True
    base = b""
    world: "DeltaWorld"

    def send(self, what: str, request: dict[str, Any]) -> int:
        if what == "subscribe" and self.deltas:
            request["delta"] = "fossil"
        return super().send(what, request)

    def take_reply(self, message: dict[str, Any]) -> None:
        what = self.pending.pop(message["id"])
        if what != "subscribe" or message["id"] != self.subscribing:
            return
        result = message["subscribe"]
        assert result.get("delta", False) is self.deltas
        self.state = "subscribed"
        if result.get("positioned"):
            self.position = (result["epoch"], result.get("offset", 0))
        for publication in result.get("publications", []):
            self.take_publication(publication)

    def take_push(self, push: dict[str, Any]) -> None:
        if "unsubscribe" in push:
            self.state = "unsubscribed"
        elif self.state == "subscribed":
            self.take_publication(push["pub"])

    def take_publication(self, publication: dict[str, Any]) -> None:
        data = publication["data"]
        if not self.deltas:
            read = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
        elif publication.get("delta"):
            self.world.deltas_read += 1
            try:
                read = fossil.apply(self.base, data.encode())
            except fossil.BadDelta as error:
                raise Left(f"{publication}: {error}, which was {self.base!r}") from None
        else:
            read = data.encode()
        number = json.loads(read)["number"]
        if read != payload(number) or number != self.world.numbered(publication, number):
            raise Left(f"another publication than was published: {read!r}")
        self.base = read
        if "offset" in publication and self.position is not None:
            self.position = (self.position[0], publication["offset"])


class DeltaWorld(World):
    """A node whose engine says what publications differ from."""

    clients: list[DeltaClient]  # type: ignore[assignment]  # the list is ours alone

    def __init__(self, clients: int, delays: Sequence[int], *, positioned: bool = True) -> None:
        super().__init__(0, delays, forgetful=True)
        self.node.policy = DeltaPolicy(positioned=positioned)
        self.offsets: dict[int, int] = {}
        self.deltas_read = 0
        self.clients = [DeltaClient(self) for _ in range(clients)]
        self.clients[-1].deltas = False

    def numbered(self, publication: dict[str, Any], number: int) -> int:
        """Return the number that was published at this offset."""
        return self.offsets.get(publication.get("offset", 0), number)

    def step(self, what: str, which: int) -> None:
        if what in OPTIONS:
            self.clock.spawn(self.publish_with(OPTIONS[what]))
            what = "tick"
        elif what == "forget":
            self.clock.spawn(self.broker.remove_history(CHANNEL))
            what = "tick"
        super().step(what, which)

    async def publish_with(self, options: PublishOptions) -> None:
        self.published += 1
        number = self.published
        publication = Publication(payload(number))
        await self.broker.dawdle()
        await MemoryBroker.publish(self.broker, CHANNEL, publication, options)
        if publication.offset:
            self.offsets[publication.offset] = number

    def pause(self) -> None:
        self.clock.run()
        for client in self.clients:
            client.listen()
            client.subscribe()
        self.clock.run()


def walk(
    steps: Sequence[Step], delays: Sequence[int], clients: int, *, positioned: bool = True
) -> DeltaWorld:
    """Walk; raise ``Left`` at the first thing that a client could not read."""
    world = DeltaWorld(clients, delays, positioned=positioned)
    world.pause()
    for what, which in steps:
        world.step(what, which)
    world.broker.drop_next = False
    world.pause()
    for _ in range(3):
        world.step("publish", 0)
        world.pause()
    for client in world.clients:
        client.listen()
    return world


__all__ = ["STEPS", "Left", "Step", "walk"]
