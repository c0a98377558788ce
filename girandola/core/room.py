"""What an answer may bring: as much as the queue of its client takes.

An answer is one message. A client that cannot be sent it would be closed as slow, come back and ask
for the same, for ever; so an answer is cut to what fits, in a way that the client is told of. Pure
bookkeeping: sizes are estimated before anything is encoded.
"""

from collections.abc import Iterable
from itertools import accumulate

from girandola.core.recovery import Outcome
from girandola.model import ClientInfo, Publication
from girandola.protocol.commands import Connected, Result, Subscribed

FREE = 4
"""One part in so many of a queue stays free of what is recovered, for what comes meanwhile."""
AROUND = 160
"""Bytes that stand around the payloads of a publication: names of fields, offset, message id."""


def weight(publication: Publication, escaped: bool) -> int:
    """Return about how many bytes a publication takes in an answer, rather more than less.

    ``escaped``: its data stands in a JSON string.
    """
    info = publication.info
    return (
        AROUND
        + len(publication.data) * (2 if escaped else 1)
        + (0 if info is None else _weight_of_info(info))
        + sum(len(key) + len(value) + 6 for key, value in (publication.tags or {}).items())
    )


def _weight_of_info(info: ClientInfo) -> int:
    return len(info.user) + len(info.client) + len(info.conn_info) + len(info.chan_info)


def total(publications: Iterable[Publication], escaped: bool = False) -> int:
    """Return about how many bytes publications take in an answer."""
    return sum(weight(publication, escaped) for publication in publications)


def first(publications: list[Publication], room: int) -> list[Publication]:
    """Return as many of the first publications as fit into ``room`` bytes, but at least one."""
    sizes = accumulate(weight(publication, False) for publication in publications)
    return publications[: max(1, sum(size <= room for size in sizes))]


def fitting(outcome: Outcome, room: int, *, partial: bool, escaped: bool) -> Outcome:
    """Return an outcome whose publications fit into ``room`` bytes.

    Where they do not, nothing is recovered: the client is told, and loads what it missed from
    elsewhere. Generations that take what is left (``partial``) get the newest that fit.
    """
    if total(outcome.publications, escaped) <= room:
        return outcome
    if not partial:
        return Outcome(False, [])
    newest = first(outcome.publications[::-1], room)[::-1]
    return Outcome(False, newest if total(newest) <= room else [])


def leave_out(result: Result) -> bool:
    """Take what was recovered out of an answer that is too large all the same.

    Returns whether there was anything. The position is the newest then, as for any client that
    did not recover.
    """
    subs = [result] if isinstance(result, Subscribed) else []
    if isinstance(result, Connected):
        subs = list(result.subs.values())
    found = any(sub.publications for sub in subs)
    for sub in subs:
        if sub.publications:
            sub.publications, sub.recovered, sub.position = [], False, sub.top
    return found
