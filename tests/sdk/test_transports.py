"""The ways to a server beside WebSocket: what libraries fall back to, and clients without any.

All scenarios of ``test_clients.py`` run over HTTP streaming and server-sent events, too.
"""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.sdk.backend import jwt
from tests.sdk.js_peers import ModernJs, NodePeer
from tests.sdk.server import Api, Link, Server


class Reader(NodePeer):
    """EventSource and fetch of Node."""

    script = "one_way.mjs"

    async def events(self, client: str, url: str) -> None:
        await self.call("events", client, url=url)

    async def lines(self, client: str, url: str, request: Any) -> int:
        return int(await self.call("lines", client, url=url, body=json.dumps(request)))

    def pushes(self, client: str) -> list[Any]:
        """Return what came, without pings."""
        return [entry["push"] for entry in self.all("event", client) if entry["push"]]

    async def publications(self, client: str, count: int) -> list[Any]:
        """Wait until so many publications came, live or recovered, and return their data."""
        while True:
            found = []
            for push in self.pushes(client):
                if "pub" in push:
                    found.append(push["pub"]["data"])
                for sub in push.get("connect", {}).get("subs", {}).values():
                    found += [each["data"] for each in sub.get("publications", [])]
            if len(found) >= count:
                return found
            await self.wait("event", client, count=len(self.all("event", client)) + 1)


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    reader = Reader()
    yield reader
    await reader.close()


def request(user: str, *channels: str) -> dict[str, Any]:
    return {"token": jwt({"sub": user}), "subs": {channel: {} for channel in channels}}


def http_url(websocket_url: str, path: str) -> str:
    return websocket_url.replace("ws://", "http://").removesuffix("/websocket") + path


# ── clients without a library ────────────────────────────────────────────────────────────────


async def test_a_plain_event_source_recovers_by_itself(
    reader: Reader, api: Api, link: Link, user: str, channel: str
) -> None:
    """Its address says nothing of recovery; the id of its last event does."""
    connect = quote(json.dumps(request(user, channel)))
    await reader.events("alice", http_url(link.url, f"/uni_sse?cf_connect={connect}"))
    await reader.wait("event", "alice")
    await api.publish_all(channel, [1, 2])
    assert await reader.publications("alice", 2) == [1, 2]

    for last in (4, 6):
        link.cut()
        await reader.wait("error", "alice", count=len(reader.all("open", "alice")))
        await api.publish_all(channel, [last - 1, last])
        link.restore()
        assert await reader.publications("alice", last) == list(range(1, last + 1))

    await api.publish_all(channel, [7])
    assert await reader.publications("alice", 7) == [1, 2, 3, 4, 5, 6, 7]
    await reader.call("close", "alice")


async def test_fetch_reads_a_one_way_stream_until_its_end(
    reader: Reader, api: Api, server: Server, user: str, channel: str
) -> None:
    url = http_url(server.url, "/uni_http_stream")
    assert await reader.lines("alice", url, request(user, channel)) == 200
    await reader.wait("event", "alice")
    await api.publish_all(channel, [1, {"text": "ü 😀 \u2028"}])
    assert await reader.publications("alice", 2) == [1, {"text": "ü 😀 \u2028"}]
    await api("disconnect", user=user)
    await reader.wait("end", "alice")
    assert reader.pushes("alice")[-1] == {
        "disconnect": {"code": 3503, "reason": "force disconnect"}
    }


async def test_one_way_clients_and_others_meet_in_a_channel(
    reader: Reader, server: Server, user: str, channel: str
) -> None:
    """A one-way client is present, sees joins and leaves, and gets what others publish."""
    peer = ModernJs()
    try:
        url = http_url(server.url, "/uni_http_stream")
        await reader.lines("reader", url, request(user, channel))
        await reader.wait("event", "reader")
        await peer.connected("bob", server.url, user="bob")
        await peer.subscribed("bob", channel)
        people = {person["user"] for person in await peer.presence("bob", channel)}
        assert people == {user, "bob"}
        await peer.publish("bob", channel, "hi")
        assert await reader.publications("reader", 1) == ["hi"]
        joined = [
            push["join"]["info"]["user"] for push in reader.pushes("reader") if "join" in push
        ]
        assert "bob" in joined
    finally:
        await peer.close()


# ── falling back ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("transport", ["http_stream", "sse"])
async def test_a_library_falls_back_where_websocket_does_not_get_through(
    transport: str, server: Server, user: str, channel: str
) -> None:
    """The first way it is given leads nowhere; it takes the next one, and stays with it."""
    peer = ModernJs()
    peer.arguments = ("json", f"nowhere,{transport}")
    try:
        await peer.connected("alice", server.url, user=user)
        await peer.subscribed("alice", channel)
        await peer.publish("alice", channel, 1)
        assert await peer.data_until(1, "alice", channel) == [1]
    finally:
        await peer.close()
    assert not peer.all("disconnected", "alice")
