"""JSON of every generation: any frame is commands, or ``Malformed`` as the last of them."""

from girandola.model import Publication
from girandola.protocol import commands
from girandola.protocol.codec import Codec
from girandola.protocol.event_ids import V2_JSON_EVENTS
from girandola.protocol.frame_pings import WITH_FRAME_PINGS
from girandola.protocol.negotiation import PROTOCOLS, recognise

CODECS = tuple(codec for codec in (*PROTOCOLS, V2_JSON_EVENTS) if not codec.binary)
ALL = (*PROTOCOLS, *WITH_FRAME_PINGS.values(), V2_JSON_EVENTS)

SEEDS = (
    b'{"id":1,"connect":{"token":"a.b.c","data":{"a":[1]},"subs":{"a":{"recover":true}}}}\n{}',
    b'{"id":2,"subscribe":{"channel":"a","delta":"fossil","tf":{"op":"and","nodes":[null]}}}',
    b'{"id":3,"publish":{"channel":"a","data":"\\ud83d"}}\n{"id":4,"history":{"channel":"a"}}',
    b'{"id":1,"params":{"name":"js"}}\n{"id":2,"method":1,"params":{"channel":"a"}}',
    b'{"id":3,"method":"publish","params":{"channel":"a","data":[1e400,-0,1E-5]}}',
    b'[{"uid":"1","method":"connect","params":{"user":"4","timestamp":"1","token":"a"}},null]',
    b'{"METHOD":"publish","params":{"Channel":"a","data":{"a":"\\u0000"}},"uid":"2"}',
    b'{"token":"a","subs":{"a":{"offset":18446744073709551615,"epoch":"x"}}}',
    b'{"id":1,"rpc":{"method":"m","data":' + b"[" * 300 + b"]" * 300 + b"}}",
)
WORDS = (
    *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"\n", b"\r", b"null", b"true", b"\\u", b"\\ud800"),
    *(b'"id":', b'"method":', b'"params":', b'"uid":', b'"channel":', b'"data":', b'"connect":'),
    *(b'"subscribe":', b'"publish":', b'"history":', b'"presence":', b'"send":', b'"refresh":'),
    *(b'"recover":true', b'"last":', b'"offset":', b'"limit":-1', b"1e999", b"-1", b"4294967296"),
    *(b"18446744073709551616", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"[" * 300),
)


def one_input(data: bytes) -> None:
    """Decode ``data`` as every codec, and hand on what it publishes."""
    assert recognise(data) in PROTOCOLS
    for codec in CODECS:
        check(codec, data)


def check(codec: Codec, data: bytes) -> None:
    """See that a frame decodes, and that no reader of any generation breaks at its payloads."""
    decoded = codec.decode(data)
    assert decoded
    assert not any(isinstance(each, commands.Malformed) for each in decoded[:-1])
    for command in decoded:
        if isinstance(command, commands.Publish) and command.data:
            hand_on(command.channel, command.data)


def hand_on(channel: str, data: bytes) -> None:
    """Encode a publication for everybody: nothing that a client sends is too much for another."""
    publication = Publication(data)
    for codec in ALL:
        encodings = [codec] if codec.deltas is None else [codec.deltas.full, codec.deltas.delta]
        for encoding in encodings:
            message = encoding.push(channel, publication)
            if not codec.binary:
                message.decode()
                lines = codec.traits.pings_from == "server" or not codec.traits.replies_together
                assert not lines or b"\n" not in message
