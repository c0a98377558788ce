"""Commands, results and pushes: what client and server can say, free of any generation.

A codec turns frames into commands and results and pushes into frames; the core sees only these
values. The core fills a result completely and a codec leaves out what its generation does not
say. Fields: modern.md section 2 and classic.md section 4.
"""

from msgspec import Struct

from girandola.errors import Disconnect, Error, UnsubscribeCode
from girandola.model import ClientInfo, PresenceStats, Publication, StreamPosition

# ── commands ─────────────────────────────────────────────────────────────────────────────────


class Command(Struct, kw_only=True):
    """Something a client asks for.

    ``id`` goes back in the reply: a number today, a string in 2018; 0 or ``""`` for none.
    """

    id: int | str = 0


class SignedUser(Struct, frozen=True):
    """Credentials of 2018: who, since when (decimal Unix seconds), info, and their HMAC."""

    user: str
    timestamp: str
    info: str
    token: str


class SignedChannel(Struct, frozen=True):
    """A channel sign of 2018: for which client id, with which info, and their HMAC.

    Its presence in a ``Subscribe`` says that the rules of 2018 apply; all three fields are empty
    where the client sent none.
    """

    client: str = ""
    info: str = ""
    sign: str = ""


class Recovery(Struct, frozen=True, kw_only=True):
    """From where a client wants to go on in a channel.

    ``since_uid`` is the message id that a 2018 client saw last, for messages whose id was given
    by the publisher and so carries no position; ``offset`` and ``epoch`` come first.
    ``knows_position``: these two say where the client stands. One of 2018 that saw nothing yet,
    or names a message by another's id, does not know.
    """

    recover: bool = False
    offset: int = 0
    epoch: str = ""
    since_uid: str = ""
    knows_position: bool = True


class Connect(Command, kw_only=True):
    """Authenticate this connection. Exactly one of ``token`` and ``signed`` can matter."""

    token: str = ""
    signed: SignedUser | None = None
    data: bytes = b""
    subs: dict[str, Recovery] = {}
    name: str = ""
    version: str = ""
    headers: dict[str, str] = {}


class Refresh(Command, kw_only=True):
    """Prolong this connection with new credentials."""

    token: str = ""
    signed: SignedUser | None = None


class FilterNode(Struct, frozen=True, kw_only=True):
    """A condition on the tags of publications, as the client wrote it (modern.md section 10.7).

    A leaf compares the tag ``key`` by ``cmp`` with ``val`` or ``vals``; with ``op`` it combines
    ``nodes``. Nothing of it is checked yet; ``core.filters`` does.
    """

    op: str = ""
    key: str = ""
    cmp: str = ""
    val: str = ""
    vals: tuple[str, ...] = ()
    nodes: tuple["FilterNode", ...] = ()


class Subscribe(Command, kw_only=True):
    """Listen to a channel.

    ``delta`` names a way to send differences, or none; ``filter`` narrows what is delivered.
    ``for_connection``: tokens of this generation name the connection, and need not name the user.
    """

    channel: str
    token: str = ""
    for_connection: bool = False
    signed: SignedChannel | None = None
    recovery: Recovery = Recovery()
    reject_unrecovered: bool = False
    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False
    data: bytes = b""
    delta: str = ""
    filter: FilterNode | None = None
    type: int = 0


class SubRefresh(Command, kw_only=True):
    """Prolong a subscription with a new token. ``for_connection``: see ``Subscribe``."""

    channel: str
    token: str = ""
    for_connection: bool = False
    type: int = 0


class Unsubscribe(Command, kw_only=True):
    """Stop listening to a channel."""

    channel: str


class Publish(Command, kw_only=True):
    """Publish into a channel. ``subscribers_only``: this generation lets nobody else publish."""

    channel: str
    data: bytes
    subscribers_only: bool = False


class Presence(Command, kw_only=True):
    """Ask who is in a channel."""

    channel: str
    subscribers_only: bool = False


class PresenceStatsQuery(Command, kw_only=True):
    """Ask how many are in a channel."""

    channel: str


class History(Command, kw_only=True):
    """Read a channel's stream.

    ``limit`` is the most publications wanted: 0 for the position only, negative for as many as
    the server gives at once, ``None`` for all there are (2018 clients know no pages).
    """

    channel: str
    limit: int | None = 0
    since: StreamPosition | None = None
    reverse: bool = False
    subscribers_only: bool = False


class Rpc(Command, kw_only=True):
    """Call a method of the application."""

    method: str
    data: bytes = b""


class Send(Command, kw_only=True):
    """A message to the application that wants no reply."""

    data: bytes = b""


class Ping(Command, kw_only=True):
    """The client's own ping (2018); ``data`` (a JSON text) goes back."""

    data: bytes = b""


class Pong(Command, kw_only=True):
    """The answer to the server's ping."""


class Malformed(Command, kw_only=True):
    """What was not understood; the connection ends when its turn comes.

    It stands in the list of commands so that those before it in the same frame are still
    carried out. ``detail`` says for the log what was expected.
    """

    disconnect: Disconnect
    detail: str


# ── results ──────────────────────────────────────────────────────────────────────────────────


class Subscribed(Struct, kw_only=True):
    """The answer to ``Subscribe``, and a server-side subscription in ``Connected``.

    ``position`` is where the client stands before ``publications``; ``top`` the newest position.
    Publications are oldest first. ``delta``: differences may be sent, among ``publications``, too.
    """

    position: StreamPosition = StreamPosition()
    top: StreamPosition = StreamPosition()
    expires: bool = False
    ttl: int = 0
    recoverable: bool = False
    positioned: bool = False
    was_recovering: bool = False
    recovered: bool = False
    publications: list[Publication] = []
    data: bytes = b""
    delta: bool = False


class Connected(Struct, kw_only=True):
    """The answer to ``Connect``. ``ttl`` and ``ping`` in seconds, ``time`` in Unix ms.

    ``expired`` (2018 only): the credentials were good once; the client may try again.
    """

    client: str
    version: str
    expires: bool = False
    expired: bool = False
    ttl: int = 0
    data: bytes = b""
    subs: dict[str, Subscribed] = {}
    ping: int = 0
    pong: bool = False
    session: str = ""
    node: str = ""
    time: int = 0


class Refreshed(Struct, kw_only=True):
    """The answer to ``Refresh``; ``expired`` (2018 only): nothing was prolonged."""

    client: str = ""
    version: str = ""
    expires: bool = False
    expired: bool = False
    ttl: int = 0


class SubRefreshed(Struct, kw_only=True):
    """The answer to ``SubRefresh``."""

    expires: bool = False
    ttl: int = 0


class PresenceResult(Struct):
    """The answer to ``Presence``: client id to who it is."""

    clients: dict[str, ClientInfo]


class PresenceStatsResult(Struct):
    """The answer to ``PresenceStatsQuery``."""

    stats: PresenceStats


class HistoryResult(Struct):
    """The answer to ``History``; ``top`` is the stream's newest position whatever the page."""

    publications: list[Publication]
    top: StreamPosition


class RpcResult(Struct):
    """The answer to ``Rpc``."""

    data: bytes = b""


class Done(Struct):
    """The answer to commands whose success says it all: publish and unsubscribe."""


class Pinged(Struct):
    """The answer to ``Ping``."""

    data: bytes = b""


Result = (
    Connected
    | Refreshed
    | Subscribed
    | SubRefreshed
    | PresenceResult
    | PresenceStatsResult
    | HistoryResult
    | RpcResult
    | Done
    | Pinged
)


class Reply(Struct):
    """What a command led to: a result or an error.

    The command comes along because some generations repeat parts of it.
    """

    command: Command
    outcome: Result | Error


# ── pushes ───────────────────────────────────────────────────────────────────────────────────


class Join(Struct, frozen=True):
    """Somebody subscribed."""

    info: ClientInfo


class Leave(Struct, frozen=True):
    """Somebody's subscription ended."""

    info: ClientInfo


class Unsubscribed(Struct, frozen=True):
    """The server ended a subscription of this connection."""

    why: UnsubscribeCode


class SubscribedByServer(Struct, frozen=True):
    """The server subscribed this connection to a channel."""

    recoverable: bool = False
    positioned: bool = False
    position: StreamPosition = StreamPosition()
    data: bytes = b""


class Disconnected(Struct, frozen=True):
    """The connection ends, told in-band by transports that have no close frame."""

    why: Disconnect


class Refreshing(Struct, frozen=True):
    """The server changed when this connection expires."""

    expires: bool = False
    ttl: int = 0


Push = Publication | Join | Leave | Unsubscribed | SubscribedByServer | Disconnected | Refreshing
