"""The Redis options of v2 and v3 that are no copy of today's (config-generations.md section 2.4).

v2 names shards by lists separated by commas, of which the longest counts. Redis itself is not built
yet: what comes out is carried. Knows nothing of connections.
"""

from urllib.parse import quote, urlsplit

from girandola.config.generations.leaves import Leaves
from girandola.config.generations.reading import Flat
from girandola.config.layers import Given
from girandola.config.problems import show

_NAMES = ("redis_host", "redis_port", "redis_url", "redis_master_name")


def translate_redis(flat: Flat, leaves: Leaves) -> None:
    """Put what Redis options come to that a copy does not say."""
    if flat.generation == 2:
        streams = flat.values.get("redis_streams")
        if streams is not None:
            leaves.put("engine.redis.history_use_lists", not streams.value, streams)
        if any(name in flat.values for name in (*_NAMES, "redis_sentinels")):
            _shards(flat, leaves)
    timeouts = [
        flat.values[name]
        for name in ("redis_read_timeout", "redis_write_timeout")
        if name in flat.values
    ]
    if timeouts:
        longest = max(timeouts, key=lambda given: float(given.value))
        leaves.put("engine.redis.io_timeout", longest.value, longest)


def _shards(flat: Flat, leaves: Leaves) -> None:
    lists = {name: flat.get(name, ()) for name in _NAMES}
    count = max(1, *(len(values) for values in lists.values()))
    for name, values in lists.items():
        repeated = name in ("redis_host", "redis_port") and len(values) == 1
        if values and len(values) != count and not repeated:
            detail = f"has {len(values)} of {count} shards, expected one for each"
            leaves.refuse(flat.values[name], detail)
            return
    origin = next(flat.values[n] for n in (*_NAMES, "redis_sentinels") if n in flat.values)
    if lists["redis_master_name"]:
        _sentinels(flat, leaves, origin)
        return
    addresses = []
    for shard in range(count):
        url = _of(lists["redis_url"], shard)
        if url and not _has_host_and_port(url):
            leaves.refuse(
                flat.values["redis_url"], f"got {show(url, True)}, expected host and port"
            )
            return
        host = _of(lists["redis_host"], shard) or "127.0.0.1"
        addresses.append(url or f"redis://{host}:{_of(lists['redis_port'], shard) or '6379'}")
    leaves.put("engine.redis.address", addresses, origin)


def _sentinels(flat: Flat, leaves: Leaves, origin: Given) -> None:
    """Put one master as options, several as an address each."""
    masters, sentinels = flat.get("redis_master_name"), flat.get("redis_sentinels", ())
    if len(masters) == 1:
        leaves.put("engine.redis.sentinel_master_name", masters[0], origin)
        leaves.put("engine.redis.sentinel_address", [",".join(sentinels)], origin)
        return
    nodes = ",".join(sentinels)
    addresses = [
        f"redis+sentinel://{nodes}?sentinel_master_name={quote(master)}" for master in masters
    ]
    leaves.put("engine.redis.address", addresses, origin)


def _of(values: tuple[str, ...], shard: int) -> str:
    """Return what a list says of one shard; one value is for all."""
    if not values:
        return ""
    return values[shard] if len(values) > shard else values[0]


def _has_host_and_port(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port is not None
    except ValueError:
        return False
