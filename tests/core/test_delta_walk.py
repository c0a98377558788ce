"""Whatever happens in whichever order, clients with deltas can read what they get."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from girandola.core.subscription import Subscription
from girandola.model import Publication
from girandola.protocol.codec import DeltaEncodings
from tests.core.delta_walk import STEPS, Left, Step, walk

steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 4)), max_size=60)
delays = st.lists(st.integers(0, 4), min_size=1, max_size=23)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, delays, st.integers(1, 4), st.booleans())
def test_clients_read_exactly_what_was_published(
    steps: list[Step], delays: list[int], clients: int, positioned: bool
) -> None:
    """With deltas and without, over cuts, losses and recoveries, with a position and without."""
    walk(steps, delays, clients, positioned=positioned)


def test_the_walk_does_come_by_deltas() -> None:
    assert walk([("publish", 1)] * 9, [0], 2).deltas_read > 9


# ── each line of care, taken out ─────────────────────────────────────────────────────────────


def with_deltas_from_the_first_publication_on(patch: pytest.MonkeyPatch) -> None:
    take = Subscription.take

    def eager(self: Subscription, *rest: object) -> None:
        take(self, *rest)  # type: ignore[arg-type]
        if self.deltas is not None:
            self.encoding = self.deltas.delta

    patch.setattr(Subscription, "take", eager)


def with_deltas_for_those_who_missed_nothing(patch: pytest.MonkeyPatch) -> None:
    go_live = Subscription.go_live
    patch.setattr(
        Subscription,
        "go_live",
        lambda self, position, *, has_latest: go_live(self, position, has_latest=True),
    )


def with_deltas_after_publications_without_history(patch: pytest.MonkeyPatch) -> None:
    based = Subscription._based

    def careless(
        self: Subscription, deltas: DeltaEncodings, push: Publication, data: bytes
    ) -> bytes:
        data = based(self, deltas, push, data)
        self.encoding = deltas.delta
        return data

    patch.setattr(Subscription, "_based", careless)


def without_a_look_at_what_is_lost(patch: pytest.MonkeyPatch) -> None:
    def careless(
        self: Subscription, deltas: DeltaEncodings, push: Publication, data: bytes
    ) -> bytes:
        self.encoding = deltas.delta if push.offset else deltas.full
        return data

    patch.setattr(Subscription, "_based", careless)


@pytest.mark.parametrize(
    "take_out",
    [
        with_deltas_from_the_first_publication_on,
        with_deltas_for_those_who_missed_nothing,
        with_deltas_after_publications_without_history,
        without_a_look_at_what_is_lost,
    ],
)
def test_the_walk_notices_what_is_taken_out(
    take_out: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line of care is there because a client would complain otherwise."""
    assert callable(take_out)
    take_out(monkeypatch)
    with pytest.raises(Left):
        walk_many(1500)


def walk_many(times: int) -> None:
    dice = random.Random(11)
    for number in range(times):
        walk(
            [(dice.choice(STEPS), dice.randrange(5)) for _ in range(40)],
            [dice.randrange(4) for _ in range(dice.randrange(1, 12))],
            3,
            positioned=bool(number % 2),
        )
