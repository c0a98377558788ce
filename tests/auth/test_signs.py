"""The signatures of 2018: vectors, and that one secret may serve them and JWTs."""

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from girandola.auth import signs
from girandola.protocol.commands import SignedChannel, SignedUser
from tests.auth import tokens

CLIENT = "7a37e561-c720-4608-52a8-a964a9db7a8a"

# classic.md section 14.1
CLIENT_TOKENS = [
    ("42", "", "9a99a403ba89222e3b5acaeea418fe97362a3f7be46ad3cb5942a4312b7baaf4"),
    ("", "", "ea2496c4498d490b4f56396eb9518f60611976bd10ab227f551412a9f4b01481"),
    ("42", '{"a":1}', "925a618a38efdea7081770cac9e23b9d0477f7b541087343a42171c9f2a2b99a"),
]
CHANNEL_SIGNS = [
    (CLIENT, "$vip", "", "cd0707c97da011a4d38b30acf1f22a0a6cfa609ca52c2f41409cf4c2e484994d"),
    (
        CLIENT,
        "$vip",
        '{"role":"mod"}',
        "dbe037c73e5ebdb8578d55d39ce6605f8bfa48c2b790b41476846a30b0bb4526",
    ),
    ("cid", "$p", "", "3023391f92671ae41b682131f4ca0f2df225e2cfa6358c00694ac4e07323fb55"),
]
API_REQUEST = b'{"method":"publish","params":{"channel":"news","data":{"input":"hello"}}}'
API_SIGN = "a607fa1715a4f561b2ca9248ae36d988136e23e933d035bf9bdc227c9375580d"


@pytest.mark.parametrize(("user", "info", "token"), CLIENT_TOKENS)
def test_client_tokens_are_those_of_2018_servers(user: str, info: str, token: str) -> None:
    assert signs.client_token("secret", user, "1528600000", info) == token
    assert signs.is_client_token("secret", SignedUser(user, "1528600000", info, token))


@pytest.mark.parametrize(("client", "channel", "info", "sign"), CHANNEL_SIGNS)
def test_channel_signs_are_those_of_2018_servers(
    client: str, channel: str, info: str, sign: str
) -> None:
    assert signs.channel_sign("secret", client, channel, info) == sign
    assert signs.is_channel_sign("secret", channel, SignedChannel(client, info, sign))


def test_api_signs_are_those_of_2018_servers() -> None:
    assert signs.api_sign("secret", API_REQUEST) == API_SIGN
    assert signs.is_api_sign("secret", API_REQUEST, API_SIGN)
    assert not signs.is_api_sign("secret", API_REQUEST + b" ", API_SIGN)


@pytest.mark.parametrize(
    "token",
    [
        "",
        CLIENT_TOKENS[0][2].upper(),
        CLIENT_TOKENS[0][2][:-1],
        CLIENT_TOKENS[0][2] + "0",
        "é" * 64,
    ],
)
def test_a_token_must_be_exactly_64_lower_case_digits(token: str) -> None:
    assert not signs.is_client_token("secret", SignedUser("42", "1528600000", "", token))


@given(
    st.integers(0, 63), st.sampled_from("0123456789abcdefABCDEF"), st.sampled_from(CLIENT_TOKENS)
)
def test_a_token_with_any_digit_changed_is_refused(
    index: int, digit: str, vector: tuple[str, str, str]
) -> None:
    user, info, token = vector
    changed = token[:index] + digit + token[index + 1 :]
    accepted = signs.is_client_token("secret", SignedUser(user, "1528600000", info, changed))
    assert accepted == (changed == token)


def test_the_signature_of_a_jwt_is_no_client_token() -> None:
    """Whoever holds a JWT must not be able to cut it up into user, timestamp and info."""
    jwt = tokens.token({"sub": "42", "n": 1528600000}, secret="secret")
    text, _, _ = jwt.rpartition(".")
    for split in range(0, len(text) - 1, 7):
        user, timestamp, info = text[:split], text[split : split + 2], text[split + 2 :]
        stolen = hmac.new(b"secret", text.encode(), hashlib.sha256).hexdigest()
        assert not signs.is_client_token("secret", SignedUser(user, timestamp, info, stolen))


def test_a_user_id_with_a_dot_is_no_jwt() -> None:
    for user in ("john.doe@example.com", "eyJ.", "eyJ4IjoxfQ.eyJ", ".", "e30.x"):
        token = signs.client_token("secret", user, "1528600000")
        assert signs.is_client_token("secret", SignedUser(user, "1528600000", "", token)), user


def test_a_sign_made_for_a_jwt_as_client_id_is_refused() -> None:
    client = tokens.token({}, secret="secret").rpartition(".")[0]
    sign = signs.channel_sign("secret", client, "x")
    assert not signs.is_channel_sign("secret", "x", SignedChannel(client, "", sign))


def test_lone_surrogates_are_wrong_but_do_no_harm() -> None:
    assert not signs.is_client_token("secret", SignedUser("\ud800", "1", "", "\udc00"))


# ── one reading only ─────────────────────────────────────────────────────────────────────────

_PIECES = [
    *("1700000000", "0000000000", "2170000000", "4", "42", "-", ".", "e", "x", "$a", " ", "\n"),
    *("{", "}", "[", "]", '"', ":", ",", "\\", "\\u", "{}", "[]", '""', '"a"', '{"a":1}', '["x"]'),
    *("null", "true", "false", "nul", "l", '{"a":"', '"}', '","', '["', '"]', "é"),
]
_SIGNED_TEXTS = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=9).map("".join)


@settings(max_examples=200)
@given(_SIGNED_TEXTS)
def test_of_all_ways_to_take_a_token_apart_at_most_one_is_accepted(text: str) -> None:
    """So nobody can show a token as another user's."""
    found = [
        (text[:start], text[start:end], text[end:])
        for end in range(len(text) + 1)
        for start in range(max(0, end - 12), end + 1)
        if signs.has_one_reading(text[start:end], text[end:])
    ]
    assert len(found) <= 1


@settings(max_examples=200)
@given(_SIGNED_TEXTS)
def test_of_all_ways_to_take_a_sign_apart_at_most_one_is_accepted(text: str) -> None:
    """The client's id before it has one length, and is that of who asks."""
    found = [
        (text[:end], text[end:])
        for end in range(1, len(text) + 1)
        if signs.sign_has_one_reading(text[:end], text[end:])
    ]
    assert len(found) <= 1


@pytest.mark.parametrize(
    "info",
    [
        *("", "{}", '{"name": "joe \\"x\\" 1700000000[]"}', '["1700000000[]"]', '"plain"'),
        *("null", " true\n", "[]"),
    ],
)
def test_what_backends_sign_is_accepted(info: str) -> None:
    assert signs.has_one_reading("1700000000", info)


@pytest.mark.parametrize(
    ("channel", "info"),
    [("$a", ""), ("$a", '{"role":"mod"}'), ("$a}", ""), ("$a{", "{}"), ("$a[1]", ""), ("$é", "")],
)
def test_what_backends_sign_for_channels_is_accepted(channel: str, info: str) -> None:
    assert signs.sign_has_one_reading(channel, info)
