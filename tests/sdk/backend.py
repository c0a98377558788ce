"""What an application's backend makes for its users: tokens and signs of both generations.

Made here by hand, not by girandola, so that the tests judge both sides.
"""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

TOKEN_KEY = "a key that only the backend and the server know"
CLASSIC_SECRET = "the secret of 2018"
API_KEY = "the-key-of-the-server-API"  # one word, as the Authorization header takes it


def jwt(claims: dict[str, Any], key: str = TOKEN_KEY) -> str:
    """Return a JSON Web Token signed with HS256."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    head = part(b'{"alg":"HS256","typ":"JWT"}')
    body = part(json.dumps(claims).encode())
    sign = hmac.digest(key.encode(), f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{part(sign)}"


def classic_sign(*parts: str, key: str = CLASSIC_SECRET) -> str:
    """Return the HMAC of 2018: over the parts, one after the other."""
    return hmac.new(key.encode(), "".join(parts).encode(), hashlib.sha256).hexdigest()


def classic_credentials(
    user: str, *, age: int = 0, info: Any = None, key: str = CLASSIC_SECRET
) -> dict[str, str]:
    """Return what a page of 2018 hands to its client; ``age`` is in seconds."""
    timestamp = str(int(time.time()) - age)
    text = "" if info is None else json.dumps(info)
    token = classic_sign(user, timestamp, text, key=key)
    return {"user": user, "timestamp": timestamp, "info": text, "token": token}
