"""A head that was parsed, to be known again: publishers send the same one with every message.

It knows where the length stands in a head; not how one is parsed.
"""

import re

from girandola.net.messages import Request

LENGTH_DIGITS = 9
"""Digits of the longest length that is looked for."""

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.IGNORECASE)
_LONGEST = 2048  # bytes of a head worth remembering


class FamiliarHead:
    """A head that was parsed: clients send the same one again, but for the body's length.

    ``before`` and ``after`` are its bytes around the value of Content-Length.
    """

    __slots__ = ("_headers", "_method", "_peer", "_query", "_raw_path", "after", "before")

    def __init__(self, before: bytes, after: bytes, request: Request) -> None:
        self.before = before
        self.after = after
        # Not the request itself: its body is not ours to keep.
        self._method = request.method
        self._raw_path = request.raw_path
        self._query = request.query
        self._headers = request.headers
        self._peer = request.peer

    def request_with(self, body: bytes, length: str) -> Request:
        """Return the request that this head makes with ``body``."""
        headers = self._headers
        if headers["content-length"] != length:
            headers = {**headers, "content-length": length}
        return Request(
            self._method, self._raw_path, self._query, headers, body=body, peer=self._peer
        )


def familiar_head(head: bytes, request: Request) -> FamiliarHead | None:
    """Return the head to be known again, if nothing but the body's length is to be read in it.

    ``request`` is what it was parsed to; it offers nothing but HTTP.
    """
    headers = request.headers
    if (
        len(head) > _LONGEST
        or request.http_version != "1.1"
        or "transfer-encoding" in headers
        or not headers.get("content-length", "").isdigit()
    ):
        return None
    length = _LENGTH.search(head)
    if length is None:
        return None
    return FamiliarHead(head[: length.start(1)], head[length.end(1) :], request)
