"""Configurations of 2018: every name, what it sets today, and how leniently it is read."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from girandola.config.load import ConfigError, Loaded, load, value_at
from girandola.config.names import CLASSIC, MEANINGLESS, NOT_BUILT
from girandola.config.schema import Config
from girandola.options import ChannelOptions


def loaded(
    folder: Path, options: dict[str, Any], *, generation: str | None = "v1", **more: Any
) -> Loaded:
    path = folder / "config.json"
    path.write_text(json.dumps({"generation": generation} | options))
    return load(str(path), **more)


def lines(folder: Path, options: dict[str, Any], **more: Any) -> list[str]:
    return [line.partition("config.json: ")[2] for line in loaded(folder, options, **more).warnings]


def refusal(folder: Path, options: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, options)
    return str(caught.value).replace(f"{folder}/", "")


# ── every row ────────────────────────────────────────────────────────────────────────────────

ROWS: list[tuple[str, Any, dict[str, Any]]] = [
    ("secret", "k", {"classic.secret": "k", "client.token.hmac_secret_key": "k"}),
    ("connection_lifetime", 60, {"classic.connection_lifetime": 60.0}),
    ("name", "node1", {"node.name": "node1"}),
    ("engine", "memory", {"engine.type": "memory"}),
    ("log_level", "debug", {"log.level": "debug"}),
    ("log_level", "critical", {"log.level": "error"}),
    ("log_level", "fatal", {"log.level": "error"}),
    ("log_level", "bogus", {"log.level": "info"}),
    ("log_file", "x.log", {"log.file": "x.log"}),
    ("pid_file", "x.pid", {"pid_file": "x.pid"}),
    ("address", "127.0.0.1", {"http_server.address": "127.0.0.1"}),
    ("port", "9000", {"http_server.port": 9000}),
    ("port", 9000, {"http_server.port": 9000}),
    ("port", "", {"http_server.port": 8000}),
    ("port", "", {"http_server.internal_port": ""}),
    ("api_port", "9000", {"http_server.internal_port": "9000", "http_api.external": False}),
    ("api_port", 8000, {"http_server.internal_port": ""}),
    ("admin_port", "9000", {"http_server.internal_port": "9000", "http_api.external": True}),
    ("admin_port", "", {"http_server.internal_port": "", "http_api.external": False}),
    ("http_prefix", "/rt", {"http_server.http_prefix": "/rt"}),
    ("ssl", False, {"http_server.tls.enabled": False}),
    ("ssl_cert", "c.pem", {"http_server.tls.cert_pem": "c.pem"}),
    ("ssl_key", "k.pem", {"http_server.tls.key_pem": "k.pem"}),
    ("ssl_autocert", False, {"http_server.tls_autocert.enabled": False}),
    (
        "ssl_autocert_host_whitelist",
        "a.example, b.example",
        {"http_server.tls_autocert.host_whitelist": ("a.example", "b.example")},
    ),
    ("ssl_autocert_cache_dir", "certs", {"http_server.tls_autocert.cache_dir": "certs"}),
    ("ssl_autocert_email", "a@b", {"http_server.tls_autocert.email": "a@b"}),
    ("ssl_autocert_force_rsa", True, {"http_server.tls_autocert.force_rsa": True}),
    ("ssl_autocert_server_name", "a", {"http_server.tls_autocert.server_name": "a"}),
    ("ssl_autocert_http", True, {"http_server.tls_autocert.http": True}),
    ("ssl_autocert_http_addr", ":8080", {"http_server.tls_autocert.http_addr": ":8080"}),
    ("admin", True, {"admin.enabled": True}),
    ("web", True, {"admin.web": True}),
    ("admin_password", "p", {"admin.password": "p"}),
    ("admin_secret", "s", {"admin.secret": "s"}),
    ("max_channel_length", 100, {"channel.max_length": 100}),
    ("private_channel_prefix", "%", {"channel.private_prefix": "%"}),
    ("namespace_channel_boundary", "::", {"channel.namespace_boundary": "::"}),
    ("user_channel_boundary", "@", {"channel.user_boundary": "@"}),
    ("user_channel_separator", ";", {"channel.user_separator": ";"}),
    ("client_channel_boundary", "!", {"channel.client_boundary": "!"}),
    ("expired_connection_close_delay", 5, {"client.expired_close_delay": 5.0}),
    ("stale_connection_close_delay", 0, {"client.stale_close_delay": 0.0}),
    ("client_channel_limit", 0, {"client.channel_limit": 0}),
    ("user_connection_limit", 3, {"client.user_connection_limit": 3}),
    ("client_request_max_size", 100, {"websocket.message_size_limit": 100}),
    ("client_queue_max_size", 5000, {"client.queue_max_size": 5000}),
    ("client_message_write_timeout", 2, {"websocket.write_timeout": 2.0}),
    ("websocket_compression", True, {"websocket.compression": True}),
    ("websocket_compression_level", 9, {"websocket.compression_level": 9}),
    ("websocket_compression_min_size", 64, {"websocket.compression_min_size": 64}),
    ("ping_interval", 30, {"client.ping_interval": 30.0, "client.pong_timeout": 8.0}),
    ("ping_interval", 6, {"client.ping_interval": 6.0, "client.pong_timeout": 2.0}),
    ("ping_interval", 0, {"client.ping_interval": 0.0}),
    ("sockjs_url", "//a/sockjs.js", {"sockjs.url": "//a/sockjs.js", "sockjs.enabled": True}),
    ("sockjs_heartbeat_delay", 10, {"sockjs.heartbeat_delay": 10.0}),
    ("sockjs_heartbeat_delay", -1, {"sockjs.heartbeat_delay": 0.0}),
    ("presence_ping_interval", 10, {"client.presence_update_interval": 10.0}),
    ("insecure", True, {"client.insecure": True, "classic.allow_empty_secret": False}),
    ("insecure_api", True, {"http_api.insecure": True}),
]


@pytest.mark.parametrize(("name", "value", "today"), ROWS)
def test_a_name_of_2018_sets_todays_option(
    tmp_path: Path, name: str, value: Any, today: dict[str, Any]
) -> None:
    config = loaded(tmp_path, {name: value}).config
    assert {path: value_at(config, path) for path in today} == today


CHANNEL_ROWS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"watch": True}, {"watch": True}),
    (
        {"publish": True},
        {
            "allow_publish_for_subscriber": True,
            "allow_publish_for_anonymous": True,
            "allow_publish_for_client": False,
        },
    ),
    ({"anonymous": True}, {"allow_subscribe_for_anonymous": True}),
    (
        {"presence": True},
        {
            "presence": True,
            "allow_presence_for_subscriber": True,
            "allow_presence_for_anonymous": True,
            "allow_presence_for_client": False,
        },
    ),
    ({"join_leave": True}, {"join_leave": True, "force_push_join_leave": True}),
    ({"history_drop_inactive": True}, {"history_drop_inactive": True}),
    (
        {"history_size": 5, "history_lifetime": 60, "recover": True},
        {
            "history_size": 5,
            "history_ttl": 60.0,
            "force_recovery": True,
            "allow_history_for_subscriber": True,
            "allow_history_for_anonymous": True,
            "allow_history_for_client": False,
        },
    ),
    ({"history_size": 5, "recover": True}, {"history_size": 0, "force_recovery": False}),
    ({"history_lifetime": 5}, {"history_size": 0, "history_ttl": 0.0}),
    ({"history_size": -5, "history_lifetime": 60}, {"history_size": 0, "history_ttl": 0.0}),
    (
        {},
        {
            "allow_subscribe_for_client": True,
            "allow_user_limited_channels": True,
            "allow_subscribe_for_anonymous": False,
            "allow_publish_for_subscriber": False,
            "presence": False,
        },
    ),
]


def options_of(options: ChannelOptions, names: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(options, name) for name in names}


@pytest.mark.parametrize(("old", "today"), CHANNEL_ROWS)
def test_a_channel_option_means_the_same_at_the_top_and_in_a_namespace(
    tmp_path: Path, old: dict[str, Any], today: dict[str, Any]
) -> None:
    top = loaded(tmp_path, {"secret": "s", **old}).config.channel.without_namespace
    assert options_of(top, today) == today
    config = loaded(tmp_path, {"secret": "s", "namespaces": [{"name": "ns", **old}]}).config
    assert options_of(config.channel.namespaces[0], today) == today


def test_every_name_of_2018_that_sets_something_has_a_row() -> None:
    rows = {name for name, _, _ in ROWS} | {name for old, _ in CHANNEL_ROWS for name in old}
    assert rows | {"namespaces"} == {name for name, entry in CLASSIC.items() if entry.targets}


@pytest.mark.parametrize(
    "options",
    [
        {"api_port": "9000", "admin_port": 9000},
        {"api_port": "9000", "admin_port": ""},
        {"api_port": "9000", "port": "9001", "admin_port": "9001"},
    ],
)
def test_two_ports_of_2018_become_the_internal_one_where_they_agree(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    config = loaded(tmp_path, options).config
    assert config.http_server.internal_port == "9000"
    assert not config.http_api.external


def test_the_api_stays_at_the_main_port_where_2018_had_it_there(tmp_path: Path) -> None:
    config = loaded(tmp_path, {"port": "9000", "api_port": "9000", "admin_port": "9001"}).config
    assert config.http_server.internal_port == "9001"
    assert config.http_api.external


def test_ports_of_2018_may_come_from_different_places(tmp_path: Path) -> None:
    found = loaded(tmp_path, {"api_port": "9000"}, environ={"GIRANDOLA_ADMIN_PORT": "9000"}).config
    assert found.http_server.internal_port == "9000"


def test_two_different_internal_ports_are_refused_with_the_reason(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"api_port": "9000", "admin_port": "9001"}) == (
        'config.json: admin_port: got "9001", expected the same port as "api_port" (9000) or the '
        "main one: girandola has one internal listener, with the API and the admin pages"
    )


@pytest.mark.parametrize("port", ["70000", "http", "-1"])
def test_a_port_of_2018_that_is_none_is_refused(tmp_path: Path, port: str) -> None:
    assert refusal(tmp_path, {"api_port": port}) == (
        f'config.json: api_port: got "{port}", expected a port from 0 to 65535 or an empty text'
    )


def test_an_internal_port_of_both_generations_is_refused(tmp_path: Path) -> None:
    options = {"api_port": "9000", "http_server": {"internal_port": "9001"}}
    assert refusal(tmp_path, options) == (
        'config.json: api_port: sets the same as "http_server.internal_port", '
        "expected only one of them"
    )


def test_namespaces_inherit_nothing(tmp_path: Path) -> None:
    options = {"publish": True, "presence": True, "namespaces": [{"name": "ns"}]}
    (namespace,) = loaded(tmp_path, options).config.channel.namespaces
    assert not namespace.presence
    assert not namespace.allow_publish_for_subscriber


@pytest.mark.parametrize("name", sorted(name for name in CLASSIC if not CLASSIC[name].targets))
def test_a_name_of_2018_without_effect_is_told_unless_it_says_the_default(
    tmp_path: Path, name: str
) -> None:
    entry = CLASSIC[name]
    other = {"bool": True, "int": 77, "string": "x"}[entry.kind]
    assert lines(tmp_path, {"secret": "s", name: entry.default}) == []
    told = [f'{entry.note}: "{name}", it has no effect']
    assert lines(tmp_path, {"secret": "s", name: other}) == told
    assert entry.note in (NOT_BUILT, MEANINGLESS)


# ── what 2018 implies ────────────────────────────────────────────────────────────────────────


def test_sockjs_is_on_for_2018_and_off_for_today(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"secret": "s"}).config.sockjs.enabled
    assert not Config().sockjs.enabled


def test_the_defaults_of_2018_hold_where_they_differ(tmp_path: Path) -> None:
    config = loaded(tmp_path, {"secret": "s"}).config
    assert config.client.allowed_origins == ("*",)
    assert config.client.queue_max_size == 10485760
    assert config.client.stale_close_delay == 25
    assert config.client.presence_update_interval == 25
    assert config.websocket.write_timeout == 0
    assert config.channel.client_boundary == "&"
    assert not config.classic.allow_empty_secret


@pytest.mark.parametrize(
    "options",
    [
        {"name": "n", "port": "1", "log_level": "debug", "admin": True, "web": True},
        {"engine": "memory", "debug": True, "pid_file": "p", "log_file": "l", "address": "::"},
        {"admin": {"enabled": True}, "debug": {"enabled": False}, "engine": {"type": "memory"}},
        {},
    ],
)
def test_names_that_both_generations_have_imply_nothing(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    found = loaded(tmp_path, options, generation=None)
    assert not found.classic
    assert found.config.client.allowed_origins == ()
    assert found.config.channel == Config().channel
    assert found.config.classic == Config().classic


def test_an_empty_secret_is_accepted_with_a_loud_warning(tmp_path: Path) -> None:
    found = loaded(tmp_path, {"publish": True})
    assert found.config.classic.allow_empty_secret
    assert found.warnings == (
        "SECURITY: the 2018 secret is empty: anybody can make tokens and signs that this server "
        "accepts; set secret (classic.secret)",
    )


def test_an_empty_secret_is_not_accepted_beside_a_key_that_verifies_connections(
    tmp_path: Path,
) -> None:
    found = loaded(tmp_path, {"publish": True, "client": {"token": {"hmac_secret_key": "k"}}})
    assert found.classic
    assert not found.config.classic.allow_empty_secret


def test_the_secret_verifies_json_web_tokens_only_where_no_key_is_given(tmp_path: Path) -> None:
    options = {"secret": "old", "client": {"token": {"rsa_public_key": "pem"}}}
    assert loaded(tmp_path, options).config.client.token.hmac_secret_key == ""
    assert loaded(tmp_path, {"secret": "old"}).config.client.token.hmac_secret_key == "old"
    modern = {"classic": {"secret": "old"}}
    assert loaded(tmp_path, modern, generation=None).config.client.token.hmac_secret_key == ""


def test_a_flag_of_2018_does_not_open_what_a_file_of_today_closes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'"--insecure_api" \(command line\) is v1'):
        loaded(tmp_path, {"client": {}}, generation=None, flags={"insecure_api": "true"})


def test_flags_and_environment_alone_can_make_a_configuration_of_2018(tmp_path: Path) -> None:
    none = str(tmp_path / "none.json")
    assert load(none, {}, {"insecure": "true"}).classic
    found = load(none, {"CENTRIFUGO_SECRET": "s", "CENTRIFUGO_PUBLISH": "1"})
    assert found.classic
    assert found.config.classic.secret == "s"
    assert found.config.channel.without_namespace.allow_publish_for_subscriber


def test_options_of_today_can_be_added_to_a_configuration_of_2018(tmp_path: Path) -> None:
    options = {
        "secret": "s",
        "publish": True,
        "client": {"allowed_origins": ["https://a.example"], "stale_close_delay": "3s"},
        "channel": {"without_namespace": {"allow_subscribe_for_client": False}},
    }
    config = loaded(tmp_path, options).config
    assert config.client.allowed_origins == ("https://a.example",)
    assert config.client.stale_close_delay == 3
    assert not config.channel.without_namespace.allow_subscribe_for_client
    assert config.channel.without_namespace.allow_publish_for_subscriber


def test_a_channel_section_of_today_alone_says_what_channels_may(tmp_path: Path) -> None:
    options = {"secret": "s", "channel": {"without_namespace": {"presence": True}}}
    assert not loaded(tmp_path, options).config.channel.without_namespace.allow_subscribe_for_client


def test_names_of_centrifugo_2_to_5_keep_closed_what_2018_left_open(tmp_path: Path) -> None:
    """Where v1 is stated they are not read, so nothing may stand open."""
    found = loaded(tmp_path, {"token_hmac_secret_key": "k", "presence": True})
    assert found.config.client.allowed_origins == ()
    assert not found.config.classic.allow_empty_secret
    assert len(found.unknown) == 1
    assert 'today it is "client.token.hmac_secret_key"' in found.unknown[0]
    none = str(tmp_path / "none.json")
    environ = {"CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": "k", "CENTRIFUGO_WATCH": "true"}
    stated = environ | {"GIRANDOLA_GENERATION": "v1"}
    assert not load(none, stated).config.classic.allow_empty_secret


# ── leniency ─────────────────────────────────────────────────────────────────────────────────

BOOLEANS: list[tuple[Any, bool, bool]] = [
    # value, in JSON, in YAML
    (True, True, True),
    *((text, True, True) for text in ("1", "t", "T", "TRUE", "true", "True")),
    *((text, False, False) for text in ("0", "f", "F", "FALSE", "false", "False", "yes", "")),
    (1, False, True),
    (0, False, False),
    (1.5, False, False),
    ([], False, False),
]


@pytest.mark.parametrize(("value", "in_json", "in_yaml"), BOOLEANS)
def test_booleans_are_cast(tmp_path: Path, value: Any, in_json: bool, in_yaml: bool) -> None:
    found = loaded(tmp_path, {"watch": value})
    assert found.config.channel.without_namespace.watch is in_json
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"watch": value}))
    config = load(str(tmp_path / "config.yaml")).config
    assert config.channel.without_namespace.watch is in_yaml


@pytest.mark.parametrize(
    ("value", "number"),
    [(16, 16), (16.9, 16), ("16", 16), ("0x10", 16), ("020", 16), (True, 1), ("x", 0), ({}, 0)],
)
def test_numbers_are_cast(tmp_path: Path, value: Any, number: int) -> None:
    config = loaded(tmp_path, {"client_channel_limit": value}).config
    assert config.client.channel_limit == number


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (123456, "123456"), (1e20, "100000000000000000000"), (1.5, "1.5"), (True, "true")],
)
def test_texts_are_cast(tmp_path: Path, value: Any, text: str) -> None:
    assert loaded(tmp_path, {"secret": value}).config.classic.secret == text


def test_what_leniency_changed_is_told_and_secrets_are_not(tmp_path: Path) -> None:
    options = {"secret": "s", "watch": 1, "client_channel_limit": "many", "log_level": "loud"}
    assert lines(tmp_path, options) == [
        "watch: 1 is no boolean; taken as false, as servers of 2018 did",
        'client_channel_limit: "many" is no number; taken as 0, as servers of 2018 did',
        'log_level: "loud" is no log level; taken as info, as servers of 2018 did',
    ]


@pytest.mark.parametrize("secret", [{"x": "hush"}, ["hush"]])
@pytest.mark.parametrize("stated", [{}, {"watch": True}, {"generation": "v1"}])
def test_a_secret_that_cannot_be_read_is_refused_and_not_taken_as_empty(
    tmp_path: Path, secret: Any, stated: dict[str, Any]
) -> None:
    """With an empty one everybody could make tokens."""
    with pytest.raises(ConfigError, match=r"secret: got .*, expected text") as refused:
        loaded(tmp_path, {"secret": secret, **stated})
    assert "hush" not in str(refused.value)


def test_casting_inside_namespaces_is_strict_and_mistakes_are_zero(tmp_path: Path) -> None:
    namespace = {
        "name": "ns",
        "publish": "true",
        "watch": 1,
        "presence": True,
        "history_size": 5.9,
        "history_lifetime": "60",
    }
    options = {"secret": "s", "namespaces": [namespace]}
    (found,) = loaded(tmp_path, options).config.channel.namespaces
    assert not found.allow_publish_for_subscriber
    assert not found.watch
    assert found.presence
    assert found.history_size == 0
    assert lines(tmp_path, options) == [
        'namespaces[0].publish: "true" is no boolean; taken as false, as servers of 2018 did',
        "namespaces[0].watch: 1 is no boolean; taken as false, as servers of 2018 did",
        'namespaces[0].history_lifetime: "60" is no number; taken as 0, as servers of 2018 did',
        "namespaces[0].history_size alone keeps no history, that takes both history_size and "
        "history_lifetime",
    ]


def test_keys_of_2018_are_read_in_any_case(tmp_path: Path) -> None:
    options = {"SECRET": "s", "Namespaces": [{"NAME": "ns", "Publish": True}]}
    config = loaded(tmp_path, options).config
    assert config.classic.secret == "s"
    assert config.channel.namespaces[0].allow_publish_for_subscriber


def test_namespaces_that_are_no_list_are_none(tmp_path: Path) -> None:
    assert (
        loaded(tmp_path, {"secret": "s", "namespaces": {"name": "ns"}}).config.channel.namespaces
        == ()
    )


def test_null_is_not_set(tmp_path: Path) -> None:
    options = {"secret": None, "ping_interval": None, "namespaces": None}
    assert loaded(tmp_path, options, generation=None).config == Config()


# ── refusals ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("items", "told"),
    [
        ([{"name": "a"}], "namespaces[0].name: config error: wrong namespace name – a"),
        ([{"name": "a.b"}], "namespaces[0].name: config error: wrong namespace name – a.b"),
        ([{}], "namespaces[0].name: config error: wrong namespace name – "),
        ([5], "namespaces[0].name: config error: wrong namespace name – "),
        (
            [{"name": "ns"}, {"name": "ns"}],
            "namespaces[1].name: config error: namespace name must be unique",
        ),
    ],
)
def test_names_of_namespaces_are_refused_in_the_words_of_2018(
    tmp_path: Path, items: list[Any], told: str
) -> None:
    assert refusal(tmp_path, {"secret": "s", "namespaces": items}) == f"config.json: {told}"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"connection_lifetime": -5}, "got -5, expected a whole number of seconds of at least 0"),
        ({"client_request_max_size": 0}, "got 0, expected a whole number of at least 1"),
        ({"port": "eighty"}, 'got "eighty", expected a whole number from 0 to 65535'),
        ({"engine": "redis"}, 'got "redis", expected "memory" (other engines are not built yet)'),
        ({"presence_ping_interval": 0}, "got 0, expected a whole number of seconds of more than 0"),
    ],
)
def test_what_would_make_no_sense_today_is_refused(
    tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    (name,) = options
    assert refusal(tmp_path, options) == f"config.json: {name}: {told}"
