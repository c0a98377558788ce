"""The protocol of the Centrifugo 2 and 3 servers in Protobuf (see ``v1.py``).

The same as ``v1_json.py`` in another encoding. Payloads are opaque bytes. Requests, results and
what a push tells are messages within the bytes of another one, and every outer message stands
behind its length.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError, Message
from msgspec.structs import replace

from girandola.errors import BAD_REQUEST_CLOSE, UNKNOWN_METHOD, Disconnect, Error
from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.protocol import commands, v1
from girandola.protocol.frames import Incomplete, commands_with_lengths, gather, with_length
from girandola.protocol.pb import v1_pb2 as pb
from girandola.protocol.protobuf_values import text, uint32
from girandola.protocol.v1 import Method

# ── requests ─────────────────────────────────────────────────────────────────────────────────


def _recovery(request: pb.SubscribeRequest) -> commands.Recovery:
    return v1.recovery(
        recover=request.recover,
        seq=request.seq,
        gen=request.gen,
        offset=request.offset or None,
        epoch=request.epoch,
    )


def _connect(command_id: int, request: pb.ConnectRequest) -> commands.Command:
    return commands.Connect(
        id=command_id,
        token=request.token,
        data=request.data,
        subs={channel: _recovery(sub) for channel, sub in request.subs.items()},
        name=request.name,
        version=request.version,
    )


def _subscribe(command_id: int, request: pb.SubscribeRequest) -> commands.Command:
    return commands.Subscribe(
        id=command_id,
        channel=v1.named(request.channel),
        token=request.token,
        for_connection=True,
        recovery=_recovery(request),
        data=request.data,
    )


def _unsubscribe(command_id: int, request: pb.UnsubscribeRequest) -> commands.Command:
    return commands.Unsubscribe(id=command_id, channel=v1.named(request.channel))


def _publish(command_id: int, request: pb.PublishRequest) -> commands.Command:
    return commands.Publish(id=command_id, channel=v1.named(request.channel), data=request.data)


def _presence(command_id: int, request: pb.PresenceRequest) -> commands.Command:
    return commands.Presence(id=command_id, channel=v1.named(request.channel))


def _presence_stats(command_id: int, request: pb.PresenceStatsRequest) -> commands.Command:
    return commands.PresenceStatsQuery(id=command_id, channel=v1.named(request.channel))


def _history(command_id: int, request: pb.HistoryRequest) -> commands.Command:
    has_since = request.HasField("since")
    limit = request.limit if request.HasField("limit") else None
    return commands.History(
        id=command_id,
        channel=v1.named(request.channel),
        limit=v1.history_limit(limit, pages=has_since or request.reverse),
        since=StreamPosition(request.since.offset, request.since.epoch) if has_since else None,
        reverse=request.reverse,
    )


def _ping(command_id: int, request: pb.PingRequest) -> commands.Command:
    return commands.Ping(id=command_id)


def _send(command_id: int, request: pb.SendRequest) -> commands.Command:
    return commands.Send(id=command_id, data=request.data)


def _rpc(command_id: int, request: pb.RPCRequest) -> commands.Command:
    return commands.Rpc(id=command_id, method=request.method, data=request.data)


def _refresh(command_id: int, request: pb.RefreshRequest) -> commands.Command:
    return commands.Refresh(id=command_id, token=request.token)


def _sub_refresh(command_id: int, request: pb.SubRefreshRequest) -> commands.Command:
    return commands.SubRefresh(
        id=command_id,
        channel=v1.named(request.channel),
        token=request.token,
        for_connection=True,
    )


class _Request(NamedTuple):
    params: type[Message]
    make: Callable[[int, Any], commands.Command]


_REQUESTS: dict[Method, _Request] = {
    Method.CONNECT: _Request(pb.ConnectRequest, _connect),
    Method.SUBSCRIBE: _Request(pb.SubscribeRequest, _subscribe),
    Method.UNSUBSCRIBE: _Request(pb.UnsubscribeRequest, _unsubscribe),
    Method.PUBLISH: _Request(pb.PublishRequest, _publish),
    Method.PRESENCE: _Request(pb.PresenceRequest, _presence),
    Method.PRESENCE_STATS: _Request(pb.PresenceStatsRequest, _presence_stats),
    Method.HISTORY: _Request(pb.HistoryRequest, _history),
    Method.PING: _Request(pb.PingRequest, _ping),
    Method.SEND: _Request(pb.SendRequest, _send),
    Method.RPC: _Request(pb.RPCRequest, _rpc),
    Method.REFRESH: _Request(pb.RefreshRequest, _refresh),
    Method.SUB_REFRESH: _Request(pb.SubRefreshRequest, _sub_refresh),
}


def _malformed(detail: str, disconnect: Disconnect = BAD_REQUEST_CLOSE) -> commands.Command:
    return commands.Malformed(disconnect=disconnect, detail=detail)


def _command(message: bytes) -> commands.Command:
    try:
        envelope = pb.Command.FromString(message)
        method = v1.method_of(envelope.method)
    except DecodeError as error:
        return _malformed(str(error))
    except v1.Unreadable as error:
        return _malformed(str(error), UNKNOWN_METHOD)
    name = method.name.lower()
    if not envelope.id and method is not Method.SEND:
        return _malformed(f"expected an id above 0 with {name}")
    request = _REQUESTS[method]
    try:
        return request.make(envelope.id, request.params.FromString(envelope.params))
    except (DecodeError, v1.Unreadable) as error:
        return _malformed(f"params of {name}: {error}")


# ── results and pushes ───────────────────────────────────────────────────────────────────────


def _info(info: ClientInfo) -> pb.ClientInfo:
    return pb.ClientInfo(
        user=text(info.user),
        client=text(info.client),
        conn_info=info.conn_info,
        chan_info=info.chan_info,
    )


def _publication(publication: Publication, *, with_offset: bool = True) -> pb.Publication:
    offset = publication.offset
    seq, gen = v1.seq_gen(offset)
    return pb.Publication(
        seq=seq,
        gen=gen,
        data=publication.data,
        info=None if publication.info is None else _info(publication.info),
        offset=offset if with_offset else 0,
    )


def _subscribed(
    asked: commands.Recovery, result: commands.Subscribed, *, newest_first: bool
) -> pb.SubscribeResult:
    knows_position = result.positioned or result.recoverable
    recovered = v1.listed(asked, result.publications, newest_first=newest_first)
    top = result.top if knows_position else StreamPosition()
    seq, gen = v1.seq_gen(top.offset)
    return pb.SubscribeResult(
        expires=result.expires,
        ttl=uint32(result.ttl),
        recoverable=result.recoverable,
        seq=seq,
        gen=gen,
        epoch=text(top.epoch),
        publications=[
            _publication(publication, with_offset=recovered.with_offsets)
            for publication in recovered.publications
        ],
        recovered=result.recovered,
        offset=top.offset,
        positioned=result.positioned,
        data=result.data,
    )


def _connected(
    command: commands.Command, result: commands.Connected, *, newest_first: bool
) -> pb.ConnectResult:
    subs = {
        text(channel): _subscribed(
            v1.asked_for(command, channel), subscribed, newest_first=newest_first
        )
        for channel, subscribed in result.subs.items()
    }
    return pb.ConnectResult(
        client=text(result.client),
        version=text(result.version),
        expires=result.expires,
        ttl=uint32(result.ttl),
        data=result.data,
        subs=subs,
    )


def _history_result(result: commands.HistoryResult) -> pb.HistoryResult:
    return pb.HistoryResult(
        publications=map(_publication, result.publications),
        epoch=text(result.top.epoch),
        offset=result.top.offset,
    )


def _result(command: commands.Command, result: commands.Result, *, newest_first: bool) -> Message:
    """Return the message that tells the result of a command."""
    match result:
        case commands.Subscribed():
            return _subscribed(v1.asked_for(command), result, newest_first=newest_first)
        case commands.Connected():
            return _connected(command, result, newest_first=newest_first)
        case commands.PresenceResult():
            entries = {text(client): _info(info) for client, info in result.clients.items()}
            return pb.PresenceResult(presence=entries)
        case commands.PresenceStatsResult():
            clients, users = result.stats.num_clients, result.stats.num_users
            return pb.PresenceStatsResult(num_clients=uint32(clients), num_users=uint32(users))
        case commands.HistoryResult():
            return _history_result(result)
        case commands.RpcResult():
            return pb.RPCResult(data=result.data)
        case commands.Refreshed():
            return pb.RefreshResult(
                client=text(result.client),
                version=text(result.version),
                expires=result.expires,
                ttl=uint32(result.ttl),
            )
        case commands.SubRefreshed():
            return pb.SubRefreshResult(expires=result.expires, ttl=uint32(result.ttl))
        case commands.Done() | commands.Pinged():
            return pb.Empty()


def _subscribed_by_server(push: commands.SubscribedByServer) -> pb.Subscribe:
    seq, gen = v1.seq_gen(push.position.offset)
    return pb.Subscribe(
        recoverable=push.recoverable,
        seq=seq,
        gen=gen,
        epoch=text(push.position.epoch),
        offset=push.position.offset,
        positioned=push.positioned,
        data=push.data,
    )


def _disconnected(push: commands.Disconnected) -> pb.Disconnect:
    code, reason, reconnect = v1.farewell(push.why)
    return pb.Disconnect(code=uint32(code), reason=text(reason), reconnect=reconnect)


def _data(push: commands.Push) -> Message:
    match push:
        case Publication():
            return _publication(push)
        case commands.Join():
            return pb.Join(info=_info(push.info))
        case commands.Leave():
            return pb.Leave(info=_info(push.info))
        case commands.Unsubscribed():
            return pb.Unsubscribe(resubscribe=v1.resubscribes(push))
        case commands.SubscribedByServer():
            return _subscribed_by_server(push)
        case commands.Disconnected():
            return _disconnected(push)
        case commands.Refreshing():
            return pb.Refresh(expires=push.expires, ttl=uint32(push.ttl))


# ── lists whose order nobody knows ───────────────────────────────────────────────────────────


def _separated(
    command: commands.Command, result: commands.Result
) -> tuple[commands.Result, list[tuple[str, Publication]]]:
    """Return a result without the publications whose order is not known, and these, in order.

    Of libraries without a name that ask from the start of a stream, Swift 0.3 takes a list as it
    is and Go before 0.5 turns it round; nothing in their frames tells which it is. All of them
    take one push after the other.
    """
    match command, result:
        case commands.Subscribe(recovery=v1.FromStart()), commands.Subscribed():
            pushed = [(command.channel, each) for each in result.publications]
            return replace(result, publications=[]), pushed
        case commands.Connect(), commands.Connected():
            subs = dict(result.subs)
            pushed = []
            for channel, sub in result.subs.items():
                if isinstance(v1.asked_for(command, channel), v1.FromStart):
                    subs[channel] = replace(sub, publications=[])
                    pushed += [(channel, each) for each in sub.publications]
            return replace(result, subs=subs), pushed
    return result, []


# ── the codec ────────────────────────────────────────────────────────────────────────────────


class V1Protobuf:
    """The protocol of the v2 and v3 servers in Protobuf.

    ``newest_first``: see ``v1.listed``.
    """

    traits = v1.TRAITS
    binary = True
    ping = b""
    deltas = None

    def __init__(self, name: str, *, newest_first: bool) -> None:
        self.name = name
        self._newest_first = newest_first

    def decode(self, frame: bytes) -> list[commands.Command]:
        """Return the commands of a frame, each behind its length."""
        decoded: list[commands.Command] = []
        try:
            for message in commands_with_lengths(frame):
                decoded.append(_command(message))
                if isinstance(decoded[-1], commands.Malformed):
                    break
        except Incomplete as error:
            decoded.append(_malformed(str(error)))
        return decoded or [_malformed("expected a command, got an empty frame")]

    def reply(self, reply: commands.Reply) -> bytes:
        """Encode a result or an error under the id of its command."""
        command, outcome = reply.command, reply.outcome
        message = pb.Reply(id=int(command.id))
        pushed: list[tuple[str, Publication]] = []
        if isinstance(outcome, Error):
            message.error.code = uint32(outcome.code)
            message.error.message = text(outcome.message)
        else:
            if self._newest_first:
                outcome, pushed = _separated(command, outcome)
            result = _result(command, outcome, newest_first=self._newest_first)
            message.result = result.SerializeToString()
        told = with_length(message.SerializeToString())
        return told + b"".join(self.push(*each) for each in pushed)

    def together(self, replies: list[bytes]) -> bytes:
        """Return the replies one after the other; nothing in this generation asks for it."""
        return b"".join(replies)

    def push(self, channel: str, push: commands.Push) -> bytes:
        """Encode a push; ``channel`` is empty where it concerns the whole connection."""
        message = pb.Push(
            type=v1.PUSH_TYPES[type(push)],
            channel=text(channel),
            data=_data(push).SerializeToString(),
        )
        return with_length(pb.Reply(result=message.SerializeToString()).SerializeToString())

    def join(self, messages: list[bytes]) -> list[bytes]:
        """Return frames of messages one after the other, none above 64 KiB if possible."""
        return gather(messages, b"")

    def close(self, disconnect: Disconnect) -> tuple[int, str]:
        """Return the code of versions 2 and 3, and why and whether to come back as JSON."""
        return v1.close(disconnect)


V1_PROTOBUF = V1Protobuf("v1-protobuf", newest_first=False)
V1_PROTOBUF_NEWEST_FIRST = V1Protobuf("v1-protobuf-newest-first", newest_first=True)
