"""Servers, clients and channels for the scenarios."""

import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.backend import API_KEY, CLASSIC_SECRET, TOKEN_KEY
from tests.sdk.fixtures import api as api
from tests.sdk.fixtures import link as link
from tests.sdk.peer import Peer
from tests.sdk.peers import ALL_PEERS, PEERS, each
from tests.sdk.server import Server

EXAMPLE_CONFIG = Path(__file__).parent.parent / "data" / "example-config.json"

OPEN = {
    "allow_subscribe_for_client": True,
    "allow_publish_for_subscriber": True,
    "allow_presence_for_subscriber": True,
    "allow_history_for_subscriber": True,
    "allow_user_limited_channels": True,
}
STREAM = {"history_ttl": "300s", "force_recovery": True}
NAMESPACES = [
    {
        "name": "room",
        "presence": True,
        "join_leave": True,
        "force_push_join_leave": True,
        "history_size": 1000,
        **OPEN,
        **STREAM,
    },
    {"name": "short", "history_size": 3, **OPEN, **STREAM},
    {"name": "quiet", "allow_subscribe_for_client": True},
    {"name": "closed"},
]
CONFIG: dict[str, Any] = {
    "client": {"token": {"hmac_secret_key": TOKEN_KEY}, "allowed_origins": ["*"]},
    "channel": {"namespaces": NAMESPACES},
    "http_api": {"key": API_KEY},
    "classic": {"secret": CLASSIC_SECRET},
    **{
        door: {"enabled": True}
        for door in ("sse", "http_stream", "uni_sse", "uni_http_stream", "sockjs")
    },
}
"""Today's options, with girandola's own section for clients of 2018."""
IMPATIENT_CONFIG: dict[str, Any] = {
    **CONFIG,
    "client": {
        **CONFIG["client"],
        "expired_close_delay": "3s",
        "expired_sub_close_delay": "2s",
        "presence_update_interval": "1s",
        "ping_interval": "2s",
        "pong_timeout": "1500ms",
    },
    "classic": {"secret": CLASSIC_SECRET, "connection_lifetime": "2s"},
}


@contextmanager
def running(config: dict[str, Any] | None, folder: Path, **more: Any) -> Iterator[Server]:
    """Run a server; it has to end well, and nothing may have gone wrong inside."""
    server = Server(config, folder, **more)
    server.start()
    try:
        yield server
    finally:
        status = server.stop()
    assert status == 0, server.log
    server.check_log()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is open to any user with a token, in the namespaces above."""
    with running(CONFIG, tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def impatient_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that pings often and where connections expire after seconds."""
    with running(IMPATIENT_CONFIG, tmp_path_factory.mktemp("impatient")) as server:
        yield server


@pytest.fixture(scope="session")
def example_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the configuration of the founding description, a flat one of 2018."""
    config = json.loads(EXAMPLE_CONFIG.read_text(encoding="utf-8"))
    with running(config, tmp_path_factory.mktemp("example")) as server:
        yield server


@pytest.fixture
async def make_peer() -> AsyncIterator[Callable[[str], Peer]]:
    """Make peers by the names in ``ALL_PEERS``; they are closed at the end."""
    peers: list[Peer] = []

    def make(name: str) -> Peer:
        peers.append(ALL_PEERS[name]())
        return peers[-1]

    yield make
    for peer in peers:
        await peer.close()


@pytest.fixture(params=each(PEERS))
def peer(request: pytest.FixtureRequest, make_peer: Callable[[str], Peer]) -> Peer:
    """Each of the libraries."""
    return make_peer(request.param)


@pytest.fixture(params=each(name for name in PEERS if PEERS[name].modern))
def modern_peer(request: pytest.FixtureRequest, make_peer: Callable[[str], Peer]) -> Peer:
    """Each of the libraries of today."""
    return make_peer(request.param)


@pytest.fixture
def channel() -> str:
    """A channel that no other test uses, with everything on."""
    return f"room:{uuid.uuid4().hex}"


@pytest.fixture
def user() -> str:
    """A user of this test only: the server API acts on all connections of a user."""
    return f"user-{uuid.uuid4().hex[:8]}"
