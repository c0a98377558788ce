"""The memory broker keeps what every broker promises, and never waits."""

import pytest

from girandola.core.grants import PublishOptions
from girandola.engines.memory import broker as broker_module
from girandola.engines.memory.broker import MemoryBroker
from girandola.model import ClientInfo, StreamPosition
from tests.contracts.broker import KEEP, BrokerContract, Recorder, data_of, message
from tests.fakes import FakeClock


class MemoryEngine:
    """A memory broker on a clock moved by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.broker = MemoryBroker(self.clock)
        self.events = Recorder()
        self.clock.result(self.broker.start(self.events))

    async def let_pass(self, seconds: float) -> None:
        self.clock.advance(seconds)


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine()


class TestMemoryBroker(BrokerContract):
    pass


def publish(
    engine: MemoryEngine, channel: str, text: str, options: PublishOptions = KEEP
) -> StreamPosition:
    result = engine.clock.result(engine.broker.publish(channel, message(text), options))
    return result.position


def pending_timers(engine: MemoryEngine) -> int:
    return sum(not timer.cancelled for _, _, timer in engine.clock._later)


def test_a_publication_is_delivered_before_publish_returns(engine: MemoryEngine) -> None:
    """Within the call itself, without a turn of the loop."""
    engine.clock.result(engine.broker.subscribe(["a"]))
    publishing = engine.broker.publish("a", message("1"), KEEP)
    with pytest.raises(StopIteration):
        publishing.send(None)
    assert data_of([p for _, p in engine.events.publications]) == ["1"]


def test_nothing_ever_waits(engine: MemoryEngine) -> None:
    broker, result = engine.broker, engine.clock.result
    result(broker.subscribe(["a"]))
    result(broker.publish("a", message(), KEEP))
    result(broker.publish_join("a", ClientInfo("42", "c1")))
    result(broker.publish_leave("a", ClientInfo("42", "c1")))
    result(broker.history("a"))
    result(broker.remove_history("a"))
    result(broker.unsubscribe({"a": 5}))
    assert engine.clock.waits == 0


def test_a_suppressed_publication_is_left_as_it_was(engine: MemoryEngine) -> None:
    once = PublishOptions(history_size=5, history_ttl=60, idempotency_key="k")
    publish(engine, "a", "1", once)
    repeated = message("1")
    engine.clock.result(engine.broker.publish("a", repeated, once))
    assert repeated == message("1")


def test_the_epoch_is_eight_letters(engine: MemoryEngine) -> None:
    epoch = publish(engine, "a", "1").epoch
    assert len(epoch) == 8
    assert epoch.isascii()
    assert epoch.isalpha()


def test_without_use_no_timer_runs(engine: MemoryEngine) -> None:
    publish(engine, "a", "1", PublishOptions())
    engine.clock.result(engine.broker.subscribe(["a"]))
    engine.clock.result(engine.broker.unsubscribe({"a": 0.0}))
    assert pending_timers(engine) == 0


def test_when_all_has_expired_nothing_is_left_and_no_timer_runs(engine: MemoryEngine) -> None:
    options = PublishOptions(
        history_size=5,
        history_ttl=2,
        history_meta_ttl=20,
        idempotency_key="k",
        idempotency_ttl=10,
    )
    engine.clock.result(engine.broker.subscribe(["a"]))
    for channel in "abc":
        publish(engine, channel, "1", options)
    engine.clock.result(engine.broker.unsubscribe({"a": 5}))
    assert pending_timers(engine) > 0
    engine.clock.advance(25)
    assert pending_timers(engine) == 0
    assert engine.broker._streams == {}
    assert engine.broker._lingering == {}
    assert engine.broker._answers._known == {}


def test_the_sweep_frees_publications_that_nobody_reads(engine: MemoryEngine) -> None:
    options = PublishOptions(history_size=5, history_ttl=2, history_meta_ttl=60)
    publish(engine, "a", "1", options)
    engine.clock.advance(3.5)
    assert len(engine.broker._streams["a"]) == 0


def test_a_stream_in_use_outlives_many_rounds_of_expiry(engine: MemoryEngine) -> None:
    """However often items come and go, the lists of deadlines do not grow."""
    options = PublishOptions(history_size=5, history_ttl=2, history_meta_ttl=5)
    epochs = set()
    for round_ in range(50):
        epochs.add(publish(engine, "a", str(round_), options).epoch)
        if round_ % 3 == 0:
            engine.clock.result(engine.broker.remove_history("a"))
        engine.clock.advance(round_ % 4)
    assert len(epochs) == 1
    assert len(engine.broker._item_deadlines) <= 1
    assert len(engine.broker._stream_deadlines) == 1


def test_a_dead_stream_is_replaced_before_the_sweep_comes(engine: MemoryEngine) -> None:
    options = PublishOptions(history_size=5, history_ttl=2, history_meta_ttl=2)
    epochs = set()
    for _ in range(10):
        epochs.add(publish(engine, "a", "1", options).epoch)
        engine.clock._now += 2.1  # time passes, and the timers are late
    assert len(epochs) == 10
    assert len(engine.broker._item_deadlines) == 1
    assert len(engine.broker._stream_deadlines) == 1
    engine.clock.advance(10)
    assert engine.broker._streams == {}


def test_a_busy_stream_keeps_what_is_younger_than_its_time(engine: MemoryEngine) -> None:
    options = PublishOptions(history_size=100, history_ttl=2, history_meta_ttl=60)
    for second in range(10):
        publish(engine, "a", str(second), options)
        engine.clock.advance(1)
    assert len(engine.clock.result(engine.broker.history("a")).publications) == 10


def test_after_its_linger_a_channel_is_inactive(engine: MemoryEngine) -> None:
    options = PublishOptions(history_size=5, history_ttl=60, drop_inactive=True)
    engine.clock.result(engine.broker.subscribe(["a"]))
    engine.clock.result(engine.broker.unsubscribe({"a": 30}))
    engine.clock.result(engine.broker.subscribe(["a"]))
    engine.clock.result(engine.broker.unsubscribe({"a": 60}))
    engine.clock.advance(59.5)
    assert engine.broker._is_active("a")
    engine.clock.advance(1)
    assert not engine.broker._is_active("a")
    assert publish(engine, "a", "1", options) == StreamPosition()


def test_idempotency_keys_cannot_fill_the_memory(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_module, "MAX_REMEMBERED_KEYS", 3)
    for key in "abcde":
        publish(engine, "a", "1", PublishOptions(idempotency_key=key))
    assert [key for _, key in engine.broker._answers._known] == ["c", "d", "e"]


def test_idempotency_keys_that_expire_together_go_in_parts(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_module, "KEYS_IN_A_TURN", 3)
    for key in range(8):
        publish(engine, "a", "1", PublishOptions(idempotency_key=str(key), idempotency_ttl=10))
    engine.clock.advance(10.5)
    known = engine.broker._answers._known
    assert [key for _, key in known] == ["3", "4", "5", "6", "7"]
    engine.clock.advance(3)
    assert not known
    assert pending_timers(engine) == 0
