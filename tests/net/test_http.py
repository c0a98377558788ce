"""HTTP/1.1 on a fake transport, with a clock moved by hand and literal requests."""

import asyncio
import logging
import re
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from girandola.net.answers import AnswerHeads
from girandola.net.connections import Connections
from girandola.net.http import (
    HttpLimits,
    Request,
    Response,
    Route,
    WebSocketRoute,
)
from girandola.net.router import Router
from girandola.net.websocket import Listener
from tests.fakes import FakeClock, FakeWaiter
from tests.net.wire import FakeListener, FakeTransport, client_frame, cut

DATE = b"Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"  # where FakeClock begins
TEXT = b"Content-Type: text/plain; charset=utf-8\r\n"


def answer(status: bytes, body: bytes, *headers: bytes) -> bytes:
    """The bytes of an answer of ours; further headers stand behind the length."""
    length = b"Content-Length: %d\r\n" % len(body)
    more = b"".join(header + b"\r\n" for header in headers)
    return b"HTTP/1.1 " + status + b"\r\n" + DATE + TEXT + length + more + b"\r\n" + body


def refusal(status: bytes) -> bytes:
    """The bytes of an answer that also ends the connection."""
    return answer(status, status[4:] + b"\n", b"Connection: close")


def undated(written: bytes) -> bytes:
    """Without the Date header, for what is written after time has moved."""
    return re.sub(rb"Date: [^\r]*\r\n", b"", written)


class Site:
    """A few routes, one connection to them, and what they were asked."""

    def __init__(self, **limits: Any) -> None:
        self.clock = FakeClock()
        self.requests: list[Request] = []
        self.waiters: list[FakeWaiter] = []
        self.listener: Listener | Response = FakeListener()
        router = Router()
        hello = Route(self.hello, ("GET", "POST"), max_body=100, limited_by="the option")
        router.add("/hello", hello)
        router.add("/later", Route(self.later))
        router.add("/broken", Route(self.broken))
        router.add("/broken-later", Route(self.broken_later))
        router.add("/long", Route(lambda request: Response(200, b"x" * 100_000)))
        router.add("/ws", WebSocketRoute(self.accept, max_message_size=100, subprotocols=("chat",)))
        self.connections = Connections(router.find, self.clock, HttpLimits(**limits))
        self.transport = FakeTransport(self.clock)
        self.transport.connect(self.connections.make())

    def hello(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200, b"hello " + (request.body or request.query.encode()))

    def later(self, request: Request) -> Awaitable[Response]:
        self.requests.append(request)
        waiter = self.clock.waiter()
        self.waiters.append(waiter)
        return waiter

    def broken(self, request: Request) -> Response:
        raise RuntimeError("the handler is broken")

    async def broken_later(self, request: Request) -> Response:
        raise RuntimeError("the handler is broken")

    def accept(self, request: Request) -> Listener | Response:
        self.requests.append(request)
        return self.listener

    def ask(self, *pieces: bytes) -> bytes:
        """Send bytes and return what comes back."""
        self.transport.receive(*pieces)
        return self.transport.take()


def get(path: str = "/hello", *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: test", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(body: bytes, *headers: str, path: str = "/hello") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*chunks: bytes, trailers: bytes = b"", path: bytes = b"/hello") -> bytes:
    head = b"POST " + path + b" HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + framed + b"0\r\n" + trailers + b"\r\n"


# ── requests and answers ─────────────────────────────────────────────────────────────────────


def test_a_request_is_answered_in_one_write_and_the_connection_stays() -> None:
    site = Site()
    assert site.ask(get("/hello?a=b")) == answer(b"200 OK", b"hello a=b")
    assert site.transport.writes == 1
    assert not site.transport.closing


def test_a_handler_sees_the_request_as_it_was_made() -> None:
    site = Site()
    site.ask(
        b"POST /he%6Clo?q=%20x&q=&r HTTP/1.1\r\nHost: test\r\nX-Tag: a\r\nx-tag: b\r\n"
        b"X-Empty:\r\nContent-Length: 3\r\n\r\nabc"
    )
    (request,) = site.requests
    assert (request.method, request.path, request.raw_path) == ("POST", "/hello", "/he%6Clo")
    assert (request.query, request.body, request.peer) == ("q=%20x&q=&r", b"abc", "127.0.0.1:5555")
    assert request.http_version == "1.1"
    assert request.query_params() == {"q": [" x", ""], "r": [""]}
    assert request.headers == {
        "host": "test",
        "x-tag": "a, b",
        "x-empty": "",
        "content-length": "3",
    }


def test_a_target_may_be_a_whole_url() -> None:
    """As proxies send it (RFC 9112 section 3.2.2)."""
    site = Site()
    assert site.ask(get("http://test/hello?x=1")) == answer(b"200 OK", b"hello x=1")


def test_a_chunked_body_is_put_together_and_its_trailers_are_ignored() -> None:
    site = Site()
    data = chunked(b"abc", b"\r\n\r\n", b"d" * 20, trailers=b"X-Sum: 1\r\n")
    assert site.ask(data) == answer(b"200 OK", b"hello abc\r\n\r\n" + b"d" * 20)
    assert "x-sum" not in site.requests[0].headers


def test_head_is_answered_like_get_without_the_body() -> None:
    site = Site()
    head = get("/hello?abc").replace(b"GET", b"HEAD", 1)
    assert site.ask(head) == answer(b"200 OK", b"hello abc")[: -len(b"hello abc")]


def test_empty_lines_before_a_request_are_skipped() -> None:
    site = Site()
    assert site.ask(b"\r\n\r\n" + get()) == answer(b"200 OK", b"hello ")


@pytest.mark.parametrize(
    ("version", "header", "answered_with", "closes"),
    [
        ("1.1", "", b"", False),
        ("1.1", "Connection: close\r\n", b"Connection: close\r\n", True),
        ("1.1", "Connection: keep-alive\r\n", b"", False),
        ("1.0", "", b"Connection: close\r\n", True),
        ("1.0", "Connection: keep-alive\r\n", b"Connection: keep-alive\r\n", False),
    ],
)
def test_a_connection_stays_as_the_client_wants(
    version: str, header: str, answered_with: bytes, closes: bool
) -> None:
    site = Site()
    written = site.ask(f"GET /hello HTTP/{version}\r\nHost: test\r\n{header}\r\n".encode())
    assert written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (answered_with in written) if answered_with else (b"Connection" not in written)
    assert site.transport.closing is closes


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_has_no_length_either(status: int) -> None:
    encoded = AnswerHeads(FakeClock()).response(Response(status, b"?"))
    assert encoded.split(b"\r\n", 1)[1] == DATE + b"\r\n"


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b", "…"])
def test_a_header_that_would_break_the_answer_is_never_sent(value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  whichever of the two kinds
        AnswerHeads(FakeClock()).response(Response(200, headers=[("X-Name", value)]))


def test_an_unsendable_answer_becomes_a_500(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()
    site.connections.find = lambda request: Route(
        lambda request: Response(200, headers=[("X", "a\r\nb")])
    )
    assert site.ask(get()) == refusal(b"500 Internal Server Error")
    assert "line break" in caplog.text


# ── clients as they are ──────────────────────────────────────────────────────────────────────

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
OPENED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

FIREFOX = f"""\
GET /ws HTTP/1.1
Host: 127.0.0.1:8000
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0
Accept: */*
Accept-Language: en-US,en;q=0.5
Accept-Encoding: gzip, deflate, br, zstd
Sec-WebSocket-Version: 13
Origin: http://127.0.0.1:8000
Sec-WebSocket-Extensions: permessage-deflate
Sec-WebSocket-Key: {KEY}
Connection: keep-alive, Upgrade
Sec-Fetch-Dest: empty
Sec-Fetch-Mode: websocket
Sec-Fetch-Site: same-origin
Pragma: no-cache
Cache-Control: no-cache
Upgrade: websocket

"""
CHROMIUM = f"""\
GET /ws HTTP/1.1
Host: 127.0.0.1:8000
Connection: Upgrade
Pragma: no-cache
Cache-Control: no-cache
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0
Upgrade: websocket
Origin: http://127.0.0.1:8000
Sec-WebSocket-Version: 13
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-US,en;q=0.9
Sec-WebSocket-Key: {KEY}
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits

"""
NODE_WS = f"""\
GET /ws HTTP/1.1
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: {KEY}
Connection: Upgrade
Upgrade: websocket
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
Host: 127.0.0.1:8000

"""
PYTHON_WEBSOCKETS = f"""\
GET /ws HTTP/1.1
Host: 127.0.0.1:8000
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: {KEY}
Sec-WebSocket-Version: 13
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
User-Agent: Python/3.11 websockets/15.0

"""
OLD_PYTHON_SDK = PYTHON_WEBSOCKETS.replace("\n\n", "\nSec-WebSocket-Protocol: \n\n")


@pytest.mark.parametrize(
    "handshake", [FIREFOX, CHROMIUM, NODE_WS, PYTHON_WEBSOCKETS, OLD_PYTHON_SDK]
)
def test_the_handshakes_of_real_clients_open_a_websocket(handshake: str) -> None:
    site = Site()
    assert site.ask(handshake.replace("\n", "\r\n").encode()) == OPENED
    assert isinstance(site.listener, FakeListener)
    assert site.listener.events == [("open",)]
    assert site.requests[0].subprotocol == ""


def test_curl_is_answered() -> None:
    site = Site()
    data = (
        b"POST /hello HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: curl/8.14.1\r\n"
        b"Accept: */*\r\nX-API-Key: k\r\nContent-Length: 2\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\n{}"
    )
    assert site.ask(data) == answer(b"200 OK", b"hello {}")


@pytest.mark.parametrize("body", [b"", b"abc"])
def test_an_offer_of_http_2_is_passed_over(body: bytes) -> None:
    """Java's client makes it with every first request, also with a body."""
    site = Site()
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAA")
    twice = post(body, *offer) + post(b"again", *offer) + get()
    assert site.ask(twice) == (
        answer(b"200 OK", b"hello " + body)
        + answer(b"200 OK", b"hello again")
        + answer(b"200 OK", b"hello ")
    )


def test_an_offer_of_http_2_with_a_chunked_body_is_passed_over() -> None:
    site = Site()
    offer = b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding"
    data = chunked(b"abc", b"d").replace(b"Transfer-Encoding", offer)
    assert site.ask(data, get()) == answer(b"200 OK", b"hello abcd") + answer(b"200 OK", b"hello ")


def test_a_client_that_expects_100_is_told_to_go_on() -> None:
    site = Site()
    data = post(b"abc", "Expect: 100-continue")
    assert site.ask(data[:-3]) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert site.ask(data[-3:]) == answer(b"200 OK", b"hello abc")


def test_a_client_that_expects_100_and_does_not_wait_is_just_answered() -> None:
    site = Site()
    assert site.ask(post(b"abc", "Expect: 100-continue")) == answer(b"200 OK", b"hello abc")


def test_a_client_that_expects_100_with_too_long_a_body_is_told_at_once() -> None:
    site = Site()
    data = post(b"a" * 101, "Expect: 100-continue")[:-101]
    assert site.ask(data).startswith(b"HTTP/1.1 413 ")


# ── pipelining ───────────────────────────────────────────────────────────────────────────────


def test_requests_sent_together_are_answered_in_order() -> None:
    site = Site()
    data = b"".join(get(f"/hello?{number}") for number in range(20)) + post(b"end")
    expected = b"".join(answer(b"200 OK", b"hello %d" % number) for number in range(20))
    assert site.ask(data) == expected + answer(b"200 OK", b"hello end")


def test_a_request_waits_for_the_answer_to_the_one_before_it() -> None:
    """And meanwhile nothing more is read."""
    site = Site()
    assert site.ask(get("/later?1") + get("/later?2") + get()) == b""
    assert [request.query for request in site.requests] == ["1"]
    assert not site.transport.reading
    site.waiters[0].set_result(Response(200, b"one"))
    site.clock.run()
    assert site.transport.take() == answer(b"200 OK", b"one")
    assert [request.query for request in site.requests] == ["1", "2"]
    site.waiters[1].set_result(Response(200, b"two"))
    site.clock.run()
    assert site.transport.take() == answer(b"200 OK", b"two") + answer(b"200 OK", b"hello ")
    assert site.transport.reading


def test_a_peer_that_does_not_read_its_answers_gets_no_more_of_them() -> None:
    site = Site()
    site.transport.stuck = True
    site.ask(get("/long") * 50)
    assert site.transport.unsent < 200_000
    assert not site.transport.reading
    site.transport.stuck, site.transport.unsent = False, 0
    site.transport.unstick()
    assert site.transport.writes == 50
    assert site.transport.reading


def test_a_peer_that_never_reads_its_answer_is_cut_off() -> None:
    site = Site()
    site.transport.stuck = True
    site.ask(get("/long"))
    site.clock.advance(32)
    assert site.transport.aborted


def test_a_peer_that_ended_its_half_still_gets_its_answer() -> None:
    site = Site()
    site.ask(get("/later"))
    site.transport.receive_eof()
    assert not site.transport.closing
    site.waiters[0].set_result(Response(200, b"late"))
    site.clock.run()
    assert site.transport.take() == answer(b"200 OK", b"late", b"Connection: close")
    assert site.transport.closing


def test_an_answer_for_a_peer_that_is_gone_is_dropped() -> None:
    site = Site()
    site.ask(get("/later"))
    site.transport.abort()
    site.clock.run()
    site.waiters[0].set_result(Response(200, b"late"))
    site.clock.run()
    assert site.transport.take() == b""
    assert site.connections.http == set()


def test_a_handler_that_is_cancelled_ends_its_connection() -> None:
    site = Site()
    site.ask(get("/later"))
    site.waiters[0].set_exception(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        site.clock.run()
    assert site.transport.aborted


# ── wherever the bytes are cut ───────────────────────────────────────────────────────────────

HANDSHAKE = CHROMIUM.replace("\n", "\r\n").encode()

good_requests = st.sampled_from(
    [
        get(),
        get("/hello?a=1", "X: y", "Accept:"),
        get("/nowhere"),
        b"\r\n\r\n" + get(),
        post(b"abc"),
        post(b""),
        post(b"\r\n\r\n\r\n\r\n"),
        post(b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
        post(b"abc", "A: b"),
        post(b"x" * 99, "A: b"),
        post(b"abc").replace(b"Length: 3", b"Length: \t003 "),
        chunked(b"abc", b"\r\n\r\n", b"x" * 30),
        chunked(trailers=b"A: b\r\nC: d\r\n"),
        chunked(b"a").replace(b"1\r\na", b"1;x=y\r\na"),
        post(b"abc", "Connection: Upgrade", "Upgrade: h2c"),
    ]
)
last_requests = st.sampled_from(
    [
        b"",
        get("/hello", "Connection: close"),
        post(b"abc", path="/nowhere"),
        post(b"x" * 101),
        chunked(b"x" * 60, b"x" * 60),
        HANDSHAKE + client_frame(1, b"hello") + client_frame(8, b"\x03\xe8"),
        b"GET / HTTP/1.1\r\n\r\n",
        b"BREW / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\nHost: test\n\n",
        b"GET /\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT test:80 HTTP/1.1\r\nHost: test\r\n\r\n",
        get("/hello", "A: " + "b" * 70_000),
        get("/hello", "A: " + "b" * 40_000),
        b"\r\n" * 33_000 + get(),
        get("/hello", *["A: b"] * 101),
        post(b"abc", "Transfer-Encoding: chunked"),
        chunked(b"abc").replace(b"chunked", b"gzip"),
        chunked(b"abc").replace(b"3\r\nabc", b"3\r\nabcd"),
        chunked(b"abc").replace(b"3\r\n", b"-3\r\n"),
    ]
)


def seen(requests: list[Request]) -> list[tuple[Any, ...]]:
    """What handlers are shown."""
    return [(r.method, r.path, r.query, r.headers, r.body) for r in requests]


def outcome_of(pieces: list[bytes]) -> tuple[Any, ...]:
    """All that can be seen of a connection after these bytes."""
    site = Site()
    written = site.ask(*pieces)
    listener = site.listener
    assert isinstance(listener, FakeListener)
    ended = site.transport.closing or site.transport.eof_written
    return written, seen(site.requests), listener.events, ended


@given(
    st.lists(good_requests, max_size=4),
    last_requests,
    st.lists(st.integers(0, 100_000), max_size=9),
)
@settings(max_examples=300, deadline=None)
def test_it_makes_no_difference_where_the_network_cuts_requests(
    requests: list[bytes], last: bytes, places: list[int]
) -> None:
    data = b"".join(requests) + last
    assert outcome_of(cut(data, places)) == outcome_of([data])


@given(st.lists(good_requests, max_size=6))
@settings(max_examples=300, deadline=None)
def test_a_request_means_the_same_whatever_came_before_it(requests: list[bytes]) -> None:
    together = Site()
    for request in requests:
        alone = Site()
        before = len(together.requests)
        assert together.ask(request) == alone.ask(request)
        assert seen(together.requests[before:]) == seen(alone.requests)


def test_a_body_that_is_too_long_is_refused_behind_a_head_that_came_before() -> None:
    site = Site()
    assert site.ask(post(b"x" * 10)).endswith(b"hello xxxxxxxxxx")
    assert site.ask(post(b"x" * 101)).startswith(b"HTTP/1.1 413 ")


def test_it_makes_no_difference_if_every_byte_comes_alone() -> None:
    data = (
        post(b"\r\n\r\nab") + chunked(b"\r\n\r\n", b"c", trailers=b"A: b\r\n") + get() + HANDSHAKE
    )
    data += client_frame(1, b"hello") + client_frame(8, b"\x03\xe8")
    outcome = outcome_of([bytes([byte]) for byte in data])
    assert outcome == outcome_of([data])
    assert outcome[2][1:] == [("text", b"hello"), ("close", 1000, "")]


@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda data, at, junk: data[: at % len(data)] + junk + data[at % len(data) :],
            st.one_of(good_requests, last_requests.filter(bool)),
            st.integers(0, 1000),
            st.binary(max_size=20),
        ),
    ),
    st.lists(st.integers(0, 300), max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_garbage_is_answered_with_an_error_or_waited_for_but_never_breaks_us(
    data: bytes, places: list[int]
) -> None:
    """An exception would come through here; what is begun and not finished ends in time."""
    site = Site()
    site.ask(*cut(data, places))
    site.clock.advance(200)
    assert site.transport.lost
    assert site.connections.http == set()


# ── refusals ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400 Bad Request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400 Bad Request"),
        (b"GET / HTTP/1.1\nHost: test\n\n", b"400 Bad Request"),
        (b"GET /hello HTTP/1.1\r\n\r\n", b"400 Bad Request"),
        (get("/hello", "Host: other"), b"400 Bad Request"),
        (get("/hello", "Bad Name: x"), b"400 Bad Request"),
        (get("/hello", "A: b", " folded"), b"400 Bad Request"),
        (get("mailto:x"), b"400 Bad Request"),
        (post(b"abc", "Transfer-Encoding: chunked"), b"400 Bad Request"),
        (post(b"abc", "Content-Length: 4"), b"400 Bad Request"),
        (chunked(b"a").replace(b"1.1", b"1.0"), b"400 Bad Request"),
        (chunked(b"a").replace(b"1\r\na", b"x\r\na"), b"400 Bad Request"),
        (chunked(b"a").replace(b"chunked", b"gzip"), b"501 Not Implemented"),
        (chunked(b"a").replace(b"chunked", b"gzip, chunked"), b"501 Not Implemented"),
        (b"BREW /hello HTTP/1.1\r\nHost: test\r\n\r\n", b"501 Not Implemented"),
        (b"CONNECT test:80 HTTP/1.1\r\nHost: test\r\n\r\n", b"501 Not Implemented"),
        (b"GET /hello HTTP/2.0\r\nHost: test\r\n\r\n", b"505 HTTP Version Not Supported"),
        (get("/hello", "Expect: wonders"), b"417 Expectation Failed"),
        (get("/hello", *["A: b"] * 100), b"431 Request Header Fields Too Large"),
        (get("/hello", "A: " + "b" * 32768), b"431 Request Header Fields Too Large"),
        (get("/hello", *["A: " + "b" * 22000] * 3), b"431 Request Header Fields Too Large"),
        (get("/hello?" + "b" * 32768), b"431 Request Header Fields Too Large"),
        (b"\r\n" * 33000, b"431 Request Header Fields Too Large"),
        (get("/hello?" + "&" * 1000), b"400 Bad Request"),
    ],
)
def test_a_request_that_cannot_be_taken_is_refused_with_one_log_line(
    data: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    site = Site()
    assert site.ask(data) == refusal(status)
    assert site.requests == []
    (record,) = caplog.records
    assert record.getMessage().startswith(
        f"connection 127.0.0.1:5555: refused with {status[:3].decode()}: "
    )
    assert record.exc_info is None


def test_a_head_may_be_long() -> None:
    """As browsers make it with many cookies."""
    site = Site()
    cookies = ["Cookie: a=" + "b" * 20_000, "Cookie: c=" + "d" * 20_000]
    assert site.ask(get("/hello?" + "x" * 20_000, *cookies)).startswith(b"HTTP/1.1 200 OK")


def test_how_long_a_head_may_be_can_be_chosen() -> None:
    assert Site(head_size=1000).ask(get("/hello", "A: " + "b" * 900)).startswith(b"HTTP/1.1 431 ")


def test_as_many_headers_as_allowed_are_taken() -> None:
    site = Site()
    assert site.ask(get("/hello", *["A: b"] * 99)).startswith(b"HTTP/1.1 200 OK")


def test_a_path_that_leads_nowhere_is_answered_with_404_and_the_connection_stays() -> None:
    site = Site()
    assert site.ask(get("/nowhere")) == answer(b"404 Not Found", b"Not Found\n")
    assert not site.transport.closing


def test_a_path_that_leads_nowhere_is_answered_before_the_body_is_read() -> None:
    site = Site()
    assert site.ask(post(b"x" * 100_000, path="/nowhere")[:200]) == refusal(b"404 Not Found")
    assert site.transport.eof_written
    assert not site.transport.closing, "input is still on its way"


def test_a_method_that_a_route_does_not_take_is_answered_with_405() -> None:
    site = Site()
    delete = get().replace(b"GET", b"DELETE", 1)
    expected = answer(b"405 Method Not Allowed", b"Method Not Allowed\n", b"Allow: GET, POST, HEAD")
    assert site.ask(delete) == expected


@pytest.mark.parametrize("data", [post(b"x" * 101)[:-101], chunked(b"x" * 60, b"x" * 41)])
def test_a_body_longer_than_its_route_allows_is_refused(data: bytes) -> None:
    """By its length, before it comes; else as soon as it is too long. The answer says so."""
    site = Site()
    written = site.ask(data)
    assert written.startswith(b"HTTP/1.1 413 ")
    assert re.search(rb"body of .* 100 .*\(the option\)\n$", written)
    assert site.requests == []


def test_a_body_as_long_as_its_route_allows_is_taken() -> None:
    site = Site()
    assert site.ask(chunked(b"x" * 60, b"x" * 40)).startswith(b"HTTP/1.1 200 ")


def test_chunk_framing_without_content_has_a_limit() -> None:
    site = Site()
    data = chunked(trailers=b"A: " + b"b" * 100_000)
    assert site.ask(*cut(data, list(range(0, 100_000, 1000)))) == refusal(b"400 Bad Request")


def test_after_a_refusal_the_rest_is_thrown_away_until_the_peer_has_read_the_answer() -> None:
    """Closing over unread input would make TCP take back the answer."""
    site = Site()
    site.ask(post(b"x" * 101))
    assert site.transport.eof_written
    assert not site.transport.closing
    site.transport.receive(get())
    assert site.requests == []
    site.transport.receive_eof()
    assert site.transport.lost


def test_after_a_refusal_a_peer_that_goes_on_sending_is_cut_off() -> None:
    site = Site()
    site.ask(post(b"x" * 101))
    site.clock.advance(3)
    assert site.transport.aborted


@pytest.mark.parametrize("path", ["/broken", "/broken-later"])
def test_a_broken_handler_is_answered_with_500_and_logged(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site()
    assert site.ask(get(path)) == refusal(b"500 Internal Server Error")
    assert site.transport.closing
    assert "RuntimeError: the handler is broken" in caplog.text


# ── time ─────────────────────────────────────────────────────────────────────────────────────


def test_a_head_that_comes_too_slowly_is_refused_with_408() -> None:
    site = Site()
    for byte in get()[:9]:
        site.transport.receive(bytes([byte]))
        site.clock.advance(1)
    assert not site.transport.eof_written
    site.clock.advance(2)
    assert undated(site.transport.take()) == undated(refusal(b"408 Request Timeout"))


def test_a_body_that_comes_too_slowly_is_refused_with_408() -> None:
    site = Site()
    site.ask(post(b"x" * 100)[:-100])
    for _ in range(9):
        site.transport.receive(b"x")
        site.clock.advance(1)
    assert site.transport.take() == b""
    site.clock.advance(2)
    assert undated(site.transport.take()) == undated(refusal(b"408 Request Timeout"))


def test_a_body_that_comes_at_a_fair_rate_may_take_long() -> None:
    site = Site(body_rate=2.0)
    site.ask(post(b"x" * 100)[:-100])
    for _ in range(50):
        site.transport.receive(b"xx")
        site.clock.advance(1)
    assert site.transport.take().startswith(b"HTTP/1.1 200 ")


def test_a_body_that_comes_no_further_is_refused_however_fast_it_began() -> None:
    site = Site(body_rate=1.0)
    site.ask(post(b"x" * 100)[:-1])
    site.clock.advance(9)
    assert site.transport.take() == b""
    site.clock.advance(2)
    assert undated(site.transport.take()) == undated(refusal(b"408 Request Timeout"))


def test_a_connection_without_a_request_is_closed_in_silence() -> None:
    site = Site()
    site.clock.advance(12)
    assert site.transport.take() == b""
    assert site.transport.lost


def test_an_idle_connection_is_closed_in_silence() -> None:
    site = Site()
    site.ask(get())
    site.clock.advance(74)
    assert undated(site.ask(get())) == undated(answer(b"200 OK", b"hello "))
    site.clock.advance(74)
    assert not site.transport.closing
    site.clock.advance(2)
    assert site.transport.take() == b""
    assert site.transport.lost


def test_a_handler_may_take_its_time() -> None:
    site = Site()
    site.ask(get("/later"))
    site.clock.advance(3600)
    site.waiters[0].set_result(Response(200, b"done"))
    site.clock.run()
    assert site.transport.take().endswith(b"\r\n\r\ndone")


def test_without_connections_no_timer_runs() -> None:
    site = Site()
    site.transport.abort()
    site.clock.advance(2)
    assert site.clock._later == []


# ── WebSocket ────────────────────────────────────────────────────────────────────────────────


def test_frames_sent_behind_the_handshake_are_not_lost() -> None:
    site = Site()
    written = site.ask(HANDSHAKE + client_frame(1, b"early") + client_frame(9, b"p"))
    assert written == OPENED + b"\x8a\x01p"
    assert isinstance(site.listener, FakeListener)
    assert site.listener.events == [("open",), ("text", b"early")]
    assert site.connections.http == set()
    assert len(site.connections.websockets) == 1


def test_a_handshake_may_wait_behind_another_request() -> None:
    site = Site()
    site.ask(get("/later") + HANDSHAKE)
    site.waiters[0].set_result(Response(200, b"done"))
    site.clock.run()
    assert site.transport.take() == answer(b"200 OK", b"done") + OPENED
    site.transport.receive(client_frame(1, b"hello"))
    assert isinstance(site.listener, FakeListener)
    assert site.listener.events == [("open",), ("text", b"hello")]


def test_the_limits_of_the_route_are_those_of_the_websocket() -> None:
    site = Site()
    site.ask(HANDSHAKE)
    assert site.ask(client_frame(1, b"x" * 101))[2:4] == (1009).to_bytes(2, "big")


def test_a_websocket_that_ends_is_counted_out() -> None:
    site = Site()
    site.ask(HANDSHAKE, client_frame(8))
    assert site.connections.websockets == set()


def test_a_supported_subprotocol_is_selected_and_told_to_both_sides() -> None:
    site = Site()
    offer = b"Sec-WebSocket-Protocol: superchat, chat\r\nSec-WebSocket-Version"
    written = site.ask(HANDSHAKE.replace(b"Sec-WebSocket-Version", offer))
    assert b"\r\nSec-WebSocket-Protocol: chat\r\n" in written
    assert site.requests[0].subprotocol == "chat"


def test_a_plain_get_of_a_websocket_path_is_answered_with_400() -> None:
    """classic.md section 4.1."""
    site = Site()
    written = site.ask(get("/ws"))
    assert written.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in written
    assert not site.transport.closing
    assert site.requests == []


def test_another_version_is_answered_with_the_one_we_speak() -> None:
    site = Site()
    written = site.ask(HANDSHAKE.replace(b"Version: 13", b"Version: 8"))
    assert written.startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in written


def test_a_route_may_refuse_a_handshake() -> None:
    site = Site()
    site.listener = Response(403, b"Forbidden\n")
    assert site.ask(HANDSHAKE) == refusal(b"403 Forbidden")
    assert site.connections.websockets == set()


def test_a_route_that_breaks_refuses_the_handshake(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()
    del site.listener
    assert site.ask(HANDSHAKE) == refusal(b"500 Internal Server Error")
    assert "AttributeError" in caplog.text


# ── shutting down, and the log ───────────────────────────────────────────────────────────────


def test_while_draining_an_answer_ends_its_connection() -> None:
    site = Site()
    site.ask(get("/later"))
    site.connections.draining = True
    for connection in list(site.connections.http):
        connection.close_if_idle()
    assert not site.transport.closing
    site.waiters[0].set_result(Response(200, b"done"))
    site.clock.run()
    assert site.transport.take() == answer(b"200 OK", b"done", b"Connection: close")
    assert site.transport.lost


def test_an_idle_connection_can_be_closed() -> None:
    site = Site()
    site.ask(get())
    for connection in list(site.connections.http):
        connection.close_if_idle()
    site.clock.run()
    assert site.transport.lost


def test_the_access_log_tells_of_a_request_but_not_its_query(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    site = Site()
    site.ask(get("/later?token=secret"))
    site.clock.advance(0.25)
    site.waiters[0].set_result(Response(200))
    site.clock.run()
    site.ask(HANDSHAKE)
    assert [record.getMessage() for record in caplog.records] == [
        "GET '/later' from 127.0.0.1:5555: 200 in 250.0 ms",
        "GET '/ws' from 127.0.0.1:5555: 101 in 0.0 ms",
    ]
