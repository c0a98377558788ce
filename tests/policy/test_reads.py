"""Who may see presence and history (modern.md sections 5.4, 5.5 and 8.5)."""

from typing import Any

import pytest

from girandola.core.grants import HistoryGrant
from girandola.errors import NOT_AVAILABLE, PERMISSION_DENIED, UNKNOWN_CHANNEL
from girandola.policy.policy import ConfiguredPolicy
from tests.policy.house import FakePeer, policy, refusal, run

ON: dict[str, dict[str, Any]] = {
    "presence": {"presence": True},
    "history": {"history_size": 1, "history_ttl": 60.0, "history_meta_ttl": 99.0},
}
GRANTED = {"presence": None, "history": HistoryGrant(99.0)}

both = pytest.mark.parametrize("what", ["presence", "history"])


def read(rules: ConfiguredPolicy, what: str, peer: FakePeer, channel: str) -> Any:
    return getattr(rules, what)(peer, channel)


@both
@pytest.mark.parametrize(
    ("who", "user", "channel", "allowed"),
    [
        ("", "42", "in", False),
        ("client", "42", "out", True),
        ("client", "", "out", False),
        ("client anonymous", "", "out", True),
        ("subscriber", "42", "in", True),
        ("subscriber", "42", "out", False),
        ("subscriber", "", "in", False),
        ("subscriber anonymous", "", "in", True),
        ("anonymous", "", "in", False),
    ],
)
def test_clients_subscribers_and_anonymous_ones_may_read_as_configured(
    what: str, who: str, user: str, channel: str, allowed: bool
) -> None:
    permissions = {f"allow_{what}_for_{one}": True for one in who.split()}
    decision = read(
        policy(without_namespace=ON[what] | permissions),
        what,
        FakePeer(user, subscribed="in"),
        channel,
    )
    if allowed:
        assert run(decision) == GRANTED[what]
    else:
        assert refusal(decision) == PERMISSION_DENIED


@both
def test_what_is_off_is_said_to_be_off_whoever_asks(what: str) -> None:
    other = "history" if what == "presence" else "presence"
    for insecure in (False, True):
        rules = policy(insecure=insecure, without_namespace=ON[other])
        assert refusal(read(rules, what, FakePeer(), "a")) == NOT_AVAILABLE


@pytest.mark.parametrize("half", [{"history_size": 1}, {"history_ttl": 60.0}])
def test_history_needs_both_size_and_time(half: dict[str, Any]) -> None:
    rules = policy(without_namespace=half | {"allow_history_for_client": True})
    assert refusal(rules.history(FakePeer(), "a")) == NOT_AVAILABLE


@both
def test_in_insecure_mode_everyone_may_read(what: str) -> None:
    rules = policy(insecure=True, without_namespace=ON[what])
    assert run(read(rules, what, FakePeer(""), "a")) == GRANTED[what]


@both
@pytest.mark.parametrize("channel", ["", "nowhere:a"])
def test_unknown_channels_are_said_to_be_unknown(what: str, channel: str) -> None:
    assert refusal(read(policy(insecure=True), what, FakePeer(), channel)) == UNKNOWN_CHANNEL
