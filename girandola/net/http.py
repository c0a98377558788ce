"""HTTP/1.1 (RFC 9112) over asyncio transports.

A connection reads one request, asks ``find`` what its path leads to, answers, and goes on, or
becomes a ``WebSocketConnection`` or a ``Stream``. It knows requests and routes; not which routes
there are, nor what the answers mean. Requests are read by ``request_parser.py``; requests,
answers and routes are values of ``messages.py``, imported from here by those who use both.
Everything a stranger can make long or late has a limit in ``HttpLimits``.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import cast

from girandola.core.ports import Clock
from girandola.net import deflate
from girandola.net.answers import AnswerHeads
from girandola.net.handshake import handshake_refusal, handshake_response, select_subprotocol
from girandola.net.messages import (
    DEFAULT_MAX_BODY,
    Answer,
    Find,
    Handler,
    HttpLimits,
    Request,
    Response,
    Route,
    Streaming,
    WebSocketRoute,
    plain_response,
)
from girandola.net.request_parser import Refusal, RequestParser
from girandola.net.stream import Stream, chunk
from girandola.net.websocket import Listener, WebSocketConnection
from girandola.net.writing import peer_name

__all__ = [
    "DEFAULT_MAX_BODY",
    "Connections",
    "Find",
    "Handler",
    "HttpConnection",
    "HttpLimits",
    "Request",
    "Response",
    "Route",
    "Streaming",
    "WebSocketRoute",
    "plain_response",
]

logger = logging.getLogger(__name__)

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
        self.streams: set[Stream] = set()
        self.draining = False
        self.on_empty: Callable[[], object] | None = None
        self.heads = AnswerHeads(clock)
        self._sweeping = False

    def make(self) -> "HttpConnection":
        """Return the protocol of a new connection."""
        return HttpConnection(self)

    def open_websocket(
        self, listener: Listener, route: WebSocketRoute, *, deflated: bool = False
    ) -> WebSocketConnection:
        """Return the protocol that takes over after a handshake."""
        connection = WebSocketConnection(
            listener,
            clock=self.clock,
            max_message_size=route.max_message_size,
            write_timeout=route.write_timeout,
            close_timeout=self.limits.websocket_close_timeout,
            forget=self.remove_websocket,
            inflate=route.inflate if deflated else None,
        )
        self.websockets.add(connection)
        return connection

    def open_stream(self, streaming: Streaming, *, chunked: bool, reusable: bool) -> Stream:
        """Return the protocol that takes over behind the head of a streaming answer."""
        stream = Stream(
            streaming.listener,
            clock=self.clock,
            write_timeout=streaming.write_timeout,
            close_timeout=self.limits.stream_close_timeout,
            chunked=chunked,
            reusable=reusable,
            ended=self.remove_stream,
        )
        self.streams.add(stream)
        return stream

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

    def remove_stream(self, stream: Stream, transport: asyncio.Transport | None) -> None:
        """Count a streaming answer out, and await the next request on ``transport``, if any."""
        self.streams.discard(stream)
        if transport is not None:
            connection = self.make()
            transport.set_write_buffer_limits()
            transport.set_protocol(connection)
            connection.connection_made(transport)
            if self.draining:
                connection.close_if_idle()
        self._tell_if_empty()

    def _sweep(self) -> None:
        now = self.clock.now()
        for connection in [each for each in self.http if each.deadline <= now]:
            connection.on_deadline()
        self._sweeping = bool(self.http)
        if self._sweeping:
            self.clock.call_later(1.0, self._sweep)

    def _tell_if_empty(self) -> None:
        if self.on_empty is not None and not (self.http or self.websockets or self.streams):
            self.on_empty()


# ── one connection ───────────────────────────────────────────────────────────────────────────

# What a connection is at; the first three take input.
_IDLE = 0  # between requests
_HEAD = 1
_BODY = 2
_ANSWERING = 3  # the handler has the request
_LINGERING = 4  # all is said; what still comes is thrown away, so that TCP delivers our last word
_CLOSED = 5


class HttpConnection(asyncio.Protocol):
    """One HTTP connection, from accept to its end or until something lasting takes over.

    Requests are answered one by one; what follows the one being answered waits unread.
    """

    __slots__ = (
        "_eof",
        "_parser",
        "_peer",
        "_phase",
        "_reading_paused",
        "_route",
        "_shared",
        "_started",
        "_transport",
        "_working",
        "_write_paused",
        "deadline",
    )

    _transport: asyncio.Transport
    _peer: str
    _parser: RequestParser

    def __init__(self, shared: Connections) -> None:
        self._shared = shared
        self._phase = _IDLE
        self.deadline = math.inf
        self._working = False
        self._reading_paused = False
        self._write_paused = False
        self._eof = False
        self._route: Route | None = None
        self._started = 0.0

    # ── for the loop ─────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # Both loops promise a transport that writes; uvloop's is no asyncio.Transport by name.
        self._transport = cast(asyncio.Transport, transport)
        self._peer = peer_name(transport)
        self._parser = RequestParser(self._shared.limits, self._peer)
        self._set_deadline(self._shared.limits.head_timeout)
        self._shared.add(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self._phase >= _LINGERING:
            return
        self._parser.feed(data)
        if not self._working:
            self._work()

    def eof_received(self) -> bool:
        """Take the end of the peer's bytes; it may still wait for an answer."""
        self._eof = True
        if self._phase == _ANSWERING and self._transport.can_write_eof():
            return True  # not over TLS, where the loop closes both halves whatever we say
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

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def _work(self) -> None:
        """Go through the input until it ends or something has to be waited for."""
        self._working = True
        parser = self._parser
        try:
            while parser.has_input() and self._phase <= _BODY and not self._write_paused:
                if self._phase == _BODY:
                    self._read_body()
                else:
                    self._read_head()
        except Refusal as refusal:
            self._refuse(refusal.status, refusal.reason)
        self._working = False
        if self._phase >= _LINGERING:
            return
        if parser.has_input():
            if not self._reading_paused:
                self._reading_paused = True
                self._transport.pause_reading()
        else:
            self._resume_reading()

    def _read_head(self) -> None:
        if self._phase == _IDLE:
            request = self._parser.read_familiar()
            if request is not None:
                self._take(request)
                return
            self._phase = _HEAD
            self._set_deadline(self._shared.limits.head_timeout)
        request = self._parser.read_head()
        if request is not None:
            self._take(request)

    def _take(self, request: Request) -> None:
        """Go where the path of the request leads."""
        if logger.isEnabledFor(logging.DEBUG):
            self._started = self._shared.clock.now()
        target = self._shared.find(request)
        length = self._parser.body_length
        # What cannot be told from the next request ends the connection with the answer.
        entangled = length > 0 or self._parser.offers_upgrade
        if isinstance(target, Response):
            self._respond(target, close=entangled)
        elif isinstance(target, WebSocketRoute):
            self._open_websocket(request, target, close=entangled)
        elif math.isfinite(length) and length > target.max_body:
            self._refuse(413, f"body of {length} bytes, at most {target.max_body} are taken")
        elif request.body:
            self._dispatch(request, target)
        else:
            self._route = target
            self._parser.begin_body()
            if length:
                self._await_body(request)
            else:
                self._dispatch(request, target)

    def _await_body(self, request: Request) -> None:
        self._phase = _BODY
        self._set_deadline(self._shared.limits.body_timeout)
        if (
            "expect" in request.headers
            and request.http_version == "1.1"
            and not self._parser.has_input()
        ):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _read_body(self) -> None:
        request, route = self._parser.request, self._route
        assert request is not None and route is not None  # noqa: S101, PT018  as the phase says
        if self._parser.read_body(route.max_body):
            self._dispatch(request, route)

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
        if isinstance(answer, Answer):
            self._answer(answer)
        else:
            self._shared.clock.spawn(self._respond_later(answer, request))

    async def _respond_later(self, answer: Awaitable[Answer], request: Request) -> None:
        try:
            response = await answer
        except asyncio.CancelledError:
            self._transport.abort()
            raise
        except Exception:
            self._fail(request)
        else:
            self._answer(response)
        if not self._working:
            self._work()

    def _answer(self, answer: Answer) -> None:
        if isinstance(answer, Response):
            self._respond(answer)
        else:
            self._stream(answer)

    def _stream(self, streaming: Streaming) -> None:
        """Become a streaming answer."""
        request = self._parser.request
        if self._phase >= _LINGERING or self._eof or request is None:
            streaming.listener.on_close()
            self._transport.abort()  # whoever closes its half while streaming is gone
            return
        chunked = request.http_version == "1.1"
        # What came behind the request goes unanswered.
        reusable = chunked and self._parser.keep_alive and not self._parser.has_input()
        try:
            head = self._shared.heads.stream(
                streaming, connection="keep-alive" if reusable else "close", chunked=chunked
            )
        except ValueError:
            self._fail(request)
            streaming.listener.on_close()
            return
        preface = streaming.preface
        if preface and chunked:
            preface = chunk(preface)
        self._transport.write(head + preface)
        if logger.isEnabledFor(logging.DEBUG):
            self._log_access(request, 200)
        stream = self._shared.open_stream(streaming, chunked=chunked, reusable=reusable)
        self._hand_over(stream)

    def _fail(self, request: Request) -> None:
        logger.exception("internal error: %s %a", request.method, request.raw_path)
        self._respond(plain_response(500), close=True)

    def _respond(self, response: Response, *, close: bool = False) -> None:
        """Answer the request, and await the next one or end the connection."""
        request = self._parser.request
        if self._phase >= _LINGERING or request is None:
            return  # nobody waits for it any more
        ends_here = self._eof and not self._parser.has_input()
        keep = self._parser.keep_alive and not (close or ends_here or self._shared.draining)
        connection = "close"
        if keep:
            connection = "keep-alive" if request.http_version == "1.0" else ""
        head_only = request.method == "HEAD"
        try:
            encoded = self._shared.heads.response(
                response, connection=connection, head_only=head_only
            )
        except ValueError:
            self._fail(request)
            return
        self._transport.write(encoded)
        if logger.isEnabledFor(logging.DEBUG):
            self._log_access(request, response.status)
        if not keep:
            self._end(linger=not self._parser.complete)
            return
        self._parser.forget()
        self._route = None
        self._started = 0.0
        self._phase = _IDLE
        if not self._write_paused:
            self._set_deadline(self._shared.limits.idle_timeout)

    def _refuse(self, status: int, reason: str) -> None:
        """Answer what is not, or not yet, a request for anyone, and end the connection."""
        logger.info("connection %s: refused with %d: %s", self._peer, status, reason)
        encoded = self._shared.heads.response(plain_response(status), connection="close")
        self._transport.write(encoded)
        self._end(linger=True)

    def _open_websocket(self, request: Request, route: WebSocketRoute, *, close: bool) -> None:
        headers = request.headers
        refusal = handshake_refusal(request.method, request.http_version, headers)
        if refusal is not None:
            text = f"{refusal.text}\n".encode()
            self._respond(Response(refusal.status, text, headers=refusal.headers), close=close)
            return
        offered = headers.get("sec-websocket-protocol", "")
        request.subprotocol = select_subprotocol(offered, route.subprotocols)
        extensions = ""
        if route.inflate is not None:
            agreed = deflate.agree(headers.get("sec-websocket-extensions", ""))
            if agreed is not None:
                extensions, request.deflate_window = agreed
        try:
            answer = route.accept(request)
        except Exception:
            self._fail(request)
            return
        if isinstance(answer, Response):
            self._respond(answer, close=True)
        else:
            self._become_websocket(answer, route, request, extensions)

    def _become_websocket(
        self, listener: Listener, route: WebSocketRoute, request: Request, extensions: str
    ) -> None:
        """Accept the handshake; what came behind the head is the WebSocket's first input."""
        key = request.headers["sec-websocket-key"]
        self._transport.write(handshake_response(key, request.subprotocol, extensions))
        if logger.isEnabledFor(logging.DEBUG):
            self._log_access(request, 101)
        rest = self._parser.rest()
        connection = self._shared.open_websocket(
            listener, route, deflated=bool(request.deflate_window)
        )
        self._hand_over(connection)
        if rest:
            connection.data_received(rest)

    def _hand_over(self, protocol: asyncio.Protocol) -> None:
        """Leave the transport to ``protocol``."""
        self._resume_reading()
        self._phase = _CLOSED
        self._let_go()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)

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
        if linger and not self._eof:
            self._phase = _LINGERING
            self._parser.drop_input()
            self._set_deadline(self._shared.limits.linger_timeout)
            if self._transport.can_write_eof():
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
        self._parser.drop()
        self._shared.remove(self)

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def _set_deadline(self, seconds: float) -> None:
        self.deadline = self._shared.clock.now() + seconds
