"""The server API of 2018: signed commands, alone or in an array; replies always in an array.

There are no keys: a request is signed with an HMAC over its exact bytes. Everything here is
classic.md section 5; the metric names are those of section 9.
"""

import logging
import re
import resource
from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Raw, Struct

from girandola.api import schema
from girandola.api.http import json_response, refuse
from girandola.api.methods import Methods
from girandola.auth import signs
from girandola.core.grants import publish_options
from girandola.core.node import Target
from girandola.core.stats import Stats
from girandola.errors import INTERNAL, UNKNOWN_CHANNEL, Reject, Unavailable
from girandola.model import ClientInfo, NodeInfo, Publication, StreamPosition
from girandola.net.http import Request, Response
from girandola.protocol import raw_json
from girandola.protocol.raw_json import Unreadable
from girandola.protocol.uid import positioned

logger = logging.getLogger(__name__)

MAX_FIELDS = 100
"""Most fields of a form."""

METRICS_INTERVAL = 60
"""Seconds, as callers of ``stats`` are told."""

NAMESPACE_NOT_FOUND = "namespace not found"
INVALID_MESSAGE = "invalid message"

# ── what is said ─────────────────────────────────────────────────────────────────────────────


class Command(Struct):
    """One command."""

    uid: str = ""
    method: str = ""
    params: Raw = schema.ABSENT


class PublishParams(Struct):
    """Parameters of publish."""

    channel: str = ""
    data: Raw = schema.ABSENT
    client: str = ""
    uid: str = ""


class BroadcastParams(Struct):
    """Parameters of broadcast."""

    channels: list[str] = []
    data: Raw = schema.ABSENT
    client: str = ""


class UserParams(Struct):
    """Parameters of unsubscribe and disconnect; an empty channel stands for all."""

    user: str = ""
    channel: str = ""


class ChannelParams(Struct):
    """Parameters of presence and history."""

    channel: str = ""


class NoParams(Struct):
    """Parameters of what takes none."""


class Answer(Struct):
    """What a command led to; ``body`` is something to write as JSON."""

    body: Any = None
    error: str = ""
    advice: str = ""


class BadRequest(Exception):
    """The whole request is answered with 400; the message says why, for the log."""


# ── one request ──────────────────────────────────────────────────────────────────────────────


async def handle(methods: Methods, secret: str, insecure: bool, request: Request) -> Response:
    """Answer a request, whatever its HTTP method and its path below the API's."""
    try:
        data, sign = _signed_data(request)
        if not insecure and not sign:
            raise BadRequest("expected a sign")
        if not data:
            raise BadRequest("expected data")
        if not insecure and not secret:
            raise BadRequest("classic.secret is not set, so no sign can be verified")
        if not insecure and not signs.is_api_sign(secret, data, sign):
            return refuse(401, request, "wrong sign of 2018")
        return json_response(await _answer_all(methods, data))
    except (BadRequest, Unreadable) as error:
        return refuse(400, request, f"2018 API: {error}")


def _signed_data(request: Request) -> tuple[bytes, str]:
    """Return the commands as bytes, and their sign (classic.md section 5.2)."""
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("application/json"):
        return request.body, request.headers.get("x-api-sign", "")
    fields: dict[bytes, bytes] = {}
    for name, value in _form(content_type, request) + _urlencoded(
        request.query.encode("latin-1", "replace")
    ):
        fields.setdefault(name, value)
    return fields.get(b"data", b""), fields.get(b"sign", b"").decode("latin-1")


def _form(content_type: str, request: Request) -> list[tuple[bytes, bytes]]:
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _urlencoded(request.body)
    if kind == "multipart/form-data":
        boundary = _BOUNDARY.search(parameters)
        if boundary is None:
            raise BadRequest("expected a boundary in the content type")
        return _multipart(request.body, boundary.group(1).encode("latin-1", "replace"))
    return []


def _urlencoded(text: bytes) -> list[tuple[bytes, bytes]]:
    """Return the fields of a form or query as bytes, which urllib's parse_qsl cannot do."""
    pairs = text.replace(b"+", b" ").split(b"&", MAX_FIELDS)[:MAX_FIELDS]
    fields = (pair.partition(b"=") for pair in pairs)
    return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in fields]


_BOUNDARY = re.compile(r'boundary="?([^";,]{1,200})"?', re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_NAME = re.compile(rb';\s*name="?([^";]*)"?', re.IGNORECASE)


def _multipart(body: bytes, boundary: bytes) -> list[tuple[bytes, bytes]]:
    """Return the fields of a multipart form that are not files, as the exact bytes sent."""
    fields = []
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary, MAX_FIELDS)
    for part in parts:
        head, separator, value = part.partition(b"\r\n\r\n")
        disposition = _DISPOSITION.search(head)
        if not separator or disposition is None or b"filename" in disposition.group(1).lower():
            continue
        name = _NAME.search(disposition.group(1))
        if name is not None:
            fields.append((name.group(1), value))
    return fields


# ── commands ─────────────────────────────────────────────────────────────────────────────────

_one = msgspec.json.Decoder(Command)
_many = msgspec.json.Decoder(list[Raw])


async def _answer_all(methods: Methods, data: bytes) -> bytes:
    if data[:1] == b"{":
        commands = [schema.read(_one, data)]
    elif data[:1] == b"[":
        texts = raw_json.read(_many, data)
        commands = [schema.read(_one, bytes(text)) for text in texts]
    else:
        raise BadRequest("expected an object or an array")
    answers = []
    for number, command in enumerate(commands, 1):
        answers.append(await _answer(methods, command))
        await methods.breathe(number)
    return b"[" + b",".join(answers) + b"]"


async def _answer(methods: Methods, command: Command) -> bytes:
    known = _METHODS.get(command.method)
    if known is None:
        raise BadRequest(f"unknown method {command.method!r}")
    decoder, call = known
    if decoder is _no_params:
        params: Any = NoParams()
    elif not command.params:
        raise BadRequest(f"expected params of {command.method}")
    else:
        params = schema.read(decoder, bytes(command.params))
    answer = await call(methods, params)
    if answer.error:
        logger.warning("2018 API %s answered with: %s", command.method, answer.error)
    members: dict[str, Any] = {"uid": command.uid} if command.uid else {}
    members |= {"method": command.method, "error": answer.error or None}
    if answer.advice:
        members["advice"] = answer.advice
    return msgspec.json.encode(members | {"body": answer.body})


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
        await methods.breathe(number)
    return Answer(error=first_failure)


async def _publish_one(
    methods: Methods, channel: str, data: bytes, *, client: str = "", uid: str = ""
) -> str:
    """Publish, and return the error in the words of 2018, or ``""``."""

    async def publish() -> None:
        options = methods.options(channel)
        if not raw_json.has_format(data, options.publication_data_format):
            raise _Refusal(INVALID_MESSAGE)
        publication = Publication(data=data, uid=uid, client=client)
        await methods.node.publish(channel, publication, publish_options(options))

    return await _error_of(publish())


async def _unsubscribe(methods: Methods, params: UserParams) -> Answer:
    if not params.user:
        return Answer(error=INVALID_MESSAGE)

    async def unsubscribe() -> None:
        if params.channel:
            methods.options(params.channel)
        await methods.node.unsubscribe(Target(params.user), params.channel)

    return Answer(error=await _error_of(unsubscribe()))


async def _disconnect(methods: Methods, params: UserParams) -> Answer:
    if not params.user:
        return Answer(error=INVALID_MESSAGE)
    return Answer(error=await _error_of(methods.node.disconnect(Target(params.user))))


async def _presence(methods: Methods, params: ChannelParams) -> Answer:
    async def read() -> Any:
        if not methods.options(params.channel).presence:
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
    nodes = [_node_info(methods, info) for info in methods.node.info()]
    return Answer({"data": {"nodes": nodes, "metrics_interval": METRICS_INTERVAL}})


async def _node(methods: Methods, _: NoParams) -> Answer:
    own = next(info for info in methods.node.info() if info.uid == methods.node.uid)
    return Answer({"data": _node_info(methods, own)})


_no_params = msgspec.json.Decoder(NoParams)

_METHODS: dict[str, tuple[msgspec.json.Decoder[Any], Callable[..., Awaitable[Answer]]]] = {
    "publish": (msgspec.json.Decoder(PublishParams), _publish),
    "broadcast": (msgspec.json.Decoder(BroadcastParams), _broadcast),
    "unsubscribe": (msgspec.json.Decoder(UserParams), _unsubscribe),
    "disconnect": (msgspec.json.Decoder(UserParams), _disconnect),
    "presence": (msgspec.json.Decoder(ChannelParams), _presence),
    "history": (msgspec.json.Decoder(ChannelParams), _history),
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
    except Unavailable as error:
        logger.warning("a command of the 2018 API failed: %s", error)
        return INTERNAL.message
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


def _node_info(methods: Methods, info: NodeInfo) -> dict[str, Any]:
    # Other nodes' counters do not travel; what is known of them is in `info`.
    stats = methods.node.stats if info.uid == methods.node.uid else Stats()
    metrics = dict.fromkeys(METRICS, 0) | _counters(stats) | _gauges(info)
    if info.uid == methods.node.uid:
        metrics |= _process()
    return {
        "uid": info.uid,
        "version": info.version,
        "name": info.name,
        "started_at": info.started_at,
        "metrics": metrics,
    }


def _counters(stats: Stats) -> dict[str, int]:
    return {
        "client_api_num_requests": stats.commands,
        "client_bytes_in": stats.bytes_in,
        "client_bytes_out": stats.bytes_out,
        "client_num_connect": stats.connects,
        "client_num_msg_published": stats.client_publishes,
        "client_num_msg_queued": stats.messages_queued,
        "client_num_msg_sent": stats.messages_queued,
        "client_num_subscribe": stats.subscribes,
        "node_num_add_client_conn": stats.connections_opened,
        "node_num_add_client_sub": stats.subscribes,
        "node_num_add_presence": stats.presence_adds,
        "node_num_client_msg_published": stats.publications_published,
        "node_num_client_msg_received": stats.publications_received,
        "node_num_history": stats.history_reads,
        "node_num_join_msg_published": stats.joins_published,
        "node_num_join_msg_received": stats.joins_received,
        "node_num_leave_msg_published": stats.leaves_published,
        "node_num_leave_msg_received": stats.leaves_received,
        "node_num_presence": stats.presence_reads,
        "node_num_remove_client_conn": stats.connections_closed,
        "node_num_remove_client_sub": stats.unsubscribes,
        "node_num_remove_presence": stats.presence_removes,
    }


def _gauges(info: NodeInfo) -> dict[str, int]:
    return {
        "node_num_clients": info.num_clients,
        "node_num_unique_clients": info.num_users,
        "node_num_channels": info.num_channels,
        "node_uptime_seconds": info.uptime,
    }


def _process() -> dict[str, int]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "node_memory_sys": usage.ru_maxrss * 1024,
        "node_rusage_utime": int(usage.ru_utime * 1e9),
        "node_rusage_stime": int(usage.ru_stime * 1e9),
    }


def _metric_names() -> list[str]:
    times = ("min", "max", "mean", "50%ile", "90%ile", "99%ile", "99.99%ile")
    kinds = ("count", *(f"microseconds_{time}" for time in times))
    return [
        *map("_".join, product(("http_api", "client_api"), ("1", "15"), kinds)),
        *_counters(Stats()),
        *(f"node_num_{kind}_msg_{way}" for kind in ("admin", "control") for way in _WAYS),
        "http_api_num_requests",
        "http_raw_ws_num_requests",
        "http_sockjs_num_requests",
        "node_num_last_message_id",
        *_gauges(NodeInfo(uid="", name="", version="")),
        *_process(),
        "node_memory_heap_sys",
        "node_memory_heap_alloc",
        "node_memory_stack_inuse",
        "node_cpu_usage",
        "node_num_goroutine",
    ]


_WAYS = ("published", "received")

METRICS = tuple(sorted(_metric_names()))
"""All 74 names of classic.md section 9; what girandola does not count is 0."""
