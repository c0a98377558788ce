"""The contract of a codec: the spelling of one protocol generation in one encoding.

A codec is stateless and shared by all sessions that speak it. What differs between generations
in *meaning* is in ``Traits``; nothing else about a generation is visible to the core.
"""

from typing import Literal, Protocol

from msgspec import Struct

from girandola.errors import Disconnect
from girandola.protocol.commands import Command, Push, Reply


class Traits(Struct, frozen=True, kw_only=True):
    """Facts about a generation that the core must respect."""

    pings_from: Literal["server", "client"] = "server"
    """Who sends the application's pings. Where the client does, doors send WebSocket pings."""
    on_gap: Literal["unsubscribe", "disconnect", "nothing"] = "unsubscribe"
    """What a missed publication leads to."""
    partial_recovery: bool = False
    """Whether what is left of the history is sent although something is missing."""
    replies_together: bool = False
    """Whether the replies to one frame go out as one message when all are there."""
    connect_again: bool = False
    """Whether a refused connect may be tried again on the same connection."""
    expired_is_a_result: bool = False
    """Whether expired credentials get a result that says so, where others get an error."""
    subscribes_again: bool = True
    """Whether a subscribe that got a temporary error is tried again; else the client has to come
    back for it."""


class Encoding(Protocol):
    """How the pushes of a channel are written for some of its subscribers.

    Its identity is the key under which a broadcast is encoded once. Each codec is one.
    """

    def push(self, channel: str, push: Push) -> bytes:
        """Encode a push. See ``Codec.push``."""


class DeltaEncodings(Struct, frozen=True):
    """How a codec writes for subscriptions that take deltas (modern.md section 10.6).

    ``full`` for a client that has no base, ``delta`` for one that got the publication before.
    """

    full: Encoding
    delta: Encoding


class Codec(Protocol):
    """One generation in one encoding."""

    @property
    def name(self) -> str:
        """Name for logs and metrics, such as ``"v2-json"``."""

    @property
    def traits(self) -> Traits:
        """What the core must know of this generation."""

    @property
    def binary(self) -> bool:
        """Whether frames are binary rather than text."""

    @property
    def ping(self) -> bytes:
        """The encoded ping, which is the pong, too; ``b""`` where the server sends none."""

    @property
    def deltas(self) -> DeltaEncodings | None:
        """What it has for subscriptions that take deltas; ``None`` where it knows none."""

    def decode(self, frame: bytes) -> list[Command]:
        """Return the commands of a frame, in order, at least one.

        Never raises: what cannot be understood is a ``Malformed`` at its place, and the last.
        """

    def reply(self, reply: Reply) -> bytes:
        """Encode a result or an error. Never raises: see ``push``."""

    def together(self, replies: list[bytes]) -> bytes:
        """Encode the replies of one frame as one message (``traits.replies_together``)."""

    def push(self, channel: str, push: Push) -> bytes:
        """Encode a push; ``b""`` where this generation does not know it.

        Never raises, whatever bytes the payloads are and whoever gave them: in JSON, what is not
        JSON is ``null``. Otherwise one client could end the connections of others.
        """

    def join(self, messages: list[bytes]) -> list[bytes]:
        """Return as few frames as this generation allows that hold all ``messages`` in order."""

    def close(self, disconnect: Disconnect) -> tuple[int, str]:
        """Return code and reason of the WebSocket close frame; the reason fits 123 bytes."""
