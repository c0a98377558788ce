"""WebSocket frames: messages are the same however the bytes are cut, and never too long.

That they are what the websockets package reads, tests/net/test_websocket.py sees to.
"""

from girandola.net.deflate import inflater
from girandola.net.frames import CLOSE, TEXT, FrameParser, ProtocolError
from tests.net.wire import client_frame

MAX_SIZE = 1000
MAX_INFLATED = 4000

SEEDS = (
    client_frame(1, b"hello") + client_frame(9, b"ping") + client_frame(8, b"\x03\xe8bye"),
    client_frame(1, b"he", fin=False) + client_frame(10) + client_frame(0, b"llo"),
    client_frame(2, b"a" * 200) + client_frame(2, b"a" * 126, length=b"\x00\x7e"),
    client_frame(1, "ä€𝄞".encode()[:4], fin=False) + client_frame(0, "ä€𝄞".encode()[4:]),
    client_frame(1, b"\x4a\x4c\x04\x00", reserved=4),
    client_frame(2, b"", length=bytes(8)) + client_frame(2, b"a", length=b"\x80" + bytes(7)),
    client_frame(1, b"a", mask=None) + client_frame(3),
)
WORDS = (
    *(b"\x81\x80", b"\x82\xfe", b"\x82\xff", b"\x00\x80", b"\x80\x80", b"\x88\x82", b"\x89\xfe"),
    *(b"\xc1\x80", b"\x01\x80", b"\x7f", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x03\xe8"),
)

Reading = tuple[list[tuple[int, bytes]], int | None]


def read(pieces: list[bytes], *, deflated: bool) -> Reading:
    """Return the events of a connection, and the code of the error that ended it."""
    parser, events = FrameParser(MAX_SIZE, inflater(MAX_INFLATED) if deflated else None), []
    try:
        for piece in pieces:
            parser.feed(piece)
            while (event := parser.next_event()) is not None:
                events.append(event)
                if event[0] == CLOSE:
                    return events, None
    except ProtocolError as error:
        return events, error.code
    return events, None


def one_input(data: bytes) -> None:
    """Read ``data`` whole and in pieces."""
    size = data[-1] % 32 + 1 if data else 1
    for deflated in (False, True):
        whole = read([data], deflated=deflated)
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert read(pieces, deflated=deflated) == whole
        for opcode, payload in whole[0]:
            assert len(payload) <= (MAX_INFLATED if deflated else MAX_SIZE)
            if opcode == TEXT:
                payload.decode()
