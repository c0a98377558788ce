"""JSON Web Tokens of connections and subscriptions: verified, and turned into plain values.

The order of checks: modern.md sections 8.2 and 8.3. What claims say is read by ``claims.py``.
Nothing here knows connections, channel options or replies; a token is good, expired or invalid, and
the policy says what follows. Reasons never hold any part of a token's text.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Callable
from typing import Any

import msgspec
from joserfc.jwk import ECKey, OKPKey, RSAKey
from msgspec import Raw, Struct

from girandola.auth.claims import (
    Claims,
    ConnectionToken,
    InvalidToken,
    SubscriptionToken,
    Times,
    TokenExpired,
    connection_token_of,
    decode_claims,
    decode_claims_other_user,
    subscription_token_of,
    times_of,
)
from girandola.auth.jwks import EndpointTemplate, KeySets
from girandola.auth.keys import KINDS, PublicKey, from_pem, has_signed, kind
from girandola.options import TokenOptions
from girandola.protocol import raw_json
from girandola.regex import Regex

MAX_TOKEN = 64 * 1024
MAX_CACHED_HEADERS = 512
MAX_CACHED_HEADER = 1024
MAX_REGEX_SUBJECT = 1024
"""Longest issuer or audience that a regex is tried on: a stranger chooses them."""

_DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


class _Header(Struct, frozen=True):
    alg: str
    kid: str = ""
    crit: Raw = Raw()


class _Parts(Struct):
    """A token taken apart. ``text`` is what is signed; ``signature`` is still base64url."""

    header: _Header
    claims: Claims
    payload: bytes
    text: bytes
    signature: bytes


_decode_header = msgspec.json.Decoder(_Header).decode
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
        self._decode_claims = decode_claims_other_user if _other_user(options) else decode_claims
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
        times = times_of(claims)
        self._check_time(times)
        return connection_token_of(claims, self._user(parts), times)

    async def subscription_token(self, text: str) -> SubscriptionToken:
        """Return what a subscription token says; raises as ``connection_token`` does."""
        parts = await self._verified(text)
        claims = parts.claims
        if not claims.channel:
            raise InvalidToken("a subscription token must have the claim channel")
        times = times_of(claims)
        self._check_time(times)
        return subscription_token_of(claims, self._user(parts), times)

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

    def _check_time(self, times: Times) -> None:
        now = self._time()
        if times.exp is not None and times.exp <= now:
            raise TokenExpired("exp has passed")
        if times.nbf is not None and times.nbf > now:
            raise TokenExpired("nbf has not come")

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
            self._regex = Regex(regex) if regex else None
        except ValueError as error:
            raise ValueError(f"{option}_regex: {error}") from error

    def groups(self, claim: str | list[str] | None) -> dict[str, str]:
        """Return what the regex's named groups match; nothing where there is no regex.

        Raises:
            InvalidToken: there is a regex, and the claim does not match.
        """
        if self._regex is None:
            return {}
        for name in _listed(claim):
            found = self._regex.groups(name) if len(name) <= MAX_REGEX_SUBJECT else None
            if found is not None:
                return {group: value for group, value in found.items() if value}
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
