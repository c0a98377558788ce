"""Message ids of 2018 that carry a position."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.model import StreamPosition
from girandola.protocol import uid

EPOCHS = (
    st.text("abcdefghABCXYZ", min_size=8, max_size=8)
    | st.sampled_from(["", "00000000", "QpWr", "1700000000", "a-b", "_", "AbCdEfGhI"])
    | st.text(st.characters(codec="utf-8"))
)


@given(st.builds(StreamPosition, st.integers(1, 2**64 - 1), EPOCHS))
def test_a_position_comes_back_from_its_id(position: StreamPosition) -> None:
    assert uid.position_of(uid.positioned(position)) == position


def test_ids_look_like_those_of_2018() -> None:
    assert uid.positioned(StreamPosition(5, "AbCdEfGh")) == "AbCdEfGh00000000000005"
    assert uid.positioned(StreamPosition(62**2 + 61, "AbCdEfGh")) == "AbCdEfGh0000000000010z"
    assert re.fullmatch("[0-9A-Za-z]{22}", uid.unique())


def test_ids_without_a_position_differ_and_have_none() -> None:
    made = [uid.unique() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert all(uid.position_of(one) is None for one in made)
    assert all(one[0] in "123456789" for one in made)


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "x",
        "pkhq4LIEysphPtgPmWI5JI",
        "AbCdEfGh0000000000000",
        "AbCdEfGh000000000000055",
        "AbCdEfGh00000000000000",
        "AbCdEfGhzzzzzzzzzzzzzz",
        "AbCdEfGh0000000000000é",
        "AbCdEfG100000000000005",
        "7a37e561-c720-4608-52a8-a964a9db7a8a",
        "00000000000000-QpWr",
        "zzzzzzzzzzzzzz-QpWr",
        "0000000000000 -QpWr",
        "AbCdEfGh-0000000000005",
    ],
)
def test_ids_of_others_have_no_position(foreign: str) -> None:
    assert uid.position_of(foreign) is None


@given(st.text())
def test_no_id_of_a_peer_raises(foreign: str) -> None:
    position = uid.position_of(foreign)
    assert position is None or 0 < position.offset < 2**64
