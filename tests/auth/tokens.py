"""Tokens made with nothing but the standard library and cryptography's primitives."""

import base64
import hashlib
import hmac
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW = 1_700_000_000
SECRET = "our secret"
ALGORITHMS = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA",
]  # fmt: skip

_HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
_CURVES = {"256": ec.SECP256R1, "384": ec.SECP384R1, "512": ec.SECP521R1}


@cache
def private_key(algorithm: str, which: int = 0) -> Any:
    """The key that signs tokens of this algorithm; ``which`` gives another one."""
    if algorithm.startswith("RS"):
        return _rsa_key(which)
    if algorithm.startswith("ES"):
        return ec.generate_private_key(_CURVES[algorithm[2:]]())
    return ed25519.Ed25519PrivateKey.generate()


@cache
def _rsa_key(which: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def public_pem(algorithm: str, which: int = 0) -> str:
    return pem_of(private_key(algorithm, which).public_key())


def pem_of(key: Any) -> str:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int, size: int = 0) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def jwk(algorithm: str, kid: str, which: int = 0, /, **more: Any) -> dict[str, Any]:
    """The public key as a member of a JWK set."""
    key = private_key(algorithm, which).public_key()
    members: dict[str, Any]
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        members = {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
    elif isinstance(key, ec.EllipticCurvePublicKey):
        point, size = key.public_numbers(), (key.key_size + 7) // 8
        curve = {256: "P-256", 384: "P-384", 521: "P-521"}[key.key_size]
        members = {"kty": "EC", "crv": curve}
        members |= {"x": _number(point.x, size), "y": _number(point.y, size)}
    else:
        members = {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_bytes_raw())}
    return {"kid": kid, "use": "sig"} | members | more


def signature(algorithm: str, text: bytes, secret: str = SECRET, which: int = 0) -> bytes:
    bits = algorithm[2:]
    if algorithm.startswith("HS"):
        return hmac.new(secret.encode(), text, getattr(hashlib, f"sha{bits}")).digest()
    key = private_key(algorithm, which)
    if algorithm.startswith("RS"):
        return key.sign(text, padding.PKCS1v15(), _HASHES[bits]())
    if algorithm.startswith("ES"):
        size = (key.key_size + 7) // 8
        numbers = decode_dss_signature(key.sign(text, ec.ECDSA(_HASHES[bits]())))
        return b"".join(number.to_bytes(size, "big") for number in numbers)
    return key.sign(text)


def token(
    claims: dict[str, Any] | bytes,
    algorithm: str = "HS256",
    *,
    secret: str = SECRET,
    which: int = 0,
    header: dict[str, Any] | bytes | None = None,
) -> str:
    """A signed token; claims and header may be given as bytes to say them exactly."""
    head = header if header is not None else {"alg": algorithm, "typ": "JWT"}
    parts = [
        b64(part if isinstance(part, bytes) else json.dumps(part).encode())
        for part in (head, claims)
    ]
    text = ".".join(parts)
    return f"{text}.{b64(signature(algorithm, text.encode(), secret, which))}"


def run(coroutine: Any) -> Any:
    """Run what may not wait for anything, as the core does for tokens without key sets."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something")
