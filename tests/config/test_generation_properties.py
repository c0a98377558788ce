"""No guess about the generation opens anything: three properties of random configurations.

What a configuration lets people do is asked of its options, and of a few sessions on a server made
of it, for one user with a token, one without, and every kind of channel.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from girandola.config.generations.flat import CHANNEL_OPTIONS, TOP_OPTIONS
from girandola.config.load import ConfigError, Loaded, load
from girandola.config.names import CLASSIC, CLASSIC_CHANNEL
from girandola.config.schema import OPTIONS, Config
from girandola.config.text import env_name
from tests.config.visitors import Server

KEY = "k"

_CHANNEL = sorted({*CHANNEL_OPTIONS, *CLASSIC_CHANNEL} - {"name", "proxy_cache_empty"})
_TOP = sorted(
    name
    for name in {*TOP_OPTIONS, *CLASSIC}
    if name.startswith(
        ("client_", "allow_", "disallow_", "token_hmac", "api_", "insecure", "secret", "v3_", "v5_")
    )
)
_SECONDS = {"history_lifetime": 60}
_TEXTS = {
    "history_ttl": "60s",
    "history_meta_ttl": "100h",
    "channel_regex": "",
    "force_recovery_mode": "",
    "secret": KEY,
    "token_hmac_secret_key": KEY,
    "api_key": KEY,
    "allowed_delta_types": ["fossil"],
    "allowed_origins": ["https://a.example"],
    "subscribe_proxy_name": "",
    "publish_proxy_name": "",
    "sub_refresh_proxy_name": "",
    "subscribe_stream_proxy_name": "",
}
MARKS = {
    1: {"watch": False},
    2: {"v3_use_offset": True},
    3: {"use_unlimited_history_by_default": False},
    4: {"v5_api": True},
    5: {"delta_publish": False},
    6: {"http_api": {"disabled": False}},
}
"""A name that only one generation has, and that lets nobody do anything."""


def kind_of(name: str) -> str:
    option = CHANNEL_OPTIONS.get(name) or TOP_OPTIONS.get(name)
    return option.kind if option is not None else CLASSIC[name].kind


def value_of(name: str) -> st.SearchStrategy[Any]:
    if name in _SECONDS:
        return st.sampled_from([0, _SECONDS[name]])
    if name in _TEXTS:
        return st.just(_TEXTS[name])
    kind = kind_of(name)
    if kind == "bool":
        return st.booleans()
    return st.just(0 if kind == "interval" else 5 if kind == "int" else "")


def knows(name: str, generation: int) -> bool:
    flat = TOP_OPTIONS.get(name) or CHANNEL_OPTIONS.get(name)
    if generation == 1:
        return name in CLASSIC or name in CLASSIC_CHANNEL
    return flat is not None and generation in flat.generations


@st.composite
def flat(draw: st.DrawFn, generation: int) -> dict[str, Any]:
    """Draw options that one of v1 to v5 knows, at the top and in a namespace."""
    names = [name for name in (*_CHANNEL, *_TOP) if knows(name, generation)]
    names = [name for name in names if name != "history_meta_ttl"]
    inside = [name for name in _CHANNEL if name in names and name != "proxy_stream_subscribe"]
    top = draw(st.lists(st.sampled_from(names), max_size=6, unique=True))
    options = {name: draw(value_of(name)) for name in top}
    if draw(st.booleans()):
        own = draw(st.lists(st.sampled_from(inside), max_size=5, unique=True))
        namespace = {name: draw(value_of(name)) for name in own}
        options["namespaces"] = [{"name": "ns", **namespace}]
    return options


@st.composite
def nested(draw: st.DrawFn) -> dict[str, Any]:
    """Draw options of v6."""
    permissions = st.dictionaries(
        st.sampled_from([name for name in _CHANNEL if name.startswith(("allow_s", "allow_p"))]),
        st.booleans(),
        max_size=5,
    )
    options: dict[str, Any] = {"channel": {"without_namespace": draw(permissions)}}
    if draw(st.booleans()):
        options["channel"]["namespaces"] = [{"name": "ns", **draw(permissions)}]
    if draw(st.booleans()):
        options["client"] = {"allow_anonymous_connect_without_token": draw(st.booleans())}
    return options


def configuration(generation: int) -> st.SearchStrategy[dict[str, Any]]:
    return nested() if generation == 6 else flat(generation)


GENERATIONS = st.integers(1, 6)


def read(
    options: dict[str, Any],
    generation: int | None = None,
    environ: dict[str, str] | None = None,
) -> Loaded | None:
    """Load options, as of a stated generation; ``None`` where they are refused."""
    stated = {} if generation is None else {"generation": f"v{generation}"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(stated | options))
        try:
            return load(str(path), environ)
        except ConfigError:
            return None


# ── what is granted ──────────────────────────────────────────────────────────────────────────

CHANNELS = ["x", "ns:x", "$x", "x#42", "x#43", "ns:x#42"]


def granted(config: Config) -> set[str]:
    """Return what strangers and a user with a token may do."""
    found = {f"origin {origin}" for origin in config.client.allowed_origins}
    if config.http_api.insecure:
        found.add("api without a key")
    if config.classic.allow_empty_secret and not config.classic.secret:
        found.add("forged tokens of 2018")
    server = Server(config, KEY)
    for who in (None, "42"):
        if server.visit(who).connected != 0:
            continue
        found.add(f"{who} connects")
        for channel in CHANNELS:
            visitor = server.visit(who)
            may = {
                "publishes from outside": visitor.publish(channel),
                "subscribes": visitor.subscribe(channel),
                "sees members": visitor.presence(channel),
                "reads": visitor.history(channel),
                "publishes": visitor.publish(channel),
            }
            found |= {f"{who} {what} {channel}" for what, code in may.items() if code == 0}
    return found


def names_in(options: dict[str, Any]) -> set[str]:
    """Return all names, those of a namespace with a mark."""
    inside = {f"ns.{name}" for item in options.get("namespaces", ()) for name in item}
    return set(options) | inside


def all_known(options: dict[str, Any], generation: int) -> bool:
    if generation == 6:
        return set(options) <= {"channel", "client", "http_api"}
    names = {name.removeprefix("ns.") for name in names_in(options)} - {"name"}
    return all(name == "namespaces" or knows(name, generation) for name in names)


# ── the properties ───────────────────────────────────────────────────────────────────────────


def merged(base: dict[str, Any], added: dict[str, Any]) -> dict[str, Any]:
    """Return both in one file, their namespaces in one; ``base`` wins."""
    both = added | base
    if "namespaces" in base and "namespaces" in added:
        both["namespaces"] = [added["namespaces"][0] | base["namespaces"][0]]
    return both


@settings(max_examples=60, deadline=None)
@given(data=st.data(), one=GENERATIONS, other=GENERATIONS)
def test_names_of_another_generation_are_refused_or_are_names_of_this_one(
    data: st.DataObject, one: int, other: int
) -> None:
    """A configuration that has a mark of its own is never read as anything else."""
    base = data.draw(configuration(one)) | MARKS[one]
    both = merged(base, data.draw(configuration(other)))
    found = read(both)
    if not all_known(both, one):
        assert found is None
    elif found is not None:
        assert found.generation == one


@settings(max_examples=60, deadline=None)
@given(data=st.data(), generation=st.integers(1, 5))
def test_what_was_guessed_grants_nothing_that_another_reading_would_not(
    data: st.DataObject, generation: int
) -> None:
    """Where several generations know every name, the reading is the one that opens least."""
    options = data.draw(flat(generation))
    found = read(options)
    assume(found is not None)
    assert found is not None
    for candidate in range(1, 6):
        if candidate == found.generation or not all_known(options, candidate):
            continue
        other = read(options, candidate)
        if other is not None:
            more = granted(found.config) - granted(other.config)
            assert not more, (found.generation, candidate, more)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), one=GENERATIONS, other=st.integers(1, 5), stated=st.booleans())
def test_variables_of_another_generation_grant_nothing_that_neither_grants_alone(
    data: st.DataObject, one: int, other: int, stated: bool
) -> None:
    base = data.draw(configuration(one)) | MARKS[one]
    if one in (2, 3, 4, 5):
        base["token_hmac_secret_key"] = KEY
    added = data.draw(flat(other))
    added.pop("namespaces", None)
    own = {env_name(path).lower() for path in OPTIONS} if one in (1, 6) else set()
    added = {name: v for name, v in added.items() if not knows(name, one) and name not in own}
    environ = {f"CENTRIFUGO_{name.upper()}": text_of(value) for name, value in added.items()}
    generation = one if stated else None
    alone, mixture = read(base, generation), read(base, generation, environ)
    if alone is None or mixture is None:
        return
    union = granted(alone.config)
    by_itself = read(added, other)
    if by_itself is not None:
        union |= granted(by_itself.config)
    assert granted(mixture.config) <= union


def text_of(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value)
    return json.dumps(value) if isinstance(value, bool) else str(value)
