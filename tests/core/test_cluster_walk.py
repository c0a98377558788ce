"""Whatever happens to a cluster in whichever order, nobody is left behind, or left over."""

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from girandola.core import joining
from girandola.core.cluster import Cluster
from girandola.core.interest import Interest
from girandola.core.positions import Positions
from girandola.core.session import Session
from girandola.core.wishes import Wishes
from girandola.model import ClientInfo
from tests.core.cluster_walk import STEPS, Left, Step, walk

steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 4)), max_size=40)
delays = st.lists(st.integers(0, 4), min_size=1, max_size=23)
faults = st.lists(st.sampled_from([0, 0, 0, 0, 1, 2]), min_size=1, max_size=17)

QUIET = tuple(step for step in STEPS if step not in ("cut", "mend"))
quiet_steps = st.lists(st.tuples(st.sampled_from(QUIET), st.integers(0, 4)), max_size=40)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(quiet_steps, delays, st.integers(1, 6), st.booleans())
def test_a_far_engine_that_works_loses_nothing_and_leaves_nobody(
    steps: list[Step], delays: list[int], clients: int, plain: bool
) -> None:
    walk(steps, delays, clients, plain=plain)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, delays, st.integers(1, 6), faults, st.booleans())
def test_an_engine_that_fails_and_breaks_off_leaves_nobody_and_nothing_behind(
    steps: list[Step], delays: list[int], clients: int, faults: list[int], plain: bool
) -> None:
    walk(steps, delays, clients, faults, plain=plain)


def walk_at_random(times: int, *, faulty: bool, first: int = 0) -> None:
    for seed in range(first, first + times):
        chance = random.Random(seed)
        every = STEPS if faulty else QUIET
        # Some kinds of steps, many times, meet more often than all of them.
        choice = chance.sample(every, chance.randrange(4, len(every) + 1))
        program = [
            (chance.choice(choice), chance.randrange(5)) for _ in range(chance.randrange(10, 60))
        ]
        dawdling = [chance.randrange(5) for _ in range(chance.randrange(1, 23))]
        failing = [chance.choice([0, 0, 0, 0, 1, 2]) for _ in range(chance.randrange(1, 17))]
        clients, plain = chance.randrange(1, 7), chance.random() < 0.25
        walk(program, dawdling, clients, failing if faulty else (), plain=plain)


# ── each line of care, taken out ─────────────────────────────────────────────────────────────


def nothing(*_: object, **__: object) -> None:
    return None


async def nothing_later(*_: object, **__: object) -> Any:
    return 0


def with_two_flights_of_one_key(patch: pytest.MonkeyPatch) -> None:
    ask = Wishes._ask

    def hasty(self: Any, key: Any, change: Any) -> None:
        change.flying = False
        ask(self, key, change)

    patch.setattr(Wishes, "_ask", hasty)


def with_a_wish_forgotten_while_a_call_is_under_way(patch: pytest.MonkeyPatch) -> None:
    def land(self: Any, key: Any, value: Any, *, there: bool) -> None:
        change = self._changes[key]
        change.flying = False
        self._held.pop(key, None)
        if there:
            self._held[key] = value
        self._settle(key, change)

    patch.setattr(Wishes, "_land", land)


def without_trying_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Wishes, "_retry_later", nothing)


def without_waiting_to_be_heard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Interest, "heard", nothing_later)


def without_taking_presence_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Interest, "vanish", nothing)


def without_ceasing_to_listen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Interest, "ignore", nothing)


def with_news_told_side_by_side(patch: pytest.MonkeyPatch) -> None:
    def tell(self: Any, channel: str, info: ClientInfo, *, joined: bool) -> None:
        self._clock.spawn(self._tell_one(channel, info, joined))

    patch.setattr(Interest, "_tell", tell)


def without_looking_at_positions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Positions, "watch", nothing)


def with_one_look_taken_for_proof(patch: pytest.MonkeyPatch) -> None:
    look = Positions._look

    async def hasty(self: Any, subscription: Any) -> None:
        await look(self, subscription)
        self._judge(float("inf"))

    patch.setattr(Positions, "_look", hasty)


def without_telling_other_nodes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Cluster, "tell", nothing_later)


def without_waiting_for_the_engine_at_the_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Interest, "settled", nothing_later)


def with_renewed_info_for_live_subscriptions_only(patch: pytest.MonkeyPatch) -> None:
    be_seen = Session.be_seen

    def late(self: Any, subscription: Any) -> None:
        if subscription.held is None:
            be_seen(self, subscription)

    patch.setattr(Session, "be_seen", late)


def without_the_look_after_waits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(joining, "look_again", nothing)


@pytest.mark.parametrize(
    ("take_out", "faulty"),
    [
        (with_two_flights_of_one_key, False),
        (with_a_wish_forgotten_while_a_call_is_under_way, False),
        (without_trying_again, True),
        (without_waiting_to_be_heard, False),
        (without_taking_presence_back, False),
        (without_ceasing_to_listen, False),
        (with_news_told_side_by_side, False),
        (without_looking_at_positions, True),
        (with_one_look_taken_for_proof, False),
        (without_telling_other_nodes, False),
        (without_waiting_for_the_engine_at_the_end, False),
        (with_renewed_info_for_live_subscriptions_only, False),
        (without_the_look_after_waits, False),
    ],
)
def test_the_walk_notices_when_a_line_of_care_is_taken_out(
    take_out: Any, faulty: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_out(monkeypatch)
    with pytest.raises((Left, KeyError, AssertionError)):
        walk_at_random(400, faulty=faulty)
