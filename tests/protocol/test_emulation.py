"""The emulation request in both encodings (modern.md section 1.5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.protocol.emulation import EmulationRequest, decode_emulation
from girandola.protocol.pb import client_pb2 as pb


def test_json_carries_the_frame_as_a_string() -> None:
    body = rb'{"session":"s","node":"n","data":"{\"id\":2}\n{\"a\":\"\u00fc\"}"}'
    frame = '{"id":2}\n{"a":"ü"}'.encode()
    assert decode_emulation(body, binary=False) == EmulationRequest("n", "s", frame)


def test_protobuf_carries_the_frame_as_it_is() -> None:
    body = b"\x0a\x01n\x12\x01s\x1a\x03\x02\x08\x05"
    assert decode_emulation(body, binary=True) == EmulationRequest("n", "s", b"\x02\x08\x05")


def test_unknown_fields_are_ignored() -> None:
    body = b'{"session":"s","node":"n","data":"","more":1}'
    assert decode_emulation(body, binary=False) == EmulationRequest("n", "s", b"")
    assert decode_emulation(b"\x0a\x01n\x22\x01x", binary=True) == EmulationRequest("n", "", b"")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'{"session":"s"}', b'{"session":1,"node":"n","data":""}', b"\xff"],
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decode_emulation(body, binary=False)


@given(st.binary(max_size=100), st.booleans())
def test_reading_never_fails_in_another_way(body: bytes, binary: bool) -> None:
    try:
        decode_emulation(body, binary=binary)
    except ValueError:
        pass


@given(st.binary(max_size=50))
def test_every_frame_comes_through(frame: bytes) -> None:
    body = pb.EmulationRequest(node="n", session="s", data=frame).SerializeToString()
    assert decode_emulation(body, binary=True).frame == frame
