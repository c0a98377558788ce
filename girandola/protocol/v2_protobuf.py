"""Today's protocol in Protobuf (modern.md sections 1.3, 1.4, 2, 4.4 and 4.5), two-way.

The same as ``v2_json.py`` in another encoding: what a command leads to is not decided here.
Payloads are opaque bytes, whatever they hold. Every message stands behind its length, so that a
frame is nothing but messages one after the other.
"""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from girandola.errors import BAD_REQUEST_CLOSE, Disconnect, Error
from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.protocol import commands, deltas
from girandola.protocol.codec import DeltaEncodings, Encoding, Traits
from girandola.protocol.frames import (
    Incomplete,
    commands_with_lengths,
    cut_reason,
    gather,
    with_length,
)
from girandola.protocol.pb import client_pb2 as pb
from girandola.protocol.protobuf_values import text, texts, uint32

PING = b"\x00"
"""A message of no bytes behind its length: the ping, and the pong."""


class Unreadable(Exception):
    """A message from a peer is not what was expected; the text says why, for the log."""


# ── requests: modern.md section 2.4 ──────────────────────────────────────────────────────────


def _channel(channel: str) -> str:
    if not channel:
        raise Unreadable("expected a channel")
    return channel


def _recovery(request: pb.SubscribeRequest) -> commands.Recovery:
    return commands.Recovery(recover=request.recover, offset=request.offset, epoch=request.epoch)


def connect_of(command_id: int, request: pb.ConnectRequest) -> commands.Connect:
    """Return the command that a connect request means."""
    return commands.Connect(
        id=command_id,
        token=request.token,
        data=request.data,
        subs={channel: _recovery(sub) for channel, sub in request.subs.items()},
        name=request.name,
        version=request.version,
        headers=dict(request.headers),
    )


def _filter(node: pb.FilterNode) -> commands.FilterNode:
    return commands.FilterNode(
        op=node.op,
        key=node.key,
        cmp=node.cmp,
        val=node.val,
        vals=tuple(node.vals),
        nodes=tuple(map(_filter, node.nodes)),
    )


def _subscribe(command_id: int, request: pb.SubscribeRequest) -> commands.Command:
    if request.delta not in ("", "fossil"):
        raise Unreadable('expected "fossil" as delta')
    return commands.Subscribe(
        id=command_id,
        channel=_channel(request.channel),
        token=request.token,
        recovery=_recovery(request),
        reject_unrecovered=bool(request.flag & 2),
        positioned=request.positioned,
        recoverable=request.recoverable,
        join_leave=request.join_leave,
        data=request.data,
        delta=request.delta,
        filter=_filter(request.tf) if request.HasField("tf") else None,
        type=request.type,
    )


def _unsubscribe(command_id: int, request: pb.UnsubscribeRequest) -> commands.Command:
    return commands.Unsubscribe(id=command_id, channel=_channel(request.channel))


def _publish(command_id: int, request: pb.PublishRequest) -> commands.Command:
    # As in JSON: publications for map channels are as unwelcome as empty ones.
    data = b"" if request.type else request.data
    return commands.Publish(id=command_id, channel=_channel(request.channel), data=data)


def _presence(command_id: int, request: pb.PresenceRequest) -> commands.Command:
    return commands.Presence(id=command_id, channel=_channel(request.channel))


def _presence_stats(command_id: int, request: pb.PresenceStatsRequest) -> commands.Command:
    return commands.PresenceStatsQuery(id=command_id, channel=_channel(request.channel))


def _history(command_id: int, request: pb.HistoryRequest) -> commands.Command:
    since = request.since
    return commands.History(
        id=command_id,
        channel=_channel(request.channel),
        limit=request.limit,
        since=StreamPosition(since.offset, since.epoch) if request.HasField("since") else None,
        reverse=request.reverse,
    )


def _rpc(command_id: int, request: pb.RPCRequest) -> commands.Command:
    return commands.Rpc(id=command_id, method=request.method, data=request.data)


def _send(command_id: int, request: pb.SendRequest) -> commands.Command:
    return commands.Send(id=command_id, data=request.data)


def _refresh(command_id: int, request: pb.RefreshRequest) -> commands.Command:
    return commands.Refresh(id=command_id, token=request.token)


def _sub_refresh(command_id: int, request: pb.SubRefreshRequest) -> commands.Command:
    return commands.SubRefresh(
        id=command_id,
        channel=_channel(request.channel),
        token=request.token,
        type=request.type,
    )


_REQUESTS: tuple[tuple[str, Callable[[int, Any], commands.Command]], ...] = (
    ("connect", connect_of),
    ("subscribe", _subscribe),
    ("unsubscribe", _unsubscribe),
    ("publish", _publish),
    ("presence", _presence),
    ("presence_stats", _presence_stats),
    ("history", _history),
    ("rpc", _rpc),
    ("send", _send),
    ("refresh", _refresh),
    ("sub_refresh", _sub_refresh),
)
"""Where several fields are set, the first of these counts (modern.md section 4.5)."""

_EXPECTED = "expected one of " + ", ".join(name for name, _ in _REQUESTS)


def has_request(command: pb.Command) -> bool:
    """Tell whether a command asks for something that today's protocol has."""
    return any(command.HasField(name) for name, _ in _REQUESTS)


def _command(message: bytes) -> commands.Command:
    if not message:
        return commands.Pong()
    command = pb.Command.FromString(message)
    number = command.id
    for name, make in _REQUESTS:
        if command.HasField(name):
            if not number and name != "send":
                raise Unreadable(f"expected an id above 0 with {name}")
            return make(number, getattr(command, name))
    if number or command.HasField("ping"):
        raise Unreadable(_EXPECTED)
    return commands.Pong()


# ── results and pushes ───────────────────────────────────────────────────────────────────────


def _info(info: ClientInfo) -> pb.ClientInfo:
    return pb.ClientInfo(
        user=text(info.user),
        client=text(info.client),
        conn_info=info.conn_info,
        chan_info=info.chan_info,
    )


def _publication(publication: Publication, delta: bytes = b"") -> pb.Publication:
    is_first = publication.offset == 1
    return pb.Publication(
        data=delta or publication.data,
        info=None if publication.info is None else _info(publication.info),
        offset=publication.offset,
        tags=texts(publication.tags) if publication.tags else None,
        delta=bool(delta),
        epoch=text(publication.epoch) if is_first else "",
    )


def _publications(result: commands.Subscribed) -> list[pb.Publication]:
    if not result.delta:
        return list(map(_publication, result.publications))
    return [_publication(*each) for each in deltas.of_recovered(result.publications, text=False)]


def _subscribed(result: commands.Subscribed) -> pb.SubscribeResult:
    message = pb.SubscribeResult(
        expires=result.expires,
        ttl=uint32(result.ttl),
        recoverable=result.recoverable,
        publications=_publications(result),
        recovered=result.recovered,
        positioned=result.positioned,
        data=result.data,
        was_recovering=result.was_recovering,
        delta=result.delta,
    )
    if result.positioned or result.recoverable:
        message.epoch = text(result.top.epoch)
        message.offset = (result.position if result.recovered else result.top).offset
    return message


def subs_of(result: commands.Connected) -> dict[str, pb.SubscribeResult]:
    """Return the server-side subscriptions that begin with the connection."""
    return {text(channel): _subscribed(sub) for channel, sub in result.subs.items()}


def _connected(result: commands.Connected) -> pb.ConnectResult:
    return pb.ConnectResult(
        client=text(result.client),
        version=text(result.version),
        expires=result.expires,
        ttl=uint32(result.ttl),
        data=result.data,
        subs=subs_of(result),
        ping=uint32(result.ping),
        pong=result.pong,
        session=text(result.session),
        node=text(result.node),
        time=result.time,
    )


def _presence_result(result: commands.PresenceResult) -> pb.PresenceResult:
    entries = {text(client): _info(info) for client, info in result.clients.items()}
    return pb.PresenceResult(presence=entries)


def _presence_stats_result(result: commands.PresenceStatsResult) -> pb.PresenceStatsResult:
    stats = result.stats
    return pb.PresenceStatsResult(
        num_clients=uint32(stats.num_clients), num_users=uint32(stats.num_users)
    )


def _history_result(result: commands.HistoryResult) -> pb.HistoryResult:
    return pb.HistoryResult(
        publications=map(_publication, result.publications),
        epoch=text(result.top.epoch),
        offset=result.top.offset,
    )


def _error(error: Error) -> pb.Error:
    return pb.Error(code=uint32(error.code), message=text(error.message), temporary=error.temporary)


def _field(command: commands.Command, result: commands.Result) -> dict[str, Any]:
    """Return which field of a reply is set to what."""
    match result:
        case commands.Subscribed():
            return {"subscribe": _subscribed(result)}
        case commands.Connected():
            return {"connect": _connected(result)}
        case commands.PresenceResult():
            return {"presence": _presence_result(result)}
        case commands.PresenceStatsResult():
            return {"presence_stats": _presence_stats_result(result)}
        case commands.HistoryResult():
            return {"history": _history_result(result)}
        case commands.RpcResult():
            return {"rpc": pb.RPCResult(data=result.data)}
        case commands.Refreshed():
            return {"refresh": pb.RefreshResult(expires=result.expires, ttl=uint32(result.ttl))}
        case commands.SubRefreshed():
            expiry = pb.SubRefreshResult(expires=result.expires, ttl=uint32(result.ttl))
            return {"sub_refresh": expiry}
        case commands.Done() | commands.Pinged():
            return _EMPTY[type(command)]


_EMPTY: dict[type[commands.Command], dict[str, Any]] = {
    commands.Unsubscribe: {"unsubscribe": pb.UnsubscribeResult()},
    commands.Publish: {"publish": pb.PublishResult()},
    commands.Ping: {"ping": pb.PingResult()},
}


def push_of(channel: str, push: commands.Push) -> pb.Push:
    """Return the message of a push; ``channel`` is empty where it concerns the connection."""
    channel = text(channel)
    match push:
        case Publication():
            return pb.Push(channel=channel, pub=_publication(push))
        case commands.Join():
            return pb.Push(channel=channel, join=pb.Join(info=_info(push.info)))
        case commands.Leave():
            return pb.Push(channel=channel, leave=pb.Leave(info=_info(push.info)))
        case commands.Unsubscribed():
            why = pb.Unsubscribe(code=uint32(push.why.code), reason=text(push.why.reason))
            return pb.Push(channel=channel, unsubscribe=why)
        case commands.SubscribedByServer():
            return pb.Push(channel=channel, subscribe=_subscribed_by_server(push))
        case commands.Disconnected():
            reason = pb.Disconnect(code=uint32(push.why.code), reason=text(push.why.reason))
            return pb.Push(channel=channel, disconnect=reason)
        case commands.Refreshing():
            expiry = pb.Refresh(expires=push.expires, ttl=uint32(push.ttl))
            return pb.Push(channel=channel, refresh=expiry)


def _subscribed_by_server(push: commands.SubscribedByServer) -> pb.Subscribe:
    return pb.Subscribe(
        recoverable=push.recoverable,
        epoch=text(push.position.epoch),
        offset=push.position.offset,
        positioned=push.positioned,
        data=push.data,
    )


# ── for subscriptions that take deltas ───────────────────────────────────────────────────────


class _Deltas:
    """Publications as deltas to the one before where that is shorter; other pushes as ever."""

    def __init__(self, full: Encoding) -> None:
        self._full = full

    def push(self, channel: str, push: commands.Push) -> bytes:
        """See ``codec.Encoding``."""
        if isinstance(push, Publication):
            delta = deltas.of_push(push, text=False)
            if delta:
                message = pb.Push(channel=text(channel), pub=_publication(push, delta))
                return with_length(pb.Reply(push=message).SerializeToString())
        return self._full.push(channel, push)


# ── the codec ────────────────────────────────────────────────────────────────────────────────


class V2Protobuf:
    """Today's protocol in Protobuf over a two-way transport."""

    name = "v2-protobuf"
    traits = Traits()
    binary = True
    ping = PING

    def __init__(self) -> None:
        self.deltas: DeltaEncodings | None = DeltaEncodings(full=self, delta=_Deltas(self))

    def decode(self, frame: bytes) -> list[commands.Command]:
        """Return the commands of a frame (modern.md section 1.4)."""
        decoded: list[commands.Command] = []
        try:
            for message in commands_with_lengths(frame):
                decoded.append(_command(message))  # noqa: PERF401 - what came before an error stays
            if not decoded:
                raise Unreadable("expected a command, got an empty frame")
        except (Unreadable, Incomplete, DecodeError) as error:
            decoded.append(commands.Malformed(disconnect=BAD_REQUEST_CLOSE, detail=str(error)))
        return decoded

    def reply(self, reply: commands.Reply) -> bytes:
        """Encode a result or an error under the id of its command."""
        command, outcome = reply.command, reply.outcome
        answer = (
            {"error": _error(outcome)} if isinstance(outcome, Error) else _field(command, outcome)
        )
        return with_length(pb.Reply(id=int(command.id), **answer).SerializeToString())

    def together(self, replies: list[bytes]) -> bytes:
        """Return the replies one after the other; nothing in this generation asks for it."""
        return b"".join(replies)

    def push(self, channel: str, push: commands.Push) -> bytes:
        """Encode a push; ``channel`` is empty where it concerns the whole connection."""
        return with_length(pb.Reply(push=push_of(channel, push)).SerializeToString())

    def join(self, messages: list[bytes]) -> list[bytes]:
        """Return frames of messages one after the other, none above 64 KiB if possible."""
        return gather(messages, b"")

    def close(self, disconnect: Disconnect) -> tuple[int, str]:
        """Return code and reason of the close frame."""
        return disconnect.code, cut_reason(disconnect.reason)


class V2ProtobufFramePinged(V2Protobuf):
    """``V2Protobuf`` without pings of its own (see ``frame_pings.py``)."""

    name = "v2-protobuf-frame-pings"
    traits = Traits(pings_from="client")
    ping = b""


V2_PROTOBUF = V2Protobuf()
V2_PROTOBUF_FRAME_PINGED = V2ProtobufFramePinged()
