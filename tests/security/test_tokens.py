"""Nobody makes a token but who has the key: confusions, tricks and malformations are all refused.

Every forged token is shown to a running server, as a connection's and, where it says so, as a
subscription's. Beside each kind stands a genuine one, so that not everything is refused.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import Any

from girandola.auth.signs import client_token
from tests.auth.tokens import (
    SECRET as FOREIGN_SECRET,
)
from tests.auth.tokens import b64, jwk, public_pem, signature, token
from tests.security.conftest import Attack
from tests.security.issuer import Issuer, key_set
from tests.security.peer import text_frame
from tests.security.victim import CLASSIC_SECRET, SECRET, Victim, sign

CLAIMS = {"sub": "mallory"}
KEYS = {
    "hmac_secret_key": SECRET,
    "rsa_public_key": public_pem("RS256"),
    "ecdsa_public_key": public_pem("ES256"),
    "eddsa_public_key": public_pem("EdDSA"),
}


def made(header: Any, claims: Any = CLAIMS, sealed: bytes = b"") -> str:
    """Return a token put together from these parts, which may be bytes to be exact."""
    parts = [
        b64(part if isinstance(part, bytes) else json.dumps(part).encode())
        for part in (header, claims)
    ]
    return ".".join([*parts, b64(sealed)])


def by_hmac(secret: bytes, header: Any, claims: Any = CLAIMS, digest: str = "sha256") -> str:
    """Return a token with an HMAC by any bytes."""
    text = made(header, claims).rpartition(".")[0]
    return f"{text}.{b64(hmac.new(secret, text.encode(), digest).digest())}"


async def is_let_in(victim: Victim, jwt: str) -> bool:
    """Tell whether a client of today gets in with this token."""
    said = json.dumps({"id": 1, "connect": {"token": jwt}})
    return b'"connect":{"client":' in await _first_words(victim, said)


async def _first_words(victim: Victim, said: str) -> bytes:
    peer = await victim.peer()
    await peer.open_websocket()
    await peer.send(text_frame(said))
    words = await peer.read()
    peer.close()
    return words


def none_gets_in(attack: Attack, forged: dict[str, str], genuine: Iterable[str]) -> None:
    async def scenario(victim: Victim) -> None:
        async def try_all() -> None:
            for name, jwt in forged.items():
                assert not await is_let_in(victim, jwt), name

        await victim.while_(try_all())
        for jwt in genuine:
            assert await is_let_in(victim, jwt)

    attack(scenario, client={"token": KEYS, "allowed_origins": []})


# ── confusions of algorithms ─────────────────────────────────────────────────────────────────


def test_a_token_without_a_signature_is_refused(attack: Attack) -> None:
    names = ["none", "None", "NONE", "nOnE", "", " none", "none ", "HS256 ", "hs256", "HS256\x00"]
    forged: dict[str, str] = {}
    for name in names:
        forged[f"alg {name!r}"] = made({"alg": name})
        forged[f"alg {name!r}, signed"] = by_hmac(b"x", {"alg": name})
        forged[f"alg {name!r}, by the right key"] = by_hmac(SECRET.encode(), {"alg": name})
    for header in ({}, {"typ": "JWT"}, {"alg": None}, {"alg": ["HS256"]}, {"alg": 0}, [], None, ""):
        forged[f"header {header}"] = by_hmac(SECRET.encode(), header)
    for name in ("HS256", "RS256", "ES256", "EdDSA"):
        forged[f"{name} of nothing"] = made({"alg": name})
    none_gets_in(attack, forged, [sign(CLAIMS)])


def test_a_public_key_is_no_secret(attack: Attack) -> None:
    """RS256 to HS256 confusion: the key that everybody may have signs nothing."""
    forged = {}
    for algorithm in ("RS256", "ES256", "EdDSA"):
        pem = public_pem(algorithm)
        body = "".join(pem.splitlines()[1:-1])
        for kind, key in {
            "PEM": pem,
            "PEM without its line end": pem.rstrip(),
            "PEM with other line ends": pem.replace("\n", "\r\n"),
            "its middle": body,
            "nothing": "",
        }.items():
            for said in ("HS256", algorithm):
                forged[f"{kind} of {algorithm} as {said}"] = by_hmac(key.encode(), {"alg": said})
    genuine = [token(CLAIMS, algorithm) for algorithm in ("HS256", "RS256", "ES256", "EdDSA")]
    none_gets_in(attack, forged, [*genuine[1:], sign(CLAIMS)])


def test_another_key_or_algorithm_than_the_header_says_is_refused(attack: Attack) -> None:
    forged = {}
    for algorithm in ("RS256", "RS512", "ES256", "EdDSA"):
        forged[f"a foreign key of {algorithm}"] = token(CLAIMS, algorithm, which=1)
        for said in ("RS256", "RS384", "ES256", "ES384", "EdDSA"):
            if said != algorithm:
                forged[f"{algorithm} as {said}"] = token(CLAIMS, algorithm, header={"alg": said})
    for digest, said in (("sha512", "HS256"), ("sha256", "HS512"), ("sha1", "HS256")):
        forged[f"{digest} as {said}"] = by_hmac(SECRET.encode(), {"alg": said}, digest=digest)
    forged["another secret"] = token(CLAIMS, secret=FOREIGN_SECRET)
    none_gets_in(attack, forged, [token(CLAIMS, "RS512"), token(CLAIMS, "HS512", secret=SECRET)])


def test_signatures_of_zeros_and_of_another_form_are_refused(attack: Attack) -> None:
    """Psychic signatures (CVE-2022-21449) and DER among them."""
    forged = {}
    for algorithm, sizes in {"ES256": (0, 64, 70), "EdDSA": (0, 64), "RS256": (0, 1, 256)}.items():
        for size in sizes:
            forged[f"{algorithm}: {size} zeros"] = made({"alg": algorithm}, CLAIMS, bytes(size))
            forged[f"{algorithm}: {size} ones"] = made({"alg": algorithm}, CLAIMS, b"\xff" * size)
    head, _, sealed = token(CLAIMS, "ES256").rpartition(".")
    forged["ES256 cut"] = f"{head}.{sealed[:-2]}"
    forged["ES256 twice"] = f"{head}.{sealed}{sealed}"
    numbers = signature("ES256", head.encode())
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    shifted = int.from_bytes(numbers[:32], "big") + order
    forged["ES256 beyond the order"] = f"{head}.{b64(shifted.to_bytes(33, 'big') + numbers[32:])}"
    none_gets_in(attack, forged, [token(CLAIMS, "ES256")])


# ── headers that point elsewhere ─────────────────────────────────────────────────────────────


def test_a_key_that_the_token_brings_or_names_is_not_used(attack: Attack) -> None:
    """jwk, jku, x5c, x5u and kid are a stranger's words; crit asks for what is not understood."""
    own = jwk("RS256", "k", 1)
    issuer = Issuer()
    issuer.answer = key_set(own)
    more: list[dict[str, Any]] = [
        {"jwk": own},
        {"jku": issuer.url},
        {"x5u": issuer.url},
        {"x5c": [b64(b"certificate")]},
        {"jku": issuer.url, "kid": "k"},
        {"kid": issuer.url},
        {"kid": "/dev/null"},
        {"kid": "../../../../dev/null"},
        {"kid": "' UNION SELECT 'x"},
        {"kid": "|cat /etc/passwd"},
        {"kid": 1},
        {"kid": {"a": "b"}},
        {"typ": "at+jwt"},
    ]
    forged = {}
    for fields in more:
        header = {"alg": "RS256"} | fields
        forged[f"RS256 {fields}"] = token(CLAIMS, "RS256", which=1, header=header)
        forged[f"HS256 {fields}, empty key"] = by_hmac(b"", {"alg": "HS256"} | fields)
    crit = {"alg": "HS256", "crit": ["b64"], "b64": False}
    forged["crit"] = by_hmac(SECRET.encode(), crit)
    forged["empty crit"] = by_hmac(SECRET.encode(), {"alg": "HS256", "crit": []})

    async def scenario(victim: Victim) -> None:
        for name, jwt in forged.items():
            assert not await is_let_in(victim, jwt), name
        assert await is_let_in(victim, token(CLAIMS, "RS256", header={"alg": "RS256", "kid": "/"}))
        assert issuer.asked == 0

    attack(scenario, beside=issuer, client={"token": KEYS})


# ── spelling ─────────────────────────────────────────────────────────────────────────────────


def test_a_token_has_one_spelling(attack: Attack) -> None:
    """Whoever blocks a token by its text, or caches by it, must not meet it in another one."""
    good = sign(CLAIMS)
    header, claims, sealed = good.split(".")
    last = "AEIMQUYcgkosw048"
    other = next(c for c in "BFJNRVZdhlptx159" if c != sealed[-1])
    assert sealed[-1] in last
    forged = {
        "space before": " " + good,
        "space behind": good + " ",
        "a line end": good + "\n",
        "a space within": f"{header}. {claims}.{sealed}",
        "padding": good + "=",
        "padding of the claims": f"{header}.{claims}==.{sealed}",
        "stray bits": f"{header}.{claims}.{sealed[:-1]}{other}",
        "standard base64": good.replace("-", "+").replace("_", "/") + "+",
        "NUL": good + "\x00",
        "a part too many": good + ".",
        "a part too many before": "." + good,
        "two parts": f"{header}.{claims}",
        "one part": header,
        "five parts": ".".join([good, claims, sealed]),
        "no parts": "..",
        "a cut signature": good[:-4],
        "a letter of the claims in another case": f"{header}.{claims.swapcase()}.{sealed}",
        "full-width dots": good.replace(".", "．"),
        "arabic digits": good.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")) + "٠",
        "a Bearer": "Bearer " + good,
        "long": "a" * 60_000,
        "dots": "." * 60_000,
    }
    none_gets_in(attack, forged, [good])


def test_a_name_given_twice_is_refused_although_rightly_signed(attack: Attack) -> None:
    """Readers differ in which of the two counts (RFC 7519 section 4)."""
    secret = SECRET.encode()
    forged = {
        "sub": by_hmac(secret, {"alg": "HS256"}, b'{"sub":"42","sub":"1"}'),
        "an escaped sub": by_hmac(secret, {"alg": "HS256"}, rb'{"sub":"42","\u0073ub":"1"}'),
        "alg": by_hmac(secret, b'{"alg":"none","alg":"HS256"}'),
        "trailing text": by_hmac(secret, {"alg": "HS256"}, b'{"sub":"42"}{"sub":"1"}'),
        "no object": by_hmac(secret, {"alg": "HS256"}, b'["sub"]'),
        "not UTF-8": by_hmac(secret, {"alg": "HS256"}, b'{"sub":"\xff"}'),
        "a byte order mark": by_hmac(secret, {"alg": "HS256"}, b'\xef\xbb\xbf{"sub":"42"}'),
        "UTF-16": by_hmac(secret, {"alg": "HS256"}, '{"sub":"42"}'.encode("utf-16")),
    }
    none_gets_in(attack, forged, [sign(CLAIMS)])


def test_a_genuine_token_of_another_time_or_use_is_refused(attack: Attack) -> None:
    forged = {
        "over": sign(CLAIMS | {"exp": 1}),
        "just over": sign(CLAIMS | {"exp": 1_700_000_000}),
        "not yet": sign(CLAIMS | {"nbf": 4_000_000_000}),
        "for a channel": sign(CLAIMS | {"channel": "a"}),
        "a number as user": sign({"sub": 42}),
        "a list of users": sign({"sub": ["42"]}),
        "an object as time": sign(CLAIMS | {"exp": {}}),
    }
    none_gets_in(attack, forged, [sign(CLAIMS | {"exp": 4_000_000_000, "nbf": 1})])


def test_no_secret_at_all_is_not_an_empty_secret(attack: Attack) -> None:
    """Neither of today nor of 2018; the honest come in with another kind of key."""

    async def scenario(victim: Victim) -> None:
        for digest, name in (("sha256", "HS256"), ("sha384", "HS384"), ("sha512", "HS512")):
            assert not await is_let_in(victim, by_hmac(b"", {"alg": name}, digest=digest))
        signed = client_token("", "42", "1700000000")
        params = json.dumps({"user": "42", "timestamp": "1700000000", "token": signed})
        words = await _first_words(victim, f'{{"method":"connect","params":{params}}}')
        assert b'"version"' not in words

    attack(
        scenario,
        signed=lambda claims: token(claims, "RS256"),
        client={"token": {"rsa_public_key": public_pem("RS256")}},
        classic={"secret": ""},
    )


def test_a_signature_of_one_kind_is_none_of_another(attack: Attack) -> None:
    """With the same secret for JSON Web Tokens and for those of 2018, as people have it."""
    text, _, sealed = token(CLAIMS, secret=CLASSIC_SECRET).rpartition(".")
    as_hex = hmac.new(CLASSIC_SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    signed = client_token(CLASSIC_SECRET, "mallory", "1700000000")

    async def scenario(victim: Victim) -> None:
        for user, timestamp, info in ((text, "", ""), (text[:-10], text[-10:], ""), ("", "", text)):
            params = {"user": user, "timestamp": timestamp, "info": info, "token": as_hex}
            said = json.dumps({"method": "connect", "params": params})
            assert b'"version"' not in await _first_words(victim, said)
        assert not await is_let_in(victim, f"{text}.{signed}")
        assert not await is_let_in(victim, f"mallory1700000000.{signed}")
        assert await is_let_in(victim, f"{text}.{sealed}")

    attack(
        scenario,
        signed=lambda claims: token(claims, secret=CLASSIC_SECRET),
        client={"token": {"hmac_secret_key": CLASSIC_SECRET}},
    )
