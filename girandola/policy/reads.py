"""Who may see who is in a channel and what was published (modern.md sections 5.4, 5.5, 8.5).

That 2018 clients must be subscribed first is checked by the core, which knows the command.
"""

from girandola.core.grants import HistoryGrant
from girandola.core.ports import Peer
from girandola.errors import NOT_AVAILABLE, PERMISSION_DENIED, Reject
from girandola.options import ChannelOptions
from girandola.policy.rules import Rules, described, may


def presence(rules: Rules, peer: Peer, channel: str) -> None:
    """Decide whether the peer sees who is there.

    Raises:
        Reject: UNKNOWN_CHANNEL, NOT_AVAILABLE, PERMISSION_DENIED; in this order.
    """
    options = rules.channels.options(channel)
    if not options.presence:
        raise _off("presence", peer, channel, "presence")
    if not may_see_presence(rules, options, peer, is_subscribed=peer.is_subscribed(channel)):
        clients = options.allow_presence_for_client or options.allow_presence_for_subscriber
        raise _denied(rules, "presence", peer, channel, is_for_clients=clients)


def history(rules: Rules, peer: Peer, channel: str) -> HistoryGrant:
    """Decide whether the peer reads the stream.

    Raises:
        Reject: UNKNOWN_CHANNEL, NOT_AVAILABLE, PERMISSION_DENIED; in this order.
    """
    options = rules.channels.options(channel)
    if not options.keeps_history:
        raise _off("history", peer, channel, "history_size and history_ttl")
    if not may_read_history(rules, options, peer, is_subscribed=peer.is_subscribed(channel)):
        clients = options.allow_history_for_client or options.allow_history_for_subscriber
        raise _denied(rules, "history", peer, channel, is_for_clients=clients)
    return HistoryGrant(options.history_meta_ttl, rules.legacy.unlimited_history_by_default)


def may_see_presence(
    rules: Rules, options: ChannelOptions, peer: Peer, *, is_subscribed: bool
) -> bool:
    """Tell whether the presence permissions let the peer in, whether or not presence is on."""
    return _sees_all(rules) or may(
        peer,
        client=options.allow_presence_for_client,
        subscriber=options.allow_presence_for_subscriber,
        anonymous=options.allow_presence_for_anonymous,
        is_subscribed=is_subscribed,
    )


def may_read_history(
    rules: Rules, options: ChannelOptions, peer: Peer, *, is_subscribed: bool
) -> bool:
    """Tell whether the history permissions let the peer in, whether or not history is on."""
    return _sees_all(rules) or may(
        peer,
        client=options.allow_history_for_client,
        subscriber=options.allow_history_for_subscriber,
        anonymous=options.allow_history_for_anonymous,
        is_subscribed=is_subscribed,
    )


def _sees_all(rules: Rules) -> bool:
    return rules.client.insecure and not rules.legacy.narrow_insecure


def _off(what: str, peer: Peer, channel: str, options: str) -> Reject:
    return Reject(
        NOT_AVAILABLE, f"{what} of {described(peer, channel)}: {options} of its namespace not set"
    )


def _denied(rules: Rules, what: str, peer: Peer, channel: str, *, is_for_clients: bool) -> Reject:
    """Return the refusal; ``is_for_clients``: there are clients who may read it."""
    off = rules.legacy.disabled_reads_are_unavailable and not is_for_clients
    return Reject(
        NOT_AVAILABLE if off else PERMISSION_DENIED,
        f"{what} of {described(peer, channel)}: allow_{what}_for_client, _for_subscriber and "
        "_for_anonymous of its namespace do not allow it",
    )
