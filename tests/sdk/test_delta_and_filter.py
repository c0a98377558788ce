"""Deltas and filters by tags, read and written by the official client libraries."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sdk.conftest import CONFIG, OPEN, STREAM, running
from tests.sdk.js_peers import ModernJs
from tests.sdk.peer import Peer
from tests.sdk.peers import PEERS, each
from tests.sdk.server import Api, Link, Server

NAMESPACES = [
    {
        "name": "delta",
        "history_size": 1000,
        "allowed_delta_types": ["fossil"],
        "delta_publish": True,
        **OPEN,
        **STREAM,
    },
    {"name": "tags", "history_size": 1000, "allow_tags_filter": True, **OPEN, **STREAM},
    {"name": "neither", "history_size": 1000, **OPEN, **STREAM},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a namespace for deltas and one for filters."""
    config = {**CONFIG, "channel": {"namespaces": NAMESPACES}}
    with running(config, tmp_path_factory.mktemp("delta")) as server:
        yield server


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex


@pytest.fixture(params=each(name for name in PEERS if PEERS[name].deltas))
def modern_peer(request: pytest.FixtureRequest, make_peer: Callable[[str], Peer]) -> Peer:
    """Each library that knows deltas and filters."""
    return make_peer(request.param)


STORY = "Wer reitet so spät durch Nacht und Wind? Es ist der Vater mit seinem Kind; 夜深了 🌬️ 🐎"
SIGNS = ["é", "è", "ê", "€", "₭", "😀", "😁", "👨‍👩‍👧", "\u2028", "\x00", '"', "\\", "\n", "𝔘", "ö"]
"""What only differs in the last byte of a character, or is written in another way in JSON."""


def stories(many: int) -> list[dict[str, Any]]:
    """Payloads that differ here and there, within characters and between them."""
    return [
        {
            "number": number,
            "text": STORY[: number * 3] + SIGNS[number % len(SIGNS)] + STORY[number * 3 :],
            "signs": "".join(SIGNS[(number * at) % len(SIGNS)] for at in range(8)) * 3,
            "rest": STORY * (1 + number % 3),
        }
        for number in range(many)
    ]


async def test_what_libraries_make_of_deltas_is_what_was_published(
    modern_peer: Peer, server: Server, api: Api, name: str, user: str
) -> None:
    """Live, for a subscriber with deltas and one without, texts of all kinds."""
    channel = f"delta:{name}"
    for client, options in (("alice", {"delta": "fossil"}), ("bob", {})):
        await modern_peer.connected(client, server.url, user=user)
        await modern_peer.subscribed(client, channel, **options)
    published = stories(40)
    await api.publish_all(channel, published)
    await api("publish", channel=channel, data="the end", skip_history=True)
    await api.publish_all(channel, published[:3])
    for client in ("alice", "bob"):
        await modern_peer.wait("publication", client, channel=channel, count=44)
        seen = modern_peer.data(client, channel)
        assert seen == [*published, "the end", *published[:3]]
    if isinstance(modern_peer, ModernJs):  # the others do not count them
        stats = await modern_peer.call("delta_stats", "alice", channel=channel)
        assert stats == {"full": 3, "delta": 41}


async def test_libraries_recover_by_deltas(
    modern_peer: Peer, link: Link, api: Api, name: str, user: str
) -> None:
    """After a cut what was missed comes in order, and the chain goes on; also if nothing was."""
    channel = f"delta:{name}"
    await modern_peer.connected("alice", link.url, user=user)
    await modern_peer.subscribed("alice", channel, delta="fossil")
    published = stories(20)
    await api.publish_all(channel, published[:5])
    await modern_peer.wait("publication", "alice", channel=channel, count=5)
    link.cut()
    await modern_peer.lost("alice")
    await api.publish_all(channel, published[5:10])
    link.restore()
    again = await modern_peer.wait("subscribed", "alice", channel=channel, count=2)
    assert again[1]["recovered"] is True
    await modern_peer.wait("publication", "alice", channel=channel, count=10)
    await api.publish_all(channel, published[10:15])
    await modern_peer.wait("publication", "alice", channel=channel, count=15)

    await api("publish", channel=channel, data="aside", skip_history=True)
    await modern_peer.wait("publication", "alice", channel=channel, count=16)
    link.cut()
    await modern_peer.lost("alice", times=2)
    link.restore()
    await modern_peer.wait("subscribed", "alice", channel=channel, count=3)
    await api.publish_all(channel, published[15:])
    await modern_peer.wait("publication", "alice", channel=channel, count=21)
    assert modern_peer.data("alice", channel) == [*published[:15], "aside", *published[15:]]


async def test_where_deltas_are_not_allowed_libraries_go_on_without(
    modern_peer: Peer, server: Server, api: Api, name: str, user: str
) -> None:
    channel = f"neither:{name}"
    await modern_peer.connected("alice", server.url, user=user)
    await modern_peer.subscribed("alice", channel, delta="fossil")
    published = stories(3)
    for value in published:
        await api("publish", channel=channel, data=value, delta=True)
    await modern_peer.wait("publication", "alice", channel=channel, count=3)
    assert modern_peer.data("alice", channel) == published


FILTER = {
    "op": "and",
    "nodes": [
        {"key": "kind", "cmp": "in", "vals": ["a", "b"]},
        {"op": "not", "nodes": [{"key": "prio", "cmp": "lt", "val": "5"}]},
    ],
}
TAGS: list[dict[str, str]] = [
    {"kind": "a", "prio": "5"},
    {"kind": "a", "prio": "4.99"},
    {"kind": "b"},
    {"kind": "c", "prio": "9"},
    {},
    {"kind": "b", "prio": "10"},
]
WANTED = [0, 2, 5]


async def publish_tagged(api: Api, channel: str, first: int) -> None:
    for number, tags in enumerate(TAGS, first):
        await api("publish", channel=channel, data=number, tags=tags)


async def test_a_filter_by_tags_holds_live_and_in_recovery(
    modern_peer: Peer, link: Link, api: Api, name: str, user: str
) -> None:
    """What does not match is not delivered and leaves no gap."""
    channel = f"tags:{name}"
    await modern_peer.connected("alice", link.url, user=user)
    await modern_peer.subscribed("alice", channel, tags_filter=FILTER)
    await publish_tagged(api, channel, 0)
    assert await modern_peer.data_until(5, "alice", channel) == WANTED
    link.cut()
    await modern_peer.lost("alice")
    await publish_tagged(api, channel, 10)
    link.restore()
    again = await modern_peer.wait("subscribed", "alice", channel=channel, count=2)
    assert again[1]["recovered"] is True
    await publish_tagged(api, channel, 20)
    seen = await modern_peer.data_until(25, "alice", channel)
    assert seen == [number + first for first in (0, 10, 20) for number in WANTED]
    assert not modern_peer.all("unsubscribed", "alice")


@pytest.mark.parametrize("namespace", ["tags", "neither"])
async def test_a_filter_that_may_not_be_is_refused(
    make_peer: Callable[[str], Peer], server: Server, name: str, user: str, namespace: str
) -> None:
    """Code 107, for one that makes no sense as for any where none is allowed."""
    peer = make_peer("centrifuge-js-5.8")
    channel = f"{namespace}:{name}"
    node = {"key": "k", "cmp": "ex"} if namespace == "neither" else {"key": "k", "cmp": "eq"}
    await peer.connected("alice", server.url, user=user)
    await peer.subscribe("alice", channel, tags_filter=node)
    entry = (await peer.wait("unsubscribed", "alice", channel=channel))[0]
    assert (entry["code"], entry["reason"]) == (107, "bad request")
