"""What stands around a request: queries, event ids, uids, origins, emulation, keys in headers."""

from urllib.parse import quote

from girandola.api.http import is_authorized
from girandola.net.handshake import handshake_refusal, select_subprotocol
from girandola.net.messages import Request
from girandola.net.middleware import OriginCheck
from girandola.options import HttpApiOptions
from girandola.protocol import uid
from girandola.protocol.emulation import decode_emulation
from girandola.protocol.event_ids import decode_id, encode_id
from girandola.protocol.negotiation import SUBPROTOCOLS, negotiate

KEY = "the key ä"
ORIGINS = OriginCheck(["https://*.example.com", "http://[a-c]?.test:{80,443}", "app\\*"])

SEEDS = (
    b"cf_protocol=protobuf&format=&a=%20&b",
    b"api_key=the+key+%C3%A4&api_key=x",
    b"E:1:chat%3Aa,F:18446744073709551615:b",
    b"AbCdEfGh00000000000001",
    b"00000000000001-epoch",
    b"https://www.example.com",
    b"http://ab.test:443",
    b'{"session":"s","node":"n","data":"{}"}',
    b"\x0a\x01n\x12\x01s\x1a\x02{}",
    b"apikey the key",
)
WORDS = (
    *(b"=", b"&", b";", b"%", b"%00", b"%ff", b"%0d%0a", b"+", b",", b":", b"-", b"api_key="),
    *(b"https://", b".example.com", b"apikey ", b"\xff", b"\x00", b"0", b"18446744073709551616"),
)


def one_input(data: bytes) -> None:
    """Put ``data`` where strangers put things; nothing raises and nothing opens."""
    text = data.decode("latin-1")
    _query(text)
    _headers(text)
    _places(text)
    for binary in (False, True):
        try:
            decode_emulation(data, binary=binary)
        except ValueError:
            pass
    assert select_subprotocol(text, SUBPROTOCOLS) in ("", *SUBPROTOCOLS)


def _query(text: str) -> None:
    request = Request("GET", "/" + text, text)
    params = request.query_params()
    negotiate(params, "")
    shown = params.get("api_key", [""])[0] == KEY
    assert is_authorized(HttpApiOptions(key=KEY), request) == shown
    assert not is_authorized(HttpApiOptions(), request)


def _headers(text: str) -> None:
    names = ("origin", "authorization", "x-api-key", "upgrade", "connection", "sec-websocket-key")
    headers = dict.fromkeys((*names, "sec-websocket-version"), text)
    request = Request("GET", "/", "", headers)
    assert handshake_refusal("GET", "1.1", headers) is not None
    shown = (text.encode("latin-1"), text.encode("latin-1").partition(b" ")[2])
    if is_authorized(HttpApiOptions(key=KEY), request):
        assert KEY.encode() in [part.strip() for part in shown]
    if text and ORIGINS.allows(text):
        origin = text.lower()
        assert origin.startswith(("https://", "http://", "app*"))


def _places(text: str) -> None:
    position = uid.position_of(text)
    if position is not None:
        assert 0 <= position.offset < 2**64
    try:
        places = decode_id(text)
    except ValueError:
        return
    if all(place.epoch and channel for channel, place in places.items()):
        again = decode_id(encode_id(places))
        assert again == places or len(quote(text)) > 1000
