"""B1, B2, B3 and B8: what it takes, and how long, until publications are with subscribers."""

import math
from collections.abc import Iterator

from girandola.bench.fleet import Pace
from girandola.bench.report import Row
from girandola.bench.stage import Running, Scale, Stage

CHANNEL = "bench"
BURST = 10
MOST_P99_MS = 50.0
GROWTH_RATE = 20_000
SUBSCRIBERS_A_CHANNEL = 10


def cost(stage: Stage) -> Iterator[Row]:
    """B1: processor time for each delivered message."""
    for size in stage.scale.sizes:
        with stage.fresh() as running:
            size = _listen(running, size)
            for rate in stage.scale.rates:
                for burst in (1, BURST):
                    steady = pace(stage.scale, size, rate, burst)
                    delivered = running.deliver((steady, size), rounds=stage.scale.rounds)
                    how = "one at a time" if burst == 1 else f"bursts of {burst}"
                    yield running.row(
                        "B1",
                        f"{size:,} subscribers, {rate:,}/s, {how}",
                        delivered.costs(),
                        window=delivered.window,
                        problems=delivered.problems,
                    )


def ceiling(stage: Stage) -> Iterator[Row]:
    """B2: the highest rate that is kept up."""
    scale = stage.scale
    with stage.fresh() as running:
        size = _listen(running, scale.middle)
        rate, best, end = scale.first_rate, None, "not even the first step was kept up"
        for _ in range(scale.most_steps):
            delivered = running.deliver((pace(scale, size, rate, 1), size), timed=("all",))
            p99 = delivered.percentiles["all"]["p99_ms"]
            if delivered.problems or p99 >= MOST_P99_MS:
                end = "; ".join(delivered.problems) or f"p99 {p99:.0f} ms"
                break
            best, end = (rate, delivered), "the last step"
            rate *= scale.step
        case = f"one channel of {size:,}"
        if best is None:
            yield running.row("B2", case, {}, problems=[end])
            return
        running.notes.append(f"ended at {rate:,.0f}/s by: {end}")
        kept, delivered = best
        figures = {"deliveries_per_s": kept, "cpu_us": delivered.cpu_us}
        figures |= delivered.percentiles["all"]
        yield running.row("B2", case, figures, window=delivered.window)


def latency(stage: Stage) -> Iterator[Row]:
    """B3: from publish to receive, alone and beside a large channel."""
    scale = stage.scale
    with stage.fresh() as running:
        size = _listen(running, scale.middle)
        steady = Pace(channels=[CHANNEL], rate=20, count=int(20 * scale.latency_seconds))
        delivered = running.deliver((steady, size), timed=("all",))
        yield running.row(
            "B3",
            f"(a) {size:,} subscribers, 20/s",
            {**delivered.percentiles["all"]},
            window=delivered.window,
            problems=delivered.problems,
        )
    with stage.fresh() as running:
        large = running.sessions(scale.large, lambda _: ["large"], group="large")
        small = running.sessions(scale.small, lambda _: ["small"], group="small")
        # Who reads ten thousand messages must not keep the readers of the small channel waiting.
        running.join(large, nice=10)
        running.join(small, apart=True)
        delivered = running.deliver(
            (Pace(channels=["large"], rate=1, count=int(scale.latency_seconds)), len(large)),
            (
                Pace(channels=["small"], rate=100, count=int(100 * scale.latency_seconds)),
                len(small),
            ),
            timed=("small",),
        )
        yield running.row(
            "B3",
            f"(b) {len(small)} subscribers, 100/s, beside {len(large):,}, 1/s",
            {**delivered.percentiles["small"]},
            window=delivered.window,
            problems=delivered.problems,
        )


def growth(stage: Stage) -> Iterator[Row]:
    """B8: how the cost of a message grows with what there is."""
    for what, measure in (
        ("subscribers a channel", _grown_channel),
        ("channels", _grown_channels),
        ("connections", _grown_connections),
    ):
        points: list[tuple[int, float]] = []
        void: list[str] = []
        for size in stage.scale.sizes:
            row = measure(stage, size, what)
            points.append((size, row.figures["cpu_us"]))
            void += row.void
            yield row
        yield Row(
            benchmark="B8",
            case=f"{what}: log-log",
            server=row.server,
            figures={"slope": slope(points)},
            void=["of a void row"] if void else [],
        )


def slope(points: list[tuple[int, float]]) -> float:
    """Return the least-squares slope of log(cost) over log(size); 0 for a single point."""
    logs = [(math.log(size), math.log(max(cost, 1e-9))) for size, cost in points]
    middle_x = math.fsum(x for x, _ in logs) / len(logs)
    middle_y = math.fsum(y for _, y in logs) / len(logs)
    spread = math.fsum((x - middle_x) ** 2 for x, _ in logs)
    if not spread:
        return 0.0
    return math.fsum((x - middle_x) * (y - middle_y) for x, y in logs) / spread


def pace(scale: Scale, subscribers: int, deliveries: float, burst: int) -> Pace:
    """Return the pace that makes so many deliveries a second."""
    rate = deliveries / subscribers
    least = scale.least_publications if burst == 1 else scale.least_bursts * burst
    count = max(math.ceil(rate * scale.seconds / burst) * burst, least)
    return Pace(channels=[CHANNEL], rate=rate, count=count, burst=burst)


def _listen(running: Running, size: int) -> int:
    """Have ``size`` subscribers of one channel; return how many there are."""
    sessions = running.sessions(size, lambda _: [CHANNEL])
    running.join(sessions)
    return len(sessions)


def _grown_channel(stage: Stage, size: int, what: str) -> Row:
    with stage.fresh() as running:
        size = _listen(running, size)
        return _growth_row(running, pace(stage.scale, size, GROWTH_RATE, 1), size, what, size)


def _grown_channels(stage: Stage, size: int, what: str) -> Row:
    """Always as many connections, which share ever more channels of ten."""
    connections = max(SUBSCRIBERS_A_CHANNEL, max(stage.scale.sizes) // 10)
    listens: list[list[str]] = [[] for _ in range(connections)]
    channels = [f"{CHANNEL}-{number}" for number in range(size)]
    for number, channel in enumerate(channels):
        for place in range(SUBSCRIBERS_A_CHANNEL):
            listens[(number * SUBSCRIBERS_A_CHANNEL + place) % connections].append(channel)
    with stage.fresh() as running:
        running.join(running.sessions(connections, lambda number: listens[number]))
        return _growth_row(running, _spread(stage.scale, channels), 10, what, size)


def _grown_connections(stage: Stage, size: int, what: str) -> Row:
    """Ten listen; ever more do not."""
    quiet = max(0, size - SUBSCRIBERS_A_CHANNEL)
    with stage.fresh() as running:
        sessions = running.sessions(SUBSCRIBERS_A_CHANNEL, lambda _: [CHANNEL])
        sessions += running.sessions(quiet, lambda number: [f"quiet-{number}"])
        running.join(sessions)
        return _growth_row(running, _spread(stage.scale, [CHANNEL]), 10, what, len(sessions))


def _spread(scale: Scale, channels: list[str]) -> Pace:
    """Return the pace of ``GROWTH_RATE`` deliveries into channels of ten, in turn."""
    rate = GROWTH_RATE / SUBSCRIBERS_A_CHANNEL
    return Pace(channels=channels, rate=rate, count=math.ceil(rate * scale.seconds))


def _growth_row(running: Running, pace: Pace, subscribers: int, what: str, size: int) -> Row:
    delivered = running.deliver((pace, subscribers), rounds=running.scale.rounds)
    return running.row(
        "B8",
        f"{size:,} {what}",
        delivered.costs(),
        window=delivered.window,
        problems=delivered.problems,
    )
