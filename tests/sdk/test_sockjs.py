"""SockJS as pages of 2018 used it: npm centrifuge 1.5.0 on top of npm sockjs-client 1.1.4."""

import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from tests.sdk.peers import ClassicJs
from tests.sdk.server import Link, Server
from tests.sdk.test_cent2 import cent2

SECRET = "secret"
TRANSPORTS = ["websocket", "xhr-streaming", "xhr-polling"]


def sockjs_url(url: str) -> str:
    """Return where SockJS of 2018 is, beside the WebSocket at ``url``."""
    return url.replace("ws://", "http://").removesuffix("/websocket")


@pytest.fixture(params=TRANSPORTS)
async def sockjs(request: pytest.FixtureRequest) -> AsyncIterator[ClassicJs]:
    """Clients that use nothing but one of the transports."""
    peer = ClassicJs()
    peer.arguments = (request.param,)
    yield peer
    await peer.close()


@pytest.fixture
def connect(sockjs: ClassicJs, example_server: Server) -> Callable[..., Any]:
    """Connect a client under a user's id."""

    async def connect(client: str, user: str, url: str = "") -> None:
        await sockjs.connected(client, sockjs_url(url or example_server.url), user=user, key=SECRET)

    return connect


@pytest.fixture
def room() -> str:
    return uuid.uuid4().hex


async def test_a_chat_goes_through_every_transport(
    sockjs: ClassicJs, connect: Callable[..., Any], user: str, room: str
) -> None:
    """Subscribing, publishing, presence, history, joins and leaves."""
    await connect("alice", user)
    await sockjs.subscribed("alice", room)
    await connect("bob", "bob")
    await sockjs.subscribed("bob", room)
    await sockjs.wait("join", "alice", channel=room, user="bob")

    await sockjs.publish("bob", room, {"text": "hi </script> \u2028 ü"})

    await sockjs.wait("publication", "alice", channel=room, data={"text": "hi </script> \u2028 ü"})
    assert [person["user"] for person in await sockjs.presence("alice", room)] == ["bob", user]
    assert len(await sockjs.history("alice", room)) == 1
    await sockjs.disconnect("bob")
    await sockjs.wait("leave", "alice", channel=room, user="bob")


async def test_many_messages_come_in_order(
    sockjs: ClassicJs, connect: Callable[..., Any], example_server: Server, user: str, room: str
) -> None:
    """More of them than one streaming answer may carry."""
    await connect("alice", user)
    await sockjs.subscribed("alice", room)
    padding = "x" * 20_000
    for first in range(0, 40, 10):
        calls = [["publish", room, [number, padding]] for number in range(first, first + 10)]
        await cent2(example_server, SECRET, cast(Any, calls))
        entries = await sockjs.wait("publication", "alice", channel=room, count=first + 10)
    assert [entry["data"][0] for entry in entries] == list(range(40))


async def test_what_was_missed_while_the_line_was_cut_is_recovered(
    sockjs: ClassicJs, connect: Callable[..., Any], example_server: Server, user: str, room: str
) -> None:
    link = Link(example_server.port)
    await link.open()
    try:
        await connect("alice", user, link.url)
        await sockjs.subscribed("alice", room)
        await cent2(example_server, SECRET, [["publish", room, "one"]])
        await sockjs.data_until("one", "alice", room)
        link.cut()
        await sockjs.lost("alice")
        await cent2(example_server, SECRET, [["publish", room, "two"]])
        link.restore()
        await sockjs.wait("subscribed", "alice", channel=room, count=2)
        await cent2(example_server, SECRET, [["publish", room, "three"]])
        received = await sockjs.data_until("three", "alice", room)
    finally:
        await link.close()
    assert received == ["one", "two", "three"]


async def test_a_disconnect_says_why(
    sockjs: ClassicJs, connect: Callable[..., Any], example_server: Server, user: str
) -> None:
    """The close frame carries the JSON that the library looks for (classic.md section 4.15)."""
    await connect("alice", user)
    await cent2(example_server, SECRET, [["disconnect", user]])
    entry = (await sockjs.wait("transport_closed", "alice"))[0]
    assert (entry["code"], entry["reason"], entry["reconnect"]) == (3000, "disconnect", False)
