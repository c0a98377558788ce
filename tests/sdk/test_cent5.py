"""cent 5, today's server API client: every method, with its synchronous and asynchronous client."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import cent
import pytest

from tests.sdk.backend import API_KEY
from tests.sdk.peer import Peer
from tests.sdk.server import Server

pytestmark = pytest.mark.filterwarnings(
    # cent hands its timeout to aiohttp as a number.
    "ignore:Chaining:DeprecationWarning"
)

Call = Callable[[str, Any], Awaitable[Any]]


def caller(client: Any) -> Call:
    async def call(method: str, request: Any) -> Any:
        function = getattr(client, method)
        if asyncio.iscoroutinefunction(function):
            return await function(request)
        return await asyncio.to_thread(function, request)

    return call


@pytest.fixture(params=["Client", "AsyncClient"])
async def call(request: pytest.FixtureRequest, server: Server) -> AsyncIterator[Call]:
    """Calls a method of one of the clients by name."""
    client = getattr(cent, request.param)(f"{server.address}/api", API_KEY)
    yield caller(client)
    await caller_close(client)


async def caller_close(client: Any) -> None:
    closing = client.close()
    if closing is not None:
        await closing


@pytest.fixture
async def alice(
    make_peer: Callable[[str], Peer], server: Server, channel: str, user: str
) -> tuple[Peer, str]:
    """A subscriber of today, and the id of its connection."""
    peer = make_peer("centrifuge-python-0.7")
    client_id = await peer.connected("alice", server.url, user=user, info={"n": 1})
    await peer.subscribed("alice", channel)
    return peer, client_id


async def test_publish_tells_the_position(
    call: Call, alice: tuple[Peer, str], channel: str
) -> None:
    """Publish delivers and returns offset and epoch; a repeated key publishes once."""
    peer, _ = alice
    request = cent.PublishRequest(
        channel=channel, data={"n": 1}, tags={"t": "x"}, idempotency_key="once"
    )
    first = await call("publish", request)
    again = await call("publish", request)
    await call("publish", cent.PublishRequest(channel=channel, data="end"))

    assert (first.offset, again.offset, again.epoch) == (1, 1, first.epoch)
    assert first.epoch
    assert await peer.data_until("end", "alice", channel) == [{"n": 1}, "end"]


async def test_broadcast_answers_for_each_channel(
    call: Call, alice: tuple[Peer, str], channel: str
) -> None:
    """Broadcast publishes into all channels and reports errors one by one."""
    peer, _ = alice
    request = cent.BroadcastRequest(channels=[channel, "nowhere:1"], data="all")
    result = await call("broadcast", request)
    assert result.responses[0].result.offset == 1
    assert result.responses[1].error.code == 102
    await peer.data_until("all", "alice", channel)


async def test_subscribe_unsubscribe_and_disconnect_act_on_a_user(
    call: Call, alice: tuple[Peer, str], channel: str, user: str
) -> None:
    """Subscribe and unsubscribe change what a user hears; disconnect ends the connections."""
    peer, client_id = alice
    other = f"{channel}-other"
    override = cent.ChannelOptionsOverride(presence=cent.BoolValue(value=False))
    await call(
        "subscribe",
        cent.SubscribeRequest(
            user=user, channel=other, client=client_id, data={"hi": 1}, override=override
        ),
    )
    entry = (await peer.wait("server_subscribed", "alice", channel=other))[0]
    assert entry["data"] == {"hi": 1}
    presence = await call("presence", cent.PresenceRequest(channel=other))
    assert presence.presence == {}

    await call("unsubscribe", cent.UnsubscribeRequest(user=user, channel=other))
    await peer.wait("server_unsubscribed", "alice", channel=other)

    disconnect = cent.Disconnect(code=4500, reason="go away")
    await call("disconnect", cent.DisconnectRequest(user=user, disconnect=disconnect))
    await peer.wait("disconnected", "alice", code=4500, reason="go away")


async def test_refresh_expires_connections(call: Call, alice: tuple[Peer, str], user: str) -> None:
    """Refresh prolongs the connections of a user, or ends them as expired."""
    peer, _ = alice
    await call("refresh", cent.RefreshRequest(user=user, expire_at=int(time.time()) + 60))
    assert len(peer.all("connecting", "alice")) == 1
    await call("refresh", cent.RefreshRequest(user=user, expired=True))
    await peer.wait("connecting", "alice", code=3005)


async def test_presence_and_its_statistics(
    call: Call, alice: tuple[Peer, str], channel: str, user: str
) -> None:
    """Presence lists the connections of a channel, presence_stats counts them."""
    _, client_id = alice
    presence = (await call("presence", cent.PresenceRequest(channel=channel))).presence
    assert list(presence) == [client_id]
    person = presence[client_id]
    assert (person.user, person.client, person.conn_info) == (user, client_id, {"n": 1})
    stats = await call("presence_stats", cent.PresenceStatsRequest(channel=channel))
    assert (stats.num_clients, stats.num_users) == (1, 1)


async def test_history_is_read_and_removed(
    call: Call, alice: tuple[Peer, str], channel: str
) -> None:
    """History reads from a position, forwards or backwards; history_remove empties it."""
    for number in range(5):
        await call("publish", cent.PublishRequest(channel=channel, data=number))
    position = await call("history", cent.HistoryRequest(channel=channel))
    assert (position.publications, position.offset) == ([], 5)

    async def read(**options: Any) -> list[Any]:
        result = await call("history", cent.HistoryRequest(channel=channel, **options))
        return [publication.data for publication in result.publications]

    assert await read(limit=-1) == [0, 1, 2, 3, 4]
    assert await read(limit=2, reverse=True) == [4, 3]
    since = cent.StreamPosition(offset=2, epoch=position.epoch)
    assert await read(limit=2, since=since) == [2, 3]
    await call("history_remove", cent.HistoryRemoveRequest(channel=channel))
    assert await read(limit=-1) == []


async def test_channels_and_info_describe_the_server(
    call: Call, alice: tuple[Peer, str], channel: str
) -> None:
    """Channels lists what has subscribers, by a pattern; info describes the nodes."""
    channels = (await call("channels", cent.ChannelsRequest(pattern=channel))).channels
    assert {name: found.num_clients for name, found in channels.items()} == {channel: 1}
    everything = (await call("channels", cent.ChannelsRequest())).channels
    assert channel in everything
    [node] = (await call("info", cent.InfoRequest())).nodes
    assert node.uid
    assert node.name
    assert node.num_clients >= 1
    assert node.num_channels >= 1


@pytest.mark.parametrize("parallel", [False, True])
async def test_a_batch_is_answered_in_order(
    call: Call, alice: tuple[Peer, str], channel: str, parallel: bool
) -> None:
    """Batch carries different commands in one request."""
    request = cent.BatchRequest(
        requests=[
            cent.PublishRequest(channel=channel, data=1),
            cent.BroadcastRequest(channels=[channel], data=2),
            cent.PresenceStatsRequest(channel=channel),
            cent.InfoRequest(),
        ],
        parallel=parallel,
    )
    published, broadcast, stats, info = (await call("batch", request)).replies
    offsets = {published.offset, broadcast.responses[0].result.offset}
    assert offsets == {1, 2}
    assert stats.num_clients == 1
    assert len(info.nodes) == 1


@pytest.mark.parametrize(
    ("method", "request_", "code"),
    [
        ("publish", cent.PublishRequest(channel="nowhere:1", data=1), 102),
        ("publish", cent.PublishRequest(channel="", data=1), 107),
        ("broadcast", cent.BroadcastRequest(channels=[], data=1), 107),
        ("presence", cent.PresenceRequest(channel=f"quiet:{uuid.uuid4().hex}"), 108),
        ("presence_stats", cent.PresenceStatsRequest(channel="nowhere:1"), 102),
        ("history", cent.HistoryRequest(channel=f"quiet:{uuid.uuid4().hex}", limit=1), 108),
        (
            "history",
            cent.HistoryRequest(
                channel="room:unknown epoch",
                limit=1,
                since=cent.StreamPosition(offset=5, epoch="gone"),
            ),
            112,
        ),
        ("history_remove", cent.HistoryRemoveRequest(channel="nowhere:1"), 102),
    ],
)
async def test_errors_are_raised_with_their_code(
    call: Call, method: str, request_: Any, code: int
) -> None:
    """What the API refuses becomes a CentApiResponseError."""
    with pytest.raises(cent.CentApiResponseError) as refused:
        await call(method, request_)
    assert refused.value.code == code


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
async def test_a_wrong_key_is_refused(server: Server, kind: str) -> None:
    """Without the key, the API answers 401."""
    client = getattr(cent, kind)(f"{server.address}/api", "a guess")
    with pytest.raises(cent.CentUnauthorizedError):
        await caller(client)("info", cent.InfoRequest())
    await caller_close(client)
