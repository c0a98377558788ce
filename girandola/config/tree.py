"""A configuration file's tree read into a layer: today's nested options.

Keys that are options of 2018 go to ``classic.py``, where the configuration is of 2018 or they mean
the same today. Knows nothing of file formats.
"""

from collections.abc import Collection, Mapping
from typing import Any

from girandola.config.classic import read_classic_key
from girandola.config.file import ConfigFile
from girandola.config.generations.flat import TODAY_OF, flat_generations, versions
from girandola.config.layers import NAMESPACES, Draft, Layer
from girandola.config.names import CLASSIC, NEUTRAL
from girandola.config.problems import unfit
from girandola.config.schema import NAMESPACE_OPTIONS, OPTIONS, SECTIONS, Option
from girandola.config.unbuilt import (
    UNBUILT,
    UNBUILT_CHANNEL,
    UNBUILT_CHANNEL_SECTIONS,
    UNBUILT_SECTIONS,
    is_default,
    warning,
)
from girandola.config.values import read
from girandola.config.weak import cast, told
from girandola.config.yes_no import as_older_servers

_NAMES = (*OPTIONS, *SECTIONS, *UNBUILT, *UNBUILT_SECTIONS)
_TOP_NAMES = (*_NAMES, *CLASSIC)

_AUTHENTICATION = ("token_", "allowed_origins", "api_key", "proxy_connect_", "connect_proxy_name")

NAMESPACE_NAMES = (*NAMESPACE_OPTIONS, *UNBUILT_CHANNEL, *UNBUILT_CHANNEL_SECTIONS)
"""Every name that means something in a namespace."""


def read_tree(file: ConfigFile, generation: int, environ: Mapping[str, str] | None = None) -> Layer:
    """Read a file of v1 or v6, whose values may name variables of ``environ``.

    ``null`` counts as not set.
    """
    layer = Layer(file.path, environ)
    for line in file.warnings:
        layer.warn(line)
    for key, value in (file.tree or {}).items():
        name = str(key)
        if name.lower() == "generation" or (value is None and name in _TOP_NAMES):
            continue
        if _is_flat(name.lower(), value, generation):
            older = as_older_servers(value)
            read_classic_key(layer, name, older, numbers_are_floats=file.format == "json")
        elif name not in _NAMES and is_of_others(name.lower(), generation):
            ignore_of_others(layer, name, name.lower(), generation)
        else:
            _read_key(layer, name, value)
    return layer


def read_own_sections(file: ConfigFile, names: Collection[str]) -> Layer:
    """Read the sections that only girandola has, from a file of whatever generation."""
    layer = Layer(file.path)
    for key, value in (file.tree or {}).items():
        if key in names and isinstance(value, dict):
            _read_key(layer, key, value)
    return layer


def _is_flat(name: str, value: Any, generation: int) -> bool:
    """Tell whether a key, by its name and its value, is an option of 2018 that is read."""
    if name not in CLASSIC or name in OPTIONS or (name in NEUTRAL and isinstance(value, dict)):
        return False
    return generation == 1 or name in NEUTRAL


def is_of_others(name: str, generation: int) -> bool:
    """Tell whether a flat name, in lower case, is an option of other generations only."""
    return bool(flat_generations(name)) or (generation != 1 and name in CLASSIC)


def ignore_of_others(layer: Layer, shown: str, name: str, generation: int) -> None:
    """Tell of an option of other generations, and what it is today."""
    known = flat_generations(name) | (frozenset({1}) if name in CLASSIC else frozenset())
    layer.other_keys |= name.startswith(_AUTHENTICATION)
    today = TODAY_OF.get(name)
    layer.ignore(
        f'"{shown}" is an option of {versions(known)}, it has no effect in v{generation}'
        + (f'; today it is "{today}"' if today else "")
    )


def _read_key(layer: Layer, path: str, value: Any) -> None:
    """Read a key of today's tree and everything below it."""
    if path == NAMESPACES:
        layer.give(path, read_namespaces(layer, path, value), path)
    elif path in OPTIONS:
        found = _fit(layer, path, OPTIONS[path], path, value)
        if found is not None:
            layer.give(path, found, path)
    elif isinstance(value, dict) and (path in SECTIONS or path in UNBUILT_SECTIONS):
        for key, below in value.items():
            name = f"{path}.{key}"
            if below is not None or name not in _NAMES:
                _read_key(layer, name, below)
    elif path in SECTIONS or path in UNBUILT_SECTIONS:
        _refuse_as_section(layer, path, value)
    elif path in UNBUILT:
        layer.carried[path] = layer.note(value, path)
        if not is_default(UNBUILT[path], value):
            layer.warn(warning(path))
    else:
        section = path[: path.rfind(".") + 1]
        beside = [name for name in _TOP_NAMES if name.startswith(section)]
        layer.do_not_know(path, beside, section)


def _refuse_as_section(layer: Layer, path: str, value: Any) -> None:
    """Refuse a value where an object of options is expected, and say what may have been meant."""
    below = f"{path}."
    switch = f"{below}enabled"
    cure = ""
    if switch in OPTIONS or switch in UNBUILT:
        cure = f"; {switch} switches it on" + (" and off" if isinstance(value, bool) else "")
    # Anything but a switch may be a secret that lost its key.
    secret = not isinstance(value, bool) and any(
        option.secret for name, option in OPTIONS.items() if name.startswith(below)
    )
    layer.refuse(path, path, unfit(value, f"an object of options{cure}", secret))


def _fit(
    layer: Layer, path: str, option: Option, name: str, value: Any, *, strict: bool = False
) -> Any:
    """Return what a value of a file means; ``None`` where that is noted as a problem.

    Unless ``strict``, as today's servers do, with a note: of another type, but with one meaning.
    """
    if strict:
        return layer.fit(path, option, name, value, read)
    found = layer.fit(path, option, name, value, lambda o, v: read(o, cast(o, v)))
    typed = cast(option, value)
    if found is not None and typed is not value and option.kind != "duration":
        layer.note_cast(name, told(option, value, typed))
    return found


def read_namespaces(layer: Layer, name: str, value: Any, *, strict: bool = False) -> list[Draft]:
    """Read the value of ``channel.namespaces``; ``name`` is what it is called in its source.

    ``strict`` values have the right types, as the JSON in a variable must.
    """
    if not isinstance(value, list):
        layer.refuse(NAMESPACES, name, unfit(value, "a list of objects"))
        return []
    drafts = []
    for index, item in enumerate(value):
        at = f"{name}[{index}]"
        draft: Draft = {}
        if isinstance(item, dict):
            _read_namespace(layer, draft, index, item, at, strict=strict)
        else:
            layer.refuse(NAMESPACES, at, unfit(item, "an object of options"))
        drafts.append(draft)
    return drafts


def _read_namespace(
    layer: Layer,
    draft: Draft,
    index: int,
    item: Mapping[Any, Any],
    at: str,
    section: str = "",
    *,
    strict: bool = False,
) -> None:
    """Read one namespace into ``draft``, or a section of it."""
    for key, value in item.items():
        name = f"{section}{key}"
        shown = f"{at}.{name}"
        if name in NAMESPACE_OPTIONS and value is not None:
            path, option = f"{NAMESPACES}[{index}].{name}", NAMESPACE_OPTIONS[name]
            found = _fit(layer, path, option, shown, value, strict=strict)
            if found is not None:
                draft[name] = layer.note(found, shown)
        elif name in UNBUILT_CHANNEL_SECTIONS and isinstance(value, dict):
            _read_namespace(layer, draft, index, value, at, f"{name}.", strict=strict)
        elif name not in NAMESPACE_NAMES:
            layer.do_not_know(shown, NAMESPACE_NAMES, f"{at}.")
        elif value is not None:
            layer.carried[f"{NAMESPACES}[{index}].{name}"] = layer.note(value, shown)
            if not is_default(UNBUILT_CHANNEL.get(name), value):
                layer.warn(warning(shown))
