"""The bytes that a request of the 2018 API signs, and their sign, out of its form.

Who sent them is not known yet, so everything here takes a time in proportion to the request and
nothing here looks at what the bytes say. See classic.md section 5.2.
"""

import binascii
import re

from girandola.net.http import Request

MAX_FIELDS = 100
"""Most fields of a form; what comes behind them is not looked at."""

MAX_PART_HEAD = 4096
"""Bytes of the longest head of a field in a multipart form; a longer one makes it no field."""


class BadRequest(Exception):
    """The whole request is answered with 400; the message says why, for the log."""


def is_json(request: Request) -> bool:
    """Tell whether the body itself is what is signed, and a header its sign."""
    return _content_type(request).lower().startswith("application/json")


def signed_data(request: Request) -> tuple[bytes, str]:
    """Return the commands as bytes, and their sign; either may be empty.

    Raises ``BadRequest`` for a form that cannot be read.
    """
    if is_json(request):
        return request.body, request.headers.get("x-api-sign", "")
    fields: dict[bytes, bytes] = {}
    for name, value in _form(request) + _urlencoded(request.query.encode("latin-1", "replace")):
        fields.setdefault(name, value)
    return fields.get(b"data", b""), fields.get(b"sign", b"").decode("latin-1")


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "")


def _form(request: Request) -> list[tuple[bytes, bytes]]:
    kind, _, parameters = _content_type(request).partition(";")
    kind = kind.strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _urlencoded(request.body)
    if kind == "multipart/form-data":
        boundary = _BOUNDARY.search(parameters)
        if boundary is None:
            raise BadRequest("expected a boundary in the content type")
        return _multipart(request.body, boundary.group(1).encode("latin-1", "replace"))
    return []


def _urlencoded(text: bytes) -> list[tuple[bytes, bytes]]:
    """Return the fields of a form or query as bytes, which urllib's parse_qsl cannot do."""
    pairs = text.replace(b"+", b" ").split(b"&", MAX_FIELDS)[:MAX_FIELDS]
    fields = (pair.partition(b"=") for pair in pairs)
    return [(_percent_decoded(name), _percent_decoded(value)) for name, _, value in fields]


_QUOTED_PRINTABLE = bytes.maketrans(b"%", b"=")


def _percent_decoded(text: bytes) -> bytes:
    """Return what percent-encoded bytes stand for. Raises ``BadRequest`` where they do not.

    urllib makes an object of every escape, which takes 240 bytes of memory for three of a
    stranger's. Quoted-printable is the same but for its sign, and decoded in C.
    """
    escapes = text.count(b"%")
    if not escapes:
        return text
    decoded = binascii.a2b_qp(text.replace(b"=", b"=3D").translate(_QUOTED_PRINTABLE))
    # Each escape makes one byte of three. What is none stays as it is, but for a soft line break.
    if len(decoded) != len(text) - 2 * escapes or b"%\n" in text or b"%\r" in text:
        raise BadRequest("expected two hexadecimal digits behind every % of the form")
    return decoded


_BOUNDARY = re.compile(r'boundary="?([^";,]{1,200})"?', re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_NAME = re.compile(rb';\s*name="?([^";]*)"?', re.IGNORECASE)


def _multipart(body: bytes, boundary: bytes) -> list[tuple[bytes, bytes]]:
    """Return the fields of a multipart form that are not files, as the exact bytes sent."""
    fields = []
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary, MAX_FIELDS)
    for part in parts:
        end = part.find(b"\r\n\r\n", 0, MAX_PART_HEAD)
        disposition = _DISPOSITION.search(part[:end]) if end >= 0 else None
        if disposition is None or b"filename" in disposition.group(1).lower():
            continue
        name = _NAME.search(disposition.group(1))
        if name is not None:
            fields.append((name.group(1), part[end + 4 :]))
    return fields
