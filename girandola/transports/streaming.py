"""What HTTP streaming and server-sent events share: a request, and an answer that goes on.

A session's way out is the body of one answer. Its client's further commands come by requests of
their own (``emulation.py``), or not at all (``one_way.py``).
"""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from girandola.errors import CONNECTION_CLOSED, Disconnect
from girandola.net.http import Request, Response, Streaming, plain_response
from girandola.net.messages import Answer
from girandola.net.middleware import cors_headers, preflight_response
from girandola.net.stream import Stream, chunk
from girandola.protocol.codec import Codec
from girandola.protocol.commands import Command, Disconnected
from girandola.transports.base import Entrance, Framing, PushTransport

BINARY_TYPE = "application/octet-stream"
"""The content type of Protobuf; every other one means JSON."""

NO_CACHE = (
    ("X-Accel-Buffering", "no"),
    ("Cache-Control", "private, no-cache, no-store, must-revalidate, max-age=0"),
    ("Pragma", "no-cache"),
    ("Expire", "0"),
)
"""What keeps everything in between from holding back a stream (modern.md section 3.3)."""


class Format:
    """One codec over streams: ``body`` makes the bytes of an answer's body of messages."""

    __slots__ = ("chunked", "codec", "plain")

    def __init__(self, codec: Codec, body: Callable[[list[bytes]], bytes]) -> None:
        self.codec = codec
        self.plain = Framing(body)
        """For clients of HTTP/1.0."""
        self.chunked = Framing(lambda messages: chunk(body(messages)))


class First(Struct, frozen=True):
    """What a client says first: commands, and how many bytes they were."""

    commands: list[Command]
    size: int


class StreamTransport(PushTransport[Stream]):
    """A session's way out by the body of one answer. The session begins with the stream."""

    __slots__ = ("_first", "_format")

    def __init__(
        self, entrance: Entrance, headers: dict[str, str], format_: Format, first: First
    ) -> None:
        super().__init__(entrance, headers, format_.chunked)
        self._format = format_
        self._first: First | None = first

    # ── from the stream ──────────────────────────────────────────────────────────────────────

    def on_open(self, stream: Stream) -> None:
        """Begin the session with what the request said."""
        self._attach(stream)
        self._connect()

    def on_close(self) -> None:
        """End the session: nobody reads the stream any more."""
        self._end()

    def _attach(self, stream: Stream) -> None:
        self._pipe = stream
        if not stream.chunked:
            self._framing = self._format.plain

    def _connect(self) -> None:
        session = self._begin(self._format.codec)
        session.id = session.node.new_id()
        first, self._first = self._first, None
        if first is not None:
            session.receive_commands(first.commands, first.size)

    # ── for the session ─────────────────────────────────────────────────────────────────────

    def close(self, disconnect: Disconnect) -> None:
        """See ``ports.Transport``. The last thing in the body says why (modern.md section 4.6)."""
        if self._pipe is not None:
            self._pipe.close(self._goodbye(disconnect))

    def _goodbye(self, disconnect: Disconnect) -> bytes:
        if disconnect.code == CONNECTION_CLOSED.code:
            return b""
        return self._framing.wire([self._format.codec.push("", Disconnected(disconnect))])


class StreamDoor:
    """Decides who may open a stream, and answers preflight requests of browsers."""

    methods: tuple[str, ...] = ("POST", "OPTIONS")
    """The methods that the door takes."""
    content_type = ""
    preface = b""

    def __init__(self, entrance: Entrance, write_timeout: float) -> None:
        self._entrance = entrance
        self._write_timeout = write_timeout

    def handle(self, request: Request) -> Answer | Awaitable[Answer]:
        """Answer a request: with a stream, or with why there is none."""
        origins = self._entrance.origins
        methods = ", ".join(self.methods)
        if request.method == "OPTIONS":
            return preflight_response(request, origins, methods)
        if request.method not in self.methods:  # HEAD, where GET is taken
            return plain_response(405, (("Allow", methods),))
        cors = cors_headers(request, origins)
        refusal = self._entrance.refuse(request, check_origin=False)
        if refusal is None:
            opened = self._open(request, self._entrance.headers_of(request))
            if isinstance(opened, StreamTransport):
                return self._answer(opened, request, cors)
            self._entrance.limit.release()
            refusal = opened
        refusal.headers = cors
        return refusal

    def _open(self, request: Request, headers: dict[str, str]) -> StreamTransport | Response:
        """Return who writes the stream, or a refusal."""
        raise NotImplementedError

    def _answer(
        self, transport: StreamTransport, request: Request, cors: tuple[tuple[str, str], ...]
    ) -> Answer | Awaitable[Answer]:
        return self._streaming(transport, cors)

    def _streaming(
        self, transport: StreamTransport, cors: tuple[tuple[str, str], ...]
    ) -> Streaming:
        return Streaming(
            transport,
            content_type=self.content_type,
            headers=(*NO_CACHE, *cors),
            preface=self.preface,
            write_timeout=self._write_timeout,
        )


def is_binary(request: Request) -> bool:
    """Tell whether a request's body is Protobuf (modern.md section 3.3)."""
    media_type = request.headers.get("content-type", "").partition(";")[0]
    return media_type.strip().lower() == BINARY_TYPE
