"""What a configuration of v2 to v5 means today: its options as those of today's tree.

Most options are copied by ``flat.json``; here stand those that are no copy, what their generations
refused, and in which order it all happens (config-generations.md section 2). Reads no files.
"""

from functools import partial
from typing import Any

from girandola.config.generations.channels import is_proxied, translate_channel
from girandola.config.generations.flat import BY_RULE, CHANNEL_NAMES, TOP_OPTIONS
from girandola.config.generations.implied import IMPLIED
from girandola.config.generations.leaves import Leaves
from girandola.config.generations.proxies import tls_fields, translate_proxies
from girandola.config.generations.reading import Flat, Item
from girandola.config.generations.redis import translate_redis
from girandola.config.layers import NAMESPACES, Given, Layer
from girandola.config.names import TOP
from girandola.config.problems import show
from girandola.config.schema import OPTIONS
from girandola.config.unbuilt import UNBUILT

_OWN_TLS = ("grpc_api", "uni_grpc")
_FOR_EVER = 87600 * 3600.0
_KAFKA_NAMES = {"partition_buffer_size": "partition_queue_max_size"}


def translate(flat: Flat, notes: Layer) -> Leaves:
    """Return the options of today that the configuration comes to; notes say what is wrong."""
    leaves = Leaves(notes)
    for name, option in TOP_OPTIONS.items():
        given = flat.values.get(name)
        if given is None or option.target in ("", BY_RULE) or name in CHANNEL_NAMES:
            continue
        if option.kind == "object":
            _put_object(option.target, given, leaves)
        else:
            leaves.put(option.target, given.value, given)
    _process(flat, leaves)
    _clients(flat, leaves)
    _times(flat, leaves)
    _tls_of_grpc(flat, leaves)
    translate_redis(flat, leaves)
    translate_proxies(flat, leaves)
    _consumers(flat, leaves)
    _channels(flat, leaves)
    for path, value in IMPLIED[flat.generation].items():
        leaves.default(path, value)
    if "namespaces" in flat.values:
        origin = flat.values["namespaces"]
        leaves.given[NAMESPACES] = Given(leaves.drafts, origin.source, origin.name)
    return leaves


def _put_object(path: str, given: Given, leaves: Leaves) -> None:
    """Put each field of an object that today has, too."""
    fields = tls_fields(given.value) if path.endswith(".tls") else given.value
    for name, value in fields.items():
        own = f"{path}.{name}".lower()
        if own in OPTIONS or own in UNBUILT:
            leaves.put(own, value, given)
        else:
            leaves.warn(given, f"has a field {show(name)} that means nothing")


# ── channels ─────────────────────────────────────────────────────────────────────────────────


def _channels(flat: Flat, leaves: Leaves) -> None:
    granular = bool(flat.get("granular_proxy_mode", False))
    origin = Given(None, leaves.notes.source, f"channel options of v{flat.generation}")
    top: Item = {
        name: given
        for name, given in flat.values.items()
        if name in CHANNEL_NAMES or name == "proxy_stream_subscribe"
    }

    def put_at_the_top(name: str, value: Any, given: Given) -> None:
        leaves.put(TOP + name, value, given)

    translate_channel(flat.generation, top, origin, granular, put_at_the_top)
    for index, item in enumerate(flat.items("namespaces")):
        leaves.drafts.append({})
        where = Given(None, leaves.notes.source, f"namespaces[{index}]")
        put = partial(leaves.put_in_namespace, index)
        if "name" in item:
            put("name", item["name"].value, item["name"])
        translate_channel(flat.generation, item, where, granular, put)
    for values in (top, *flat.items("namespaces")):
        _check_stream_proxy(values, leaves)


def _check_stream_proxy(values: Item, leaves: Leaves) -> None:
    """Refuse a subscribe stream proxy beside another one, as v5 did."""
    streams = ("proxy_subscribe_stream", "proxy_stream_subscribe", "subscribe_stream_proxy_name")
    stream = next((values[n] for n in streams if n in values and values[n].value), None)
    others = ("subscribe", "publish", "sub_refresh")
    if stream is not None and any(is_proxied(values, kind) for kind in others):
        leaves.refuse(stream, "does not go with another proxy of the same channels")


# ── the rest ─────────────────────────────────────────────────────────────────────────────────


def _process(flat: Flat, leaves: Leaves) -> None:
    """Put engine, broker and log level."""
    engine = flat.values.get("engine")
    if engine is not None and engine.value:
        if engine.value in OPTIONS["engine.type"].choices:
            leaves.put("engine.type", engine.value, engine)
        elif engine.value == "redis":
            leaves.carried["engine.type"] = engine
        else:
            detail = f'got {show(engine.value)}, expected "memory" or "redis"'
            leaves.refuse(engine, detail)
    broker = flat.values.get("broker")
    if broker is not None and broker.value:
        if broker.value == "nats":
            leaves.put("broker.enabled", True, broker)
            leaves.put("broker.type", "nats", broker)
        else:
            leaves.refuse(broker, f'got {show(broker.value)}, expected "nats"')
    level = flat.values.get("log_level")
    if level is not None:
        leaves.put("log.level", _log_level(level, flat.generation, leaves), level)


def _log_level(given: Given, generation: int, leaves: Leaves) -> str:
    level: str = given.value.lower()
    if level == "fatal":
        return "error"
    known = ("debug", "info", "warn", "error", "none", *(("trace",) if generation > 2 else ()))
    if level not in known:
        leaves.warn(given, f"{show(given.value)} is no log level; taken as info")
        return "info"
    return level


def _clients(flat: Flat, leaves: Leaves) -> None:
    """Put what holds for connections and is no copy."""
    skip = flat.values.get("skip_user_check_in_subscription_token")
    if skip is not None and skip.value:
        leaves.put("legacy.subscription_token_owner", "any_user", skip)
    disabled = flat.values.get("sockjs_disable")
    if disabled is not None:
        leaves.put("sockjs.enabled", not disabled.value, disabled)
    for old, path in (
        ("client_message_write_timeout", "websocket.write_timeout"),
        ("client_request_max_size", "websocket.message_size_limit"),
        ("client_ping_interval", ""),
        ("redis_sequence_ttl", ""),
    ):
        given = flat.values.get(old)
        if given is not None:
            leaves.warn(given, "had no effect in v2.8; it is used where nothing newer is set")
            if path and path not in leaves.given:
                leaves.put(path, given.value, given)
    header = flat.values.get("client_user_id_http_header")
    if header is not None and header.value:
        leaves.warn(
            header,
            f"trusts {show(header.value)} of whoever reaches this port; let only a proxy reach it "
            "that sets the header",
        )


def _times(flat: Flat, leaves: Leaves) -> None:
    """Put pings, and how long positions are remembered."""
    ping = flat.values.get("websocket_ping_interval") or flat.values.get("client_ping_interval")
    if ping is not None and flat.generation == 4:
        leaves.warn(ping, "is for protocol 1 only; ping_interval holds for all")
    elif ping is not None and ping.value:
        # v2 and v3 asked for no pongs; today's default must stay below so short an interval.
        leaves.put("client.ping_interval", ping.value, ping)
        leaves.put("client.pong_timeout", min(8.0, ping.value / 3), ping)
    if flat.generation == 2:
        _meta_ttl_of_2(flat, leaves)
    meta = flat.values.get("history_meta_ttl")
    if meta is not None:
        if flat.generation == 5:
            leaves.put(TOP + "history_meta_ttl", meta.value, meta)
        if flat.generation < 5 or flat.maybe_of_4:
            leaves.put("channel.history_meta_ttl", meta.value or _FOR_EVER, meta)
    _remember_longest(flat, leaves)


def _meta_ttl_of_2(flat: Flat, leaves: Leaves) -> None:
    engine = flat.get("engine", "memory")
    names = ("redis_history_meta_ttl", "redis_sequence_ttl") if engine == "redis" else ()
    for name in (*names, "memory_history_meta_ttl"):
        given = flat.values.get(name)
        if given is not None and given.value:
            leaves.put("channel.history_meta_ttl", given.value, given)
            return


def _remember_longest(flat: Flat, leaves: Leaves) -> None:
    """Make the time that all channels share as long as the longest history."""
    name = "history_lifetime" if flat.generation == 2 else "history_ttl"
    found = [values[name] for values in (flat.values, *flat.items("namespaces")) if name in values]
    longest = max(found, key=lambda given: float(given.value), default=None)
    if longest is None:
        return
    path = "channel.history_meta_ttl"
    today = IMPLIED[flat.generation].get(path, 720 * 3600.0)
    shared = leaves.given[path].value if path in leaves.given else today
    if longest.value > shared:
        leaves.put(path, longest.value, longest)


def _tls_of_grpc(flat: Flat, leaves: Leaves) -> None:
    """Give gRPC ports the certificates of HTTP, which they had unless they had their own."""
    for name in _OWN_TLS:
        enabled, own = flat.values.get(name), flat.get(f"{name}_tls", False)
        if enabled is None or not enabled.value or own or flat.get(f"{name}_tls_disable", False):
            continue
        if flat.get("tls_autocert", False):
            detail = (
                "had the certificates of tls_autocert, which gRPC cannot have yet; set "
                f"{name}_tls with its own, or {name}_tls_disable"
            )
            leaves.refuse(enabled, detail)
        elif flat.get("tls", False):
            shared = {p: g for p, g in leaves.given.items() if p.startswith("http_server.tls.")}
            for path, given in shared.items():
                leaves.put(f"{name}.tls.{path.rpartition('.')[2]}", given.value, given)


def _consumers(flat: Flat, leaves: Leaves) -> None:
    """Put consumers, which were on unless disabled and are off today unless enabled."""
    if "consumers" not in flat.values:
        return
    consumers = []
    for item in flat.items("consumers"):
        consumer = {name: given.value for name, given in item.items() if name != "disabled"}
        consumer["enabled"] = not item["disabled"].value if "disabled" in item else True
        if "kafka" in consumer:
            kafka = consumer["kafka"]
            consumer["kafka"] = {_KAFKA_NAMES.get(n, n): value for n, value in kafka.items()}
        consumers.append(consumer)
    leaves.put("consumers", consumers, flat.values["consumers"])
