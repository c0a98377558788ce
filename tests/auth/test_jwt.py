"""Tokens: what is accepted, what they say, and every way in which they can be bad."""

import json
import string
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from girandola.auth.claims import (
    ConnectionToken,
    InvalidToken,
    SubscriptionToken,
    TokenExpired,
    TokenSubscription,
)
from girandola.auth.jwt import MAX_TOKEN, Verifier, sign
from girandola.core.grants import SubscribeOverride
from girandola.options import TokenOptions
from tests.auth.tokens import (
    ALGORITHMS,
    NOW,
    SECRET,
    b64,
    pem_of,
    private_key,
    public_pem,
    run,
    signature,
    token,
)


def options_for(algorithm: str, **more: Any) -> TokenOptions:
    if algorithm.startswith("HS"):
        return TokenOptions(hmac_secret_key=SECRET, **more)
    name = {"RS": "rsa", "ES": "ecdsa", "Ed": "eddsa"}[algorithm[:2]] + "_public_key"
    return TokenOptions(**{name: public_pem(algorithm)}, **more)


def verifier(options: TokenOptions | None = None, **more: Any) -> Verifier:
    return Verifier(
        options or TokenOptions(hmac_secret_key=SECRET), time=lambda: float(NOW), **more
    )


def connection(text: str, options: TokenOptions | None = None, **more: Any) -> ConnectionToken:
    result: ConnectionToken = run(verifier(options, **more).connection_token(text))
    return result


def subscription(text: str, options: TokenOptions | None = None) -> SubscriptionToken:
    result: SubscriptionToken = run(verifier(options).subscription_token(text))
    return result


def why_invalid(text: str, options: TokenOptions | None = None) -> str:
    with pytest.raises(InvalidToken) as raised:
        connection(text, options)
    return str(raised.value)


# ── signatures ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_is_verified_with_its_configured_key(algorithm: str) -> None:
    assert connection(token({"sub": "42"}, algorithm), options_for(algorithm)).user == "42"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_of_another_key_is_invalid(algorithm: str) -> None:
    foreign = token({"sub": "42"}, algorithm, secret="other", which=1)
    assert why_invalid(foreign, options_for(algorithm)) == "the signature does not fit"


@cache
def one_token(algorithm: str) -> str:
    """A token that stays the same though signatures of some algorithms are random."""
    return token({"sub": "42", "info": {"n": 1}}, algorithm)


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "ES512", "EdDSA"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_single_changed_character_makes_a_token_invalid(
    algorithm: str, data: st.DataObject
) -> None:
    text = one_token(algorithm)
    index = data.draw(st.integers(0, len(text) - 1))
    alphabet = string.ascii_letters + string.digits + "-_.=+/ \né"
    other = data.draw(st.sampled_from(alphabet.replace(text[index], "")))
    with pytest.raises(InvalidToken):
        connection(text[:index] + other + text[index + 1 :], options_for(algorithm))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_stray_bits_in_the_last_character_are_refused(algorithm: str) -> None:
    """Base64 lets several last characters stand for the same bytes; only one of them is right."""
    text = token({"sub": "42"}, algorithm)
    alphabet = string.ascii_letters + string.digits + "-_"
    for other in alphabet.replace(text[-1], ""):
        with pytest.raises(InvalidToken):
            connection(text[:-1] + other, options_for(algorithm))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "HS1", "PS256", "ES256K", "RS1"])
def test_other_algorithms_are_never_accepted(alg: str) -> None:
    head = b64(json.dumps({"alg": alg}).encode())
    body = b64(b'{"sub":"42"}')
    for tail in ("", b64(signature("HS256", f"{head}.{body}".encode()))):
        with pytest.raises(InvalidToken):
            connection(f"{head}.{body}.{tail}")
        with pytest.raises(InvalidToken):
            connection(f"{head}.{body}.{tail}", skip_signature=True)


def test_a_public_key_is_never_an_hmac_secret() -> None:
    """The classic confusion: a token signed by HMAC with the public key's text."""
    options = TokenOptions(rsa_public_key=public_pem("RS256"))
    for secret in (public_pem("RS256"), public_pem("RS256").strip(), ""):
        forged = token({"sub": "42"}, "HS256", secret=secret)
        assert why_invalid(forged, options) == "no hmac_secret_key is configured for HS256 tokens"


def test_an_algorithm_does_not_choose_a_key_of_another_kind() -> None:
    p256 = TokenOptions(ecdsa_public_key=public_pem("ES256"))
    assert "ES384" in why_invalid(token({}, "ES384"), p256)
    rsa_only = TokenOptions(rsa_public_key=public_pem("RS256"))
    assert "EdDSA" in why_invalid(token({}, "EdDSA"), rsa_only)
    assert "RS256" in why_invalid(token({}, "RS256"))


def test_without_any_key_nothing_is_accepted() -> None:
    assert "hmac_secret_key" in why_invalid(token({}, secret=""), TokenOptions())


def test_several_families_of_keys_can_be_configured_at_once() -> None:
    options = TokenOptions(
        hmac_secret_key=SECRET,
        rsa_public_key=public_pem("RS256"),
        ecdsa_public_key=public_pem("ES384"),
        eddsa_public_key=public_pem("EdDSA"),
    )
    for algorithm in ("HS512", "RS384", "ES384", "EdDSA"):
        assert connection(token({"sub": algorithm}, algorithm), options).user == algorithm


def test_the_previous_secret_is_good_until_its_time() -> None:
    old, new = token({"sub": "1"}, secret="old"), token({"sub": "2"}, secret=SECRET)
    rotating = {"hmac_secret_key": SECRET, "hmac_previous_secret_key": "old"}
    for until in (0, NOW + 1):
        options = TokenOptions(**rotating, hmac_previous_secret_key_valid_until=until)
        assert (connection(old, options).user, connection(new, options).user) == ("1", "2")
    over = TokenOptions(**rotating, hmac_previous_secret_key_valid_until=NOW)
    assert why_invalid(old, over) == "the signature does not fit"
    assert connection(new, over).user == "2"


def test_a_signature_is_believed_unseen_only_where_that_is_asked_for() -> None:
    forged = token({"sub": "42"}, secret="other")
    assert connection(forged, skip_signature=True).user == "42"
    with pytest.raises(TokenExpired):
        connection(token({"exp": NOW}, secret="other"), skip_signature=True)


# ── shape ────────────────────────────────────────────────────────────────────────────────────

GOOD = token({"sub": "42"})
HEAD, BODY, TAIL = GOOD.split(".")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        f"{GOOD}.",
        f".{GOOD}",
        f"{HEAD}..{TAIL}",
        f"{HEAD}.{BODY}.",
        f"{HEAD}=.{BODY}.{TAIL}",
        f"{HEAD}.{BODY}.{TAIL}=",
        f" {GOOD}",
        f"{GOOD}\n",
        f"é{GOOD}",
        "\ud800",
        "." * 1000,
        "x" * (MAX_TOKEN + 1),
    ],
)
def test_what_has_not_the_shape_of_a_token_is_invalid(text: str) -> None:
    why_invalid(text)


def test_a_token_has_a_largest_size() -> None:
    assert str(MAX_TOKEN) in why_invalid(token({"info": "x" * MAX_TOKEN}))


@pytest.mark.parametrize(
    "claims",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b'{"sub":"42"',
        b'{"sub":"42"} x',
        b'{"sub":"1","sub":"2"}',
        b'{"sub":"1","s\\u0075b":"2"}',
        b'{"info":{"a":\xff}}',
        b'{"info":"\xff"}',
        b'{"info":' + b"[" * 256 + b"]" * 256 + b"}",
        b'{"info":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"exp":NaN}',
        b'{"info":NaN}',
        b'{"exp":1e400}',
    ],
)
def test_claims_that_are_no_proper_json_object_are_invalid(claims: bytes) -> None:
    why_invalid(token(claims))


@pytest.mark.parametrize(
    "header",
    [
        b"null",
        b"[]",
        b"{}",
        b'{"alg":null}',
        b'{"alg":1}',
        b'{"alg":"HS256","kid":1}',
        b'{"alg":"none","alg":"HS256"}',
        b'{"alg":"HS256","crit":["exp"],"exp":1}',
        b'{"alg":"HS256"',
    ],
)
def test_headers_that_are_not_understood_are_invalid(header: bytes) -> None:
    why_invalid(token({"sub": "42"}, header=header))


def test_a_header_is_judged_the_same_the_second_time() -> None:
    one = verifier()
    bad = token({"sub": "42"}, header=b'{"alg":"HS256","crit":["x"]}')
    for _ in range(2):
        assert run(one.connection_token(GOOD)).user == "42"
        with pytest.raises(InvalidToken):
            run(one.connection_token(bad))


def test_many_different_headers_do_not_fill_the_memory() -> None:
    one = verifier()
    for number in range(1500):
        head = {"alg": "HS256", "kid": f"k{number}"}
        assert run(one.connection_token(token({"sub": "42"}, header=head))).user == "42"
    assert len(one._headers) <= 512


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": 42},
        {"sub": ["42"]},
        {"exp": True},
        {"iat": {}},
        {"jti": 1},
        {"aud": 1},
        {"aud": [1]},
        {"iss": ["x"]},
        {"channels": "x"},
        {"channels": [1]},
        {"subs": ["x"]},
        {"subs": {"x": 1}},
        {"subs": {"x": {"override": {"presence": True}}}},
        {"subs": {"x": {"override": {"presence": {"value": 1}}}}},
        {"subs": {"x": {"b64info": "!"}}},
        {"subs": {"x": {"b64data": "YQ"}}},
        {"b64info": "%"},
        {"b64info": 1},
        {"expire_at": "1"},
        {"expire_at": 1.5},
        {"expire_at": -1},
        {"channel": 1},
    ],
)
def test_claims_of_a_wrong_type_are_invalid(claims: dict[str, Any]) -> None:
    why_invalid(token(claims))


def test_reasons_do_not_repeat_the_token() -> None:
    text = token({"sub": ["hush-hush"]})
    assert "hush" not in why_invalid(text)
    assert TAIL not in why_invalid(f"{HEAD}.{BODY}.x{TAIL}")


# ── connection claims ────────────────────────────────────────────────────────────────────────


def test_an_empty_token_is_an_anonymous_connection_without_end() -> None:
    assert connection(token({})) == ConnectionToken()


def test_null_stands_for_an_absent_claim() -> None:
    names = [name for name in ConnectionToken.__struct_fields__ if name != "issued_at"]
    names += ["sub", "exp", "nbf", "iat", "aud", "iss", "b64info", "channels", "channel"]
    assert connection(token(dict.fromkeys(names))) == ConnectionToken()


def test_all_claims_of_a_connection_token_are_read() -> None:
    read = connection(
        token(
            b'{"sub":"42","exp":1700000600,"nbf":1699999999.5,"iat":1699990000,"jti":"id1",'
            b'"info":{"name": "A"},"meta":{"role":"x"},'
            b'"subs":{"a":{"info":{"i":1},"data":[1, 2],'
            b'"override":{"presence":{"value":true},"join_leave":{"value":false},'
            b'"force_recovery":{"value":true}}},'
            b'"b":{"b64info":"eyJpIjoyfQ==","b64data":"AAE=","info":3,"data":4},"c":{},"d":null},'
            b'"channels":["ignored"],"unknown":{"x":[1]}}'
        )
    )
    assert read == ConnectionToken(
        user="42",
        info=b'{"name": "A"}',
        meta=b'{"role":"x"}',
        expire_at=NOW + 600,
        subs={
            "a": TokenSubscription(
                b'{"i":1}',
                b"[1, 2]",
                SubscribeOverride(presence=True, join_leave=False, force_recovery=True),
            ),
            "b": TokenSubscription(b'{"i":2}', b"\x00\x01"),
            "c": TokenSubscription(),
            "d": TokenSubscription(),
        },
        jti="id1",
        issued_at=1699990000.0,
    )


def test_channels_are_server_side_subscriptions_where_there_are_no_subs() -> None:
    read = connection(token({"channels": ["a", "b", "a"], "subs": {}}))
    assert read.subs == {"a": TokenSubscription(), "b": TokenSubscription()}


def test_base64_info_takes_precedence() -> None:
    assert connection(token({"info": 1, "b64info": "eyJpIjoyfQ=="})).info == b'{"i":2}'


def test_json_claims_come_out_on_one_line() -> None:
    """Frames of today's protocol are divided by line breaks."""
    assert connection(token(b'{"info":{\n "a":\r\n "b c"}}')).info == b'{"a":"b c"}'


def test_a_connection_token_must_not_name_a_channel() -> None:
    assert "channel" in why_invalid(token({"sub": "42", "channel": "x"}))
    assert connection(token({"sub": "42", "channel": ""})).user == "42"


@pytest.mark.parametrize(
    ("claims", "expire_at"),
    [
        ({"exp": NOW + 1}, NOW + 1),
        ({"exp": NOW + 0.25}, NOW + 1),
        ({"exp": NOW + 60, "expire_at": 0}, 0),
        ({"exp": NOW + 60, "expire_at": NOW + 5}, NOW + 5),
        ({"expire_at": NOW - 5}, NOW - 5),
        ({"exp": 1e30}, 10**30),
    ],
)
def test_a_connection_ends_with_expire_at_or_else_with_exp(
    claims: dict[str, Any], expire_at: int
) -> None:
    assert connection(token(claims)).expire_at == pytest.approx(expire_at, abs=0, rel=1e-12)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW},
        {"exp": NOW - 0.5},
        {"exp": 0},
        {"exp": -1},
        {"nbf": NOW + 1},
        {"nbf": NOW + 0.5},
        {"exp": NOW, "expire_at": 0},
    ],
)
def test_a_token_out_of_its_time_is_expired_not_invalid(claims: dict[str, Any]) -> None:
    with pytest.raises(TokenExpired):
        connection(token(claims))
    with pytest.raises(TokenExpired):
        subscription(token(claims | {"channel": "x"}))


def test_nbf_of_this_very_second_has_come() -> None:
    assert connection(token({"sub": "42", "nbf": NOW})).user == "42"


@pytest.mark.parametrize(
    ("claims", "option"),
    [
        ({"channel": "x"}, {}),
        ({"aud": "y"}, {"audience": "x"}),
        ({"iss": "y"}, {"issuer": "x"}),
        ({"sub": "42"}, {"hmac_previous_secret_key": "y"}),
    ],
)
def test_what_is_wrong_for_ever_is_said_before_that_it_is_expired(
    claims: dict[str, Any], option: dict[str, str]
) -> None:
    """For ``expired`` a client would fetch a new token, again and again."""
    options = TokenOptions(**({"hmac_secret_key": SECRET} | option))
    secret = "other" if "sub" in claims else SECRET
    why_invalid(token(claims | {"exp": 1}, secret=secret), options)


# ── subscription claims ──────────────────────────────────────────────────────────────────────


def test_all_claims_of_a_subscription_token_are_read() -> None:
    claims = {
        "sub": "42", "channel": "$chat:x", "client": "c1", "info": [1], "b64data": "AAE=",
        "expire_at": NOW + 9, "exp": NOW + 99, "eto": True, "jti": "j", "iat": 5.5,
        "override": {"force_positioning": {"value": True}, "force_push_join_leave": {}},
    }  # fmt: skip
    assert subscription(token(claims)) == SubscriptionToken(
        user="42",
        channel="$chat:x",
        client="c1",
        info=b"[1]",
        data=b"\x00\x01",
        expire_at=NOW + 9,
        expires_alone=True,
        override=SubscribeOverride(force_positioning=True, force_push_join_leave=False),
        jti="j",
        issued_at=5.5,
    )


@pytest.mark.parametrize("claims", [{"sub": "42"}, {"channel": ""}, {"channel": None}])
def test_a_subscription_token_must_name_its_channel(claims: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken, match="channel"):
        subscription(token(claims))


# ── audience, issuer, user claim ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("option", "claims", "good"),
    [
        ({"audience": "me"}, {"aud": "me"}, True),
        ({"audience": "me"}, {"aud": ["you", "me"]}, True),
        ({"audience": "me"}, {"aud": "you"}, False),
        ({"audience": "me"}, {"aud": []}, False),
        ({"audience": "me"}, {"aud": "me2"}, False),
        ({"audience": "me"}, {}, False),
        ({"audience_regex": "^m"}, {"aud": ["you", "me"]}, True),
        ({"audience_regex": "^m"}, {"aud": "am"}, False),
        ({"audience_regex": "m"}, {"aud": "am"}, True),
        ({"audience_regex": ".*"}, {}, False),
        ({"issuer": "me"}, {"iss": "me"}, True),
        ({"issuer": "me"}, {"iss": "Me"}, False),
        ({"issuer": "me"}, {}, False),
        ({"issuer_regex": "^https://.+"}, {"iss": "https://x"}, True),
        ({"issuer_regex": "^https://.+"}, {"iss": "http://x"}, False),
        ({"issuer_regex": r"^[[:digit:]]+$"}, {"iss": "12"}, True),
        ({"issuer_regex": r"^\d+$"}, {"iss": "12\n"}, False),
        ({"issuer_regex": r"^\d+$"}, {"iss": "١٢"}, False),
        ({"audience_regex": r"^(?<n>\pL+)\z"}, {"aud": ["x1", "é"]}, True),
        ({"issuer_regex": "^https://.+"}, {"iss": "https://" + "x" * 2000}, False),
        ({}, {"iss": "anybody", "aud": "anyone"}, True),
    ],
)
def test_audience_and_issuer_must_be_those_configured(
    option: dict[str, str], claims: dict[str, Any], good: bool
) -> None:
    options = TokenOptions(hmac_secret_key=SECRET, **option)
    if good:
        assert connection(token(claims | {"sub": "42"}), options).user == "42"
    else:
        why_invalid(token(claims), options)


def test_another_claim_can_hold_the_user_id() -> None:
    options = TokenOptions(hmac_secret_key=SECRET, user_id_claim="user_id")
    assert connection(token({"user_id": "7", "sub": {"any": 1}}), options).user == "7"
    assert connection(token({"sub": "42"}), options).user == ""
    assert "user_id" in why_invalid(token({"user_id": 7}), options)
    again = TokenOptions(hmac_secret_key=SECRET, user_id_claim="sub")
    assert connection(token({"sub": "42"}), again).user == "42"


# ── configuration ────────────────────────────────────────────────────────────────────────────


def weak_rsa_pem() -> str:
    return pem_of(rsa.generate_private_key(65537, 1024).public_key())


def private_pem() -> str:
    return (
        private_key("RS256")
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"rsa_public_key": "x"}, "rsa_public_key: expected a PEM public key"),
        ({"rsa_public_key": public_pem("ES256")}, "rsa_public_key: expected .* of type RSA"),
        ({"rsa_public_key": private_pem()}, "rsa_public_key: expected a PEM public key"),
        ({"rsa_public_key": weak_rsa_pem()}, "rsa_public_key: expected an RSA key of at least"),
        ({"ecdsa_public_key": public_pem("RS256")}, "ecdsa_public_key: "),
        (
            {"rsa_public_key": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"},
            "rsa_public_key: expected a PEM public key of type RSA",
        ),
        (
            {"ecdsa_public_key": pem_of(ec.generate_private_key(ec.SECP256K1()).public_key())},
            "ecdsa_public_key: keys on curve secp256k1",
        ),
        ({"eddsa_public_key": public_pem("ES256")}, "eddsa_public_key: "),
        ({"audience": "a", "audience_regex": "a"}, "audience: cannot be set together"),
        ({"issuer": "a", "issuer_regex": "a"}, "issuer: cannot be set together"),
        ({"issuer_regex": "("}, "issuer_regex: "),
        ({"jwks_public_endpoint": "https://x/"}, "jwks_public_endpoint: "),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(options: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}"):
        verifier(TokenOptions(**options))


def test_a_token_signed_here_is_one_that_is_accepted_here() -> None:
    made = sign({"sub": "42", "exp": NOW + 1}, SECRET)
    assert made.split(".")[2] == b64(signature("HS256", made.rpartition(".")[0].encode()))
    assert connection(made).user == "42"
