"""The proxies of v2 to v5 as those of today (config-generations.md section 2.5).

Without granular mode there is one endpoint an event, and common options; with it there are named
proxies, and events name theirs. Proxies are not built yet: what comes out is carried. Knows
nothing of what they are asked.
"""

from collections.abc import Mapping
from typing import Any

from girandola.config.generations.leaves import Leaves, as_written
from girandola.config.generations.reading import Flat, Item
from girandola.config.layers import Given

_ENDPOINTS = {
    "connect": "client.proxy.connect",
    "refresh": "client.proxy.refresh",
    "subscribe": "channel.proxy.subscribe",
    "publish": "channel.proxy.publish",
    "sub_refresh": "channel.proxy.sub_refresh",
    "subscribe_stream": "channel.proxy.subscribe_stream",
    "rpc": "rpc.proxy",
}

_HEADERS_OF_2 = (
    "Origin",
    "User-Agent",
    "Cookie",
    "Authorization",
    "X-Forwarded-For",
    "X-Real-Ip",
    "X-Request-Id",
)
"""What v2 forwarded always."""

_COMMON = {
    "proxy_http_headers": "http_headers",
    "proxy_grpc_metadata": "grpc_metadata",
    "proxy_binary_encoding": "binary_encoding",
    "proxy_include_connection_meta": "include_connection_meta",
    "proxy_static_http_headers": "http.static_headers",
    "proxy_http_status_code_transforms": "http.status_to_code_transforms",
    "proxy_grpc_credentials_key": "grpc.credentials_key",
    "proxy_grpc_credentials_value": "grpc.credentials_value",
    "proxy_grpc_compression": "grpc.compression",
}

_ITEM = {
    "endpoint": "endpoint",
    "http_headers": "http_headers",
    "grpc_metadata": "grpc_metadata",
    "binary_encoding": "binary_encoding",
    "include_connection_meta": "include_connection_meta",
    "static_http_headers": "http.static_headers",
    "http_status_to_code_transforms": "http.status_to_code_transforms",
    "grpc_credentials_key": "grpc.credentials_key",
    "grpc_credentials_value": "grpc.credentials_value",
    "grpc_compression": "grpc.compression",
}

_ANY_CHANNEL = ("subscribe", "publish", "sub_refresh", "subscribe_stream")


def translate_proxies(flat: Flat, leaves: Leaves) -> None:
    """Put every proxy, and where it is asked outside of channels.

    Refuses names of proxies that there are none of.
    """
    if flat.get("granular_proxy_mode", False):
        _granular(flat, leaves)
    else:
        _common(flat, leaves)


def _common(flat: Flat, leaves: Leaves) -> None:
    """Put one proxy for each endpoint, with the options that all share."""
    for event, path in _ENDPOINTS.items():
        endpoint = flat.values.get(f"proxy_{event}_endpoint")
        if endpoint is None or not endpoint.value:
            continue
        for name, value in _shared(flat).items():
            leaves.put(f"{path}.{name}", value.value, value)
        leaves.put(f"{path}.endpoint", endpoint.value, endpoint)
        timeout = flat.values.get(f"proxy_{event}_timeout", endpoint)
        leaves.put(f"{path}.timeout", timeout.value if timeout is not endpoint else 1.0, timeout)
        if event in ("connect", "refresh"):
            leaves.put(f"{path}.enabled", True, endpoint)
        if event == "rpc":
            leaves.put("rpc.without_namespace.proxy_enabled", True, endpoint)
            # Without names of proxies every method went there, also a:b.
            leaves.put("rpc.namespace_boundary", "", endpoint)


def _shared(flat: Flat) -> dict[str, Given]:
    """Return what every proxy without a name has."""
    found = {target: flat.values[name] for name, target in _COMMON.items() if name in flat.values}
    if flat.generation == 2:
        extra = flat.values.get("proxy_extra_http_headers", Given((), "default", "http_headers"))
        found["http_headers"] = Given((*_HEADERS_OF_2, *extra.value), extra.source, extra.name)
    tls = flat.values.get("proxy_grpc_tls")
    file = flat.values.get("proxy_grpc_cert_file")
    return found | _tls(tls, file)


def _tls(tls: Given | None, file: Given | None) -> dict[str, Given]:
    """Return the options of TLS to a gRPC proxy; a section of its own wins over a file."""
    if tls is not None and _is_on(tls.value.get("enabled")):
        return {
            f"grpc.tls.{name}": Given(value, tls.source, tls.name)
            for name, value in (tls_fields(tls.value) | {"enabled": True}).items()
        }
    if file is None or not file.value:
        return {}
    on = Given(True, file.source, file.name)
    return {"grpc.tls.enabled": on, "grpc.tls.server_ca_pem": file}


def tls_fields(tls: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a TLS object of v5 by their names of today; a file wins over base64."""
    plain = ("enabled", "server_name", "insecure_skip_verify")
    found: dict[str, Any] = {name: tls[name] for name in plain if name in tls}
    for name in ("cert_pem", "key_pem", "server_ca_pem", "client_ca_pem"):
        written = [tls.get(f"{name}{suffix}") for suffix in ("_file", "_b64", "")]
        if any(written):
            found[name] = next(value for value in written if value)
    return found


def _is_on(value: Any) -> bool:
    return value is True or str(value).lower() in ("1", "t", "true")


# ── proxies with names ───────────────────────────────────────────────────────────────────────


def _granular(flat: Flat, leaves: Leaves) -> None:
    """Put named proxies, and check every name that is used."""
    items = flat.items("proxies")
    origin = flat.values.get("proxies") or flat.values["granular_proxy_mode"]
    names = _checked_names(items, origin, leaves)
    leaves.put("proxies", [_as_of_today(item) for item in items], origin)
    by_name = {item["name"].value: item for item in items if "name" in item}
    for event in ("connect", "refresh"):
        used = flat.values.get(f"{event}_proxy_name")
        if used is None or not used.value or not _is_known(used, names, leaves):
            continue
        path = _ENDPOINTS[event]
        for name, value in _flat_fields(by_name[used.value]).items():
            leaves.put(f"{path}.{name}", value, used)
        leaves.put(f"{path}.enabled", True, used)
    for values in (flat.values, *flat.items("namespaces")):
        for event in _ANY_CHANNEL:
            used = values.get(f"{event}_proxy_name")
            if used is not None and used.value:
                _is_known(used, names, leaves)
    _rpc(flat, names, leaves)


def _checked_names(items: list[Item], origin: Given, leaves: Leaves) -> set[str]:
    names: set[str] = set()
    for item in items:
        name = item.get("name", origin)
        own = name.value if "name" in item else ""
        if not own:
            leaves.refuse(name, "expected a name for each proxy")
        elif own in names:
            leaves.refuse(name, f'"{own}" is taken, expected names that differ')
        elif not item.get("endpoint", Given("", "", "")).value:
            leaves.refuse(name, f'proxy "{own}" has no endpoint, expected one')
        names.add(own)
    return names


def _is_known(used: Given, names: set[str], leaves: Leaves) -> bool:
    if used.value in names:
        return True
    leaves.refuse(used, f'no proxy is called "{used.value}", expected a name of one of proxies')
    return False


def _rpc(flat: Flat, names: set[str], leaves: Leaves) -> None:
    used = flat.values.get("rpc_proxy_name")
    if used is not None and used.value and _is_known(used, names, leaves):
        leaves.put("rpc.without_namespace.proxy_enabled", True, used)
        leaves.put("rpc.without_namespace.proxy_name", used.value, used)
    spaces = []
    for item in flat.items("rpc_namespaces"):
        space = {"name": item["name"].value} if "name" in item else {}
        proxy = item.get("rpc_proxy_name")
        if proxy is not None and proxy.value and _is_known(proxy, names, leaves):
            space |= {"proxy_enabled": True, "proxy_name": proxy.value}
        spaces.append(space)
    if spaces:
        leaves.put("rpc.namespaces", spaces, flat.values["rpc_namespaces"])


def _flat_fields(item: Item) -> dict[str, Any]:
    """Return the options of a named proxy by dotted names of today, without its name."""
    found = {target: item[name].value for name, target in _ITEM.items() if name in item}
    # Without a time v3 to v5 waited for ever over HTTP; 1s is what they meant.
    found["timeout"] = item["timeout"].value if "timeout" in item else 1.0
    tls = _tls(item.get("grpc_tls"), item.get("grpc_cert_file"))
    return found | {name: given.value for name, given in tls.items()}


def _as_of_today(item: Item) -> dict[str, Any]:
    """Return an item of ``proxies`` as a file of today has it."""
    found: dict[str, Any] = {"name": item["name"].value} if "name" in item else {}
    for path, value in _flat_fields(item).items():
        *sections, name = path.split(".")
        place = found
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = as_written(value)
    return found
