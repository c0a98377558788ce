"""Which publications go out as deltas, whatever the encoding (modern.md section 10.6).

For the codecs that know deltas; each says whether its deltas must be text.
"""

from collections.abc import Iterator

from girandola.model import Publication
from girandola.protocol import fossil, raw_json

MAX_RECOVERED = 65536
"""Bytes of recovered publications that are compared for one reply; the rest goes in full."""


def of_push(publication: Publication, *, text: bool) -> bytes:
    """Return the delta of a publication to its base, or ``b""`` where there is no shorter one."""
    return _shorter(publication.base, publication.data, text) if publication.base else b""


def of_recovered(
    publications: list[Publication], *, text: bool
) -> Iterator[tuple[Publication, bytes]]:
    """Yield each publication with its delta to the one before, or with ``b""``.

    The first never has one. They must be neighbours in their stream.
    """
    base = b""
    left = MAX_RECOVERED
    for publication in publications:
        left -= len(publication.data)
        yield publication, _shorter(base, publication.data, text) if base and left >= 0 else b""
        base = publication.data


def _shorter(base: bytes, data: bytes, text: bool) -> bytes:
    if text and not (raw_json.is_json(base) and raw_json.is_json(data)):
        return b""  # clients hold, or shall hold, ``null`` in place of it
    delta = fossil.create(base, data, text=text)
    return delta if len(delta) < len(data) else b""
