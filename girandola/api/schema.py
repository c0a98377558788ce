"""Requests and results of the server API, as they are spelled in JSON.

Spelling only: which fields there are, in which order, and which of them are left out when they
say nothing (server.md, appendix A). Payloads are ``Raw``: copied, never parsed.
"""

import binascii
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from girandola.errors import METHOD_NOT_FOUND
from girandola.errors import Error as CoreError
from girandola.model import ClientInfo as CoreClientInfo
from girandola.model import Publication as CorePublication
from girandola.protocol import raw_json
from girandola.protocol.json_requests import Reader, Request

T = TypeVar("T")

UInt32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
# One bit less than the real range: msgspec cannot hold 2**64 - 1 as a bound.
UInt64 = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

ABSENT = Raw()
"""What a payload is that the caller did not give."""

# ── requests ─────────────────────────────────────────────────────────────────────────────────


class StreamPosition(Request):
    """A place in a stream."""

    offset: UInt64 = 0
    epoch: str = ""


class BoolValue(Request):
    """A flag that can also be absent."""

    value: bool = False


class SubscribeOptionOverride(Request):
    """Options that replace those of the namespace for one subscription."""

    presence: BoolValue | None = None
    join_leave: BoolValue | None = None
    force_recovery: BoolValue | None = None
    force_positioning: BoolValue | None = None
    force_push_join_leave: BoolValue | None = None


class Disconnect(Request):
    """With which code and reason connections end."""

    code: UInt32 = 0
    reason: str = ""


class _Publishing(Request, kw_only=True):
    """What publish and broadcast have in common."""

    data: Raw = ABSENT
    b64data: str = ""
    skip_history: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    idempotency_key: str = ""
    delta: bool = False
    version: UInt64 = 0
    version_epoch: str = ""


class PublishRequest(_Publishing, kw_only=True):
    """Publish into a channel."""

    channel: str = ""


class BroadcastRequest(_Publishing, kw_only=True):
    """Publish the same into many channels."""

    channels: list[str] = field(default_factory=list)


class Targeted(Request, kw_only=True):
    """Whose connections are meant: all of a user, narrowed by client or session id."""

    user: str = ""
    client: str = ""
    session: str = ""


class SubscribeRequest(Targeted, kw_only=True):
    """Subscribe connections to a channel."""

    channel: str = ""
    info: Raw = ABSENT
    b64info: str = ""
    data: Raw = ABSENT
    b64data: str = ""
    recover_since: StreamPosition | None = None
    override: SubscribeOptionOverride | None = None
    expire_at: Int64 = 0


class UnsubscribeRequest(Targeted, kw_only=True):
    """End subscriptions; an empty channel stands for all channels."""

    channel: str = ""


class DisconnectRequest(Targeted, kw_only=True):
    """End connections, but for the client ids in ``whitelist``."""

    whitelist: list[str] = field(default_factory=list)
    disconnect: Disconnect | None = None


class RefreshRequest(Targeted, kw_only=True):
    """Change when connections expire."""

    expired: bool = False
    expire_at: Int64 = 0
    info: Raw = ABSENT


class ChannelRequest(Request):
    """Ask about a channel: presence, presence_stats, history_remove."""

    channel: str = ""


class HistoryRequest(Request):
    """Read a stream; limit 0 for the position only, negative for everything."""

    channel: str = ""
    limit: Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)] = 0
    since: StreamPosition | None = None
    reverse: bool = False


class ChannelsRequest(Request):
    """List channels with subscribers."""

    pattern: str = ""


class InfoRequest(Request):
    """Ask what the nodes are doing."""


class RpcRequest(Request):
    """Call a method of an extension."""

    method: str = ""
    params: Raw = ABSENT


# ── results ──────────────────────────────────────────────────────────────────────────────────


class Error(Struct):
    """Why a request was refused."""

    code: int
    message: str


class Empty(Struct):
    """The result of what has nothing to say but that it was done."""


class PublishResult(Struct, omit_defaults=True):
    """Where the publication stands; empty where no history is kept."""

    offset: int = 0
    epoch: str = ""


class PublishResponse(Struct, omit_defaults=True):
    """What happened in one channel of a broadcast."""

    error: Error | None = None
    result: PublishResult | None = None


class BroadcastResult(Struct, omit_defaults=True):
    """One response for each channel, in the order of the request."""

    responses: list[PublishResponse] = []


class ClientInfo(Struct, omit_defaults=True):
    """Who a connection is."""

    user: str
    client: str
    conn_info: Raw | UnsetType = UNSET
    chan_info: Raw | UnsetType = UNSET


class PresenceResult(Struct):
    """Who is in a channel, by client id."""

    presence: dict[str, ClientInfo]


class PresenceStatsResult(Struct):
    """How many are in a channel."""

    num_clients: int
    num_users: int


class Publication(Struct, omit_defaults=True):
    """A publication; ``b64data`` stands for ``data`` where that is not JSON."""

    data: Raw | UnsetType = UNSET
    info: ClientInfo | UnsetType = UNSET
    offset: int = 0
    tags: dict[str, str] | None = None
    b64data: str = ""


class HistoryResult(Struct):
    """A page of a stream, and the stream's newest position."""

    publications: list[Publication]
    epoch: str
    offset: int


class ChannelInfo(Struct, omit_defaults=True):
    """What is known of a channel."""

    num_clients: int = 0


class ChannelsResult(Struct):
    """Channels by name."""

    channels: dict[str, ChannelInfo]


class Metrics(Struct):
    """Measurements of a node; ``items`` is there even when empty, because ``cent`` needs it."""

    interval: int
    items: dict[str, float]


class Node(Struct, kw_only=True, omit_defaults=True):
    """What a node tells of itself."""

    uid: str
    name: str
    version: str
    num_clients: int
    num_users: int
    num_channels: int
    uptime: int = 0
    metrics: Metrics
    num_subs: int


class InfoResult(Struct, omit_defaults=True):
    """All nodes."""

    nodes: list[Node] = []


class RpcResult(Struct):
    """What an extension answered."""

    data: Raw | UnsetType = UNSET


class BatchResult(Struct):
    """One reply for each command in order: method name and result, or ``error`` and error."""

    replies: list[dict[str, Any]]


# ── to and from JSON ─────────────────────────────────────────────────────────────────────────

# Maps are written in the order of their keys, as existing callers know it.
_encoder = msgspec.json.Encoder(order="deterministic")


def encode(value: object) -> bytes:
    """Return ``value`` as JSON."""
    return _encoder.encode(value)


def reader(type: type[T]) -> Reader[T]:
    """Return what reads requests of a type; ``null`` is absent, as typed languages write it."""
    return Reader(type, nulls_are_absent=True)


def error(cause: CoreError) -> Error:
    """Return an error in the words of this API, where 104 is of more than methods."""
    if cause.code == METHOD_NOT_FOUND.code:
        return Error(cause.code, "not found")
    return Error(cause.code, cause.message)


def client_info(info: CoreClientInfo) -> ClientInfo:
    """Return who a connection is; info that JSON cannot carry is left out."""
    return ClientInfo(info.user, info.client, _payload(info.conn_info), _payload(info.chan_info))


def publication(source: CorePublication) -> Publication:
    """Return a publication of a stream."""
    data = _payload(source.data)
    return Publication(
        data=data,
        info=UNSET if source.info is None else client_info(source.info),
        offset=source.offset,
        tags=source.tags or None,
        b64data=base64(source.data) if data is UNSET else "",
    )


def base64(data: bytes) -> str:
    """Return ``data`` in Base64."""
    return binascii.b2a_base64(data, newline=False).decode()


def from_base64(text: str) -> bytes:
    """Decode Base64 as RFC 4648 has it, padding and all; line breaks do not matter.

    Raises:
        ValueError: it is something else.
    """
    bare = text.translate({ord("\r"): None, ord("\n"): None})
    return binascii.a2b_base64(bare.encode(), strict_mode=True)


def _payload(data: bytes) -> Raw | UnsetType:
    return Raw(data) if raw_json.is_json(data) else UNSET
