"""Filters by tags: a client's condition, turned into a function (modern.md section 10.7).

Checked once, while subscribing; what comes out is called for every publication of the channel
and cannot fail. Knows no subscription.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from operator import ge, gt, le, lt

from girandola.errors import BAD_REQUEST, Reject
from girandola.protocol.commands import FilterNode

Tags = Mapping[str, str]
Filter = Callable[[Tags | None], bool]
"""Tells whether a publication with these tags is wanted; ``None`` for no tags."""

MAX_DEPTH = 16
"""Most nodes from the root to a leaf."""
MAX_NODES = 256
"""Most nodes of a filter; each is looked at for every publication."""
MAX_TEXT = 16384
"""Most characters in the keys and values of a filter, which live as long as the subscription."""

MAX_NUMBER = 200
"""Most characters of a number; longer ones are none."""

_Test = Callable[[Tags], bool]
_NO_TAGS: Tags = {}
# Go's decimal parser: no exponent, no point at either end, at most 19 places.
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]{1,19})?")


def compile_filter(node: FilterNode) -> Filter:
    """Return the function that ``node`` describes.

    Raises:
        Reject: BAD_REQUEST, with what is wrong where, for a filter that makes no sense or is
            larger than the limits above.
    """
    _check_size(node)
    test = _test(node)

    def matches(tags: Tags | None) -> bool:
        return test(tags or _NO_TAGS)

    return matches


def _check_size(root: FilterNode) -> None:
    level, depth, count, text = [root], 0, 0, 0
    while level:
        depth += 1
        count += len(level)
        text += sum(len(node.key) + len(node.val) + sum(map(len, node.vals)) for node in level)
        # An empty text takes room, too.
        text += sum(len(node.vals) for node in level)
        if depth > MAX_DEPTH or count > MAX_NODES or text > MAX_TEXT:
            raise Reject(
                BAD_REQUEST,
                f"tags filter: expected at most {MAX_NODES} nodes, {MAX_DEPTH} levels deep, with "
                f"{MAX_TEXT} characters",
            )
        level = [child for node in level for child in node.nodes]


def _test(node: FilterNode) -> _Test:
    match node.op:
        case "":
            return _leaf(node)
        case "and" | "or":
            if not node.nodes:
                raise _wrong(node, "expected at least one node in it")
            tests = tuple(map(_test, node.nodes))
            return _all(tests) if node.op == "and" else _any(tests)
        case "not":
            if len(node.nodes) != 1:
                raise _wrong(node, "expected exactly one node in it")
            test = _test(node.nodes[0])
            return lambda tags: not test(tags)
    raise _wrong(node, "expected op to be and, or, not or empty")


def _all(tests: tuple[_Test, ...]) -> _Test:
    def test(tags: Tags) -> bool:
        for each in tests:  # noqa: SIM110 - a generator costs more than the tests it holds
            if not each(tags):
                return False
        return True

    return test


def _any(tests: tuple[_Test, ...]) -> _Test:
    def test(tags: Tags) -> bool:
        for each in tests:  # noqa: SIM110 - as above
            if each(tags):
                return True
        return False

    return test


# ── leaves ───────────────────────────────────────────────────────────────────────────────────


def _leaf(node: FilterNode) -> _Test:
    if node.cmp in _BY_VALUE:
        if not node.key or not node.val or node.vals:
            raise _wrong(node, "expected a key, a val and no vals")
        return _BY_VALUE[node.cmp](node.key, node.val)
    if node.cmp in _ORDERS:
        if not node.key or not node.val or node.vals:
            raise _wrong(node, "expected a key, a val and no vals")
        return _ordered(node)
    key = node.key
    match node.cmp:
        case "in" | "nin":
            if not key or not node.vals or node.val:
                raise _wrong(node, "expected a key, vals and no val")
            values = frozenset(node.vals)
            # What has no such tag counts as having an empty one.
            if node.cmp == "in":
                return lambda tags: tags.get(key, "") in values
            return lambda tags: tags.get(key, "") not in values
        case "ex" | "nex":
            if node.val or node.vals:
                raise _wrong(node, "expected neither val nor vals")
            return (lambda tags: key in tags) if node.cmp == "ex" else lambda tags: key not in tags
    known = ", ".join((*_BY_VALUE, *_ORDERS, "in", "nin", "ex", "nex"))
    raise _wrong(node, f"expected cmp to be one of {known}")


_BY_VALUE: dict[str, Callable[[str, str], _Test]] = {
    "eq": lambda key, value: lambda tags: tags.get(key) == value,
    "neq": lambda key, value: lambda tags: tags.get(key) != value,
    "sw": lambda key, value: lambda tags: tags.get(key, "").startswith(value),
    "ew": lambda key, value: lambda tags: tags.get(key, "").endswith(value),
    "ct": lambda key, value: lambda tags: value in tags.get(key, ""),
}
"""``value`` is never empty, so that a missing tag has nothing in common with it."""

_ORDERS: dict[str, Callable[[Decimal, Decimal], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}


def _ordered(node: FilterNode) -> _Test:
    key, order, limit = node.key, _ORDERS[node.cmp], _number(node.val)
    if limit is None:
        return lambda tags: False

    def test(tags: Tags) -> bool:
        number = _number(tags.get(key, ""))
        return number is not None and order(number, limit)

    return test


def _number(text: str) -> Decimal | None:
    return Decimal(text) if len(text) <= MAX_NUMBER and _NUMBER.fullmatch(text) else None


def _wrong(node: FilterNode, expected: str) -> Reject:
    what = f"{node.op:.20}" if node.op else f"{node.cmp:.20} of {node.key!r:.50}"
    return Reject(BAD_REQUEST, f"tags filter, node {what}: {expected}")
