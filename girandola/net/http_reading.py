"""The reading half of an HTTP connection: when it reads, how much, and for how long.

Every request costs its sender his own turn of the loop: after so much work a connection lets the
others have theirs. What is begun and does not go on has an end in time, what is not whole yet has
its part of the server's memory and no more. Not known here: what paths lead to, and how requests
are answered; that is the other half, ``http.py``.
"""

import asyncio
import math
from typing import TYPE_CHECKING, cast

from girandola.net.messages import Caller, Request, Route
from girandola.net.request_parser import Refusal, RequestParser
from girandola.net.writing import peer_name

if TYPE_CHECKING:
    from girandola.net.connections import Connections

# What a connection is at; the first three take input.
IDLE = 0  # between requests
HEAD = 1
BODY = 2
ANSWERING = 3  # the handler has the request
LINGERING = 4  # all is said; what still comes is thrown away, so that TCP delivers our last word
CLOSED = 5

# Work in one turn of the loop: a request counts four, and one for each KiB of its body.
_TURN = 64
_REQUEST = 4


class RequestReading(asyncio.Protocol):
    """The reading half of a connection, to be inherited.

    ``_phase`` is changed by both halves. Input waits unread while a request is answered, while the
    peer does not take its answers, and until the next turn of the loop.
    """

    __slots__ = (
        "_eof",
        "_held",
        "_parser",
        "_peer",
        "_phase",
        "_reading_paused",
        "_route",
        "_shared",
        "_transport",
        "_turn_is_over",
        "_working",
        "_write_paused",
        "crowded",
        "deadline",
    )

    _transport: asyncio.Transport
    _peer: str
    _parser: RequestParser

    def __init__(self, shared: "Connections", *, crowded: bool = False) -> None:
        """Prepare. ``crowded``: it took one of the last descriptors."""
        self._shared = shared
        self._phase = IDLE
        self.crowded = crowded
        self.deadline = math.inf
        self._working = False
        self._turn_is_over = False
        self._reading_paused = False
        self._write_paused = False
        self._eof = False
        self._route: Route | None = None
        self._held = 0  # bytes of an unfinished request, as counted in Capacity

    # ── for the loop ─────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # Both loops promise a transport that writes; uvloop's is no asyncio.Transport by name.
        self._transport = cast(asyncio.Transport, transport)
        self._peer = peer_name(transport)
        limits = self._shared.limits
        self._parser = RequestParser(limits, self._peer)
        self._set_deadline(limits.crowded_timeout if self.crowded else limits.head_timeout)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self._phase >= LINGERING:
            return
        self._parser.feed(data)
        self._go_on()

    def pause_writing(self) -> None:
        """Take no further request until the peer has taken its answers."""
        self._write_paused = True
        self._set_deadline(self._shared.limits.write_timeout)

    def resume_writing(self) -> None:
        """Go on."""
        self._write_paused = False
        if self._phase == IDLE:
            self._set_deadline(self._shared.limits.idle_timeout)
        elif self._phase == ANSWERING:
            self.deadline = math.inf
        self._go_on()

    # ── taking turns ─────────────────────────────────────────────────────────────────────────

    def _go_on(self) -> None:
        """Look at the input, unless that is under way already or must wait for the next turn."""
        if not (self._working or self._turn_is_over):
            self._work()

    def _begin_turn(self) -> None:
        self._turn_is_over = False
        if self._phase < LINGERING:
            self._go_on()

    def _work(self) -> None:
        """Go through the input until it ends, the turn is over, or something is waited for."""
        self._working = True
        parser = self._parser
        left = _TURN
        try:
            while parser.has_input() and self._phase <= BODY and not self._write_paused:
                if left <= 0:
                    self._turn_is_over = True
                    self._shared.clock.call_soon(self._begin_turn)
                    break
                left -= self._read_body() if self._phase == BODY else self._read_head()
        except Refusal as refusal:
            self._refuse(refusal.status, self._reason_of(refusal))
        self._working = False
        phase = self._phase
        if phase >= LINGERING:
            return
        if IDLE < phase <= BODY:
            self._hold_unfinished()
        if not parser.drop_consumed():
            if not self._reading_paused:
                self._reading_paused = True
                self._transport.pause_reading()
        elif self._reading_paused:
            self._resume_reading()

    def _reason_of(self, refusal: Refusal) -> str:
        route = self._route
        if refusal.status == 413 and route is not None and route.limited_by:
            return f"{refusal.reason} ({route.limited_by})"
        return refusal.reason

    # ── one request ──────────────────────────────────────────────────────────────────────────

    def _read_head(self) -> int:
        """Go on with the head; return what that was of a turn."""
        request = None
        if self._phase == IDLE:
            request = self._parser.read_familiar()
            if request is None:
                self._phase = HEAD
                if not self.crowded:
                    self._set_deadline(self._shared.limits.head_timeout)
        if request is None:
            request = self._parser.read_head()
            if request is None:
                return _TURN
        self._take(request)
        return _REQUEST + (len(request.body) >> 10)

    def _await_body(self, request: Request) -> None:
        length = self._parser.body_length
        if math.isfinite(length) and not self._has_room(int(length)):
            self._refuse_for_want_of_memory()
            return
        self._phase = BODY
        limits = self._shared.limits
        self._set_deadline(limits.crowded_timeout if self.crowded else limits.body_timeout)
        if (
            "expect" in request.headers
            and request.http_version == "1.1"
            and not self._parser.has_input()
        ):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _read_body(self) -> int:
        """Go on with the body; return what that was of a turn."""
        parser, route, request = self._parser, self._route, self._parser.request
        assert request is not None and route is not None  # noqa: S101, PT018  as the phase says
        before = parser.body_size
        if parser.read_body(route.max_body):
            self._dispatch(request, route)
            return _REQUEST + (len(request.body) >> 10)
        limits = self._shared.limits
        latest = self._shared.clock.now() + limits.body_timeout
        earned = (parser.body_size - before) / limits.body_rate
        self.deadline = min(self.deadline + earned, latest)
        return _TURN

    # ── memory ───────────────────────────────────────────────────────────────────────────────

    @property
    def _caller(self) -> Caller:
        return Caller.CLIENT if self._route is None else self._route.caller

    def _has_room(self, length: int) -> bool:
        more = length - self._held
        return more <= 0 or self._shared.capacity.has_room(more, self._caller)

    def _hold_unfinished(self) -> None:
        """Count what has come of the request, or refuse it."""
        more = self._parser.unfinished - self._held
        if more <= 0:
            return
        if self._shared.capacity.hold(more, self._caller):
            self._held += more
        else:
            self._refuse_for_want_of_memory()

    def _release(self) -> None:
        """Count out what was counted in: the request is answered, or is none."""
        self._shared.capacity.release(self._held)
        self._held = 0

    # ── small steps ──────────────────────────────────────────────────────────────────────────

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def _set_deadline(self, seconds: float) -> None:
        self.deadline = self._shared.clock.now() + seconds

    # ── the other half ───────────────────────────────────────────────────────────────────────

    def _take(self, request: Request) -> None:
        """Take a request whose head is here."""
        raise NotImplementedError

    def _dispatch(self, request: Request, route: Route) -> None:
        """Take a request that is here as a whole."""
        raise NotImplementedError

    def _refuse(self, status: int, reason: str) -> None:
        """Answer what is not, or not yet, a request for anyone, and end the connection."""
        raise NotImplementedError

    def _refuse_for_want_of_memory(self) -> None:
        """Answer 503; that was logged."""
        raise NotImplementedError
