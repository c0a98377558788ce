"""Filters by tags: what each comparison says, which trees make no sense, which are too large."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.core.filters import MAX_DEPTH, MAX_NODES, MAX_TEXT, compile_filter
from girandola.errors import BAD_REQUEST, Reject
from girandola.protocol.commands import FilterNode


def leaf(cmp: str, *vals: str, key: str = "k", val: str = "") -> FilterNode:
    return FilterNode(key=key, cmp=cmp, val=val, vals=vals)


def combined(op: str, *nodes: FilterNode) -> FilterNode:
    return FilterNode(op=op, nodes=nodes)


def matches(node: FilterNode, **tags: str) -> bool:
    return compile_filter(node)(tags)


def refusal(node: FilterNode) -> str:
    with pytest.raises(Reject) as refused:
        compile_filter(node)
    assert refused.value.error == BAD_REQUEST
    return refused.value.detail


# ── comparisons ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("node", "yes", "no", "missing"),
    [
        (leaf("eq", val="a"), ["a"], ["", "b", "aa"], False),
        (leaf("neq", val="a"), ["", "b"], ["a"], True),
        (leaf("in", "a", "b"), ["a", "b"], ["", "c"], False),
        (leaf("in", "a", ""), ["a", ""], ["c"], True),
        (leaf("nin", "a", "b"), ["", "c"], ["a", "b"], True),
        (leaf("nin", "a", ""), ["c"], ["a", ""], False),
        (leaf("ex"), ["", "a"], [], False),
        (leaf("nex"), [], ["", "a"], True),
        (leaf("sw", val="ab"), ["ab", "abc"], ["", "a", "cab"], False),
        (leaf("ew", val="ab"), ["ab", "cab"], ["", "b", "abc"], False),
        (leaf("ct", val="ab"), ["ab", "cabc"], ["", "acb"], False),
        (leaf("gt", val="10"), ["10.1", "11", "+99"], ["10", "9", "-11"], False),
        (leaf("gte", val="10"), ["10", "10.0", "0010"], ["9.9999999999999999999"], False),
        (leaf("lt", val="-1.5"), ["-2", "-1.50001"], ["-1.5", "0", "-1"], False),
        (leaf("lte", val="0"), ["0", "-0", "-1"], ["0.0000000000000000001"], False),
    ],
    ids=lambda value: value.cmp if isinstance(value, FilterNode) else "",
)
def test_a_comparison(node: FilterNode, yes: list[str], no: list[str], missing: bool) -> None:
    for value in yes:
        assert matches(node, k=value, other="x"), value
    for value in no:
        assert not matches(node, k=value, other="x"), value
    assert matches(node, other="x") is missing
    assert compile_filter(node)(None) is missing


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1e3",
        ".5",
        "5.",
        "-",
        "+",
        "--1",
        "1_000",
        "1,5",
        "0x1",
        "Infinity",
        "NaN",
        "٣",
        "1\n",
        "0.12345678901234567890",
        "1" * 201,
    ],
)
def test_what_is_no_decimal_number_compares_with_nothing(text: str) -> None:
    for cmp in ("gt", "gte", "lt", "lte"):
        assert not matches(leaf(cmp, val="0"), k=text)
        if text:
            assert not matches(leaf(cmp, val=text), k="0")


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=6),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
)
def test_numbers_are_compared_exactly(one: Decimal, other: Decimal) -> None:
    tags = {"k": format(one, "f")}
    outcomes = [compile_filter(leaf(cmp, val=format(other, "f")))(tags) for cmp in ("gt", "lte")]
    assert outcomes == [one > other, one <= other]


def test_large_numbers_lose_no_digit() -> None:
    assert matches(leaf("gt", val="9007199254740992"), k="9007199254740993")


# ── trees ────────────────────────────────────────────────────────────────────────────────────


TREES = st.recursive(
    st.builds(leaf, st.sampled_from(["eq", "neq"]), key=st.sampled_from("ab"), val=st.just("1")),
    lambda nodes: (
        st.builds(combined, st.sampled_from(["and", "or"]), nodes, nodes)
        | st.builds(combined, st.just("not"), nodes)
    ),
    max_leaves=8,
)


def expected(node: FilterNode, tags: dict[str, str]) -> bool:
    match node.op:
        case "and":
            return all(expected(child, tags) for child in node.nodes)
        case "or":
            return any(expected(child, tags) for child in node.nodes)
        case "not":
            return not expected(node.nodes[0], tags)
    return (tags.get(node.key) == node.val) == (node.cmp == "eq")


@given(TREES, st.dictionaries(st.sampled_from("ab"), st.sampled_from("12")))
def test_a_tree_says_what_its_words_say(tree: FilterNode, tags: dict[str, str]) -> None:
    assert compile_filter(tree)(tags) is expected(tree, tags)


def test_the_example_of_the_specification() -> None:
    tree = combined(
        "and",
        leaf("in", "a", "b", key="type"),
        combined("not", leaf("lt", key="prio", val="5")),
    )
    assert matches(tree, type="a", prio="5")
    assert matches(tree, type="b")
    assert not matches(tree, type="c", prio="5")
    assert not matches(tree, type="a", prio="4")


def test_a_key_may_be_empty_where_it_is_only_looked_for() -> None:
    assert compile_filter(leaf("ex", key=""))({"": "x"})
    assert compile_filter(leaf("nex", key=""))({"a": "x"})


# ── what is refused ──────────────────────────────────────────────────────────────────────────

VALID = leaf("eq", val="a")


@pytest.mark.parametrize(
    "node",
    [
        FilterNode(),
        leaf("", val="a"),
        leaf("EQ", val="a"),
        leaf("like", val="a"),
        *(leaf(cmp, key="", val="1") for cmp in ("eq", "neq", "sw", "ew", "ct", "gt", "lte")),
        *(leaf(cmp) for cmp in ("eq", "neq", "sw", "ew", "ct", "gt", "gte", "lt", "lte")),
        *(leaf(cmp, "1", val="1") for cmp in ("eq", "neq", "sw", "ew", "ct", "gt", "lte")),
        *(leaf(cmp) for cmp in ("in", "nin")),
        *(leaf(cmp, "1", val="1") for cmp in ("in", "nin", "ex", "nex")),
        *(leaf(cmp, "1", key="") for cmp in ("in", "nin")),
        *(leaf(cmp, "1") for cmp in ("ex", "nex")),
        *(leaf(cmp, val="1") for cmp in ("ex", "nex")),
        combined("and"),
        combined("or"),
        combined("not"),
        combined("not", VALID, VALID),
        combined("xor", VALID),
        combined("and", VALID, combined("not", FilterNode())),
    ],
    ids=repr,
)
def test_a_tree_that_makes_no_sense_is_refused_with_a_reason(node: FilterNode) -> None:
    assert "expected" in refusal(node)


def test_the_operator_is_told_where_the_fault_is() -> None:
    text = refusal(combined("and", VALID, leaf("eq", key="price")))
    assert text == "tags filter, node eq of 'price': expected a key, a val and no vals"


def test_a_tree_has_a_depth_it_may_have() -> None:
    tree = VALID
    for _ in range(MAX_DEPTH - 1):
        tree = combined("not", tree)
    compile_filter(tree)
    assert f"{MAX_DEPTH} levels" in refusal(combined("not", tree))


def test_a_tree_has_a_number_of_nodes_it_may_have() -> None:
    compile_filter(combined("or", *[VALID] * (MAX_NODES - 1)))
    assert f"{MAX_NODES} nodes" in refusal(combined("or", *[VALID] * MAX_NODES))


@pytest.mark.parametrize(
    "node",
    [
        leaf("eq", val="x" * MAX_TEXT),
        leaf("ex", key="x" * (MAX_TEXT + 1)),
        leaf("in", *["abc"] * (MAX_TEXT // 4)),
        leaf("in", *[""] * MAX_TEXT),
    ],
    ids=["val", "key", "vals", "empty vals"],
)
def test_what_a_filter_keeps_in_memory_is_limited(node: FilterNode) -> None:
    assert f"{MAX_TEXT} characters" in refusal(node)


def test_a_list_of_many_values_is_fine() -> None:
    assert matches(leaf("in", *map(str, range(2000))), k="1999")
