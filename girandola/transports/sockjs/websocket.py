"""SockJS over a WebSocket: one text frame for each frame of SockJS, one session a connection.

The session id of its address means nothing here: such a session ends with its connection.
"""

import logging

from girandola.core.ports import Timer
from girandola.core.session import Session
from girandola.errors import CONNECTION_CLOSED, Disconnect
from girandola.net.websocket import Opcode, WebSocketConnection, frame
from girandola.protocol.v2_json import V2_JSON
from girandola.transports.base import Entrance, Framing, TwoWayWebSocket
from girandola.transports.sockjs.frames import (
    HEARTBEAT,
    OPEN,
    close_frame,
    messages_frame,
    read_payload,
)
from girandola.transports.sockjs.session import Inlet

logger = logging.getLogger(__name__)

_OPEN = frame(Opcode.TEXT, OPEN)
_HEARTBEAT = frame(Opcode.TEXT, HEARTBEAT)
_FRAMING = Framing(lambda messages: frame(Opcode.TEXT, messages_frame(messages)))


class SockJsWebSocket(TwoWayWebSocket):
    """A session's way out over one WebSocket, and the connection's way in to its session."""

    __slots__ = ("_heartbeat_delay", "_inlet", "_max_message_size", "_open", "_timer")

    name = "sockjs"

    def __init__(
        self,
        entrance: Entrance,
        headers: dict[str, str],
        open_transports: "set[SockJsWebSocket]",
        *,
        heartbeat_delay: float,
        max_message_size: int,
    ) -> None:
        super().__init__(entrance, headers, _FRAMING)
        self._open = open_transports
        self._heartbeat_delay = heartbeat_delay
        self._max_message_size = max_message_size
        self._inlet: Inlet | None = None
        self._timer: Timer | None = None

    # ── from the connection ──────────────────────────────────────────────────────────────────

    def on_open(self, connection: WebSocketConnection) -> None:
        """Begin a session."""
        self._pipe = connection
        self._open.add(self)
        connection.write(_OPEN)
        session: Session = self._begin(V2_JSON)
        self._inlet = Inlet(session, self._max_message_size)
        self._plan_heartbeat()

    def on_message(self, payload: bytes, is_text: bool) -> None:
        """Take texts of the client. What is no payload ends the connection without a word."""
        if self._inlet is None or not payload:
            return
        try:
            texts = read_payload(payload)
        except ValueError as error:
            self._inlet.session.log("dropped", f"malformed SockJS payload: {error}")
            self.abort()
            return
        self._inlet.take_all(texts)

    def on_close(self, code: int, reason: str) -> None:
        """End the session: the connection is gone."""
        self._open.discard(self)
        self._inlet = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._end()

    # ── for the session ──────────────────────────────────────────────────────────────────────

    def close(self, disconnect: Disconnect) -> None:
        """See ``ports.Transport``. The last frame of SockJS says why."""
        if self._pipe is None or self._session is None:
            return
        if disconnect.code != CONNECTION_CLOSED.code:
            farewell = close_frame(*self._session.codec.close(disconnect))
            self._pipe.write(frame(Opcode.TEXT, farewell))
        self._pipe.close()

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _plan_heartbeat(self) -> None:
        if self._heartbeat_delay > 0:
            clock = self._entrance.node.clock
            self._timer = clock.call_later(self._heartbeat_delay, self._on_heartbeat)

    def _on_heartbeat(self) -> None:
        if self._pipe is not None:
            self._pipe.write(_HEARTBEAT)
        self._plan_heartbeat()
