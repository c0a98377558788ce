"""Whatever happens in whichever order, nobody loses, repeats or reorders a publication."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from girandola.core import joining
from girandola.core.interest import Interest
from girandola.core.node import Node
from girandola.core.subscription import Held, Subscription
from girandola.model import Publication, StreamPosition
from tests.core.walk import STEPS, Left, Step, walk

steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 4)), max_size=60)
delays = st.lists(st.integers(0, 4), min_size=1, max_size=23)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, delays, st.integers(1, 4))
def test_nothing_is_lost_repeated_or_reordered_and_nobody_is_left_behind(
    steps: list[Step], delays: list[int], clients: int
) -> None:
    walk(steps, delays, clients)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, delays, st.integers(1, 4))
def test_an_engine_that_forgets_us_is_noticed_and_recovered_from(
    steps: list[Step], delays: list[int], clients: int
) -> None:
    walk(steps, delays, clients, forgetful=True)


# ── each line of care, taken out ─────────────────────────────────────────────────────────────


def without_the_look_after_waits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(joining, "look_again", lambda subscription: None)


def with_any_subscription_taken_for_ours(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        joining,
        "is_current",
        lambda subscription: subscription.channel in subscription.session.subscriptions,
    )


def with_the_entry_made_late(patch: pytest.MonkeyPatch) -> None:
    def enter(session: object, channel: str, *, server_side: bool) -> Subscription:
        return Subscription(session, channel, session.codec)  # type: ignore[attr-defined, arg-type]

    def go_live(subscription: Subscription, subscribed: object) -> None:
        subscription.session.subscriptions[subscription.channel] = subscription
        live(subscription, subscribed)  # type: ignore[arg-type]

    live = joining.go_live
    patch.setattr(joining, "enter", enter)
    patch.setattr(joining, "look_again", lambda subscription: None)
    patch.setattr(joining, "go_live", go_live)


def with_delivery_while_joining(patch: pytest.MonkeyPatch) -> None:
    def hold(self: Subscription, held: Held, push: object, data: bytes) -> None:
        self.session.outbox.push(data)

    patch.setattr(Subscription, "_hold", hold)


def with_dropping_while_joining(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Subscription, "_hold", lambda self, held, push, data: None)


def with_a_wait_before_the_reply(patch: pytest.MonkeyPatch) -> None:
    join = joining.join

    async def join_and_wait(subscription: Subscription, *rest: object) -> object:
        subscribed, outcome = await join(subscription, *rest)  # type: ignore[arg-type]
        subscription.go_live(subscribed.top)
        await subscription.session.node._broker.dawdle()  # type: ignore[attr-defined]
        return subscribed, outcome

    patch.setattr(joining, "join", join_and_wait)


def with_history_before_listening(patch: pytest.MonkeyPatch) -> None:
    register, heard = Node.register, Interest.heard
    take_position = joining._take_position

    async def not_yet(self: Interest, channel: str) -> None:
        return None

    async def take_and_listen(subscription: Subscription, *rest: object) -> None:
        await take_position(subscription, *rest)  # type: ignore[arg-type]
        register(subscription.session.node, subscription)
        await heard(subscription.session.node.interest, subscription.channel)

    patch.setattr(Node, "register", lambda self, subscription: None)
    patch.setattr(Interest, "heard", not_yet)
    patch.setattr(joining, "_take_position", take_and_listen)


def with_a_second_joiner_who_does_not_wait(patch: pytest.MonkeyPatch) -> None:
    heard = Interest.heard

    async def impatient(self: Interest, channel: str) -> None:
        change = self._channels._changes.get(channel)
        if change is None or change.waiter is None:
            await heard(self, channel)

    patch.setattr(Interest, "heard", impatient)


def without_skipping_what_was_recovered(patch: pytest.MonkeyPatch) -> None:
    accepts = Subscription._accepts
    patch.setattr(
        Subscription,
        "_accepts",
        lambda self, push: push.offset <= self.offset or accepts(self, push),
    )


def without_noticing_gaps(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Subscription, "_accepts", lambda self, push: push.offset > self.offset)


def without_checking_what_was_held(patch: pytest.MonkeyPatch) -> None:
    def go_live(self: Subscription, position: StreamPosition) -> None:
        held, self.held = self.held, None
        self.offset, self.epoch = position.offset, position.epoch
        for push, data in held.items if held else []:
            if isinstance(push, Publication) and push.offset > self.offset:
                self.offset = push.offset
                self.session.outbox.push(data)

    patch.setattr(Subscription, "go_live", go_live)


def with_a_subscribe_left_open(patch: pytest.MonkeyPatch) -> None:
    ignore = Interest.ignore

    def hasty(self: Interest, channel: str, linger: float = 0.0) -> None:
        if self._channels.holds(channel):
            ignore(self, channel, linger)

    patch.setattr(Interest, "ignore", hasty)


@pytest.mark.parametrize(
    "take_out",
    [
        without_the_look_after_waits,
        with_any_subscription_taken_for_ours,
        with_the_entry_made_late,
        with_delivery_while_joining,
        with_dropping_while_joining,
        with_a_wait_before_the_reply,
        with_history_before_listening,
        with_a_second_joiner_who_does_not_wait,
        without_skipping_what_was_recovered,
        without_noticing_gaps,
        without_checking_what_was_held,
        with_a_subscribe_left_open,
    ],
)
def test_the_walk_notices_when_a_line_of_care_is_taken_out(
    take_out: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_out(monkeypatch)  # type: ignore[operator]
    with pytest.raises((Left, KeyError)):
        walk_at_random(10_000)


def walk_at_random(times: int) -> None:
    for seed in range(times):
        chance = random.Random(seed)
        program = [
            (chance.choice(STEPS), chance.randrange(5)) for _ in range(chance.randrange(10, 80))
        ]
        dawdling = [chance.randrange(5) for _ in range(chance.randrange(1, 23))]
        walk(program, dawdling, chance.randrange(1, 5), forgetful=bool(seed % 2))
