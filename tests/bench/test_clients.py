"""The clients of the load count exactly, however the network cuts what they receive."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.bench import wire
from girandola.bench.clients import Caller, Resubscriber, Subscriber, Tally, Work
from girandola.net.websocket import Opcode, frame
from tests.fakes import FakeClock
from tests.net.wire import FakeTransport

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
REPLIES = frame(Opcode.TEXT, b'{"id":1,"connect":{"ping":25}}\n{"id":2,"subscribe":{}}')


class Wired:
    """A client on a wire without a socket."""

    def __init__(self, client: asyncio.Protocol) -> None:
        self.clock = FakeClock()
        self.transport = FakeTransport(self.clock)
        self.transport.connect(client)

    def receive(self, *pieces: bytes) -> bytes:
        """Hand in pieces; return what is said to them."""
        self.transport.receive(*pieces)
        return self.transport.take()


def subscriber(tally: Tally, **how: object) -> Subscriber:
    return Subscriber(b"upgrade!", tally, group="all", token="T", channels=["news"], **how)  # type: ignore[arg-type]  # keywords as a test names them


def push(time: int) -> bytes:
    return b'{"push":{"channel":"news","pub":{"data":%b}}}' % wire.payload(time)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(ends)]


async def test_a_subscriber_asks_for_an_upgrade_then_connects_then_is_ready() -> None:
    client = subscriber(Tally())
    wired = Wired(client)
    assert wired.receive() == b"upgrade!"
    assert wired.receive(UPGRADED) == wire.commands("T", ["news"], {})
    assert not client.ready.done()
    wired.receive(REPLIES)
    assert client.ready.done()


async def count_all(frames: list[int], cuts: list[int]) -> tuple[Tally, bytes]:
    """Receive frames of so many messages each (0: a ping), cut at ``cuts``."""
    tally = Tally()
    tally.timed = True
    client = subscriber(tally)
    wired = Wired(client)
    wired.receive(UPGRADED)
    payloads = [b"\n".join([push(1)] * count) if count else wire.PING for count in frames]
    data = b"".join(frame(Opcode.TEXT, payload) for payload in payloads)
    wired.receive(REPLIES)
    wired.transport.take()
    return tally, wired.receive(*pieces(data, cuts))


@given(
    st.lists(st.integers(0, 12), max_size=6),
    st.lists(st.integers(0, 20_000), max_size=8),
)
def test_every_message_and_every_ping_is_counted_once(frames: list[int], cuts: list[int]) -> None:
    tally, answers = asyncio.run(count_all(frames, cuts))
    assert tally.received == len(tally.durations) == sum(frames)
    # Pings of one read share an answer; servers are not that fast.
    pings = frames.count(0)
    assert answers.count(wire.PONG) <= pings
    assert bool(answers) == bool(pings)


async def test_an_error_reply_is_a_failure_that_quotes_it() -> None:
    client = subscriber(Tally())
    wired = Wired(client)
    wired.receive(UPGRADED, frame(Opcode.TEXT, b'{"id":1,"error":{"code":109}}'))
    with pytest.raises(wire.ProtocolError, match="109"):
        await client.ready


async def test_a_refused_upgrade_is_a_failure_that_names_the_status() -> None:
    client = subscriber(Tally())
    Wired(client).receive(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
    with pytest.raises(wire.ProtocolError, match="503"):
        await client.ready


async def test_only_an_end_that_was_not_our_wish_is_a_lost_connection() -> None:
    tally = Tally()
    for ours in (True, False):
        client = subscriber(tally)
        wired = Wired(client)
        wired.receive(UPGRADED, REPLIES)
        if ours:
            client.leave()
        client.connection_lost(None)
    assert tally.lost == 1


def recovery(publications: list[int], *, recovered: bool = True) -> bytes:
    found = ",".join(f'{{"offset":{offset}}}' for offset in publications)
    return frame(
        Opcode.TEXT,
        b'{"id":1,"connect":{}}\n{"id":2,"subscribe":{"epoch":"E","offset":7,"recovered":%b,'
        b'"publications":[%b]}}' % (b"true" if recovered else b"false", found.encode()),
    )


async def test_a_position_is_remembered_and_recovered_from() -> None:
    client = subscriber(Tally(), remember=True)
    Wired(client).receive(UPGRADED, recovery([]))
    assert client.positions == {"news": (7, "E")}
    again = subscriber(Tally(), remember=True, positions=client.positions)
    wired = Wired(again)
    wired.receive(UPGRADED, recovery([8, 9]))
    await again.ready
    assert again.recovered == 2
    assert again.positions == {"news": (9, "E")}


@pytest.mark.parametrize(
    "reply",
    [recovery([9]), recovery([8, 10]), recovery([9, 8]), recovery([8], recovered=False)],
    ids=["a gap first", "a gap between", "out of order", "not recovered"],
)
async def test_a_recovery_that_is_not_complete_is_a_failure(reply: bytes) -> None:
    client = subscriber(Tally(), remember=True, positions={"news": (7, "E")})
    Wired(client).receive(UPGRADED, reply)
    with pytest.raises(wire.ProtocolError, match="not recovered"):
        await client.ready


async def test_a_caller_sends_the_next_request_once_the_answer_is_whole() -> None:
    work = Work(most=2)
    work.open(60.0)
    caller = Caller(b"request!", work)
    wired = Wired(caller)
    caller.start()
    assert wired.receive() == b"request!"
    assert wired.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{") == b""
    assert wired.receive(b"}") == b"request!"
    assert wired.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") == b""
    assert caller.finished.done()
    assert len(work.durations) == 2
    assert work.errors == 0


async def test_a_caller_begins_nothing_when_the_time_is_over() -> None:
    work = Work()
    work.open(0.0)
    caller = Caller(b"request!", work)
    wired = Wired(caller)
    caller.start()
    assert wired.receive() == b""
    assert caller.finished.done()


async def test_a_caller_counts_errors_of_status_and_of_body() -> None:
    work = Work(most=2)
    work.open(60.0)
    caller = Caller(b"request!", work)
    wired = Wired(caller)
    caller.start()
    wired.receive(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    body = b'{"error":{"code":107}}'
    wired.receive(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    assert work.errors == 2
    assert work.first_error == "HTTP/1.1 401 Unauthorized"


async def test_a_resubscriber_goes_back_as_far_as_asked_and_counts_what_comes() -> None:
    work = Work(most=2)
    work.open(60.0)
    client = Resubscriber(b"upgrade!", work, token="T", channel="news", missed=2)
    wired = Wired(client)
    wired.receive(
        UPGRADED,
        frame(Opcode.TEXT, b'{"id":1,"connect":{}}'),
        frame(Opcode.TEXT, b'{"id":2,"subscribe":{"offset":7,"epoch":"E"}}'),
    )
    wired.transport.take()
    client.start()
    sent = wired.receive()
    assert b'"offset": 5, "epoch": "E"' in sent
    left = b'{"id":11,"unsubscribe":{}}\n'
    publications = b",".join(b'{"data":%b}' % wire.payload(0) for _ in range(2))
    good = b'{"id":12,"subscribe":{"recovered":true,"publications":[%b]}}' % publications
    assert wired.receive(frame(Opcode.TEXT, left + good)) == sent
    wired.receive(frame(Opcode.TEXT, left + b'{"id":12,"subscribe":{"recovered":true}}'))
    assert client.finished.done()
    assert work.errors == 1
    assert work.first_error == "0 publications instead of 2"
