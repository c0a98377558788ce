"""JSON Web Tokens: any text is a token, expired or invalid; only what was signed is a token."""

import hashlib
import hmac

from girandola.auth.jwt import InvalidToken, TokenExpired, Verifier
from girandola.options import TokenOptions
from tests.auth.tokens import NOW, SECRET, b64, run, token

VERIFIERS = (
    Verifier(TokenOptions(hmac_secret_key=SECRET), time=lambda: float(NOW)),
    Verifier(
        TokenOptions(hmac_secret_key=SECRET, user_id_claim="id", audience="a", issuer_regex="^i"),
        time=lambda: float(NOW),
    ),
)

SEEDS = (
    b'{"sub":"42","exp":1800000000,"iat":1.5,"info":{"a":1},"subs":{"a":{"info":null}}}',
    b'{"sub":"42","channel":"a","client":"c","b64info":"e30=","expire_at":0,"eto":true}',
    b'{"sub":null,"id":"4","aud":["a"],"iss":"i","channels":["a"],"override":{"presence":null}}',
    b'{"sub":"\\ud800","meta":[1],"subs":{"a":{"override":{"presence":{"value":true}}}}}',
    b'{"alg":"none"}',
    b'{"alg":"HS256","kid":"a","crit":[]}',
    token({"sub": "42"}).encode(),
)
WORDS = (
    *(b'"sub":', b'"exp":', b'"iat":', b'"nbf":', b'"aud":', b'"alg":"none"', b'"channel":"a"'),
    *(b"{", b"}", b"[", b"]", b'"', b",", b":", b"null", b"true", b"-1", b"1e308", b"1e400"),
    *(b".", b"=", b"9" * 20, b"\\ud800", b"\xff", b"\n"),
)


def one_input(data: bytes) -> None:
    """Take ``data`` for a whole token, for claims rightly signed and for a header."""
    text = data.decode("latin-1")
    is_good = _is_signed(text)
    for verifier in VERIFIERS:
        if _passes(verifier, text):
            assert is_good
        _passes(verifier, token(data))
        _passes(verifier, token({"sub": "42"}, header=data))


def _is_signed(text: str) -> bool:
    signed, _, signature = text.rpartition(".")
    expected = hmac.new(SECRET.encode(), signed.encode("latin-1"), hashlib.sha256).digest()
    return b64(expected) == signature


def _passes(verifier: Verifier, text: str) -> bool:
    passed = False
    for verify in (verifier.connection_token, verifier.subscription_token):
        try:
            run(verify(text))
            passed = True
        except (InvalidToken, TokenExpired) as error:
            assert str(error)
    return passed
