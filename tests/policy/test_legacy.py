"""The rules of the v2 to v4 servers (config-generations.md section 2.3), each by its option.

Every row is asked twice: with the option as it is today, and as those servers had it.
"""

from typing import Any

import pytest

from girandola.errors import INVALID_TOKEN, NOT_AVAILABLE, PERMISSION_DENIED, Close, Reject
from girandola.policy.policy import ConfiguredPolicy
from girandola.protocol.commands import (
    Connect,
    History,
    Publish,
    Recovery,
    SignedChannel,
    SubRefresh,
    Subscribe,
)
from tests.policy.house import FakePeer, jwt, policy, refusal, run

OPEN = {"allow_subscribe_for_client": True}
ALL = OPEN | {"allow_subscribe_for_anonymous": True}
USERS = {"allow_user_limited_channels": True}

Legacy = dict[str, Any]
GATE: Legacy = {"gate_anonymous": True}
PRIVATE_ONLY: Legacy = {"tokens_on_private_channels_only": True}
BOTH: Legacy = {"private_user_limited_needs_both": True}
NARROW: Legacy = {"narrow_insecure": True}
V2: Legacy = {"subscription_token_owner": "client"}
V3: Legacy = {"subscription_token_owner": "client_if_named"}
V4: Legacy = {"subscription_token_owner": "any_user"}

OK = "subscribed"
NO = PERMISSION_DENIED.message
BAD = INVALID_TOKEN.reason


def outcome(rules: ConfiguredPolicy, user: str, channel: str, **command: Any) -> str:
    try:
        run(rules.subscribe(FakePeer(user), Subscribe(channel=channel, **command)))
    except Reject as refused:
        return refused.error.message if refused.detail else "refused without a reason"
    except Close as refused:
        return refused.disconnect.reason if refused.detail else "closed without a reason"
    return OK


def of(channel: str, **claims: Any) -> dict[str, str]:
    return {"token": jwt({"channel": channel} | claims)}


OLD_CLIENT = {"for_connection": True}
"""What the codecs of the v2 and v3 protocols say of their subscribes."""

ROWS: list[tuple[str, Legacy, dict[str, Any], str, str, dict[str, Any], str, str]] = [
    # rule, its option, channel options, user, channel, what is shown, today, then
    ("L1 token", GATE, {}, "", "$a", of("$a"), OK, NO),
    ("L1 token of a user", GATE, {}, "42", "$a", of("$a", sub="42"), OK, OK),
    ("L1 where anonymous", GATE, ALL, "", "$a", of("$a"), OK, OK),
    ("L1 #", GATE, ALL | USERS, "", "a#", {}, OK, OK),
    ("L2 elsewhere", PRIVATE_ONLY, {}, "42", "a", of("a", sub="42"), OK, NO),
    ("L2 unread", PRIVATE_ONLY, OPEN, "42", "a", {"token": "nonsense"}, NO, OK),
    ("L2 of others", PRIVATE_ONLY, USERS, "42", "a#7", of("a#7", sub="42"), OK, NO),
    ("L2 private", PRIVATE_ONLY, {}, "42", "$a", of("$a", sub="42"), OK, OK),
    ("L2 private, bad", PRIVATE_ONLY, OPEN, "42", "$a", {"token": "nonsense"}, NO, NO),
    ("L4 token", BOTH, USERS, "42", "$a#7", of("$a#7", sub="42"), OK, NO),
    ("L4 both", BOTH, USERS, "42", "$a#42", of("$a#42", sub="42"), OK, OK),
    ("L4 listed", BOTH, USERS, "42", "$a#42", {}, NO, NO),
    ("L4 not private", BOTH, USERS, "42", "a#7", of("a#7", sub="42"), OK, OK),
    ("L5 v2 absent", V2, {}, "42", "$a", of("$a", sub="42"), OK, BAD),
    ("L5 v2 own", V2, {}, "42", "$a", of("$a", client="c1"), BAD, OK),
    ("L5 v2 other", V2, {}, "42", "$a", of("$a", sub="42", client="c2"), BAD, BAD),
    ("L5 v2 sub", V2, {}, "42", "$a", of("$a", sub="7", client="c1"), BAD, OK),
    ("L5 v2 old client", V2, {}, "42", "$a", of("$a", sub="42") | OLD_CLIENT, OK, NO),
    ("L5 v3 absent", V3, {}, "42", "$a", of("$a"), BAD, OK),
    ("L5 v3 own", V3, {}, "42", "$a", of("$a", client="c1"), BAD, OK),
    ("L5 v3 other", V3, {}, "42", "$a", of("$a", client="c2"), BAD, BAD),
    ("L5 v3 old client", V3, {}, "42", "$a", of("$a") | OLD_CLIENT, NO, OK),
    ("L5 v4 sub", V4, {}, "42", "$a", of("$a", sub="7"), BAD, OK),
    ("L5 v4 other", V4, {}, "42", "$a", of("$a", sub="7", client="c2"), BAD, BAD),
    ("L5 channel", V3, {}, "42", "$a", of("$b"), BAD, BAD),
]


@pytest.mark.parametrize(
    ("legacy", "options", "user", "channel", "shown", "today", "then"),
    [row[1:] for row in ROWS],
    ids=[row[0] for row in ROWS],
)
def test_an_option_brings_back_a_rule_of_subscribing(
    legacy: Legacy,
    options: dict[str, Any],
    user: str,
    channel: str,
    shown: dict[str, Any],
    today: str,
    then: str,
) -> None:
    rules = [policy(without_namespace=options, legacy=chosen) for chosen in ({}, legacy)]
    assert [outcome(each, user, channel, **shown) for each in rules] == [today, then]


# ── the order of checks ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("options", [{}, {"server_side_only": True}, USERS])
def test_what_is_barred_is_refused_before_a_token_is_looked_at(options: dict[str, Any]) -> None:
    """Else a token of the wrong kind would end the connection (3500) for a channel that is shut."""
    rules = policy(without_namespace=options, legacy=GATE | BOTH)
    assert outcome(rules, "", "$a#7", **of("$b")) == NO


def test_users_are_looked_at_before_the_namespace_is_open_or_not() -> None:
    """L6: ``x#42`` is for 42 where nothing else is open, and not for others where all is."""
    protected = policy(without_namespace=USERS, legacy=GATE)
    assert outcome(protected, "42", "x#42") == OK
    assert outcome(protected, "42", "x") == NO
    assert outcome(policy(without_namespace=ALL | USERS), "7", "x#42") == NO


# ── L9: insecure ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "channel", "today", "then"),
    [
        ({}, "a", OK, NO),
        (OPEN, "a", OK, OK),
        (USERS, "a#7", OK, NO),
        (USERS, "a#42", OK, OK),
        (OPEN, "$a", NO, NO),
        (OPEN | {"server_side_only": True}, "a", NO, NO),
    ],
)
@pytest.mark.parametrize("user", ["42", ""])
@pytest.mark.parametrize("signed", [None, SignedChannel("c1", "", "")])
def test_narrow_insecurity_opens_no_channel(
    options: dict[str, Any],
    channel: str,
    today: str,
    then: str,
    user: str,
    signed: SignedChannel | None,
) -> None:
    """Nor does it ask for an id where the namespace would."""
    if not user and "#42" in channel:
        then = NO
    if signed is not None and "#" in channel and (not user or "#42" not in channel):
        today = NO  # as in 2018, whose clients keep their own list
    wide, narrow = (
        policy(insecure=True, without_namespace=options, legacy=legacy) for legacy in ({}, NARROW)
    )
    assert outcome(wide, user, channel, signed=signed) == today
    assert outcome(narrow, user, channel, signed=signed) == then


def test_narrow_insecurity_lets_everybody_connect_and_publish_but_not_read() -> None:
    history = {"history_size": 1, "history_ttl": 60.0, "presence": True}
    rules = policy(insecure=True, without_namespace=history, legacy=NARROW)
    peer = FakePeer("", subscribed="a")
    assert run(rules.connect(peer, Connect())).user == ""
    run(rules.publish(peer, Publish(channel="a", data=b"1")))
    assert refusal(rules.history(peer, "a")) == PERMISSION_DENIED
    assert refusal(rules.presence(peer, "a")) == PERMISSION_DENIED
    grant = run(
        policy(insecure=True, without_namespace=OPEN | history, legacy=NARROW).subscribe(
            peer, Subscribe(channel="a", recoverable=True, positioned=True)
        )
    )
    assert (grant.recoverable, grant.positioned) == (False, False)


# ── L10: reads that are not for clients ──────────────────────────────────────────────────────


@pytest.mark.parametrize("what", ["presence", "history"])
@pytest.mark.parametrize(
    ("allowed", "then"),
    [
        ({}, NOT_AVAILABLE),
        ({"anonymous"}, NOT_AVAILABLE),
        ({"subscriber"}, PERMISSION_DENIED),
        ({"client"}, PERMISSION_DENIED),
    ],
)
def test_reads_that_are_for_no_client_are_not_available(
    what: str, allowed: set[str], then: Any
) -> None:
    options: dict[str, Any] = {"presence": True, "history_size": 1, "history_ttl": 60.0}
    options |= {f"allow_{what}_for_{who}": True for who in allowed}
    answers = []
    for legacy in ({}, {"disabled_reads_are_unavailable": True}):
        rules = policy(without_namespace=options, legacy=legacy)
        peer = FakePeer("", subscribed="" if "subscriber" in allowed else "a")
        answers.append(refusal(getattr(rules, what)(peer, "a")))
    assert answers == [PERMISSION_DENIED, then]


# ── L12: what a connect asks for ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "token", "channel", "today", "then"),
    [
        (OPEN, {"sub": "42"}, "a", True, True),
        (OPEN | USERS, {"sub": "42"}, "a#42", True, True),
        (OPEN | USERS, {"sub": "42"}, "a#7", False, False),
        (ALL, {}, "a", True, False),
        (ALL, None, "a", True, False),
        (ALL, {"sub": "42"}, "$a", False, False),
    ],
)
def test_channels_of_a_connect_are_for_users_with_a_token(
    options: dict[str, Any],
    token: dict[str, Any] | None,
    channel: str,
    today: bool,
    then: bool,
) -> None:
    shown = "" if token is None else jwt(token)
    answers = []
    for legacy in ({}, {"connect_subs_for_users_only": True}):
        rules = policy(
            without_namespace=options, legacy=legacy, allow_anonymous_connect_without_token=True
        )
        grant = run(rules.connect(FakePeer(""), Connect(token=shown, subs={channel: Recovery()})))
        answers.append(channel in grant.subs)
    assert answers == [today, then]


# ── history, and tokens that prolong ─────────────────────────────────────────────────────────


def test_history_without_a_limit_may_mean_everything() -> None:
    options = {"history_size": 1, "history_ttl": 60.0, "allow_history_for_client": True}
    for wanted in (False, True):
        rules = policy(without_namespace=options, legacy={"unlimited_history_by_default": wanted})
        assert run(rules.history(FakePeer(), "a")).unlimited_by_default is wanted
    assert History(channel="a").limit == 0


@pytest.mark.parametrize(
    ("legacy", "claims", "good"),
    [(V2, {"client": "c1"}, True), (V2, {"sub": "42"}, False), (V3, {}, True), ({}, {}, False)],
)
def test_the_owner_of_a_token_is_the_same_when_it_prolongs(
    legacy: Legacy, claims: dict[str, Any], good: bool
) -> None:
    rules = policy(legacy=legacy)
    command = SubRefresh(channel="$a", token=jwt({"channel": "$a"} | claims))
    decision = rules.sub_refresh(FakePeer(subscribed="$a"), command)
    if good:
        run(decision)
    else:
        assert refusal(decision) == INVALID_TOKEN


@pytest.mark.parametrize(
    "legacy", [{}, GATE | PRIVATE_ONLY | BOTH | NARROW | V2, GATE | PRIVATE_ONLY | BOTH | V3, V4]
)
def test_a_subscription_token_is_no_connection_token_in_any_generation(legacy: Legacy) -> None:
    """L8, more strictly than v2 and v3 servers."""
    rules = policy(legacy=legacy, insecure=True)
    command = Connect(token=jwt({"sub": "42", "channel": "$a", "client": "c1"}))
    assert refusal(rules.connect(FakePeer(""), command)) == INVALID_TOKEN
