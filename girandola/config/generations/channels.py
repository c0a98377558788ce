"""What the channel options of v2 to v5 are today, at the top and in an item of ``namespaces``.

v4 and v5 have today's permissions. v2 and v3 are open by default and have options that close
something; nothing of that may get lost (config-generations.md section 2.2). Knows one set of
options at a time, and nothing of namespaces.
"""

from collections.abc import Callable, Mapping
from typing import Any

from girandola.config.generations.flat import BY_RULE, CHANNEL_OPTIONS
from girandola.config.layers import Given

Put = Callable[[str, Any, Given], None]
"""Sets a channel option of today to a value, with the option that it comes from."""

_OPENED = {
    "subscribe": ("allow_subscribe_for_client",),
    "subscribe_stream": ("allow_subscribe_for_client",),
    "publish": ("allow_publish_for_client", "allow_publish_for_subscriber"),
    "sub_refresh": (),
}
"""Which options would let clients do what a proxy is to be asked about."""

ANYTHING = r"(?s)^.*$"
"""The channel names of v2 and v3."""


def translate_channel(
    generation: int, values: Mapping[str, Given], origin: Given, granular: bool, put: Put
) -> None:
    """Put every channel option that ``values`` come to; ``origin`` is where they stand.

    ``granular`` tells whether proxies have names.
    """
    for name, option in CHANNEL_OPTIONS.items():
        given = values.get(name)
        if given is not None and option.target not in ("", BY_RULE) and name != "name":
            put(option.target, given.value, given)
    if generation in (2, 3):
        _permissions_of_2_and_3(generation, values, origin, put)
    _proxied(generation, values, origin, granular, put)


def is_on(values: Mapping[str, Given], *names: str) -> bool:
    """Tell whether any of the options is set to something."""
    return any(name in values and bool(values[name].value) for name in names)


def is_proxied(values: Mapping[str, Given], kind: str) -> bool:
    """Tell whether subscribe, publish or sub_refresh of these channels goes to a proxy."""
    return is_on(values, f"proxy_{kind}", f"{kind}_proxy_name")


def _permissions_of_2_and_3(
    generation: int, values: Mapping[str, Given], origin: Given, put: Put
) -> None:
    def from_(name: str) -> Given:
        return values.get(name, origin)

    closed = "server_side" if generation == 2 else "protected"
    is_open = not is_on(values, closed) and not is_proxied(values, "subscribe")
    put("allow_subscribe_for_client", is_open, from_(closed))
    server_side = generation == 2 and is_on(values, "server_side")
    # False would make inbox#42 an ordinary channel that is open to all.
    put("allow_user_limited_channels", not server_side, from_(closed))
    if server_side:
        put("server_side_only", True, from_("server_side"))
    put("channel_regex", ANYTHING, origin)
    publish, after = is_on(values, "publish"), is_on(values, "subscribe_to_publish")
    put("allow_publish_for_client", publish and not after, from_("publish"))
    put("allow_publish_for_subscriber", publish and after, from_("publish"))
    put("allow_publish_for_anonymous", publish, from_("publish"))
    if is_on(values, "join_leave"):
        put("force_push_join_leave", True, from_("join_leave"))
    presence = is_on(values, "presence") and not is_on(values, "presence_disable_for_client")
    kept = _keeps_history(generation, values)
    history = kept and not is_on(values, "history_disable_for_client")
    for whose in ("subscriber", "anonymous"):
        put(f"allow_presence_for_{whose}", presence, from_("presence"))
        put(f"allow_history_for_{whose}", history, from_("history_size"))
    if generation == 2 and not kept:
        # v2 took one of them alone for no history; later servers refuse it.
        for name, target in (("history_size", "history_size"), ("history_lifetime", "history_ttl")):
            if is_on(values, name):
                put(target, 0, values[name])


def _keeps_history(generation: int, values: Mapping[str, Given]) -> bool:
    ttl = values.get("history_lifetime" if generation == 2 else "history_ttl")
    size = values.get("history_size")
    return size is not None and ttl is not None and size.value > 0 and ttl.value > 0


def _proxied(
    generation: int, values: Mapping[str, Given], origin: Given, granular: bool, put: Put
) -> None:
    """Put which proxies are asked."""
    kinds = {
        "subscribe": is_proxied(values, "subscribe") and not is_on(values, "server_side"),
        # v2 and v3 refused before the proxy what publish did not allow.
        "publish": is_proxied(values, "publish") and (generation > 3 or is_on(values, "publish")),
        "sub_refresh": is_proxied(values, "sub_refresh"),
    }
    for kind, enabled in kinds.items():
        _one_proxy(kind, enabled, values, origin, granular, put)
    stream = is_proxied(values, "subscribe_stream") or is_on(values, "proxy_stream_subscribe")
    _one_proxy("subscribe_stream", stream, values, origin, granular, put)
    if stream and is_on(values, "proxy_subscribe_stream_bidirectional"):
        put("subscribe_stream_proxy_bidirectional", True, origin)


def _one_proxy(
    kind: str, enabled: bool, values: Mapping[str, Given], origin: Given, granular: bool, put: Put
) -> None:
    name = values.get(f"{kind}_proxy_name")
    asked = values.get(f"proxy_{kind}") or name or origin
    if granular and enabled and (name is None or not name.value):
        # The old servers answered 108 then; today neither the proxy nor the option lets anybody in.
        for closed in _OPENED[kind]:
            put(closed, False, asked)
        return
    if not enabled and not is_proxied(values, kind):
        return
    put(f"{kind}_proxy_enabled", enabled, asked)
    if granular and enabled and name is not None:
        put(f"{kind}_proxy_name", name.value, name)
