r"""Regular expressions of the configuration, in RE2's language, as Centrifugo reads them.

Time is linear in the text, whatever the expression, so that strangers may choose what is searched.
``$`` is the very end, ``\d`` and ``\w`` are ASCII. Knows nothing of who wants to match what.
"""

import re
from typing import Any

MAX_MEMORY = 8 * 1024 * 1024
"""Bytes that one expression may take, compiled and while it searches; one that needs more is
refused, or searched a little slower."""

_SINGLE_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\C")
_NO_MATCH = (-1, -1)


class Regex:
    """One compiled expression; ``names`` are its named groups.

    Raises:
        ValueError: it is none; the text says what is wrong and repeats nothing of it.
    """

    def __init__(self, text: str) -> None:
        compiled, anchor = _compiled(text)
        # The library's own search() makes a generator and two objects a call: 2.5 times the time.
        self._match = compiled._regexp.Match
        self._anchor = anchor
        self._groups: dict[str, int] = compiled.groupindex
        self.names = frozenset(self._groups)

    def found_in(self, text: str) -> bool:
        """Tell whether the expression matches anywhere in ``text``."""
        encoded = _encoded(text)
        if encoded is None:
            return False
        matched: bool = self._match(self._anchor, encoded, 0, len(encoded))[0] != _NO_MATCH
        return matched

    def groups(self, text: str) -> dict[str, str] | None:
        """Return what the named groups match that take part; ``None`` where nothing matches."""
        encoded = _encoded(text)
        if encoded is None:
            return None
        spans = self._match(self._anchor, encoded, 0, len(encoded))
        if spans[0] == _NO_MATCH:
            return None
        found = {name: spans[index] for name, index in self._groups.items()}
        return {
            name: encoded[start:end].decode() for name, (start, end) in found.items() if start >= 0
        }


def _encoded(text: str) -> bytes | None:
    """Return UTF-8, or ``None`` for half of a surrogate pair, which nothing matches."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def _compiled(text: str) -> tuple[Any, Any]:
    """Return the compiled expression, and how to say that it may match anywhere."""
    import re2  # where no expression is configured, it need not be loaded

    if _SINGLE_BYTE.search(text):
        raise ValueError("\\C, a single byte, is not supported")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    try:
        return re2.compile(text, options), re2._Anchor.UNANCHORED
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair") from None
    except re2.error as error:
        raise ValueError(_reason(error)) from None


def _reason(error: Exception) -> str:
    """Return what RE2 says without the part of the expression that it repeats."""
    said = error.args[0] if error.args else ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return text.partition(": ")[0] or "it cannot be read"
