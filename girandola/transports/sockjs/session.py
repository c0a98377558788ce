"""Sessions of SockJS that outlive HTTP requests: each is a transport to the core.

What the core writes waits here until a receiver asks: the answer to a request of the client, which
takes one frame or many. It knows frames and receivers; not how a receiver wraps its frames, nor
which requests there are.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from girandola.core.ports import Timer
from girandola.core.session import Session
from girandola.errors import (
    BAD_REQUEST_CLOSE,
    CONNECTION_LIMIT,
    SLOW,
    TOO_MANY_REQUESTS_CLOSE,
    WRITE_ERROR,
    Disconnect,
)
from girandola.net.http import Request
from girandola.net.stream import Stream, chunk
from girandola.protocol.negotiation import recognise
from girandola.protocol.v2_json import V2_JSON
from girandola.transports.base import Entrance, Framing
from girandola.transports.sockjs.frames import HEARTBEAT, OPEN, close_frame, messages_frame

if TYPE_CHECKING:
    from girandola.transports.sockjs.table import Sessions

logger = logging.getLogger(__name__)

AWAY_TIMEOUT = 5.0
"""Seconds that a session lives without a receiver, and that its farewell is remembered."""

TOO_LARGE = Disconnect(BAD_REQUEST_CLOSE.code, "limit exceeded", CONNECTION_LIMIT.name)
"""A message over the limit. In 2018 it ended like a connection too many: "limit exceeded"."""
ENDED = Disconnect(3000, "", "sockjs_ended")
"""The server gave the session up and has no more to say about it (classic.md section 4.15)."""

_CONFLICT = close_frame(2010, "Another connection still open")
_INTERRUPTED = close_frame(1002, "Connection interrupted!")

MESSAGES = Framing(messages_frame)
"""Messages into frames; all SockJS sessions share it, so that a broadcast is quoted once."""


class Inlet:
    """The way of a client's texts into its core session.

    The first text decides which protocol generation the client speaks.
    """

    __slots__ = ("_max_size", "_recognised", "session")

    def __init__(self, session: Session, max_size: int) -> None:
        self.session = session
        self._max_size = max_size
        self._recognised = False

    def take_all(self, texts: list[bytes]) -> None:
        """Pass on texts that came together."""
        if len(texts) == 1:
            self.take(texts[0])
            return
        with self.session.at_once():
            for text in texts:
                self.take(text)

    def take(self, text: bytes) -> None:
        """Pass a text on; one that is too long ends the session."""
        if self.session.closed:
            return
        if len(text) > self._max_size:
            detail = f"a message of {len(text)} bytes, at most {self._max_size} are taken"
            self.session.close(TOO_LARGE, detail)
            return
        if not self._recognised:
            self._recognised = True
            self.session.codec = recognise(text)
        self.session.receive(text)


class Receiver:
    """An answer that carries frames of a session, until ``limit`` bytes are written.

    ``wrap`` makes of a frame what goes into the answer's body.
    """

    __slots__ = ("_left", "_session", "_stream", "_wrap")

    def __init__(
        self, session: "HttpSession", wrap: Callable[[bytes], bytes], *, limit: int
    ) -> None:
        self._session = session
        self._wrap = wrap
        self._left = limit
        self._stream: Stream | None = None

    @property
    def open(self) -> bool:
        """Whether the answer takes another frame."""
        return self._stream is not None

    # ── from the stream ──────────────────────────────────────────────────────────────────────

    def on_open(self, stream: Stream) -> None:
        """Ask for frames: the head is sent."""
        self._stream = stream
        self._session.attach(self)

    def on_write_timeout(self) -> None:
        """End a session whose client takes nothing."""
        stream, self._stream = self._stream, None
        self._session.on_receiver_stuck(self)
        if stream is not None:
            stream.abort()

    def on_close(self) -> None:
        """Tell the session of an answer that the client broke off."""
        if self._stream is not None:
            self._stream = None
            self._session.on_receiver_lost(self)

    # ── for the session ──────────────────────────────────────────────────────────────────────

    def send(self, frame: bytes, *, last: bool = False) -> None:
        """Write a frame; ends the answer when it is the ``last`` or the limit is reached."""
        stream = self._stream
        if stream is None:
            return
        data = self._wrap(frame)
        self._left -= len(data)
        wire = chunk(data) if stream.chunked else data
        if last or self._left <= 0:
            self._stream = None  # before it says that it is closed, which is our own doing
            stream.close(wire)
        else:
            stream.write(wire)

    def buffered(self) -> int:
        """Return how many bytes are not on the wire yet."""
        return self._stream.buffered() if self._stream is not None else 0

    def abort(self) -> None:
        """Break the answer off."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.abort()


class HttpSession:
    """A session over requests of HTTP. See ``core.ports.Transport`` for the core's side.

    Live until it has a farewell; after that it only repeats it, for ``AWAY_TIMEOUT``.
    """

    __slots__ = (
        "_entrance",
        "_farewell",
        "_heartbeat_delay",
        "_held",
        "_inlet",
        "_opened",
        "_paused",
        "_receiver",
        "_sessions",
        "_size",
        "_timer",
        "_waiting",
        "id",
        "identity",
        "peer",
    )

    name = "sockjs"
    one_way = False

    def __init__(
        self,
        sessions: "Sessions",
        entrance: Entrance,
        id_: str,
        opener: Request,
        *,
        heartbeat_delay: float,
        max_message_size: int,
    ) -> None:
        """Begin; ``entrance`` has counted the session in. The receiver of ``opener`` comes."""
        self._sessions = sessions
        self._entrance = entrance
        self.id = id_
        self.identity = entrance.identity_of(opener)
        self.peer = opener.peer
        headers = entrance.headers_of(opener)
        self._heartbeat_delay = heartbeat_delay
        self._opened = False
        self._receiver: Receiver | None = None
        self._waiting: list[bytes] = []
        self._size = 0
        self._farewell: bytes | None = None
        self._paused = False
        self._held = 0  # bytes that came while paused
        self._timer: Timer | None = None
        self._inlet = Inlet(Session(entrance.node, self, V2_JSON, headers), max_message_size)
        self._restart_timer(AWAY_TIMEOUT, self._on_away)

    def belongs_to(self, request: Request) -> bool:
        """Tell whether who sends the request opened the session.

        Ids are chosen by clients, so knowing one proves nothing.
        """
        return self._entrance.identity_of(request) == self.identity

    @property
    def live(self) -> bool:
        """Whether the session has not ended."""
        return self._farewell is None

    @property
    def stranger(self) -> bool:
        """Whether the session lives and nobody was recognised in it yet."""
        return self.live and not self._inlet.session.connected

    # ── from requests ────────────────────────────────────────────────────────────────────────

    def take(self, texts: list[bytes]) -> None:
        """Take texts that the client sent."""
        session = self._inlet.session
        limit = session.node.options.queue_max_size
        if self._paused:
            self._held += sum(map(len, texts))
            if self._held > limit:
                session.close(TOO_MANY_REQUESTS_CLOSE, f"{self._held} bytes of commands wait")
                return
        self._inlet.take_all(texts)

    def attach(self, receiver: Receiver) -> None:
        """Let a receiver have what waits, and what will come."""
        if self._receiver is not None:
            logger.info("session %s: refused a second receiver", self.peer)
            receiver.send(_CONFLICT, last=True)
            return
        if not self._opened:
            self._opened = True
            receiver.send(OPEN)
        if receiver.open and self._waiting:
            waiting, self._waiting, self._size = self._waiting, [], 0
            receiver.send(messages_frame(waiting))
        if self._farewell is not None:
            receiver.send(self._farewell, last=True)
        elif receiver.open:
            self._receiver = receiver
            self._plan_heartbeat()
        else:
            self._restart_timer(AWAY_TIMEOUT, self._on_away)

    def on_receiver_lost(self, receiver: Receiver) -> None:
        """End the session: what was on its way may be lost, so the client must begin anew."""
        if receiver is self._receiver:
            self._receiver = None
            self._end(_INTERRUPTED)
            self._inlet.session.on_transport_closed()

    def on_receiver_stuck(self, receiver: Receiver) -> None:
        """End the session: its receiver takes nothing, so only a next one could be told."""
        if receiver is self._receiver:
            self._receiver = None
        self._inlet.session.close(WRITE_ERROR, "a write did not finish in time")

    # ── for the core session ─────────────────────────────────────────────────────────────────

    def write(self, messages: list[bytes]) -> None:
        """See ``ports.Transport``. Goes to the receiver, or waits for one."""
        if self._farewell is not None:
            return
        if self._receiver is not None:
            self._send(MESSAGES.wire(messages))
        else:
            self._waiting.extend(messages)
            self._size += sum(map(len, messages))

    def buffered(self) -> int:
        """See ``ports.Transport``."""
        return self._size + (self._receiver.buffered() if self._receiver is not None else 0)

    def ping(self) -> None:
        """See ``ports.Transport``; heartbeats and requests show well enough that a peer is there.

        Answers itself, not before the session has begun to wait for it.
        """
        session = self._inlet.session
        self._entrance.node.clock.call_soon(session.receive_transport_pong)

    def pause(self) -> None:
        """See ``ports.Transport``. Requests cannot be held back, but counted."""
        self._paused = True

    def resume(self) -> None:
        """See ``ports.Transport``."""
        self._paused = False
        self._held = 0

    def close(self, disconnect: Disconnect) -> None:
        """See ``ports.Transport``. Without a receiver, the next ones are told."""
        if self._farewell is not None:
            return
        if disconnect.code == SLOW.code:
            self._waiting, self._size = [], 0
        receiver, self._receiver = self._receiver, None
        self._end(close_frame(*self._inlet.session.codec.close(disconnect)))
        if receiver is not None and self._farewell is not None:
            receiver.send(self._farewell, last=True)

    def abort(self) -> None:
        """See ``ports.Transport``."""
        if self._farewell is not None:
            return
        receiver, self._receiver = self._receiver, None
        self._waiting, self._size = [], 0
        self._end(self._ended())
        if receiver is not None:
            receiver.abort()
        self._inlet.session.on_transport_closed()

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _send(self, frame: bytes) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        receiver.send(frame)
        if not receiver.open and self._receiver is receiver:
            self._receiver = None
            self._restart_timer(AWAY_TIMEOUT, self._on_away)

    def _plan_heartbeat(self) -> None:
        if self._heartbeat_delay > 0:
            self._restart_timer(self._heartbeat_delay, self._on_heartbeat)
        else:
            self._cancel_timer()

    def _on_heartbeat(self) -> None:
        self._send(HEARTBEAT)
        if self._receiver is not None:
            self._plan_heartbeat()

    def _on_away(self) -> None:
        """Give up a client that asks for nothing any more."""
        self._inlet.session.log("closing", f"no receiver for {AWAY_TIMEOUT:g} s")
        self.abort()

    def _ended(self) -> bytes:
        return close_frame(*self._inlet.session.codec.close(ENDED))

    def _end(self, farewell: bytes) -> None:
        """Give the place back; be remembered for a while, with what still waits."""
        self._farewell = farewell
        self._entrance.limit.release()
        self._sessions.retire(self)
        self._restart_timer(AWAY_TIMEOUT, self._forget)

    def _forget(self) -> None:
        self._timer = None
        self._sessions.forget(self)

    def drop(self) -> None:
        """Be forgotten before the time, to make room."""
        self._cancel_timer()
        self._waiting, self._size = [], 0

    def _restart_timer(self, delay: float, callback: Callable[[], object]) -> None:
        self._cancel_timer()
        self._timer = self._entrance.node.clock.call_later(delay, callback)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
