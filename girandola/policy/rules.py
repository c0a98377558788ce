"""What all decisions of the policy look at: one immutable snapshot of the configuration.

Also the few questions that more than one event asks. Nothing here decides anything by itself.
"""

from collections.abc import Callable

import msgspec
from msgspec import Struct

from girandola.auth import signs
from girandola.auth.jwt import Verifier
from girandola.channels import Channels
from girandola.core.ports import Peer
from girandola.errors import BAD_REQUEST_CLOSE, INVALID_TOKEN, Close
from girandola.options import ClassicOptions, ClientSection, LegacyOptions, RpcPingOptions
from girandola.protocol.commands import SignedUser
from girandola.protocol.raw_json import is_json

CLOCK_SKEW = 300
"""Seconds that the clock of who signs may be ahead of ours."""
LONGEST = 365 * 24 * 3600
"""Seconds after which everything that expires does (modern.md section 8.8)."""


class Rules(Struct, frozen=True, kw_only=True):
    """One configuration; a reload replaces the whole. ``time`` returns Unix seconds."""

    channels: Channels
    client: ClientSection
    classic: ClassicOptions
    rpc_ping: RpcPingOptions
    connection_tokens: Verifier
    subscription_tokens: Verifier
    time: Callable[[], float]
    legacy: LegacyOptions = LegacyOptions()


class Term(Struct, frozen=True):
    """Until when something is granted (Unix seconds, 0 for ever) and what the client is told."""

    expire_at: int = 0
    expires: bool = False
    ttl: int = 0


def term(rules: Rules, expire_at: int) -> Term:
    """Return the term that a token's ``expire_at`` (0 for never) makes."""
    if not expire_at:
        return Term()
    now = int(rules.time())
    expire_at = min(expire_at, now + LONGEST)
    return Term(expire_at, True, max(0, expire_at - now))


def described(peer: Peer, channel: str) -> str:
    """Return channel and user as the log names them."""
    return f"channel {channel!r:.100} of user {peer.user!r:.100}"


def may(
    peer: Peer, *, client: bool, subscriber: bool, anonymous: bool, is_subscribed: bool
) -> bool:
    """Answer by the three permissions that publish, presence and history have (section 8.5)."""
    return (client or (subscriber and is_subscribed)) and (bool(peer.user) or anonymous)


# ── the credentials of 2018 ──────────────────────────────────────────────────────────────────


def check_signed_user(rules: Rules, signed: SignedUser) -> int:
    """Return the timestamp of genuine credentials (classic.md section 4.6).

    Raises:
        Close: the token is wrong or could be somebody else's, or the timestamp no time that has
            come.
    """
    secret = rules.classic.secret
    if not secret and not rules.classic.allow_empty_secret:
        raise Close(INVALID_TOKEN, "a 2018 token was shown, and classic.secret is not set")
    if not signs.is_client_token(secret, signed):
        raise Close(
            INVALID_TOKEN,
            f"2018 token of user {signed.user!r:.100}: not made with classic.secret over "
            "user, timestamp and info",
        )
    if not rules.classic.allow_ambiguous_signatures:
        _check_reading(rules, signed)
    digits = signed.timestamp[1:] if signed.timestamp[:1] in ("+", "-") else signed.timestamp
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise _bad_timestamp(signed, "Unix seconds as a decimal integer")
    return int(signed.timestamp)


def _check_reading(rules: Rules, signed: SignedUser) -> None:
    """Raise ``Close`` for credentials that may have been signed for somebody else."""
    if signs.has_one_reading(signed.timestamp, signed.info):
        if int(signed.timestamp) > rules.time() + CLOCK_SKEW:
            raise _bad_timestamp(signed, "a time that has come")
    elif len(signed.timestamp) != signs.TIMESTAMP_LENGTH:
        raise _bad_timestamp(signed, "Unix seconds in ten digits")
    else:
        raise Close(
            INVALID_TOKEN,
            f"2018 credentials of user {signed.user!r:.100}: expected info to be empty, or JSON "
            "that is no number; else they could be those of another user "
            "(classic.allow_ambiguous_signatures)",
        )


def _bad_timestamp(signed: SignedUser, expected: str) -> Close:
    return Close(
        BAD_REQUEST_CLOSE,
        f"2018 credentials of user {signed.user!r:.100}: expected timestamp to be {expected}",
    )


def signed_term(rules: Rules, timestamp: int) -> Term:
    """Return the term of 2018 credentials; it may be over already.

    The client is told the whole lifetime, not the rest of it (classic.md section 4.6).
    """
    lifetime = int(rules.classic.connection_lifetime)
    if not lifetime:
        return Term()
    # 0 would mean for ever.
    return Term(max(1, timestamp + lifetime), True, lifetime)


def signed_info(text: str) -> bytes:
    """Return 2018 info as a JSON text on one line; what is no JSON becomes a JSON string.

    2018 servers copied it unseen, and so broke the frames that others got (classic.md
    section 13).
    """
    if not text:
        return b""
    data = text.encode("utf-8", "replace")
    if is_json(data):
        return msgspec.json.format(data, indent=-1)
    return msgspec.json.encode(data.decode())
