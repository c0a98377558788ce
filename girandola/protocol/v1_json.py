"""The protocol of the Centrifugo 2 and 3 servers in JSON (see ``v1.py``).

Spelling only: what a command leads to is not decided here. Payloads are copied, never parsed.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Raw

from girandola.errors import BAD_REQUEST_CLOSE, UNKNOWN_METHOD, Disconnect, Error
from girandola.model import Publication, StreamPosition
from girandola.protocol import commands, raw_json, v1
from girandola.protocol.frames import TooManyCommands, command_lines, gather
from girandola.protocol.json_fields import an_object, client_info, flag, number, payload, text
from girandola.protocol.json_requests import Reader, Request
from girandola.protocol.raw_json import string
from girandola.protocol.v1 import Method, PushType

# ── requests ─────────────────────────────────────────────────────────────────────────────────

# Clients write null for what they do not have.
Text = str | None
Flag = bool | None
UInt32 = Annotated[int, Meta(ge=0, le=2**32 - 1)] | None
Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)] | None
# msgspec cannot hold 2**64 - 1 as a bound: the rest of the check is in _checked.
UInt64 = Annotated[int, Meta(ge=0)] | None

MAX_OFFSET = 2**64 - 1
_ABSENT = Raw()


class _Command(Request):
    id: UInt32 = None
    method: int | str | None = None
    params: Raw = _ABSENT


class _Subscribe(Request):
    channel: Text = None
    token: Text = None
    recover: Flag = None
    seq: UInt32 = None
    gen: UInt32 = None
    offset: UInt64 = None
    epoch: Text = None
    data: Raw = _ABSENT


class _Connect(Request):
    token: Text = None
    data: Raw = _ABSENT
    subs: dict[str, _Subscribe | None] | None = None
    name: Text = None
    version: Text = None


class _Channel(Request):
    channel: Text = None


class _Publish(Request):
    channel: Text = None
    data: Raw = _ABSENT


class _Position(Request):
    offset: UInt64 = None
    epoch: Text = None


class _History(Request):
    channel: Text = None
    limit: Int32 = None
    since: _Position | None = None
    reverse: Flag = None


class _Rpc(Request):
    data: Raw = _ABSENT
    method: Text = None


class _Send(Request):
    data: Raw = _ABSENT


class _Refresh(Request):
    token: Text = None


class _SubRefresh(Request):
    channel: Text = None
    token: Text = None


class _Ping(Request):
    pass


def _checked(offset: int | None) -> int | None:
    if offset and offset > MAX_OFFSET:
        raise v1.Unreadable(f"expected an offset of at most {MAX_OFFSET}")
    return offset


def _recovery(request: _Subscribe) -> commands.Recovery:
    return v1.recovery(
        recover=bool(request.recover),
        seq=request.seq or 0,
        gen=request.gen or 0,
        offset=_checked(request.offset),
        epoch=request.epoch or "",
    )


def _connect(command_id: int, request: _Connect) -> commands.Command:
    return commands.Connect(
        id=command_id,
        token=request.token or "",
        data=bytes(request.data),
        subs={channel: _recovery(sub) for channel, sub in (request.subs or {}).items() if sub},
        name=request.name or "",
        version=request.version or "",
    )


def _subscribe(command_id: int, request: _Subscribe) -> commands.Command:
    return commands.Subscribe(
        id=command_id,
        channel=v1.named(request.channel or ""),
        token=request.token or "",
        for_connection=True,
        recovery=_recovery(request),
        data=bytes(request.data),
    )


def _unsubscribe(command_id: int, request: _Channel) -> commands.Command:
    return commands.Unsubscribe(id=command_id, channel=v1.named(request.channel or ""))


def _publish(command_id: int, request: _Publish) -> commands.Command:
    channel = v1.named(request.channel or "")
    return commands.Publish(id=command_id, channel=channel, data=bytes(request.data))


def _presence(command_id: int, request: _Channel) -> commands.Command:
    return commands.Presence(id=command_id, channel=v1.named(request.channel or ""))


def _presence_stats(command_id: int, request: _Channel) -> commands.Command:
    return commands.PresenceStatsQuery(id=command_id, channel=v1.named(request.channel or ""))


def _since(position: _Position) -> StreamPosition:
    return StreamPosition(_checked(position.offset) or 0, position.epoch or "")


def _history(command_id: int, request: _History) -> commands.Command:
    since = request.since
    return commands.History(
        id=command_id,
        channel=v1.named(request.channel or ""),
        limit=v1.history_limit(request.limit, pages=bool(since or request.reverse)),
        since=None if since is None else _since(since),
        reverse=bool(request.reverse),
    )


def _ping(command_id: int, request: _Ping) -> commands.Command:
    return commands.Ping(id=command_id)


def _send(command_id: int, request: _Send) -> commands.Command:
    return commands.Send(id=command_id, data=bytes(request.data))


def _rpc(command_id: int, request: _Rpc) -> commands.Command:
    return commands.Rpc(id=command_id, method=request.method or "", data=bytes(request.data))


def _refresh(command_id: int, request: _Refresh) -> commands.Command:
    return commands.Refresh(id=command_id, token=request.token or "")


def _sub_refresh(command_id: int, request: _SubRefresh) -> commands.Command:
    return commands.SubRefresh(
        id=command_id,
        channel=v1.named(request.channel or ""),
        token=request.token or "",
        for_connection=True,
    )


class _Request(NamedTuple):
    reader: Reader[Any]
    make: Callable[[int, Any], commands.Command]


def _request(params: type, make: Callable[[int, Any], commands.Command]) -> _Request:
    return _Request(Reader(params | None), make)


_COMMAND: Reader[_Command] = Reader(_Command)
_REQUESTS: dict[Method, _Request] = {
    Method.CONNECT: _request(_Connect, _connect),
    Method.SUBSCRIBE: _request(_Subscribe, _subscribe),
    Method.UNSUBSCRIBE: _request(_Channel, _unsubscribe),
    Method.PUBLISH: _request(_Publish, _publish),
    Method.PRESENCE: _request(_Channel, _presence),
    Method.PRESENCE_STATS: _request(_Channel, _presence_stats),
    Method.HISTORY: _request(_History, _history),
    Method.PING: _request(_Ping, _ping),
    Method.SEND: _request(_Send, _send),
    Method.RPC: _request(_Rpc, _rpc),
    Method.REFRESH: _request(_Refresh, _refresh),
    Method.SUB_REFRESH: _request(_SubRefresh, _sub_refresh),
}


def _method(method: int | str | None) -> Method:
    """Return the method; servers of version 2 took its name, too, in any case."""
    if not isinstance(method, str):
        return v1.method_of(method or 0)
    try:
        return Method[method.upper()]
    except KeyError:
        raise v1.Unreadable(f"expected a method out of {v1.METHODS}; got {method[:50]!r}") from None


def _malformed(detail: str, disconnect: Disconnect = BAD_REQUEST_CLOSE) -> commands.Command:
    return commands.Malformed(disconnect=disconnect, detail=detail)


def _command(line: bytes) -> commands.Command:
    try:
        envelope = _COMMAND.read(line)
    except raw_json.Unreadable as error:
        return _malformed(str(error))
    try:
        method = _method(envelope.method)
    except v1.Unreadable as error:
        return _malformed(str(error), UNKNOWN_METHOD)
    name = method.name.lower()
    if not envelope.id and method is not Method.SEND:
        return _malformed(f"expected an id above 0 with {name}")
    reader, make = _REQUESTS[method]
    try:
        params = reader.read(bytes(envelope.params) or b"{}")
        return make(envelope.id or 0, reader.read(b"{}") if params is None else params)
    except (raw_json.Unreadable, v1.Unreadable) as error:
        return _malformed(f"params of {name}: {error}")


# ── results and pushes ───────────────────────────────────────────────────────────────────────


def _position(offset: int) -> bytes:
    """Return the fields of a position in both ways, ``b""`` for none."""
    if not offset:
        return b""
    seq, gen = v1.seq_gen(offset)
    return b'%b"offset":%d' % (_halves(seq, gen), offset)


def _halves(seq: int, gen: int) -> bytes:
    return b'"seq":%d,"gen":%d,' % (seq, gen) if gen else b'"seq":%d,' % seq


def _publication(publication: Publication, *, with_offset: bool = True) -> bytes:
    offset = publication.offset
    if with_offset or not offset:
        position = _position(offset)
    else:
        position = _halves(*v1.seq_gen(offset)).removesuffix(b",")
    return an_object(
        payload(b"data", publication.data),
        b'"info":' + client_info(publication.info) if publication.info is not None else b"",
        position,
    )


def _subscribed(
    asked: commands.Recovery, result: commands.Subscribed, *, newest_first: bool
) -> bytes:
    knows_position = result.positioned or result.recoverable
    recovered = v1.listed(asked, result.publications, newest_first=newest_first)
    publications = (
        _publication(publication, with_offset=recovered.with_offsets)
        for publication in recovered.publications
    )
    return an_object(
        flag(b"expires", result.expires),
        number(b"ttl", result.ttl),
        flag(b"recoverable", result.recoverable),
        text(b"epoch", result.top.epoch) if knows_position else b"",
        b'"publications":[%b]' % b",".join(publications) if recovered.publications else b"",
        flag(b"recovered", result.recovered),
        _position(result.top.offset) if knows_position else b"",
        flag(b"positioned", result.positioned),
        payload(b"data", result.data),
    )


def _connected(
    command: commands.Command, result: commands.Connected, *, newest_first: bool
) -> bytes:
    subs = (
        string(channel)
        + b":"
        + _subscribed(v1.asked_for(command, channel), subscribed, newest_first=newest_first)
        for channel, subscribed in result.subs.items()
    )
    return an_object(
        text(b"client", result.client),
        text(b"version", result.version),
        flag(b"expires", result.expires),
        number(b"ttl", result.ttl),
        payload(b"data", result.data),
        b'"subs":{%b}' % b",".join(subs) if result.subs else b"",
    )


def _expiry(result: commands.SubRefreshed | commands.Refreshing) -> bytes:
    return an_object(flag(b"expires", result.expires), number(b"ttl", result.ttl))


def _refreshed(result: commands.Refreshed) -> bytes:
    return an_object(
        text(b"client", result.client),
        text(b"version", result.version),
        flag(b"expires", result.expires),
        number(b"ttl", result.ttl),
    )


def _presence_result(result: commands.PresenceResult) -> bytes:
    entries = (string(client) + b":" + client_info(info) for client, info in result.clients.items())
    return b'{"presence":{%b}}' % b",".join(entries)


def _history_result(result: commands.HistoryResult) -> bytes:
    top = result.top
    return b'{"publications":[%b],"epoch":%b,"offset":%d}' % (
        b",".join(map(_publication, result.publications)),
        string(top.epoch),
        top.offset,
    )


def _result(command: commands.Command, result: commands.Result, *, newest_first: bool) -> bytes:
    """Return the result of a command, ``b""`` for none."""
    match result:
        case commands.Subscribed():
            return _subscribed(v1.asked_for(command), result, newest_first=newest_first)
        case commands.Connected():
            return _connected(command, result, newest_first=newest_first)
        case commands.PresenceResult():
            return _presence_result(result)
        case commands.PresenceStatsResult():
            stats = result.stats
            return b'{"num_clients":%d,"num_users":%d}' % (stats.num_clients, stats.num_users)
        case commands.HistoryResult():
            return _history_result(result)
        case commands.RpcResult():
            return an_object(payload(b"data", result.data))
        case commands.Refreshed():
            return _refreshed(result)
        case commands.SubRefreshed():
            return _expiry(result)
        case commands.Done():
            return b"{}"
        case commands.Pinged():
            return b""


def _subscribed_by_server(push: commands.SubscribedByServer) -> bytes:
    return an_object(
        flag(b"recoverable", push.recoverable),
        text(b"epoch", push.position.epoch),
        _position(push.position.offset),
        flag(b"positioned", push.positioned),
        payload(b"data", push.data),
    )


def _disconnected(push: commands.Disconnected) -> bytes:
    code, reason, reconnect = v1.farewell(push.why)
    return an_object(
        number(b"code", code), b'"reason":' + string(reason), flag(b"reconnect", reconnect)
    )


def _data(push: commands.Push) -> bytes:
    match push:
        case Publication():
            return _publication(push)
        case commands.Join() | commands.Leave():
            return b'{"info":%b}' % client_info(push.info)
        case commands.Unsubscribed():
            return an_object(flag(b"resubscribe", v1.resubscribes(push)))
        case commands.SubscribedByServer():
            return _subscribed_by_server(push)
        case commands.Disconnected():
            return _disconnected(push)
        case commands.Refreshing():
            return _expiry(push)


# ── the codec ────────────────────────────────────────────────────────────────────────────────


class V1Json:
    """The protocol of the v2 and v3 servers in JSON.

    ``newest_first``: see ``v1.listed``.
    """

    traits = v1.TRAITS
    binary = False
    ping = b""
    deltas = None

    def __init__(self, name: str, *, newest_first: bool) -> None:
        self.name = name
        self._newest_first = newest_first

    def decode(self, frame: bytes) -> list[commands.Command]:
        """Return the commands of a frame, one a line."""
        try:
            lines = command_lines(frame)
        except TooManyCommands as error:
            return [_malformed(str(error))]
        decoded: list[commands.Command] = []
        for line in lines:
            decoded.append(_command(line))
            if isinstance(decoded[-1], commands.Malformed):
                break
        return decoded

    def reply(self, reply: commands.Reply) -> bytes:
        """Encode a result or an error under the id of its command."""
        command, outcome = reply.command, reply.outcome
        if isinstance(outcome, Error):
            answer = b'"error":{"code":%d,"message":%b}' % (outcome.code, string(outcome.message))
        else:
            result = _result(command, outcome, newest_first=self._newest_first)
            answer = b'"result":' + result if result else b""
        return an_object(number(b"id", int(command.id)), answer)

    def together(self, replies: list[bytes]) -> bytes:
        """Return the replies one a line; nothing in this generation asks for it."""
        return b"\n".join(replies)

    def push(self, channel: str, push: commands.Push) -> bytes:
        """Encode a push; ``channel`` is empty where it concerns the whole connection."""
        kind = v1.PUSH_TYPES[type(push)]
        fields = an_object(
            number(b"type", kind) if kind is not PushType.PUBLICATION else b"",
            text(b"channel", channel),
            b'"data":' + _data(push),
        )
        return b'{"result":%b}' % fields

    def join(self, messages: list[bytes]) -> list[bytes]:
        """Return frames of newline-separated messages, none above 64 KiB if it can be helped."""
        return gather(messages, b"\n")

    def close(self, disconnect: Disconnect) -> tuple[int, str]:
        """Return the code of versions 2 and 3, and why and whether to come back as JSON."""
        return v1.close(disconnect)


V1_JSON = V1Json("v1-json", newest_first=False)
V1_JSON_NEWEST_FIRST = V1Json("v1-json-newest-first", newest_first=True)
