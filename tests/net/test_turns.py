"""What a flood costs: its sender his turn of the loop, and others no more than that turn."""

import logging
import sys
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from girandola.net.connections import Connections
from girandola.net.http import HttpLimits, Request, Response, Route
from girandola.net.router import Router
from girandola.net.websocket import MOST_CONTROL_FRAMES, TURN_TIME, WebSocketConnection
from tests.fakes import FakeClock
from tests.net.wire import FakeListener, FakeTransport, client_frame

MOST_FRAMES = 64
MOST_REQUESTS = 16


class Socket:
    """One open WebSocket."""

    def __init__(self, listener: FakeListener | None = None, max_message_size: int = 65536) -> None:
        self.clock = FakeClock()
        self.transport = FakeTransport(self.clock)
        self.listener = FakeListener() if listener is None else listener
        self.connection = WebSocketConnection(
            self.listener, clock=self.clock, max_message_size=max_message_size
        )
        self.transport.connect(self.connection)


class Site:
    """One HTTP connection to a route that remembers what it was asked."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.requests: list[Request] = []
        router = Router()
        router.add("/", Route(self.answer, max_body=1_000_000))
        self.connections = Connections(router.find, self.clock, HttpLimits())
        self.transport = FakeTransport(self.clock)
        self.transport.connect(self.connections.make())

    def answer(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200)


def turns_until(clock: FakeClock, done: Callable[[], bool]) -> int:
    """Return how many turns of the loop it takes."""
    turns = 0
    while not done():
        turns += 1
        assert turns < 10_000, "it never gets there"
        clock.tick()
    return turns


# ── WebSocket ────────────────────────────────────────────────────────────────────────────────


def test_many_messages_at_once_are_delivered_some_a_turn_all_of_them_and_in_order() -> None:
    socket = Socket()
    sent = [b"%d" % number for number in range(1000)]
    socket.transport.receive_only(b"".join(client_frame(1, text) for text in sent))
    assert 0 < len(socket.listener.messages) <= MOST_FRAMES
    assert not socket.transport.reading
    before = 0
    while not socket.transport.reading:
        assert len(socket.listener.messages) - before <= MOST_FRAMES
        before = len(socket.listener.messages)
        socket.clock.tick()
    assert socket.listener.messages == sent


def test_long_messages_take_more_of_a_turn() -> None:
    socket = Socket()
    socket.transport.receive_only(client_frame(1, b"x" * 65_000) * 3)
    assert len(socket.listener.messages) == 1


def test_messages_that_are_much_work_end_the_turn_earlier() -> None:
    class Busy(FakeListener):
        def on_message(self, payload: bytes, is_text: bool) -> None:
            super().on_message(payload, is_text)
            socket.clock.pass_time(TURN_TIME / 2)

    socket = Socket(Busy())
    socket.transport.receive_only(client_frame(1, b"a") * 20)
    assert 1 < len(socket.listener.messages) <= 4
    assert turns_until(socket.clock, lambda: socket.transport.reading) >= 4
    assert len(socket.listener.messages) == 20


def test_a_few_messages_do_not_end_the_turn() -> None:
    socket = Socket()
    socket.transport.receive_only(client_frame(1, b"a") * MOST_FRAMES)
    assert len(socket.listener.messages) == MOST_FRAMES
    assert socket.transport.reading


@pytest.mark.parametrize("opcode", [0, 1])
def test_empty_frames_are_looked_at_some_a_turn(opcode: int) -> None:
    """Also where none of them becomes a message."""
    socket = Socket()
    beginning = client_frame(1, b"a", fin=False) if opcode == 0 else b""
    flood = client_frame(opcode, fin=opcode != 0) * 500
    socket.transport.receive_only(beginning + flood)
    assert turns_until(socket.clock, lambda: socket.transport.reading) >= 500 // MOST_FRAMES


def test_a_message_in_endless_fragments_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    socket = Socket()
    socket.transport.receive(client_frame(1, fin=False) + client_frame(0, fin=False) * 2000)
    assert socket.transport.take()[2:4] == (1008).to_bytes(2, "big")
    (record,) = caplog.records
    assert "message in more than 1024 fragments" in record.getMessage()


@pytest.mark.parametrize(("size", "pieces"), [(1024, 1024), (1_000_000, 1000)])
def test_libraries_that_cut_their_messages_are_welcome(size: int, pieces: int) -> None:
    socket = Socket(max_message_size=size)
    piece = b"x" * (size // pieces)
    frames = [client_frame(1, piece, fin=False)]
    frames += [client_frame(0, piece, fin=False)] * (pieces - 2) + [client_frame(0, piece)]
    socket.transport.receive(b"".join(frames))
    assert socket.listener.messages == [piece * pieces]


@pytest.mark.parametrize("opcode", [9, 10])
def test_more_pings_and_pongs_than_a_second_may_have_end_the_connection(
    opcode: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    socket = Socket()
    socket.transport.receive(client_frame(opcode, b"x") * 3 * MOST_CONTROL_FRAMES)
    assert (1008).to_bytes(2, "big") in socket.transport.take()
    assert socket.transport.eof_written
    (record,) = caplog.records
    assert "more than 100 pings and pongs in a second" in record.getMessage()


def test_as_many_pings_as_a_second_may_have_are_answered_every_second() -> None:
    socket = Socket()
    for _ in range(5):
        socket.transport.receive(client_frame(9, b"x") * MOST_CONTROL_FRAMES)
        assert socket.transport.take() == b"\x8a\x01x" * MOST_CONTROL_FRAMES
        socket.clock.advance(1)


class Pausing(FakeListener):
    """Pauses and resumes when its script says so, as a session does."""

    def __init__(self, script: list[int]) -> None:
        super().__init__()
        self._script = script
        self.paused = False

    def on_message(self, payload: bytes, is_text: bool) -> None:
        super().on_message(payload, is_text)
        self.obey()

    def obey(self) -> None:
        step = self._script.pop() if self._script else 0
        if step == 1:
            self.connection.pause_reading()
        elif step == 2:
            self.connection.resume_reading()
        elif step == 3:
            self.connection.pause_reading()
            self.connection.resume_reading()
        if step:
            self.paused = step == 1


@given(
    script=st.lists(st.integers(0, 3), max_size=300),
    sizes=st.lists(st.integers(0, 200), min_size=1, max_size=4),
)
@settings(max_examples=50, deadline=None)
def test_a_listener_that_pauses_is_obeyed_whatever_the_turns(
    script: list[int], sizes: list[int]
) -> None:
    """While it pauses nothing comes; in the end everything has come, in order, and is read on."""
    listener = Pausing(script)
    socket = Socket(listener)
    sent: list[bytes] = []
    for size in sizes:
        batch = [b"%d" % (len(sent) + n) for n in range(size)]
        sent += batch
        while not socket.transport.reading:
            before = len(listener.messages)
            paused = listener.paused
            socket.clock.tick()
            assert not paused or len(listener.messages) == before
            if listener.paused:
                script[:] = script or [2]
                listener.obey()
        socket.transport.receive_only(b"".join(client_frame(1, text) for text in batch))
    while not socket.transport.reading:
        script[:] = [2]
        listener.obey()
        socket.clock.tick()
    assert listener.messages == sent


def test_an_idle_connection_keeps_nothing_of_what_it_was_sent() -> None:
    socket, site = Socket(), Site()
    data, request = client_frame(1, b"x" * 1000), POST % 100_000 + b"x" * 100_000
    references = sys.getrefcount(data), sys.getrefcount(request)
    tracemalloc.start()
    try:
        socket.transport.receive(data)
        site.transport.receive(request)
        site.requests.clear()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (sys.getrefcount(data), sys.getrefcount(request)) == references
    assert kept < 50_000


def test_what_comes_although_reading_is_paused_waits_for_its_turn() -> None:
    """As from a layer of TLS, which may have some left."""
    socket = Socket()
    sent = [b"%d" % number for number in range(300)]
    socket.transport.receive_only(b"".join(client_frame(1, text) for text in sent[:200]))
    before = len(socket.listener.messages)
    socket.connection.data_received(b"".join(client_frame(1, text) for text in sent[200:]))
    assert len(socket.listener.messages) == before
    socket.clock.run()
    assert socket.listener.messages == sent


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_many_requests_at_once_are_answered_some_a_turn_and_all_of_them() -> None:
    site = Site()
    site.transport.receive_only(GET * 1000)
    assert 0 < len(site.requests) <= MOST_REQUESTS
    assert not site.transport.reading
    before = 0
    while not site.transport.reading:
        assert len(site.requests) - before <= MOST_REQUESTS
        before = len(site.requests)
        site.clock.tick()
    assert len(site.requests) == 1000
    assert site.transport.take().count(b"HTTP/1.1 200 OK") == 1000


def test_requests_with_long_bodies_take_more_of_a_turn() -> None:
    site = Site()
    site.transport.receive_only((POST % 65_000 + b"x" * 65_000) * 5)
    for answered in range(1, 6):
        assert len(site.requests) == answered
        site.clock.tick()


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(CHUNKED + b"1\r\nx\r\n" * 40_000, id="chunks of one byte"),
        pytest.param(CHUNKED + b"4\r\n\r\n\r\n\r\n" * 1000, id="chunks that look like ends"),
    ],
)
def test_a_body_in_crumbs_is_read_a_part_a_turn(flood: bytes) -> None:
    site = Site()
    site.transport.receive_only(flood)
    assert not site.transport.reading
    assert turns_until(site.clock, lambda: site.transport.reading) >= 3
    site.transport.receive(b"0\r\n\r\n")
    assert len(site.requests[0].body) in {40_000, 4000}


def test_what_came_in_one_turn_can_be_cut_off_by_the_next() -> None:
    """A connection that is lost meanwhile has nothing more to say."""
    site = Site()
    site.transport.receive_only(GET * 1000)
    site.transport.abort()
    site.clock.run()
    assert len(site.requests) <= 2 * MOST_REQUESTS
    assert site.connections.http == set()
