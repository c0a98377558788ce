"""One value for one option: is it of the right type and in range, and what would be.

Two readings: ``read`` for values of a file, which have types, and ``read_text`` for the
environment and the command line, where everything is text. Knows nothing of where values come
from and nothing of leniency, of 2018 (``casting.py``) or of today (``weak.py``).
"""

import json
import re
from typing import Any

import msgspec

from girandola.config.duration import format_duration, parse_duration
from girandola.config.keys import lower_cased
from girandola.config.problems import Unfit
from girandola.config.schema import Option
from girandola.regex import Regex

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_INT_LIMIT = 2**63
_DIGITS = re.compile(r"[-+]?[0-9]{1,19}")
_PLAIN_NUMBER = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,9})?")


def read(option: Option, value: Any) -> Any:
    """Return what ``value`` from a file means for ``option``.

    Raises:
        Unfit: wrong type, or out of range.
    """
    match option.kind:
        case "bool" if isinstance(value, bool):
            return value
        case "int" if isinstance(value, int) and not isinstance(value, bool):
            return check(option, value)
        case "string" if isinstance(value, str):
            return check(option, value)
        case "duration" if isinstance(value, str):
            return check(option, _duration(option, value))
        case "duration" if isinstance(value, int | float) and not isinstance(value, bool):
            raise Unfit(expectation(option) + _with_a_unit(str(value)))
        case "port" if isinstance(value, int) and not isinstance(value, bool):
            return read(option, str(value))
        case "port" if isinstance(value, str) and _is_port(value):
            return value
        case "strings" if isinstance(value, list) and all(isinstance(v, str) for v in value):
            return check(option, tuple(value))
        case "objects":
            return _objects(option, value)
    raise Unfit(expectation(option))


def read_text(option: Option, text: str) -> Any:
    """Return what ``text`` from the environment or the command line means for ``option``.

    Booleans are written as Go's ParseBool takes them, lists of texts separated by white space,
    lists of objects as JSON.

    Raises:
        Unfit: it means nothing, or is out of range.
    """
    match option.kind:
        case "bool":
            value = parse_bool(text)
            if value is None:
                raise Unfit(expectation(option))
            return value
        case "int":
            if not _DIGITS.fullmatch(text):
                raise Unfit(expectation(option))
            return check(option, int(text))
        case "strings":
            return check(option, tuple(text.split()))
        case "objects":
            try:
                return read(option, lower_cased(json.loads(text)))
            except (ValueError, RecursionError) as error:
                detail = error.expected if isinstance(error, Unfit) else expectation(option)
                raise Unfit(f"{detail} in JSON") from None
    return read(option, text)


def parse_bool(text: str) -> bool | None:
    """Return what Go's ParseBool makes of ``text``; ``None`` where it refuses."""
    if text in _TRUE:
        return True
    return False if text in _FALSE else None


def check(option: Option, value: Any) -> Any:
    """Return ``value``, which has the right type, if it is also in range.

    Raises:
        Unfit: it is not.
    """
    if option.otherwise:
        return value.lower() if value.lower() in option.choices else option.otherwise
    fits = True
    if isinstance(value, int | float) and not isinstance(value, bool):
        fits = (
            abs(value) < _INT_LIMIT
            and (option.ge is None or value >= option.ge)
            and (option.gt is None or value > option.gt)
            and (option.le is None or value <= option.le)
        )
    elif isinstance(value, str):
        fits = _fits_text(option, value)
    elif isinstance(value, tuple):
        fits = all(_fits_text(option, item) for item in value)
        if any(_is_several(item) for item in value):
            raise Unfit(
                expectation(option) + "; neither commas nor spaces separate within a text: "
                "write each as an item of its own, in the environment with spaces between"
            )
    if not fits:
        raise Unfit(expectation(option))
    return value


def expectation(option: Option) -> str:
    """Return what the option takes, to complete "expected …"."""
    match option.kind:
        case "bool":
            return "true or false"
        case "int":
            return "a whole number" + _limits(option, str)
        case "duration":
            return 'a duration such as "25s"' + _limits(option, format_duration)
        case "seconds":
            return "a whole number of seconds" + _limits(option, str)
        case "port":
            return "a port from 0 to 65535 or an empty text"
        case "strings":
            return "a list of texts" + (f", each {_one_of(option)}" if option.choices else "")
        case "namespaces" | "objects":
            return "a list of objects"
    if option.choices:
        return _one_of(option)
    if option.regex:
        return "a regular expression in RE2's syntax"
    return f"text that matches {option.pattern}" if option.pattern else "text"


# ── inside ───────────────────────────────────────────────────────────────────────────────────


def _is_several(item: str) -> bool:
    """Tell whether a text that should be one item was meant as a list of them.

    Commas within brackets are part of a pattern, as in ``https://{a,b}.example.com``.
    """
    if any(character.isspace() for character in item):
        return True
    depth = 0
    for character in item:
        depth += (character in "{[") - (character in "}]")
        if character == "," and depth <= 0:
            return True
    return False


def _objects(option: Option, value: Any) -> Any:
    try:
        return msgspec.convert(value, option.type)
    except msgspec.ValidationError as error:
        raise Unfit(f"{expectation(option)} ({error})") from None


def _duration(option: Option, text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError:
        raise Unfit(expectation(option) + _with_a_unit(text)) from None


def _with_a_unit(number: str) -> str:
    """Return the cure for a bare number, which was seconds once and nanoseconds later."""
    return f', for seconds write "{number}s"' if _PLAIN_NUMBER.fullmatch(number) else ""


def _is_port(text: str) -> bool:
    return not text or (re.fullmatch("[0-9]{1,5}", text) is not None and int(text) <= 65535)


def _fits_text(option: Option, text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: it could be sent to nobody
        return False
    if option.choices:
        return text in option.choices
    # In Python's own expressions $ also stands before a last line end.
    if option.pattern and (not re.search(option.pattern, text) or text.endswith("\n")):
        return False
    if option.regex and text:
        try:
            Regex(text)
        except ValueError as error:
            raise Unfit(f"{expectation(option)} ({error})") from None
    return True


def _limits(option: Option, shown: Any) -> str:
    if option.ge is not None and option.le is not None:
        return f" from {shown(option.ge)} to {shown(option.le)}"
    if option.ge is not None:
        return f" of at least {shown(option.ge)}"
    return f" of more than {shown(option.gt)}" if option.gt is not None else ""


def _one_of(option: Option) -> str:
    names = [f'"{choice}"' for choice in option.choices if choice]
    text = names[0] if len(names) == 1 else f"one of {', '.join(names)}"
    if "" in option.choices:
        text += " or an empty text"
    return f"{text} ({option.note})" if option.note else text
