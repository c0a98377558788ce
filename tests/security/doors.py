"""Every way in by which a client can listen: how a peer opens it and comes to the channel ``cave``.

A peer who has come in reads nothing more by itself.
"""

import json
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from tests.security.peer import OPENS_WEBSOCKET, Peer, text_frame
from tests.security.victim import Victim, sign

CAVE = "cave"
WINDOW = 4096
"""Bytes that a peer takes without reading them, about."""

Open = Callable[[Victim], Awaitable[Peer]]


def _request() -> str:
    return json.dumps({"token": sign({"sub": "mallory"}), "subs": {CAVE: {}}})


def _command() -> str:
    return f'{{"id":1,"connect":{_request()}}}'


def _quoted() -> str:
    return json.dumps([_command()])


def _http(method: str, path: str, body: str = "") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", "", body]
    return "\r\n".join(lines).encode()


async def _opened(victim: Victim, sent: bytes, mark: bytes) -> Peer:
    """Return a peer who sent this and was answered up to ``mark``."""
    peer = await victim.peer(window=WINDOW)
    await peer.send(sent)
    await peer.read_until(mark)
    return peer


def _websocket(path: str, make: Callable[[], str], extension: bytes = b"") -> Open:
    async def open(victim: Victim) -> Peer:
        head = OPENS_WEBSOCKET.replace(b"/connection/websocket", path.encode())
        head = head.replace(b"Sec-WebSocket-V", extension + b"Sec-WebSocket-V")
        peer = await _opened(victim, head, b"\r\n\r\n")
        await peer.send(text_frame(make()))
        await _arrived(victim)
        return peer

    return open


def _stream(method: str, path: str, make: Callable[[], str]) -> Open:
    async def open(victim: Victim) -> Peer:
        target, body = path, make()
        if method == "GET":
            target, body = f"{path}?cf_connect={quote(body)}", ""
        peer = await _opened(victim, _http(method, target, body), b"\r\n\r\n")
        await _arrived(victim)
        return peer

    return open


def _sockjs(transport: str, method: str, query: str = "") -> Open:
    async def open(victim: Victim) -> Peer:
        base = f"/connection/sockjs/000/{transport}"
        peer = await _opened(victim, _http(method, f"{base}/{transport}{query}"), b"\r\n\r\n")
        answer = await victim.ask(_http("POST", f"{base}/xhr_send", _quoted()))
        assert answer.startswith(b"HTTP/1.1 204 "), answer
        await _arrived(victim)
        return peer

    return open


async def _arrived(victim: Victim) -> None:
    """Return when the peer listens."""
    while not victim.node.hub.has_subscribers(CAVE):
        await victim.neighbours.look_after_each_other()


_DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"

DOORS: dict[str, Open] = {
    "websocket": _websocket("/connection/websocket", _command),
    "websocket, compressed": _websocket("/connection/websocket", _command, _DEFLATE),
    "uni_websocket": _websocket("/connection/uni_websocket", _request),
    "sse": _stream("GET", "/connection/sse", _command),
    "http_stream": _stream("POST", "/connection/http_stream", _command),
    "uni_sse": _stream("GET", "/connection/uni_sse", _request),
    "uni_http_stream": _stream("POST", "/connection/uni_http_stream", _request),
    "sockjs websocket": _websocket("/connection/sockjs/000/w/websocket", _quoted),
    "sockjs xhr_streaming": _sockjs("xhr_streaming", "POST"),
    "sockjs eventsource": _sockjs("eventsource", "GET"),
    "sockjs htmlfile": _sockjs("htmlfile", "GET", "?c=cb"),
    "sockjs xhr": _sockjs("xhr", "POST"),
    "sockjs jsonp": _sockjs("jsonp", "GET", "?c=cb"),
}
