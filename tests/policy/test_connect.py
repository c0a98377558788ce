"""Who a connection is (modern.md sections 8.1, 8.2 and 8.7; classic.md sections 4.6 and 4.14)."""

from typing import Any

import pytest

from girandola.auth.signs import client_token
from girandola.core.grants import ConnectGrant
from girandola.errors import (
    BAD_REQUEST_CLOSE,
    INTERNAL,
    INVALID_TOKEN,
    PERMISSION_DENIED_CLOSE,
    TOKEN_EXPIRED,
    UNKNOWN_CHANNEL,
    Disconnect,
    Error,
)
from girandola.options import PersonalChannel
from girandola.policy.policy import ConfiguredPolicy
from girandola.protocol.commands import Connect, Recovery, SignedUser
from tests.policy.house import NOW, YEAR, FakePeer, NoKeys, jwt, policy, refusal, run


def connect(rules: ConfiguredPolicy, peer: FakePeer | None = None, **command: Any) -> ConnectGrant:
    grant: ConnectGrant = run(rules.connect(peer or FakePeer(""), Connect(**command)))
    return grant


def refused(rules: ConfiguredPolicy, **command: Any) -> Error | Disconnect:
    return refusal(rules.connect(FakePeer(""), Connect(**command)))


# ── which credentials count (section 8.1) ────────────────────────────────────────────────────


def test_a_token_says_who_it_is() -> None:
    token = jwt({"sub": "42", "info": {"n": 1}, "meta": [1], "exp": NOW + 60})
    assert connect(policy(), token=token) == ConnectGrant(
        user="42",
        conn_info=b'{"n":1}',
        meta=b"[1]",
        expire_at=NOW + 60,
        expires=True,
        ttl=60,
    )


def test_a_token_counts_before_every_other_way_in() -> None:
    open_house = policy(
        insecure=True, allow_anonymous_connect_without_token=True, user_id_http_header="X-User"
    )
    peer = FakePeer("")
    peer.headers["x-user"] = "7"
    assert connect(open_house, peer, token=jwt({"sub": "42"})).user == "42"
    assert refused(open_house, token="wrong") == INVALID_TOKEN
    assert refused(open_house, token=jwt({"exp": NOW})) == TOKEN_EXPIRED


@pytest.mark.parametrize("option", ["allow_anonymous_connect_without_token", "insecure"])
def test_without_a_token_a_connection_may_be_anonymous(option: str) -> None:
    peer = FakePeer("")
    peer.headers["x-user"] = "7"
    grant = connect(policy(**{option: True}, user_id_http_header="X-User"), peer)
    assert grant == ConnectGrant()


def test_a_trusted_header_says_who_it_is_where_anonymous_is_not_allowed() -> None:
    rules = policy(user_id_http_header="X-User")
    peer = FakePeer("")
    peer.headers["x-user"] = "7"
    assert connect(rules, peer) == ConnectGrant(user="7")
    peer.headers["x-user"] = ""
    assert refusal(rules.connect(peer, Connect())) == BAD_REQUEST_CLOSE


def test_the_header_counts_only_where_it_is_configured() -> None:
    peer = FakePeer("")
    peer.headers |= {"x-user": "7", "": "7"}
    assert refusal(policy().connect(peer, Connect())) == BAD_REQUEST_CLOSE


def test_without_any_credentials_the_connection_ends() -> None:
    assert refused(policy()) == BAD_REQUEST_CLOSE


def test_tokens_without_a_user_can_be_disallowed() -> None:
    assert connect(policy(), token=jwt({})).user == ""
    strict = policy(disallow_anonymous_connection_tokens=True)
    assert refused(strict, token=jwt({"exp": NOW + 9})) == PERMISSION_DENIED_CLOSE
    assert connect(strict, token=jwt({"sub": "42"})).user == "42"


@pytest.mark.parametrize(
    ("token", "outcome"),
    [
        (jwt({"sub": "42"}, key="other"), INVALID_TOKEN),
        ("nonsense", INVALID_TOKEN),
        (jwt({"sub": "42", "channel": "x"}), INVALID_TOKEN),
        (jwt({"sub": "42", "exp": NOW}), TOKEN_EXPIRED),
        (jwt({"sub": "42", "nbf": NOW + 9}), TOKEN_EXPIRED),
        (jwt({"sub": "42", "channels": ["nowhere:x"]}), UNKNOWN_CHANNEL),
        (jwt({"sub": "42", "channels": [""]}), UNKNOWN_CHANNEL),
        (jwt({"sub": "42", "subs": {"nowhere:x": {}}}), UNKNOWN_CHANNEL),
    ],
)
def test_a_bad_token_is_answered_by_what_is_wrong_with_it(
    token: str, outcome: Error | Disconnect
) -> None:
    assert refused(policy(), token=token) == outcome


def test_while_keys_cannot_be_had_the_client_may_try_again() -> None:
    rules = policy()
    rules.rules = type(rules.rules)(
        **{name: getattr(rules.rules, name) for name in rules.rules.__struct_fields__}
        | {"connection_tokens": NoKeys()}
    )
    assert refused(rules, token="x") == INTERNAL
    assert INTERNAL.temporary


# ── until when ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("claims", "expire_at", "expires", "ttl"),
    [
        ({}, 0, False, 0),
        ({"exp": NOW + 60}, NOW + 60, True, 60),
        ({"exp": NOW + 60, "expire_at": 0}, 0, False, 0),
        ({"exp": NOW + 60, "expire_at": NOW + 600}, NOW + 600, True, 600),
        ({"expire_at": NOW - 600}, NOW - 600, True, 0),
        ({"exp": NOW + 2 * YEAR}, NOW + YEAR, True, YEAR),
        ({"exp": 1e300}, NOW + YEAR, True, YEAR),
    ],
)
def test_a_connection_goes_on_as_long_as_its_token_says(
    claims: dict[str, Any], expire_at: int, expires: bool, ttl: int
) -> None:
    grant = connect(policy(), token=jwt(claims))
    assert (grant.expire_at, grant.expires, grant.ttl) == (expire_at, expires, ttl)


def test_insecure_connections_never_expire() -> None:
    grant = connect(policy(insecure=True), token=jwt({"sub": "42", "exp": NOW + 60}))
    assert (grant.user, grant.expire_at, grant.expires, grant.ttl) == ("42", 0, False, 0)


# ── server-side subscriptions (section 8.7) ──────────────────────────────────────────────────


def test_the_token_lists_channels_with_options_of_their_namespace_and_overrides() -> None:
    claims = {
        "sub": "42",
        "subs": {
            "chat:a": {"info": 1, "data": 2, "override": {"join_leave": {"value": True}}},
            "news": {"override": {"presence": {"value": False}}},
        },
    }
    rules = policy(without_namespace={"presence": True}, chat={"presence": True})
    asked = {"chat:a": Recovery(recover=True, offset=5, epoch="e")}
    subs = connect(rules, token=jwt(claims), subs=asked).subs
    assert list(subs) == ["chat:a", "news"]
    first, second = subs.values()
    assert (first.presence, first.join_leave, first.chan_info, first.data) == (
        True,
        True,
        b"1",
        b"2",
    )
    assert first.recovery == asked["chat:a"]
    assert not second.presence
    assert first.from_token
    assert second.from_token


def test_every_user_can_have_a_personal_channel() -> None:
    rules = policy(subscribe_to_user_personal_channel=PersonalChannel(enabled=True))
    asked = {"#42": Recovery(recover=True, offset=3)}
    subs = connect(rules, token=jwt({"sub": "42"}), subs=asked).subs
    assert list(subs) == ["#42"]
    assert not subs["#42"].from_token
    assert subs["#42"].recovery == asked["#42"]
    assert connect(rules, token=jwt({})).subs == {}


@pytest.mark.parametrize(
    ("presence", "single", "only"),
    [(True, True, "chat:#42"), (False, True, ""), (True, False, "")],
)
def test_a_single_connection_per_user_needs_presence(
    presence: bool, single: bool, only: str
) -> None:
    rules = policy(
        chat={"presence": presence},
        subscribe_to_user_personal_channel=PersonalChannel(
            enabled=True, personal_channel_namespace="chat", single_connection=single
        ),
    )
    grant = connect(rules, token=jwt({"sub": "42"}))
    assert (list(grant.subs), grant.only_connection) == (["chat:#42"], only)


@pytest.mark.parametrize(
    ("channel", "options", "user", "gets"),
    [
        ("x", {"allow_subscribe_for_client": True}, "42", True),
        ("x", {}, "42", False),
        ("x", {"allow_subscribe_for_client": True}, "", False),
        ("x", {"allow_subscribe_for_anonymous": True}, "", False),
        (
            "x",
            {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True},
            "",
            True,
        ),
        ("$x", {"allow_subscribe_for_client": True}, "42", False),
        ("é", {"allow_subscribe_for_client": True}, "42", False),
        ("x" * 256, {"allow_subscribe_for_client": True}, "42", False),
        ("y", {"allow_subscribe_for_client": True, "channel_regex": "^x"}, "42", False),
        ("x#42", {"allow_user_limited_channels": True}, "42", True),
        (
            "x#7",
            {"allow_user_limited_channels": True, "allow_subscribe_for_client": True},
            "42",
            False,
        ),
        ("x#7", {"allow_subscribe_for_client": True}, "42", True),
    ],
)
def test_a_client_gets_the_channels_it_asks_for_as_far_as_they_are_open(
    channel: str, options: dict[str, Any], user: str, gets: bool
) -> None:
    asked = {channel: Recovery(recover=True, offset=1, epoch="e")}
    grant = connect(policy(without_namespace=options), token=jwt({"sub": user}), subs=asked)
    assert list(grant.subs) == ([channel] if gets else [])
    if gets:
        assert grant.subs[channel].recovery == asked[channel]
        assert not grant.subs[channel].from_token


def test_insecure_connections_get_all_but_private_channels() -> None:
    grant = connect(policy(insecure=True), subs={"a": Recovery(), "$b": Recovery()})
    assert list(grant.subs) == ["a"]


@pytest.mark.parametrize("channel", ["nowhere:x", ""])
def test_asking_for_a_channel_that_cannot_be_ends_the_connection(channel: str) -> None:
    rules = policy(allow_anonymous_connect_without_token=True)
    assert refused(rules, subs={channel: Recovery()}) == BAD_REQUEST_CLOSE


def test_a_listed_channel_may_be_private_and_need_not_be_open() -> None:
    grant = connect(
        policy(), token=jwt({"channels": ["$vip"]}), subs={"$vip": Recovery(recover=True)}
    )
    assert grant.subs["$vip"].from_token
    assert grant.subs["$vip"].recovery.recover


# ── 2018 (classic.md sections 4.6 and 4.14) ──────────────────────────────────────────────────


def signed(
    user: str = "42", timestamp: str = str(NOW), info: str = "", token: str | None = None
) -> SignedUser:
    made = client_token("secret", user, timestamp, info)
    return SignedUser(user, timestamp, info, made if token is None else token)


def test_2018_credentials_are_good_for_ever_where_no_lifetime_is_set() -> None:
    for timestamp in ("0000000000", "1000000000", str(NOW), str(NOW + 300)):
        grant = connect(policy(), signed=signed(timestamp=timestamp, info='{"n": 1}'))
        assert grant == ConnectGrant(user="42", conn_info=b'{"n":1}')


AMBIGUOUS = {"secret": "secret", "allow_ambiguous_signatures": True}


@pytest.mark.parametrize("timestamp", ["0", "1", "-5", "+7", str(NOW + YEAR), "007", f"{NOW}000"])
def test_timestamps_that_could_be_part_of_a_user_id_are_taken_by_option_only(
    timestamp: str,
) -> None:
    assert refused(policy(), signed=signed(timestamp=timestamp)) == BAD_REQUEST_CLOSE
    assert connect(policy(classic=AMBIGUOUS), signed=signed(timestamp=timestamp)).user == "42"


def test_a_2018_timestamp_may_be_as_far_ahead_as_clocks_are() -> None:
    assert connect(policy(), signed=signed(timestamp=str(NOW + 300))).user == "42"
    assert refused(policy(), signed=signed(timestamp=str(NOW + 301))) == BAD_REQUEST_CLOSE


@pytest.mark.parametrize("info", ["12", "-1", " 7", "plain", "{", "NaN", " ", "\ud800", '{"a":1}x'])
def test_info_that_could_be_more_than_info_is_taken_by_option_only(info: str) -> None:
    credentials = signed(info=info)
    assert refused(policy(), signed=credentials) == INVALID_TOKEN
    assert connect(policy(classic=AMBIGUOUS), signed=credentials).user == "42"


@pytest.mark.parametrize(("age", "over"), [(0, False), (3599, False), (3600, True), (9999, True)])
def test_2018_credentials_live_from_their_timestamp_on(age: int, over: bool) -> None:
    """Whether it is over is for the core to say, which then answers ``expired``."""
    rules = policy(classic={"secret": "secret", "connection_lifetime": 3600.0})
    grant = connect(rules, signed=signed(timestamp=str(NOW - age)))
    assert (grant.expire_at, grant.expires, grant.ttl) == (NOW - age + 3600, True, 3600)
    assert (grant.expire_at <= NOW) == over


@pytest.mark.parametrize("timestamp", ["-3600", "-99999", "-999999999999999999", "0000000000"])
def test_2018_credentials_of_long_ago_are_not_taken_for_endless(timestamp: str) -> None:
    rules = policy(classic=AMBIGUOUS | {"connection_lifetime": 3600.0})
    grant = connect(rules, signed=signed(timestamp=timestamp))
    assert 0 < grant.expire_at <= NOW


@pytest.mark.parametrize(
    "credentials",
    [
        signed(token=""),
        signed(token="0" * 64),
        signed(token=client_token("other", "42", str(NOW))),
        signed(token=client_token("secret", "42", str(NOW)).upper()),
        signed(user="43", token=client_token("secret", "42", str(NOW))),
        signed(timestamp="x", token="0" * 64),
    ],
)
def test_2018_credentials_with_a_wrong_token_end_the_connection(credentials: SignedUser) -> None:
    assert refused(policy(), signed=credentials) == INVALID_TOKEN


@pytest.mark.parametrize(
    "timestamp", ["", "x", "1.5", "1e9", "0x10", " 1", "1_0", "--1", "٣", "9" * 30]
)
def test_a_2018_timestamp_must_be_an_integer(timestamp: str) -> None:
    assert refused(policy(), signed=signed(timestamp=timestamp)) == BAD_REQUEST_CLOSE


def test_without_a_secret_2018_tokens_are_good_only_where_that_is_asked_for() -> None:
    made = signed(token=client_token("", "42", str(NOW)))
    assert refused(policy(classic={}), signed=made) == INVALID_TOKEN
    assert connect(policy(classic={"allow_empty_secret": True}), signed=made).user == "42"


def test_the_signature_of_a_jwt_lets_nobody_in_as_a_2018_user() -> None:
    text = jwt({"sub": "42"}, key="secret").rpartition(".")[0]
    stolen = client_token("secret", text, "", "")
    for split in range(len(text)):
        credentials = SignedUser(text[:split], text[split : split + 1], text[split + 1 :], stolen)
        assert refused(policy(), signed=credentials) == INVALID_TOKEN


@pytest.mark.parametrize(
    ("info", "conn_info"),
    [
        ("", b""),
        ('{"a": [1, 2]}', b'{"a":[1,2]}'),
        ('{"a":\n1}', b'{"a":1}'),
        ("12", b"12"),
        ("null", b"null"),
        ("plain", b'"plain"'),
        ('{"a":', b'"{\\"a\\":"'),
        ('say "hi"\n', b'"say \\"hi\\"\\n"'),
        ("é", '"é"'.encode()),
        ("[" * 5000, b'"' + b"[" * 5000 + b'"'),
        ("[" * 256 + "]" * 256, b"[" * 256 + b"]" * 256),
        ("[" * 257 + "]" * 257, b'"' + b"[" * 257 + b"]" * 257 + b'"'),
        ("NaN", b'"NaN"'),
    ],
)
def test_2018_info_is_always_json_on_one_line(info: str, conn_info: bytes) -> None:
    assert connect(policy(classic=AMBIGUOUS), signed=signed(info=info)).conn_info == conn_info


def test_insecure_2018_connections_need_no_token_and_no_timestamp() -> None:
    rules = policy(insecure=True, classic={})
    grant = connect(rules, signed=SignedUser("42", "x", '{"n":1}', ""))
    assert grant == ConnectGrant(user="42", conn_info=b'{"n":1}')


def test_insecure_2018_connections_never_expire_but_hear_of_the_lifetime() -> None:
    rules = policy(insecure=True, classic={"connection_lifetime": 60.0})
    grant = connect(rules, signed=SignedUser("", "", "", ""))
    assert (grant.expire_at, grant.expires, grant.ttl) == (0, True, 60)


def test_2018_connections_get_no_server_side_subscriptions() -> None:
    rules = policy(subscribe_to_user_personal_channel=PersonalChannel(enabled=True))
    assert connect(rules, signed=signed()).subs == {}


def test_anonymous_2018_tokens_can_be_disallowed_like_all_others() -> None:
    assert connect(policy(), signed=signed(user="")).user == ""
    strict = policy(disallow_anonymous_connection_tokens=True)
    assert refused(strict, signed=signed(user="")) == PERMISSION_DENIED_CLOSE
