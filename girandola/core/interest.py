"""What this node wants of the engine, and has: channels it hears, members it has made present.

The only caller of ``Broker.subscribe`` and ``unsubscribe``, of ``PresenceStore.put`` and
``remove``, and of what tells others of joins and leaves. Nothing that ends waits here, and nothing
here raises but the two methods that say so. How wishes come true is in ``wishes.py``. Knows neither
sessions nor who may do what.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from girandola.core.outage import Outage
from girandola.core.ports import Broker, Clock, Entry, PresenceStore, Waiter
from girandola.core.wishes import Wishes
from girandola.model import ClientInfo

if TYPE_CHECKING:
    from girandola.core.stats import Stats

Member = tuple[str, str]
"""A channel and the id of a client."""

BEAT = 1.0
"""Seconds between two parts of the members that are made present again."""


class Interest:
    """The wishes of one node. ``outage`` hears how the engine does."""

    def __init__(
        self,
        clock: Clock,
        broker: Broker,
        presence: PresenceStore,
        stats: "Stats",
        outage: Outage,
        presence_interval: Callable[[], float],
    ) -> None:
        """Prepare. ``presence_interval`` returns how often, in seconds, a member is put again."""
        self._clock = clock
        self._broker = broker
        self._presence = presence
        self._stats = stats
        self._outage = outage
        self._interval = presence_interval
        self._channels: Wishes[str, float] = Wishes(
            clock,
            self._subscribe,
            self._unsubscribe,
            far=broker.far,
            outage=outage,
            on_settled=self._look_if_settled,
        )
        self._members: Wishes[Member, ClientInfo] = Wishes(
            clock,
            self._put,
            self._remove,
            far=presence.far,
            outage=outage,
            on_settled=self._look_if_settled,
        )
        self._news: dict[Member, deque[tuple[bool, ClientInfo]]] = {}
        self._beating = False
        self._round: list[Member] = []
        self._settled: Waiter[None] | None = None

    # ── channels ─────────────────────────────────────────────────────────────────────────────

    def hear(self, channel: str, linger: float = 0.0) -> None:
        """Want publications of ``channel``; see ``Broker.unsubscribe`` for ``linger``."""
        if not self._channels.holds(channel):
            self._channels.want(channel, linger)

    def ignore(self, channel: str, linger: float = 0.0) -> None:
        """Want no more publications of ``channel``."""
        self._channels.forget(channel, linger)

    def hears(self, channel: str) -> bool:
        """Tell whether later publications will surely come; then there is nothing to wait for."""
        return self._channels.holds(channel)

    async def heard(self, channel: str) -> None:
        """Return when later publications will surely come, or nobody wants them any more.

        Raises:
            Unavailable: the engine did not do it.
        """
        await self._channels.reached(channel)

    async def _subscribe(self, batch: dict[str, float]) -> None:
        await self._broker.subscribe(list(batch))

    async def _unsubscribe(self, batch: dict[str, float]) -> None:
        await self._broker.unsubscribe(batch)

    # ── presence ─────────────────────────────────────────────────────────────────────────────

    def appear(self, channel: str, info: ClientInfo) -> None:
        """Want the client to be seen in ``channel``; again, to be seen with other info."""
        self._members.want((channel, info.client), info)
        if self._presence.far and not self._beating:
            self._beating = True
            self._clock.call_later(BEAT, self._beat)

    def vanish(self, channel: str, client: str) -> None:
        """Want the client not to be seen; harmless where it is not."""
        self._members.forget((channel, client))

    async def seen(self, channel: str, client: str) -> None:
        """Return when the client is surely seen, or is not to be any more.

        Raises:
            Unavailable: the engine did not do it.
        """
        await self._members.reached((channel, client))

    async def _put(self, batch: dict[Member, ClientInfo]) -> None:
        self._stats.presence_adds += len(batch)
        await self._presence.put([Entry(channel, info) for (channel, _), info in batch.items()])

    async def _remove(self, batch: dict[Member, ClientInfo]) -> None:
        self._stats.presence_removes += len(batch)
        await self._presence.remove([Entry(channel, info) for (channel, _), info in batch.items()])

    def _beat(self) -> None:
        """Put a part of the members again, so that each has its turn once an interval."""
        if not self._round:
            self._round = self._members.held
            self._round.reverse()
        turns = max(1, round(self._interval() / BEAT))
        share = -(-len(self._members) // turns)
        due, self._round = self._round[-share:] if share else [], self._round[: -share or None]
        self._members.renew(due)
        self._beating = bool(len(self._members) or self._members.unsettled)
        if self._beating:
            self._clock.call_later(BEAT, self._beat)

    # ── joins and leaves ─────────────────────────────────────────────────────────────────────

    def tell_join(self, channel: str, info: ClientInfo) -> None:
        """Let subscribers everywhere know that somebody joined."""
        self._tell(channel, info, joined=True)

    def tell_leave(self, channel: str, info: ClientInfo) -> None:
        """Let them know that somebody left: behind the join, and when presence has it so."""
        self._tell(channel, info, joined=False)

    def _tell(self, channel: str, info: ClientInfo, *, joined: bool) -> None:
        member = (channel, info.client)
        waiting = self._news.get(member)
        if waiting is not None:
            waiting.append((joined, info))
            return
        self._news[member] = deque([(joined, info)])
        self._clock.spawn(self._tell_all(member))

    async def _tell_all(self, member: Member) -> None:
        """Tell what is to be told of one member, one thing after the other."""
        waiting = self._news[member]
        while waiting:
            joined, info = waiting.popleft()
            if not joined:
                await self._members.gone(member)
            await self._tell_one(member[0], info, joined)
        del self._news[member]
        self._look_if_settled()

    async def _tell_one(self, channel: str, info: ClientInfo, joined: bool) -> None:
        tell: Callable[[str, ClientInfo], Awaitable[None]]
        if joined:
            self._stats.joins_published += 1
            tell = self._broker.publish_join
        else:
            self._stats.leaves_published += 1
            tell = self._broker.publish_leave
        try:
            await tell(channel, info)
        except Exception as error:
            # Nobody is left behind by it: presence says who is there.
            self._outage.failed(error)
        else:
            self._outage.worked()

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    @property
    def unsettled(self) -> int:
        """How many wishes have not come true yet, news included."""
        return self._channels.unsettled + self._members.unsettled + len(self._news)

    async def settled(self, timeout: float) -> int:  # noqa: ASYNC109  the clock is the core's own
        """Return when every wish has come true, at the latest after ``timeout`` seconds.

        Returns how many have not.
        """
        if self.unsettled:
            waiter = self._settled = self._clock.waiter()
            timer = self._clock.call_later(timeout, self._stop_waiting)
            await waiter
            timer.cancel()
        return self.unsettled

    def _look_if_settled(self) -> None:
        if self._settled is not None and not self.unsettled:
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        waiter, self._settled = self._settled, None
        if waiter is not None:
            waiter.set_result(None)
