"""The handshake that opens a WebSocket, RFC 6455 section 4, without any I/O.

It knows the headers of a request and the answer to them; not what comes after.
"""

import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = ("Sec-WebSocket-Version", "13")


class HandshakeRefusal(NamedTuple):
    """The HTTP answer to a request that does not open a WebSocket."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...]


def accept_key(key: str) -> str:
    """Return the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key."""
    # RFC 6455 names SHA-1; it protects nothing here.
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return binascii.b2a_base64(digest, newline=False).decode()


def handshake_refusal(
    method: str, http_version: str, headers: Mapping[str, str]
) -> HandshakeRefusal | None:
    """Return why a request does not open a WebSocket (RFC 6455 section 4.2.1), or ``None``.

    Header names are in lower case, repeated values joined by ``", "``.
    """
    if method != "GET":
        return HandshakeRefusal(405, "WebSocket opens with GET", (("Allow", "GET"),))
    if http_version != "1.1":
        return _bad_handshake("WebSocket needs HTTP/1.1")
    if "upgrade" not in _tokens(headers.get("connection", "")):
        return _bad_handshake("Connection: Upgrade is missing")
    if "websocket" not in _tokens(headers.get("upgrade", "")):
        return _bad_handshake("Upgrade: websocket is missing")
    if headers.get("sec-websocket-version", "").strip() != "13":
        upgrade = (("Upgrade", "websocket"), ("Connection", "Upgrade"), _VERSION)
        return HandshakeRefusal(426, "Sec-WebSocket-Version must be 13", upgrade)
    if not _is_key(headers.get("sec-websocket-key", "")):
        return _bad_handshake("Sec-WebSocket-Key must be 16 bytes in base64")
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return _bad_handshake("a WebSocket handshake has no body")
    return None


def select_subprotocol(offered: str, supported: Sequence[str]) -> str:
    """Return the first offered subprotocol that is supported, ``""`` when there is none.

    ``offered`` is the header's value. An empty one counts as absent: old Python clients send it
    (modern.md section 3.2).
    """
    if not offered:
        return ""
    names = (name.strip() for name in offered.split(","))
    return next((name for name in names if name in supported), "")


def handshake_response(key: str, subprotocol: str, extensions: str = "") -> bytes:
    """Return the 101 that opens the WebSocket, head and all."""
    protocol = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    if extensions:
        protocol += f"Sec-WebSocket-Extensions: {extensions}\r\n"
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n{protocol}\r\n"
    ).encode("latin-1")


def _bad_handshake(text: str) -> HandshakeRefusal:
    return HandshakeRefusal(400, text, (_VERSION,))


def _tokens(value: str) -> list[str]:
    return [token.strip().lower() for token in value.split(",")]


def _is_key(value: str) -> bool:
    try:
        return len(binascii.a2b_base64(value, strict_mode=True)) == 16
    except ValueError:
        return False
