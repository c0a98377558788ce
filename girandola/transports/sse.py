"""Server-sent events, two-way by emulation and one-way (modern.md sections 3.4 and 3.9).

Every message is an event. One-way events also say where in which streams their reader stands,
and a request may name where to go on from (``protocol/event_ids.py``).
"""

import logging
from collections.abc import Callable

from girandola.errors import BAD_REQUEST_CLOSE
from girandola.net.http import Request, Response, plain_response
from girandola.net.stream import chunk
from girandola.options import SseOptions, UniSseOptions
from girandola.protocol.commands import Command, Connect, Malformed, Recovery
from girandola.protocol.event_ids import (
    V2_JSON_EVENTS,
    Placed,
    Places,
    decode_id,
    encode_id,
    moved,
)
from girandola.protocol.v2_json import V2_JSON
from girandola.transports.base import MAX_REMEMBERED, Entrance
from girandola.transports.one_way import OneWayDoor, OneWayTransport, read_connect
from girandola.transports.streaming import First, Format, StreamDoor, StreamTransport

logger = logging.getLogger(__name__)

CONTENT_TYPE = "text/event-stream; charset=utf-8"
PREFACE = b"\r\n"
METHODS = ("GET", "POST", "OPTIONS")


def _event(message: bytes) -> bytes:
    # A carriage return would end the line. In JSON it stands between tokens only.
    return b"data: %b\n\n" % message.replace(b"\r", b"")


def _events(messages: list[bytes]) -> bytes:
    return b"".join(map(_event, messages))


_TWO_WAY = Format(V2_JSON, _events)
_ONE_WAY = Format(V2_JSON_EVENTS, _events)


# ── two-way ──────────────────────────────────────────────────────────────────────────────────


class SseTransport(StreamTransport):
    """A two-way session over server-sent events."""

    __slots__ = ()

    name = "sse"


class SseDoor(StreamDoor):
    """Opens two-way event streams.

    The first commands stand in the body, or a connect in the query.
    """

    methods = METHODS
    content_type = CONTENT_TYPE
    preface = PREFACE

    def __init__(self, entrance: Entrance, options: SseOptions) -> None:
        super().__init__(entrance, options.write_timeout)

    def _open(self, request: Request, headers: dict[str, str]) -> StreamTransport | Response:
        frame = _said(request)
        if not frame:
            return plain_response(400)
        commands = V2_JSON.decode(frame)
        if request.method == "GET":
            commands = _only_connect(commands)
        first = First(commands, len(frame))
        return SseTransport(self._entrance, headers, _TWO_WAY, first)


def _only_connect(commands: list[Command]) -> list[Command]:
    """Let the first command that is no connect end the session, instead of being carried out.

    A link is enough to make somebody's browser send a GET, and its cookies with it.
    """
    for index, command in enumerate(commands):
        if not isinstance(command, Connect):
            if not isinstance(command, Malformed):
                detail = "by GET nothing but a connect is carried out"
                command = Malformed(id=command.id, disconnect=BAD_REQUEST_CLOSE, detail=detail)
            return [*commands[:index], command]
    return commands


def _said(request: Request) -> bytes:
    """Return what a request says before the stream begins."""
    if request.method == "POST":
        return request.body
    return request.query_params().get("cf_connect", [""])[0].encode()


# ── one-way ──────────────────────────────────────────────────────────────────────────────────


class _IdFraming:
    """Messages into events with ids, for readers who stand somewhere.

    Readers of the same channels stand in the same places, so that the last result is remembered
    for the next one, as ``Framing`` does.
    """

    __slots__ = ("_after", "_before", "_chunked", "_messages", "_wire")

    def __init__(self, chunked: bool) -> None:
        self._chunked = chunked
        self._messages: list[bytes] = []
        self._before: Places = {}
        self._after: Places = {}
        self._wire = b""

    def wire(self, messages: list[bytes], places: Places) -> tuple[bytes, Places]:
        """Return the events, and where their reader stands then. ``places`` is not changed."""
        # The order counts, too: it decides what a long id leaves out.
        if messages == self._messages and list(places.items()) == list(self._before.items()):
            return self._wire, self._after
        before, parts = places, []
        for message in messages:
            if isinstance(message, Placed):
                after = moved(places, message)
                if after is not places:
                    places = after
                    parts.append(b"id: %b\n" % encode_id(places).encode())
            parts.append(_event(message))
        wire = b"".join(parts)
        if self._chunked:
            wire = chunk(wire)
        if len(wire) <= MAX_REMEMBERED:
            self._messages, self._before = messages, before
            self._wire, self._after = wire, places
        return wire, places


_ID_FRAMINGS = {chunked: _IdFraming(chunked) for chunked in (False, True)}


class UniSseTransport(OneWayTransport):
    """A one-way session over server-sent events that remembers where its reader stands."""

    __slots__ = ("_places",)

    name = "uni_sse"

    def __init__(
        self, entrance: Entrance, headers: dict[str, str], format_: Format, first: First
    ) -> None:
        super().__init__(entrance, headers, format_, first)
        self._places: Places = {}

    def write(self, messages: list[bytes]) -> None:
        """See ``ports.Transport``."""
        if self._pipe is None:
            super().write(messages)
            return
        framing = _ID_FRAMINGS[self._pipe.chunked]
        wire, self._places = framing.wire(messages, self._places)
        self._pipe.write(wire)


class UniSseDoor(OneWayDoor):
    """Opens one-way event streams; query or body is the connect request, or there is none.

    ``knows`` tells whether a channel is configured at all.
    """

    methods = METHODS
    content_type = CONTENT_TYPE
    preface = PREFACE

    def __init__(
        self, entrance: Entrance, options: UniSseOptions, knows: Callable[[str], bool]
    ) -> None:
        super().__init__(entrance, options.write_timeout, options.connect_code_to_http_response)
        self._knows = knows

    def _open(self, request: Request, headers: dict[str, str]) -> StreamTransport | Response:
        body = _said(request)
        connect = read_connect(V2_JSON_EVENTS, body, request.peer)
        if connect is None:
            return plain_response(400)
        self._go_on(connect, request)
        first = First([connect], len(body))
        return UniSseTransport(self._entrance, headers, _ONE_WAY, first)

    def _go_on(self, connect: Connect, request: Request) -> None:
        """Let the connect go on from where the request says that its sender stands.

        It is a wish like ``subs`` of a connect request, and newer than that: an EventSource
        connects again with the URL that it was made with. What is wrong in it is ignored.
        """
        text = request.headers.get("last-event-id")
        if text is None:
            text = request.query_params().get("lastEventId", [""])[0]
        try:
            places = decode_id(text)
        except ValueError as error:
            logger.info("connection %s: Last-Event-ID is ignored: %s", request.peer, error)
            return
        room = self._entrance.node.options.subscription_limit
        subs = dict(connect.subs)
        for channel, place in places.items():
            if not self._knows(channel):
                logger.info(
                    "connection %s: Last-Event-ID names channel %r, which is ignored: it is "
                    "not configured",
                    request.peer,
                    channel[:100],
                )
            elif channel in subs or len(subs) < room:
                subs[channel] = Recovery(recover=True, offset=place.offset, epoch=place.epoch)
        connect.subs = subs
