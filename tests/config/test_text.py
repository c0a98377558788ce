"""The environment and flags: names, text as values, and what is left alone."""

import json
from pathlib import Path

import pytest

from girandola.config.load import ConfigError, Loaded, load
from girandola.config.names import CLASSIC_ENV
from girandola.config.schema import OPTIONS, Config
from girandola.config.text import env_name
from girandola.options import Namespace


@pytest.fixture
def none(tmp_path: Path) -> str:
    return str(tmp_path / "none.json")


def loaded(path: str, **environ: str) -> Loaded:
    return load(path, environ)


def notes(found: Loaded) -> tuple[str, ...]:
    """Return the warnings without the one about the missing file."""
    return tuple(line for line in found.warnings if "not found" not in line)


def test_every_option_has_a_variable_of_its_own() -> None:
    assert len({env_name(path) for path in OPTIONS}) == len(OPTIONS)
    assert (
        env_name("channel.without_namespace.history_ttl") == "CHANNEL_WITHOUT_NAMESPACE_HISTORY_TTL"
    )


def test_values_of_every_kind_are_read_from_text(none: str) -> None:
    config = loaded(
        none,
        CENTRIFUGO_CLIENT_PING_INTERVAL="1m",
        CENTRIFUGO_CLIENT_CHANNEL_LIMIT="7",
        CENTRIFUGO_CLIENT_ALLOWED_ORIGINS="https://a.example  https://b.example",
        CENTRIFUGO_NODE_NAME="n",
        GIRANDOLA_CHANNEL_NAMESPACES='[{"name": "chat", "history_size": 1, "history_ttl": "1m"}]',
    ).config
    assert config.client.ping_interval == 60
    assert config.client.channel_limit == 7
    assert config.client.allowed_origins == ("https://a.example", "https://b.example")
    assert config.node.name == "n"
    assert config.channel.namespaces[0].history_ttl == 60


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_booleans_are_written_as_go_writes_them(none: str, text: str) -> None:
    assert loaded(none, GIRANDOLA_RPC_PING_ENABLED=text).config.rpc.ping.enabled


def test_an_empty_variable_is_not_set(none: str) -> None:
    found = loaded(none, CENTRIFUGO_HTTP_SERVER_PORT="", CENTRIFUGO_SECRET="", CENTRIFUGO_WHAT="")
    assert found.config == Config()
    assert notes(found) == ()
    assert not found.classic


def test_an_empty_flag_is_set(none: str) -> None:
    found = load(none, {"GIRANDOLA_LOG_FILE": "x"}, {"log.file": ""})
    assert found.config.log.file == ""


def test_one_option_of_one_namespace_can_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    namespaces = [{"name": "chat-room.eu"}, {"name": "chat"}]
    path.write_text(json.dumps({"channel": {"namespaces": namespaces}}))
    found = loaded(
        str(path),
        CENTRIFUGO_CHANNEL_NAMESPACES_CHAT_ROOM_EU_HISTORY_SIZE="3",
        CENTRIFUGO_CHANNEL_NAMESPACES_CHAT_ROOM_EU_HISTORY_TTL="1h",
        GIRANDOLA_CHANNEL_NAMESPACES_CHAT_PRESENCE="true",
        CENTRIFUGO_CHANNEL_NAMESPACES_CHAT_PRESENCE="false",
        CENTRIFUGO_CHANNEL_NAMESPACES_CHAT_MAP_MODE="x",
        CENTRIFUGO_CHANNEL_NAMESPACES_CHAT_PRESENSE="true",
    )
    first, second = found.config.channel.namespaces
    assert (first.history_size, first.history_ttl, first.presence) == (3, 3600, False)
    assert second.presence
    assert second.history_size == 0
    assert notes(found) == (
        "environment: known option of Centrifugo 6, not built yet: "
        '"CENTRIFUGO_CHANNEL_NAMESPACES_CHAT_MAP_MODE", it has no effect',
        'environment: unknown option "CENTRIFUGO_CHANNEL_NAMESPACES_CHAT_PRESENSE", it has no '
        'effect (did you mean "CENTRIFUGO_CHANNEL_NAMESPACES_CHAT_PRESENCE"?)',
    )


def test_a_bad_override_is_refused_by_the_name_of_its_variable(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"channel": {"namespaces": [{"name": "chat"}]}}')
    with pytest.raises(ConfigError) as caught:
        loaded(str(path), CENTRIFUGO_CHANNEL_NAMESPACES_CHAT_HISTORY_SIZE="x")
    assert str(caught.value) == (
        'environment: CENTRIFUGO_CHANNEL_NAMESPACES_CHAT_HISTORY_SIZE: got "x", '
        "expected a whole number of at least 0"
    )


def test_namespaces_can_be_named_and_then_configured_one_option_at_a_time(none: str) -> None:
    found = loaded(
        none,
        CENTRIFUGO_CHANNEL_NAMESPACES="chat  opcua.data-1",
        CENTRIFUGO_CHANNEL_NAMESPACES_CHAT_PRESENCE="true",
        GIRANDOLA_CHANNEL_NAMESPACES_OPCUA_DATA_1_HISTORY_SIZE="3",
        GIRANDOLA_CHANNEL_NAMESPACES_OPCUA_DATA_1_HISTORY_TTL="1m",
        GIRANDOLA_CHANNEL_NAMESPACES="news",
    )
    chat, data, news = found.config.channel.namespaces
    assert (chat, news) == (Namespace(name="chat", presence=True), Namespace(name="news"))
    assert data == Namespace(name="opcua.data-1", history_size=3, history_ttl=60.0)
    assert notes(found) == ()


def test_named_namespaces_stand_beside_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"channel": {"namespaces": [{"name": "chat", "presence": true}]}}')
    found = loaded(str(path), CENTRIFUGO_CHANNEL_NAMESPACES="news")
    assert found.config.channel.namespaces == (
        Namespace(name="chat", presence=True),
        Namespace(name="news"),
    )
    with pytest.raises(ConfigError) as caught:
        loaded(str(path), CENTRIFUGO_CHANNEL_NAMESPACES="news chat")
    assert str(caught.value) == (
        'environment: CENTRIFUGO_CHANNEL_NAMESPACES: got "chat", '
        "expected a name that no other namespace has"
    )


def test_a_json_array_replaces_the_namespaces_of_the_file(tmp_path: Path) -> None:
    """Its names are in any case, its values of the right types."""
    path = tmp_path / "config.json"
    path.write_text('{"channel": {"namespaces": [{"name": "chat", "presence": true}]}}')
    found = loaded(str(path), CENTRIFUGO_CHANNEL_NAMESPACES='[{"Name": "chat"}]')
    assert found.config.channel.namespaces == (Namespace(name="chat"),)
    text = '[{"name": "chat", "presence": "true"}]'
    with pytest.raises(ConfigError, match=r'presence: got "true", expected true or false'):
        loaded(str(path), CENTRIFUGO_CHANNEL_NAMESPACES=text)


def test_a_namespace_that_cannot_be_named_so_is_refused(none: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(none, CENTRIFUGO_CHANNEL_NAMESPACES="chat,news")
    assert str(caught.value) == (
        'environment: CENTRIFUGO_CHANNEL_NAMESPACES: got "chat,news", '
        "expected text that matches ^[-a-zA-Z0-9_.]{2,}$"
    )


@pytest.mark.parametrize("name", ["RPC_NAMESPACES", "PROXIES", "CONSUMERS"])
def test_other_lists_of_named_objects_are_known_and_not_built_yet(none: str, name: str) -> None:
    found = loaded(
        none, **{f"CENTRIFUGO_{name}": "one two", f"CENTRIFUGO_{name}_ONE_ENDPOINT": "http://x"}
    )
    assert found.unknown == ()
    assert notes(found) == tuple(
        f'environment: known option of Centrifugo 6, not built yet: "CENTRIFUGO_{variable}", '
        "it has no effect"
        for variable in (name, f"{name}_ONE_ENDPOINT")
    )


def test_a_variable_with_the_name_of_a_section_is_told_its_switch(none: str) -> None:
    assert notes(
        loaded(
            none,
            CENTRIFUGO_GENERATION="v6",
            CENTRIFUGO_GRPC_API="true",
            CENTRIFUGO_INIT="true",
        )
    ) == (
        'environment: "CENTRIFUGO_GRPC_API" is an option of v2–v5, '
        'it has no effect in v6; today it is "grpc_api.enabled"',
        'environment: unknown option "CENTRIFUGO_INIT", it has no effect '
        '(did you mean "CENTRIFUGO_INIT_ENABLED"?)',
    )


@pytest.mark.parametrize("text", ["{", "5", '["x"]', "[" * 100_000, '[{"Name": 1, "name": 2}]'])
def test_a_list_of_objects_must_be_json(none: str, text: str) -> None:
    with pytest.raises(ConfigError, match="environment: GIRANDOLA_CHANNEL_NAMESPACES"):
        loaded(none, GIRANDOLA_CHANNEL_NAMESPACES=text)


def test_unknown_variables_are_told_with_the_nearest_known_one(none: str) -> None:
    found = loaded(
        none,
        CENTRIFUGO_CLIENT_PING_INTREVAL="5s",
        GIRANDOLA_XYZ="1",
        CENTRIFUGO_PROXIES_MAIN_ENDPOINT="http://x",
        CENTRIFUGO_PROMETHEUS_ENABLED="true",
        CENTRIFUGO_SSE_ENABLED="false",
    )
    assert notes(found) == (
        'environment: unknown option "CENTRIFUGO_CLIENT_PING_INTREVAL", it has no effect '
        '(did you mean "CENTRIFUGO_CLIENT_PING_INTERVAL"?)',
        'environment: known option of Centrifugo 6, not built yet: "CENTRIFUGO_PROMETHEUS_ENABLED"'
        ", it has no effect",
        "environment: known option of Centrifugo 6, not built yet: "
        '"CENTRIFUGO_PROXIES_MAIN_ENDPOINT", it has no effect',
        'environment: unknown option "GIRANDOLA_XYZ", it has no effect',
    )
    assert len(found.unknown) == 2


def test_what_kubernetes_sets_is_left_alone(none: str) -> None:
    found = loaded(
        none,
        CENTRIFUGO_PORT="tcp://10.0.0.1:8000",
        CENTRIFUGO_API_PORT="tcp://10.0.0.1:9000",
        CENTRIFUGO_PORT_8000_TCP="tcp://10.0.0.1:8000",
        CENTRIFUGO_PORT_8000_TCP_ADDR="10.0.0.1",
        CENTRIFUGO_PORT_8000_TCP_PORT="8000",
        CENTRIFUGO_PORT_8000_TCP_PROTO="tcp",
        CENTRIFUGO_SERVICE_HOST="10.0.0.1",
        CENTRIFUGO_SERVICE_PORT="8000",
        GIRANDOLA_SERVICE_PORT_HTTP="8000",
        GIRANDOLA_API_SERVICE_HOST="10.0.0.1",
        CENTRIFUGO_VAR_TOKEN="x",
        HOME="/root",
    )
    assert notes(found) == ()
    assert found.config == Config()


def test_only_what_2018_read_from_the_environment_is_read_by_its_names(none: str) -> None:
    assert loaded(none, CENTRIFUGO_PORT="8001").config.http_server.port == 8001
    assert loaded(none, GIRANDOLA_SECRET="s", GIRANDOLA_HISTORY_LIFETIME="2").classic
    assert loaded(none, CENTRIFUGO_NAME="n").config.node.name == ""
    assert set(CLASSIC_ENV) >= {
        *("DEBUG", "INSECURE", "INSECURE_API", "INSECURE_ADMIN", "ADMIN", "ADMIN_PASSWORD"),
        *("ADMIN_SECRET", "SECRET", "CONNECTION_LIFETIME", "WATCH", "PUBLISH", "ANONYMOUS"),
        *("JOIN_LEAVE", "PRESENCE", "RECOVER", "HISTORY_SIZE", "HISTORY_LIFETIME", "WEB"),
        *("HISTORY_DROP_INACTIVE", "ENGINE", "REDIS_HOST", "REDIS_PORT", "REDIS_URL", "PORT"),
        *("API_PORT", "ADMIN_PORT", "ADDRESS", "WEB_PATH", "SSL", "SSL_CERT", "SSL_KEY"),
    }
    assert not {"NAME", "LOG_LEVEL", "LOG_FILE", "NAMESPACES", "REDIS_DB"} & set(CLASSIC_ENV)


def test_a_boolean_of_2018_in_the_environment_may_be_a_number(none: str) -> None:
    assert loaded(none, CENTRIFUGO_WATCH="1").config.channel.without_namespace.watch
    assert not loaded(none, CENTRIFUGO_WATCH="0").config.channel.without_namespace.watch


def test_flags_of_2018_are_strict(none: str) -> None:
    with pytest.raises(ConfigError, match='--insecure: got "maybe", expected true or false'):
        load(none, {}, {"insecure": "maybe"})


def test_flags_that_are_not_built_yet_say_so(none: str) -> None:
    found = load(none, {}, {"init.enabled": "true", "debug": "false"})
    assert notes(found) == (
        'command line: known option of Centrifugo 6, not built yet: "--init.enabled", '
        "it has no effect",
    )
    flags = {"generation": "v1", "web_path": "w", "redis_host": "r", "debug": "false"}
    found = load(none, {"CENTRIFUGO_SECRET": "s"}, flags)
    assert notes(found) == (
        'command line: known option of 2018, not built yet: "--web_path", it has no effect',
        'command line: known option of 2018, not built yet: "--redis_host", it has no effect',
    )
