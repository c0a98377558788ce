"""The memory engine as if it were far away: late, reordering, failing, interrupted.

Several nodes share one ``Sea``. Every call takes some ticks before and after it takes effect, so
that calls made one after the other may take effect in another order; it may fail before or after it
did; and what is delivered to a node may be lost for a while. Any ``Clock`` will do.
"""

import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from girandola.core.grants import PublishOptions
from girandola.core.ports import (
    BrokerEvents,
    Clock,
    ControlEvents,
    Entry,
    HistoryPage,
    PublishResult,
)
from girandola.engines.memory.broker import MemoryBroker
from girandola.engines.memory.presence import MemoryPresence
from girandola.errors import Unavailable
from girandola.model import ClientInfo, PresenceStats, Publication, StreamPosition

T = TypeVar("T")

FINE, LOST_ON_THE_WAY, ANSWER_LOST = 0, 1, 2
"""What becomes of a call."""


LATE = 4
LATE_SECONDS = 0.2


class _Heard(set[str]):
    """The channels that any node hears."""

    def __init__(self, sea: "Sea") -> None:
        super().__init__()
        self._sea = sea

    def __contains__(self, channel: object) -> bool:
        return any(channel in broker.heard for broker in self._sea.brokers)


class Sea:
    """What all nodes share: the engine at the far end, and how far it is.

    ``delays`` (ticks; from ``LATE`` on it is time that passes) and ``faults`` are gone through
    again and again, call by call.
    """

    def __init__(
        self,
        clock: Clock,
        delays: Sequence[int],
        faults: Sequence[int] = (),
        *,
        far_end: Clock | None = None,
    ) -> None:
        self.clock = clock
        self._delays = itertools.cycle(delays or (0,))
        self._faults = itertools.cycle(faults or (FINE,))
        self.store = MemoryBroker(clock if far_end is None else far_end)
        self.store._subscribed = _Heard(self)
        self.presence = MemoryPresence()
        self.brokers: list[FarBroker] = []
        self.controllers: dict[str, FarController] = {}
        self.failures = 0
        self.calm = False
        """Whether no call fails any more."""
        self.near = False
        """Whether calls take ticks only, and no time."""

    async def start(self) -> None:
        await self.store.start(self)

    async def dawdle(self) -> None:
        ticks = next(self._delays)
        if ticks >= LATE and not self.near:
            waiter = self.clock.waiter()
            self.clock.call_later(LATE_SECONDS, waiter.set_result, None)
            await waiter
            return
        for _ in range(ticks):
            waiter = self.clock.waiter()
            self.clock.call_soon(waiter.set_result, None)
            await waiter

    async def call(self, effect: Callable[[], Awaitable[T]]) -> T:
        """Have ``effect`` at the far end, and return what it returns."""
        await self.dawdle()
        fault = FINE if self.calm else next(self._faults)
        self.failures += fault != FINE
        if fault == LOST_ON_THE_WAY:
            raise Unavailable("lost on the way")
        result = await effect()
        await self.dawdle()
        if fault == ANSWER_LOST:
            raise Unavailable("the answer is lost")
        return result

    # ── what the engine at the far end delivers ──────────────────────────────────────────────

    def on_publication(self, channel: str, publication: Publication) -> None:
        base, publication.base = publication.base, b""

        def deliver(events: BrokerEvents) -> None:
            publication.base = base
            events.on_publication(channel, publication)

        self._to_all(channel, deliver)

    def on_join(self, channel: str, info: ClientInfo) -> None:
        self._to_all(channel, lambda events: events.on_join(channel, info))

    def on_leave(self, channel: str, info: ClientInfo) -> None:
        self._to_all(channel, lambda events: events.on_leave(channel, info))

    def on_interrupted(self, channels: Iterable[str] | None) -> None:
        raise NotImplementedError

    def _to_all(self, channel: str, deliver: Callable[[BrokerEvents], None]) -> None:
        for broker in self.brokers:
            if channel in broker.heard:
                broker.wire.carry(deliver, channel)


class Wire:
    """What travels to one node, one thing behind the other, or is lost."""

    def __init__(self, sea: Sea, arrive: Callable[[Callable[[BrokerEvents], None], str], None]):
        self._sea = sea
        self._arrive = arrive
        self._under_way: deque[tuple[Callable[[BrokerEvents], None], str]] = deque()
        self._carrying = False
        self.cut = False
        self.lost = 0

    def carry(self, deliver: Callable[[BrokerEvents], None], channel: str) -> None:
        if self.cut:
            self.lost += 1
            return
        self._under_way.append((deliver, channel))
        if not self._carrying:
            self._carrying = True
            self._sea.clock.spawn(self._carry())

    def drop(self) -> None:
        """Lose what is under way."""
        self.lost += len(self._under_way)
        self._under_way.clear()

    def forget(self, channels: Collection[str]) -> None:
        """Carry nothing more of what is under way for these channels: nobody hears them.

        Who hears one again is not told what was said before; PUB/SUB keeps that in order.
        """
        self._under_way = deque(item for item in self._under_way if item[1] not in channels)

    async def _carry(self) -> None:
        while self._under_way:
            await self._sea.dawdle()
            if self._under_way:
                self._arrive(*self._under_way.popleft())
        self._carrying = False


class FarBroker:
    """``core.ports.Broker`` of one node."""

    far = True
    keeps_history = True

    def __init__(self, sea: Sea) -> None:
        self.sea = sea
        self.heard: set[str] = set()
        self.events: BrokerEvents | None = None
        self.wire = Wire(sea, self._arrive)
        sea.brokers.append(self)

    async def start(self, events: BrokerEvents) -> None:
        self.events = events

    async def check(self) -> None:
        await self.sea.dawdle()

    async def close(self) -> None:
        self.events = None

    def _arrive(self, deliver: Callable[[BrokerEvents], None], channel: str) -> None:
        if self.events is not None and channel in self.heard:
            deliver(self.events)

    def cut(self) -> None:
        """Deliver nothing more."""
        self.wire.drop()
        self.wire.cut = True

    def mend(self) -> None:
        """Deliver again, and say that something may have been lost."""
        self.wire.cut = False
        if self.events is not None:
            self.events.on_interrupted(None)

    async def publish(
        self, channel: str, publication: Publication, options: PublishOptions
    ) -> PublishResult:
        return await self.sea.call(lambda: self.sea.store.publish(channel, publication, options))

    async def publish_join(self, channel: str, info: ClientInfo) -> None:
        await self.sea.call(lambda: self.sea.store.publish_join(channel, info))

    async def publish_leave(self, channel: str, info: ClientInfo) -> None:
        await self.sea.call(lambda: self.sea.store.publish_leave(channel, info))

    async def subscribe(self, channels: Sequence[str]) -> None:
        async def effect() -> None:
            self.heard.update(channels)

        await self.sea.call(effect)

    async def unsubscribe(self, channels: Mapping[str, float]) -> None:
        async def effect() -> None:
            self.heard.difference_update(channels)
            self.wire.forget(channels)
            await self.sea.store.unsubscribe(channels)

        await self.sea.call(effect)

    async def history(
        self,
        channel: str,
        *,
        since: StreamPosition | None = None,
        limit: int | None = None,
        reverse: bool = False,
        meta_ttl: float = 0.0,
    ) -> HistoryPage:
        return await self.sea.call(
            lambda: self.sea.store.history(
                channel, since=since, limit=limit, reverse=reverse, meta_ttl=meta_ttl
            )
        )

    async def remove_history(self, channel: str) -> None:
        await self.sea.call(lambda: self.sea.store.remove_history(channel))


class FarPresence:
    """``core.ports.PresenceStore`` of one node."""

    far = True

    def __init__(self, sea: Sea) -> None:
        self.sea = sea

    async def start(self) -> None:
        pass

    async def check(self) -> None:
        await self.sea.dawdle()

    async def close(self) -> None:
        pass

    async def put(self, entries: Sequence[Entry]) -> None:
        await self.sea.call(lambda: self.sea.presence.put(entries))

    async def remove(self, entries: Sequence[Entry]) -> None:
        await self.sea.call(lambda: self.sea.presence.remove(entries))

    async def members(self, channel: str) -> dict[str, ClientInfo]:
        return await self.sea.call(lambda: self.sea.presence.members(channel))

    async def stats(self, channel: str) -> PresenceStats:
        return await self.sea.call(lambda: self.sea.presence.stats(channel))


class FarController:
    """``core.ports.Controller`` of one node."""

    far = True

    def __init__(self, sea: Sea) -> None:
        self.sea = sea
        self.events: ControlEvents | None = None
        self.node = ""
        self.cut = False

    async def start(self, events: ControlEvents, node: str) -> None:
        self.events, self.node = events, node
        self.sea.controllers[node] = self

    async def check(self) -> None:
        await self.sea.dawdle()

    async def close(self) -> None:
        self.sea.controllers.pop(self.node, None)

    async def send(self, frame: bytes, node: str = "") -> None:
        async def effect() -> None:
            for uid, controller in list(self.sea.controllers.items()):
                if node in ("", uid) and not controller.cut and controller.events is not None:
                    controller.events.on_control(frame)

        await self.sea.call(effect)
