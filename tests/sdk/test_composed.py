"""A server in the environment that a project's docker-compose file gives it, from v3 to v6."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.sdk.composed import ENVIRONMENTS, Environment
from tests.sdk.conftest import running
from tests.sdk.peer import Peer
from tests.sdk.peers import ALL_PEERS
from tests.sdk.server import Api, Server

MakePeer = Callable[[str], Peer]


def known(wanted: Callable[[Environment], Any]) -> Any:
    """Run the test in each environment that is ``wanted``."""
    found = [pytest.param(each, id=name) for name, each in ENVIRONMENTS.items() if wanted(each)]
    return pytest.mark.parametrize("environment", found)


@pytest.fixture
async def server(environment: Environment, tmp_path: Path) -> AsyncIterator[Server]:
    """A server with nothing but this environment."""
    more = {"flags": environment.flags, "variables": environment.environ()}
    with running(None, tmp_path, **more) as server:
        yield server


@pytest.fixture
async def api(environment: Environment, server: Server) -> AsyncIterator[Api]:
    api = Api(server.address, environment.api_key or "")
    yield api
    await api.close()


def without_token(name: str) -> type[Peer]:
    """Return clients of a library that say nothing of themselves."""
    library = ALL_PEERS[name]
    return type("Anonymous", (library,), {"_token": lambda self, client, *, first=False: ""})


async def enter(make_peer: MakePeer, name: str, environment: Environment, url: str) -> Peer:
    """Return a library whose client alice is connected as the environment wants it."""
    peer = make_peer(name)
    await peer.connected("alice", url, user="42", key=environment.token_key)
    return peer


@pytest.fixture
async def make_peer(environment: Environment) -> AsyncIterator[MakePeer]:
    """Make peers that come with a token, or without if the environment wants none."""
    peers: list[Peer] = []

    def make(name: str) -> Peer:
        peers.append(ALL_PEERS[name]() if environment.token_key else without_token(name)())
        return peers[-1]

    yield make
    for peer in peers:
        await peer.close()


@known(lambda environment: environment.doors)
async def test_clients_come_in_by_every_door_and_find_the_channels(
    environment: Environment, make_peer: MakePeer, server: Server
) -> None:
    """Each library that the environment is for subscribes, publishes, and sees who is there."""
    for door in environment.doors:
        peer = await enter(make_peer, door, environment, server.url)
        for channel, facts in environment.channels.items():
            entry = await peer.subscribed("alice", channel)
            assert {name: entry[name] for name in facts} == facts
            await peer.publish("alice", channel, {"n": 1})
            await peer.data_until({"n": 1}, "alice", channel)
            if environment.presence and ":" not in channel:
                assert len(await peer.presence("alice", channel)) >= 1
        await peer.disconnect("alice")


@known(lambda environment: environment.deltas)
async def test_publications_come_as_deltas(
    environment: Environment, make_peer: MakePeer, server: Server
) -> None:
    """A subscriber that asks for deltas gets them, and reads what was published."""
    peer: Any = await enter(make_peer, "centrifuge-js-5.8", environment, server.url)
    channel = next(iter(environment.channels))
    await peer.subscribed("alice", channel, delta="fossil")
    published = [{"text": "so much that stays the same " * 8, "n": number} for number in range(3)]
    for value in published:
        await peer.publish("alice", channel, value)
    assert await peer.data_until(published[-1], "alice", channel) == published
    assert (await peer.call("delta_stats", "alice", channel=channel))["delta"] == 2


@known(lambda environment: environment.api_key is not None)
async def test_the_application_publishes_as_the_environment_says(
    environment: Environment, api: Api, server: Server
) -> None:
    """With the key of the environment, or with none; a wrong one is refused where there is one."""
    await api("publish", channel="test", data={"n": 1})
    url = f"{server.address}/api/info"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json={}, headers={"X-API-Key": "a guess"}) as answer,
    ):
        assert answer.status == (401 if environment.api_key else 200)


@known(lambda environment: environment.token_key)
async def test_a_user_has_a_personal_channel(
    environment: Environment, make_peer: MakePeer, server: Server
) -> None:
    """The server subscribes each user to the channel of its own."""
    peer = await enter(make_peer, "centrifuge-python-0.7", environment, server.url)
    await peer.wait("server_subscribed", "alice", channel="#42")


@known(lambda environment: environment.token_key)
async def test_nobody_comes_in_without_a_token(
    environment: Environment, make_peer: MakePeer, server: Server
) -> None:
    """Where clients have to say who they are, one that cannot is refused."""
    peer = make_peer("centrifuge-js-5.8")
    await peer.connect("mallory", server.url, user="42", key="a guess")
    entry = (await peer.wait("disconnected", "mallory"))[0]
    assert entry["code"] == 3500
