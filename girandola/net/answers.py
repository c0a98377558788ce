"""Answers into bytes: heads as RFC 9112 has them, with what every answer says.

It knows how an answer is written; not which requests it answers, nor when a connection ends.
"""

from collections.abc import Iterable
from email.utils import formatdate

from girandola.core.ports import Clock
from girandola.net.messages import PHRASES, Response, Streaming

_WITHOUT_BODY = frozenset({204, 304})
_MAX_REMEMBERED = 64

Headers = Iterable[tuple[str, str]]


class AnswerHeads:
    """Writes the heads of answers, and remembers them for a second: most say the same."""

    def __init__(self, clock: Clock) -> None:
        self._time = clock.time
        self._second = -1
        self._date = ""
        # Around the length, by all else that makes a head.
        self._remembered: dict[tuple[object, ...], tuple[bytes, bytes]] = {}

    def response(
        self, response: Response, *, connection: str = "", head_only: bool = False
    ) -> bytes:
        """Return the bytes of an answer. ``connection`` is the value of that header, if any.

        Raises ``ValueError`` when a header would end before its end.
        """
        status, body = response.status, response.body
        self._look_at_clock()
        key = (status, response.content_type, connection, tuple(response.headers))
        parts = self._remembered.get(key)
        if parts is None:
            parts = self._remember(key, response, connection)
        before, after = parts
        if status in _WITHOUT_BODY:
            return before + after
        if head_only:
            return b"%b%d%b" % (before, len(body), after)
        return b"%b%d%b%b" % (before, len(body), after, body)

    def stream(self, streaming: Streaming, *, connection: str, chunked: bool) -> bytes:
        """Return the head of a streaming answer. Raises like ``response``."""
        self._look_at_clock()
        lines = self._first(200)
        if streaming.content_type:
            lines.append(f"Content-Type: {streaming.content_type}")
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        return _encode([*lines, *_last(connection, streaming.headers), "", ""])

    def _remember(
        self, key: tuple[object, ...], response: Response, connection: str
    ) -> tuple[bytes, bytes]:
        first, last = self._first(response.status), _last(connection, response.headers)
        if response.status in _WITHOUT_BODY:
            parts = _encode([*first, *last, "", ""]), b""
        else:
            if response.content_type:
                first.append(f"Content-Type: {response.content_type}")
            parts = _encode([*first, "Content-Length: "]), _encode(["", *last, "", ""])
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = parts
        return parts

    def _first(self, status: int) -> list[str]:
        return [f"HTTP/1.1 {status} {PHRASES.get(status, 'Status')}", f"Date: {self._date}"]

    def _look_at_clock(self) -> None:
        second = int(self._time())
        if second != self._second:
            self._second = second
            self._date = formatdate(second, usegmt=True)
            self._remembered.clear()


def _last(connection: str, headers: Headers) -> list[str]:
    lines = [f"{name}: {value}" for name, value in headers]
    return [f"Connection: {connection}", *lines] if connection else lines


def _encode(lines: list[str]) -> bytes:
    """Return lines with line breaks between them. Raises ``ValueError`` where one has its own."""
    head = "\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count("\r") != breaks or head.count("\n") != breaks or "\0" in head:
        raise ValueError("a response header holds a line break")
    return head.encode("latin-1")
