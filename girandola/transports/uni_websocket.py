"""The one-way WebSocket door (modern.md section 3.8).

The connect request stands in the query or is the first message; what a client says after it is
read and ignored.
"""

from girandola.errors import CONNECTION_CLOSED, Disconnect
from girandola.net.deflate import WINDOWS, Deflater
from girandola.net.frames import NO_STATUS
from girandola.net.http import Request, Response
from girandola.net.websocket import Opcode, WebSocketConnection, frame
from girandola.options import UniWebSocketOptions
from girandola.protocol.commands import Disconnected
from girandola.protocol.v2_one_way import V2_JSON_ONE_WAY
from girandola.transports.base import Entrance, Framing, PushTransport

_PING = V2_JSON_ONE_WAY.ping


def _framing(*, joined: bool, deflater: Deflater | None = None) -> Framing:
    """Return how pushes become frames: one each, or ``joined`` those of one moment."""
    make = frame if deflater is None else deflater.frame
    opcode = int(Opcode.TEXT)

    def encode(messages: list[bytes]) -> bytes:
        payloads = V2_JSON_ONE_WAY.join(messages) if joined else messages
        return b"".join([make(opcode, payload) for payload in payloads])

    return Framing(encode)


class UniWebSocketTransport(PushTransport[WebSocketConnection]):
    """A one-way session's way out over one WebSocket."""

    __slots__ = ("_options", "_request")

    name = "uni_websocket"
    one_way = True

    def __init__(
        self,
        entrance: Entrance,
        headers: dict[str, str],
        options: UniWebSocketOptions,
        request: bytes | None,
        framing: Framing,
    ) -> None:
        """Prepare; ``request`` is the connect request, ``None`` where the first message is."""
        super().__init__(entrance, headers, framing)
        self._options = options
        self._request = request

    # ── from the connection ──────────────────────────────────────────────────────────────────

    def on_open(self, connection: WebSocketConnection) -> None:
        """Begin a session, with the connect request if it is here."""
        self._pipe = connection
        session = self._begin(V2_JSON_ONE_WAY)
        session.id = session.node.new_id()
        if self._request is not None:
            session.receive(self._request)
            self._request = b""

    def on_message(self, payload: bytes, is_text: bool) -> None:
        """Take the connect request; nothing else is asked for."""
        if self._request is None and self._session is not None:
            self._request = b""
            self._session.receive(payload)

    def on_pong(self, payload: bytes) -> None:
        """Take the answer to a ping frame, which nobody waits for."""

    def on_close(self, code: int, reason: str) -> None:
        """End the session: the connection is gone."""
        self._end()

    # ── for the session ─────────────────────────────────────────────────────────────────────

    def write(self, messages: list[bytes]) -> None:
        """See ``ports.Transport``. A ping of the protocol goes with one of the transport."""
        super().write(messages)
        if _PING in messages and self._pipe is not None:
            self._pipe.ping()

    def close(self, disconnect: Disconnect) -> None:
        """See ``ports.Transport``. Says why in a push and in the close frame."""
        if self._pipe is None:
            return
        said = disconnect.code != CONNECTION_CLOSED.code
        if said and not self._options.disable_disconnect_push:
            super().write([V2_JSON_ONE_WAY.push("", Disconnected(disconnect))])
        if self._options.disable_closing_handshake:
            self._pipe.hang_up()
        elif not said:
            self._pipe.close(NO_STATUS)
        else:
            self._pipe.close(*V2_JSON_ONE_WAY.close(disconnect))


class UniWebSocketDoor:
    """Decides who may open a one-way WebSocket."""

    def __init__(self, entrance: Entrance, options: UniWebSocketOptions) -> None:
        self._entrance = entrance
        self._options = options
        joined = options.join_push_messages
        self._plain = _framing(joined=joined)
        self._deflated = {
            window: _framing(
                joined=joined,
                deflater=Deflater(window, options.compression_level, options.compression_min_size),
            )
            for window in WINDOWS
        }

    def accept(self, request: Request) -> UniWebSocketTransport | Response:
        """Return who listens behind the handshake, or a refusal."""
        refusal = self._entrance.refuse(request, check_origin=True)
        if refusal is not None:
            return refusal
        headers = self._entrance.headers_of(request)
        said = request.query_params().get("cf_connect", [""])[0].encode()
        framing = self._deflated.get(request.deflate_window, self._plain)
        return UniWebSocketTransport(self._entrance, headers, self._options, said or None, framing)
