"""The promises of speed that do not depend on the machine."""

import asyncio
import gc
import sys
import tracemalloc
from pathlib import Path

import pytest

from girandola.app.build import Application
from girandola.app.clock import LoopClock
from girandola.bench import wire
from girandola.net.server import Server
from tests.bench.house import HANDSHAKE, SECRET, House, config

BYTES_A_CONNECTION = 2200
BYTES_A_SUBSCRIPTION = 600
"""What an idle connection may hold; it was 1,800 and 490 bytes when this was written."""


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


# ── broadcasts ───────────────────────────────────────────────────────────────────────────────


def test_a_broadcast_is_encoded_once_for_each_codec_among_the_subscribers(house: House) -> None:
    for _ in range(20):
        house.modern("news")
        house.classic("news")
    before = house.node.stats.broadcasts_encoded
    house.publish("news")
    assert house.node.stats.broadcasts_encoded - before == 2


def test_the_messages_of_one_tick_reach_a_session_in_one_write(house: House) -> None:
    subscribers = [house.modern("news") for _ in range(3)] + [house.classic("news")]
    before = [subscriber.writes for subscriber in subscribers]
    house.publish("news", times=10)
    assert [subscriber.writes for subscriber in subscribers] == [count + 1 for count in before]
    for subscriber in subscribers:
        assert subscriber.take().count(wire.MARK) == 10


def test_a_broadcast_makes_no_task_and_no_timer(house: House) -> None:
    for _ in range(20):
        house.modern("news")
    house.publish("news")
    waits, timers = house.clock.waits, house.clock.pending
    house.publish("news", times=5)
    assert (house.clock.waits, house.clock.pending) == (waits, timers)


# ── idle connections ─────────────────────────────────────────────────────────────────────────


def test_the_number_of_timers_does_not_depend_on_the_number_of_idle_connections(
    house: House,
) -> None:
    few = [house.modern("news") for _ in range(5)]
    house.clock.advance(2.0)
    timers = house.clock.pending
    many = [house.modern("news") for _ in range(200)]
    house.clock.advance(2.0)
    assert house.clock.pending == timers
    for _ in range(3):  # minutes of pings that are answered
        for _ in range(20):
            house.clock.advance(1.0)
            for connection in (*few, *many):
                if connection.take().endswith(wire.PING):
                    connection.receive(wire.PONG)
    assert house.node.hub.num_clients == 205
    assert house.clock.pending == timers


def test_nothing_of_an_idle_connection_waits(house: House) -> None:
    """No coroutine is suspended, so none became a task."""
    for _ in range(50):
        house.modern("news", "history:news")
    house.clock.advance(5.0)
    assert house.clock.unfinished == 0
    assert house.clock.waits == 0


async def test_a_real_loop_has_no_task_for_an_idle_connection(tmp_path: Path) -> None:
    clock = LoopClock()
    application = Application(config(tmp_path), clock)
    await application.start()
    server = Server(application.router, clock=clock)
    ((host, port),) = await server.start("127.0.0.1", 0)
    streams = [await asyncio.open_connection(host, port) for _ in range(20)]
    hello = wire.commands(wire.token(SECRET, "42"), ["news"], {})
    for reader, writer in streams:
        writer.write(HANDSHAKE)
        await reader.readuntil(wire.HEAD_END)
        writer.write(hello)
        await reader.readuntil(b'"subscribe":{}}')
    assert application.node.hub.num_clients == 20
    assert asyncio.all_tasks() == {asyncio.current_task()}
    for _, writer in streams:
        writer.close()
        await writer.wait_closed()
    await server.stop_accepting()
    await application.close()
    assert await server.drain(5.0) == 0


def _held_bytes() -> int:
    """Return the bytes held by objects that the server made (of those since tracing began)."""
    gc.collect()
    snapshot = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(False, "*/tests/*"), tracemalloc.Filter(False, tracemalloc.__file__)]
    )
    return sum(trace.size for trace in snapshot.traces)


def _bytes_each(house: House, *channels: str) -> float:
    count = 400
    for number in range(20):  # what is made once and for all is not theirs
        house.modern(*channels, user=f"warm-{number}")
    tracemalloc.start(1)
    try:
        before = _held_bytes()
        for number in range(count):
            house.modern(*channels, user=f"user-{number}")
        house.clock.advance(0.5)
        return (_held_bytes() - before) / count
    finally:
        tracemalloc.stop()


def test_an_idle_connection_holds_few_bytes(house: House) -> None:
    assert 500 < _bytes_each(house) < BYTES_A_CONNECTION


def test_a_subscription_holds_few_bytes(tmp_path: Path) -> None:
    without = _bytes_each(House(tmp_path))
    with_ten = _bytes_each(House(tmp_path), *(f"channel-{number}" for number in range(10)))
    assert 100 < (with_ten - without) / 10 < BYTES_A_SUBSCRIPTION


# ── comings and goings ───────────────────────────────────────────────────────────────────────


def test_ten_thousand_connects_and_disconnects_leave_nothing(house: House) -> None:
    """A round is as expensive in memory as no round at all, once the first ones are over."""

    def come_and_go(rounds: int) -> None:
        for number in range(rounds):
            connections = [house.modern("news", f"own-{number}", user=f"u{each}") for each in "ab"]
            for connection in connections:
                house.leave(connection)
        # Ping duties, stale connections, the sweep of HTTP: what was planned for them is over.
        house.clock.advance(120.0)
        gc.collect()

    come_and_go(500)
    before = sys.getallocatedblocks()
    come_and_go(5000)
    growth = sys.getallocatedblocks() - before
    assert growth < 200, f"{growth} more blocks after 10,000 connections"
    hub, stats = house.node.hub, house.node.stats
    assert (hub.num_clients, hub.num_users, hub.num_channels, hub.num_subscriptions) == (0,) * 4
    assert stats.connections_opened == stats.connections_closed == 11_000
    assert not house.connections.http
    assert not house.connections.websockets
