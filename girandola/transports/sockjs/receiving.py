"""The five ways in which SockJS receives over HTTP: how each begins an answer and wraps a frame."""

import re
from collections.abc import Callable

from msgspec import Struct

from girandola.transports.sockjs.frames import quote_for_script

STREAM_LIMIT = 128 * 1024
"""Bytes after which a streaming answer ends, so that browsers do not pile it up."""
ONE_FRAME = 1

_SCRIPT = "application/javascript; charset=UTF-8"
_CALLBACK = re.compile(r"[a-zA-Z0-9\-_.]{1,128}")

_HTML = """<!doctype html>
<html>
<head>
<meta charset="UTF-8">
<title>SockJS</title>
</head>
<body>
<script>
document.domain = document.domain;
var c = parent.%s;
c.start();
function p(d) { c.message(d); }
window.onload = c.stop;
</script>
"""


class Receiving(Struct, frozen=True, kw_only=True):
    """How frames are received: the method, and what the answer looks like.

    ``wrap`` is given a frame and the callback; ``limit`` is in bytes of the body behind
    ``begin``, which is given the callback, too.
    """

    method: str
    content_type: str
    wrap: Callable[[bytes, str], bytes]
    limit: int = STREAM_LIMIT
    begin: Callable[[str], bytes] = lambda callback: b""
    needs_callback: bool = False
    is_page: bool = False
    """Whether browsers show it, in a frame of a page that came from this server."""


def callback_of(query: dict[str, list[str]]) -> str:
    """Return the name of the function that is to be called, from the query.

    It becomes part of a script: raises ``ValueError`` for what could be more than a name.
    """
    name = query.get("c", [""])[0]
    if not name:
        raise ValueError('"callback" parameter required')
    if not _CALLBACK.fullmatch(name):
        raise ValueError('invalid "callback" parameter')
    return name


def _line(frame: bytes, callback: str) -> bytes:
    return frame + b"\n"


def _event(frame: bytes, callback: str) -> bytes:
    return b"data: %b\r\n\r\n" % frame


def _script_element(frame: bytes, callback: str) -> bytes:
    return b"<script>\np(%b);\n</script>\r\n" % quote_for_script(frame)


def _call(frame: bytes, callback: str) -> bytes:
    return b"%b(%b);\r\n" % (callback.encode(), quote_for_script(frame))


def _page(callback: str) -> bytes:
    # Browsers showed nothing of a page before its first kilobyte.
    return (_HTML % callback).encode().ljust(1024) + b"\r\n\r\n"


RECEIVING = {
    "xhr": Receiving(method="POST", content_type=_SCRIPT, wrap=_line, limit=ONE_FRAME),
    "xhr_streaming": Receiving(
        method="POST",
        content_type=_SCRIPT,
        wrap=_line,
        begin=lambda callback: b"h" * 2048 + b"\n",
    ),
    "eventsource": Receiving(
        method="GET",
        content_type="text/event-stream; charset=UTF-8",
        wrap=_event,
        begin=lambda callback: b"\r\n",
    ),
    "htmlfile": Receiving(
        method="GET",
        content_type="text/html; charset=UTF-8",
        wrap=_script_element,
        begin=_page,
        needs_callback=True,
        is_page=True,
    ),
    "jsonp": Receiving(
        method="GET", content_type=_SCRIPT, wrap=_call, limit=ONE_FRAME, needs_callback=True
    ),
}
"""By the last part of their addresses."""
