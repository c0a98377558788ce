"""Every error, disconnect and unsubscribe code, each with the sentence that says when it is sent.

The values are shared; the two exceptions that carry them, ``Reject`` and ``Close``, are made
fresh for every raise. Numbers and texts: modern.md section 7. Older generations say the same
things in other words; their codecs translate by ``name``.
"""

from msgspec import Struct

# ── errors: an answer to one command ─────────────────────────────────────────────────────────


class Error(Struct, frozen=True):
    """Why a command was refused. The connection goes on.

    ``temporary`` invites the client to try again. Codes 100-113 belong to the protocol,
    400-1999 to applications.
    """

    code: int
    message: str
    temporary: bool = False


INTERNAL = Error(100, "internal server error", True)
"""Something failed on our side."""
UNAUTHORIZED = Error(101, "unauthorized")
"""The command needs an authenticated connection."""
UNKNOWN_CHANNEL = Error(102, "unknown channel")
"""The namespace of the channel is not configured, or no channel was named."""
PERMISSION_DENIED = Error(103, "permission denied")
"""The connection may not do this in this channel."""
METHOD_NOT_FOUND = Error(104, "method not found")
"""No such RPC method."""
ALREADY_SUBSCRIBED = Error(105, "already subscribed")
"""The connection is, or is about to be, subscribed to the channel."""
LIMIT_EXCEEDED = Error(106, "limit exceeded")
"""One subscription more than ``client.channel_limit`` allows."""
BAD_REQUEST = Error(107, "bad request")
"""The command is well-formed, but what it asks for makes no sense."""
NOT_AVAILABLE = Error(108, "not available")
"""The feature is switched off for this channel."""
TOKEN_EXPIRED = Error(109, "token expired")
"""The token was good once; the client should get a new one."""
EXPIRED = Error(110, "expired")
"""The connection or subscription asked for has ended already."""
TOO_MANY_REQUESTS = Error(111, "too many requests", True)
"""A rate limit was reached."""
UNRECOVERABLE = Error(112, "unrecoverable position")
"""The stream no longer holds the position asked for."""


class Reject(Exception):
    """A command is refused with ``error``; the connection goes on.

    ``detail`` is for the log, never for the client.
    """

    def __init__(self, error: Error, detail: str = "") -> None:
        super().__init__(error, detail)
        self.error = error
        self.detail = detail


class Unavailable(Exception):
    """An engine did not do what it was asked for: it is away, too slow, or said so.

    The text is for the log. Whoever asked for a client answers INTERNAL.
    """


# ── disconnects: the end of a connection ─────────────────────────────────────────────────────


class Disconnect(Struct, frozen=True):
    """Why a connection ends. ``name`` tells apart what shares a code; it is never sent."""

    code: int
    reason: str
    name: str = ""

    @property
    def reconnect(self) -> bool:
        """Whether clients come back by themselves after this code (modern.md section 7.2)."""
        return not (3500 <= self.code <= 3999 or 4500 <= self.code <= 4999)


CONNECTION_CLOSED = Disconnect(3000, "connection closed", "closed")
"""The peer went away. Never sent."""
SHUTDOWN = Disconnect(3001, "shutdown", "shutdown")
"""This node stops."""
SERVER_ERROR = Disconnect(3004, "internal server error", "server_error")
"""Something failed on our side and the connection cannot go on."""
CONNECTION_EXPIRED = Disconnect(3005, "connection expired", "expired")
"""The credentials ran out and were not refreshed in time."""
SUBSCRIPTION_EXPIRED = Disconnect(3006, "subscription expired", "subscription_expired")
"""A server-side subscription ran out."""
SLOW = Disconnect(3008, "slow", "slow")
"""The peer reads more slowly than its channels are published into; what was queued is dropped."""
WRITE_ERROR = Disconnect(3009, "write error", "write_error")
"""A write failed, or did not finish in time."""
INSUFFICIENT_STATE = Disconnect(3010, "insufficient state", "insufficient_state")
"""A publication was missed; the client must come back and recover."""
FORCE_RECONNECT = Disconnect(3011, "force reconnect", "force_reconnect")
"""The client shall connect anew."""
NO_PONG = Disconnect(3012, "no pong", "no_pong")
"""A ping was not answered in time."""
TOO_MANY_REQUESTS_CLOSE = Disconnect(3013, "too many requests", "too_many_requests")
"""A rate limit was reached."""
INVALID_TOKEN = Disconnect(3500, "invalid token", "invalid_token")
"""The token is not one of ours, or not for this connection."""
BAD_REQUEST_CLOSE = Disconnect(3501, "bad request", "bad_request")
"""What the peer sent is not the protocol."""
NOT_CONNECTED = Disconnect(3501, "bad request", "not_connected")
"""A command other than connect came first."""
UNKNOWN_METHOD = Disconnect(3501, "bad request", "unknown_method")
"""A command with a method that the protocol generation does not have."""
STALE = Disconnect(3502, "stale", "stale")
"""No successful connect within ``client.stale_close_delay``."""
FORCE_DISCONNECT = Disconnect(3503, "force disconnect", "force_disconnect")
"""The server API asked for it."""
CONNECTION_LIMIT = Disconnect(3504, "connection limit", "connection_limit")
"""The user has as many connections as allowed."""
CHANNEL_LIMIT = Disconnect(3505, "channel limit", "channel_limit")
"""More server-side subscriptions than ``client.channel_limit``."""
INAPPROPRIATE_PROTOCOL = Disconnect(3506, "inappropriate protocol", "inappropriate_protocol")
"""A payload cannot be written in the encoding of this connection: never, ``null`` is sent."""
PERMISSION_DENIED_CLOSE = Disconnect(3507, "permission denied", "permission_denied")
"""The connection is not allowed."""
NOT_AVAILABLE_CLOSE = Disconnect(3508, "not available", "not_available")
"""The client used a feature that this server does not offer."""


_NAMED = {
    (why.code, why.reason): why
    for why in (SHUTDOWN, CONNECTION_EXPIRED, FORCE_RECONNECT, FORCE_DISCONNECT, CONNECTION_LIMIT)
}


def disconnect_of(code: int, reason: str) -> Disconnect:
    """Return the disconnect that another node means by ``code`` and ``reason``."""
    return _NAMED.get((code, reason)) or Disconnect(code, reason)


class Close(Exception):
    """The connection ends with ``disconnect``.

    ``detail`` is for the log, never for the client.
    """

    def __init__(self, disconnect: Disconnect, detail: str = "") -> None:
        super().__init__(disconnect, detail)
        self.disconnect = disconnect
        self.detail = detail


# ── unsubscribes: the end of a subscription, not asked for by the client ─────────────────────


class UnsubscribeCode(Struct, frozen=True):
    """Why a subscription ended. Clients resubscribe by themselves from 2500 on."""

    code: int
    reason: str


UNSUBSCRIBED_BY_SERVER = UnsubscribeCode(2000, "server unsubscribe")
"""The server API asked for it."""
UNSUBSCRIBED_INSUFFICIENT_STATE = UnsubscribeCode(2500, "insufficient state")
"""A publication was missed; the client must resubscribe and recover."""
UNSUBSCRIBED_EXPIRED = UnsubscribeCode(2501, "subscription expired")
"""The subscription ran out and was not refreshed in time."""
