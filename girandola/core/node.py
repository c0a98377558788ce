"""This server among others: publish, first and last subscriber, presence, control, shutdown.

Sessions and the server API both come here; neither knows the engines behind it. What a
connection may do was decided before (``policy``).
"""

import logging
import os
import random
import uuid
from collections.abc import Collection, Coroutine
from typing import Any

from girandola.core.duties import Wheel
from girandola.core.grants import PublishOptions, SubscribeGrant
from girandola.core.hub import Hub, Target
from girandola.core.joining import subscribe_by_server, unsubscribe_by_server
from girandola.core.outbox import Flusher
from girandola.core.ports import (
    Broker,
    Clock,
    HistoryPage,
    Policy,
    PresenceStore,
    PublishResult,
    Waiter,
)
from girandola.core.session import Session
from girandola.core.stats import Stats
from girandola.core.subscription import Subscription
from girandola.errors import (
    BAD_REQUEST,
    CONNECTION_LIMIT,
    FORCE_DISCONNECT,
    SHUTDOWN,
    UNRECOVERABLE,
    Disconnect,
    Reject,
)
from girandola.globs import compile_glob
from girandola.model import ClientInfo, NodeInfo, PresenceStats, Publication, StreamPosition
from girandola.options import ClientOptions
from girandola.protocol.commands import Join, Leave

logger = logging.getLogger(__name__)

__all__ = ["Node", "Target"]

SLICE = 256
"""How many sessions, channels or commands a call is busy with before others have a turn."""


class Node:
    """One server process: its sessions, and its place among the engines.

    ``options`` may be replaced while running; new values hold from then on.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        broker: Broker,
        presence: PresenceStore,
        policy: Policy,
        options: ClientOptions,
        name: str = "",
        version: str = "",
    ) -> None:
        self.uid = str(uuid.uuid4())
        self.name = name
        self.version = version
        self.clock = clock
        self.policy = policy
        self.options = options
        self.stats = Stats()
        self.hub = Hub(self.stats)
        self.flusher = Flusher(clock, self.stats)
        self.wheel = Wheel(clock)
        self.started_at = clock.time()
        self.shutting_down = False
        self.random = random.Random().random  # noqa: S311 - spreads timers, guards nothing
        self._broker = broker
        self._presence = presence
        self._heard: set[str] = set()
        self._changing: dict[str, Waiter[None]] = {}
        self._emptied: Waiter[None] | None = None
        broker.start(self)

    @staticmethod
    def new_id() -> str:
        """Return an id that nobody can guess (a UUID of version 4)."""
        # As uuid.uuid4 does it, at half the price: every session starts with one.
        value = bytearray(os.urandom(16))
        value[6] = value[6] & 0x0F | 0x40
        value[8] = value[8] & 0x3F | 0x80
        text = value.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    # ── publications ─────────────────────────────────────────────────────────────────────────

    def publish(
        self, channel: str, publication: Publication, options: PublishOptions
    ) -> Coroutine[Any, Any, PublishResult]:
        """Publish to all subscribers of all nodes; ``publication`` is the engine's from now on.

        Raises:
            Reject: BAD_REQUEST, at once, for more data than any client may be sent: it would end
                the connections of all subscribers.
        """
        limit = self.options.queue_max_size
        if len(publication.data) > limit:
            told = f"{len(publication.data)} bytes of data for {channel!r:.100}"
            raise Reject(BAD_REQUEST, f"{told}: client.queue_max_size is {limit}")
        self.stats.publications_published += 1
        return self._broker.publish(channel, publication, options)

    def on_publication(self, channel: str, publication: Publication) -> None:
        """Deliver to the subscribers of this node. See ``ports.BrokerEvents``."""
        self.stats.publications_received += 1
        self.hub.broadcast(channel, publication)
        # It may be in a stream now, where the one before it is anyway.
        publication.base = b""

    async def publish_join(self, channel: str, info: ClientInfo) -> None:
        """Tell subscribers everywhere that somebody joined."""
        self.stats.joins_published += 1
        await self._broker.publish_join(channel, info)

    async def publish_leave(self, channel: str, info: ClientInfo) -> None:
        """Tell subscribers everywhere that somebody left."""
        self.stats.leaves_published += 1
        await self._broker.publish_leave(channel, info)

    def on_join(self, channel: str, info: ClientInfo) -> None:
        """See ``ports.BrokerEvents``."""
        self.stats.joins_received += 1
        self.hub.broadcast_event(channel, Join(info))

    def on_leave(self, channel: str, info: ClientInfo) -> None:
        """See ``ports.BrokerEvents``."""
        self.stats.leaves_received += 1
        self.hub.broadcast_event(channel, Leave(info))

    # ── history ──────────────────────────────────────────────────────────────────────────────

    @property
    def keeps_history(self) -> bool:
        """Whether the engine keeps streams."""
        return self._broker.keeps_history

    async def read_history(
        self,
        channel: str,
        *,
        since: StreamPosition | None = None,
        limit: int | None = None,
        reverse: bool = False,
        meta_ttl: float = 0.0,
    ) -> HistoryPage:
        """Read a stream as ``ports.Broker.history`` does; the epoch is not looked at."""
        self.stats.history_reads += 1
        return await self._broker.history(
            channel, since=since, limit=limit, reverse=reverse, meta_ttl=meta_ttl
        )

    async def history(
        self,
        channel: str,
        *,
        since: StreamPosition | None = None,
        limit: int | None = None,
        reverse: bool = False,
        meta_ttl: float = 0.0,
    ) -> HistoryPage:
        """Read a stream for a caller who may be wrong about it (modern.md section 5.5).

        Raises:
            Reject: UNRECOVERABLE when ``since`` names an epoch that is not the stream's;
                BAD_REQUEST for reading backwards from before the first publication.
        """
        if since is not None and reverse and since.offset == 0:
            raise Reject(BAD_REQUEST, "reverse history since offset 0")
        page = await self.read_history(
            channel, since=since, limit=limit, reverse=reverse, meta_ttl=meta_ttl
        )
        if since is not None and since.epoch and since.epoch != page.top.epoch:
            raise Reject(UNRECOVERABLE, f"epoch {since.epoch!r} of {channel!r} is over")
        return page

    async def remove_history(self, channel: str) -> None:
        """Forget a channel's publications; its position goes on."""
        await self._broker.remove_history(channel)

    # ── presence ─────────────────────────────────────────────────────────────────────────────

    async def presence(self, channel: str) -> dict[str, ClientInfo]:
        """Return who is in a channel, by client id."""
        self.stats.presence_reads += 1
        return await self._presence.members(channel)

    async def presence_stats(self, channel: str) -> PresenceStats:
        """Return how many are in a channel."""
        self.stats.presence_reads += 1
        return await self._presence.stats(channel)

    async def add_presence(self, channel: str, client: str, info: ClientInfo) -> None:
        """Add or refresh an entry."""
        self.stats.presence_adds += 1
        await self._presence.add(channel, client, info)

    async def remove_presence(self, channel: str, client: str) -> None:
        """Remove an entry."""
        self.stats.presence_removes += 1
        await self._presence.remove(channel, client)

    # ── who listens ──────────────────────────────────────────────────────────────────────────

    async def listen(self, subscription: Subscription) -> None:
        """Register a subscription; return when it will surely be given later publications.

        The first subscriber of a channel makes the node subscribe; a second one waits for the
        same answer.
        """
        channel = subscription.channel
        self.hub.subscribe(subscription)
        subscription.listening = True
        while channel not in self._heard or channel in self._changing:
            change = self._changing.get(channel)
            if change is not None:
                await change
                continue
            if not self.hub.has_subscribers(channel):
                return  # withdrawn meanwhile
            change = self._changing[channel] = self.clock.waiter()
            try:
                await self._broker.subscribe(channel)
                self._heard.add(channel)
            finally:
                del self._changing[channel]
                change.set_result(None)

    def deafen(self, subscription: Subscription) -> None:
        """Give a subscription no more publications, from this instant on."""
        self.hub.unsubscribe(subscription)

    async def silence(self, subscription: Subscription) -> None:
        """Unsubscribe the node if ``subscription`` was the last one of its channel."""
        channel = subscription.channel
        while not self.hub.has_subscribers(channel):
            change = self._changing.get(channel)
            if change is not None:
                # Maybe a subscribe whose subscriber has gone meanwhile: it must be undone.
                await change
                continue
            if channel not in self._heard:
                return
            change = self._changing[channel] = self.clock.waiter()
            self._heard.discard(channel)
            try:
                await self._broker.unsubscribe(channel, subscription.linger)
            finally:
                del self._changing[channel]
                change.set_result(None)

    # ── commands that come beside their connection ───────────────────────────────────────────

    def emulate(self, session_id: str, frame: bytes) -> bool:
        """Hand a frame to the two-way session with this secret id; false if there is none."""
        session = self.hub.session_by_id(session_id)
        if session is None or session.transport.one_way:
            return False
        session.receive(frame)
        return True

    # ── what the server API asks for ─────────────────────────────────────────────────────────

    async def subscribe(self, target: Target, channel: str, grant: SubscribeGrant) -> None:
        """Subscribe connections from the server's side; those that are already stay as they are."""
        for number, session in enumerate(self.hub.find(target), 1):
            await subscribe_by_server(session, channel, grant)
            await self.breathe(number)

    async def unsubscribe(self, target: Target, channel: str = "") -> None:
        """End subscriptions to ``channel``, or all of them when it is empty."""
        for number, session in enumerate(self.hub.find(target), 1):
            await unsubscribe_by_server(session, channel)
            await self.breathe(number)

    async def disconnect(
        self,
        target: Target,
        why: Disconnect = FORCE_DISCONNECT,
        whitelist: Collection[str] = (),
    ) -> None:
        """End connections, but for the client ids in ``whitelist``."""
        for number, session in enumerate(self.hub.find(target), 1):
            if session.client not in whitelist:
                session.close(why, "by the server API")
            await self.breathe(number)

    async def refresh(
        self,
        target: Target,
        *,
        expired: bool = False,
        expire_at: int = 0,
        info: bytes | None = None,
    ) -> None:
        """Change when connections expire (Unix seconds, 0 for never), or end them as expired."""
        for number, session in enumerate(self.hub.find(target), 1):
            if not session.closed:
                session.refresh_by_server(expired, expire_at, info)
            await self.breathe(number)

    async def end_other_connections(self, session: Session, channel: str) -> None:
        """End the user's other connections, as far as they are present in ``channel``."""
        for client, info in (await self.presence(channel)).items():
            if client != session.client:
                await self.disconnect(Target(info.user, client), CONNECTION_LIMIT)

    async def channels(self, pattern: str = "") -> dict[str, int]:
        """Return the channels with subscribers, and how many; ``pattern`` is a glob.

        Raises:
            ValueError: the pattern is wrong, see ``globs``.
        """
        matches = compile_glob(pattern) if pattern else None
        found: dict[str, int] = {}
        listed = self.hub.channels()
        for start in range(0, len(listed), SLICE):
            await self.breathe(start)
            found.update(
                (channel, count)
                for channel, count in listed[start : start + SLICE]
                if matches is None or matches(channel)
            )
        return found

    async def breathe(self, number: int) -> None:
        """Let others have a turn now and then, so that long work does not hold them up.

        ``number`` is how much of it was done: there is a turn after each ``SLICE`` of it.
        """
        if number == 0 or number % SLICE:
            return
        turn: Waiter[None] = self.clock.waiter()
        self.clock.call_soon(_finish, turn)
        await turn

    def info(self) -> list[NodeInfo]:
        """Return what every node tells of itself."""
        now = self.clock.time()
        return [
            NodeInfo(
                uid=self.uid,
                name=self.name,
                version=self.version,
                num_clients=self.hub.num_clients,
                num_users=self.hub.num_users,
                num_subs=self.hub.num_subscriptions,
                num_channels=self.hub.num_channels,
                uptime=int(now - self.started_at),
                started_at=int(self.started_at),
            )
        ]

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    async def shutdown(self) -> None:
        """End every connection and return when all have left their channels."""
        self.shutting_down = True
        self._emptied = self.clock.waiter()
        for session in self.hub.sessions():
            session.close(SHUTDOWN)
        self.on_session_closed()
        await self._emptied

    def on_session_closed(self) -> None:
        """Take note that a session has left."""
        waiter = self._emptied
        if waiter is not None and not waiter.done() and not self.hub.num_clients:
            waiter.set_result(None)


def _finish(turn: Waiter[None]) -> None:
    if not turn.done():  # done: whoever waited was cancelled
        turn.set_result(None)
