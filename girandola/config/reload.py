"""What of a new configuration a running server cannot take over. Knows paths of options only."""

from typing import Any

from girandola.config.schema import OPTIONS, Config

_FIXED = (
    "http_server.address",
    "http_server.port",
    "http_server.unix_",
    "http_server.http_prefix",
    "http_server.internal_address",
    "http_server.internal_port",
    "http_server.internal_unix_",
    "http_server.tls.enabled",
    "http_server.internal_tls.enabled",
    "http_server.tls_",
    "engine.",
    "websocket.disabled",
    "websocket.handler_prefix",
    "uni_grpc.",
    "http_api.disabled",
    "http_api.handler_prefix",
    "sse.enabled",
    "sse.handler_prefix",
    "http_stream.enabled",
    "http_stream.handler_prefix",
    "emulation.handler_prefix",
    "sockjs.",
    "classic.sockjs_handler_prefix",
    "uni_websocket.enabled",
    "uni_websocket.handler_prefix",
    "uni_sse.enabled",
    "uni_sse.handler_prefix",
    "uni_http_stream.enabled",
    "uni_http_stream.handler_prefix",
    "http_api.external",
    "admin.enabled",
    "admin.web",
    "node.name",
    "pid_file",
)


def reload_differences(old: Config, new: Config) -> list[str]:
    """Return the names of changed options that a running server cannot change."""
    return [
        path
        for path in OPTIONS
        if path.startswith(_FIXED) and value_at(old, path) != value_at(new, path)
    ]


def value_at(config: Config, path: str) -> Any:
    """Return the value of the option at a dotted path."""
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value
