"""A configuration file as a tree of plain values. Knows formats, not options."""

import json
import tomllib
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from girandola.config.problems import ConfigError, Problem

FORMATS = {".json": "json", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml"}


class ConfigFile(Struct, frozen=True):
    """What a file says. ``tree`` is ``None`` where there is no file."""

    path: str
    tree: dict[Any, Any] | None = None
    format: str = ""


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
    format_ = format_of(path)
    try:
        tree = _parse(data.decode("utf-8-sig"), format_)
    except (ValueError, yaml.YAMLError, RecursionError, TypeError, AttributeError) as error:
        # What parsers say of a broken file can go over lines; an operator gets one.
        reason = "nested too deeply" if isinstance(error, RecursionError) else _one_line(error)
        raise ConfigError([Problem(path, "", f"cannot be parsed: {reason}")]) from None
    if tree is None and format_ == "yaml":
        tree = {}
    if not isinstance(tree, dict):
        raise ConfigError([Problem(path, "", "expected an object of options at the top")])
    return ConfigFile(path, tree, format_)


def _parse(text: str, format_: str) -> Any:
    if format_ == "json":
        return json.loads(text, parse_constant=_refuse_constant)
    if format_ == "toml":
        return tomllib.loads(text)
    return yaml.safe_load(text)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _one_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem}: line {mark.line + 1} column {mark.column + 1}"
    return " ".join(str(error).split()) or type(error).__name__
