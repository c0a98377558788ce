"""However many channels are named, the memory engine remembers so many and no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.core.grants import PublishOptions
from girandola.engines.memory import deadlines as deadlines_module
from girandola.engines.memory.broker import MemoryBroker
from girandola.engines.memory.deadlines import Deadlines
from girandola.engines.memory.shelves import Shelves
from girandola.engines.memory.stream import Stream
from girandola.model import Publication, StreamPosition
from tests.contracts.broker import KEEP
from tests.fakes import FakeClock
from tests.scenarios.modern_world import RECOVERY, World


class Small:
    """An engine for three streams."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.broker = MemoryBroker(self.clock, 3)

    def read(self, *channels: str) -> None:
        for channel in channels:
            self.clock.result(self.broker.history(channel, limit=0))

    def publish(self, *channels: str, options: PublishOptions = KEEP) -> None:
        for channel in channels:
            self.clock.result(self.broker.publish(channel, Publication(b"1"), options))

    def subscribe(self, *channels: str) -> None:
        for channel in channels:
            self.clock.result(self.broker.subscribe([channel]))

    @property
    def kept(self) -> set[str]:
        return set(self.broker._streams)


@pytest.fixture
def engine() -> Small:
    return Small()


def test_the_oldest_of_empty_streams_goes_first(engine: Small) -> None:
    engine.read("a", "b", "c")
    engine.read("a")
    engine.read("d")
    assert engine.kept == {"a", "c", "d"}
    engine.read("e", "f")
    assert engine.kept == {"d", "e", "f"}


def test_a_stream_that_holds_something_outlives_empty_ones(engine: Small) -> None:
    """Also when it comes to hold something later, and until it has lost all."""
    engine.publish("a")
    engine.read("b", "c")
    engine.publish("b")
    engine.read("d", "e")
    assert engine.kept == {"a", "b", "e"}
    engine.publish("e")
    engine.publish("a")
    engine.publish("f")
    assert engine.kept == {"a", "e", "f"}
    engine.clock.result(engine.broker.remove_history("f"))
    engine.read("g")
    assert engine.kept == {"a", "e", "g"}
    engine.clock.advance(KEEP.history_ttl + 2)
    engine.publish("h", "i", "j")
    assert engine.kept == {"h", "i", "j"}


def test_a_stream_in_use_goes_last(engine: Small) -> None:
    """From when somebody listens until nobody does any more."""
    engine.read("a")
    engine.subscribe("a")
    engine.publish("b", "c", "d")
    assert engine.kept == {"a", "c", "d"}
    engine.clock.result(engine.broker.unsubscribe({"a": 0.0}))
    engine.read("e")
    assert engine.kept == {"c", "d", "e"}


def test_of_streams_in_use_the_empty_ones_go_first(engine: Small) -> None:
    engine.subscribe("a", "b", "c")
    engine.publish("a", "c")
    engine.read("b", "d")
    assert engine.kept == {"a", "c", "d"}
    engine.subscribe("d")
    engine.publish("d")
    engine.read("e")
    assert engine.kept == {"c", "d", "e"}


def test_a_stream_that_was_forgotten_begins_anew() -> None:
    """With another epoch: who was there is told that it cannot recover."""
    world = World({"": RECOVERY})
    world.broker._max_streams = 2
    world.publish("a", "1")
    assert world.top("a") == StreamPosition(1, "E1")
    world.publish("b", "1")
    world.publish("c", "1")
    answer = world.connect().subscribe("a", ',"recover":true,"offset":1,"epoch":"E1"')
    assert '"epoch":"E4"' in answer
    assert '"was_recovering":true' in answer
    assert '"recovered"' not in answer


def test_who_listens_to_a_stream_that_was_forgotten_is_told_with_the_next_publication() -> None:
    """Never silence: it resubscribes, and learns that it cannot recover."""
    world = World({"": RECOVERY})
    world.broker._max_streams = 1
    client, other = world.subscribed("a"), world.subscribed("b")
    world.publish("a", "1")
    assert client.read() == [
        '{"push":{"channel":"a","unsubscribe":{"code":2500,"reason":"insufficient state"}}}'
    ]
    assert other.read() == []
    assert (client.closed, other.closed) == (None, None)


def test_who_listens_to_a_quiet_stream_that_was_forgotten_is_told_by_the_next_look() -> None:
    world = World({"": RECOVERY}, ping_interval=0.0)
    world.broker._max_streams = 1
    client = world.subscribed("a")
    world.subscribed("b").hang_up()
    world.advance(120)
    assert '"code":2500' in client.read()[0]


def test_what_is_forgotten_leaves_no_deadlines_behind(engine: Small) -> None:
    """They would be there for a month."""
    for number in range(500):
        engine.read(f"read {number}")
        engine.publish(f"published {number}")
    assert len(engine.broker._stream_deadlines) == 3
    assert len(engine.broker._item_deadlines) <= 3
    engine.clock.advance(800 * 3600)
    assert engine.kept == set()
    assert len(engine.broker._stream_deadlines) == 0


def test_it_is_said_once_a_minute(engine: Small, caplog: pytest.LogCaptureFixture) -> None:
    engine.read(*map(str, range(50)))
    assert caplog.text.count("engine.memory.max_streams") == 1
    engine.clock.advance(61)
    engine.read(*map(str, range(50)))
    assert caplog.text.count("engine.memory.max_streams") == 2


def test_without_a_limit_all_are_kept() -> None:
    engine = Small()
    engine.broker = MemoryBroker(engine.clock)
    engine.read(*map(str, range(100)))
    assert len(engine.kept) == 100


# ── shelves ──────────────────────────────────────────────────────────────────────────────────

MOVES = st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans(), st.booleans()))


@given(MOVES)
def test_shelves_stand_as_if_all_were_sorted_at_every_move(
    moves: list[tuple[int, bool, bool, bool]],
) -> None:
    """By whether a stream is used, whether it holds anything, and when it was put there."""
    shelves, streams = Shelves(), [Stream() for _ in range(6)]
    standing: dict[int, tuple[bool, bool, int]] = {}
    for at, (number, used, holds, leaves) in enumerate(moves):
        stream = streams[number]
        if leaves:
            shelves.take(stream)
            standing.pop(number, None)
        else:
            stream.clear()
            if holds:
                stream.append(Publication(b"1"), 1)
            shelves.put(stream, used=used)
            standing[number] = (used, holds, at)
        if standing:
            first = min(standing, key=standing.__getitem__)
            assert shelves.first_to_go() is streams[first]


def test_where_all_were_published_into_one_goes_all_the_same(engine: Small) -> None:
    engine.publish("a", "b", "c")
    engine.publish("a", "b", "c")
    engine.read("d")
    assert len(engine.kept) == 3
    assert "d" in engine.kept


# ── deadlines ────────────────────────────────────────────────────────────────────────────────


def test_what_is_due_is_looked_at_soon_after_and_in_slices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deadlines_module, "SLICE", 10)
    clock = FakeClock()
    seen: list[str] = []
    deadlines = Deadlines(clock, seen.append)
    for number in range(35):
        deadlines.watch(str(number), clock.now() + 5)
    clock.advance(4.5)
    assert seen == []
    clock.advance(1.6)
    assert sorted(seen, key=int) == list(map(str, range(35)))
    assert len(deadlines) == 0
    assert not [timer for _, _, timer in clock._later if not timer.cancelled]


@given(st.floats(0.1, 10**7), st.floats(0, 1))
def test_no_look_comes_early_and_none_much_later(wait: float, fraction: float) -> None:
    clock = FakeClock()
    clock._now += fraction
    seen: list[float] = []
    Deadlines(clock, lambda _: seen.append(clock.now())).watch("a", clock.now() + wait)
    begun = clock.now()
    clock.advance(wait * 2 + 10)
    (at,) = seen
    assert begun + wait <= at <= begun + wait + max(2.0, wait / 64 + 1)


def test_what_is_forgotten_is_not_looked_at() -> None:
    clock = FakeClock()
    seen: list[str] = []
    deadlines = Deadlines(clock, seen.append)
    due = deadlines.watch("a", clock.now() + 5)
    deadlines.watch("b", clock.now() + 5)
    deadlines.forget("a", due)
    deadlines.forget("a", due)
    deadlines.forget("a", 0)
    clock.advance(10)
    assert seen == ["b"]


def test_a_look_that_fails_does_not_stop_the_others() -> None:
    clock = FakeClock()
    seen: list[str] = []

    def look(key: str) -> None:
        if key == "a":
            raise RuntimeError(key)
        seen.append(key)

    deadlines = Deadlines(clock, look)
    deadlines.watch("a", clock.now() + 1)
    deadlines.watch("b", clock.now() + 2)
    with pytest.raises(RuntimeError):
        clock.advance(1.5)
    clock.advance(5)
    assert seen == ["b"]
