"""One session in one channel: joining, live, gone.

Delivery marks and never acts: it runs inside the broadcast loop, which must not see the
registry change. It knows encoded messages and offsets, and which publication a delta would be
based on; no protocol.
"""

from typing import TYPE_CHECKING

from girandola.core.filters import Filter
from girandola.core.grants import SubscribeGrant
from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.protocol.codec import Codec, DeltaEncodings, Encoding
from girandola.protocol.commands import Push

if TYPE_CHECKING:
    from girandola.core.session import Session


SKIPPED_SIZE = 128
"""Bytes that the offset of a publication takes which is not for the client."""


class Held:
    """What arrives for a subscription that is not live yet, in order; ``b""`` if filtered out."""

    __slots__ = ("items", "size")

    def __init__(self) -> None:
        self.items: list[tuple[Push, bytes]] = []
        self.size = 0


class Subscription:
    """A session's place in a channel.

    While ``held`` is there, pushes wait in it (history is still being read, or the reply is not
    queued). ``offset`` and ``epoch`` say up to where the client has the stream, where
    ``positioned``. ``expire_at`` in Unix seconds, 0 for never.

    ``encoding`` is what the next publication is encoded by. Where ``deltas`` were agreed on, it
    changes: a delta is for a client that got the publication before it in the stream. ``filter``
    tells which publications the client wants, ``None`` for all.
    """

    __slots__ = (
        "channel",
        "client_refreshes",
        "deltas",
        "encoding",
        "epoch",
        "expire_at",
        "filter",
        "from_token",
        "held",
        "info",
        "join_leave",
        "linger",
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

    def __init__(self, session: "Session", channel: str, codec: Codec) -> None:
        self.session = session
        self.channel = channel
        self.encoding: Encoding = codec
        self.deltas: DeltaEncodings | None = None
        self.filter: Filter | None = None
        self.held: Held | None = Held()
        self.lost = False
        self.positioned = False
        self.recoverable = False
        self.offset = 0
        self.epoch = ""
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
        # Who is not sent everything lacks the bases.
        if grant.delta and self.filter is None:
            self.deltas = self.session.codec.deltas
            if self.deltas is not None:
                self.encoding = self.deltas.full

    @property
    def minds_gaps(self) -> bool:
        """Whether it is live and must not lack a publication of its stream."""
        return (
            self.positioned and self.held is None and self.session.codec.traits.on_gap != "nothing"
        )

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
        if self.deltas is not None:
            data = self._based(self.deltas, push, data)
        self.session.outbox.push(data)

    def skip(self, push: Publication) -> None:
        """Take note of a publication that the client does not want, or cannot get."""
        held = self.held
        if self.deltas is not None:
            # The next one cannot be a delta to what the client does not have.
            self.encoding = self.deltas.full
        if not push.offset:
            return
        if held is not None:
            self._hold(held, Publication(b"", offset=push.offset, epoch=push.epoch), b"")
        elif self.positioned and self._accepts(push):
            self.offset = push.offset

    def deliver_event(self, push: Push, data: bytes) -> None:
        """Pass on a join or leave, or hold it."""
        held = self.held
        if held is not None:
            self._hold(held, push, data)
            return
        self.session.outbox.push(data)

    def go_live(self, position: StreamPosition, *, has_latest: bool = False) -> None:
        """Stop holding: the client has the stream up to ``position``; what was held follows.

        ``has_latest``: it was sent the publication there just now, so that the next one may be a
        delta. (That it says to have it is not enough: what it received last may have been no
        part of the stream.) Nothing may come between the reply and this call, nor between the
        two halves of it.
        """
        held, self.held = self.held, None
        self.offset = position.offset
        self.epoch = position.epoch
        if self.deltas is not None and has_latest:
            self.encoding = self.deltas.delta
        if held is None:
            return
        for push, data in held.items:
            if not isinstance(push, Publication):
                self.session.outbox.push(data)
            elif data:
                self.deliver(push, data)
            else:
                self.skip(push)

    def _hold(self, held: Held, push: Push, data: bytes) -> None:
        if self.lost:
            return
        held.items.append((push, data))
        held.size += len(data) or SKIPPED_SIZE
        if held.size > self.session.outbox.limit:
            held.items.clear()
            self.session.outbox.overflow()

    def _based(self, deltas: DeltaEncodings, push: Publication, data: bytes) -> bytes:
        """Return what the client can read of ``push``, and see how the next one is to be encoded.

        Clients take as base what came last, in the stream or not.
        """
        if not self.positioned:
            follows = push.offset == self.offset + 1 and push.epoch == self.epoch
            if push.base and self.encoding is deltas.delta and not follows:
                # The engine has lost something, and nobody looks for gaps here.
                data = deltas.full.push(self.channel, push)
            self.offset, self.epoch = push.offset, push.epoch
        self.encoding = deltas.delta if push.offset else deltas.full
        return data

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
        if self.session.codec.traits.on_gap == "nothing":
            return True
        # Held from here on and never released: the flush ends this subscription.
        self.lost = True
        self.held = Held()
        self.session.mark_lost(self)
        return False
