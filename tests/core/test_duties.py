"""The wheel calls everybody when it is due, from one timer."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.core.duties import NOWHERE, RESOLUTION, RETRY, Wheel
from tests.fakes import FakeClock


class Debtor:
    """Somebody with duties, and when they were done."""

    def __init__(self, clock: FakeClock, *next_dues: float) -> None:
        self.slot = NOWHERE
        self.clock = clock
        self.done: list[float] = []
        self.next_dues = [*next_dues]

    def on_duty(self, now: float) -> float:
        assert now == self.clock.now()
        self.done.append(now)
        return self.next_dues.pop(0) if self.next_dues else inf


def timers(clock: FakeClock) -> int:
    return sum(not timer.cancelled for _, _, timer in clock._later)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def wheel(clock: FakeClock) -> Wheel:
    return Wheel(clock)


@given(st.lists(st.floats(0, 50), min_size=1, max_size=20))
def test_a_duty_is_done_once_never_early_and_at_most_a_resolution_late(
    delays: list[float],
) -> None:
    clock = FakeClock()
    wheel = Wheel(clock)
    start = clock.now()
    debtors = [Debtor(clock) for _ in delays]
    for debtor, delay in zip(debtors, delays, strict=True):
        wheel.place(debtor, start + delay)
    assert timers(clock) == 1
    clock.advance(51)
    for debtor, delay in zip(debtors, delays, strict=True):
        (at,) = debtor.done
        assert start + delay - 1e-6 <= at <= start + delay + RESOLUTION + 1e-6
    assert timers(clock) == 0


def test_who_says_so_is_called_again(clock: FakeClock, wheel: Wheel) -> None:
    """``on_duty`` returns when the next duty is due, or infinity for none."""
    start = clock.now()
    debtor = Debtor(clock, start + 20, start + 30)
    wheel.place(debtor, start + 10)
    clock.advance(100)
    assert debtor.done == pytest.approx([start + 10, start + 20, start + 30], abs=2 * RESOLUTION)
    assert debtor.slot == NOWHERE


def test_a_new_place_replaces_the_old_one(clock: FakeClock, wheel: Wheel) -> None:
    """Earlier or later."""
    start = clock.now()
    for first, second in ((10.0, 20.0), (20.0, 10.0)):
        debtor = Debtor(clock)
        wheel.place(debtor, clock.now() + first)
        wheel.place(debtor, clock.now() + second)
        before = clock.now()
        clock.advance(50)
        assert debtor.done == pytest.approx([before + second], abs=2 * RESOLUTION)
    assert clock.now() == start + 100


def test_a_place_at_infinity_is_none(clock: FakeClock, wheel: Wheel) -> None:
    debtor = Debtor(clock)
    wheel.place(debtor, clock.now() + 10)
    wheel.place(debtor, inf)
    clock.advance(100)
    assert debtor.done == []


def test_what_is_overdue_is_done_soon(clock: FakeClock, wheel: Wheel) -> None:
    debtor = Debtor(clock)
    wheel.place(debtor, clock.now() - 5)
    clock.advance(RESOLUTION)
    assert len(debtor.done) == 1


def test_who_was_removed_is_not_called(clock: FakeClock, wheel: Wheel) -> None:
    debtor, other = Debtor(clock), Debtor(clock)
    for each in (debtor, other):
        wheel.place(each, clock.now() + 10)
    wheel.remove(debtor)
    wheel.remove(debtor)
    clock.advance(100)
    assert debtor.done == []
    assert len(other.done) == 1


def test_whoever_is_removed_by_another_s_duty_is_not_placed_again(
    clock: FakeClock, wheel: Wheel
) -> None:
    """Both in the same slot, the one ending the other."""
    debtors = [Debtor(clock), Debtor(clock)]

    def end_both(now: float) -> float:
        for debtor in debtors:
            wheel.remove(debtor)
        return inf

    for debtor in debtors:
        debtor.on_duty = end_both  # type: ignore[method-assign]
        wheel.place(debtor, clock.now() + 10)
    clock.advance(100)
    assert {debtor.slot for debtor in debtors} == {NOWHERE}
    assert timers(clock) == 0


def test_thousands_cost_one_timer(clock: FakeClock, wheel: Wheel) -> None:
    for number in range(1000):
        wheel.place(Debtor(clock), clock.now() + number / 7)
    assert timers(clock) == 1


def test_an_empty_wheel_costs_nothing(clock: FakeClock, wheel: Wheel) -> None:
    assert timers(clock) == 0
    debtor = Debtor(clock)
    wheel.place(debtor, clock.now() + 10)
    wheel.remove(debtor)
    clock.advance(11)
    assert timers(clock) == 0


def test_a_fault_in_one_duty_stops_nobody_else_s_time(
    clock: FakeClock, wheel: Wheel, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the duty tried again later."""
    start = clock.now()
    faulty, same_slot, later = Debtor(clock), Debtor(clock), Debtor(clock)
    calls = []

    def fail(now: float) -> float:
        calls.append(now)
        if len(calls) == 1:
            raise ZeroDivisionError
        return inf

    faulty.on_duty = fail  # type: ignore[method-assign]
    for debtor, delay in ((faulty, 10), (same_slot, 10), (later, 20)):
        wheel.place(debtor, start + delay)
    clock.advance(100)
    assert len(same_slot.done) == len(later.done) == 1
    assert calls == pytest.approx([start + 10, start + 10 + RETRY], abs=2 * RESOLUTION)
    assert "internal error" in caplog.text


def test_a_turn_that_comes_late_ends(clock: FakeClock, wheel: Wheel) -> None:
    """A busy loop turns the wheel late, when the next duty is all but due; it must not spin."""
    start = clock.now()
    first, second = Debtor(clock), Debtor(clock, start + 0.17, start + 0.17)
    wheel.place(first, start + 0.05)
    wheel.place(second, start + 0.17)
    clock._now = start + 0.19
    wheel._turn()
    clock.advance(0.2)
    assert len(first.done) == 1
    assert second.done[0] >= start + 0.17


class Spins(BaseException):
    """A turn of the wheel that does not end. The wheel contains every ordinary exception."""


@given(st.lists(st.floats(0, 3), min_size=1, max_size=20), st.lists(st.floats(0, 1), max_size=9))
def test_however_late_the_turns_come_every_duty_is_done_and_none_early(
    delays: list[float], lags: list[float]
) -> None:
    clock = FakeClock()
    wheel = Wheel(clock)
    start = clock.now()

    class Late(Debtor):
        """Asks again while it is not due, as sessions do."""

        def __init__(self, due: float) -> None:
            super().__init__(clock)
            self.due = due
            self.calls = 0

        def on_duty(self, now: float) -> float:
            self.calls += 1
            if self.calls > 100:
                raise Spins
            if now < self.due:
                return self.due
            self.done.append(now)
            return inf

    debtors = [Late(start + delay) for delay in delays]
    for debtor in debtors:
        wheel.place(debtor, debtor.due)
    for lag in lags:
        clock._now += lag
        wheel._turn()
    clock.advance(15)
    assert [len(debtor.done) for debtor in debtors] == [1] * len(debtors)
