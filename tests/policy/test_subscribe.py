"""Who may listen, and how (modern.md sections 5.1, 8.3 and 8.4; classic.md section 4.8)."""

from typing import Any

import msgspec
import pytest

from girandola.auth.signs import channel_sign
from girandola.core.grants import SubscribeGrant
from girandola.errors import (
    BAD_REQUEST,
    BAD_REQUEST_CLOSE,
    INTERNAL,
    INVALID_TOKEN,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    UNKNOWN_CHANNEL,
    Disconnect,
    Error,
)
from girandola.policy.policy import ConfiguredPolicy
from girandola.protocol.commands import FilterNode, SignedChannel, Subscribe
from tests.policy.house import NOW, YEAR, FakePeer, NoKeys, detail, jwt, policy, refusal, run

OPEN = {"allow_subscribe_for_client": True}
USERS = {"allow_user_limited_channels": True}


def subscribe(
    rules: ConfiguredPolicy, channel: str, user: str = "42", **command: Any
) -> SubscribeGrant:
    grant: SubscribeGrant = run(
        rules.subscribe(FakePeer(user), Subscribe(channel=channel, **command))
    )
    return grant


def refused(
    rules: ConfiguredPolicy, channel: str, user: str = "42", **command: Any
) -> Error | Disconnect:
    return refusal(rules.subscribe(FakePeer(user), Subscribe(channel=channel, **command)))


def opened(**options: Any) -> ConfiguredPolicy:
    return policy(without_namespace=OPEN | options)


# ── without a token (section 8.4) ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "channel", "user", "allowed"),
    [
        ({}, "a", "42", False),
        (OPEN, "a", "42", True),
        (OPEN, "a", "", False),
        (OPEN | {"allow_subscribe_for_anonymous": True}, "a", "", True),
        ({"allow_subscribe_for_anonymous": True}, "a", "", False),
        ({"allow_subscribe_for_anonymous": True}, "a", "42", False),
        (OPEN, "$a", "42", False),
        (USERS, "a#42", "42", True),
        (USERS, "a#7,42", "42", True),
        (USERS, "a#42", "7", False),
        (USERS, "a#42#7", "42", False),
        (USERS | OPEN, "a#42", "7", False),
        (USERS, "$a#42", "42", False),
        ({}, "a#42", "42", False),
        (OPEN, "a#42", "7", True),
    ],
)
def test_a_channel_is_open_or_it_is_not(
    options: dict[str, Any], channel: str, user: str, allowed: bool
) -> None:
    rules = policy(without_namespace=options)
    if allowed:
        assert subscribe(rules, channel, user) == SubscribeGrant(history_meta_ttl=720 * 3600.0)
    else:
        assert refused(rules, channel, user) == PERMISSION_DENIED


def test_each_namespace_has_its_own_permissions() -> None:
    rules = policy(without_namespace={}, chat=OPEN | {"presence": True})
    assert subscribe(rules, "chat:a").presence
    assert refused(rules, "a") == PERMISSION_DENIED
    assert refused(rules, "$chat:a") == PERMISSION_DENIED


def test_insecure_mode_opens_all_but_private_channels() -> None:
    rules = policy(insecure=True, without_namespace=USERS)
    for channel in ("a", "a#7"):
        subscribe(rules, channel, "")
    assert refused(rules, "$a") == PERMISSION_DENIED


def test_a_channel_can_be_for_one_connection_only() -> None:
    rules = policy(without_namespace=OPEN, channel={"client_boundary": "&"})
    subscribe(rules, "a&c1")
    assert refused(rules, "a&c2") == PERMISSION_DENIED


@pytest.mark.parametrize(
    ("channel", "outcome"),
    [
        ("", BAD_REQUEST_CLOSE),
        ("nowhere:a", UNKNOWN_CHANNEL),
        ("nowhere:é", UNKNOWN_CHANNEL),
        ("é", BAD_REQUEST),
        ("$é", BAD_REQUEST),
        ("chat:b", BAD_REQUEST),
    ],
)
def test_a_name_that_cannot_be_is_told_from_one_that_may_not(
    channel: str, outcome: Error | Disconnect
) -> None:
    rules = policy(without_namespace={}, chat={"channel_regex": "^a"})
    assert refused(rules, channel, token="whatever") == outcome


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        ({"delta": "vcdiff"}, BAD_REQUEST_CLOSE),
        ({"type": 1}, PERMISSION_DENIED),
        ({"type": 2}, PERMISSION_DENIED),
        ({"type": 4}, NOT_AVAILABLE),
        ({"filter": FilterNode(key="k", cmp="ex")}, BAD_REQUEST),
    ],
)
def test_features_that_do_not_exist_here_are_refused(
    command: dict[str, Any], outcome: Error | Disconnect
) -> None:
    assert refused(opened(), "a", **command) == outcome


def test_a_delta_that_the_namespace_does_not_allow_is_not_used() -> None:
    assert subscribe(opened(), "a", delta="fossil") == subscribe(opened(), "a")


def test_a_delta_that_the_namespace_allows_is_for_those_who_ask() -> None:
    rules = opened(allowed_delta_types=("fossil",))
    assert subscribe(rules, "a", delta="fossil").delta
    assert not subscribe(rules, "a").delta


def test_a_filter_is_accepted_where_the_namespace_allows_it() -> None:
    """Whether it makes sense is not looked at here."""
    rules = opened(allow_tags_filter=True)
    assert subscribe(rules, "a", filter=FilterNode()) == subscribe(rules, "a")


def test_the_operator_is_told_what_to_change() -> None:
    text = detail(policy().subscribe(FakePeer(), Subscribe(channel="chat:1")))
    assert text == (
        "channel 'chat:1' of user '42': namespace chat does not allow_subscribe_for_client "
        "and no token was given"
    )
    text = detail(opened().subscribe(FakePeer(""), Subscribe(channel="a")))
    assert "channel.without_namespace does not allow_subscribe_for_anonymous" in text


def test_what_the_operator_is_told_has_a_bounded_length() -> None:
    text = detail(policy().subscribe(FakePeer("u" * 9999), Subscribe(channel="c" * 9999)))
    assert len(text) < 400


# ── with a token (section 8.3) ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("token", "outcome"),
    [
        ("nonsense", PERMISSION_DENIED),
        (jwt({"sub": "42", "channel": "$a"}, key="other"), PERMISSION_DENIED),
        (jwt({"sub": "42"}), PERMISSION_DENIED),
        (jwt({"sub": "42", "channel": "$a", "exp": NOW}), TOKEN_EXPIRED),
        (jwt({"sub": "42", "channel": "$a", "nbf": NOW + 9}), TOKEN_EXPIRED),
        (jwt({"sub": "42", "channel": "$b"}), INVALID_TOKEN),
        (jwt({"sub": "42", "channel": "$A"}), INVALID_TOKEN),
        (jwt({"sub": "43", "channel": "$a"}), INVALID_TOKEN),
        (jwt({"channel": "$a"}), INVALID_TOKEN),
        (jwt({"sub": "42", "channel": "$a", "client": "c2"}), INVALID_TOKEN),
    ],
)
@pytest.mark.parametrize("insecure", [False, True])
def test_a_bad_token_opens_no_channel(
    token: str, outcome: Error | Disconnect, insecure: bool
) -> None:
    assert refused(policy(insecure=insecure), "$a", token=token) == outcome


def test_a_bad_token_is_refused_even_where_none_was_needed() -> None:
    assert refused(opened(), "a", token="nonsense") == PERMISSION_DENIED


@pytest.mark.parametrize("channel", ["$a", "a", "$chat:x", "a#7"])
def test_a_good_token_opens_every_channel(channel: str) -> None:
    rules = policy(without_namespace=USERS)
    claims = {"sub": "42", "channel": channel, "info": {"n": 1}, "data": [2], "client": "c1"}
    grant = subscribe(rules, channel, token=jwt(claims))
    assert (grant.chan_info, grant.data) == (b'{"n":1}', b"[2]")
    assert (grant.expire_at, grant.client_refreshes) == (0, False)


def test_an_anonymous_token_is_for_anonymous_connections() -> None:
    subscribe(policy(), "$a", user="", token=jwt({"channel": "$a"}))


@pytest.mark.parametrize(
    ("claims", "expire_at"),
    [
        ({"exp": NOW + 60}, NOW + 60),
        ({"exp": NOW + 60, "expire_at": 0}, 0),
        ({"exp": NOW + 60, "expire_at": NOW + 5}, NOW + 5),
        ({"exp": NOW + 9 * YEAR}, NOW + YEAR),
        ({"expire_at": NOW - 5}, NOW - 5),
    ],
)
def test_a_subscription_goes_on_as_long_as_its_token_says(
    claims: dict[str, Any], expire_at: int
) -> None:
    """The core refuses what is over already."""
    grant = subscribe(policy(), "$a", token=jwt({"sub": "42", "channel": "$a"} | claims))
    assert (grant.expire_at, grant.client_refreshes) == (expire_at, expire_at > 0)


def test_a_token_overrides_the_namespace_and_leaves_the_rest_to_it() -> None:
    rules = policy(
        without_namespace={
            "presence": True,
            "join_leave": True,
            "history_size": 1,
            "history_ttl": 60.0,
            "history_meta_ttl": 99.0,
            "history_drop_inactive": True,
        }
    )
    override = {"presence": {"value": False}, "force_recovery": {"value": True}}
    token = jwt({"sub": "42", "channel": "a", "override": override})
    assert subscribe(rules, "a", token=token) == SubscribeGrant(
        presence=False,
        join_leave=True,
        positioned=True,
        recoverable=True,
        history_meta_ttl=99.0,
        linger=60.0,
    )


# ── with a token for one connection, as clients of the v2 and v3 servers have it ─────────────


@pytest.mark.parametrize("user", ["42", ""])
@pytest.mark.parametrize("channel", ["$a", "a"])
def test_a_token_for_this_connection_needs_no_user(channel: str, user: str) -> None:
    token = jwt({"channel": channel, "client": "c1", "info": 1})
    grant = subscribe(policy(), channel, user, token=token, for_connection=True)
    assert grant.chan_info == b"1"


@pytest.mark.parametrize(
    "claims",
    [
        {"client": "c2"},
        {"client": "c1", "channel": "$b"},
        {"client": "c1", "sub": "43"},
        {"client": "c2", "sub": "42"},
        {"client": "", "sub": ""},
        {},
    ],
    ids=str,
)
def test_a_token_for_another_connection_channel_or_user_opens_none(claims: dict[str, Any]) -> None:
    """It is refused without an end of the connection, as v2 and v3 servers did."""
    token = jwt({"channel": "$a"} | claims)
    assert refused(policy(), "$a", token=token, for_connection=True) == PERMISSION_DENIED


@pytest.mark.parametrize("for_connection", [False, True])
def test_only_a_token_for_a_connection_may_expire_alone(for_connection: bool) -> None:
    """``eto`` was a word of the v2 and v3 servers; an expired token opens nothing all the same."""
    claims = {"sub": "42", "channel": "$a", "client": "c1", "eto": True}
    good, expired = jwt(claims | {"exp": NOW + 60}), jwt(claims | {"exp": NOW})
    grant = subscribe(policy(), "$a", token=good, for_connection=for_connection)
    assert (grant.expire_at, grant.client_refreshes) == (
        (0, False) if for_connection else (NOW + 60, True)
    )
    assert refused(policy(), "$a", token=expired, for_connection=True) == TOKEN_EXPIRED


# ── keys ─────────────────────────────────────────────────────────────────────────────────────


def test_subscription_tokens_may_have_a_key_of_their_own() -> None:
    rules = policy(sub_key="another key")
    claims = {"sub": "42", "channel": "$a"}
    subscribe(rules, "$a", token=jwt(claims, key="another key"))
    assert refused(rules, "$a", token=jwt(claims)) == PERMISSION_DENIED


def test_while_keys_cannot_be_had_a_subscription_may_be_tried_again() -> None:
    rules = policy()
    rules.rules = msgspec.structs.replace(rules.rules, subscription_tokens=NoKeys())
    assert refused(rules, "$a", token="x") == INTERNAL


# ── what the client asks for ─────────────────────────────────────────────────────────────────

HISTORY = {"history_size": 10, "history_ttl": 60.0}


@pytest.mark.parametrize(
    ("options", "positioned", "recoverable"),
    [
        ({}, False, False),
        ({"allow_positioning": True}, True, False),
        ({"allow_recovery": True}, False, True),
        ({"allow_history_for_client": True}, True, True),
        ({"allow_history_for_subscriber": True}, True, True),
        ({"allow_history_for_anonymous": True}, False, False),
    ],
)
def test_positioning_and_recovery_are_for_those_who_may_read_history(
    options: dict[str, Any], positioned: bool, recoverable: bool
) -> None:
    rules = opened(**HISTORY, **options)
    grant = subscribe(rules, "a", positioned=True)
    assert (grant.positioned, grant.recoverable) == (positioned, False)
    grant = subscribe(rules, "a", recoverable=True)
    assert (grant.positioned, grant.recoverable) == (recoverable, recoverable)
    grant = subscribe(rules, "a")
    assert (grant.positioned, grant.recoverable) == (False, False)


def test_insecure_connections_get_what_they_ask_for() -> None:
    grant = subscribe(
        policy(insecure=True, without_namespace={"join_leave": True}),
        "a",
        positioned=True,
        recoverable=True,
        join_leave=True,
    )
    assert (grant.positioned, grant.recoverable, grant.push_join_leave) == (True, True, True)


@pytest.mark.parametrize(
    ("options", "user", "pushed"),
    [
        ({"join_leave": True}, "42", False),
        ({"join_leave": True, "allow_presence_for_client": True}, "42", True),
        ({"join_leave": True, "allow_presence_for_subscriber": True}, "42", True),
        ({"join_leave": True, "allow_presence_for_subscriber": True}, "", False),
        ({"allow_presence_for_client": True}, "42", False),
        ({"join_leave": True, "force_push_join_leave": True}, "", True),
    ],
)
def test_joins_and_leaves_are_for_those_who_may_see_presence(
    options: dict[str, Any], user: str, pushed: bool
) -> None:
    rules = opened(allow_subscribe_for_anonymous=True, **options)
    assert subscribe(rules, "a", user, join_leave=True).push_join_leave == pushed


def test_a_token_subscription_can_ask_for_features_too() -> None:
    rules = policy(without_namespace={"allow_recovery": True, **HISTORY})
    token = jwt({"sub": "42", "channel": "$a"})
    assert subscribe(rules, "$a", token=token, recoverable=True).recoverable


# ── 2018 (classic.md section 4.8) ────────────────────────────────────────────────────────────


def of_2018(client: str = "", info: str = "", sign: str = "") -> SignedChannel:
    return SignedChannel(client, info, sign)


def signed(channel: str, client: str = "c1", info: str = "", secret: str = "secret") -> Any:
    return SignedChannel(client, info, channel_sign(secret, client, channel, info))


ANONYMOUS = OPEN | {"allow_subscribe_for_anonymous": True}


@pytest.mark.parametrize(
    ("options", "channel", "user", "outcome"),
    [
        (OPEN, "a", "42", None),
        (OPEN, "é \n*", "42", None),
        (OPEN | {"channel_regex": "^b"}, "a", "42", None),
        (OPEN, "a#42", "42", None),
        (OPEN, "a#42", "7", PERMISSION_DENIED),
        (OPEN, "nowhere:a#42", "7", PERMISSION_DENIED),
        (OPEN, "a&c1", "42", None),
        (OPEN, "a&c2", "42", PERMISSION_DENIED),
        (OPEN, "nowhere:a&c2", "42", PERMISSION_DENIED),
        (OPEN, "nowhere:a", "42", UNKNOWN_CHANNEL),
        (OPEN, "$nowhere:a", "42", UNKNOWN_CHANNEL),
        (OPEN, "a", "", PERMISSION_DENIED),
        (OPEN, "a#", "", PERMISSION_DENIED),
        (ANONYMOUS, "a", "", None),
        (ANONYMOUS, "a#", "", None),
        (OPEN, "$a", "42", PERMISSION_DENIED),
        (USERS, "a#42", "42", None),
        ({}, "a", "42", PERMISSION_DENIED),
        ({}, "", "42", BAD_REQUEST_CLOSE),
    ],
)
def test_2018_clients_are_checked_in_the_order_of_2018(
    options: dict[str, Any], channel: str, user: str, outcome: Error | Disconnect | None
) -> None:
    """Options are those that a configuration of 2018 becomes; the last rows are modern ones."""
    rules = policy(without_namespace=options, channel={"client_boundary": "&"})
    if outcome is None:
        subscribe(rules, channel, user, signed=of_2018())
    else:
        assert refused(rules, channel, user, signed=of_2018()) == outcome


def test_a_sign_opens_a_private_channel_of_2018() -> None:
    rules = policy(without_namespace={})
    grant = subscribe(rules, "$a", signed=signed("$a", info='{"role": 1}'))
    assert grant.chan_info == b'{"role":1}'
    assert subscribe(rules, "$a", signed=signed("$a")).chan_info == b""


@pytest.mark.parametrize(
    ("channel", "info"),
    [("$a", "mod"), ("$a", "[1]"), ("$a", " {}"), ("$a{}", ""), ("$a{}", '{"y":2}')],
)
def test_a_sign_that_could_be_for_another_channel_is_taken_by_option_only(
    channel: str, info: str
) -> None:
    sign = signed(channel, info=info)
    assert refused(policy(), channel, signed=sign) == PERMISSION_DENIED
    classic = {"secret": "secret", "allow_ambiguous_signatures": True}
    subscribe(policy(classic=classic), channel, signed=sign)


@pytest.mark.parametrize(
    "sign",
    [
        of_2018(),
        of_2018("c1"),
        signed("$b"),
        signed("$a", client="c2"),
        signed("$a", client=""),
        signed("$a", secret="other"),
        of_2018("c1", "x", channel_sign("secret", "c1", "$a")),
        of_2018("c1", "", channel_sign("secret", "c1", "$a").upper()),
    ],
)
@pytest.mark.parametrize("insecure", [False, True])
def test_a_wrong_sign_opens_nothing_in_insecure_mode_either(
    sign: SignedChannel, insecure: bool
) -> None:
    rules = policy(insecure=insecure, without_namespace=OPEN)
    assert refused(rules, "$a", signed=sign) == PERMISSION_DENIED


def test_a_private_user_limited_channel_needs_both() -> None:
    rules = policy(without_namespace=USERS)
    subscribe(rules, "$a#42", signed=signed("$a#42"))
    assert refused(rules, "$a#42", signed=of_2018()) == PERMISSION_DENIED
    assert refused(rules, "$a#7", signed=signed("$a#7")) == PERMISSION_DENIED


def test_without_a_secret_signs_are_good_only_where_that_is_asked_for() -> None:
    made = signed("$a", secret="")
    assert refused(policy(classic={}), "$a", signed=made) == PERMISSION_DENIED
    subscribe(policy(classic={"allow_empty_secret": True}), "$a", signed=made)


def test_signs_for_open_channels_are_not_looked_at() -> None:
    grant = subscribe(opened(), "a", signed=of_2018("c9", '{"x":1}', "wrong"))
    assert grant.chan_info == b""


def test_insecure_mode_lets_anonymous_2018_clients_in_but_keeps_user_limits() -> None:
    rules = policy(insecure=True)
    subscribe(rules, "a", "", signed=of_2018())
    assert refused(rules, "a#42", "", signed=of_2018()) == PERMISSION_DENIED


def test_2018_clients_get_recovery_and_joins_as_the_channel_has_them() -> None:
    rules = opened(
        join_leave=True, allow_presence_for_subscriber=True, force_recovery=True, **HISTORY
    )
    grant = subscribe(rules, "a", signed=of_2018())
    assert (grant.join_leave, grant.push_join_leave, grant.recoverable) == (True, True, True)
    assert not subscribe(opened(join_leave=True), "a", signed=of_2018()).push_join_leave
