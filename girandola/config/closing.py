"""Closes what a feature that is not built would have to decide.

Where a configuration lets a proxy decide who may subscribe or publish, and proxies are not built
yet, nobody may: the options that would let clients in without asking are switched off. Knows
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


def close_unasked(
    given: dict[str, Given], drafts: list[Draft], carried: Mapping[str, Given], notes: Layer
) -> None:
    """Switch off what proxies are to decide, and warn of each."""
    _close(given, TOP, TOP, carried, notes)
    for index, draft in enumerate(drafts):
        _close(draft, "", f"{NAMESPACES}[{index}].", carried, notes)


def _close(
    options: dict[str, Given], prefix: str, at: str, carried: Mapping[str, Given], notes: Layer
) -> None:
    for proxy, opened in _DECIDED_BY.items():
        asked = carried.get(at + proxy)
        if asked is None or not _is_on(asked.value):
            continue
        for name in opened:
            before = options.get(prefix + name)
            if before is not None and before.value:
                options[prefix + name] = Given(False, before.source, before.name)
                notes.warnings.append(
                    f"{asked.source}: {asked.name}: the proxy that is to decide is not built yet; "
                    f"{at}{name} is off until then"
                )


def _is_on(value: object) -> bool:
    """Tell whether a value of a file, or a text, switches on; what is in doubt does."""
    if isinstance(value, str):
        return parse_bool(value) is not False
    return bool(value)
