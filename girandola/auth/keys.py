"""Public keys that verify tokens, and which algorithms each kind of key is good for.

An algorithm is bound to one kind of key, so that a token cannot choose to have, say, a public
RSA key used as an HMAC secret. Shared secrets (HS256 and its like) are not keys in this sense;
``jwt.py`` has them. Nothing here knows where keys come from.
"""

import logging
import re
import warnings

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from msgspec import Struct

logger = logging.getLogger(__name__)

PublicKey = RSAKey | ECKey | OKPKey

KINDS = {
    "RS256": "RSA",
    "RS384": "RSA",
    "RS512": "RSA",
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    "EdDSA": "Ed25519",
    "Ed25519": "Ed25519",
}
"""Algorithm (RFC 7518, 8037, 9864) to the only kind of key it may be verified with."""

MIN_RSA_BITS = 2048
"""RFC 7518 section 3.3 forbids shorter RSA keys."""


_PEM = re.compile(
    "-----BEGIN (?P<what>[A-Z ]*PUBLIC KEY|CERTIFICATE)-----.*?-----END (?P=what)-----", re.DOTALL
)


class SetKey(Struct, frozen=True):
    """A key of a JWK set; ``alg`` is the only algorithm its owner meant it for, or empty."""

    key: PublicKey
    alg: str = ""

    def is_meant_for(self, algorithm: str) -> bool:
        """Tell whether tokens of this algorithm may be verified with the key."""
        if KINDS.get(algorithm) != kind(self.key):
            return False
        return self.alg in ("", algorithm) or KINDS.get(self.alg) == "Ed25519"


def kind(key: PublicKey) -> str:
    """Return the key's kind: ``"RSA"`` or the name of its curve."""
    return "RSA" if isinstance(key, RSAKey) else key.curve_name


def has_signed(algorithm: str, key: PublicKey, text: bytes, signature: bytes) -> bool:
    """Tell whether ``signature`` was made over ``text`` by the owner of ``key``.

    False, too, when the algorithm is not one for this kind of key.
    """
    if KINDS.get(algorithm) != kind(key):
        return False
    return JWSRegistry.algorithms[algorithm].verify(text, signature, key)


def from_pem(text: str, expected: type[PublicKey]) -> PublicKey:
    """Read a PEM public key, or that of a PEM certificate.

    Of a certificate only the key counts: by whom it was signed and until when is not looked at.

    Raises:
        ValueError: when it is not a public key of the expected type, or too weak.
    """
    found = _PEM.search(text)
    if found is None:
        raise ValueError(
            "expected a PEM public key (-----BEGIN PUBLIC KEY-----) or certificate "
            "(-----BEGIN CERTIFICATE-----)"
        )
    try:
        key = _imported(expected, found[0])
    except (JoseError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"expected a PEM public key of type {expected.key_type}") from error
    _check_strength(key)
    return key


class _Jwk(Struct):
    """The members of a JWK (RFC 7517) that matter; keys that have them otherwise are left out."""

    kty: str
    kid: str = ""
    use: str = ""
    key_ops: list[str] | None = None
    alg: str = ""
    crv: str = ""
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""


class _JwkSet(Struct):
    keys: list[msgspec.Raw]


def from_jwk_set(document: bytes) -> dict[str, list[SetKey]]:
    """Read a JWK set: key id to keys. Keys that cannot verify tokens are left out.

    Raises:
        ValueError: when it is not a JWK set.
    """
    try:
        entries = msgspec.json.decode(document, type=_JwkSet).keys
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ValueError("expected a JSON object with a list of keys") from error
    keys: dict[str, list[SetKey]] = {}
    for entry in entries:
        try:
            jwk = msgspec.json.decode(entry, type=_Jwk)
            if jwk.kid and jwk.use in ("", "sig") and "verify" in (jwk.key_ops or ("verify",)):
                keys.setdefault(jwk.kid, []).append(SetKey(_from_jwk(jwk), jwk.alg))
        except (msgspec.MsgspecError, JoseError, ValueError, TypeError, RecursionError) as error:
            logger.debug("a key of a JWK set is left out: %s", error)
    return keys


def _from_jwk(jwk: _Jwk) -> PublicKey:
    # Only what makes up the public key is handed on: a private part is not ours to hold.
    if jwk.kty == "RSA":
        key = _imported(RSAKey, {"kty": "RSA", "n": jwk.n, "e": jwk.e})
    elif jwk.kty == "EC" and jwk.crv in KINDS.values():
        key = _imported(ECKey, {"kty": "EC", "crv": jwk.crv, "x": jwk.x, "y": jwk.y})
    elif jwk.kty == "OKP" and jwk.crv == "Ed25519":
        key = _imported(OKPKey, {"kty": "OKP", "crv": jwk.crv, "x": jwk.x})
    else:
        raise ValueError(f"key type {jwk.kty} {jwk.crv} verifies no tokens")
    _check_strength(key)
    return key


def _imported(expected: type[PublicKey], value: str | dict[str, str | list[str]]) -> PublicKey:
    with warnings.catch_warnings():
        # Short keys are refused below rather than warned of.
        warnings.simplefilter("ignore", SecurityWarning)
        return expected.import_key(value)


def _check_strength(key: PublicKey) -> None:
    if isinstance(key, RSAKey) and key.public_key.key_size < MIN_RSA_BITS:
        raise ValueError(f"expected an RSA key of at least {MIN_RSA_BITS} bits")
    if kind(key) not in KINDS.values():
        raise ValueError(f"keys on curve {kind(key)} verify no tokens")
