"""The nouns that everyone shares, as plain values.

Nothing here knows a protocol, a socket or a configuration file. Payloads are ``bytes`` exactly
as the publisher gave them (for JSON clients: the text of one JSON value); nobody re-serialises
them on the way, because history, delta bases and clients' own checks rely on the bytes.
"""

from msgspec import Struct


class ClientInfo(Struct, frozen=True):
    """Who a connection is, as other clients may see it.

    ``conn_info`` and ``chan_info`` are JSON texts; ``b""`` means there is none.
    """

    user: str
    client: str
    conn_info: bytes = b""
    chan_info: bytes = b""


class StreamPosition(Struct, frozen=True):
    """A place in a channel's stream: the publication with ``offset`` in the stream named ``epoch``.

    Offset 0 stands before the first publication. Offsets of two epochs cannot be compared.
    """

    offset: int = 0
    epoch: str = ""


class Publication(Struct):
    """One message in a channel.

    ``offset`` is 0, and ``epoch`` empty, where the channel keeps no history. ``uid`` and
    ``client`` exist for the 2018 protocol: the message id and the publisher's client id that a
    caller of the server API may give. ``time`` is Unix milliseconds, given by the broker. ``base``
    is the data of the publication before it in the stream, where deltas are wanted, and only
    while it is delivered: a stream holds no payload twice.
    """

    data: bytes
    info: ClientInfo | None = None
    offset: int = 0
    epoch: str = ""
    tags: dict[str, str] | None = None
    uid: str = ""
    client: str = ""
    time: int = 0
    base: bytes = b""


class Target(Struct, frozen=True):
    """Which connections a call is about: all of ``user``, narrowed to one client or session id.

    The empty user id stands for the anonymous users; with ``all_users`` it stands for everybody.
    """

    user: str = ""
    client: str = ""
    session: str = ""
    all_users: bool = False


class PresenceStats(Struct, frozen=True):
    """How many connections, and how many different users, are present in a channel."""

    num_clients: int = 0
    num_users: int = 0


class NodeInfo(Struct, kw_only=True):
    """What one node tells about itself. ``uptime`` is in seconds."""

    uid: str
    name: str
    version: str
    num_clients: int = 0
    num_users: int = 0
    num_subs: int = 0
    num_channels: int = 0
    uptime: int = 0
    started_at: int = 0
    metrics: dict[str, float] = {}
