"""How servers of v2 to v5 read values: leniently, and each place in its own way.

Three places: the top of a file and variables (``cast``), items of lists of objects in a file
(``cast_in_item``), and the same in a variable (``read_strictly``). What cannot be read at the top
became the zero value of its type, silently; that is told, and refused where zero is the open value
(config-generations.md section 3). Knows single values, not options.
"""

import re
from math import isfinite
from typing import Any

from msgspec import Struct

from girandola.config import casting
from girandola.config.duration import parse_duration
from girandola.config.problems import Unfit
from girandola.config.values import parse_bool

_ZERO: dict[str, Any] = {"commas": (), "list": (), "object": {}, "objects": (), "items": []}


class Cast(Struct, frozen=True):
    """What a value was read as; ``fits`` is false where it became zero by accident."""

    value: Any
    fits: bool = True


def cast(kind: str, value: Any, generation: int, *, numbers_are_floats: bool = False) -> Cast:
    """Read a value at the top of a file, or the text of a variable or a flag.

    Raises:
        Unfit: a time that stopped the servers of its generation.
    """
    match kind:
        case "bool" | "int" | "string":
            found, fits = casting.cast(kind, value, numbers_are_floats=numbers_are_floats)
            return Cast(found, fits)
        case "interval":
            return _seconds(value) if generation == 2 else Cast(duration(value))
        case "timeout":
            return _fraction(value) if generation == 2 else Cast(duration(value))
        case "list":
            return _list(value)
        case "commas":
            found, fits = casting.cast("string", value)
            return Cast(split_at_commas(found), fits)
        case "object":
            return Cast(value) if isinstance(value, dict) else Cast({}, False)
        case "objects" | "items":
            return Cast(value) if isinstance(value, list) else Cast([], False)
    return Cast(value)


def cast_in_item(kind: str, value: Any, generation: int) -> Any:
    """Read a value inside an item of a list of objects of a file.

    Raises:
        Unfit: it stopped the servers of its generation, too, or meant something else there.
    """
    match kind:
        case "bool" if isinstance(value, bool | int | float):
            return bool(value)
        case "bool" if isinstance(value, str) and (not value or parse_bool(value) is not None):
            return bool(parse_bool(value))
        case "bool":
            raise Unfit("true or false")
        case "int":
            found, fits = casting.cast("int", value)
            if not fits and value != "":
                raise Unfit("a whole number")
            return found
        case "list":
            if isinstance(value, str):
                return tuple(value.split(",")) if value else ()
            return _list(value if isinstance(value, list) else [value]).value
    found = cast(kind, value, generation)
    if not found.fits:
        raise Unfit(_EXPECTED.get(kind, "a number of seconds"))
    return found.value


def read_strictly(kind: str, value: Any, generation: int) -> Any:
    """Read a value inside an item of a list of objects of a variable, which is JSON.

    Raises:
        Unfit: it has another type.
    """
    right = {
        "bool": bool,
        "int": int,
        "string": str,
        "list": list,
        "object": dict,
        "objects": list,
    }.get(kind)
    if right is not None and (
        not isinstance(value, right) or (right is int and isinstance(value, bool))
    ):
        raise Unfit(_EXPECTED[kind])
    return cast_in_item(kind, value, generation)


_EXPECTED = {
    "bool": "true or false",
    "int": "a whole number",
    "string": "text",
    "list": "a list of texts",
    "object": "an object",
    "objects": "a list of objects",
}


def zero(kind: str) -> Any:
    """Return what a value that could not be read became."""
    return _ZERO.get(kind, casting.ZERO.get(kind, 0.0))


def duration(value: Any) -> float:
    """Return the seconds of a duration with a unit.

    Raises:
        Unfit: it has no unit, or is shorter than a millisecond.
    """
    text, fits = casting.cast("string", value)
    if not fits:
        raise Unfit('a duration such as "25s"')
    text = text.strip()
    if re.fullmatch(r"[-+]?0*(\.0*)?", text):
        return 0.0
    if re.fullmatch(r"[-+]?[0-9.]+", text):
        raise Unfit(f'a unit: "{text}s" (v1 and v2 have seconds)')
    try:
        seconds = parse_duration(text)
    except ValueError:
        raise Unfit('a duration such as "25s"') from None
    if 0 < seconds < 0.001:
        raise Unfit('a duration of at least "1ms"')
    return seconds


def split_at_commas(text: str) -> tuple[str, ...]:
    """Return what stands between commas, trimmed; nothing for an empty text."""
    return tuple(part.strip() for part in text.split(",")) if text else ()


def _seconds(value: Any) -> Cast:
    found, fits = casting.cast("int", value)
    if not fits and isinstance(value, str) and value:
        raise Unfit(f"a number of seconds; v2 took {value!r:.40} for 0")
    return Cast(float(found), fits)


def _fraction(value: Any) -> Cast:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise Unfit("a number of seconds") from None
    if isinstance(value, int | float) and isfinite(value):
        return Cast(float(value))
    return Cast(0.0, False)


def _list(value: Any) -> Cast:
    if isinstance(value, str):
        return Cast(tuple(value.split()))
    items = value if isinstance(value, list | tuple) else [value]
    found = [casting.cast("string", item) for item in items]
    return Cast(tuple(text for text, _ in found), all(fits for _, fits in found))
