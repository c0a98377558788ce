"""The policy as a whole: what a reload changes, and that decisions do not wait."""

from girandola.errors import PERMISSION_DENIED
from girandola.protocol.commands import Connect, Publish, Subscribe
from tests.fakes import FakeClock
from tests.policy.house import FakePeer, jwt, policy, refusal, run


def test_new_rules_hold_for_the_next_decision() -> None:
    rules = policy(without_namespace={})
    assert refusal(rules.subscribe(FakePeer(), Subscribe(channel="a"))) == PERMISSION_DENIED
    rules.rules = policy(without_namespace={"allow_subscribe_for_client": True}).rules
    run(rules.subscribe(FakePeer(), Subscribe(channel="a")))


def test_too_long_names_are_counted_in_bytes() -> None:
    rules = policy(channel={"max_length": 4})
    assert [rules.is_too_long(name) for name in ("abcd", "abcde", "éé", "ééa")] == [
        False,
        True,
        False,
        True,
    ]


def test_no_decision_costs_a_task_where_keys_are_at_hand() -> None:
    clock = FakeClock()
    rules = policy(insecure=True)
    token = jwt({"sub": "42", "channel": "$a"})
    clock.result(rules.connect(FakePeer(""), Connect(token=jwt({"sub": "42"}))))
    clock.result(rules.subscribe(FakePeer(), Subscribe(channel="$a", token=token)))
    clock.result(rules.publish(FakePeer(), Publish(channel="a", data=b"1")))
    assert clock.waits == 0
