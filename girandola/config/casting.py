"""How servers of 2018 read values: leniently (classic.md section 2.4).

What cannot be cast becomes the zero value of its type; the second result tells whether that
happened, for a warning. Applies to the names of 2018 only.
"""

from decimal import Decimal
from math import isfinite
from typing import Any

from girandola.config.values import parse_bool

ZERO: dict[str, Any] = {"bool": False, "int": 0, "string": ""}


def cast(kind: str, value: Any, *, numbers_are_floats: bool = False) -> tuple[Any, bool]:
    """Cast a value at the top level; ``kind`` is bool, int or string.

    ``numbers_are_floats`` holds for JSON, where 1 is no boolean.
    """
    if kind == "bool":
        return _cast_bool(value, numbers_are_floats)
    return _cast_int(value) if kind == "int" else _cast_string(value)


def cast_in_namespace(kind: str, value: Any) -> tuple[Any, bool]:
    """Cast a value inside ``namespaces``, where only the right types count."""
    if kind == "bool" and isinstance(value, bool):
        return value, True
    if kind == "int" and isinstance(value, int | float) and not isinstance(value, bool):
        return _truncated(value)
    if kind == "string" and isinstance(value, str):
        return value, True
    return ZERO[kind], False


def _cast_bool(value: Any, numbers_are_floats: bool) -> tuple[bool, bool]:
    if isinstance(value, bool):
        return value, True
    if isinstance(value, int) and not numbers_are_floats:
        return value != 0, True
    parsed = parse_bool(value) if isinstance(value, str) else None
    return (False, False) if parsed is None else (parsed, True)


def _cast_int(value: Any) -> tuple[int, bool]:
    if isinstance(value, int | float):
        return _truncated(value)
    if isinstance(value, str):
        try:
            return int(value, 8 if _is_old_octal(value) else 0), True
        except ValueError:
            pass
    return 0, False


def _truncated(value: float) -> tuple[int, bool]:
    try:
        return int(value), True
    except (ValueError, OverflowError):  # .nan and .inf of YAML and TOML
        return 0, False


def _is_old_octal(text: str) -> bool:
    return len(text) > 1 and text[0] == "0" and text.isdigit()


def _cast_string(value: Any) -> tuple[str, bool]:
    if isinstance(value, str):
        return value, True
    if isinstance(value, bool):
        return str(value).lower(), True
    if isinstance(value, int) and value.bit_length() <= 256:
        return str(value), True
    if isinstance(value, float) and isfinite(value):
        text = f"{Decimal(repr(value)):f}"
        return text.removesuffix(".0"), True
    return "", False
