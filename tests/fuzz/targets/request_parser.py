"""HTTP requests: remembering heads and cutting the stream anywhere change nothing that is read."""

from girandola.net.messages import HttpLimits, Request
from girandola.net.request_parser import Refusal, RequestParser

LIMITS = HttpLimits(head_size=4096, header_count=20)
MAX_BODY = 4096
STATUSES = {400, 413, 417, 431, 501, 505}
HEAD = b"POST /api/publish HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\nContent-Length: 2\r\n\r\n"

SEEDS = (
    HEAD + b"{}" + HEAD + b"{}",
    HEAD.replace(b": 2", b": 12") + b'{"data":"a"}' + HEAD + b"{}",
    HEAD.replace(b": 2", b":2") + b"{}" + HEAD.replace(b": 2", b": 2 ") + b"{}",
    b"GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n" + HEAD + b"{}",
    b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2;x=y\r\n{}\r\n0\r\nA: b\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"
    b"Content-Length: 2\r\n\r\n{}",
    b"GET http://a/b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
)
WORDS = (
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b",", b"0", b"+", b"-", b"\r\n\r\n"),
    *(b"Content-Length: ", b"content-length:", b"Transfer-Encoding: chunked\r\n", b"Host: a\r\n"),
    *(b"Connection: close\r\n", b"Upgrade: websocket\r\n", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n"),
    *(HEAD, b"\xb2", b"99999999999", b"\x0b"),
)

Reading = list[tuple[object, ...]]


class Forgetful(RequestParser):
    """Remembers no head."""

    def read_familiar(self) -> Request | None:
        return None


def read(parser: RequestParser, pieces: list[bytes]) -> Reading:
    """Return what a connection would see in these bytes, to the end or the first refusal."""
    seen: Reading = []
    try:
        for piece in pieces:
            parser.feed(piece)
            while parser.has_input() and _step(parser, seen):
                pass
    except Refusal as refusal:
        # Of two faults in one head, which of them is told depends on how the bytes were cut.
        assert refusal.status in STATUSES
        seen.append(("refused",))
    return seen


def _step(parser: RequestParser, seen: Reading) -> bool:
    """Read one request, or go on with it; tell whether another one may follow."""
    if parser.request is None:
        request = parser.read_familiar() or parser.read_head()
        if request is None:
            return True
        if parser.offers_upgrade:
            seen.append(("upgrade", request.raw_path))
        if not parser.complete or parser.offers_upgrade:
            parser.begin_body()
    if not parser.complete and not parser.read_body(MAX_BODY) and parser.has_input():
        raise AssertionError("input is left that the body did not take")
    done = parser.request
    assert done is not None
    if not parser.complete:
        return True
    facts = (done.method, done.raw_path, done.path, done.query, done.http_version)
    seen.append((*facts, sorted(done.headers.items()), done.body, parser.keep_alive))
    parser.forget()
    return True


def one_input(data: bytes) -> None:
    """Read ``data`` behind a head worth remembering, in three ways."""
    size = data[0] % 64 + 1 if data else 1
    stream = HEAD + b"{}" + data
    whole = read(RequestParser(LIMITS, "peer"), [stream])
    assert read(Forgetful(LIMITS, "peer"), [stream]) == whole
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert read(RequestParser(LIMITS, "peer"), pieces) == whole
    assert read(Forgetful(LIMITS, "peer"), pieces) == whole
