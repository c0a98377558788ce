"""Checks between options, after each one by itself is good.

Rules: server.md section 1, row "Start-up validation", and modern.md section 8.6. Knows the
configuration only, not where its values come from.
"""

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from girandola.config.duration import format_duration
from girandola.config.schema import Config
from girandola.options import ChannelOptions, TlsOptions, TokenOptions

_HOST = re.compile(r"(?!.*\.[0-9]+$)([A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?(\.|$))+")
"""A name a certificate can be had for by HTTP-01: no address, no wildcard."""


class Finding(Struct, frozen=True):
    """Options that do not go together: the paths that take part, and what is expected.

    Each path comes with its value; the first that somebody has set is the one to name.
    """

    values: dict[str, Any]
    expected: str

    @property
    def paths(self) -> tuple[str, ...]:
        """The options that take part."""
        return tuple(self.values)

    def shown(self, path: str) -> Any:
        """Return the value at ``path`` as it is written."""
        value = self.values[path]
        return format_duration(value) if isinstance(value, float) else value


def findings(config: Config) -> Iterator[Finding]:
    """Yield everything that does not go together."""
    shared = config.channel.history_meta_ttl
    places: list[tuple[str, ChannelOptions]] = [
        ("channel.without_namespace", config.channel.without_namespace),
        *((f"channel.namespaces[{i}]", n) for i, n in enumerate(config.channel.namespaces)),
    ]
    for path, options in places:
        yield from _channel_options(path, options)
        yield from _remembered(path, options, shared)
    yield from _namespace_names(config)
    yield from _times(config)
    yield from _personal_channel(config)
    yield from _tokens("client.token", config.client.token)
    yield from _tokens("client.subscription_token", config.client.subscription_token)
    yield from _prefixes(config)
    yield from _certificates(config)


def _channel_options(path: str, options: ChannelOptions) -> Iterator[Finding]:
    size, ttl = f"{path}.history_size", f"{path}.history_ttl"
    history = {size: options.history_size, ttl: options.history_ttl}
    if options.history_size and not options.history_ttl:
        yield Finding(history, "history_ttl to be set, too: history takes both")
    if options.history_ttl and not options.history_size:
        yield Finding(dict(reversed(history.items())), "history_size to be set, too")
    for name in ("history_ttl", "history_meta_ttl"):
        yield from _whole_seconds(f"{path}.{name}", getattr(options, name))
    for name in ("force_recovery", "allow_recovery"):
        if getattr(options, name) and not options.keeps_history:
            expected = "history_size and history_ttl to be set: recovery takes history"
            yield Finding({f"{path}.{name}": True, **history}, expected)
    recovers = options.force_recovery and options.force_recovery_mode == "cache"
    if options.auto_cache_recover and not recovers:
        values = {
            f"{path}.auto_cache_recover": True,
            f"{path}.force_recovery": options.force_recovery,
            f"{path}.force_recovery_mode": options.force_recovery_mode,
        }
        yield Finding(values, 'force_recovery to be true and force_recovery_mode to be "cache"')


def _remembered(path: str, options: ChannelOptions, shared: float) -> Iterator[Finding]:
    """A stream that forgets its position before its publications would tell of none missed."""
    ttl, own, common = f"{path}.history_ttl", f"{path}.history_meta_ttl", "channel.history_meta_ttl"
    remembered = options.history_meta_ttl or shared
    if remembered and options.history_ttl > remembered:
        meta = own if options.history_meta_ttl else common
        values = {ttl: options.history_ttl, meta: remembered}
        yield Finding(values, f"history_ttl to be at most {meta} ({format_duration(remembered)})")


def _whole_seconds(path: str, seconds: float) -> Iterator[Finding]:
    if seconds % 1:
        yield Finding({path: seconds}, 'whole seconds, such as "60s"')


def _namespace_names(config: Config) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, namespace in enumerate(config.channel.namespaces):
        path = f"channel.namespaces[{index}].name"
        if not namespace.name:
            yield Finding({path: ""}, "a name of two or more letters, digits, -, _ or .")
        elif namespace.name in seen:
            yield Finding({path: namespace.name}, "a name that no other namespace has")
        seen.add(namespace.name)


def _times(config: Config) -> Iterator[Finding]:
    yield from _whole_seconds("channel.history_meta_ttl", config.channel.history_meta_ttl)
    client = config.client
    if 0 < client.ping_interval <= client.pong_timeout:
        values = {
            "client.pong_timeout": client.pong_timeout,
            "client.ping_interval": client.ping_interval,
        }
        yield Finding(values, "client.pong_timeout to be less than client.ping_interval")


def _personal_channel(config: Config) -> Iterator[Finding]:
    path = "client.subscribe_to_user_personal_channel"
    personal = config.client.subscribe_to_user_personal_channel
    if not personal.enabled:
        return
    name = personal.personal_channel_namespace
    spaces: dict[str, ChannelOptions] = {n.name: n for n in config.channel.namespaces}
    options = spaces.get(name) if name else config.channel.without_namespace
    where = {f"{path}.personal_channel_namespace": name, "channel.namespaces": ()}
    if options is None:
        yield Finding(where, "the name of one of channel.namespaces")
    elif personal.single_connection and not options.presence:
        values = {f"{path}.single_connection": True, **where}
        if not name:
            values["channel.without_namespace.presence"] = False
        yield Finding(values, "presence to be on in the namespace of the personal channels")


def _tokens(path: str, token: TokenOptions) -> Iterator[Finding]:
    for exact, regex in (("audience", "audience_regex"), ("issuer", "issuer_regex")):
        if getattr(token, exact) and getattr(token, regex):
            values = {f"{path}.{name}": getattr(token, name) for name in (exact, regex)}
            yield Finding(values, f"only one of {exact} and {regex} to be set")


def _prefixes(config: Config) -> Iterator[Finding]:
    prefixes = {
        "websocket.handler_prefix": config.websocket.handler_prefix,
        "http_api.handler_prefix": config.http_api.handler_prefix,
    }
    for path, prefix in prefixes.items():
        if not prefix.startswith("/"):
            yield Finding({path: prefix}, "a path that starts with /")
    prefix = config.http_server.http_prefix
    if prefix and not prefix.startswith("/"):
        yield Finding({"http_server.http_prefix": prefix}, "a path that starts with /")
    taken: dict[str, str] = {}
    for path, prefix in _endpoints(config):
        if path not in prefixes and not prefix.startswith("/"):
            yield Finding({path: prefix}, "a path that starts with /")
        other = taken.setdefault(prefix.rstrip("/"), path)
        if other != path:
            yield Finding({path: prefix, other: prefix}, f"different paths for {other} and {path}")


def _endpoints(config: Config) -> Iterator[tuple[str, str]]:
    """Yield option and path of each endpoint that is offered."""
    offered = {
        "websocket": not config.websocket.disabled,
        "http_api": not config.http_api.disabled,
        "sse": config.sse.enabled,
        "http_stream": config.http_stream.enabled,
        "emulation": config.sse.enabled or config.http_stream.enabled,
        "uni_websocket": config.uni_websocket.enabled,
        "uni_sse": config.uni_sse.enabled,
        "uni_http_stream": config.uni_http_stream.enabled,
    }
    for section, is_offered in offered.items():
        if is_offered:
            yield f"{section}.handler_prefix", getattr(config, section).handler_prefix


def _certificates(config: Config) -> Iterator[Finding]:
    server = config.http_server
    if server.tls_autocert.enabled:
        yield from _autocert(config)
    elif server.tls.enabled:
        yield from _own_certificate("http_server.tls", server.tls)
    if server.internal_tls.enabled:
        yield from _own_certificate("http_server.internal_tls", server.internal_tls)


def _own_certificate(path: str, tls: TlsOptions) -> Iterator[Finding]:
    for name in ("cert_pem", "key_pem"):
        if not getattr(tls, name):
            yield Finding(
                {f"{path}.{name}": "", f"{path}.enabled": True}, f"{path}.{name} to be set, too"
            )


def _autocert(config: Config) -> Iterator[Finding]:
    path, autocert = "http_server.tls_autocert", config.http_server.tls_autocert
    hosts = {f"{path}.host_whitelist": autocert.host_whitelist, f"{path}.enabled": True}
    if not autocert.host_whitelist:
        yield Finding(hosts, "host_whitelist to name at least one host")
    for host in autocert.host_whitelist:
        if len(host) > 253 or not _HOST.fullmatch(host):
            yield Finding({f"{path}.host_whitelist": host}, "host names such as rt.example.com")
    name = autocert.server_name
    if name and name not in autocert.host_whitelist:
        yield Finding({f"{path}.server_name": name}, "one of host_whitelist")
    if not autocert.http:
        expected = "http to be true, too: hosts are proved by HTTP-01 challenges only"
        yield Finding({f"{path}.http": False, f"{path}.enabled": True}, expected)
