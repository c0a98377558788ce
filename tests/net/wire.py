"""A transport without a socket, a listener that remembers, and frames as clients send them."""

import asyncio
from itertools import pairwise
from typing import Any

from girandola.net.websocket import WebSocketConnection
from tests.fakes import FakeClock


class FakeTransport(asyncio.Transport):
    """Remembers what was written. ``stuck`` makes the peer take nothing more."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self._protocol: Any = None
        self._writing_paused = False
        self.written = b""
        self.writes = 0
        self.unsent = 0
        self.high_water = 65536
        self.stuck = False
        self.reading = True
        self.eof_written = False
        self.closing = False
        self.aborted = False
        self.lost = False

    def connect(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    # ── the peer's side ──────────────────────────────────────────────────────────────────────

    def receive(self, *pieces: bytes) -> None:
        """Hand in bytes of the peer as a loop does: not when paused, not after the end."""
        for piece in pieces:
            if self.closing:
                return
            assert self.reading, "bytes were handed in although reading is paused"
            self._protocol.data_received(piece)
            self._clock.run()

    def receive_only(self, data: bytes) -> None:
        """Hand in bytes of the peer without going on to the next turn of the loop."""
        assert self.reading, "bytes were handed in although reading is paused"
        self._protocol.data_received(data)

    def receive_eof(self) -> None:
        if not self._protocol.eof_received():
            self.close()
        self._clock.run()

    def unstick(self) -> None:
        """Let the peer take everything."""
        self.stuck, self.unsent = False, 0
        if self._writing_paused:
            self._writing_paused = False
            self._protocol.resume_writing()
        self._clock.run()

    def take(self) -> bytes:
        """Return what was written since the last call."""
        written, self.written = self.written, b""
        return written

    # ── asyncio.Transport ────────────────────────────────────────────────────────────────────

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.eof_written, "written after the end"
        if self.closing:
            return
        self.written += bytes(data)
        self.writes += 1
        if self.stuck:
            self.unsent += len(data)
            if self.unsent > self.high_water and not self._writing_paused:
                self._writing_paused = True
                self._protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high_water = 65536 if high is None else high

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof_written = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            if not self.unsent:
                self._clock.call_soon(self._lose)

    def abort(self) -> None:
        self.aborted = self.closing = True
        self._clock.call_soon(self._lose)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 5555) if name == "peername" else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            self._protocol.connection_lost(None)


class FakeListener:
    """Remembers what it was told. ``broken`` names the calls that raise."""

    def __init__(self, *broken: str) -> None:
        self.connection: WebSocketConnection
        self.events: list[tuple[Any, ...]] = []
        self._broken = broken

    def on_open(self, connection: WebSocketConnection) -> None:
        self.connection = connection
        self._remember("open")

    def on_message(self, payload: bytes, is_text: bool) -> None:
        self._remember("text" if is_text else "binary", payload)

    def on_pong(self, payload: bytes) -> None:
        self._remember("pong", payload)

    def on_write_timeout(self) -> None:
        self._remember("write timeout")

    def on_close(self, code: int, reason: str) -> None:
        self._remember("close", code, reason)

    @property
    def messages(self) -> list[bytes]:
        return [event[1] for event in self.events if event[0] in {"text", "binary"}]

    def _remember(self, name: str, *facts: Any) -> None:
        self.events.append((name, *facts))
        if name in self._broken:
            raise RuntimeError("the listener is broken")


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    mask: bytes | None = b"\x37\xfa\x21\x3d",
    length: bytes | None = None,
) -> bytes:
    """Write a frame as a client does, or one that no client should: written from RFC 6455 5.2.

    ``length`` replaces the extended length (2 or 8 bytes) whatever the payload's is.
    """
    size = len(payload)
    if length is not None:
        short, extended = (126 if len(length) == 2 else 127), length
    elif size < 126:
        short, extended = size, b""
    elif size < 65536:
        short, extended = 126, size.to_bytes(2, "big")
    else:
        short, extended = 127, size.to_bytes(8, "big")
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    if mask is None:
        return bytes((first, short)) + extended + payload
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes((first, 0x80 | short)) + extended + mask + masked


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut ``data`` at each of the places (taken modulo its length)."""
    edges = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(edges)]
