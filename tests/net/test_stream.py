"""Streaming answers on a fake transport, from their head to the next request."""

import gc
import logging
from collections.abc import Awaitable
from typing import Any

import pytest

from girandola.net.connections import Connections
from girandola.net.http import (
    HttpConnection,
    HttpLimits,
    Request,
    Response,
    Route,
    Streaming,
)
from girandola.net.messages import Answer
from girandola.net.request_parser import RequestParser
from girandola.net.router import Router
from girandola.net.stream import LAST_CHUNK, Stream, chunk
from tests.fakes import FakeClock, FakeWaiter
from tests.net.wire import FakeTransport

DATE = b"Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"  # where FakeClock begins
HEAD = (
    b"HTTP/1.1 200 OK\r\n" + DATE + b"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"
    b"Connection: keep-alive\r\nX-Tag: a\r\n\r\n"
)
PREFACE = b"2\r\n\r\n\r\n"
GET = b"GET /stream HTTP/1.1\r\nHost: test\r\n\r\n"


class Writer:
    """A ``StreamListener`` that remembers. ``broken`` names the calls that raise."""

    def __init__(self, *broken: str) -> None:
        self.stream: Stream
        self.events: list[str] = []
        self._broken = broken

    def on_open(self, stream: Stream) -> None:
        self.stream = stream
        self._remember("open")

    def on_write_timeout(self) -> None:
        self._remember("write timeout")

    def on_close(self) -> None:
        self._remember("close")

    def _remember(self, name: str) -> None:
        self.events.append(name)
        if name in self._broken:
            raise RuntimeError("the listener is broken")


class Site:
    """A server with a stream, and one connection to it."""

    def __init__(self, *broken: str, **how: Any) -> None:
        self.clock = FakeClock()
        self.writer = Writer(*broken)
        self.how = {"content_type": "text/plain", "headers": (("X-Tag", "a"),), **how}
        self.waiters: list[FakeWaiter] = []
        router = Router()
        router.add("/stream", Route(self.answer, max_body=10))
        router.add("/later", Route(self.later))
        router.add("/hello", Route(lambda request: Response(200, b"hello")))
        self.connections = Connections(router.find, self.clock, HttpLimits())
        self.transport = FakeTransport(self.clock)
        self.transport.connect(self.connections.make())

    def answer(self, request: Request) -> Streaming:
        return Streaming(self.writer, **self.how)

    def later(self, request: Request) -> Awaitable[Answer]:
        waiter = self.clock.waiter()
        self.waiters.append(waiter)
        return waiter

    def ask(self, request: bytes = GET) -> bytes:
        self.transport.receive(request)
        return self.transport.take()

    def open(self, request: bytes = GET) -> Stream:
        self.ask(request)
        return self.writer.stream


# ── the answer ───────────────────────────────────────────────────────────────────────────────


def test_the_head_goes_out_at_once_and_with_it_the_preface() -> None:
    site = Site(preface=b"\r\n")
    assert site.ask() == HEAD + PREFACE
    assert site.transport.writes == 1
    assert site.writer.events == ["open"]


def test_what_is_written_goes_on_the_wire_as_it_is_until_the_end() -> None:
    site = Site()
    stream = site.open()
    assert stream.chunked
    stream.write(chunk(b"abc"))
    assert site.transport.take() == b"3\r\nabc\r\n"
    stream.close(chunk(b"end"))
    assert site.transport.take() == b"3\r\nend\r\n0\r\n\r\n"
    stream.write(chunk(b"late"))
    stream.close()
    stream.abort()
    assert site.transport.take() == b""
    assert site.writer.events == ["open", "close"]


def test_the_connection_takes_another_request_after_a_stream() -> None:
    site = Site()
    site.open().close()
    site.transport.take()
    assert not site.connections.streams
    assert b"hello" in site.ask(b"GET /hello HTTP/1.1\r\nHost: test\r\n\r\n")
    assert site.ask() == HEAD
    assert len(site.connections.streams) == 1
    assert not site.connections.http


def test_a_stream_that_has_ended_leaves_its_connection_alone() -> None:
    """Neither its methods nor its limits reach what follows it."""
    site = Site()
    stream = site.open()
    assert site.transport.high_water == 0
    stream.close()
    assert site.transport.high_water == 65536
    stream.abort()
    stream.close(b"late")
    site.transport.take()
    assert b"hello" in site.ask(b"GET /hello HTTP/1.1\r\nHost: test\r\n\r\n")


def test_a_client_of_http_1_0_gets_a_body_without_chunks_that_ends_with_the_connection() -> None:
    site = Site(preface=b"\r\n")
    answer = site.ask(b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert b"Transfer-Encoding" not in head
    assert body == b"\r\n"
    stream = site.writer.stream
    assert not stream.chunked
    stream.write(b"abc")
    stream.close(b"end")
    assert site.transport.take() == b"abcend"
    site.clock.run()
    assert site.transport.lost
    assert site.writer.events == ["open", "close"]


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /stream HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
        GET + GET,
    ],
    ids=["asked for", "sent ahead"],
)
def test_the_connection_ends_with_the_stream_where_nothing_can_follow(request_: bytes) -> None:
    site = Site()
    assert b"Connection: close\r\n" in site.ask(request_)
    site.writer.stream.close()
    site.clock.run()
    assert site.transport.take() == LAST_CHUNK
    assert site.transport.lost
    assert not site.connections.http


def test_what_a_client_sends_during_a_stream_is_thrown_away_and_ends_the_connection_with_it() -> (
    None
):
    site = Site()
    stream = site.open()
    site.transport.receive(GET, b"x" * 100_000)
    assert site.transport.take() == b""
    assert site.transport.reading
    stream.write(chunk(b"abc"))
    stream.close()
    site.clock.run()
    assert site.transport.take() == chunk(b"abc") + LAST_CHUNK
    assert site.transport.lost


def test_a_stream_may_begin_later() -> None:
    site = Site()
    assert site.ask(b"GET /later HTTP/1.1\r\nHost: test\r\n\r\n") == b""
    (waiter,) = site.waiters
    waiter.set_result(site.answer(Request("GET", "/later")))
    site.clock.run()
    assert site.transport.take() == HEAD
    assert site.writer.events == ["open"]


def test_a_request_with_a_body_opens_a_stream_and_one_too_long_does_not() -> None:
    site = Site()
    post = b"POST /stream HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%b"
    assert site.ask(post % (10, b"x" * 10)) == HEAD
    site = Site()
    assert site.ask(post % (11, b"x" * 11)).startswith(b"HTTP/1.1 413 ")
    assert site.writer.events == []


def test_a_header_that_cannot_be_sent_makes_it_a_500_and_the_listener_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site(headers=(("X-Tag", "a\r\nX-Forged: b"),))
    assert site.ask().startswith(b"HTTP/1.1 500 ")
    assert site.writer.events == ["close"]
    assert not site.connections.streams


# ── the peer ─────────────────────────────────────────────────────────────────────────────────


def test_a_peer_that_is_gone_ends_the_stream_once() -> None:
    site = Site()
    stream = site.open()
    site.transport.receive_eof()
    site.clock.run()
    assert site.transport.lost
    assert site.writer.events == ["open", "close"]
    assert not site.connections.streams
    stream.write(chunk(b"abc"))
    stream.close()
    assert stream.buffered() == 0
    assert site.writer.events == ["open", "close"]


@pytest.mark.parametrize("gone", ["lost", "half closed"])
def test_a_peer_that_is_gone_before_the_answer_gets_none(gone: str) -> None:
    site = Site()
    site.ask(b"GET /later HTTP/1.1\r\nHost: test\r\n\r\n")
    if gone == "lost":
        site.transport.abort()
    else:
        site.transport.receive_eof()
    site.clock.run()
    site.waiters[0].set_result(site.answer(Request("GET", "/later")))
    site.clock.run()
    assert site.transport.take() == b""
    assert site.writer.events == ["close"]
    assert site.transport.lost
    assert not site.connections.http


def test_abort_ends_at_once_and_without_an_end_of_the_body() -> None:
    site = Site()
    stream = site.open()
    site.transport.take()
    stream.abort()
    stream.abort()
    site.clock.run()
    assert site.transport.aborted
    assert site.transport.take() == b""
    assert site.writer.events == ["open", "close"]


def test_the_end_waits_for_a_slow_peer_and_then_the_connection_closes() -> None:
    site = Site()
    stream = site.open()
    site.transport.stuck = True
    stream.write(chunk(b"abc"))
    assert stream.buffered() == len(chunk(b"abc"))
    stream.close()
    site.clock.run()
    assert site.transport.closing
    assert site.writer.events == ["open"]
    site.clock.advance(4.9)
    assert not site.transport.aborted
    site.clock.advance(0.2)
    assert site.transport.aborted
    assert site.writer.events == ["open", "close"]


def test_a_peer_that_takes_nothing_is_told_of_after_the_write_timeout() -> None:
    site = Site(write_timeout=1.0)
    stream = site.open()
    site.transport.stuck = True
    stream.write(chunk(b"abc"))
    site.clock.advance(0.9)
    assert site.writer.events == ["open"]
    site.clock.advance(0.2)
    assert site.writer.events == ["open", "write timeout"]


def test_a_peer_that_takes_all_in_time_is_left_alone() -> None:
    site = Site(write_timeout=1.0)
    stream = site.open()
    for _ in range(5):
        site.transport.stuck = True
        stream.write(chunk(b"abc"))
        site.clock.advance(0.9)
        site.transport.unstick()
    site.clock.advance(10)
    assert site.writer.events == ["open"]


def test_an_idle_stream_stays_open_without_a_timer() -> None:
    site = Site()
    site.open()
    site.clock.advance(100_000)
    assert site.writer.events == ["open"]
    assert not [timer for _, _, timer in site.clock._later if not timer.cancelled]


@pytest.mark.parametrize("broken", ["open", "write timeout", "close"])
def test_a_broken_listener_ends_its_stream_and_nothing_else(
    broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(broken)
    stream = site.open()
    if broken == "write timeout":
        site.transport.stuck = True
        stream.write(chunk(b"abc"))
        site.clock.advance(1.1)
    elif broken == "close":
        stream.close()
    site.clock.run()
    assert not site.connections.streams
    assert "internal error" in caplog.text
    assert site.writer.events[-1] == "close"
    assert site.transport.lost == (broken != "close")


# ── the server ───────────────────────────────────────────────────────────────────────────────


def test_a_draining_server_waits_for_streams_and_takes_no_request_after_them() -> None:
    site = Site()
    stream = site.open()
    emptied: list[bool] = []
    site.connections.draining = True
    site.connections.on_empty = lambda: emptied.append(True)
    site.clock.run()
    assert emptied == []
    stream.close()
    site.clock.run()
    assert site.transport.lost
    assert emptied[-1:] == [True]


def test_a_server_is_not_empty_while_a_stream_is_open() -> None:
    site = Site()
    other = FakeTransport(site.clock)
    other.connect(site.connections.make())
    stream = site.open()
    emptied: list[bool] = []
    site.connections.on_empty = lambda: emptied.append(True)
    other.abort()
    site.clock.run()
    assert emptied == []
    stream.abort()
    site.clock.run()
    assert emptied == [True]


def test_a_stream_is_named_in_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()
    with caplog.at_level(logging.DEBUG, "girandola.net"):
        site.ask(b"GET /stream?token=secret HTTP/1.1\r\nHost: test\r\n\r\n")
    assert "GET '/stream' from 127.0.0.1:5555: 200" in caplog.text
    assert "secret" not in caplog.text


def test_nothing_of_parser_and_connection_is_kept_while_a_stream_is_open() -> None:
    """Not even until the next garbage collection: no circle holds them."""

    def alive() -> list[object]:
        kinds = (HttpConnection, RequestParser, Request)
        return [each for each in gc.get_objects() if type(each) in kinds]

    gc.collect()
    before = len(alive())
    gc.disable()
    try:
        sites = [Site() for _ in range(10)]
        assert len(alive()) > before
        for site in sites:
            site.open()
        assert len(alive()) == before
    finally:
        gc.enable()
