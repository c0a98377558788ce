"""HTTP/1.1 (RFC 9112) over asyncio transports.

A connection reads one request, asks ``find`` what its head leads to, answers, and goes on, or
becomes a ``WebSocketConnection`` or a ``Stream``. It knows requests and routes; not which routes
there are, nor what the answers mean. Its reading half is in ``http_reading.py``, requests are
parsed by ``request_parser.py``; requests, answers and routes are values of ``messages.py``,
imported from here by those who use both. Everything a stranger can make long or late has a limit
in ``HttpLimits``.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from girandola.net import deflate
from girandola.net.handshake import handshake_refusal, handshake_response, select_subprotocol
from girandola.net.http_reading import (
    ANSWERING,
    BODY,
    CLOSED,
    HEAD,
    IDLE,
    LINGERING,
    RequestReading,
)
from girandola.net.messages import (
    DEFAULT_MAX_BODY,
    Answer,
    Caller,
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
from girandola.net.request_parser import Refusal
from girandola.net.stream import chunk
from girandola.net.websocket import Listener

if TYPE_CHECKING:
    from girandola.net.connections import Connections

__all__ = [
    "DEFAULT_MAX_BODY",
    "Caller",
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


class HttpConnection(RequestReading):
    """One HTTP connection, from accept to its end or until something lasting takes over.

    Requests are answered one by one; what follows the one being answered waits unread.
    """

    __slots__ = ("_started",)

    def __init__(self, shared: "Connections", *, crowded: bool = False) -> None:
        super().__init__(shared, crowded=crowded)
        self._started = 0.0

    # ── for the loop ─────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        self._shared.add(self)

    def eof_received(self) -> bool:
        """Take the end of the peer's bytes; it may still wait for an answer."""
        self._eof = True
        if self._phase == ANSWERING and self._transport.can_write_eof():
            return True  # not over TLS, where the loop closes both halves whatever we say
        self._phase = LINGERING
        self._set_deadline(self._shared.limits.write_timeout)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end."""
        self._phase = CLOSED
        self._let_go()

    def on_deadline(self) -> None:
        """Take the end of the time for what the connection is at."""
        if self._write_paused or self._phase >= LINGERING:
            self._transport.abort()
        elif self._phase == IDLE:
            self._close()
        else:
            part = "head" if self._phase == HEAD else "body"
            self._refuse(408, f"the {part} of the request did not come in time")

    def close_if_idle(self) -> None:
        """Close unless a request is under way."""
        if self._phase == IDLE:
            self._close()

    def give_way(self) -> bool:
        """End with 503, to let somebody else have the place, unless an application is answered."""
        if self._phase > BODY or self._caller is Caller.APPLICATION:
            return False
        self._end_with(plain_response(503))
        return True

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    # ── answering ────────────────────────────────────────────────────────────────────────────

    def _take(self, request: Request) -> None:
        """Go where the head of the request leads."""
        if logger.isEnabledFor(logging.DEBUG):
            self._started = self._shared.clock.now()
        target = self._shared.find(request)
        # What cannot be told from the next request ends the connection with the answer.
        entangled = self._parser.body_length > 0 or self._parser.offers_upgrade
        if isinstance(target, Response):
            self._respond(target, close=entangled)
        elif self.crowded and (
            isinstance(target, WebSocketRoute) or target.caller is Caller.CLIENT
        ):
            self._respond(plain_response(503), close=True)
        elif isinstance(target, WebSocketRoute):
            self._open_websocket(request, target, close=entangled)
        else:
            self._route = target
            length = self._parser.body_length
            if math.isfinite(length) and length > target.max_body:
                raise Refusal(413, f"body of {length} bytes, at most {target.max_body} are taken")
            if request.body:
                self._dispatch(request, target)
            else:
                self._begin_body(request, target)

    def _begin_body(self, request: Request, route: Route) -> None:
        """Give the request to its handler as soon as its body is here."""
        self._parser.begin_body()
        if self._parser.body_length:
            self._await_body(request)
        else:
            self._dispatch(request, route)

    def _dispatch(self, request: Request, route: Route) -> None:
        """Give the request to its handler."""
        self._phase = ANSWERING
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
        self._go_on()

    def _answer(self, answer: Answer) -> None:
        if isinstance(answer, Response):
            self._respond(answer)
        else:
            self._stream(answer)

    def _stream(self, streaming: Streaming) -> None:
        """Become a streaming answer."""
        request = self._parser.request
        if self._phase >= LINGERING or self._eof or request is None:
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
        if self._phase >= LINGERING or request is None:
            return  # nobody waits for it any more
        ends_here = self._eof and not self._parser.has_input()
        close = close or ends_here or self._shared.draining or self.crowded
        keep = self._parser.keep_alive and not close
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
        if self._held:
            self._release()
        self._route = None
        self._started = 0.0
        self._phase = IDLE
        if not self._write_paused:
            self._set_deadline(self._shared.limits.idle_timeout)

    def _refuse(self, status: int, reason: str) -> None:
        """Answer what is not, or not yet, a request for anyone, and end the connection."""
        logger.info("connection %s: refused with %d: %s", self._peer, status, reason)
        # How long a body may be is worth telling whoever has to cut it.
        text = f"{reason}\n".encode("latin-1", "replace")
        self._end_with(Response(413, text) if status == 413 else plain_response(status))

    def _refuse_for_want_of_memory(self) -> None:
        """Answer 503; that was logged."""
        self._end_with(plain_response(503))

    def _end_with(self, response: Response) -> None:
        self._transport.write(self._shared.heads.response(response, connection="close"))
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
        self._phase = CLOSED
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
        self._release()
        if linger and not self._eof and not self.crowded:
            self._phase = LINGERING
            self._parser.drop_input()
            self._set_deadline(self._shared.limits.linger_timeout)
            if self._transport.can_write_eof():
                self._transport.write_eof()
            self._resume_reading()
        else:
            self._close()

    def _close(self) -> None:
        self._phase = LINGERING
        self._set_deadline(self._shared.limits.write_timeout)
        self._transport.close()

    def _let_go(self) -> None:
        """Leave the table, and break the circle with the parser's callbacks."""
        self._release()
        self._parser.drop()
        self._shared.remove(self)
