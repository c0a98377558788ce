"""SockJS: what clients send is texts or refused, and what they get cannot leave its wrapping."""

import json
import re

from girandola.transports.sockjs.frames import (
    close_frame,
    messages_frame,
    quote_for_script,
    read_payload,
)
from girandola.transports.sockjs.receiving import RECEIVING, callback_of

SEEDS = (
    b'["a","{\\"id\\":1}"]',
    b'["\\ud800\\udc00","\\ud800"]',
    b"</script><script>alert(1)//",
    "[\u2028\u2029\x7f\ufeff\uffff]".encode(),
    b"cb_1.a-B",
)
WORDS = (
    *(b"[", b"]", b'"', b",", b"\\", b"\\ud800", b"\n", b"\r", b"</script>", b"<!--", b"&", b"'"),
    *(b"\xe2\x80\xa8", b"\xef\xbf\xbf", b"\xff", b"\x7f", b"\x00", b"a.b", b"(", b")"),
)


def one_input(data: bytes) -> None:
    """Take ``data`` for a payload, for a message, for a reason and for a callback."""
    try:
        texts = read_payload(data)
    except ValueError:
        pass
    else:
        assert [text.decode() for text in texts] == json.loads(data)
    text = data.decode("utf-8", "replace")
    frame = messages_frame([data, data])
    assert json.loads(frame[1:]) == [text, text]
    assert json.loads(close_frame(3000, text)[1:]) == [3000, text]
    _wrap(frame, text)


def _wrap(frame: bytes, callback: str) -> None:
    assert b"\n" not in frame
    assert b"\r" not in frame
    quoted = quote_for_script(frame)
    assert json.loads(quoted) == frame.decode()
    assert not re.search(rb"[<>&\n\r]|\xe2\x80[\xa8\xa9]", quoted)
    try:
        name = callback_of({"c": [callback]})
    except ValueError:
        return
    for receiving in RECEIVING.values():
        said = receiving.begin(name) + receiving.wrap(frame, name)
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,128}", name)
        assert said.count(b"<script>") == said.count(b"</script>")
