"""Which payloads come in: what a channel's ``publication_data_format`` asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.model import Publication
from girandola.protocol.codec import Codec
from girandola.protocol.negotiation import PROTOCOLS
from girandola.protocol.payloads import fits
from tests.protocol.strategies import PAYLOADS

CHANNEL_ENCODINGS = [codec for codec in PROTOCOLS if "one-way" not in codec.name]


@given(st.binary(min_size=1))
def test_anything_but_nothing_fits_where_nothing_is_asked_for(data: bytes) -> None:
    assert fits(data, "")
    assert fits(data, "binary")
    assert not fits(b"", "")
    assert fits(b"", "binary")


@given(PAYLOADS, st.sampled_from([b"", b" \t\r\n"]))
def test_an_object_is_json_and_begins_with_its_brace(payload: bytes, space: bytes) -> None:
    data = space + payload
    assert fits(data, "json")
    assert fits(data, "json_object") is payload.startswith(b"{")


@pytest.mark.parametrize("codec", CHANNEL_ENCODINGS, ids=lambda codec: codec.name)
@given(
    data=PAYLOADS
    | st.binary()
    | st.integers(200, 300).map(lambda depth: b"[" * depth + b"]" * depth)
)
def test_what_fits_as_json_can_be_sent_to_everybody(codec: Codec, data: bytes) -> None:
    if fits(data, "json"):
        assert codec.push("a", Publication(data))
