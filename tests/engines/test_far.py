"""The far engine of the tests keeps what every engine promises, however long it takes."""

import pytest

from girandola.app.clock import LoopClock
from tests.contracts.broker import BrokerContract, Recorder
from tests.contracts.presence import PresenceContract
from tests.engines.far import FarBroker, FarPresence, Sea
from tests.fakes import FakeClock

DELAYS = (0, 2, 1, 3, 0, 3)


class FarEngine:
    """A far broker, at whose far end time is moved by hand."""

    def __init__(self, sea: Sea, far_end: FakeClock) -> None:
        self.sea = sea
        self.far_end = far_end
        self.broker = FarBroker(sea)
        self.events = Recorder()

    async def let_pass(self, seconds: float) -> None:
        self.far_end.advance(seconds)


@pytest.fixture
async def engine() -> FarEngine:
    far_end = FakeClock()
    engine = FarEngine(Sea(LoopClock(), DELAYS, far_end=far_end), far_end)
    await engine.sea.start()
    await engine.broker.start(engine.events)
    return engine


@pytest.fixture
async def presence() -> FarPresence:
    return FarPresence(Sea(LoopClock(), DELAYS))


class TestFarBroker(BrokerContract):
    pass


class TestFarPresence(PresenceContract):
    pass
