"""Which publications go out as deltas, and how the JSON codec writes them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.protocol import commands, deltas, fossil
from girandola.protocol.v2_json import V2_JSON
from tests.protocol.strategies import PAYLOADS

assert V2_JSON.deltas is not None
FULL, DELTA = V2_JSON.deltas.full, V2_JSON.deltas.delta

OLD = '{"name": "Größe, a name that stays",\n "price": 100}'.encode()
NEW = '{"name": "Größe, a name that stays",\n "price": 250}'.encode()


def pub_of(message: bytes) -> dict[str, Any]:
    pub: dict[str, Any] = json.loads(message)["push"]["pub"]
    return pub


def read(pub: dict[str, Any], base: bytes) -> bytes:
    """Return the payload, as the client libraries read it."""
    data = pub["data"].encode()
    return fossil.apply(base, data) if pub.get("delta") else data


def test_full_data_is_a_string_that_holds_every_byte() -> None:
    publication = Publication(NEW, offset=2, base=OLD)
    assert FULL.push("c", publication).decode() == (
        '{"push":{"channel":"c","pub":{"data":"{\\"name\\": \\"Größe, a name that stays\\",\\n '
        '\\"price\\": 250}","offset":2}}}'
    )


def test_a_delta_is_a_string_too() -> None:
    publication = Publication(
        NEW, ClientInfo("42", "c1"), offset=2, tags={"k": "v"}, base=OLD, epoch="E"
    )
    assert DELTA.push("c", publication).decode() == (
        '{"push":{"channel":"c","pub":{"data":"q\\nm@0,4:250}3I9Fzw;",'
        '"info":{"user":"42","client":"c1"},"offset":2,"tags":{"k":"v"},"delta":true}}}'
    )


def test_without_a_base_everything_goes_out_in_full() -> None:
    publication = Publication(NEW, offset=2)
    assert DELTA.push("c", publication) == FULL.push("c", publication)


def test_a_delta_that_is_no_shorter_is_not_sent() -> None:
    publication = Publication(b'{"a":1}', offset=2, base=b'{"a":2}')
    assert DELTA.push("c", publication) == FULL.push("c", publication)


def test_an_empty_payload_is_null_and_no_base_of_anything() -> None:
    """Clients parse what they get, and nothing cannot be parsed."""
    for encoding in (FULL, DELTA):
        pub = pub_of(encoding.push("c", Publication(b"", offset=2, base=OLD)))
        assert pub == {"data": "null", "offset": 2}
    pub = pub_of(DELTA.push("c", Publication(NEW, offset=3, base=b"")))
    assert "delta" not in pub


@pytest.mark.parametrize("data", [b"\x00\x01", b"{", b'"\xff' + b"x" * 50, OLD[:-1]])
def test_what_is_not_json_is_null_and_no_base_of_anything(data: bytes) -> None:
    """Clients hold ``null``, and a delta to something else could not be applied."""
    for encoding in (FULL, DELTA):
        pub = pub_of(encoding.push("c", Publication(data, offset=2, base=OLD)))
        assert pub == {"data": "null", "offset": 2}
    assert "delta" not in pub_of(DELTA.push("c", Publication(OLD, offset=3, base=data)))


def test_other_pushes_are_as_ever() -> None:
    join = commands.Join(ClientInfo("42", "c1"))
    assert FULL.push("c", join) == DELTA.push("c", join) == V2_JSON.push("c", join)


@given(PAYLOADS, PAYLOADS)
def test_a_client_reads_what_was_published(base: bytes, data: bytes) -> None:
    publication = Publication(data, offset=2, base=base)
    for encoding in (FULL, DELTA):
        message = encoding.push("c", publication)
        assert b"\n" not in message
        assert read(pub_of(message), base) == data


@given(st.lists(PAYLOADS, min_size=1), st.booleans())
def test_recovered_publications_are_based_on_each_other(payloads: list[bytes], text: bool) -> None:
    """The first is full; the list as a whole needs no base."""
    publications = [Publication(data, offset=i + 1) for i, data in enumerate(payloads)]
    found = list(deltas.of_recovered(publications, text=text))
    assert [each for each, _ in found] == publications
    base = b""
    for publication, delta in found:
        assert not delta or base
        assert len(delta) < len(publication.data)
        base = fossil.apply(base, delta) if delta else publication.data
        assert base == publication.data
    assert not found[0][1]


def test_only_so_much_is_compared_for_one_reply() -> None:
    """What comes after is sent in full, and is no base of a delta that nobody looked for."""
    data = b"x" * (deltas.MAX_RECOVERED // 4)
    found = list(deltas.of_recovered([Publication(data)] * 6, text=False))
    assert [bool(delta) for _, delta in found] == [False, True, True, True, False, False]


def subscribed(*, delta: bool) -> dict[str, Any]:
    result = commands.Subscribed(
        position=StreamPosition(1, "E"),
        top=StreamPosition(3, "E"),
        recoverable=True,
        positioned=True,
        recovered=True,
        was_recovering=True,
        publications=[Publication(OLD, offset=2), Publication(NEW, offset=3)],
        delta=delta,
    )
    reply = V2_JSON.reply(commands.Reply(commands.Subscribe(id=1, channel="c"), result))
    answer: dict[str, Any] = json.loads(reply)["subscribe"]
    return answer


def test_a_reply_tells_that_deltas_were_agreed_on_and_recovers_by_them() -> None:
    answer = subscribed(delta=True)
    assert answer["delta"] is True
    first, second = answer["publications"]
    assert first == {"data": OLD.decode(), "offset": 2}
    assert second["delta"] is True
    assert second["offset"] == 3
    assert read(second, OLD) == NEW


def test_a_reply_without_deltas_does_not_speak_of_them() -> None:
    answer = subscribed(delta=False)
    assert "delta" not in answer
    assert answer["publications"][1] == {"data": json.loads(NEW), "offset": 3}
