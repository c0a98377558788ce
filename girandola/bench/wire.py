"""The bytes that the load says and hears: handshake, frames, commands, tokens, API requests.

Just enough of each for a client that knows what it will be told. No input or output here.
"""

import base64
import hmac
import json
import time
from collections.abc import Iterable, Iterator

MARK = b'"at":"'
"""Stands once in every payload of ours, in front of the time at which it was sent."""

STAMP_DIGITS = 16
"""Digits of that time, which is in microseconds of the machine's monotonic clock."""

MESSAGE_SIZE = 128
"""Bytes of a payload, as the definitions of the benchmarks want it."""

PING = b"{}"
PONG = b"\x81\x82\x00\x00\x00\x00{}"
"""The answer to a ping of today's JSON protocol, framed."""

HEAD_END = b"\r\n\r\n"


class ProtocolError(Exception):
    """The server said something that the load cannot make sense of."""


def now_us() -> int:
    """Return microseconds of the clock that all processes of one machine share."""
    return time.monotonic_ns() // 1000


def payload(stamp: int, size: int = MESSAGE_SIZE) -> bytes:
    """Return JSON of ``size`` bytes (48 at least) that says when it was sent."""
    head = b'{%b%016d","x":"' % (MARK, stamp)
    return head + b"a" * (size - len(head) - 2) + b'"}'


def stamps(data: bytes) -> Iterator[int]:
    """Yield the times in whole messages."""
    start = data.find(MARK)
    while start >= 0:
        start += len(MARK)
        yield int(data[start : start + STAMP_DIGITS])
        start = data.find(MARK, start)


# ── WebSocket ────────────────────────────────────────────────────────────────────────────────


def handshake(host: str, port: int, path: str) -> bytes:
    """Return the request that asks for a WebSocket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()


def frame(text: bytes) -> bytes:
    """Return a text frame as clients send it, under a mask of zeros."""
    size = len(text)
    if size < 126:
        head = bytes((0x81, 0x80 | size))
    elif size < 65536:
        head = b"\x81\xfe" + size.to_bytes(2, "big")
    else:
        head = b"\x81\xff" + size.to_bytes(8, "big")
    return head + b"\0\0\0\0" + text


def split_frames(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the payloads of whole frames from a server, and the bytes that are left.

    Raises ``ProtocolError`` for a close frame and for anything else that is not text.
    """
    payloads = []
    position = 0
    while len(data) - position >= 2:
        size, start = data[position + 1], position + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(data) < start + width:
                break
            size = int.from_bytes(data[start : start + width], "big")
            start += width
        if len(data) < start + size:
            break
        content = data[start : start + size]
        if data[position] == 0x88:
            code = int.from_bytes(content[:2], "big")
            raise ProtocolError(f"closed with {code} {content[2:].decode(errors='replace')}")
        if data[position] != 0x81:
            raise ProtocolError(f"a frame that begins with {data[position]:#x}")
        payloads.append(content)
        position = start + size
    return payloads, data[position:]


def commands(token: str, channels: Iterable[str], positions: dict[str, tuple[int, str]]) -> bytes:
    """Return one frame that connects (with id 1) and subscribes (from id 2 on).

    Without a token the connection is anonymous. ``positions`` are those to recover from.
    """
    lines = [{"id": 1, "connect": {"token": token} if token else {}}]
    lines += [
        {"id": number, "subscribe": subscribe(channel, positions.get(channel))}
        for number, channel in enumerate(channels, 2)
    ]
    return frame("\n".join(json.dumps(line, separators=(",", ":")) for line in lines).encode())


def subscribe(channel: str, position: tuple[int, str] | None) -> dict[str, object]:
    """Return what is said to subscribe, from ``position`` (offset, epoch) on if there is one."""
    if position is None:
        return {"channel": channel}
    offset, epoch = position
    return {"channel": channel, "recover": True, "offset": offset, "epoch": epoch}


def token(secret: str, user: str) -> str:
    """Return a connection token (JWT, HS256) without an end."""
    signed = f"{_JWT_HEAD}.{_base64(_claims(user))}"
    return f"{signed}.{_base64(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"


def _claims(user: str) -> bytes:
    return json.dumps({"sub": user}, separators=(",", ":")).encode()


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


_JWT_HEAD = _base64(b'{"alg":"HS256","typ":"JWT"}')


# ── the server API ───────────────────────────────────────────────────────────────────────────


def api_head(host: str, port: int, path: str, key: str, length: int) -> bytes:
    """Return the head of an API request with a body of ``length`` bytes."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nX-API-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def publish_body(channel: str, stamp: int, size: int = MESSAGE_SIZE) -> bytes:
    """Return the body of a publish request."""
    return b'{"channel":%b,"data":%b}' % (json.dumps(channel).encode(), payload(stamp, size))


def is_whole_response(data: bytes) -> bool:
    """Tell whether ``data`` holds all of one HTTP response.

    Raises ``ProtocolError`` when its status is not 200.
    """
    if not data.startswith(b"HTTP/1.1 200"[: len(data)]):
        raise ProtocolError(data.partition(b"\r\n")[0].decode(errors="replace"))
    head, end, body = data.partition(HEAD_END)
    if not end:
        return False
    lower = head.lower()
    at = lower.find(b"content-length:")
    if at < 0:
        return body.endswith(b"0" + HEAD_END)  # chunked
    return len(body) >= int(lower[at + 15 :].split(b"\r\n", 1)[0])
