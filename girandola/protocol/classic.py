"""The JSON protocol of 2018 (classic.md section 4), as ``centrifuge`` 1.x for JavaScript speaks it.

Spelling only: methods and bodies, errors as texts with advice, newest-first lists, close reasons
as JSON. Stream positions travel in message ids (``protocol/uid.py``). What a command leads to is
not decided here.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from girandola import errors
from girandola.errors import BAD_REQUEST_CLOSE, UNKNOWN_METHOD, Disconnect, Error
from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.protocol import commands, raw_json, uid
from girandola.protocol.codec import Traits
from girandola.protocol.frames import MAX_COMMANDS, TooManyCommands
from girandola.protocol.raw_json import Unreadable, string, verbatim

VERSION = "1.8.0"
"""What clients of 2018 are told; they do not act on it (classic.md section 4.6)."""
CLOSE_CODE = 3000
MAX_REASON = 123
"""Bytes of a close reason (RFC 6455 section 5.5)."""

# ── commands: classic.md section 4.2 ─────────────────────────────────────────────────────────

T = TypeVar("T")

_Object = dict[str, Raw]

_MESSAGE = msgspec.json.Decoder(_Object | list[_Object | None])
_OBJECT = msgspec.json.Decoder(_Object | None)
_TEXT = msgspec.json.Decoder(str | None)
_FLAG = msgspec.json.Decoder(bool | None)


class _Fields:
    """The fields of an object, found whatever the case of their names."""

    def __init__(self, fields: _Object | None) -> None:
        self._fields = {name.lower(): value for name, value in (fields or {}).items()}

    def raw(self, name: str) -> bytes:
        """Return the JSON text of a field, ``b""`` where it is missing."""
        return bytes(self._fields.get(name, b""))

    def text(self, name: str) -> str:
        """Return a string field, ``""`` where it is missing or null."""
        return self._read(_TEXT, name) or ""

    def flag(self, name: str) -> bool:
        """Return a boolean field, false where it is missing or null."""
        return self._read(_FLAG, name) or False

    def _read(self, decoder: msgspec.json.Decoder[T | None], name: str) -> T | None:
        value = self._fields.get(name)
        if value is None:
            return None
        try:
            return raw_json.read(decoder, bytes(value))
        except Unreadable as error:
            raise Unreadable(f"{name}: {error}") from None


def _channel(params: _Fields) -> str:
    channel = params.text("channel")
    if not channel:
        raise Unreadable("expected a channel")
    return channel


def _signed_user(params: _Fields) -> commands.SignedUser:
    return commands.SignedUser(
        user=params.text("user"),
        timestamp=params.text("timestamp"),
        info=params.text("info"),
        token=params.text("token"),
    )


def _connect(command_id: str, params: _Fields) -> commands.Command:
    return commands.Connect(id=command_id, signed=_signed_user(params))


def _refresh(command_id: str, params: _Fields) -> commands.Command:
    return commands.Refresh(id=command_id, signed=_signed_user(params))


def _subscribe(command_id: str, params: _Fields) -> commands.Command:
    return commands.Subscribe(
        id=command_id,
        channel=_channel(params),
        signed=commands.SignedChannel(
            client=params.text("client"), info=params.text("info"), sign=params.text("sign")
        ),
        recovery=_recovery(params.flag("recover"), params.text("last")),
    )


def _recovery(recover: bool, last: str) -> commands.Recovery:
    if not recover:
        return commands.Recovery()
    position = uid.position_of(last)
    if position is None:
        return commands.Recovery(recover=True, since_uid=last, knows_position=False)
    return commands.Recovery(
        recover=True, offset=position.offset, epoch=position.epoch, since_uid=last
    )


def _unsubscribe(command_id: str, params: _Fields) -> commands.Command:
    return commands.Unsubscribe(id=command_id, channel=_channel(params))


def _publish(command_id: str, params: _Fields) -> commands.Command:
    # What is missing here gets an answer, not a close (classic.md section 4.11). A publication
    # without data stands for both.
    channel, data = params.text("channel"), params.raw("data")
    return commands.Publish(
        id=command_id, channel=channel, data=data if channel else b"", subscribers_only=True
    )


def _presence(command_id: str, params: _Fields) -> commands.Command:
    return commands.Presence(id=command_id, channel=params.text("channel"), subscribers_only=True)


def _history(command_id: str, params: _Fields) -> commands.Command:
    return commands.History(
        id=command_id, channel=params.text("channel"), limit=None, subscribers_only=True
    )


def _ping(command_id: str, params: _Fields) -> commands.Command:
    data = params.text("data")
    return commands.Ping(id=command_id, data=string(data) if data else b"")


_METHODS: dict[str, Callable[[str, _Fields], commands.Command]] = {
    "connect": _connect,
    "refresh": _refresh,
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "publish": _publish,
    "presence": _presence,
    "history": _history,
    "ping": _ping,
}


class _Envelope(NamedTuple):
    uid: str
    method: str
    params: bytes


def _envelope(fields: _Object | None) -> _Envelope:
    if not fields:
        return _Envelope("", "", b"")
    command = _Fields(fields)
    return _Envelope(command.text("uid"), command.text("method"), command.raw("params"))


def _envelopes(frame: bytes) -> list[_Envelope]:
    if not frame.startswith((b"{", b"[")):
        raise Unreadable("expected an object or an array at the very beginning")
    message = raw_json.read(_MESSAGE, frame)
    if message == []:
        raise Unreadable("expected at least one command")
    if isinstance(message, list) and len(message) > MAX_COMMANDS:
        raise Unreadable(str(TooManyCommands()))
    return [_envelope(fields) for fields in (message if isinstance(message, list) else [message])]


def _command(envelope: _Envelope) -> commands.Command:
    make = _METHODS.get(envelope.method)
    if make is None:
        expected = f"expected one of {', '.join(_METHODS)} as method"
        return commands.Malformed(
            id=envelope.uid,
            disconnect=UNKNOWN_METHOD,
            detail=f"{expected}, got {envelope.method[:50]!r}",
        )
    try:
        if not envelope.params and make is not _ping:
            raise Unreadable(f"expected params with {envelope.method}")
        params = raw_json.read(_OBJECT, envelope.params or b"{}")
        return make(envelope.uid, _Fields(params))
    except Unreadable as error:
        return commands.Malformed(
            id=envelope.uid,
            disconnect=BAD_REQUEST_CLOSE,
            detail=f"params of {envelope.method}: {error}",
        )


# ── parts of bodies: classic.md section 4.4 ──────────────────────────────────────────────────


def _compacted(payload: bytes) -> bytes:
    """Return a payload as it stands in responses: without spaces, and safe within HTML."""
    compact = msgspec.json.format(verbatim(payload), indent=-1)
    return compact.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")


_Payload = Callable[[bytes], bytes]
"""How payloads are written: ``verbatim`` in pushes, ``_compacted`` in responses."""


def _bool(value: bool) -> bytes:
    return b"true" if value else b"false"


def _info(info: ClientInfo, payload: _Payload) -> bytes:
    default = b'"default_info":%b,' % payload(info.conn_info) if info.conn_info else b""
    channel = b'"channel_info":%b,' % payload(info.chan_info) if info.chan_info else b""
    return b'{%b%b"user":%b,"client":%b}' % (
        default,
        channel,
        string(info.user),
        string(info.client),
    )


def _message(channel: str, publication: Publication, epoch: str, payload: _Payload) -> bytes:
    info = publication.info
    client = publication.client or (info.client if info is not None else "")
    return b'{"uid":%b%b%b,"channel":%b,"data":%b}' % (
        string(_uid(publication, epoch)),
        b',"client":' + string(client) if client else b"",
        b',"info":' + _info(info, payload) if info is not None else b"",
        string(channel),
        payload(publication.data or b"null"),
    )


def _uid(publication: Publication, epoch: str) -> str:
    if publication.uid:
        return publication.uid
    if publication.offset:
        return uid.positioned(StreamPosition(publication.offset, publication.epoch or epoch))
    return uid.unique()


def _messages(channel: str, oldest_first: Iterable[Publication], epoch: str) -> bytes:
    newest_first = reversed(list(oldest_first))
    return b"[%b]" % b",".join(
        _message(channel, publication, epoch, _compacted) for publication in newest_first
    )


# ── bodies of responses: classic.md sections 4.6 to 4.13 ─────────────────────────────────────


def _authenticated(result: commands.Connected | commands.Refreshed) -> bytes:
    is_refused = result.expired and isinstance(result, commands.Connected)
    return b'{"version":"%b","client":%b,"expires":%b,"expired":%b,"ttl":%d}' % (
        VERSION.encode(),
        string("" if is_refused else result.client),
        _bool(result.expires),
        _bool(result.expired),
        result.ttl,
    )


def _subscribed(command: commands.Subscribe, result: commands.Subscribed) -> bytes:
    messages, last = b"null", ""
    if result.recoverable:
        if command.recovery.recover or result.publications:
            messages = _messages(command.channel, result.publications, result.top.epoch)
        if result.top.offset and not result.publications:
            # Also after a recovery that found nothing: clients forget what they saw last
            # otherwise (classic.md section 4.9).
            last = uid.positioned(result.top)
    return b'{"channel":%b,"status":true,"last":%b,"messages":%b,"recovered":%b}' % (
        string(command.channel),
        string(last),
        messages,
        _bool(result.recovered),
    )


def _presence_data(result: commands.PresenceResult) -> bytes:
    return b"{%b}" % b",".join(
        string(client) + b":" + _info(info, _compacted) for client, info in result.clients.items()
    )


def _status(channel: str, status: bool) -> bytes:
    return b'{"channel":%b,"status":%b}' % (string(channel), _bool(status))


def _data(channel: str, data: bytes) -> bytes:
    return b'{"channel":%b,"data":%b}' % (string(channel), data)


def _body(command: commands.Command, result: commands.Result) -> bytes:
    """Return the body of a response that is no error, ``b""`` for none."""
    match result:
        case commands.Connected() | commands.Refreshed():
            return _authenticated(result)
        case commands.Pinged():
            return b'{"data":%b}' % result.data if result.data else b""
        case commands.Subscribed() if isinstance(command, commands.Subscribe):
            return _subscribed(command, result)
        case commands.PresenceResult() if isinstance(command, commands.Presence):
            return _data(command.channel, _presence_data(result))
        case commands.HistoryResult() if isinstance(command, commands.History):
            publications = result.publications
            return _data(
                command.channel, _messages(command.channel, publications, result.top.epoch)
            )
        case commands.Done() if isinstance(command, commands.Publish | commands.Unsubscribe):
            return _status(command.channel, True)
        case _:
            raise TypeError(f"{type(result).__name__} answers no {type(command).__name__}")


# ── refusals: classic.md sections 4.8 and 4.10 to 4.12 ───────────────────────────────────────


class _Refusal(NamedTuple):
    error: str
    advice: str


_LIMIT = _Refusal("limit exceeded", "fix")
_UNAVAILABLE = {
    errors.UNKNOWN_CHANNEL.code: _Refusal("namespace not found", "retry"),
    errors.NOT_AVAILABLE.code: _Refusal("not available", "retry"),
}
_REFUSALS: dict[type[commands.Command], dict[int, _Refusal]] = {
    commands.Subscribe: {
        errors.UNKNOWN_CHANNEL.code: _Refusal("namespace not found", "fix"),
        errors.BAD_REQUEST.code: _LIMIT,  # the channel's name is too long
    },
    commands.Unsubscribe: {
        errors.UNKNOWN_CHANNEL.code: _Refusal("namespace not found", "fix"),
        errors.INTERNAL.code: _Refusal("internal server error", ""),
    },
    commands.Publish: {
        errors.UNKNOWN_CHANNEL.code: _Refusal("internal server error", "retry"),
        errors.BAD_REQUEST.code: _Refusal("invalid message", "fix"),
    },
    commands.Presence: _UNAVAILABLE,
    commands.History: _UNAVAILABLE,
}
"""What a command calls an error, where it is not the error's own text and temporariness."""


def _refusal(command: commands.Command, error: Error) -> _Refusal:
    refusal = _REFUSALS.get(type(command), {}).get(error.code)
    if refusal is not None:
        return refusal
    return _Refusal(error.message or errors.INTERNAL.message, "retry" if error.temporary else "fix")


def _refused_body(command: commands.Command) -> bytes:
    """Return the body of an error; clients find its subscription by the channel in it."""
    match command:
        case commands.Connect() | commands.Refresh():
            return _authenticated(commands.Connected(client="", version=""))
        case commands.Subscribe():
            nothing = b'"status":false,"last":"","messages":null,"recovered":false'
            return b'{"channel":%b,%b}' % (string(command.channel), nothing)
        case commands.Publish() | commands.Unsubscribe():
            return _status(command.channel, False)
        case commands.Presence() | commands.History():
            return _data(command.channel, b"null")
        case _:
            return b""


_METHOD_NAMES: dict[type[commands.Command], bytes] = {
    commands.Connect: b"connect",
    commands.Refresh: b"refresh",
    commands.Subscribe: b"subscribe",
    commands.Unsubscribe: b"unsubscribe",
    commands.Publish: b"publish",
    commands.Presence: b"presence",
    commands.History: b"history",
    commands.Ping: b"ping",
}

# ── closing: classic.md section 4.15 ─────────────────────────────────────────────────────────


class _Farewell(NamedTuple):
    reason: str
    reconnect: bool


_FAREWELLS = {
    errors.BAD_REQUEST_CLOSE.name: _Farewell("invalid message", False),
    errors.NOT_CONNECTED.name: _Farewell("unauthorized", False),
    errors.UNKNOWN_METHOD.name: _Farewell("method not found", False),
    errors.INVALID_TOKEN.name: _Farewell("invalid token", False),
    errors.CONNECTION_LIMIT.name: _Farewell("limit exceeded", False),
    errors.SERVER_ERROR.name: _Farewell("internal server error", True),
    errors.STALE.name: _Farewell("stale", False),
    errors.CONNECTION_EXPIRED.name: _Farewell("expired", True),
    errors.SLOW.name: _Farewell("slow", False),
    errors.WRITE_ERROR.name: _Farewell("error sending message", True),
    errors.FORCE_DISCONNECT.name: _Farewell("disconnect", False),
    errors.SHUTDOWN.name: _Farewell("shutting down", True),
    errors.INAPPROPRIATE_PROTOCOL.name: _Farewell("invalid message", False),
}
"""Words of 2018 by ``Disconnect.name``; whatever has none keeps its reason."""


def _farewell(farewell: _Farewell) -> str:
    """Return the reason of a close frame, its text cut until the whole fits."""
    text = farewell.reason.encode("utf-8", "replace").decode()[:MAX_REASON]
    while True:
        reason = b'{"reason":%b,"reconnect":%b}' % (string(text), _bool(farewell.reconnect))
        if len(reason) <= MAX_REASON:
            return reason.decode()
        text = text[:-1]


# ── the codec ────────────────────────────────────────────────────────────────────────────────


class Classic:
    """The JSON protocol of 2018."""

    name = "classic"
    traits = Traits(
        pings_from="client",
        on_gap="nothing",
        partial_recovery=True,
        replies_together=True,
        connect_again=True,
        expired_is_a_result=True,
        subscribes_again=False,
    )
    binary = False
    ping = b""
    deltas = None

    def decode(self, frame: bytes) -> list[commands.Command]:
        """Return the commands of a message (classic.md section 4.2)."""
        try:
            envelopes = _envelopes(frame)
        except Unreadable as error:
            return [commands.Malformed(disconnect=BAD_REQUEST_CLOSE, detail=str(error))]
        decoded: list[commands.Command] = []
        for envelope in envelopes:
            decoded.append(_command(envelope))
            if isinstance(decoded[-1], commands.Malformed):
                break
        return decoded

    def reply(self, reply: commands.Reply) -> bytes:
        """Encode a response (classic.md section 4.3)."""
        command, outcome = reply.command, reply.outcome
        fields = [b'"method":"%b"' % _METHOD_NAMES[type(command)]]
        if command.id:
            fields.insert(0, b'"uid":' + string(str(command.id)))
        if isinstance(outcome, Error):
            refusal = _refusal(command, outcome)
            fields.append(b'"error":' + string(refusal.error))
            if refusal.advice:
                fields.append(b'"advice":' + string(refusal.advice))
            body = _refused_body(command)
        else:
            body = _body(command, outcome)
        if body:
            fields.append(b'"body":' + body)
        return b"{%b}" % b",".join(fields)

    def together(self, replies: list[bytes]) -> bytes:
        """Return several responses as one array, as several commands came in one."""
        return b"[%b]" % b",".join(replies)

    def push(self, channel: str, push: commands.Push) -> bytes:
        """Encode a push, ``b""`` for kinds that 2018 does not know (classic.md section 4.4)."""
        match push:
            case Publication():
                return b'{"method":"message","body":%b}' % _message(channel, push, "", verbatim)
            case commands.Join():
                body = _data(channel, _info(push.info, verbatim))
                return b'{"method":"join","body":%b}' % body
            case commands.Leave():
                body = _data(channel, _info(push.info, verbatim))
                return b'{"method":"leave","body":%b}' % body
            case commands.Unsubscribed():
                return b'{"method":"unsubscribe","body":%b}' % _status(channel, True)
            case _:
                return b""

    def join(self, messages: list[bytes]) -> list[bytes]:
        """Return a frame for each message: a frame holds one JSON value."""
        return messages

    def close(self, disconnect: Disconnect) -> tuple[int, str]:
        """Return 3000 and a JSON text that tells why and whether to come back."""
        own_words = _Farewell(disconnect.reason, disconnect.reconnect)
        return CLOSE_CODE, _farewell(_FAREWELLS.get(disconnect.name, own_words))


CLASSIC = Classic()
