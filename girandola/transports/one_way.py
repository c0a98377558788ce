"""What one-way streams share: the request is the connect, and nothing follows it.

modern.md section 3.7. A refusal is a disconnect inside the stream or, by option, an HTTP status
instead of a stream; then the answer waits until the connect is decided.
"""

import logging
from collections.abc import Awaitable

from girandola.core.one_way import ConnectRefused
from girandola.core.ports import Waiter
from girandola.errors import SERVER_ERROR, Disconnect
from girandola.net.http import Request, Response, plain_response
from girandola.net.messages import Answer
from girandola.net.stream import Stream
from girandola.options import ConnectCodeToHttpResponse
from girandola.protocol.codec import Codec
from girandola.protocol.commands import Connect, Malformed
from girandola.transports.base import Entrance
from girandola.transports.streaming import First, Format, StreamDoor, StreamTransport

logger = logging.getLogger(__name__)


class OneWayTransport(StreamTransport):
    """A one-way session's way out by the body of one answer.

    With ``decide`` the session begins before there is a stream.
    """

    __slots__ = ("_asking", "_early", "_outcome", "_over")

    one_way = True

    def __init__(
        self, entrance: Entrance, headers: dict[str, str], format_: Format, first: First
    ) -> None:
        super().__init__(entrance, headers, format_, first)
        self._outcome: Waiter[None] | None = None
        self._early: list[list[bytes]] = []
        self._over: Disconnect | None = None
        self._asking = ""

    async def decide(self, peer: str) -> Disconnect | None:
        """Connect ``peer``; return why it was refused, or ``None`` when a stream is to follow."""
        self._asking = peer
        self._outcome = self._entrance.node.clock.waiter()
        self._connect()
        await self._outcome
        if self._early:
            return None
        self._end()
        return self._over

    def on_open(self, stream: Stream) -> None:
        """Begin the session, or go on with it."""
        if self._outcome is None:
            super().on_open(stream)
            return
        self._outcome = None
        self._attach(stream)
        early, self._early = self._early, []
        for messages in early:
            self.write(messages)
        if self._over is not None:
            self.close(self._over)

    # ── for the session ─────────────────────────────────────────────────────────────────────

    @property
    def peer(self) -> str:
        """See ``ports.Transport``."""
        return self._pipe.peer if self._pipe is not None else self._asking

    def write(self, messages: list[bytes]) -> None:
        """See ``ports.Transport``."""
        if self._outcome is not None:
            self._early.append(messages)
            self._decided()
        else:
            super().write(messages)

    def close(self, disconnect: Disconnect) -> None:
        """See ``ports.Transport``."""
        if self._outcome is not None:
            self._over = disconnect
            self._decided()
        else:
            super().close(disconnect)

    def abort(self) -> None:
        """See ``ports.Transport``."""
        if self._outcome is not None:
            self.close(SERVER_ERROR)
        else:
            super().abort()

    def _decided(self) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(None)


class OneWayDoor(StreamDoor):
    """Decides who may open a one-way stream."""

    def __init__(
        self, entrance: Entrance, write_timeout: float, refusals: ConnectCodeToHttpResponse
    ) -> None:
        super().__init__(entrance, write_timeout)
        self._refusals = refusals

    def _answer(
        self, transport: StreamTransport, request: Request, cors: tuple[tuple[str, str], ...]
    ) -> Answer | Awaitable[Answer]:
        if self._refusals.enabled and isinstance(transport, OneWayTransport):
            return self._answer_later(transport, request, cors)
        return self._streaming(transport, cors)

    async def _answer_later(
        self, transport: OneWayTransport, request: Request, cors: tuple[tuple[str, str], ...]
    ) -> Answer:
        refused = await transport.decide(request.peer)
        if refused is None:
            return self._streaming(transport, cors)
        response = http_response(refused, self._refusals)
        response.headers = cors
        return response


def http_response(why: Disconnect, refusals: ConnectCodeToHttpResponse) -> Response:
    """Return the answer to a connect that was refused (server.md section 6).

    The code that counts is that of the error, where there was one. 500 without a transform.
    """
    code, text = why.code, why.reason
    if isinstance(why, ConnectRefused):
        code, text = why.error.code, why.error.message
    for transform in refusals.transforms:
        if transform.code == code:
            to = transform.to
            return Response(to.status_code, (to.body or text).encode("utf-8", "replace"))
    return plain_response(500)


def read_connect(codec: Codec, body: bytes, peer: str) -> Connect | None:
    """Return the connect that a request's ``body`` means, or ``None``, with a line in the log."""
    (command, *_) = codec.decode(body)
    if isinstance(command, Connect):
        return command
    if isinstance(command, Malformed):
        logger.info("connection %s: refused with 400: %s", peer, command.detail)
    return None
