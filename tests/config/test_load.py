"""Loading: the order of layers, what a reload can tell, and errors that name everything."""

import json
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from girandola.config.load import ConfigError, load, reload_differences
from girandola.config.names import CLASSIC
from girandola.config.schema import OPTIONS, SECTIONS, Config

EXAMPLE = Path(__file__).parents[1] / "data" / "example-config.json"


def write(folder: Path, options: Any, name: str = "config.json") -> str:
    path = folder / name
    if name.endswith(".json"):
        path.write_text(json.dumps(options))
    elif name.endswith(".toml"):
        path.write_text(tomli_w.dumps(options))
    else:
        path.write_text(yaml.safe_dump(options))
    return str(path)


def errors(folder: Path, options: Any, **more: Any) -> list[str]:
    """Return the lines of the refusal, without the folder."""
    with pytest.raises(ConfigError) as caught:
        load(write(folder, options), **more)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def warnings(folder: Path, options: Any, **more: Any) -> list[str]:
    loaded = load(write(folder, options), **more)
    return [line.replace(f"{folder}/", "") for line in loaded.warnings]


# ── layers ───────────────────────────────────────────────────────────────────────────────────


def test_without_anything_the_defaults_hold_and_the_missing_file_is_a_warning(
    tmp_path: Path,
) -> None:
    loaded = load(str(tmp_path / "none.json"))
    assert loaded.config == Config()
    assert not loaded.found
    assert not loaded.classic
    assert [line.partition(": ")[2] for line in loaded.warnings] == [
        "config file not found, going on with environment and command line"
    ]


def test_flags_win_over_girandola_over_centrifugo_over_file_over_defaults(tmp_path: Path) -> None:
    path = write(tmp_path, {"http_server": {"port": 1}, "log": {"file": "f"}, "pid_file": "f"})
    names = {"CENTRIFUGO_HTTP_SERVER_PORT": "2", "CENTRIFUGO_LOG_FILE": "c"}
    assert load(path).config.http_server.port == 1
    assert load(path, names).config.http_server.port == 2
    names |= {"GIRANDOLA_HTTP_SERVER_PORT": "3"}
    assert load(path, names).config.http_server.port == 3
    loaded = load(path, names, {"http_server.port": "4"})
    assert loaded.config.http_server.port == 4
    assert loaded.config.log.file == "c"
    assert loaded.config.pid_file == "f"
    assert loaded.config.log.level == "info"


def test_names_of_2018_and_of_today_may_meet_in_different_layers(tmp_path: Path) -> None:
    path = write(tmp_path, {"http_server": {"port": 1}})
    assert load(path, {}, {"port": "8088"}).config.http_server.port == 8088
    path = write(tmp_path, {"port": "7000", "secret": "s", "generation": "v1"})
    assert load(path, {"GIRANDOLA_HTTP_SERVER_PORT": "9"}).config.http_server.port == 9


@pytest.mark.parametrize("name", ["config.json", "config.toml", "config.yaml", "config.yml"])
def test_every_format_says_the_same(tmp_path: Path, name: str) -> None:
    options = {
        "client": {"ping_interval": "30s", "allowed_origins": ["https://a.example"]},
        "channel": {"namespaces": [{"name": "chat", "history_size": 5, "history_ttl": "1m"}]},
    }
    config = load(write(tmp_path, options, name)).config
    assert config.client.ping_interval == 30
    assert config.client.allowed_origins == ("https://a.example",)
    assert [(n.name, n.history_ttl) for n in config.channel.namespaces] == [("chat", 60)]


def test_null_and_empty_sections_count_as_not_set(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("client:\nlog:\n  level:\n")
    loaded = load(str(tmp_path / "config.yaml"))
    assert loaded.config == Config()
    assert loaded.warnings == ()


def test_loading_twice_gives_the_same(tmp_path: Path) -> None:
    """A reload is another call, and nothing is remembered between."""
    path = write(tmp_path, json.loads(EXAMPLE.read_text()))
    assert load(path, {"CENTRIFUGO_WATCH": "0"}) == load(path, {"CENTRIFUGO_WATCH": "0"})


def test_a_reload_tells_what_cannot_change_while_running(tmp_path: Path) -> None:
    old = load(write(tmp_path, {"node": {"name": "a"}})).config
    new = load(
        write(
            tmp_path, {"node": {"name": "b"}, "http_server": {"port": 1}, "log": {"level": "warn"}}
        )
    ).config
    assert reload_differences(old, new) == ["http_server.port", "node.name"]
    assert reload_differences(old, old) == []


# ── whole files ──────────────────────────────────────────────────────────────────────────────


def test_the_example_of_the_founding_description_loads_without_a_word() -> None:
    loaded = load(str(EXAMPLE))
    assert loaded.warnings == ()
    assert loaded.classic
    config = loaded.config
    top, (public,) = config.channel.without_namespace, config.channel.namespaces
    assert (top.history_size, top.history_ttl, top.force_recovery) == (100, 3600, True)
    assert (public.name, public.history_size, public.history_ttl) == ("public", 10, 30)
    assert not public.force_recovery
    assert not public.history_drop_inactive
    assert top.history_drop_inactive
    assert top.allow_subscribe_for_client
    assert public.allow_subscribe_for_client
    assert not top.allow_subscribe_for_anonymous
    assert config.log.level == "debug"
    assert config.classic.secret == config.client.token.hmac_secret_key == "secret"
    assert config.admin.password == "123456"


CENTRIFUGO_6 = {
    "http_server": {"port": 8001, "internal_port": "", "tls": {"enabled": False}},
    "engine": {"type": "memory", "redis": {"address": ["redis://127.0.0.1:6379"]}},
    "broker": {"enabled": False, "postgres": {"cleanup_interval": "60s"}},
    "client": {
        "token": {"hmac_secret_key": "key", "user_id_claim": "uid"},
        "allowed_origins": ["http://localhost:3000"],
        "proxy": {"connect": {"enabled": False, "timeout": "1000ms", "http": {"tls": {}}}},
        "subscribe_to_user_personal_channel": {"enabled": True, "single_connection": True},
    },
    "channel": {
        "without_namespace": {
            "presence": True,
            "history_size": 10,
            "history_ttl": "300s",
            "force_recovery": True,
            "allow_subscribe_for_client": True,
            "allowed_delta_types": [],
            "map": {"mode": ""},
        },
        "namespaces": [
            {
                "name": "chat.rooms",
                "join_leave": True,
                "subscription_type": "",
                "publish_proxy_enabled": False,
            }
        ],
        "history_meta_ttl": "720h",
    },
    "rpc": {"ping": {"enabled": True}, "namespaces": []},
    "http_api": {"key": "api-key"},
    "websocket": {"compression": False, "write_timeout": "1000ms"},
    "admin": {"enabled": False, "password": "p", "secret": "s", "external": False},
    "prometheus": {"enabled": False, "handler_prefix": "/metrics"},
    "shutdown": {"timeout": "30s"},
    "consumers": [],
}


def test_a_configuration_of_centrifugo_6_loads_without_a_word(tmp_path: Path) -> None:
    """Options that are not built yet are no news while they say what holds anyway."""
    loaded = load(write(tmp_path, CENTRIFUGO_6))
    assert loaded.warnings == ()
    assert not loaded.classic
    config = loaded.config
    assert config.http_server.port == 8001
    assert config.client.token.user_id_claim == "uid"
    assert config.channel.without_namespace.force_recovery
    assert not config.channel.without_namespace.allow_user_limited_channels
    assert config.channel.namespaces[0].name == "chat.rooms"
    assert config.client.queue_max_size == 1048576
    assert config.client.allowed_origins == ("http://localhost:3000",)


def test_signatures_with_two_readings_are_warned_of(tmp_path: Path) -> None:
    options = {"classic": {"secret": "s", "allow_ambiguous_signatures": True}}
    (line,) = load(write(tmp_path, options)).warnings
    assert line.startswith("SECURITY: classic.allow_ambiguous_signatures is on")
    assert load(write(tmp_path, {"classic": {"secret": "s"}})).warnings == ()


# ── names that do nothing ────────────────────────────────────────────────────────────────────


def test_unknown_names_are_told_with_the_nearest_known_one(tmp_path: Path) -> None:
    options = {
        "clent": {},
        "client": {"ping_intreval": "1s", "zzz": 1},
        "channel": {"namespaces": [{"name": "chat", "presense": True}]},
    }
    loaded = load(write(tmp_path, options))
    assert [line.partition("config.json: ")[2] for line in loaded.warnings] == [
        'unknown option "clent", it has no effect (did you mean "client"?)',
        'unknown option "client.ping_intreval", it has no effect '
        '(did you mean "client.ping_interval"?)',
        'unknown option "client.zzz", it has no effect',
        'unknown option "channel.namespaces[0].presense", it has no effect '
        '(did you mean "channel.namespaces[0].presence"?)',
    ]
    assert loaded.unknown == loaded.warnings


def test_options_that_are_not_built_yet_say_so_and_are_not_unknown(tmp_path: Path) -> None:
    options = {
        "engine": {"redis": {"address": "redis://r:1"}},
        "prometheus": {"enabled": True},
        "consumers": [{"name": "c"}],
        "uni_websocket": {"read_buffer_size": 1},
        "channel": {"namespaces": [{"name": "ns", "map": {"mode": "x"}}]},
    }
    loaded = load(write(tmp_path, options))
    assert loaded.unknown == ()
    assert [line.partition("config.json: ")[2] for line in loaded.warnings] == [
        f'known option of Centrifugo 6, not built yet: "{name}", it has no effect'
        for name in (
            "engine.redis.address",
            "prometheus.enabled",
            "consumers",
            "uni_websocket.read_buffer_size",
            "channel.namespaces[0].map.mode",
        )
    ]


def test_the_admin_pages_come_later_and_that_is_one_line(tmp_path: Path) -> None:
    loaded = load(str(EXAMPLE), {}, {"admin": "true", "web": "true", "port": "8088"})
    assert loaded.warnings == ("the admin and web pages come later: admin and web have no effect",)


# ── refusals ─────────────────────────────────────────────────────────────────────────────────


def test_every_problem_is_told_with_its_source_name_value_and_what_is_expected(
    tmp_path: Path,
) -> None:
    options = {
        "generation": "v6",
        "http_server": {"port": 70000},
        "client": {"ping_interval": 25, "channel_limit": -1, "insecure": "yes"},
        "engine": {"type": "redis"},
        "http_api": "key",
        "sse": True,
        "health": True,
        "node": "a",
        "channel": {
            "without_namespace": {"channel_regex": "("},
            "namespaces": [{"name": "a"}, 5, {"name": "bb", "history_ttl": "1 day"}],
        },
    }
    more = {"environ": {"CENTRIFUGO_SHUTDOWN_TIMEOUT": "30"}, "flags": {"http_api.insecure": "on"}}
    assert errors(tmp_path, options, **more) == [
        "config.json: http_server.port: got 70000, expected a whole number from 0 to 65535",
        'config.json: client.ping_interval: got 25, expected a duration such as "25s" '
        'of at least -1s, for seconds write "25s"',
        "config.json: client.channel_limit: got -1, expected a whole number of at least 0",
        'config.json: client.insecure: got "yes", expected true or false',
        'config.json: engine.type: got "redis", expected "memory" '
        "(other engines are not built yet)",
        "config.json: http_api: got *** (hidden), expected an object of options",
        "config.json: sse: got true, expected an object of options; sse.enabled switches it on "
        "and off",
        "config.json: health: got true, expected an object of options; health.enabled switches it "
        "on and off",
        'config.json: node: got "a", expected an object of options',
        'config.json: channel.without_namespace.channel_regex: got "(", expected a regular '
        "expression in RE2's syntax (missing ))",
        'config.json: channel.namespaces[0].name: got "a", expected text that matches '
        "^[-a-zA-Z0-9_.]{2,}$",
        "config.json: channel.namespaces[1]: got 5, expected an object of options",
        'config.json: channel.namespaces[2].history_ttl: got "1 day", expected a duration such as '
        '"25s" of at least 0s',
        'environment: CENTRIFUGO_SHUTDOWN_TIMEOUT: got "30", expected a duration such as "25s" '
        'of at least 0s, for seconds write "30s"',
        'command line: --http_api.insecure: got "on", expected true or false',
    ]


def test_secrets_are_not_told(tmp_path: Path) -> None:
    options = {"client": {"token": {"hmac_secret_key": True}}, "classic": {"secret": ["hush"]}}
    assert errors(tmp_path, options) == [
        "config.json: client.token.hmac_secret_key: got *** (hidden), expected text",
        "config.json: classic.secret: got a list, expected text",
    ]


def test_what_cannot_be_said_in_utf_8_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"node": {"name": "\\ud800"}}')
    with pytest.raises(ConfigError, match=r'node\.name: got "\\ud800", expected text'):
        load(str(tmp_path / "config.json"))


@pytest.mark.parametrize(
    ("options", "first", "second"),
    [
        ({"secret": "a", "classic": {"secret": "b"}}, "secret", "classic.secret"),
        (
            {
                "publish": True,
                "channel": {"without_namespace": {"allow_publish_for_subscriber": True}},
            },
            "publish",
            "channel.without_namespace.allow_publish_for_subscriber",
        ),
        (
            {"namespaces": [], "channel": {"namespaces": []}},
            "namespaces",
            "channel.namespaces",
        ),
        ({"log_level": "info", "log": {"level": "info"}}, "log_level", "log.level"),
    ],
)
def test_two_names_for_the_same_thing_in_one_file_are_refused(
    tmp_path: Path, options: dict[str, Any], first: str, second: str
) -> None:
    assert errors(tmp_path, {"generation": "v1"} | options) == [
        f'config.json: {second}: sets the same as "{first}", expected only one of them'
    ]


def test_two_names_for_the_same_thing_are_refused_in_environment_and_flags_too(
    tmp_path: Path,
) -> None:
    environ = {"GIRANDOLA_SECRET": "a", "GIRANDOLA_CLASSIC_SECRET": "b"}
    flags = {"http_server.port": "1", "port": "2"}
    assert errors(tmp_path, {}, environ=environ, flags=flags) == [
        'environment: GIRANDOLA_SECRET: sets the same as "GIRANDOLA_CLASSIC_SECRET", '
        "expected only one of them",
        'command line: --port: sets the same as "--http_server.port", expected only one of them',
    ]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("config.json", "{", "cannot be parsed: Expecting property name"),
        ("config.json", '{"a": NaN}', "cannot be parsed: NaN is not JSON"),
        ("config.json", "[]", "expected an object of options at the top"),
        ("config.json", "[" * 100_000, "cannot be parsed: nested too deeply"),
        ("config.toml", "a = ", "cannot be parsed: Invalid value"),
        ("config.yaml", "a: [", "cannot be parsed: "),
        ("config.yaml", "a: !!timestamp x", "cannot be parsed: a value is not of the type"),
        ("config.yaml", "a: *hush", "cannot be parsed: found undefined alias …: line 1 column 4"),
        ("config.yaml", "a: !hush", "cannot be parsed: could not determine a constructor"),
        ("config.yaml", "a: !!int hush", "cannot be parsed: a value is not of the type"),
        ("config.ini", "", "unknown format, expected a name that ends in .json"),
        ("config.JSON", "{}", "unknown format"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(str(tmp_path / name))
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{tmp_path / name}: {told}")
    assert "hush" not in str(problem)


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(str(tmp_path))


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"\xef\xbb\xbf{}")
    assert load(str(tmp_path / "config.json")).config == Config()


def test_an_unknown_flag_is_refused(tmp_path: Path) -> None:
    assert errors(tmp_path, {}, flags={"what": "x"}) == ["command line: --what: unknown flag"]


# ── anything ─────────────────────────────────────────────────────────────────────────────────

_NAMES = sorted({*OPTIONS, *SECTIONS, *CLASSIC})
_KEYS = st.one_of(
    st.sampled_from(sorted({part for name in _NAMES for part in name.split(".")})), st.text()
)
_JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["25s", "-1s", "debug", "1", "^[a-z]+$"]),
        st.text(),
    ),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(_KEYS, below, max_size=5)),
    max_leaves=15,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(st.dictionaries(_KEYS, _JSON, max_size=6), _JSON))
def test_any_json_loads_or_is_refused_in_words(tmp_path: Path, tree: Any) -> None:
    said = outcome(write(tmp_path, tree))
    assert all(line.isprintable() for line in said)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(sorted(OPTIONS)), st.text().filter(lambda text: "\0" not in text))
def test_any_text_in_the_environment_loads_or_is_refused_in_words(
    tmp_path: Path, path: str, text: str
) -> None:
    name = "GIRANDOLA_" + path.upper().replace(".", "_")
    said = outcome(str(tmp_path / "none.json"), {name: text})
    assert all(name in line or "not found" in line or "SECURITY" in line for line in said if line)


def outcome(path: str, environ: dict[str, str] | None = None) -> list[str]:
    """Return the lines of a refusal, or the warnings; anything else fails."""
    try:
        loaded = load(path, environ)
    except ConfigError as error:
        return str(error).split("\n")
    return list(loaded.warnings)
