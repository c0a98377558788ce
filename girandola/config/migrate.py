"""A configuration of any generation written as one of today that means the same.

What is written is only what differs from today's defaults, with what its generation implied, and
with options that are known but not built yet. Nothing is returned before it was read back and
came to the same. Knows no old names: ``load.read`` has translated them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, time
from typing import Any

from msgspec import Struct

from girandola.config.dump import rendered, written
from girandola.config.file import parsed, read_file
from girandola.config.keys import lower_cased
from girandola.config.layers import NAMESPACES, Given
from girandola.config.load import Loaded, Read, completed, read_with, value_at
from girandola.config.names import NOT_BUILT, TOP
from girandola.config.problems import ConfigError, Problem, show
from girandola.config.schema import NAMESPACE_OPTIONS, OPTIONS, Config
from girandola.config.unbuilt import UNBUILT, UNBUILT_CHANNEL, is_default
from girandola.config.values import parse_bool

_ENGINE = "engine.type"
_IN_A_NAMESPACE = re.compile(re.escape(NAMESPACES) + r"\[(\d+)\]\.(.+)")
_ORDER = {path: index for index, path in enumerate((*OPTIONS, *UNBUILT))}
_OPEN_BY_DEFAULT = (1, 2, 3)
"""Generations in which users may subscribe where nothing closes a channel."""


class Migration(Struct, frozen=True, kw_only=True):
    """What a configuration is today, in ``text``, and both as they load.

    ``notes`` are lines on what the text says that the original did not, or cannot say.
    """

    before: Loaded
    after: Loaded
    text: str
    notes: tuple[str, ...] = ()


def migrated(
    path: str,
    format_: str,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> Migration:
    """Return the file at ``path`` as one of today in json, toml or yaml.

    Arguments are as for ``load``; what variables and flags say is written, too. With variables
    there need not be a file.

    Raises:
        ConfigError: it is not there, does not load, or cannot be said in the format.
    """
    file = read_file(path)
    if file.tree is None and environ is None:
        raise ConfigError([Problem(path, "", "cannot be found")])
    found = read_with(file, environ, flags)
    tree, left_out = _tree(found)
    # An engine that is not built stops the start of a server, but is worth writing.
    engine = found.carried.pop(_ENGINE, None)
    options = _unbuilt(found)
    before = completed(found)
    read_back = _read_back(path, tree, format_, found.decision.generation, environ)
    after = completed(read_back)
    _demand_the_same(path, before.config, after.config)
    _demand_the_same_unbuilt(path, options, _unbuilt(read_back))
    if engine is not None:
        tree["engine"] = {"type": engine.value, **tree.get("engine", {})}
    return Migration(
        before=before,
        after=after,
        text=_text(path, tree, format_),
        notes=(*left_out, *_notes(before, engine)),
    )


# ── writing ──────────────────────────────────────────────────────────────────────────────────


def _tree(found: Read) -> tuple[dict[str, Any], list[str]]:
    """Return what a file of today has to say, and lines on what it cannot.

    Without an engine that is not built.
    """
    leaves = {
        path: written(OPTIONS[path], given.value)
        for path, given in found.given.items()
        if path != NAMESPACES and given.value != OPTIONS[path].default
    }
    unbuilt = _unbuilt(found)
    spaces = [_namespace(draft) for draft in found.drafts]
    left_out = []
    for path, value in unbuilt.items():
        inside = _IN_A_NAMESPACE.fullmatch(path)
        if inside is not None:
            _put(spaces[int(inside[1])], inside[2], value)
        elif _has_a_place(path):
            leaves[path] = value
        else:
            left_out.append(f"{path} sets one option of an item; it stays a variable")
    if spaces:
        leaves[NAMESPACES] = spaces
    tree: dict[str, Any] = {"generation": "v6"}
    for path in sorted(leaves, key=_ORDER.__getitem__):
        _put(tree, path, leaves[path])
    return tree, left_out


def _has_a_place(path: str) -> bool:
    """Tell whether it is a path of a file, not a variable for one option of an item."""
    return path in UNBUILT or _IN_A_NAMESPACE.fullmatch(path) is not None


def _namespace(draft: Mapping[str, Given]) -> dict[str, Any]:
    """Return a namespace as a file has it, its name first."""
    return {
        name: written(option, draft[name].value)
        for name, option in sorted(NAMESPACE_OPTIONS.items(), key=lambda entry: entry[0] != "name")
        if name in draft and draft[name].value != option.default
    }


def _put(tree: dict[str, Any], path: str, value: Any) -> None:
    *sections, name = path.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[name] = value


def _unbuilt(found: Read) -> dict[str, Any]:
    """Return options that are not built yet and not as by default, as a file says them."""
    values = {}
    for path, given in found.carried.items():
        inside = _IN_A_NAMESPACE.fullmatch(path)
        default = UNBUILT_CHANNEL.get(inside[2]) if inside else UNBUILT.get(path)
        value = given.value
        if given.source == "environment" and isinstance(value, str):
            value = _typed(default, value)
        if path != _ENGINE and not is_default(default, value):
            values[path] = _plain(value)
    return values


def _typed(default: Any, text: str) -> Any:
    """Return what a variable says, as a file would."""
    if isinstance(default, bool):
        return parse_bool(text) is True
    if isinstance(default, list | dict) and text.lstrip().startswith(("[", "{")):
        try:
            return lower_cased(json.loads(text))
        except (ValueError, RecursionError):
            return text
    if isinstance(default, list):
        return text.split()
    return int(text) if isinstance(default, int) and re.fullmatch("-?[0-9]{1,18}", text) else text


def _plain(value: Any) -> Any:
    """Return a value of any format as one that every format can say; null is as good as unset."""
    if isinstance(value, dict):
        return {str(key): _plain(below) for key, below in value.items() if below is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value if item is not None]
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, str) else value


def _text(path: str, tree: dict[str, Any], format_: str) -> str:
    try:
        text = rendered(tree, format_)
        text.encode()
    except (ValueError, TypeError, RecursionError):
        raise ConfigError([Problem(path, "", f"has values that {format_} cannot say")]) from None
    return text


# ── reading back ─────────────────────────────────────────────────────────────────────────────


def _read_back(
    path: str,
    tree: dict[str, Any],
    format_: str,
    generation: int,
    environ: Mapping[str, str] | None,
) -> Read:
    """Return what is read of the text that is written for ``tree``.

    ``${…}`` means nothing in v2 to v5 and is replaced already where there is an environment:
    then it is a problem that it means something today.
    """
    file = parsed(path, _text(path, tree, format_).encode(), format_)
    keeps_variables = generation in (1, 6) and environ is None
    return read_with(file, None if keeps_variables else {})


def _demand_the_same(path: str, before: Config, after: Config) -> None:
    """Raise ``ConfigError`` where what was read back is not what was meant."""
    names = [name for name in OPTIONS if value_at(before, name) != value_at(after, name)]
    if names:
        raise ConfigError([_unsayable(path, name) for name in names])


def _demand_the_same_unbuilt(
    path: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    names = [name for name in before if _has_a_place(name) and before[name] != after.get(name)]
    names += [name for name in after if name not in before]
    if names:
        raise ConfigError([_unsayable(path, name) for name in names])


def _unsayable(path: str, name: str) -> Problem:
    return Problem(path, name, "cannot be said in a file of today")


# ── saying ───────────────────────────────────────────────────────────────────────────────────


def _notes(before: Loaded, engine: Given | None) -> Iterator[str]:
    if engine is not None:
        yield (
            f"{_ENGINE}: {show(engine.value)} is written, but not built yet: until then the server "
            "does not start with it"
        )
    if any(NOT_BUILT in line for line in before.warnings):
        yield (
            "options of 2018 that are not built yet are not written; add them by their names of "
            "today"
        )
    if before.generation in _OPEN_BY_DEFAULT:
        yield from _opened(before)
    legacy = before.config.legacy
    default = type(legacy)()
    kept = [n for n in legacy.__struct_fields__ if getattr(legacy, n) != getattr(default, n)]
    if kept:
        names = ", ".join(f"legacy.{name}" for name in kept)
        yield (
            f"rules of v{before.generation} that no other option of today can say are kept: "
            f"{names} (girandola configdoc -m -s legacy explains them)"
        )


def _opened(before: Loaded) -> Iterator[str]:
    """Tell of what was open without being said, and now says so."""
    config, by = before.config, f"as in v{before.generation} where nothing closes it"
    places = {TOP.rstrip("."): config.channel.without_namespace}
    places |= {f"{NAMESPACES}[{n.name}]": n for n in config.channel.namespaces}
    for place, options in places.items():
        if options.allow_subscribe_for_client:
            yield f"{place}: allow_subscribe_for_client: users may subscribe without a token, {by}"
    if "*" in config.client.allowed_origins:
        yield f'client.allowed_origins: ["*"]: pages of any Origin may connect, {by}'
    if config.sockjs.enabled:
        yield "sockjs.enabled: SockJS is offered, which is off by default today"
