"""Fields of JSON messages whose zero values are left out (modern.md section 1.2).

What today's protocol and that of the v2 and v3 servers write alike. Nothing here knows a message
of either.
"""

from girandola.model import ClientInfo
from girandola.protocol.raw_json import embed, string


def an_object(*fields: bytes) -> bytes:
    """Return an object of those fields that are there."""
    return b"{" + b",".join(filter(None, fields)) + b"}"


def flag(name: bytes, value: bool) -> bytes:
    """Return a boolean field, ``b""`` for false."""
    return b'"%b":true' % name if value else b""


def number(name: bytes, value: int) -> bytes:
    """Return a number field, ``b""`` for zero."""
    return b'"%b":%d' % (name, value) if value else b""


def text(name: bytes, value: str) -> bytes:
    """Return a string field, ``b""`` for the empty string."""
    return b'"%b":%b' % (name, string(value)) if value else b""


def payload(name: bytes, value: bytes) -> bytes:
    """Return a field of JSON as it was given, ``b""`` for none; what is not JSON is ``null``."""
    return b'"%b":%b' % (name, embed(value)) if value else b""


def client_info(info: ClientInfo) -> bytes:
    """Return the object that tells who a client is; user and client always stand in it."""
    return an_object(
        b'"user":' + string(info.user),
        b'"client":' + string(info.client),
        payload(b"conn_info", info.conn_info),
        payload(b"chan_info", info.chan_info),
    )
