"""Names in a configuration file: upper and lower case mean the same, whatever the format.

Keys that are data, such as the names of headers, keep their letters. Knows no options.
"""

from typing import Any

DATA = frozenset(
    (
        *("static_headers", "static_metadata", "channel_replacements"),
        *("static_http_headers", "proxy_static_http_headers", "nats_raw_mode_channel_replacements"),
    )
)
"""Options of any generation whose value is a map from data to data."""


def lower_cased(value: Any, path: str = "") -> Any:
    """Return the value with all keys in it in lower case; ``path`` is where it stands.

    Raises:
        ValueError: two keys of one object differ in nothing but case, and their values differ.
    """
    if isinstance(value, list):
        return [lower_cased(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    found: dict[Any, Any] = {}
    written: dict[Any, Any] = {}
    for key, below in value.items():
        name = key.lower() if isinstance(key, str) else key
        at = f"{path}.{name}" if path else str(name)
        new = below if name in DATA else lower_cased(below, at)
        if name in found and found[name] != new:
            raise ValueError(
                f'"{written[name]}" and "{key}" say different things about {at}, '
                "expected only one of them: upper and lower case mean the same"
            )
        found[name], written[name] = new, key
    return found


def repeated(value: Any, twice: dict[int, list[str]], path: str = "") -> list[str]:
    """Return the paths of keys that ``twice`` lists by the identity of their object."""
    if isinstance(value, list):
        return [p for i, item in enumerate(value) for p in repeated(item, twice, f"{path}[{i}]")]
    if not isinstance(value, dict):
        return []
    prefix = f"{path}." if path else ""
    paths = [prefix + key for key in twice.get(id(value), ())]
    for key, below in value.items():
        paths += repeated(below, twice, f"{prefix}{key}")
    return paths
