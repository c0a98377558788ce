"""How long things go on (modern.md sections 5.8 and 5.9, classic.md section 4.7)."""

from typing import Any

import msgspec
import pytest

from girandola.auth.signs import client_token
from girandola.core.grants import RefreshGrant
from girandola.errors import (
    BAD_REQUEST,
    BAD_REQUEST_CLOSE,
    CONNECTION_EXPIRED,
    INSUFFICIENT_STATE,
    INTERNAL,
    INVALID_TOKEN,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    UNKNOWN_CHANNEL,
    Disconnect,
    Error,
)
from girandola.policy.policy import ConfiguredPolicy
from girandola.protocol.commands import Refresh, SignedUser, SubRefresh
from tests.policy.house import NOW, YEAR, FakePeer, NoKeys, jwt, policy, refusal, run


def refresh(rules: ConfiguredPolicy, peer: FakePeer | None = None, **command: Any) -> RefreshGrant:
    grant: RefreshGrant = run(rules.refresh(peer or FakePeer(), Refresh(**command)))
    return grant


@pytest.mark.parametrize(
    ("token", "outcome"),
    [
        ("", BAD_REQUEST_CLOSE),
        (jwt({"sub": "42", "exp": NOW}), CONNECTION_EXPIRED),
        (jwt({"sub": "42", "nbf": NOW + 9}), CONNECTION_EXPIRED),
        (jwt({"sub": "42"}, key="other"), INVALID_TOKEN),
        (jwt({"sub": "42", "channel": "x"}), INVALID_TOKEN),
        (jwt({"sub": "43"}), INVALID_TOKEN),
        (jwt({}), INVALID_TOKEN),
        (jwt({"sub": "42", "channels": ["nowhere:x"]}), UNKNOWN_CHANNEL),
        (jwt({"sub": "42", "channels": ["a"]}), INSUFFICIENT_STATE),
    ],
)
def test_a_bad_token_does_not_prolong_a_connection(token: str, outcome: Error | Disconnect) -> None:
    assert refusal(policy().refresh(FakePeer(), Refresh(token=token))) == outcome


def test_a_good_token_prolongs_the_connection_and_renews_what_is_known_of_it() -> None:
    token = jwt({"sub": "42", "exp": NOW + 60, "info": [1], "meta": {"m": 1}})
    assert refresh(policy(), token=token) == RefreshGrant(
        expire_at=NOW + 60, expires=True, ttl=60, info=b"[1]", meta=b'{"m":1}'
    )
    assert refresh(policy(), token=jwt({"sub": "42"})) == RefreshGrant()


def test_expire_at_in_the_past_is_left_to_the_core_to_refuse() -> None:
    grant = refresh(policy(), token=jwt({"sub": "42", "expire_at": NOW - 1}))
    assert (grant.expire_at, grant.expires) == (NOW - 1, True)


def test_a_connection_is_prolonged_by_a_year_at_most() -> None:
    assert refresh(policy(), token=jwt({"sub": "42", "exp": NOW + 9 * YEAR})).ttl == YEAR


def test_the_token_must_list_the_same_channels_as_the_one_before() -> None:
    peer = FakePeer()
    peer.token_channels = frozenset({"a", "b"})
    same = jwt({"sub": "42", "channels": ["b", "a"]})
    assert refresh(policy(), peer, token=same) == RefreshGrant()
    for claims in ({}, {"channels": ["a"]}, {"subs": {"a": {}, "b": {}, "c": {}}}):
        token = jwt({"sub": "42"} | claims)
        assert refusal(policy().refresh(peer, Refresh(token=token))) == INSUFFICIENT_STATE


def test_insecure_connections_stay_endless() -> None:
    token = jwt({"sub": "42", "exp": NOW + 60})
    assert refresh(policy(insecure=True), token=token) == RefreshGrant()


def test_while_keys_cannot_be_had_a_refresh_may_be_tried_again() -> None:
    rules = policy()
    no_keys = {"connection_tokens": NoKeys(), "subscription_tokens": NoKeys()}
    rules.rules = msgspec.structs.replace(rules.rules, **no_keys)
    assert refusal(rules.refresh(FakePeer(), Refresh(token="x"))) == INTERNAL
    command = SubRefresh(channel="a", token="x")
    assert refusal(rules.sub_refresh(FakePeer(subscribed="a"), command)) == INTERNAL


# ── subscriptions (section 5.9) ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("channel", "token", "type_", "outcome"),
    [
        ("", jwt({"sub": "42", "channel": "a"}), 0, BAD_REQUEST_CLOSE),
        ("b", jwt({"sub": "42", "channel": "b"}), 0, PERMISSION_DENIED),
        ("a", "", 0, BAD_REQUEST),
        ("a", jwt({"sub": "42", "channel": "a"}), 1, BAD_REQUEST),
        ("a", "nonsense", 0, INVALID_TOKEN),
        ("a", jwt({"sub": "42", "channel": "a"}, key="other"), 0, INVALID_TOKEN),
        ("a", jwt({"sub": "42"}), 0, INVALID_TOKEN),
        ("a", jwt({"sub": "42", "channel": "b"}), 0, INVALID_TOKEN),
        ("a", jwt({"sub": "43", "channel": "a"}), 0, INVALID_TOKEN),
        ("a", jwt({"sub": "42", "channel": "a", "client": "c2"}), 0, INVALID_TOKEN),
        ("a", jwt({"sub": "42", "channel": "a", "exp": NOW}), 0, TOKEN_EXPIRED),
    ],
)
def test_a_bad_token_does_not_prolong_a_subscription(
    channel: str, token: str, type_: int, outcome: Error | Disconnect
) -> None:
    command = SubRefresh(channel=channel, token=token, type=type_)
    assert refusal(policy().sub_refresh(FakePeer(subscribed="a"), command)) == outcome


@pytest.mark.parametrize(
    ("claims", "grant"),
    [
        ({}, RefreshGrant(info=b"")),
        (
            {"exp": NOW + 60, "client": "c1", "info": 5},
            RefreshGrant(expire_at=NOW + 60, expires=True, ttl=60, info=b"5"),
        ),
        (
            {"expire_at": NOW + 9 * YEAR},
            RefreshGrant(expire_at=NOW + YEAR, expires=True, ttl=YEAR, info=b""),
        ),
    ],
)
def test_a_good_token_prolongs_the_subscription_and_replaces_its_info(
    claims: dict[str, Any], grant: RefreshGrant
) -> None:
    command = SubRefresh(channel="a", token=jwt({"sub": "42", "channel": "a"} | claims))
    assert run(policy().sub_refresh(FakePeer(subscribed="a"), command)) == grant


@pytest.mark.parametrize(
    ("claims", "good"),
    [
        ({"client": "c1"}, True),
        ({"client": "c2"}, False),
        ({"client": "c1", "channel": "b"}, False),
        ({"client": "c1", "sub": "43"}, False),
        ({}, False),
    ],
    ids=str,
)
def test_a_token_for_this_connection_prolongs_without_a_user(
    claims: dict[str, Any], good: bool
) -> None:
    """For clients of the v2 and v3 servers; what is not for them ends the connection."""
    token = jwt({"channel": "a", "exp": NOW + 60} | claims)
    decision = policy().sub_refresh(
        FakePeer(subscribed="a"), SubRefresh(channel="a", token=token, for_connection=True)
    )
    if good:
        assert run(decision).expire_at == NOW + 60
    else:
        assert refusal(decision) == INVALID_TOKEN


# ── 2018 (classic.md section 4.7) ────────────────────────────────────────────────────────────


def signed(timestamp: str, info: str = "", user: str = "42", secret: str = "secret") -> SignedUser:
    return SignedUser(user, timestamp, info, client_token(secret, user, timestamp, info))


LIFETIME = {"secret": "secret", "connection_lifetime": 60.0}


def test_2018_credentials_prolong_the_connection_by_their_timestamp() -> None:
    grant = refresh(policy(classic=LIFETIME), signed=signed(str(NOW - 10), '{"n":2}'))
    assert grant == RefreshGrant(expire_at=NOW + 50, expires=True, ttl=60, info=b'{"n":2}')
    assert refresh(policy(classic=LIFETIME), signed=signed(str(NOW))).info is None


def test_2018_credentials_that_are_over_are_left_to_the_core_to_answer() -> None:
    grant = refresh(policy(classic=LIFETIME), signed=signed(str(NOW - 60)))
    assert (grant.expire_at, grant.expires, grant.ttl) == (NOW, True, 60)


def test_without_a_lifetime_a_2018_refresh_changes_nothing() -> None:
    assert refresh(policy(), signed=signed("1000000000", '{"n":2}')) == RefreshGrant()


@pytest.mark.parametrize("timestamp", ["5", str(NOW + 301), f"{NOW}000"])
def test_a_2018_refresh_is_as_strict_as_a_connect(timestamp: str) -> None:
    command = Refresh(signed=signed(timestamp))
    assert refusal(policy().refresh(FakePeer(), command)) == BAD_REQUEST_CLOSE


def test_the_user_of_a_2018_refresh_is_not_compared() -> None:
    assert refresh(policy(classic=LIFETIME), signed=signed(str(NOW), user="43")).expires


@pytest.mark.parametrize("insecure", [False, True])
def test_a_2018_refresh_is_checked_even_in_insecure_mode(insecure: bool) -> None:
    rules = policy(insecure=insecure, classic=LIFETIME)
    wrong = Refresh(signed=signed(str(NOW), secret="other"))
    assert refusal(rules.refresh(FakePeer(), wrong)) == INVALID_TOKEN
    no_number = Refresh(signed=signed("soon"))
    assert refusal(rules.refresh(FakePeer(), no_number)) == BAD_REQUEST_CLOSE


def test_insecure_2018_connections_stay_endless() -> None:
    rules = policy(insecure=True, classic=LIFETIME)
    grant = refresh(rules, signed=signed(str(NOW)))
    assert (grant.expire_at, grant.expires, grant.ttl) == (0, True, 60)
    assert refresh(rules, signed=signed(str(NOW - 60))).expire_at == NOW
