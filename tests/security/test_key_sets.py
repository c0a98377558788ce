"""Key sets (JWKS) are not fetched at a stranger's pace, and open nothing by failing.

The issuer is a real server that misbehaves; time is moved, since what is known is kept for an hour.
"""

import json
from typing import Any

from tests.auth.tokens import b64, jwk
from tests.security.conftest import Attack
from tests.security.issuer import KID, Issuer, answered, key_set, sign_by_set
from tests.security.peer import text_frame
from tests.security.test_tokens import CLAIMS, by_hmac, is_let_in
from tests.security.victim import Victim


def test_a_flood_of_unknown_keys_asks_the_issuer_hardly_ever(attack: Attack) -> None:
    """Once at most in each five seconds, however many come; those with the right key come in."""
    issuer = Issuer()

    async def scenario(victim: Victim) -> None:
        async def flood() -> None:
            for number in range(60):
                assert not await is_let_in(victim, sign_by_set(CLAIMS, kid=f"unknown {number}"))

        asked = issuer.asked
        await victim.while_(flood())
        assert issuer.asked <= asked + 1
        await victim.clock.advance(6)
        asked = issuer.asked
        await flood()
        assert issuer.asked == asked + 1
        assert await is_let_in(victim, sign_by_set(CLAIMS))

    _with_key_set(attack, issuer, scenario)


def test_an_issuer_that_does_not_answer_holds_up_its_own_only(attack: Attack) -> None:
    """One request waits for all; who has a known key comes in, and nobody else is held up."""
    issuer = Issuer()

    async def scenario(victim: Victim) -> None:
        await victim.clock.advance(6)
        issuer.may_answer.clear()
        asked = issuer.asked
        waiting = []
        for number in range(50):
            peer = await victim.peer()
            await peer.open_websocket()
            jwt = sign_by_set(CLAIMS, kid=f"unknown {number}")
            await peer.send(text_frame(json.dumps({"id": 1, "connect": {"token": jwt}})))
            waiting.append(peer)
        await victim.neighbours.look_after_each_other()
        assert await is_let_in(victim, sign_by_set(CLAIMS))
        assert issuer.asked <= asked + 1
        issuer.may_answer.set()
        for peer in waiting:
            assert b'"connect":{"client"' not in await peer.read()

    _with_key_set(attack, issuer, scenario)


ANSWERS = {
    "nothing": b"",
    "no HTTP": b"\x00" * 100,
    "a failure": answered(b"", b"500 Internal Server Error"),
    "another place": answered(b"", b"302 Found", b"Location: http://127.0.0.1:1/keys"),
    "its own place": answered(b"", b"307 Temporary Redirect", b"Location: /keys"),
    "a huge set": answered(b'{"keys":[' + b" " * 600_000 + b"]}"),
    "a length that lies": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{",
    "no JSON": answered(b"<html>"),
    "deep JSON": answered(b'{"keys":' + b"[" * 100_000),
    "no set": answered(b"[]"),
    "keys that are none": answered(
        b'{"keys":[1,null,{},{"kty":"RSA"},{"kid":"ours","kty":"oct"}]}'
    ),
    "a secret key": key_set({"kty": "oct", "kid": KID, "k": b64(b"secret"), "alg": "HS256"}),
    "a short key": key_set({"kty": "RSA", "kid": KID, "n": b64(b"\xc5" * 64), "e": "AQAB"}),
    "an exponent of one": key_set(jwk("RS256", KID) | {"e": "AQ"}),
    "the key for something else": key_set(jwk("RS256", KID, use="enc")),
    "compressed": answered(b"\x1f\x8b" + bytes(50), b"200 OK", b"Content-Encoding: gzip"),
}


def test_whatever_an_issuer_answers_opens_nothing(attack: Attack) -> None:
    """And harms nobody: who came in before goes on, and the next good answer is good."""
    issuer = Issuer()
    secret = by_hmac(b"secret", {"alg": "HS256", "kid": KID})

    async def scenario(victim: Victim) -> None:
        good = issuer.answer
        for name, answer in ANSWERS.items():
            issuer.answer = answer
            # Longer than keys are believed, so that they have to be fetched.
            await victim.clock.advance(3700)
            assert not await is_let_in(victim, sign_by_set(CLAIMS)), name
            assert not await is_let_in(victim, secret), name
            await victim.neighbours.look_after_each_other()
        issuer.answer = good
        await victim.clock.advance(3700)
        assert await is_let_in(victim, sign_by_set(CLAIMS))

    _with_key_set(attack, issuer, scenario)


def _with_key_set(attack: Attack, issuer: Issuer, scenario: Any) -> None:
    attack(
        scenario,
        signed=sign_by_set,
        beside=issuer,
        client={"token": {"jwks_public_endpoint": issuer.url}},
    )
