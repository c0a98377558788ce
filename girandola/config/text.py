"""The environment and the command line read into layers: names, and values that are text.

Variables are ``GIRANDOLA_`` or ``CENTRIFUGO_`` and the option's path in upper case with dots as
underscores; servers of 2018 read some others (classic.md section 2.3). Flags have the path itself,
or a name of 2018. Knows nothing of files.
"""

import json
import re
from collections.abc import Mapping

from girandola.config.classic import read_classic_flag, read_classic_variable
from girandola.config.generations.flat import FLAGS, TODAY_OF
from girandola.config.keys import lower_cased
from girandola.config.layers import NAMESPACES, Draft, Layer
from girandola.config.names import CLASSIC, CLASSIC_ENV, NEUTRAL
from girandola.config.problems import unfit
from girandola.config.schema import NAMESPACE_OPTIONS, OPTIONS
from girandola.config.tree import (
    NAMESPACE_NAMES,
    ignore_of_others,
    is_of_others,
    read_namespaces,
)
from girandola.config.unbuilt import LISTS, UNBUILT, UNBUILT_CHANNEL, is_default, warning
from girandola.config.values import read_text

_KUBERNETES = re.compile(
    r"(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)"
)
"""What Kubernetes sets in every container for a service named girandola or centrifugo."""


def env_name(path: str) -> str:
    """Return the part of the variable's name behind ``GIRANDOLA_`` or ``CENTRIFUGO_``."""
    return re.sub(r"[.-]", "_", path).upper()


_OPTIONS = {env_name(path): path for path in OPTIONS}
_UNBUILT = {env_name(path): default for path, default in UNBUILT.items()}
_UNBUILT_PATHS = {env_name(path): path for path in UNBUILT}
_UNBUILT_CHANNEL = {env_name(name): default for name, default in UNBUILT_CHANNEL.items()}
_LISTS = tuple(env_name(path) + "_" for path in LISTS)
_NAMESPACES = env_name(NAMESPACES) + "_"


# ── the environment ──────────────────────────────────────────────────────────────────────────


def read_environment(environ: Mapping[str, str], prefix: str, generation: int) -> Layer:
    """Read the variables of v1 or v6 that begin with ``prefix``. Empty ones count as not set.

    Variables for single options of a namespace wait for ``override_namespaces``.
    """
    layer = Layer("environment", environ)
    for variable, rest, text in variables(environ, prefix):
        if rest in _OPTIONS:
            _read_option(layer, _OPTIONS[rest], variable, text)
        elif rest == "GENERATION":
            continue
        elif rest in CLASSIC_ENV and (generation == 1 or rest.lower() in NEUTRAL):
            read_classic_variable(layer, CLASSIC_ENV[rest], variable, text)
        elif rest in _UNBUILT or rest.startswith(_LISTS):
            layer.carried[_UNBUILT_PATHS.get(rest, variable)] = layer.note(text, variable)
            if rest not in _UNBUILT or not is_default(_UNBUILT[rest], text):
                layer.warn(warning(variable))
        elif is_of_others(rest.lower(), generation):
            ignore_of_others(layer, variable, rest.lower(), generation)
        elif not rest.startswith(_NAMESPACES):
            layer.do_not_know(variable, (*_OPTIONS, *CLASSIC_ENV, *_UNBUILT), prefix)
    return layer


def override_namespaces(
    layer: Layer, environ: Mapping[str, str], prefix: str, drafts: list[Draft]
) -> list[Draft]:
    """Return the namespaces with what single variables set for them; notes go to ``layer``.

    ``GIRANDOLA_CHANNEL_NAMESPACES`` can be names separated by spaces: namespaces beside those that
    are there. Then ``GIRANDOLA_CHANNEL_NAMESPACES_<NAME>_<OPTION>``, where dots and hyphens of the
    name are underscores.
    """
    changed = [dict(draft) for draft in drafts]
    changed += _named(layer, environ, prefix + env_name(NAMESPACES), len(changed))
    for variable, rest, text in variables(environ, prefix):
        if not rest.startswith(_NAMESPACES):
            continue
        own = rest.removeprefix(_NAMESPACES)
        meant = [_override(layer, draft, i, variable, own, text) for i, draft in enumerate(changed)]
        if not any(meant):
            names = [env_name(str(draft["name"].value)) for draft in changed if "name" in draft]
            options = [env_name(name) for name in NAMESPACE_NAMES]
            known = [f"{name}_{option}" for name in names for option in options]
            layer.do_not_know(variable, known, prefix + _NAMESPACES)
    return changed


def variables(environ: Mapping[str, str], prefix: str) -> list[tuple[str, str, str]]:
    """Return full name, name without prefix, and value of the variables that may be meant."""
    found = []
    for variable in sorted(environ):
        rest, text = variable.removeprefix(prefix), environ[variable]
        own = rest != variable and text and not rest.startswith("VAR_")
        if own and not _is_kubernetes(rest, text):
            found.append((variable, rest, text))
    return found


def _is_kubernetes(rest: str, text: str) -> bool:
    if re.match(r"(tcp|udp|sctp)://", text) and re.fullmatch(r"(.*_)?PORT", rest):
        return True
    return _KUBERNETES.fullmatch(rest) is not None


def _override(layer: Layer, draft: Draft, index: int, variable: str, rest: str, text: str) -> bool:
    """Let one variable change one namespace; tell whether it is about that namespace at all."""
    own = env_name(str(draft["name"].value)) + "_" if "name" in draft else ""
    if not own or not rest.startswith(own):
        return False
    option = rest.removeprefix(own)
    name = option.lower()
    if name != "name" and name in NAMESPACE_OPTIONS:
        path = f"{NAMESPACES}[{index}].{name}"
        found = layer.fit(path, NAMESPACE_OPTIONS[name], variable, text, read_text)
        if found is not None:
            draft[name] = layer.note(found, variable)
        return True
    if option in _UNBUILT_CHANNEL:
        layer.carried[f"{NAMESPACES}[{index}].{name}"] = layer.note(text, variable)
    if option in _UNBUILT_CHANNEL and not is_default(_UNBUILT_CHANNEL[option], text):
        layer.warn(warning(variable))
    return option in _UNBUILT_CHANNEL


def _read_option(layer: Layer, path: str, name: str, text: str) -> None:
    """Read an option of today's tree."""
    if path == NAMESPACES:
        if not _are_names(text):
            _read_namespaces(layer, name, text)
        return
    found = layer.fit(path, OPTIONS[path], name, text, read_text)
    if found is not None:
        layer.give(path, found, name)


def _are_names(text: str) -> bool:
    """Tell whether a list of objects is given by their names, and not in JSON."""
    return not text.lstrip().startswith(("[", "{"))


def _named(layer: Layer, environ: Mapping[str, str], variable: str, first: int) -> list[Draft]:
    """Return the namespaces that a variable only names; ``first`` is the index of the first."""
    drafts: list[Draft] = []
    text = environ.get(variable, "")
    for index, name in enumerate(text.split() if _are_names(text) else (), first):
        path = f"{NAMESPACES}[{index}].name"
        found = layer.fit(path, NAMESPACE_OPTIONS["name"], variable, name, read_text)
        drafts.append({} if found is None else {"name": layer.note(found, variable)})
    return drafts


def _read_namespaces(layer: Layer, name: str, text: str) -> None:
    """Read namespaces in JSON, which replace those of the file."""
    try:
        value = lower_cased(json.loads(text))
    except (ValueError, RecursionError):
        expected = "a JSON list of objects, or names separated by spaces"
        layer.refuse(NAMESPACES, name, unfit(text, expected))
        return
    layer.give(NAMESPACES, read_namespaces(layer, name, value, strict=True), name)


# ── the command line ─────────────────────────────────────────────────────────────────────────


def read_flags(
    flags: Mapping[str, str], generation: int, environ: Mapping[str, str] | None = None
) -> Layer:
    """Read flags of v1 or v6: names without dashes, and text (true and false for booleans).

    Values may name variables of ``environ``.
    """
    layer = Layer("command line", environ)
    for flag, text in flags.items():
        name = f"--{flag}"
        if flag in OPTIONS:
            _read_option(layer, flag, name, text)
        elif flag in CLASSIC and (generation == 1 or flag in NEUTRAL):
            read_classic_flag(layer, CLASSIC[flag], name, text)
        elif flag in CLASSIC or flag in FLAGS:
            today = TODAY_OF.get(flag, "")
            expected = f", expected --{today}" if today else ""
            layer.refuse("", name, f"no flag of v{generation}{expected}")
        elif flag not in UNBUILT:
            layer.refuse("", name, "unknown flag")
        elif not is_default(UNBUILT[flag], text):
            layer.warn(warning(name))
    return layer
