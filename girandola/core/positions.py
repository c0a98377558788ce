"""Where each channel's stream stands, beside what its subscribers were delivered.

A publication that is lost on its way shows with the next one. Where none follows, somebody has to
look: here, once an interval for each quiet channel, with one read for all its subscribers. Delivery
may be behind the stream, so one look proves nothing: lost is what stood in the stream at one look
and is not delivered by the next. Knows nothing of why anything was lost.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from itertools import islice

from girandola.core.ports import Clock, HistoryPage
from girandola.core.subscription import Subscription
from girandola.core.together import together
from girandola.model import StreamPosition

logger = logging.getLogger(__name__)

BEAT = 1.0
"""Seconds between two turns; each looks at the channels that are due."""

PATIENCE = 3.0
"""Seconds that delivery may be behind the stream before it counts as lost."""

AT_ONCE = 16
"""Reads under way at a time."""

A_TURN = 2_000
"""Channels looked at in one turn; those that are due behind them have to wait for the next."""


_LOOK = -1
"""What stands for "delivered" where a look is wanted whatever was delivered."""


class _Watch:
    """One channel: when it is due, and what its subscribers had at the last look."""

    __slots__ = ("delivered", "due")

    def __init__(self, due: float, delivered: int) -> None:
        self.due = due
        self.delivered = delivered


class Positions:
    """The looks of one node."""

    def __init__(
        self,
        clock: Clock,
        subscribers: Callable[[str], Collection[Subscription]],
        read: Callable[[str, float], Awaitable[HistoryPage]],
        interval: Callable[[], float],
    ) -> None:
        """Prepare.

        ``subscribers`` returns those of a channel on this node, ``read`` the position of its
        stream (given how long it is remembered, in seconds), ``interval`` how many seconds a
        channel may be quiet before it is looked at.
        """
        self._clock = clock
        self._subscribers = subscribers
        self._read = read
        self._interval = interval
        self._watched: dict[str, _Watch] = {}  # in the order in which they are due
        self._doubted: dict[str, tuple[float, StreamPosition]] = {}
        self._turning = False
        self._looking = False

    def watch(self, channel: str, offset: int) -> None:
        """Look at ``channel``, delivered up to ``offset``, as long as anybody here minds it."""
        if channel not in self._watched:
            self._watched[channel] = _Watch(self._clock.now() + self._interval(), offset)
            self._turn_later()

    def doubt(self, channels: Iterable[str] | None) -> None:
        """Look at once at these channels, or at all: something may have been lost."""
        chosen = list(self._watched) if channels is None else list(channels)
        watches = {channel: self._watched.pop(channel, None) for channel in chosen}
        first = {channel: watch for channel, watch in watches.items() if watch is not None}
        for watch in first.values():
            watch.due, watch.delivered = self._clock.now(), _LOOK
        self._watched = first | self._watched
        self._turn_later()

    # ── turns ────────────────────────────────────────────────────────────────────────────────

    def _turn_later(self) -> None:
        if not self._turning and (self._watched or self._doubted):
            self._turning = True
            self._clock.call_later(BEAT, self._turn)

    def _turn(self) -> None:
        self._turning = False
        now = self._clock.now()
        self._judge(now)
        if not self._looking:
            due = self._take_due(now)
            if due:
                self._looking = True
                self._clock.spawn(self._look_at(due))
        self._turn_later()

    def _take_due(self, now: float) -> list[Subscription]:
        """Return a subscriber of each channel that is to be looked at."""
        due: list[Subscription] = []
        # In one pass: to look for the first key of a dict after each removal takes ever longer.
        for channel, watch in list(islice(self._watched.items(), A_TURN)):
            if watch.due > now:
                break
            del self._watched[channel]
            minding = self._minding(channel)
            if not minding:
                continue
            watch.due = now + self._interval()
            self._watched[channel] = watch
            delivered = max(subscription.offset for subscription in minding)
            if watch.delivered in (delivered, _LOOK):
                due.append(minding[0])
            # Else publications came since the last look, each of which shows a gap by itself.
            watch.delivered = delivered
        return due

    def _minding(self, channel: str) -> list[Subscription]:
        return [each for each in self._subscribers(channel) if each.minds_gaps]

    async def _look_at(self, due: list[Subscription]) -> None:
        await together(self._clock, map(self._look, due), AT_ONCE)
        self._looking = False
        self._turn_later()

    async def _look(self, subscription: Subscription) -> None:
        channel = subscription.channel
        page = await self._read(channel, subscription.meta_ttl)
        if any(_is_behind(each, page.top) for each in self._minding(channel)):
            # A doubt there is already is not put off by looking again.
            self._doubted.setdefault(channel, (self._clock.now() + PATIENCE, page.top))

    def _judge(self, now: float) -> None:
        """End the subscriptions that still lack what was in the stream a while ago."""
        ripe = [channel for channel, (when, _) in self._doubted.items() if when <= now]
        for channel in ripe:
            _, top = self._doubted.pop(channel)
            for subscription in self._minding(channel):
                if _is_behind(subscription, top):
                    subscription.session.end_lost(subscription)


def _is_behind(subscription: Subscription, top: StreamPosition) -> bool:
    return subscription.epoch != top.epoch or subscription.offset < top.offset
