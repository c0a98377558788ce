"""Many durations in little room, from which percentiles can be read.

Counts by microseconds, rounded to three digits. Knows nothing of what was timed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import ceil

PERCENTILES = (50.0, 95.0, 99.0, 99.9)


class Histogram:
    """Durations in microseconds. Several can be poured together."""

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self._counts = Counter(counts)

    def add(self, durations: Iterable[int]) -> None:
        """Count durations in."""
        for duration, count in Counter(durations).items():
            self._counts[_rounded(duration)] += count

    def merge(self, other: "Histogram") -> None:
        """Pour another one in."""
        self._counts.update(other._counts)

    def __len__(self) -> int:
        return self._counts.total()

    def percentile(self, percent: float) -> float:
        """Return the milliseconds that ``percent`` of the durations do not exceed; 0 if none."""
        wanted = ceil(len(self) * percent / 100)
        seen = 0
        for duration in sorted(self._counts):
            seen += self._counts[duration]
            if seen >= wanted:
                return duration / 1000
        return 0.0

    def percentiles(self) -> dict[str, float]:
        """Return the figures that reports show, like ``{"p50_ms": 1.5, …}``."""
        return {f"p{percent:g}_ms": self.percentile(percent) for percent in PERCENTILES}

    def dump(self) -> dict[str, int]:
        """Return what ``load`` reads, fit for JSON."""
        return {str(duration): count for duration, count in self._counts.items()}

    @classmethod
    def load(cls, counts: Mapping[str, int]) -> "Histogram":
        """Make one of what ``dump`` returned."""
        return cls({int(duration): count for duration, count in counts.items()})


def _rounded(duration: int) -> int:
    if duration < 1000:
        return max(duration, 0)
    unit: int = 10 ** (len(str(duration)) - 3)
    return duration // unit * unit
