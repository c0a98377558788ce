"""Requests in JSON, read as Go's decoder reads them: names in any case, unknown ones ignored.

Text with the usual spelling is decoded once, strictly. Only what does not pass is looked at again:
its names are spelled as they should be, and what nobody knows is left out. So leniency costs those
who need it. Nothing here knows a message of any protocol generation.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct, inspect

from girandola.protocol import raw_json
from girandola.protocol.json_values import (
    elements,
    has_more_elements,
    has_more_members,
    members,
)
from girandola.protocol.raw_json import Unreadable, is_deep, string

T = TypeVar("T")

MAX_NAMES = 10_000
"""How many names an object with a name in another case, or one nobody knows, may have."""
SPACE = b" \t\r\n"
PAYLOAD = "data"
"""Members of this name may be any JSON, so that ``null`` is a value of them."""


class Request(Struct, forbid_unknown_fields=True):
    """What all structs of a request derive from, so that a name in another case is noticed."""


class TooMany(Unreadable):
    """A list of a request has more entries than allowed."""

    def __init__(self, name: str, most: int) -> None:
        super().__init__(f"more than {most} {name}")
        self.name = name
        self.most = most


class Reader(Generic[T]):
    """Reads requests of one type: a ``Request``, or ``None`` as well.

    Names count in any case, exactly as in Go: of several spellings of a name the last one counts.
    ``nulls_are_absent``: a member that is ``null`` counts as not there (``PAYLOAD`` excepted).
    """

    def __init__(self, type: Any, *, nulls_are_absent: bool = False) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(type)
        self._decode = self._decoder.decode
        self._respell = _Spelling(nulls_are_absent).of(inspect.type_info(type))

    def read(self, text: bytes, most: int = 0) -> T:
        """Decode a request.

        ``most``: how many entries its lists and maps may have, payloads excepted; 0 for any
        number. They are counted before objects are made of them.

        Raises:
            TooMany: a list or map has more entries.
            Unreadable: not JSON, or of another shape.
        """
        if most and len(text) > most and text.count(b",") >= most:
            return raw_json.read(self._decoder, self._respell(text.strip(SPACE), most))
        # What raw_json.read does with sound text, without its detours: every command comes here.
        try:
            value = self._decode(text)
            if (text.isascii() or text.decode()) and not is_deep(text):
                return value
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        return self._read_unusual(text, most)

    def _read_unusual(self, text: bytes, most: int) -> T:
        try:
            return raw_json.read(self._decoder, text)
        except Unreadable:
            bare = text.strip(SPACE)
            raw_json.require_shallow(bare)  # respelling calls itself for each level
            usual = self._respell(bare, most)
            if usual == bare:
                raise
        return raw_json.read(self._decoder, usual)


# ── respelling ───────────────────────────────────────────────────────────────────────────────

_Respell = Callable[[bytes, int], bytes]
"""Takes JSON text and how many entries a list may have; returns the text as it should be."""


class _Spelling:
    """Makes of types what respells JSON text that is meant to be of them."""

    def __init__(self, nulls_are_absent: bool) -> None:
        self._nulls_are_absent = nulls_are_absent
        self._objects: dict[type, _Object] = {}

    def of(self, type: inspect.Type) -> _Respell:
        match type:
            case inspect.UnionType():
                others = [one for one in type.types if not isinstance(one, inspect.NoneType)]
                return self.of(others[0]) if len(others) == 1 else _as_it_is
            case inspect.StructType():
                return self._of_struct(type)
            case inspect.ListType():
                return partial(_list, self.of(type.item_type))
            case inspect.DictType():
                return partial(_map, self.of(type.value_type))
            case _:
                return _as_it_is

    def _of_struct(self, type: inspect.StructType) -> _Respell:
        if not type.forbid_unknown_fields:
            raise TypeError(f"{type.cls.__name__} is no Request: unknown fields pass unnoticed")
        known = self._objects.get(type.cls)
        if known is None:
            # Noted before its fields are looked at, which may be of the same type again.
            known = self._objects[type.cls] = _Object(self._nulls_are_absent)
            for field in type.fields:
                known.fields[field.encode_name] = self.of(field.type)
        return known


class _Object:
    """Respells an object, of which ``fields`` are known, by their names in lower case."""

    def __init__(self, nulls_are_absent: bool) -> None:
        self.fields: dict[str, _Respell] = {}
        self._nulls_are_absent = nulls_are_absent

    def __call__(self, text: bytes, most: int) -> bytes:
        if not text.startswith(b"{"):
            return self._none(text)
        return b"{%b}" % b",".join(self._members(text, most))

    def _none(self, text: bytes) -> bytes:
        return b"{}" if self._is_absent(text) else text

    def _members(self, text: bytes, most: int) -> Iterable[bytes]:
        for number, (given, value) in enumerate(members(text)):
            if number == MAX_NAMES:
                raise Unreadable(f"an object with more than {MAX_NAMES} names")
            name = given.lower()
            respell = self.fields.get(name)
            if respell is None or (self._is_absent(value) and name != PAYLOAD):
                continue
            yield b'"%b":%b' % (name.encode(), _named(respell, name, value, most))

    def _is_absent(self, value: bytes) -> bool:
        return self._nulls_are_absent and value == b"null"


def _named(respell: _Respell, name: str, value: bytes, most: int) -> bytes:
    """Respell a member; what it has too many of is called by its name."""
    try:
        return respell(value, most)
    except TooMany as error:
        raise (error if error.name else TooMany(name, error.most)) from None


def _list(respell: _Respell, text: bytes, most: int) -> bytes:
    if not text.startswith(b"["):
        return text
    if most and has_more_elements(text, most):
        raise TooMany("", most)
    if respell is _as_it_is:
        return text
    return b"[%b]" % b",".join(respell(value, most) for value in elements(text))


def _map(respell: _Respell, text: bytes, most: int) -> bytes:
    if not text.startswith(b"{"):
        return text
    if most and has_more_members(text, most):
        raise TooMany("", most)
    if respell is _as_it_is:
        return text
    respelled = (string(name) + b":" + respell(value, most) for name, value in members(text))
    return b"{%b}" % b",".join(respelled)


def _as_it_is(text: bytes, most: int) -> bytes:
    return text
