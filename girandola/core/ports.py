"""The seams of the core: what it asks of the world, as contracts.

Each is a ``Protocol`` with few methods and sentences that say what the core relies on. The core
knows no implementation; ``app/build.py`` hands them in and ``tests/fakes.py`` stands in for them.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from girandola.core.grants import (
    ConnectGrant,
    HistoryGrant,
    PublishGrant,
    PublishOptions,
    RefreshGrant,
    SubscribeGrant,
)
from girandola.errors import Disconnect
from girandola.model import ClientInfo, PresenceStats, Publication, StreamPosition
from girandola.protocol import commands

T = TypeVar("T", contravariant=True)

# ── time and tasks ───────────────────────────────────────────────────────────────────────────


class Timer(Protocol):
    """A call that is still to come."""

    def cancel(self) -> None:
        """Call it off; harmless when it has happened."""


class Waiter(Protocol[T]):
    """A value that is still to come; ``asyncio.Future`` is one."""

    def set_result(self, value: T, /) -> None:
        """Give the value; whoever awaits it goes on later in the loop, not at once."""

    def set_exception(self, exception: BaseException, /) -> None:
        """Raise in whoever awaits."""

    def done(self) -> bool:
        """Tell whether a value or an exception was given."""

    def __await__(self) -> Any:
        """Wait for the value."""


class Clock(Protocol):
    """Time, and what is to happen later. One thread; nothing here may be called from another."""

    def now(self) -> float:
        """Return seconds of a clock that never goes back; for intervals."""

    def time(self) -> float:
        """Return Unix seconds; for what clients and tokens say."""

    def call_soon(self, callback: Callable[..., object], *args: Any) -> None:
        """Call at the end of this tick, in the order asked for."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        """Call after ``delay`` seconds."""

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run ``coroutine``: up to its first wait at once, the rest as it goes.

        What never waits is over when this returns and costs no task. An exception that gets out
        is logged. Code that needs ``asyncio.current_task`` (timeouts) must make its own task.
        """

    def waiter(self) -> Waiter[Any]:
        """Make a value that is still to come."""


# ── the way out ──────────────────────────────────────────────────────────────────────────────


class Transport(Protocol):
    """One connection as the core sees it: where encoded messages go.

    No method waits and none raises. After ``on_transport_closed`` was told to the session, all
    do nothing.
    """

    @property
    def name(self) -> str:
        """What proxies and metrics call it: ``"websocket"``, ``"sse"``, …"""

    @property
    def peer(self) -> str:
        """Who is at the other end, for the log: ``"127.0.0.1:5555"``."""

    @property
    def one_way(self) -> bool:
        """Whether the client cannot send commands."""

    def write(self, messages: list[bytes]) -> None:
        """Send encoded messages in order, in as few frames and system calls as possible.

        The list is not changed afterwards by either side.
        """

    def buffered(self) -> int:
        """Return how many bytes were accepted but are not on the wire yet."""

    def ping(self) -> None:
        """Send the transport's own ping (a WebSocket ping frame); nothing where there is none."""

    def pause(self) -> None:
        """Hand in no more frames until ``resume``, so that the peer feels our pace."""

    def resume(self) -> None:
        """Hand in frames again."""

    def close(self, disconnect: Disconnect) -> None:
        """Say why and end the connection. What was written before still goes out first.

        May be called twice. The session hears of the end by ``on_transport_closed``.
        """

    def abort(self) -> None:
        """End the connection at once, without a word; unsent bytes are dropped."""


# ── engines ──────────────────────────────────────────────────────────────────────────────────


class PublishResult(Struct, frozen=True):
    """Where a publication stands; offset 0 and no epoch where no history is kept.

    ``suppressed`` tells that it was not published: ``"idempotency"`` or ``"version"``.
    """

    position: StreamPosition = StreamPosition()
    suppressed: str = ""


class HistoryPage(Struct, frozen=True):
    """Publications, and the newest position of the stream at the same instant."""

    publications: list[Publication]
    top: StreamPosition


class Engine(Protocol):
    """What all engines share. Calls end in a time of the engine's own, by an exception at worst.

    Any exception but ``errors.Reject`` is a failure of the engine: who asked gets an internal
    error, and the log one line, however many ask.
    """

    @property
    def far(self) -> bool:
        """Whether calls may wait. Then what is asked for in one tick is put into one call."""

    async def check(self) -> None:
        """Make one round trip. Raises what any call would raise now."""

    async def close(self) -> None:
        """Let go of everything; nothing is delivered or asked for afterwards."""


class BrokerEvents(Protocol):
    """Where a broker delivers. Called on the loop, in stream order per channel; never waits."""

    def on_publication(self, channel: str, publication: Publication) -> None:
        """Tell of a publication in a channel that this node is subscribed to.

        Its ``base`` is taken away before this returns.
        """

    def on_join(self, channel: str, info: ClientInfo) -> None:
        """Tell that somebody subscribed."""

    def on_leave(self, channel: str, info: ClientInfo) -> None:
        """Tell that somebody's subscription ended."""

    def on_interrupted(self, channels: Iterable[str] | None) -> None:
        """Tell that publications of some channels, or of any, may not have been delivered.

        To be called when delivery works again, so that a look at the streams tells.
        """


class Broker(Engine, Protocol):
    """Carries publications between publishers and nodes, and keeps streams."""

    @property
    def keeps_history(self) -> bool:
        """Whether ``history`` and recovery work with this broker at all."""

    async def start(self, events: BrokerEvents) -> None:
        """Deliver to ``events`` from now on. Called once, before everything else.

        May fail; then the server does not start, and says why.
        """

    async def publish(
        self, channel: str, publication: Publication, options: PublishOptions
    ) -> PublishResult:
        """Append to the stream and publish, as one step per channel.

        Sets offset, epoch and time of ``publication``, which must not be changed afterwards. With
        ``options.delta`` what is delivered has as its ``base`` the data of the publication with
        the offset before it, if that is still kept.
        """

    async def publish_join(self, channel: str, info: ClientInfo) -> None:
        """Tell all nodes that somebody subscribed."""

    async def publish_leave(self, channel: str, info: ClientInfo) -> None:
        """Tell all nodes that somebody's subscription ended."""

    async def subscribe(self, channels: Sequence[str]) -> None:
        """Return when this node will surely see later publications of all the channels.

        Harmless for those it sees already. After a failure none may be counted on.
        """

    async def unsubscribe(self, channels: Mapping[str, float]) -> None:
        """Stop seeing publications; harmless for channels it does not see.

        Each channel comes with the seconds for which it still counts as active for
        ``drop_inactive``.
        """

    async def history(
        self,
        channel: str,
        *,
        since: StreamPosition | None = None,
        limit: int | None = None,
        reverse: bool = False,
        meta_ttl: float = 0.0,
    ) -> HistoryPage:
        """Read the stream (modern.md section 5.5).

        Forward: what follows ``since``, or everything, oldest first, from the oldest kept on.
        Reverse: what precedes ``since``, or everything, newest first; nothing when ``since`` is
        not within what is kept. ``limit`` is the most wanted: 0 for none, ``None`` for all.
        The epoch of ``since`` is not looked at. A channel never seen gets its stream (and so
        its epoch) now, which lives ``meta_ttl`` seconds after its last use.
        """

    async def remove_history(self, channel: str) -> None:
        """Forget the publications; the position goes on from where it was."""


class Entry(Struct, frozen=True):
    """Somebody in a channel; who it is begins with the id of the client."""

    channel: str
    info: ClientInfo


class PresenceStore(Engine, Protocol):
    """Who is in which channel, over all nodes.

    Entries of a far store die by themselves unless they are put again, every
    ``client.presence_update_interval``; one of this process may let them live, since they die with
    it. No two calls about one channel and client are under way at a time.
    """

    async def start(self) -> None:
        """Be ready. Called once; may fail, as ``Broker.start``."""

    async def put(self, entries: Sequence[Entry]) -> None:
        """Add entries, or put them again with what they say now."""

    async def remove(self, entries: Sequence[Entry]) -> None:
        """Remove entries; harmless for those that are not there."""

    async def members(self, channel: str) -> dict[str, ClientInfo]:
        """Return client id to who it is. The caller may keep and change the dict."""

    async def stats(self, channel: str) -> PresenceStats:
        """Count clients and users without listing them; the empty user id counts as one."""


class ControlEvents(Protocol):
    """Where a controller delivers. Called on the loop; never waits."""

    def on_control(self, frame: bytes) -> None:
        """Take what another node sent to all, or to this one (``protocol.internode``)."""


class Controller(Engine, Protocol):
    """Carries frames from node to node. None is kept for a node that is away."""

    async def start(self, events: ControlEvents, node: str) -> None:
        """Deliver to ``events`` what is for all nodes or for the one with the uid ``node``.

        Called once; may fail, as ``Broker.start``.
        """

    async def send(self, frame: bytes, node: str = "") -> None:
        """Send to all nodes, this one perhaps included, or to the one with that uid."""


# ── who may do what ──────────────────────────────────────────────────────────────────────────


class Peer(Protocol):
    """A connection as the policy sees it (``core.session.Session`` is one). Read-only."""

    @property
    def client(self) -> str:
        """The connection's public id."""

    @property
    def user(self) -> str:
        """The user's id; empty for anonymous, and before connect."""

    @property
    def transport_name(self) -> str:
        """``"websocket"``, ``"sse"``, …"""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the HTTP request, names in lower case, as far as the policy needs them."""

    @property
    def token_channels(self) -> frozenset[str]:
        """The channels that the connection token listed and that are still subscribed."""

    def is_subscribed(self, channel: str) -> bool:
        """Tell whether the connection is live in the channel, by whichever side's wish."""


class Policy(Protocol):
    """Who may do what. Each method answers with a grant, or raises ``Reject`` or ``Close``."""

    async def connect(self, peer: Peer, command: commands.Connect) -> ConnectGrant:
        """Decide who this is."""

    async def refresh(self, peer: Peer, command: commands.Refresh) -> RefreshGrant:
        """Decide until when the connection goes on."""

    async def subscribe(self, peer: Peer, command: commands.Subscribe) -> SubscribeGrant:
        """Decide whether and how the peer listens. The core checks only its own limits."""

    async def sub_refresh(self, peer: Peer, command: commands.SubRefresh) -> RefreshGrant:
        """Decide until when a subscription goes on."""

    async def publish(self, peer: Peer, command: commands.Publish) -> PublishGrant:
        """Decide whether the peer publishes."""

    async def presence(self, peer: Peer, channel: str) -> None:
        """Decide whether the peer sees who is there."""

    async def history(self, peer: Peer, channel: str) -> HistoryGrant:
        """Decide whether the peer reads the stream."""

    async def rpc(self, peer: Peer, command: commands.Rpc) -> bytes:
        """Answer a call."""

    def is_too_long(self, channel: str) -> bool:
        """Tell whether the name is longer than clients may use."""
