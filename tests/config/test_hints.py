"""Which known name is suggested for an unknown one: the right one or none."""

import pytest

from girandola.config.hints import nearest
from girandola.config.schema import OPTIONS, SECTIONS
from girandola.config.text import env_name
from girandola.config.unbuilt import UNBUILT

PATHS = (*OPTIONS, *SECTIONS, *UNBUILT)
VARIABLES = tuple(env_name(path) for path in (*OPTIONS, *UNBUILT))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("client.ping_intreval", "client.ping_interval"),
        ("client.pingInterval", "client.ping_interval"),
        ("client.allowed-origins", "client.allowed_origins"),
        ("client.allowed_origin", "client.allowed_origins"),
        ("chanel.namespace", "channel.namespaces"),
        ("clent", "client"),
        ("history_ttl", "channel.without_namespace.history_ttl"),
        ("http_server.prot", "http_server.port"),
    ],
)
def test_a_slip_is_told(name: str, meant: str) -> None:
    assert nearest(name, PATHS) == meant


@pytest.mark.parametrize(
    "name",
    [
        *("proxy_connect_timeout", "presence_stats", "enabled", "handler_prefix", "tls", "zzz", ""),
        "channel.without_namespace.allow_presence_for_everybody",
        *("client.presence_stats", "allow", "connect_timeout", "x" * 200),
    ],
)
def test_no_hint_is_better_than_a_wrong_one(name: str) -> None:
    assert nearest(name, PATHS) == ""
    assert nearest("presence_stats", ["presence", "presence_state"]) != "presence"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("GRPC_API", "GRPC_API_ENABLED"),
        ("SSE", "SSE_ENABLED"),
        ("HEALTH", "HEALTH_ENABLED"),
        ("HTTP_SERVER_TLS", "HTTP_SERVER_TLS_ENABLED"),
        ("CLIENT_ALLOWED_ORIGIN", "CLIENT_ALLOWED_ORIGINS"),
        ("CHANNEL_NAMESPACE", "CHANNEL_NAMESPACES"),
    ],
)
def test_a_variable_with_the_name_of_a_section_means_its_switch(name: str, meant: str) -> None:
    assert nearest(name, VARIABLES) == meant


@pytest.mark.parametrize("name", ["PROXY_CONNECT_TIMEOUT", "REDIS_HOST", "KEY", "WEBSOCKET"])
def test_no_variable_is_suggested_for_another(name: str) -> None:
    assert nearest(name, VARIABLES) == ""
