"""Until when a connection or a subscription goes on: ``refresh`` and ``sub_refresh``.

Rules: modern.md sections 5.8 and 5.9, classic.md section 4.7. Timers are
the core's, and so is the refusal of a grant that is over already.
"""

from girandola.auth.claims import InvalidToken, TokenExpired
from girandola.auth.jwks import KeysUnavailable
from girandola.core.grants import RefreshGrant
from girandola.core.ports import Peer
from girandola.errors import (
    BAD_REQUEST,
    BAD_REQUEST_CLOSE,
    CONNECTION_EXPIRED,
    INSUFFICIENT_STATE,
    INTERNAL,
    INVALID_TOKEN,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    Close,
    Reject,
)
from girandola.policy.connect import connection_term
from girandola.policy.rules import (
    Rules,
    Term,
    check_signed_user,
    described,
    signed_info,
    signed_term,
    term,
)
from girandola.policy.subscribe import misfit
from girandola.protocol.commands import Refresh, SignedUser, SubRefresh


async def refresh(rules: Rules, peer: Peer, command: Refresh) -> RefreshGrant:
    """Decide until when the connection goes on.

    Raises:
        Reject, Close: as modern.md section 5.8 says.
    """
    if command.signed is not None:
        return _by_signature(rules, command.signed)
    who = f"refresh of user {peer.user!r:.100}"
    if not command.token:
        raise Close(BAD_REQUEST_CLOSE, f"{who}: expected a token")
    try:
        token = await rules.connection_tokens.connection_token(command.token)
    except TokenExpired as error:
        raise Close(CONNECTION_EXPIRED, f"{who}: {error}") from None
    except InvalidToken as error:
        raise Close(INVALID_TOKEN, f"{who}: {error}") from None
    except KeysUnavailable as error:
        raise Reject(INTERNAL, f"{who}: {error}") from None
    for channel in token.subs:
        rules.channels.options(channel)
    if token.user != peer.user:
        raise Close(INVALID_TOKEN, f"{who}: the token is one of user {token.user!r:.100}")
    if token.subs.keys() != peer.token_channels:
        raise Close(
            INSUFFICIENT_STATE, f"{who}: the token lists other channels than the one before"
        )
    until = connection_term(rules, token)
    return RefreshGrant(
        expire_at=until.expire_at,
        expires=until.expires,
        ttl=until.ttl,
        info=token.info or None,
        meta=token.meta or None,
    )


async def sub_refresh(rules: Rules, peer: Peer, command: SubRefresh) -> RefreshGrant:
    """Decide until when a subscription goes on.

    Raises:
        Reject, Close: as modern.md section 5.9 says. An expired token is answered as such,
            not taken for a subscription without end as Centrifugo 6.9.1 did.
    """
    if not command.channel:
        raise Close(BAD_REQUEST_CLOSE, "sub_refresh: expected a channel")
    who = f"sub_refresh of {described(peer, command.channel)}"
    if command.type != 0:
        raise Reject(BAD_REQUEST, f"{who}: subscriptions of type {command.type} do not exist")
    if not peer.is_subscribed(command.channel):
        raise Reject(PERMISSION_DENIED, f"{who}: not subscribed")
    if not command.token:
        raise Reject(BAD_REQUEST, f"{who}: expected a token")
    try:
        token = await rules.subscription_tokens.subscription_token(command.token)
    except TokenExpired as error:
        raise Reject(TOKEN_EXPIRED, f"{who}: {error}") from None
    except InvalidToken as error:
        raise Close(INVALID_TOKEN, f"{who}: {error}") from None
    except KeysUnavailable as error:
        raise Reject(INTERNAL, f"{who}: {error}") from None
    if why_not := misfit(rules, peer, command, token):
        raise Close(INVALID_TOKEN, f"{who}: {why_not}")
    until = term(rules, token.expire_at)
    return RefreshGrant(
        expire_at=until.expire_at, expires=until.expires, ttl=until.ttl, info=token.info
    )


def _by_signature(rules: Rules, signed: SignedUser) -> RefreshGrant:
    """Decide by the credentials of 2018, which are checked in insecure mode, too.

    Whose they are is not compared with the connection's user (classic.md section 4.7).
    """
    until = signed_term(rules, check_signed_user(rules, signed))
    if not until.expires:
        return RefreshGrant()
    if rules.client.insecure and until.expire_at > rules.time():
        until = Term(0, True, until.ttl)
    return RefreshGrant(
        expire_at=until.expire_at,
        expires=True,
        ttl=until.ttl,
        info=signed_info(signed.info) or None,
    )
