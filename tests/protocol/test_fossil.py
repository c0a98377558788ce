"""Fossil deltas: made here, applied here and by the official client library for Python."""

import pytest
from centrifuge.fossil import apply_delta
from hypothesis import given
from hypothesis import strategies as st

from girandola.protocol import fossil
from girandola.protocol.fossil import BadDelta, apply, create

TEXTS = st.text(st.characters(codec="utf-8"))
EDITED = st.lists(TEXTS | st.sampled_from(["é", "€", "😀", "\0", "key: value, ", "0123456789" * 4]))


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, str]:
    """Two texts with long parts in common, in the same order or not."""
    parts = draw(EDITED)
    other = draw(st.permutations(parts)) if draw(st.booleans()) else list(parts)
    for _ in range(draw(st.integers(0, 3))):
        if other:
            other[draw(st.integers(0, len(other) - 1))] = draw(TEXTS)
    return "".join(parts), "".join(other)


def check(base: bytes, target: bytes, *, text: bool) -> bytes:
    delta = create(base, target, text=text)
    assert apply(base, delta) == target
    assert bytes(apply_delta(base, delta)) == target
    return delta


@given(st.binary(), st.binary())
def test_a_delta_of_any_bytes_makes_the_target(base: bytes, target: bytes) -> None:
    check(base, target, text=False)


@given(st.lists(st.binary(min_size=8, max_size=40), min_size=1), st.data())
def test_a_delta_of_shuffled_bytes_makes_the_target(
    parts: list[bytes], data: st.DataObject
) -> None:
    shuffled = data.draw(st.lists(st.sampled_from(parts)))
    check(b"".join(parts), b"".join(shuffled), text=False)


@given(edits())
def test_a_delta_of_texts_is_a_text(texts: tuple[str, str]) -> None:
    base, target = (text.encode() for text in texts)
    check(base, target, text=True).decode()


@pytest.mark.parametrize(
    ("base", "target"),
    [
        ("price é tag", "price è tag"),  # C3 A9, C3 A8: the common head ends within the character
        ("price ¡ tag, and more", "price á tag, and more"),  # C2 A1, C3 A1: so begins the tail
        ("😀" * 20, "😁" * 20),
        ("x" * 40 + "😀", "y" * 40 + "😀" + "x" * 40),
        ("aaaaaaaaaaaaaaaa€uro", "aaaaaaaaaaaaaaaa₭ip"),
    ],
)
def test_no_command_begins_or_ends_within_a_character(base: str, target: str) -> None:
    check(base.encode(), target.encode(), text=True).decode()


def test_what_is_the_same_is_copied_and_what_is_new_inserted() -> None:
    base = b'{"id":1,"name":"a name that stays","price":100,"stock":7}'
    target = b'{"id":1,"name":"a name that stays","price":250,"stock":7}'
    assert create(base, target, text=True) == b"u\ng@0,2:25C@i,2dm_00;"


def test_what_has_moved_is_found_again() -> None:
    base = bytes(range(256)) * 4
    target = b"new" + base[512:] + base[:512]
    delta = check(base, target, text=False)
    assert len(delta) < 30


def test_an_edit_of_every_item_leaves_the_rest_copied() -> None:
    """What repeats is taken from where it stood, not from where it stands first."""
    base, target = (
        b"".join(
            b'{"item":"number %d","price":%d,"currency":"EUR"},' % (i, p + i) for i in range(40)
        )
        for p in (100, 700)
    )
    delta = check(base, target, text=True)
    assert len(delta) < len(target) / 4


def test_the_same_again_is_almost_nothing() -> None:
    data = b"x" * 100_000
    assert len(create(data, data, text=True)) < 20


def test_the_search_ends_however_large_the_payloads_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Places looked at are counted: bytes that share nothing are not searched to the end."""
    looked = 0

    class Counting(dict[bytes, int]):
        def get(self, key: bytes, default: object = None) -> object:  # type: ignore[override]
            nonlocal looked
            looked += 1
            return super().get(key)

    find = fossil._find
    monkeypatch.setattr(fossil, "_find", lambda places, *rest: find(Counting(places), *rest))
    create(b"a" * 200_000, b"b" * 200_000, text=False)
    assert 0 < looked <= fossil.BUDGET
    many = b"".join(b"%08d" % number for number in range(8000))
    moved = b"".join(many[at : at + 32] + b"!" for at in range(len(many) - 32, -1, -32))
    looked = 0
    delta = create(many, moved, text=False)
    assert 0 < looked <= fossil.BUDGET
    assert delta.count(b"@") <= fossil.BUDGET / fossil.MATCH_STEPS + 1


@pytest.mark.parametrize(
    "delta",
    [
        b"",
        b"5",
        b"5\n",
        b"5\n5@0,",
        b"5\n5:abc",
        b"5\n9@0,0;",
        b"5\n5@3,0;",
        b"5\n6@0,0;",
        b"5\n:abcde0;",
        b"5\n5!0,0;",
        b"5;5@0,0;",
        b"5\n5@0;0;",
        b"5\n5@0,0;",
        b"4\n5@0,1ZYU~;",
        b"\xff\n",
    ],
)
def test_what_is_no_delta_for_the_base_is_refused(delta: bytes) -> None:
    with pytest.raises(BadDelta):
        apply(b"hello", delta)


@given(st.binary(), st.binary(), st.binary())
def test_a_delta_for_another_base_makes_the_target_or_is_refused(
    base: bytes, target: bytes, other: bytes
) -> None:
    """The checksum is a sum of words, and does not see them change places: sizes are compared."""
    try:
        made = apply(other, create(base, target, text=False))
    except BadDelta:
        return
    assert len(made) == len(target)
