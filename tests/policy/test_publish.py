"""Who may publish, and what (modern.md sections 5.3 and 8.5, classic.md section 4.11)."""

from typing import Any

import pytest

from girandola.core.grants import PublishOptions
from girandola.errors import BAD_REQUEST, INTERNAL, PERMISSION_DENIED, UNKNOWN_CHANNEL, Error
from girandola.protocol.commands import Publish
from tests.policy.house import FakePeer, policy, refusal, run

CLIENT = {"allow_publish_for_client": True}
SUBSCRIBER = {"allow_publish_for_subscriber": True}
ANONYMOUS = {"allow_publish_for_anonymous": True}


@pytest.mark.parametrize(
    ("options", "user", "channel", "allowed"),
    [
        ({}, "42", "in", False),
        (CLIENT, "42", "out", True),
        (CLIENT, "", "out", False),
        (CLIENT | ANONYMOUS, "", "out", True),
        (SUBSCRIBER, "42", "in", True),
        (SUBSCRIBER, "42", "out", False),
        (SUBSCRIBER, "", "in", False),
        (SUBSCRIBER | ANONYMOUS, "", "in", True),
        (SUBSCRIBER | ANONYMOUS, "", "out", False),
        (ANONYMOUS, "", "in", False),
        (ANONYMOUS, "42", "in", False),
    ],
)
def test_clients_subscribers_and_anonymous_ones_may_publish_as_configured(
    options: dict[str, Any], user: str, channel: str, allowed: bool
) -> None:
    rules = policy(without_namespace=options)
    peer = FakePeer(user, subscribed="in")
    decision = rules.publish(peer, Publish(channel=channel, data=b"{}"))
    if allowed:
        assert run(decision).data == b"{}"
    else:
        assert refusal(decision) == PERMISSION_DENIED


def test_in_insecure_mode_everyone_may_publish() -> None:
    rules = policy(insecure=True)
    assert run(rules.publish(FakePeer(""), Publish(channel="a", data=b"1"))).data == b"1"
    assert refusal(rules.publish(FakePeer(), Publish(channel="a", data=b""))) == BAD_REQUEST


def test_publications_are_kept_as_the_channel_says() -> None:
    rules = policy(
        chat=CLIENT | {"history_size": 5, "history_ttl": 60.0, "history_drop_inactive": True}
    )
    grant = run(rules.publish(FakePeer(), Publish(channel="chat:a", data=b"1")))
    assert grant.options == PublishOptions(
        history_size=5, history_ttl=60.0, history_meta_ttl=720 * 3600.0, drop_inactive=True
    )


@pytest.mark.parametrize(("history", "wanted"), [(5, True), (0, False)])
def test_deltas_are_wanted_where_the_channel_says_so_and_keeps_history(
    history: int, wanted: bool
) -> None:
    options = {"delta_publish": True, "history_size": history, "history_ttl": 60.0}
    rules = policy(chat=CLIENT | options)
    grant = run(rules.publish(FakePeer(), Publish(channel="chat:a", data=b"1")))
    assert grant.options.delta is wanted


@pytest.mark.parametrize(
    ("form", "data", "good"),
    [
        ("", b"anything", True),
        ("", b"null", True),
        ("", b"", False),
        ("binary", b"", True),
        ("binary", b"\x00\xff", True),
        ("json", b"[1]", True),
        ("json", b"", False),
        ("json", b"[1", False),
        ("json", b'"\xff"', False),
        ("json", b"[" * 9999, False),
        ("json", b"[" * 256 + b"]" * 256, True),
        ("json", b"[" * 257 + b"]" * 257, False),
        ("json_object", b'{"a":' * 257 + b"1" + b"}" * 257, False),
        ("json_object", b'{"a":[1]}', True),
        ("json_object", b" {} ", True),
        ("json_object", b"[1]", False),
        ("json_object", b"null", False),
        ("json_object", b"", False),
        ("json_object", b'{"a":', False),
    ],
)
def test_data_must_be_what_the_channel_wants(form: str, data: bytes, good: bool) -> None:
    rules = policy(without_namespace=CLIENT | {"publication_data_format": form})
    decision = rules.publish(FakePeer(), Publish(channel="a", data=data))
    if good:
        assert run(decision).data == data
    else:
        assert refusal(decision) == BAD_REQUEST


def test_the_format_can_be_set_for_all_channels() -> None:
    rules = policy(chat=CLIENT, channel={"publication_data_format": "json_object"})
    decision = rules.publish(FakePeer(), Publish(channel="chat:a", data=b"1"))
    assert refusal(decision) == BAD_REQUEST


@pytest.mark.parametrize(
    ("channel", "data", "outcome"),
    [
        ("nowhere:a", b"", UNKNOWN_CHANNEL),
        ("", b"1", UNKNOWN_CHANNEL),
        ("a", b"", BAD_REQUEST),
        ("a", b"1", PERMISSION_DENIED),
    ],
)
def test_channel_then_data_then_permission_are_checked(
    channel: str, data: bytes, outcome: Error
) -> None:
    command = Publish(channel=channel, data=data)
    assert refusal(policy().publish(FakePeer(), command)) == outcome


@pytest.mark.parametrize(
    ("options", "channel", "data", "outcome"),
    [
        (SUBSCRIBER, "", b"1", BAD_REQUEST),
        (SUBSCRIBER, "out", b"", BAD_REQUEST),
        (SUBSCRIBER, "out", b"1", PERMISSION_DENIED),
        (CLIENT, "out", b"1", PERMISSION_DENIED),
        (SUBSCRIBER, "nowhere:out", b"1", PERMISSION_DENIED),
        (SUBSCRIBER, "nowhere:in", b"1", INTERNAL),
        ({}, "in", b"1", PERMISSION_DENIED),
        (SUBSCRIBER, "in", b"null", None),
        (CLIENT, "in", b"1", None),
    ],
)
@pytest.mark.parametrize("insecure", [False, True])
def test_2018_clients_are_checked_in_the_order_of_2018(
    options: dict[str, Any], channel: str, data: bytes, outcome: Error | None, insecure: bool
) -> None:
    """Insecure mode waives the option only."""
    rules = policy(insecure=insecure, without_namespace=options)
    peer = FakePeer(subscribed="in nowhere:in")
    decision = rules.publish(peer, Publish(channel=channel, data=data, subscribers_only=True))
    if outcome is None or (insecure and channel == "in"):
        assert run(decision).data == data
    else:
        assert refusal(decision) == outcome
