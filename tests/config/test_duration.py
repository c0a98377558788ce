"""Durations: what is read, what is refused, and that writing is the inverse of reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.config.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("25s", 25.0),
        ("1m30s", 90.0),
        ("720h", 2592000.0),
        ("500ms", 0.5),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("-1s", -1.0),
        ("+2m", 120.0),
        ("0", 0.0),
        ("720h0m0s", 2592000.0),
        ("1500us", 0.0015),
        ("1500\u00b5s", 0.0015),
        ("1500\u03bcs", 0.0015),
        ("2000000000ns", 2.0),
    ],
)
def test_units_are_added_up(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "-", "25", "s", "1d", "1 s", "1s ", "1s2", "1e3s", "٣s", "1.s", "9999999999s"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (90, "1m30s"), (3600, "1h"), (0.5, "500ms"), (1.5, "1.5s"), (-1, "-1s")],
)
def test_they_are_written_with_the_units_that_say_something(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(min_value=-9e9, max_value=9e9).filter(lambda s: s == 0 or abs(s) > 1e-12))
def test_what_is_written_reads_back_as_the_same(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds
