"""What the policy grants: who a connection is, what a subscription may do, how data is kept.

Values that policy, server API and core share, and how they follow from channel options. They
say nothing of who asks or why it was granted.
"""

from msgspec import Struct

from girandola.options import ChannelOptions
from girandola.protocol.commands import Recovery


class PublishOptions(Struct, frozen=True, kw_only=True):
    """How a publication is kept. Times in seconds.

    History is kept when both ``history_size`` and ``history_ttl`` are above zero. A repeated
    ``idempotency_key`` within ``idempotency_ttl`` publishes nothing and answers as before.
    With ``version`` above zero a publication is suppressed when the stream has seen that version
    or a newer one under the same ``version_epoch``. ``drop_inactive``: keep nothing for a
    channel without subscribers.
    """

    history_size: int = 0
    history_ttl: float = 0.0
    history_meta_ttl: float = 0.0
    drop_inactive: bool = False
    idempotency_key: str = ""
    idempotency_ttl: float = 300.0
    version: int = 0
    version_epoch: str = ""
    delta: bool = False
    """Whether the broker is to say what it differs from (``Publication.base``)."""


class SubscribeGrant(Struct, kw_only=True):
    """What a subscription may do. Made by the policy for each subscription.

    ``expire_at`` in Unix seconds, 0 for never; ``client_refreshes`` tells whether the client is
    to prolong it by a new token. ``history_meta_ttl`` in seconds. ``recovery`` is from where to
    go on, for server-side subscriptions (a client's own comes with its command).
    """

    chan_info: bytes = b""
    data: bytes = b""
    expire_at: int = 0
    client_refreshes: bool = False
    presence: bool = False
    join_leave: bool = False
    push_join_leave: bool = False
    positioned: bool = False
    recoverable: bool = False
    cache_recovery: bool = False
    auto_cache_recovery: bool = False
    history_meta_ttl: float = 0.0
    linger: float = 0.0
    """How long the channel counts as active after its last subscriber (drop_inactive)."""
    recovery: Recovery = Recovery()
    from_token: bool = False
    """Whether a connection token listed it; compared when the connection is refreshed."""
    delta: bool = False
    """Whether deltas may be sent, as far as the client's encoding knows them."""


class ConnectGrant(Struct, kw_only=True):
    """Who a connection is and until when.

    ``expire_at`` in Unix seconds, 0 for never: when it is past, the connect is refused as
    expired. ``expires`` and ``ttl`` (seconds) are what the client is told.
    """

    user: str = ""
    conn_info: bytes = b""
    data: bytes = b""
    meta: bytes = b""
    expire_at: int = 0
    expires: bool = False
    ttl: int = 0
    subs: dict[str, SubscribeGrant] = {}
    only_connection: str = ""
    """A personal channel whose other members' connections end now (3504), or none."""


class RefreshGrant(Struct, kw_only=True):
    """Until when a connection or subscription goes on. Fields as in the other grants.

    ``info`` replaces the connection's or the subscription's info unless it is ``None``.
    """

    expire_at: int = 0
    expires: bool = False
    ttl: int = 0
    info: bytes | None = None
    meta: bytes | None = None


class PublishGrant(Struct, kw_only=True):
    """What is published in the name of a client, and how it is kept."""

    data: bytes
    options: PublishOptions
    tags: dict[str, str] | None = None


class HistoryGrant(Struct, frozen=True):
    """That history may be read; ``meta_ttl`` in seconds.

    ``unlimited_by_default``: a call without a limit means as many publications as are given at
    once, not the position only.
    """

    meta_ttl: float = 0.0
    unlimited_by_default: bool = False


class SubscribeOverride(Struct, frozen=True, kw_only=True):
    """Options that a token or a caller of the API sets for one subscription.

    ``None`` leaves what the namespace says (modern.md section 8.2).
    """

    presence: bool | None = None
    join_leave: bool | None = None
    force_push_join_leave: bool | None = None
    force_recovery: bool | None = None
    force_positioning: bool | None = None


def subscribe_grant(
    options: ChannelOptions, override: SubscribeOverride | None = None
) -> SubscribeGrant:
    """Return what a subscription gets from its namespace alone, and what overrides it."""
    over = override or SubscribeOverride()

    def chosen(own: bool | None, namespace: bool) -> bool:
        return namespace if own is None else own

    recoverable = chosen(over.force_recovery, options.force_recovery)
    cache = options.force_recovery_mode == "cache"
    return SubscribeGrant(
        presence=chosen(over.presence, options.presence),
        join_leave=chosen(over.join_leave, options.join_leave),
        push_join_leave=chosen(over.force_push_join_leave, options.force_push_join_leave),
        positioned=recoverable or chosen(over.force_positioning, options.force_positioning),
        recoverable=recoverable,
        cache_recovery=cache,
        auto_cache_recovery=cache and recoverable and options.auto_cache_recover,
        history_meta_ttl=options.history_meta_ttl,
        linger=options.history_ttl if options.history_drop_inactive else 0.0,
    )


def publish_options(
    options: ChannelOptions,
    *,
    skip_history: bool = False,
    idempotency_key: str = "",
    version: int = 0,
    version_epoch: str = "",
    delta: bool = False,
) -> PublishOptions:
    """Return how a publication into a channel with these options is kept."""
    keep = options.keeps_history and not skip_history
    return PublishOptions(
        history_size=options.history_size if keep else 0,
        history_ttl=options.history_ttl if keep else 0.0,
        history_meta_ttl=options.history_meta_ttl,
        drop_inactive=options.history_drop_inactive,
        idempotency_key=idempotency_key,
        version=version,
        version_epoch=version_epoch,
        delta=keep and (delta or options.delta_publish),
    )
