"""Closes what a feature that is not built would have to decide.

Where a configuration lets a proxy decide who may connect, subscribe or publish, and proxies are not
built yet, nobody may: the options that would let clients in without asking are switched off. Knows
options of today only, from whatever generation they come.
"""

from collections.abc import Mapping

from girandola.config.layers import NAMESPACES, Draft, Given, Layer
from girandola.config.names import TOP
from girandola.config.values import parse_bool

_DECIDED_BY = {
    "subscribe_proxy_enabled": ("allow_subscribe_for_client",),
    "subscribe_stream_proxy_enabled": ("allow_subscribe_for_client",),
    "publish_proxy_enabled": ("allow_publish_for_client", "allow_publish_for_subscriber"),
}
"""What a proxy is asked before: without it these would hold unasked."""

_CONNECT = "client.proxy.connect.enabled"
_INSECURE = "client.insecure"
_COME_AFTER_CONNECT = (
    "client.allow_anonymous_connect_without_token",
    _INSECURE,
    "client.user_id_http_header",
)
"""What is looked at only for whom the connect proxy leaves unknown (modern.md section 8.1)."""


def close_unasked(
    given: dict[str, Given], drafts: list[Draft], carried: Mapping[str, Given], notes: Layer
) -> None:
    """Switch off what proxies are to decide, and warn of each."""
    connect = carried.get(_CONNECT)
    if connect is not None and _is_on(connect.value):
        for path in _COME_AFTER_CONNECT:
            _switch_off(given, path, path, connect, notes)
    places = [(given, TOP, TOP)]
    places += [(draft, "", f"{NAMESPACES}[{index}].") for index, draft in enumerate(drafts)]
    for options, prefix, at in places:
        for proxy, opened in _DECIDED_BY.items():
            asked = carried.get(at + proxy)
            if asked is None or not _is_on(asked.value):
                continue
            for name in opened:
                _switch_off(options, prefix + name, at + name, asked, notes)
            # A proxy decides in insecure mode, too (modern.md sections 8.4 and 8.5).
            _switch_off(given, _INSECURE, _INSECURE, asked, notes)


def _switch_off(
    options: dict[str, Given], name: str, shown: str, asked: Given, notes: Layer
) -> None:
    before = options.get(name)
    if before is None or not before.value:
        return
    options[name] = Given(type(before.value)(), before.source, before.name)
    notes.warnings.append(
        f"{asked.source}: {asked.name}: the proxy that is to decide is not built yet; "
        f"{shown} is off until then"
    )


def _is_on(value: object) -> bool:
    """Tell whether a value of a file, or a text, switches on; what is in doubt does."""
    if isinstance(value, str):
        return parse_bool(value) is not False
    return bool(value)
