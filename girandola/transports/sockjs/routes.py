"""The door of SockJS: which address is what (classic.md section 4.16), and who may come in."""

import logging
import re
from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qs

from girandola.net.http import Request, Response, Streaming, plain_response
from girandola.net.messages import Answer
from girandola.net.middleware import cors_headers
from girandola.net.router import Route, WebSocketRoute
from girandola.options import SockJsOptions, WebSocketOptions
from girandola.transports.base import Entrance
from girandola.transports.sockjs import pages
from girandola.transports.sockjs.frames import read_payload
from girandola.transports.sockjs.receiving import RECEIVING, Receiving, callback_of
from girandola.transports.sockjs.session import HttpSession, Receiver
from girandola.transports.sockjs.table import Sessions
from girandola.transports.sockjs.websocket import SockJsWebSocket

logger = logging.getLogger(__name__)

_IFRAME = re.compile(r"/iframe[^/]*\.html")
_TRANSPORT = re.compile(r"/[^/.]{1,128}/(?P<session>[^/.]{1,128})/(?P<transport>[a-z_]+)")
_PREFLIGHT = frozenset({"xhr", "xhr_send", "xhr_streaming", "jsonp"})
_PREFLIGHT_METHODS = "OPTIONS, POST"
_MAX_FORM_FIELDS = 20

Target = Route | WebSocketRoute | Response


class SockJsDoor:
    """Leads the addresses below one prefix; holds the sessions that live over HTTP.

    ``websocket`` says how long a message and a write may be, as it does for every two-way client
    of 2018; ``prefix`` is the path of the endpoint.
    """

    def __init__(
        self,
        entrance: Entrance,
        options: SockJsOptions,
        websocket: WebSocketOptions,
        *,
        prefix: str,
    ) -> None:
        self._entrance = entrance
        self._options = options
        self._prefix = prefix.rstrip("/")
        self.configure(websocket)
        self._sessions = Sessions()
        self._websockets: set[SockJsWebSocket] = set()
        self._iframe = pages.IframePage(options.url)

    def configure(self, websocket: WebSocketOptions) -> None:
        """Go by other limits with the next sessions and answers."""
        self._max_message_size = websocket.message_size_limit
        self._write_timeout = websocket.write_timeout
        self._websocket_route = WebSocketRoute(
            self._accept,
            max_message_size=self._options.max_request_body_size,
            write_timeout=self._write_timeout,
        )

    def find(self, request: Request) -> Target:
        """Return what a request at the prefix or below it leads to."""
        if self._entrance.node.shutting_down:
            return Response(503)
        rest = request.path.removeprefix(self._prefix)
        if not rest:
            return plain_response(301, (("Location", f"{request.raw_path}/"),))
        if rest == "/":
            return self._page(request, lambda request: pages.greeting())
        if rest == "/info":
            return self._find_info(request)
        if _IFRAME.fullmatch(rest):
            return self._page(request, lambda request: self._iframe.answer(request, self._time()))
        found = _TRANSPORT.fullmatch(rest)
        if found is None:
            return plain_response(404)
        return self._find_transport(request, found["session"], found["transport"])

    def cut_off_strangers(self) -> None:
        """End the connections that a stopping server need not wait for (classic.md 10.6)."""
        for websocket in list(self._websockets):
            websocket.cut_off_stranger()
        for session in self._sessions.strangers():
            session.abort()

    # ── which address is what ────────────────────────────────────────────────────────────────

    def _find_info(self, request: Request) -> Target:
        headers = self._cors(request)
        if request.method == "OPTIONS":
            preflight = pages.preflight("OPTIONS, GET", headers, self._time())
            return Route(lambda request: preflight)
        return self._page(request, lambda request: pages.info(headers), "OPTIONS, GET, HEAD")

    def _find_transport(self, request: Request, id_: str, transport: str) -> Target:
        if transport == "websocket":
            return self._websocket_route
        receiving = RECEIVING.get(transport)
        handle: Callable[[Request], Answer]
        if receiving is not None:
            method, handle = receiving.method, partial(self._receive, receiving, id_)
        elif transport == "xhr_send":
            method, handle = "POST", partial(self._xhr_send, id_)
        elif transport == "jsonp_send":
            method, handle = "POST", partial(self._jsonp_send, id_)
        else:
            return plain_response(404)
        if request.method == "OPTIONS" and transport in _PREFLIGHT:
            answer = pages.preflight(_PREFLIGHT_METHODS, self._cors(request), self._time())
            return Route(lambda request: answer)
        if request.method != method:
            allowed = f"OPTIONS, {method}" if transport in _PREFLIGHT else method
            return plain_response(405, (("Allow", allowed),))
        return Route(handle, max_body=self._options.max_request_body_size)

    def _page(
        self, request: Request, handle: Callable[[Request], Response], allowed: str = "GET, HEAD"
    ) -> Target:
        if request.method not in {"GET", "HEAD"}:
            return plain_response(405, (("Allow", allowed),))
        return Route(handle)

    # ── transports ───────────────────────────────────────────────────────────────────────────

    def _accept(self, request: Request) -> SockJsWebSocket | Response:
        """Return who listens behind a handshake, or a refusal."""
        refusal = self._entrance.refuse(request, check_origin=True)
        if refusal is not None:
            return refusal
        return SockJsWebSocket(
            self._entrance,
            self._entrance.headers_of(request),
            self._websockets,
            heartbeat_delay=self._options.heartbeat_delay,
            max_message_size=self._max_message_size,
        )

    def _receive(self, receiving: Receiving, id_: str, request: Request) -> Answer:
        """Answer by frames of a session, which the first such request opens."""
        callback = ""
        if receiving.needs_callback:
            try:
                callback = callback_of(request.query_params())
            except ValueError as error:
                return self._answer(request, 500, f"{error}\n".encode())
        session = self._session_of(id_, request, receiving)
        if isinstance(session, Response):
            return self._answer(request, session.status, session.body)
        wrap = receiving.wrap
        receiver = Receiver(session, lambda frame: wrap(frame, callback), limit=receiving.limit)
        return Streaming(
            receiver,
            content_type=receiving.content_type,
            headers=(
                ("X-Accel-Buffering", "no"),
                ("X-Content-Type-Options", "nosniff"),
                *pages.NOT_CACHED,
                *self._cors(request),
            ),
            preface=receiving.begin(callback),
            write_timeout=self._write_timeout,
        )

    def _session_of(
        self, id_: str, request: Request, receiving: Receiving
    ) -> HttpSession | Response:
        """Return the session that the request receives from, or why it may not."""
        session = self._sessions.find(id_)
        if session is None:
            return self._open(id_, request, receiving)
        return self._refuse(request, session) or session

    def _open(self, id_: str, request: Request, receiving: Receiving) -> HttpSession | Response:
        if why := _wrongly_navigated(request, receiving):
            return _forbidden(request, why)
        if self._sessions.full:
            return Response(503, b"Too many sessions\n")
        refusal = self._entrance.refuse(request, check_origin=True)
        if refusal is not None:
            return refusal
        session = HttpSession(
            self._sessions,
            self._entrance,
            id_,
            request,
            heartbeat_delay=self._options.heartbeat_delay,
            max_message_size=self._max_message_size,
        )
        self._sessions.add(session)
        return session

    def _xhr_send(self, id_: str, request: Request) -> Response:
        return self._send(id_, request, request.body) or self._answer(request, 204)

    def _jsonp_send(self, id_: str, request: Request) -> Response:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        payload = request.body
        if media_type == "application/x-www-form-urlencoded":
            try:
                form = parse_qs(payload, max_num_fields=_MAX_FORM_FIELDS)
            except ValueError:
                form = {}
            payload = form.get(b"d", [b""])[0]
        return self._send(id_, request, payload) or self._answer(request, 200, b"ok")

    def _send(self, id_: str, request: Request, payload: bytes) -> Response | None:
        """Hand a payload to its session; return why it cannot be."""
        session = self._sessions.find_live(id_)
        if refusal := self._refuse(request, session):
            return self._answer(request, refusal.status, refusal.body)
        if session is None:
            return self._answer(request, 404)
        if not payload:
            return self._answer(request, 500, b"Payload expected.")
        try:
            texts = read_payload(payload)
        except ValueError:
            return self._answer(request, 500, b"Broken JSON encoding.")
        session.take(texts)
        return None

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _answer(self, request: Request, status: int, body: bytes = b"") -> Response:
        headers = (*pages.NOT_CACHED, *self._cors(request))
        return Response(status, body, "text/plain; charset=UTF-8", headers)

    def _refuse(self, request: Request, session: HttpSession | None) -> Response | None:
        """Return why a request may not come in, or not into this session."""
        # What a page may not read it may not cause, either.
        if why := self._entrance.unwelcome(request, check_origin=True):
            return _forbidden(request, why)
        if session is not None and not session.belongs_to(request):
            return _forbidden(request, "the session was opened by somebody else")
        return None

    def _cors(self, request: Request) -> pages.Headers:
        return cors_headers(request, self._entrance.origins, without_origin="*")

    def _time(self) -> float:
        return self._entrance.node.clock.time()


def _wrongly_navigated(request: Request, receiving: Receiving) -> str:
    """Return why a browser's navigation may not open a session, ``""`` if it may or is none.

    Whoever makes somebody's browser go to an address has chosen the session's id in it. Only a
    page of ours shows a receiver, in a frame (classic.md section 4.16).
    """
    if request.headers.get("sec-fetch-mode") != "navigate":
        return ""
    to, site = (request.headers.get(f"sec-fetch-{name}") for name in ("dest", "site"))
    if receiving.is_page and to == "iframe" and site == "same-origin":
        return ""
    return "a browser was sent there, which opens no session"


def _forbidden(request: Request, why: str) -> Response:
    logger.info("connection %s: SockJS refused with 403: %s", request.peer, why)
    return Response(403, b"Forbidden\n")
