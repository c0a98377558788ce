"""Requests, answers, and the routes between them: plain values, without any I/O.

It knows what is said; not how a request is read or an answer written, nor which routes there are.
"""

import enum
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from urllib.parse import parse_qs, unquote

from msgspec import Struct

from girandola.net.frames import Inflate
from girandola.net.stream import StreamListener
from girandola.net.websocket import DEFAULT_CLOSE_TIMEOUT, Listener

# ── what is said ─────────────────────────────────────────────────────────────────────────────


class Request:
    """One request, whole: the body is here before a handler sees it.

    ``path`` is percent-decoded, ``raw_path`` is not; neither has the query. ``headers`` has names
    in lower case, and repeated values joined by ``", "``; requests of one connection may share
    them, so they are only read. ``peer`` is like ``127.0.0.1:5555``.
    ``subprotocol`` is what a WebSocket handshake agreed on, ``""`` for none. ``deflate_window``
    is one of ``deflate.WINDOWS`` where it agreed on permessage-deflate, 0 where it did not.
    """

    __slots__ = (
        "body",
        "deflate_window",
        "headers",
        "http_version",
        "method",
        "path",
        "peer",
        "query",
        "raw_path",
        "subprotocol",
    )

    def __init__(
        self,
        method: str,
        raw_path: str,
        query: str = "",
        headers: dict[str, str] | None = None,
        *,
        body: bytes = b"",
        peer: str = "",
        http_version: str = "1.1",
    ) -> None:
        self.method = method
        self.raw_path = raw_path
        self.path = unquote(raw_path) if "%" in raw_path else raw_path
        self.query = query
        self.headers = {} if headers is None else headers
        self.body = body
        self.peer = peer
        self.http_version = http_version
        self.subprotocol = ""
        self.deflate_window = 0

    def query_params(self) -> dict[str, list[str]]:
        """Return the query's values by name, decoded; empty values count."""
        return parse_qs(self.query, keep_blank_values=True) if self.query else {}


class Response:
    """One answer. ``headers`` are further ones: length, connection and date come by themselves.

    A name or value with a line break makes the answer a 500: it is never sent.
    """

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = "text/plain; charset=utf-8",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers


class Streaming:
    """An answer whose body goes on: ``listener`` is given a ``Stream`` to write it to.

    ``preface`` is the beginning of the body; it goes out with the head. ``headers`` are further
    ones: connection, date and the body's framing come by themselves. ``write_timeout`` in
    seconds, 0 for none. The listener gets ``on_close`` for sure, ``on_open`` only if the peer is
    still there.
    """

    __slots__ = ("content_type", "headers", "listener", "preface", "write_timeout")

    def __init__(
        self,
        listener: StreamListener,
        *,
        content_type: str = "",
        headers: Sequence[tuple[str, str]] = (),
        preface: bytes = b"",
        write_timeout: float = 1.0,
    ) -> None:
        self.listener = listener
        self.content_type = content_type
        self.headers = headers
        self.preface = preface
        self.write_timeout = write_timeout


def plain_response(status: int, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """Return an answer that says just the name of its status, and a line feed."""
    return Response(status, f"{PHRASES[status]}\n".encode(), headers=headers)


PHRASES = {int(status): status.phrase for status in HTTPStatus}
"""What statuses are called."""


# ── where a path leads ───────────────────────────────────────────────────────────────────────

Answer = Response | Streaming

Handler = Callable[[Request], Answer | Awaitable[Answer]]
"""Answers a request: at once, or later."""

DEFAULT_MAX_BODY = 64 * 1024


class Caller(enum.Enum):
    """Who a request comes from, as far as its head tells; see ``capacity.py``."""

    CLIENT = enum.auto()
    """Anybody."""
    CLAIMANT = enum.auto()
    """Perhaps an application of ours; only the body can tell."""
    APPLICATION = enum.auto()
    """An application of ours."""


class Route(Struct, frozen=True):
    """A handler, the methods it takes (none named: any), and the longest body in bytes.

    A route that takes GET takes HEAD. ``limited_by`` is the option that sets ``max_body``; who
    sends more is told. ``caller`` is who was led here, and so what may be kept free for it.
    """

    handler: Handler
    methods: tuple[str, ...] = ()
    max_body: int = DEFAULT_MAX_BODY
    limited_by: str = ""
    caller: Caller = Caller.CLIENT


class WebSocketRoute(Struct, frozen=True):
    """Who listens behind a WebSocket, decided per request.

    ``accept`` is called for proper handshakes only, with ``Request.subprotocol`` and
    ``deflate_window`` chosen; a ``Response`` refuses. ``inflate`` is for what clients compress:
    without it permessage-deflate is not agreed on. A ``Listener`` that ``accept`` returns gets
    ``on_open`` and ``on_close`` for sure.
    """

    accept: Callable[[Request], Listener | Response]
    max_message_size: int = 65536
    write_timeout: float = 1.0
    subprotocols: tuple[str, ...] = ()
    inflate: Inflate | None = None


Find = Callable[[Request], Route | WebSocketRoute | Response]
"""What the head of a request leads to; a ``Response`` where it leads nowhere or may not.

It is asked before the body is read, and the body of a refused request never is.
"""


class HttpLimits(Struct, frozen=True, kw_only=True):
    """Bytes, counts, and seconds. Time is looked at once a second, so may run that much longer.

    A line of a head (the request's target, or a header) may have half of its ``head_size``. A body
    is late when nothing of it comes for ``body_timeout``, or when it is that much behind
    ``body_rate`` bytes a second. ``crowded_timeout`` is for heads and bodies on connections that
    took one of the last descriptors.
    """

    head_size: int = 64 * 1024
    header_count: int = 100
    query_fields: int = 1000
    head_timeout: float = 10.0
    body_timeout: float = 10.0
    body_rate: float = 16 * 1024.0
    crowded_timeout: float = 2.0
    idle_timeout: float = 75.0
    write_timeout: float = 30.0
    linger_timeout: float = 2.0
    websocket_close_timeout: float = DEFAULT_CLOSE_TIMEOUT
    stream_close_timeout: float = 5.0
