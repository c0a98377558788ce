"""Options of 2018 read into a layer, under today's paths.

``names.py`` says what each name sets, ``casting.py`` how leniently its value is read; every value
that leniency changed is told in a warning. Rules: classic.md sections 1.4, 2.4 and 2.6.
"""

import re
from typing import Any

from msgspec.structs import replace

from girandola.config.casting import cast, cast_in_namespace
from girandola.config.layers import NAMESPACES, Draft, Layer
from girandola.config.names import (
    CLASSIC,
    CLASSIC_CHANNEL,
    IMPLIED_CHANNEL,
    SPLIT_PORTS,
    ClassicName,
)
from girandola.config.problems import show, unfit
from girandola.config.schema import NAMESPACE_OPTIONS, OPTIONS, Option
from girandola.config.values import check, read_text

_NAMESPACE_NAME = re.compile(r"[-a-zA-Z0-9_]{2,}")
_WHEN_EMPTY = {
    "private_channel_prefix": "expected a text: empty, it made every channel private",
    "user_channel_boundary": "expected a text: empty, it closed every channel",
}
_NOUNS = {"bool": "boolean", "int": "number", "string": "text"}


def read_classic_key(layer: Layer, name: str, value: Any, *, numbers_are_floats: bool) -> None:
    """Read a top-level key of a file, in whatever case it is written."""
    entry = CLASSIC[name.lower()]
    if value is None:
        return
    if entry.kind == "namespaces":
        layer.give(NAMESPACES, _namespaces(layer, name, value), name, classic=True)
        return
    found, castable = cast(entry.kind, value, numbers_are_floats=numbers_are_floats)
    if not castable and entry.name == "secret":
        # Taken as empty, it would let everybody make tokens and signs.
        layer.refuse("", name, unfit(value, "text", secret=True))
        return
    if not castable:
        _warn_of_zero(layer, name, value, entry.kind, found)
    _give(layer, entry, name, found)


def read_classic_variable(layer: Layer, entry: ClassicName, variable: str, text: str) -> None:
    """Read a variable of the environment."""
    found, castable = cast(entry.kind, text)
    if not castable:
        _warn_of_zero(layer, variable, text, entry.kind, found)
    _give(layer, entry, variable, found)


def read_classic_flag(layer: Layer, entry: ClassicName, name: str, text: str) -> None:
    """Read a flag. On the command line servers of 2018 were strict, too."""
    found, castable = cast(entry.kind, text)
    if castable:
        _give(layer, entry, name, found)
    else:
        expected = "true or false" if entry.kind == "bool" else "a whole number"
        layer.refuse("", name, unfit(text, expected))


def _warn_of_zero(layer: Layer, name: str, value: Any, kind: str, zero: Any) -> None:
    secret = "secret" in name.lower() or "password" in name.lower()
    layer.warn(
        f"{name}: {show(value, secret)} is no {_NOUNS[kind]}; "
        f"taken as {show(zero)}, as servers of 2018 did"
    )


def _give(layer: Layer, entry: ClassicName, name: str, value: Any) -> None:
    """Note a cast value under the options of today that it sets."""
    if not entry.targets:
        if value != entry.default:
            layer.warn(f'{entry.note}: "{name}", it has no effect')
        return
    for path in entry.targets:
        found = _of_today(layer, entry, OPTIONS[path], path, name, value)
        if found is not None:
            layer.give(entry.name if entry.name in SPLIT_PORTS else path, found, name, classic=True)


def _of_today(
    layer: Layer, entry: ClassicName, option: Option, path: str, name: str, value: Any
) -> Any:
    """Return what today's option gets; ``None`` for nothing, or a noted problem."""
    match entry.name:
        case "port":
            return layer.fit(path, option, name, value, read_text) if value else None
        case "api_port" | "admin_port":
            return layer.fit(path, option, name, value, read_text)
        case "ssl_autocert_host_whitelist":
            value = tuple(host for part in value.split(",") if (host := part.strip()))
        case "log_level":
            value = _log_level(layer, option, name, value)
        case "history_size" | "history_lifetime":
            value = max(value, 0)  # both must be more than 0, else there is no history
        case "private_channel_prefix" | "user_channel_boundary" if not value:
            # Today it switches a restriction off; nothing may open by being read anew.
            layer.refuse(path, name, f"{_WHEN_EMPTY[entry.name]} on servers of 2018")
            return None
        case "sockjs_heartbeat_delay":
            value = max(value, 0)  # everything below switched it off, too
    if option.kind == "duration":
        value = layer.fit(path, replace(option, kind="seconds"), name, value, check)
        return value if value is None else float(value)
    return layer.fit(path, option, name, value, check)


def _log_level(layer: Layer, option: Option, name: str, value: str) -> str:
    level = value.lower()
    if level in ("critical", "fatal"):
        return "error"
    if level not in option.choices:
        layer.warn(f"{name}: {show(value)} is no log level; taken as info, as servers of 2018 did")
        return "info"
    return level


# ── namespaces ───────────────────────────────────────────────────────────────────────────────


def _namespaces(layer: Layer, name: str, value: Any) -> list[Draft]:
    """Read the list ``namespaces``. Refusals have the texts of classic.md section 1.4."""
    if not isinstance(value, list):
        layer.warn(f"{name}: {show(value)} is no list; no namespaces, as servers of 2018 did")
        return []
    drafts = [_namespace(layer, f"{name}[{i}]", i, item) for i, item in enumerate(value)]
    names = [draft["name"].value for draft in drafts]
    for index, own in enumerate(names):
        at = f"{name}[{index}].name"
        if not _NAMESPACE_NAME.fullmatch(own):
            layer.refuse(NAMESPACES, at, f"config error: wrong namespace name – {own[:100]}")
        elif own in names[:index]:
            layer.refuse(NAMESPACES, at, "config error: namespace name must be unique")
    return drafts


def _namespace(layer: Layer, at: str, index: int, item: Any) -> Draft:
    """Read one item. Nothing is inherited from the top level."""
    draft = {
        name: layer.note(value, at, classic=True)
        for name, value in {"name": "", **IMPLIED_CHANNEL}.items()
    }
    for key, value in item.items() if isinstance(item, dict) else ():
        shown, lower = f"{at}.{key}", str(key).lower()
        if lower != "name" and lower not in CLASSIC_CHANNEL:
            layer.do_not_know(shown, ("name", *CLASSIC_CHANNEL), f"{at}.")
        elif value is not None:
            _read_namespace_key(layer, draft, index, shown, lower, value)
    return draft


def _read_namespace_key(
    layer: Layer, draft: Draft, index: int, shown: str, name: str, value: Any
) -> None:
    entry = CLASSIC_CHANNEL.get(name)
    kind = entry.kind if entry else "string"
    found, castable = cast_in_namespace(kind, value)
    if not castable:
        _warn_of_zero(layer, shown, value, kind, found)
    if entry is None:
        draft["name"] = layer.note(found, shown, classic=True)
        return
    for target in entry.targets:
        path = f"{NAMESPACES}[{index}].{target}"
        typed = _of_today(layer, entry, NAMESPACE_OPTIONS[target], path, shown, found)
        if typed is not None:
            draft[target] = layer.note(typed, shown, classic=True)
