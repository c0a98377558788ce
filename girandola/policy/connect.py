"""Who a connection is: the decision on ``connect`` (modern.md sections 8.1 and 8.7).

Credentials of 2018 are decided by classic.md sections 4.6 and 4.14. Limits on the number of
connections and subscriptions are the core's; so is the refusal of a grant that is over already.
"""

import logging

from girandola.auth.claims import ConnectionToken, InvalidToken, TokenExpired, TokenSubscription
from girandola.auth.jwks import KeysUnavailable
from girandola.core.grants import ConnectGrant, SubscribeGrant, subscribe_grant
from girandola.core.ports import Peer
from girandola.errors import (
    BAD_REQUEST_CLOSE,
    INTERNAL,
    INVALID_TOKEN,
    PERMISSION_DENIED_CLOSE,
    TOKEN_EXPIRED,
    Close,
    Reject,
)
from girandola.options import ChannelOptions
from girandola.policy.access import barred, closed, misnamed
from girandola.policy.rules import (
    Rules,
    Term,
    check_signed_user,
    signed_info,
    signed_term,
    term,
)
from girandola.protocol.commands import Connect, Recovery, SignedUser

logger = logging.getLogger(__name__)


async def connect(rules: Rules, peer: Peer, command: Connect) -> ConnectGrant:
    """Decide who this is.

    Raises:
        Reject, Close: as modern.md sections 8.1 and 8.2 say.
    """
    if command.signed is not None:
        return _by_signature(rules, command.signed)
    if command.token:
        return await _by_token(rules, peer, command)
    if rules.client.allow_anonymous_connect_without_token or rules.client.insecure:
        return _complete(rules, peer, ConnectGrant(), command)
    header = rules.client.user_id_http_header
    if header and (user := peer.headers.get(header.lower())):
        return _complete(rules, peer, ConnectGrant(user=user), command)
    raise Close(BAD_REQUEST_CLOSE, _nothing_shown(header))


# ── today ────────────────────────────────────────────────────────────────────────────────────


async def _by_token(rules: Rules, peer: Peer, command: Connect) -> ConnectGrant:
    try:
        token = await rules.connection_tokens.connection_token(command.token)
    except TokenExpired as error:
        raise Reject(TOKEN_EXPIRED, f"connection token: {error}") from None
    except InvalidToken as error:
        raise Close(INVALID_TOKEN, f"connection token: {error}") from None
    except KeysUnavailable as error:
        raise Reject(INTERNAL, f"connection token: {error}") from None
    subs = {
        channel: _token_sub(rules, channel, sub, command) for channel, sub in token.subs.items()
    }
    _check_anonymous(rules, token.user)
    until = connection_term(rules, token)
    grant = ConnectGrant(
        user=token.user,
        conn_info=token.info,
        meta=token.meta,
        expire_at=until.expire_at,
        expires=until.expires,
        ttl=until.ttl,
        subs=subs,
    )
    return _complete(rules, peer, grant, command)


def connection_term(rules: Rules, token: ConnectionToken) -> Term:
    """Return until when a connection goes on by its token; for ever in insecure mode."""
    return Term() if rules.client.insecure else term(rules, token.expire_at)


def _check_anonymous(rules: Rules, user: str) -> None:
    if not user and rules.client.disallow_anonymous_connection_tokens:
        raise Close(
            PERMISSION_DENIED_CLOSE,
            "token without a user id, and client.disallow_anonymous_connection_tokens is set",
        )


def _token_sub(
    rules: Rules, channel: str, sub: TokenSubscription, command: Connect
) -> SubscribeGrant:
    grant = subscribe_grant(rules.channels.options(channel), sub.override)
    grant.chan_info = sub.info
    grant.data = sub.data
    grant.from_token = True
    grant.recovery = command.subs.get(channel, Recovery())
    return grant


def _complete(rules: Rules, peer: Peer, grant: ConnectGrant, command: Connect) -> ConnectGrant:
    """Add the subscriptions that follow from who it is."""
    _add_personal_channel(rules, grant, command)
    refused: dict[str, str] = {}
    for channel, recovery in command.subs.items():
        if channel in grant.subs:
            continue
        options = _options(rules, channel)
        if why := _why_not(rules, peer, grant.user, options, channel, command):
            refused[channel] = why
        else:
            sub = subscribe_grant(options)
            sub.recovery = recovery
            grant.subs[channel] = sub
    _log_refused(peer, grant.user, refused)
    return grant


def _add_personal_channel(rules: Rules, grant: ConnectGrant, command: Connect) -> None:
    personal = rules.client.subscribe_to_user_personal_channel
    if not personal.enabled or not grant.user or not rules.channels.section.user_boundary:
        return
    channel = rules.channels.personal(grant.user, personal.personal_channel_namespace)
    options = rules.channels.options(channel)
    if channel not in grant.subs:
        sub = subscribe_grant(options)
        sub.recovery = command.subs.get(channel, Recovery())
        grant.subs[channel] = sub
    if personal.single_connection and options.presence:
        grant.only_connection = channel


def _options(rules: Rules, channel: str) -> ChannelOptions:
    try:
        return rules.channels.options(channel)
    except Reject as reject:
        raise Close(BAD_REQUEST_CLOSE, f"connect.subs: {reject.detail:.200}") from None


def _why_not(
    rules: Rules, peer: Peer, user: str, options: ChannelOptions, channel: str, command: Connect
) -> str:
    """Return why a channel that a connect only asks for is not given, ``""`` if it is."""
    if rules.legacy.connect_subs_for_users_only and not (command.token and user):
        return "only users with a token may ask (legacy.connect_subs_for_users_only)"
    return (
        misnamed(rules, channel)
        or barred(rules, options, channel, user, peer.client)
        or closed(rules, options, channel, user)
    )


def _log_refused(peer: Peer, user: str, refused: dict[str, str]) -> None:
    """Tell the operator in one line, however many a stranger asked for."""
    if refused:
        channel, why = next(iter(refused.items()))
        logger.info(
            "client %s (user %.100r): %d of the channels that its connect asks for are not given; "
            "the first is %.100r: %s",
            peer.client,
            user,
            len(refused),
            channel,
            why,
        )


def _nothing_shown(header: str) -> str:
    asked = f" and no header {header}" if header else ""
    return (
        f"connect without token{asked}, and neither "
        "client.allow_anonymous_connect_without_token nor client.insecure is set"
    )


# ── 2018 ─────────────────────────────────────────────────────────────────────────────────────


def _by_signature(rules: Rules, signed: SignedUser) -> ConnectGrant:
    """Decide by the credentials of 2018. Those clients know no server-side subscriptions."""
    if rules.client.insecure:
        until = signed_term(rules, 0)
        until = Term(0, until.expires, until.ttl)
    else:
        until = signed_term(rules, check_signed_user(rules, signed))
        _check_anonymous(rules, signed.user)
    return ConnectGrant(
        user=signed.user,
        conn_info=signed_info(signed.info),
        expire_at=until.expire_at,
        expires=until.expires,
        ttl=until.ttl,
    )
