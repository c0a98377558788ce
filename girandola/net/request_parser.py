"""Requests out of a peer's bytes (RFC 9112), parsed by httptools, without any I/O.

It knows the form of requests and the limits on their size; not where their paths lead, and not
how they are answered.
"""

import math

import httptools

from girandola.net.familiar_head import LENGTH_DIGITS, FamiliarHead, familiar_head
from girandola.net.messages import HttpLimits, Request

_HEAD_END = b"\r\n\r\n"
_QUIET_LIMIT = 64 * 1024  # bytes of chunk framing and trailers with no content between them
_PIECE_SIZE = 16 * 1024
# A chunked body may be cut into as many pieces as it has bytes: so much of it at a time.
_PIECES_AT_ONCE = 64
_BYTES_AT_ONCE = 64 * 1024


class Refusal(Exception):
    """What came is not, or not yet, a request for anyone; the answer's status and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


class RequestParser:
    """One request after the other, however the bytes are cut.

    ``feed`` bytes, ask ``read_head`` until there is a request, then ``begin_body`` and, unless
    ``body_length`` is 0, ask ``read_body`` until it is whole, then ``forget`` it. Input is fed to
    httptools in pieces that never reach beyond one request (an empty line ends every head and
    every chunked body; other bodies have a length). So what follows a request waits unparsed.
    After a ``Refusal`` the bytes have no more meaning: do not ask again.

    A request that is here as a whole and has the head of the one before it is not parsed again;
    that saves a publisher most of what HTTP costs (docs/performance.md).
    """

    __slots__ = (
        "_body",
        "_body_left",
        "_data",
        "_familiar",
        "_fed",
        "_first_byte",
        "_head_done",
        "_header_count",
        "_headers",
        "_is_clean",
        "_limits",
        "_longest_line",
        "_parser",
        "_peer",
        "_position",
        "_quiet",
        "_tail",
        "_target",
        "_upgrade",
        "body_length",
        "complete",
        "keep_alive",
        "request",
    )

    def __init__(self, limits: HttpLimits, peer: str) -> None:
        """Prepare; ``peer`` is what the requests will say of it."""
        self._limits = limits
        self._longest_line = limits.head_size // 2
        self._peer = peer
        self._parser = httptools.HttpRequestParser(self)
        self._data = b""  # fed and, from _position on, not looked at yet
        self._position = 0
        self._familiar: FamiliarHead | None = None
        self._upgrade = False
        self.keep_alive = False
        """Whether the peer wants the connection to go on after the answer."""
        self.body_length = 0.0
        """How many bytes the body has; infinity where only its end will tell."""
        self.forget()
        self._clean()

    def forget(self) -> None:
        """Begin the next request."""
        self.request: Request | None = None
        self.complete = False
        """Whether nothing of the request is still to come."""

    def _clean(self) -> None:
        """Forget what httptools said of the request before."""
        self._is_clean = True
        self._target = b""
        self._headers: dict[str, str] = {}
        self._header_count = 0
        self._fed = 0  # bytes of the head
        self._first_byte = 0
        self._tail = b""  # the last bytes looked at, for an empty line that the network cut
        self._head_done = False
        self._upgrade = False
        self._body = bytearray()
        self._body_left = -1  # -1: chunked, or none
        self._quiet = 0

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer."""
        rest = self.rest()
        self._data, self._position = rest + data if rest else data, 0

    def has_input(self) -> bool:
        """Tell whether bytes were fed that nothing was made of yet."""
        return self._position < len(self._data)

    def rest(self) -> bytes:
        """Return the bytes that nothing was made of yet."""
        return self._data[self._position :]

    @property
    def body_size(self) -> int:
        """How many bytes of an unfinished body are here."""
        return len(self._body)

    @property
    def unfinished(self) -> int:
        """How many bytes of an unfinished request are kept."""
        return self._fed + len(self._body)

    def drop_consumed(self) -> bool:
        """Let go of the input, if something was made of all of it; tell whether that is so."""
        if self._position < len(self._data):
            return False
        self._data, self._position = b"", 0
        return True

    def drop_input(self) -> None:
        """Forget what nothing was made of yet, and the unfinished body."""
        self._data, self._position = b"", 0
        self._body = bytearray()

    def drop(self) -> None:
        """Forget all input and break the circle with httptools: nothing is asked any more."""
        self.drop_input()
        del self._parser

    def read_familiar(self) -> Request | None:
        """Return the next request, complete, if all of it is here and its head came before.

        To be asked between requests only; ``read_head`` knows the others.
        """
        familiar = self._familiar
        data, start = self._data, self._position
        if familiar is None or not data.startswith(familiar.before, start):
            return None
        start += len(familiar.before)
        after = familiar.after
        end = data.find(after, start, start + LENGTH_DIGITS + len(after))
        digits = data[start:end]
        if end < 0 or not digits.isdigit():
            return None
        start = end + len(after)
        length = int(digits)
        end = start + length
        if end > len(data):
            return None
        self._position = end
        self.body_length = length
        self.keep_alive = self.complete = True
        request = familiar.request_with(data[start:end], digits.decode())
        self.request = request
        return request

    def read_head(self) -> Request | None:
        """Return the next request once its head is here; its body is still empty.

        Raises ``Refusal``.
        """
        if not self._is_clean:
            self._clean()
        if not self._first_byte and self._data[self._position : self._position + 1] < b"\x0e":
            self._skip_empty_lines()
        while self.has_input():
            piece = self._count_head(self._next_piece())
            self._feed_piece(piece)
            if self._head_done:
                self._is_clean = False
                request = self.request = self._make_request()
                self._check_head(request)
                self.body_length = self._length_of_body()
                if self._fed == len(piece):
                    self._remember(piece, request)
                return request
            if self._fed > self._limits.head_size:
                raise Refusal(431, f"head of more than {self._limits.head_size} bytes")
        return None

    @property
    def offers_upgrade(self) -> bool:
        """Whether the peer offers to leave HTTP behind this request."""
        return self._upgrade

    def begin_body(self) -> None:
        """Go on with the body. An offer to leave HTTP is not taken up."""
        if self._upgrade:
            self._go_on_without_upgrade()
        if math.isfinite(length := self.body_length) and length:
            self._body_left = int(length)

    def read_body(self, limit: int) -> bool:
        """Tell whether the request's body, at most ``limit`` bytes, is here by now.

        It may leave a part of the input for the next call. Raises ``Refusal``.
        """
        left = _BYTES_AT_ONCE
        for _ in range(_PIECES_AT_ONCE):
            if self.complete or left <= 0 or not self.has_input():
                break
            left -= self._read_piece_of_body(limit)
        if self.complete and self.request is not None:
            self.request.body = bytes(self._body)
            self._body = bytearray()
        return self.complete

    def _read_piece_of_body(self, limit: int) -> int:
        """Read on; return how many bytes that was."""
        piece = self._next_piece()
        self._quiet += len(piece)
        self._feed_piece(piece)
        if len(self._body) > limit:
            raise Refusal(413, f"body of more than {limit} bytes")
        if not self.complete and self._quiet > _QUIET_LIMIT:
            raise Refusal(400, "a chunked body with too much beside its content")
        return len(piece)

    # ── for httptools ────────────────────────────────────────────────────────────────────────

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        self._target += url
        if len(self._target) > self._longest_line:
            raise self._line_is_too_long()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer, which only counts."""
        self._header_count += 1
        if self._header_count > self._limits.header_count:
            raise Refusal(431, f"more than {self._limits.header_count} headers")
        if len(name) + len(value) > self._longest_line:
            raise self._line_is_too_long()
        if self.request is not None:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        before = self._headers.get(key)
        self._headers[key] = text if before is None else f"{before}, {text}"

    def on_headers_complete(self) -> None:
        """Take the end of the head."""
        self._head_done = True
        if self.request is None:
            self.keep_alive = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        """Take a part of the body."""
        self._body += data
        self._quiet = 0

    def on_message_complete(self) -> None:
        """Take the end of the request."""
        self.complete = True

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _line_is_too_long(self) -> Refusal:
        return Refusal(431, f"a line of more than {self._longest_line} bytes in the head")

    def _skip_empty_lines(self) -> None:
        """Pass over line breaks before a request, which httptools would get four bytes at a time.

        They are a part of the head. Raises ``Refusal``.
        """
        start = self._position
        if start == len(self._data) or self._data[start] not in b"\r\n":
            return
        self._position = len(self._data) - len(self._data[start:].lstrip(b"\r\n"))
        self._fed += self._position - start
        if self._fed > self._limits.head_size:
            raise Refusal(431, f"head of more than {self._limits.head_size} bytes")

    def _length_of_body(self) -> float:
        if "transfer-encoding" in self._headers:
            return math.inf
        return int(self._headers.get("content-length", "0"))

    def _remember(self, head: bytes, request: Request) -> None:
        """Remember a whole head, if nothing but the body's length is to be read in it."""
        fits = len(head) <= self._limits.head_size - LENGTH_DIGITS
        self._familiar = familiar_head(head, request) if fits and not self._upgrade else None

    def _next_piece(self) -> bytes:
        start = self._position
        end = self._position = self._end_of_piece(start)
        data = self._data
        return data if start == 0 and end == len(data) else data[start:end]

    def _end_of_piece(self, start: int) -> int:
        """Return where the next piece to feed ends: at most at the end of the request."""
        data = self._data
        if self._body_left >= 0:
            end = min(start + self._body_left, len(data))
            self._body_left -= end - start
            return end
        limit = min(start + _PIECE_SIZE, len(data))
        if self._tail:
            joint = self._tail + data[start : start + 3]
            found = joint.find(_HEAD_END)
            if found >= 0:
                limit = start + found + len(_HEAD_END) - len(self._tail)
                self._tail = b""
                return limit
        found = data.find(_HEAD_END, start, limit)
        if found >= 0:
            self._tail = b""
            return found + len(_HEAD_END)
        self._tail = (self._tail + data[max(start, limit - 3) : limit])[-3:]
        return limit

    def _count_head(self, piece: bytes) -> bytes:
        """Return no more of ``piece`` than a head may have."""
        if not self._first_byte:
            self._first_byte = next((byte for byte in piece if byte not in b"\r\n"), 0)
        room = self._limits.head_size - self._fed
        self._fed += len(piece)
        return piece if len(piece) <= room else piece[:room]

    def _feed_piece(self, piece: bytes) -> None:
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._upgrade = True
        except httptools.HttpParserError as error:
            raise self._refusal_of(error) from None

    def _refusal_of(self, error: httptools.HttpParserError) -> Refusal:
        coding = self._headers.get("transfer-encoding", "chunked").strip().lower()
        if isinstance(error.__context__, Refusal):
            return Refusal(*error.__context__.args)  # raised by one of our callbacks
        if coding != "chunked" and "content-length" not in self._headers:
            return Refusal(501, "a Transfer-Encoding other than chunked")
        if isinstance(error, httptools.HttpParserInvalidMethodError) and (
            b"A" <= bytes((self._first_byte,)) <= b"Z"
        ):
            return Refusal(501, "unknown method")
        return Refusal(400, str(error))

    def _make_request(self) -> Request:
        target = self._target.decode("latin-1")
        method = self._parser.get_method().decode("latin-1")
        if not target.startswith("/") and target != "*" and method != "CONNECT":
            target = self._target_of_url()
        path, _, query_text = target.partition("#")[0].partition("?")
        if query_text.count("&") >= self._limits.query_fields:
            raise Refusal(400, f"query of more than {self._limits.query_fields} fields")
        return Request(
            method,
            path,
            query_text,
            self._headers,
            peer=self._peer,
            http_version=self._parser.get_http_version(),
        )

    def _target_of_url(self) -> str:
        """Return path and query of a target that is a whole URL (RFC 9112 section 3.2.2)."""
        try:
            url = httptools.parse_url(self._target)
        except httptools.HttpParserInvalidURLError:
            url = None
        if url is None or not url.host:
            raise Refusal(400, "the request's target is not a path")
        target: str = (url.path or b"/").decode("latin-1")
        if url.query:
            target += f"?{url.query.decode('latin-1')}"
        return target

    def _check_head(self, request: Request) -> None:
        """Refuse a head that no route could answer."""
        headers = request.headers
        if request.http_version not in {"1.0", "1.1"}:
            raise Refusal(505, f"HTTP version {request.http_version}")
        if request.method == "CONNECT":
            raise Refusal(501, "method CONNECT")
        host = headers.get("host")
        if (host is None and request.http_version == "1.1") or (host and "," in host):
            raise Refusal(400, "exactly one Host header is expected")
        coding = headers.get("transfer-encoding")
        if coding is not None:
            if request.http_version == "1.0":
                raise Refusal(400, "Transfer-Encoding in HTTP/1.0")
            if coding.strip().lower() != "chunked":
                raise Refusal(501, "a Transfer-Encoding other than chunked")
        if headers.get("expect", "100-continue").lower() != "100-continue":
            raise Refusal(417, "an Expect other than 100-continue")

    def _go_on_without_upgrade(self) -> None:
        """Stay with HTTP although the request offers to leave it (as Java's client does).

        httptools takes what follows for the other protocol. A new parser, told of the body by a
        head of our own, reads on.
        """
        length = self.body_length
        body = b"Transfer-Encoding: chunked"
        if math.isfinite(length):
            body = b"Content-Length: %d" % length
        self._parser = httptools.HttpRequestParser(self)
        self.complete = False
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + body + b"\r\n\r\n")
