"""What a subscription does with what is delivered to it: hold, pass on, skip, or miss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.core.subscription import Subscription
from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.protocol.codec import Traits
from girandola.protocol.commands import Join
from girandola.protocol.v2_json import V2_JSON, V2Json
from tests.scenarios.modern_world import Connection, World

JOIN = Join(ClientInfo("42", "c9"))


class Careless(V2Json):
    """A generation without offsets."""

    traits = Traits(on_gap="nothing")


def subscription_of(client: Connection, *, positioned: bool = True) -> Subscription:
    subscription = Subscription(client.session, "news", client.session.codec)
    subscription.positioned = positioned
    client.session.subscriptions["news"] = subscription
    return subscription


def deliver(subscription: Subscription, *offsets: int, epoch: str = "E") -> None:
    for offset in offsets:
        publication = Publication(b"", offset=offset, epoch=epoch if offset else "")
        subscription.deliver(publication, str(offset).encode())


@pytest.fixture
def client() -> Connection:
    return World(queue_max_size=100).connect()


@pytest.fixture
def live(client: Connection) -> Subscription:
    subscription = subscription_of(client)
    subscription.go_live(StreamPosition(3, "E"))
    return subscription


def test_the_next_ones_are_passed_on(client: Connection, live: Subscription) -> None:
    deliver(live, 4, 5, 6)
    assert client.read() == ["4", "5", "6"]
    assert live.offset == 6


def test_what_was_sent_already_is_skipped(client: Connection, live: Subscription) -> None:
    deliver(live, 1, 3, 4, 4, 2, 5)
    assert client.read() == ["4", "5"]
    assert not live.lost


def test_what_has_no_offset_is_passed_on(client: Connection, live: Subscription) -> None:
    deliver(live, 0, 4, 0)
    assert client.read() == ["0", "4", "0"]


@pytest.mark.parametrize(("offset", "epoch"), [(5, "E"), (4, "F"), (1, "F"), (9, "F")])
def test_a_gap_is_marked_and_nothing_passes_any_more(
    client: Connection, live: Subscription, offset: int, epoch: str
) -> None:
    """An offset too far, or another epoch; the end of the subscription is the flush's."""
    deliver(live, offset, epoch=epoch)
    assert live.lost
    assert client.session.subscriptions
    deliver(live, 4)
    live.deliver_event(JOIN, b"join")
    (answer,) = client.read()
    assert '"code":2500' in answer
    assert not client.session.subscriptions


def test_what_comes_after_a_gap_is_not_kept(client: Connection, live: Subscription) -> None:
    """However much it is, the client is not closed as slow for it."""
    deliver(live, *range(5, 500))
    assert client.closed is None
    assert len(client.read()) == 1


def test_a_gap_ends_the_connection_where_the_subscription_is_the_server_s(
    client: Connection, live: Subscription
) -> None:
    live.server_side = True
    deliver(live, 5)
    assert client.closed == (3010, "insufficient state")


def test_a_gap_is_nothing_to_a_generation_without_offsets() -> None:
    client = World().connect(codec=Careless())
    subscription = subscription_of(client)
    subscription.go_live(StreamPosition(3, "E"))
    deliver(subscription, 5, 6)
    deliver(subscription, 9, epoch="F")
    assert client.read() == ["5", "6", "9"]


def test_without_a_position_everything_passes(client: Connection) -> None:
    subscription = subscription_of(client, positioned=False)
    subscription.go_live(StreamPosition())
    deliver(subscription, 7, 3, 9)
    assert client.read() == ["7", "3", "9"]


def test_everything_is_held_until_the_subscription_is_live(client: Connection) -> None:
    """Publications and joins, in the order of their coming; those recovered are skipped."""
    subscription = subscription_of(client)
    deliver(subscription, 3, 4)
    subscription.deliver_event(JOIN, b"join")
    deliver(subscription, 5)
    assert client.read() == []
    assert not client.session.is_subscribed("news")
    subscription.go_live(StreamPosition(3, "E"))
    assert client.session.is_subscribed("news")
    assert client.read() == ["4", "join", "5"]


def test_a_gap_in_what_was_held_is_noticed(client: Connection) -> None:
    subscription = subscription_of(client)
    deliver(subscription, 4, 6, 7)
    subscription.go_live(StreamPosition(3, "E"))
    assert subscription.lost
    first, second = client.read()
    assert first == "4"
    assert '"code":2500' in second


def test_what_is_held_is_limited(client: Connection) -> None:
    """By the limit of the session's queue: over it the session is too slow."""
    subscription = subscription_of(client, positioned=False)
    for _ in range(10):
        subscription.deliver(Publication(b""), b"x" * 10)
    assert client.closed is None
    subscription.deliver(Publication(b""), b"x")
    assert client.closed == (3008, "slow")


@given(st.lists(st.integers(1, 12), max_size=20), st.integers(0, 6))
def test_a_client_sees_consecutive_offsets_whatever_the_engine_delivers(
    delivered: list[int], start: int
) -> None:
    client = World().connect()
    subscription = subscription_of(client)
    subscription.go_live(StreamPosition(start, "E"))
    deliver(subscription, *delivered)
    seen = [int(message) for message in client.read() if message.isdigit()]
    assert seen == [*range(start + 1, start + 1 + len(seen))]
    if not subscription.lost:
        assert max([start, *delivered]) == start + len(seen)


def test_the_codec_is_what_a_subscription_is_encoded_by(client: Connection) -> None:
    assert subscription_of(client).encoding is V2_JSON
