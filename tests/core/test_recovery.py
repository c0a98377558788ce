"""Is the gap closed: the rules of modern.md 10.3 and 10.4 and classic.md 4.9, as functions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.core.ports import HistoryPage
from girandola.core.recovery import recover_cache, recover_stream
from girandola.model import Publication, StreamPosition
from girandola.protocol.commands import Recovery


def page(first: int, top: int, last: int | None = None, *, kept: bool = True) -> HistoryPage:
    """Return the publications ``first`` to ``last`` of a stream that stands at ``top``."""
    offsets = range(first, (top if last is None else last) + 1) if kept else ()
    publications = [Publication(b"", offset=offset, uid=f"u{offset}") for offset in offsets]
    return HistoryPage(publications, StreamPosition(top, "E"))


def asked(offset: int = 0, epoch: str = "E", since_uid: str = "") -> Recovery:
    return Recovery(recover=True, offset=offset, epoch=epoch, since_uid=since_uid)


def nowhere(since_uid: str = "") -> Recovery:
    """Return what a client of 2018 asks that does not know where it stands."""
    return Recovery(recover=True, since_uid=since_uid, knows_position=False)


def offsets(publications: list[Publication]) -> list[int]:
    return [publication.offset for publication in publications]


# ── streams ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("since", "epoch", "found", "recovered"),
    [
        (3, "E", page(4, 5), True),
        (3, "", page(4, 5), True),
        (5, "E", page(6, 5), True),
        (0, "", page(1, 5), True),
        (0, "E", page(1, 0), True),
        (3, "F", page(4, 5), False),
        (5, "F", page(6, 5), False),
        (3, "E", page(5, 5), False),
        (3, "E", page(4, 9, last=6), False),
        (3, "E", page(4, 5, kept=False), False),
        (7, "E", page(8, 5), False),
    ],
    ids=[
        "all there",
        "epoch unknown to the client",
        "up to date",
        "from the beginning",
        "nothing published yet",
        "another epoch",
        "another epoch, same offset",
        "first one gone",
        "more than the limit",
        "all gone",
        "ahead of the stream",
    ],
)
def test_a_gap_is_closed_or_it_is_not(
    since: int, epoch: str, found: HistoryPage, recovered: bool
) -> None:
    """Modern clients get all that was missed, or nothing."""
    outcome = recover_stream(asked(since, epoch), found, partial=False)
    assert outcome.recovered is recovered
    assert outcome.publications == (found.publications if recovered else [])


def test_a_hole_within_the_page_is_a_gap() -> None:
    found = page(4, 6)
    del found.publications[1]
    assert not recover_stream(asked(3), found, partial=False).recovered


@given(
    top=st.integers(0, 20),
    kept=st.integers(0, 20),
    since=st.integers(0, 25),
    epoch=st.sampled_from(["", "E", "F"]),
)
def test_who_recovers_then_has_every_publication_once(
    top: int, kept: int, since: int, epoch: str
) -> None:
    first = max(since + 1, top - kept + 1, 1)
    outcome = recover_stream(asked(since, epoch), page(first, top), partial=False)
    if outcome.recovered:
        assert epoch != "F"
        assert [*range(1, since + 1), *offsets(outcome.publications)] == [*range(1, top + 1)]
    else:
        assert epoch == "F" or since > top or first > since + 1
        assert outcome.publications == []


@pytest.mark.parametrize(
    ("position", "sent", "recovered"),
    [
        (asked(4, "E", "x"), [5, 6], True),
        (asked(4), [5, 6], True),
        (asked(6, "E", "x"), [], True),
        (asked(2, "E", "x"), [3, 4, 5, 6], True),
        (asked(1, "E", "x"), [3, 4, 5, 6], False),
        (asked(4, "F", "x"), [3, 4, 5, 6], False),
        (asked(4, "F", "u4"), [5, 6], True),
        (nowhere("u4"), [5, 6], True),
        (nowhere("u6"), [], True),
        (nowhere("unknown"), [3, 4, 5, 6], False),
        (nowhere(), [3, 4, 5, 6], False),
    ],
    ids=[
        "all there",
        "all there, without a message id",
        "up to date",
        "just there",
        "too old",
        "another epoch",
        "by a message id that looks like a position",
        "by a message id",
        "by the latest message id",
        "by an unknown message id",
        "saw nothing",
    ],
)
def test_an_older_client_gets_what_there_is(
    position: Recovery, sent: list[int], recovered: bool
) -> None:
    """Everything kept where something is missing, without being called recovered."""
    outcome = recover_stream(position, page(3, 6), partial=True)
    assert (outcome.recovered, offsets(outcome.publications)) == (recovered, sent)


@pytest.mark.parametrize("seen", ["", "unknown"])
def test_who_does_not_know_where_it_stands_has_not_recovered_though_it_gets_all(seen: str) -> None:
    outcome = recover_stream(nowhere(seen), page(1, 3), partial=True)
    assert (outcome.recovered, offsets(outcome.publications)) == (False, [1, 2, 3])


# ── caches ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("position", "found", "sent", "recovered"),
    [
        (asked(), page(5, 5), [5], True),
        (asked(3), page(5, 5), [5], True),
        (asked(5), page(5, 5), [], True),
        (asked(5, "F"), page(5, 5), [5], True),
        (asked(5), page(5, 5, kept=False), [], True),
        (asked(4), page(5, 5, kept=False), [], False),
        (asked(5, "F"), page(5, 5, kept=False), [], False),
        (asked(0), page(0, 0, kept=False), [], False),
        (asked(3), page(4, 5, last=4), [], False),
    ],
    ids=[
        "from nowhere",
        "behind",
        "up to date",
        "of another epoch",
        "evicted, but up to date",
        "evicted and behind",
        "evicted, of another epoch",
        "nothing published yet",
        "the latest one is gone",
    ],
)
def test_a_cache_brings_a_client_to_the_latest_publication(
    position: Recovery, found: HistoryPage, sent: list[int], recovered: bool
) -> None:
    outcome = recover_cache(position, found)
    assert (outcome.recovered, offsets(outcome.publications)) == (recovered, sent)
