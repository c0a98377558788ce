"""Regular expressions of the configuration: RE2's language, and nothing for strangers to abuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.regex import Regex


@pytest.mark.parametrize(
    ("regex", "text", "found"),
    [
        (r"^\d+$", "12", True),
        (r"^\d+$", "12\n", False),
        (r"^\d+$", "١٢", False),
        (r"^\w+$", "é", False),
        (r"^[[:alnum:]]{3,20}$", "abc123", True),
        (r"^[[:alnum:]]{3,20}$", "ab", False),
        (r"^\p{L}+\z", "Grüße", True),
        (r"^\p{L}+\z", "a1", False),
        (r"^(?<n>[a-z]+)$", "abc", True),
        (r"^.$", "é", True),
        (r"(?i)^news$", "NEWS", True),
        ("b", "abc", True),
        ("", "", True),
        (".*", "\ud800", False),
    ],
)
def test_it_reads_what_centrifugo_reads(regex: str, text: str, found: bool) -> None:
    assert Regex(regex).found_in(text) is found
    assert (Regex(regex).groups(text) is not None) is found


@pytest.mark.parametrize("start", ["(?P<n>", "(?<n>"])
def test_named_groups_give_what_took_part(start: str) -> None:
    regex = Regex(rf"{start}é+)-(?P<rest>x)?")
    assert regex.names == {"n", "rest"}
    assert regex.groups("aéé-y") == {"n": "éé"}
    assert regex.groups("é-x") == {"n": "é", "rest": "x"}
    assert regex.groups("e") is None


@pytest.mark.parametrize(
    ("regex", "reason"),
    [
        ("(my-secret", "missing )"),
        ("(?=my-secret)", "invalid perl operator"),
        (r"(my-secret)\1", "invalid escape sequence"),
        ("((a{1000}){1000}){1000}", "invalid repetition size"),
        (r"my-secret\C", r"\C, a single byte, is not supported"),
        ("\ud800my-secret", "it holds half of a surrogate pair"),
    ],
)
def test_what_is_no_expression_is_refused_without_repeating_it(
    regex: str, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the text is compared below
        Regex(regex)
    assert str(caught.value) == reason
    assert capfd.readouterr() == ("", "")


def test_an_expression_that_takes_too_much_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="pattern too large"):
        Regex(r"\pL{1000}\pL{1000}\pL{1000}\pL{1000}\pL{1000}\pL{1000}")


def test_a_search_that_takes_much_memory_still_answers_and_prints_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Where RE2 has no memory for its quick way, it takes the slow one."""
    regex = Regex("[ab]*a[ab]{900}c")
    assert not regex.found_in("ab" * 3000)
    assert regex.found_in("a" * 901 + "c")
    assert capfd.readouterr() == ("", "")


def test_what_takes_python_for_ever_takes_no_time() -> None:
    assert not Regex("^(a+)+$").found_in("a" * 5000 + "!")


@given(st.text(), st.text())
def test_any_text_is_an_expression_or_is_refused(regex: str, text: str) -> None:
    try:
        compiled = Regex(regex)
    except ValueError:
        return
    groups = compiled.groups(text)
    assert (groups is not None) is compiled.found_in(text)
