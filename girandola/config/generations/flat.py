"""The flat option names of Centrifugo 2 to 5: which generation knows which, and what each sets.

The facts stand in ``flat.json`` (config-generations.md section 2), a row an option: name, kind,
generations, and the path of today that gets its value as it is. ``=`` there says that the value
takes part in a rule (``meaning.py`` and its neighbours), nothing that it has no counterpart. Where
rows share a path, later ones win unless they are empty. Knows nothing of where values come from.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from girandola.config.names import CLASSIC, TOP

FLAT_GENERATIONS = (2, 3, 4, 5)

BY_RULE = "="
"""Target of an option that takes part in a rule."""


class FlatOption(Struct, frozen=True):
    """One option of Centrifugo 2 to 5.

    ``kind`` is bool, int, string, list, commas (a text with commas that is a list), interval
    (seconds in v2, a duration later), timeout (the same, with fractions of seconds in v2), object,
    objects, items (a list of objects with options of their own) or any.
    """

    name: str
    kind: str
    generations: frozenset[int]
    target: str = ""


def _option(row: list[str]) -> FlatOption:
    name, kind, span, target = row
    first, _, last = span.partition("-")
    return FlatOption(name, kind, frozenset(range(int(first), int(last or first) + 1)), target)


def _table(rows: Iterable[list[str]]) -> dict[str, FlatOption]:
    return {row[0]: _option(row) for row in rows}


_FILE = json.loads(Path(__file__).with_name("flat.json").read_text("utf-8"))
_IN_NAMESPACES = ("channel", "channel_in_a_namespace")

CHANNEL_OPTIONS = _table(row for theme in _IN_NAMESPACES for row in _FILE[theme])
"""What an item of ``namespaces`` may have; targets are names of channel options."""

TOP_OPTIONS = _table(
    row for theme in _FILE if theme not in _IN_NAMESPACES for row in _FILE[theme]
) | _table(_FILE["channel"])
"""What may stand at the top. Channel options, whose targets are those of a namespace, are last."""

CHANNEL_NAMES = frozenset(row[0] for row in _FILE["channel"])
"""Channel options that may stand at the top, for channels without a namespace."""

INTERVALS = frozenset(
    name for name, option in (TOP_OPTIONS | CHANNEL_OPTIONS).items() if option.kind == "interval"
)
"""Names of times: whole seconds in v1 and v2, durations with a unit from v3 on."""

_PRO = re.compile(r".+_(rate_limit|cel)")
"""Options of the paid edition, too many to list, for v3 to v5."""

NO_VARIABLE_IN_V2 = frozenset({"client_user_connection_limit", "gomaxprocs"})
"""What v2, which reads a fixed list of variables, does not read from the environment."""


def flat_generations(name: str, table: dict[str, FlatOption] = TOP_OPTIONS) -> frozenset[int]:
    """Return the generations from 2 on that know the name, which is in lower case."""
    option = table.get(name)
    if option is not None:
        return option.generations
    return frozenset({3, 4, 5}) if _PRO.fullmatch(name) else frozenset()


def options_of(generation: int, table: dict[str, FlatOption]) -> dict[str, FlatOption]:
    """Return the options that one generation knows."""
    return {name: option for name, option in table.items() if generation in option.generations}


# ── the command line ─────────────────────────────────────────────────────────────────────────

_FLAGS = {
    "2-5": "config engine name address port broker log_level log_file pid_file debug admin "
    "admin_external prometheus health client_insecure api_insecure admin_insecure internal_address "
    "internal_port tls tls_cert tls_key tls_external grpc_api grpc_api_port grpc_api_tls "
    "grpc_api_tls_cert grpc_api_tls_key grpc_api_tls_disable nats_url",
    "2": "redis_host redis_port redis_password redis_db redis_url redis_tls redis_tls_skip_verify "
    "redis_master_name redis_sentinels redis_sentinel_password",
    "3-5": "redis_address tarantool_address sockjs sse http_stream uni_websocket uni_sse "
    "uni_http_stream uni_grpc uni_grpc_port",
    "4-5": "api_external",
    "5": "swagger",
}

FLAGS = {
    name: _option([name, "", span, ""]).generations
    for span, names in _FLAGS.items()
    for name in names.split()
    if name != "config"
}
"""The flags of v2 to v5, each with the generations that have it; they are named as the options."""


TODAY_OF = {
    name: (TOP if name in CHANNEL_NAMES else "") + option.target
    for name, option in TOP_OPTIONS.items()
    if option.target not in ("", BY_RULE)
}
TODAY_OF |= {
    name: entry.targets[0]
    for name, entry in CLASSIC.items()
    if entry.targets and name not in TODAY_OF
}
"""What flat names are today, where their values are copied."""


# ── words ────────────────────────────────────────────────────────────────────────────────────


def versions(generations: Iterable[int]) -> str:
    """Return generations as they are written: ``v2``, ``v4/v5``, ``v1–v5``."""
    found = sorted(generations)
    if len(found) > 2 and found == list(range(found[0], found[-1] + 1)):
        return f"v{found[0]}–v{found[-1]}"
    return "/".join(f"v{generation}" for generation in found)
