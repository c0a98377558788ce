"""The values within JSON text, one after the other, without making objects of them all.

For text of which a stranger chose how many values it holds: whoever asks stops when there are more
than he allows. Values may still be no JSON, and nested too deeply; where they end is sure, so that
text is valid if all its values are. Nothing here knows a message of any protocol generation.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw

from girandola.protocol import raw_json
from girandola.protocol.raw_json import MAX_DEPTH, Unreadable

FEW = 10_000
"""Text with no more commas than this is decoded at once: it cannot hold many values."""

_ARRAY = msgspec.json.Decoder(list[Raw])
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_NAME = msgspec.json.Decoder(str)
_SPACE = re.compile(rb"[ \t\r\n]*+")
_SHOWN = 20


def values(text: bytes) -> Iterator[bytes]:
    """Yield the values that stand in ``text`` one after the other, with or without space between.

    Raises:
        Unreadable: there is something else.
    """
    at = _after_space(text, 0)
    while at < len(text):
        end = _end_of_value(text, at)
        yield text[at:end]
        at = _after_space(text, end)


def elements(text: bytes) -> Iterator[bytes]:
    """Yield the elements of an array.

    Raises:
        Unreadable: it is not an array.
    """
    if text.count(b",") <= FEW:
        array = raw_json.parse(_ARRAY, text)
        yield from map(bytes, array)
        return
    at = _opened(text, b"[")
    while not text.startswith(b"]", at):
        end = _end_of_value(text, at)
        yield text[at:end]
        at = _after_separator(text, end, b"]")
    _require_end(text, at + 1)


def members(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the names and values of an object.

    Raises:
        Unreadable: it is not an object.
    """
    if text.count(b",") <= FEW:
        for name, value in raw_json.parse(_OBJECT, text).items():
            yield name, bytes(value)
        return
    at = _opened(text, b"{")
    while not text.startswith(b"}", at):
        end = _end_of_value(text, at)
        name = raw_json.parse(_NAME, text[at:end])
        at = _after_space(text, end)
        _require(text, at, b":")
        at = _after_space(text, at + 1)
        end = _end_of_value(text, at)
        yield name, text[at:end]
        at = _after_separator(text, end, b"}")
    _require_end(text, at + 1)


def has_more_elements(text: bytes, most: int) -> bool:
    """Tell whether an array has more than ``most`` elements, without looking much further.

    Raises:
        Unreadable: it is not an array.
    """
    return _has_more(text, b"[", b"]", _element_steps(), most)


def has_more_members(text: bytes, most: int) -> bool:
    """Tell whether an object has more than ``most`` members, without looking much further.

    Raises:
        Unreadable: it is not an object.
    """
    return _has_more(text, b"{", b"}", _member_steps(), most)


def _has_more(text: bytes, opening: bytes, closing: bytes, steps: Any, most: int) -> bool:
    if len(text) < most:
        return False
    at = _opened(text, opening)
    number = next_step = 0
    while number <= most and not text.startswith(closing, at):
        many = steps.match(text, at) if number >= next_step else None
        if many is not None:
            number += _STEP
            at = many.end()
            continue
        if number >= next_step:
            next_step = number + _STEP  # the ones that follow are probably as deep
        number += 1
        at = _after_separator(text, _end_of_entry(text, at, closing), closing)
    return number > most


def _end_of_entry(text: bytes, at: int, closing: bytes) -> int:
    end = _end_of_value(text, at)
    if closing == b"]":
        return end
    at = _after_space(text, end)
    _require(text, at, b":")
    return _end_of_value(text, _after_space(text, at + 1))


def _opened(text: bytes, bracket: bytes) -> int:
    at = _after_space(text, 0)
    _require(text, at, bracket)
    return _after_space(text, at + 1)


def _after_separator(text: bytes, at: int, bracket: bytes) -> int:
    """Return where the next value begins, or where ``bracket`` closes their list."""
    at = _after_space(text, at)
    if text.startswith(bracket, at):
        return at
    _require(text, at, b",")
    at = _after_space(text, at + 1)
    if text.startswith(bracket, at):
        raise Unreadable(f"expected a value after the comma before byte {at}")
    return at


def _require(text: bytes, at: int, expected: bytes) -> None:
    if not text.startswith(expected, at):
        shown = text[at : at + _SHOWN]
        raise Unreadable(f"expected {expected.decode()} at byte {at}, got {shown!r}")


def _require_end(text: bytes, at: int) -> None:
    if _after_space(text, at) != len(text):
        raise Unreadable(f"expected nothing at byte {at}, got {text[at : at + _SHOWN]!r}")


def _after_space(text: bytes, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _end_of_value(text: bytes, at: int) -> int:
    found = _value().match(text, at)
    if found is None:
        shown = text[at : at + _SHOWN]
        raise Unreadable(f"expected JSON of at most {MAX_DEPTH} levels at byte {at}: {shown!r}")
    return int(found.end())


_STRING = rb'"(?:[^"\\]|\\.)*"'
_VALUE = rb'(?:%b|[^ \t\r\n,:"\[\]{}]+|[\[{]%b[\]}])'
"""A value of some depth; of numbers and words no more than their end is seen."""
_STEP = 64
"""How many values without much depth are counted at once."""


@cache
def _value() -> Any:
    return raw_json.compile_scan(_VALUE % (_STRING, raw_json.nested(MAX_DEPTH - 1)))


@cache
def _element_steps() -> Any:
    """Return what matches ``_STEP`` elements of an array, with what separates them."""
    return raw_json.compile_scan(rb"(?:%b\s*,\s*){%d}" % (_FLAT_VALUE, _STEP))


@cache
def _member_steps() -> Any:
    """Return what matches ``_STEP`` members of an object, with what separates them."""
    member = rb"%b\s*:\s*%b\s*,\s*" % (_STRING, _FLAT_VALUE)
    return raw_json.compile_scan(rb"(?:%b){%d}" % (member, _STEP))


_FLAT_VALUE = _VALUE % (_STRING, raw_json.nested(4))
