"""The library and the configuration of 2018, as they were used then."""

import uuid
from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.sdk.backend import CLASSIC_SECRET
from tests.sdk.js_peers import ClassicJs
from tests.sdk.peer import Peer, PeerError
from tests.sdk.server import Link, Server
from tests.sdk.test_cent2 import cent2

SECRET = "secret"


@pytest.fixture
def classic(make_peer: Callable[[str], Peer]) -> ClassicJs:
    return cast(ClassicJs, make_peer("centrifuge-js-1.5"))


async def test_commands_of_one_frame_are_answered_together(
    classic: ClassicJs, server: Server, channel: str, user: str
) -> None:
    """A batch of publications succeeds as a whole, and arrives in its order."""
    await classic.connected("alice", server.url, user=user)
    await classic.subscribed("alice", channel)
    values = [1, {"two": 2}, None]
    statuses = await classic.call("publish_together", "alice", channel=channel, values=values)
    assert statuses == [True, True, True]
    entries = await classic.wait("publication", "alice", channel=channel, count=3)
    assert [entry["data"] for entry in entries] == values


async def test_history_is_handed_out_newest_first(
    classic: ClassicJs, server: Server, channel: str, user: str
) -> None:
    """On the wire of 2018, the newest message of the history comes first."""
    await classic.connected("alice", server.url, user=user)
    await classic.subscribed("alice", channel)
    for number in range(3):
        await classic.publish("alice", channel, number)
    result = await classic.call("history", "alice", channel=channel)
    assert [publication["data"] for publication in result["publications"]] == [2, 1, 0]
    assert len({publication["uid"] for publication in result["publications"]}) == 3


# ── the configuration of the founding description ────────────────────────────────────────────


@pytest.fixture(params=["", "public:"], ids=["no namespace", "public"])
def example_channel(request: pytest.FixtureRequest) -> str:
    return f"{request.param}{uuid.uuid4().hex}"


async def test_the_example_configuration_serves_a_chat(
    classic: ClassicJs, example_server: Server, example_channel: str, user: str
) -> None:
    """Subscribing, publishing, presence, history, joins and leaves work as configured in 2018."""
    channel = example_channel
    await classic.connected("alice", example_server.url, user=user, key=SECRET)
    await classic.subscribed("alice", channel)
    await classic.connected("bob", example_server.url, user="bob", key=SECRET)
    await classic.subscribed("bob", channel)
    await classic.wait("join", "alice", channel=channel, user="bob")

    await classic.publish("bob", channel, {"text": "hi"})

    await classic.wait("publication", "alice", channel=channel, data={"text": "hi"})
    assert [person["user"] for person in await classic.presence("alice", channel)] == ["bob", user]
    history = await classic.history("alice", channel)
    assert [publication["data"] for publication in history] == [{"text": "hi"}]
    await classic.disconnect("bob")
    await classic.wait("leave", "alice", channel=channel, user="bob")


async def test_the_example_configuration_recovers_outside_the_namespace(
    classic: ClassicJs, example_server: Server, example_channel: str, user: str
) -> None:
    """``recover`` is on at the top and not inherited by the namespace ``public``."""
    channel = example_channel
    link = Link(example_server.port)
    await link.open()
    try:
        await classic.connected("alice", link.url, user=user, key=SECRET)
        await classic.subscribed("alice", channel)
        await cent2(example_server, SECRET, [["publish", channel, "one"]])
        await classic.data_until("one", "alice", channel)
        link.cut()
        await classic.lost("alice")
        await cent2(
            example_server, SECRET, [["publish", channel, "two"], ["publish", channel, "three"]]
        )
        link.restore()
        await classic.wait("subscribed", "alice", channel=channel, count=2)
        await cent2(example_server, SECRET, [["publish", channel, "four"]])
        received = await classic.data_until("four", "alice", channel)
    finally:
        await link.close()
    recovers = not channel.startswith("public:")
    assert received == ["one", *(["two", "three"] if recovers else []), "four"]


async def test_the_example_configuration_shuts_out_anonymous_users(
    classic: ClassicJs, example_server: Server, example_channel: str
) -> None:
    """Without ``anonymous``, a user without an id connects but may not subscribe."""
    await classic.connected("nobody", example_server.url, user="", key=SECRET)
    await classic.subscribe("nobody", example_channel)
    entry = (await classic.wait("subscription_error", "nobody"))[0]
    assert (entry["message"], entry["advice"]) == ("permission denied", "fix")


async def test_the_example_configuration_keeps_history_of_active_channels_only(
    example_server: Server,
) -> None:
    """``history_drop_inactive``: what is published where no one listens is not kept."""
    channel = uuid.uuid4().hex
    results = await cent2(example_server, SECRET, [["publish", channel, 1], ["history", channel]])
    assert results == [{"result": None}, {"result": []}]


async def test_clients_of_2018_are_told_what_they_cannot_do(
    classic: ClassicJs, server: Server, user: str
) -> None:
    """Errors carry the words and the advice of 2018, and the connection goes on."""
    channel = f"quiet:{uuid.uuid4().hex}"
    await classic.connected("alice", server.url, user=user)
    await classic.subscribed("alice", channel)
    with pytest.raises(PeerError):
        await classic.history("alice", channel)
    entry: dict[str, Any] = (await classic.wait("error", "alice", method="history"))[0]
    assert (entry["message"], entry["advice"]) == ("not available", "retry")


async def test_the_api_of_2018_reaches_clients_of_today(
    make_peer: Callable[[str], Peer], server: Server, channel: str, user: str
) -> None:
    """One channel, both APIs: cent 2 publishes what a client of today receives."""
    peer = make_peer("centrifuge-js-5.8")
    await peer.connected("alice", server.url, user=user)
    await peer.subscribed("alice", channel)
    await cent2(server, CLASSIC_SECRET, [["publish", channel, {"from": 2018}]])
    await peer.data_until({"from": 2018}, "alice", channel)
    await cent2(server, CLASSIC_SECRET, [["disconnect", user]])
    entry = (await peer.wait("disconnected", "alice"))[0]
    assert entry["code"] == 3503
