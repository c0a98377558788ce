"""JSON Web Tokens of connections and subscriptions: verified, and turned into plain values.

Claims and the order of checks: modern.md sections 8.2 and 8.3. Nothing here knows connections,
channel options or replies; a token is good, expired or invalid, and the policy says what follows.
Reasons never hold any part of a token's text.
"""

import base64
import binascii
import hmac
import json
import math
import re
from collections.abc import Callable
from typing import Any

import msgspec
from joserfc.jwk import ECKey, OKPKey, RSAKey
from msgspec import Raw, Struct

from girandola.auth.jwks import EndpointTemplate, KeySets
from girandola.auth.keys import KINDS, PublicKey, from_pem, has_signed, kind
from girandola.core.grants import SubscribeOverride
from girandola.options import TokenOptions
from girandola.protocol import raw_json

MAX_TOKEN = 64 * 1024
MAX_CACHED_HEADERS = 512
MAX_CACHED_HEADER = 1024
MAX_REGEX_SUBJECT = 1024
"""Longest issuer or audience that a regex is tried on: regexes may take long on long texts."""

MAX_EXPIRE_AT = 2**63 - 1

_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


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


class _Claims(Struct):
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


class _ClaimsOtherUser(_Claims):
    """Where another claim holds the user id, ``sub`` may be anything."""

    sub: Any = None


class _Header(Struct, frozen=True):
    alg: str
    kid: str = ""
    crit: Raw = Raw()


class _Parts(Struct):
    """A token taken apart. ``text`` is what is signed; ``signature`` is still base64url."""

    header: _Header
    claims: _Claims
    payload: bytes
    text: bytes
    signature: bytes


_decode_header = msgspec.json.Decoder(_Header).decode
_decode_claims = msgspec.json.Decoder(_Claims).decode
_decode_claims_other_user = msgspec.json.Decoder(_ClaimsOtherUser).decode

_BAD_JSON = (msgspec.MsgspecError, ValueError, RecursionError)

_pairs_of = json.JSONDecoder(object_pairs_hook=tuple).decode


class Verifier:
    """Verifies tokens by one configuration; immutable but for its caches.

    ``time`` returns Unix seconds. ``jwks`` is needed when the options name a key set, whose keys
    then are the only ones. ``skip_signature`` believes every signature (tests only).

    Raises:
        ValueError: an option is not as it must be; the text begins with its name.
    """

    def __init__(
        self,
        options: TokenOptions,
        *,
        time: Callable[[], float],
        jwks: KeySets | None = None,
        skip_signature: bool = False,
    ) -> None:
        self._options = options
        self._time = time
        self._skip_signature = skip_signature
        self._decode_claims = _decode_claims_other_user if _other_user(options) else _decode_claims
        self._headers: dict[bytes, _Header] = {}
        self._issuer = _Expectation("issuer", options.issuer, options.issuer_regex)
        self._audience = _Expectation("audience", options.audience, options.audience_regex)
        self._key_set = _key_set(options, jwks)
        self._public_keys = _public_keys(options)

    async def connection_token(self, text: str) -> ConnectionToken:
        """Return what a connection token says.

        Raises:
            InvalidToken, TokenExpired: it is not good.
            jwks.KeysUnavailable: nobody can tell now.
        """
        parts = await self._verified(text)
        claims = parts.claims
        if claims.channel:
            raise InvalidToken("a connection token must not have the claim channel")
        expire_at, issued_at = self._checked_times(claims)
        subs = claims.subs or dict.fromkeys(claims.channels or ())
        return ConnectionToken(
            user=self._user(parts),
            info=_payload("info", claims.info, claims.b64info),
            meta=_payload("meta", claims.meta, None),
            expire_at=expire_at,
            subs={channel: _subscription(sub or _Sub()) for channel, sub in subs.items()},
            jti=claims.jti or "",
            issued_at=issued_at,
        )

    async def subscription_token(self, text: str) -> SubscriptionToken:
        """Return what a subscription token says; raises as ``connection_token`` does."""
        parts = await self._verified(text)
        claims = parts.claims
        if not claims.channel:
            raise InvalidToken("a subscription token must have the claim channel")
        expire_at, issued_at = self._checked_times(claims)
        return SubscriptionToken(
            user=self._user(parts),
            channel=claims.channel,
            client=claims.client or "",
            info=_payload("info", claims.info, claims.b64info),
            data=_payload("data", claims.data, claims.b64data),
            expire_at=expire_at,
            expires_alone=claims.eto or False,
            override=_override(claims.override),
            jti=claims.jti or "",
            issued_at=issued_at,
        )

    # ── the checks, in their order ───────────────────────────────────────────────────────────

    async def _verified(self, text: str) -> _Parts:
        """Return the parts of a token of ours; its kind and its times are not checked yet."""
        parts = self._parse(text)
        groups = self._audience.groups(parts.claims.aud) | self._issuer.groups(parts.claims.iss)
        if not self._skip_signature:
            if self._key_set is not None:
                await _check_by_key_set(parts, groups, *self._key_set)
            elif parts.header.alg in _DIGESTS:
                self._check_by_secret(parts)
            else:
                self._check_by_public_key(parts)
        # Only now, because whoever signed is to blame for it, not a stranger.
        _check_claim_names(parts.payload)
        self._audience.check(parts.claims.aud)
        self._issuer.check(parts.claims.iss)
        return parts

    def _parse(self, text: str) -> _Parts:
        if len(text) > MAX_TOKEN:
            raise InvalidToken(f"longer than {MAX_TOKEN} characters")
        try:
            header, payload, signature = text.encode("ascii").split(b".")
        except ValueError:
            raise InvalidToken("expected three parts of ASCII text, divided by dots") from None
        decoded = _decoded(payload, "claims")
        try:
            claims = self._decode_claims(decoded)
        except _BAD_JSON as error:
            raise InvalidToken(f"claims: {_why(error)}") from None
        if raw_json.is_deep(decoded):
            raise InvalidToken(f"claims: nested more than {raw_json.MAX_DEPTH} levels deep")
        return _Parts(self._header(header), claims, decoded, header + b"." + payload, signature)

    def _header(self, segment: bytes) -> _Header:
        """Return the header, which most tokens of one issuer share."""
        header = self._headers.get(segment)
        if header is not None:
            return header
        decoded = _decoded(segment, "header")
        try:
            header = _decode_header(decoded)
        except _BAD_JSON as error:
            raise InvalidToken(f"header: {_why(error)}") from None
        _check_claim_names(decoded)
        if header.crit != Raw():
            raise InvalidToken("header: crit names extensions, and none is understood here")
        if header.alg not in _DIGESTS and header.alg not in KINDS:
            raise InvalidToken("header: alg is none that is accepted here")
        if len(segment) <= MAX_CACHED_HEADER:
            if len(self._headers) >= MAX_CACHED_HEADERS:
                self._headers.clear()
            self._headers[segment] = header
        return header

    def _check_by_secret(self, parts: _Parts) -> None:
        options = self._options
        secrets = [options.hmac_secret_key]
        until = options.hmac_previous_secret_key_valid_until
        if not until or self._time() < until:
            secrets.append(options.hmac_previous_secret_key)
        if not any(secrets):
            raise InvalidToken(f"no hmac_secret_key is configured for {parts.header.alg} tokens")
        digest = _DIGESTS[parts.header.alg]
        for secret in filter(None, secrets):
            expected = hmac.digest(secret.encode(), parts.text, digest)
            # Compared as text: an encoding that is not canonical is not the same signature.
            if hmac.compare_digest(_encoded(expected), parts.signature):
                return
        raise InvalidToken("the signature does not fit")

    def _check_by_public_key(self, parts: _Parts) -> None:
        algorithm = parts.header.alg
        keys = [key for key in self._public_keys if kind(key) == KINDS[algorithm]]
        if not keys:
            raise InvalidToken(f"no public key is configured for {algorithm} tokens")
        signature = _decoded(parts.signature, "signature")
        if not any(has_signed(algorithm, key, parts.text, signature) for key in keys):
            raise InvalidToken("the signature does not fit")

    def _checked_times(self, claims: _Claims) -> tuple[int, float]:
        """Return ``expire_at`` and when the token was issued; raises when it is not its time."""
        # All are read before one is judged: what is wrong for ever is said first.
        exp, nbf = _seconds("exp", claims.exp), _seconds("nbf", claims.nbf)
        issued_at = _seconds("iat", claims.iat) or 0.0
        expire_at = _expire_at(claims, exp)
        now = self._time()
        if exp is not None and exp <= now:
            raise TokenExpired("exp has passed")
        if nbf is not None and nbf > now:
            raise TokenExpired("nbf has not come")
        return expire_at, issued_at

    def _user(self, parts: _Parts) -> str:
        name = _other_user(self._options)
        if not name:
            return parts.claims.sub or ""
        user = msgspec.json.decode(parts.payload, type=dict[str, Raw]).get(name, Raw(b"null"))
        try:
            return msgspec.json.decode(user, type=str | None) or ""
        except _BAD_JSON:
            raise InvalidToken(f"claims: expected a string in {name}") from None


async def _check_by_key_set(
    parts: _Parts, groups: dict[str, str], endpoint: EndpointTemplate, sets: KeySets
) -> None:
    algorithm, kid = parts.header.alg, parts.header.kid
    if algorithm not in KINDS:
        raise InvalidToken(f"{algorithm} tokens are not accepted while a key set is configured")
    if not kid:
        raise InvalidToken("header: kid is needed to choose a key of the key set")
    signature = _decoded(parts.signature, "signature")
    try:
        url = endpoint.url(groups)
    except ValueError as error:
        raise InvalidToken(str(error)) from None
    keys = [key.key for key in await sets.keys(url, kid) if key.is_meant_for(algorithm)]
    if not keys:
        raise InvalidToken(f"the key set has no key with this kid for {algorithm} tokens")
    if not any(has_signed(algorithm, key, parts.text, signature) for key in keys):
        raise InvalidToken("the signature does not fit")


class _Expectation:
    """What a claim that names parties (``iss``, ``aud``) must say, exactly or by a regex."""

    def __init__(self, option: str, exact: str, regex: str) -> None:
        if exact and regex:
            raise ValueError(f"{option}: cannot be set together with {option}_regex")
        self._option = option
        self._exact = exact
        try:
            self._regex = re.compile(regex) if regex else None
        except re.error as error:
            raise ValueError(f"{option}_regex: {error}") from error

    def groups(self, claim: str | list[str] | None) -> dict[str, str]:
        """Return what the regex's named groups match; nothing where there is no regex.

        Raises:
            InvalidToken: there is a regex, and the claim does not match.
        """
        if self._regex is None:
            return {}
        for name in _listed(claim):
            match = self._regex.search(name) if len(name) <= MAX_REGEX_SUBJECT else None
            if match is not None:
                return {group: value for group, value in match.groupdict().items() if value}
        raise InvalidToken(
            f"the token is not of the {self._option} that {self._option}_regex wants"
        )

    def check(self, claim: str | list[str] | None) -> None:
        """Raise ``InvalidToken`` unless the claim names the expected party."""
        if self._exact and self._exact not in _listed(claim):
            raise InvalidToken(f"the token is not of the {self._option} that is configured")


# ── small parts ──────────────────────────────────────────────────────────────────────────────


def sign(claims: dict[str, Any], secret: str) -> str:
    """Return an HS256 token with these claims."""
    header = _encoded(b'{"alg":"HS256","typ":"JWT"}')
    text = header + b"." + _encoded(msgspec.json.encode(claims))
    return (text + b"." + _encoded(hmac.digest(secret.encode(), text, "sha256"))).decode()


def _other_user(options: TokenOptions) -> str:
    return "" if options.user_id_claim == "sub" else options.user_id_claim


def _key_set(
    options: TokenOptions, sets: KeySets | None
) -> tuple[EndpointTemplate, KeySets] | None:
    if not options.jwks_public_endpoint:
        return None
    if sets is None:
        raise ValueError("jwks_public_endpoint: key sets are not available here")
    try:
        endpoint = EndpointTemplate(
            options.jwks_public_endpoint,
            [regex for regex in (options.issuer_regex, options.audience_regex) if regex],
            insecure=options.insecure_skip_jwks_endpoint_safety_check,
        )
    except ValueError as error:
        raise ValueError(f"jwks_public_endpoint: {error}") from None
    return endpoint, sets


def _public_keys(options: TokenOptions) -> list[PublicKey]:
    kinds: list[tuple[str, type[PublicKey]]] = [
        ("rsa_public_key", RSAKey),
        ("ecdsa_public_key", ECKey),
        ("eddsa_public_key", OKPKey),
    ]
    keys = []
    for option, expected in kinds:
        if text := getattr(options, option):
            try:
                keys.append(from_pem(text, expected))
            except ValueError as error:
                raise ValueError(f"{option}: {error}") from None
    return keys


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decoded(segment: bytes, what: str) -> bytes:
    """Decode strict base64url: no padding, no other characters, no stray bits at the end."""
    try:
        data = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    except binascii.Error:
        data = b""
    if not data or _encoded(data) != segment:
        raise InvalidToken(f"{what}: not base64url")
    return data


def _check_claim_names(decoded: bytes) -> None:
    """Refuse what RFC 7515 and 7519 forbid: a name given twice (readers could differ in which)."""
    try:
        pairs = _pairs_of(decoded.decode())
    except _BAD_JSON:
        raise InvalidToken("not valid JSON") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise InvalidToken("a name is given twice")


def _why(error: Exception) -> str:
    """Return what msgspec says of names and types; its texts hold no values of the token."""
    return str(error) if isinstance(error, msgspec.ValidationError) else "not valid JSON"


def _listed(claim: str | list[str] | None) -> list[str]:
    return claim if isinstance(claim, list) else [claim] if claim else []


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


def _expire_at(claims: _Claims, exp: float | None) -> int:
    if claims.expire_at is not None:
        if not 0 <= claims.expire_at <= MAX_EXPIRE_AT:
            raise InvalidToken("claims: expected expire_at to be Unix seconds, or 0 for never")
        return claims.expire_at
    return math.ceil(exp) if exp is not None else 0


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
