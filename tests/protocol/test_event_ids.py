"""Event ids: what they say, and that nothing a stranger writes there is believed to be one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.model import Publication, StreamPosition
from girandola.protocol import commands
from girandola.protocol.event_ids import (
    MAX_ID,
    V2_JSON_EVENTS,
    Placed,
    Places,
    decode_id,
    encode_id,
    moved,
)
from girandola.protocol.v2_one_way import V2_JSON_ONE_WAY

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
PLACES = st.dictionaries(
    TEXTS, st.builds(StreamPosition, st.integers(0, 2**64 - 1), TEXTS), max_size=10
)


def at(offset: int, epoch: str = "E") -> StreamPosition:
    return StreamPosition(offset, epoch)


def after(places: Places, *messages: bytes) -> Places:
    for message in messages:
        if isinstance(message, Placed):
            places = moved(places, message)
    return places


def pub(channel: str, offset: int) -> bytes:
    return V2_JSON_EVENTS.push(channel, Publication(b"1", offset=offset, epoch="E"))


def entered(*channels: str) -> bytes:
    subs = {
        channel: commands.Subscribed(recoverable=True, positioned=True, top=at(0))
        for channel in channels
    }
    connected = commands.Connected(client="c", version="v", subs=subs)
    return V2_JSON_EVENTS.reply(commands.Reply(commands.Connect(), connected))


# ── the text ─────────────────────────────────────────────────────────────────────────────────


def test_an_id_is_a_list_of_epoch_offset_and_channel() -> None:
    assert encode_id({}) == ""
    places = {"news": at(7, "aBcD"), "chat:room #1, ü": at(0, "x:y")}
    text = "aBcD:7:news,x%3Ay:0:chat%3Aroom%20%231%2C%20%C3%BC"
    assert encode_id(places) == text
    assert decode_id(text) == places
    assert decode_id("") == {}


@given(PLACES)
def test_an_id_reads_back_as_it_was_written_and_goes_into_a_header(places: Places) -> None:
    text = encode_id(places)
    assert text.isascii()
    assert text.isprintable()
    if len(places) < 4:
        assert decode_id(text) == places


def test_a_long_id_leaves_out_what_changed_longest_ago() -> None:
    places = {f"{number:0>200}": at(number) for number in range(100)}
    text = encode_id(places)
    assert MAX_ID - 250 < len(text) <= MAX_ID
    kept = list(decode_id(text))
    assert kept == list(places)[-len(kept) :]
    assert 15 < len(kept) < 25


@pytest.mark.parametrize(
    "text",
    [
        "5",
        "news",
        "E:1",
        "E:1:",
        ":1:news",
        "E::news",
        "E:-1:news",
        "E:١:news",
        "E:1.5:news",
        "E:18446744073709551616:news",
        "E:999999999999999999999:news",
        "E:1:news,",
        "E:1:a:b",
        "E:1:" + "x" * MAX_ID,
    ],
)
def test_what_is_no_id_of_ours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        decode_id(text)


@given(st.text(max_size=200))
def test_reading_never_fails_in_another_way(text: str) -> None:
    try:
        places = decode_id(text)
    except ValueError:
        return
    assert all(channel and place.epoch for channel, place in places.items())


# ── where a reader stands ────────────────────────────────────────────────────────────────────


def test_messages_are_those_of_any_one_way_client() -> None:
    publication = Publication(b"1", offset=3, epoch="E")
    assert pub("news", 3) == V2_JSON_ONE_WAY.push("news", publication)
    assert V2_JSON_EVENTS.push("", commands.Refreshing()) == V2_JSON_ONE_WAY.push(
        "", commands.Refreshing()
    )
    assert (
        V2_JSON_EVENTS.push("news", publication)
        == b'{"channel":"news","pub":{"data":1,"offset":3}}'
    )


def test_a_reader_enters_with_the_connect_and_goes_on_with_publications() -> None:
    places = after({}, entered("a", "b"))
    assert places == {"a": at(0), "b": at(0)}
    assert list(after(places, pub("a", 1), pub("a", 2))) == ["b", "a"]
    assert after(places, pub("a", 1), pub("a", 2)) == {"a": at(2), "b": at(0)}


def test_what_was_recovered_in_the_connect_counts() -> None:
    sub = commands.Subscribed(
        recoverable=True, recovered=True, position=at(3), top=at(5), publications=[]
    )
    connected = commands.Connected(client="c", version="v", subs={"a": sub})
    message = V2_JSON_EVENTS.reply(commands.Reply(commands.Connect(), connected))
    assert after({}, message) == {"a": at(5)}


def test_a_runtime_subscription_enters_and_its_end_leaves() -> None:
    enters = V2_JSON_EVENTS.push("a", commands.SubscribedByServer(recoverable=True, position=at(4)))
    places = after({}, enters, pub("a", 5))
    assert places == {"a": at(5)}
    why = commands.Unsubscribed(commands.UnsubscribeCode(2000, ""))
    assert after(places, V2_JSON_EVENTS.push("a", why)) == {}


def test_channels_that_do_not_recover_are_not_remembered() -> None:
    sub = commands.Subscribed(positioned=True, top=at(5))
    connected = commands.Connected(client="c", version="v", subs={"a": sub})
    message = V2_JSON_EVENTS.reply(commands.Reply(commands.Connect(), connected))
    push = V2_JSON_EVENTS.push("b", commands.SubscribedByServer(positioned=True, position=at(4)))
    assert after({}, message, pub("a", 6), push, pub("b", 5)) == {}


def test_what_has_no_place_changes_nothing() -> None:
    places = after({}, entered("a"))
    without = V2_JSON_EVENTS.push("a", Publication(b"1"))
    assert not isinstance(without, Placed)
    assert after(places, without, V2_JSON_EVENTS.ping, pub("b", 1)) is places


def test_places_are_never_changed_in_place() -> None:
    places = after({}, entered("a"))
    after(places, pub("a", 1))
    assert places == {"a": at(0)}
