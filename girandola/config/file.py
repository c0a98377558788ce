"""A configuration file as a tree of plain values. Knows formats, not options."""

import json
import tomllib
from pathlib import Path
from typing import Any

from msgspec import Struct

from girandola.config.keys import lower_cased, repeated
from girandola.config.problems import ConfigError, Problem

FORMATS = {".json": "json", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml"}


class ConfigFile(Struct, frozen=True):
    """What a file says, with keys in lower case. ``tree`` is ``None`` where there is no file.

    ``warnings`` say what of it does not count.
    """

    path: str
    tree: dict[Any, Any] | None = None
    format: str = ""
    warnings: tuple[str, ...] = ()


def format_of(path: str) -> str:
    """Return the format that the extension says: json, toml or yaml.

    Raises:
        ConfigError: another extension (lower case counts, as in 2018).
    """
    suffix = Path(path).suffix
    if suffix not in FORMATS:
        expected = "a name that ends in .json, .toml, .yaml or .yml"
        raise ConfigError([Problem(path, "", f"unknown format, expected {expected}")])
    return FORMATS[suffix]


def read_file(path: str) -> ConfigFile:
    """Read the file; a missing one is not an error here.

    Raises:
        ConfigError: unreadable, unparsable, of unknown format, or not an object.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return ConfigFile(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError([Problem(path, "", f"cannot be read: {reason}")]) from None
    return parsed(path, data, format_of(path))


def parsed(path: str, data: bytes, format_: str) -> ConfigFile:
    """Return what ``data`` in json, toml or yaml says, as if it stood at ``path``.

    Raises:
        ConfigError: unparsable, or not an object.
    """
    try:
        tree, warnings = _PARSERS[format_](data.decode("utf-8-sig"))
        tree = lower_cased(tree)
    except RecursionError:
        raise ConfigError([Problem(path, "", "cannot be parsed: nested too deeply")]) from None
    except ValueError as error:
        # What parsers say of a broken file can go over lines; an operator gets one.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError([Problem(path, "", f"cannot be parsed: {reason}")]) from None
    if not isinstance(tree, dict):
        raise ConfigError([Problem(path, "", "expected an object of options at the top")])
    return ConfigFile(path, tree, format_, warnings)


def _json(text: str) -> tuple[Any, tuple[str, ...]]:
    """Read JSON, in which the last of two equal keys counts, as with Go's decoder."""
    twice: dict[int, list[str]] = {}
    made: list[dict[str, Any]] = []  # keeps what ``twice`` knows by identity

    def an_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice[id(found)] = [key for key in found if keys.count(key) > 1]
            made.append(found)
        return found

    tree = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=an_object)
    paths = repeated(tree, twice) if twice else []
    return tree, tuple(f'"{path}" stands twice, the last one counts' for path in paths)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _toml(text: str) -> tuple[Any, tuple[str, ...]]:
    return tomllib.loads(text), ()


def _yaml(text: str) -> tuple[Any, tuple[str, ...]]:
    """Read YAML; an empty document is an empty object."""
    # Most configurations are JSON, and YAML's parser takes its time to load.
    from girandola.config.yaml_file import parse

    tree = parse(text)
    return ({} if tree is None else tree), ()


_PARSERS = {"json": _json, "toml": _toml, "yaml": _yaml}
