"""Algorithms are bound to kinds of keys."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from girandola.auth.keys import KINDS, SetKey, from_jwk_set, has_signed
from girandola.options import TokenOptions
from tests.auth.test_jwt import connection, verifier
from tests.auth.tokens import jwk, private_key, signature, token


def key(algorithm: str) -> SetKey:
    (found,) = from_jwk_set(json.dumps({"keys": [jwk(algorithm, "k")]}).encode())["k"]
    return found


@pytest.mark.parametrize("made_for", ["RS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_a_key_verifies_the_algorithms_of_its_kind_only(made_for: str) -> None:
    one = key(made_for)
    for algorithm in [*KINDS, "HS256", "none", "PS256"]:
        same_kind = KINDS.get(algorithm) == KINDS[made_for]
        assert one.is_meant_for(algorithm) == same_kind
        good = signature(made_for, b"text")
        if algorithm == made_for or not same_kind:
            assert has_signed(algorithm, one.key, b"text", good) == same_kind
        assert not has_signed(algorithm, one.key, b"texT", good)


def certificate(algorithm: str) -> str:
    """A certificate of the key, signed by nobody known and long over."""
    key = private_key(algorithm, 0)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody")])
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, long_ago, long_ago)
    by = None if algorithm == "EdDSA" else hashes.SHA256()
    return builder.sign(key, by).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("algorithm", "option"),
    [
        ("RS256", "rsa_public_key"),
        ("ES256", "ecdsa_public_key"),
        ("EdDSA", "eddsa_public_key"),
    ],
)
@pytest.mark.parametrize("around", ["{}", "\n\n{}\n", "Bag Attributes PUBLIC\n{}\nrest"])
def test_of_a_certificate_the_key_is_used(algorithm: str, option: str, around: str) -> None:
    given: dict[str, Any] = {option: around.format(certificate(algorithm))}
    options = TokenOptions(**given)
    assert connection(token({"sub": "42"}, algorithm), options).user == "42"
    with pytest.raises(ValueError, match=r"^rsa_public_key: expected .* of type RSA"):
        verifier(TokenOptions(rsa_public_key=certificate("ES384")))
