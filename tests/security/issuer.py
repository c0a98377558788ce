"""Who issues tokens, and may misbehave: a server of key sets that counts how often it is asked."""

import asyncio
import json
import socket
from typing import Any

from tests.auth.tokens import jwk, token

KID = "ours"


class Issuer:
    """Answers every request with ``answer``. To be entered before a server asks it."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/keys"
        self.asked = 0
        self.answer = key_set(jwk("RS256", KID))
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __aenter__(self) -> "Issuer":
        self._server = await asyncio.start_server(self._serve, sock=self._listening)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.may_answer.set()
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            await self.may_answer.wait()
            writer.write(self.answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def key_set(*keys: dict[str, Any]) -> bytes:
    """Return the answer that is a set of these keys."""
    return answered(json.dumps({"keys": keys}).encode())


def answered(body: bytes, status: bytes = b"200 OK", *headers: bytes) -> bytes:
    """Return an answer."""
    lines = (b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", body)
    return b"\r\n".join(lines)


def sign_by_set(claims: dict[str, Any], kid: str = KID) -> str:
    """Return a token by the issuer's key."""
    return token(claims, "RS256", header={"alg": "RS256", "kid": kid})
