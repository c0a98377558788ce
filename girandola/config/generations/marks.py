"""What tells generations apart in a configuration: every name with the generations that know it.

A name counts wherever it stands: at the top of the file, in an item of a list of objects, in the
environment, among the flags. What Kubernetes sets does not count. Decides nothing
(``detection.py``) and reads no values, but looks at their shape where that tells something
(config-generations.md section 1.1).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from girandola.config.file import ConfigFile
from girandola.config.generations.flat import (
    CHANNEL_OPTIONS,
    FLAGS,
    INTERVALS,
    NO_VARIABLE_IN_V2,
    TOP_OPTIONS,
    flat_generations,
)
from girandola.config.names import CLASSIC, CLASSIC_CHANNEL, CLASSIC_ENV, NEUTRAL
from girandola.config.schema import NAMESPACE_OPTIONS, OPTIONS, SECTIONS
from girandola.config.text import env_name, variables
from girandola.config.unbuilt import (
    LISTS,
    UNBUILT,
    UNBUILT_CHANNEL,
    UNBUILT_CHANNEL_SECTIONS,
    UNBUILT_SECTIONS,
)

ALL = frozenset({1, 2, 3, 4, 5, 6})
_TODAY = frozenset({6})
_NONE: frozenset[int] = frozenset()

OWN_SECTIONS = frozenset({"classic", "legacy", "sockjs"})
"""Objects that only girandola has. They go with every generation."""

_NESTED = {path.partition(".")[0] for path in (*OPTIONS, *SECTIONS, *UNBUILT, *UNBUILT_SECTIONS)}
_NAMESPACE_NAMES = {*NAMESPACE_OPTIONS, *UNBUILT_CHANNEL, *UNBUILT_CHANNEL_SECTIONS}
_VARIABLES = {env_name(path) for path in (*OPTIONS, *UNBUILT)}
_LISTED = tuple(env_name(path) + "_" for path in ("channel.namespaces", *LISTS))
_CONSUMER_OF_5 = re.compile(
    r"CONSUMERS_(POSTGRESQL_.+_DSN|KAFKA_.+_(BROKERS|SASL_USER|SASL_PASSWORD))"
)
_CLASSIC_SECONDS = frozenset(
    entry.name
    for entry in CLASSIC.values()
    if any(path in OPTIONS and OPTIONS[path].kind == "duration" for path in entry.targets)
) | {"history_lifetime"}

_PROXY_KEYS = {
    **dict.fromkeys(("http", "grpc"), _TODAY),
    **dict.fromkeys(
        ("static_http_headers", "http_status_to_code_transforms", "grpc_tls", "grpc_compression"),
        frozenset({5}),
    ),
    **dict.fromkeys(
        ("grpc_cert_file", "grpc_credentials_key", "grpc_credentials_value"), frozenset({3, 4, 5})
    ),
}
_CONSUMER_KEYS = {"disabled": frozenset({5}), "enabled": _TODAY}


class Mark(Struct, frozen=True):
    """One name that was found: which it is, where, and which generations know it.

    ``name`` is in lower case, and without the prefix of a variable or the dashes of a flag;
    ``shown`` is what stands in the source. ``fitting`` are the generations that can also read a
    value of that shape.
    """

    name: str
    shown: str
    source: str
    known_to: frozenset[int]
    value: Any = None
    fitting: frozenset[int] = ALL


def found_in(file: ConfigFile, environ: Mapping[str, str], flags: Mapping[str, str]) -> list[Mark]:
    """Return every name that some generation knows, flags last."""
    marks = [
        *_of_file(file),
        *(m for prefix in ("CENTRIFUGO_", "GIRANDOLA_") for m in _of_environment(environ, prefix)),
        *_of_flags(flags),
    ]
    return [mark for mark in marks if mark.known_to and mark.name != "generation"]


def known_to(name: str, value: Any) -> frozenset[int]:
    """Return the generations that know a key at the top of a file, by its name and its shape."""
    lower = name.lower()
    if lower in OWN_SECTIONS and isinstance(value, dict):
        return ALL
    known = flat_generations(lower) | (frozenset({1}) if lower in CLASSIC else _NONE)
    if lower in NEUTRAL and not isinstance(value, dict):
        return known | _TODAY
    if lower in _NESTED and not (known and lower in SECTIONS | UNBUILT_SECTIONS):
        return known | _TODAY
    return _TODAY if lower in _NESTED and isinstance(value, dict) else known


# ── the file ─────────────────────────────────────────────────────────────────────────────────


def _of_file(file: ConfigFile) -> Iterator[Mark]:
    for key, value in (file.tree or {}).items():
        name = str(key)
        if value is None:
            continue
        yield _mark(name, name, file.path, known_to(name, value), value)
        yield from _of_items(name.lower(), name, value, file.path)


def _of_items(name: str, shown: str, value: Any, source: str) -> Iterator[Mark]:
    """Yield the keys of the items of a list of objects."""
    for index, item in enumerate(value if isinstance(value, list) else ()):
        for key, below in item.items() if isinstance(item, dict) else ():
            if below is not None:
                known = _known_in_item(name, str(key).lower())
                yield _mark(str(key), f"{shown}[{index}].{key}", source, known, below)


def _known_in_item(of: str, key: str) -> frozenset[int]:
    if of == "proxies":
        return _PROXY_KEYS.get(key, _NONE)
    if of == "consumers":
        return _CONSUMER_KEYS.get(key, _NONE)
    if of != "namespaces":
        return _NONE
    known = flat_generations(key, CHANNEL_OPTIONS)
    known |= frozenset({1}) if key == "name" or key in CLASSIC_CHANNEL else _NONE
    return known or (_TODAY if key in _NAMESPACE_NAMES else _NONE)


# ── the environment and the command line ─────────────────────────────────────────────────────


def _of_environment(environ: Mapping[str, str], prefix: str) -> Iterator[Mark]:
    for variable, rest, text in variables(environ, prefix):
        yield _mark(rest, variable, "environment", _known_variable(rest), text)


def is_own_variable(rest: str) -> bool:
    """Tell whether a variable, without its prefix, is for a section that only girandola has.

    Those of SockJS have the names of older options.
    """
    return rest.startswith(("CLASSIC_", "LEGACY_")) and rest in _VARIABLES


def _known_variable(rest: str) -> frozenset[int]:
    name = rest.lower()
    if is_own_variable(rest) or (name in NEUTRAL and name in TOP_OPTIONS):
        return ALL
    known = flat_generations(name)
    if name in NO_VARIABLE_IN_V2:
        known -= {2}
    if rest in CLASSIC_ENV:
        known |= {1}
    if rest in _VARIABLES or rest.startswith(_LISTED) or name in NEUTRAL:
        known |= _TODAY
    return known | {5} if _CONSUMER_OF_5.fullmatch(rest) else known or _nested_of_5(name)


def _nested_of_5(name: str) -> frozenset[int]:
    """Return who knows a variable for one field of an object, such as ``nats_tls_enabled``."""
    objects = (n for n, option in TOP_OPTIONS.items() if option.kind == "object")
    return frozenset({5}) if any(name.startswith(f"{n}_") for n in objects) else _NONE


def _of_flags(flags: Mapping[str, str]) -> Iterator[Mark]:
    for flag, text in flags.items():
        yield _mark(flag, f"--{flag}", "command line", _known_flag(flag), text)


def _known_flag(flag: str) -> frozenset[int]:
    if flag in NEUTRAL.values() or (flag in NEUTRAL and flag in TOP_OPTIONS):
        return ALL
    known = FLAGS.get(flag, _NONE) | (frozenset({1}) if flag in CLASSIC else _NONE)
    nested = flag in NEUTRAL or ("." in flag and (flag in OPTIONS or flag in UNBUILT))
    return known | _TODAY if nested else known


# ── shapes ───────────────────────────────────────────────────────────────────────────────────


def _mark(name: str, shown: str, source: str, known: frozenset[int], value: Any) -> Mark:
    lower = name.lower()
    return Mark(lower, shown, source, known, value, _fitting(lower, value))


def _fitting(name: str, value: Any) -> frozenset[int]:
    """Return who can read a value of that shape; only times tell."""
    if name not in INTERVALS and name not in _CLASSIC_SECONDS:
        return ALL
    if has_unit(value):
        return frozenset({3, 4, 5, 6})
    return frozenset({1, 2}) if is_bare_number(value) else ALL


def has_unit(value: Any) -> bool:
    """Tell whether the value is a text such as ``"25s"``."""
    return isinstance(value, str) and re.fullmatch(r"\s*[-+]?[0-9.]+[a-zµμ].*", value) is not None


def is_bare_number(value: Any) -> bool:
    """Tell whether the value is a number other than 0, or a text of one."""
    if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]{1,19}", value):
        return int(value) != 0
    return isinstance(value, int | float) and not isinstance(value, bool) and value != 0
