"""What each command does: one function a command, found by its type.

A handler answers by ``session.answer`` exactly once, or raises ``Reject`` (an error reply) or
``Close`` (the end of the connection). What may be done is the policy's word.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from girandola.core import joining, room
from girandola.core.filters import compile_filter
from girandola.core.grants import ConnectGrant
from girandola.core.joining import Withdrawn
from girandola.errors import (
    ALREADY_SUBSCRIBED,
    BAD_REQUEST,
    BAD_REQUEST_CLOSE,
    CHANNEL_LIMIT,
    CONNECTION_LIMIT,
    EXPIRED,
    LIMIT_EXCEEDED,
    NOT_AVAILABLE_CLOSE,
    NOT_CONNECTED,
    PERMISSION_DENIED,
    SERVER_ERROR,
    UNRECOVERABLE,
    Close,
    Reject,
    Unavailable,
)
from girandola.model import Publication
from girandola.protocol import commands as say

if TYPE_CHECKING:
    from girandola.core.session import Session

logger = logging.getLogger(__name__)


# ── connect and refresh ──────────────────────────────────────────────────────────────────────


async def connect(session: "Session", command: say.Connect) -> None:
    """Authenticate the connection; the server's subscriptions begin with it."""
    if not session.begin_connect():
        raise Close(BAD_REQUEST_CLOSE, "a second connect on one connection")
    try:
        grant = await session.node.policy.connect(session, command)
        if session.closed:
            return
        _check_limits(session, grant)
        if _has_expired(session, grant.expire_at):
            if not session.codec.traits.expired_is_a_result:
                raise Reject(EXPIRED, "the credentials have expired")
            session.log("connect answered as expired", "the credentials have expired")
            session.answer(command, _connected(session, grant, {}, expired=True))
            return
        session.admit(grant)
        subs = await joining.join_all(session, grant.subs)
        session.answer(command, _connected(session, grant, subs))
        session.confirm()
    finally:
        session.end_connect()
    current = {channel: session.subscriptions[channel] for channel in subs}
    for channel, subscription in current.items():
        joining.go_live(subscription, subs[channel])
    for subscription in current.values():
        joining.announce(subscription)
    if grant.only_connection and not session.closed:
        try:
            await session.node.end_other_connections(session, grant.only_connection)
        except Unavailable as error:
            # The connect is answered; nobody knows whether it is the only one.
            raise Close(SERVER_ERROR, f"ending other connections: {error}") from None


def _check_limits(session: "Session", grant: ConnectGrant) -> None:
    node = session.node
    if len(grant.subs) > node.options.subscription_limit:
        raise Close(CHANNEL_LIMIT, f"{len(grant.subs)} server-side subscriptions")
    limit = node.options.user_connection_limit
    if limit and grant.user and node.hub.sessions_of(grant.user) >= limit:
        raise Close(CONNECTION_LIMIT, f"user {grant.user!r} has {limit} connections already")


def _connected(
    session: "Session",
    grant: ConnectGrant,
    subs: dict[str, say.Subscribed],
    *,
    expired: bool = False,
) -> say.Connected:
    node = session.node
    options = node.options
    pings = session.app_pings
    return say.Connected(
        client="" if expired else session.client,
        version=node.version,
        expires=grant.expires,
        expired=expired,
        ttl=grant.ttl,
        data=grant.data,
        subs=subs,
        ping=int(options.ping_interval) if pings else 0,
        pong=pings and options.pong_timeout > 0 and not session.transport.one_way,
        session=session.id,
        node=node.uid if session.id else "",
        time=int(node.clock.time() * 1000) if options.connect_include_server_time else 0,
    )


async def refresh(session: "Session", command: say.Refresh) -> None:
    """Prolong the connection."""
    grant = await session.node.policy.refresh(session, command)
    if session.closed:
        return
    expired = _has_expired(session, grant.expire_at)
    if expired and not session.codec.traits.expired_is_a_result:
        raise Reject(EXPIRED, "the new credentials have expired, too")
    if not expired:
        session.prolong(grant)
    refreshed = say.Refreshed(
        client=session.client,
        version=session.node.version,
        expires=grant.expires,
        expired=expired,
        ttl=grant.ttl,
    )
    session.answer(command, refreshed)


def _has_expired(session: "Session", expire_at: int) -> bool:
    return bool(expire_at) and expire_at <= session.node.clock.time()


# ── subscriptions ────────────────────────────────────────────────────────────────────────────


async def subscribe(session: "Session", command: say.Subscribe) -> None:
    """Listen to a channel (docs/architecture.md, "Subscribing, step by step")."""
    channel = command.channel
    if session.node.policy.is_too_long(channel):
        raise Reject(BAD_REQUEST, f"a channel name of {len(channel)} characters is too long")
    _check_place(session, command)
    subscription = joining.enter(session, channel, server_side=False)
    try:
        grant = await session.node.policy.subscribe(session, command)
        joining.look_again(subscription)
        if _has_expired(session, grant.expire_at):
            raise Reject(EXPIRED, f"the subscription to {channel!r} has expired")
        if command.filter is not None:
            subscription.filter = compile_filter(command.filter)
        joining.begin(subscription, grant)
        subscribed, _ = await joining.join(subscription, grant, command.recovery)
        if command.reject_unrecovered and subscribed.was_recovering and not subscribed.recovered:
            raise Reject(UNRECOVERABLE, f"channel {channel!r}")
        session.answer(command, subscribed)
    except Withdrawn:
        raise Reject(PERMISSION_DENIED, "unsubscribed while subscribing") from None
    except (Reject, Close):
        joining.abandon(subscription)
        raise
    except Unavailable as error:
        joining.abandon(subscription)
        if session.codec.traits.subscribes_again:
            raise
        raise Close(SERVER_ERROR, f"subscribing to {channel!r}: {error}") from None
    except Exception:
        # The client comes back to a clean one (modern.md section 5.1, classic.md section 4.5).
        logger.exception("client %s: internal error subscribing to %r", session.client, channel)
        raise Close(SERVER_ERROR, f"subscribing to {channel!r}") from None
    joining.go_live(subscription, subscribed)
    session.node.stats.subscribes += 1
    joining.announce(subscription)


def _check_place(session: "Session", command: say.Subscribe) -> None:
    """Check that there is room in the table, and nothing there yet."""
    count = len(session.subscriptions)
    full = Reject(LIMIT_EXCEEDED, f"{count} subscriptions already")
    is_full = count >= session.node.options.subscription_limit
    if is_full and command.signed is not None:
        raise full  # the rules of 2018 look at the number first (classic.md section 4.8)
    if command.channel in session.subscriptions:
        raise Reject(ALREADY_SUBSCRIBED, f"channel {command.channel!r}")
    if is_full:
        raise full


async def unsubscribe(session: "Session", command: say.Unsubscribe) -> None:
    """Stop listening; no push of the channel follows the reply. Never refused.

    Clients take an error here for the end of the connection, so nobody waits for the engine.
    """
    subscription = session.subscriptions.pop(command.channel, None)
    if subscription is not None:
        session.node.stats.unsubscribes += 1
        joining.leave(subscription)
    session.answer(command, say.Done())


async def sub_refresh(session: "Session", command: say.SubRefresh) -> None:
    """Prolong a subscription."""
    subscription = session.subscriptions.get(command.channel)
    if subscription is None or subscription.held is not None:
        raise Reject(PERMISSION_DENIED, f"not subscribed to {command.channel!r}")
    grant = await session.node.policy.sub_refresh(session, command)
    if not joining.is_current(subscription):
        raise Reject(PERMISSION_DENIED, f"unsubscribed from {command.channel!r} meanwhile")
    if _has_expired(session, grant.expire_at):
        raise Reject(EXPIRED, "the new subscription token has expired, too")
    subscription.expire_at = grant.expire_at
    session.plan_care(subscription)
    if grant.info is not None:
        subscription.info = session.client_info(grant.info)
        session.be_seen(subscription)
    session.answer(command, say.SubRefreshed(expires=grant.expires, ttl=grant.ttl))


# ── publish and reads ────────────────────────────────────────────────────────────────────────


async def publish(session: "Session", command: say.Publish) -> None:
    """Publish in the name of the client; with the memory engine its own copy goes out first."""
    grant = await session.node.policy.publish(session, command)
    subscription = session.subscriptions.get(command.channel)
    info = session.info_in(subscription) if subscription is not None else session.client_info()
    publication = Publication(grant.data, info=info, tags=grant.tags, client=info.client)
    session.node.stats.client_publishes += 1
    await session.node.publish(command.channel, publication, grant.options)
    session.answer(command, say.Done())


async def presence(session: "Session", command: say.Presence) -> None:
    """Tell who is there."""
    _check_subscriber(session, command)
    await session.node.policy.presence(session, command.channel)
    clients = await session.node.presence(command.channel)
    session.answer(command, say.PresenceResult(clients))


async def presence_stats(session: "Session", command: say.PresenceStatsQuery) -> None:
    """Tell how many are there."""
    await session.node.policy.presence(session, command.channel)
    stats = await session.node.presence_stats(command.channel)
    session.answer(command, say.PresenceStatsResult(stats))


async def history(session: "Session", command: say.History) -> None:
    """Read the stream."""
    _check_subscriber(session, command)
    grant = await session.node.policy.history(session, command.channel)
    limit = command.limit
    if limit == 0 and grant.unlimited_by_default:
        limit = -1
    most = session.node.options.history_max_publication_limit
    if limit is not None and (limit < 0 or 0 < most < limit):
        limit = most or None
    page = await session.node.history(
        command.channel,
        since=command.since,
        limit=limit,
        reverse=command.reverse,
        meta_ttl=grant.meta_ttl,
    )
    found = _as_fits(session, limit, page.publications)
    session.answer(command, say.HistoryResult(found, page.top))


def _as_fits(
    session: "Session", limit: int | None, publications: list[Publication]
) -> list[Publication]:
    """Return as much of a page as its client can be sent now; it can go on after that.

    Who wants a whole stream gets the newest, as if no more were kept.
    """
    if not publications:
        return publications
    wanted = room.total(publications)
    left = session.make_room(wanted)
    if wanted <= left:
        return publications
    session.log("answered with a part of the history", f"{wanted} bytes are too many")
    if limit is None:
        return room.first(publications[::-1], left)[::-1]
    return room.first(publications, left)


def _check_subscriber(session: "Session", command: say.Presence | say.History) -> None:
    if command.subscribers_only and not session.is_subscribed(command.channel):
        raise Reject(PERMISSION_DENIED, f"not subscribed to {command.channel!r}")


# ── the rest ─────────────────────────────────────────────────────────────────────────────────


async def rpc(session: "Session", command: say.Rpc) -> None:
    """Call the application."""
    data = await session.node.policy.rpc(session, command)
    session.answer(command, say.RpcResult(data))


async def send(session: "Session", command: say.Send) -> None:
    """Refuse: no application takes messages (modern.md section 5.7)."""
    raise Close(NOT_AVAILABLE_CLOSE, "send, but nobody takes messages")


async def ping(session: "Session", command: say.Ping) -> None:
    """Answer the client's own ping."""
    session.answer(command, say.Pinged(command.data))


async def pong(session: "Session", command: say.Pong) -> None:
    """Take note that the peer is alive."""
    session.receive_pong()


async def malformed(session: "Session", command: say.Malformed) -> None:
    """End the connection of a peer that speaks no known protocol."""
    if not session.connected and command.disconnect.name == "unknown_method":
        raise Close(NOT_CONNECTED, command.detail)
    raise Close(command.disconnect, command.detail)


HANDLERS: dict[type[say.Command], Callable[["Session", Any], Awaitable[None]]] = {
    say.Connect: connect,
    say.Refresh: refresh,
    say.Subscribe: subscribe,
    say.Unsubscribe: unsubscribe,
    say.SubRefresh: sub_refresh,
    say.Publish: publish,
    say.Presence: presence,
    say.PresenceStatsQuery: presence_stats,
    say.History: history,
    say.Rpc: rpc,
    say.Send: send,
    say.Ping: ping,
    say.Pong: pong,
    say.Malformed: malformed,
}
"""Command type to what it does."""
