"""The values within JSON text, one after the other."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.protocol.json_values import (
    FEW,
    elements,
    has_more_elements,
    has_more_members,
    members,
    values,
)
from girandola.protocol.raw_json import Unreadable
from tests.protocol.strategies import JSON_VALUES, PAYLOADS, TEXT

MANY = "[" + "0," * (FEW + 1) + "0]"
"""What gives text so many commas that its values are looked for one by one."""


@given(st.lists(PAYLOADS), st.sampled_from([b" ", b"\n", b"\r\n\t"]))
def test_values_stand_one_after_the_other(payloads: list[bytes], space: bytes) -> None:
    assert list(values(space + space.join(payloads) + space)) == payloads


def test_objects_need_no_space_between_them() -> None:
    assert list(values(b'{"a":"}"}{}[1]"x"')) == [b'{"a":"}"}', b"{}", b"[1]", b'"x"']


@pytest.mark.parametrize("text", [b"]", b"{", b'"a', b",", b"{}:", b"[" * 257 + b"]" * 257])
def test_what_is_no_value_is_refused(text: bytes) -> None:
    with pytest.raises(Unreadable):
        list(values(text))


@pytest.mark.parametrize("filler", [[], [json.loads(MANY)]], ids=["few", "many"])
@given(wanted=st.lists(JSON_VALUES, max_size=3), indent=st.sampled_from([None, 1]))
def test_elements_are_those_of_the_array(
    filler: list[object], wanted: list[object], indent: int | None
) -> None:
    array = [*wanted, *filler]
    text = json.dumps(array, indent=indent).encode()
    assert list(map(json.loads, elements(text))) == array


@pytest.mark.parametrize("filler", [{}, {"": json.loads(MANY)}], ids=["few", "many"])
@given(wanted=st.dictionaries(TEXT, JSON_VALUES, max_size=3), indent=st.sampled_from([None, 1]))
def test_members_are_those_of_the_object(
    filler: dict[str, object], wanted: dict[str, object], indent: int | None
) -> None:
    thing = {**wanted, **filler}
    text = json.dumps(thing, indent=indent).encode()
    assert {name: json.loads(value) for name, value in members(text)} == thing


@pytest.mark.parametrize(
    "text",
    [
        f"{MANY}",
        f'{{"a":{MANY}',
        f'{{"a":{MANY}}} x',
        f'{{"a":{MANY},}}',
        f'{{"a" {MANY}}}',
        f'{{"a":{MANY} "b":1}}',
        f'{{"a":{MANY},"b"}}',
        f"{{1:{MANY}}}",
    ],
    ids=lambda text: text[:8] + text[-8:],
)
def test_what_is_no_object_is_refused_however_long(text: str) -> None:
    with pytest.raises(Unreadable):
        list(members(text.encode()))


@pytest.mark.parametrize("end", ["", ",]", "]]", "] 1", "1]", ":1]"])
def test_what_is_no_array_is_refused_however_long(end: str) -> None:
    with pytest.raises(Unreadable):
        list(elements(f"[{MANY}{end}".encode()))


def test_of_many_elements_only_those_asked_for_are_looked_at() -> None:
    found = elements(b"[" + b"{}," * (FEW + 1) + b"nothing else is [ JSON")
    assert [next(found) for _ in range(3)] == [b"{}"] * 3


DEEP = "[" * 9 + "]" * 9
ENTRY = st.sampled_from(["1", '"a,]}"', "{}", "null", '[1,{"a":2}]', DEEP])
ENTRIES = st.lists(ENTRY, max_size=200)


@given(ENTRIES, st.integers(0, 200), st.sampled_from(["", " ", "\n"]))
def test_entries_are_counted_as_far_as_allowed(entries: list[str], most: int, space: str) -> None:
    array = f"[{space}{f'{space},{space}'.join(entries)}{space}]"
    assert has_more_elements(array.encode(), most) is (len(entries) > most)
    named = [f'"{number}"{space}:{space}{entry}' for number, entry in enumerate(entries)]
    thing = f"{{{space}{f'{space},{space}'.join(named)}{space}}}"
    assert has_more_members(thing.encode(), most) is (len(entries) > most)


def test_no_more_entries_are_looked_at_than_are_allowed() -> None:
    assert has_more_elements(b"[" + b'"b",' * 300 + b"nothing else is [ JSON", 200)
    assert has_more_members(b"{" + b'"b":[],' * 300 + b"nothing else is [ JSON", 200)
    with pytest.raises(Unreadable):
        has_more_elements(b"[" + b'"b",' * 300 + b"nothing else is [ JSON", 300)
