"""Which stream goes first when there are too many.

A stream stands on the shelf of its kind, the one used or emptied last at the end; finding the one
to go takes the same time however many there are. Knows of streams only how they hang together.
"""

from girandola.engines.memory.stream import Stream

CHANCES = 16
"""Most streams that are moved before one goes."""


class Shelf:
    """Streams in the order in which they were put here; a chain through the streams themselves."""

    __slots__ = ("newest", "oldest")

    def __init__(self) -> None:
        self.oldest: Stream | None = None
        self.newest: Stream | None = None

    def put(self, stream: Stream) -> None:
        """Put a stream at the end, which must not stand here yet."""
        stream.older, stream.newer = self.newest, None
        if self.newest is None:
            self.oldest = stream
        else:
            self.newest.newer = stream
        self.newest = stream

    def take(self, stream: Stream) -> None:
        """Take away a stream that stands here."""
        if stream.older is None:
            self.oldest = stream.newer
        else:
            stream.older.newer = stream.newer
        if stream.newer is None:
            self.newest = stream.older
        else:
            stream.newer.older = stream.older
        stream.older = stream.newer = None


class Shelves:
    """All streams, by whether somebody listens to them and whether they hold anything."""

    def __init__(self) -> None:
        self._shelves = [Shelf() for _ in range(4)]

    def put(self, stream: Stream, *, used: bool) -> None:
        """Put a stream where it belongs now, at the end. Publications need no such call, but for
        the first one in an empty stream.
        """
        if stream.shelf is not None:
            stream.shelf.take(stream)
        stream.holds = bool(len(stream))
        stream.stamp = stream.top
        stream.shelf = self._shelves[2 * used + stream.holds]
        stream.shelf.put(stream)

    def take(self, stream: Stream) -> None:
        """Take away a stream; harmless when it does not stand here."""
        if stream.shelf is not None:
            stream.shelf.take(stream)
            stream.shelf = None

    def first_to_go(self) -> Stream:
        """Return the stream that is missed least; there must be one.

        One that nobody listens to and that holds nothing, then one that holds something, then one
        that somebody listens to; of these, the one not used for the longest time. Who was published
        into meanwhile stands at the end from now on: looking there takes time, so that only so
        many are looked at.
        """
        stream = next(shelf.oldest for shelf in self._shelves if shelf.oldest is not None)
        for _ in range(CHANCES):
            shelf, follower = stream.shelf, stream.newer
            if stream.top == stream.stamp or shelf is None or follower is None:
                break
            stream.stamp = stream.top
            shelf.take(stream)
            shelf.put(stream)
            stream = follower
        return stream
