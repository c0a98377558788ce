"""What nodes of a cluster tell each other, and how it is written (internode.md section 9).

Values and their Protobuf, which is that of Centrifugo, so that nodes of both kinds can share a
cluster. Knows neither who carries the frames nor what is done about them.
"""

from typing import Any

from google.protobuf.message import DecodeError
from msgspec import Struct

from girandola.model import NodeInfo, StreamPosition, Target
from girandola.protocol.pb import control_pb2 as pb
from girandola.protocol.protobuf_values import text, uint32

CHANNELS = "channels"
"""The survey that asks every node for its channels."""

EMULATION = "centrifuge_emulation"
"""The survey that hands a frame to the node that has its session."""

SURVEY_OK, SURVEY_INTERNAL, SURVEY_INVALID, SURVEY_UNKNOWN = 0, 1, 2, 3
"""Codes of an answer; for EMULATION 1 means a bad request and 2 that the session is not here."""

MAX_FRAME = 64 * 1024 * 1024
"""Bytes of the longest message that is read; longer ones are no message of a node."""


class Unreadable(Exception):
    """A frame is no message of another node; the text says why, for the log."""


# ── what is said ─────────────────────────────────────────────────────────────────────────────


class NodePing(Struct, frozen=True):
    """What a node tells of itself, every few seconds. The first one of a node is answered."""

    info: NodeInfo


class NodeGone(Struct, frozen=True):
    """That the sender shuts down."""


class Subscribe(Struct, frozen=True, kw_only=True):
    """Subscribe connections to ``channel``. Fields as in ``core.grants.SubscribeGrant``."""

    target: Target
    channel: str
    presence: bool = False
    join_leave: bool = False
    push_join_leave: bool = False
    positioned: bool = False
    recoverable: bool = False
    recover_since: StreamPosition | None = None
    chan_info: bytes = b""
    data: bytes = b""
    expire_at: int = 0
    source: int = 0


class Unsubscribe(Struct, frozen=True, kw_only=True):
    """End subscriptions to ``channel``, or all of them where it is empty."""

    target: Target
    channel: str = ""
    code: int = 0
    reason: str = ""


class Disconnect(Struct, frozen=True, kw_only=True):
    """End connections, but for the client ids in ``whitelist``."""

    target: Target
    code: int = 0
    reason: str = ""
    whitelist: tuple[str, ...] = ()


class Refresh(Struct, frozen=True, kw_only=True):
    """Change when connections expire (Unix seconds, 0 for never), or end them as expired.

    An empty ``info`` leaves what others see as it is.
    """

    target: Target
    expired: bool = False
    expire_at: int = 0
    info: bytes = b""


class Survey(Struct, frozen=True):
    """A question; the answer goes to the sender, under the same id."""

    id: int
    op: str
    data: bytes = b""


class SurveyAnswer(Struct, frozen=True):
    """What a node answers to the question ``id`` of the node it is sent to."""

    id: int
    code: int = SURVEY_OK
    data: bytes = b""


class Notification(Struct, frozen=True):
    """A word of the application to itself on other nodes."""

    op: str
    data: bytes = b""


Message = (
    NodePing
    | NodeGone
    | Subscribe
    | Unsubscribe
    | Disconnect
    | Refresh
    | Survey
    | SurveyAnswer
    | Notification
)


# ── writing ──────────────────────────────────────────────────────────────────────────────────


def write(sender: str, message: Message) -> bytes:
    """Return ``message`` of the node with the uid ``sender`` as a frame."""
    name, body = _WRITERS[type(message)](message)
    return pb.Command(uid=sender, **{name: body}).SerializeToString()


def _target(target: Target) -> dict[str, Any]:
    return {
        "user": text(target.user),
        "client": text(target.client),
        "session": text(target.session),
        "all_users": target.all_users,
    }


def _ping(message: NodePing) -> tuple[str, Any]:
    info = message.info
    metrics = pb.Metrics(items=info.metrics) if info.metrics else None
    return "node", pb.Node(
        uid=info.uid,
        name=text(info.name),
        version=text(info.version),
        num_clients=uint32(info.num_clients),
        num_users=uint32(info.num_users),
        num_channels=uint32(info.num_channels),
        num_subs=uint32(info.num_subs),
        uptime=uint32(info.uptime),
        metrics=metrics,
    )


def _subscribe(message: Subscribe) -> tuple[str, Any]:
    since = message.recover_since
    position = None if since is None else pb.Position(offset=since.offset, epoch=since.epoch)
    return "subscribe", pb.Subscribe(
        channel=text(message.channel),
        emit_presence=message.presence,
        emit_join_leave=message.join_leave,
        push_join_leave=message.push_join_leave,
        position=message.positioned,
        recover=message.recoverable,
        recover_since=position,
        channel_info=message.chan_info,
        data=message.data,
        expire_at=message.expire_at,
        source=uint32(message.source),
        **_target(message.target),
    )


def _unsubscribe(message: Unsubscribe) -> tuple[str, Any]:
    return "unsubscribe", pb.Unsubscribe(
        channel=text(message.channel),
        code=uint32(message.code),
        reason=text(message.reason),
        **_target(message.target),
    )


def _disconnect(message: Disconnect) -> tuple[str, Any]:
    # Older nodes read from this field whether the client is to come back.
    reconnect = message.code < 3500 or 4000 <= message.code < 4500
    return "disconnect", pb.Disconnect(
        code=uint32(message.code),
        reason=text(message.reason),
        reconnect=reconnect,
        whitelist=[text(client) for client in message.whitelist],
        **_target(message.target),
    )


def _refresh(message: Refresh) -> tuple[str, Any]:
    return "refresh", pb.Refresh(
        expired=message.expired,
        expire_at=message.expire_at,
        info=message.info,
        **_target(message.target),
    )


_WRITERS: dict[type[Message], Any] = {
    NodePing: _ping,
    NodeGone: lambda message: ("shutdown", pb.Shutdown()),
    Subscribe: _subscribe,
    Unsubscribe: _unsubscribe,
    Disconnect: _disconnect,
    Refresh: _refresh,
    Survey: lambda survey: (
        "survey_request",
        pb.SurveyRequest(id=survey.id, op=survey.op, data=survey.data),
    ),
    SurveyAnswer: lambda answer: (
        "survey_response",
        pb.SurveyResponse(id=answer.id, code=answer.code, data=answer.data),
    ),
    Notification: lambda notification: (
        "notification",
        pb.Notification(op=text(notification.op), data=notification.data),
    ),
}


# ── reading ──────────────────────────────────────────────────────────────────────────────────


def read(frame: bytes) -> tuple[str, Message]:
    """Return the uid of the sender, and what it says.

    Raises:
        Unreadable: it is no message of a node, or narrows a call by what this server does not
            have; a wider call in its place could end connections that were not meant.
    """
    if len(frame) > MAX_FRAME:
        raise Unreadable(f"{len(frame)} bytes, at most {MAX_FRAME} are read")
    try:
        command = pb.Command.FromString(frame)
    except DecodeError as error:
        raise Unreadable(str(error)) from None
    if not command.uid:
        raise Unreadable("expected the uid of a node")
    for name, reader in _READERS.items():
        if command.HasField(name):
            body = getattr(command, name)
            if "label_filter" in body.DESCRIPTOR.fields_by_name and body.HasField("label_filter"):
                raise Unreadable(f"{name} with a label_filter, which this server does not know")
            return command.uid, reader(body)
    raise Unreadable("expected one of the messages that nodes have")


def _target_of(body: Any) -> Target:
    return Target(
        user=body.user, client=body.client, session=body.session, all_users=body.all_users
    )


def _node_of(node: pb.Node) -> NodePing:
    return NodePing(
        NodeInfo(
            uid=node.uid,
            name=node.name,
            version=node.version,
            num_clients=node.num_clients,
            num_users=node.num_users,
            num_subs=node.num_subs,
            num_channels=node.num_channels,
            uptime=node.uptime,
            metrics=dict(node.metrics.items),
        )
    )


def _subscribe_of(body: pb.Subscribe) -> Subscribe:
    since = body.recover_since
    return Subscribe(
        target=_target_of(body),
        channel=body.channel,
        presence=body.emit_presence,
        join_leave=body.emit_join_leave,
        push_join_leave=body.push_join_leave,
        positioned=body.position,
        recoverable=body.recover,
        recover_since=StreamPosition(since.offset, since.epoch)
        if body.HasField("recover_since")
        else None,
        chan_info=body.channel_info,
        data=body.data,
        expire_at=body.expire_at,
        source=body.source,
    )


_READERS: dict[str, Any] = {
    "node": _node_of,
    "shutdown": lambda body: NodeGone(),
    "subscribe": _subscribe_of,
    "unsubscribe": lambda body: Unsubscribe(
        target=_target_of(body), channel=body.channel, code=body.code, reason=body.reason
    ),
    "disconnect": lambda body: Disconnect(
        target=_target_of(body),
        code=body.code,
        reason=body.reason,
        whitelist=tuple(body.whitelist),
    ),
    "refresh": lambda body: Refresh(
        target=_target_of(body),
        expired=body.expired,
        expire_at=body.expire_at,
        info=body.info,
    ),
    "survey_request": lambda body: Survey(body.id, body.op, body.data),
    "survey_response": lambda body: SurveyAnswer(body.id, body.code, body.data),
    "notification": lambda body: Notification(body.op, body.data),
}


# ── the survey about channels ────────────────────────────────────────────────────────────────


def write_channels_query(pattern: str) -> bytes:
    """Return the data of a CHANNELS survey; an empty pattern asks for all."""
    return pb.ChannelsRequest(pattern=text(pattern)).SerializeToString()


def read_channels_query(data: bytes) -> str:
    """Return the pattern. Raises ``Unreadable``."""
    try:
        return pb.ChannelsRequest.FromString(data).pattern
    except DecodeError as error:
        raise Unreadable(str(error)) from None


def write_channels(channels: dict[str, int]) -> bytes:
    """Return the data of an answer: how many subscribers each channel has on this node."""
    result = pb.ChannelsResult()
    for channel, count in channels.items():
        result.channels[text(channel)].num_clients = uint32(count)
    return result.SerializeToString()


def read_channels(data: bytes) -> dict[str, int]:
    """Return how many subscribers each channel has on the node that answered.

    Raises:
        Unreadable: it is no answer.
    """
    try:
        result = pb.ChannelsResult.FromString(data)
    except DecodeError as error:
        raise Unreadable(str(error)) from None
    return {channel: info.num_clients for channel, info in result.channels.items()}
