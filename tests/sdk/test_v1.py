"""The library of the v2 and v3 servers, npm centrifuge 2.8.5, in JSON and in Protobuf.

Where it behaves like the other libraries their scenarios run once more, with the peers of this
file. The others are here, in the words of its generation.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import websockets

from tests.sdk import test_clients, test_modern, test_permissions
from tests.sdk.backend import jwt
from tests.sdk.peer import Peer, PeerError
from tests.sdk.peers import V1_PEERS
from tests.sdk.server import Api, Server

MakePeer = Callable[[str], Peer]


@pytest.fixture(params=["centrifuge-js-2.8", "centrifuge-js-2.8-protobuf"])
def peer(request: pytest.FixtureRequest, make_peer: MakePeer) -> Peer:
    """The library in each of its encodings."""
    return make_peer(request.param)


@pytest.fixture
def modern_peer(peer: Peer) -> Peer:
    """The same, for scenarios that clients of 2018 do not know."""
    return peer


# ── what all libraries can do ────────────────────────────────────────────────────────────────

test_a_client_gets_an_id = test_clients.test_a_client_gets_an_id
test_a_message_reaches_its_publisher = test_clients.test_a_message_reaches_its_publisher_and_others
test_a_message_of_the_application_has_no_publisher = (
    test_clients.test_a_message_of_the_application_has_no_publisher
)
test_many_messages_arrive_in_order = test_clients.test_many_messages_arrive_in_order
test_a_large_message_is_carried_both_ways = test_clients.test_a_large_message_is_carried_both_ways
test_presence_names_who_is_subscribed = test_clients.test_presence_names_who_is_subscribed
test_history_holds_what_was_published = test_clients.test_history_holds_what_was_published
test_subscribers_see_others_come_and_go = test_clients.test_subscribers_see_others_come_and_go
test_whoever_left_hears_nothing_more = test_clients.test_whoever_left_hears_nothing_more
test_what_was_missed_arrives_once = test_clients.test_what_was_missed_arrives_once_and_in_order
test_coming_back_to_a_quiet_channel = (
    test_clients.test_coming_back_to_a_quiet_channel_repeats_nothing
)
test_a_client_learns_that_too_much_was_missed = (
    test_clients.test_a_client_learns_that_too_much_was_missed
)
test_clients_outlive_a_restart_of_the_server = (
    test_clients.test_clients_outlive_a_restart_of_the_server
)
test_an_expired_token_is_replaced = test_clients.test_an_expired_token_is_replaced
test_a_private_channel_opens = (
    test_permissions.test_a_private_channel_opens_to_whom_the_backend_lets_in
)
test_a_private_channel_stays_closed_where_the_backend_refuses = (
    test_permissions.test_a_private_channel_stays_closed_where_the_backend_refuses
)
test_a_private_channel_is_recovered = (
    test_permissions.test_a_private_channel_is_recovered_with_a_new_permission
)
test_a_channel_of_named_users_opens_to_them = (
    test_permissions.test_a_channel_of_named_users_opens_to_them
)
test_the_application_unsubscribes_a_user = test_clients.test_the_application_unsubscribes_a_user

# ── what they can do since there are tokens ──────────────────────────────────────────────────

test_a_server_side_subscription_recovers = (
    test_modern.test_a_server_side_subscription_recovers_what_was_missed
)
test_joins_in_a_server_side_subscription_are_told = (
    test_modern.test_joins_in_a_server_side_subscription_are_told
)
test_a_subscription_outlives_its_token = (
    test_modern.test_a_subscription_outlives_its_token_when_it_is_refreshed
)
test_an_unsubscribed_connection_may_not_publish = (
    test_modern.test_an_unsubscribed_connection_may_not_publish
)


async def test_offsets_count_up(
    peer: Peer, server: Server, api: Api, channel: str, user: str
) -> None:
    """Publications of a stream are numbered from one, live and in history."""
    await peer.connected("alice", server.url, user=user)
    await peer.subscribed("alice", channel)
    await api.publish_all(channel, [1, 2])
    entries = await peer.wait("publication", "alice", channel=channel, count=2)
    assert [entry["offset"] for entry in entries] == [1, 2]
    assert [entry["offset"] for entry in await peer.history("alice", channel)] == [1, 2]


async def test_the_application_subscribes_a_user(
    peer: Peer, server: Server, api: Api, channel: str, user: str
) -> None:
    """The server API subscribes a connected user, and ends it again."""
    await peer.connected("alice", server.url, user=user)
    await api("subscribe", user=user, channel=channel)
    await peer.wait("server_subscribed", "alice", channel=channel)
    await api("publish", channel=channel, data="hello")
    await peer.wait("server_publication", "alice", channel=channel, data="hello")

    await api("unsubscribe", user=user, channel=channel)
    await peer.wait("server_unsubscribed", "alice", channel=channel)
    assert (await api("presence", channel=channel))["presence"] == {}


@pytest.mark.parametrize("name", V1_PEERS)
async def test_presence_is_counted(
    make_peer: MakePeer, server: Server, channel: str, name: str
) -> None:
    """Presence statistics count connections and users, however Protobuf was asked for."""
    peer: Any = make_peer(name)
    for client, user in (("a", "1"), ("b", "1"), ("c", "2")):
        await peer.connected(client, server.url, user=user)
        await peer.subscribed(client, channel)
    assert await peer.call("presence_stats", "a", channel=channel) == {"clients": 3, "users": 2}


@pytest.mark.parametrize("name", ["centrifuge-js-2.8", "centrifuge-js-2.8-protobuf"])
async def test_the_address_of_the_v4_servers_leads_to_the_same(
    make_peer: MakePeer, server: Server, channel: str, user: str, name: str
) -> None:
    """The v4 servers wanted this protocol to be named in the address; it still may be."""
    peer: Any = make_peer(name)
    peer.query = f"{peer.query or '?'}&cf_protocol_version=v1"
    await peer.connected("alice", server.url, user=user)
    await peer.subscribed("alice", channel)
    await peer.publish("alice", channel, {"n": 1})
    assert await peer.data_until({"n": 1}, "alice", channel) == [{"n": 1}]


@pytest.mark.parametrize("other", ["centrifuge-js-1.5", "centrifuge-js-5.8"])
async def test_it_meets_the_other_generations_in_a_channel(
    peer: Peer, make_peer: MakePeer, server: Server, channel: str, other: str
) -> None:
    """What it publishes reaches clients of 2018 and of today, and the other way round."""
    both = {"v1": peer, "other": make_peer(other)}
    for user, each in both.items():
        await each.connected("client", server.url, user=user)
        await each.subscribed("client", channel)
    for user, each in both.items():
        await each.publish("client", channel, {"from": user})
        for listener in both.values():
            await listener.wait("publication", "client", channel=channel, data={"from": user})
    for each in both.values():
        entries = each.all("publication", "client", channel=channel)
        assert [entry["info"]["user"] for entry in entries] == ["v1", "other"]
        assert [person["user"] for person in await each.presence("client", channel)] == [
            "other",
            "v1",
        ]


# ── tokens ───────────────────────────────────────────────────────────────────────────────────


async def closed_for_its_age(url: str) -> websockets.Close | None:
    """Connect with a token of two seconds, refresh nothing; return how the server closes."""
    token = jwt({"sub": "witness", "exp": int(time.time()) + 2})
    async with asyncio.timeout(30), websockets.connect(url, proxy=None) as socket:
        await socket.send(json.dumps({"id": 1, "params": {"token": token, "name": "js"}}))
        try:
            while True:
                await socket.recv()
        except websockets.ConnectionClosed as closed:
            return closed.rcvd


async def test_a_connection_outlives_its_token_when_it_is_refreshed(
    peer: Peer, impatient_server: Server, channel: str, user: str
) -> None:
    """The library asks its backend for a new token in time; one that does not is closed."""
    client_id = await peer.connected("alice", impatient_server.url, user=user, lifetime=2)
    await peer.subscribed("alice", channel)

    closed = await closed_for_its_age(impatient_server.url)

    assert closed is not None
    assert (closed.code, closed.reason) == (3005, '{"reason":"expired","reconnect":true}')
    await peer.publish("alice", channel, "still here")
    entry = (await peer.wait("publication", "alice", channel=channel))[0]
    assert entry["info"]["id"] == client_id
    # Neither its token nor an unanswered ping has ended the connection.
    assert len(peer.all("connected", "alice")) == 1
    assert peer.all("asked_token", "alice")


async def test_a_forged_token_ends_the_client(peer: Peer, server: Server, user: str) -> None:
    """A client with a token of someone else's making is refused and does not come back."""
    await peer.connect("mallory", server.url, user=user, key="a guess")
    await peer.wait("disconnected", "mallory", reason="invalid token")
    (closed,) = peer.all("transport_closed", "mallory")
    assert (closed["code"], closed["reconnect"]) == (3002, False)
    assert not peer.all("connected", "mallory")


async def test_a_private_channel_stays_closed_to_forged_tokens(
    peer: Peer, server: Server, channel: str, user: str
) -> None:
    """The server refuses subscription tokens that are not of its key."""
    private = f"${channel}"
    await peer.connected("mallory", server.url, user=user, forged=True)
    await peer.subscribe("mallory", private)
    entry = (await peer.wait("subscription_error", "mallory", channel=private))[0]
    assert (entry["code"], entry["message"]) == (103, "permission denied")
    assert not peer.all("subscribed", "mallory", channel=private)


async def test_a_token_for_one_connection_is_of_no_use_to_another(
    peer: Peer, server: Server, channel: str, user: str
) -> None:
    """Who comes with another connection's subscription token is refused."""
    private = f"${channel}"
    await peer.connected("mallory", server.url, user=user, connection=str(uuid.uuid4()))
    await peer.subscribe("mallory", private)
    entry = (await peer.wait("subscription_error", "mallory", channel=private))[0]
    assert (entry["code"], entry["message"]) == (103, "permission denied")
    assert not peer.all("subscribed", "mallory", channel=private)


# ── refusals ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("channel", "code", "message"),
    [
        ("nowhere:1", 102, "unknown channel"),
        ("room:few#41,43", 103, "permission denied"),
        ("closed:1", 103, "permission denied"),
    ],
)
async def test_a_refused_subscription_says_why(
    peer: Peer, server: Server, channel: str, code: int, message: str
) -> None:
    """Unknown namespaces, channels of other users and closed ones are refused with a number."""
    await peer.connected("alice", server.url, user="42")
    await peer.subscribe("alice", channel)
    entry = (await peer.wait("subscription_error", "alice", channel=channel))[0]
    assert (entry["code"], entry["message"]) == (code, message)
    assert not peer.all("subscribed", "alice", channel=channel)


async def test_what_a_channel_does_not_offer_is_refused(peer: Peer, server: Server) -> None:
    """Publishing, presence and history are refused where the namespace does not have them."""
    channel = f"quiet:{uuid.uuid4().hex}"
    await peer.connected("alice", server.url, user="42")
    await peer.subscribed("alice", channel)
    with pytest.raises(PeerError) as refused:
        await peer.publish("alice", channel, "x")
    assert (refused.value.code, refused.value.message) == (103, "permission denied")
    for ask in (peer.presence, peer.history):
        with pytest.raises(PeerError) as unavailable:
            await ask("alice", channel)
        assert (unavailable.value.code, unavailable.value.message) == (108, "not available")


# ── what the application does to clients ─────────────────────────────────────────────────────


async def test_the_application_disconnects_a_user(
    peer: Peer, server: Server, api: Api, channel: str, user: str
) -> None:
    """A disconnect by the server API ends the clients of that user for good, and no others."""
    for client in ("alice", "alice's phone"):
        await peer.connected(client, server.url, user=user)
    await peer.connected("bob", server.url, user="bob")
    await peer.subscribed("bob", channel)

    await api("disconnect", user=user)

    for client in ("alice", "alice's phone"):
        await peer.wait("disconnected", client, reason="force disconnect")
        (closed,) = peer.all("transport_closed", client)
        assert (closed["code"], closed["reconnect"]) == (3012, False)
    await api("publish", channel=channel, data="bob is here")
    await peer.data_until("bob is here", "bob", channel)


async def test_a_connection_that_the_application_sends_away_comes_back(
    peer: Peer, server: Server, api: Api, channel: str, user: str
) -> None:
    """A disconnect with a code that invites to come back is followed by a reconnect."""
    await peer.connected("alice", server.url, user=user)
    await peer.subscribed("alice", channel)
    await api("disconnect", user=user, disconnect={"code": 3011, "reason": "force reconnect"})
    await peer.wait("transport_closed", "alice", code=3011, reconnect=True)
    await peer.wait("connecting", "alice", reason="force reconnect")
    await peer.wait("connected", "alice", count=2)
    await peer.wait("subscribed", "alice", channel=channel, count=2)


async def test_the_application_bans_a_user_in_its_own_words(
    peer: Peer, server: Server, api: Api, user: str
) -> None:
    """A disconnect with a code of the application's own ends the client where it says so."""
    await peer.connected("alice", server.url, user=user)
    await api("disconnect", user=user, disconnect={"code": 4500, "reason": "banned"})
    await peer.wait("disconnected", "alice", reason="banned")
    await peer.wait("transport_closed", "alice", code=4500, reconnect=False)
