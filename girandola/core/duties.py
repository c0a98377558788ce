"""What connections owe with time: one wheel shared by all sessions.

Each session stands in it once, at its next duty (a ping, a missing pong, an expiry, presence).
What the duties are is the session's business.
"""

import heapq
import logging
from typing import Protocol

from girandola.core.ports import Clock, Timer

logger = logging.getLogger(__name__)

RESOLUTION = 0.1
"""Seconds; a duty is done at most this much late."""

RETRY = 30.0
"""Seconds after which a duty is tried again that failed for a reason of ours."""

EARLY = 0.02
"""The part of a slot by which a timer may fire early and still be taken for it."""

NOWHERE = -1
"""The slot of a session that owes nothing."""


class Debtor(Protocol):
    """Somebody with duties. ``slot`` belongs to the wheel; it starts as ``NOWHERE``."""

    slot: int

    def on_duty(self, now: float) -> float:
        """Do what is due at ``now``; return when the next duty is due, or infinity."""


class Wheel:
    """Calls each session at its next duty. Costs one timer altogether, none when empty."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slots: dict[int, set[Debtor]] = {}
        self._order: list[int] = []
        self._timer: Timer | None = None
        self._armed = 0

    def place(self, debtor: Debtor, at: float) -> None:
        """Call ``debtor`` at ``at`` (of ``Clock.now``) instead of when it was to be called."""
        slot = NOWHERE if at == float("inf") else int(at / RESOLUTION) + 1
        if slot == debtor.slot:
            return
        self.remove(debtor)
        if slot == NOWHERE:
            return
        debtor.slot = slot
        debtors = self._slots.get(slot)
        if debtors is None:
            self._slots[slot] = {debtor}
            heapq.heappush(self._order, slot)
            self._arm()
        else:
            debtors.add(debtor)

    def remove(self, debtor: Debtor) -> None:
        """Forget ``debtor``; harmless when it is not here."""
        debtors = self._slots.get(debtor.slot)
        if debtors is not None:
            debtors.discard(debtor)
        debtor.slot = NOWHERE

    def _arm(self) -> None:
        if not self._order:
            return
        first = self._order[0]
        if self._timer is not None:
            if self._armed <= first:
                return
            self._timer.cancel()
        self._armed = first
        delay = max(0.0, first * RESOLUTION - self._clock.now())
        self._timer = self._clock.call_later(delay, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = self._clock.now()
        # A timer may fire a little early, by the loop's rounding to milliseconds.
        reached = int(now / RESOLUTION + EARLY)
        # All are taken out before the first is called: who is not quite due yet, or due again at
        # once, goes back into a slot and is called in a later turn, never in this one.
        due: list[Debtor] = []
        while self._order and self._order[0] <= reached:
            due.extend(self._slots.pop(heapq.heappop(self._order)))
        for debtor in due:
            debtor.slot = NOWHERE
        for debtor in due:
            try:
                following = debtor.on_duty(now)
            except Exception:
                # One fault must not stop the time of everybody else.
                logger.exception("internal error in a duty")
                following = now + RETRY
            self.place(debtor, following)
        self._arm()
