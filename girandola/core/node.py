"""This server among others: publish, first and last subscriber, presence, control, shutdown.

Sessions and the server API both come here; neither knows the engines behind it. What a
connection may do was decided before (``policy``).
"""

import logging
import os
import random
import uuid
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from typing import Any

from girandola.core.cluster import Alone, Cluster
from girandola.core.control import Control, subscribe_message
from girandola.core.duties import Wheel
from girandola.core.grants import PublishOptions, SubscribeGrant
from girandola.core.hub import Hub
from girandola.core.interest import Interest
from girandola.core.outage import Outage
from girandola.core.outbox import Flusher
from girandola.core.ports import (
    Broker,
    Clock,
    Controller,
    HistoryPage,
    Policy,
    PresenceStore,
    PublishResult,
    Waiter,
)
from girandola.core.positions import Positions
from girandola.core.session import Session
from girandola.core.stats import Stats
from girandola.core.subscription import Subscription
from girandola.core.turns import next_turn
from girandola.errors import (
    BAD_REQUEST,
    CONNECTION_LIMIT,
    FORCE_DISCONNECT,
    SHUTDOWN,
    UNRECOVERABLE,
    UNSUBSCRIBED_BY_SERVER,
    Disconnect,
    Reject,
)
from girandola.globs import compile_glob
from girandola.model import (
    ClientInfo,
    NodeInfo,
    PresenceStats,
    Publication,
    StreamPosition,
    Target,
)
from girandola.options import ClientOptions
from girandola.protocol import internode
from girandola.protocol.commands import Join, Leave
from girandola.protocol.internode import Message, Survey, SurveyAnswer

logger = logging.getLogger(__name__)

__all__ = ["Node", "Target"]

SLICE = 256
"""How many sessions, channels or commands a call is busy with before others have a turn."""


SETTLE_TIMEOUT = 5.0
"""Seconds that an engine has at the end for what this node leaves there."""


class Node:
    """One server process: its sessions, and its place among the engines and the other nodes.

    In the order of a day: ``start``, everything else, ``shutdown``. ``options`` may be replaced
    while running; new values hold from then on.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        broker: Broker,
        presence: PresenceStore,
        policy: Policy,
        options: ClientOptions,
        controller: Controller | None = None,
        name: str = "",
        version: str = "",
    ) -> None:
        """Prepare. Without a ``controller`` the node is alone."""
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
        self._emptied: Waiter[None] | None = None
        self._outage = Outage(clock, "engine")
        self.interest = Interest(
            clock,
            broker,
            presence,
            self.stats,
            self._outage,
            lambda: self.options.presence_update_interval,
        )
        self.positions = Positions(
            clock,
            self.hub.subscribers,
            lambda channel, meta_ttl: self.read_history(channel, limit=0, meta_ttl=meta_ttl),
            lambda: self.options.channel_position_check_delay,
        )
        self._control = Control(self)
        self.cluster = Cluster(
            clock,
            Alone() if controller is None else controller,
            self.uid,
            self._outage,
            describe_me=self._describe,
            handle=self._control.handle,
            answer=self._answer,
        )

    async def start(self) -> None:
        """Be one of the nodes. Raises what an engine raises that cannot be had."""
        await self._broker.start(self)
        await self._presence.start()
        await self.cluster.start()

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
        call = self._broker.publish(channel, publication, options)
        # One coroutine less on the way into the engine of this process, where nothing fails.
        return self._outage.watch(call) if self._broker.far else call

    def on_publication(self, channel: str, publication: Publication) -> None:
        """Deliver to the subscribers of this node. See ``ports.BrokerEvents``."""
        self.stats.publications_received += 1
        self.hub.broadcast(channel, publication)
        # It may be in a stream now, where the one before it is anyway.
        publication.base = b""

    def on_join(self, channel: str, info: ClientInfo) -> None:
        """See ``ports.BrokerEvents``."""
        self.stats.joins_received += 1
        self.hub.broadcast_event(channel, Join(info))

    def on_leave(self, channel: str, info: ClientInfo) -> None:
        """See ``ports.BrokerEvents``."""
        self.stats.leaves_received += 1
        self.hub.broadcast_event(channel, Leave(info))

    def on_interrupted(self, channels: Iterable[str] | None) -> None:
        """See ``ports.BrokerEvents``."""
        self.positions.doubt(channels)

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
        return await self._outage.watch(
            self._broker.history(
                channel, since=since, limit=limit, reverse=reverse, meta_ttl=meta_ttl
            )
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
        await self._outage.watch(self._broker.remove_history(channel))

    # ── presence ─────────────────────────────────────────────────────────────────────────────

    async def presence(self, channel: str) -> dict[str, ClientInfo]:
        """Return who is in a channel, by client id."""
        self.stats.presence_reads += 1
        return await self._outage.watch(self._presence.members(channel))

    async def presence_stats(self, channel: str) -> PresenceStats:
        """Return how many are in a channel."""
        self.stats.presence_reads += 1
        return await self._outage.watch(self._presence.stats(channel))

    # ── who listens ──────────────────────────────────────────────────────────────────────────

    def register(self, subscription: Subscription) -> None:
        """Let publications come to ``subscription``; ``interest.heard`` tells when they do."""
        self.hub.subscribe(subscription)
        self.interest.hear(subscription.channel, subscription.linger)

    def unregister(self, subscription: Subscription) -> None:
        """Give a subscription no more publications, from this instant on."""
        self.hub.unsubscribe(subscription)
        if not self.hub.has_subscribers(subscription.channel):
            self.interest.ignore(subscription.channel, subscription.linger)

    # ── commands that come beside their connection ───────────────────────────────────────────

    def emulate(self, session_id: str, frame: bytes) -> bool:
        """Hand a frame to the two-way session with this secret id; false if there is none."""
        session = self.hub.session_by_id(session_id)
        if session is None or session.transport.one_way:
            return False
        session.receive(frame)
        return True

    # ── what the server API asks for: here, and on every other node ──────────────────────────

    async def subscribe(self, target: Target, channel: str, grant: SubscribeGrant) -> None:
        """Subscribe connections from the server's side; those that are already stay as they are.

        This and the three below raise ``Unavailable`` where the engine failed for some; all
        others have it.
        """
        await self._everywhere(
            subscribe_message(target, channel, grant),
            # The message says less than the grant.
            lambda: self._control.subscribe(target, channel, grant),
        )

    async def unsubscribe(self, target: Target, channel: str = "") -> None:
        """End subscriptions to ``channel``, or all of them when it is empty."""
        why = UNSUBSCRIBED_BY_SERVER
        await self._everywhere(
            internode.Unsubscribe(target=target, channel=channel, code=why.code, reason=why.reason)
        )

    async def disconnect(
        self,
        target: Target,
        why: Disconnect = FORCE_DISCONNECT,
        whitelist: Collection[str] = (),
    ) -> None:
        """End connections, but for the client ids in ``whitelist``."""
        await self._everywhere(
            internode.Disconnect(
                target=target, code=why.code, reason=why.reason, whitelist=tuple(whitelist)
            )
        )

    async def refresh(
        self,
        target: Target,
        *,
        expired: bool = False,
        expire_at: int = 0,
        info: bytes | None = None,
    ) -> None:
        """Change when connections expire (Unix seconds, 0 for never), or end them as expired."""
        await self._everywhere(
            internode.Refresh(target=target, expired=expired, expire_at=expire_at, info=info or b"")
        )

    async def _everywhere(
        self, message: Message, here: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        try:
            await self.cluster.tell(message)
        finally:
            # What fails elsewhere is no reason not to do it here.
            await (self._control.carry_out(message) if here is None else here())

    async def end_other_connections(self, session: Session, channel: str) -> None:
        """End the user's other connections, as far as they are present in ``channel``."""
        for client, info in (await self.presence(channel)).items():
            if client != session.client:
                await self.disconnect(Target(info.user, client), CONNECTION_LIMIT)

    async def channels(self, pattern: str = "") -> dict[str, int]:
        """Return the channels with subscribers on any node, and how many; ``pattern`` is a glob.

        Nodes that do not answer are left out, and named in the log.

        Raises:
            ValueError: the pattern is wrong, see ``globs``.
        """
        if not self.cluster.has_others:
            return await self._channels_here(pattern)
        if pattern:
            compile_glob(pattern)  # before anybody is asked
        found: dict[str, int] = {}
        query = internode.write_channels_query(pattern)
        for answer in (await self.cluster.ask(internode.CHANNELS, query)).values():
            if answer.code == internode.SURVEY_OK:
                for channel, count in internode.read_channels(answer.data).items():
                    found[channel] = found.get(channel, 0) + count
        return found

    async def _channels_here(self, pattern: str) -> dict[str, int]:
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
        await next_turn(self.clock)

    def info(self) -> list[NodeInfo]:
        """Return what every node tells of itself, this one first."""
        return self.cluster.nodes

    def _describe(self) -> NodeInfo:
        return NodeInfo(
            uid=self.uid,
            name=self.name,
            version=self.version,
            num_clients=self.hub.num_clients,
            num_users=self.hub.num_users,
            num_subs=self.hub.num_subscriptions,
            num_channels=self.hub.num_channels,
            uptime=int(self.clock.time() - self.started_at),
            started_at=int(self.started_at),
        )

    async def _answer(self, survey: Survey) -> SurveyAnswer:
        """Answer what another node, or this one, asks all."""
        if survey.op == internode.CHANNELS:
            try:
                pattern = internode.read_channels_query(survey.data)
                channels = await self._channels_here(pattern)
            except (ValueError, internode.Unreadable):
                return SurveyAnswer(survey.id, internode.SURVEY_INVALID)
            return SurveyAnswer(survey.id, data=internode.write_channels(channels))
        return SurveyAnswer(survey.id, internode.SURVEY_UNKNOWN)

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    async def shutdown(self) -> None:
        """End every connection and return when all have left, the engine's tables too.

        An engine that is away is not waited for longer than ``SETTLE_TIMEOUT``.
        """
        self.shutting_down = True
        self._emptied = self.clock.waiter()
        for session in self.hub.sessions():
            session.close(SHUTDOWN)
        self.on_session_closed()
        await self._emptied
        left = await self.interest.settled(SETTLE_TIMEOUT)
        if left:
            logger.warning("%d entries could not be taken back from the engine", left)
        await self.cluster.leave()

    async def close(self) -> None:
        """Let go of the engines."""
        await self.cluster.close()
        await self._presence.close()
        await self._broker.close()

    def on_session_closed(self) -> None:
        """Take note that a session has left."""
        waiter = self._emptied
        if waiter is not None and not waiter.done() and not self.hub.num_clients:
            waiter.set_result(None)
