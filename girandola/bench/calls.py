"""B6 and B7: requests to the server API, and what history costs."""

import json
from collections.abc import Iterator

from girandola.bench import usage, wire
from girandola.bench.fleet import BenchError, Called
from girandola.bench.report import Row
from girandola.bench.stage import Running, Stage, Window
from girandola.bench.target import HISTORY

CONNECTIONS = 16
CHANNEL = "api"
STREAM = f"{HISTORY}:api"
READ = 100
RECOVERED = (0, 1, 10, 100)
STREAM_SIZE = 1000


def publishing(stage: Stage) -> Iterator[Row]:
    """B6: requests a second, and processor time for each publication."""
    scale = stage.scale
    many = json.dumps([f"many-{number}" for number in range(scale.broadcast)]).encode()
    data = wire.payload(0)
    cases = (
        ("publish, no subscriber", "publish", wire.publish_body(CHANNEL, 0), 1),
        ("publish, with history", "publish", wire.publish_body(STREAM, 0), 1),
        (
            f"broadcast to {scale.broadcast:,} channels",
            "broadcast",
            b'{"channels":%b,"data":%b}' % (many, data),
            scale.broadcast,
        ),
        (f"batch of {scale.batch}", "batch", _batch([CHANNEL] * scale.batch), scale.batch),
    )
    with stage.fresh() as running:
        for case, method, body, publications in cases:
            yield _publish_row(running, case, method, body, publications)
    with stage.fresh() as running:
        running.join(running.sessions(1, lambda _: [CHANNEL]))
        body = wire.publish_body(CHANNEL, 0)
        yield _publish_row(running, "publish, one subscriber", "publish", body, 1, subscribers=1)


def history(stage: Stage) -> Iterator[Row]:
    """B7: publish with and without history, read, recover, and the memory of what is kept."""
    scale = stage.scale
    with stage.fresh() as running:
        for case, channel in (("without", CHANNEL), ("with", STREAM)):
            window, called = _call(running, "batch", _batch([channel] * scale.batch))
            row = _each(running, f"publish {case} history, in batches", window, called, scale.batch)
            yield row
        body = json.dumps({"channel": STREAM, "limit": READ}).encode()
        window, called = _call(running, "history", body)
        yield _each(running, f"read {READ} by the API", window, called, 1)
        yield from _recover(running)
    yield _stored(stage)


# ── inside ───────────────────────────────────────────────────────────────────────────────────


def _publish_row(
    running: Running,
    case: str,
    method: str,
    body: bytes,
    publications: int,
    *,
    subscribers: int = 0,
) -> Row:
    window, called = _call(running, method, body, arriving=publications * subscribers)
    problems = _problems(window, called)
    if subscribers:
        expected = called.requests * publications * subscribers
        received = running.fleet.count(expected).received
        if received != expected:
            problems.append(f"{received:,} of {expected:,} messages arrived")
    seconds = called.seconds
    return running.row(
        "B6",
        case,
        {
            "requests_per_s": called.requests / seconds,
            "cpu_us_per_publish": window.cpu.total / max(1, called.requests * publications) * 1e6,
            "p99_ms": called.durations.percentile(99),
        },
        window=window,
        problems=problems,
    )


def _call(
    running: Running, method: str, body: bytes, *, arriving: int = 0
) -> tuple[Window, Called]:
    """Call for a while. ``arriving``: how many messages each call makes subscribers receive."""
    seconds = running.scale.call_seconds
    # Once before, so that what runs for the first time is warm.
    running.fleet.watch()
    first = running.fleet.call(method, body, connections=1, seconds=seconds, most=1)
    if first.errors:
        raise BenchError(f"{running.server}: {method}: {first.first_error}")
    running.fleet.count(arriving)
    running.fleet.watch()
    window = running.window()
    called = running.fleet.call(method, body, connections=CONNECTIONS, seconds=seconds)
    window.stop()
    return window, called


def _problems(window: Window, called: Called) -> list[str]:
    problems = window.problems()
    if called.errors:
        problems.append(f"{called.errors} of {called.requests} failed: {called.first_error}")
    return problems


def _each(running: Running, case: str, window: Window, called: Called, things: int) -> Row:
    return running.row(
        "B7",
        case,
        {
            "cpu_us_each": window.cpu.total / max(1, called.requests * things) * 1e6,
            "p99_ms": called.durations.percentile(99),
        },
        window=window,
        problems=_problems(window, called),
    )


def _recover(running: Running) -> Iterator[Row]:
    """Leave a channel and come back, with more and more to recover."""
    channel = f"{HISTORY}:recover"
    body = wire.publish_body(channel, 0)
    most = max(RECOVERED)
    published = running.fleet.call("publish", body, connections=1, seconds=60, most=most)
    if published.errors or published.requests != most:
        raise BenchError(f"{running.server}: publishing: {published.first_error}")
    tokens = [session.token for session in running.sessions(CONNECTIONS, lambda _: [])]
    for missed in (None, *RECOVERED):
        window = running.window()
        called = running.fleet.resubscribe(
            channel, tokens, missed=missed, seconds=running.scale.call_seconds
        )
        window.stop()
        case = "no recovery" if missed is None else f"recover {missed}"
        yield _each(running, f"unsubscribe, subscribe, {case}", window, called, 1)


def _stored(stage: Stage) -> Row:
    """Fill streams, and see what memory they take."""
    scale = stage.scale
    with stage.fresh() as running:
        # Streams hold a thousand each; a batch publishes once into each of its channels.
        rounds = max(1, scale.stored // STREAM_SIZE // scale.batch)
        each = min(STREAM_SIZE, scale.stored // (rounds * scale.batch))
        before = usage.resident_bytes(running.pid)
        window = running.window()
        errors = 0
        for number in range(rounds):
            names = [f"{HISTORY}:{number}-{place}" for place in range(scale.batch)]
            called = running.fleet.call(
                "batch", _batch(names), connections=CONNECTIONS, seconds=600, most=each
            )
            errors += called.errors
        window.stop()
        stored = rounds * scale.batch * each
        taken = usage.resident_bytes(running.pid) - before
        return running.row(
            "B7",
            f"{stored:,} messages in {rounds * scale.batch:,} streams",
            {
                "cpu_us_each": window.cpu.total / stored * 1e6,
                "bytes_per_message": taken / stored,
            },
            window=window,
            problems=[*window.problems(), *([f"{errors} batches failed"] if errors else [])],
        )


def _batch(channels: list[str]) -> bytes:
    """Return the body of a batch that publishes into each of the channels."""
    commands = b",".join(b'{"publish":%b}' % wire.publish_body(name, 0) for name in channels)
    return b'{"commands":[%b]}' % commands
