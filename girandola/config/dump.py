"""A configuration written out again: as a file of any format, and as variables.

What is written is today's tree; ``load`` reads it back to an equal ``Config``.
"""

import json
import shlex
from collections.abc import Collection
from typing import Any

import msgspec
import tomli_w
from msgspec import Struct

from girandola.config.duration import format_duration
from girandola.config.schema import NAMESPACE_OPTIONS, OPTIONS, Config, Option
from girandola.config.text import env_name


def tree(config: Config) -> dict[str, Any]:
    """Return every option, with its value as a file would give it."""
    found: dict[str, Any] = {}
    for path, option in OPTIONS.items():
        *sections, name = path.split(".")
        value: Any = config
        place = found
        for section in sections:
            value = getattr(value, section)
            place = place.setdefault(section, {})
        place[name] = written(option, getattr(value, name))
    return found


def written(option: Option, value: Any) -> Any:
    """Return one value as a file would give it."""
    if option.kind == "duration":
        return format_duration(value)
    if option.kind == "namespaces":
        return [_namespace(namespace) for namespace in value]
    if option.kind == "objects":
        return msgspec.to_builtins(list(value))
    return list(value) if isinstance(value, tuple) else value


def _namespace(namespace: Struct) -> dict[str, Any]:
    """Return a namespace, its name first."""
    name_first = sorted(NAMESPACE_OPTIONS, key=lambda name: name != "name")
    return {name: written(NAMESPACE_OPTIONS[name], getattr(namespace, name)) for name in name_first}


def rendered(options: dict[str, Any], format_: str) -> str:
    """Return a tree in json, toml or yaml."""
    if format_ == "json":
        return json.dumps(options, indent=2, ensure_ascii=False) + "\n"
    if format_ == "toml":
        return tomli_w.dumps(options)
    from girandola.config.yaml_file import written as written_as_yaml  # loads only where wanted

    return written_as_yaml(options)


def environment(config: Config, only: Collection[str] | None = None) -> list[str]:
    """Return ``GIRANDOLA_…=value`` for every option, sorted, quoted for a shell.

    ``only`` leaves out every other path, and of these what is zero as it is by default.
    """
    options = tree(config)
    lines = []
    for path, option in OPTIONS.items():
        value: Any = options
        for name in path.split("."):
            value = value[name]
        says_something = value not in (False, 0, "", [], "0s") or value != written(
            option, option.default
        )
        if only is None or (path in only and says_something):
            lines.append(f"GIRANDOLA_{env_name(path)}={shlex.quote(_as_text(option, value))}")
    return sorted(lines)


def _as_text(option: Option, value: Any) -> str:
    if option.kind == "bool":
        return "true" if value else "false"
    if option.kind == "strings":
        return " ".join(value)
    return json.dumps(value) if option.kind in ("namespaces", "objects") else str(value)
