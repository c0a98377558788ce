"""The HMAC signatures of 2018: connection tokens, channel signs and API signs.

All are the lower-case hex of an HMAC-SHA256 over plain concatenations (classic.md sections 4.6,
4.8 and 5.2). Nothing here knows whose secret it is, what a signature opens, or what time it is.

A concatenation can be taken apart in several ways, and whoever holds one signature could say that
it is for something else. ``has_one_reading`` and ``sign_has_one_reading`` tell what cannot: among
all ways to take a text apart, they are true of one at most. That rests on three facts. What follows
ten digits is the end of the text or a JSON value that is no number, and so neither begins nor ends
with a digit. A value that ends where another one ends begins there, too, or within a string of it
(elsewhere it would close a bracket that it did not open). But from within a string, what was in
strings is outside and the other way round, so that it would end within a string.
"""

import base64
import binascii
import hmac
import json

import msgspec

from girandola.protocol.commands import SignedChannel, SignedUser

TIMESTAMP_LENGTH = 10
"""Digits of a Unix time between 2001 and 2286."""

_NUMBERS = tuple("-0123456789")


def client_token(secret: str, user: str, timestamp: str, info: str = "") -> str:
    """Return the token with which a 2018 client connects."""
    return _hex(secret, _bytes(user + timestamp + info))


def is_client_token(secret: str, signed: SignedUser) -> bool:
    """Tell whether the credentials were signed with ``secret``.

    The same secret may be the key of JSON Web Tokens. Since the 2018 text is a concatenation
    without separators, the signature of somebody's JWT would be a good token for a user whose
    name is (part of) that JWT; such a text is never accepted.
    """
    text = _bytes(signed.user + signed.timestamp + signed.info)
    return _same(_hex(secret, text), signed.token) and not is_jwt_signing_input(text)


def channel_sign(secret: str, client: str, channel: str, info: str = "") -> str:
    """Return the sign with which the connection ``client`` may subscribe to ``channel``."""
    return _hex(secret, _bytes(client + channel + info))


def is_channel_sign(secret: str, channel: str, signed: SignedChannel) -> bool:
    """Tell whether the sign is one for ``channel`` and was made with ``secret``.

    Whether ``signed.client`` is who asks is for the caller to check.
    """
    text = _bytes(signed.client + channel + signed.info)
    return _same(_hex(secret, text), signed.sign) and not is_jwt_signing_input(text)


def has_one_reading(timestamp: str, info: str) -> bool:
    """Tell whether they and the user are the only ones that their signature can be for."""
    digits = timestamp.isascii() and timestamp.isdigit()
    if len(timestamp) != TIMESTAMP_LENGTH or not digits:
        return False
    return not info or (not info.lstrip(" \t\r\n").startswith(_NUMBERS) and _is_json(info))


def sign_has_one_reading(channel: str, info: str) -> bool:
    """Tell whether channel and info are the only ones that a sign of a connection can be for.

    The connection's id has one length. Info must be an object, since names of channels are
    likelier to end with other values.
    """
    return (not info or _is_json_object(info)) and not any(
        _is_json_object(channel[start:]) for start in range(len(channel)) if channel[-1] == "}"
    )


def api_sign(secret: str, data: bytes) -> str:
    """Return the sign of a 2018 API request with the body ``data``."""
    return _hex(secret, data)


def is_api_sign(secret: str, data: bytes, sign: str) -> bool:
    """Tell whether ``sign`` is that of ``data``."""
    return _same(_hex(secret, data), sign) and not is_jwt_signing_input(data)


def is_jwt_signing_input(text: bytes) -> bool:
    """Tell whether ``text`` begins like a JWT: a base64url JSON object with ``alg``, and a dot."""
    header, dot, _ = text.partition(b".")
    if not dot:
        return False
    try:
        fields = json.loads(base64.b64decode(header + b"==", altchars=b"-_"))
    except (binascii.Error, ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and "alg" in fields


def _is_json_object(text: str) -> bool:
    # Without white space around it, which could be the channel's as well.
    return text[:1] == "{" and text[-1:] == "}" and _is_json(text)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text.encode())
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True


def _hex(secret: str, text: bytes) -> str:
    return hmac.digest(_bytes(secret), text, "sha256").hex()


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), _bytes(given))


def _bytes(text: str) -> bytes:
    # Lone surrogates can come from JSON escapes; they are wrong, but no reason to fail.
    return text.encode("utf-8", "surrogatepass")
