"""A configuration file's tree read into a layer: today's nested options.

Keys that are options of 2018 go to ``classic.py``. Knows nothing of file formats.
"""

from collections.abc import Mapping
from typing import Any

from girandola.config.classic import read_classic_key
from girandola.config.file import ConfigFile
from girandola.config.layers import NAMESPACES, Draft, Layer
from girandola.config.names import AUTHENTICATION_OF_2_TO_5, CLASSIC, of_classic_shape
from girandola.config.problems import unfit
from girandola.config.schema import NAMESPACE_OPTIONS, OPTIONS, SECTIONS
from girandola.config.unbuilt import (
    UNBUILT,
    UNBUILT_CHANNEL,
    UNBUILT_CHANNEL_SECTIONS,
    UNBUILT_SECTIONS,
    is_default,
    warning,
)
from girandola.config.values import read

_NAMES = (*OPTIONS, *SECTIONS, *UNBUILT, *UNBUILT_SECTIONS)
_TOP_NAMES = (*_NAMES, *CLASSIC)

NAMESPACE_NAMES = (*NAMESPACE_OPTIONS, *UNBUILT_CHANNEL, *UNBUILT_CHANNEL_SECTIONS)
"""Every name that means something in a namespace."""


def read_tree(file: ConfigFile) -> Layer:
    """Read a file. ``null`` counts as not set."""
    layer = Layer(file.path)
    for key, value in (file.tree or {}).items():
        name = str(key)
        if value is None and name in _TOP_NAMES:
            continue
        if of_classic_shape(name, value):
            read_classic_key(layer, name, value, numbers_are_floats=file.format == "json")
        elif name in AUTHENTICATION_OF_2_TO_5:
            layer.marked_between = True
            layer.ignore(
                f'"{name}" is an option of Centrifugo 2 to 5, it has no effect; '
                f'today it is "{AUTHENTICATION_OF_2_TO_5[name]}"'
            )
        else:
            _read_key(layer, name, value)
    return layer


def _read_key(layer: Layer, path: str, value: Any) -> None:
    """Read a key of today's tree and everything below it."""
    layer.marked_modern |= path in SECTIONS or path in UNBUILT_SECTIONS
    if path == NAMESPACES:
        layer.give(path, read_namespaces(layer, path, value), path)
    elif path in OPTIONS:
        found = layer.fit(path, OPTIONS[path], path, value, read)
        if found is not None:
            layer.give(path, found, path)
    elif isinstance(value, dict) and (path in SECTIONS or path in UNBUILT_SECTIONS):
        for key, below in value.items():
            name = f"{path}.{key}"
            if below is not None or name not in _NAMES:
                _read_key(layer, name, below)
    elif path in SECTIONS:
        # What stands here may be a secret that lost its key.
        layer.refuse(path, path, unfit(value, "an object of options", secret=True))
    elif path in UNBUILT or path in UNBUILT_SECTIONS:
        if path not in UNBUILT or not is_default(UNBUILT[path], value):
            layer.warn(warning(path))
    else:
        section = path[: path.rfind(".") + 1]
        beside = [name for name in _TOP_NAMES if name.startswith(section)]
        layer.do_not_know(path, beside, section)


def read_namespaces(layer: Layer, name: str, value: Any) -> list[Draft]:
    """Read the value of ``channel.namespaces``; ``name`` is what it is called in its source."""
    if not isinstance(value, list):
        layer.refuse(NAMESPACES, name, unfit(value, "a list of objects"))
        return []
    drafts = []
    for index, item in enumerate(value):
        at = f"{name}[{index}]"
        draft: Draft = {}
        if isinstance(item, dict):
            _read_namespace(layer, draft, index, item, at)
        else:
            layer.refuse(NAMESPACES, at, unfit(item, "an object of options"))
        drafts.append(draft)
    return drafts


def _read_namespace(
    layer: Layer, draft: Draft, index: int, item: Mapping[Any, Any], at: str, section: str = ""
) -> None:
    """Read one namespace into ``draft``, or a section of it."""
    for key, value in item.items():
        name = f"{section}{key}"
        shown = f"{at}.{name}"
        if name in NAMESPACE_OPTIONS and value is not None:
            path, option = f"{NAMESPACES}[{index}].{name}", NAMESPACE_OPTIONS[name]
            found = layer.fit(path, option, shown, value, read)
            if found is not None:
                draft[name] = layer.note(found, shown)
        elif name in UNBUILT_CHANNEL_SECTIONS and isinstance(value, dict):
            _read_namespace(layer, draft, index, value, at, f"{name}.")
        elif name not in NAMESPACE_NAMES:
            layer.do_not_know(shown, NAMESPACE_NAMES, f"{at}.")
        elif value is not None and not is_default(UNBUILT_CHANNEL.get(name), value):
            layer.warn(warning(shown))
