"""cent 2.1.0, the server API client of 2018, against the API it was made for."""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.backend import CLASSIC_SECRET
from tests.sdk.peer import Peer
from tests.sdk.server import Server

ROOT = Path(__file__).parents[2]
CENT2 = ROOT / ".tools" / "cent2"


async def cent2(server: Server, secret: str, calls: list[list[Any]]) -> list[dict[str, Any]]:
    """Make the calls, one request after the other, and return what cent made of the answers."""
    assert (CENT2 / "cent").is_dir(), "cent 2.1.0 is missing: run scripts/test"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("cent2_calls.py")),
        env={**os.environ, "PYTHONPATH": str(CENT2)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    order = {"address": server.address, "secret": secret, "calls": calls}
    async with asyncio.timeout(30):
        output, _ = await process.communicate(json.dumps(order).encode())
    assert process.returncode == 0
    answers: list[dict[str, Any]] = json.loads(output)
    return answers


async def succeed(server: Server, *calls: list[Any]) -> list[Any]:
    answers = await cent2(server, CLASSIC_SECRET, list(calls))
    assert not [answer for answer in answers if "error" in answer], answers
    return [answer["result"] for answer in answers]


@pytest.fixture
async def alice(
    make_peer: Callable[[str], Peer], server: Server, channel: str, user: str
) -> tuple[Peer, str]:
    """A subscriber of 2018, and the id of its connection."""
    peer = make_peer("centrifuge-js-1.5")
    client_id = await peer.connected("alice", server.url, user=user, info={"n": 1})
    await peer.subscribed("alice", channel)
    return peer, client_id


async def test_publish_and_broadcast_reach_subscribers(
    alice: tuple[Peer, str], server: Server, channel: str
) -> None:
    """Publish goes to one channel and broadcast to several."""
    peer, _ = alice
    other = f"{channel}-other"
    await peer.subscribed("alice", other)
    await succeed(server, ["publish", channel, {"n": 1}], ["broadcast", [channel, other], {"n": 2}])
    assert await peer.data_until({"n": 2}, "alice", channel) == [{"n": 1}, {"n": 2}]
    await peer.data_until({"n": 2}, "alice", other)


async def test_presence_history_and_channels_tell_what_is_there(
    alice: tuple[Peer, str], server: Server, channel: str, user: str
) -> None:
    """presence, history (newest first) and channels, in the shapes of 2018."""
    _, client_id = alice
    *_, presence, history, channels = await succeed(
        server,
        ["publish", channel, 1],
        ["publish", channel, 2],
        ["presence", channel],
        ["history", channel],
        ["channels"],
    )
    assert presence == {client_id: {"user": user, "client": client_id, "default_info": {"n": 1}}}
    assert [message["data"] for message in history] == [2, 1]
    assert {message["channel"] for message in history} == {channel}
    assert channel in channels


async def test_stats_describe_the_nodes(alice: tuple[Peer, str], server: Server) -> None:
    """Stats lists the nodes with their metrics."""
    [stats] = await succeed(server, ["stats"])
    [node] = stats["nodes"]
    assert node["uid"]
    assert node["name"]
    assert node["metrics"]["node_num_clients"] >= 1
    assert isinstance(stats["metrics_interval"], int)


async def test_unsubscribe_and_disconnect_end_what_a_user_has(
    alice: tuple[Peer, str], server: Server, channel: str, user: str
) -> None:
    """Unsubscribe ends a subscription of the user, disconnect the connections."""
    peer, _ = alice
    await succeed(server, ["unsubscribe", user, channel])
    await peer.wait("unsubscribed", "alice", channel=channel)
    await succeed(server, ["disconnect", user])
    entry = (await peer.wait("disconnected", "alice"))[0]
    assert entry["reason"] == "disconnect"


async def test_a_batch_is_answered_in_order(
    alice: tuple[Peer, str], server: Server, channel: str
) -> None:
    """Commands sent in one request are answered by one array, errors at their place."""
    [answers] = await succeed(
        server,
        [
            "batch",
            ["publish", {"channel": channel, "data": 1}],
            ["publish", {"channel": "nowhere:1", "data": 1}],
            ["history", {"channel": channel}],
        ],
    )
    assert [answer["method"] for answer in answers] == ["publish", "publish", "history"]
    assert [answer["error"] for answer in answers] == [None, "namespace not found", None]
    assert answers[2]["body"]["data"][0]["data"] == 1


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (["publish", "nowhere:1", 1], "namespace not found"),
        (["broadcast", [], 1], "invalid message"),
        (["presence", f"quiet:{uuid.uuid4().hex}"], "not available"),
        (["history", f"quiet:{uuid.uuid4().hex}"], "not available"),
        (["unsubscribe", ""], "invalid message"),
    ],
)
async def test_errors_are_raised_in_the_words_of_2018(
    server: Server, call: list[Any], text: str
) -> None:
    """What the API refuses becomes a ResponseError with its text."""
    assert await cent2(server, CLASSIC_SECRET, [call]) == [{"error": "ResponseError", "text": text}]


async def test_a_wrong_secret_is_refused(server: Server) -> None:
    """A request that is signed with another secret is answered by 401."""
    answers = await cent2(server, "a guess", [["stats"]])
    assert answers == [{"error": "RequestException", "text": "wrong status code: 401"}]
