"""``yes``, ``no``, ``on`` and ``off`` in YAML: texts today, booleans to the servers before.

Knows neither YAML nor options.
"""

from typing import Any


class YesNo(str):
    """One of these words without quotes; ``older`` is what it meant before Centrifugo 6."""

    __slots__ = ()

    @property
    def older(self) -> bool:
        """The boolean of YAML 1.1."""
        return self.lower() in ("yes", "on")


def as_older_servers(value: Any) -> Any:
    """Return the value with every ``YesNo`` in it as the boolean that it was."""
    if isinstance(value, YesNo):
        return value.older
    if isinstance(value, dict):
        return {key: as_older_servers(below) for key, below in value.items()}
    return [as_older_servers(below) for below in value] if isinstance(value, list) else value
