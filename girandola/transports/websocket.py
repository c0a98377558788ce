"""The two-way WebSocket door: one endpoint for all protocol generations.

The first message decides which generation a client speaks. The door joins encoded messages into
frames and knows nothing of what they say.
"""

import logging

from girandola.core.node import Node
from girandola.core.session import NO_HEADERS, Session
from girandola.errors import WRITE_ERROR, Disconnect
from girandola.net.http import Request, Response
from girandola.net.middleware import ConnectionLimit, OriginCheck
from girandola.net.websocket import Opcode, WebSocketConnection, frame
from girandola.protocol.codec import Codec
from girandola.protocol.frame_pings import WITH_FRAME_PINGS
from girandola.protocol.negotiation import PROTOCOLS, recognise
from girandola.protocol.v2_json import V2_JSON

logger = logging.getLogger(__name__)

MAX_REMEMBERED = 256 * 1024
"""Bytes of frames that are worth remembering for the next subscriber."""
MAX_LOGGED_ORIGIN = 200
"""Characters of a refused origin that the log shows."""


class Framing:
    """Messages of one codec into the bytes that go on the wire.

    In a broadcast thousands of sessions write the same messages one behind the other, so the
    last result is remembered.
    """

    __slots__ = ("_codec", "_messages", "_opcode", "_wire")

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._opcode = int(Opcode.BINARY if codec.binary else Opcode.TEXT)
        self._messages: list[bytes] = []
        self._wire = b""

    def wire(self, messages: list[bytes]) -> bytes:
        """Return the frames that hold ``messages``, ready to be written."""
        # Comparing two lists of the very same objects looks at their addresses only.
        if messages == self._messages:
            return self._wire
        opcode = self._opcode
        frames = [frame(opcode, payload) for payload in self._codec.join(messages)]
        wire = frames[0] if len(frames) == 1 else b"".join(frames)
        if len(wire) <= MAX_REMEMBERED:
            self._messages = messages
            self._wire = wire
        return wire


_FRAMINGS = {codec: Framing(codec) for codec in (*PROTOCOLS, *WITH_FRAME_PINGS.values())}


class WebSocketTransport:
    """A session's way out over one WebSocket, and the connection's way in to its session."""

    __slots__ = (
        "_connection",
        "_frame_pings",
        "_framing",
        "_headers",
        "_limit",
        "_node",
        "_open",
        "_session",
    )

    name = "websocket"
    one_way = False

    def __init__(
        self,
        node: Node,
        headers: dict[str, str],
        limit: ConnectionLimit,
        open_transports: "set[WebSocketTransport]",
        *,
        frame_pings: bool,
    ) -> None:
        self._node = node
        self._headers = headers
        self._limit = limit
        self._frame_pings = frame_pings
        self._open = open_transports
        self._connection: WebSocketConnection | None = None
        self._session: Session | None = None
        self._framing: Framing | None = None

    # ── from the connection ──────────────────────────────────────────────────────────────────

    def on_open(self, connection: WebSocketConnection) -> None:
        """Begin a session. Until the first message it speaks today's protocol."""
        self._connection = connection
        self._open.add(self)
        self._session = Session(self._node, self, V2_JSON, self._headers)
        self._headers = NO_HEADERS

    def on_message(self, payload: bytes, is_text: bool) -> None:
        """Pass a message on; the type of the frame does not matter (modern.md section 3.2)."""
        session = self._session
        if session is None:
            return
        if self._framing is None:
            self._speak(recognise(payload), session)
        session.receive(payload)

    def on_pong(self, payload: bytes) -> None:
        """Take the answer to a ping frame."""
        if self._session is not None:
            self._session.receive_transport_pong()

    def on_write_timeout(self) -> None:
        """End a connection whose peer takes nothing; a close frame would not get through."""
        if self._session is not None:
            self._session.close(WRITE_ERROR, "a write did not finish in time")
        self.abort()

    def on_close(self, code: int, reason: str) -> None:
        """End the session: the connection is gone."""
        self._limit.release()
        self._open.discard(self)
        session, self._session = self._session, None
        if session is not None:
            session.on_transport_closed()

    def _speak(self, codec: Codec, session: Session) -> None:
        if self._frame_pings:
            codec = WITH_FRAME_PINGS.get(codec, codec)
        session.codec = codec
        self._framing = _FRAMINGS[codec]

    # ── for the door ─────────────────────────────────────────────────────────────────────────

    def cut_off_stranger(self) -> None:
        """End the connection at once if nobody was recognised on it yet."""
        session = self._session
        if session is not None and not session.connected and not session.closed:
            self.abort()

    # ── for the session ─────────────────────────────────────────────────────────────────────

    @property
    def peer(self) -> str:
        """See ``ports.Transport``."""
        return self._connection.peer if self._connection is not None else "unknown"

    def write(self, messages: list[bytes]) -> None:
        """See ``ports.Transport``."""
        if self._connection is not None:
            framing = self._framing or _FRAMINGS[V2_JSON]
            self._connection.write(framing.wire(messages))

    def buffered(self) -> int:
        """See ``ports.Transport``."""
        return self._connection.buffered() if self._connection is not None else 0

    def ping(self) -> None:
        """See ``ports.Transport``."""
        if self._connection is not None:
            self._connection.ping()

    def pause(self) -> None:
        """See ``ports.Transport``."""
        if self._connection is not None:
            self._connection.pause_reading()

    def resume(self) -> None:
        """See ``ports.Transport``."""
        if self._connection is not None:
            self._connection.resume_reading()

    def close(self, disconnect: Disconnect) -> None:
        """See ``ports.Transport``."""
        if self._connection is not None and self._session is not None:
            self._connection.close(*self._session.codec.close(disconnect))

    def abort(self) -> None:
        """See ``ports.Transport``."""
        if self._connection is not None:
            self._connection.abort()


class WebSocketDoor:
    """Decides who may open a WebSocket. ``origins`` may be replaced while running.

    ``kept_headers`` names the request headers (lower case) that the policy reads.
    """

    def __init__(
        self,
        node: Node,
        origins: OriginCheck,
        limit: ConnectionLimit,
        kept_headers: frozenset[str] = frozenset(),
    ) -> None:
        self._node = node
        self.origins = origins
        self.limit = limit
        self.kept_headers = kept_headers
        self._open: set[WebSocketTransport] = set()

    def accept(self, request: Request) -> WebSocketTransport | Response:
        """Return who listens behind the handshake, or a refusal (modern.md section 3.1)."""
        if self._node.shutting_down:
            return Response(503)
        if not self.origins.allows_request(request):
            origin = request.headers["origin"][:MAX_LOGGED_ORIGIN]
            logger.info(
                "connection %s: refused with 403: origin %r matches none of client.allowed_origins",
                request.peer,
                origin,
            )
            return Response(403, b"Forbidden\n")
        if not self.limit.acquire():
            logger.info(
                "connection %s: refused with 503: over client.connection_limit or "
                "client.connection_rate_limit",
                request.peer,
            )
            return Response(503, b"Too many connections\n")
        kept = self.kept_headers
        headers = {name: value for name, value in request.headers.items() if name in kept}
        frame_pings = request.query_params().get("cf_ws_frame_ping_pong") == ["true"]
        return WebSocketTransport(
            self._node, headers or NO_HEADERS, self.limit, self._open, frame_pings=frame_pings
        )

    def cut_off_strangers(self) -> None:
        """End the connections that a stopping server need not wait for (classic.md 10.6)."""
        for transport in list(self._open):
            transport.cut_off_stranger()
