"""Streams, recovery and positions: modern.md sections 10.1-10.5, and ``flag`` of 5.1."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from girandola.core.grants import SubscribeGrant
from girandola.core.node import Target
from girandola.model import StreamPosition
from girandola.protocol.commands import Recovery
from tests.scenarios.modern_world import HISTORY, OPEN, RECOVERY, Connection, World

CACHE = RECOVERY | {"force_recovery_mode": "cache"}
UNRECOVERABLE = '{"id":2,"error":{"code":112,"message":"unrecoverable position"}}'
INSUFFICIENT = (
    '{"push":{"channel":"news","unsubscribe":{"code":2500,"reason":"insufficient state"}}}'
)


def recover(client: Connection, offset: int | None, epoch: str, more: str = "") -> str:
    """Subscribe from a position; return the reply's result or the whole error."""
    since = "" if offset is None else f',"offset":{offset}'
    line = f'{{"channel":"news","recover":true{since},"epoch":"{epoch}"{more}}}'
    (answer,) = client.ask(f'{{"id":2,"subscribe":{line}}}')
    return answer.removeprefix('{"id":2,"subscribe":').removesuffix("}")


def pubs(*offsets: int) -> str:
    first = ',"epoch":"E1"'
    items = ",".join(
        f'{{"data":{offset},"offset":{offset}{first * (offset == 1)}}}' for offset in offsets
    )
    return f'"publications":[{items}],' if items else ""


def recovered(*offsets: int, since: int) -> str:
    offset = f'"offset":{since},' if since else ""
    return (
        f'{{"recoverable":true,"epoch":"E1",{pubs(*offsets)}"recovered":true,{offset}'
        '"positioned":true,"was_recovering":true}'
    )


def not_recovered(top: int = 5, epoch: str = "E1") -> str:
    return (
        f'{{"recoverable":true,"epoch":"{epoch}","offset":{top},'
        '"positioned":true,"was_recovering":true}'
    )


def pub(offset: int) -> str:
    return f'{{"push":{{"channel":"news","pub":{{"data":{offset},"offset":{offset}}}}}}}'


def published(options: dict[str, object], many: int = 5, **client: object) -> World:
    world = World({"": options}, **client)
    world.publish("news", *(str(number + 1) for number in range(many)))
    return world


# ── 10.2 history ─────────────────────────────────────────────────────────────────────────────


def test_offsets_start_at_one_and_have_no_holes() -> None:
    """Only what goes into history is counted."""
    world = World({"": OPEN | HISTORY})
    positions = [result.position for result in world.publish("news", "1", "2")]
    assert positions == [StreamPosition(1, "E1"), StreamPosition(2, "E1")]
    (result,) = world.publish("news", "3", skip_history=True)
    assert result.position == StreamPosition()
    (result,) = world.publish("news", "4")
    assert result.position == StreamPosition(3, "E1")


def test_publications_without_history_have_no_offset() -> None:
    world = World({"": OPEN})
    client = world.subscribed("news")
    world.publish("news", "1")
    assert client.read() == ['{"push":{"channel":"news","pub":{"data":1}}}']


def test_a_publication_that_skips_history_reaches_positioned_subscribers() -> None:
    """It has no offset, so it moves no position and is no gap."""
    world = World({"": RECOVERY})
    client = world.subscribed("news")
    world.publish("news", "1", skip_history=True)
    world.publish("news", "2")
    assert client.read() == [
        '{"push":{"channel":"news","pub":{"data":1}}}',
        '{"push":{"channel":"news","pub":{"data":2,"offset":1,"epoch":"E1"}}}',
    ]


def test_publications_expire_and_the_position_stays() -> None:
    """After ``history_ttl`` without a publication the stream is empty, its top as before."""
    world = published(RECOVERY)
    world.advance(59)
    assert recover(world.connect(), 3, "E1") == recovered(4, 5, since=3)
    world.advance(2)
    assert recover(world.connect(), 3, "E1") == not_recovered()
    assert recover(world.connect(), 5, "E1") == recovered(since=5)


def test_a_stream_that_is_not_used_for_long_is_forgotten() -> None:
    """After ``history_meta_ttl`` the channel has a new epoch and starts again."""
    world = published(RECOVERY | {"history_meta_ttl": 100.0})
    world.advance(102)
    assert world.top("news") == StreamPosition(0, "E2")
    assert recover(world.connect(), 5, "E1") == not_recovered(epoch="E2").replace('"offset":5,', "")


def test_removing_history_keeps_the_position() -> None:
    world = published(RECOVERY)
    world.clock.result(world.node.remove_history("news"))
    assert world.top("news") == StreamPosition(5, "E1")
    assert recover(world.connect(), 4, "E1") == not_recovered()


def test_a_repeated_idempotency_key_publishes_once() -> None:
    """The second call gets the first one's position, for 300 s."""
    world = World({"": OPEN | HISTORY})
    client = world.subscribed("news")
    (first,) = world.publish("news", "1", idempotency_key="k")
    (second,) = world.publish("news", "2", idempotency_key="k")
    assert second.position == first.position
    assert len(client.read()) == 1
    world.advance(301)
    world.publish("news", "3", idempotency_key="k")
    assert len(client.read()) == 1


def test_an_old_version_is_not_published() -> None:
    """Neither lower nor equal ones of the same version epoch; others cannot be compared."""
    world = World({"": OPEN | HISTORY})
    client = world.subscribed("news")
    for data, version, epoch in (("1", 7, "a"), ("2", 7, "a"), ("3", 6, ""), ("4", 1, "b")):
        world.publish("news", data, version=version, version_epoch=epoch)
    assert [json.loads(push)["push"]["pub"]["data"] for push in client.read()] == [1, 4]
    assert world.top("news").offset == 2


# ── 10.3 recovery in stream mode ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("epoch", ["E1", ""])
@pytest.mark.parametrize("offset", range(6))
def test_a_client_recovers_what_it_missed(offset: int, epoch: str) -> None:
    """The result's offset is the request's; an empty epoch is not compared."""
    world = published(RECOVERY)
    missed = range(offset + 1, 6)
    assert recover(world.connect(), offset, epoch) == recovered(*missed, since=offset)


def test_live_publications_follow_the_recovered_ones() -> None:
    world = published(RECOVERY)
    client = world.connect()
    recover(client, 3, "E1")
    world.publish("news", "6")
    assert client.read() == [pub(6)]


@pytest.mark.parametrize(
    ("offset", "epoch"),
    [(3, "other"), (3, "_"), (6, "E1"), (5, "other"), (0, "other")],
    ids=["another epoch", "sentinel", "ahead", "at the top of another", "from nowhere"],
)
def test_a_position_of_another_stream_is_not_recovered(offset: int, epoch: str) -> None:
    """No publications, and the position is the current top."""
    assert recover(published(RECOVERY).connect(), offset, epoch) == not_recovered()


def test_what_is_not_kept_any_more_is_not_recovered() -> None:
    world = published(RECOVERY | {"history_size": 3})
    assert recover(world.connect(), 2, "E1") == recovered(3, 4, 5, since=2)
    assert recover(world.connect(), 1, "E1") == not_recovered()
    assert recover(world.connect(), None, "") == not_recovered()


def test_more_than_the_limit_is_not_recovered() -> None:
    """``client.recovery_max_publication_limit``: all or nothing."""
    world = published(RECOVERY, recovery_max_publication_limit=2)
    assert recover(world.connect(), 3, "E1") == recovered(4, 5, since=3)
    assert recover(world.connect(), 2, "E1") == not_recovered()


def test_a_limit_of_recovery_that_is_0_is_none() -> None:
    """As in v2, where there was none."""
    world = published(RECOVERY, recovery_max_publication_limit=0)
    assert recover(world.connect(), 1, "E1") == recovered(2, 3, 4, 5, since=1)


def test_an_unsuccessful_recovery_is_an_error_where_the_client_wants_so() -> None:
    """``flag`` 2: error 112 and no subscription; a successful one is not concerned."""
    world = published(RECOVERY)
    client = world.connect()
    line = '{"id":2,"subscribe":{"channel":"news","recover":true,"offset":3,"epoch":"x","flag":2}}'
    assert client.ask(line) == [UNRECOVERABLE]
    assert not client.session.subscriptions
    assert not world.node.hub.num_subscriptions
    assert recover(client, 3, "E1", ',"flag":3') == recovered(4, 5, since=3)


def test_publications_that_come_while_recovering_are_neither_lost_nor_repeated() -> None:
    """They may be in the page, behind it, or both; the client sees each once, in order."""
    world = published(RECOVERY)
    client = world.connect()
    world.gates.shut("history")
    client.send('{"id":2,"subscribe":{"channel":"news","recover":true,"offset":4,"epoch":"E1"}}')
    world.publish("news", "6", "7")
    world.gates.open("history")
    world.publish("news", "8")
    reply, *pushes = client.read()
    assert reply == f'{{"id":2,"subscribe":{recovered(5, 6, 7, since=4)}}}'
    assert pushes == [pub(8)]


def test_publications_that_come_while_subscribing_are_counted_in_the_position() -> None:
    """Without recovery they are not sent, and the reply's offset stands behind them."""
    world = published(RECOVERY)
    client = world.connect()
    world.gates.shut("history")
    client.send('{"id":2,"subscribe":{"channel":"news"}}')
    world.publish("news", "6")
    world.gates.open("history")
    (reply,) = client.read()
    assert '"offset":6' in reply
    world.publish("news", "7")
    assert client.read() == [pub(7)]


@settings(max_examples=150, deadline=None)
@given(
    kept=st.integers(1, 8),
    published_=st.integers(0, 12),
    limit=st.integers(1, 8),
    offset=st.integers(0, 14),
    epoch=st.sampled_from(["", "E1", "other"]),
)
def test_recovery_sends_exactly_what_was_missed_or_says_that_it_cannot(
    kept: int, published_: int, limit: int, offset: int, epoch: str
) -> None:
    """Section 10.3 as a property of any stream and any position."""
    options = RECOVERY | {"history_size": kept}
    world = published(options, published_, recovery_max_publication_limit=limit)
    world.top("news")
    missed = published_ - offset
    possible = epoch in ("", "E1") and 0 <= missed <= min(kept, limit)
    answer = recover(world.connect(), offset, epoch)
    if possible:
        assert answer == recovered(*range(offset + 1, published_ + 1), since=offset)
    elif published_:
        assert answer == not_recovered(published_)
    else:
        assert '"recovered"' not in answer


# ── 10.4 recovery in cache mode ──────────────────────────────────────────────────────────────


def cached(*offsets: int, top: int = 5) -> str:
    return recovered(*offsets, since=top)


@pytest.mark.parametrize(
    ("offset", "epoch", "sent"),
    [(None, "", [5]), (3, "E1", [5]), (5, "E1", []), (5, "other", [5]), (9, "E1", [5])],
)
def test_a_client_of_a_cache_gets_the_latest_publication(
    offset: int | None, epoch: str, sent: list[int]
) -> None:
    """Unless it has exactly that state already."""
    assert recover(published(CACHE).connect(), offset, epoch) == cached(*sent)


def test_an_evicted_cache_is_recovered_only_by_those_who_are_up_to_date() -> None:
    world = published(CACHE)
    world.advance(61)
    assert recover(world.connect(), 5, "E1") == cached()
    assert recover(world.connect(), 4, "E1") == not_recovered()
    assert recover(world.connect(), None, "") == not_recovered()


def test_an_empty_cache_is_not_recovered() -> None:
    answer = recover(World({"": CACHE}).connect(), None, "")
    assert '"recovered"' not in answer
    assert '"was_recovering":true' in answer


def test_a_cache_may_be_sent_with_every_subscribe() -> None:
    """``auto_cache_recover`` acts as if the client had asked, and goes on live."""
    world = published(CACHE | {"auto_cache_recover": True})
    client = world.connect()
    assert client.ask('{"id":2,"subscribe":{"channel":"news"}}') == [
        f'{{"id":2,"subscribe":{cached(5)}}}'
    ]
    world.publish("news", "6")
    assert client.read() == [pub(6)]


def test_a_cache_is_not_sent_to_those_who_did_not_ask() -> None:
    client = published(CACHE).connect()
    assert client.ask('{"id":2,"subscribe":{"channel":"news"}}') == [
        '{"id":2,"subscribe":{"recoverable":true,"epoch":"E1","offset":5,"positioned":true}}'
    ]


# ── 10.5 positions ───────────────────────────────────────────────────────────────────────────


def forget(world: World, *payloads: str) -> None:
    """Publish into the stream without the node hearing of it, as an engine that forgets us."""
    events, world.broker._events = world.broker._events, None
    world.publish("news", *payloads)
    world.broker._events = events


def positioned_world(**client: object) -> World:
    return World({"": RECOVERY}, ping_interval=0.0, **client)


def test_a_gap_ends_the_subscription_for_the_client_to_recover() -> None:
    """Unsubscribe 2500, nothing of the channel after it; others are not concerned."""
    world = positioned_world()
    client, other = world.subscribed("news"), world.subscribed("other")
    world.publish("news", "1")
    forget(world, "2")
    client.read()
    world.publish("news", "3", "4")
    world.publish("other", "1")
    assert client.read() == [INSUFFICIENT]
    assert len(other.read()) == 1
    assert client.closed is None
    assert recover(client, 1, "E1") == recovered(2, 3, 4, since=1)


def test_a_new_epoch_is_a_gap_even_if_the_offset_fits() -> None:
    world = positioned_world()
    client = world.subscribed("news")
    world.publish("news", "1")
    world.broker._streams.clear()
    forget(world, "1")
    client.read()
    world.publish("news", "2")
    assert client.read() == [INSUFFICIENT]


def test_a_publication_sent_already_is_skipped() -> None:
    """An engine that delivers twice is not heard twice."""
    world = positioned_world()
    client = world.subscribed("news")
    world.publish("news", "1", "2")
    client.read()
    history = world.clock.result(world.node.read_history("news")).publications
    for publication in history:
        world.node.on_publication("news", publication)
    world.publish("news", "3")
    assert client.read() == [pub(3)]


def test_a_gap_in_a_server_side_subscription_ends_the_connection() -> None:
    """3010: its client cannot subscribe again by itself."""
    world = positioned_world()
    client = world.connect(channels=["news"])
    forget(world, "1")
    world.publish("news", "2")
    assert client.read() == []
    assert client.closed == (3010, "insufficient state")


def test_a_gap_in_what_came_while_subscribing_is_noticed_too() -> None:
    """The reply is written, the gap follows from it."""
    world = positioned_world()
    world.publish("news", "1")
    client = world.connect()
    world.gates.shut("history")
    client.send('{"id":2,"subscribe":{"channel":"news"}}')
    world.broker._streams["news"].top += 1
    page = world.broker._streams["news"]
    world.publish("news", "3")
    page.top -= 2  # the engine's page is older than what it delivered
    world.gates.open("history")
    reply, push = client.read()
    assert '"offset":1' in reply
    assert push == INSUFFICIENT


def test_a_channel_that_is_not_positioned_knows_no_gaps() -> None:
    world = World({"": OPEN | HISTORY})
    client = world.subscribed("news")
    forget(world, "1")
    world.publish("news", "2")
    assert client.read() == [pub(2)]


def test_a_quiet_subscription_is_compared_with_the_stream() -> None:
    """On a presence tick, once ``client.channel_position_check_delay`` has passed."""
    world = positioned_world(presence_update_interval=10.0, channel_position_check_delay=40.0)
    client = world.subscribed("news")
    forget(world, "1")
    world.advance(39)
    assert client.read() == []
    world.advance(12)
    assert client.read() == [INSUFFICIENT]


def test_a_quiet_server_side_subscription_that_is_behind_ends_the_connection() -> None:
    world = positioned_world(presence_update_interval=10.0)
    client = world.connect(channels=["news"])
    forget(world, "1")
    world.advance(60)
    assert client.closed == (3010, "insufficient state")


def test_a_quiet_subscription_that_is_up_to_date_stays() -> None:
    world = positioned_world(presence_update_interval=10.0)
    world.publish("news", "1")
    client = world.subscribed("news")
    world.advance(600)
    assert client.read() == []
    world.publish("news", "2")
    assert client.read() == [pub(2)]


def test_a_busy_subscription_is_not_compared() -> None:
    """Each of its publications was checked for a gap as it came."""
    world = positioned_world(presence_update_interval=10.0, channel_position_check_delay=40.0)
    client = world.subscribed("news")
    before = world.gates.calls["history"]
    for number in range(20):
        world.publish("news", str(number))
        world.advance(10)
    assert world.gates.calls["history"] == before
    assert len(client.read()) == 20


def test_a_check_that_is_overtaken_by_a_publication_finds_no_gap() -> None:
    """The stream has moved on between question and answer, and the client with it."""
    world = positioned_world(presence_update_interval=10.0)
    client = world.subscribed("news")
    world.gates.shut("history")
    world.advance(60)
    assert world.clock.unfinished
    world.publish("news", "1")
    world.gates.open("history")
    assert client.read() == ['{"push":{"channel":"news","pub":{"data":1,"offset":1,"epoch":"E1"}}}']
    assert client.closed is None


# ── server-side subscriptions at runtime ─────────────────────────────────────────────────────


def test_a_server_side_subscription_recovers_what_its_caller_says() -> None:
    """A push that it began, then what was missed, then what is live."""
    grant = SubscribeGrant(
        recoverable=True, positioned=True, recovery=Recovery(recover=True, offset=3, epoch="E1")
    )
    world = published(HISTORY)
    client = world.connect()
    world.clock.result(world.node.subscribe(Target("42"), "news", grant))
    world.publish("news", "6")
    assert client.read() == [
        '{"push":{"channel":"news","subscribe":'
        '{"recoverable":true,"epoch":"E1","offset":3,"positioned":true}}}',
        pub(4),
        pub(5),
        pub(6),
    ]


def test_a_server_side_subscription_may_begin_with_the_cache() -> None:
    """``auto_cache_recover`` holds for subscriptions by the server API, too."""
    world = published(CACHE)
    client = world.connect()
    grant = SubscribeGrant(
        recoverable=True, positioned=True, cache_recovery=True, auto_cache_recovery=True
    )
    world.clock.result(world.node.subscribe(Target("42"), "news", grant))
    told, *publications = client.read()
    assert told.startswith('{"push":{"channel":"news","subscribe":{"recoverable":true')
    assert publications == [pub(5)]


def test_a_server_side_subscription_keeps_a_stream_no_longer_than_its_namespace_says() -> None:
    world = published(RECOVERY | {"history_meta_ttl": 100.0})
    client = world.connect()
    grant = SubscribeGrant(recoverable=True, positioned=True, history_meta_ttl=100.0)
    world.clock.result(world.node.subscribe(Target("42"), "news", grant))
    client.hang_up()
    world.advance(102)
    assert world.top("news") == StreamPosition(0, "E2")
