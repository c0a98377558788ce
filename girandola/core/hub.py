"""Who is connected and who listens; the broadcast loop.

A registry of one node. It knows nothing of engines or permissions, and nothing in it waits.
A broadcast never raises: what goes wrong for one subscriber is logged once a broadcast, and
neither the others nor the publisher are concerned.
"""

import logging
from collections.abc import Collection

from msgspec import Struct

from girandola.core.session import Session
from girandola.core.stats import Stats
from girandola.core.subscription import Subscription
from girandola.model import Publication
from girandola.protocol.codec import Encoding
from girandola.protocol.commands import Join, Leave

logger = logging.getLogger(__name__)


class Target(Struct, frozen=True):
    """Which connections a call is about: all of ``user``, narrowed to one client or session id.

    The empty user id stands for the anonymous users.
    """

    user: str = ""
    client: str = ""
    session: str = ""


class Hub:
    """The sessions of this node and their subscriptions."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._arriving: set[Session] = set()
        self._clients: dict[str, Session] = {}
        self._ids: dict[str, Session] = {}
        self._users: dict[str, set[Session]] = {}
        self._channels: dict[str, set[Subscription]] = {}
        self.num_subscriptions = 0

    # ── sessions ─────────────────────────────────────────────────────────────────────────────

    def arrive(self, session: Session) -> None:
        """Note a session that is not authenticated yet: only ``sessions`` tells of it."""
        self._arriving.add(session)

    def add(self, session: Session) -> None:
        """Register an authenticated session."""
        self._arriving.discard(session)
        self._clients[session.client] = session
        if session.id:
            self._ids[session.id] = session
        self._users.setdefault(session.user, set()).add(session)

    def remove(self, session: Session) -> None:
        """Forget a session; harmless when it is not here."""
        self._arriving.discard(session)
        if self._clients.pop(session.client, None) is None:
            return
        if session.id:
            del self._ids[session.id]
        sessions = self._users[session.user]
        sessions.discard(session)
        if not sessions:
            del self._users[session.user]

    def sessions(self) -> list[Session]:
        """Return all sessions as they are now, those still connecting, too."""
        return [*self._arriving, *self._clients.values()]

    def session(self, client: str) -> Session | None:
        """Return the session with this client id."""
        return self._clients.get(client)

    def session_by_id(self, id: str) -> Session | None:
        """Return the session with this secret id; most transports give their sessions none."""
        return self._ids.get(id)

    def sessions_of(self, user: str) -> int:
        """Count the sessions of a user."""
        return len(self._users.get(user, ()))

    def find(self, target: Target) -> list[Session]:
        """Return the sessions a call is about, as they are now."""
        found = self._users.get(target.user, set())
        if target.client:
            # One of perhaps very many: a million anonymous connections are one user's.
            session = self._clients.get(target.client)
            found = {session} & found if session is not None else set()
        if target.session:
            return [session for session in found if session.id == target.session]
        return list(found)

    @property
    def num_clients(self) -> int:
        """How many sessions are registered."""
        return len(self._clients)

    @property
    def num_users(self) -> int:
        """How many different users; the anonymous ones count as one."""
        return len(self._users)

    # ── subscriptions ────────────────────────────────────────────────────────────────────────

    def subscribe(self, subscription: Subscription) -> None:
        """Deliver publications of its channel to ``subscription`` from now on."""
        self._channels.setdefault(subscription.channel, set()).add(subscription)
        self.num_subscriptions += 1

    def unsubscribe(self, subscription: Subscription) -> None:
        """Deliver no more; harmless when it is not here."""
        subscribers = self._channels.get(subscription.channel)
        if subscribers is None or subscription not in subscribers:
            return
        subscribers.discard(subscription)
        self.num_subscriptions -= 1
        if not subscribers:
            del self._channels[subscription.channel]

    def has_subscribers(self, channel: str) -> bool:
        """Tell whether anybody here listens to ``channel``."""
        return channel in self._channels

    def channels(self) -> list[tuple[str, int]]:
        """Return every channel that somebody here listens to, with how many do."""
        return [(channel, len(listeners)) for channel, listeners in self._channels.items()]

    @property
    def num_channels(self) -> int:
        """How many channels somebody here listens to."""
        return len(self._channels)

    # ── broadcast ────────────────────────────────────────────────────────────────────────────

    def broadcast(self, channel: str, publication: Publication) -> None:
        """Deliver to every subscriber, encoding once for each encoding among them."""
        subscribers: Collection[Subscription] = self._channels.get(channel, ())
        encoded: dict[Encoding, bytes] = {}
        failed = 0
        for subscription in subscribers:
            try:
                matches = subscription.filter
                if matches is not None and not matches(publication.tags):
                    subscription.skip(publication)
                    continue
                data = encoded.get(subscription.encoding)
                if data is None:
                    data = self._encode(encoded, subscription.encoding, channel, publication)
                if data:
                    subscription.deliver(publication, data)
                else:
                    subscription.skip(publication)
            except Exception:
                _log_first(failed, channel)
                failed += 1
                subscription.skip(publication)

    def broadcast_event(self, channel: str, event: Join | Leave) -> None:
        """Deliver a join or leave to those subscribers who get them."""
        encoded: dict[Encoding, bytes] = {}
        failed = 0
        for subscription in self._channels.get(channel, ()):
            if not subscription.push_join_leave:
                continue
            codec = subscription.session.codec
            try:
                data = encoded.get(codec)
                if data is None:
                    data = self._encode(encoded, codec, channel, event)
                if data:
                    subscription.deliver_event(event, data)
            except Exception:
                _log_first(failed, channel)
                failed += 1

    def _encode(
        self,
        encoded: dict[Encoding, bytes],
        encoding: Encoding,
        channel: str,
        push: Publication | Join | Leave,
    ) -> bytes:
        self._stats.broadcasts_encoded += 1
        # What raises is not tried again for the next subscriber.
        encoded[encoding] = b""
        data = encoded[encoding] = encoding.push(channel, push)
        return data


def _log_first(failed: int, channel: str) -> None:
    """Log the exception being handled unless the same broadcast has ``failed`` before."""
    if not failed:
        logger.exception("internal error: some subscribers miss a message in %r", channel)
