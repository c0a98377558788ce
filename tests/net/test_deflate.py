"""permessage-deflate: what is agreed on, and messages both ways against the websockets package."""

import random
import tracemalloc
import zlib
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
)
from websockets.frames import Frame
from websockets.frames import Opcode as TheirOpcode
from websockets.headers import parse_extension
from websockets.protocol import State
from websockets.uri import parse_uri

from girandola.net.deflate import WINDOWS, Deflater, agree, deflate, inflate, inflater
from girandola.net.frames import FrameParser
from girandola.net.websocket import Opcode, ProtocolError, WebSocketConnection
from tests.fakes import FakeClock
from tests.net.running import Run, Running
from tests.net.wire import FakeListener, FakeTransport, client_frame, cut

MAX_SIZE = 1000
MAX_INFLATED = 4000
RSV1 = 4

Outcome = tuple[list[tuple[int, bytes]], int | None]
"""Events, and the close code of the error that ended them."""


def ours(*pieces: bytes) -> Outcome:
    """Parse what a client sent who agreed on permessage-deflate."""
    parser, events = FrameParser(MAX_SIZE, inflater(MAX_INFLATED)), []
    for piece in pieces:
        parser.feed(piece)
        try:
            while (event := parser.next_event()) is not None:
                if event[0] != Opcode.CONTINUATION:
                    events.append((int(event[0]), event[1]))
        except ProtocolError as error:
            return events, error.code
    return events, None


def theirs() -> PerMessageDeflate:
    """Return the other end, as it is after a negotiation with us."""
    return PerMessageDeflate(True, True, 15, 15)


def deflated(payload: bytes, opcode: int = Opcode.TEXT) -> bytes:
    """Write a compressed message as a client does."""
    squeezed = theirs().encode(Frame(TheirOpcode.BINARY, payload)).data
    return client_frame(opcode, bytes(squeezed), reserved=RSV1)


# ── what is agreed on ────────────────────────────────────────────────────────────────────────

ANSWER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offered", "answer", "window"),
    [
        ("permessage-deflate", "", 12),
        ("permessage-deflate; client_max_window_bits", "", 12),
        ("permessage-deflate; client_max_window_bits=8", "", 12),
        ('permessage-deflate;client_max_window_bits="10"', "", 12),
        ("permessage-deflate; server_no_context_takeover", "", 12),
        ("permessage-deflate ;client_no_context_takeover ; server_no_context_takeover ", "", 12),
        ("permessage-deflate; server_max_window_bits=15", "; server_max_window_bits=15", 12),
        ("permessage-deflate; server_max_window_bits=12", "; server_max_window_bits=12", 12),
        ("permessage-deflate; server_max_window_bits=11", "; server_max_window_bits=11", 9),
        ('permessage-deflate; server_max_window_bits = "9"', "; server_max_window_bits=9", 9),
        ("x-webkit-deflate-frame, permessage-deflate", "", 12),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", "", 12),
        (
            "permessage-deflate; mystery, permessage-deflate; server_max_window_bits=10, "
            "permessage-deflate",
            "; server_max_window_bits=10",
            9,
        ),
    ],
)
def test_the_first_offer_that_can_be_kept_is_taken(offered: str, answer: str, window: int) -> None:
    assert agree(offered) == (ANSWER + answer, window)


@pytest.mark.parametrize(
    "offered",
    [
        "",
        ",",
        ";",
        "permessage-deflate-2",
        "permessage-bzip2",
        "x; permessage-deflate",
        "permessage-deflate; mystery",
        "permessage-deflate; mystery=1",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=012",
        "permessage-deflate; server_max_window_bits=-9",
        "permessage-deflate; server_max_window_bits=12; server_max_window_bits=12",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        'permessage-deflate; client_max_window_bits="10',
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate client_max_window_bits",
        "permessage-deflate;",
    ],
)
def test_what_cannot_be_kept_or_understood_leads_nowhere(offered: str) -> None:
    assert agree(offered) is None


@given(
    st.builds(
        ClientPerMessageDeflateFactory,
        st.booleans(),
        st.booleans(),
        st.one_of(st.none(), st.integers(9, 15)),
        st.one_of(st.none(), st.just(value=True), st.integers(9, 15)),
    )
)
def test_whatever_websockets_offers_it_takes_our_answer(
    factory: ClientPerMessageDeflateFactory,
) -> None:
    """And makes of it an extension that keeps nothing between messages."""
    parameters = "".join(
        f"; {name}" + (f"={value}" if value else "") for name, value in factory.get_request_params()
    )
    agreed = agree(f"permessage-deflate{parameters}")
    assert agreed is not None
    ((_, answered),) = parse_extension(agreed.answer)
    extension = factory.process_response_params(answered, [])
    assert extension.remote_no_context_takeover
    assert extension.local_no_context_takeover
    assert extension.remote_max_window_bits >= agreed.window_bits


# ── messages both ways ───────────────────────────────────────────────────────────────────────

payloads = st.one_of(
    st.binary(max_size=60),
    st.builds(lambda piece, times: piece * times, st.binary(max_size=40), st.integers(0, 90)),
)


@given(
    st.lists(st.tuples(payloads, st.booleans(), st.booleans()), max_size=4),
    st.lists(st.integers(0, 100_000), max_size=6),
)
def test_what_websockets_compresses_is_read(
    sent: list[tuple[bytes, bool, bool]], places: list[int]
) -> None:
    """Whole or in fragments with pings between, beside plain messages, however it is cut."""
    extension, data = theirs(), b""
    for payload, compressed, fragmented in sent:
        whole = bytes(extension.encode(Frame(TheirOpcode.BINARY, payload)).data)
        whole, reserved = (whole, RSV1) if compressed else (payload[:MAX_SIZE], 0)
        if fragmented:
            half = len(whole) // 2
            data += client_frame(2, whole[:half], fin=False, reserved=reserved)
            data += client_frame(9, b"ping") + client_frame(0, whole[half:])
        else:
            data += client_frame(2, whole, reserved=reserved)
    events, error = ours(*cut(data, places))
    assert error is None
    assert [payload for opcode, payload in events if opcode == Opcode.BINARY] == [
        payload if compressed else payload[:MAX_SIZE] for payload, compressed, _ in sent
    ]


@given(
    st.lists(payloads, max_size=4),
    st.sampled_from(WINDOWS),
    st.integers(-2, 9),
    st.integers(0, 100),
)
def test_websockets_reads_what_we_compress(
    sent: list[bytes], window: int, level: int, min_size: int
) -> None:
    client = ClientProtocol(parse_uri("ws://test/"), state=State.OPEN)
    client.extensions = [PerMessageDeflate(True, True, window, 15)]
    deflater = Deflater(window, level, min_size)
    for payload in sent:
        client.receive_data(deflater.frame(Opcode.BINARY, payload))
    received = [event for event in client.events_received() if isinstance(event, Frame)]
    assert [bytes(each.data) for each in received] == sent


@pytest.mark.parametrize("window", WINDOWS)
def test_what_we_compress_needs_no_larger_window_than_agreed_on(window: int) -> None:
    """Inflated in small steps, so that zlib has nothing but its window to look back into."""
    payload = random.Random(1).randbytes(5000) * 2
    data = deflate(payload, level=9, window_bits=window) + b"\x00\x00\xff\xff"
    decompressor, inflated = zlib.decompressobj(-window), b""
    while len(inflated) < len(payload):
        step = decompressor.decompress(data, 64)
        inflated, data = inflated + step, decompressor.unconsumed_tail
    assert inflated == payload


@given(st.binary(max_size=200))
def test_a_stranger_is_understood_as_by_websockets_or_refused(payload: bytes) -> None:
    """We refuse more: messages that stop inside a block, which it takes as they are."""
    events, error = ours(client_frame(2, payload, reserved=RSV1))
    if error is None:
        frame = Frame(TheirOpcode.BINARY, payload, rsv1=True)
        assert events == [(2, bytes(theirs().decode(frame).data))]
    else:
        assert error in {1002, 1009}


# ── single frames ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "payload",
    [
        "f248cdc9c90700",  # section 7.2.3.1
        "000500faff48656c6c6f00",  # 7.2.3.3: a block without compression
        "f348cdc9c9070000",  # 7.2.3.4: a block that says it is the last one
        "f348cdc9c90700",  # and without what is to follow it
        "f24805000000ffffcac9c90700",  # 7.2.3.5: two blocks
    ],
)
def test_the_examples_of_rfc_7692_section_7_2_3_are_read(payload: str) -> None:
    data = client_frame(1, bytes.fromhex(payload), reserved=RSV1)
    assert ours(data) == ([(1, b"Hello")], None)


def test_the_fragments_of_rfc_7692_section_7_2_3_1_are_read() -> None:
    """Only the first one says that it is compressed."""
    first = client_frame(1, bytes.fromhex("f248cd"), fin=False, reserved=RSV1)
    second = client_frame(0, bytes.fromhex("c9c90700"))
    assert ours(first + second) == ([(1, b"Hello")], None)


def test_an_empty_message_is_one_byte() -> None:
    """RFC 7692 section 7.2.3.6."""
    assert ours(client_frame(1, b"\x00", reserved=RSV1)) == ([(1, b"")], None)


def test_a_message_is_written_in_one_frame_with_the_first_reserved_bit() -> None:
    written = Deflater(12).frame(Opcode.TEXT, b"a" * 100)
    assert written == bytes.fromhex("c1064a4ca43d0000")


def test_a_long_message_has_a_long_head() -> None:
    payload = bytes(range(256)) * 2 + bytes(100_000)
    written = Deflater(12).frame(Opcode.BINARY, payload)
    length = int.from_bytes(written[2:4], "big")
    assert written[:2] == b"\xc2\x7e"
    assert inflate(written[4:], 200_000) == payload
    assert len(written) == 4 + length


@pytest.mark.parametrize("payload", [b"", b"a", b"{}", b"0123456789"])
def test_what_compression_would_make_longer_goes_as_it_is(payload: bytes) -> None:
    assert Deflater(12).frame(Opcode.TEXT, payload) == bytes((0x81, len(payload))) + payload


def test_messages_up_to_the_minimum_go_as_they_are() -> None:
    deflater = Deflater(12, 1, 100)
    assert deflater.frame(Opcode.TEXT, b"a" * 100)[:2] == b"\x81\x64"
    assert deflater.frame(Opcode.TEXT, b"a" * 101)[0] == 0xC1


@pytest.mark.parametrize(
    "frames",
    [
        client_frame(1, b"a", fin=False) + client_frame(0, b"\x00", reserved=RSV1),
        client_frame(1, b"\x00", fin=False, reserved=RSV1) + client_frame(0, b"", reserved=RSV1),
        client_frame(9, b"\x00", reserved=RSV1),
        client_frame(8, b"", reserved=RSV1),
        client_frame(1, b"\x00", reserved=RSV1 | 2),
        client_frame(1, b"\x00", reserved=2),
        client_frame(3, b"\x00", reserved=RSV1),
    ],
)
def test_the_reserved_bit_is_for_the_first_frame_of_a_message(frames: bytes) -> None:
    assert ours(frames) == ([], 1002)


@pytest.mark.parametrize("fin", [True, False])
def test_without_an_agreement_the_reserved_bit_is_a_broken_frame(fin: bool) -> None:
    parser = FrameParser(MAX_SIZE)
    parser.feed(client_frame(1, b"\x00", fin=fin, reserved=RSV1))
    with pytest.raises(ProtocolError) as caught:
        parser.next_event()
    assert caught.value.code == 1002


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"\x07",
        b"Hello",
        bytes.fromhex("f248cdc9"),  # ends inside a block
        bytes.fromhex("000500faff4865"),  # the same without compression
        bytes.fromhex("f348cdc9c9070000f248cdc9c90700"),  # goes on behind its end
        bytes.fromhex("4a0304000000ffff"),  # ends with what the sender has to take away, twice
    ],
)
def test_broken_data_is_refused(payload: bytes) -> None:
    assert ours(client_frame(2, payload, reserved=RSV1)) == ([], 1002)


def test_text_is_checked_as_it_is_after_inflating() -> None:
    assert ours(deflated("grüß dich".encode())) == ([(1, "grüß dich".encode())], None)
    assert ours(deflated(b"\xff\xfe")) == ([], 1007)
    assert ours(deflated(b"\xff\xfe", Opcode.BINARY)) == ([(2, b"\xff\xfe")], None)


# ── limits ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("size", "code"), [(MAX_INFLATED, None), (MAX_INFLATED + 1, 1009)])
def test_a_message_may_inflate_to_exactly_the_limit(size: int, code: int | None) -> None:
    events, error = ours(deflated(bytes(size), Opcode.BINARY))
    assert error == code
    assert events == ([(2, bytes(size))] if code is None else [])


def test_the_limit_on_what_comes_in_holds_for_compressed_messages_too() -> None:
    """By the head of the frame alone."""
    head = client_frame(2, length=(MAX_SIZE + 1).to_bytes(2, "big"), reserved=RSV1)[:4]
    assert ours(head) == ([], 1009)


@given(payloads, st.integers(-3, 3), st.integers(0, 9))
def test_a_message_is_inflated_up_to_its_limit_only(payload: bytes, room: int, level: int) -> None:
    limit = max(0, len(payload) + room)
    compressed = deflate(payload, level=level, window_bits=12)
    if len(payload) <= limit:
        assert inflate(compressed, limit) == payload
    else:
        with pytest.raises(ProtocolError, match=f"more than {limit} bytes"):
            inflate(compressed, limit)


def test_a_bomb_is_refused_without_inflating_it() -> None:
    """100 MB in 100 KB, as much as DEFLATE can do; it may take a few times the limit."""
    compressor = zlib.compressobj(9, wbits=-15)
    zeros = bytes(1_000_000)
    bomb = b"".join(compressor.compress(zeros) for _ in range(100))
    bomb += compressor.flush(zlib.Z_SYNC_FLUSH)[:-4]
    assert len(bomb) < 110_000
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError) as caught:
            inflate(bomb, 655_360)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.code == 1009
    assert peak < 3_000_000


def test_a_bomb_ends_the_connection_with_1009() -> None:
    clock, listener = FakeClock(), FakeListener()
    connection = WebSocketConnection(
        listener, clock=clock, max_message_size=65536, inflate=inflater(655_360)
    )
    transport = FakeTransport(clock)
    transport.connect(connection)
    transport.receive(deflated(bytes(10_000_000), Opcode.BINARY))
    assert listener.messages == []
    reason = b"message inflates to more than 655360 bytes"
    assert transport.take() == client_frame(8, (1009).to_bytes(2, "big") + reason, mask=None)


def test_an_agreement_adds_no_object_to_an_idle_connection() -> None:
    """All share one limit, and none has a compressor of its own."""
    shared, count = inflater(MAX_INFLATED), 200

    def cost(make: partial[FrameParser], data: bytes) -> float:
        tracemalloc.start()
        parsers = [make() for _ in range(count)]
        for parser in parsers:
            parser.feed(data)
            assert parser.next_event() == (2, b"Hello")
        spent = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return spent / count

    # As long as the other, so that what was fed last costs the same.
    plain = cost(partial(FrameParser, MAX_SIZE), client_frame(2, b"Hello") + b"\x82\x80")
    assert (
        cost(partial(FrameParser, MAX_SIZE, shared), deflated(b"Hello", Opcode.BINARY)) < plain + 64
    )


# ── the handshake ────────────────────────────────────────────────────────────────────────────


def test_nothing_is_agreed_on_unless_the_route_inflates(run: Run) -> None:
    async def scenario(running: Running) -> None:
        async with running.websocket(compression="deflate") as socket:
            assert socket.protocol.extensions == []
            await socket.send("a" * 1000)
            assert await socket.recv() == "a" * 1000

    run(scenario)


def test_the_handshake_answers_with_what_is_agreed_on(run: Run) -> None:
    async def scenario(running: Running) -> None:
        async with running.websocket("/deflate", compression="deflate") as socket:
            assert socket.response is not None
            assert socket.response.headers["Sec-WebSocket-Extensions"] == ANSWER
            await socket.send("a" * 1000)
            assert await socket.recv() == "a" * 1000

    run(scenario)
