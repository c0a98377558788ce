"""What is wrong with a configuration, and how it is said.

Every problem is one line: where the value was found, the name it has there, what was found (secrets
masked), and what is expected. Knows nothing of single options.
"""

import json
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

_SHOWN = 80
"""Characters of a bad value that are shown; the operator knows the rest."""


class Problem(Struct, frozen=True):
    """One thing that stops the start. ``source`` is a file, environment or command line."""

    source: str
    name: str
    detail: str

    def __str__(self) -> str:
        return one_line(": ".join(part for part in (self.source, self.name, self.detail) if part))


class ConfigError(Exception):
    """The configuration cannot be used. ``str()`` has one line for each of ``problems``."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class Unfit(ValueError):
    """A value is not what its option takes. ``expected`` completes "expected …"."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


def one_line(text: str) -> str:
    """Return ``text`` with everything escaped that a terminal or a log should not get."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def unfit(value: Any, expected: str, secret: bool = False) -> str:
    """Return the sentence for a value that is not what was expected."""
    return f"got {show(value, secret)}, expected {expected}"


def show(value: Any, secret: bool = False) -> str:
    """Return a value as the operator may have written it; never more than one line."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if secret:
        return "*** (hidden)"
    if isinstance(value, int) and value.bit_length() > 256:
        return "a huge number"
    if isinstance(value, str | int | float):
        text = one_line(json.dumps(value, ensure_ascii=False))
        return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return f"a {type(value).__name__}"
