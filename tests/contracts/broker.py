"""What every broker that keeps history promises: a suite that each implementation runs.

A test file makes a subclass of ``BrokerContract`` named ``Test…`` and a fixture ``engine``.
"""

import asyncio
import itertools
from collections.abc import Iterable
from typing import Protocol

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from girandola.core.grants import PublishOptions
from girandola.core.ports import Broker
from girandola.model import ClientInfo, Publication, StreamPosition

KEEP = PublishOptions(history_size=10, history_ttl=60, history_meta_ttl=3600)

# Generated examples share one broker, so each takes a channel of its own.
_numbers = itertools.count()


class Recorder:
    """``BrokerEvents`` that remembers what came, in order, and lets a test wait for it."""

    def __init__(self) -> None:
        self.publications: list[tuple[str, Publication]] = []
        self.presences: list[tuple[str, str, ClientInfo]] = []
        self.interruptions: list[list[str] | None] = []
        self._changed = asyncio.Event()

    def on_publication(self, channel: str, publication: Publication) -> None:
        self.publications.append((channel, publication))
        self._changed.set()

    def on_join(self, channel: str, info: ClientInfo) -> None:
        self.presences.append(("join", channel, info))
        self._changed.set()

    def on_leave(self, channel: str, info: ClientInfo) -> None:
        self.presences.append(("leave", channel, info))
        self._changed.set()

    def on_interrupted(self, channels: Iterable[str] | None) -> None:
        self.interruptions.append(None if channels is None else list(channels))
        self._changed.set()

    async def wait_for(self, count: int) -> None:
        """Return when ``count`` events have come in all; fail after five seconds."""
        async with asyncio.timeout(5):
            while len(self.publications) + len(self.presences) < count:
                self._changed.clear()
                await self._changed.wait()


class Engine(Protocol):
    """What the suite needs of an implementation; ``events`` was given to ``broker.start``."""

    broker: Broker
    events: Recorder

    async def let_pass(self, seconds: float) -> None:
        """Let time pass for the broker."""


def message(text: str = "{}") -> Publication:
    return Publication(data=text.encode())


def data_of(publications: list[Publication]) -> list[str]:
    return [publication.data.decode() for publication in publications]


async def publish(
    engine: Engine, channel: str, *texts: str, options: PublishOptions = KEEP
) -> list[StreamPosition]:
    return [
        (await engine.broker.publish(channel, message(text), options)).position for text in texts
    ]


class BrokerContract:
    """The suite. Each test has a broker that nothing was done to yet."""

    # ── delivery ─────────────────────────────────────────────────────────────────────────────

    async def test_a_subscribed_node_gets_publications_in_order(self, engine: Engine) -> None:
        await engine.broker.subscribe(["a"])
        await publish(engine, "a", "1", "2", "3")
        await engine.events.wait_for(3)
        assert [c for c, _ in engine.events.publications] == ["a", "a", "a"]
        assert data_of([p for _, p in engine.events.publications]) == ["1", "2", "3"]
        assert [p.offset for _, p in engine.events.publications] == [1, 2, 3]

    async def test_only_subscribed_channels_are_delivered(self, engine: Engine) -> None:
        await engine.broker.subscribe(["a"])
        await engine.broker.subscribe(["b"])
        await engine.broker.unsubscribe({"b": 0.0})
        await publish(engine, "b", "lost")
        await publish(engine, "c", "never asked for")
        await publish(engine, "a", "seen")
        await engine.events.wait_for(1)
        assert data_of([p for _, p in engine.events.publications]) == ["seen"]

    async def test_all_of_a_publication_is_delivered_and_kept(self, engine: Engine) -> None:
        await engine.broker.subscribe(["a"])
        info = ClientInfo("42", "c1", b'{"n":1}', b'{"m":2}')
        sent = Publication(
            data=b'{"x": "\xc3\xa9"}', info=info, tags={"k": "v"}, uid="u1", client="c1"
        )
        await engine.broker.publish("a", sent, KEEP)
        await engine.events.wait_for(1)
        page = await engine.broker.history("a")
        for got in (engine.events.publications[0][1], page.publications[0]):
            assert got.data == b'{"x": "\xc3\xa9"}'
            assert got.info == info
            assert got.tags == {"k": "v"}
            assert (got.uid, got.client, got.offset) == ("u1", "c1", 1)
            assert got.time > 1_600_000_000_000

    async def test_where_deltas_are_wanted_the_data_before_comes_too(self, engine: Engine) -> None:
        """That of the offset before, as long as it is kept; nothing to anybody else."""
        delta = PublishOptions(history_size=10, history_ttl=60, history_meta_ttl=3600, delta=True)
        await engine.broker.subscribe(["a"])
        await publish(engine, "a", "1", "2", options=delta)
        await publish(engine, "a", "3")
        await publish(engine, "a", "not kept", options=PublishOptions())
        await publish(engine, "a", "4", options=delta)
        await engine.broker.remove_history("a")
        await publish(engine, "a", "5", options=delta)
        await publish(engine, "b", "6", "7", options=delta)
        await engine.events.wait_for(6)
        bases = [p.base.decode() for _, p in engine.events.publications]
        assert bases == ["", "1", "", "", "3", ""]
        assert not any(p.base for p in (await engine.broker.history("b")).publications)

    async def test_joins_and_leaves_reach_subscribed_nodes_only(self, engine: Engine) -> None:
        info = ClientInfo("42", "c1")
        await engine.broker.publish_join("a", info)
        await engine.broker.subscribe(["a"])
        await engine.broker.publish_join("a", info)
        await engine.broker.publish_leave("a", info)
        await engine.events.wait_for(2)
        assert engine.events.presences == [("join", "a", info), ("leave", "a", info)]

    async def test_without_history_a_publication_has_no_position(self, engine: Engine) -> None:
        await engine.broker.subscribe(["a"])
        [position] = await publish(engine, "a", "1", options=PublishOptions())
        await engine.events.wait_for(1)
        assert position == StreamPosition()
        assert engine.events.publications[0][1].offset == 0
        page = await engine.broker.history("a")
        assert (page.publications, page.top.offset) == ([], 0)

    # ── streams ──────────────────────────────────────────────────────────────────────────────

    async def test_offsets_count_from_one_in_one_epoch(self, engine: Engine) -> None:
        positions = await publish(engine, "a", "1", "2", "3")
        assert [p.offset for p in positions] == [1, 2, 3]
        epoch = positions[0].epoch
        assert epoch
        assert {p.epoch for p in positions} == {epoch}
        assert (await engine.broker.history("a")).top == positions[-1]

    async def test_every_publication_tells_the_epoch_of_its_stream(self, engine: Engine) -> None:
        await engine.broker.subscribe(["a"])
        positions = await publish(engine, "a", "1", "2")
        await engine.events.wait_for(2)
        delivered = [p.epoch for _, p in engine.events.publications]
        assert delivered == [positions[0].epoch] * 2

    async def test_reading_an_unknown_channel_makes_its_stream(self, engine: Engine) -> None:
        first = (await engine.broker.history("a", limit=0, meta_ttl=3600)).top
        assert first.offset == 0
        assert first.epoch
        assert (await engine.broker.history("a", limit=0, meta_ttl=3600)).top == first
        [position] = await publish(engine, "a", "1")
        assert position == StreamPosition(1, first.epoch)

    async def test_channels_have_streams_of_their_own(self, engine: Engine) -> None:
        [a] = await publish(engine, "a", "1")
        [b] = await publish(engine, "b", "1")
        assert (a.offset, b.offset) == (1, 1)
        assert a.epoch != b.epoch

    async def test_only_the_newest_are_kept(self, engine: Engine) -> None:
        small = PublishOptions(history_size=2, history_ttl=60, history_meta_ttl=3600)
        await publish(engine, "a", "1", "2", "3", options=small)
        page = await engine.broker.history("a")
        assert data_of(page.publications) == ["2", "3"]
        assert page.top.offset == 3

    async def test_publications_expire_and_the_position_stays(self, engine: Engine) -> None:
        short = PublishOptions(history_size=10, history_ttl=1, history_meta_ttl=3600)
        positions = await publish(engine, "a", "1", "2", options=short)
        await engine.let_pass(2.5)
        page = await engine.broker.history("a")
        assert page.publications == []
        assert page.top == positions[-1]
        [third] = await publish(engine, "a", "3", options=short)
        assert third == StreamPosition(3, positions[0].epoch)

    async def test_a_stream_dies_when_nobody_used_it_for_long(self, engine: Engine) -> None:
        short = PublishOptions(history_size=10, history_ttl=1, history_meta_ttl=2)
        [old] = await publish(engine, "a", "1", options=short)
        await engine.let_pass(3.5)
        page = await engine.broker.history("a")
        assert (page.publications, page.top.offset) == ([], 0)
        assert page.top.epoch != old.epoch

    async def test_removed_history_leaves_the_position(self, engine: Engine) -> None:
        positions = await publish(engine, "a", "1", "2")
        await engine.broker.remove_history("a")
        page = await engine.broker.history("a")
        assert (page.publications, page.top) == ([], positions[-1])
        assert (await publish(engine, "a", "3"))[0].offset == 3
        assert data_of((await engine.broker.history("a")).publications) == ["3"]
        await engine.broker.remove_history("never seen")

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    async def test_reading_forward(self, engine: Engine) -> None:
        await publish(engine, "a", *"12345")

        async def read(since: int | None, limit: int | None) -> str:
            position = None if since is None else StreamPosition(since, "whatever")
            page = await engine.broker.history("a", since=position, limit=limit)
            assert page.top.offset == 5
            return "".join(data_of(page.publications))

        assert await read(None, None) == "12345"
        assert await read(None, 2) == "12"
        assert await read(None, 0) == ""
        assert await read(0, None) == "12345"
        assert await read(3, None) == "45"
        assert await read(3, 1) == "4"
        assert await read(5, None) == ""
        assert await read(9, None) == ""

    async def test_reading_reverse(self, engine: Engine) -> None:
        await publish(engine, "a", *"12345")

        async def read(since: int | None, limit: int | None) -> str:
            position = None if since is None else StreamPosition(since, "")
            page = await engine.broker.history("a", since=position, limit=limit, reverse=True)
            assert page.top.offset == 5
            return "".join(data_of(page.publications))

        assert await read(None, None) == "54321"
        assert await read(None, 2) == "54"
        assert await read(4, None) == "321"
        assert await read(4, 2) == "32"
        assert await read(5, 1) == "4"
        assert await read(1, None) == ""

    async def test_reading_around_what_was_evicted(self, engine: Engine) -> None:
        """Forward goes on from the oldest kept; reverse from a place not kept finds nothing."""
        small = PublishOptions(history_size=3, history_ttl=60, history_meta_ttl=3600)
        await publish(engine, "a", *"12345", options=small)
        forward = await engine.broker.history("a", since=StreamPosition(1))
        assert data_of(forward.publications) == ["3", "4", "5"]
        for since in (2, 6):
            back = await engine.broker.history("a", since=StreamPosition(since), reverse=True)
            assert back.publications == []

    # ── publishing once ──────────────────────────────────────────────────────────────────────

    async def test_a_repeated_idempotency_key_publishes_nothing(self, engine: Engine) -> None:
        await engine.broker.subscribe(["a"])
        once = PublishOptions(
            history_size=10, history_ttl=60, history_meta_ttl=3600, idempotency_key="k"
        )
        first = await engine.broker.publish("a", message("1"), once)
        again = await engine.broker.publish("a", message("1"), once)
        other_channel = await engine.broker.publish("b", message("1"), once)
        await publish(engine, "a", "end")
        await engine.events.wait_for(2)
        assert first.suppressed == ""
        assert (again.position, again.suppressed) == (first.position, "idempotency")
        assert other_channel.suppressed == ""
        assert data_of([p for _, p in engine.events.publications]) == ["1", "end"]

    async def test_idempotency_works_without_history(self, engine: Engine) -> None:
        once = PublishOptions(idempotency_key="k")
        assert (await engine.broker.publish("a", message(), once)).suppressed == ""
        assert (await engine.broker.publish("a", message(), once)).suppressed == "idempotency"

    async def test_idempotency_keys_are_forgotten_in_time(self, engine: Engine) -> None:
        once = PublishOptions(idempotency_key="k", idempotency_ttl=1)
        await engine.broker.publish("a", message(), once)
        await engine.let_pass(2.5)
        assert (await engine.broker.publish("a", message(), once)).suppressed == ""

    async def test_old_versions_are_suppressed(self, engine: Engine) -> None:
        await engine.broker.subscribe(["a"])

        async def suppressed(version: int, epoch: str = "") -> str:
            options = PublishOptions(
                history_size=10,
                history_ttl=60,
                history_meta_ttl=3600,
                version=version,
                version_epoch=epoch,
            )
            result = await engine.broker.publish("a", message(f"{version}{epoch}"), options)
            assert result.position.offset > 0
            return result.suppressed

        assert await suppressed(2, "x") == ""
        assert await suppressed(2, "x") == "version"
        assert await suppressed(1, "x") == "version"
        assert await suppressed(1) == "version"
        assert await suppressed(1, "y") == ""
        assert await suppressed(3, "y") == ""
        await publish(engine, "a", "unversioned")
        assert await suppressed(3, "y") == "version"
        await engine.events.wait_for(4)
        delivered = data_of([p for _, p in engine.events.publications])
        assert delivered == ["2x", "1y", "3y", "unversioned"]
        assert data_of((await engine.broker.history("a")).publications) == delivered

    # ── drop_inactive ────────────────────────────────────────────────────────────────────────

    INACTIVE = PublishOptions(
        history_size=10, history_ttl=60, history_meta_ttl=3600, drop_inactive=True
    )

    async def test_nothing_is_kept_for_channels_nobody_listens_to(self, engine: Engine) -> None:
        [position] = await publish(engine, "a", "1", options=self.INACTIVE)
        assert position == StreamPosition()
        assert (await engine.broker.history("a")).publications == []

    async def test_a_listener_makes_publications_kept(self, engine: Engine) -> None:
        await engine.broker.subscribe(["a"])
        await publish(engine, "a", "1", options=self.INACTIVE)
        await engine.broker.unsubscribe({"a": 0.0})
        await publish(engine, "a", "2", options=self.INACTIVE)
        assert data_of((await engine.broker.history("a")).publications) == ["1", "2"]

    async def test_a_channel_stays_active_for_a_while(self, engine: Engine) -> None:
        await engine.broker.subscribe(["a"])
        await engine.broker.unsubscribe({"a": 30})
        await publish(engine, "a", "1", options=self.INACTIVE)
        assert data_of((await engine.broker.history("a")).publications) == ["1"]

    async def test_a_dropped_publication_leaves_a_gap(self, engine: Engine) -> None:
        """Who knew the position before must not seem to have missed nothing."""
        before = (await engine.broker.history("a", limit=0, meta_ttl=3600)).top
        await publish(engine, "a", "lost", options=self.INACTIVE)
        page = await engine.broker.history("a", since=before)
        assert page.publications == []
        assert page.top == StreamPosition(before.offset + 1, before.epoch)
        await engine.broker.subscribe(["a"])
        [kept] = await publish(engine, "a", "kept", options=self.INACTIVE)
        assert kept.offset == before.offset + 2

    # ── any reading of any stream ────────────────────────────────────────────────────────────

    @given(
        size=st.integers(1, 6),
        count=st.integers(0, 9),
        since=st.none() | st.integers(0, 12),
        limit=st.none() | st.integers(0, 12),
    )
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
    )
    async def test_a_page_is_a_piece_of_what_was_published(
        self,
        engine: Engine,
        size: int,
        count: int,
        since: int | None,
        limit: int | None,
    ) -> None:
        channel = f"channel {next(_numbers)}"
        options = PublishOptions(history_size=size, history_ttl=60, history_meta_ttl=3600)
        await publish(engine, channel, *map(str, range(1, count + 1)), options=options)
        position = None if since is None else StreamPosition(since)
        kept = [str(offset) for offset in range(max(count - size, 0) + 1, count + 1)]
        expected = [text for text in kept if since is None or int(text) > since]
        page = await engine.broker.history(channel, since=position, limit=limit)
        assert data_of(page.publications) == expected[:limit]
        assert page.top.offset == count
        expected = [text for text in kept if since is None or int(text) < since]
        if since is not None and str(since) not in kept:
            expected = []
        page = await engine.broker.history(channel, since=position, limit=limit, reverse=True)
        assert data_of(page.publications) == expected[::-1][:limit]
