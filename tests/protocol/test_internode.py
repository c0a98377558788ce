"""Messages between nodes: literal frames, and nothing that a neighbour sends raises a surprise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.model import NodeInfo, StreamPosition, Target
from girandola.protocol import internode as say

UID = b"\x0a\x02n1"
"""The field ``uid`` of a command, of the node "n1"."""


def field(number: int, body: bytes) -> bytes:
    """Return a short length-delimited field."""
    return bytes((number << 3 | 2, len(body))) + body


LITERAL = [
    (
        say.NodePing(
            NodeInfo(
                uid="n1",
                name="one",
                version="6",
                num_clients=3,
                num_users=2,
                num_channels=4,
                num_subs=5,
                uptime=9,
            )
        ),
        field(4, b"\x0a\x02n1\x12\x03one\x1a\x016\x20\x03\x28\x02\x30\x04\x38\x09\x50\x05"),
    ),
    (say.NodeGone(), b"\x3a\x00"),
    (
        say.Unsubscribe(target=Target(user="42"), channel="news", code=2000, reason="go"),
        field(5, b"\x0a\x04news\x12\x0242\x28\xd0\x0f\x32\x02go"),
    ),
    (
        say.Disconnect(target=Target(user="42", client="c"), code=3503, whitelist=("a", "b")),
        field(6, b"\x0a\x0242\x12\x01a\x12\x01b\x18\xaf\x1b\x32\x01c"),
    ),
    (
        say.Disconnect(target=Target(all_users=True), code=3001, reason="off"),
        field(6, b"\x18\xb9\x17\x22\x03off\x28\x01\x48\x01"),
    ),
    (
        say.Refresh(target=Target(user="42", session="s"), expire_at=7, info=b"{}"),
        field(12, b"\x0a\x0242\x20\x07\x2a\x02{}\x32\x01s"),
    ),
    (
        say.Subscribe(
            target=Target(user="42"),
            channel="news",
            presence=True,
            positioned=True,
            recoverable=True,
            recover_since=StreamPosition(3, "xy"),
        ),
        field(10, b"\x0a\x0242\x12\x04news\x18\x01\x30\x01\x38\x01\x5a\x06\x08\x03\x12\x02xy"),
    ),
    (say.Survey(7, "channels", b"q"), field(8, b"\x08\x07\x12\x08channels\x1a\x01q")),
    (say.SurveyAnswer(7, 3, b"a"), field(9, b"\x08\x07\x10\x03\x1a\x01a")),
    (say.Notification("op", b"d"), field(11, b"\x0a\x02op\x12\x01d")),
]


@pytest.mark.parametrize(("message", "body"), LITERAL)
def test_a_message_is_written_as_centrifugo_writes_it_and_read_again(
    message: say.Message, body: bytes
) -> None:
    assert say.write("n1", message) == UID + body
    assert say.read(UID + body) == ("n1", message)


def test_a_call_that_is_narrowed_by_labels_is_not_carried_out_for_all() -> None:
    frame = UID + field(6, b"\x18\xaf\x1b\x42\x02\x0a\x00\x48\x01")
    with pytest.raises(say.Unreadable, match="label_filter"):
        say.read(frame)


@pytest.mark.parametrize("frame", [b"", b"\xff", field(7, b""), UID])
def test_what_is_no_message_of_a_node_is_refused(frame: bytes) -> None:
    with pytest.raises(say.Unreadable):
        say.read(frame)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(frame: bytes) -> None:
    try:
        sender, message = say.read(frame)
    except say.Unreadable:
        return
    assert say.read(say.write(sender, message)) == (sender, message)


def test_channels_are_asked_for_and_counted_as_in_the_api() -> None:
    assert say.write_channels_query("a*") == b"\x0a\x02a*"
    assert say.read_channels_query(b"\x0a\x02a*") == "a*"
    assert say.write_channels({"a": 2}) == b"\x0a\x07\x0a\x01a\x12\x02\x08\x02"
    assert say.read_channels(b"\x0a\x07\x0a\x01a\x12\x02\x08\x02") == {"a": 2}


def test_an_answer_about_channels_that_is_none_is_refused() -> None:
    with pytest.raises(say.Unreadable):
        say.read_channels(b"\xff")
    with pytest.raises(say.Unreadable):
        say.read_channels_query(b"\xff")
