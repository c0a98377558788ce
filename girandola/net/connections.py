"""All open connections of one server, and what they share.

It makes them, counts them, and ends those whose time is up; it knows no request and no answer.
"""

import asyncio
from collections.abc import Callable

from girandola.core.ports import Clock
from girandola.net.answers import AnswerHeads
from girandola.net.capacity import Capacity
from girandola.net.http import HttpConnection
from girandola.net.messages import Find, HttpLimits, Streaming, WebSocketRoute
from girandola.net.stream import Stream
from girandola.net.websocket import Listener, WebSocketConnection


class Connections:
    """The open connections of one server, and what they share.

    One timer looks after the time limits of all HTTP connections; without any it stands still.
    """

    def __init__(
        self,
        find: Find,
        clock: Clock,
        limits: HttpLimits | None = None,
        capacity: Capacity | None = None,
    ) -> None:
        self.find = find
        self.clock = clock
        self.limits = HttpLimits() if limits is None else limits
        self.capacity = Capacity(clock.now) if capacity is None else capacity
        self.http: set[HttpConnection] = set()
        self.websockets: set[WebSocketConnection] = set()
        self.streams: set[Stream] = set()
        self.draining = False
        self.on_empty: Callable[[], object] | None = None
        self.heads = AnswerHeads(clock)
        self._sweeping = False
        # Those that took one of the last descriptors, the oldest first.
        self._crowded: dict[HttpConnection, None] = {}

    def make(self) -> HttpConnection:
        """Return the protocol of a connection just accepted."""
        return HttpConnection(self, crowded=self.capacity.is_crowded())

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

    def add(self, connection: HttpConnection) -> None:
        """Count an HTTP connection in, and watch its deadlines."""
        self.http.add(connection)
        if connection.crowded:
            self._crowded[connection] = None
            self._make_place()
        if not self._sweeping:
            self._sweeping = True
            self.clock.call_later(1.0, self._sweep)

    def remove(self, connection: HttpConnection) -> None:
        """Count an HTTP connection out."""
        self.http.discard(connection)
        self._crowded.pop(connection, None)
        self._tell_if_empty()

    def remove_websocket(self, connection: WebSocketConnection) -> None:
        """Count a WebSocket out."""
        self.websockets.discard(connection)
        self._tell_if_empty()

    def remove_stream(self, stream: Stream, transport: asyncio.Transport | None) -> None:
        """Count a streaming answer out, and await the next request on ``transport``, if any."""
        self.streams.discard(stream)
        if transport is not None:
            connection = HttpConnection(self)
            transport.set_write_buffer_limits()
            transport.set_protocol(connection)
            connection.connection_made(transport)
            if self.draining:
                connection.close_if_idle()
        self._tell_if_empty()

    def _make_place(self) -> None:
        """Let go of who came first, as long as those in a crowd take more than half their places.

        An application says at once what it wants; who waits with one of these places is none.
        """
        for connection in list(self._crowded):
            if len(self._crowded) <= self.capacity.kept // 2:
                return
            if connection.give_way():
                del self._crowded[connection]

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
