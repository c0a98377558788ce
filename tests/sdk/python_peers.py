"""PyPI centrifuge-python, in this process."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import centrifuge
from centrifuge.filter import FilterNode

from tests.sdk.peer import RECONNECT_DELAY, Peer, PeerError


class PythonPeer(Peer):
    """PyPI centrifuge-python, in this process."""

    protobuf = False
    deltas = True

    def __init__(self) -> None:
        super().__init__()
        self._clients: dict[str, centrifuge.Client] = {}

    async def _open(self, client: str, url: str) -> None:
        async def get_token() -> str:
            return str(self._fresh_token(client))

        self._clients[client] = centrifuge.Client(
            url,
            events=_ClientEvents(lambda event, **facts: self._note(event, client, **facts)),
            token=self._token(client, first=True),
            get_token=get_token,
            min_reconnect_delay=RECONNECT_DELAY,
            max_reconnect_delay=RECONNECT_DELAY * 4,
            use_protobuf=self.protobuf,
            proxy=None,
        )
        await self._clients[client].connect()

    def _note(self, event: str, client: str, **facts: Any) -> None:
        self.journal.write({**facts, "event": event, "client": client})

    async def subscribe(
        self,
        client: str,
        channel: str,
        *,
        delta: str | None = None,
        tags_filter: Any = None,
        **options: Any,
    ) -> None:
        async def get_token(channel: str) -> str:
            token = self._subscription_token(client, channel)
            if token is None:
                raise centrifuge.UnauthorizedError
            return token

        if channel.startswith("$"):
            options["get_token"] = get_token
        if delta is not None:
            options["delta"] = centrifuge.DeltaType(delta)
        if tags_filter is not None:
            options["tags_filter"] = FilterNode(tags_filter)

        def note(event: str, **facts: Any) -> None:
            self._note(event, client, channel=channel, **facts)

        subscription = self._clients[client].new_subscription(
            channel,
            events=_SubscriptionEvents(note),
            min_resubscribe_delay=RECONNECT_DELAY,
            **{"join_leave": True, **options},
        )
        await subscription.subscribe()

    async def publish(self, client: str, channel: str, data: Any) -> None:
        with _errors_of_the_library():
            payload = json.dumps(data).encode() if self.protobuf else data
            await self._clients[client].publish(channel, payload)

    async def presence(self, client: str, channel: str) -> list[dict[str, Any]]:
        with _errors_of_the_library():
            result = await self._clients[client].presence(channel)
        people = [_person(info) for info in result.clients.values()]
        return sorted(people, key=lambda person: str(person["user"]))

    async def history(self, client: str, channel: str) -> list[dict[str, Any]]:
        with _errors_of_the_library():
            result = await self._clients[client].history(channel, limit=100)
        return [_publication(publication) for publication in result.publications]

    async def unsubscribe(self, client: str, channel: str) -> None:
        subscription = self._clients[client].get_subscription(channel)
        assert subscription is not None
        await subscription.unsubscribe()
        self._clients[client].remove_subscription(subscription)

    async def disconnect(self, client: str) -> None:
        await self._clients[client].disconnect()

    async def close(self) -> None:
        for client in self._clients.values():
            await client.disconnect()
            # Its tasks end by themselves; a loop that closes before they do complains.
            await asyncio.gather(*client._background_tasks, return_exceptions=True)


class PythonProtobufPeer(PythonPeer):
    """The same in Protobuf."""

    protobuf = True


# ── centrifuge-python's words into the journal's ─────────────────────────────────────────────


@contextlib.contextmanager
def _errors_of_the_library() -> Iterator[None]:
    try:
        yield
    except centrifuge.ReplyError as error:
        raise PeerError(error.code, error.message) from error


def _value(data: Any) -> Any:
    """Return the JSON value of a payload, which is bytes in Protobuf."""
    if not isinstance(data, bytes):
        return data
    return json.loads(data) if data else None


def _person(info: centrifuge.ClientInfo) -> dict[str, Any]:
    return {
        "user": info.user,
        "id": info.client,
        "conn_info": _value(info.conn_info),
        "chan_info": _value(info.chan_info),
    }


def _publication(publication: centrifuge.Publication) -> dict[str, Any]:
    return {
        "data": _value(publication.data),
        "offset": publication.offset,
        "info": _person(publication.info) if publication.info else None,
        "tags": publication.tags or None,
    }


def _subscribed(ctx: Any) -> dict[str, Any]:
    return {
        "was_recovering": ctx.was_recovering,
        "recovered": ctx.recovered,
        "recoverable": ctx.recoverable,
        "positioned": ctx.positioned,
        "data": _value(ctx.data),
    }


class _ClientEvents(centrifuge.ClientEventHandler):
    def __init__(self, note: Callable[..., None]) -> None:
        self._note = note

    async def on_connecting(self, ctx: Any) -> None:
        self._note("connecting", code=ctx.code, reason=ctx.reason)

    async def on_connected(self, ctx: Any) -> None:
        self._note("connected", id=ctx.client, data=_value(ctx.data))

    async def on_disconnected(self, ctx: Any) -> None:
        self._note("disconnected", code=ctx.code, reason=ctx.reason)

    async def on_error(self, ctx: Any) -> None:
        self._note("error", code=ctx.code, message=str(ctx.error))

    async def on_subscribed(self, ctx: Any) -> None:
        self._note("server_subscribed", channel=ctx.channel, **_subscribed(ctx))

    async def on_subscribing(self, ctx: Any) -> None:
        self._note("server_subscribing", channel=ctx.channel)

    async def on_unsubscribed(self, ctx: Any) -> None:
        self._note("server_unsubscribed", channel=ctx.channel)

    async def on_publication(self, ctx: Any) -> None:
        self._note("server_publication", channel=ctx.channel, **_publication(ctx.pub))

    async def on_join(self, ctx: Any) -> None:
        self._note("server_join", channel=ctx.channel, **_person(ctx.info))

    async def on_leave(self, ctx: Any) -> None:
        self._note("server_leave", channel=ctx.channel, **_person(ctx.info))


class _SubscriptionEvents(centrifuge.SubscriptionEventHandler):
    def __init__(self, note: Callable[..., None]) -> None:
        self._note = note

    async def on_subscribing(self, ctx: Any) -> None:
        self._note("subscribing", code=ctx.code, reason=ctx.reason)

    async def on_subscribed(self, ctx: Any) -> None:
        self._note("subscribed", **_subscribed(ctx))

    async def on_unsubscribed(self, ctx: Any) -> None:
        self._note("unsubscribed", code=ctx.code, reason=ctx.reason)

    async def on_publication(self, ctx: Any) -> None:
        self._note("publication", **_publication(ctx.pub))

    async def on_join(self, ctx: Any) -> None:
        self._note("join", **_person(ctx.info))

    async def on_leave(self, ctx: Any) -> None:
        self._note("leave", **_person(ctx.info))

    async def on_error(self, ctx: Any) -> None:
        self._note("subscription_error", code=ctx.code, message=str(ctx.error))
