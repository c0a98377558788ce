"""Who may be in a channel is the same question whatever the way in.

Every row names what is configured, the channel and who asks; each is asked by a subscribe, by the
``subs`` of a connect (what a ``Last-Event-ID`` becomes, too) and by a client of 2018.
"""

import logging
from typing import Any

import pytest

from girandola.errors import PERMISSION_DENIED, Reject
from girandola.options import PersonalChannel
from girandola.policy.policy import ConfiguredPolicy
from girandola.protocol.commands import Connect, Recovery, SignedChannel, Subscribe
from tests.policy.house import FakePeer, jwt, policy, refusal, run

OPEN = {"allow_subscribe_for_client": True}
ALL = OPEN | {"allow_subscribe_for_anonymous": True}
USERS = {"allow_user_limited_channels": True}
BY_SERVER = {"server_side_only": True}
MAP = {"subscription_type": "map"}
NO_BOUNDARY = {"channel": {"user_boundary": ""}}
CLIENTS = {"channel": {"client_boundary": "&"}}

ROWS: list[tuple[str, dict[str, Any], str, str, bool]] = [
    ("open to users", {"without_namespace": OPEN}, "a", "42", True),
    ("closed", {}, "a", "42", False),
    ("closed to nobody known", {"without_namespace": OPEN}, "a", "", False),
    ("open to all", {"without_namespace": ALL}, "a", "", True),
    ("private", {"without_namespace": ALL}, "$a", "42", False),
    ("private in insecure mode", {"insecure": True}, "$a", "42", False),
    ("no prefix", {"without_namespace": OPEN, "channel": {"private_prefix": ""}}, "a", "42", True),
    ("own connection", {"without_namespace": OPEN, **CLIENTS}, "a&c1", "42", True),
    ("other connection", {"without_namespace": OPEN, **CLIENTS}, "a&c2", "42", False),
    ("other connection, insecure", {"insecure": True, **CLIENTS}, "a&c2", "42", False),
    ("listed", {"without_namespace": USERS}, "a#7,42", "42", True),
    ("not listed", {"without_namespace": ALL | USERS}, "a#7", "42", False),
    ("an empty entry", {"without_namespace": ALL | USERS}, "a#42,", "", False),
    ("an empty entry first", {"without_namespace": ALL | USERS}, "a#,42", "", False),
    ("an empty list", {"without_namespace": ALL | USERS}, "a#", "", True),
    ("an empty list, closed", {"without_namespace": OPEN | USERS}, "a#", "", False),
    ("no boundary", {"without_namespace": OPEN, **NO_BOUNDARY}, "a#7", "9", True),
    ("by the server only", {"without_namespace": ALL | BY_SERVER}, "a", "42", False),
    (
        "by the server only, listed",
        {"without_namespace": ALL | USERS | BY_SERVER},
        "a#42",
        "42",
        False,
    ),
    ("map", {"without_namespace": ALL | MAP}, "a", "42", False),
    ("poll", {"without_namespace": ALL | {"subscription_type": "shared_poll"}}, "a", "42", False),
    ("map, insecure", {"insecure": True, "chat": MAP}, "chat:a", "42", False),
    ("stream", {"without_namespace": ALL | {"subscription_type": "stream"}}, "a", "42", True),
    (
        "anonymous gate",
        {"without_namespace": OPEN, "legacy": {"gate_anonymous": True}, "insecure": True},
        "a",
        "",
        True,
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "channel", "user", "allowed"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS]
)
def test_every_way_in_gives_the_same_answer(
    options: dict[str, Any], channel: str, user: str, allowed: bool
) -> None:
    rules = policy(**options)
    assert [ask(rules, channel, user) for ask in (by_subscribe, by_connect, in_2018)] == [
        allowed
    ] * 3


def by_subscribe(rules: ConfiguredPolicy, channel: str, user: str, **command: Any) -> bool:
    try:
        run(rules.subscribe(FakePeer(user), Subscribe(channel=channel, **command)))
    except Reject as refused:
        return refused.error != PERMISSION_DENIED
    return True


def by_connect(rules: ConfiguredPolicy, channel: str, user: str) -> bool:
    command = Connect(token=jwt({"sub": user}), subs={channel: Recovery(recover=True, offset=1)})
    return channel in run(rules.connect(FakePeer(""), command)).subs


def in_2018(rules: ConfiguredPolicy, channel: str, user: str) -> bool:
    return by_subscribe(rules, channel, user, signed=SignedChannel("c1", "", ""))


@pytest.mark.parametrize(
    "options",
    [
        {"without_namespace": ALL | BY_SERVER},
        {"without_namespace": ALL | MAP},
        {"without_namespace": ALL, **CLIENTS},
    ],
    ids=str,
)
def test_no_token_opens_what_is_barred(options: dict[str, Any]) -> None:
    token = jwt({"sub": "42", "channel": "$a&c2"})
    command = Subscribe(channel="$a&c2", token=token)
    assert refusal(policy(**options).subscribe(FakePeer(), command)) == PERMISSION_DENIED


def test_the_connection_token_may_list_what_only_the_server_subscribes() -> None:
    rules = policy(without_namespace={"server_side_only": True})
    command = Connect(token=jwt({"sub": "42", "channels": ["a"]}))
    assert list(run(rules.connect(FakePeer(""), command)).subs) == ["a"]


def test_what_a_connect_asks_for_in_vain_is_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    subs = {f"closed{number}": Recovery() for number in range(50)}
    run(policy().connect(FakePeer(""), Connect(token=jwt({"sub": "42"}), subs=subs)))
    (line,) = caplog.messages
    assert line == (
        "client c1 (user '42'): 50 of the channels that its connect asks for are not given; the "
        "first is 'closed0': channel.without_namespace does not allow_subscribe_for_client and no "
        "token was given"
    )


def test_without_a_user_boundary_there_are_no_personal_channels() -> None:
    """A channel with just the user's id for its name would be one that others may have, too."""
    rules = policy(
        channel={"user_boundary": ""},
        subscribe_to_user_personal_channel=PersonalChannel(enabled=True),
    )
    assert run(rules.connect(FakePeer(""), Connect(token=jwt({"sub": "news"})))).subs == {}
