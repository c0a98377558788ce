"""Peers who do not take what they are sent, or send too slowly: cut off in time, at nobody's cost.

Sockets and their buffers are real; time is moved. What a peer costs is bounded by the limits of
``client.queue_max_size`` and ``write_timeout``, whatever the way in.
"""

import asyncio
import logging
import random
import tracemalloc
from collections.abc import Callable

import pytest
import uvloop

from girandola.core.grants import publish_options
from girandola.model import Publication
from girandola.options import ChannelOptions
from tests.net.wire import client_frame
from tests.security.conftest import Attack
from tests.security.doors import CAVE, DOORS, Open
from tests.security.peer import OPENS_WEBSOCKET, PING, Peer, text_frame
from tests.security.victim import API_KEY, CONFIG, STREAMS, Victim, connect_command

MEGABYTE = 1 << 20
QUEUE = 300_000
PAYLOAD = 60_000
KERNEL = 10 * MEGABYTE
"""More than the kernel keeps of one connection."""

UNTIMED = {
    **{name: {"write_timeout": "0s", "enabled": True} for name in (*STREAMS, "uni_websocket")},
    "websocket": {"write_timeout": "0s", "compression": True},
    "client": {"queue_max_size": QUEUE},
}
"""Options by which only the size of the queue ends a connection."""


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Open:
    return DOORS[request.param]


async def publish(victim: Victim, number: int) -> None:
    """Publish to the cave what cannot be compressed, and let it go out."""
    data = f'"{random.Random(number).randbytes(PAYLOAD // 2).hex()}"'.encode()
    await victim.node.publish(CAVE, Publication(data), publish_options(ChannelOptions()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def fill(victim: Victim, until: Callable[[], bool]) -> None:
    """Publish until it is so, but no more than the kernel and any queue could hold."""
    for number in range(2 * KERNEL // PAYLOAD):
        if until():
            return
        await publish(victim, number)
    raise AssertionError("nobody was stopped")


def listens(victim: Victim) -> bool:
    return victim.node.hub.has_subscribers(CAVE)


def unsent(victim: Victim) -> int:
    """Return how many bytes wait for the peer who listens to the cave."""
    sessions = [each for each in victim.node.hub.sessions() if CAVE in each.subscriptions]
    return sum(session.transport.buffered() + session.outbox.size for session in sessions)


# ── readers ──────────────────────────────────────────────────────────────────────────────────


def test_who_never_reads_is_cut_off_when_the_queue_is_full(attack: Attack, door: Open) -> None:
    """And costs no more memory than a few times that queue; the neighbours miss nothing."""

    async def scenario(victim: Victim) -> None:
        await door(victim)
        tracemalloc.start()
        await fill(victim, lambda: not listens(victim))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10 * QUEUE
        await victim.neighbours.look_after_each_other()
        await victim.clock.advance(31)
        assert victim.node.hub.num_clients == 1

    attack(scenario, **UNTIMED)


TIMED = [name for name in DOORS if name not in {"sockjs xhr", "sockjs jsonp"}]
"""Polling answers hold one frame, and are over before anybody could be slow."""


@pytest.mark.parametrize("name", TIMED)
def test_who_reads_a_byte_a_second_is_cut_off_by_the_write_timeout(
    attack: Attack, name: str
) -> None:
    async def scenario(victim: Victim) -> None:
        peer = await DOORS[name](victim)
        await fill(victim, lambda: unsent(victim) > 0 or not listens(victim))
        for _ in range(4):
            await peer.read(1)
            await victim.clock.advance(1)
            await victim.neighbours.look_after_each_other()
        # Sessions of SockJS wait for another receiver before they are over.
        await victim.clock.advance(6)
        assert not listens(victim)
        assert victim.node.hub.num_clients == 1

    attack(scenario, client={"queue_max_size": 4 * MEGABYTE})


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_who_ends_its_half_or_is_gone_leaves_nothing_behind(
    attack: Attack, door: Open, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """At once or when a session that outlives its requests has waited; also with words unsent."""

    async def scenario(victim: Victim) -> None:
        for leave in (Peer.end, Peer.close):
            for full in (False, True):
                peer = await door(victim)
                if full:
                    await fill(victim, lambda: unsent(victim) > 0 or not listens(victim))
                leave(peer)
                await victim.neighbours.look_after_each_other()
                await victim.clock.advance(12)
                assert not listens(victim)
                assert victim.node.hub.num_clients == 1
                assert victim.server.open_websockets == 1

    attack(scenario, loop=loop, client={"queue_max_size": 4 * MEGABYTE})


# ── those who ask and do not listen ──────────────────────────────────────────────────────────


async def _flood(victim: Victim, peer: Peer, flood: bytes, at_most: int) -> None:
    """Send without end and without reading; the server keeps no more than so many bytes of it."""
    tracemalloc.start()
    sending = asyncio.ensure_future(peer.send(*[flood] * 1000))
    for _ in range(4):
        await victim.neighbours.look_after_each_other()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < at_most
    await victim.clock.advance(40)
    peer.close()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


def test_requests_whose_answers_nobody_reads_are_not_read(attack: Attack) -> None:
    head = f"GET /connection/sockjs/iframe.html HTTP/1.1\r\nHost: a\r\nX-API-Key: {API_KEY}\r\n\r\n"

    async def scenario(victim: Victim) -> None:
        peer = await victim.peer(window=4096)
        await _flood(victim, peer, head.encode() * 500, 16 * MEGABYTE)

    attack(scenario, level=logging.WARNING)


def test_pings_whose_pongs_nobody_reads_are_not_kept(attack: Attack) -> None:
    async def scenario(victim: Victim) -> None:
        peer = await victim.peer(window=4096)
        await peer.open_websocket()
        await _flood(victim, peer, client_frame(PING, b"p" * 125) * 2000, 2 * MEGABYTE)

    attack(scenario, level=logging.WARNING)


def test_replies_that_nobody_reads_end_the_connection(attack: Attack) -> None:
    """Commands of fifty bytes that are answered by a hundred kilobytes each."""
    history = '{"id":2,"history":{"channel":"cave","limit":10}}'
    commands = "\n".join([history] * 100)
    options = CONFIG["channel"]["without_namespace"] | {"allow_history_for_subscriber": True}

    async def scenario(victim: Victim) -> None:
        kept = publish_options(ChannelOptions(history_size=10, history_ttl=60))
        for _ in range(10):
            await victim.node.publish(CAVE, Publication(b'"%b"' % (b"a" * 10_000)), kept)
        peer = await victim.peer(window=4096)
        await peer.open_websocket()
        subscribe = f'{{"id":1,"subscribe":{{"channel":"{CAVE}"}}}}'
        await peer.send(text_frame(connect_command("mallory")), text_frame(subscribe))
        await _flood(victim, peer, text_frame(commands), 16 * MEGABYTE)
        assert victim.node.hub.num_clients == 1

    attack(scenario, client={"queue_max_size": QUEUE}, channel={"without_namespace": options})


# ── those who speak slowly ───────────────────────────────────────────────────────────────────

SLOW = {
    "a head": (b"", b"GET /" + b"a" * 100, 12),
    "a header": (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"a" * 100, 12),
    "a body": (
        f"POST /api/info HTTP/1.1\r\nX-API-Key: {API_KEY}\r\nHost: a\r\nContent-Length: 99\r\n\r\n"
        .encode(),
        b" " * 99,
        32,
    ),
    "a chunk": (
        f"POST /api/info HTTP/1.1\r\nX-API-Key: {API_KEY}\r\nHost: a\r\n"
        "Transfer-Encoding: chunked\r\n\r\n".encode(),
        b"1\r\na\r\n" * 40,
        32,
    ),
    "nothing": (b"", b"", 12),
    "nothing after a request": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"", 77),
}  # fmt: skip
"""What is said at once, what is said a byte a second, and when it is over."""


@pytest.mark.parametrize("kind", SLOW)
def test_who_speaks_a_byte_a_second_is_cut_off(attack: Attack, kind: str) -> None:
    """However many there are of them."""
    at_once, slowly, seconds = SLOW[kind]

    async def scenario(victim: Victim) -> None:
        peers = [await victim.peer() for _ in range(20)]
        for peer in peers:
            await peer.send(at_once)
        await victim.neighbours.look_after_each_other()
        for second in range(seconds):
            for peer in peers:
                await peer.send(slowly[second : second + 1])
            await victim.clock.advance(1)
        await victim.neighbours.look_after_each_other()
        await victim.clock.advance(3)
        assert victim.server.open_http <= 1
        for peer in peers:
            assert b" 200 " not in await peer.read_all()

    attack(scenario)


@pytest.mark.parametrize("path", ["websocket", "uni_websocket", "sockjs/0/1/websocket"])
def test_who_opens_a_websocket_and_never_says_who_it_is_is_cut_off(
    attack: Attack, path: str
) -> None:
    """By ``client.stale_close_delay``, however many frames without a meaning it sends."""

    async def scenario(victim: Victim) -> None:
        peer = await victim.peer()
        await peer.open_websocket(
            OPENS_WEBSOCKET.replace(b"websocket HTTP", path.encode() + b" HTTP")
        )
        for _ in range(12):
            await peer.send(client_frame(PING, b"still here"))
            await victim.clock.advance(1)
        await victim.clock.advance(6)
        assert victim.server.open_websockets == 1
        await peer.read_all()

    attack(scenario)


def test_many_connections_that_do_nothing_are_gone_after_the_time_of_a_head(
    attack: Attack,
) -> None:
    async def scenario(victim: Victim) -> None:
        for _ in range(100):
            await victim.peer()
        await victim.neighbours.look_after_each_other()
        assert victim.server.open_http > 100
        await victim.clock.advance(13)
        assert victim.server.open_http <= 1

    attack(scenario)
