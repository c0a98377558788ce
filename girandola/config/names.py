"""The option names of 2018: one table of what each means today.

The flat names of classic.md section 2.6, with what they set in today's tree, and the defaults and
permissions of 2018 (``IMPLIED``, ``IMPLIED_CHANNEL``). Which configurations are of 2018 is decided
elsewhere (``generations/detection.py``). Knows nothing of where values come from.
"""

from typing import Any

from msgspec import Struct

NOT_BUILT = "known option of 2018, not built yet"
MEANINGLESS = "known option of 2018 without a meaning here"


class ClassicName(Struct, frozen=True, kw_only=True):
    """One option of 2018.

    ``kind`` is string, int, bool or namespaces. ``targets`` are the options of today that get its
    value (whole numbers become seconds where the target is a duration); without targets ``note``
    says why it does nothing, and ``default`` when that is no news. ``env`` tells whether servers of
    2018 read it from the environment.
    """

    name: str
    kind: str
    targets: tuple[str, ...] = ()
    note: str = ""
    default: Any = None
    env: bool = False


def _channel(name: str, kind: str, *targets: str) -> ClassicName:
    return ClassicName(name=name, kind=kind, targets=targets, env=True)


def _set(name: str, kind: str, target: str, *, env: bool = False) -> ClassicName:
    return ClassicName(name=name, kind=kind, targets=(target,), env=env)


def _nothing(name: str, kind: str, default: Any, note: str = NOT_BUILT) -> ClassicName:
    return ClassicName(name=name, kind=kind, note=note, default=default, env=name in _DEAD_ENV)


_DEAD_ENV = (
    *("debug", "insecure_admin", "insecure_web", "redis_host", "redis_port", "redis_url"),
    "web_path",
)

SPLIT_PORTS = ("api_port", "admin_port")
"""Ports of 2018 beside the main one. There is one internal port today; ``load.py`` places it."""

CLASSIC_CHANNEL = {
    entry.name: entry
    for entry in (
        _channel("watch", "bool", "watch"),
        _channel("publish", "bool", "allow_publish_for_subscriber", "allow_publish_for_anonymous"),
        _channel("anonymous", "bool", "allow_subscribe_for_anonymous"),
        _channel(
            "presence",
            "bool",
            "presence",
            "allow_presence_for_subscriber",
            "allow_presence_for_anonymous",
        ),
        _channel("join_leave", "bool", "join_leave", "force_push_join_leave"),
        _channel("history_size", "int", "history_size"),
        _channel("history_lifetime", "int", "history_ttl"),
        _channel("recover", "bool", "force_recovery"),
        _channel("history_drop_inactive", "bool", "history_drop_inactive"),
    )
}
"""Options of one namespace: targets are names of ``ChannelOptions``."""

TOP = "channel.without_namespace."
"""Where the channel options at the top level of a 2018 configuration go."""

CLASSIC = {
    entry.name: entry
    for entry in (
        *(
            _channel(entry.name, entry.kind, *(TOP + target for target in entry.targets))
            for entry in CLASSIC_CHANNEL.values()
        ),
        ClassicName(name="namespaces", kind="namespaces", targets=("channel.namespaces",)),
        _set("secret", "string", "classic.secret", env=True),
        _set("connection_lifetime", "int", "classic.connection_lifetime", env=True),
        _set("name", "string", "node.name"),
        _set("engine", "string", "engine.type", env=True),
        _set("address", "string", "http_server.address", env=True),
        _set("port", "string", "http_server.port", env=True),
        _set("api_port", "string", "http_server.internal_port", env=True),
        _set("admin_port", "string", "http_server.internal_port", env=True),
        _set("http_prefix", "string", "http_server.http_prefix"),
        _set("ssl", "bool", "http_server.tls.enabled", env=True),
        _set("ssl_cert", "string", "http_server.tls.cert_pem", env=True),
        _set("ssl_key", "string", "http_server.tls.key_pem", env=True),
        _set("ssl_autocert", "bool", "http_server.tls_autocert.enabled"),
        _set("ssl_autocert_host_whitelist", "string", "http_server.tls_autocert.host_whitelist"),
        _set("ssl_autocert_cache_dir", "string", "http_server.tls_autocert.cache_dir"),
        _set("ssl_autocert_email", "string", "http_server.tls_autocert.email"),
        _set("ssl_autocert_force_rsa", "bool", "http_server.tls_autocert.force_rsa"),
        _set("ssl_autocert_server_name", "string", "http_server.tls_autocert.server_name"),
        _set("ssl_autocert_http", "bool", "http_server.tls_autocert.http"),
        _set("ssl_autocert_http_addr", "string", "http_server.tls_autocert.http_addr"),
        _set("log_level", "string", "log.level"),
        _set("log_file", "string", "log.file"),
        _set("pid_file", "string", "pid_file"),
        _set("admin", "bool", "admin.enabled", env=True),
        _set("web", "bool", "admin.web", env=True),
        _set("admin_password", "string", "admin.password", env=True),
        _set("admin_secret", "string", "admin.secret", env=True),
        _set("max_channel_length", "int", "channel.max_length"),
        _set("private_channel_prefix", "string", "channel.private_prefix"),
        _set("namespace_channel_boundary", "string", "channel.namespace_boundary"),
        _set("user_channel_boundary", "string", "channel.user_boundary"),
        _set("user_channel_separator", "string", "channel.user_separator"),
        _set("client_channel_boundary", "string", "channel.client_boundary"),
        _set("expired_connection_close_delay", "int", "client.expired_close_delay"),
        _set("stale_connection_close_delay", "int", "client.stale_close_delay"),
        _set("client_channel_limit", "int", "client.channel_limit"),
        _set("user_connection_limit", "int", "client.user_connection_limit"),
        _set("client_request_max_size", "int", "websocket.message_size_limit"),
        _set("client_queue_max_size", "int", "client.queue_max_size"),
        _set("client_message_write_timeout", "int", "websocket.write_timeout"),
        _set("websocket_compression", "bool", "websocket.compression"),
        _set("websocket_compression_level", "int", "websocket.compression_level"),
        _set("websocket_compression_min_size", "int", "websocket.compression_min_size"),
        _set("ping_interval", "int", "client.ping_interval"),
        _set("sockjs_url", "string", "sockjs.url"),
        _set("sockjs_heartbeat_delay", "int", "sockjs.heartbeat_delay"),
        _set("presence_ping_interval", "int", "client.presence_update_interval"),
        _set("insecure", "bool", "client.insecure", env=True),
        _set("insecure_api", "bool", "http_api.insecure", env=True),
        _nothing("gomaxprocs", "int", 0, MEANINGLESS),
        _nothing("client_queue_initial_capacity", "int", 2, MEANINGLESS),
        _nothing("websocket_read_buffer_size", "int", 0, MEANINGLESS),
        _nothing("websocket_write_buffer_size", "int", 0, MEANINGLESS),
        _nothing("redis_pubsub_num_workers", "int", 0, MEANINGLESS),
        _nothing("node_ping_interval", "int", 3),
        _nothing("node_metrics_interval", "int", 60),
        _nothing("presence_expire_interval", "int", 60),
        _nothing("debug", "bool", False),
        _nothing("web_path", "string", ""),
        _nothing("insecure_admin", "bool", False),
        _nothing("insecure_web", "bool", False, MEANINGLESS),
        _nothing("web_password", "string", "", MEANINGLESS),
        _nothing("web_secret", "string", "", MEANINGLESS),
        _nothing("redis_host", "string", "127.0.0.1"),
        _nothing("redis_port", "string", "6379"),
        _nothing("redis_password", "string", ""),
        _nothing("redis_db", "string", "0"),
        _nothing("redis_url", "string", ""),
        _nothing("redis_api", "bool", False),
        _nothing("redis_api_num_shards", "int", 0),
        _nothing("redis_pool", "int", 256),
        _nothing("redis_master_name", "string", ""),
        _nothing("redis_sentinels", "string", ""),
        _nothing("redis_prefix", "string", "centrifugo"),
        _nothing("redis_connect_timeout", "int", 1),
        _nothing("redis_read_timeout", "int", 10),
        _nothing("redis_write_timeout", "int", 1),
    )
}
"""Every option of 2018 by its name."""

CLASSIC_ENV = {name.upper(): entry for name, entry in CLASSIC.items() if entry.env}
"""Those that servers of 2018 read from the environment (classic.md section 2.3)."""

NEUTRAL = {
    "name": "node.name",
    "engine": "engine.type",
    "address": "http_server.address",
    "port": "http_server.port",
    "log_level": "log.level",
    "log_file": "log.file",
    "pid_file": "pid_file",
    "admin": "admin.enabled",
    "web": "admin.web",
    "debug": "debug.enabled",
}
"""Flat names that mean the same in every generation and say nothing of who may do what, with their
names of today. They go with options of today, too, so that ``--port 8088`` starts any file."""

IMPLIED_CHANNEL = {
    "allow_subscribe_for_client": True,
    "allow_user_limited_channels": True,
    "allow_history_for_subscriber": True,
    "allow_history_for_anonymous": True,
}
"""What channels could do in 2018 without being told. History is there only where configured."""

IMPLIED = {
    "channel.client_boundary": "&",
    "client.stale_close_delay": 25.0,
    "client.queue_max_size": 10485760,
    "client.presence_update_interval": 25.0,
    "websocket.write_timeout": 0.0,
    "sockjs.enabled": True,
    "sockjs.url": "//cdn.jsdelivr.net/sockjs/1.1/sockjs.min.js",
}
"""The defaults of 2018 where they differ from today's."""
