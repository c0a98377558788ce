r"""Globs, the patterns of origins and channels: made a function that matches in linear time.

The syntax is that of Centrifugo's (gobwas/glob without separators): ``*`` is any text, ``?`` one
character, ``[a-z]`` and ``[!a-z]`` one of a set or of its rest, ``{a,b}`` one of these, ``\`` takes
the meaning off the next character. Nothing here knows what is matched.
"""

import re
from collections.abc import Callable
from functools import partial

import re2

MAX_LENGTH = 1024
"""How many characters a pattern may have."""
MAX_MEMORY = 4 * 1024 * 1024
"""Bytes that a pattern may take when it is made ready."""

_SPECIAL = re.compile(r"[?\[\]{}\\]")


def compile_glob(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether the whole of a text matches.

    It takes time in proportion to the text, whatever the pattern.

    Raises:
        ValueError: the pattern is too long, or something is left open in it.
    """
    if len(pattern) > MAX_LENGTH:
        raise ValueError(f"{len(pattern)} characters, expected at most {MAX_LENGTH}")
    if _SPECIAL.search(pattern):
        return partial(_matches_expression, _compile(_translated(pattern)))
    first, *others = pattern.split("*")
    if not others:
        return partial(str.__eq__, pattern)
    if not any(others):
        return partial(_starts, first)
    return partial(_matches_parts, first, list(filter(None, others[:-1])), others[-1])


# ── without an expression ────────────────────────────────────────────────────────────────────


def _starts(first: str, text: str) -> bool:
    return text.startswith(first)


def _matches_parts(first: str, middle: list[str], last: str, text: str) -> bool:
    """Tell whether ``text`` is made of these parts in order, with anything between them."""
    end = len(text) - len(last)
    if end < len(first) or not (text.startswith(first) and text.endswith(last)):
        return False
    at = len(first)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


# ── by an expression ─────────────────────────────────────────────────────────────────────────


def _compile(expression: str) -> "re2._Regexp":
    options = re2.Options()
    options.dot_nl = True
    options.never_capture = True
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        raise ValueError(reason.decode() if isinstance(reason, bytes) else str(reason)) from None


def _matches_expression(expression: "re2._Regexp", text: str) -> bool:
    # As bytes: RE2 counts the characters of text otherwise, which takes longer than matching.
    return expression.fullmatch(text.encode("utf-8", "surrogatepass")) is not None


def _translated(pattern: str) -> str:
    """Return a glob as an RE2 expression."""
    parts: list[str] = []
    depth = position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "[":
            end = pattern.find("]", position + 1)
            if end < 0:
                raise ValueError("[ without ]")
            parts.append(_set(pattern[position:end]))
            position = end + 1
        elif character == "\\" and position < len(pattern):
            parts.append(re2.escape(pattern[position]))
            position += 1
        elif character == "{":
            depth += 1
            parts.append("(?:")
        elif character == "}" and depth:
            depth -= 1
            parts.append(")")
        elif character == "," and depth:
            parts.append("|")
        else:
            parts.append({"*": ".*", "?": "."}.get(character) or re2.escape(character))
    if depth:
        raise ValueError("{ without }")
    return "".join(parts)


def _set(content: str) -> str:
    negated = content[0] in "!^" and len(content) > 1
    members = re.sub(r"([\\^\[\]&~|])", r"\\\1", content[1:] if negated else content)
    return f"[{'^' if negated else ''}{members}]"
