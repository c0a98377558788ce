"""HTTP/1.1 (RFC 9112) over asyncio transports, parsed by httptools.

A connection reads one request, asks ``find`` what its path leads to, answers, and goes on, or
becomes a ``WebSocketConnection``. It knows requests and routes; not which routes there are, nor
what the answers mean. Everything a stranger can make long or late has a limit in ``HttpLimits``.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import cast
from urllib.parse import parse_qs, unquote

import httptools
from msgspec import Struct

from girandola.core.ports import Clock
from girandola.net import websocket
from girandola.net.websocket import Listener, WebSocketConnection
from girandola.net.writing import peer_name

logger = logging.getLogger(__name__)

# ── what is said ─────────────────────────────────────────────────────────────────────────────


class Request:
    """One request, whole: the body is here before a handler sees it.

    ``path`` is percent-decoded, ``raw_path`` is not; neither has the query. ``headers`` has names
    in lower case, and repeated values joined by ``", "``. ``peer`` is like ``127.0.0.1:5555``.
    ``subprotocol`` is what a WebSocket handshake agreed on, ``""`` for none.
    """

    __slots__ = (
        "body",
        "headers",
        "http_version",
        "method",
        "path",
        "peer",
        "query",
        "raw_path",
        "subprotocol",
    )

    def __init__(
        self,
        method: str,
        raw_path: str,
        *,
        query: str = "",
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        peer: str = "",
        http_version: str = "1.1",
    ) -> None:
        self.method = method
        self.raw_path = raw_path
        self.path = unquote(raw_path) if "%" in raw_path else raw_path
        self.query = query
        self.headers = {} if headers is None else headers
        self.body = body
        self.peer = peer
        self.http_version = http_version
        self.subprotocol = ""

    def query_params(self) -> dict[str, list[str]]:
        """Return the query's values by name, decoded; empty values count."""
        return parse_qs(self.query, keep_blank_values=True)


class Response:
    """One answer. ``headers`` are further ones: length, connection and date come by themselves.

    A name or value with a line break makes the answer a 500: it is never sent.
    """

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = "text/plain; charset=utf-8",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers


def plain_response(status: int, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """Return an answer that says just the name of its status, and a line feed."""
    return Response(status, f"{_PHRASES[status]}\n".encode(), headers=headers)


_PHRASES = {int(status): status.phrase for status in HTTPStatus}
_WITHOUT_BODY = frozenset({204, 304})


def encode_response(
    response: Response, *, date: str, connection: str = "", head_only: bool = False
) -> bytes:
    """Return the bytes of an answer. ``connection`` is the value of that header, if any.

    Raises ``ValueError`` when a header would end before its end.
    """
    status, body = response.status, response.body
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Status')}", f"Date: {date}"]
    if status not in _WITHOUT_BODY:
        if response.content_type:
            lines.append(f"Content-Type: {response.content_type}")
        lines.append(f"Content-Length: {len(body)}")
    if connection:
        lines.append(f"Connection: {connection}")
    lines += [f"{name}: {value}" for name, value in response.headers]
    head = "\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count("\r") != breaks or head.count("\n") != breaks or "\0" in head:
        raise ValueError("a response header holds a line break")
    encoded = head.encode("latin-1") + b"\r\n\r\n"
    return encoded if head_only or status in _WITHOUT_BODY else encoded + body


# ── where a path leads ───────────────────────────────────────────────────────────────────────

Handler = Callable[[Request], Response | Awaitable[Response]]
"""Answers a request: at once, or later."""

DEFAULT_MAX_BODY = 64 * 1024


class Route(Struct, frozen=True):
    """A handler, the methods it takes (none named: any), and the longest body in bytes.

    A route that takes GET takes HEAD.
    """

    handler: Handler
    methods: tuple[str, ...] = ()
    max_body: int = DEFAULT_MAX_BODY


class WebSocketRoute(Struct, frozen=True):
    """Who listens behind a WebSocket, decided per request.

    ``accept`` is called for proper handshakes only, with ``Request.subprotocol`` chosen; a
    ``Response`` refuses. A ``Listener`` it returns gets ``on_open`` and ``on_close`` for sure.
    """

    accept: Callable[[Request], Listener | Response]
    max_message_size: int = 65536
    write_timeout: float = 1.0
    subprotocols: tuple[str, ...] = ()


Find = Callable[[Request], Route | WebSocketRoute | Response]
"""What a request's path and method lead to; a ``Response`` where they lead nowhere."""


class HttpLimits(Struct, frozen=True, kw_only=True):
    """Bytes, counts, and seconds. Time is looked at once a second, so may run that much longer."""

    head_size: int = 16 * 1024
    header_count: int = 100
    head_timeout: float = 10.0
    body_timeout: float = 30.0
    idle_timeout: float = 75.0
    write_timeout: float = 30.0
    linger_timeout: float = 2.0
    websocket_close_timeout: float = websocket.DEFAULT_CLOSE_TIMEOUT


# ── all connections of a server ──────────────────────────────────────────────────────────────


class Connections:
    """The open connections of one server, and what they share.

    One timer looks after the time limits of all HTTP connections; without any it stands still.
    """

    def __init__(self, find: Find, clock: Clock, limits: HttpLimits | None = None) -> None:
        self.find = find
        self.clock = clock
        self.limits = HttpLimits() if limits is None else limits
        self.http: set[HttpConnection] = set()
        self.websockets: set[WebSocketConnection] = set()
        self.draining = False
        self.on_empty: Callable[[], object] | None = None
        self._sweeping = False
        self._date = (0, "")

    def make(self) -> "HttpConnection":
        """Return the protocol of a new connection."""
        return HttpConnection(self)

    def open_websocket(self, listener: Listener, route: WebSocketRoute) -> WebSocketConnection:
        """Return the protocol that takes over after a handshake."""
        connection = WebSocketConnection(
            listener,
            clock=self.clock,
            max_message_size=route.max_message_size,
            write_timeout=route.write_timeout,
            close_timeout=self.limits.websocket_close_timeout,
            forget=self.remove_websocket,
        )
        self.websockets.add(connection)
        return connection

    def add(self, connection: "HttpConnection") -> None:
        """Count an HTTP connection in, and watch its deadlines."""
        self.http.add(connection)
        if not self._sweeping:
            self._sweeping = True
            self.clock.call_later(1.0, self._sweep)

    def remove(self, connection: "HttpConnection") -> None:
        """Count an HTTP connection out."""
        self.http.discard(connection)
        self._tell_if_empty()

    def remove_websocket(self, connection: WebSocketConnection) -> None:
        """Count a WebSocket out."""
        self.websockets.discard(connection)
        self._tell_if_empty()

    def date(self) -> str:
        """Return the value of a Date header, now."""
        now = int(self.clock.time())
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True))
        return self._date[1]

    def _sweep(self) -> None:
        now = self.clock.now()
        for connection in [each for each in self.http if each.deadline <= now]:
            connection.on_deadline()
        self._sweeping = bool(self.http)
        if self._sweeping:
            self.clock.call_later(1.0, self._sweep)

    def _tell_if_empty(self) -> None:
        if self.on_empty is not None and not self.http and not self.websockets:
            self.on_empty()


# ── one connection ───────────────────────────────────────────────────────────────────────────

# What a connection is at; the first three take input.
_IDLE = 0  # between requests
_HEAD = 1
_BODY = 2
_ANSWERING = 3  # the handler has the request
_LINGERING = 4  # all is said; what still comes is thrown away, so that TCP delivers our last word
_CLOSED = 5

_HEAD_END = b"\r\n\r\n"
_QUIET_LIMIT = 64 * 1024  # bytes of chunk framing and trailers with no content between them
_PIECE_SIZE = 16 * 1024


class _TooManyHeaders(Exception):
    """Raised into httptools to stop it."""


class HttpConnection(asyncio.Protocol):
    """One HTTP connection, from accept to its end or to the handshake of a WebSocket.

    Input is fed to httptools in pieces that never reach beyond one request (an empty line ends
    every head and every chunked body; other bodies have a length). So requests are answered one
    by one, what follows waits unparsed, and where the network cut the bytes makes no difference.
    """

    __slots__ = (
        "_body",
        "_body_left",
        "_complete",
        "_data",
        "_eof",
        "_fed",
        "_first_byte",
        "_head_done",
        "_header_count",
        "_headers",
        "_keep_alive",
        "_parser",
        "_peer",
        "_phase",
        "_position",
        "_quiet",
        "_reading_paused",
        "_request",
        "_route",
        "_shared",
        "_started",
        "_tail",
        "_target",
        "_transport",
        "_working",
        "_write_paused",
        "deadline",
    )

    _transport: asyncio.Transport
    _peer: str

    def __init__(self, shared: Connections) -> None:
        self._shared = shared
        self._parser = httptools.HttpRequestParser(self)
        self._phase = _IDLE
        self.deadline = math.inf
        self._data = b""  # received and, from _position on, not fed to the parser yet
        self._position = 0
        self._working = False
        self._reading_paused = False
        self._write_paused = False
        self._eof = False
        self._forget_request()

    def _forget_request(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._header_count = 0
        self._fed = 0  # bytes of the head
        self._first_byte = 0
        self._tail = b""  # the last bytes fed, for an empty line that the network cut
        self._head_done = False
        self._complete = False
        self._keep_alive = False
        self._request: Request | None = None
        self._route: Route | None = None
        self._body = bytearray()
        self._body_left = -1  # -1: chunked, or none
        self._quiet = 0
        self._started = 0.0

    # ── for the loop ─────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # Both loops promise a transport that writes; uvloop's is no asyncio.Transport by name.
        self._transport = cast(asyncio.Transport, transport)
        self._peer = peer_name(transport)
        self._set_deadline(self._shared.limits.head_timeout)
        self._shared.add(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self._phase >= _LINGERING:
            return
        rest = self._data[self._position :]
        self._data, self._position = rest + data if rest else data, 0
        if not self._working:
            self._work()

    def eof_received(self) -> bool:
        """Take the end of the peer's bytes; it may still wait for an answer."""
        self._eof = True
        if self._phase == _ANSWERING:
            return True
        self._phase = _LINGERING
        self._set_deadline(self._shared.limits.write_timeout)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end."""
        self._phase = _CLOSED
        self._let_go()

    def pause_writing(self) -> None:
        """Take no further request until the peer has taken its answers."""
        self._write_paused = True
        self._set_deadline(self._shared.limits.write_timeout)

    def resume_writing(self) -> None:
        """Go on."""
        self._write_paused = False
        if self._phase == _IDLE:
            self._set_deadline(self._shared.limits.idle_timeout)
        elif self._phase == _ANSWERING:
            self.deadline = math.inf
        if not self._working:
            self._work()

    def on_deadline(self) -> None:
        """Take the end of the time for what the connection is at."""
        if self._write_paused or self._phase >= _LINGERING:
            self._transport.abort()
        elif self._phase == _IDLE:
            self._close()
        else:
            part = "head" if self._phase == _HEAD else "body"
            self._refuse(408, f"the {part} of the request did not come in time")

    def close_if_idle(self) -> None:
        """Close unless a request is under way."""
        if self._phase == _IDLE:
            self._close()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    # ── for httptools ────────────────────────────────────────────────────────────────────────

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer, which only counts."""
        self._header_count += 1
        if self._header_count > self._shared.limits.header_count:
            raise _TooManyHeaders
        if self._request is not None:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        before = self._headers.get(key)
        self._headers[key] = text if before is None else f"{before}, {text}"

    def on_headers_complete(self) -> None:
        """Take the end of the head."""
        self._head_done = True
        if self._request is None:
            self._keep_alive = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        """Take a part of the body."""
        self._body += data
        self._quiet = 0

    def on_message_complete(self) -> None:
        """Take the end of the request."""
        self._complete = True

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def _work(self) -> None:
        """Go through the input until it ends or something has to be waited for."""
        self._working = True
        while self._position < len(self._data) and self._phase <= _BODY and not self._write_paused:
            self._take_piece()
        self._working = False
        if self._phase >= _LINGERING:
            return
        if self._position < len(self._data):
            if not self._reading_paused:
                self._reading_paused = True
                self._transport.pause_reading()
        else:
            self._resume_reading()

    def _take_piece(self) -> None:
        start = self._position
        end = self._end_of_piece(start)
        data = self._data
        piece = data if start == 0 and end == len(data) else data[start:end]
        self._position = end
        if self._request is None:
            piece = self._count_head(piece)
        else:
            self._quiet += len(piece)
        upgrade = False
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            upgrade = True
        except httptools.HttpParserError as error:
            self._refuse_unparsable(error)
            return
        request, route = self._request, self._route
        if request is None or route is None:
            if self._head_done:
                self._take_head(upgrade)
            elif self._fed > self._shared.limits.head_size:
                self._refuse(431, f"head of more than {self._shared.limits.head_size} bytes")
        else:
            self._take_body(request, route)

    def _end_of_piece(self, start: int) -> int:
        """Return where the next piece to feed ends: at most at the end of the request."""
        data = self._data
        if self._body_left >= 0:
            end = min(start + self._body_left, len(data))
            self._body_left -= end - start
            return end
        limit = min(start + _PIECE_SIZE, len(data))
        if self._tail:
            joint = self._tail + data[start : start + 3]
            found = joint.find(_HEAD_END)
            if found >= 0:
                limit = start + found + len(_HEAD_END) - len(self._tail)
                self._tail = b""
                return limit
        found = data.find(_HEAD_END, start, limit)
        if found >= 0:
            self._tail = b""
            return found + len(_HEAD_END)
        self._tail = (self._tail + data[max(start, limit - 3) : limit])[-3:]
        return limit

    def _count_head(self, piece: bytes) -> bytes:
        """Begin a request with its first bytes, and return no more than a head may have."""
        if self._phase == _IDLE:
            self._phase = _HEAD
            self._set_deadline(self._shared.limits.head_timeout)
        if not self._first_byte:
            self._first_byte = next((byte for byte in piece if byte not in b"\r\n"), 0)
        room = self._shared.limits.head_size - self._fed
        self._fed += len(piece)
        return piece if len(piece) <= room else piece[:room]

    def _take_head(self, upgrade: bool) -> None:
        request = self._request = self._make_request()
        if request is None:
            self._refuse(400, "the request's target is not a path")
            return
        problem = self._problem_of_head(request)
        if problem is not None:
            self._refuse(*problem)
            return
        if logger.isEnabledFor(logging.DEBUG):
            self._started = self._shared.clock.now()
        self._follow(request, self._shared.find(request), upgrade)

    def _make_request(self) -> Request | None:
        target = self._target.decode("latin-1")
        method = self._parser.get_method().decode("latin-1")
        if not target.startswith("/") and target != "*" and method != "CONNECT":
            try:
                url = httptools.parse_url(self._target)
            except httptools.HttpParserInvalidURLError:
                return None
            if not url.host:
                return None
            target = (url.path or b"/").decode("latin-1")
            if url.query:
                target += f"?{url.query.decode('latin-1')}"
        path, _, query_text = target.partition("#")[0].partition("?")
        return Request(
            method,
            path,
            query=query_text,
            headers=self._headers,
            peer=self._peer,
            http_version=self._parser.get_http_version(),
        )

    def _problem_of_head(self, request: Request) -> tuple[int, str] | None:
        """Return status and reason when no route could answer such a head."""
        headers = request.headers
        if request.http_version not in {"1.0", "1.1"}:
            return 505, f"HTTP version {request.http_version}"
        if request.method == "CONNECT":
            return 501, "method CONNECT"
        host = headers.get("host")
        if (host is None and request.http_version == "1.1") or (host and "," in host):
            return 400, "exactly one Host header is expected"
        coding = headers.get("transfer-encoding")
        if coding is not None:
            if request.http_version == "1.0":
                return 400, "Transfer-Encoding in HTTP/1.0"
            if coding.strip().lower() != "chunked":
                return 501, "a Transfer-Encoding other than chunked"
        if headers.get("expect", "100-continue").lower() != "100-continue":
            return 417, "an Expect other than 100-continue"
        return None

    def _follow(
        self, request: Request, target: Route | WebSocketRoute | Response, upgrade: bool
    ) -> None:
        """Go where the path of the request leads."""
        length = int(request.headers.get("content-length", "0"))
        has_body = length > 0 or "transfer-encoding" in request.headers
        if isinstance(target, Response):
            self._respond(target, close=has_body or upgrade)
        elif isinstance(target, WebSocketRoute):
            self._open_websocket(request, target, close=has_body or upgrade)
        elif length > target.max_body:
            self._refuse(413, f"body of {length} bytes, at most {target.max_body} are taken")
        else:
            self._route = target
            if upgrade:
                self._go_on_without_upgrade(length)
            if has_body:
                self._await_body(request, length)
            else:
                self._dispatch(request, target)

    def _go_on_without_upgrade(self, length: int) -> None:
        """Stay with HTTP although the request offers to leave it (as Java's client does).

        httptools takes what follows for the other protocol. A new parser, told of the body by a
        head of our own, reads on.
        """
        body = b"Transfer-Encoding: chunked" if not length else b"Content-Length: %d" % length
        if not length and "transfer-encoding" not in self._headers:
            body = b"Content-Length: 0"
        self._parser = httptools.HttpRequestParser(self)
        self._complete = False
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + body + b"\r\n\r\n")

    def _await_body(self, request: Request, length: int) -> None:
        self._phase = _BODY
        self._set_deadline(self._shared.limits.body_timeout)
        if length:
            self._body_left = length
        if (
            "expect" in request.headers
            and request.http_version == "1.1"
            and self._position == len(self._data)
        ):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _take_body(self, request: Request, route: Route) -> None:
        if len(self._body) > route.max_body:
            self._refuse(413, f"body of more than {route.max_body} bytes")
        elif self._complete:
            request.body = bytes(self._body)
            self._dispatch(request, route)
        elif self._quiet > _QUIET_LIMIT:
            self._refuse(400, "a chunked body with too much beside its content")

    # ── answering ────────────────────────────────────────────────────────────────────────────

    def _dispatch(self, request: Request, route: Route) -> None:
        """Give the request to its handler."""
        self._phase = _ANSWERING
        self.deadline = math.inf
        try:
            answer = route.handler(request)
        except Exception:
            self._fail(request)
            return
        if isinstance(answer, Response):
            self._respond(answer)
        else:
            self._shared.clock.spawn(self._respond_later(answer, request))

    async def _respond_later(self, answer: Awaitable[Response], request: Request) -> None:
        try:
            response = await answer
        except asyncio.CancelledError:
            self._transport.abort()
            raise
        except Exception:
            self._fail(request)
        else:
            self._respond(response)
        if not self._working:
            self._work()

    def _fail(self, request: Request) -> None:
        logger.exception("internal error: %s %a", request.method, request.raw_path)
        self._respond(plain_response(500), close=True)

    def _respond(self, response: Response, *, close: bool = False) -> None:
        """Answer the request, and await the next one or end the connection."""
        request = self._request
        if self._phase >= _LINGERING or request is None:
            return  # nobody waits for it any more
        ends_here = self._eof and self._position >= len(self._data)
        keep = self._keep_alive and not (close or ends_here or self._shared.draining)
        connection = "close"
        if keep:
            connection = "keep-alive" if request.http_version == "1.0" else ""
        head_only = request.method == "HEAD"
        date = self._shared.date()
        try:
            encoded = encode_response(
                response, date=date, connection=connection, head_only=head_only
            )
        except ValueError:
            self._fail(request)
            return
        self._transport.write(encoded)
        if logger.isEnabledFor(logging.DEBUG):
            self._log_access(request, response.status)
        if not keep:
            self._end(linger=not self._complete)
            return
        self._forget_request()
        self._phase = _IDLE
        if not self._write_paused:
            self._set_deadline(self._shared.limits.idle_timeout)

    def _refuse(self, status: int, reason: str) -> None:
        """Answer what is not, or not yet, a request for anyone, and end the connection."""
        logger.info("connection %s: refused with %d: %s", self._peer, status, reason)
        response = plain_response(status)
        date = self._shared.date()
        self._transport.write(encode_response(response, date=date, connection="close"))
        self._end(linger=True)

    def _refuse_unparsable(self, error: httptools.HttpParserError) -> None:
        coding = self._headers.get("transfer-encoding", "chunked").strip().lower()
        if isinstance(error.__context__, _TooManyHeaders):
            self._refuse(431, f"more than {self._shared.limits.header_count} headers")
        elif coding != "chunked" and "content-length" not in self._headers:
            self._refuse(501, "a Transfer-Encoding other than chunked")
        elif isinstance(error, httptools.HttpParserInvalidMethodError) and (
            b"A" <= bytes((self._first_byte,)) <= b"Z"
        ):
            self._refuse(501, "unknown method")
        else:
            self._refuse(400, str(error))

    def _open_websocket(self, request: Request, route: WebSocketRoute, *, close: bool) -> None:
        headers = request.headers
        refusal = websocket.handshake_refusal(request.method, request.http_version, headers)
        if refusal is not None:
            text = f"{refusal.text}\n".encode()
            self._respond(Response(refusal.status, text, headers=refusal.headers), close=close)
            return
        offered = headers.get("sec-websocket-protocol", "")
        request.subprotocol = websocket.select_subprotocol(offered, route.subprotocols)
        try:
            answer = route.accept(request)
        except Exception:
            self._fail(request)
            return
        if isinstance(answer, Response):
            self._respond(answer, close=True)
        else:
            self._hand_over(answer, route, request)

    def _hand_over(self, listener: Listener, route: WebSocketRoute, request: Request) -> None:
        """Become a WebSocket; what came behind the head is its first input."""
        key = request.headers["sec-websocket-key"]
        self._transport.write(websocket.handshake_response(key, request.subprotocol))
        if logger.isEnabledFor(logging.DEBUG):
            self._log_access(request, 101)
        transport, rest = self._transport, self._data[self._position :]
        connection = self._shared.open_websocket(listener, route)
        self._resume_reading()
        self._phase = _CLOSED
        self._let_go()
        transport.set_protocol(connection)
        connection.connection_made(transport)
        if rest:
            connection.data_received(rest)

    def _log_access(self, request: Request, status: int) -> None:
        # The query stays out: it may hold tokens.
        duration = self._shared.clock.now() - self._started if self._started else 0.0
        logger.debug(
            "%s %a from %s: %d in %.1f ms",
            request.method,
            request.raw_path,
            request.peer,
            status,
            duration * 1000,
        )

    # ── ending ───────────────────────────────────────────────────────────────────────────────

    def _end(self, *, linger: bool) -> None:
        """Close once all is sent.

        ``linger`` where input may still be on its way: closing over unread input makes TCP take
        back our answer, so the peer gets a moment to read it.
        """
        if linger and not self._eof and self._transport.can_write_eof():
            self._phase = _LINGERING
            self._data, self._position = b"", 0
            self._set_deadline(self._shared.limits.linger_timeout)
            self._transport.write_eof()
            self._resume_reading()
        else:
            self._close()

    def _close(self) -> None:
        self._phase = _LINGERING
        self._set_deadline(self._shared.limits.write_timeout)
        self._transport.close()

    def _let_go(self) -> None:
        """Leave the table, and break the circle with the parser's callbacks."""
        self._data, self._position = b"", 0
        del self._parser
        self._shared.remove(self)

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def _set_deadline(self, seconds: float) -> None:
        self.deadline = self._shared.clock.now() + seconds
