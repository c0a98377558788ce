"""Which generation a configuration is of: names, shapes of times, statements, and refusals."""

import json
from pathlib import Path
from typing import Any

import pytest

from girandola.config.generations.flat import CHANNEL_NAMES, CHANNEL_OPTIONS, FLAGS, TOP_OPTIONS
from girandola.config.generations.marks import known_to
from girandola.config.load import ConfigError, Loaded, load
from girandola.config.names import CLASSIC
from girandola.config.schema import NAMESPACE_OPTIONS, OPTIONS
from girandola.config.unbuilt import UNBUILT, UNBUILT_CHANNEL
from tests.config.visitors import Server

K = {"token_hmac_secret_key": "k"}


def loaded(folder: Path, options: dict[str, Any], **more: Any) -> Loaded:
    path = folder / "config.json"
    path.write_text(json.dumps(options))
    return load(str(path), **more)


def refusal(folder: Path, options: dict[str, Any], **more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, options, **more)
    return str(caught.value).replace(f"{folder}/", "")


# ── the table ────────────────────────────────────────────────────────────────────────────────


def test_every_flat_name_leads_to_an_option_of_today_or_says_why_not() -> None:
    built = {*OPTIONS, *UNBUILT}
    nodes = built | {path.rpartition(".")[0] for path in built}
    in_channels = {*NAMESPACE_OPTIONS, *UNBUILT_CHANNEL}
    for name, option in TOP_OPTIONS.items():
        known = in_channels if name in CHANNEL_NAMES else nodes
        assert option.target in ("", "=") or option.target in known, option
    for option in CHANNEL_OPTIONS.values():
        assert option.target in ("", "=") or option.target in in_channels, option


def test_every_flag_between_is_an_option_of_its_generations() -> None:
    for flag, generations in FLAGS.items():
        assert generations <= TOP_OPTIONS[flag].generations, flag


MARKS_ONLY = {
    "1": "watch history_drop_inactive connection_lifetime web_path web_password web_secret "
    "insecure insecure_api insecure_admin insecure_web ssl ssl_cert ssl_key ssl_autocert api_port "
    "admin_port http_prefix max_channel_length private_channel_prefix namespace_channel_boundary "
    "user_channel_boundary user_channel_separator client_channel_boundary "
    "expired_connection_close_delay stale_connection_close_delay user_connection_limit "
    "client_queue_initial_capacity presence_ping_interval presence_expire_interval "
    "node_ping_interval node_metrics_interval redis_api redis_api_num_shards redis_pool",
    "12": "secret history_lifetime redis_host redis_port redis_url redis_master_name "
    "redis_sentinels redis_pubsub_num_workers client_request_max_size "
    "client_message_write_timeout",
    "2": "history_recover server_side v3_use_offset redis_streams redis_cluster_addrs "
    "redis_sequence_ttl redis_history_meta_ttl memory_history_meta_ttl client_ping_interval "
    "client_presence_ping_interval client_presence_expire_interval proxy_extra_http_headers "
    "sockjs_disable tls_autocert_force_rsa",
    "13": "recover",
    "123": "anonymous publish redis_read_timeout redis_write_timeout",
    "23": "subscribe_to_publish presence_disable_for_client history_disable_for_client "
    "client_anonymous redis_idle_timeout",
    "3": "protected position use_unlimited_history_by_default",
    "234": "websocket_ping_interval redis_tls_skip_verify",
    "1234": "sockjs_heartbeat_delay",
    "34": "presence_ttl uni_websocket_ping_interval",
    "12345": "admin_password admin_secret presence join_leave history_size namespaces "
    "client_channel_limit client_queue_max_size sockjs_url websocket_compression gomaxprocs "
    "websocket_read_buffer_size websocket_write_buffer_size redis_password redis_db redis_prefix "
    "redis_connect_timeout",
    "123456": "name port address debug engine log_level log_file admin pid_file",
    "16": "web",
    "4": "use_client_protocol_v1_by_default disable_client_protocol_v1 "
    "skip_user_check_in_subscription_token v5_api",
    "145": "ping_interval",
    "2345": "api_key api_insecure admin_insecure token_hmac_secret_key client_insecure "
    "client_stale_close_delay channel_max_length tls internal_port grpc_api prometheus health "
    "graphite proxy_connect_endpoint nats_url user_subscribe_to_personal allowed_origins",
    "345": "history_ttl history_meta_ttl granular_proxy_mode rpc_namespaces "
    "subscribe_proxy_name proxy_http_headers redis_address sockjs sse http_stream uni_sse "
    "usage_stats_disable tarantool_mode some_rate_limit subscribe_cel",
    "45": "allow_subscribe_for_client force_recovery channel_regex pong_timeout redis_io_timeout "
    "proxy_sub_refresh http3 api_external redis_tls_cert_pem",
    "5": "global_history_meta_ttl global_presence_ttl force_recovery_mode allowed_delta_types "
    "delta_publish separate_subscription_token_config subscription_token_hmac_secret_key "
    "token_user_id_claim client_user_id_http_header proxy_static_http_headers opentelemetry "
    "rpc_ping api_error_mode nats_raw_mode swagger tls_client_ca",
    "56": "consumers enable_unreleased_features",
    "3456": "proxies",
    "6": "client channel http_server http_api rpc websocket node log shutdown usage_stats",
    "": "whatever",
}


@pytest.mark.parametrize(
    ("generations", "name"),
    [(generations, name) for generations, names in MARKS_ONLY.items() for name in names.split()],
)
def test_a_name_is_known_to_its_generations(generations: str, name: str) -> None:
    assert known_to(name, True) == {int(digit) for digit in generations}
    assert known_to(name.upper(), True) == known_to(name, True)


@pytest.mark.parametrize("name", ["engine", "admin", "swagger", "sse", "uni_grpc", "debug"])
def test_an_object_where_flat_generations_have_a_scalar_is_of_today(name: str) -> None:
    assert known_to(name, {}) == {6}
    assert 6 not in known_to(name, True) or name in ("engine", "admin", "debug")


@pytest.mark.parametrize("name", ["classic", "legacy", "sockjs"])
def test_a_section_that_only_girandola_has_goes_with_every_generation(name: str) -> None:
    assert known_to(name, {}) == {1, 2, 3, 4, 5, 6}


def test_every_name_of_2018_is_known_to_it() -> None:
    assert all(1 in known_to(name, True) for name in CLASSIC)


# ── what names decide ────────────────────────────────────────────────────────────────────────

DECISIONS: list[tuple[dict[str, Any], int]] = [
    ({}, 6),
    ({"port": "9000"}, 6),
    ({"port": "9000", "admin_password": "p"}, 5),
    ({"watch": True}, 1),
    ({"WATCH": True}, 1),
    ({"secret": "s", "history_lifetime": 5}, 1),
    ({"secret": "", "history_lifetime": 5}, 2),
    ({"history_lifetime": 5}, 2),
    ({**K, "client_anonymous": False}, 3),
    ({**K, "history_ttl": "5m", "history_size": 1}, 5),
    ({**K, "namespaces": [{"name": "ns", "protected": True}]}, 3),
    ({**K, "namespaces": [{"name": "ns", "server_side": True}]}, 2),
    ({**K, "namespaces": [{"name": "ns", "allow_history_for_client": True}]}, 5),
    ({**K, "namespaces": [{"name": "ns", "history_meta_ttl": "1h"}]}, 5),
    ({**K, "proxies": [{"name": "pp", "endpoint": "e", "grpc_cert_file": "f"}]}, 5),
    ({"proxies": [{"name": "pp", "grpc": {}}]}, 6),
    ({"consumers": [{"name": "c", "disabled": True}]}, 5),
    ({"consumers": [{"name": "c", "enabled": True}]}, 6),
    ({**K, "shutdown_timeout": 5, "api_key": "k"}, 2),
    ({**K, "shutdown_timeout": "5", "api_key": "k"}, 2),
    ({**K, "shutdown_timeout": "5s", "api_key": "k"}, 5),
    ({**K, "shutdown_timeout": 0, "api_key": "k"}, 5),
    ({"secret": "s", "ping_interval": 25}, 1),
    ({**K, "ping_interval": "25s"}, 5),
]


@pytest.mark.parametrize(("options", "generation"), DECISIONS)
def test_names_and_shapes_of_times_decide(
    tmp_path: Path, options: dict[str, Any], generation: int
) -> None:
    assert loaded(tmp_path, options).generation == generation


def test_variables_and_flags_decide_as_the_file_does(tmp_path: Path) -> None:
    none = str(tmp_path / "none.json")
    assert load(none, {"CENTRIFUGO_PROTECTED": "true"}).generation == 3
    assert load(none, {"CENTRIFUGO_CHANNEL_NAMESPACES": "[]"}).generation == 6
    assert load(none, {"CENTRIFUGO_NATS_RAW_MODE_ENABLED": "true"}).generation == 5
    assert load(none, {}, {"swagger": "true"}).generation == 5
    assert load(none, {}, {"insecure": "true"}).generation == 1
    assert load(none, {}, {"http_server.port": "1", "admin": "true"}).generation == 6
    assert loaded(tmp_path, {**K, "protected": True}, flags={"port": "1"}).generation == 3
    found = loaded(tmp_path, {**K, "protected": True}, flags={"http_server.port": "7"})
    assert (found.generation, found.config.http_server.port) == (3, 7)


def test_a_variable_that_v2_does_not_read_is_no_name_of_v2(tmp_path: Path) -> None:
    environ = {
        "CENTRIFUGO_CLIENT_USER_CONNECTION_LIMIT": "5",
        "CENTRIFUGO_SUBSCRIBE_TO_PUBLISH": "true",
    }
    assert load(str(tmp_path / "none.json"), environ).generation == 3
    environ["CENTRIFUGO_SERVER_SIDE"] = "true"
    with pytest.raises(ConfigError, match="CENTRIFUGO_CLIENT_USER_CONNECTION_LIMIT"):
        load(str(tmp_path / "none.json"), environ)


def test_names_spelled_alike_in_the_environment_of_old_and_new_decide_nothing(
    tmp_path: Path,
) -> None:
    """``admin_password`` and ``admin.password`` are one variable."""
    environ = {"CENTRIFUGO_ADMIN_PASSWORD": "p", "CENTRIFUGO_CLIENT_CHANNEL_LIMIT": "5"}
    assert loaded(tmp_path, {"client": {}}, environ=environ).generation == 6
    found = loaded(tmp_path, {**K, "protected": True}, environ=environ)
    assert (found.generation, found.config.client.channel_limit) == (3, 5)


def test_a_name_outside_of_the_file_does_not_open_it(tmp_path: Path) -> None:
    """A newer server ignored it: a variable left over from an older one."""
    options = {**K, "namespaces": [{"name": "chat"}]}
    left_over = {"CENTRIFUGO_REDIS_HOST": "redis"}
    with pytest.raises(ConfigError, match=r'without "CENTRIFUGO_REDIS_HOST" .* read as v5'):
        loaded(tmp_path, options, environ=left_over)
    stated = loaded(tmp_path, {**options, "generation": "v2"}, environ=left_over)
    assert stated.generation == 2
    file = {**options, "history_recover": True, "history_size": 1, "history_lifetime": 1}
    assert loaded(tmp_path, file, environ=left_over).generation == 2
    assert loaded(tmp_path, {"log_level": "info"}, environ=left_over).generation == 2


def test_what_kubernetes_sets_decides_nothing(tmp_path: Path) -> None:
    environ = {
        "CENTRIFUGO_PORT": "tcp://10.0.0.1:8000",
        "CENTRIFUGO_API_PORT": "tcp://10.0.0.1:9000",
        "CENTRIFUGO_ADMIN_PORT": "tcp://10.0.0.1:9001",
        "CENTRIFUGO_SERVICE_PORT": "8000",
    }
    for options in ({"client": {}}, {**K, "protected": True}, {**K, "v5_api": True}):
        assert loaded(tmp_path, options, environ=environ).config.http_server.port == 8000


def test_the_decision_says_why(tmp_path: Path) -> None:
    found = loaded(tmp_path, {**K, "protected": True})
    assert found.why == f'"protected" ({tmp_path}/config.json) is v3'
    assert loaded(tmp_path, {"generation": "v3"}).why == (
        f"generation says so ({tmp_path}/config.json)"
    )
    assert loaded(tmp_path, {}).why == "nothing says otherwise"
    assert loaded(tmp_path, {"secret": "s"}).why == (
        "every name is known to v1/v2; v1 is the safe reading"
    )


# ── said by the user ─────────────────────────────────────────────────────────────────────────


def test_flag_over_girandola_over_centrifugo_over_file_says_the_generation(tmp_path: Path) -> None:
    options: dict[str, Any] = {"generation": "v2", **K}
    environ = {"CENTRIFUGO_GENERATION": "v3"}
    assert loaded(tmp_path, options).generation == 2
    assert loaded(tmp_path, options, environ=environ).generation == 3
    environ["GIRANDOLA_GENERATION"] = "4"
    assert loaded(tmp_path, options, environ=environ).generation == 4
    found = loaded(tmp_path, options, environ=environ, flags={"generation": "V5"})
    assert found.generation == 5
    assert found.unknown == ()


def test_a_statement_that_another_one_wins_over_is_told(tmp_path: Path) -> None:
    options: dict[str, Any] = {"generation": "v5", **K}
    found = loaded(tmp_path, options, environ={"CENTRIFUGO_GENERATION": "v2"})
    assert [line.replace(f"{tmp_path}/", "") for line in found.warnings] == [
        "config.json: CENTRIFUGO_GENERATION (environment) says v2, and generation (config.json) "
        'says "v5", which does not count'
    ]
    assert not loaded(tmp_path, options, environ={"CENTRIFUGO_GENERATION": "5"}).warnings


@pytest.mark.parametrize("value", ["v7", "0", "", "six", 2.5, [], True])
def test_a_generation_that_there_is_none_of_is_refused(tmp_path: Path, value: Any) -> None:
    assert "expected one of v1, v2, v3, v4, v5, v6" in refusal(tmp_path, {"generation": value})


def test_names_of_others_than_the_stated_generation_are_warned_about(tmp_path: Path) -> None:
    options = {"generation": "v4", **K, "protected": True, "namespaces": [{"name": "ns"}]}
    found = loaded(tmp_path, options)
    assert [line.partition("config.json: ")[2] for line in found.unknown] == [
        '"protected" is an option of v3, it has no effect in v4: it closes nothing'
    ]
    options = {"generation": "v6", "secret": "s", "client": {}, "api_key": "k", "presence": True}
    found = loaded(tmp_path, options)
    assert [line.partition("config.json: ")[2] for line in found.unknown] == [
        '"secret" is an option of v1/v2, it has no effect in v6; '
        'today it is "client.token.hmac_secret_key"',
        '"api_key" is an option of v2–v5, it has no effect in v6; today it is "http_api.key"',
        '"presence" is an option of v1–v5, it has no effect in v6; '
        'today it is "channel.without_namespace.presence"',
    ]
    assert not found.config.channel.without_namespace.allow_subscribe_for_client
    assert found.config.http_api.key == ""


@pytest.mark.parametrize("generation", ["v1", "v2", "v3"])
@pytest.mark.parametrize(
    "options",
    [
        {"allow_user_limited_channels": True},
        {"namespaces": [{"name": "ns", "allow_history_for_client": False}]},
    ],
)
def test_permissions_that_hope_for_a_closed_default_are_refused_where_it_is_open(
    tmp_path: Path, generation: str, options: dict[str, Any]
) -> None:
    assert "is open where nothing closes it" in refusal(
        tmp_path, {"generation": generation, **K, **options}
    )


@pytest.mark.parametrize("flag", ["insecure_api", "client_insecure", "sockjs", "http_api.insecure"])
def test_a_flag_that_the_stated_generation_has_not_is_refused(tmp_path: Path, flag: str) -> None:
    told = refusal(
        tmp_path, {"generation": "v2" if flag != "client_insecure" else "v6"}, flags={flag: "true"}
    )
    assert f"--{flag}: no flag of v" in told


# ── refusals ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("line", ["client_insecure: yes", "proxy_publish: on"])
def test_what_v5_opens_more_with_is_in_doubt_in_the_words_of_yaml_too(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"token_hmac_secret_key: k\n{line}\n")
    with pytest.raises(ConfigError, match="cannot tell the generation"):
        load(str(path))


MIXTURES: list[dict[str, Any]] = [
    {"client": {"token": {"hmac_secret_key": "k"}, "allowed_origins": ["https://a.com"]},
     "http_api": {"key": "k"}, "namespaces": [{"name": "session", "presence": True}]},
    *(
        {"client": {"token": {"hmac_secret_key": "k"}}, "http_api": {"key": "k"}, **old}
        for old in (
            {"admin_password": "p"},
            {"presence": True},
            {"client_channel_limit": 1},
            {"ping_interval": 25},
            {"ping_interval": "25s"},
            {"namespaces": []},
            {"secret": "s"},
            {"allow_subscribe_for_client": True},
            {"history_size": 0},
        )
    ),
    {"secret": "s", "namespaces": [{"name": "srv", "protected": True}]},
    {"secret": "s", "watch": True, "namespaces": [{"name": "srv", "server_side": True}]},
    {"secret": "s", "insecure_api": True, "api_key": "k"},
    {**K, "protected": True, "allow_subscribe_for_client": True},
    {**K, "v5_api": True, "delta_publish": True},
    {**K, "server_side": True, "recover": True},
    {"recover": True},
    {"recover": True, "anonymous": True},
    {**K, "client_insecure": True},
    {**K, "proxy_publish": True, "presence": True},
    {**K, "namespaces": [{"name": "ns", "proxy_publish": True}]},
    {**K, "publish_proxy_name": "x"},
    *(
        {**K, "namespaces": [{"name": "ns", name: value}]}
        for name, value in (
            ("subscribe_proxy_enabled", True),
            ("allow_tags_filter", False),
            ("map", {}),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("options", MIXTURES)
def test_mixtures_and_doubts_are_refused_with_names_meanings_and_what_to_write(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    told = refusal(tmp_path, options)
    assert told.startswith("cannot tell the generation: ")
    assert "(config.json)" in told
    assert "GIRANDOLA_GENERATION=v" in told
    assert "lets" in told
    assert len(told.splitlines()) == 1


ENVIRONMENTS = ["SECRET=app", "PRESENCE=true", "HISTORY_SIZE=0", "NAMESPACES=[]", "ANONYMOUS=1"]


@pytest.mark.parametrize("stray", ENVIRONMENTS)
def test_a_stray_variable_of_old_does_not_open_a_server_of_today(
    tmp_path: Path, stray: str
) -> None:
    name, _, value = stray.partition("=")
    environ = {
        "CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY": "k",
        "CENTRIFUGO_HTTP_API_KEY": "k",
        f"CENTRIFUGO_{name}": value,
    }
    with pytest.raises(ConfigError, match=f"CENTRIFUGO_{name}"):
        load(str(tmp_path / "none.json"), environ)
    stated = environ | {"CENTRIFUGO_GENERATION": "v6"}
    server = Server(load(str(tmp_path / "none.json"), stated).config)
    assert server.visit("42").subscribe("any") == 103


def test_a_proxy_that_decides_is_no_reason_to_take_forged_tokens(tmp_path: Path) -> None:
    options = {"proxy_connect_endpoint": "http://127.0.0.1:1/", "namespaces": [{"name": "rooms"}]}
    config = loaded(tmp_path, options).config
    assert not config.classic.allow_empty_secret
    assert config.client.allowed_origins == ()
    server = Server(config, key="")
    assert server.visit(None).connected == 3501
    assert server.visit("42").connected == 3500


@pytest.mark.parametrize("stated", ["v2", "v3"])
def test_what_only_the_server_may_join_stays_closed_where_its_generation_is_stated(
    tmp_path: Path, stated: str
) -> None:
    closed = "server_side" if stated == "v2" else "protected"
    options = {"generation": stated, **K, "namespaces": [{"name": "srv", closed: True}]}
    server = Server(loaded(tmp_path, options).config)
    assert server.visit("42").subscribe("srv:1") == 103
    assert server.visit("42").subscribe("any") == 0


def test_times_that_no_generation_of_the_names_can_read_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, {**K, "delta_publish": True, "shutdown_timeout": 30}) == (
        'config.json: shutdown_timeout: 30 has no unit; write "30s" (v1 and v2 have seconds)'
    )
    assert refusal(tmp_path, {**K, "server_side": True, "shutdown_timeout": "30s"}) == (
        'config.json: shutdown_timeout: "30s" has a unit, and v2 has whole seconds; without a '
        "number it took this for 0"
    )
    told = refusal(
        tmp_path, {**K, "shutdown_timeout": "30s", "namespaces": [], "client_stale_close_delay": 5}
    )
    assert '"shutdown_timeout" (config.json) is written as in v3' in told
    assert '"client_stale_close_delay" (config.json) as in v1/v2' in told


def test_undecided_channels_are_closed_and_warned_about(tmp_path: Path) -> None:
    for options in ({"presence": True}, {"namespaces": [{"name": "ns"}]}, {"join_leave": False}):
        found = loaded(tmp_path, {**K, **options})
        assert found.generation == 5
        (warning,) = found.warnings
        assert "clients may not subscribe without a token" in warning
        assert '"generation": "v3"' in warning
    assert loaded(tmp_path, {**K, "api_key": "k", "namespaces": []}).warnings == ()
