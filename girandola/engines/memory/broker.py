"""Publications and streams for a server of one process: the default engine and the reference.

None of the methods ever waits, and a publication is with the subscribers before ``publish``
returns. Knows nothing of who may publish or of channel options beyond ``PublishOptions``.
Rules: modern.md section 10.2, and classic.md section 8.1 for ``drop_inactive``.
"""

import logging
from collections.abc import Mapping, Sequence
from itertools import islice

from girandola.core.grants import PublishOptions
from girandola.core.ports import BrokerEvents, Clock, HistoryPage, PublishResult
from girandola.engines.memory.deadlines import Deadlines
from girandola.engines.memory.shelves import Shelves
from girandola.engines.memory.stream import Stream
from girandola.model import ClientInfo, Publication, StreamPosition

logger = logging.getLogger(__name__)

DEFAULT_META_TTL = 720 * 3600.0
"""How long positions are remembered where the caller does not say, in seconds."""

MAX_REMEMBERED_KEYS = 100_000
"""Most idempotency keys remembered; beyond it the oldest are forgotten early."""

KEYS_IN_A_TURN = 10_000
"""Most idempotency keys forgotten at once, in a second."""

TOLD_EVERY = 60.0
"""Seconds between two lines of the log that say that there are too many streams."""


class MemoryBroker:
    """``core.ports.Broker`` in dictionaries.

    At most ``max_streams`` are kept, 0 for any number: channels are named by clients, too, and a
    position is remembered for weeks. Beyond it the stream that is missed least is forgotten; its
    channel begins a new one, whose epoch tells clients that they cannot recover.
    """

    far = False
    keeps_history = True

    def __init__(self, clock: Clock, max_streams: int = 0) -> None:
        self._clock = clock
        self._max_streams = max_streams
        self._shelves = Shelves()
        self._told_at = -TOLD_EVERY
        self._events: BrokerEvents | None = None
        self._subscribed: set[str] = set()
        self._streams: dict[str, Stream] = {}
        self._item_deadlines = Deadlines(clock, self._look_at_items)
        self._stream_deadlines = Deadlines(clock, self._look_at_stream)
        self._lingering: dict[str, float] = {}
        self._linger_deadlines = Deadlines(clock, self._look_at_lingering)
        self._answers = _Answers(clock)

    async def start(self, events: BrokerEvents) -> None:
        """See ``Broker.start``."""
        self._events = events

    async def check(self) -> None:
        """See ``Engine.check``."""

    async def close(self) -> None:
        """See ``Engine.close``."""
        self._events = None

    # ── publishing ───────────────────────────────────────────────────────────────────────────

    async def publish(
        self, channel: str, publication: Publication, options: PublishOptions
    ) -> PublishResult:
        """See ``Broker.publish``."""
        key = options.idempotency_key
        if key and (position := self._answers.recall(channel, key)) is not None:
            return PublishResult(position, "idempotency")
        publication.time = int(self._clock.time() * 1000)
        result = self._keep(channel, publication, options)
        if key:
            self._answers.remember(channel, key, result.position, options.idempotency_ttl)
        if not result.suppressed and self._events is not None and channel in self._subscribed:
            self._events.on_publication(channel, publication)
        return result

    async def publish_join(self, channel: str, info: ClientInfo) -> None:
        """See ``Broker.publish_join``."""
        if self._events is not None and channel in self._subscribed:
            self._events.on_join(channel, info)

    async def publish_leave(self, channel: str, info: ClientInfo) -> None:
        """See ``Broker.publish_leave``."""
        if self._events is not None and channel in self._subscribed:
            self._events.on_leave(channel, info)

    def _keep(
        self, channel: str, publication: Publication, options: PublishOptions
    ) -> PublishResult:
        """Append to the stream as far as the options want it."""
        if options.history_size <= 0 or options.history_ttl <= 0:
            return PublishResult()
        stream = self._stream(channel)
        dropped = (
            options.drop_inactive
            and not (stream is not None and len(stream))
            and not self._is_active(channel)
        )
        if stream is None:
            if dropped:
                return PublishResult()
            stream = self._create(channel, options.history_meta_ttl)
        if options.version > 0 and stream.has_seen(options.version, options.version_epoch):
            return PublishResult(stream.position, "version")
        stream.saw(options.version, options.version_epoch)
        self._prolong(
            stream, max(options.history_meta_ttl or DEFAULT_META_TTL, options.history_ttl)
        )
        if dropped:
            stream.skip()
            self._shelve(stream)
            return PublishResult(stream.position)
        if options.delta and channel in self._subscribed:
            publication.base = stream.newest
        stream.append(publication, options.history_size)
        if not stream.holds:
            self._shelve(stream)
        stream.expires_at = self._clock.now() + options.history_ttl
        if not stream.items_due:
            stream.items_due = self._item_deadlines.watch(channel, stream.expires_at)
        return PublishResult(stream.position)

    # ── subscriptions ────────────────────────────────────────────────────────────────────────

    async def subscribe(self, channels: Sequence[str]) -> None:
        """See ``Broker.subscribe``."""
        for channel in channels:
            self._subscribed.add(channel)
            self._changes_use(channel)

    async def unsubscribe(self, channels: Mapping[str, float]) -> None:
        """See ``Broker.unsubscribe``."""
        for channel, linger in channels.items():
            self._subscribed.discard(channel)
            self._changes_use(channel)
            if linger > 0:
                until = self._clock.now() + linger
                if channel not in self._lingering:
                    self._linger_deadlines.watch(channel, until)
                self._lingering[channel] = until

    def _changes_use(self, channel: str) -> None:
        stream = self._streams.get(channel)
        if stream is not None:
            self._shelve(stream)

    def _is_active(self, channel: str) -> bool:
        return channel in self._subscribed or self._lingering.get(channel, 0.0) > self._clock.now()

    # ── history ──────────────────────────────────────────────────────────────────────────────

    async def history(
        self,
        channel: str,
        *,
        since: StreamPosition | None = None,
        limit: int | None = None,
        reverse: bool = False,
        meta_ttl: float = 0.0,
    ) -> HistoryPage:
        """See ``Broker.history``. A ``meta_ttl`` of 0 stands for 720 hours."""
        stream = self._stream(channel)
        if stream is None:
            stream = self._create(channel, meta_ttl)
        else:
            self._prolong(stream, meta_ttl or DEFAULT_META_TTL)
            self._shelve(stream)
        return stream.page(since, limit, reverse)

    async def remove_history(self, channel: str) -> None:
        """See ``Broker.remove_history``."""
        stream = self._stream(channel)
        if stream is not None:
            self._clear(stream)

    # ── which streams there are ──────────────────────────────────────────────────────────────

    def _create(self, channel: str, meta_ttl: float) -> Stream:
        dead = self._streams.get(channel)
        if dead is not None:  # and not swept away yet
            self._drop(dead)
        elif self._max_streams and len(self._streams) >= self._max_streams:
            self._forget_one()
        stream = Stream(channel)
        self._prolong(stream, meta_ttl or DEFAULT_META_TTL)
        stream.death_due = self._stream_deadlines.watch(channel, stream.dies_at)
        self._streams[channel] = stream
        self._shelve(stream)
        return stream

    def _shelve(self, stream: Stream) -> None:
        self._shelves.put(stream, used=stream.channel in self._subscribed)

    def _clear(self, stream: Stream) -> None:
        stream.clear()
        self._shelve(stream)

    def _drop(self, stream: Stream) -> None:
        del self._streams[stream.channel]
        self._shelves.take(stream)
        self._stream_deadlines.forget(stream.channel, stream.death_due)
        self._item_deadlines.forget(stream.channel, stream.items_due)

    def _forget_one(self) -> None:
        stream = self._shelves.first_to_go()
        self._drop(stream)
        now = self._clock.now()
        if now >= self._told_at + TOLD_EVERY:
            self._told_at = now
            logger.warning(
                "more than %d streams (engine.memory.max_streams): those that are empty or not in "
                "use are forgotten, and who was there cannot recover; the last one is of %.100r",
                self._max_streams,
                stream.channel,
            )

    # ── time ─────────────────────────────────────────────────────────────────────────────────

    def _stream(self, channel: str) -> Stream | None:
        """Return the stream as it is now: what has expired is gone even before the sweep."""
        stream = self._streams.get(channel)
        if stream is None:
            return None
        now = self._clock.now()
        if stream.dies_at <= now:
            return None
        if stream.expires_at <= now and len(stream):
            self._clear(stream)
        return stream

    def _prolong(self, stream: Stream, ttl: float) -> None:
        stream.dies_at = max(stream.dies_at, self._clock.now() + ttl)

    def _look_at_items(self, channel: str) -> None:
        stream = self._streams[channel]
        if len(stream) and stream.expires_at > self._clock.now():
            stream.items_due = self._item_deadlines.watch(channel, stream.expires_at)
        else:
            stream.items_due = 0
            self._clear(stream)

    def _look_at_stream(self, channel: str) -> None:
        stream = self._streams[channel]
        if stream.dies_at > self._clock.now():
            stream.death_due = self._stream_deadlines.watch(channel, stream.dies_at)
        else:
            self._drop(stream)

    def _look_at_lingering(self, channel: str) -> None:
        until = self._lingering[channel]
        if until > self._clock.now():
            self._linger_deadlines.watch(channel, until)
        else:
            del self._lingering[channel]


class _Answers:
    """What was answered to publications with an idempotency key, for a while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Oldest first; while every caller keeps them equally long, also the first to expire.
        self._known: dict[tuple[str, str], tuple[float, StreamPosition]] = {}
        self._deadlines = Deadlines(clock, self._forget_expired)
        self._watched = False

    def recall(self, channel: str, key: str) -> StreamPosition | None:
        """Return the position given to the publication with this key, if there was one."""
        known = self._known.get((channel, key))
        if known is None or known[0] <= self._clock.now():
            return None
        return known[1]

    def remember(self, channel: str, key: str, position: StreamPosition, ttl: float) -> None:
        """Remember a position for ``ttl`` seconds."""
        self._known.pop((channel, key), None)  # to stand last again
        if len(self._known) >= MAX_REMEMBERED_KEYS:
            del self._known[next(iter(self._known))]
        expires_at = self._clock.now() + ttl
        self._known[channel, key] = (expires_at, position)
        if not self._watched:
            self._watched = True
            self._deadlines.watch("", expires_at)

    def _forget_expired(self, key: str) -> None:
        now = self._clock.now()
        # In one pass: to look for the first key of a dict after each removal takes ever longer.
        for oldest, (expires_at, _) in list(islice(self._known.items(), KEYS_IN_A_TURN)):
            if expires_at > now:
                break
            del self._known[oldest]
        self._watched = bool(self._known)
        if self._known:
            self._deadlines.watch(key, max(now + 1.0, next(iter(self._known.values()))[0]))
