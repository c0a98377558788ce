"""Options that do not go together, each refused where it was written."""

import json
from pathlib import Path
from typing import Any

import pytest

from girandola.config.load import ConfigError, load


def refusal(folder: Path, options: dict[str, Any], **environ: str) -> list[str]:
    path = folder / "config.json"
    path.write_text(json.dumps(options))
    with pytest.raises(ConfigError) as caught:
        load(str(path), environ)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


HISTORY = {"history_size": 1, "history_ttl": "60s"}
TAKES_HISTORY = "history_size and history_ttl to be set: recovery takes history"

CHANNEL_ROWS: list[tuple[dict[str, Any], str]] = [
    (
        {"history_size": 5},
        "history_size: got 5, expected history_ttl to be set, too: history takes both",
    ),
    ({"history_ttl": "5s"}, 'history_ttl: got "5s", expected history_size to be set, too'),
    (
        HISTORY | {"history_ttl": "1500ms"},
        'history_ttl: got "1.5s", expected whole seconds, such as "60s"',
    ),
    (
        HISTORY | {"history_meta_ttl": "90500ms"},
        'history_meta_ttl: got "1m30.5s", expected whole seconds, such as "60s"',
    ),
    ({"force_recovery": True}, f"force_recovery: got true, expected {TAKES_HISTORY}"),
    ({"allow_recovery": True}, f"allow_recovery: got true, expected {TAKES_HISTORY}"),
    (
        HISTORY | {"auto_cache_recover": True, "force_recovery": True},
        "auto_cache_recover: got true, expected force_recovery to be true and "
        'force_recovery_mode to be "cache"',
    ),
]


@pytest.mark.parametrize(("options", "told"), CHANNEL_ROWS)
def test_channel_options_that_do_not_go_together_are_refused(
    tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    top = {"channel": {"without_namespace": options}}
    assert refusal(tmp_path, top) == [f"config.json: channel.without_namespace.{told}"]
    inside = {"channel": {"namespaces": [{"name": "ok"}, {"name": "ns", **options}]}}
    assert refusal(tmp_path, inside) == [f"config.json: channel.namespaces[1].{told}"]


PERSONAL = "client.subscribe_to_user_personal_channel"
AUTOCERT = {"enabled": True, "http": True, "host_whitelist": ["rt.example"]}


def autocert(**changes: Any) -> dict[str, Any]:
    return {"http_server": {"tls_autocert": AUTOCERT | changes}}


ROWS: list[tuple[dict[str, Any], str]] = [
    (
        {"channel": {"namespaces": [{"name": "ns"}, {"name": "ns"}]}},
        'channel.namespaces[1].name: got "ns", expected a name that no other namespace has',
    ),
    (
        {"channel": {"namespaces": [{"presence": True}]}},
        'channel.namespaces[0].name: got "", expected a name of two or more letters, digits, '
        "-, _ or .",
    ),
    (
        {"channel": {"history_meta_ttl": "1ms"}},
        'channel.history_meta_ttl: got "1ms", expected whole seconds, such as "60s"',
    ),
    (
        {"client": {"pong_timeout": "25s"}},
        'client.pong_timeout: got "25s", expected client.pong_timeout to be less than '
        "client.ping_interval",
    ),
    (
        {"client": {"ping_interval": "5s"}},
        'client.ping_interval: got "5s", expected client.pong_timeout to be less than '
        "client.ping_interval",
    ),
    (
        {"client": {"token": {"audience": "a", "audience_regex": "b"}}},
        'client.token.audience: got "a", expected only one of audience and audience_regex '
        "to be set",
    ),
    (
        {"client": {"subscription_token": {"issuer": "a", "issuer_regex": "b"}}},
        'client.subscription_token.issuer: got "a", expected only one of issuer and issuer_regex '
        "to be set",
    ),
    (
        {"client": {PERSONAL[7:]: {"enabled": True, "personal_channel_namespace": "me"}}},
        f'{PERSONAL}.personal_channel_namespace: got "me", expected the name of one of '
        "channel.namespaces",
    ),
    (
        {"client": {PERSONAL[7:]: {"enabled": True, "single_connection": True}}},
        f"{PERSONAL}.single_connection: got true, expected presence to be on in the namespace of "
        "the personal channels",
    ),
    (
        {"websocket": {"handler_prefix": "ws"}},
        'websocket.handler_prefix: got "ws", expected a path that starts with /',
    ),
    (
        {"http_api": {"handler_prefix": "/connection/websocket/"}},
        'http_api.handler_prefix: got "/connection/websocket/", expected different paths for '
        "websocket.handler_prefix and http_api.handler_prefix",
    ),
    (
        {"sse": {"enabled": True, "handler_prefix": "sse"}},
        'sse.handler_prefix: got "sse", expected a path that starts with /',
    ),
    (
        {
            "http_stream": {"enabled": True},
            "uni_sse": {"enabled": True, "handler_prefix": "/emulation"},
        },
        'uni_sse.handler_prefix: got "/emulation", expected different paths for '
        "emulation.handler_prefix and uni_sse.handler_prefix",
    ),
    (
        {"http_server": {"http_prefix": "rt"}},
        'http_server.http_prefix: got "rt", expected a path that starts with /',
    ),
    (
        {"http_server": {"tls": {"enabled": True, "cert_pem": "c"}}},
        "http_server.tls.enabled: got true, expected http_server.tls.key_pem to be set, too",
    ),
    (
        {"http_server": {"internal_tls": {"enabled": True, "key_pem": "k"}}},
        "http_server.internal_tls.enabled: got true, expected http_server.internal_tls.cert_pem "
        "to be set, too",
    ),
    (
        {"http_server": {"internal_port": 70000}},
        "http_server.internal_port: got 70000, expected a port from 0 to 65535 or an empty text",
    ),
    (
        autocert(host_whitelist=[]),
        "http_server.tls_autocert.host_whitelist: got a list, expected host_whitelist to name at "
        "least one host",
    ),
    (
        autocert(host_whitelist=["*.example"]),
        'http_server.tls_autocert.host_whitelist: got "*.example", expected host names such as '
        "rt.example.com",
    ),
    (
        autocert(host_whitelist=["../etc"]),
        'http_server.tls_autocert.host_whitelist: got "../etc", expected host names such as '
        "rt.example.com",
    ),
    (
        autocert(host_whitelist=["127.0.0.1"]),
        'http_server.tls_autocert.host_whitelist: got "127.0.0.1", expected host names such as '
        "rt.example.com",
    ),
    (
        autocert(server_name="other.example"),
        'http_server.tls_autocert.server_name: got "other.example", expected one of host_whitelist',
    ),
    (
        autocert(http=False),
        "http_server.tls_autocert.http: got false, expected http to be true, too: hosts are proved "
        "by HTTP-01 challenges only",
    ),
]


@pytest.mark.parametrize(("options", "told"), ROWS)
def test_options_that_do_not_go_together_are_refused(
    tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    assert refusal(tmp_path, options) == [f"config.json: {told}"]


def test_the_refusal_names_the_variable_that_made_it(tmp_path: Path) -> None:
    assert refusal(tmp_path, {}, GIRANDOLA_CLIENT_PONG_TIMEOUT="1m") == [
        'environment: GIRANDOLA_CLIENT_PONG_TIMEOUT: got "1m", expected client.pong_timeout to be '
        "less than client.ping_interval"
    ]


def test_an_option_that_is_bad_by_itself_is_not_told_twice(tmp_path: Path) -> None:
    options = {"channel": {"without_namespace": {"history_size": 5, "history_ttl": 60}}}
    assert refusal(tmp_path, options) == [
        "config.json: channel.without_namespace.history_ttl: got 60, expected a duration such as "
        '"25s" of at least 0s, for seconds write "60s"'
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"client": {"ping_interval": "0s", "pong_timeout": "30s"}},
        {"client": {"ping_interval": "-1s"}},
        {"client": {"ping_interval": "5s", "pong_timeout": "-1s"}},
        {"client": {PERSONAL[7:]: {"single_connection": True, "personal_channel_namespace": "x"}}},
        {
            "client": {
                PERSONAL[7:]: {
                    "enabled": True,
                    "single_connection": True,
                    "personal_channel_namespace": "me",
                }
            },
            "channel": {"namespaces": [{"name": "me", "presence": True}]},
        },
        {
            "channel": {
                "without_namespace": {
                    **HISTORY,
                    "force_recovery": True,
                    "force_recovery_mode": "cache",
                    "auto_cache_recover": True,
                }
            }
        },
        {"http_api": {"handler_prefix": "/connection/websocket", "disabled": True}},
    ],
)
def test_what_goes_together_loads(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(options))
    assert load(str(path)).warnings == ()
