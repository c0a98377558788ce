"""Is the gap closed, and what must be sent to close it: pure functions.

Rules: modern.md sections 10.3 and 10.4, classic.md section 4.9. Publications that arrive while
history is read are not looked at here; the subscription holds them and delivers them after the
reply, where those sent already are skipped and a hole is noticed like any other.
"""

from collections.abc import Sequence

from msgspec import Struct

from girandola.core.filters import Filter
from girandola.core.ports import HistoryPage
from girandola.model import Publication
from girandola.protocol.commands import Recovery


class Outcome(Struct, frozen=True):
    """Whether the client has everything after ``publications`` (oldest first) were sent to it."""

    recovered: bool
    publications: list[Publication]


def recover_stream(
    asked: Recovery, page: HistoryPage, *, partial: bool, wanted: Filter | None = None
) -> Outcome:
    """Close the gap between where a client stands and the top of the stream.

    ``page`` holds at least what follows the asked offset as far as it is kept. ``partial``: the
    generation takes the whole history when something is missing; ``page`` then starts at the
    oldest publication kept. Who does not know where it stands is never called recovered. What is
    not ``wanted`` is not sent, but is no gap either.
    """
    offset, epoch, known = asked.offset, asked.epoch, asked.knows_position
    if asked.since_uid and epoch != page.top.epoch:
        for publication in page.publications:
            if publication.uid == asked.since_uid:
                offset, epoch, known = publication.offset, page.top.epoch, True
    missed = [publication for publication in page.publications if publication.offset > offset]
    if (
        known
        and (not epoch or epoch == page.top.epoch)
        and _reaches(missed, offset, page.top.offset)
    ):
        return Outcome(True, [each for each in missed if wanted is None or wanted(each.tags)])
    return Outcome(False, page.publications if partial else [])


def recover_cache(asked: Recovery, page: HistoryPage, wanted: Filter | None = None) -> Outcome:
    """Bring a client to the latest publication that is ``wanted``, whatever it missed before.

    ``page`` holds the latest publications, newest first: one, or those among which the wanted
    one is looked for.
    """
    top = page.top
    has_it = asked.offset > 0 and asked.offset == top.offset and asked.epoch == top.epoch
    if not page.publications:
        return Outcome(has_it, [])
    if page.publications[0].offset != top.offset:
        return Outcome(False, [])
    found = (each for each in page.publications if wanted is None or wanted(each.tags))
    latest = None if has_it else next(found, None)
    return Outcome(True, [] if latest is None else [latest])


def _reaches(missed: Sequence[Publication], offset: int, top: int) -> bool:
    """Tell whether ``missed`` leads from ``offset`` to ``top`` without a hole."""
    if not missed:
        return offset == top
    return (
        missed[0].offset == offset + 1 and missed[-1].offset == top and len(missed) == top - offset
    )
