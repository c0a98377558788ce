"""WebSocket: the codec against the websockets package, and a connection on a fake transport."""

import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame
from websockets.frames import Opcode as TheirOpcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from girandola.net import websocket
from girandola.net.websocket import (
    FrameParser,
    Opcode,
    ProtocolError,
    WebSocketConnection,
    close_payload,
    frame,
    handshake_refusal,
    parse_close,
    select_subprotocol,
)
from tests.fakes import FakeClock
from tests.net.wire import FakeListener, FakeTransport, client_frame, cut

MAX_SIZE = 1000

# ── what two parsers make of the same bytes ──────────────────────────────────────────────────

Outcome = tuple[list[tuple[int, bytes]], int | None]
"""Events, and the close code of the error that ended them."""


def ours(pieces: list[bytes], max_size: int = MAX_SIZE) -> Outcome:
    """Parse with our codec; stop after a close frame, as its contract asks."""
    parser, events = FrameParser(max_size), []
    for piece in pieces:
        parser.feed(piece)
        try:
            while (event := parser.next_event()) is not None:
                if event[0] != Opcode.CONTINUATION:
                    events.append((int(event[0]), event[1]))
                if event[0] == Opcode.CLOSE:
                    return events, None
        except ProtocolError as error:
            return events, error.code
    return events, None


def theirs(data: bytes, max_size: int = MAX_SIZE) -> Outcome:
    """Parse with the websockets package, and put messages together from its frames.

    It leaves UTF-8 of text messages to the layer above, so that check is made here.
    """
    oracle = ServerProtocol(state=State.OPEN, max_size=max_size)
    oracle.receive_data(data)
    events: list[tuple[int, bytes]] = []
    message: list[Frame] = []
    for their_frame in oracle.events_received():
        assert isinstance(their_frame, Frame)
        if their_frame.opcode >= 8:
            events.append((int(their_frame.opcode), bytes(their_frame.data)))
            continue
        message.append(their_frame)
        if their_frame.fin:
            opcode, payload = int(message[0].opcode), b"".join(bytes(f.data) for f in message)
            message = []
            if opcode == Opcode.TEXT and not is_utf8(payload):
                return events, 1007
            events.append((opcode, payload))
    if oracle.parser_exc is None:
        return events, None
    if isinstance(oracle.parser_exc, UnicodeDecodeError):
        return events, 1007
    return events, 1009 if isinstance(oracle.parser_exc, PayloadTooBig) else 1002


def is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


# ── generated traffic ────────────────────────────────────────────────────────────────────────

masks = st.binary(min_size=4, max_size=4)
payloads = st.one_of(
    st.binary(max_size=40), st.binary(min_size=120, max_size=135), st.binary(max_size=MAX_SIZE)
)
texts = st.one_of(st.text(max_size=60), st.text(min_size=100, max_size=160)).map(
    lambda text: text.encode()
)
controls = st.builds(client_frame, st.sampled_from([9, 10]), st.binary(max_size=125), mask=masks)
codes = st.one_of(st.sampled_from([1000, 1001, 1003, 1007, 1011, 1014]), st.integers(3000, 4999))


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """One message, whole or in fragments, with control frames between them."""
    opcode = draw(st.sampled_from([Opcode.TEXT, Opcode.BINARY]))
    payload = draw(texts if opcode == Opcode.TEXT else payloads)[:MAX_SIZE]
    if opcode == Opcode.TEXT:
        payload = payload.decode(errors="ignore").encode()
    pieces = cut(payload, draw(st.lists(st.integers(0, MAX_SIZE), max_size=4))) or [b""]
    frames = b""
    for index, piece in enumerate(pieces):
        kind, last = (0 if index else int(opcode)), index == len(pieces) - 1
        frames += client_frame(kind, piece, fin=last, mask=draw(masks))
        # Not longer than what the oracle would still take of the message: it counts both alike.
        if not last and len(payload) + 125 <= MAX_SIZE:
            frames += b"".join(draw(st.lists(controls, max_size=2)))
    return frames


closes = st.builds(
    lambda code, reason, mask: client_frame(8, close_payload(code, reason), mask=mask),
    st.one_of(st.just(0), codes),
    st.text(max_size=30),
    masks,
)
traffic = st.builds(
    lambda frames, end: b"".join(frames) + end,
    st.lists(st.one_of(messages(), controls), max_size=6),
    st.one_of(st.just(b""), closes),
)
places = st.lists(st.integers(0, 100_000), max_size=8)

# Each is wrong in one way only, so that the order of checks does not matter.
broken_frames = st.one_of(
    st.builds(client_frame, st.integers(0, 2), st.binary(max_size=9), reserved=st.integers(1, 7)),
    st.builds(client_frame, st.sampled_from([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]), st.binary()),
    st.builds(client_frame, st.integers(1, 2), st.binary(max_size=9), mask=st.none()),
    st.builds(client_frame, st.sampled_from([8, 9, 10]), st.binary(max_size=0), fin=st.just(False)),
    st.builds(client_frame, st.sampled_from([9, 10]), st.binary(min_size=126, max_size=300)),
    st.builds(client_frame, st.just(0), st.binary(max_size=9)),
    st.builds(client_frame, st.just(2), st.binary(min_size=MAX_SIZE + 1, max_size=MAX_SIZE + 9)),
    st.just(client_frame(8, b"\x03")),
    st.builds(
        lambda code: client_frame(8, code.to_bytes(2, "big")),
        st.sampled_from([0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]),
    ),
    st.just(client_frame(8, b"\x03\xe8\xff")),
    st.builds(client_frame, st.just(1), st.sampled_from([b"\xff", b"a\xc3", b"\xed\xa0\x80"])),
    st.just(client_frame(1, b"a", fin=False) + client_frame(1, b"b")),
    st.just(client_frame(1, b"\xe2\x82", fin=False) + client_frame(0, b"x")),
    st.just(client_frame(2, b"a" * MAX_SIZE, fin=False) + client_frame(0, b"b")),
)


@given(traffic, places)
def test_what_a_client_sends_means_the_same_to_us_and_to_websockets(
    data: bytes, where: list[int]
) -> None:
    """However the network cuts it."""
    assert ours(cut(data, where)) == theirs(data)


@given(st.lists(messages(), max_size=3), broken_frames, places)
def test_a_broken_frame_is_refused_with_the_same_code_as_by_websockets(
    before: list[bytes], broken: bytes, where: list[int]
) -> None:
    """And what came before it is delivered all the same."""
    data = b"".join(before) + broken
    outcome = ours(cut(data, where))
    assert outcome == theirs(data)
    assert outcome[1] is not None


@given(traffic, st.integers(0, 5000), st.integers(0, 255), places)
def test_a_changed_byte_never_means_something_else_than_to_websockets(
    data: bytes, at: int, byte: int, where: list[int]
) -> None:
    """Where the two differ, it is one of the differences that we chose.

    - We refuse by a frame's first bytes; websockets waits for all of the frame. So it may have
      no verdict yet, or have found a length too big (1009) where a bit was wrong, too (1002).
    - A length of more than 63 bits is a broken frame to us, a big message to websockets.
    - websockets refuses a close frame in the middle of a message; RFC 6455 5.5 allows it.
    - websockets counts a control frame against the size of the message around it.
    """
    changed = data[: at % (len(data) + 1)] + bytes([byte]) + data[at % (len(data) + 1) + 1 :]
    our_events, our_code = ours(cut(changed, where))
    their_events, their_code = theirs(changed)
    if our_code == their_code:
        assert our_events == their_events
    elif our_code == 1002:
        assert their_code in {None, 1009}
        assert our_events == their_events
    else:
        assert our_code is None
        assert our_events[: len(their_events)] == their_events


@given(
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION]),
    st.one_of(payloads, st.integers(65530, 65540).map(bytes)),
    st.booleans(),
)
@settings(max_examples=60)
def test_the_frames_we_write_are_those_that_websockets_writes(
    opcode: Opcode, payload: bytes, fin: bool
) -> None:
    """Byte for byte."""
    expected = Frame(TheirOpcode(opcode), payload, fin=fin).serialize(mask=False)
    assert frame(opcode, payload, fin=fin) == expected


@given(st.lists(texts, max_size=5), st.one_of(st.just(0), codes), st.text(max_size=200))
def test_websockets_understands_a_whole_conversation_of_ours(
    sent: list[bytes], code: int, reason: str
) -> None:
    """Messages arrive as they are, and the close frame says why."""
    client = ClientProtocol(parse_uri("ws://test/"), state=State.OPEN)
    for payload in sent:
        client.receive_data(frame(Opcode.TEXT, payload))
    client.receive_data(frame(Opcode.PING, b"ping"))
    client.receive_data(frame(Opcode.CLOSE, close_payload(code, reason)))
    received = [event for event in client.events_received() if isinstance(event, Frame)]
    assert [bytes(f.data) for f in received if f.opcode == TheirOpcode.TEXT] == sent
    assert received[-2].opcode == TheirOpcode.PING
    assert client.close_rcvd is not None
    assert client.close_rcvd.code == (code or 1005)
    assert client.close_rcvd.reason == (
        reason.encode()[:123].decode(errors="ignore") if code else ""
    )


# ── single frames ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("written", "opcode", "payload"),
    [
        (b"\x81\x05Hello", Opcode.TEXT, b"Hello"),
        (b"\x8a\x05Hello", Opcode.PONG, b"Hello"),
        (b"\x82\x7e\x01\x00" + bytes(256), Opcode.BINARY, bytes(256)),
        (b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + bytes(65536), Opcode.BINARY, bytes(65536)),
    ],
)
def test_the_examples_of_rfc_6455_section_5_7_are_written(
    written: bytes, opcode: int, payload: bytes
) -> None:
    assert frame(opcode, payload) == written


def test_the_masked_example_of_rfc_6455_section_5_7_is_read() -> None:
    assert ours([bytes.fromhex("818537fa213d7f9f4d5158")]) == ([(1, b"Hello")], None)


@pytest.mark.parametrize("between", [b"", client_frame(9)])
def test_a_new_message_inside_an_unfinished_one_is_refused(between: bytes) -> None:
    """Also when it begins with a read of its own, where the fast path might take it."""
    begun = client_frame(1, b"a", fin=False) + between
    assert ours([begun, client_frame(1, b"b")])[1] == 1002


def test_a_payload_that_looks_like_a_frame_is_a_payload() -> None:
    inner = client_frame(1, b"hello")
    data = client_frame(2, inner * 2, mask=bytes(4))
    assert ours([data[:6], data[6:]]) == ([(2, inner * 2)], None)


def test_a_length_need_not_be_written_in_its_shortest_form() -> None:
    data = client_frame(1, b"hi", length=(2).to_bytes(8, "big"))
    assert ours([data]) == ([(1, b"hi")], None)


def test_a_length_of_more_than_63_bits_is_a_broken_frame() -> None:
    assert ours([client_frame(2, length=b"\x80" + bytes(7))]) == ([], 1002)


def test_a_message_too_big_is_refused_by_its_head_alone() -> None:
    """Nothing of it is kept."""
    head = client_frame(2, length=(MAX_SIZE + 1).to_bytes(8, "big"))[:10]
    assert ours([head]) == ([], 1009)


def test_a_message_of_exactly_the_limit_is_taken() -> None:
    assert ours([client_frame(2, bytes(MAX_SIZE))]) == ([(2, bytes(MAX_SIZE))], None)


def test_a_close_frame_between_fragments_is_taken() -> None:
    data = client_frame(1, b"a", fin=False) + client_frame(8, b"\x03\xe8")
    assert ours([data]) == ([(8, b"\x03\xe8")], None)


@pytest.mark.parametrize("code", [1, 999, 1004, 1006, 1015, 2999, 5000, 70000])
def test_a_code_that_no_close_frame_may_carry_is_not_written(code: int) -> None:
    with pytest.raises(ValueError, match=f"close code {code}: expected"):
        close_payload(code)


def test_a_long_close_reason_is_cut_between_characters() -> None:
    payload = close_payload(3500, "ü" * 100)
    assert parse_close(payload) == (3500, "ü" * 61)


# ── the handshake ────────────────────────────────────────────────────────────────────────────

GOOD = {
    "host": "example.com",
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def test_the_key_of_rfc_6455_section_1_3_is_answered() -> None:
    assert websocket.accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"connection": "keep-alive, Upgrade"},
        {"connection": "UPGRADE"},
        {"upgrade": "WebSocket"},
        {"content-length": "0"},
    ],
)
def test_a_proper_handshake_is_not_refused(change: dict[str, str]) -> None:
    assert handshake_refusal("GET", "1.1", GOOD | change) is None


@pytest.mark.parametrize(
    ("status", "method", "version", "change"),
    [
        (405, "POST", "1.1", {}),
        (400, "GET", "1.0", {}),
        (400, "GET", "1.1", {"connection": "keep-alive"}),
        (400, "GET", "1.1", {"upgrade": "h2c"}),
        (426, "GET", "1.1", {"sec-websocket-version": "8"}),
        (426, "GET", "1.1", {"sec-websocket-version": ""}),
        (400, "GET", "1.1", {"sec-websocket-key": ""}),
        (400, "GET", "1.1", {"sec-websocket-key": "dG9vIHNob3J0"}),
        (400, "GET", "1.1", {"sec-websocket-key": "?GhlIHNhbXBsZSBub25jZQ=="}),
        (400, "GET", "1.1", {"sec-websocket-key": "ü"}),
        (400, "GET", "1.1", {"content-length": "5"}),
        (400, "GET", "1.1", {"transfer-encoding": "chunked"}),
    ],
)
def test_an_improper_handshake_is_refused(
    status: int, method: str, version: str, change: dict[str, str]
) -> None:
    refusal = handshake_refusal(method, version, GOOD | change)
    assert refusal is not None
    assert refusal.status == status
    if status in {400, 426}:
        assert ("Sec-WebSocket-Version", "13") in refusal.headers


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("", ""),
        ("centrifuge-protobuf", "centrifuge-protobuf"),
        ("chat, centrifuge-json,centrifuge-protobuf", "centrifuge-json"),
        ("chat", ""),
        (" , ", ""),
    ],
)
def test_the_first_offered_subprotocol_that_is_supported_is_selected(
    offered: str, chosen: str
) -> None:
    """An empty header, as old Python clients send it, selects none."""
    assert select_subprotocol(offered, ("centrifuge-protobuf", "centrifuge-json")) == chosen


# ── a connection ─────────────────────────────────────────────────────────────────────────────


class Link:
    """A connection, its two ends and its clock."""

    def __init__(self, *broken: str, **options: Any) -> None:
        self.clock = FakeClock()
        self.transport = FakeTransport(self.clock)
        self.listener = FakeListener(*broken)
        self.connection = WebSocketConnection(
            self.listener, clock=self.clock, **({"max_message_size": MAX_SIZE} | options)
        )
        self.transport.connect(self.connection)

    @property
    def events(self) -> list[tuple[Any, ...]]:
        return self.listener.events[1:]


def test_messages_reach_the_listener_in_order_and_nothing_else_happens() -> None:
    link = Link()
    link.transport.receive(client_frame(1, b"one") + client_frame(2, b"two"), client_frame(1, b""))
    assert link.listener.events == [("open",), ("text", b"one"), ("binary", b"two"), ("text", b"")]
    assert link.transport.written == b""


def test_a_ping_is_answered_with_its_payload() -> None:
    link = Link()
    link.transport.receive(client_frame(9, b"abc"))
    assert link.transport.written == b"\x8a\x03abc"


def test_our_ping_carries_the_payload_that_2018_servers_sent() -> None:
    """classic.md section 4.1."""
    link = Link()
    link.connection.ping()
    link.transport.receive(client_frame(10, b"ping"))
    assert link.transport.written == b"\x89\x04ping"
    assert link.events == [("pong", b"ping")]


def test_a_peer_that_pings_and_does_not_read_is_owed_one_pong_only() -> None:
    link = Link()
    link.transport.stuck = True
    link.connection.write(b"\x81\x00")
    link.transport.take()
    link.transport.receive(*[client_frame(9, b"%d" % number) for number in range(50)])
    assert link.transport.take() == b""
    link.transport.unstick()
    assert link.transport.take() == b"\x8a\x0249"


def test_hanging_up_sends_what_was_written_and_no_close_frame() -> None:
    link = Link()
    link.transport.stuck = True
    link.connection.write(b"\x81\x00")
    link.connection.hang_up()
    link.connection.hang_up()
    link.connection.close()
    link.clock.run()
    assert link.transport.take() == b"\x81\x00"
    assert link.transport.closing
    assert not link.transport.lost
    link.clock.advance(5.1)
    assert link.transport.aborted
    assert link.events == [("close", 1006, "")]


def test_the_peers_close_is_echoed_and_the_listener_hears_of_it_once() -> None:
    link = Link()
    link.transport.receive(client_frame(8, b"\x0b\xb8bye"))
    assert link.transport.written == b"\x88\x02\x0b\xb8"
    assert link.transport.lost
    assert link.events == [("close", 3000, "bye")]


def test_a_close_without_a_code_is_echoed_without_one() -> None:
    link = Link()
    link.transport.receive(client_frame(8))
    assert link.transport.written == b"\x88\x00"
    assert link.events == [("close", 1005, "")]


def test_our_close_goes_out_behind_what_was_written_and_waits_for_the_peers() -> None:
    link = Link()
    link.connection.write(b"\x81\x01a")
    link.connection.close(3501, "bad request")
    link.connection.write(b"\x81\x01b")
    link.connection.close(3000, "again")
    assert link.transport.written == b"\x81\x01a\x88\x0d\x0d\xadbad request"
    assert not link.transport.closing
    link.transport.receive(client_frame(1, b"crossing"), client_frame(8, b"\x0d\xad"))
    assert link.transport.lost
    assert link.events == [("close", 3501, "")]


def test_a_close_that_is_not_answered_ends_after_five_seconds() -> None:
    link = Link()
    link.connection.close(3000)
    link.clock.advance(4.9)
    assert not link.transport.aborted
    link.clock.advance(0.2)
    assert link.transport.aborted
    assert link.events == [("close", 1006, "")]


@pytest.mark.parametrize("code", [0, 1005])
def test_a_close_may_go_without_a_code(code: int) -> None:
    link = Link()
    link.connection.close(code)
    assert link.transport.written == b"\x88\x00"


def test_a_code_that_cannot_be_sent_closes_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    link = Link()
    link.connection.close(70000, "?")
    assert link.transport.written == b"\x88\x02\x03\xf3"
    assert "close code 70000" in caplog.text


def test_abort_ends_without_a_word() -> None:
    link = Link()
    link.connection.abort()
    link.connection.write(b"\x81\x00")
    link.connection.abort()
    link.clock.run()
    assert link.transport.written == b""
    assert link.events == [("close", 1006, "")]


def test_a_peer_that_just_goes_away_is_closed_with_1006() -> None:
    link = Link()
    link.transport.receive_eof()
    assert link.events == [("close", 1006, "")]


def test_a_peer_that_goes_away_with_bytes_unsent_is_not_waited_for_without_end() -> None:
    link = Link()
    link.transport.stuck = True
    link.connection.write(b"\x81\x00")
    link.transport.receive_eof()
    assert link.events == []
    link.clock.advance(5)
    assert link.events == [("close", 1006, "")]


def test_an_invalid_frame_is_answered_with_its_code_and_one_log_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    link = Link()
    link.transport.receive(client_frame(1, b"ok") + client_frame(1, b"bad", reserved=4))
    assert link.transport.written.startswith(b"\x88\x17\x03\xea")
    assert link.transport.eof_written
    assert link.events == [("text", b"ok")]
    assert [record.getMessage() for record in caplog.records] == [
        "connection 127.0.0.1:5555: invalid frame: reserved bits are set"
    ]
    assert caplog.records[0].levelname == "INFO"
    assert caplog.records[0].exc_info is None
    link.transport.receive(client_frame(1, b"more"))
    link.transport.receive_eof()
    assert link.events == [("text", b"ok"), ("close", 1006, "")]


def test_a_message_over_the_limit_is_answered_with_1009() -> None:
    link = Link()
    link.transport.receive(client_frame(1, b"x" * (MAX_SIZE + 1)))
    assert link.transport.written[2:4] == (1009).to_bytes(2, "big")


def test_after_an_invalid_frame_a_silent_peer_is_cut_off() -> None:
    link = Link()
    link.transport.receive(b"\xff\xff")
    link.clock.advance(5)
    assert link.transport.aborted


@pytest.mark.parametrize("name", ["open", "text", "pong"])
def test_a_broken_listener_closes_its_connection_with_1011(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    link = Link(name)
    link.transport.receive(client_frame(10), client_frame(1, b"x"))
    assert link.transport.written == b"\x88\x10\x03\xf3internal error"
    assert "the listener is broken" in caplog.text


def test_a_listener_that_breaks_at_the_end_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    gone: list[WebSocketConnection] = []
    link = Link("close", forget=gone.append)
    link.transport.receive(client_frame(8))
    assert gone == [link.connection]
    assert "the listener is broken" in caplog.text


def test_a_paused_listener_gets_no_message_until_it_resumes_and_then_in_order() -> None:
    link = Link()
    received: list[bytes] = []

    def take(payload: bytes, is_text: bool) -> None:
        received.append(payload)
        link.connection.pause_reading()

    link.listener.on_message = take  # type: ignore[method-assign]  # a listener that pauses itself
    link.transport.receive(b"".join(client_frame(1, b"%d" % number) for number in range(3)))
    assert received == [b"0"]
    assert not link.transport.reading
    link.connection.resume_reading()
    assert received == [b"0"], "resuming does not call back from within"
    link.clock.run()
    assert received == [b"0", b"1"]
    assert not link.transport.reading
    link.connection.resume_reading()
    link.clock.run()
    link.connection.resume_reading()
    link.clock.run()
    assert received == [b"0", b"1", b"2"]
    assert link.transport.reading


def test_pausing_and_resuming_at_once_loses_and_repeats_nothing() -> None:
    link = Link()
    received: list[bytes] = []

    def take(payload: bytes, is_text: bool) -> None:
        received.append(payload)
        link.connection.pause_reading()
        link.connection.resume_reading()

    link.listener.on_message = take  # type: ignore[method-assign]  # a listener that pauses itself
    link.transport.receive(b"".join(client_frame(1, b"%d" % number) for number in range(3)))
    assert received == [b"0", b"1", b"2"]
    assert link.transport.reading


def test_a_close_while_paused_still_hears_the_peers_answer() -> None:
    link = Link()
    link.connection.pause_reading()
    link.connection.close(3000)
    link.clock.run()
    link.transport.receive(client_frame(8, b"\x0b\xb8"))
    assert link.events == [("close", 3000, "")]


def test_a_peer_that_takes_nothing_is_reported_after_the_write_timeout() -> None:
    link = Link(write_timeout=1.0)
    link.transport.stuck = True
    link.connection.write(b"\x81\x03abc")
    assert link.connection.buffered() == 5
    link.clock.advance(0.9)
    assert link.events == []
    link.clock.advance(0.2)
    assert link.events == [("write timeout",)]


def test_a_peer_that_takes_all_in_time_is_not_reported() -> None:
    link = Link(write_timeout=1.0)
    link.transport.stuck = True
    link.connection.write(b"\x81\x03abc")
    link.clock.advance(0.9)
    link.transport.unstick()
    link.clock.advance(10)
    assert link.events == []


def test_a_peer_that_is_behind_but_takes_each_write_in_time_is_not_reported() -> None:
    """The timeout is for a write, not for the time that something is unsent."""
    link = Link(write_timeout=1.0)
    link.transport.stuck = True
    for _ in range(5):
        link.connection.write(b"\x81\x03abc")
        link.transport.unsent = 5
        link.clock.advance(0.5)
    assert link.events == []
    link.clock.advance(2)
    assert link.events == [("write timeout",)]


def test_without_a_write_timeout_a_peer_may_take_its_time() -> None:
    link = Link(write_timeout=0.0)
    link.transport.stuck = True
    link.connection.write(b"\x81\x03abc")
    link.clock.advance(3600)
    assert link.events == []


@given(traffic, places, st.sets(st.integers(0, 12)))
@settings(max_examples=60)
def test_wherever_a_listener_pauses_it_gets_the_same_messages(
    data: bytes, where: list[int], pauses: set[int]
) -> None:
    link, plain = Link(), Link()
    plain.transport.receive(data)
    on_message = link.listener.on_message

    def take(payload: bytes, is_text: bool) -> None:
        on_message(payload, is_text)
        if len(link.listener.events) in pauses:
            link.connection.pause_reading()

    link.listener.on_message = take  # type: ignore[method-assign]  # a listener that pauses itself
    for piece in cut(data, where):
        while not link.transport.reading and not link.transport.closing:
            link.connection.resume_reading()
            link.clock.run()
        link.transport.receive(piece)
    for _ in pauses:
        link.connection.resume_reading()
        link.clock.run()
    assert link.listener.events == plain.listener.events
