"""Answers are cut to what fits, and say so."""

from hypothesis import given
from hypothesis import strategies as st

from girandola.core import room
from girandola.core.recovery import Outcome
from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.protocol.commands import (
    Connected,
    History,
    HistoryResult,
    Reply,
    Subscribe,
    Subscribed,
)
from girandola.protocol.v1_json import V1_JSON
from girandola.protocol.v2_json import V2_JSON
from girandola.protocol.v2_protobuf import V2_PROTOBUF
from tests.protocol.strategies import PUBLICATIONS

LISTS = st.lists(PUBLICATIONS, max_size=4)
ROOMS = st.integers(0, 3000)


@given(LISTS, ROOMS, st.booleans())
def test_what_is_recovered_is_all_or_nothing(
    publications: list[Publication], size: int, escaped: bool
) -> None:
    found = room.fitting(Outcome(True, publications), size, partial=False, escaped=escaped)
    assert found in (Outcome(True, publications), Outcome(False, []))
    assert found.recovered == (room.total(publications, escaped) <= size)


@given(LISTS, ROOMS)
def test_who_takes_what_is_left_gets_the_newest_that_fit(
    publications: list[Publication], size: int
) -> None:
    found = room.fitting(Outcome(True, publications), size, partial=True, escaped=False)
    count = len(found.publications)
    assert found.publications == publications[len(publications) - count :]
    assert room.total(found.publications) <= size or not publications
    assert found.recovered == (count == len(publications))
    if not found.recovered:
        assert room.total(publications[len(publications) - count - 1 :]) > size


@given(LISTS.filter(bool), ROOMS)
def test_a_page_holds_one_publication_at_least(publications: list[Publication], size: int) -> None:
    page = room.first(publications, size)
    assert page == publications[: len(page)]
    assert len(page) == 1 or room.total(page) <= size
    assert len(page) == len(publications) or room.total(publications[: len(page) + 1]) > size


def some(text: str) -> list[Publication]:
    info = ClientInfo("a user", "a client", b'{"a":1}', b"{}")
    return [
        Publication(b'{"t":"%b"}' % text.encode(), info, offset, "E", {"a": "b"})
        for offset in range(2**53, 2**53 + 50)
    ]


@given(st.text("ab \\", max_size=300).map(lambda text: text.replace("\\", "\\\\")))
def test_an_estimate_is_rather_more_than_less(text: str) -> None:
    """For every encoding; in JSON strings, too, where characters are escaped."""
    publications = some(text)
    history = Reply(History(id=1, channel="c"), HistoryResult(publications, StreamPosition()))
    for codec in (V2_JSON, V1_JSON, V2_PROTOBUF):
        assert len(codec.reply(history)) <= room.total(publications)
    deltas = Subscribed(delta=True, publications=publications)
    reply = V2_JSON.reply(Reply(Subscribe(id=1, channel="c"), deltas))
    assert len(reply) <= room.total(publications, escaped=True)


def test_an_answer_without_publications_has_nothing_to_leave_out() -> None:
    top = StreamPosition(4, "E")
    full = Subscribed(top=top, recovered=True, publications=[Publication(b"1")])
    connected = Connected(client="c", version="1", subs={"a": full, "b": Subscribed()})
    assert room.leave_out(connected)
    assert full == Subscribed(top=top, position=top)
    assert not room.leave_out(connected)
    assert not room.leave_out(full)
