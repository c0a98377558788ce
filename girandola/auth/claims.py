"""The claims of JSON Web Tokens: how they are written, and what a token says by them.

Names and types: modern.md sections 8.2 and 8.3. Knows no signatures, keys or time; what was signed
is for ``jwt.py`` to say, and so is when a token is good.
"""

import base64
import math
import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from girandola.core.grants import SubscribeOverride

MAX_EXPIRE_AT = 2**63 - 1

_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


class InvalidToken(Exception):
    """The token is none of ours, whenever it is shown. The text is for the log."""


class TokenExpired(Exception):
    """The token is genuine, but its time is over or has not come."""


# ── what tokens say ──────────────────────────────────────────────────────────────────────────


class TokenSubscription(Struct, frozen=True):
    """A server-side subscription that a connection token asks for."""

    info: bytes = b""
    data: bytes = b""
    override: SubscribeOverride = SubscribeOverride()


class ConnectionToken(Struct, frozen=True, kw_only=True):
    """What a connection token says.

    ``info`` and ``meta`` are empty where absent. ``expire_at``: when the connection ends, in Unix
    seconds, 0 for never. ``subs`` holds what either of the claims ``subs`` and ``channels`` says.
    """

    user: str = ""
    info: bytes = b""
    meta: bytes = b""
    expire_at: int = 0
    subs: dict[str, TokenSubscription] = {}
    jti: str = ""
    issued_at: float = 0.0


class SubscriptionToken(Struct, frozen=True, kw_only=True):
    """What a subscription token says. ``client`` is empty where it is good for any connection.

    ``expires_alone``: a token for the v2 and v3 servers whose time does not limit the subscription.
    """

    user: str = ""
    channel: str
    client: str = ""
    info: bytes = b""
    data: bytes = b""
    expire_at: int = 0
    expires_alone: bool = False
    override: SubscribeOverride = SubscribeOverride()
    jti: str = ""
    issued_at: float = 0.0


# ── how they say it ──────────────────────────────────────────────────────────────────────────
#
# ``null`` stands for an absent claim, as with Centrifugo; any other wrong type is invalid. A date
# may be a number in quotes, which Go's decoder takes, too; nothing else may.

_NumericDate = int | float | str


class _Switch(Struct):
    value: bool = False


class _Override(Struct):
    presence: _Switch | None = None
    join_leave: _Switch | None = None
    force_push_join_leave: _Switch | None = None
    force_recovery: _Switch | None = None
    force_positioning: _Switch | None = None


class _Sub(Struct):
    info: Raw = Raw()
    b64info: str | None = None
    data: Raw = Raw()
    b64data: str | None = None
    override: _Override | None = None


class Claims(Struct):
    """The claims that mean something here, as they came."""

    sub: str | None = None
    exp: _NumericDate | None = None
    nbf: _NumericDate | None = None
    iat: _NumericDate | None = None
    jti: str | None = None
    aud: str | list[str] | None = None
    iss: str | None = None
    info: Raw = Raw()
    b64info: str | None = None
    data: Raw = Raw()
    b64data: str | None = None
    channels: list[str] | None = None
    subs: dict[str, _Sub | None] | None = None
    meta: Raw = Raw()
    expire_at: int | None = None
    eto: bool | None = None
    channel: str | None = None
    client: str | None = None
    override: _Override | None = None


class _ClaimsOtherUser(Claims):
    """Where another claim holds the user id, ``sub`` may be anything."""

    sub: Any = None


decode_claims = msgspec.json.Decoder(Claims).decode
decode_claims_other_user = msgspec.json.Decoder(_ClaimsOtherUser).decode
"""Both raise what msgspec does."""


# ── when ─────────────────────────────────────────────────────────────────────────────────────


class Times(Struct, frozen=True):
    """The dates of a token in Unix seconds, ``None`` where absent; ``expire_at`` 0 for never."""

    exp: float | None
    nbf: float | None
    issued_at: float
    expire_at: int


def times_of(claims: Claims) -> Times:
    """Return when a token is good. Raises ``InvalidToken`` for what are no dates."""
    exp = _seconds("exp", claims.exp)
    return Times(
        exp,
        _seconds("nbf", claims.nbf),
        _seconds("iat", claims.iat) or 0.0,
        _expire_at(claims, exp),
    )


def _seconds(name: str, claim: _NumericDate | None) -> float | None:
    """Return a date in Unix seconds. Raises ``InvalidToken`` for what is no finite number."""
    if claim is None:
        return None
    if isinstance(claim, str) and not _JSON_NUMBER.fullmatch(claim):
        raise InvalidToken(f"claims: expected {name} to be Unix seconds")
    try:
        seconds = float(claim)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise InvalidToken(f"claims: {name} is too large a number")
    return seconds


def _expire_at(claims: Claims, exp: float | None) -> int:
    if claims.expire_at is not None:
        if not 0 <= claims.expire_at <= MAX_EXPIRE_AT:
            raise InvalidToken("claims: expected expire_at to be Unix seconds, or 0 for never")
        return claims.expire_at
    return math.ceil(exp) if exp is not None else 0


# ── what ─────────────────────────────────────────────────────────────────────────────────────


def connection_token_of(claims: Claims, user: str, times: Times) -> ConnectionToken:
    """Return what a connection token says; raises ``InvalidToken``."""
    subs = claims.subs or dict.fromkeys(claims.channels or ())
    return ConnectionToken(
        user=user,
        info=_payload("info", claims.info, claims.b64info),
        meta=_payload("meta", claims.meta, None),
        expire_at=times.expire_at,
        subs={channel: _subscription(sub or _Sub()) for channel, sub in subs.items()},
        jti=claims.jti or "",
        issued_at=times.issued_at,
    )


def subscription_token_of(claims: Claims, user: str, times: Times) -> SubscriptionToken:
    """Return what a subscription token says; raises ``InvalidToken``."""
    return SubscriptionToken(
        user=user,
        channel=claims.channel or "",
        client=claims.client or "",
        info=_payload("info", claims.info, claims.b64info),
        data=_payload("data", claims.data, claims.b64data),
        expire_at=times.expire_at,
        expires_alone=claims.eto or False,
        override=_override(claims.override),
        jti=claims.jti or "",
        issued_at=times.issued_at,
    )


def _payload(what: str, raw: Raw, b64: str | None) -> bytes:
    """Return the bytes of a claim that comes as JSON or, taking precedence, as base64."""
    if b64:
        try:
            return base64.b64decode(b64, validate=True)
        except ValueError:
            raise InvalidToken(f"claims: expected base64 in b64{what}") from None
    data = bytes(raw)
    if b"\n" in data or b"\r" in data:
        # Frames of today's protocol are lines.
        data = msgspec.json.format(data, indent=-1)
    return b"" if data == b"null" else data


def _subscription(sub: _Sub) -> TokenSubscription:
    return TokenSubscription(
        _payload("info", sub.info, sub.b64info),
        _payload("data", sub.data, sub.b64data),
        _override(sub.override),
    )


def _override(override: _Override | None) -> SubscribeOverride:
    if override is None:
        return SubscribeOverride()
    switches = {name: getattr(override, name) for name in _Override.__struct_fields__}
    return SubscribeOverride(
        **{name: switch.value for name, switch in switches.items() if switch is not None}
    )
