"""B9: the same work over every transport that clients may come by."""

from collections.abc import Callable, Iterator

from girandola.bench import fanout, idle
from girandola.bench.fleet import BenchError
from girandola.bench.report import Row
from girandola.bench.stage import Running, Stage

NAMES = {
    "websocket": "WebSocket",
    "websocket_protobuf": "WebSocket, Protobuf",
    "sse": "SSE",
    "http_stream": "HTTP streaming",
    "uni_websocket": "one-way WebSocket",
    "uni_sse": "one-way SSE",
    "uni_http_stream": "one-way HTTP streaming",
}
"""What people call the transports of ``load``."""

RATE = 20.0
WATCHED_INTERVALS = 1
"""Rounds of pings that are watched: each connection is pinged once in it."""


def transports(stage: Stage) -> Iterator[Row]:
    """B9: idle connections, then fan-out, over one transport after the other."""
    for transport in NAMES:
        if transport != "websocket_protobuf":  # idle, it is a WebSocket like the other
            yield from _measured(stage, f"idle: {NAMES[transport]}", _idle, transport)
    for transport in NAMES:
        yield from _measured(stage, f"fan-out: {NAMES[transport]}", _fan_out, transport)


def _measured(
    stage: Stage,
    case: str,
    measure: Callable[[Running, str, str], Iterator[Row]],
    transport: str,
) -> Iterator[Row]:
    """Measure on a fresh server; one that does not have the transport leaves a void row."""
    with stage.fresh() as running:
        try:
            yield from measure(running, case, transport)
        except BenchError as error:
            yield running.row("B9", case, {}, problems=[str(error)])


def _idle(running: Running, case: str, transport: str) -> Iterator[Row]:
    seen = idle.watch(running, 1, intervals=WATCHED_INTERVALS, transport=transport)
    yield running.row(
        "B9",
        f"{case}, {seen.connections:,} connections",
        seen.figures,
        window=seen.window,
        problems=seen.problems,
    )


def _fan_out(running: Running, case: str, transport: str) -> Iterator[Row]:
    sessions = running.sessions(running.scale.middle, lambda _: [fanout.CHANNEL])
    running.join(sessions, transport=transport)
    size = len(sessions)
    for burst in (1, fanout.BURST):
        pace = fanout.pace(running.scale, size, RATE * size, burst)
        delivered = running.deliver((pace, size), rounds=running.scale.rounds)
        how = "one at a time" if burst == 1 else f"bursts of {burst}"
        yield running.row(
            "B9",
            f"{case}, {RATE:g}/s to {size:,}, {how}",
            delivered.costs(),
            window=delivered.window,
            problems=delivered.problems,
        )
