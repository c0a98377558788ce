"""What every client library can do, of 2018 and of today: one scenario, run with each of them."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import websockets

from tests.sdk.backend import classic_credentials, jwt
from tests.sdk.conftest import CONFIG
from tests.sdk.peer import Peer
from tests.sdk.peers import PEERS
from tests.sdk.server import Api, Link, Server

MakePeer = Callable[[str], Peer]


# ── messages ─────────────────────────────────────────────────────────────────────────────────


async def test_a_client_gets_an_id(peer: Peer, server: Server, user: str) -> None:
    """A client connects with a token and is told its id, a UUID."""
    client_id = await peer.connected("alice", server.url, user=user)
    assert str(uuid.UUID(client_id)) == client_id


async def test_a_message_reaches_its_publisher_and_others(
    peer: Peer, server: Server, channel: str, user: str
) -> None:
    """What a subscriber publishes reaches everyone in the channel, with who published it."""
    alice_id = await peer.connected("alice", server.url, user=user, info={"name": "Alice"})
    await peer.connected("bob", server.url, user="bob")
    await peer.subscribed("alice", channel)
    await peer.subscribed("bob", channel)
    data = {"text": "Grüße, 世界 😀 <&> \u2028", "nested": [1, -2.5, None, True, {"": []}]}

    await peer.publish("alice", channel, data)

    for client in ("alice", "bob"):
        entry = (await peer.wait("publication", client, channel=channel))[0]
        assert entry["data"] == data
        assert entry["info"] == {
            "user": user,
            "id": alice_id,
            "conn_info": {"name": "Alice"},
            "chan_info": None,
        }


async def test_a_message_of_the_application_has_no_publisher(
    peer: Peer, server: Server, api: Api, channel: str, user: str
) -> None:
    """What is published through the server API carries no client's information."""
    await peer.connected("alice", server.url, user=user)
    await peer.subscribed("alice", channel)
    await api("publish", channel=channel, data="news")
    entry = (await peer.wait("publication", "alice", channel=channel))[0]
    assert (entry["data"], entry["info"]) == ("news", None)


async def test_many_messages_arrive_in_order(
    peer: Peer, server: Server, api: Api, channel: str, user: str
) -> None:
    """A burst of publications arrives completely and in the order of publishing."""
    await peer.connected("alice", server.url, user=user)
    await peer.subscribed("alice", channel)
    count = 500
    commands = [{"publish": {"channel": channel, "data": number}} for number in range(count)]
    answer = await api("batch", commands=commands)
    assert len(answer["replies"]) == count
    assert await peer.data_until(count - 1, "alice", channel) == list(range(count))


async def test_a_large_message_is_carried_both_ways(
    peer: Peer, server: Server, channel: str, user: str
) -> None:
    """A message close to the size limit arrives as it was sent."""
    await peer.connected("alice", server.url, user=user)
    await peer.subscribed("alice", channel)
    data = "é" * 10_000  # six bytes each, where the library escapes what is not ASCII
    await peer.publish("alice", channel, data)
    assert (await peer.wait("publication", "alice"))[0]["data"] == data


async def test_clients_of_all_generations_meet_in_a_channel(
    make_peer: MakePeer, server: Server, channel: str
) -> None:
    """What a client of 2018 publishes reaches those of today, and the other way round."""
    peers = {name: make_peer(name) for name in PEERS if not PEERS[name].missing()}
    for name, peer in peers.items():
        await peer.connected("client", server.url, user=name)
        await peer.subscribed("client", channel)
    for name, peer in peers.items():
        await peer.publish("client", channel, {"from": name})
        await asyncio.gather(
            *(
                other.wait("publication", "client", channel=channel, data={"from": name})
                for other in peers.values()
            )
        )
    for peer in peers.values():
        entries = peer.all("publication", "client", channel=channel)
        assert [entry["info"]["user"] for entry in entries] == list(peers)
        present = await peer.presence("client", channel)
        assert [person["user"] for person in present] == sorted(peers)


# ── who is there, and what was ───────────────────────────────────────────────────────────────


async def test_presence_names_who_is_subscribed(
    peer: Peer, server: Server, channel: str, user: str
) -> None:
    """Presence lists the subscribers of the channel, and no one who has left it."""
    alice_id = await peer.connected("alice", server.url, user=f"{user}-a", info={"n": 1})
    await peer.connected("bob", server.url, user=f"{user}-b")
    await peer.subscribed("alice", channel)
    await peer.subscribed("bob", channel)

    both = await peer.presence("alice", channel)
    assert [person["user"] for person in both] == [f"{user}-a", f"{user}-b"]
    assert both[0] == {
        "user": f"{user}-a",
        "id": alice_id,
        "conn_info": {"n": 1},
        "chan_info": None,
    }

    await peer.unsubscribe("bob", channel)
    await peer.wait("leave", "alice", channel=channel)
    assert [person["id"] for person in await peer.presence("alice", channel)] == [alice_id]


async def test_history_holds_what_was_published(
    peer: Peer, server: Server, api: Api, channel: str, user: str
) -> None:
    """A subscriber reads the channel's history, with who published what."""
    await peer.connected("alice", server.url, user=user)
    await peer.subscribed("alice", channel)
    await api.publish_all(channel, ["one", "two"])
    await peer.publish("alice", channel, "three")

    history = await peer.history("alice", channel)

    assert [publication["data"] for publication in history] == ["one", "two", "three"]
    assert history[0]["info"] is None
    assert history[2]["info"]["user"] == user


async def test_subscribers_see_others_come_and_go(
    peer: Peer, server: Server, channel: str, user: str
) -> None:
    """Joins and leaves are told to the subscribers, also when a connection ends."""
    await peer.connected("alice", server.url, user=user)
    await peer.subscribed("alice", channel)
    bob_id = await peer.connected("bob", server.url, user="bob", info={"name": "Bob"})
    bob = {"user": "bob", "id": bob_id, "conn_info": {"name": "Bob"}}

    await peer.subscribed("bob", channel)
    await peer.wait("join", "alice", channel=channel, **bob)
    await peer.unsubscribe("bob", channel)
    await peer.wait("leave", "alice", channel=channel, **bob)

    await peer.connected("carol", server.url, user="carol")
    await peer.subscribed("carol", channel)
    await peer.wait("join", "alice", channel=channel, user="carol")
    await peer.disconnect("carol")
    await peer.wait("leave", "alice", channel=channel, user="carol")


async def test_whoever_left_hears_nothing_more(
    peer: Peer, server: Server, api: Api, channel: str, user: str
) -> None:
    """After unsubscribing nothing of the channel arrives; other channels go on."""
    other = f"{channel}-other"
    await peer.connected("alice", server.url, user=user)
    await peer.subscribed("alice", channel)
    await peer.subscribed("alice", other)
    await api("publish", channel=channel, data="heard")
    await peer.data_until("heard", "alice", channel)

    await peer.unsubscribe("alice", channel)
    # Presence is answered on the same connection, so it follows the end of the subscription.
    await peer.presence("alice", other)
    await api("publish", channel=channel, data="unheard")
    await api("publish", channel=other, data="end")

    await peer.data_until("end", "alice", other)
    assert peer.data("alice", channel) == ["heard"]


# ── cut connections ──────────────────────────────────────────────────────────────────────────


async def test_what_was_missed_arrives_once_and_in_order(
    peer: Peer, link: Link, api: Api, channel: str, user: str
) -> None:
    """Messages published while the connection was cut arrive afterwards, again and again."""
    await peer.connected("alice", link.url, user=user)
    await peer.subscribed("alice", channel)
    expected: list[Any] = ["start"]
    await api("publish", channel=channel, data="start")
    await peer.data_until("start", "alice", channel)

    for cut in (1, 2, 3):
        link.cut()
        await peer.lost("alice", times=cut)
        missed = [f"missed {cut}.{number}" for number in range(10)]
        await api.publish_all(channel, missed)
        link.restore()
        await peer.wait("subscribed", "alice", channel=channel, count=cut + 1)
        await api("publish", channel=channel, data=f"live {cut}")
        expected += [*missed, f"live {cut}"]
        assert await peer.data_until(f"live {cut}", "alice", channel) == expected

    again = peer.all("subscribed", "alice", channel=channel)[1:]
    assert [entry["was_recovering"] for entry in again] == [True] * 3
    assert [entry["recovered"] for entry in again] == [True] * 3


async def test_coming_back_to_a_quiet_channel_repeats_nothing(
    peer: Peer, link: Link, api: Api, channel: str, user: str
) -> None:
    """Where nothing was missed nothing is sent, also after several cuts in a row."""
    await peer.connected("alice", link.url, user=user)
    await peer.subscribed("alice", channel)
    await api.publish_all(channel, [1, 2, 3])
    await peer.data_until(3, "alice", channel)

    for cut in (1, 2, 3):
        link.cut()
        await peer.lost("alice", times=cut)
        link.restore()
        await peer.wait("subscribed", "alice", channel=channel, count=cut + 1)

    await api("publish", channel=channel, data=4)
    assert await peer.data_until(4, "alice", channel) == [1, 2, 3, 4]


async def test_a_client_learns_that_too_much_was_missed(
    peer: Peer, link: Link, api: Api, user: str
) -> None:
    """Where history no longer reaches back, the client is told that it has not recovered."""
    channel = f"short:{uuid.uuid4().hex}"
    await peer.connected("alice", link.url, user=user)
    await peer.subscribed("alice", channel)
    await api("publish", channel=channel, data="start")
    await peer.data_until("start", "alice", channel)
    link.cut()
    await peer.lost("alice")
    await api.publish_all(channel, list(range(10)))
    link.restore()

    entry = (await peer.wait("subscribed", "alice", channel=channel, count=2))[1]
    await api("publish", channel=channel, data="live")
    received = await peer.data_until("live", "alice", channel)

    assert entry["recovered"] is False
    # The protocol of 2018 hands over what is left; today's starts afresh.
    left = [] if peer.modern else [7, 8, 9]
    assert received == ["start", *left, "live"]


async def test_clients_outlive_a_restart_of_the_server(
    peer: Peer, tmp_path: Path, channel: str, user: str
) -> None:
    """A stopping server tells its clients to come back; they find the next one."""
    server = Server(CONFIG, tmp_path)
    server.start()
    try:
        await peer.connected("alice", server.url, user=user)
        await peer.subscribed("alice", channel)
        assert await asyncio.to_thread(server.stop) == 0
        await peer.lost("alice")
        await asyncio.to_thread(server.start)
        await peer.wait("subscribed", "alice", channel=channel, count=2)
        await peer.publish("alice", channel, "back")
        await peer.data_until("back", "alice", channel)
    finally:
        await peer.disconnect("alice")
        status = await asyncio.to_thread(server.stop)
    assert status == 0
    server.check_log()


# ── tokens ───────────────────────────────────────────────────────────────────────────────────


async def closed_for_its_age(url: str, *, modern: bool) -> websockets.Close | None:
    """Connect with a token of two seconds, refresh nothing; return how the server closes."""
    if modern:
        token = jwt({"sub": "witness", "exp": int(time.time()) + 2})
        first: dict[str, Any] = {"id": 1, "connect": {"token": token}}
    else:
        first = {"method": "connect", "params": classic_credentials("witness")}
    async with asyncio.timeout(30), websockets.connect(url, proxy=None) as socket:
        await socket.send(json.dumps(first))
        try:
            while True:
                if await socket.recv() == "{}":
                    await socket.send("{}")
        except websockets.ConnectionClosed as closed:
            return closed.rcvd


async def test_a_connection_outlives_its_token_when_it_is_refreshed(
    peer: Peer, impatient_server: Server, channel: str, user: str
) -> None:
    """A client asks its backend for a new token in time, and stays; one that does not is closed."""
    client_id = await peer.connected("alice", impatient_server.url, user=user, lifetime=2)
    await peer.subscribed("alice", channel)

    closed = await closed_for_its_age(impatient_server.url, modern=peer.modern)

    assert closed is not None
    if peer.modern:
        assert (closed.code, closed.reason) == (3005, "connection expired")
    else:
        assert (closed.code, closed.reason) == (3000, '{"reason":"expired","reconnect":true}')
    await peer.publish("alice", channel, "still here")
    entry = (await peer.wait("publication", "alice", channel=channel))[0]
    assert entry["info"]["id"] == client_id
    assert len(peer.all("connected", "alice")) == 1
    assert peer.all("asked_token", "alice")


async def test_an_expired_token_is_replaced(
    peer: Peer, impatient_server: Server, user: str
) -> None:
    """A client whose token has expired before it connects gets a new one and connects."""
    await peer.connected("alice", impatient_server.url, user=user, lifetime=5, age=10)
    assert len(peer.all("asked_token", "alice")) == 1


async def test_a_forged_token_ends_the_client(peer: Peer, server: Server, user: str) -> None:
    """A client with a token of someone else's making is refused and does not come back."""
    await peer.connect("mallory", server.url, user=user, key="a guess")
    entry = (await peer.wait("disconnected", "mallory"))[0]
    assert entry["reason"] == "invalid token"
    if peer.modern:
        assert entry["code"] == 3500
    assert not peer.all("connected", "mallory")


# ── what the application does to clients ─────────────────────────────────────────────────────


async def test_the_application_disconnects_a_user(
    peer: Peer, server: Server, api: Api, channel: str, user: str
) -> None:
    """A disconnect by the server API ends the clients of that user for good, and no others."""
    await peer.connected("alice", server.url, user=user)
    await peer.connected("alice's phone", server.url, user=user)
    await peer.connected("bob", server.url, user="bob")
    await peer.subscribed("bob", channel)

    await api("disconnect", user=user)

    for client in ("alice", "alice's phone"):
        entry = (await peer.wait("disconnected", client))[0]
        assert entry["reason"] == ("force disconnect" if peer.modern else "disconnect")
    await api("publish", channel=channel, data="bob is here")
    await peer.data_until("bob is here", "bob", channel)


async def test_the_application_unsubscribes_a_user(
    peer: Peer, server: Server, api: Api, channel: str, user: str
) -> None:
    """An unsubscribe by the server API ends one subscription of that user and leaves the others."""
    other = f"{channel}-other"
    await peer.connected("alice", server.url, user=user)
    await peer.subscribed("alice", channel)
    await peer.subscribed("alice", other)

    await api("unsubscribe", user=user, channel=channel)

    entry = (await peer.wait("unsubscribed", "alice", channel=channel))[0]
    if peer.modern:
        assert (entry["code"], entry["reason"]) == (2000, "server unsubscribe")
    await api("publish", channel=channel, data="unheard")
    await api("publish", channel=other, data="heard")
    await peer.data_until("heard", "alice", other)
    assert peer.data("alice", channel) == []
    assert (await api("presence", channel=channel))["presence"] == {}
