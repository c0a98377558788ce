"""The HMAC signatures of 2018: connection tokens, channel signs and API signs.

All are the lower-case hex of an HMAC-SHA256 over plain concatenations (classic.md sections 4.6,
4.8 and 5.2). Nothing here knows whose secret it is, what a signature opens, or what time it is.
"""

import base64
import binascii
import hmac
import json

from girandola.protocol.commands import SignedChannel, SignedUser


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


def _hex(secret: str, text: bytes) -> str:
    return hmac.digest(_bytes(secret), text, "sha256").hex()


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), _bytes(given))


def _bytes(text: str) -> bytes:
    # Lone surrogates can come from JSON escapes; they are wrong, but no reason to fail.
    return text.encode("utf-8", "surrogatepass")
