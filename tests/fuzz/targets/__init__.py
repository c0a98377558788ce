"""What is fuzzed: one module a target, found by its name.

Each has ``SEEDS``, literal inputs to begin with; ``WORDS``, what is worth inserting into them; and
``one_input``, which takes any bytes and raises when a promise is broken.
"""

import pkgutil
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

TARGETS = sorted(module.name for module in pkgutil.iter_modules(__path__))
"""Their names."""


class Target(Protocol):
    """What a module of this package is."""

    SEEDS: Sequence[bytes]
    WORDS: Sequence[bytes]

    def one_input(self, data: bytes) -> None:
        """Raise if a promise is broken by ``data``."""


def target(name: str) -> Target:
    """Return the target with this name, which is one of ``TARGETS``."""
    return cast(Target, import_module(f"{__name__}.{name}"))
