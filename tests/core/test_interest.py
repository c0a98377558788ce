"""What a node wants of a far engine is asked for once, together, in order, and until it is so."""

import logging

import pytest

from girandola.core.interest import Interest
from girandola.core.outage import Outage
from girandola.core.stats import Stats
from girandola.errors import Unavailable
from girandola.model import ClientInfo
from tests.engines.far import ANSWER_LOST, FINE, LOST_ON_THE_WAY, FarBroker, FarPresence, Sea
from tests.fakes import FakeClock

ANNA = ClientInfo("42", "c1")


class Wisher:
    """A node's interest in a far engine, and what the engine was asked."""

    def __init__(self, delays: tuple[int, ...] = (1,), faults: tuple[int, ...] = ()) -> None:
        self.clock = FakeClock()
        self.sea = Sea(self.clock, delays, faults)
        self.asked: list[tuple[str, int]] = []
        self.broker = FarBroker(self.sea)
        self.presence = FarPresence(self.sea)
        for engine, names in (
            (self.broker, ("subscribe", "unsubscribe", "publish_join", "publish_leave")),
            (self.presence, ("put", "remove")),
        ):
            for name in names:
                self._note(engine, name)
        self.interest = Interest(
            self.clock,
            self.broker,
            self.presence,
            Stats(),
            Outage(self.clock, "engine"),
            lambda: 10.0,
        )

    def _note(self, engine: object, name: str) -> None:
        call = getattr(engine, name)

        async def noted(*arguments: object) -> None:
            first = arguments[0]
            self.asked.append((name, 1 if isinstance(first, str) else len(first)))  # type: ignore[arg-type]
            await call(*arguments)

        setattr(engine, name, noted)

    def members(self, channel: str) -> set[str]:
        return set(self.clock.result(self.sea.presence.members(channel)))


def test_what_is_wished_in_one_tick_is_asked_for_together() -> None:
    wisher = Wisher()
    for number in range(100):
        wisher.interest.hear(f"c{number}")
        wisher.interest.appear(f"c{number}", ANNA)
    wisher.clock.run()
    assert wisher.asked == [("subscribe", 100), ("put", 100)]
    assert len(wisher.broker.heard) == 100


def test_no_call_is_about_more_than_512_keys() -> None:
    wisher = Wisher()
    for number in range(1200):
        wisher.interest.hear(f"c{number}")
    wisher.clock.run()
    assert wisher.asked == [("subscribe", 512), ("subscribe", 512), ("subscribe", 176)]
    assert len(wisher.broker.heard) == 1200


def test_a_wish_that_was_taken_back_at_once_is_not_asked_for() -> None:
    wisher = Wisher()
    wisher.interest.hear("a")
    wisher.interest.ignore("a")
    wisher.clock.run()
    assert wisher.asked == []
    assert not wisher.interest.unsettled


def test_wishes_about_one_key_take_effect_one_after_the_other_and_the_last_one_stays() -> None:
    wisher = Wisher(delays=(3, 0, 1))
    interest = wisher.interest
    interest.hear("a")
    wisher.clock.tick()
    interest.ignore("a")
    interest.hear("a")
    interest.ignore("a")
    wisher.clock.tick()
    assert wisher.asked == [("subscribe", 1)]
    wisher.clock.run()
    assert wisher.asked == [("subscribe", 1), ("unsubscribe", 1)]
    assert wisher.broker.heard == set()


@pytest.mark.parametrize("fault", [LOST_ON_THE_WAY, ANSWER_LOST])
def test_whoever_waits_is_told_of_a_failure_and_what_is_taken_back_goes(fault: int) -> None:
    wisher = Wisher(faults=(fault, FINE))
    wisher.interest.hear("a")
    failed: list[str] = []

    async def wait() -> None:
        try:
            await wisher.interest.heard("a")
        except Unavailable:
            failed.append("a")

    wisher.clock.spawn(wait())
    wisher.clock.run()
    assert failed == ["a"]
    wisher.interest.ignore("a")
    wisher.clock.run()
    assert wisher.broker.heard == set()
    assert not wisher.interest.unsettled


def test_a_failure_that_nobody_waits_for_is_tried_again() -> None:
    wisher = Wisher(faults=(LOST_ON_THE_WAY, LOST_ON_THE_WAY, FINE))
    wisher.interest.appear("a", ANNA)
    wisher.clock.run()
    assert wisher.members("a") == set()
    wisher.clock.advance(2)
    assert wisher.members("a") == {"c1"}


def test_an_outage_is_one_line_in_the_log_and_so_is_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wisher = Wisher(faults=(LOST_ON_THE_WAY,))
    with caplog.at_level(logging.INFO):
        for number in range(1000):
            wisher.interest.appear(f"c{number}", ANNA)
        wisher.clock.advance(60)
        wisher.sea.calm = True
        wisher.clock.advance(20)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert lines[0] == "engine: calls fail: lost on the way"
    assert lines[1].startswith("engine: works again after ")
    assert all(record.exc_info is None for record in caplog.records)
    assert wisher.members("c999") == {"c1"}


def test_members_are_put_again_once_an_interval_in_parts() -> None:
    wisher = Wisher(delays=(0,))
    for number in range(100):
        wisher.interest.appear(f"c{number}", ANNA)
    wisher.clock.run()
    wisher.sea.presence._channels.clear()
    wisher.asked.clear()
    wisher.clock.advance(10)
    assert wisher.asked == [("put", 10)] * 10
    assert all(wisher.members(f"c{number}") == {"c1"} for number in range(100))


def test_who_vanished_is_not_put_again() -> None:
    wisher = Wisher(delays=(0,))
    wisher.interest.appear("a", ANNA)
    wisher.clock.run()
    wisher.interest.vanish("a", "c1")
    wisher.clock.advance(60)
    assert wisher.members("a") == set()
    assert wisher.asked == [("put", 1), ("remove", 1)]


def test_without_members_no_timer_runs() -> None:
    wisher = Wisher(delays=(0,))
    wisher.interest.appear("a", ANNA)
    wisher.clock.run()
    wisher.interest.vanish("a", "c1")
    wisher.clock.advance(5)
    assert not [timer for _, _, timer in wisher.clock._later if not timer.cancelled]


def test_a_leave_is_told_when_presence_has_it_so() -> None:
    wisher = Wisher(delays=(4,))
    wisher.interest.appear("a", ANNA)
    wisher.interest.tell_join("a", ANNA)
    wisher.clock.advance(0.9)
    wisher.asked.clear()
    wisher.interest.vanish("a", "c1")
    wisher.interest.tell_leave("a", ANNA)
    wisher.clock.advance(0.1)
    assert wisher.asked == [("remove", 1)]
    wisher.clock.advance(2)
    assert wisher.asked == [("remove", 1), ("publish_leave", 1)]


def test_who_is_seen_with_other_info_is_put_again() -> None:
    wisher = Wisher(delays=(0,))
    wisher.interest.appear("a", ANNA)
    wisher.clock.run()
    wisher.interest.appear("a", ANNA)
    wisher.clock.run()
    assert wisher.asked == [("put", 1)]
    renamed = ClientInfo("42", "c1", b'{"n":1}')
    wisher.interest.appear("a", renamed)
    wisher.clock.run()
    assert wisher.clock.result(wisher.sea.presence.members("a")) == {"c1": renamed}


def test_a_leave_waits_for_the_removal_behind_a_call_under_way() -> None:
    wisher = Wisher(delays=(4,))
    wisher.interest.appear("a", ANNA)
    wisher.clock.advance(0.1)
    wisher.interest.vanish("a", "c1")
    wisher.interest.tell_leave("a", ANNA)
    wisher.clock.advance(3)
    assert wisher.asked == [("put", 1), ("remove", 1), ("publish_leave", 1)]


def test_a_removal_that_fails_does_not_keep_the_leave_back() -> None:
    wisher = Wisher(delays=(4,), faults=(FINE, LOST_ON_THE_WAY))
    wisher.interest.appear("a", ANNA)
    wisher.clock.advance(0.9)
    wisher.interest.vanish("a", "c1")
    wisher.interest.tell_leave("a", ANNA)
    wisher.clock.advance(0.3)
    assert wisher.asked == [("put", 1), ("remove", 1), ("publish_leave", 1)]


def test_a_channel_is_not_heard_while_a_call_to_drop_it_is_under_way() -> None:
    """Though the last call but one, of a wish with another linger, has made it heard."""
    wisher = Wisher(delays=(2,))
    interest, clock = wisher.interest, wisher.clock
    interest.hear("a", 0.0)
    clock.tick()
    interest.hear("a", 5.0)
    while not interest.hears("a"):
        clock.tick()
    interest.ignore("a", 5.0)
    while ("unsubscribe", 1) not in wisher.asked:
        clock.tick()
    interest.hear("a", 5.0)
    assert not interest.hears("a")
    clock.run()
    assert interest.hears("a")
    assert wisher.broker.heard == {"a"}
