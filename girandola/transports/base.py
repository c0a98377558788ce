"""What the doors share: who comes in, how messages become bytes, and transports that push.

A door decides about a request and makes a transport; a transport is a session's way out over one
connection. Nothing here knows a protocol generation or what messages say.
"""

import logging
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from girandola.core.node import Node
from girandola.core.session import NO_HEADERS, Session
from girandola.errors import WRITE_ERROR, Disconnect
from girandola.net.http import Request, Response
from girandola.net.middleware import ConnectionLimit, OriginCheck
from girandola.net.websocket import WebSocketConnection
from girandola.protocol.codec import Codec

logger = logging.getLogger(__name__)

MAX_REMEMBERED = 256 * 1024
"""Bytes of frames that are worth remembering for the next subscriber."""
MAX_LOGGED_ORIGIN = 200
"""Characters of a refused origin that the log shows."""

# ── who comes in ─────────────────────────────────────────────────────────────────────────────


class Entrance:
    """Who may come in, whatever the door. What it was made with may be replaced while running.

    ``kept_headers`` names the request headers (lower case) that the policy reads, and
    ``identity_header`` the one among them that says who the user is, if any does. Every request
    that was not refused takes one place of ``limit``, until its transport releases it.
    """

    def __init__(
        self,
        node: Node,
        origins: OriginCheck,
        limit: ConnectionLimit,
        kept_headers: frozenset[str] = frozenset(),
        identity_header: str = "",
    ) -> None:
        self.node = node
        self.origins = origins
        self.limit = limit
        self.kept_headers = kept_headers
        self.identity_header = identity_header

    def refuse(self, request: Request, *, check_origin: bool) -> Response | None:
        """Return a refusal (modern.md section 3.1), or count the connection in."""
        if self.node.shutting_down:
            return Response(503)
        if why := self.unwelcome(request, check_origin=check_origin):
            logger.info("connection %s: refused with 403: %s", request.peer, why)
            return Response(403, b"Forbidden\n")
        if not self.limit.acquire():
            logger.info(
                "connection %s: refused with 503: over client.connection_limit or "
                "client.connection_rate_limit",
                request.peer,
            )
            return Response(503, b"Too many connections\n")
        return None

    def unwelcome(self, request: Request, *, check_origin: bool) -> str:
        """Return why no page may make a browser send this request, ``""`` if one may.

        Where a header says who the user is, it comes with whatever a browser sends, as cookies do.
        So origins are checked everywhere then; and what another site's page causes without an
        Origin (a script, an image, a link) is refused by what browsers say of it (Sec-Fetch-Site).
        """
        origin = request.headers.get("origin", "")
        site = request.headers.get("sec-fetch-site", "")
        by_header = bool(self.identity_header)
        same = by_header and not check_origin and site == "same-origin"
        if (check_origin or by_header) and not same and not self.origins.allows(origin):
            return f"origin {origin[:MAX_LOGGED_ORIGIN]!r} matches none of client.allowed_origins"
        if by_header and not origin and site == "cross-site":
            return (
                "a page of another site caused it, and client.user_id_http_header says whose "
                "request it is"
            )
        return ""

    def identity_of(self, request: Request) -> str | None:
        """Return who sends the request, as far as a header says it; ``None`` if none does."""
        return request.headers.get(self.identity_header) if self.identity_header else None

    def headers_of(self, request: Request) -> dict[str, str]:
        """Return the headers that the policy reads."""
        kept = self.kept_headers
        return {n: v for n, v in request.headers.items() if n in kept} or NO_HEADERS


# ── messages into bytes ──────────────────────────────────────────────────────────────────────


class Framing:
    """Messages of one codec into the bytes that go on the wire.

    In a broadcast thousands of sessions write the same messages one behind the other, so the
    last result is remembered.
    """

    __slots__ = ("_encode", "_messages", "_wire")

    def __init__(self, encode: Callable[[list[bytes]], bytes]) -> None:
        self._encode = encode
        self._messages: list[bytes] = []
        self._wire = b""

    def wire(self, messages: list[bytes]) -> bytes:
        """Return what holds ``messages`` on the wire, ready to be written."""
        # Comparing two lists of the very same objects looks at their addresses only.
        if messages == self._messages:
            return self._wire
        wire = self._encode(messages)
        if len(wire) <= MAX_REMEMBERED:
            self._messages = messages
            self._wire = wire
        return wire


# ── transports that push ─────────────────────────────────────────────────────────────────────


class Pipe(Protocol):
    """An open connection of ``net`` that takes bytes at any time."""

    @property
    def peer(self) -> str:
        """Who is at the other end."""

    def write(self, data: bytes) -> None:
        """Send bytes; harmless after the end."""

    def buffered(self) -> int:
        """Return how many bytes are not on the wire yet."""

    def abort(self) -> None:
        """End at once."""


P = TypeVar("P", bound=Pipe)


class PushTransport(Generic[P]):
    """The common part of transports whose peer can be written to at any time.

    See ``core.ports.Transport`` for what the session relies on.
    """

    __slots__ = ("_entrance", "_framing", "_headers", "_pipe", "_session")

    name = ""
    one_way = False

    def __init__(self, entrance: Entrance, headers: dict[str, str], framing: Framing) -> None:
        self._entrance = entrance
        self._headers = headers
        self._framing = framing
        self._pipe: P | None = None
        self._session: Session | None = None

    def _begin(self, codec: Codec) -> Session:
        session = self._session = Session(self._entrance.node, self, codec, self._headers)
        self._headers = NO_HEADERS
        return session

    def _end(self) -> None:
        """Give the place back and end the session: the connection is gone."""
        self._entrance.limit.release()
        session, self._session = self._session, None
        if session is not None:
            session.on_transport_closed()

    def on_write_timeout(self) -> None:
        """End a connection whose peer takes nothing; a goodbye would not get through."""
        if self._session is not None:
            self._session.close(WRITE_ERROR, "a write did not finish in time")
        self.abort()

    # ── for the session ─────────────────────────────────────────────────────────────────────

    @property
    def peer(self) -> str:
        """See ``ports.Transport``."""
        return self._pipe.peer if self._pipe is not None else "unknown"

    def write(self, messages: list[bytes]) -> None:
        """See ``ports.Transport``."""
        if self._pipe is not None:
            self._pipe.write(self._framing.wire(messages))

    def buffered(self) -> int:
        """See ``ports.Transport``."""
        return self._pipe.buffered() if self._pipe is not None else 0

    def ping(self) -> None:
        """See ``ports.Transport``."""

    def pause(self) -> None:
        """See ``ports.Transport``."""

    def resume(self) -> None:
        """See ``ports.Transport``."""

    def close(self, disconnect: Disconnect) -> None:
        """See ``ports.Transport``."""
        raise NotImplementedError

    def abort(self) -> None:
        """See ``ports.Transport``."""
        if self._pipe is not None:
            self._pipe.abort()


class TwoWayWebSocket(PushTransport[WebSocketConnection]):
    """The common part of transports over one WebSocket on which the peer has its say."""

    __slots__ = ()

    def on_pong(self, payload: bytes) -> None:
        """Take the answer to a ping frame."""
        if self._session is not None:
            self._session.receive_transport_pong()

    # ── for the door ─────────────────────────────────────────────────────────────────────────

    def cut_off_stranger(self) -> None:
        """End the connection at once if nobody was recognised on it yet."""
        session = self._session
        if session is not None and not session.connected and not session.closed:
            self.abort()

    # ── for the session ─────────────────────────────────────────────────────────────────────

    def ping(self) -> None:
        """See ``ports.Transport``."""
        if self._pipe is not None:
            self._pipe.ping()

    def pause(self) -> None:
        """See ``ports.Transport``."""
        if self._pipe is not None:
            self._pipe.pause_reading()

    def resume(self) -> None:
        """See ``ports.Transport``."""
        if self._pipe is not None:
            self._pipe.resume_reading()
