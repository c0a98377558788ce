"""The example configurations of config-generations.md section 5: what each comes to today.

``BUILT`` options are compared in the ``Config``, those that are not built yet in what is carried.
Who may do what is in ``test_generation_permissions.py``.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import Struct, field, structs

from girandola.config.load import ConfigError, Loaded, load, read, value_at
from girandola.config.schema import OPTIONS, Config
from girandola.options import ChannelOptions

W = "channel.without_namespace."
K = {"token_hmac_secret_key": "k"}
HMAC = {"client.token.hmac_secret_key": "k"}
ANYTHING = r"(?s)^.*$"

OPEN_CHANNEL = {
    "allow_subscribe_for_client": True,
    "allow_user_limited_channels": True,
    "channel_regex": ANYTHING,
}
"""What channels of v2 and v3 can do without being told."""

_OF_2_AND_3 = {
    "client.stale_close_delay": 25,
    "channel.history_meta_ttl": 87600 * 3600,
    "legacy.gate_anonymous": True,
    "legacy.tokens_on_private_channels_only": True,
    "legacy.private_user_limited_needs_both": True,
    "legacy.narrow_insecure": True,
    "legacy.disabled_reads_are_unavailable": True,
    "legacy.connect_subs_for_users_only": True,
    **{W + name: value for name, value in OPEN_CHANNEL.items()},
}
IMPLIED: dict[int, dict[str, Any]] = {
    2: _OF_2_AND_3
    | {
        "client.allowed_origins": ("*",),
        "client.queue_max_size": 10485760,
        "client.presence_update_interval": 25,
        "client.history_max_publication_limit": 0,
        "client.recovery_max_publication_limit": 0,
        "sockjs.enabled": True,
        "legacy.subscription_token_owner": "client",
        "legacy.unlimited_history_by_default": True,
    },
    3: _OF_2_AND_3
    | {
        "uni_grpc.max_receive_message_size": 65536,
        "legacy.subscription_token_owner": "client_if_named",
    },
    4: {"channel.history_meta_ttl": 2160 * 3600, "uni_grpc.max_receive_message_size": 65536},
    5: {"uni_grpc.max_receive_message_size": 65536},
    6: {},
}
CARRIED = {
    2: {"engine.redis.history_use_lists": True, "engine.redis.io_timeout": "5s"},
    3: {"engine.redis.io_timeout": "5s"},
    4: {},
    5: {},
    6: {},
}


class Example(Struct, kw_only=True):
    """One row. ``leaves`` are built and differ from defaults and ``IMPLIED``."""

    id: str
    generation: int
    options: dict[str, Any] = field(default_factory=dict)
    stated: bool = False
    environ: dict[str, str] = field(default_factory=dict)
    leaves: dict[str, Any] = field(default_factory=dict)
    carried: dict[str, Any] = field(default_factory=dict)
    namespaces: dict[str, dict[str, Any]] = field(default_factory=dict)
    starts: bool = True
    suffix: str = ".json"
    warned: str = ""


V6 = {
    "client": {"token": {"hmac_secret_key": "y"}},
    "channel": {"namespaces": [{"name": "chat", "allow_subscribe_for_client": True}]},
}
HEADERS = [
    *("Origin", "User-Agent", "Cookie", "Authorization"),
    *("X-Forwarded-For", "X-Real-Ip", "X-Request-Id"),
]
STATIC = [
    {"status_code": 404, "to_error": {"code": 1404, "message": "nf", "temporary": False}},
]

ANON_4 = {
    "allow_anonymous_connect_without_token": True,
    "allow_subscribe_for_client": True,
    "use_client_protocol_v1_by_default": True,
}
LEAVES_ANON_4 = {
    "client.allow_anonymous_connect_without_token": True,
    W + "allow_subscribe_for_client": True,
}

EXAMPLES = [
    Example(
        id="2.1",
        generation=2,
        options={
            "v3_use_offset": True,
            **K,
            "admin_password": "p2",
            "admin_secret": "s2",
            "api_key": "a2",
            "allowed_origins": [],
        },
        leaves=HMAC
        | {
            "admin.password": "p2",
            "admin.secret": "s2",
            "http_api.key": "a2",
            "client.allowed_origins": (),
        },
    ),
    Example(
        id="2.2",
        generation=2,
        stated=True,
        options={"secret": "k2", "api_key": "a2"},
        leaves={"client.token.hmac_secret_key": "k2", "http_api.key": "a2"},
    ),
    Example(
        id="2.3",
        generation=2,
        stated=True,
        options={
            "secret": "old",
            "token_hmac_secret_key": "new",
            "api_key": "a2",
            "publish": True,
        },
        leaves={
            "client.token.hmac_secret_key": "new",
            "http_api.key": "a2",
            W + "allow_publish_for_client": True,
            W + "allow_publish_for_anonymous": True,
        },
    ),
    Example(
        id="2.4",
        generation=2,
        options={"secret": "k2", "api_key": "a2", "publish": True, "subscribe_to_publish": True},
        leaves={
            "client.token.hmac_secret_key": "k2",
            "http_api.key": "a2",
            W + "allow_publish_for_subscriber": True,
            W + "allow_publish_for_anonymous": True,
        },
    ),
    Example(
        id="2.5",
        generation=2,
        options={
            "secret": "k2",
            "client_anonymous": True,
            "anonymous": True,
            "namespaces": [{"name": "priv"}],
        },
        leaves={
            "client.token.hmac_secret_key": "k2",
            "client.allow_anonymous_connect_without_token": True,
            W + "allow_subscribe_for_anonymous": True,
        },
        namespaces={"priv": OPEN_CHANNEL},
    ),
    Example(
        id="2.6",
        generation=2,
        options={
            "secret": "k2",
            "namespaces": [{"name": "srv", "server_side": True}],
            "history_recover": False,
        },
        leaves={"client.token.hmac_secret_key": "k2"},
        namespaces={"srv": {"channel_regex": ANYTHING, "server_side_only": True}},
    ),
    Example(
        id="2.7",
        generation=2,
        options={
            "secret": "k2",
            "presence": True,
            "presence_disable_for_client": True,
            "history_size": 10,
            "history_lifetime": 300,
        },
        leaves={
            "client.token.hmac_secret_key": "k2",
            W + "presence": True,
            W + "history_size": 10,
            W + "history_ttl": 300,
            W + "allow_history_for_subscriber": True,
            W + "allow_history_for_anonymous": True,
        },
    ),
    Example(
        id="2.8",
        generation=2,
        options={"secret": "k2", "history_size": 10, "api_key": "x"},
        leaves={"client.token.hmac_secret_key": "k2", "http_api.key": "x"},
    ),
    Example(
        id="2.10",
        generation=2,
        starts=False,
        options={
            "secret": "k2",
            "engine": "redis",
            "redis_host": "a,b",
            "redis_port": "6379",
            "redis_password": "rp",
            "redis_db": 3,
            "redis_streams": True,
        },
        leaves={"client.token.hmac_secret_key": "k2"},
        carried={
            "engine.type": "redis",
            "engine.redis.address": ["redis://a:6379", "redis://b:6379"],
            "engine.redis.password": "rp",
            "engine.redis.db": 3,
            "engine.redis.history_use_lists": False,
        },
    ),
    Example(
        id="2.11",
        generation=2,
        options={
            "secret": "k2",
            "proxy_connect_endpoint": "http://b/c",
            "proxy_connect_timeout": 0.5,
            "proxy_publish_endpoint": "http://b/p",
            "proxy_publish": True,
            "proxy_extra_http_headers": ["X-Team"],
        },
        leaves={"client.token.hmac_secret_key": "k2"},
        carried={
            "client.proxy.connect.enabled": True,
            "client.proxy.connect.endpoint": "http://b/c",
            "client.proxy.connect.timeout": "500ms",
            "client.proxy.connect.http_headers": [*HEADERS, "X-Team"],
            "channel.proxy.publish.endpoint": "http://b/p",
            "channel.proxy.publish.http_headers": [*HEADERS, "X-Team"],
            "channel.proxy.publish.timeout": "1s",
            W + "publish_proxy_enabled": False,
        },
    ),
    Example(
        id="2.12",
        generation=2,
        suffix=".yaml",
        options={
            "secret": "k2",
            "v3_use_offset": True,
            "websocket_ping_interval": 5,
            "client_insecure": True,
            "namespaces": [{"name": "vip", "server_side": True}],
        },
        leaves={
            "client.token.hmac_secret_key": "k2",
            "client.insecure": True,
            "client.ping_interval": 5,
            "client.pong_timeout": 5 / 3,
        },
        namespaces={"vip": {"channel_regex": ANYTHING, "server_side_only": True}},
    ),
    Example(
        id="3.1",
        generation=3,
        options={
            **K,
            "api_key": "a3",
            "client_anonymous": False,
            "allowed_origins": ["https://a.example"],
        },
        leaves=HMAC | {"http_api.key": "a3", "client.allowed_origins": ("https://a.example",)},
        warned="read as v3",
    ),
    Example(
        id="3.2",
        generation=3,
        options={**K, "protected": True},
        leaves=HMAC | {W + "allow_subscribe_for_client": False},
    ),
    Example(
        id="3.3",
        generation=3,
        options={**K, "protected": True, "anonymous": True, "client_anonymous": True},
        leaves=HMAC
        | {
            W + "allow_subscribe_for_client": False,
            W + "allow_subscribe_for_anonymous": True,
            "client.allow_anonymous_connect_without_token": True,
        },
    ),
    Example(
        id="3.4",
        generation=3,
        options={
            **K,
            "anonymous": False,
            "namespaces": [{"name": "pub", "anonymous": True, "publish": True}],
            "client_anonymous": True,
        },
        warned="read as v3",
        leaves=HMAC | {"client.allow_anonymous_connect_without_token": True},
        namespaces={
            "pub": {
                **OPEN_CHANNEL,
                "allow_subscribe_for_anonymous": True,
                "allow_publish_for_client": True,
                "allow_publish_for_anonymous": True,
            }
        },
    ),
    Example(
        id="3.5",
        generation=3,
        options={
            **K,
            "recover": True,
            "position": True,
            "history_size": 5,
            "history_ttl": "60s",
            "history_disable_for_client": True,
        },
        leaves=HMAC
        | {
            W + "force_recovery": True,
            W + "force_positioning": True,
            W + "history_size": 5,
            W + "history_ttl": 60,
        },
    ),
    Example(
        id="3.7",
        generation=3,
        options={
            **K,
            "protected": False,
            "namespaces": [
                {"name": "c1", "presence": "true", "history_size": "5", "history_ttl": "1m"}
            ],
        },
        leaves=HMAC,
        namespaces={
            "c1": {
                **OPEN_CHANNEL,
                "presence": True,
                "history_size": 5,
                "history_ttl": 60,
                "allow_presence_for_subscriber": True,
                "allow_presence_for_anonymous": True,
                "allow_history_for_subscriber": True,
                "allow_history_for_anonymous": True,
            }
        },
    ),
    Example(
        id="3.8",
        generation=3,
        options={
            **K,
            "proxy_subscribe": True,
            "protected": True,
            "proxy_subscribe_endpoint": "grpc://b:9",
            "proxy_http_headers": ["Cookie"],
        },
        leaves=HMAC | {W + "allow_subscribe_for_client": False},
        carried={
            "channel.proxy.subscribe.endpoint": "grpc://b:9",
            "channel.proxy.subscribe.timeout": "1s",
            "channel.proxy.subscribe.http_headers": ["Cookie"],
            W + "subscribe_proxy_enabled": True,
        },
    ),
    Example(
        id="3.9",
        generation=3,
        options={
            **K,
            "client_anonymous": True,
            "granular_proxy_mode": True,
            "proxies": [{"name": "p1", "endpoint": "http://b/s"}],
            "namespaces": [
                {"name": "c1", "subscribe_proxy_name": "p1"},
                {"name": "c2", "proxy_subscribe": True},
            ],
        },
        leaves=HMAC | {"client.allow_anonymous_connect_without_token": True},
        namespaces={
            "c1": {**OPEN_CHANNEL, "allow_subscribe_for_client": False},
            "c2": {**OPEN_CHANNEL, "allow_subscribe_for_client": False},
        },
        carried={
            "proxies": [{"name": "p1", "endpoint": "http://b/s", "timeout": "1s"}],
            "channel.namespaces[0].subscribe_proxy_enabled": True,
            "channel.namespaces[0].subscribe_proxy_name": "p1",
        },
    ),
    Example(
        id="3.10",
        generation=3,
        environ={
            "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": "k",
            "CENTRIFUGO_PROTECTED": "true",
            "CENTRIFUGO_ALLOWED_ORIGINS": "https://a https://b",
            "CENTRIFUGO_NAMESPACES": '[{"name":"c1","publish":true}]',
        },
        leaves=HMAC
        | {
            "client.allowed_origins": ("https://a", "https://b"),
            W + "allow_subscribe_for_client": False,
        },
        namespaces={
            "c1": {
                **OPEN_CHANNEL,
                "allow_publish_for_client": True,
                "allow_publish_for_anonymous": True,
            }
        },
    ),
    Example(
        id="3.12",
        generation=3,
        options={
            **K,
            "client_anonymous": False,
            "tls": True,
            "tls_cert": "c.pem",
            "tls_key": "k.pem",
            "grpc_api": True,
            "grpc_api_key": "g3",
            "sockjs": True,
        },
        leaves=HMAC
        | {
            "http_server.tls.enabled": True,
            "http_server.tls.cert_pem": "c.pem",
            "http_server.tls.key_pem": "k.pem",
            "sockjs.enabled": True,
        },
        carried={
            "grpc_api.enabled": True,
            "grpc_api.key": "g3",
            "grpc_api.tls.enabled": True,
            "grpc_api.tls.cert_pem": "c.pem",
            "grpc_api.tls.key_pem": "k.pem",
        },
    ),
    Example(
        id="4.1",
        generation=4,
        options={**K, "api_key": "a4", "v5_api": True},
        leaves=HMAC | {"http_api.key": "a4"},
    ),
    Example(
        id="4.2",
        generation=4,
        options={**K, "allow_subscribe_for_client": True, "v5_api": False},
        leaves=HMAC | {W + "allow_subscribe_for_client": True},
    ),
    Example(
        id="4.3",
        generation=4,
        options={
            **K,
            "allow_subscribe_for_client": True,
            "v5_api": False,
            "allow_user_limited_channels": True,
        },
        leaves=HMAC
        | {W + "allow_subscribe_for_client": True, W + "allow_user_limited_channels": True},
    ),
    Example(id="4.4", generation=4, options=ANON_4, leaves=LEAVES_ANON_4),
    Example(
        id="4.5",
        generation=4,
        options=ANON_4
        | {"allow_subscribe_for_anonymous": True, "allow_publish_for_subscriber": True},
        leaves=LEAVES_ANON_4
        | {
            W + "allow_subscribe_for_anonymous": True,
            W + "allow_publish_for_subscriber": True,
        },
    ),
    Example(
        id="4.6",
        generation=4,
        options={**K, "skip_user_check_in_subscription_token": True},
        leaves=HMAC | {"legacy.subscription_token_owner": "any_user"},
    ),
    Example(
        id="4.7",
        generation=4,
        stated=True,
        starts=False,
        options={
            **K,
            "presence_ttl": "30s",
            "engine": "redis",
            "redis_address": ["redis://a:1", "redis://b:2"],
            "redis_io_timeout": "2s",
        },
        leaves=HMAC,
        carried={
            "engine.type": "redis",
            "engine.redis.presence_ttl": "30s",
            "engine.redis.address": ["redis://a:1", "redis://b:2"],
            "engine.redis.io_timeout": "2s",
        },
    ),
    Example(
        id="4.9",
        generation=4,
        options={
            **K,
            "disable_client_protocol_v1": True,
            "channel_regex": "^[a-z]+$",
            "namespaces": [
                {"name": "c1", "channel_regex": "^[0-9]+$", "allow_subscribe_for_client": True}
            ],
        },
        leaves=HMAC | {W + "channel_regex": "^[a-z]+$"},
        namespaces={"c1": {"channel_regex": "^[0-9]+$", "allow_subscribe_for_client": True}},
    ),
    Example(
        id="4.10",
        generation=4,
        options={
            **K,
            "proxy_sub_refresh": True,
            "proxy_sub_refresh_endpoint": "http://b/r",
            "proxy_publish": True,
            "proxy_publish_endpoint": "http://b/p",
            "v5_api": True,
        },
        leaves=HMAC,
        carried={
            "channel.proxy.sub_refresh.endpoint": "http://b/r",
            "channel.proxy.sub_refresh.timeout": "1s",
            "channel.proxy.publish.endpoint": "http://b/p",
            "channel.proxy.publish.timeout": "1s",
            W + "sub_refresh_proxy_enabled": True,
            W + "publish_proxy_enabled": True,
        },
    ),
    Example(
        id="4.11",
        generation=4,
        options={**K, "client_insecure": True, "v5_api": True},
        leaves=HMAC | {"client.insecure": True},
    ),
    Example(
        id="4.12",
        generation=4,
        options={
            **K,
            "history_meta_ttl": "2000h",
            "history_size": 2,
            "history_ttl": "1000h",
            "websocket_ping_interval": "10s",
            "allow_recovery": True,
        },
        leaves=HMAC
        | {
            "channel.history_meta_ttl": 2000 * 3600,
            W + "history_size": 2,
            W + "history_ttl": 1000 * 3600,
            W + "allow_recovery": True,
        },
    ),
    Example(
        id="5.1",
        generation=5,
        options={
            **K,
            "admin_password": "p5",
            "admin_secret": "s5",
            "api_key": "a5",
            "allowed_origins": [],
        },
        leaves=HMAC | {"admin.password": "p5", "admin.secret": "s5", "http_api.key": "a5"},
    ),
    Example(
        id="5.2",
        generation=5,
        options={**K, "namespaces": [{"name": "chat", "presence": True}]},
        leaves=HMAC,
        namespaces={"chat": {"presence": True}},
        warned="clients may not subscribe without a token",
    ),
    Example(
        id="5.3",
        generation=5,
        options={
            **K,
            "namespaces": [
                {
                    "name": "chat",
                    "presence": True,
                    "allow_subscribe_for_client": True,
                    "allow_presence_for_subscriber": True,
                }
            ],
        },
        leaves=HMAC,
        namespaces={
            "chat": {
                "presence": True,
                "allow_subscribe_for_client": True,
                "allow_presence_for_subscriber": True,
            }
        },
    ),
    Example(
        id="5.4",
        generation=5,
        options={
            **K,
            "separate_subscription_token_config": True,
            "subscription_token_hmac_secret_key": "q5",
        },
        leaves=HMAC
        | {
            "client.subscription_token.enabled": True,
            "client.subscription_token.hmac_secret_key": "q5",
        },
    ),
    Example(
        id="5.5",
        generation=5,
        options={
            **K,
            "global_presence_ttl": "45s",
            "global_history_meta_ttl": "100h",
            "history_meta_ttl": "50h",
            "history_size": 1,
            "history_ttl": "10h",
        },
        leaves=HMAC
        | {
            "channel.history_meta_ttl": 100 * 3600,
            W + "history_meta_ttl": 50 * 3600,
            W + "history_size": 1,
            W + "history_ttl": 10 * 3600,
        },
        carried={"engine.redis.presence_ttl": "45s"},
    ),
    Example(
        id="5.7",
        generation=5,
        options={
            **K,
            "proxy_rpc_endpoint": "http://b/r",
            "proxy_static_http_headers": {"X-K": "v"},
            "proxy_http_status_code_transforms": STATIC,
        },
        leaves=HMAC,
        carried={
            "rpc.proxy.endpoint": "http://b/r",
            "rpc.proxy.timeout": "1s",
            "rpc.proxy.http.static_headers": {"X-K": "v"},
            "rpc.proxy.http.status_to_code_transforms": STATIC,
            "rpc.without_namespace.proxy_enabled": True,
            "rpc.namespace_boundary": "",
        },
    ),
    Example(
        id="5.9",
        generation=5,
        options={
            **K,
            "broker": "nats",
            "nats_url": "nats://n:4222",
            "presence": True,
            "nats_raw_mode": {"enabled": True, "prefix": "r."},
        },
        leaves=HMAC | {W + "presence": True},
        carried={
            "broker.enabled": True,
            "broker.type": "nats",
            "broker.nats.url": "nats://n:4222",
            "broker.nats.raw_mode.enabled": True,
            "broker.nats.raw_mode.prefix": "r.",
        },
    ),
    Example(
        id="5.10",
        generation=5,
        stated=True,
        options={
            **K,
            "consumers": [
                {"name": "pg", "type": "postgresql", "postgresql": {"dsn": "d"}},
                {"name": "kf", "type": "kafka", "disabled": True},
            ],
        },
        leaves=HMAC,
        carried={
            "consumers": [
                {
                    "name": "pg",
                    "type": "postgresql",
                    "postgresql": {"dsn": "d"},
                    "enabled": True,
                },
                {"name": "kf", "type": "kafka", "enabled": False},
            ]
        },
    ),
    Example(
        id="5.11",
        generation=5,
        options={
            **K,
            "swagger": True,
            "client_user_id_http_header": "X-User",
            "internal_port": "9000",
        },
        leaves=HMAC | {"client.user_id_http_header": "X-User", "http_server.internal_port": "9000"},
        carried={"swagger.enabled": True},
        warned='trusts "X-User" of whoever reaches this port',
    ),
    Example(
        id="5.12",
        generation=5,
        environ={
            "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": "k",
            "CENTRIFUGO_ALLOW_SUBSCRIBE_FOR_CLIENT": "yes",
            "CENTRIFUGO_DELTA_PUBLISH": "true",
        },
        leaves=HMAC | {W + "delta_publish": True},
        warned='CENTRIFUGO_ALLOW_SUBSCRIBE_FOR_CLIENT: "yes" is no boolean; taken as false',
    ),
    Example(
        id="6.6",
        generation=3,
        options={"token_hmac_secret_key": "y", "anonymous": True},
        leaves={
            "client.token.hmac_secret_key": "y",
            W + "allow_subscribe_for_anonymous": True,
        },
        warned="no Origin may connect",
    ),
    Example(
        id="6.9",
        generation=6,
        options=V6,
        leaves={"client.token.hmac_secret_key": "y"},
        namespaces={"chat": {"allow_subscribe_for_client": True}},
    ),
]


def loaded(folder: Path, example: Example) -> Loaded:
    path, environ = source(folder, example)
    return load(path, environ)


def source(folder: Path, example: Example) -> tuple[str, dict[str, str]]:
    """Write the file of an example, and return where it is, and the environment."""
    path = folder / f"config{example.suffix}"
    options = dict(example.options)
    if example.stated:
        options["generation"] = f"v{example.generation}"
    text = json.dumps(options) if example.suffix == ".json" else yaml.safe_dump(options)
    if options or not example.environ:
        path.write_text(text)
    return str(path), example.environ


def by_id(*examples: Example) -> Any:
    return pytest.mark.parametrize("example", examples, ids=lambda example: example.id)


STARTING = [example for example in EXAMPLES if example.starts]


@by_id(*STARTING)
def test_an_example_comes_to_the_options_of_today_that_mean_the_same(
    tmp_path: Path, example: Example
) -> None:
    found = loaded(tmp_path, example)
    assert found.generation == example.generation
    expected = {path: option.default for path, option in OPTIONS.items()}
    expected |= IMPLIED[example.generation] | example.leaves
    del expected["channel.namespaces"]
    assert {path: value_at(found.config, path) for path in expected} == expected


@by_id(*STARTING)
def test_namespaces_of_an_example_have_the_options_of_today_that_mean_the_same(
    tmp_path: Path, example: Example
) -> None:
    namespaces = loaded(tmp_path, example).config.channel.namespaces
    plain = structs.asdict(ChannelOptions())
    assert {n.name: structs.asdict(n) for n in namespaces} == {
        name: plain | {"name": name} | options for name, options in example.namespaces.items()
    }


@by_id(*EXAMPLES)
def test_what_is_not_built_yet_is_carried_as_a_file_of_today_says_it(
    tmp_path: Path, example: Example
) -> None:
    found = read(*source(tmp_path, example))
    assert found.problems == []
    carried = {path: given.value for path, given in found.carried.items()}
    assert carried == CARRIED[example.generation] | example.carried
    built = {path: given.value for path, given in found.given.items() if path in example.leaves}
    assert built == example.leaves
    for draft, options in zip(found.drafts, example.namespaces.values(), strict=True):
        values = {name: draft[name].value for name in options if name in draft}
        assert {**structs.asdict(ChannelOptions()), **values} | options == (
            structs.asdict(ChannelOptions()) | values
        )


@by_id(*(example for example in EXAMPLES if not example.starts))
def test_an_engine_that_is_not_built_yet_stops_the_start(tmp_path: Path, example: Example) -> None:
    with pytest.raises(ConfigError, match=r'engine: got "redis", expected "memory" \(other'):
        loaded(tmp_path, example)


@by_id(*STARTING)
def test_an_example_is_warned_about_where_its_reading_may_surprise(
    tmp_path: Path, example: Example
) -> None:
    lines = loaded(tmp_path, example).warnings
    if example.warned:
        assert any(example.warned in line for line in lines), lines
    else:
        assert not any("read as v" in line for line in lines), lines


# ── refusals and decisions ───────────────────────────────────────────────────────────────────

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (
        "2.9",
        {**K, "history_recover": True, "history_size": 10},
        "history_recover: got true, expected history_size and history_ttl to be set",
    ),
    (
        "3.6",
        {**K, "protected": True, "history_size": 5, "history_ttl": 60},
        'history_ttl: 60 has no unit; write "60s"',
    ),
    ("3.11", {**K, "protected": "yes"}, 'protected: got "yes", expected true or false'),
    (
        "4.8",
        {"generation": "v4", **K, "ping_interval": "5s", "pong_timeout": "8s"},
        "client.pong_timeout to be less than client.ping_interval",
    ),
    (
        "5.6",
        {
            **K,
            "global_presence_ttl": "45s",
            "global_history_meta_ttl": "100h",
            "history_meta_ttl": "50h",
            "history_size": 1,
            "history_ttl": "60h",
        },
        'history_ttl: got "60h", expected history_ttl to be at most '
        "channel.without_namespace.history_meta_ttl (50h)",
    ),
    (
        "5.8",
        {
            **K,
            "granular_proxy_mode": True,
            "connect_proxy_name": "c",
            "proxies": [{"name": "c1", "endpoint": "http://b"}],
        },
        'connect_proxy_name: no proxy is called "c"',
    ),
    (
        "6.4",
        {"secret": "z", "token_hmac_secret_key": "y", "allow_subscribe_for_client": True},
        '"secret" (config.json) is v1/v2, "allow_subscribe_for_client" (config.json) is v4/v5',
    ),
    (
        "6.5",
        {"anonymous": True, "publish": True},
        "known to v1–v3",
    ),
    (
        "6.8",
        {"token_hmac_secret_key": "y", "protected": True, "allow_publish_for_client": True},
        '"protected" (config.json) is v3, "allow_publish_for_client" (config.json) is v4/v5',
    ),
    (
        "6.10",
        V6 | {"allow_subscribe_for_client": True},
        '"allow_subscribe_for_client" is "channel.without_namespace.allow_subscribe_for_client"',
    ),
    (
        "6.12",
        {"generation": "v3", "allow_subscribe_for_client": True},
        "allow_subscribe_for_client: is v4/v5, and v3, which is stated, is open",
    ),
]


@pytest.mark.parametrize(
    ("options", "told"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_an_example_is_refused_with_its_names_and_what_to_write(
    tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(options))
    with pytest.raises(ConfigError) as caught:
        load(str(path))
    assert told in str(caught.value).replace(f"{tmp_path}/", "")


DECIDED: list[tuple[str, dict[str, Any], int, str]] = [
    (
        "6.1",
        {
            "secret": "z",
            "admin_password": "p",
            "admin_secret": "s",
            "watch": True,
            "recover": True,
            "history_size": 5,
            "history_lifetime": 9,
        },
        1,
        "",
    ),
    ("6.2", {"secret": "z"}, 1, '"generation": "v2"'),
    ("6.3", {"secret": "z", "presence": True, "anonymous": True, "api_key": "a"}, 2, ""),
    (
        "6.4 stated",
        {
            "generation": "v5",
            "secret": "z",
            "token_hmac_secret_key": "y",
            "allow_subscribe_for_client": True,
        },
        5,
        '"secret" is an option of v1/v2, it has no effect in v5',
    ),
    ("6.7", {"token_hmac_secret_key": "y", "anonymous": True, "nats_dial_timeout": 1}, 2, ""),
]


@pytest.mark.parametrize(
    ("options", "generation", "warned"),
    [row[1:] for row in DECIDED],
    ids=[row[0] for row in DECIDED],
)
def test_names_decide_the_generation(
    tmp_path: Path, options: dict[str, Any], generation: int, warned: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(options))
    found = load(str(path))
    assert found.generation == generation
    assert any(warned in line for line in found.warnings) == bool(warned)


def test_without_file_and_variables_the_defaults_of_today_hold(tmp_path: Path) -> None:
    found = load(str(tmp_path / "none.json"), {})
    assert (found.generation, found.config) == (6, Config())
