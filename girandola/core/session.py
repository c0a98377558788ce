"""One client connection: commands in, replies and pushes out; connecting, connected, closed.

The session keeps the order of commands, what is still to be written, and what is due when. What
the commands do is in ``handlers.py``; how subscriptions begin and end in ``joining.py``. It
knows commands, not their spelling; what may be done is the policy's word.
"""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from math import inf
from typing import TYPE_CHECKING

from girandola.core import joining
from girandola.core.duties import NOWHERE
from girandola.core.grants import ConnectGrant, RefreshGrant
from girandola.core.handlers import HANDLERS
from girandola.core.one_way import refused
from girandola.core.outbox import Outbox
from girandola.core.ports import Transport
from girandola.core.room import leave_out
from girandola.core.subscription import Subscription
from girandola.core.turns import Turn
from girandola.errors import (
    BAD_REQUEST_CLOSE,
    CONNECTION_CLOSED,
    CONNECTION_EXPIRED,
    INSUFFICIENT_STATE,
    INTERNAL,
    LIMIT_EXCEEDED,
    NO_PONG,
    NOT_CONNECTED,
    SERVER_ERROR,
    SHUTDOWN,
    SLOW,
    STALE,
    SUBSCRIPTION_EXPIRED,
    TOO_MANY_REQUESTS_CLOSE,
    UNSUBSCRIBED_EXPIRED,
    UNSUBSCRIBED_INSUFFICIENT_STATE,
    WRITE_ERROR,
    Close,
    Disconnect,
    Error,
    Reject,
    Unavailable,
    UnsubscribeCode,
)
from girandola.model import ClientInfo
from girandola.protocol import commands as say
from girandola.protocol.codec import Codec

if TYPE_CHECKING:
    from girandola.core.node import Node

logger = logging.getLogger(__name__)

REFUSED_CLOSE_DELAY = 5.0
"""Seconds that a client has to leave by itself after an error reply to connect (modern.md 4.3)."""

ALWAYS_QUEUED = 512
"""Bytes of a reply up to which nobody looks whether there is room for it."""

NO_HEADERS: dict[str, str] = {}


class State(Enum):
    """Where a session is in its life."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    REFUSED = "refused"
    CLOSED = "closed"


class Session:
    """One client connection. Made by a door; it lives until its transport is gone."""

    __slots__ = (
        "_backlog",
        "_care_at",
        "_connecting",
        "_deadline",
        "_expire_at",
        "_lost",
        "_ping_at",
        "_pong_by",
        "_together",
        "_waiting",
        "_why_closing",
        "_workers",
        "client",
        "codec",
        "conn_info",
        "headers",
        "id",
        "meta",
        "node",
        "outbox",
        "slot",
        "state",
        "subscriptions",
        "transport",
        "user",
    )

    def __init__(
        self,
        node: "Node",
        transport: Transport,
        codec: Codec,
        headers: dict[str, str] = NO_HEADERS,
    ) -> None:
        options = node.options
        self.node = node
        self.transport = transport
        self.codec = codec
        self.headers = headers
        self.client = node.new_id()
        self.id = ""
        """A secret id, given by transports that have one before the first frame.

        The server API knows the session by it; on two-way transports it also leads commands
        here that come beside the connection (``Node.emulate``).
        """
        self.user = ""
        self.conn_info = b""
        self.meta = b""
        self.state = State.CONNECTING
        self.subscriptions: dict[str, Subscription] = {}
        self.outbox = Outbox(self, transport, node.flusher, options.queue_max_size)
        self.slot = NOWHERE
        self._backlog: deque[list[say.Command]] | None = None
        self._waiting = 0  # bytes that came since there is a backlog
        self._connecting = False
        self._workers = 0
        self._together: list[bytes] | None = None
        self._lost: list[Subscription] | None = None
        self._why_closing: Disconnect | None = None
        self._expire_at = 0
        self._ping_at = inf
        self._pong_by = inf
        self._care_at = inf
        self._deadline = node.clock.now() + (options.stale_close_delay or inf)
        node.stats.connections_opened += 1
        node.hub.arrive(self)
        self._plan()

    @property
    def connected(self) -> bool:
        """Whether the client is authenticated and here."""
        return self.state is State.CONNECTED

    @property
    def closed(self) -> bool:
        """Whether the session has ended."""
        return self.state is State.CLOSED

    # ── what the policy may see ──────────────────────────────────────────────────────────────

    @property
    def transport_name(self) -> str:
        """See ``ports.Peer``."""
        return self.transport.name

    @property
    def token_channels(self) -> frozenset[str]:
        """The channels that the connection token listed and that are still subscribed."""
        return frozenset(channel for channel, sub in self.subscriptions.items() if sub.from_token)

    def is_subscribed(self, channel: str) -> bool:
        """See ``ports.Peer``."""
        subscription = self.subscriptions.get(channel)
        return subscription is not None and subscription.held is None

    # ── the way in ───────────────────────────────────────────────────────────────────────────

    def receive(self, frame: bytes) -> None:
        """Carry out the commands of a frame, in order; those of earlier frames come first."""
        if self._pong_by != inf and frame == self.codec.ping and frame:
            # What an idle connection says, and all it says: not worth decoding.
            self._pong_by = inf
            stats = self.node.stats
            stats.commands += 1
            stats.bytes_in += len(frame)
        elif not self.closed:
            self.receive_commands(self.codec.decode(frame), len(frame))

    def receive_commands(self, commands: list[say.Command], size: int) -> None:
        """Carry out the commands of a frame of ``size`` bytes that somebody else decoded."""
        if self.closed:
            return
        stats = self.node.stats
        stats.commands += len(commands)
        stats.bytes_in += size
        if len(commands) == 1 and type(commands[0]) is say.Pong:
            # Not behind commands that wait for an engine: the peer is alive, and that is all.
            self.receive_pong()
            return
        parallel = self._parallel
        if not self._workers and parallel == 1:
            self.node.clock.spawn(self._work(commands))
            return
        if self._backlog is None:
            self._backlog = deque()
        if parallel > 1:
            self._backlog.extend([command] for command in commands)
        else:
            self._backlog.append(commands)
        while self._backlog and self._workers < parallel:
            self.node.clock.spawn(self._work(self._backlog.popleft()))
        if self._backlog:
            self.transport.pause()
            self._waiting += size
            # Pausing does not hold back commands that come beside the connection.
            if self.id and self._waiting > self.outbox.limit:
                self.close(TOO_MANY_REQUESTS_CLOSE, f"{self._waiting} bytes of commands wait")

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Take the frames received in here as one, as which they came: others have their turns."""
        parallel = self._parallel
        self._workers += parallel
        try:
            yield
        finally:
            self._workers -= parallel
            while self._backlog and self._workers < parallel:
                self.node.clock.spawn(self._work([]))

    @property
    def _parallel(self) -> int:
        """How many commands may be under way at once."""
        if self.state is State.CONNECTED and not self.codec.traits.replies_together:
            return self.node.options.concurrency or 1
        return 1

    async def _work(self, commands: list[say.Command]) -> None:
        """Carry out commands, and what waits behind them, until nothing is left."""
        self._workers += 1
        try:
            await self._carry_out(commands)
            if not self._backlog:
                return
            turn = Turn(self.node.clock)
            while self._backlog:
                commands = self._backlog.popleft()
                if not self._backlog:
                    self._backlog = None
                    self._waiting = 0
                    self.transport.resume()
                await self._carry_out(commands)
                await turn.count(len(commands))
        finally:
            self._workers -= 1

    async def _carry_out(self, commands: list[say.Command]) -> None:
        if not (self.codec.traits.replies_together and len(commands) > 1):
            turn = Turn(self.node.clock) if len(commands) > 1 else None
            for command in commands:
                await self._handle(command)
                if self.closed or self.state is State.REFUSED:
                    # The peer did not know yet, and is not to be closed for it.
                    return
                if turn is not None:
                    await turn.count()
            return
        turn = Turn(self.node.clock)
        replies: list[bytes] = []
        self._together = replies
        try:
            for command in commands:
                await self._handle(command)
                if turn.is_over():
                    # What others publish now may not come before the reply "subscribed".
                    self.outbox.hold_back()
                    await turn.next()
                if self.closed:
                    return
        finally:
            self._together = None
        self.outbox.go_on(self.codec.together(replies))

    async def _handle(self, command: say.Command) -> None:
        """Carry out one command; whatever happens, it is answered or the connection ends."""
        try:
            if self.state is not State.CONNECTED and not isinstance(
                command, say.Connect | say.Malformed
            ):
                raise Close(NOT_CONNECTED, f"{_name(command)} came before connect")
            await HANDLERS[type(command)](self, command)
        except Reject as reject:
            self._refuse(command, reject.error, reject.detail)
        except Close as close:
            self.close(close.disconnect, f"{_name(command)}: {close.detail}")
        except Unavailable as error:
            self._refuse(command, INTERNAL, str(error))
        except Exception:
            if not self.closed:
                logger.exception("client %s: internal error in %s", self.client, _name(command))
                self._refuse(command, INTERNAL, "see the traceback above")

    def answer(self, command: say.Command, outcome: say.Result | Error) -> None:
        """Queue the reply to a command. Nothing once the session has ended.

        What was recovered is left out of a reply for which there is no room.

        Raises:
            Reject: LIMIT_EXCEEDED, there is no room for it even so.
        """
        if self.closed:
            return
        reply = self.codec.reply(say.Reply(command, outcome))
        if len(reply) > ALWAYS_QUEUED and len(reply) > self.make_room(len(reply)):
            if isinstance(outcome, Error) or not leave_out(outcome):
                raise Reject(LIMIT_EXCEEDED, f"a reply of {len(reply)} bytes is too large")
            self.log("recovered nothing", f"a reply of {len(reply)} bytes is too large")
            self.answer(command, outcome)
            return
        if self._together is not None:
            self._together.append(reply)
        else:
            self.outbox.push(reply)

    def make_room(self, wanted: int) -> int:
        """Return how many bytes may be queued now; where ``wanted`` are not, what waits goes first.

        That may end the session, as any flush may.
        """
        together = sum(map(len, self._together or ()))
        if self.outbox.room() - together < wanted:
            self.outbox.flush()
        return self.outbox.room() - together

    def _refuse(self, command: say.Command, error: Error, detail: str) -> None:
        if self.closed:
            return
        self.node.stats.errors += 1
        if self.transport.one_way:
            options = self.node.options.connect_code_to_unidirectional_disconnect
            said = f"{error.code} {error.message}"
            self.close(refused(error, options), f"{said}: {detail}" if detail else said)
            return
        self.log(f"{_name(command)} refused: {error.code} {error.message}", detail)
        if (
            isinstance(command, say.Connect)
            and self.state is State.CONNECTING
            and not self.codec.traits.connect_again
        ):
            self.state = State.REFUSED
            if not self.id:
                # A moment for the client to leave by itself; other transports tell it that it
                # is stale when it does not (modern.md section 4.3).
                self._deadline = self.node.clock.now() + REFUSED_CLOSE_DELAY
                self._plan()
        self.answer(command, error)

    def log(self, what: str, detail: str = "") -> None:
        """Write one line that an operator can act on."""
        logger.info(
            "client %s (user %r, %s %s, %s): %s%s",
            self.client,
            self.user,
            self.transport.name,
            self.transport.peer,
            self.codec.name,
            what,
            f": {detail}" if detail else "",
        )

    # ── connect and refresh, as far as they change the session ───────────────────────────────

    def begin_connect(self) -> bool:
        """Take the only connect attempt there may be at a time; false when it is one too many."""
        if self.state is not State.CONNECTING or self._connecting:
            return False
        self._connecting = True
        return True

    def admit(self, grant: ConnectGrant) -> None:
        """Be who the policy recognised, and be found by the server API."""
        self.user = grant.user
        self.conn_info = grant.conn_info
        self.meta = grant.meta
        self._expire_at = grant.expire_at
        self.node.hub.add(self)

    def confirm(self) -> None:
        """Be connected; the reply follows at once."""
        if self.closed:
            return
        self.state = State.CONNECTED
        self.headers = NO_HEADERS
        self.node.stats.connects += 1
        self._start_duties()

    def end_connect(self) -> None:
        """End the attempt; what a failed one left behind is undone."""
        self._connecting = False
        if self.state is State.CONNECTING:
            self.node.hub.remove(self)
            self.node.hub.arrive(self)
            for subscription in list(self.subscriptions.values()):
                joining.abandon(subscription)
            self.user = ""

    def prolong(self, grant: RefreshGrant) -> None:
        """Go on until the time granted."""
        self._expire_at = grant.expire_at
        if grant.info is not None:
            self._renew_info(grant.info)
        if grant.meta is not None:
            self.meta = grant.meta
        self._set_deadline()

    def _renew_info(self, conn_info: bytes) -> None:
        """Be seen with other info, in the channels subscribed already, too."""
        self.conn_info = conn_info
        for subscription in self.subscriptions.values():
            if subscription.info is not None:
                subscription.info = self.client_info(subscription.info.chan_info)
                self.be_seen(subscription)

    def refresh_by_server(self, expired: bool, expire_at: int, info: bytes | None) -> None:
        """Change when the connection expires (Unix seconds), and tell the client; or end it.

        One that is still connecting has just been told by the policy when it expires.
        """
        now = int(self.node.clock.time())
        if expired or (expire_at and expire_at <= now):
            self.close(CONNECTION_EXPIRED, "by the server API")
            return
        if not self.connected:
            return
        self.prolong(RefreshGrant(expire_at=expire_at, info=info))
        self.push("", say.Refreshing(expires=bool(expire_at), ttl=max(0, expire_at - now)))

    def client_info(self, chan_info: bytes = b"") -> ClientInfo:
        """Return how others see the client."""
        return ClientInfo(self.user, self.client, self.conn_info, chan_info)

    def info_in(self, subscription: Subscription) -> ClientInfo:
        """Return how others see the client in a channel."""
        return subscription.info or self.client_info()

    # ── the way out ──────────────────────────────────────────────────────────────────────────

    def push(self, channel: str, push: say.Push) -> None:
        """Queue a push of our own making (broadcasts are encoded by the hub)."""
        try:
            data = self.codec.push(channel, push)
        except Exception:
            # Its client would be wrong about what it is subscribed to.
            logger.exception("client %s: internal error telling it of %r", self.client, push)
            self.mark_closing(SERVER_ERROR)
            return
        if data:
            self.outbox.push(data)

    def be_seen(self, subscription: Subscription) -> None:
        """Be seen in a channel as the client is now, if it is seen there at all."""
        if subscription.presence:
            info = self.info_in(subscription)
            self.node.interest.appear(subscription.channel, info)

    def push_unsubscribed(self, subscription: Subscription, why: UnsubscribeCode) -> None:
        """Tell the client that a subscription ended, if it ever heard that it began."""
        if subscription.held is None or subscription.lost:
            self.push(subscription.channel, say.Unsubscribed(why))

    # ── marks, made by the broadcast loop and acted on by the flush ──────────────────────────

    def mark_lost(self, subscription: Subscription) -> None:
        """Note that a subscription missed a publication."""
        if self._lost is None:
            self._lost = []
        self._lost.append(subscription)
        self.outbox.mark()

    def mark_closing(self, why: Disconnect) -> None:
        """Note that the session must end."""
        self._why_closing = why
        self.outbox.mark()

    def on_marked(self) -> None:
        """Act on the marks. See ``outbox.Owner``."""
        if self._why_closing is not None:
            self.close(self._why_closing, "delivery")
            return
        lost, self._lost = self._lost or [], None
        for subscription in lost:
            if joining.is_current(subscription):
                self.end_lost(subscription)

    def on_outbox_full(self) -> None:
        """Close a peer that reads too slowly. See ``outbox.Owner``."""
        self.close(SLOW, f"over {self.outbox.limit} bytes are waiting")

    def on_write_failed(self) -> None:
        """End a connection of which nobody knows what it was sent. See ``outbox.Owner``."""
        self.log("dropped", "a write failed")
        self._end(WRITE_ERROR)
        self.transport.abort()

    def end_lost(self, subscription: Subscription) -> None:
        """End a subscription that lacks a publication, so that its client recovers it."""
        detail = f"missed a publication in {subscription.channel!r} after {subscription.offset}"
        if subscription.server_side or self.codec.traits.on_gap == "disconnect":
            self.close(INSUFFICIENT_STATE, detail)
            return
        self.log("unsubscribed", detail)
        self._drop(subscription, UNSUBSCRIBED_INSUFFICIENT_STATE)

    def _drop(self, subscription: Subscription, why: UnsubscribeCode) -> None:
        self.push_unsubscribed(subscription, why)
        joining.abandon(subscription)

    # ── time ─────────────────────────────────────────────────────────────────────────────────

    @property
    def app_pings(self) -> bool:
        """Whether pings are messages of the protocol, rather than the transport's own."""
        return self.codec.traits.pings_from == "server" and self.node.options.ping_interval > 0

    def _start_duties(self) -> None:
        interval = self.node.options.ping_interval
        now = self.node.clock.now()
        if interval > 0:
            # Spread, so that those who came back together are not pinged together for ever.
            first = interval * (0.5 + 0.5 * self.node.random()) if self.app_pings else interval
            self._ping_at = now + first
        self._set_deadline()

    def _set_deadline(self) -> None:
        """Plan the end of the connection, or none."""
        if not self._expire_at:
            self._deadline = inf
        else:
            left = self._expire_at - self.node.clock.time()
            grace = 0.0 if self.transport.one_way else self.node.options.expired_close_delay
            self._deadline = self.node.clock.now() + max(0.0, left + grace)
        self._plan()

    def plan_care(self, subscription: Subscription) -> None:
        """Look for subscriptions that are over now and then from now on, if this one may be."""
        if self._care_at == inf and subscription.expire_at:
            interval = self.node.options.presence_update_interval
            self._care_at = self.node.clock.now() + interval * (0.5 + 0.5 * self.node.random())
            self._plan()

    def _plan(self) -> None:
        self.node.wheel.place(self, self._next_duty())

    def _next_duty(self) -> float:
        return min(self._deadline, self._ping_at, self._pong_by, self._care_at)

    def on_duty(self, now: float) -> float:
        """Do what is due. See ``duties.Debtor``."""
        if self.closed:
            return inf
        if self._deadline <= now:
            self._end_overdue()
            return inf
        if self._pong_by <= now and not self._pong_came_late():
            return inf
        if self._ping_at <= now:
            self._send_ping(now)
        if self._care_at <= now:
            self._care_at = inf
            if any(subscription.expire_at for subscription in self.subscriptions.values()):
                self._care_at = now + self.node.options.presence_update_interval
                self._end_expired()
        return inf if self.closed else self._next_duty()

    def _end_overdue(self) -> None:
        if self.state is State.REFUSED and not self.id:
            self._end(CONNECTION_CLOSED)
            self.transport.abort()
            return
        why = CONNECTION_EXPIRED if self.state is State.CONNECTED else STALE
        self.close(why, "timer")

    def _pong_came_late(self) -> bool:
        """End a connection whose peer does not answer; true if it may still be our own fault."""
        if self._backlog:
            # We are the ones who do not read.
            self._pong_by = self.node.clock.now() + 1.0
            return True
        if self.app_pings:
            self.close(NO_PONG, "timer")
        else:
            self.log("dropped", "the transport's ping was not answered")
            self._end(NO_PONG)
            self.transport.abort()
        return False

    def _send_ping(self, now: float) -> None:
        options = self.node.options
        interval = options.ping_interval
        self._ping_at = now + interval
        if self.app_pings:
            self.outbox.push(self.codec.ping)
            if options.pong_timeout > 0 and not self.transport.one_way:
                self._pong_by = now + options.pong_timeout
        else:
            self.transport.ping()
            # A ninth of the interval, as servers of 2018 had it (classic.md 4.1).
            self._pong_by = now + interval / 9

    def _end_expired(self) -> None:
        """End the subscriptions that were not refreshed in time."""
        now = self.node.clock.time()
        grace = self.node.options.expired_sub_close_delay
        for subscription in list(self.subscriptions.values()):
            until = subscription.expire_at
            if subscription.held is not None or not until or until + grace > now:
                continue
            if subscription.server_side or self.codec.traits.on_gap == "disconnect":
                self.close(SUBSCRIPTION_EXPIRED, subscription.channel)
                return
            self._drop(subscription, UNSUBSCRIBED_EXPIRED)

    def receive_pong(self) -> None:
        """Take note of the answer to our ping; one that nobody asked for is a breach."""
        if self._pong_by == inf or not self.app_pings:
            self.close(BAD_REQUEST_CLOSE, "a pong without a ping")
            return
        self._pong_by = inf

    def receive_transport_pong(self) -> None:
        """Take note of an answer to the transport's own ping."""
        self._pong_by = inf

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def close(self, why: Disconnect, detail: str = "") -> None:
        """End the connection and tell the client why. Harmless when it has ended.

        What is queued goes out first, unless the client is too slow for it.
        """
        if self.closed:
            return
        if why.code != SLOW.code:
            self.outbox.holding_back = False
            self.outbox.flush()
        if self.closed:
            return  # the flush itself found a reason
        if why.code != SHUTDOWN.code:
            self.log(f"closing: {why.code} {why.reason}", detail)
        self._end(why)
        self.transport.close(why)

    def on_transport_closed(self) -> None:
        """End the session: its peer is gone."""
        self._end(CONNECTION_CLOSED)

    def _end(self, why: Disconnect) -> None:
        """Leave everything; what takes time goes on behind our back."""
        if self.closed:
            return
        self.state = State.CLOSED
        node = self.node
        node.wheel.remove(self)
        node.hub.remove(self)
        self._backlog = None
        self._lost = None
        self.outbox.discard()
        node.stats.connections_closed += 1
        if why.code != CONNECTION_CLOSED.code:
            node.stats.disconnects += 1
        for subscription in list(self.subscriptions.values()):
            joining.abandon(subscription)
        node.on_session_closed()


def _name(command: say.Command) -> str:
    return type(command).__name__.lower()
