"""Messages in frames, and reasons in close frames."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.protocol.frames import (
    Incomplete,
    cut_reason,
    gather,
    with_length,
    without_lengths,
)
from tests.protocol.strategies import REASONS

MESSAGES = st.lists(st.integers(0, 40_000).map(bytes))


@given(MESSAGES, st.sampled_from([b"", b"\n"]))
def test_messages_are_gathered_in_frames_of_at_most_64_kib(
    messages: list[bytes], separator: bytes
) -> None:
    frames = gather(messages, separator)
    assert separator.join(frames) == separator.join(messages)
    assert all(len(frame) <= 65536 for frame in frames)
    for frame, following in pairwise(frames):
        assert len(frame) + len(following) > 25_536  # the next message was too large for it


def test_a_message_above_64_kib_is_a_frame_of_its_own() -> None:
    big = bytes(70_000)
    assert gather([b"a", b"b", big, b"c"], b"") == [b"ab", big, b"c"]
    assert gather([big], b"") == [big]


def test_frames_are_filled_to_64_kib_exactly() -> None:
    assert len(gather([bytes(32768), bytes(32768)], b"")) == 1
    assert len(gather([bytes(32768), bytes(32769)], b"")) == 2
    assert len(gather([bytes(32768), bytes(32768)], b"\n")) == 2


@pytest.mark.parametrize(
    ("length", "varint"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"), (16384, "808001")],
)
def test_the_length_in_front_is_a_varint(length: int, varint: str) -> None:
    assert with_length(bytes(length)) == bytes.fromhex(varint) + bytes(length)


@given(MESSAGES)
def test_messages_come_back_out_of_a_frame(messages: list[bytes]) -> None:
    assert list(without_lengths(b"".join(map(with_length, messages)))) == messages


@given(st.lists(st.binary(max_size=300), min_size=1), st.data())
def test_of_a_frame_cut_short_the_whole_messages_come_out(
    messages: list[bytes], data: st.DataObject
) -> None:
    last = with_length(messages[-1])
    kept = data.draw(st.integers(1, max(1, len(last) - 1)))
    frame = b"".join(map(with_length, messages[:-1])) + last[:kept]
    found = []
    try:
        for message in without_lengths(frame):
            found.append(message)  # noqa: PERF402 - what came before the error counts
    except Incomplete:
        assert found == messages[:-1]
    else:
        assert kept == len(last)


@pytest.mark.parametrize(
    "length", ["80", "ffffffffff", "80808080808080", "8080808008", "ffffffff7f"]
)
def test_a_length_that_does_not_end_or_is_absurd_is_refused(length: str) -> None:
    with pytest.raises(Incomplete, match="expected the length of a message at byte 3"):
        list(without_lengths(with_length(b"ab") + bytes.fromhex(length)))


def test_what_was_expected_is_named_for_the_log() -> None:
    with pytest.raises(Incomplete, match="expected a message of 5 bytes at byte 1, got 2"):
        list(without_lengths(b"\x05ab"))


@given(REASONS)
def test_a_reason_fits_a_close_frame_and_is_cut_between_characters(reason: str) -> None:
    told = cut_reason(reason)
    assert len(told.encode()) <= 123
    whole = reason.encode("utf-8", "replace").decode()
    assert whole.startswith(told)
    if told != whole:
        assert len(told.encode()) > 119
