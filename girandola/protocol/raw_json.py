"""JSON payloads as bytes: checked, embedded and read without being parsed into objects.

Payloads travel through the server exactly as their publisher wrote them; only what would break
a frame is taken out. Nothing here knows a message of any protocol generation.
"""

import re
from functools import cache
from typing import TypeVar

import msgspec
import re2

MAX_DEPTH = 256
"""How many arrays and objects may be nested in each other."""

T = TypeVar("T")

NULL = b"null"
"""What stands in JSON for a payload that is not JSON: all that everybody can read."""

_RAW = msgspec.json.Decoder(msgspec.Raw)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)",
    re.DOTALL,
)
_FLAT = rb'[^"\[\]{}]|"(?:[^"\\]|\\.)*"'


class Unreadable(Exception):
    """Text from a peer is not the JSON that was expected; the message says why, for the log."""


def read(decoder: msgspec.json.Decoder[T], text: bytes) -> T:
    r"""Decode ``text``, of which ``msgspec.Raw`` parts become payloads.

    A ``\ud83d`` without its other half, as JavaScript writes for a string cut within a
    character, is read as U+FFFD, because nothing after us could carry it.

    Raises:
        Unreadable: not UTF-8, not JSON, of another shape, or nested too deeply.
    """
    value = parse(decoder, text)
    require_shallow(text)
    return value


def parse(decoder: msgspec.json.Decoder[T], text: bytes) -> T:
    """Decode as ``read`` does, but for nesting: it is looked at elsewhere."""
    try:
        value = _decode(decoder, text)
        if not text.isascii():
            text.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"expected UTF-8, got {error.reason} at byte {error.start}") from None
    except msgspec.DecodeError as error:
        raise Unreadable(str(error)) from None
    except RecursionError:
        raise Unreadable(f"nested more than {MAX_DEPTH} levels deep") from None
    return value


def require_shallow(text: bytes) -> None:
    """Raise ``Unreadable`` for valid JSON that is nested too deeply."""
    if is_deep(text):
        raise Unreadable(f"nested more than {MAX_DEPTH} levels deep")


def is_json(data: bytes) -> bool:
    """Tell whether ``data`` is one complete JSON value in UTF-8, nested less than too deeply."""
    try:
        _RAW.decode(data)
        if not data.isascii():
            data.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return not is_deep(data)


def is_deep(text: bytes) -> bool:
    """Tell whether valid JSON is nested more than ``MAX_DEPTH`` levels deep.

    What passes here once can be parsed again anywhere, whatever the depth of the call stack:
    otherwise a publisher could choose a depth that is accepted from it and fails its readers.
    """
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    return _shallow().fullmatch(text) is None


def nested(levels: int) -> bytes:
    """Return an RE2 expression for any run of valid JSON with at most so many levels of nesting.

    RE2 goes through it at the speed of a scan, and builds nothing.
    """
    return rb"(?:%b|[\[{]" % _FLAT * levels + rb"(?:%b)*" % _FLAT + rb"[\]}])*" * levels


def compile_scan(expression: bytes) -> "re2._Regexp":
    """Compile an RE2 expression over the bytes of JSON, which has no groups."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.dot_nl = True
    options.never_capture = True
    options.log_errors = False
    return re2.compile(expression, options)


@cache
def _shallow() -> "re2._Regexp":
    return compile_scan(nested(MAX_DEPTH))


def verbatim(data: bytes) -> bytes:
    """Return ``data`` as it is, or ``null`` where it is not JSON.

    Whoever reads JSON has no use for it; but its reader, who did not send it, goes on.
    """
    return data if is_json(data) else NULL


def embed(data: bytes) -> bytes:
    """Return ``data`` for a frame in which newlines separate messages, or ``null`` (see above).

    Newlines can stand between the tokens of JSON only, where nothing is lost with them.
    """
    if not is_json(data):
        return NULL
    return data.replace(b"\n", b"") if b"\n" in data else data


def string(text: str) -> bytes:
    """Return ``text`` as a JSON string; what UTF-8 cannot carry becomes a question mark."""
    try:
        return msgspec.json.encode(text)
    except UnicodeEncodeError:
        return msgspec.json.encode(text.encode("utf-8", "replace").decode())


def _decode(decoder: msgspec.json.Decoder[T], text: bytes) -> T:
    try:
        return decoder.decode(text)
    except msgspec.DecodeError:
        if not _SURROGATE.search(text):
            raise
    return decoder.decode(_ESCAPE.sub(_mended, text))


def _mended(escape: re.Match[bytes]) -> bytes:
    found = escape.group()
    is_lone = len(found) == len(rb"\ud800") and found[1:2] == b"u"
    return rb"\ufffd" if is_lone else found
