"""How a subscription becomes live, and how it ends; for clients' and the server's wishes alike.

The order matters and is proven by ``tests/core/test_walk.py``: the entry stands in the table
before the first wait; the node listens before history is read; publications are held until the
reply is queued; and after every wait the entry must still be the one in the table.
"""

from typing import TYPE_CHECKING

from girandola.core import room
from girandola.core.grants import SubscribeGrant
from girandola.core.recovery import Outcome, recover_cache, recover_stream
from girandola.core.subscription import Subscription
from girandola.core.together import together
from girandola.errors import CHANNEL_LIMIT, UNSUBSCRIBED_BY_SERVER, UnsubscribeCode
from girandola.model import StreamPosition
from girandola.protocol.commands import Recovery, Subscribed, SubscribedByServer

if TYPE_CHECKING:
    from girandola.core.session import Session


NOTHING = Outcome(False, [])
"""What is recovered where nothing was asked for."""


class Withdrawn(Exception):
    """The subscription being made was ended meanwhile; there is nothing left to do for it."""


def is_current(subscription: Subscription) -> bool:
    """Tell whether ``subscription`` is still the one in its session's table.

    That there is *one* would not be enough: an unsubscribe and a new subscribe may have come in
    between.
    """
    return subscription.session.subscriptions.get(subscription.channel) is subscription


def look_again(subscription: Subscription) -> None:
    """Raise ``Withdrawn`` unless ``subscription`` is current. To be called after every wait."""
    if not is_current(subscription):
        raise Withdrawn


def enter(session: "Session", channel: str, *, server_side: bool) -> Subscription:
    """Put a new subscription into the table, holding; nobody else can begin the same now."""
    subscription = Subscription(session, channel, session.codec)
    subscription.server_side = server_side
    session.subscriptions[channel] = subscription
    return subscription


def begin(subscription: Subscription, grant: SubscribeGrant) -> None:
    """Be what the policy granted, and wish for publications. Waits for nothing."""
    subscription.take(grant, subscription.session.client_info(grant.chan_info))
    subscription.session.node.register(subscription)


async def join(
    subscription: Subscription, grant: SubscribeGrant, asked: Recovery, *, alone: bool = True
) -> tuple[Subscribed, Outcome]:
    """Be heard and present, and read what was missed, behind ``begin``; publications are held.

    Returns what the client is to be told, and what was found for it: which is in it already unless
    it is one of many in a reply (not ``alone``). ``go_live`` must follow. Raises ``Withdrawn`` as
    soon as the subscription is not current any more, and ``Unavailable``.
    """
    session = subscription.session
    node = session.node
    channel = subscription.channel
    interest = node.interest
    if not interest.hears(channel):
        await interest.heard(channel)
        look_again(subscription)
    if subscription.presence:
        interest.appear(channel, session.info_in(subscription))
        await interest.seen(channel, session.client)
        look_again(subscription)
    expires = bool(grant.expire_at) and grant.client_refreshes
    subscribed = Subscribed(
        was_recovering=asked.recover,
        data=grant.data,
        expires=expires,
        ttl=max(1, grant.expire_at - int(node.clock.time())) if expires else 0,
    )
    outcome = NOTHING
    if subscription.positioned and node.keeps_history:
        outcome = await _take_position(subscription, grant, asked, subscribed)
        look_again(subscription)
        if alone:
            _take_publications(subscription, outcome, subscribed, beside=0)
            look_again(subscription)
    else:
        subscription.positioned = subscription.recoverable = False
    subscribed.positioned = subscription.positioned
    subscribed.recoverable = subscription.recoverable
    subscribed.delta = subscription.deltas is not None
    return subscribed, outcome


async def _take_position(
    subscription: Subscription, grant: SubscribeGrant, asked: Recovery, subscribed: Subscribed
) -> Outcome:
    """Read where the stream is, and what the client missed of it."""
    node = subscription.session.node
    channel, meta_ttl = subscription.channel, grant.history_meta_ttl
    if grant.auto_cache_recovery and not asked.recover:
        asked = Recovery(recover=True)
        subscribed.was_recovering = True
    outcome = Outcome(False, [])
    if not (subscription.recoverable and asked.recover):
        page = await node.read_history(channel, limit=0, meta_ttl=meta_ttl)
    elif grant.cache_recovery:
        limit = node.options.recovery_max_publication_limit or None
        most = 1 if subscription.filter is None else limit
        page = await node.read_history(channel, limit=most, reverse=True, meta_ttl=meta_ttl)
        outcome = recover_cache(asked, page, subscription.filter)
    elif subscription.session.codec.traits.partial_recovery:
        page = await node.read_history(channel, meta_ttl=meta_ttl)
        outcome = recover_stream(asked, page, partial=True)
    else:
        since = StreamPosition(asked.offset, asked.epoch)
        limit = node.options.recovery_max_publication_limit or None
        page = await node.read_history(channel, since=since, limit=limit, meta_ttl=meta_ttl)
        outcome = recover_stream(asked, page, partial=False, wanted=subscription.filter)
    subscribed.top = subscribed.position = page.top
    if outcome.recovered and not grant.cache_recovery:
        subscribed.position = StreamPosition(asked.offset, page.top.epoch)
    return outcome


def _take_publications(
    subscription: Subscription, outcome: Outcome, subscribed: Subscribed, beside: int
) -> None:
    """Recover as much as the client can be sent now. Nothing may wait between this and the reply.

    May end the session, as any flush may.
    """
    session = subscription.session
    codec = session.codec
    if outcome.publications:
        escaped = subscription.deltas is not None and not codec.binary
        wanted = room.total(outcome.publications, escaped) + beside
        share = session.outbox.limit // room.FREE
        left = session.make_room(wanted + share) - share - beside
        partial = codec.traits.partial_recovery
        found = outcome
        outcome = room.fitting(found, left, partial=partial, escaped=escaped)
        if outcome is not found:
            subscribed.position = subscribed.top
            session.log(
                f"did not recover {subscription.channel!r}",
                f"{wanted} bytes are too many: client.queue_max_size is {session.outbox.limit}",
            )
    subscribed.recovered = outcome.recovered
    subscribed.publications = outcome.publications


def go_live(subscription: Subscription, subscribed: Subscribed) -> None:
    """Let publications flow. The reply must be queued, with no wait in between."""
    session = subscription.session
    if not session.closed:
        subscription.go_live(subscribed.top, has_latest=bool(subscribed.publications))
        session.plan_care(subscription)
        if subscription.minds_gaps:
            session.node.positions.watch(subscription.channel, subscription.offset)


def announce(subscription: Subscription) -> None:
    """Tell the others that somebody joined."""
    session = subscription.session
    if subscription.join_leave and is_current(subscription):
        session.node.interest.tell_join(subscription.channel, session.info_in(subscription))


def leave(subscription: Subscription) -> None:
    """End what is out of the table already: no more pushes, presence gone, others told.

    What the engine has to do for it goes on behind our back.
    """
    session = subscription.session
    channel = subscription.channel
    was_live = subscription.held is None or subscription.lost
    session.node.unregister(subscription)
    if subscription.presence:
        session.node.interest.vanish(channel, session.client)
    if subscription.join_leave and was_live:
        session.node.interest.tell_leave(channel, session.info_in(subscription))


def abandon(subscription: Subscription) -> None:
    """End a subscription now. Harmless if it is gone."""
    if is_current(subscription):
        del subscription.session.subscriptions[subscription.channel]
        leave(subscription)


# ── from the server's side ───────────────────────────────────────────────────────────────────


async def join_all(session: "Session", grants: dict[str, SubscribeGrant]) -> dict[str, Subscribed]:
    """Make the server-side subscriptions of a connect; none is live before the reply.

    They are made side by side. Returns what the client is to be told, without those that were
    ended meanwhile. Raises ``Withdrawn`` when the session has closed, and ``Unavailable``.
    """
    if not grants:
        return {}
    entered = {channel: enter(session, channel, server_side=True) for channel in grants}
    for channel, subscription in entered.items():
        begin(subscription, grants[channel])
    outcomes = await together(
        session.node.clock,
        [
            join(entered[channel], grant, grant.recovery, alone=False)
            for channel, grant in grants.items()
        ],
    )
    if session.closed:
        raise Withdrawn
    made: dict[str, Subscribed] = {}
    beside = 0
    for (channel, subscription), found in zip(entered.items(), outcomes, strict=True):
        if isinstance(found, Exception):
            if not isinstance(found, Withdrawn):
                raise found
        elif is_current(subscription):
            subscribed, outcome = found
            _take_publications(subscription, outcome, subscribed, beside)
            beside += room.total(subscribed.publications)
            made[channel] = subscribed
    if session.closed:
        raise Withdrawn
    return made


async def subscribe_by_server(session: "Session", channel: str, grant: SubscribeGrant) -> None:
    """Subscribe a session and tell the client; nothing if it is subscribed already.

    Raises ``Unavailable``; the session then goes on without the channel.
    """
    if not session.connected or channel in session.subscriptions:
        return
    if len(session.subscriptions) >= session.node.options.subscription_limit:
        session.close(CHANNEL_LIMIT, f"the server API subscribed it to {channel!r}")
        return
    subscription = enter(session, channel, server_side=True)
    try:
        begin(subscription, grant)
        subscribed, _ = await join(subscription, grant, grant.recovery)
    except Withdrawn:
        return
    except Exception:
        abandon(subscription)
        raise
    push = SubscribedByServer(
        recoverable=subscribed.recoverable,
        positioned=subscribed.positioned,
        position=subscribed.position,
        data=subscribed.data,
    )
    session.push(channel, push)
    if subscribed.recovered:
        for publication in subscribed.publications:
            session.push(channel, publication)
    go_live(subscription, subscribed)
    announce(subscription)


def unsubscribe_by_server(
    session: "Session", channel: str = "", why: UnsubscribeCode = UNSUBSCRIBED_BY_SERVER
) -> None:
    """End one subscription, or all when ``channel`` is empty, and tell the client of each."""
    for name in [channel] if channel else list(session.subscriptions):
        subscription = session.subscriptions.pop(name, None)
        if subscription is not None:
            session.push_unsubscribed(subscription, why)
            leave(subscription)
