"""Algorithms are bound to kinds of keys."""

import json

import pytest

from girandola.auth.keys import KINDS, SetKey, from_jwk_set, has_signed
from tests.auth.tokens import jwk, signature


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
