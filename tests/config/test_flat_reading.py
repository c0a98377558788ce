"""How leniently v2 to v5 are read, what is refused because leniency would loosen, and hints."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from girandola.config.load import ConfigError, Loaded, load, read
from tests.config.visitors import Server

K = {"token_hmac_secret_key": "k"}


def written(folder: Path, options: dict[str, Any], suffix: str = ".json") -> str:
    path = folder / f"config{suffix}"
    path.write_text(json.dumps(options) if suffix == ".json" else yaml.safe_dump(options))
    return str(path)


def loaded(folder: Path, options: dict[str, Any], generation: str = "v5", **more: Any) -> Loaded:
    return load(written(folder, {"generation": generation, **K, **options}), **more)


def refusal(folder: Path, options: dict[str, Any], generation: str = "v5", **more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, options, generation, **more)
    return str(caught.value).replace(f"{folder}/", "")


def lines(folder: Path, options: dict[str, Any], generation: str = "v5", **more: Any) -> list[str]:
    found = loaded(folder, options, generation, **more)
    return [line.replace(f"{folder}/", "") for line in found.warnings]


# ── at the top ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        *((value, True) for value in (True, "1", "t", "T", "TRUE", "true", "True")),
        *((value, False) for value in (False, "0", "f", "false", "yes", "on", "true ", 1, [])),
    ],
)
def test_booleans_at_the_top(tmp_path: Path, value: Any, read_as: bool) -> None:
    found = loaded(tmp_path, {"delta_publish": value})
    assert found.config.channel.without_namespace.delta_publish is read_as


def test_numbers_of_yaml_are_booleans_and_its_yes_is_true(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("generation: v3\nprotected: yes\npresence: 1\ntoken_hmac_secret_key: 12345\n")
    config = load(str(path)).config
    assert not config.channel.without_namespace.allow_subscribe_for_client
    assert config.channel.without_namespace.presence
    assert config.client.token.hmac_secret_key == "12345"


def test_numbers_texts_and_lists_at_the_top(tmp_path: Path) -> None:
    options = {
        "port": 9000,
        "client_channel_limit": "0x10",
        "channel_max_length": 99.9,
        "allowed_origins": "https://a https://b",
        "name": 5,
        "tls_autocert_host_whitelist": "a.example, b.example",
    }
    config = loaded(tmp_path, options).config
    assert config.http_server.port == 9000
    assert config.client.channel_limit == 16
    assert config.channel.max_length == 99
    assert config.client.allowed_origins == ("https://a", "https://b")
    assert config.node.name == "5"
    assert config.http_server.tls_autocert.host_whitelist == ("a.example", "b.example")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("25s", 25), ("1.5h", 5400), ("0", 0), (0, 0), ("1m30s", 90), ("1500us", 0.0015)],
)
def test_durations_of_v3_and_later(tmp_path: Path, text: Any, seconds: float) -> None:
    config = loaded(tmp_path, {"client_expired_close_delay": text}).config
    assert config.client.expired_close_delay == seconds


@pytest.mark.parametrize("text", [25, "25", "300us", "1..2us", "a day", [], {}])
def test_durations_that_stopped_v3_and_later(tmp_path: Path, text: Any) -> None:
    assert "client_expired_close_delay: got" in refusal(
        tmp_path, {"client_expired_close_delay": text}
    )


def test_times_of_v2_are_seconds_and_a_unit_is_refused(tmp_path: Path) -> None:
    config = loaded(tmp_path, {"client_expired_close_delay": "7"}, "v2").config
    assert config.client.expired_close_delay == 7
    told = refusal(tmp_path, {"client_expired_close_delay": "30s"}, "v2")
    assert "expected a number of seconds; v2 took '30s' for 0" in told


ZEROS = {"client_queue_max_size": 0, "channel_max_length": 0, "client_channel_limit": 0}


def test_a_zero_that_means_nothing_today_means_the_default(tmp_path: Path) -> None:
    found = loaded(tmp_path, ZEROS, "v2")
    assert found.config.client.queue_max_size == 10485760
    assert found.config.channel.max_length == 255
    assert found.config.client.channel_limit == 128
    assert len(found.warnings) == 3


def test_what_leniency_changed_is_told_and_secrets_are_not(tmp_path: Path) -> None:
    options = {"delta_publish": "on", "client_concurrency": "many", "log_level": "Loud"}
    assert lines(tmp_path, options) == [
        'config.json: delta_publish: "on" is no boolean; taken as false, as v5 did',
        'config.json: client_concurrency: "many" is no number; taken as 0, as v5 did',
        'config.json: log_level "Loud" is no log level; taken as info',
    ]
    assert "hush" not in "".join(lines(tmp_path, {"api_key": {"x": "hush"}}))


def test_log_levels_are_taken_in_any_case(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"log_level": "DEBUG"}).config.log.level == "debug"
    assert loaded(tmp_path, {"log_level": "Fatal"}).config.log.level == "error"


RESTRICTING = [
    ("v3", "protected"),
    ("v2", "server_side"),
    ("v3", "subscribe_to_publish"),
    ("v2", "presence_disable_for_client"),
    ("v3", "history_disable_for_client"),
    ("v5", "disallow_anonymous_connection_tokens"),
    ("v4", "granular_proxy_mode"),
    ("v3", "proxy_subscribe"),
    ("v5", "separate_subscription_token_config"),
    ("v5", "tls"),
]


@pytest.mark.parametrize(("generation", "name"), RESTRICTING)
@pytest.mark.parametrize("value", ["yes", "on", 1, "true "])
def test_what_closes_is_not_read_as_false_by_accident(
    tmp_path: Path, generation: str, name: str, value: Any
) -> None:
    told = refusal(tmp_path, {name: value}, generation)
    assert f"config.json: {name}: got " in told
    assert f"expected true or false: {generation} took this for false" in told


def test_an_empty_text_in_an_item_does_not_open_what_is_to_be_closed(tmp_path: Path) -> None:
    options = {"namespaces": [{"name": "ns", "protected": ""}]}
    assert refusal(tmp_path, options, "v3") == (
        'config.json: namespaces[0].protected: got "", expected true or false'
    )


@pytest.mark.parametrize(
    "options",
    [
        {"admin_secret": "${CENTRIFUGO_VAR_X}"},
        {"proxies": [{"name": "pp", "endpoint": "http://u:${CENTRIFUGO_VAR_X}@h"}]},
    ],
)
def test_a_variable_that_would_stay_text_is_refused(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """As a key it would be one that everybody knows."""
    assert "the value itself: CENTRIFUGO_VAR_X is put into values of v6 only" in refusal(
        tmp_path, options, environ={"CENTRIFUGO_VAR_X": "hush"}
    )


@pytest.mark.parametrize("name", ["proxies", "consumers"])
@pytest.mark.parametrize("value", ["http://u:hush@h", ["http://u:hush@h"]])
def test_an_address_in_the_wrong_place_is_not_told(tmp_path: Path, name: str, value: Any) -> None:
    assert "hush" not in refusal(tmp_path, {name: value})


@pytest.mark.parametrize("name", ["presence", "namespaces"])
def test_keys_that_differ_in_case_only_and_disagree_are_refused(tmp_path: Path, name: str) -> None:
    options = {name: [], name.upper(): [{"name": "ns"}]} if name == "namespaces" else None
    told = refusal(tmp_path, options or {"presence": True, "Presence": False})
    assert f'"{name}"' in told
    assert "expected only one of them" in told
    assert loaded(tmp_path, {"presence": True, "Presence": True}).generation == 5


@pytest.mark.parametrize(
    ("generation", "options", "hours"),
    [
        ("v2", {"history_size": 1, "history_lifetime": 90000 * 3600}, 90000),
        ("v4", {"history_size": 1, "history_ttl": "3000h"}, 3000),
        ("v5", {"history_size": 1, "history_ttl": "1000h"}, 1000),
        ("v5", {"namespaces": [{"name": "ns", "history_size": 1, "history_ttl": "900h"}]}, 900),
        ("v3", {"history_meta_ttl": "0"}, 87600),
        ("v3", {"history_meta_ttl": "50h"}, 50),
        ("v2", {"memory_history_meta_ttl": 3600}, 1),
        ("v2", {"redis_history_meta_ttl": 3600}, 87600),
    ],
)
def test_positions_are_remembered_as_long_as_then_and_as_publications(
    tmp_path: Path, generation: str, options: dict[str, Any], hours: int
) -> None:
    config = loaded(tmp_path, options, generation).config
    assert config.channel.history_meta_ttl == hours * 3600


def test_a_time_that_is_shared_in_v4_and_not_in_v5_is_both_where_nothing_tells(
    tmp_path: Path,
) -> None:
    options = {"allow_recovery": False, "history_meta_ttl": "2000h"}
    config = load(written(tmp_path, options)).config
    assert config.channel.history_meta_ttl == 2000 * 3600
    assert config.channel.without_namespace.history_meta_ttl == 2000 * 3600
    config = load(written(tmp_path, options | {"delta_publish": False})).config
    assert config.channel.history_meta_ttl == 720 * 3600


# ── items of lists ───────────────────────────────────────────────────────────────────────────


def test_items_of_a_file_are_read_weakly(tmp_path: Path) -> None:
    item = {
        "NAME": "ns",
        "presence": "true",
        "delta_publish": 1,
        "history_size": "5",
        "history_ttl": "1m",
        "allowed_delta_types": "fossil",
        "force_recovery": "",
    }
    (found,) = loaded(tmp_path, {"namespaces": [item]}).config.channel.namespaces
    assert (found.name, found.presence, found.delta_publish) == ("ns", True, True)
    assert (found.history_size, found.history_ttl) == (5, 60)
    assert found.allowed_delta_types == ("fossil",)
    assert not found.force_recovery


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ({"presence": "yes"}, 'presence: got "yes", expected true or false'),
        ({"history_size": "many"}, 'history_size: got "many", expected a whole number'),
        (
            {"history_size": 1, "history_ttl": 300},
            'history_ttl: got 300, expected a unit: "300s"',
        ),
        ({"name": "a b"}, "name: got"),
        ({"name": "x"}, "name: got"),
    ],
)
def test_items_that_stopped_the_old_servers_stop_this_one(
    tmp_path: Path, item: dict[str, Any], told: str
) -> None:
    assert f"namespaces[0].{told}" in refusal(tmp_path, {"namespaces": [{"name": "ns"} | item]})


@pytest.mark.parametrize("value", [{"name": "ns"}, "ns", 5])
def test_namespaces_that_are_no_list_are_refused(tmp_path: Path, value: Any) -> None:
    assert "expected a list of objects" in refusal(tmp_path, {"namespaces": value})


def test_namespaces_with_one_name_or_none_are_refused(tmp_path: Path) -> None:
    twice = refusal(tmp_path, {"namespaces": [{"name": "ns"}, {"name": "ns"}]})
    assert "expected a name that no other namespace has" in twice
    assert "expected a name of two or more" in refusal(tmp_path, {"namespaces": [{}]})


def test_a_name_with_dots_is_good(tmp_path: Path) -> None:
    (found,) = loaded(tmp_path, {"namespaces": [{"name": "opcua.data"}]}).config.channel.namespaces
    assert found.name == "opcua.data"


# ── the environment ──────────────────────────────────────────────────────────────────────────


def test_lists_of_objects_are_json_in_the_environment_and_read_strictly(tmp_path: Path) -> None:
    environ = {"CENTRIFUGO_NAMESPACES": '[{"name": "ns", "presence": true}]'}
    (found,) = loaded(tmp_path, {"namespaces": []}, environ=environ).config.channel.namespaces
    assert found.presence
    for text in ('[{"name": "ns", "presence": "true"}]', "{}", "ns", "[5]"):
        environ["CENTRIFUGO_NAMESPACES"] = text
        assert "environment: CENTRIFUGO_NAMESPACES" in refusal(tmp_path, {}, environ=environ)


def test_girandola_wins_over_centrifugo_over_the_file(tmp_path: Path) -> None:
    environ = {"CENTRIFUGO_PORT": "2", "CENTRIFUGO_NAME": "c", "GIRANDOLA_PORT": "3"}
    config = loaded(tmp_path, {"port": "1", "name": "f"}, environ=environ).config
    assert (config.http_server.port, config.node.name) == (3, "c")


def test_v2_reads_a_fixed_list_of_variables(tmp_path: Path) -> None:
    environ = {"CENTRIFUGO_CLIENT_USER_CONNECTION_LIMIT": "5"}
    assert loaded(tmp_path, {}, "v2", environ=environ).config.client.user_connection_limit == 0
    assert loaded(tmp_path, {}, "v3", environ=environ).config.client.user_connection_limit == 5


def test_fields_of_objects_have_variables(tmp_path: Path) -> None:
    path = written(tmp_path, {"generation": "v5", **K})
    environ = {
        "CENTRIFUGO_NATS_RAW_MODE_ENABLED": "true",
        "CENTRIFUGO_NATS_RAW_MODE_PREFIX": "r.",
        "CENTRIFUGO_PROXY_CONNECT_ENDPOINT": "grpc://b:1",
        "CENTRIFUGO_PROXY_GRPC_TLS_ENABLED": "true",
        "CENTRIFUGO_PROXY_GRPC_TLS_SERVER_NAME": "b",
        "CENTRIFUGO_CLIENT_CONNECT_CODE_TO_UNIDIRECTIONAL_DISCONNECT_ENABLED": "true",
    }
    found = read(path, environ)
    assert found.problems == []
    carried = {name: given.value for name, given in found.carried.items()}
    assert carried["broker.nats.raw_mode.enabled"] is True
    assert carried["broker.nats.raw_mode.prefix"] == "r."
    assert carried["client.proxy.connect.grpc.tls.server_name"] == "b"
    disconnect = load(path, environ).config.client.connect_code_to_unidirectional_disconnect
    assert disconnect.enabled


# ── names ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("proxy_conect_timeout", "proxy_connect_timeout"),
        ("allow_subscribe_for_clients", "allow_subscribe_for_client"),
        ("presence_stats", ""),
    ],
)
def test_hints_are_names_of_the_generation(tmp_path: Path, name: str, hint: str) -> None:
    (line,) = lines(tmp_path, {name: 1})
    assert line == f'config.json: unknown option "{name}", it has no effect' + (
        f' (did you mean "{hint}"?)' if hint else ""
    )


def test_a_time_of_another_proxy_is_no_hint(tmp_path: Path) -> None:
    (line,) = lines(tmp_path, {"proxy_connect_timeot": 1}, "v2")
    assert '"proxy_connect_timeout"' in line


def test_keys_of_namespaces_and_variables_have_hints(tmp_path: Path) -> None:
    options = {"namespaces": [{"name": "ns", "presense": True, "protected": True}]}
    assert lines(tmp_path, options, environ={"CENTRIFUGO_GRPC_APII": "1"}) == [
        'config.json: unknown option "namespaces[0].presense", it has no effect '
        '(did you mean "namespaces[0].presence"?)',
        'config.json: "namespaces[0].protected" is an option of v3, it has no effect in v5: '
        "it closes nothing",
        'environment: unknown option "CENTRIFUGO_GRPC_APII", it has no effect '
        '(did you mean "CENTRIFUGO_GRPC_API"?)',
    ]


def test_grpc_api_has_a_variable_of_its_own(tmp_path: Path) -> None:
    (line,) = lines(tmp_path, {}, environ={"CENTRIFUGO_GRPC_API": "1"})
    assert line == (
        'environment: known option of Centrifugo 6, not built yet: "CENTRIFUGO_GRPC_API", it has '
        "no effect"
    )


def test_sections_that_only_girandola_has_are_read_in_every_generation(tmp_path: Path) -> None:
    options = {"classic": {"secret": "old"}, "legacy": {"gate_anonymous": False}}
    environ = {"GIRANDOLA_CLASSIC_CONNECTION_LIFETIME": "5s"}
    config = loaded(tmp_path, options, "v3", environ=environ).config
    assert config.classic.secret == "old"
    assert config.classic.connection_lifetime == 5
    assert not config.legacy.gate_anonymous
    assert config.legacy.narrow_insecure


# ── what each refused ────────────────────────────────────────────────────────────────────────

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("v3", {"engine": "tarantool"}, 'engine: got "tarantool", expected "memory" or "redis"'),
    ("v5", {"engine": "redisnats"}, 'engine: got "redisnats"'),
    ("v2", {"broker": "kafka"}, 'broker: got "kafka", expected "nats"'),
    ("v3", {"history_size": 1}, "history_ttl to be set, too"),
    ("v3", {"history_ttl": "60s"}, "history_size to be set, too"),
    ("v4", {"channel_regex": "("}, "channel_regex: got"),
    (
        "v5",
        {"token_audience": "a", "token_audience_regex": "b"},
        "only one of audience and audience_regex",
    ),
    (
        "v2",
        {"user_subscribe_to_personal": True, "user_personal_channel_namespace": "no"},
        "the name of one of channel.namespaces",
    ),
    (
        "v5",
        {"user_subscribe_to_personal": True, "user_personal_single_connection": True},
        "presence to be on",
    ),
    ("v5", {"allowed_delta_types": ["xdelta"]}, 'each "fossil"'),
    ("v5", {"force_recovery_mode": "some"}, 'force_recovery_mode: got "some"'),
    ("v5", {"proxy_subscribe": True, "proxy_stream_subscribe": True}, "does not go with another"),
    ("v3", {"tls": True}, "cert_pem"),
    ("v3", {"tls_autocert": True, "grpc_api": True}, "which gRPC cannot have yet"),
    ("v4", {"granular_proxy_mode": True, "subscribe_proxy_name": "p"}, 'no proxy is called "p"'),
    (
        "v4",
        {"granular_proxy_mode": True, "rpc_namespaces": [{"name": "ns", "rpc_proxy_name": "p"}]},
        'no proxy is called "p"',
    ),
    (
        "v4",
        {"granular_proxy_mode": True, "proxies": [{"name": "p1"}]},
        'proxy "p1" has no endpoint',
    ),
    ("v2", {"redis_host": "a,b,c", "redis_port": "1,2"}, "has 2 of 3 shards"),
    ("v2", {"redis_url": "redis://h"}, "expected host and port"),
]


@pytest.mark.parametrize(("generation", "options", "told"), REFUSED)
def test_what_the_old_servers_refused_is_refused(
    tmp_path: Path, generation: str, options: dict[str, Any], told: str
) -> None:
    assert told in refusal(tmp_path, options, generation)


# ── Redis of v2 ──────────────────────────────────────────────────────────────────────────────

REDIS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"redis_host": "a,b", "redis_port": "1,2"},
        {"engine.redis.address": ["redis://a:1", "redis://b:2"]},
    ),
    (
        {"redis_url": "redis://:p@a:1/2,redis://b:2"},
        {"engine.redis.address": ["redis://:p@a:1/2", "redis://b:2"]},
    ),
    ({"redis_port": "7000"}, {"engine.redis.address": ["redis://127.0.0.1:7000"]}),
    (
        {"redis_master_name": "m", "redis_sentinels": "a:1, b:2"},
        {
            "engine.redis.sentinel_master_name": "m",
            "engine.redis.sentinel_address": ["a:1,b:2"],
        },
    ),
    (
        {"redis_master_name": "m,n", "redis_sentinels": "a:1"},
        {
            "engine.redis.address": [
                "redis+sentinel://a:1?sentinel_master_name=m",
                "redis+sentinel://a:1?sentinel_master_name=n",
            ]
        },
    ),
    ({"redis_read_timeout": 2, "redis_write_timeout": 7}, {"engine.redis.io_timeout": "7s"}),
]


@pytest.mark.parametrize(("options", "carried"), REDIS)
def test_redis_of_v2(tmp_path: Path, options: dict[str, Any], carried: dict[str, Any]) -> None:
    found = read(written(tmp_path, {"generation": "v2", **K, **options}))
    assert found.problems == []
    values = {path: given.value for path, given in found.carried.items()}
    assert {path: values[path] for path in carried} == carried


# ── proxies that are not built yet ───────────────────────────────────────────────────────────


@pytest.mark.parametrize("generation", ["v3", "v5", "v6"])
def test_nobody_does_unasked_what_a_proxy_is_to_decide(tmp_path: Path, generation: str) -> None:
    opened = {"allow_subscribe_for_client": True, "allow_publish_for_client": True}
    old: dict[str, Any] = {"proxy_subscribe": True, "proxy_publish": True}
    asked = {"subscribe_proxy_enabled": True, "publish_proxy_enabled": True}
    options: dict[str, Any] = {
        "v3": {**old, "publish": True, "namespaces": [{"name": "ns", "publish": True, **old}]},
        "v5": {**old, **opened, "namespaces": [{"name": "ns", **opened, **old}]},
        "v6": {
            "channel": {
                "without_namespace": asked | opened,
                "namespaces": [{"name": "ns", **asked, **opened}],
            }
        },
    }[generation]
    found = load(written(tmp_path, {"generation": generation, **options}))
    for place in (found.config.channel.without_namespace, *found.config.channel.namespaces):
        assert not place.allow_subscribe_for_client
        assert not place.allow_publish_for_client
        assert not place.allow_publish_for_subscriber
    assert sum("the proxy that is to decide is not built yet" in w for w in found.warnings) >= 2


CONNECT_PROXY: dict[str, dict[str, Any]] = {
    "v3": {"client_anonymous": True, "anonymous": True, "client_insecure": True},
    "v5": {
        "allow_anonymous_connect_without_token": True,
        "client_insecure": True,
        "client_user_id_http_header": "X-User",
    },
    "v6": {
        "client": {
            "allow_anonymous_connect_without_token": True,
            "insecure": True,
            "user_id_http_header": "X-User",
        }
    },
}


@pytest.mark.parametrize("generation", CONNECT_PROXY)
def test_nobody_connects_unasked_where_a_proxy_is_to_decide(
    tmp_path: Path, generation: str
) -> None:
    """The old servers looked at these only for whom the proxy did not know."""
    options = {"generation": generation, **CONNECT_PROXY[generation]}
    environ = {"CENTRIFUGO_PROXY_CONNECT_ENDPOINT": "http://127.0.0.1:1/"}
    if generation == "v6":
        environ = {"CENTRIFUGO_CLIENT_PROXY_CONNECT_ENABLED": "true"}
    path = written(tmp_path, options)
    assert Server(load(path, {}).config).visit(None).connected == 0
    found = load(path, environ)
    assert Server(found.config).visit(None).connected == 3501
    assert not found.config.client.user_id_http_header
    assert any("client.insecure is off until then" in line for line in found.warnings)


@pytest.mark.parametrize("proxy", ["proxy_subscribe", "proxy_publish"])
@pytest.mark.parametrize("below", [True, False])
def test_a_proxy_is_not_passed_by_in_insecure_mode(tmp_path: Path, proxy: str, below: bool) -> None:
    asked = {proxy: True}
    options = {"namespaces": [{"name": "ns", **asked}]} if below else asked
    found = loaded(tmp_path, {"client_insecure": True, **options})
    assert not found.config.client.insecure


def test_a_proxy_of_subscribe_streams_closes_too(tmp_path: Path) -> None:
    item = {"name": "ns", "allow_subscribe_for_client": True, "proxy_subscribe_stream": True}
    found = loaded(tmp_path, {"namespaces": [item]})
    assert not found.config.channel.namespaces[0].allow_subscribe_for_client


def test_before_v4_a_proxy_closes_the_channel_to_all_who_do_not_ask(tmp_path: Path) -> None:
    """So it is written into a configuration of today, too, not only until there are proxies."""
    options = {"generation": "v3", **K, "proxy_subscribe": True}
    options["namespaces"] = [{"name": "ns", "proxy_subscribe": True}]
    found = read(written(tmp_path, options))
    assert not found.given["channel.without_namespace.allow_subscribe_for_client"].value
    assert not found.drafts[0]["allow_subscribe_for_client"].value


@pytest.mark.parametrize("text", ["true", "1", "perhaps"])
def test_a_variable_of_today_that_asks_a_proxy_closes_too(tmp_path: Path, text: str) -> None:
    options = {"channel": {"namespaces": [{"name": "ns", "allow_subscribe_for_client": True}]}}
    environ = {"CENTRIFUGO_CHANNEL_NAMESPACES_NS_SUBSCRIBE_PROXY_ENABLED": text}
    config = load(written(tmp_path, options), environ).config
    assert not config.channel.namespaces[0].allow_subscribe_for_client
    environ = dict.fromkeys(environ, "false")
    config = load(written(tmp_path, options), environ).config
    assert config.channel.namespaces[0].allow_subscribe_for_client
