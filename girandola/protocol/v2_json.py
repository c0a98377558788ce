"""Today's protocol in JSON (modern.md sections 1, 2, 4.4, 4.5, 5 and 6), two-way.

Spelling only: what a command leads to is not decided here. Payloads are copied, never parsed.
Messages are written by hand, because a publication is encoded for a whole channel at once and
embeds bytes.
"""

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta, Raw

from girandola.errors import BAD_REQUEST_CLOSE, Disconnect, Error
from girandola.model import Publication, StreamPosition
from girandola.protocol import commands, deltas, raw_json
from girandola.protocol.codec import DeltaEncodings, Traits
from girandola.protocol.frames import TooManyCommands, command_lines, cut_reason, gather
from girandola.protocol.json_fields import an_object, client_info, flag, number, payload, text
from girandola.protocol.json_requests import Reader, Request
from girandola.protocol.raw_json import string, verbatim

MAX_OFFSET = 2**64 - 1

# ── requests: modern.md section 2.4 ──────────────────────────────────────────────────────────

# Fields that are known and have no effect here are ``Raw``: they are listed because a field that
# is not makes reading slower.

# Clients write null for what they do not have.
Text = str | None
Flag = bool | None
UInt32 = Annotated[int, Meta(ge=0, le=2**32 - 1)] | None
Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)] | None
# msgspec cannot hold 2**64 - 1 as a bound: the rest of the check is in _position.
UInt64 = Annotated[int, Meta(ge=0)] | None

_ABSENT = Raw()


class _Position(Request):
    offset: UInt64 = None
    epoch: Text = None


class _FilterNode(Request):
    op: Text = None
    key: Text = None
    cmp: Text = None
    val: Text = None
    vals: list[Text] | None = None
    nodes: list["_FilterNode | None"] | None = None


class _Subscribe(Request):
    channel: Text = None
    token: Text = None
    recover: Flag = None
    epoch: Text = None
    offset: UInt64 = None
    data: Raw = _ABSENT
    positioned: Flag = None
    recoverable: Flag = None
    join_leave: Flag = None
    delta: Text = None
    tf: _FilterNode | None = None
    flag: int | None = None
    type: Int32 = None
    phase: Raw = _ABSENT
    cursor: Raw = _ABSENT
    limit: Raw = _ABSENT
    asc: Raw = _ABSENT


class _Connect(Request):
    token: Text = None
    data: Raw = _ABSENT
    subs: dict[str, _Subscribe | None] | None = None
    name: Text = None
    version: Text = None
    headers: dict[str, Text] | None = None
    flag: Raw = _ABSENT


class _Publish(Request):
    channel: Text = None
    data: Raw = _ABSENT
    type: Int32 = None
    key: Raw = _ABSENT
    removed: Raw = _ABSENT


class _Channel(Request):
    channel: Text = None


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
    type: Int32 = None
    track: Raw = _ABSENT
    untrack: Raw = _ABSENT


class _Ping(Request):
    pass


class _Command(Request):
    id: UInt32 = None
    connect: _Connect | None = None
    subscribe: _Subscribe | None = None
    unsubscribe: _Channel | None = None
    publish: _Publish | None = None
    presence: _Channel | None = None
    presence_stats: _Channel | None = None
    history: _History | None = None
    ping: _Ping | None = None
    send: _Send | None = None
    rpc: _Rpc | None = None
    refresh: _Refresh | None = None
    sub_refresh: _SubRefresh | None = None


_COMMAND: Reader[_Command] = Reader(_Command)


def _channel(request: _Subscribe | _Publish | _Channel | _History | _SubRefresh) -> str:
    if not request.channel:
        raise raw_json.Unreadable("expected a channel")
    return request.channel


def _position(offset: int | None, epoch: str | None) -> StreamPosition:
    if offset and offset > MAX_OFFSET:
        raise raw_json.Unreadable(f"expected an offset of at most {MAX_OFFSET}")
    return StreamPosition(offset or 0, epoch or "")


def _recovery(request: _Subscribe) -> commands.Recovery:
    position = _position(request.offset, request.epoch)
    return commands.Recovery(
        recover=bool(request.recover), offset=position.offset, epoch=position.epoch
    )


def _connect(command_id: int, request: _Connect) -> commands.Command:
    return commands.Connect(
        id=command_id,
        token=request.token or "",
        data=bytes(request.data),
        subs={channel: _recovery(sub) for channel, sub in (request.subs or {}).items() if sub},
        name=request.name or "",
        version=request.version or "",
        headers={name: value or "" for name, value in (request.headers or {}).items()},
    )


def _subscribe(command_id: int, request: _Subscribe) -> commands.Command:
    if request.delta not in (None, "", "fossil"):
        raise raw_json.Unreadable('expected "fossil" as delta')
    return commands.Subscribe(
        id=command_id,
        channel=_channel(request),
        token=request.token or "",
        recovery=_recovery(request),
        reject_unrecovered=bool((request.flag or 0) & 2),
        positioned=bool(request.positioned),
        recoverable=bool(request.recoverable),
        join_leave=bool(request.join_leave),
        data=bytes(request.data),
        delta=request.delta or "",
        filter=None if request.tf is None else _filter(request.tf),
        type=request.type or 0,
    )


def _filter(node: _FilterNode | None) -> commands.FilterNode:
    if node is None:
        return commands.FilterNode()
    return commands.FilterNode(
        op=node.op or "",
        key=node.key or "",
        cmp=node.cmp or "",
        val=node.val or "",
        vals=tuple(text or "" for text in node.vals or ()),
        nodes=tuple(map(_filter, node.nodes or ())),
    )


def _unsubscribe(command_id: int, request: _Channel) -> commands.Command:
    return commands.Unsubscribe(id=command_id, channel=_channel(request))


def _publish(command_id: int, request: _Publish) -> commands.Command:
    # Other types belong to map channels. In the channels there are, their publications are as
    # unwelcome as empty ones and get the same answer (modern.md section 11.6).
    data = b"" if request.type else bytes(request.data)
    return commands.Publish(id=command_id, channel=_channel(request), data=data)


def _presence(command_id: int, request: _Channel) -> commands.Command:
    return commands.Presence(id=command_id, channel=_channel(request))


def _presence_stats(command_id: int, request: _Channel) -> commands.Command:
    return commands.PresenceStatsQuery(id=command_id, channel=_channel(request))


def _history(command_id: int, request: _History) -> commands.Command:
    since = request.since
    return commands.History(
        id=command_id,
        channel=_channel(request),
        limit=request.limit or 0,
        since=None if since is None else _position(since.offset, since.epoch),
        reverse=bool(request.reverse),
    )


def _rpc(command_id: int, request: _Rpc) -> commands.Command:
    return commands.Rpc(id=command_id, method=request.method or "", data=bytes(request.data))


def _send(command_id: int, request: _Send) -> commands.Command:
    return commands.Send(id=command_id, data=bytes(request.data))


def _refresh(command_id: int, request: _Refresh) -> commands.Command:
    return commands.Refresh(id=command_id, token=request.token or "")


def _sub_refresh(command_id: int, request: _SubRefresh) -> commands.Command:
    return commands.SubRefresh(
        id=command_id,
        channel=_channel(request),
        token=request.token or "",
        type=request.type or 0,
    )


_REQUESTS: tuple[tuple[str, Callable[[int, Any], commands.Command]], ...] = (
    ("connect", _connect),
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

_EXPECTED = "expected an object with one of " + ", ".join(name for name, _ in _REQUESTS)


def _command(line: bytes) -> commands.Command:
    if line == b"{}":
        return commands.Pong()
    if not line:
        raise raw_json.Unreadable("expected a command, got an empty line")
    envelope = _COMMAND.read(line)
    command_id = envelope.id or 0
    for name, make in _REQUESTS:
        request = getattr(envelope, name)
        if request is not None:
            if not command_id and name != "send":
                raise raw_json.Unreadable(f"expected an id above 0 with {name}")
            return make(command_id, request)
    if command_id or envelope.ping is not None:
        raise raw_json.Unreadable(_EXPECTED)
    return commands.Pong()


# ── results and pushes ───────────────────────────────────────────────────────────────────────


def _list(name: bytes, publications: list[Publication]) -> bytes:
    return b'"%b":[%b]' % (name, b",".join(map(_publication, publications)))


def _publication(publication: Publication) -> bytes:
    return an_object(payload(b"data", publication.data), *_about(publication))


def _about(publication: Publication) -> list[bytes]:
    """Return everything of a publication but its data."""
    fields = []
    if publication.info is not None:
        fields.append(b'"info":' + client_info(publication.info))
    if publication.offset:
        fields.append(b'"offset":%d' % publication.offset)
    if publication.tags:
        tags = (string(key) + b":" + string(value) for key, value in publication.tags.items())
        fields.append(b'"tags":{' + b",".join(tags) + b"}")
    if publication.epoch and publication.offset == 1:
        fields.append(b'"epoch":' + string(publication.epoch))
    return fields


def _as_text(publication: Publication, delta: bytes) -> bytes:
    """Write a publication for clients that take deltas: all data is a JSON string.

    It holds the delta, or the data as it was published, byte by byte, because that is the base
    of the next one (modern.md section 10.6); ``null`` for what is not JSON.
    """
    data = verbatim(publication.data or b"null")
    as_text = b'"data":' + string((delta or data).decode())
    return an_object(as_text, *_about(publication), flag(b"delta", bool(delta)))


def _recovered(result: commands.Subscribed) -> bytes:
    if not result.delta:
        return _list(b"publications", result.publications)
    found = deltas.of_recovered(result.publications, text=True)
    return b'"publications":[%b]' % b",".join(_as_text(*each) for each in found)


def _subscribed(result: commands.Subscribed) -> bytes:
    knows_position = result.positioned or result.recoverable
    position = result.position if result.recovered else result.top
    return an_object(
        flag(b"expires", result.expires),
        number(b"ttl", result.ttl),
        flag(b"recoverable", result.recoverable),
        text(b"epoch", result.top.epoch) if knows_position else b"",
        _recovered(result) if result.publications else b"",
        flag(b"recovered", result.recovered),
        number(b"offset", position.offset) if knows_position else b"",
        flag(b"positioned", result.positioned),
        payload(b"data", result.data),
        flag(b"was_recovering", result.was_recovering),
        flag(b"delta", result.delta),
    )


def _connected(result: commands.Connected) -> bytes:
    subs = (
        string(channel) + b":" + _subscribed(subscribed)
        for channel, subscribed in result.subs.items()
    )
    return an_object(
        text(b"client", result.client),
        text(b"version", result.version),
        flag(b"expires", result.expires),
        number(b"ttl", result.ttl),
        payload(b"data", result.data),
        b'"subs":{%b}' % b",".join(subs) if result.subs else b"",
        number(b"ping", result.ping),
        flag(b"pong", result.pong),
        text(b"session", result.session),
        text(b"node", result.node),
        number(b"time", result.time),
    )


def _presence_result(result: commands.PresenceResult) -> bytes:
    entries = (string(client) + b":" + client_info(info) for client, info in result.clients.items())
    return b'{"presence":{' + b",".join(entries) + b"}}"


def _presence_stats_result(result: commands.PresenceStatsResult) -> bytes:
    stats = result.stats
    return b'{"num_clients":%d,"num_users":%d}' % (stats.num_clients, stats.num_users)


def _history_result(result: commands.HistoryResult) -> bytes:
    return an_object(
        _list(b"publications", result.publications),
        b'"epoch":' + string(result.top.epoch),
        b'"offset":%d' % result.top.offset,
    )


def _expiry(result: commands.Refreshed | commands.SubRefreshed | commands.Refreshing) -> bytes:
    return an_object(flag(b"expires", result.expires), number(b"ttl", result.ttl))


def _result(result: commands.Result) -> bytes:
    match result:
        case commands.Subscribed():
            return _subscribed(result)
        case commands.Connected():
            return _connected(result)
        case commands.PresenceResult():
            return _presence_result(result)
        case commands.PresenceStatsResult():
            return _presence_stats_result(result)
        case commands.HistoryResult():
            return _history_result(result)
        case commands.RpcResult():
            return an_object(payload(b"data", result.data))
        case commands.Refreshed() | commands.SubRefreshed():
            return _expiry(result)
        case commands.Done() | commands.Pinged():
            return b"{}"


_RESULT_NAMES: dict[type[commands.Command], bytes] = {
    commands.Connect: b"connect",
    commands.Subscribe: b"subscribe",
    commands.Unsubscribe: b"unsubscribe",
    commands.Publish: b"publish",
    commands.Presence: b"presence",
    commands.PresenceStatsQuery: b"presence_stats",
    commands.History: b"history",
    commands.Rpc: b"rpc",
    commands.Refresh: b"refresh",
    commands.SubRefresh: b"sub_refresh",
    commands.Ping: b"ping",
}


def _error(error: Error) -> bytes:
    return an_object(
        b'"code":%d' % error.code,
        b'"message":' + string(error.message),
        flag(b"temporary", error.temporary),
    )


def _reason(code: int, reason: str) -> bytes:
    return an_object(number(b"code", code), text(b"reason", reason))


def _subscribed_by_server(push: commands.SubscribedByServer) -> bytes:
    return an_object(
        flag(b"recoverable", push.recoverable),
        text(b"epoch", push.position.epoch),
        number(b"offset", push.position.offset),
        flag(b"positioned", push.positioned),
        payload(b"data", push.data),
    )


def _push(push: commands.Push) -> bytes:
    match push:
        case Publication():
            return b'"pub":' + _publication(push)
        case commands.Join():
            return b'"join":{"info":' + client_info(push.info) + b"}"
        case commands.Leave():
            return b'"leave":{"info":' + client_info(push.info) + b"}"
        case commands.Unsubscribed():
            return b'"unsubscribe":' + _reason(push.why.code, push.why.reason)
        case commands.SubscribedByServer():
            return b'"subscribe":' + _subscribed_by_server(push)
        case commands.Disconnected():
            return b'"disconnect":' + _reason(push.why.code, push.why.reason)
        case commands.Refreshing():
            return b'"refresh":' + _expiry(push)


# ── for subscriptions that take deltas ───────────────────────────────────────────────────────


class _Texts:
    """Publications with their data as a JSON string; all other pushes as ever."""

    def push(self, channel: str, push: commands.Push) -> bytes:
        """See ``codec.Encoding``."""
        if not isinstance(push, Publication):
            return V2_JSON.push(channel, push)
        pub = b'"pub":' + _as_text(push, self._delta(push))
        return b'{"push":%b}' % an_object(text(b"channel", channel), pub)

    def _delta(self, publication: Publication) -> bytes:
        return b""


class _Deltas(_Texts):
    """The same, as a delta to the publication before where that is shorter."""

    def _delta(self, publication: Publication) -> bytes:
        return deltas.of_push(publication, text=True)


# ── the codec ────────────────────────────────────────────────────────────────────────────────


class V2Json:
    """Today's protocol in JSON over a two-way transport."""

    name = "v2-json"
    traits = Traits()
    binary = False
    ping = b"{}"
    deltas: DeltaEncodings | None = DeltaEncodings(full=_Texts(), delta=_Deltas())

    def decode(self, frame: bytes) -> list[commands.Command]:
        """Return the commands of a frame (modern.md section 1.4)."""
        try:
            lines = command_lines(frame)
        except TooManyCommands as error:
            return [commands.Malformed(disconnect=BAD_REQUEST_CLOSE, detail=str(error))]
        decoded: list[commands.Command] = []
        for line in lines:
            try:
                decoded.append(_command(line))
            except raw_json.Unreadable as error:
                decoded.append(commands.Malformed(disconnect=BAD_REQUEST_CLOSE, detail=str(error)))
                break
        return decoded

    def reply(self, reply: commands.Reply) -> bytes:
        """Encode a result or an error under the id of its command."""
        command, outcome = reply.command, reply.outcome
        if isinstance(outcome, Error):
            answer = b'"error":' + _error(outcome)
        else:
            answer = b'"%b":%b' % (_RESULT_NAMES[type(command)], _result(outcome))
        return an_object(b'"id":%b' % str(command.id).encode() if command.id else b"", answer)

    def together(self, replies: list[bytes]) -> bytes:
        """Return the replies one after the other; nothing in this generation asks for it."""
        return b"\n".join(replies)

    def push(self, channel: str, push: commands.Push) -> bytes:
        """Encode a push; ``channel`` is empty where it concerns the whole connection."""
        return b'{"push":%b}' % an_object(text(b"channel", channel), _push(push))

    def join(self, messages: list[bytes]) -> list[bytes]:
        """Return frames of newline-separated messages, none above 64 KiB if it can be helped."""
        return gather(messages, b"\n")

    def close(self, disconnect: Disconnect) -> tuple[int, str]:
        """Return code and reason of the close frame."""
        return disconnect.code, cut_reason(disconnect.reason)


V2_JSON = V2Json()
