"""The memory engine's presence keeps what every presence store promises."""

import pytest

from girandola.engines.memory.presence import MemoryPresence
from tests.contracts.presence import PresenceContract


@pytest.fixture
def presence() -> MemoryPresence:
    return MemoryPresence()


class TestMemoryPresence(PresenceContract):
    pass
