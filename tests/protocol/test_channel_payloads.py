"""Publications, joins and leaves in a channel's PUB/SUB: literal bytes, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.protocol.channel_payloads import (
    JoinPayload,
    LeavePayload,
    PublicationPayload,
    read_kept,
    read_payload,
    read_positioned,
    write_join,
    write_leave,
    write_publication,
)
from girandola.protocol.internode import Unreadable

ANNA = ClientInfo("42", "c1", b'{"n":1}')
ANNA_BYTES = b'\x0a\x0242\x12\x02c1\x1a\x07{"n":1}'
MESSAGE = b"\x22\x02{}\x2a\x11" + ANNA_BYTES + b"\x3a\x06\x0a\x01k\x12\x01v\x48\x05"


def test_a_publication_is_written_as_centrifugo_writes_it() -> None:
    sent = Publication(b"{}", info=ANNA, tags={"k": "v"}, time=5, client="c1")
    assert write_publication(sent) == MESSAGE
    assert read_payload(MESSAGE) == PublicationPayload(sent)


def test_where_no_history_is_kept_the_message_itself_asks_for_a_delta() -> None:
    assert write_publication(Publication(b"{}"), delta=True) == b"\x22\x02{}\x40\x01"


def test_the_place_in_the_stream_stands_before_a_publication() -> None:
    got = read_payload(b"__p1:7:abcd__" + MESSAGE)
    assert isinstance(got, PublicationPayload)
    assert (got.publication.offset, got.publication.epoch) == (7, "abcd")
    assert got.publication.data == b"{}"
    assert read_positioned(b"__p1:7:abcd__" + MESSAGE) == got.publication
    assert read_kept(MESSAGE, StreamPosition(7, "abcd")) == got.publication


def test_a_place_inside_the_message_wins_over_the_one_before_it() -> None:
    got = read_positioned(b"__p1:7:abcd__" + b"\x22\x02{}\x30\x09\x72\x02xy")
    assert (got.offset, got.epoch) == (9, "xy")


@pytest.mark.parametrize(
    ("before", "base"),
    [
        (b"", b""),
        (b"\x22\x03old", b"old"),
        (b"__p1:6:abcd__\x22\x03old", b"old"),
        (b"\xff\xff", b""),
    ],
    ids=["none", "of a stream", "of a list", "unreadable"],
)
def test_the_publication_before_comes_along_for_deltas(before: bytes, base: bytes) -> None:
    payload = b"__d1:7:abcd:%d:%s:%d:%s" % (len(before), before, len(MESSAGE), MESSAGE)
    got = read_payload(payload)
    assert isinstance(got, PublicationPayload)
    assert (got.publication.offset, got.base) == (7, base)


def test_joins_and_leaves_say_who_it_is() -> None:
    assert write_join(ANNA) == b"__j__" + ANNA_BYTES
    assert write_leave(ANNA) == b"__l__" + ANNA_BYTES
    assert read_payload(b"__j__" + ANNA_BYTES) == JoinPayload(ANNA)
    assert read_payload(b"__l__" + ANNA_BYTES) == LeavePayload(ANNA)


def test_ids_for_clients_of_2018_travel_along() -> None:
    sent = Publication(b"{}", uid="u1", client="c9")
    got = read_payload(write_publication(sent))
    assert isinstance(got, PublicationPayload)
    assert (got.publication.uid, got.publication.client) == ("u1", "c9")


@pytest.mark.parametrize(
    "payload",
    [
        b"__",
        b"__x__",
        b"__p1:7__",
        b"__p1:x:e__",
        b"__p1:7:\xff__",
        b"__p1:7:e",
        b"__d1:7:e:1",
        b"__d1:7:e:9:a:1:b",
        b"__d1:7:e:0::2:b",
        b"__p1:7:e__\xff",
        b"__j__\xff",
        b"\xff",
    ],
)
def test_what_says_nothing_known_is_refused(payload: bytes) -> None:
    with pytest.raises(Unreadable):
        read_payload(payload)


@given(
    st.sampled_from([b"", b"__p1:", b"__d1:", b"__j__", b"__l__"]),
    st.binary(max_size=100),
)
def test_any_bytes_are_a_payload_or_refused(prefix: bytes, rest: bytes) -> None:
    try:
        read_payload(prefix + rest)
    except Unreadable:
        return
