"""Attackers: sockets that say whatever they are told, and read what comes back as HTTP or frames.

Nothing here is lenient: an answer is read by the letter, and what is left over is shown.
"""

import asyncio
import socket
from typing import Any, NamedTuple

from tests.net.running import HANDSHAKE
from tests.net.wire import client_frame

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
OPENS_WEBSOCKET = HANDSHAKE.replace(b"/ws", b"/connection/websocket")


class Answer(NamedTuple):
    """One answer of HTTP; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Frame(NamedTuple):
    """One frame of the server; ``rest`` of its first byte is FIN and reserved bits."""

    opcode: int
    payload: bytes
    first: int


class Peer:
    """One TCP connection to the server. ``window`` is how many bytes it takes unread, about."""

    def __init__(self, port: int, *, window: int = 0) -> None:
        self._port = port
        self._window = window

    async def open(self) -> "Peer":
        made = socket.socket()
        made.setblocking(False)
        if self._window:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._window)
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", self._port))
        self._socket = made
        self._came = b""
        return self

    async def send(self, *pieces: bytes) -> None:
        """Send pieces, as far as the server takes them."""
        loop = asyncio.get_running_loop()
        try:
            for piece in pieces:
                await loop.sock_sendall(self._socket, piece)
        except (ConnectionResetError, BrokenPipeError):
            pass

    def end(self) -> None:
        """Say nothing more, but listen on."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()

    async def read(self, size: int = 65536) -> bytes:
        """Return what comes next, ``b""`` at the end, however that comes about."""
        try:
            return await asyncio.get_running_loop().sock_recv(self._socket, size)
        except ConnectionResetError:
            return b""

    async def read_all(self) -> bytes:
        """Return what comes until the server ends the connection."""
        came = self._came
        while data := await self.read():
            came += data
        self._came = b""
        return came

    async def read_until(self, mark: bytes) -> bytes:
        """Return what comes up to and with ``mark``."""
        while mark not in self._came:
            data = await self.read()
            if not data:
                raise EOFError(f"{mark!r} did not come, but {self._came!r}")
            self._came += data
        found, _, self._came = self._came.partition(mark)
        return found + mark

    async def frames(self) -> list[Frame]:
        """Return the frames that come until the server ends the connection."""
        return read_frames(await self.read_all())

    async def open_websocket(self, head: bytes = OPENS_WEBSOCKET) -> bytes:
        """Shake hands; return the answer's head."""
        await self.send(head)
        answered = await self.read_until(b"\r\n\r\n")
        assert answered.startswith(b"HTTP/1.1 101 "), answered
        return answered


def read_answers(data: bytes) -> list[Answer]:
    """Read answers to requests other than HEAD, one behind the other, and nothing else."""
    answers = []
    while data:
        head, found, data = data.partition(b"\r\n\r\n")
        assert found, f"half a head: {head!r}"
        first, *lines = head.split(b"\r\n")
        assert first.startswith(b"HTTP/1.1 "), f"not the beginning of an answer: {first!r}"
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.decode("latin-1").partition(": ")
            assert name == "Connection" or name.lower() not in headers, f"twice: {head!r}"
            headers[name.lower()] = value
        status = int(first[9:12])
        length = int(headers.get("content-length", "0"))
        assert len(data) >= length, f"half a body: {data!r}"
        if status != 100:
            answers.append(Answer(status, headers, data[:length]))
        data = data[length:]
    return answers


def read_frames(data: bytes) -> list[Frame]:
    """Read a server's frames, one behind the other, and nothing else."""
    frames = []
    while data:
        first, length, start = data[0], data[1], 2
        assert length < 0x80, "a server's frame is masked"
        if length >= 126:
            start = 4 if length == 126 else 10
            length = int.from_bytes(data[2:start], "big")
        assert len(data) >= start + length, f"half a frame: {data[:20]!r}"
        frames.append(Frame(first & 0x0F, data[start : start + length], first & 0xF0))
        data = data[start + length :]
    return frames


def frame(opcode: int, payload: bytes, **how: Any) -> bytes:
    """Return a client's frame as ``client_frame`` does, but long ones in no time."""
    size = len(payload)
    if size < 126:
        return client_frame(opcode, payload, **how)
    # A mask of zeros is a mask.
    length = size.to_bytes(2 if size < 65536 else 8, "big")
    return client_frame(opcode, b"", mask=bytes(4), length=length, **how) + payload


def text_frame(text: str) -> bytes:
    """Return a client's text message in one frame."""
    return frame(TEXT, text.encode())


def close_code(frames: list[Frame]) -> int:
    """Return the code of the last frame, which is a close frame and the only one."""
    assert [frame.opcode for frame in frames].count(CLOSE) == 1, frames
    assert frames[-1].opcode == CLOSE, frames
    return int.from_bytes(frames[-1].payload[:2], "big")
