"""B4, and a part of B9: what connections cost that do nothing but answer pings."""

import time
from collections.abc import Iterator

from msgspec import Struct

from girandola.bench import usage
from girandola.bench.report import Row
from girandola.bench.stage import Running, Stage, Window

SUBSCRIPTIONS = (0, 1, 10)
CHANNELS = 100
"""Over which the subscriptions are spread."""

WATCHED_INTERVALS = 2
"""Rounds of pings that are watched, after one that is not."""


def idle(stage: Stage) -> Iterator[Row]:
    """B4: memory, and processor time a second, of idle connections and of subscriptions."""
    memory: dict[int, float] = {}
    for subscriptions in SUBSCRIPTIONS:
        row = _connections(stage, subscriptions)
        memory[subscriptions] = row.figures["bytes_per_connection"]
        yield row
    few, many = SUBSCRIPTIONS[1:]
    yield Row(
        benchmark="B4",
        case=f"each subscription from {few} to {many}",
        server=row.server,
        figures={"bytes_per_subscription": (memory[many] - memory[few]) / (many - few)},
    )


class Idle(Struct, frozen=True):
    """What idle connections took."""

    connections: int
    figures: dict[str, float]
    window: Window
    problems: list[str]


def watch(
    running: Running, subscriptions: int, *, intervals: int, transport: str = "websocket"
) -> Idle:
    """Open connections, leave them alone, and watch them for so many rounds of pings."""
    interval = running.scale.ping_interval
    before = usage.resident_bytes(running.pid)
    sessions = running.sessions(
        running.scale.sessions,
        lambda number: [f"idle-{(number + each) % CHANNELS}" for each in range(subscriptions)],
    )
    running.join(sessions, transport=transport)
    taken = usage.resident_bytes(running.pid) - before
    # Pings begin within the first interval.
    time.sleep(interval)
    running.fleet.watch()
    window = running.window()
    time.sleep(interval * intervals)
    window.stop()
    lost = running.fleet.count().lost
    count = len(sessions)
    return Idle(
        count,
        {
            "bytes_per_connection": taken / count,
            "cpu_us_per_s": window.cpu.total / window.seconds / count * 1e6,
        },
        window,
        [*window.problems(), *([f"{lost} connections were lost"] if lost else [])],
    )


def _connections(stage: Stage, subscriptions: int) -> Row:
    with stage.fresh() as running:
        seen = watch(running, subscriptions, intervals=WATCHED_INTERVALS)
        interval = stage.scale.ping_interval
        return running.row(
            "B4",
            f"{seen.connections:,} connections, {subscriptions} subscriptions, "
            f"pinged every {interval:g} s",
            seen.figures,
            window=seen.window,
            problems=seen.problems,
        )
