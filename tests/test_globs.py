"""Globs as Centrifugo has them (gobwas/glob without separators)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.globs import MAX_LENGTH, compile_glob

LITERAL = st.text(st.characters(codec="utf-8", exclude_characters="*?[]{}\\,"))


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("", [""], ["a"]),
        ("a", ["a"], ["", "A", "ab", "a\n"]),
        ("*", ["", "a", "a/b.c", "a\nb"], []),
        ("**", ["", "a"], []),
        ("a*", ["a", "ab", "a\n"], ["", "ba"]),
        ("*a", ["a", "ba"], ["ab"]),
        ("a*a", ["aa", "aba"], ["a", "ab"]),
        ("a*b*c", ["abc", "axbxc", "abbcc"], ["ac", "acb", "abcx"]),
        ("*a*b*", ["ab", "xaxbx"], ["ba", "a"]),
        ("*ab*ba", ["abba", "xabba"], ["aba"]),
        ("chat:?", ["chat:1", "chat:é", "chat:😀", "chat:\n"], ["chat:", "chat:12"]),
        ("[ab]c", ["ac", "bc"], ["cc", "c"]),
        ("[a-cé]", ["b", "é"], ["d"]),
        ("[!a-c]", ["d", "é", "\n"], ["b", ""]),
        ("[^a]", ["b"], ["a"]),
        ("[!]", ["!"], ["a"]),
        ("[]a]", ["]", "a"], ["b"]),
        ("[.$|&~[\\]", [".", "$", "|", "&", "~", "[", "\\"], ["a"]),
        ("{a,b*}", ["a", "b", "bc"], ["c", "a,b*"]),
        ("x{,s}", ["x", "xs"], ["xx"]),
        ("{a,{b,c}d}", ["a", "bd", "cd"], ["b", "ad"]),
        ("a,b}", ["a,b}"], ["a"]),
        (r"\*\?\[\{\\", ["*?[{\\"], ["a"]),
        (r"a\d", ["ad"], ["a1"]),
        ("a\\", ["a\\"], ["a"]),
        ("a.b+(c", ["a.b+(c"], ["aabb(c"]),
    ],
)
def test_a_pattern_matches_these_and_not_others(
    pattern: str, matching: list[str], others: list[str]
) -> None:
    matches = compile_glob(pattern)
    assert [text for text in matching if not matches(text)] == []
    assert [text for text in others if matches(text)] == []


@given(LITERAL, LITERAL)
def test_text_without_wildcards_matches_itself_only(text: str, other: str) -> None:
    assert compile_glob(text)(text)
    assert compile_glob(text)(other) is (text == other)


@given(st.lists(st.text("ab", max_size=3), min_size=1), st.text("ab"))
def test_stars_match_as_in_an_expression_and_in_a_set_as_themselves(
    parts: list[str], text: str
) -> None:
    pattern = "*".join(parts)
    expected = re.fullmatch(".*".join(parts), text) is not None
    assert compile_glob(pattern)(text) is expected
    assert compile_glob("{" + pattern + ",[*]}")(text) is expected


@pytest.mark.parametrize("pattern", ["*" + "a*" * 500 + "b", "{" + "*a" * 500 + "b,c}"])
def test_a_pattern_made_to_go_back_and_forth_does_not(pattern: str) -> None:
    """With an engine that tries again at each star, this test would not end."""
    matches = compile_glob(pattern)
    assert not matches("a" * 100_000)
    assert matches("a" * 100_000 + "b")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("a[b", r"\[ without \]"),
        ("[]", r"\[ without \]"),
        ("{a,b", "{ without }"),
        ("[z-a]", "range"),
        ("a" * (MAX_LENGTH + 1), "1025 characters, expected at most 1024"),
        ("?\ud800", "surrogates"),
    ],
)
def test_what_is_wrong_with_a_pattern_is_said(pattern: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        compile_glob(pattern)


@pytest.mark.parametrize("unit", ["?", "[!a]", "{a,b}", "[é]", "\\*"])
def test_a_longest_pattern_is_taken(unit: str) -> None:
    assert not compile_glob(unit * (MAX_LENGTH // len(unit)))("x")


def test_half_a_surrogate_pair_is_a_character_like_others() -> None:
    assert compile_glob("*")("\ud800")
    assert compile_glob("?")("\ud800")
    assert not compile_glob("[a-z]")("\ud800")
