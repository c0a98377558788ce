"""The bytes that the load says and hears: handshake, frames, commands, streams, API requests.

Just enough of each for a client that knows what it will be told. No input or output here.
"""

import base64
import hmac
import json
import time
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

MARK = b'"at":"'
"""Stands once in every payload of ours, in front of the time at which it was sent."""

STAMP_DIGITS = 16
"""Digits of that time, which is in microseconds of the machine's monotonic clock."""

MESSAGE_SIZE = 128
"""Bytes of a payload, as the definitions of the benchmarks want it."""

TEXT, BINARY, PING_FRAME, PONG_FRAME = 0x81, 0x82, 0x89, 0x8A
"""How frames begin that are not parts of messages."""

PING = b"{}"
PONG = b"\x81\x82\x00\x00\x00\x00{}"
"""The answer to a ping of today's JSON protocol, framed."""

BINARY_PONG = b"\x82\x81\0\0\0\0\0"
"""The answer to a ping of today's Protobuf protocol, framed."""

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


def handshake(host: str, port: int, path: str, subprotocol: str = "") -> bytes:
    """Return the request that asks for a WebSocket."""
    asked = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{asked}\r\n"
    ).encode()


def frame(payload: bytes, kind: int = TEXT) -> bytes:
    """Return a frame as clients send it, under a mask of zeros."""
    size = len(payload)
    if size < 126:
        head = bytes((kind, 0x80 | size))
    elif size < 65536:
        head = bytes((kind, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((kind, 0xFF)) + size.to_bytes(8, "big")
    return head + b"\0\0\0\0" + payload


def split_frames(
    data: bytes, kind: int = TEXT, pings: list[bytes] | None = None
) -> tuple[list[bytes], bytes]:
    """Return the payloads of whole frames from a server, and the bytes that are left.

    Those of ping frames go to ``pings``, where there is such a list. Raises ``ProtocolError`` for
    a close frame and for any other that is not of the ``kind``.
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
        if data[position] == PING_FRAME and pings is not None:
            pings.append(content)
            position = start + size
            continue
        if data[position] != kind:
            raise ProtocolError(f"a frame that begins with {data[position]:#x}")
        payloads.append(content)
        position = start + size
    return payloads, data[position:]


def commands(token: str, channels: Iterable[str], positions: dict[str, tuple[int, str]]) -> bytes:
    """Return one frame that connects and subscribes, as ``command_lines`` says."""
    return frame(command_lines(token, channels, positions))


def command_lines(
    token: str, channels: Iterable[str], positions: dict[str, tuple[int, str]]
) -> bytes:
    """Return what connects (with id 1) and subscribes (from id 2 on).

    Without a token the connection is anonymous. ``positions`` are those to recover from.
    """
    lines = [{"id": 1, "connect": {"token": token} if token else {}}]
    lines += [
        {"id": number, "subscribe": subscribe(channel, positions.get(channel))}
        for number, channel in enumerate(channels, 2)
    ]
    return "\n".join(json.dumps(line, separators=(",", ":")) for line in lines).encode()


def subscribe(channel: str, position: tuple[int, str] | None) -> dict[str, object]:
    """Return what is said to subscribe, from ``position`` (offset, epoch) on if there is one."""
    if position is None:
        return {"channel": channel}
    offset, epoch = position
    return {"channel": channel, "recover": True, "offset": offset, "epoch": epoch}


def connect_request(token: str, channels: Iterable[str]) -> bytes:
    """Return what a one-way client says: its connect request, which names its channels."""
    request: dict[str, object] = {"subs": {channel: {} for channel in channels}}
    if token:
        request["token"] = token
    return json.dumps(request, separators=(",", ":")).encode()


def check_reply(message: bytes) -> None:
    """Raise ``ProtocolError`` when a reply is an error."""
    if message.partition(b",")[2].startswith(b'"error"'):
        raise ProtocolError(message.decode(errors="replace"))


def check_connected(message: bytes, channels: Iterable[str]) -> None:
    """Raise ``ProtocolError`` unless a push says that a one-way client is in all its channels."""
    try:
        subscribed = json.loads(message)["connect"].get("subs", {})
    except (ValueError, LookupError, AttributeError, TypeError):
        raise ProtocolError(message.decode(errors="replace")) from None
    missing = [channel for channel in channels if channel not in subscribed]
    if missing:
        raise ProtocolError(f"not subscribed to {missing[0]}")


def token(secret: str, user: str) -> str:
    """Return a connection token (JWT, HS256) without an end."""
    signed = f"{_JWT_HEAD}.{_base64(_claims(user))}"
    return f"{signed}.{_base64(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"


def _claims(user: str) -> bytes:
    return json.dumps({"sub": user}, separators=(",", ":")).encode()


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


_JWT_HEAD = _base64(b'{"alg":"HS256","typ":"JWT"}')


# ── Protobuf ─────────────────────────────────────────────────────────────────────────────────


def binary_commands(token: str, channels: Iterable[str]) -> bytes:
    """Return the frame that connects (with id 1) and subscribes (from id 2 on) in Protobuf."""
    commands = [_command(1, 4, _field(1, token.encode()) if token else b"")]
    commands += [
        _command(number, 5, _field(1, channel.encode()))
        for number, channel in enumerate(channels, 2)
    ]
    return frame(b"".join(_varint(len(command)) + command for command in commands), BINARY)


def split_messages(payload: bytes) -> Iterator[bytes]:
    """Yield the messages of a frame, each of which stands behind its length."""
    position = 0
    while position < len(payload):
        size, shift = 0, 0
        while payload[position] & 0x80:
            size |= (payload[position] & 0x7F) << shift
            position, shift = position + 1, shift + 7
        size |= payload[position] << shift
        position += 1
        yield payload[position : position + size]
        position += size


def is_binary_reply(message: bytes) -> bool:
    """Tell whether a message has an id. Raises ``ProtocolError`` when it is an error.

    For ids under 128, which take one byte.
    """
    if not message.startswith(b"\x08"):
        return False
    if message[2:3] == b"\x12":
        raise ProtocolError(f"an error: {message[4:]!r}")
    return True


def _command(number: int, kind: int, request: bytes) -> bytes:
    return b"\x08" + _varint(number) + _field(kind, request)


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*groups, value))


# ── streams ──────────────────────────────────────────────────────────────────────────────────


def stream_request(host: str, port: int, path: str, said: bytes) -> bytes:
    """Return the request for a stream that says what there is to say in its body."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(said)}\r\n\r\n"
    ).encode() + said


def event_source_request(host: str, port: int, path: str, said: bytes) -> bytes:
    """Return the request for a stream as browsers make it, who can say nothing but a URL."""
    return (
        f"GET {path}?cf_connect={quote(said, safe='')} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        "Accept: text/event-stream\r\nCache-Control: no-cache\r\n\r\n"
    ).encode()


def split_chunks(data: bytes) -> tuple[bytes, bytes, bool]:
    """Return the content of whole chunks, the bytes that are left, and whether it was the last.

    Raises ``ProtocolError`` for what is not chunked.
    """
    position = 0
    contents: list[bytes] = []
    while True:
        end = data.find(b"\r\n", position)
        if end < 0:
            break
        try:
            size = int(data[position:end], 16)
        except ValueError:
            wrong = data[position : position + 50]
            raise ProtocolError(f"{wrong!r} where a chunk begins") from None
        if not size:
            return b"".join(contents), b"", True
        start = end + 2
        if len(data) < start + size + 2:
            break
        contents.append(data[start : start + size])
        position = start + size + 2
    return b"".join(contents), data[position:], False


def messages_of(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the messages in whole lines of a stream, be they events or alone on their lines."""
    for line in lines:
        message = line.removeprefix(b"data: ")
        if message.startswith(b"{"):
            yield message


def emulation_request(
    host: str, port: int, path: str, connected: dict[str, Any], lines: bytes
) -> bytes:
    """Return the request that says ``lines`` on a stream; ``connected`` is what its connect got."""
    said = {"session": connected["session"], "node": connected["node"], "data": lines.decode()}
    return stream_request(host, port, path, json.dumps(said, separators=(",", ":")).encode())


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
