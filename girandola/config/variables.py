"""``${CENTRIFUGO_VAR_X}`` in values: what a configuration takes from the environment by name.

Centrifugo 6 replaces it in maps of texts only; here it is replaced in every text, since nobody
means it literally, and a key that reads so would be known to all. What variables hold is never
shown.
"""

import re
from collections.abc import Mapping
from typing import Any

from girandola.config.problems import Unfit

_VARIABLE = re.compile(r"\$\{((?:CENTRIFUGO|GIRANDOLA)_VAR_[^}]+)\}")


def expanded(value: Any, environ: Mapping[str, str]) -> Any:
    """Return ``value`` with the variables in its texts replaced; the same object if it has none.

    Raises:
        Unfit: a variable is not set.
    """
    if isinstance(value, str):
        if "${" not in value or not _VARIABLE.search(value):
            return value
        return _VARIABLE.sub(lambda match: _value(match[1], environ), value)
    if isinstance(value, list):
        items = [expanded(item, environ) for item in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    if isinstance(value, dict):
        below = {key: expanded(item, environ) for key, item in value.items()}
        return value if all(below[key] is value[key] for key in value) else below
    return value


def named_in(value: Any) -> str:
    """Return the first variable that a text names, ``""`` for none."""
    match = _VARIABLE.search(value) if isinstance(value, str) else None
    return match[1] if match else ""


def _value(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise Unfit(f"the variable {name} to be set in the environment")
    return environ[name]
