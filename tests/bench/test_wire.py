"""What the load says is what servers understand, and it understands what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.auth.jwt import Verifier
from girandola.bench import wire
from girandola.net.websocket import Opcode, frame
from girandola.options import TokenOptions
from girandola.protocol import commands as say
from girandola.protocol.v2_json import V2_JSON


def test_a_payload_has_the_size_asked_for_and_says_when_it_was_sent() -> None:
    assert wire.payload(1234567, 60) == b'{"at":"0000000001234567","x":"' + b"a" * 28 + b'"}'
    assert len(wire.payload(0)) == 128


@given(st.lists(st.integers(0, 10**16 - 1), max_size=5))
def test_the_times_of_all_messages_are_found(times: list[int]) -> None:
    data = b"".join(b'{"push":{"pub":{"data":%b}}}\n' % wire.payload(time) for time in times)
    assert list(wire.stamps(data)) == times
    assert data.count(wire.MARK) == len(times)


@given(st.lists(st.binary(max_size=70_000), max_size=3), st.integers(0, 20))
def test_frames_of_a_server_are_told_apart(payloads: list[bytes], missing: int) -> None:
    data = b"".join(frame(Opcode.TEXT, payload) for payload in payloads)
    assert wire.split_frames(data) == (payloads, b"")
    cut = data[: max(0, len(data) - missing)]
    whole, rest = wire.split_frames(cut)
    assert whole == payloads[: len(whole)]
    assert b"".join(frame(Opcode.TEXT, payload) for payload in whole) + rest == cut


def test_a_close_frame_is_an_error_that_names_its_code() -> None:
    with pytest.raises(wire.ProtocolError, match="closed with 3500 invalid token"):
        wire.split_frames(b"\x88\x0f" + (3500).to_bytes(2, "big") + b"invalid token")


def test_the_first_frame_connects_and_subscribes() -> None:
    text = wire.commands("T", ["a", "b"], {"b": (7, "E")})
    assert text[:2] == b"\x81\xfe"
    assert text[4:8] == b"\0\0\0\0"
    assert V2_JSON.decode(text[8:]) == [
        say.Connect(id=1, token="T"),
        say.Subscribe(id=2, channel="a"),
        say.Subscribe(id=3, channel="b", recovery=say.Recovery(recover=True, offset=7, epoch="E")),
    ]


def test_frames_of_every_length_are_masked_with_zeros() -> None:
    assert wire.frame(b"{}") == wire.PONG == b"\x81\x82\0\0\0\0{}"
    assert wire.frame(b"a" * 126)[:8] == b"\x81\xfe\x00\x7e\0\0\0\0"
    assert wire.frame(b"a" * 65536)[:14] == b"\x81\xff" + (65536).to_bytes(8, "big") + b"\0" * 4


async def test_a_token_is_one_that_servers_accept() -> None:
    verifier = Verifier(TokenOptions(hmac_secret_key="key"), time=lambda: 0.0)
    assert (await verifier.connection_token(wire.token("key", "alice"))).user == "alice"


def test_an_api_request_is_written_whole() -> None:
    body = wire.publish_body("news", 5, 60)
    assert wire.api_head("h", 80, "/api/publish", "K", len(body)) == (
        b"POST /api/publish HTTP/1.1\r\nHost: h:80\r\nX-API-Key: K\r\n"
        b"Content-Type: application/json\r\nContent-Length: 86\r\n\r\n"
    )
    assert body == b'{"channel":"news","data":' + wire.payload(5, 60) + b"}"


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + b'{"result":{}}',
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_a_response_is_whole_with_its_last_byte(response: bytes) -> None:
    assert wire.is_whole_response(response)
    for length in range(len(response)):
        assert not wire.is_whole_response(response[:length])


def test_a_refusal_is_an_error_that_names_its_status() -> None:
    with pytest.raises(wire.ProtocolError, match=r"HTTP/1\.1 401 Unauthorized"):
        wire.is_whole_response(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
