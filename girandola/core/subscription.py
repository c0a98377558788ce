"""One session in one channel: joining, live, gone.

Delivery marks and never acts: it runs inside the broadcast loop, which must not see the
registry change. It knows encoded messages and offsets, no protocol.
"""

from typing import TYPE_CHECKING

from girandola.core.grants import SubscribeGrant
from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.protocol.codec import Codec
from girandola.protocol.commands import Push

if TYPE_CHECKING:
    from girandola.core.session import Session


class Held:
    """What arrives for a subscription that is not live yet, in order."""

    __slots__ = ("items", "size")

    def __init__(self) -> None:
        self.items: list[tuple[Push, bytes]] = []
        self.size = 0


class Subscription:
    """A session's place in a channel.

    While ``held`` is there, pushes wait in it (history is still being read, or the reply is not
    queued). ``offset`` and ``epoch`` say up to where the client has the stream, where
    ``positioned``. ``expire_at`` in Unix seconds, 0 for never. ``checked_offset`` was
    known to be right at ``checked_at`` (of ``Clock.now``).
    """

    __slots__ = (
        "channel",
        "checked_at",
        "checked_offset",
        "client_refreshes",
        "encoding",
        "epoch",
        "expire_at",
        "from_token",
        "held",
        "info",
        "join_leave",
        "linger",
        "listening",
        "lost",
        "meta_ttl",
        "offset",
        "positioned",
        "presence",
        "push_join_leave",
        "recoverable",
        "server_side",
        "session",
    )

    def __init__(self, session: "Session", channel: str, encoding: Codec) -> None:
        self.session = session
        self.channel = channel
        self.encoding = encoding
        self.held: Held | None = Held()
        self.listening = False
        self.lost = False
        self.positioned = False
        self.recoverable = False
        self.offset = 0
        self.epoch = ""
        self.checked_at = 0.0
        self.checked_offset = -1
        self.presence = False
        self.join_leave = False
        self.push_join_leave = False
        self.server_side = False
        self.client_refreshes = False
        self.from_token = False
        self.expire_at = 0
        self.meta_ttl = 0.0
        self.linger = 0.0
        self.info: ClientInfo | None = None

    def take(self, grant: SubscribeGrant, info: ClientInfo) -> None:
        """Become what the policy granted. ``info`` is how others see the client here."""
        self.info = info
        self.positioned = grant.positioned or grant.recoverable
        self.recoverable = grant.recoverable
        self.presence = grant.presence
        self.join_leave = grant.join_leave
        self.push_join_leave = grant.push_join_leave
        self.client_refreshes = grant.client_refreshes
        self.from_token = grant.from_token
        self.expire_at = grant.expire_at
        self.meta_ttl = grant.history_meta_ttl
        self.linger = grant.linger

    def deliver(self, push: Publication, data: bytes) -> None:
        """Pass on a publication, encoded as ``data``, or hold, skip or miss it."""
        held = self.held
        if held is not None:
            self._hold(held, push, data)
            return
        if self.positioned and push.offset:
            offset = push.offset
            if (offset != self.offset + 1 or push.epoch != self.epoch) and not self._accepts(push):
                return
            self.offset = offset
        self.session.outbox.push(data)

    def deliver_event(self, push: Push, data: bytes) -> None:
        """Pass on a join or leave, or hold it."""
        held = self.held
        if held is not None:
            self._hold(held, push, data)
            return
        self.session.outbox.push(data)

    def go_live(self, position: StreamPosition) -> None:
        """Stop holding: the client has the stream up to ``position``; what was held follows.

        Nothing may come between the reply and this call, nor between the two halves of it.
        """
        held, self.held = self.held, None
        self.offset = position.offset
        self.epoch = position.epoch
        if held is None:
            return
        for push, data in held.items:
            if isinstance(push, Publication):
                self.deliver(push, data)
            else:
                self.session.outbox.push(data)

    def _hold(self, held: Held, push: Push, data: bytes) -> None:
        if self.lost:
            return
        held.items.append((push, data))
        held.size += len(data)
        if held.size > self.session.outbox.limit:
            held.items.clear()
            self.session.outbox.overflow()

    def _accepts(self, push: Publication) -> bool:
        """Decide about a publication that is not simply the next one."""
        if push.epoch and self.epoch and push.epoch != self.epoch:
            return self._misses()
        if push.offset <= self.offset:
            return False  # recovery sent it already
        if push.offset == self.offset + 1:
            return True
        return self._misses()

    def _misses(self) -> bool:
        if self.encoding.traits.on_gap == "nothing":
            return True
        # Held from here on and never released: the flush ends this subscription.
        self.lost = True
        self.held = Held()
        self.session.mark_lost(self)
        return False
