"""Values of today's files that are not of the type of their option, but mean only one thing.

Centrifugo 6 casts more than this. What is left out here is a guess (a number of nanoseconds, a
fraction of a connection, a boolean as a text) or could open something; that is refused.
"""

import re
from decimal import Decimal
from math import isfinite
from typing import Any

from girandola.config.problems import show
from girandola.config.schema import Option
from girandola.config.values import parse_bool
from girandola.config.yes_no import YesNo

_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18}|0[xX][0-9a-fA-F]{1,16})")
_EXACT = 2**53
"""Beyond, numbers of JSON are rounded by many programs: text that is one stands in quotes."""


def cast(option: Option, value: Any) -> Any:
    """Return what ``value`` is as the type that ``option`` takes.

    What needs no cast, or cannot be cast, comes back as the same object.
    """
    match option.kind:
        case "bool":
            return _bool(value)
        case "int":
            return _int(value)
        case "string":
            return _text(value)
        case "strings":
            return _texts(value)
        case "duration" if value == 0 and not isinstance(value, bool):
            return "0"
    return value


def told(option: Option, value: Any, typed: Any) -> str:
    """Return the sentence for a value that was cast; secrets are not in it."""
    meaning = {"string": "text", "strings": "a list of texts"}.get(option.kind) or show(typed)
    return f"got {show(value, option.secret)}, taken as {meaning}"


def _bool(value: Any) -> Any:
    if isinstance(value, str):
        parsed = parse_bool(value)
        return value if parsed is None else parsed
    return bool(value) if type(value) is int and value in (0, 1) else value


def _int(value: Any) -> Any:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value, 0)
    if isinstance(value, float) and isfinite(value) and value.is_integer():
        return int(value)
    return value


def _text(value: Any) -> Any:
    if isinstance(value, YesNo):
        return str(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not isfinite(value) or abs(value) > _EXACT:
        return value
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def _texts(value: Any) -> Any:
    """Make a list of a lone text, which is not split: one item."""
    if isinstance(value, list):
        typed = [_text(item) for item in value]
        return value if all(a is b for a, b in zip(typed, value, strict=True)) else typed
    item = _text(value)
    if not isinstance(item, str):
        return value
    return [item] if item else []
