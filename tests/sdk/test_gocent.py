"""gocent 3, the server API client that applications in Go have had since the v3 servers."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.sdk.backend import API_KEY
from tests.sdk.go_peers import PROGRAMS, missing_program
from tests.sdk.peer import Peer
from tests.sdk.server import Server

pytestmark = pytest.mark.skipif(bool(missing_program("gocent")), reason=missing_program("gocent"))


async def gocent(server: Server, *calls: dict[str, Any], key: str = API_KEY) -> list[Any]:
    """Make the calls, one request after the other, and return what gocent made of the answers."""
    process = await asyncio.create_subprocess_exec(
        str(PROGRAMS / "gocent"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    order = {"address": f"{server.address}/api", "key": key, "calls": calls}
    async with asyncio.timeout(30):
        output, _ = await process.communicate(json.dumps(order).encode())
    assert process.returncode == 0
    answers: list[Any] = json.loads(output)
    return answers


async def succeed(server: Server, *calls: dict[str, Any]) -> list[Any]:
    answers = await gocent(server, *calls)
    assert not [answer for answer in answers if "error" in answer], answers
    return [answer.get("result") for answer in answers]


@pytest.fixture
async def alice(
    make_peer: Callable[[str], Peer], server: Server, channel: str, user: str
) -> tuple[Peer, str]:
    """A subscriber, and the id of its connection."""
    peer = make_peer("centrifuge-js-5.8")
    client_id = await peer.connected("alice", server.url, user=user, info={"n": 1})
    await peer.subscribed("alice", channel)
    return peer, client_id


async def test_publish_and_broadcast_reach_subscribers(
    alice: tuple[Peer, str], server: Server, channel: str
) -> None:
    """Both say where in the stream they put it; one without history has no place in it."""
    peer, _ = alice
    other = f"{channel}-other"
    first, broadcast, aside = await succeed(
        server,
        {"do": "publish", "channel": channel, "data": {"n": 1}},
        {"do": "broadcast", "channels": [channel, other], "data": {"n": 2}},
        {"do": "publish", "channel": channel, "data": {"n": 3}, "skip_history": True},
    )
    assert (first["offset"], bool(first["epoch"])) == (1, True)
    assert [reply["result"]["offset"] for reply in broadcast["responses"]] == [2, 1]
    assert aside == {"offset": 0, "epoch": ""}
    assert await peer.data_until({"n": 3}, "alice", channel) == [{"n": 1}, {"n": 2}, {"n": 3}]


async def test_a_pipe_is_answered_in_order(
    alice: tuple[Peer, str], server: Server, channel: str
) -> None:
    """Commands sent as lines of one request are answered line by line, errors at their place."""
    [replies] = await succeed(
        server,
        {
            "do": "pipe",
            "calls": [
                {"channel": channel, "data": 1},
                {"channel": "nowhere:1", "data": 2},
                {"channel": channel, "data": 3},
            ],
        },
    )
    assert [reply["error"] and reply["error"]["code"] for reply in replies] == [None, 102, None]
    peer, _ = alice
    assert await peer.data_until(3, "alice", channel) == [1, 3]


async def test_history_is_read_in_both_directions_and_removed(server: Server, channel: str) -> None:
    """A limit is kept; without one only the position comes; from a position on; nothing is left."""
    published = [{"do": "publish", "channel": channel, "data": number} for number in (1, 2, 3)]
    *_, last = await succeed(server, *published)
    history = {"do": "history", "channel": channel}
    ahead, back, since, position, _, removed = await succeed(
        server,
        {**history, "limit": 2},
        {**history, "limit": -1, "reverse": True},
        {**history, "limit": -1, "since": {"offset": 1, "epoch": last["epoch"]}},
        history,
        {"do": "history_remove", "channel": channel},
        {**history, "limit": -1},
    )
    assert [entry["data"] for entry in ahead["publications"]] == [1, 2]
    assert [entry["data"] for entry in back["publications"]] == [3, 2, 1]
    assert [entry["offset"] for entry in since["publications"]] == [2, 3]
    assert (position["publications"] or [], position["offset"]) == ([], 3)
    assert (removed["publications"] or []) == []


async def test_presence_channels_and_info_tell_what_is_there(
    alice: tuple[Peer, str], server: Server, channel: str, user: str
) -> None:
    """presence, presence_stats, channels by pattern, and info."""
    _, client_id = alice
    presence, stats, channels, info = await succeed(
        server,
        {"do": "presence", "channel": channel},
        {"do": "presence_stats", "channel": channel},
        {"do": "channels", "pattern": f"{channel}*"},
        {"do": "info"},
    )
    assert presence["presence"] == {
        client_id: {"user": user, "client": client_id, "conn_info": {"n": 1}}
    }
    assert stats == {"num_users": 1, "num_clients": 1}
    assert list(channels["channels"]) == [channel]
    [node] = info["nodes"]
    assert node["name"]
    assert node["num_clients"] >= 1


async def test_a_user_is_subscribed_and_unsubscribed(
    alice: tuple[Peer, str], server: Server, channel: str, user: str
) -> None:
    """Subscribe and unsubscribe act on the connections of a user."""
    peer, _ = alice
    other = f"{channel}-other"
    await succeed(server, {"do": "subscribe", "channel": other, "user": user, "data": {"w": 1}})
    entry = (await peer.wait("server_subscribed", "alice", channel=other))[0]
    assert entry["data"] == {"w": 1}
    await succeed(server, {"do": "unsubscribe", "channel": other, "user": user})
    await peer.wait("server_unsubscribed", "alice", channel=other)


async def test_a_user_is_disconnected(alice: tuple[Peer, str], server: Server, user: str) -> None:
    """Without more words the connections of a user end for good."""
    peer, _ = alice
    await succeed(server, {"do": "disconnect", "user": user})
    await peer.wait("disconnected", "alice", code=3503, reason="force disconnect")


async def test_a_user_is_disconnected_in_the_words_of_the_application(
    alice: tuple[Peer, str], server: Server, user: str
) -> None:
    """A code and a reason of the application's own are what the client is told."""
    peer, _ = alice
    ban = {"code": 4600, "reason": "banned", "reconnect": False}
    await succeed(server, {"do": "disconnect", "user": user, "disconnect": ban})
    entry = (await peer.wait("disconnected", "alice"))[0]
    assert (entry["code"], entry["reason"]) == (4600, "banned")


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        ({"do": "publish", "channel": "nowhere:1", "data": 1}, 102, "unknown channel"),
        ({"do": "presence", "channel": "quiet:1"}, 108, "not available"),
        ({"do": "history", "channel": "quiet:1"}, 108, "not available"),
    ],
)
async def test_errors_have_their_numbers(
    server: Server, call: dict[str, Any], code: int, message: str
) -> None:
    """What the API refuses becomes an error with a code and a sentence."""
    assert await gocent(server, call) == [{"error": {"code": code, "message": message}}]


async def test_a_wrong_key_is_refused(server: Server) -> None:
    """A request with another key is answered by 401."""
    [answer] = await gocent(server, {"do": "info"}, key="a guess")
    assert answer["error"]["status"] == 401
