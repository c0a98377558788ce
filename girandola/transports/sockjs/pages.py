"""What SockJS answers besides its transports: greeting, info, iframe page; and its headers."""

import hashlib
import html
import json
import secrets
from email.utils import formatdate

from girandola.net.http import Request, Response

Headers = tuple[tuple[str, str], ...]

YEAR = 31_536_000
"""Seconds for which what never changes may be kept."""
NOT_CACHED: Headers = (("Cache-Control", "no-store, no-cache, must-revalidate, max-age=0"),)

_TEXT = "text/plain;charset=UTF-8"
_IFRAME = """<!doctype html>
<html>
<head>
<meta charset="UTF-8">
<title>SockJS</title>
<script>
document.domain = document.domain;
_sockjs_onload = function () { SockJS.bootstrap_iframe(); };
</script>
<script src="%s"></script>
</head>
<body>This page carries SockJS messages between a site and this server.</body>
</html>
"""


def cached(now: float) -> Headers:
    """Return what lets an answer be kept for a year; ``now`` in Unix seconds."""
    return (
        ("Cache-Control", f"public, max-age={YEAR}"),
        ("Expires", formatdate(now + YEAR, usegmt=True)),
        ("Access-Control-Max-Age", str(YEAR)),
    )


def greeting() -> Response:
    """Return the answer at the base address."""
    return Response(200, b"Welcome to SockJS!\n", _TEXT)


def info(headers: Headers) -> Response:
    """Return what a client asks before it chooses a transport."""
    body = {
        "websocket": True,
        "cookie_needed": False,
        "origins": ["*:*"],
        "entropy": secrets.randbits(31),
    }
    encoded = json.dumps(body, separators=(",", ":")).encode()
    return Response(200, encoded, "application/json; charset=UTF-8", (*headers, *NOT_CACHED))


def preflight(methods: str, headers: Headers, now: float) -> Response:
    """Return the answer to a browser that asks before the real request."""
    allowed = ("Access-Control-Allow-Methods", methods)
    return Response(204, headers=(*headers, allowed, *cached(now)))


class IframePage:
    """The page through which old browsers reach a server of another origin."""

    def __init__(self, url: str) -> None:
        """Prepare; ``url`` is where browsers load the client library from."""
        self._body = (_IFRAME % html.escape(url)).encode()
        self._tag = f'"{hashlib.sha256(self._body).hexdigest()[:32]}"'

    def answer(self, request: Request, now: float) -> Response:
        """Return the page, or that a browser has it already."""
        headers = (("ETag", self._tag), *cached(now))
        known = request.headers.get("if-none-match", "").split(",")
        if any(tag.strip().removeprefix("W/") in {self._tag, "*"} for tag in known):
            return Response(304, headers=headers)
        return Response(200, self._body, "text/html; charset=UTF-8", headers)
