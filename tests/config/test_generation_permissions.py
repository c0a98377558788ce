"""Who may do what by the example configurations of config-generations.md section 5.

Decided by the real policy, in a session of a server built of the configuration. ``UNDER_LEGACY``
are the rows that ask for the rules of ``legacy.*``.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.config.test_generation_examples import EXAMPLES, loaded
from tests.config.visitors import Server, Visitor

OK, PERMISSION, UNKNOWN, BAD, UNAVAILABLE = 0, 103, 102, 107, 108
INVALID_TOKEN = 3500
CONNECT_REFUSED = 3501

BY_ID = {example.id: example for example in EXAMPLES}
KEYS = {"2.3": "new", "6.6": "y", "6.9": "y"} | dict.fromkeys(
    ("2.2", "2.4", "2.5", "2.6", "2.7", "2.8", "2.11", "2.12"), "k2"
)

Step = tuple[Callable[[Visitor], int], int]


def sub(channel: str, **claims: str) -> Callable[[Visitor], int]:
    return lambda visitor: visitor.subscribe(channel, **claims)


def theirs(channel: str, **claims: str) -> Callable[[Visitor], bool]:
    """Subscribe by a token of somebody else, and tell whether that is refused, however."""
    return lambda visitor: visitor.subscribe(channel, **claims) != OK


def pub(channel: str) -> Callable[[Visitor], int]:
    return lambda visitor: visitor.publish(channel)


def members(channel: str) -> Callable[[Visitor], int]:
    return lambda visitor: visitor.presence(channel)


def past(channel: str) -> Callable[[Visitor], int]:
    return lambda visitor: visitor.history(channel)


NOBODY = None
"""Comes without a token."""

Row = tuple[str, str | None, list[Step]]

ROWS: list[Row] = [
    ("2.1", "42", [(sub("any"), OK), (sub("$x"), PERMISSION), (pub("any"), PERMISSION)]),
    ("2.1", "42", [(sub("in#42"), OK), (sub("in#43"), PERMISSION), (sub("no:x"), UNKNOWN)]),
    ("2.2", "42", [(sub("any"), OK), (sub("naïve any"), OK), (pub("any"), PERMISSION)]),
    ("2.3", "42", [(pub("any"), OK), (sub("any"), OK)]),
    ("2.4", "42", [(pub("any"), PERMISSION), (sub("any"), OK), (pub("any"), OK)]),
    ("2.5", NOBODY, [(sub("news"), OK), (sub("priv:x"), PERMISSION)]),
    ("2.5", "42", [(sub("priv:x"), OK), (sub("priv:x#42"), OK), (sub("priv:x#43"), PERMISSION)]),
    ("2.6", "42", [(sub("srv:x"), PERMISSION), (sub("any"), OK)]),
    ("2.7", "42", [(sub("a"), OK), (past("a"), OK), (past("b"), PERMISSION)]),
    ("2.8", "42", [(sub("a"), OK), (past("a"), UNAVAILABLE)]),
    ("2.11", "42", [(sub("a"), OK), (pub("a"), PERMISSION)]),
    ("3.1", "42", [(sub("any"), OK), (sub("$x"), PERMISSION)]),
    ("3.2", "42", [(sub("x"), PERMISSION), (sub("x#42"), OK), (sub("x#43"), PERMISSION)]),
    ("3.2", "42", [(sub("$x"), PERMISSION), (sub("$x", client="c1"), OK)]),
    ("3.3", NOBODY, [(sub("x"), PERMISSION), (sub("x#42"), PERMISSION)]),
    ("3.4", NOBODY, [(sub("pub:x"), OK), (pub("pub:y"), OK), (sub("x"), PERMISSION)]),
    ("3.4", "42", [(sub("x"), OK), (pub("x"), PERMISSION)]),
    ("3.5", "42", [(sub("a"), OK)]),
    ("3.7", "42", [(sub("c1:a"), OK), (members("c1:a"), OK), (past("c1:a"), OK)]),
    ("3.8", "42", [(sub("x"), PERMISSION), (sub("x#42"), OK)]),
    ("3.9", "42", [(sub("c1:x"), PERMISSION), (sub("c2:x"), PERMISSION), (sub("x"), OK)]),
    ("3.9", NOBODY, [(sub("c1:x"), PERMISSION), (sub("c2:x"), PERMISSION)]),
    ("3.10", "42", [(sub("c1:x"), OK), (pub("c1:y"), OK), (sub("x"), PERMISSION)]),
    ("4.1", "42", [(sub("any"), PERMISSION), (sub("any", aud="x"), OK)]),
    ("4.2", "42", [(sub("any"), OK), (sub("inbox#43"), OK), (sub("$x"), PERMISSION)]),
    ("4.3", "42", [(sub("inbox#43"), PERMISSION), (sub("inbox#42"), OK)]),
    ("4.4", NOBODY, [(sub("any"), PERMISSION)]),
    ("4.5", NOBODY, [(sub("any"), OK), (pub("any"), PERMISSION)]),
    ("4.9", "42", [(sub("c1:12"), OK), (sub("c1:ab"), BAD), (sub("ab"), PERMISSION)]),
    ("4.10", "42", [(pub("any"), PERMISSION), (sub("any"), PERMISSION)]),
    ("4.11", NOBODY, [(sub("any"), OK), (pub("any"), OK), (sub("$x"), PERMISSION)]),
    ("5.1", "42", [(sub("any"), PERMISSION), (pub("any"), PERMISSION)]),
    ("5.2", "42", [(sub("chat:x"), PERMISSION), (members("chat:x"), PERMISSION)]),
    ("5.3", "42", [(sub("chat:x"), OK), (members("chat:x"), OK), (sub("x"), PERMISSION)]),
    ("5.4", "42", [(sub("x", key="q5", aud=""), OK), (sub("y", key="k", aud=""), PERMISSION)]),
    ("5.9", "42", [(sub("any"), PERMISSION)]),
    ("5.12", "42", [(sub("any"), PERMISSION)]),
    ("6.6", "42", [(sub("any"), OK)]),
    ("6.9", "42", [(sub("chat:x"), OK), (sub("any"), PERMISSION)]),
]

UNDER_LEGACY: list[Row] = [
    # L1: user "" needs anonymous, whatever the means.
    ("2.5", NOBODY, [(sub("priv:x#"), PERMISSION), (sub("$priv:x", client="c1"), PERMISSION)]),
    ("3.3", NOBODY, [(sub("x#"), OK)]),
    ("3.4", NOBODY, [(sub("x#"), PERMISSION), (sub("$x", client="c1"), PERMISSION)]),
    # L2, L4: tokens count on private channels only, and do not replace being listed there.
    ("3.2", "42", [(sub("x", client="c1"), PERMISSION)]),
    ("3.2", "42", [(sub("$x#43", client="c1"), PERMISSION), (sub("$x#42"), PERMISSION)]),
    ("3.2", "42", [(sub("$x#42", client="c1"), OK)]),
    # L3: server_side closes to every token and every list.
    ("2.6", "42", [(sub("srv:x#42"), PERMISSION), (sub("$srv:x", client="c1"), PERMISSION)]),
    # L5: whose token it is.
    ("2.1", "42", [(sub("$x", client="c1", sub="43"), OK), (theirs("$y", sub="42"), True)]),
    ("3.1", "42", [(sub("$x", sub="43"), OK), (theirs("$y", client="c2"), True)]),
    ("4.6", "42", [(sub("any", sub=""), OK)]),
    # L9: insecure is narrow.
    ("2.12", NOBODY, [(pub("any"), OK), (sub("any"), OK), (sub("vip:x"), PERMISSION)]),
    ("2.12", NOBODY, [(sub("$x"), PERMISSION), (sub("x#42"), PERMISSION)]),
    # L10: what clients may not read is not available.
    ("2.7", "42", [(sub("a"), OK), (members("a"), UNAVAILABLE)]),
    ("3.5", "42", [(sub("a"), OK), (past("a"), UNAVAILABLE)]),
]


def tried(folder: Path, row: Row) -> tuple[list[int], list[int]]:
    """Return how the steps of a row are answered, and how they should be."""
    id_, user, steps = row
    server = Server(loaded(folder, BY_ID[id_]).config, KEYS.get(id_, "k"))
    visitor = server.visit(user)
    assert visitor.connected == OK
    return [step(visitor) for step, _ in steps], [code for _, code in steps]


def ids(rows: list[Row]) -> list[str]:
    return [f"{id_} {user}" for id_, user, _ in rows]


@pytest.mark.parametrize("row", ROWS, ids=ids(ROWS))
def test_users_may_do_what_their_generation_let_them(tmp_path: Path, row: Row) -> None:
    answers, right = tried(tmp_path, row)
    assert answers == right


@pytest.mark.parametrize("row", UNDER_LEGACY, ids=ids(UNDER_LEGACY))
def test_users_may_do_what_only_the_rules_of_their_generation_say(tmp_path: Path, row: Row) -> None:
    answers, right = tried(tmp_path, row)
    assert answers == right


@pytest.mark.parametrize("id_", ["2.1", "2.2", "3.1", "3.2", "4.1", "5.1", "5.2", "6.9"])
def test_nobody_comes_in_without_a_token_or_with_one_of_another_key(
    tmp_path: Path, id_: str
) -> None:
    server = Server(loaded(tmp_path, BY_ID[id_]).config, KEYS.get(id_, "k"))
    assert server.visit(None).connected == CONNECT_REFUSED
    assert server.visit("42", key="another").connected == INVALID_TOKEN
    assert server.visit("42", key="").connected == OK


def test_the_older_of_two_keys_opens_nothing(tmp_path: Path) -> None:
    server = Server(loaded(tmp_path, BY_ID["2.3"]).config, "new")
    assert server.visit("42", key="old").connected == INVALID_TOKEN
    assert server.visit("42").connected == OK
