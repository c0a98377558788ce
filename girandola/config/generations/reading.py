"""A configuration of v2 to v5 read from file, environment and flags: names and cast values.

The result is one table of the names of that generation, flags over environment over file, and the
lists of objects with their items read likewise. What leniency changed is told, and refused where it
would loosen (config-generations.md section 3). Knows nothing of today's options (``meaning.py``).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from girandola.config.file import ConfigFile
from girandola.config.generations.casting import cast, cast_in_item, read_strictly
from girandola.config.generations.flat import (
    CHANNEL_OPTIONS,
    NO_VARIABLE_IN_V2,
    TOP_OPTIONS,
    FlatOption,
    flat_generations,
    options_of,
    versions,
)
from girandola.config.generations.marks import OWN_SECTIONS, is_own_variable, known_to
from girandola.config.layers import Given, Layer
from girandola.config.names import NEUTRAL
from girandola.config.problems import Problem, Unfit, show, unfit
from girandola.config.text import variables
from girandola.config.variables import named_in
from girandola.config.yes_no import as_older_servers

RESTRICTING = frozenset(
    {
        "protected",
        "server_side",
        "subscribe_to_publish",
        "presence_disable_for_client",
        "history_disable_for_client",
        "disallow_anonymous_connection_tokens",
        "granular_proxy_mode",
        "proxy_subscribe",
        "proxy_subscribe_stream",
        "proxy_stream_subscribe",
        "separate_subscription_token_config",
        "tls",
        "tls_autocert",
        "grpc_api_tls",
        "uni_grpc_tls",
        "api_disable",
        "websocket_disable",
        "sockjs_disable",
    }
)
"""Booleans that close something. The old servers read ``"yes"`` as false, which opened it."""

PROXY_ITEM = {
    name: FlatOption(name, kind, frozenset({3, 4, 5}))
    for name, kind in {
        "name": "string",
        "endpoint": "string",
        "timeout": "timeout",
        "http_headers": "list",
        "grpc_metadata": "list",
        "binary_encoding": "bool",
        "include_connection_meta": "bool",
        "grpc_cert_file": "string",
        "grpc_credentials_key": "string",
        "grpc_credentials_value": "string",
    }.items()
} | {
    name: FlatOption(name, kind, frozenset({5}))
    for name, kind in {
        "static_http_headers": "object",
        "http_status_to_code_transforms": "objects",
        "grpc_tls": "object",
        "grpc_compression": "bool",
    }.items()
}
"""What an item of ``proxies`` may have."""

RPC_ITEM = {
    name: FlatOption(name, "string", frozenset({3, 4, 5})) for name in ("name", "rpc_proxy_name")
}
CONSUMER_ITEM = {
    name: FlatOption(name, kind, frozenset({5}))
    for name, kind in {
        "name": "string",
        "type": "string",
        "disabled": "bool",
        "postgresql": "object",
        "kafka": "object",
    }.items()
}

ITEMS = {
    "namespaces": CHANNEL_OPTIONS,
    "proxies": PROXY_ITEM,
    "rpc_namespaces": RPC_ITEM,
    "consumers": CONSUMER_ITEM,
}
"""Lists of objects, with what an item of each may have."""

_NOUNS = {"bool": "boolean", "int": "number"}

Item = dict[str, Given]


class Flat(Struct, kw_only=True):
    """What a configuration of v2 to v5 says: cast values with their origins, by name.

    The value of a list of objects is a list of ``Item``. ``maybe_of_4`` tells whether nothing in
    it is known to v5 only.
    """

    generation: int
    maybe_of_4: bool = False
    values: dict[str, Given] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of an option, or what holds without it."""
        given = self.values.get(name)
        return default if given is None else given.value

    def items(self, name: str) -> list[Item]:
        """Return the items of a list of objects."""
        found: list[Item] = self.get(name, [])
        return found


def read_flat(
    generation: int,
    file: ConfigFile,
    environ: Mapping[str, str],
    flags: Mapping[str, str],
    layers: Mapping[str, Layer],
) -> Flat:
    """Read all sources; what there is to say goes to the layer of each.

    ``layers`` has one for file, environment and flags.
    """
    reader = _Reader(generation, options_of(generation, TOP_OPTIONS))
    flat = Flat(generation=generation)
    flat.values |= reader.file(file, layers["file"])
    for prefix in ("CENTRIFUGO_", "GIRANDOLA_"):
        flat.values |= reader.environment(environ, prefix, layers["environment"])
    flat.values |= reader.flags(flags, layers["flags"])
    return flat


class _Reader:
    """Reads by the table of one generation."""

    def __init__(self, generation: int, options: Mapping[str, FlatOption]) -> None:
        self._generation = generation
        self._options = options

    def file(self, file: ConfigFile, layer: Layer) -> dict[str, Given]:
        found: dict[str, Given] = {}
        in_json = file.format == "json"
        for line in file.warnings:
            layer.warn(line)
        for name, shown, value in _keys(as_older_servers(file.tree or {}), "", layer):
            option = self._options.get(name)
            if option is not None:
                given = self._value(layer, option, shown, value, in_json)
                found |= {} if given is None else {name: given}
            elif name == "generation" or (name in OWN_SECTIONS and isinstance(value, dict)):
                continue
            else:
                self._foreign(layer, name, shown, known_to(shown, value), self._options)
        return found

    def environment(
        self, environ: Mapping[str, str], prefix: str, layer: Layer
    ) -> dict[str, Given]:
        found: dict[str, Given] = {}
        for variable, rest, text in variables(environ, prefix):
            name = rest.lower()
            option = self._options.get(name)
            bound = self._generation > 2 or name not in NO_VARIABLE_IN_V2
            if option is not None and bound:
                given = self._text(layer, option, variable, text)
                found |= {} if given is None else {name: given}
            elif name == "generation" or is_own_variable(rest):
                continue
            elif not self._field(found, layer, name, variable, text):
                known = [prefix + option.upper() for option in self._options]
                self._foreign(layer, name, variable, flat_generations(name), known, prefix)
        return found

    def flags(self, flags: Mapping[str, str], layer: Layer) -> dict[str, Given]:
        found: dict[str, Given] = {}
        for flag, text in flags.items():
            option = self._options.get(flag)
            if option is not None:
                given = self._flag(layer, option, f"--{flag}", text)
                found |= {} if given is None else {flag: given}
            elif flag != "generation" and flag not in NEUTRAL.values():
                detail = f"no flag of v{self._generation}, expected one that it has"
                layer.refuse("", f"--{flag}", detail)
        return found

    def _flag(self, layer: Layer, option: FlatOption, shown: str, text: str) -> Given | None:
        """Read a flag. On the command line the servers of all generations were strict."""
        if option.kind in _NOUNS and not cast(option.kind, text, self._generation).fits:
            expected = "true or false" if option.kind == "bool" else "a whole number"
            layer.refuse("", shown, unfit(text, expected))
            return None
        return self._text(layer, option, shown, text)

    # ── values ───────────────────────────────────────────────────────────────────────────────

    def _value(
        self, layer: Layer, option: FlatOption, shown: str, value: Any, in_json: bool = False
    ) -> Given | None:
        """Read one value at the top, or a text."""
        if named_in(value):
            layer.refuse("", shown, _unreplaced(value, option.name))
            return None
        if not option.target and option.kind != "items" and value:
            layer.warn(f'"{shown}" of v{self._generation} has no counterpart, it has no effect')
            return None
        try:
            found = cast(option.kind, value, self._generation, numbers_are_floats=in_json)
        except Unfit as error:
            layer.refuse("", shown, unfit(value, error.expected, _is_secret(option.name)))
            return None
        if not found.fits and not self._tell_of_zero(layer, option, shown, value, found.value):
            return None
        if option.kind == "items":
            return layer.note(self._items(layer, option.name, shown, found.value), shown)
        return layer.note(found.value, shown)

    def _text(self, layer: Layer, option: FlatOption, shown: str, text: str) -> Given | None:
        """Read a variable or a flag; objects and lists of them are JSON there."""
        if option.kind not in ("items", "object", "objects"):
            return self._value(layer, option, shown, text)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict if option.kind == "object" else list):
            kind = "an object" if option.kind == "object" else "a list of objects"
            layer.refuse("", shown, unfit(text, f"{kind} in JSON", secret=True))
            return None
        if isinstance(value, list) and option.kind == "items":
            value = self._items(layer, option.name, shown, value, strict=True)
        return layer.note(value, shown)

    def _field(
        self, found: dict[str, Given], layer: Layer, name: str, variable: str, text: str
    ) -> bool:
        """Read a variable for one field of an object; tell whether it is one."""
        for own, option in self._options.items():
            if option.kind == "object" and name.startswith(f"{own}_"):
                before = found[own].value if own in found else {}
                value = {**before, name.removeprefix(f"{own}_"): text}
                found[own] = layer.note(value, variable)
                return True
        return False

    def _tell_of_zero(
        self, layer: Layer, option: FlatOption, shown: str, value: Any, zero: Any
    ) -> bool:
        """Warn that a value became zero; refuse, and return false, where zero opens something."""
        if option.kind == "items":
            secret = _is_secret(option.name)
            layer.refuse("", shown, unfit(value, "a list of objects", secret))
            return False
        if option.name in RESTRICTING:
            expected = (
                f"true or false: v{self._generation} took this for false, and that opens what it "
                "is to close"
            )
            layer.refuse("", shown, unfit(value, expected))
            return False
        layer.warn(
            f"{shown}: {show(value, _is_secret(option.name))} is no "
            f"{_NOUNS.get(option.kind, option.kind)}; taken as {show(zero)}, as "
            f"v{self._generation} did"
        )
        return True

    # ── items ────────────────────────────────────────────────────────────────────────────────

    def _items(
        self, layer: Layer, of: str, shown: str, value: list[Any], *, strict: bool = False
    ) -> list[Item]:
        """Read the items of a list of objects."""
        items = []
        for index, item in enumerate(value):
            at = f"{shown}[{index}]"
            if isinstance(item, dict):
                items.append(self._item(layer, ITEMS[of], at, item, strict))
            else:
                layer.refuse("", at, unfit(item, "an object of options", _is_secret(of)))
        return items

    def _item(
        self,
        layer: Layer,
        table: dict[str, FlatOption],
        at: str,
        item: Mapping[Any, Any],
        strict: bool,
    ) -> Item:
        options = options_of(self._generation, table)
        reader = read_strictly if strict else cast_in_item
        found: Item = {}
        for name, shown, value in _keys(item, f"{at}.", layer):
            option = options.get(name)
            if option is None:
                known = [f"{at}.{option}" for option in options]
                self._foreign(layer, name, shown, flat_generations(name, table), known, f"{at}.")
                continue
            if named_in(value):
                layer.refuse("", shown, _unreplaced(value, name))
                continue
            if value == "" and name in RESTRICTING:
                layer.refuse("", shown, unfit(value, "true or false"))
                continue
            try:
                found[name] = layer.note(reader(option.kind, value, self._generation), shown)
            except Unfit as error:
                layer.refuse("", shown, unfit(value, error.expected, _is_secret(name)))
        return found

    # ── names of others ──────────────────────────────────────────────────────────────────────

    def _foreign(
        self,
        layer: Layer,
        name: str,
        shown: str,
        known: frozenset[int],
        candidates: Any,
        prefix: str = "",
    ) -> None:
        """Tell of a name that this generation does not know."""
        if not known:
            layer.do_not_know(shown, candidates, prefix)
            return
        closes = ": it closes nothing" if name in RESTRICTING else ""
        layer.ignore(
            f'"{shown}" is an option of {versions(known)}, it has no effect in '
            f"v{self._generation}{closes}"
        )


def _keys(tree: Mapping[Any, Any], prefix: str, layer: Layer) -> Iterator[tuple[str, str, Any]]:
    """Yield name in lower case, what is shown, and value of every key that is set.

    Two keys that differ in case only and disagree are refused: the old servers took either.
    """
    seen: dict[str, tuple[str, Any]] = {}
    for key, value in tree.items():
        shown, name = f"{prefix}{key}", str(key).lower()
        before = seen.setdefault(name, (shown, value))
        if before[1] != value:
            detail = f'differs from "{before[0]}" in case and in value, expected only one of them'
            layer.problems.append(Problem(layer.source, shown, detail))
        elif value is not None:
            yield name, shown, value


def _unreplaced(value: str, name: str) -> str:
    """Return what is wrong with ``${…}``: as a key it would be one that everybody knows."""
    expected = f"the value itself: {named_in(value)} is put into values of v6 only"
    return unfit(value, expected, _is_secret(name))


def _is_secret(name: str) -> bool:
    """Tell whether what stands at the name may be a secret, or a connection string with one."""
    return any(part in name for part in _SECRET)


_SECRET = ("secret", "password", "key", "dsn", "credentials", "proxies", "consumers", "static")
