"""The server API of 2018: signed commands, alone or in an array; replies always in an array.

There are no keys: a request is signed with an HMAC over its exact bytes. Everything here is
classic.md section 5.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from girandola.api import schema
from girandola.api.classic_metrics import node_info
from girandola.api.http import json_response, refuse, refuse_as_too_much
from girandola.api.methods import Methods, too_many
from girandola.api.signed_forms import BadRequest, is_json, signed_data
from girandola.auth import signs
from girandola.core.grants import publish_options
from girandola.core.node import Target
from girandola.errors import INTERNAL, UNKNOWN_CHANNEL, Reject
from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.net.http import Request, Response
from girandola.protocol import raw_json
from girandola.protocol.json_requests import Reader, TooMany
from girandola.protocol.json_requests import Request as ReadRequest
from girandola.protocol.json_values import elements
from girandola.protocol.payloads import fits
from girandola.protocol.raw_json import Unreadable
from girandola.protocol.uid import positioned

logger = logging.getLogger(__name__)

METRICS_INTERVAL = 60
"""Seconds, as callers of ``stats`` are told."""

NAMESPACE_NOT_FOUND = "namespace not found"
INVALID_MESSAGE = "invalid message"

# ── what is said ─────────────────────────────────────────────────────────────────────────────


class Command(ReadRequest):
    """One command."""

    uid: str = ""
    method: str = ""
    params: Raw = schema.ABSENT


class PublishParams(ReadRequest):
    """Parameters of publish."""

    channel: str = ""
    data: Raw = schema.ABSENT
    client: str = ""
    uid: str = ""


class BroadcastParams(ReadRequest):
    """Parameters of broadcast."""

    channels: list[str] = field(default_factory=list)
    data: Raw = schema.ABSENT
    client: str = ""


class UserParams(ReadRequest):
    """Parameters of unsubscribe and disconnect; an empty channel stands for all."""

    user: str = ""
    channel: str = ""


class ChannelParams(ReadRequest):
    """Parameters of presence and history."""

    channel: str = ""


class NoParams(ReadRequest):
    """Parameters of what takes none."""


class Answer(Struct):
    """What a command led to; ``body`` is something to write as JSON."""

    body: Any = None
    error: str = ""
    advice: str = ""


# ── one request ──────────────────────────────────────────────────────────────────────────────


def refusal(secret: str, insecure: bool, request: Request) -> Response | None:
    """Return what is answered to somebody who may not call, as far as the head tells.

    It tells that there is no sign at all; whether one is right is for ``handle`` to see.
    """
    if insecure:
        return None
    if not secret:
        return refuse(400, request, "2018 API: classic.secret is not set, so no sign is right")
    if is_json(request) and not request.headers.get("x-api-sign"):
        return refuse(400, request, "2018 API: expected a sign")
    return None


async def handle(methods: Methods, secret: str, insecure: bool, request: Request) -> Response:
    """Answer a request, whatever its HTTP method and its path below the API's.

    The caller was admitted by ``refusal``.
    """
    try:
        data, sign = signed_data(request)
        if not insecure and not sign:
            raise BadRequest("expected a sign")
        if not data:
            raise BadRequest("expected data")
        if not insecure and not signs.is_api_sign(secret, data, sign):
            return refuse(401, request, "wrong sign of 2018")
        return json_response(await _answer_all(methods, data))
    except Reject as reject:
        return refuse_as_too_much(request, reject)
    except (BadRequest, Unreadable) as error:
        return refuse(400, request, f"2018 API: {error}")


# ── commands ─────────────────────────────────────────────────────────────────────────────────

_one = schema.reader(Command)


async def _answer_all(methods: Methods, data: bytes) -> bytes:
    answers = []
    for number, command in enumerate(await _commands(methods, data), 1):
        answers.append(await _answer(methods, command))
        await methods.node.breathe(number)
    return b"[" + b",".join(answers) + b"]"


async def _commands(methods: Methods, data: bytes) -> list[Command]:
    if data[:1] == b"{":
        return [_one.read(data)]
    if data[:1] != b"[":
        raise BadRequest("expected an object or an array")
    most = methods.options.max_batch_size
    commands: list[Command] = []
    for number, text in enumerate(elements(data)):
        if number == most:
            raise too_many("commands", most, "max_batch_size")
        commands.append(_one.read(text))
        await methods.node.breathe(number)
    return commands


async def _answer(methods: Methods, command: Command) -> bytes:
    known = _METHODS.get(command.method)
    if known is None:
        raise BadRequest(f"unknown method {command.method!r}")
    reader, call = known
    if reader is _no_params:
        params: Any = NoParams()
    elif not command.params:
        raise BadRequest(f"expected params of {command.method}")
    else:
        params = _read_params(methods, reader, bytes(command.params))
    answer = await call(methods, params)
    if answer.error:
        logger.warning("2018 API %s answered with: %s", command.method, answer.error)
    members: dict[str, Any] = {"uid": command.uid} if command.uid else {}
    members |= {"method": command.method, "error": answer.error or None}
    if answer.advice:
        members["advice"] = answer.advice
    return msgspec.json.encode(members | {"body": answer.body})


def _read_params(methods: Methods, reader: Reader[Any], text: bytes) -> Any:
    try:
        return reader.read(text, methods.options.max_broadcast_size)
    except TooMany as error:
        raise too_many(error.name, error.most) from None


async def _publish(methods: Methods, params: PublishParams) -> Answer:
    if not params.channel or not params.data:
        raise BadRequest("publish: expected channel and data")
    error = await _publish_one(
        methods, params.channel, bytes(params.data), client=params.client, uid=params.uid
    )
    advice = "fix" if error in {NAMESPACE_NOT_FOUND, INVALID_MESSAGE} else ""
    return Answer(error=error, advice=advice)


async def _broadcast(methods: Methods, params: BroadcastParams) -> Answer:
    if not params.channels or not params.data:
        return Answer(error=INVALID_MESSAGE, advice="fix")
    first_failure = ""
    for number, channel in enumerate(params.channels, 1):
        error = INVALID_MESSAGE
        if channel:
            error = await _publish_one(methods, channel, bytes(params.data), client=params.client)
        if error in {NAMESPACE_NOT_FOUND, INVALID_MESSAGE}:
            return Answer(error=error, advice="fix")
        first_failure = first_failure or error
        await methods.node.breathe(number)
    return Answer(error=first_failure)


async def _publish_one(
    methods: Methods, channel: str, data: bytes, *, client: str = "", uid: str = ""
) -> str:
    """Publish, and return the error in the words of 2018, or ``""``."""

    async def publish() -> None:
        options = methods.options_of(channel)
        if not fits(data, options.publication_data_format):
            raise _Refusal(INVALID_MESSAGE)
        publication = Publication(data=data, uid=uid, client=client)
        await methods.node.publish(channel, publication, publish_options(options))

    return await _error_of(publish())


async def _unsubscribe(methods: Methods, params: UserParams) -> Answer:
    if not params.user:
        return Answer(error=INVALID_MESSAGE)

    async def unsubscribe() -> None:
        if params.channel:
            methods.options_of(params.channel)
        await methods.node.unsubscribe(Target(params.user), params.channel)

    return Answer(error=await _error_of(unsubscribe()))


async def _disconnect(methods: Methods, params: UserParams) -> Answer:
    if not params.user:
        return Answer(error=INVALID_MESSAGE)
    return Answer(error=await _error_of(methods.node.disconnect(Target(params.user))))


async def _presence(methods: Methods, params: ChannelParams) -> Answer:
    async def read() -> Any:
        if not methods.options_of(params.channel).presence:
            raise _Refusal("not available")
        members = await methods.node.presence(params.channel)
        return {client: _client_info(info) for client, info in members.items()}

    return await _read(params.channel, read)


async def _history(methods: Methods, params: ChannelParams) -> Answer:
    async def read() -> Any:
        options = methods.require_history(params.channel)
        page = await methods.node.history(params.channel, meta_ttl=options.history_meta_ttl)
        return [
            _message(params.channel, publication, page.top.epoch)
            for publication in reversed(page.publications)
        ]

    return await _read(params.channel, read)


async def _read(channel: str, read: Callable[[], Awaitable[Any]]) -> Answer:
    """Answer with what ``read`` returns, or with its error and no data."""
    if not channel:
        return Answer({"channel": channel, "data": None}, INVALID_MESSAGE)
    found: list[Any] = [None]

    async def keep() -> None:
        found[0] = await read()

    error = await _error_of(keep())
    return Answer({"channel": channel, "data": found[0]}, error)


async def _channels(methods: Methods, _: NoParams) -> Answer:
    return Answer({"data": list(await methods.node.channels())})


async def _stats(methods: Methods, _: NoParams) -> Answer:
    nodes = [node_info(methods.node, info) for info in methods.node.info()]
    return Answer({"data": {"nodes": nodes, "metrics_interval": METRICS_INTERVAL}})


async def _node(methods: Methods, _: NoParams) -> Answer:
    own = next(info for info in methods.node.info() if info.uid == methods.node.uid)
    return Answer({"data": node_info(methods.node, own)})


_no_params = schema.reader(NoParams)

_METHODS: dict[str, tuple[Reader[Any], Callable[..., Awaitable[Answer]]]] = {
    "publish": (schema.reader(PublishParams), _publish),
    "broadcast": (schema.reader(BroadcastParams), _broadcast),
    "unsubscribe": (schema.reader(UserParams), _unsubscribe),
    "disconnect": (schema.reader(UserParams), _disconnect),
    "presence": (schema.reader(ChannelParams), _presence),
    "history": (schema.reader(ChannelParams), _history),
    "channels": (_no_params, _channels),
    "stats": (_no_params, _stats),
    "node": (_no_params, _node),
}

# ── in the words of 2018 ─────────────────────────────────────────────────────────────────────


class _Refusal(Exception):
    """A command is answered with this text."""


async def _error_of(work: Awaitable[None]) -> str:
    try:
        await work
    except _Refusal as refusal:
        return str(refusal)
    except Reject as reject:
        known = reject.error.code == UNKNOWN_CHANNEL.code
        return NAMESPACE_NOT_FOUND if known else reject.error.message
    except Exception:
        logger.exception("a command of the 2018 API failed")
        return INTERNAL.message
    return ""


def _client_info(info: ClientInfo) -> dict[str, Any]:
    members: dict[str, Any] = {"user": info.user, "client": info.client}
    for name, value in (("default_info", info.conn_info), ("channel_info", info.chan_info)):
        if raw_json.is_json(value):
            members[name] = Raw(value)
    return members


def _message(channel: str, publication: Publication, epoch: str) -> dict[str, Any]:
    own_uid = publication.uid or positioned(StreamPosition(publication.offset, epoch))
    members: dict[str, Any] = {"uid": own_uid}
    info = publication.info
    client = publication.client or ("" if info is None else info.client)
    if client:
        members["client"] = client
    if info is not None:
        members["info"] = _client_info(info)
    return members | {"channel": channel, "data": Raw(raw_json.verbatim(publication.data))}
