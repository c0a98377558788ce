"""What waits to be written goes out once a tick, in order, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.core.outbox import SLICE, Flusher, Outbox
from girandola.core.stats import Stats
from tests.fakes import FakeClock, FakeTransport


class Owner:
    """Whose outbox it is, and what it was told."""

    def __init__(self, flusher: Flusher, limit: int = 100) -> None:
        self.transport = FakeTransport()
        self.outbox = Outbox(self, self.transport, flusher, limit)
        self.told: list[str] = []

    def on_outbox_full(self) -> None:
        self.told.append("full")
        self.outbox.discard()

    def on_marked(self) -> None:
        self.told.append(f"marked, {len(self.outbox.messages or ())} waiting")

    def on_write_failed(self) -> None:
        self.told.append("a write failed")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def flusher(clock: FakeClock) -> Flusher:
    return Flusher(clock, Stats())


@pytest.fixture
def owner(flusher: Flusher) -> Owner:
    return Owner(flusher)


def test_messages_of_one_tick_are_one_write_in_order(clock: FakeClock, owner: Owner) -> None:
    for message in (b"1", b"2", b"3"):
        owner.outbox.push(message)
    assert owner.transport.writes == []
    clock.run()
    assert owner.transport.writes == [[b"1", b"2", b"3"]]


def test_a_written_list_is_not_touched_again(clock: FakeClock, owner: Owner) -> None:
    """The transport may keep it."""
    owner.outbox.push(b"1")
    clock.run()
    owner.outbox.push(b"2")
    clock.run()
    assert owner.transport.writes == [[b"1"], [b"2"]]


def test_nothing_is_written_where_nothing_waits(clock: FakeClock, owner: Owner) -> None:
    owner.outbox.flush()
    clock.run()
    assert owner.transport.writes == []


def test_a_flush_out_of_turn_leaves_nothing_for_the_end_of_the_tick(
    clock: FakeClock, owner: Owner
) -> None:
    owner.outbox.push(b"1")
    owner.outbox.flush()
    assert owner.transport.writes == [[b"1"]]
    owner.outbox.push(b"2")
    clock.run()
    assert owner.transport.writes == [[b"1"], [b"2"]]


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(0, 120))
def test_all_is_written_or_the_owner_is_told(messages: list[bytes], stuck: int) -> None:
    """Over the limit, counting what the transport still holds, nothing at all is written."""
    clock = FakeClock()
    owner = Owner(Flusher(clock, Stats()))
    owner.transport.stuck = stuck
    for message in messages:
        owner.outbox.push(message)
    clock.run()
    size = sum(map(len, messages))
    if messages and size + stuck > 100:
        assert (owner.transport.writes, owner.told) == ([], ["full"])
    else:
        assert (owner.transport.writes, owner.told) == ([messages] if messages else [], [])


def test_nobody_acts_on_a_full_outbox_before_the_end_of_the_tick(
    clock: FakeClock, owner: Owner
) -> None:
    """It is noticed within a broadcast, which must not see anybody leave."""
    owner.outbox.push(b"x" * 101)
    owner.outbox.push(b"y")
    assert owner.told == []
    assert not owner.outbox.messages
    clock.run()
    assert owner.told == ["full"]
    assert owner.transport.writes == []


def test_a_mark_is_acted_on_before_the_messages_go(clock: FakeClock, owner: Owner) -> None:
    owner.outbox.push(b"1")
    owner.outbox.mark()
    owner.outbox.mark()
    assert owner.told == []
    clock.run()
    assert owner.told == ["marked, 1 waiting"]
    assert owner.transport.writes == [[b"1"]]


def test_a_mark_needs_no_message(clock: FakeClock, owner: Owner) -> None:
    owner.outbox.mark()
    clock.run()
    assert owner.told == ["marked, 0 waiting"]


def test_a_discarded_outbox_takes_nothing_more(clock: FakeClock, owner: Owner) -> None:
    owner.outbox.push(b"1")
    owner.outbox.mark()
    owner.outbox.discard()
    owner.outbox.push(b"2")
    clock.run()
    assert owner.transport.writes == []
    assert "marked" not in "".join(owner.told)


def test_what_was_written_is_counted(clock: FakeClock, flusher: Flusher, owner: Owner) -> None:
    for message in (b"12", b"345"):
        owner.outbox.push(message)
    clock.run()
    stats = flusher.stats
    assert (stats.flushes, stats.messages_queued, stats.bytes_out) == (1, 2, 5)


@pytest.mark.parametrize("many", [SLICE - 1, SLICE, SLICE + 1, 3 * SLICE])
def test_every_outbox_of_a_tick_is_flushed_once(
    clock: FakeClock, flusher: Flusher, many: int
) -> None:
    """However many there are, no more than a slice of them in one turn of the loop."""
    owners = [Owner(flusher) for _ in range(many)]
    for owner in owners:
        owner.outbox.push(b"1")
    written = 0
    while clock._ready:
        clock.tick()
        now = sum(len(owner.transport.writes) for owner in owners)
        assert now - written <= SLICE
        written = now
    assert [owner.transport.writes for owner in owners] == [[[b"1"]]] * many


def test_two_wide_flushes_take_turns(clock: FakeClock, flusher: Flusher) -> None:
    """The second does not wait for the end of the first."""
    first, second = ([Owner(flusher) for _ in range(4 * SLICE)] for _ in range(2))
    for crowd in (first, second):
        for owner in crowd:
            owner.outbox.push(b"1")
        clock.tick()
    for _ in range(3):
        clock.tick()
    for crowd in (first, second):
        assert 0 < sum(bool(owner.transport.writes) for owner in crowd) < 4 * SLICE


@pytest.mark.parametrize("many", [2, SLICE + 2])
def test_a_fault_in_one_flush_concerns_none_of_the_others(
    clock: FakeClock, flusher: Flusher, many: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; the next ticks are as ever."""
    faulty, *others = (Owner(flusher) for _ in range(many))
    faulty.transport.buffered = lambda: 1 // 0  # type: ignore[method-assign]
    for message in (b"1", b"2"):
        for owner in (faulty, *others):
            owner.outbox.push(message)
        clock.run()
    assert all(owner.transport.writes == [[b"1"], [b"2"]] for owner in others)
    assert faulty.told == ["a write failed"] * 2
    assert caplog.text.count("internal error") == 2


def test_the_same_fault_in_many_flushes_of_a_tick_is_logged_once(
    clock: FakeClock, flusher: Flusher, caplog: pytest.LogCaptureFixture
) -> None:
    owners = [Owner(flusher) for _ in range(9)]
    for owner in owners:
        owner.transport.write = lambda _: 1 // 0  # type: ignore[assignment,return-value]
        owner.outbox.push(b"1")
    clock.run()
    assert [owner.told for owner in owners] == [["a write failed"]] * 9
    assert caplog.text.count("internal error") == 1


def test_a_fault_in_acting_on_a_mark_holds_back_no_message(
    clock: FakeClock, owner: Owner, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither what waits nor what comes later."""
    owner.on_marked = lambda: 1 // 0  # type: ignore[method-assign,assignment,return-value]
    owner.outbox.push(b"1")
    owner.outbox.mark()
    clock.run()
    owner.outbox.push(b"2")
    clock.run()
    assert owner.transport.writes == [[b"1"], [b"2"]]
    assert caplog.text.count("internal error") == 1
