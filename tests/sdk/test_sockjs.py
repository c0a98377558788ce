"""SockJS, as npm centrifuge 1.5.0, 2.8.5 and 5.8.0 use it on top of npm sockjs-client 1.1.4.

Each library over each transport that sockjs-client has in Node; the others, which need a page, are
in ``tests/browser``.
"""

import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from tests.sdk import test_clients
from tests.sdk.js_peers import ClassicJs, ModernJs, NodePeer, V1Js
from tests.sdk.server import Api, Link, Server
from tests.sdk.test_cent2 import cent2

SECRET = "secret"
TRANSPORTS = ["websocket", "xhr-streaming", "eventsource", "xhr-polling"]
LIBRARIES: dict[str, Callable[[], NodePeer]] = {"1.5": ClassicJs, "2.8": V1Js, "5.8": ModernJs}


def over(transport: str, library: str) -> NodePeer:
    """Return clients of a library that use nothing but one of the transports."""
    peer = LIBRARIES[library]()
    before = {"1.5": (), "2.8": ("json",), "5.8": ("json", "sockjs")}
    peer.arguments = (*before[library], transport)
    return peer


# ── what all libraries can do, over each transport ───────────────────────────────────────────


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=TRANSPORTS)
async def peer(request: pytest.FixtureRequest, library: str) -> AsyncIterator[NodePeer]:
    """Each library over each transport."""
    peer = over(request.param, library)
    yield peer
    await peer.close()


@pytest.fixture
def server(impatient_server: Server) -> Server:
    """The same: its pings tell a library that its connection is gone."""
    return impatient_server


test_an_expired_token_is_replaced = test_clients.test_an_expired_token_is_replaced


async def test_a_chat_goes_through_every_transport(
    peer: NodePeer, server: Server, api: Api, channel: str, user: str
) -> None:
    """Subscribing, publishing, presence, history, joins and leaves."""
    text = "hi </script> \u2028 ü"
    await peer.connected("alice", server.url, user=user)
    await peer.subscribed("alice", channel)
    await peer.connected("bob", server.url, user="bob")
    await peer.subscribed("bob", channel)
    await peer.wait("join", "alice", channel=channel, user="bob")

    await peer.publish("bob", channel, {"text": text})
    await api("publish", channel=channel, data="from the application")

    received = await peer.data_until("from the application", "alice", channel)
    assert received == [{"text": text}, "from the application"]
    assert [person["user"] for person in await peer.presence("alice", channel)] == ["bob", user]
    history = await peer.history("alice", channel)
    assert [publication["data"] for publication in history] == received
    await peer.unsubscribe("bob", channel)
    await peer.wait("leave", "alice", channel=channel, user="bob")
    await peer.disconnect("bob")


async def test_a_private_channel_recovers_what_was_missed_while_the_line_was_cut(
    library: str, peer: NodePeer, link: Link, api: Api, channel: str, user: str
) -> None:
    """With what the backend gives for it: to libraries before today's, for each connection anew."""
    private = f"${channel}"
    await peer.connected("alice", link.url, user=user)
    await peer.subscribed("alice", private)
    await api("publish", channel=private, data="one")
    await peer.data_until("one", "alice", private)
    link.cut()
    await peer.lost("alice")
    await api.publish_all(private, ["two", "three"])
    link.restore()
    again = (await peer.wait("subscribed", "alice", channel=private, count=2))[1]
    await api("publish", channel=private, data="four")
    received = await peer.data_until("four", "alice", private)
    assert received == ["one", "two", "three", "four"]
    assert (again["was_recovering"], again["recovered"]) == (True, True)
    asked = peer.all("asked_subscription", "alice", channel=private)
    assert len(asked) == (1 if library == "5.8" else 2)


async def test_the_application_ends_a_subscription_and_then_the_connection(
    peer: NodePeer, server: Server, api: Api, channel: str, user: str
) -> None:
    """The client is told of the one and why of the other, and comes back to neither."""
    await peer.connected("alice", server.url, user=user)
    await peer.subscribed("alice", channel)
    await api("unsubscribe", user=user, channel=channel)
    await peer.wait("unsubscribed", "alice", channel=channel)
    assert (await api("presence", channel=channel))["presence"] == {}
    await api("disconnect", user=user)
    entry = (await peer.wait("disconnected", "alice"))[0]
    assert entry["reason"] in ("disconnect", "force disconnect")
    assert len(peer.all("connected", "alice")) == 1


@pytest.mark.parametrize("library", ["1.5"])
@pytest.mark.parametrize("peer", ["xhr-polling"], indirect=True)
async def test_a_connection_outlives_its_lifetime(
    peer: NodePeer, server: Server, channel: str, user: str
) -> None:
    """The library asks its backend in time, and its session goes on over other requests."""
    await peer.connected("alice", server.url, user=user)
    await peer.subscribed("alice", channel)
    # Twice the lifetime, and so longer than the grace after the first one.
    await peer.wait("asked_token", "alice", count=3)
    await peer.publish("alice", channel, "still here")
    await peer.data_until("still here", "alice", channel)
    assert len(peer.all("connected", "alice")) == 1


# ── 2018, with its configuration ─────────────────────────────────────────────────────────────


@pytest.fixture(params=TRANSPORTS)
async def classic(request: pytest.FixtureRequest) -> AsyncIterator[NodePeer]:
    """The library of 2018 over each transport."""
    peer = over(request.param, "1.5")
    yield peer
    await peer.close()


@pytest.fixture
def room() -> str:
    """A channel outside of all namespaces."""
    return uuid.uuid4().hex


async def test_many_messages_come_in_order(
    classic: ClassicJs, example_server: Server, user: str, room: str
) -> None:
    """More of them than one streaming answer may carry."""
    await classic.connected("alice", example_server.url, user=user, key=SECRET)
    await classic.subscribed("alice", room)
    padding = "x" * 20_000
    for first in range(0, 40, 10):
        calls = [["publish", room, [number, padding]] for number in range(first, first + 10)]
        await cent2(example_server, SECRET, cast(Any, calls))
        entries = await classic.wait("publication", "alice", channel=room, count=first + 10)
    assert [entry["data"][0] for entry in entries] == list(range(40))


async def test_a_disconnect_says_why(classic: ClassicJs, example_server: Server, user: str) -> None:
    """The close frame carries the JSON that the library looks for (classic.md section 4.15)."""
    await classic.connected("alice", example_server.url, user=user, key=SECRET)
    await cent2(example_server, SECRET, [["disconnect", user]])
    entry = (await classic.wait("transport_closed", "alice"))[0]
    assert (entry["code"], entry["reason"], entry["reconnect"]) == (3000, "disconnect", False)
