"""Options of Centrifugo 6 that are known here, but do nothing yet.

Their names and defaults (facts of server.md, appendix C) stand in ``unbuilt.json``: setting one of
them to its default is no news, anything else deserves a warning. A value ``$NAME`` there stands for
the group of options ``types.NAME``. An option that gets built moves from that file into the schema.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from girandola.config.duration import parse_duration
from girandola.config.values import parse_bool


def _flattened(
    options: Mapping[str, Any], groups: Mapping[str, Any], prefix: str = ""
) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, default in options.items():
        if isinstance(default, str) and default.startswith("$"):
            flat |= _flattened(groups[default[1:]], groups, f"{prefix}{name}.")
        else:
            flat[prefix + name] = default
    return flat


_FILE = json.loads(Path(__file__).with_name("unbuilt.json").read_text("utf-8"))

UNBUILT: dict[str, Any] = _flattened(_FILE["options"], _FILE["types"])
"""Dotted path to default."""

UNBUILT_CHANNEL: dict[str, Any] = _FILE["channel_options"]
"""The same for the options of a namespace, and of ``channel.without_namespace``."""

UNBUILT |= {f"channel.without_namespace.{name}": v for name, v in UNBUILT_CHANNEL.items()}

LISTS = ("consumers", "proxies", "rpc.namespaces")
"""Lists of named objects, whose single options have names in the environment."""


def sections_of(options: Mapping[str, Any]) -> frozenset[str]:
    """Return every dotted prefix of the names."""
    return frozenset(
        path.rsplit(".", depth)[0] for path in options for depth in range(1, path.count(".") + 1)
    )


UNBUILT_SECTIONS = sections_of(UNBUILT)
UNBUILT_CHANNEL_SECTIONS = sections_of(UNBUILT_CHANNEL)


def is_default(default: Any, value: Any) -> bool:
    """Tell whether ``value``, from a file or as text, says what holds anyway."""
    if not isinstance(value, str) or value == default:
        return type(value) is type(default) and bool(value == default)
    if isinstance(default, bool):
        return parse_bool(value) is default
    if isinstance(default, str):
        return _same_duration(default, value)
    if isinstance(default, list):
        return value.split() == default
    return value == str(default)


def _same_duration(one: str, other: str) -> bool:
    try:
        return parse_duration(one) == parse_duration(other)
    except ValueError:
        return False


def warning(name: str) -> str:
    """Return the line for an option that is set but does nothing."""
    return f'known option of Centrifugo 6, not built yet: "{name}", it has no effect'
