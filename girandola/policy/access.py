"""Who may be in a channel, whatever the way in; the only place that says so.

Clients come in by ``subscribe`` with or without a token, by the commands of 2018, and by what a
connect or a ``Last-Event-ID`` asks for. Each way has its own order and its own answers; what bars
somebody, and what is open without a token, is the same for all (modern.md section 8.4,
config-generations.md section 2.3). Knows names, options and who asks; no tokens, no signs, no
commands.
"""

from girandola.options import ChannelOptions
from girandola.policy.rules import Rules

STREAMS = ("", "stream")
"""The types of subscriptions that are built."""

NOT_LISTED = "the user is not among those in the channel's name"
OTHER_CONNECTION = "the name is for another connection"


def misnamed(rules: Rules, channel: str) -> str:
    """Return why no client of today may use the name, ``""`` if it may."""
    if rules.channels.is_too_long(channel):
        return f"the name is longer than {rules.channels.section.max_length} bytes"
    if not rules.channels.is_well_named(channel):
        return (
            "the name does not match channel_regex of its namespace, or is not ASCII where there "
            "is none"
        )
    return ""


def barred(rules: Rules, options: ChannelOptions, channel: str, user: str, client: str) -> str:
    """Return why nobody like this may be in the channel whatever he shows, ``""`` if he may.

    ``user`` is the user's id, ``""`` for nobody known, ``client`` that of the connection.
    """
    channels, legacy = rules.channels, rules.legacy
    if options.subscription_type not in STREAMS:
        return f"its subscriptions are of type {options.subscription_type}, which is not built yet"
    if options.server_side_only:
        return "only the server subscribes there (server_side_only)"
    if not channels.allows_client(channel, client):
        return OTHER_CONNECTION
    if legacy.gate_anonymous and not lets_in(rules, options, user):
        return _closed_to_anonymous(rules, channel)
    needs_both = legacy.private_user_limited_needs_both and channels.is_private(channel)
    if needs_both and not channels.allows_user(channel, user):
        return NOT_LISTED
    return ""


def closed(rules: Rules, options: ChannelOptions, channel: str, user: str) -> str:
    """Return why whoever is not barred needs a token for the channel, ``""`` if he needs none."""
    channels = rules.channels
    if channels.is_private(channel):
        return "the channel is private, and no token was given"
    if rules.client.insecure and not rules.legacy.narrow_insecure:
        return ""
    if options.allow_user_limited_channels and channels.is_user_limited(channel):
        if not channels.allows_user(channel, user):
            return NOT_LISTED
    elif not options.allow_subscribe_for_client:
        return f"{_place(rules, channel)} does not allow_subscribe_for_client{_NO_TOKEN}"
    if not lets_in(rules, options, user):
        return _closed_to_anonymous(rules, channel)
    return ""


def lets_in(rules: Rules, options: ChannelOptions, user: str) -> bool:
    """Tell whether users like this may be there at all: with an id, or where none is needed."""
    return bool(user) or options.allow_subscribe_for_anonymous or rules.client.insecure


_NO_TOKEN = " and no token was given"  # noqa: S105  a sentence


def _closed_to_anonymous(rules: Rules, channel: str) -> str:
    return f"{_place(rules, channel)} does not allow_subscribe_for_anonymous{_NO_TOKEN}"


def _place(rules: Rules, channel: str) -> str:
    name = rules.channels.namespace(channel)
    return f"namespace {name}" if name else "channel.without_namespace"
