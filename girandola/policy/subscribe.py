"""Who may listen to a channel, and how: the decision on ``subscribe``.

Today's clients by modern.md sections 5.1 and 8.4, those of 2018 by classic.md section 4.8. The
core checks before this the length of the name, the number of subscriptions, and that there is
none yet; after it, that the grant is not over already.
"""

from girandola.auth import signs
from girandola.auth.claims import InvalidToken, SubscriptionToken, TokenExpired
from girandola.auth.jwks import KeysUnavailable
from girandola.core.grants import SubscribeGrant, subscribe_grant
from girandola.core.ports import Peer
from girandola.errors import (
    BAD_REQUEST,
    BAD_REQUEST_CLOSE,
    INTERNAL,
    INVALID_TOKEN,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    Close,
    Reject,
)
from girandola.options import ChannelOptions
from girandola.policy.access import NOT_LISTED, OTHER_CONNECTION, barred, closed, lets_in
from girandola.policy.reads import may_read_history, may_see_presence
from girandola.policy.rules import Rules, described, signed_info, term
from girandola.protocol.commands import SignedChannel, SubRefresh, Subscribe

SHARED_POLL = 4
DELTAS = ("", "fossil")


async def subscribe(rules: Rules, peer: Peer, command: Subscribe) -> SubscribeGrant:
    """Decide whether and how the peer listens.

    Raises:
        Reject, Close: as modern.md section 8.4 and classic.md section 4.8 say.
    """
    if not command.channel:
        raise Close(BAD_REQUEST_CLOSE, "subscribe: expected a channel")
    if command.signed is not None:
        return _by_2018_rules(rules, peer, command, command.signed)
    _check_request(peer, command)
    options = rules.channels.options(command.channel)
    _check_name(rules, peer, command)
    if why := barred(rules, options, command.channel, peer.user, peer.client):
        raise _denied(peer, command, why)
    if command.token and _looks_at_tokens(rules, command.channel):
        token = await _token(rules, peer, command)
        grant = _token_grant(rules, options, command, token)
    elif why := closed(rules, options, command.channel, peer.user):
        raise _denied(peer, command, why)
    else:
        grant = subscribe_grant(options)
    _add_what_is_asked_for(rules, peer, command, options, grant)
    if command.filter is not None and not options.allow_tags_filter:
        raise Reject(
            BAD_REQUEST,
            f"{described(peer, command.channel)}: a tags filter was given, and its namespace "
            "does not allow_tags_filter",
        )
    return grant


def misfit(
    rules: Rules, peer: Peer, command: Subscribe | SubRefresh, token: SubscriptionToken
) -> str:
    """Return why a genuine subscription token is not for this channel, user and connection.

    ``""`` where it is. A token that names this very connection needs no user where those of the
    client's generation had none: ids of connections are not given twice.
    """
    owner = rules.legacy.subscription_token_owner
    if token.channel != command.channel:
        return f"the token is for channel {token.channel!r:.100}"
    if owner == "client" and not token.client:
        return "the token names no connection, and legacy.subscription_token_owner is client"
    if token.client and token.client != peer.client:
        return "the token is for another connection"
    if owner != "user":
        return ""
    needs_no_user = command.for_connection and token.client and not token.user
    if token.user != peer.user and not needs_no_user:
        return f"the token is for user {token.user!r:.100}"
    return ""


# ── today ────────────────────────────────────────────────────────────────────────────────────


def _check_request(peer: Peer, command: Subscribe) -> None:
    if command.delta not in DELTAS:
        raise Close(
            BAD_REQUEST_CLOSE,
            f"{described(peer, command.channel)}: expected delta to be fossil or nothing",
        )
    if command.type == SHARED_POLL:
        raise Reject(
            NOT_AVAILABLE,
            f"{described(peer, command.channel)}: subscriptions of type shared_poll do not exist",
        )


def _check_name(rules: Rules, peer: Peer, command: Subscribe) -> None:
    channel = command.channel
    if not rules.channels.is_well_named(channel):
        raise Reject(
            BAD_REQUEST,
            f"{described(peer, channel)}: the name does not match channel_regex of its "
            "namespace, or is not ASCII where there is none",
        )
    if command.type != 0:
        raise _denied(peer, command, f"its subscriptions are streams, not of type {command.type}")


def _looks_at_tokens(rules: Rules, channel: str) -> bool:
    """Tell whether a token can prove anything there."""
    only_private = rules.legacy.tokens_on_private_channels_only
    return not only_private or rules.channels.is_private(channel)


async def _token(rules: Rules, peer: Peer, command: Subscribe) -> SubscriptionToken:
    where = described(peer, command.channel)
    try:
        token = await rules.subscription_tokens.subscription_token(command.token)
    except TokenExpired as error:
        raise Reject(TOKEN_EXPIRED, f"{where}: subscription token: {error}") from None
    except InvalidToken as error:
        raise Reject(PERMISSION_DENIED, f"{where}: subscription token: {error}") from None
    except KeysUnavailable as error:
        raise Reject(INTERNAL, f"{where}: subscription token: {error}") from None
    why_not = misfit(rules, peer, command, token)
    if why_not and command.for_connection:
        # The connection that it was made for may just have been replaced by this one.
        raise Reject(PERMISSION_DENIED, f"{where}: {why_not}")
    if why_not:
        raise Close(INVALID_TOKEN, f"{where}: {why_not}")
    return token


def _token_grant(
    rules: Rules, options: ChannelOptions, command: Subscribe, token: SubscriptionToken
) -> SubscribeGrant:
    grant = subscribe_grant(options, token.override)
    grant.chan_info = token.info
    grant.data = token.data
    if not (command.for_connection and token.expires_alone):
        grant.expire_at = term(rules, token.expire_at).expire_at
    grant.client_refreshes = grant.expire_at > 0
    return grant


def _add_what_is_asked_for(
    rules: Rules,
    peer: Peer,
    command: Subscribe,
    options: ChannelOptions,
    grant: SubscribeGrant,
) -> None:
    """Honour the client's wishes as far as it could have the same by other commands."""
    if command.positioned or command.recoverable:
        reads = may_read_history(rules, options, peer, is_subscribed=True)
        if command.recoverable and (options.allow_recovery or reads):
            grant.recoverable = grant.positioned = True
        if command.positioned and (options.allow_positioning or reads):
            grant.positioned = True
    grant.delta = command.delta in options.allowed_delta_types
    if command.join_leave and options.join_leave:
        grant.push_join_leave = grant.push_join_leave or may_see_presence(
            rules, options, peer, is_subscribed=True
        )


def _denied(peer: Peer, command: Subscribe, why: str) -> Reject:
    return Reject(PERMISSION_DENIED, f"{described(peer, command.channel)}: {why}")


# ── 2018 ─────────────────────────────────────────────────────────────────────────────────────


def _by_2018_rules(
    rules: Rules, peer: Peer, command: Subscribe, signed: SignedChannel
) -> SubscribeGrant:
    """Decide by classic.md section 4.8, checks 4 to 7.

    One more check closes what 2018 had no notion of: a channel that is not private, but that
    nobody may have without a token. Configurations of 2018 open all of theirs.
    """
    channel, channels = command.channel, rules.channels
    if not channels.allows_user(channel, peer.user):
        raise _denied(peer, command, NOT_LISTED)
    if not channels.allows_client(channel, peer.client):
        raise _denied(peer, command, OTHER_CONNECTION)
    options = channels.options(channel)
    if why := barred(rules, options, channel, peer.user, peer.client):
        raise _denied(peer, command, why)
    if not lets_in(rules, options, peer.user):
        raise _denied(peer, command, "users without an id are not allowed there")
    grant = subscribe_grant(options)
    if channels.is_private(channel):
        _check_sign(rules, peer, command, signed)
        grant.chan_info = signed_info(signed.info)
    elif why := closed(rules, options, channel, peer.user):
        raise _denied(peer, command, why)
    if options.join_leave and may_see_presence(rules, options, peer, is_subscribed=True):
        # 2018 clients cannot ask, and expect them.
        grant.push_join_leave = True
    return grant


def _check_sign(rules: Rules, peer: Peer, command: Subscribe, signed: SignedChannel) -> None:
    secret = rules.classic.secret
    if not secret and not rules.classic.allow_empty_secret:
        raise _denied(peer, command, "the channel is private, and classic.secret is not set")
    if signed.client != peer.client:
        raise _denied(peer, command, "the channel is private, and the sign for another connection")
    if not signs.is_channel_sign(secret, command.channel, signed):
        raise _denied(peer, command, "the sign was not made with classic.secret")
    one_reading = signs.sign_has_one_reading(command.channel, signed.info)
    if not one_reading and not rules.classic.allow_ambiguous_signatures:
        raise _denied(
            peer,
            command,
            "expected info to be empty or a JSON object, and a name that does not end with one; "
            "else the sign could be for another channel (classic.allow_ambiguous_signatures)",
        )
