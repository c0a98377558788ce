"""Every method of the server API, once: from a request to a result.

Plain calls on the node, after a look at what the channel's namespace offers. Nothing here knows
HTTP, keys or signs, or in which generation's words the caller asked. Requests, results and
errors: server.md, appendix A.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import cache, partial
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from girandola.api import schema
from girandola.api.schema import Empty
from girandola.channels import Channels
from girandola.core.grants import (
    SubscribeGrant,
    SubscribeOverride,
    publish_options,
    subscribe_grant,
)
from girandola.core.node import Node, Target
from girandola.core.ports import PublishResult, Waiter
from girandola.errors import (
    BAD_REQUEST,
    FORCE_DISCONNECT,
    INTERNAL,
    METHOD_NOT_FOUND,
    NOT_AVAILABLE,
    Disconnect,
    Error,
    Reject,
    Unavailable,
)
from girandola.model import Publication, StreamPosition
from girandola.options import ChannelOptions
from girandola.protocol import raw_json
from girandola.protocol.commands import Recovery

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

MAX_SIDE_BY_SIDE = 1024
"""How many commands of a request are carried out at the same time."""

MAX_REASON = 123
"""Bytes of a close reason (RFC 6455 section 5.5)."""

METRICS_INTERVAL = 60
"""Seconds that metrics are aggregated over, as callers are told."""


class Methods:
    """The methods, each taking a request of ``schema`` and returning a result or raising Reject.

    ``channels`` is asked each time, so that a reload holds at once.
    """

    def __init__(self, node: Node, channels: Callable[[], Channels]) -> None:
        self.node = node
        self._channels = channels

    async def answer(self, name: str, request: Any, peer: str = "") -> Struct | Error:
        """Carry out a method of ``METHODS``; log a refusal, and never raise.

        ``peer`` says for the log who asks.
        """
        try:
            return await METHODS[name].call(self, request)
        except Reject as reject:
            self.log_refusal(name, peer, reject.error, reject.detail)
            return reject.error
        except Unavailable as error:
            self.log_refusal(name, peer, INTERNAL, str(error))
            return INTERNAL
        except Exception:
            logger.exception("API %s failed", name)
            return INTERNAL

    def log_refusal(self, name: str, peer: str, error: Error, detail: str) -> None:
        """Write the one line that says what was refused to whom, and why."""
        logger.warning(
            "API %s refused to %s: %s (%d): %s",
            name,
            peer or "a caller",
            error.message,
            error.code,
            detail,
        )

    def options(self, channel: str) -> ChannelOptions:
        """Return the options of a channel.

        Raises:
            Reject: BAD_REQUEST without a channel, UNKNOWN_CHANNEL for an unknown namespace.
        """
        if not channel:
            raise Reject(BAD_REQUEST, "expected a channel")
        return self._channels().options(channel)

    # ── publishing ───────────────────────────────────────────────────────────────────────────

    async def publish(self, request: schema.PublishRequest) -> schema.PublishResult:
        """Publish into a channel."""
        if not request.channel:
            raise Reject(BAD_REQUEST, "expected a channel")
        data = _payload("data", request.data, request.b64data)
        fits = partial(raw_json.has_format, data)
        result = await self._publish(request.channel, data, fits, request)
        return schema.PublishResult(result.position.offset, result.position.epoch)

    async def broadcast(self, request: schema.BroadcastRequest) -> schema.BroadcastResult:
        """Publish into many channels; one that fails is no hindrance for the others."""
        if not request.channels:
            raise Reject(BAD_REQUEST, "expected at least one channel")
        data = _payload("data", request.data, request.b64data)
        if not data and not any(map(self._takes_nothing, request.channels)):
            raise Reject(BAD_REQUEST, "expected data")
        fits = cache(partial(raw_json.has_format, data))

        async def respond(channel: str) -> schema.PublishResponse:
            try:
                result = await self._publish(channel, data, fits, request)
            except Reject as reject:
                self.log_refusal("broadcast", "", reject.error, reject.detail)
                return schema.PublishResponse(error=schema.error(reject.error))
            except Unavailable as error:
                self.log_refusal("broadcast", "", INTERNAL, f"channel {channel!r}: {error}")
                return schema.PublishResponse(error=schema.error(INTERNAL))
            except Exception:
                logger.exception("API broadcast failed for channel %r", channel)
                return schema.PublishResponse(error=schema.error(INTERNAL))
            position = result.position
            return schema.PublishResponse(
                result=schema.PublishResult(position.offset, position.epoch)
            )

        return schema.BroadcastResult(await self._side_by_side(respond, request.channels))

    def _takes_nothing(self, channel: str) -> bool:
        """Tell whether publications into the channel may be empty."""
        try:
            return self.options(channel).publication_data_format == "binary"
        except Reject:
            return False

    def _publish(
        self,
        channel: str,
        data: bytes,
        fits: Callable[[str], bool],
        request: schema.PublishRequest | schema.BroadcastRequest,
    ) -> Awaitable[PublishResult]:
        options = self.options(channel)
        wanted = options.publication_data_format
        if not fits(wanted):
            raise Reject(BAD_REQUEST, f"expected {wanted or 'non-empty'} data for {channel!r}")
        return self.node.publish(
            channel,
            Publication(data=data, tags=request.tags or None),
            publish_options(
                options,
                skip_history=request.skip_history,
                idempotency_key=request.idempotency_key,
                version=request.version,
                version_epoch=request.version_epoch,
                delta=request.delta,
            ),
        )

    # ── connections and subscriptions ────────────────────────────────────────────────────────

    async def subscribe(self, request: schema.SubscribeRequest) -> Empty:
        """Subscribe a user's connections to a channel."""
        options = self.options(request.channel)
        grant = subscribe_grant(options, _override(request.override))
        _fill(grant, request)
        await self.node.subscribe(_target(request), request.channel, grant)
        return Empty()

    async def unsubscribe(self, request: schema.UnsubscribeRequest) -> Empty:
        """End a user's subscriptions to a channel, or all of them."""
        if request.channel:
            self.options(request.channel)
        await self.node.unsubscribe(_target(request), request.channel)
        return Empty()

    async def disconnect(self, request: schema.DisconnectRequest) -> Empty:
        """End a user's connections."""
        why = FORCE_DISCONNECT
        if request.disconnect is not None:
            why = _disconnect(request.disconnect)
        await self.node.disconnect(_target(request), why, frozenset(request.whitelist))
        return Empty()

    async def refresh(self, request: schema.RefreshRequest) -> Empty:
        """Change when a user's connections expire."""
        await self.node.refresh(
            _target(request),
            expired=request.expired,
            expire_at=request.expire_at,
            info=bytes(request.info) or None,
        )
        return Empty()

    # ── presence and history ─────────────────────────────────────────────────────────────────

    async def presence(self, request: schema.ChannelRequest) -> schema.PresenceResult:
        """Tell who is in a channel."""
        self._require_presence(request.channel)
        members = await self.node.presence(request.channel)
        return schema.PresenceResult(
            {client: schema.client_info(info) for client, info in members.items()}
        )

    async def presence_stats(self, request: schema.ChannelRequest) -> schema.PresenceStatsResult:
        """Tell how many are in a channel."""
        self._require_presence(request.channel)
        stats = await self.node.presence_stats(request.channel)
        return schema.PresenceStatsResult(stats.num_clients, stats.num_users)

    async def history(self, request: schema.HistoryRequest) -> schema.HistoryResult:
        """Read a channel's stream."""
        options = self.require_history(request.channel)
        since = request.since
        page = await self.node.history(
            request.channel,
            since=None if since is None else StreamPosition(since.offset, since.epoch),
            limit=None if request.limit < 0 else request.limit,
            reverse=request.reverse,
            meta_ttl=options.history_meta_ttl,
        )
        publications = [schema.publication(publication) for publication in page.publications]
        return schema.HistoryResult(publications, page.top.epoch, page.top.offset)

    async def history_remove(self, request: schema.ChannelRequest) -> Empty:
        """Forget a channel's publications."""
        self.require_history(request.channel)
        await self.node.remove_history(request.channel)
        return Empty()

    def _require_presence(self, channel: str) -> None:
        if not self.options(channel).presence:
            raise Reject(NOT_AVAILABLE, f"no presence in {channel!r}")

    def require_history(self, channel: str) -> ChannelOptions:
        """Return the options of a channel whose stream can be read.

        Raises:
            Reject: as ``options``, and NOT_AVAILABLE where there is no history.
        """
        options = self.options(channel)
        if not (options.keeps_history and self.node.keeps_history):
            raise Reject(NOT_AVAILABLE, f"no history in {channel!r}")
        return options

    # ── the server ───────────────────────────────────────────────────────────────────────────

    async def channels(self, request: schema.ChannelsRequest) -> schema.ChannelsResult:
        """List the channels that have subscribers."""
        try:
            found = await self.node.channels(request.pattern)
        except re.error as error:
            raise Reject(BAD_REQUEST, f"pattern {request.pattern!r}: {error}") from None
        return schema.ChannelsResult(
            {channel: schema.ChannelInfo(count) for channel, count in found.items()}
        )

    async def info(self, request: schema.InfoRequest) -> schema.InfoResult:
        """Tell what the nodes are doing."""
        return schema.InfoResult(
            [
                schema.Node(
                    uid=node.uid,
                    name=node.name,
                    version=node.version,
                    num_clients=node.num_clients,
                    num_users=node.num_users,
                    num_channels=node.num_channels,
                    uptime=node.uptime,
                    metrics=schema.Metrics(METRICS_INTERVAL, node.metrics),
                    num_subs=node.num_subs,
                )
                for node in self.node.info()
            ]
        )

    async def rpc(self, request: schema.RpcRequest) -> schema.RpcResult:
        """Call an extension; there are none yet."""
        if not request.method:
            raise Reject(BAD_REQUEST, "expected a method")
        raise Reject(METHOD_NOT_FOUND, f"no extension {request.method!r}")

    # ── many at once ─────────────────────────────────────────────────────────────────────────

    async def batch(self, batch: "Batch", peer: str = "") -> schema.BatchResult:
        """Carry out commands, one after the other or side by side; replies in their order."""

        async def reply(command: tuple[str, Any] | Error) -> dict[str, Any]:
            if isinstance(command, Error):
                self.log_refusal("batch", peer, command, "a command without a known method")
                return {"error": schema.error(command)}
            name, request = command
            outcome = await self.answer(name, request, peer)
            if isinstance(outcome, Error):
                return {"error": schema.error(outcome)}
            return {name: outcome}

        if batch.parallel:
            return schema.BatchResult(await self._side_by_side(reply, batch.commands))
        replies = []
        for number, command in enumerate(batch.commands, 1):
            replies.append(await reply(command))
            await self.breathe(number)
        return schema.BatchResult(replies)

    async def _side_by_side(self, call: Callable[[T], Awaitable[R]], items: Sequence[T]) -> list[R]:
        """Return the results of calls that do not raise, in the order of ``items``."""
        results: list[R] = []
        for start in range(0, len(items), MAX_SIDE_BY_SIDE):
            await self.breathe(start)
            results += await self._gather(call, items[start : start + MAX_SIDE_BY_SIDE])
        return results

    async def _gather(self, call: Callable[[T], Awaitable[R]], items: Sequence[T]) -> list[R]:
        # Not asyncio.gather: with an engine that never waits, this makes no task at all.
        results: dict[int, R] = {}
        left = len(items)
        finished: Waiter[None] = self.node.clock.waiter()

        async def run(index: int, item: T) -> None:
            nonlocal left
            try:
                results[index] = await call(item)
            finally:
                left -= 1
                if not left and not finished.done():  # done: the request was cancelled
                    finished.set_result(None)

        for index, item in enumerate(items):
            self.node.clock.spawn(run(index, item))
        if left:
            await finished
        return [results[index] for index in range(len(items))]

    async def breathe(self, number: int) -> None:
        """Let others have a turn now and then, so that a huge request does not hold them up.

        ``number`` is how many of its commands were carried out.
        """
        if number == 0 or number % MAX_SIDE_BY_SIDE:
            return
        turn: Waiter[None] = self.node.clock.waiter()
        self.node.clock.call_soon(_finish, turn)
        await turn


# ── the table ────────────────────────────────────────────────────────────────────────────────


class Method(Struct, frozen=True):
    """How to read a method's request, and what to call with it."""

    decoder: msgspec.json.Decoder[Any]
    call: Callable[[Methods, Any], Awaitable[Struct]]

    def read(self, text: bytes) -> Any:
        """Decode a request. Raises ``Unreadable``."""
        return schema.read(self.decoder, text)


METHODS: dict[str, Method] = {
    name: Method(msgspec.json.Decoder(request), call)
    for name, request, call in (
        ("publish", schema.PublishRequest, Methods.publish),
        ("broadcast", schema.BroadcastRequest, Methods.broadcast),
        ("subscribe", schema.SubscribeRequest, Methods.subscribe),
        ("unsubscribe", schema.UnsubscribeRequest, Methods.unsubscribe),
        ("disconnect", schema.DisconnectRequest, Methods.disconnect),
        ("refresh", schema.RefreshRequest, Methods.refresh),
        ("presence", schema.ChannelRequest, Methods.presence),
        ("presence_stats", schema.ChannelRequest, Methods.presence_stats),
        ("history", schema.HistoryRequest, Methods.history),
        ("history_remove", schema.ChannelRequest, Methods.history_remove),
        ("channels", schema.ChannelsRequest, Methods.channels),
        ("info", schema.InfoRequest, Methods.info),
        ("rpc", schema.RpcRequest, Methods.rpc),
    )
}
"""Every method but ``batch``, which is made of them."""


class Batch(Struct):
    """Commands that were read: the name of a method and its request, or why there is none."""

    commands: list[tuple[str, Any] | Error]
    parallel: bool = False


_batch_decoder = msgspec.json.Decoder(schema.BatchRequest)


def read_batch(text: bytes) -> Batch:
    """Decode a batch with all its requests. Raises ``Unreadable``."""
    request = schema.read(_batch_decoder, text)
    return Batch([_read_command(command) for command in request.commands], request.parallel)


def _read_command(command: dict[str, Raw] | None) -> tuple[str, Any] | Error:
    if command is None:
        return BAD_REQUEST
    for name, method in METHODS.items():
        text = bytes(command.get(name, schema.ABSENT))
        if text and text != b"null":
            return name, method.read(text)
    return METHOD_NOT_FOUND


# ── from requests to what the core knows ─────────────────────────────────────────────────────


def _payload(name: str, raw: Raw, encoded: str) -> bytes:
    """Return a payload given as JSON or, which goes first, in Base64."""
    if not encoded:
        return bytes(raw)
    try:
        return schema.from_base64(encoded)
    except ValueError as error:
        raise Reject(BAD_REQUEST, f"b64{name}: {error}") from None


def _target(request: schema.Targeted) -> Target:
    return Target(request.user, request.client, request.session)


def _disconnect(wanted: schema.Disconnect) -> Disconnect:
    if not 3000 <= wanted.code <= 4999:
        raise Reject(BAD_REQUEST, f"disconnect code {wanted.code}, expected 3000 to 4999")
    if len(wanted.reason.encode()) > MAX_REASON:
        raise Reject(BAD_REQUEST, f"disconnect reason over {MAX_REASON} bytes")
    return Disconnect(wanted.code, wanted.reason)


def _override(wanted: schema.SubscribeOptionOverride | None) -> SubscribeOverride | None:
    if wanted is None:
        return None

    def value(flag: schema.BoolValue | None) -> bool | None:
        return None if flag is None else flag.value

    return SubscribeOverride(
        presence=value(wanted.presence),
        join_leave=value(wanted.join_leave),
        force_push_join_leave=value(wanted.force_push_join_leave),
        force_recovery=value(wanted.force_recovery),
        force_positioning=value(wanted.force_positioning),
    )


def _fill(grant: SubscribeGrant, request: schema.SubscribeRequest) -> None:
    """Put into a grant what the caller gave beside the namespace's options."""
    grant.chan_info = _payload("info", request.info, request.b64info)
    grant.data = _payload("data", request.data, request.b64data)
    grant.expire_at = request.expire_at
    since = request.recover_since
    if since is not None:
        grant.recovery = Recovery(recover=True, offset=since.offset, epoch=since.epoch)


def _finish(turn: Waiter[None]) -> None:
    if not turn.done():
        turn.set_result(None)
