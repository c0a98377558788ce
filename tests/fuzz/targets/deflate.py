"""permessage-deflate: offers and compressed messages lead to something valid, or nowhere."""

import zlib

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.headers import parse_extension

from girandola.net.deflate import WINDOWS, agree, deflate, inflate
from girandola.net.frames import MESSAGE_TOO_BIG, PROTOCOL_ERROR, ProtocolError

MAX_SIZE = 4000

SEEDS = (
    b"permessage-deflate; client_max_window_bits",
    b'permessage-deflate; server_max_window_bits="10"; server_no_context_takeover',
    b"x-webkit-deflate-frame, permessage-deflate;client_no_context_takeover , a;b=c",
    deflate(b"hello " * 20, level=1, window_bits=12),
    deflate(bytes(100_000), level=9, window_bits=9),
    b"\x03\x00",
    b"\x01\x05\x00\xfa\xffhello\x00",
)
WORDS = (
    *(b"permessage-deflate", b"server_max_window_bits", b"client_max_window_bits", b"_takeover"),
    *(b"; ", b", ", b"=", b'"', b"8", b"15", b"\x00\x00\xff\xff", b"\x01\x00\x00\xff\xff", b"\x00"),
)


def one_input(data: bytes) -> None:
    """Take ``data`` for an offer, and for a compressed message."""
    _offer(data.decode("latin-1"))
    _message(data)
    for window in WINDOWS:
        assert inflate(deflate(data, level=1, window_bits=window), len(data)) == data


def _offer(text: str) -> None:
    agreed = agree(text)
    if agreed is None:
        return
    assert agreed.window_bits in WINDOWS
    ((name, parameters),) = parse_extension(agreed.answer)
    assert name == "permessage-deflate"
    asked = dict(parameters).get("server_max_window_bits")
    offer = ClientPerMessageDeflateFactory(server_max_window_bits=int(asked) if asked else None)
    offer.process_response_params(parameters, [])


def _message(data: bytes) -> None:
    try:
        message = inflate(data, MAX_SIZE)
    except ProtocolError as error:
        assert error.code in {MESSAGE_TOO_BIG, PROTOCOL_ERROR}
        return
    assert len(message) <= MAX_SIZE
    reference = zlib.decompressobj(-15)
    assert reference.decompress(data + b"\x00\x00\xff\xff") == message
