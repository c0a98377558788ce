"""Every method of the server API, once: from a request to a result.

Plain calls on the node, after a look at what the channel's namespace offers. Nothing here knows
HTTP, keys or signs, or in which generation's words the caller asked. Requests, results and
errors: server.md, appendix A.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import cache, partial
from typing import Any

from msgspec import Raw, Struct

from girandola.api import schema
from girandola.api.schema import Empty
from girandola.api.side_by_side import side_by_side
from girandola.channels import Channels
from girandola.core.grants import (
    SubscribeGrant,
    SubscribeOverride,
    publish_options,
    subscribe_grant,
)
from girandola.core.node import Node, Target
from girandola.core.ports import PublishResult
from girandola.errors import (
    BAD_REQUEST,
    FORCE_DISCONNECT,
    INTERNAL,
    METHOD_NOT_FOUND,
    NOT_AVAILABLE,
    Disconnect,
    Error,
    Reject,
)
from girandola.model import Publication, StreamPosition
from girandola.options import ChannelOptions, HttpApiOptions
from girandola.protocol.commands import Recovery
from girandola.protocol.json_requests import Reader, TooMany
from girandola.protocol.payloads import fits

logger = logging.getLogger(__name__)

MAX_REASON = 123
"""Bytes of a close reason (RFC 6455 section 5.5)."""

METRICS_INTERVAL = 60
"""Seconds that metrics are aggregated over, as callers are told."""


class Methods:
    """The methods, each taking a request of ``schema`` and returning a result or raising Reject.

    ``channels`` is asked each time, so that a reload holds at once. ``options`` says how much one
    request may ask for; it may be replaced while running.
    """

    def __init__(self, node: Node, channels: Callable[[], Channels]) -> None:
        self.node = node
        self.options = HttpApiOptions()
        self._channels = channels

    async def answer(self, name: str, request: Any, peer: str = "") -> Struct | Error:
        """Carry out a method of ``METHODS``; log a refusal, and never raise.

        ``peer`` says for the log who asks.
        """
        try:
            return await METHODS[name].call(self, request)
        except Reject as reject:
            return self.refuse(name, peer, reject)
        except Exception:
            logger.exception("API %s failed", name)
            return INTERNAL

    def read(self, name: str, text: bytes) -> Any:
        """Return the request for a method of ``METHODS`` that stands in ``text``.

        Raises:
            Unreadable: it is none.
            Reject: it asks for too much at once.
        """
        try:
            return METHODS[name].reader.read(text, self.options.max_broadcast_size)
        except TooMany as error:
            raise too_many(error.name, error.most) from None

    def refuse(self, name: str, peer: str, reject: Reject) -> Error:
        """Return why a call is refused, and log it."""
        self.log_refusal(name, peer, reject.error, reject.detail)
        return reject.error

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

    def options_of(self, channel: str) -> ChannelOptions:
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
        result = await self._publish(request.channel, data, partial(fits, data), request)
        return schema.PublishResult(result.position.offset, result.position.epoch)

    async def broadcast(self, request: schema.BroadcastRequest) -> schema.BroadcastResult:
        """Publish into many channels; one that fails is no hindrance for the others."""
        if not request.channels:
            raise Reject(BAD_REQUEST, "expected at least one channel")
        most = self.options.max_broadcast_size
        if len(request.channels) > most:
            raise too_many("channels", most)
        data = _payload("data", request.data, request.b64data)
        if not data and not any(map(self._takes_nothing, request.channels)):
            raise Reject(BAD_REQUEST, "expected data")
        fitting = cache(partial(fits, data))
        refusals: list[Reject] = []

        async def respond(channel: str) -> schema.PublishResponse:
            try:
                result = await self._publish(channel, data, fitting, request)
            except Reject as reject:
                refusals.append(reject)
                return schema.PublishResponse(error=schema.error(reject.error))
            except Exception:
                logger.exception("API broadcast failed for channel %r", channel)
                return schema.PublishResponse(error=schema.error(INTERNAL))
            position = result.position
            return schema.PublishResponse(
                result=schema.PublishResult(position.offset, position.epoch)
            )

        responses = await side_by_side(self.node, respond, request.channels)
        if refusals:
            first = refusals[0]
            detail = f"{len(refusals)} of {len(responses)} channels; the first: {first.detail}"
            self.log_refusal("broadcast", "", first.error, detail)
        return schema.BroadcastResult(responses)

    def _takes_nothing(self, channel: str) -> bool:
        """Tell whether publications into the channel may be empty."""
        try:
            return self.options_of(channel).publication_data_format == "binary"
        except Reject:
            return False

    def _publish(
        self,
        channel: str,
        data: bytes,
        fitting: Callable[[str], bool],
        request: schema.PublishRequest | schema.BroadcastRequest,
    ) -> Awaitable[PublishResult]:
        options = self.options_of(channel)
        wanted = options.publication_data_format
        if not fitting(wanted):
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
        options = self.options_of(request.channel)
        grant = subscribe_grant(options, _override(request.override))
        _fill(grant, request)
        await self.node.subscribe(_target(request), request.channel, grant)
        return Empty()

    async def unsubscribe(self, request: schema.UnsubscribeRequest) -> Empty:
        """End a user's subscriptions to a channel, or all of them."""
        if request.channel:
            self.options_of(request.channel)
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
        clients: dict[str, schema.ClientInfo] = {}
        for number, (client, info) in enumerate(members.items(), 1):
            clients[client] = schema.client_info(info)
            await self.node.breathe(number)
        return schema.PresenceResult(clients)

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
        publications: list[schema.Publication] = []
        for number, publication in enumerate(page.publications, 1):
            publications.append(schema.publication(publication))
            await self.node.breathe(number)
        return schema.HistoryResult(publications, page.top.epoch, page.top.offset)

    async def history_remove(self, request: schema.ChannelRequest) -> Empty:
        """Forget a channel's publications."""
        self.require_history(request.channel)
        await self.node.remove_history(request.channel)
        return Empty()

    def _require_presence(self, channel: str) -> None:
        if not self.options_of(channel).presence:
            raise Reject(NOT_AVAILABLE, f"no presence in {channel!r}")

    def require_history(self, channel: str) -> ChannelOptions:
        """Return the options of a channel whose stream can be read.

        Raises:
            Reject: as ``options_of``, and NOT_AVAILABLE where there is no history.
        """
        options = self.options_of(channel)
        if not (options.keeps_history and self.node.keeps_history):
            raise Reject(NOT_AVAILABLE, f"no history in {channel!r}")
        return options

    # ── the server ───────────────────────────────────────────────────────────────────────────

    async def channels(self, request: schema.ChannelsRequest) -> schema.ChannelsResult:
        """List the channels that have subscribers."""
        try:
            found = await self.node.channels(request.pattern)
        except ValueError as error:
            raise Reject(BAD_REQUEST, f"pattern {request.pattern!r:.100}: {error}") from None
        channels: dict[str, schema.ChannelInfo] = {}
        for number, (channel, count) in enumerate(found.items(), 1):
            channels[channel] = schema.ChannelInfo(count)
            await self.node.breathe(number)
        return schema.ChannelsResult(channels)

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


# ── the table ────────────────────────────────────────────────────────────────────────────────


class Method(Struct, frozen=True):
    """How to read a method's request, and what to call with it."""

    request: type[Struct]
    reader: Reader[Any]
    call: Callable[[Methods, Any], Awaitable[Struct]]


METHODS: dict[str, Method] = {
    name: Method(request, schema.reader(request), call)
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


# ── from requests to what the core knows ─────────────────────────────────────────────────────


def too_many(what: str, most: int, option: str = "max_broadcast_size") -> Reject:
    """Return why a request that asks for too much at once is refused; the caller is told, too."""
    sentence = f"expected at most {most} {what} (http_api.{option})"
    return Reject(Error(BAD_REQUEST.code, f"{BAD_REQUEST.message}: {sentence}"), sentence)


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
