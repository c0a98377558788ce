"""Percentiles are those of the durations, to three digits."""

from hypothesis import given
from hypothesis import strategies as st

from girandola.bench.histogram import Histogram


@given(st.lists(st.integers(0, 10_000_000), min_size=1), st.sampled_from([1.0, 50.0, 99.0, 100.0]))
def test_a_percentile_is_not_exceeded_by_its_share_of_the_durations(
    durations: list[int], percent: float
) -> None:
    histogram = Histogram()
    histogram.add(durations)
    found = histogram.percentile(percent) * 1000
    # Rounding takes less than a hundredth.
    share = sum(duration <= found * 1.01 + 1e-6 for duration in durations) / len(durations)
    assert share >= percent / 100
    below = sum(duration < found for duration in durations) / len(durations)
    assert below < percent / 100 or found == 0


def test_histograms_are_poured_together_and_survive_json() -> None:
    first, second = Histogram(), Histogram()
    first.add([100, 100, 200])
    second.add([12_345])
    first.merge(second)
    again = Histogram.load(first.dump())
    assert len(again) == 4
    assert again.dump() == {"100": 2, "200": 1, "12300": 1}
    assert again.percentiles() == {"p50_ms": 0.1, "p95_ms": 12.3, "p99_ms": 12.3, "p99.9_ms": 12.3}


def test_no_durations_have_percentiles_of_0() -> None:
    assert Histogram().percentile(99) == 0
