"""What a refused connect means for a client that cannot be answered (modern.md section 3.7).

One-way clients know no error replies, so an error becomes a disconnect. Knows no transport.
"""

from girandola.errors import (
    CONNECTION_EXPIRED,
    EXPIRED,
    PERMISSION_DENIED,
    PERMISSION_DENIED_CLOSE,
    SERVER_ERROR,
    TOKEN_EXPIRED,
    TOO_MANY_REQUESTS,
    TOO_MANY_REQUESTS_CLOSE,
    Disconnect,
    Error,
)
from girandola.options import ConnectCodeToDisconnect

_DISCONNECTS = {
    TOKEN_EXPIRED.code: CONNECTION_EXPIRED,
    EXPIRED.code: CONNECTION_EXPIRED,
    TOO_MANY_REQUESTS.code: TOO_MANY_REQUESTS_CLOSE,
    PERMISSION_DENIED.code: PERMISSION_DENIED_CLOSE,
}


class ConnectRefused(Disconnect, frozen=True):
    """A disconnect that stands for ``error``, for transports that have other words for it."""

    error: Error = Error(0, "")


def refused(error: Error, options: ConnectCodeToDisconnect) -> ConnectRefused:
    """Return how a one-way connection ends when its connect is answered with ``error``."""
    why = _DISCONNECTS.get(error.code, SERVER_ERROR)
    if options.enabled:
        for transform in options.transforms:
            if transform.code == error.code:
                why = Disconnect(transform.to.code, transform.to.reason, "connect_refused")
                break
    return ConnectRefused(why.code, why.reason, why.name, error)
