"""One channel's stream: the publications kept, and the position that outlives them.

Pure bookkeeping; times are handed in. Knows neither clock nor subscribers. Rules: modern.md
sections 5.5 and 10.2.
"""

from collections import deque
from random import SystemRandom
from string import ascii_letters
from typing import TYPE_CHECKING

from girandola.core.ports import HistoryPage
from girandola.model import Publication, StreamPosition

if TYPE_CHECKING:
    from girandola.engines.memory.shelves import Shelf

_random = SystemRandom()


def new_epoch() -> str:
    """Return a name for a new stream: eight random ASCII letters."""
    return "".join(_random.choices(ascii_letters, k=8))


class Stream:
    """Publications with consecutive offsets, the newest of which is ``top``.

    ``expires_at`` is when the publications go, ``dies_at`` when the stream as a whole does
    (both in the time of ``Clock.now``; the owner calls ``clear`` and drops the stream).
    ``items_due`` and ``death_due`` are the owner's marks of when these two will be looked at, 0 for
    never; ``shelf``, ``holds``, ``stamp``, ``older`` and ``newer`` are those of ``Shelves``.
    """

    __slots__ = (
        "_items",
        "channel",
        "death_due",
        "dies_at",
        "epoch",
        "expires_at",
        "holds",
        "items_due",
        "newer",
        "older",
        "shelf",
        "stamp",
        "top",
        "version",
        "version_epoch",
    )

    def __init__(self, channel: str = "") -> None:
        self.channel = channel
        self.epoch = new_epoch()
        self.top = 0
        self.expires_at = 0.0
        self.dies_at = 0.0
        self.version = 0
        self.version_epoch = ""
        self.items_due = 0
        self.death_due = 0
        self.shelf: Shelf | None = None
        self.holds = False
        self.stamp = 0
        self.older: Stream | None = None
        self.newer: Stream | None = None
        # An empty deque takes 760 bytes, and most streams of a large server are empty.
        self._items: deque[Publication] | None = None

    def __len__(self) -> int:
        return 0 if self._items is None else len(self._items)

    @property
    def position(self) -> StreamPosition:
        """The newest position."""
        return StreamPosition(self.top, self.epoch)

    @property
    def newest(self) -> bytes:
        """The data of the publication at ``position``; ``b""`` if it is not kept."""
        return self._items[-1].data if self._items else b""

    def has_seen(self, version: int, version_epoch: str) -> bool:
        """Tell whether this version, or a newer one, was published.

        Versions of two version epochs cannot be compared and are not; an empty epoch compares
        with any.
        """
        if self.version == 0:
            return False
        comparable = not version_epoch or version_epoch == self.version_epoch
        return comparable and version <= self.version

    def saw(self, version: int, version_epoch: str) -> None:
        """Remember a version that is being published."""
        if version > 0:
            self.version, self.version_epoch = version, version_epoch

    def append(self, publication: Publication, size: int) -> None:
        """Keep ``publication`` as the newest of ``size``, and set its offset and epoch."""
        self.top += 1
        publication.offset = self.top
        publication.epoch = self.epoch
        if self._items is None:
            self._items = deque()
        self._items.append(publication)
        while len(self._items) > size:
            self._items.popleft()

    def skip(self) -> None:
        """Count a publication that is not kept, so that nobody who missed it can recover.

        What is still kept goes too, because the publications kept have consecutive offsets.
        """
        self.clear()
        self.top += 1

    def clear(self) -> None:
        """Forget the publications; the position stays."""
        self._items = None

    def page(self, since: StreamPosition | None, limit: int | None, reverse: bool) -> HistoryPage:
        """Read; see ``Broker.history``."""
        items = self._items
        if not items or limit == 0:
            return HistoryPage([], self.position)
        count = len(items)
        wanted = count if limit is None else min(limit, count)
        # Where in the deque the publication after (forward) or at (reverse) `since` stands.
        if reverse:
            end = count if since is None else since.offset - items[0].offset
            if not 0 <= end <= count or (since is not None and end == count):
                return HistoryPage([], self.position)
            indexes = range(end - 1, max(end - wanted, 0) - 1, -1)
        else:
            start = 0 if since is None else max(since.offset + 1 - items[0].offset, 0)
            indexes = range(start, min(start + wanted, count))
        return HistoryPage([items[index] for index in indexes], self.position)
