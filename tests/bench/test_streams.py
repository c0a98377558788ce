"""The streams of the load count exactly, however the network cut what they receive."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.bench import wire
from girandola.bench.clients import BinarySubscriber, OneWaySubscriber, Tally
from girandola.bench.streams import Emulation, OneWayStream, StreamClient, TwoWayStream
from girandola.net.stream import chunk
from girandola.net.websocket import Opcode, frame
from tests.bench.test_clients import UPGRADED, Wired, pieces, push

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
REPLIES = (
    b'{"id":1,"connect":{"session":"S","node":"N","ping":25,"pong":true}}',
    b'{"id":2,"subscribe":{}}',
)
CONNECTED = b'{"connect":{"subs":{"news":{}}}}'


def lines(*messages: bytes) -> bytes:
    return b"".join(message + b"\n" for message in messages)


def events(*messages: bytes) -> bytes:
    return b"".join(b"id: n\ndata: %b\n\n" % message for message in messages)


def emulate(connected: dict[str, str], said: bytes) -> bytes:
    return b"%b of %b" % (b"pong" if said == b"{}" else said, connected["session"].encode())


class Stream:
    """A two-way or a one-way stream on a wire, and the pongs that it sent elsewhere."""

    def __init__(self, *, one_way: bool = False) -> None:
        self.tally = Tally()
        self.tally.timed = True
        self.pongs: list[bytes] = []
        self.client: StreamClient = (
            OneWayStream(b"stream!", self.tally, channels=["news"])
            if one_way
            else TwoWayStream(
                b"stream!",
                self.tally,
                rest=b"subscribe",
                replies=2,
                emulate=emulate,
                send=self._send,
            )
        )
        self.wired = Wired(self.client)
        self.said: list[bytes] = []

    def _send(self, request: bytes) -> None:
        (self.pongs if request.startswith(b"pong") else self.said).append(request)


async def test_all_but_the_connect_of_a_stream_is_said_beside_it() -> None:
    """By GET a server carries out nothing but a connect, and libraries ask for nothing else."""
    stream = Stream()
    stream.wired.receive(HEAD, chunk(events(REPLIES[0])))
    assert stream.said == [b"subscribe of S"]


async def test_a_stream_is_ready_with_the_last_reply() -> None:
    stream = Stream()
    assert stream.wired.receive() == b"stream!"
    stream.wired.receive(HEAD, chunk(b"\r\n"), chunk(events(REPLIES[0])))
    assert not stream.client.ready.done()
    stream.wired.receive(chunk(events(REPLIES[1])))
    assert stream.client.ready.done()


async def test_a_one_way_stream_is_ready_with_its_connect() -> None:
    stream = Stream(one_way=True)
    stream.wired.receive(HEAD, chunk(events(CONNECTED)))
    assert stream.client.ready.done()


@given(
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(0, 12), max_size=6),
    st.lists(st.integers(0, 20_000), max_size=8),
    st.lists(st.integers(0, 20_000), max_size=3),
)
def test_every_message_and_every_ping_is_counted_once(
    one_way: bool, as_events: bool, writes: list[int], cuts: list[int], chunk_cuts: list[int]
) -> None:
    """So many messages a write (0: a ping), whose chunks and pieces may end anywhere."""

    async def count_all() -> Stream:
        stream = Stream(one_way=one_way)
        body = events if as_events else lines
        first = body(*((CONNECTED,) if one_way else REPLIES))
        rest = [body(*([push(1)] * count or [wire.PING])) for count in writes]
        chunks = [each for each in pieces(b"".join((first, *rest)), chunk_cuts) if each]
        data = HEAD + b"".join(map(chunk, chunks))
        stream.wired.receive(*pieces(data, cuts))
        return stream

    stream = asyncio.run(count_all())
    assert stream.client.ready.done()
    assert stream.tally.received == len(stream.tally.durations) == sum(writes)
    # Pings of one read share an answer; servers are not that fast.
    pings = 0 if one_way else writes.count(0)
    assert len(stream.pongs) <= pings
    assert bool(stream.pongs) == bool(pings)
    assert set(stream.pongs) <= {b"pong of S"}


@pytest.mark.parametrize("size", [1, 100, 150])
async def test_a_message_in_several_chunks_is_counted_once(size: int) -> None:
    stream = Stream()
    stream.wired.receive(HEAD, chunk(lines(*REPLIES)))
    body = lines(*[push(1)] * 3)
    for at in range(0, len(body), size):
        stream.wired.receive(chunk(body[at : at + size]))
    assert stream.tally.received == 3


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 404 Not Found"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "not chunked"),
        (HEAD + chunk(b'{"id":1,"error":{"code":109}}\n'), "109"),
        (HEAD + chunk(b'{"push":{"disconnect":{"code":3500}}}\n'), "3500"),
        (HEAD + b"0\r\n\r\n", "ended the stream"),
    ],
)
async def test_a_stream_that_does_not_come_up_says_why(answer: bytes, why: str) -> None:
    stream = Stream()
    stream.wired.receive(answer)
    with pytest.raises(wire.ProtocolError, match=why):
        await stream.client.ready
    assert stream.tally.lost == 0


@pytest.mark.parametrize("ours", [True, False])
async def test_a_live_stream_that_the_server_ends_is_a_lost_connection(ours: bool) -> None:
    stream = Stream(one_way=True)
    stream.wired.receive(HEAD, chunk(lines(CONNECTED)))
    if ours:
        stream.client.leave()
    else:
        stream.wired.receive(chunk(lines(push(1))) + b"0\r\n\r\n")
    stream.wired.clock.run()
    assert stream.tally.received == (0 if ours else 1)
    assert stream.tally.lost == (0 if ours else 1)


# ── WebSockets that are no plain subscribers ─────────────────────────────────────────────────


def binary(*messages: bytes) -> bytes:
    parts = []
    for message in messages:
        size = len(message)
        head = bytes((size,)) if size < 128 else bytes((size & 0x7F | 0x80, size >> 7))
        parts.append(head + message)
    return frame(Opcode.BINARY, b"".join(parts))


async def test_in_protobuf_messages_are_counted_and_pings_among_them_answered() -> None:
    tally = Tally()
    client = BinarySubscriber(b"upgrade!", tally, token="T", channels=["news"])
    wired = Wired(client)
    wired.receive(UPGRADED, binary(b"\x08\x01\x2a\x00"))
    assert not client.ready.done()
    wired.receive(binary(b"\x08\x02\x32\x00"))
    assert client.ready.done()
    message = b"\x22\x04news" + wire.payload(1)
    data = binary(message, message) + binary(message, b"") + binary(b"") + binary(message)
    assert wired.receive(*(data[at : at + 7] for at in range(0, len(data), 7))) == (
        wire.BINARY_PONG * 2
    )
    assert tally.received == 4


async def test_a_one_way_websocket_counts_messages_and_answers_ping_frames() -> None:
    tally = Tally()
    client = OneWaySubscriber(b"upgrade!", tally, token="T", channels=["news"])
    wired = Wired(client)
    assert b'"subs":{"news":{}}' in wired.receive(UPGRADED)
    wired.receive(frame(Opcode.TEXT, CONNECTED))
    assert client.ready.done()
    data = frame(Opcode.TEXT, push(1)) + frame(Opcode.TEXT, b"{}") + frame(Opcode.PING, b"ping")
    answer = wired.receive(*(data[at : at + 7] for at in range(0, len(data), 7)))
    assert answer == b"\x8a\x84\0\0\0\0ping"
    assert tally.received == 1
    wired.receive(b"\x88\x02\x0b\xb8")
    wired.clock.run()
    assert tally.lost == 1


# ── emulation ────────────────────────────────────────────────────────────────────────────────


NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


class Pool:
    """An ``Emulation`` of two connections at most, and those that were made."""

    def __init__(self) -> None:
        self.wired: list[Wired] = []
        self.emulation = Emulation(self.connect, 2)

    async def connect(self, protocol: asyncio.Protocol) -> None:
        self.wired.append(Wired(protocol))

    async def send(self, *requests: bytes) -> list[bytes]:
        """Send requests; return what is said on each connection."""
        for request in requests:
            self.emulation.send(request)
        await asyncio.sleep(0)
        return [each.receive() for each in self.wired]


async def test_requests_by_emulation_wait_for_a_connection_that_is_free() -> None:
    pool = Pool()
    assert await pool.send(b"1", b"2", b"3") == [b"1", b"2"]
    first, second = pool.wired
    assert second.receive(*(bytes((byte,)) for byte in NO_CONTENT)) == b"3"
    second.receive(NO_CONTENT)
    first.receive(NO_CONTENT)
    assert await pool.send(b"4") == [b"", b"4"]
    assert not pool.emulation.problem


async def test_a_connection_that_is_idle_too_long_is_replaced() -> None:
    pool = Pool()
    await pool.send(b"1", b"2")
    for wired in pool.wired:
        wired.receive(NO_CONTENT)
        wired.transport.abort()
        wired.clock.run()
    assert await pool.send(b"3", b"4") == [b"", b"", b"3", b"4"]
    assert not pool.emulation.problem


async def test_a_request_to_a_connection_that_the_server_is_closing_is_sent_again() -> None:
    pool = Pool()
    await pool.send(b"1")
    (wired,) = pool.wired
    wired.receive(NO_CONTENT)
    assert await pool.send(b"2") == [b"2"]
    wired.transport.abort()
    wired.clock.run()
    assert await pool.send() == [b"", b"2"]
    assert not pool.emulation.problem


async def test_a_request_by_emulation_that_is_refused_is_a_problem() -> None:
    pool = Pool()
    await pool.send(b"1")
    pool.wired[0].receive(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}")
    assert pool.emulation.problem == "HTTP/1.1 404 Not Found"


async def test_a_connection_that_ends_without_ever_answering_is_a_problem() -> None:
    pool = Pool()
    await pool.send(b"1")
    pool.wired[0].transport.abort()
    pool.wired[0].clock.run()
    assert pool.emulation.problem == "the server closed the connection"
    assert await pool.send() == [b""]


async def test_a_server_that_takes_no_connection_is_a_problem() -> None:
    async def refuse(_: asyncio.Protocol) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    emulation = Emulation(refuse, 2)
    emulation.send(b"1")
    await asyncio.sleep(0)
    assert "refused" in emulation.problem
