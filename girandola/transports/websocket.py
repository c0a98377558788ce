"""The two-way WebSocket door: one endpoint for all protocol generations.

The request decides between text and Protobuf, the first message which generation a client speaks.
The door joins encoded messages into
frames and knows nothing of what they say.
"""

from collections.abc import Mapping

from girandola.core.session import Session
from girandola.errors import CONNECTION_CLOSED, Disconnect
from girandola.net.deflate import WINDOWS, Deflater
from girandola.net.frames import NO_STATUS
from girandola.net.http import Request, Response
from girandola.net.websocket import Opcode, WebSocketConnection, frame
from girandola.options import WebSocketOptions
from girandola.protocol.codec import Codec
from girandola.protocol.frame_pings import WITH_FRAME_PINGS
from girandola.protocol.negotiation import PROTOCOLS, negotiate, recognise, recognise_binary
from girandola.protocol.v2_json import V2_JSON
from girandola.protocol.v2_protobuf import V2_PROTOBUF
from girandola.transports.base import Entrance, Framing, TwoWayWebSocket


def frames_of(codec: Codec, deflater: Deflater | None = None) -> Framing:
    """Return how messages of ``codec`` become WebSocket frames: as few as it allows."""
    opcode = int(Opcode.BINARY if codec.binary else Opcode.TEXT)
    make = frame if deflater is None else deflater.frame

    def encode(messages: list[bytes]) -> bytes:
        frames = [make(opcode, payload) for payload in codec.join(messages)]
        return frames[0] if len(frames) == 1 else b"".join(frames)

    return Framing(encode)


Framings = Mapping[Codec, Framing]
"""How the messages of every codec go out, for all connections that agreed on the same."""


def _framings(deflater: Deflater | None = None) -> Framings:
    codecs = (*PROTOCOLS, *WITH_FRAME_PINGS.values())
    return {codec: frames_of(codec, deflater) for codec in codecs}


_PLAIN = _framings()


class WebSocketTransport(TwoWayWebSocket):
    """A session's way out over one WebSocket, and the connection's way in to its session."""

    __slots__ = ("_binary", "_frame_pings", "_framings", "_open", "_recognised")

    name = "websocket"

    def __init__(
        self,
        entrance: Entrance,
        headers: dict[str, str],
        open_transports: "set[WebSocketTransport]",
        *,
        codec: Codec | None,
        frame_pings: bool,
        framings: Framings,
    ) -> None:
        """Prepare; ``codec`` is what the request asked for, ``None`` where it did not say."""
        super().__init__(entrance, headers, framings[codec or V2_JSON])
        self._framings = framings
        self._binary = codec is not None
        self._frame_pings = frame_pings
        self._open = open_transports
        self._recognised = False

    # ── from the connection ──────────────────────────────────────────────────────────────────

    def on_open(self, connection: WebSocketConnection) -> None:
        """Begin a session. Until the first message it speaks today's protocol."""
        self._pipe = connection
        self._open.add(self)
        self._begin(V2_PROTOBUF if self._binary else V2_JSON)

    def on_message(self, payload: bytes, is_text: bool) -> None:
        """Pass a message on; the type of the frame does not matter (modern.md section 3.2)."""
        session = self._session
        if session is None:
            return
        if not self._recognised:
            self._recognised = True
            codec = recognise_binary(payload) if self._binary else recognise(payload)
            self._speak(codec, session)
        session.receive(payload)

    def on_close(self, code: int, reason: str) -> None:
        """End the session: the connection is gone."""
        self._open.discard(self)
        self._end()

    def _speak(self, codec: Codec, session: Session) -> None:
        if self._frame_pings:
            codec = WITH_FRAME_PINGS.get(codec, codec)
        session.codec = codec
        self._framing = self._framings[codec]

    # ── for the session ─────────────────────────────────────────────────────────────────────

    def close(self, disconnect: Disconnect) -> None:
        """See ``ports.Transport``. Code 3000 is never said (modern.md section 3.2)."""
        if self._pipe is None or self._session is None:
            return
        if disconnect.code == CONNECTION_CLOSED.code:
            self._pipe.close(NO_STATUS)
        else:
            self._pipe.close(*self._session.codec.close(disconnect))


class WebSocketDoor:
    """Decides who may open a two-way WebSocket."""

    def __init__(self, entrance: Entrance, options: WebSocketOptions) -> None:
        self._entrance = entrance
        self._open: set[WebSocketTransport] = set()
        self.configure(options)

    def configure(self, options: WebSocketOptions) -> None:
        """Go by other options from the next connection on."""
        self._deflated = {
            window: _framings(
                Deflater(window, options.compression_level, options.compression_min_size)
            )
            for window in WINDOWS
        }

    def accept(self, request: Request) -> WebSocketTransport | Response:
        """Return who listens behind the handshake, or a refusal (modern.md section 3.1)."""
        refusal = self._entrance.refuse(request, check_origin=True)
        if refusal is not None:
            return refusal
        query = request.query_params()
        return WebSocketTransport(
            self._entrance,
            self._entrance.headers_of(request),
            self._open,
            codec=negotiate(query, request.subprotocol),
            frame_pings=query.get("cf_ws_frame_ping_pong") == ["true"],
            framings=self._deflated.get(request.deflate_window, _PLAIN),
        )

    def cut_off_strangers(self) -> None:
        """End the connections that a stopping server need not wait for (classic.md 10.6)."""
        for transport in list(self._open):
            transport.cut_off_stranger()
