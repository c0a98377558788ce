"""What the load says is what servers understand, and it understands what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.auth.jwt import Verifier
from girandola.bench import wire
from girandola.net.stream import chunk
from girandola.net.websocket import Opcode, frame
from girandola.options import TokenOptions
from girandola.protocol import commands as say
from girandola.protocol.emulation import decode_emulation
from girandola.protocol.v2_json import V2_JSON
from girandola.protocol.v2_one_way import V2_JSON_ONE_WAY
from girandola.protocol.v2_protobuf import V2_PROTOBUF


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


def test_the_first_frame_says_the_same_in_protobuf() -> None:
    text = wire.binary_commands("T" * 200, ["a", "b"])
    assert text[:2] == b"\x82\xfe"
    assert V2_PROTOBUF.decode(text[8:]) == [
        say.Connect(id=1, token="T" * 200),
        say.Subscribe(id=2, channel="a"),
        say.Subscribe(id=3, channel="b"),
    ]
    assert V2_PROTOBUF.decode(wire.binary_commands("", [])[6:]) == [say.Connect(id=1)]


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_messages_of_a_protobuf_frame_are_told_apart(messages: list[bytes]) -> None:
    framed = b"".join(_with_length(message) for message in messages)
    assert list(wire.split_messages(framed)) == messages


def _with_length(message: bytes) -> bytes:
    size = len(message)
    head = bytes((size,)) if size < 128 else bytes((size & 0x7F | 0x80, size >> 7))
    return head + message


def test_replies_are_known_by_their_id_and_an_error_among_them_raises() -> None:
    assert wire.is_binary_reply(b"\x08\x01\x2a\x00")
    assert not wire.is_binary_reply(b"\x22\x05hello")
    with pytest.raises(wire.ProtocolError, match="denied"):
        wire.is_binary_reply(b"\x08\x01\x12\x08\x12\x06denied")


def test_ping_frames_are_set_aside_where_they_are_expected() -> None:
    data = frame(Opcode.TEXT, b"a") + frame(Opcode.PING, b"ping") + frame(Opcode.TEXT, b"b")
    pings: list[bytes] = []
    assert wire.split_frames(data, wire.TEXT, pings) == ([b"a", b"b"], b"")
    assert pings == [b"ping"]
    with pytest.raises(wire.ProtocolError, match="0x89"):
        wire.split_frames(data)


# ── streams ──────────────────────────────────────────────────────────────────────────────────


def test_a_one_way_client_names_its_channels() -> None:
    said = wire.connect_request("T", ["a"])
    wanted = {"a": say.Recovery()}
    assert V2_JSON_ONE_WAY.decode(said) == [say.Connect(id=1, token="T", subs=wanted)]


@pytest.mark.parametrize(
    "message",
    [
        b'{"disconnect":{"code":3500,"reason":"invalid token"}}',
        b'{"connect":{"client":"c"}}',
        b'{"connect":{"subs":{"b":{}}}}',
        b"not JSON",
        b"[]",
    ],
)
def test_a_one_way_client_that_is_not_in_its_channels_is_an_error(message: bytes) -> None:
    with pytest.raises(wire.ProtocolError):
        wire.check_connected(message, ["a"])
    wire.check_connected(b'{"connect":{"subs":{"a":{}}}}', ["a"])


@given(st.lists(st.binary(min_size=1, max_size=600), max_size=4), st.integers(0, 20))
def test_chunks_are_told_apart(contents: list[bytes], missing: int) -> None:
    data = b"".join(map(chunk, contents))
    assert wire.split_chunks(data) == (b"".join(contents), b"", False)
    cut = data[: max(0, len(data) - missing)]
    whole, rest, ended = wire.split_chunks(cut)
    assert not ended
    assert wire.split_chunks(rest + data[len(cut) :]) == (
        b"".join(contents)[len(whole) :],
        b"",
        False,
    )


def test_the_last_chunk_and_what_is_no_chunk_are_noticed() -> None:
    assert wire.split_chunks(chunk(b"a") + b"0\r\n\r\n") == (b"a", b"", True)
    with pytest.raises(wire.ProtocolError, match="where a chunk begins"):
        wire.split_chunks(b"{}\r\n")


def test_messages_are_found_in_events_and_in_lines() -> None:
    events = [b"\r", b"id: x", b'data: {"a":1}', b"", b"data: {}"]
    assert list(wire.messages_of(events)) == [b'{"a":1}', b"{}"]
    assert list(wire.messages_of([b'{"a":1}', b"{}"])) == [b'{"a":1}', b"{}"]


def test_requests_for_streams_say_what_there_is_to_say_in_the_body_or_the_url() -> None:
    body = wire.stream_request("h", 80, "/s", b"{}")
    assert body.startswith(b"POST /s HTTP/1.1\r\n")
    assert body.endswith(b"Content-Length: 2\r\n\r\n{}")
    url = wire.event_source_request("h", 80, "/s", b'{"a": 1}\n{}')
    assert url.startswith(b"GET /s?cf_connect=%7B%22a%22%3A%201%7D%0A%7B%7D HTTP/1.1\r\n")


def test_a_pong_by_emulation_is_one_that_servers_understand() -> None:
    request = wire.emulation_request("h", 80, "/emulation", {"session": "S", "node": "N"}, b"{}")
    head, _, body = request.partition(wire.HEAD_END)
    assert head.startswith(b"POST /emulation HTTP/1.1")
    emulation = decode_emulation(body, binary=False)
    assert (emulation.session, emulation.node) == ("S", "N")
    assert V2_JSON.decode(emulation.frame) == [say.Pong()]


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
