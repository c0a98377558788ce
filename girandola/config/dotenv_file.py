"""``.env`` in the working directory: variables beneath those of the environment.

As Centrifugo 6 does before anything else; only variables for this server are taken. Knows their
prefixes, not what they mean (``load.py`` asks for which generations they count). What stands in the
file is never shown, only its lines.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from girandola.config.problems import ConfigError, Problem

DOTENV = ".env"
PREFIXES = ("CENTRIFUGO_", "GIRANDOLA_")

_REFERENCE = re.compile(r"(\\?)\$(?:\{([^}]*)\}|([A-Z_][A-Z0-9_]*))")


class Environment(Struct, frozen=True):
    """Variables, and the ``.env`` that some of them came from, absolute; empty without one.

    ``warnings`` say that the file does not count.
    """

    variables: Mapping[str, str]
    dotenv: str = ""
    warnings: tuple[str, ...] = ()


def with_dotenv(environ: Mapping[str, str]) -> Environment:
    """Return ``environ`` and what ``.env`` in the working directory adds to it.

    Raises:
        ConfigError: the file cannot be read, or a line is none; nothing of it counts then.
    """
    path = Path(DOTENV)
    try:
        if not path.is_file():  # a folder of this name is a virtual environment
            return Environment(environ)
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not in UTF-8"
        raise ConfigError([Problem(DOTENV, "", f"cannot be read: {reason}")]) from None
    found = {
        name: value
        for name, value in _variables(text, environ).items()
        if name.startswith(PREFIXES) and name not in environ
    }
    return Environment({**environ, **found}, str(path.absolute()))


def _variables(text: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return everything that the file sets, whoever it is for."""
    # Most servers have no such file, and its parser takes its time to load.
    from io import StringIO

    from dotenv.parser import parse_stream

    found: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        written = binding.original.string
        line = binding.original.line + written[: -len(written.lstrip())].count("\n")
        if binding.error or (binding.key is not None and binding.value is None):
            raise _broken(line, "cannot be parsed, expected NAME=value")
        if binding.key is None:
            continue
        value = binding.value or ""
        if written.partition("=")[2].lstrip().startswith("'"):
            found[binding.key] = value
        else:
            found[binding.key] = _expanded(value, line, {**found, **environ})
    return found


def _expanded(value: str, line: int, known: Mapping[str, str]) -> str:
    """Replace ``${NAME}``; ``CENTRIFUGO_VAR_…`` are left to those who read the option."""

    def replaced(match: re.Match[str]) -> str:
        escaped, name, bare = match.groups()
        if escaped:
            return match[0][1:]
        if bare:
            raise _broken(line, "a $ that names a variable is written ${NAME}, any other \\$")
        if name in known:
            return known[name]
        if name.startswith(tuple(f"{prefix}VAR_" for prefix in PREFIXES)):
            return match[0]
        raise _broken(line, "${…} names a variable that is not set; a $ of the text itself is \\$")

    return _REFERENCE.sub(replaced, value)


def _broken(line: int, detail: str) -> ConfigError:
    return ConfigError([Problem(DOTENV, f"line {line}", detail)])
