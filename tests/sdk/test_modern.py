"""What only today's client libraries can do: server-side subscriptions, subscription tokens, …"""

import asyncio
import uuid
from collections.abc import Callable
from typing import cast

import pytest

from tests.sdk.js_peers import ModernJs
from tests.sdk.peer import Peer, PeerError
from tests.sdk.server import Api, Link, Server


async def test_a_token_subscribes_its_connection(
    modern_peer: Peer, server: Server, api: Api, channel: str, user: str
) -> None:
    """Channels named in the connection token are subscribed without being asked for."""
    claims = {"channels": [channel]}
    await modern_peer.connected("alice", server.url, user=user, claims=claims)
    await modern_peer.wait("server_subscribed", "alice", channel=channel, recoverable=True)
    await api("publish", channel=channel, data="hello")
    await modern_peer.wait("server_publication", "alice", channel=channel, data="hello")


async def test_a_server_side_subscription_recovers_what_was_missed(
    modern_peer: Peer, link: Link, api: Api, channel: str, user: str
) -> None:
    """After a cut, the channels of the token bring what was published meanwhile, in order."""
    claims = {"channels": [channel]}
    await modern_peer.connected("alice", link.url, user=user, claims=claims)
    await modern_peer.wait("server_subscribed", "alice", channel=channel)
    await api("publish", channel=channel, data=0)
    await modern_peer.wait("server_publication", "alice", channel=channel, data=0)
    link.cut()
    await modern_peer.lost("alice")
    await api.publish_all(channel, [1, 2, 3])
    link.restore()
    again = await modern_peer.wait("server_subscribed", "alice", channel=channel, count=2)
    await modern_peer.wait("server_publication", "alice", channel=channel, data=3)

    entries = modern_peer.all("server_publication", "alice", channel=channel)
    assert [entry["data"] for entry in entries] == [0, 1, 2, 3]
    assert again[1]["recovered"] is True


async def test_the_application_subscribes_and_unsubscribes_a_user(
    modern_peer: Peer, server: Server, api: Api, channel: str, user: str
) -> None:
    """The server API subscribes a connected user, with data, and ends it again."""
    await modern_peer.connected("alice", server.url, user=user)
    await api("subscribe", user=user, channel=channel, data={"welcome": True})
    entry = (await modern_peer.wait("server_subscribed", "alice", channel=channel))[0]
    assert entry["data"] == {"welcome": True}
    await api("publish", channel=channel, data="hello")
    await modern_peer.wait("server_publication", "alice", channel=channel, data="hello")
    assert len((await api("presence", channel=channel))["presence"]) == 1

    await api("unsubscribe", user=user, channel=channel)
    await modern_peer.wait("server_unsubscribed", "alice", channel=channel)
    assert (await api("presence", channel=channel))["presence"] == {}


async def test_joins_in_a_server_side_subscription_are_told(
    modern_peer: Peer, server: Server, channel: str, user: str
) -> None:
    """Who joins and leaves a channel of the token is told to the connection."""
    await modern_peer.connected("alice", server.url, user=user, claims={"channels": [channel]})
    bob_id = await modern_peer.connected("bob", server.url, user="bob")
    await modern_peer.subscribed("bob", channel)
    await modern_peer.wait("server_join", "alice", channel=channel, id=bob_id)
    await modern_peer.unsubscribe("bob", channel)
    await modern_peer.wait("server_leave", "alice", channel=channel, id=bob_id)


async def test_a_subscription_outlives_its_token_when_it_is_refreshed(
    modern_peer: Peer, impatient_server: Server, channel: str, user: str
) -> None:
    """A library asks for a new subscription token in time, and stays subscribed."""
    private = f"${channel}"
    await modern_peer.connected("alice", impatient_server.url, user=user, subscription_lifetime=2)
    await modern_peer.subscribed("alice", private)
    # Two refreshes later the first token is longer dead than the grace of the server.
    await modern_peer.wait("asked_subscription", "alice", channel=private, count=4)
    await modern_peer.publish("alice", private, "still here")
    await modern_peer.data_until("still here", "alice", private)
    assert len(modern_peer.all("subscribed", "alice", channel=private)) == 1


async def test_a_connection_that_the_application_expires_reconnects(
    modern_peer: Peer, server: Server, api: Api, user: str
) -> None:
    """A disconnect with a code that invites to come back is followed by a reconnect."""
    await modern_peer.connected("alice", server.url, user=user)
    await api("disconnect", user=user, disconnect={"code": 3011, "reason": "force reconnect"})
    await modern_peer.wait("connecting", "alice", code=3011, reason="force reconnect")
    await modern_peer.wait("connected", "alice", count=2)


async def test_offsets_count_up_and_tags_are_carried(
    modern_peer: Peer, server: Server, api: Api, channel: str, user: str
) -> None:
    """Publications of a stream are numbered from one; tags come with them."""
    await modern_peer.connected("alice", server.url, user=user)
    await modern_peer.subscribed("alice", channel)
    await api("publish", channel=channel, data=1, tags={"kind": "first"})
    await api("publish", channel=channel, data=2)
    entries = await modern_peer.wait("publication", "alice", channel=channel, count=2)
    assert [entry["offset"] for entry in entries] == [1, 2]
    assert entries[0]["tags"] == {"kind": "first"}
    history = await modern_peer.history("alice", channel)
    assert [entry["offset"] for entry in history] == [1, 2]


async def test_an_unsubscribed_connection_may_not_publish(
    modern_peer: Peer, server: Server, channel: str, user: str
) -> None:
    """Where only subscribers may publish, others are refused with code 103."""
    await modern_peer.connected("alice", server.url, user=user)
    with pytest.raises(PeerError) as refused:
        await modern_peer.publish("alice", channel, "x")
    assert (refused.value.code, refused.value.message) == (103, "permission denied")


async def test_a_closed_namespace_needs_a_subscription_token(
    modern_peer: Peer, server: Server, user: str
) -> None:
    """Where no option opens the channel, subscribing without a token is refused with 103."""
    channel = f"closed:{uuid.uuid4().hex}"
    await modern_peer.connected("alice", server.url, user=user)
    await modern_peer.subscribe("alice", channel)
    entry = (await modern_peer.wait("unsubscribed", "alice", channel=channel))[0]
    assert (entry["code"], entry["reason"]) == (103, "permission denied")


async def test_commands_sent_with_connect_in_one_frame_are_answered(
    make_peer: Callable[[str], Peer], server: Server, channel: str, user: str
) -> None:
    """The JavaScript library sends its subscriptions together with connect, before any answer."""
    peer = make_peer("centrifuge-js-5.8")
    await peer.connect("alice", server.url, user=user)
    channels = [f"{channel}-{number}" for number in range(20)]
    await asyncio.gather(*(peer.subscribe("alice", name) for name in channels))
    for name in channels:
        await peer.wait("subscribed", "alice", channel=name)


async def test_presence_is_counted(
    make_peer: Callable[[str], Peer], server: Server, channel: str
) -> None:
    """Presence statistics count connections and users."""
    peer = cast(ModernJs, make_peer("centrifuge-js-5.8"))
    for client, user in (("a", "1"), ("b", "1"), ("c", "2")):
        await peer.connected(client, server.url, user=user)
        await peer.subscribed(client, channel)
    assert await peer.call("presence_stats", "a", channel=channel) == {"clients": 3, "users": 2}


@pytest.mark.parametrize("name", ["centrifuge-js-3.1", "centrifuge-js-3.1-protobuf"])
async def test_the_address_of_the_v3_servers_leads_to_the_same(
    make_peer: Callable[[str], Peer], server: Server, channel: str, user: str, name: str
) -> None:
    """The v3 servers wanted today's protocol to be named in the address; it still may be."""
    peer = make_peer(name)
    await peer.connected("alice", f"{server.url}?cf_protocol_version=v2", user=user)
    await peer.subscribed("alice", channel)
    await peer.publish("alice", channel, {"n": 1})
    assert await peer.data_until({"n": 1}, "alice", channel) == [{"n": 1}]
