"""B5: a crowd arrives, is cut off at once, and comes back with recovery."""

import time
from collections.abc import Iterator

from girandola.bench.fleet import Pace
from girandola.bench.report import Row
from girandola.bench.stage import Running, Stage
from girandola.bench.target import HISTORY

CHANNELS = 100
MISSED = 10
"""Messages that each misses while it is away."""

PUBLISH_RATE = 5000.0


def crowd(stage: Stage) -> Iterator[Row]:
    """B5: sessions a second, their cost, and how long recovery takes."""
    with stage.fresh() as running:
        yield _arrive(running, "anonymous", anonymous=True)
    with stage.fresh() as running:
        if running.secret:
            yield _arrive(running, "with a JWT (HS256)", anonymous=False)
        else:
            running.notes.append("anonymous: the secret of the server's tokens is not known")
            _arrive(running, "", anonymous=True)
        yield _come_back(running)


def _arrive(running: Running, case: str, *, anonymous: bool) -> Row:
    sessions = running.sessions(
        running.scale.sessions,
        lambda number: [f"{HISTORY}:{number % CHANNELS}"],
        anonymous=anonymous,
    )
    # The process that plays the clients starts for the first of them.
    running.fleet.join(sessions[:1], remember=True)
    window = running.window()
    joined = running.fleet.join(sessions[1:], remember=True)
    window.stop()
    problems = window.problems()
    if joined.failures:
        problems.append(f"{joined.failures} sessions did not come up: {joined.first_failure}")
    return running.row(
        "B5",
        f"{len(sessions):,} sessions, {case}",
        {
            "sessions_per_s": joined.sessions / joined.seconds,
            "cpu_ms_per_session": window.cpu.total / joined.sessions * 1e3,
        },
        window=window,
        problems=problems,
    )


def _come_back(running: Running) -> Row:
    """Cut all, publish what they miss, and bring them back."""
    count = running.scale.sessions
    channels = [f"{HISTORY}:{number}" for number in range(min(CHANNELS, count))]
    pace = Pace(channels=channels, rate=PUBLISH_RATE, count=MISSED * len(channels))
    # The publisher starts now, into a channel that nobody listens to.
    running.fleet.publish(Pace(channels=["nobody"], rate=1.0, count=1))
    window = running.window()
    began = time.monotonic()
    running.fleet.cut()
    (published,) = running.fleet.publish(pace)
    joined = running.fleet.rejoin(count)
    seconds = time.monotonic() - began
    window.stop()
    problems = window.problems()
    if published.failed:
        problems.append(f"{published.failed} publications failed")
    if joined.failures:
        problems.append(f"{joined.failures} sessions did not come back: {joined.first_failure}")
    lost = count * MISSED - joined.recovered
    if lost:
        problems.append(f"{lost:,} of {count * MISSED:,} messages were not recovered")
    return running.row(
        "B5",
        f"all cut, back with {MISSED} missed messages each",
        {
            "sessions_per_s": count / joined.seconds,
            "cpu_ms_per_session": window.cpu.total / count * 1e3,
            "until_last_s": seconds,
            "lost": lost,
        },
        window=window,
        problems=problems,
    )
