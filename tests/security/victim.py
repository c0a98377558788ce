"""A whole server to attack, with honest neighbours whom no attack may touch.

Everything is real but time, which a test may move: sockets on loopback, the configuration as a
file, ``Application`` as a process builds it. Attackers are in ``peer.py``.
"""

import asyncio
import itertools
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect

from girandola.app.build import Application
from girandola.app.clock import LoopClock
from girandola.config.load import load
from girandola.net.server import Server
from tests.auth.tokens import token
from tests.security.peer import Peer

SECRET = "the secret of the tokens"
CLASSIC_SECRET = "the secret of 2018"
API_KEY = "the key of the api"
ORIGIN = "https://good.example"
NEWS = "news"
"""The channel that the honest subscriber listens to."""

Config = dict[str, dict[str, Any]]

STREAMS = ("sse", "http_stream", "uni_sse", "uni_http_stream")

CONFIG: Config = {
    "classic": {"secret": CLASSIC_SECRET},
    "client": {
        "token": {"hmac_secret_key": SECRET},
        "allowed_origins": [ORIGIN],
        # Time is moved by leaps here, within which nobody can answer.
        "ping_interval": "0s",
    },
    "http_api": {"key": API_KEY},
    "channel": {
        "without_namespace": {
            "presence": True,
            "history_size": 10,
            "history_ttl": "600s",
            "force_recovery": True,
            "allow_subscribe_for_client": True,
            "allow_publish_for_subscriber": True,
        }
    },
    "websocket": {"compression": True},
    "sockjs": {"enabled": True},
    "uni_websocket": {"enabled": True},
    **{name: {"enabled": True} for name in STREAMS},
}


Sign = Callable[[dict[str, Any]], str]
"""Makes the tokens of those who may come in."""


def sign(claims: dict[str, Any]) -> str:
    """Return a token by the secret of ``CONFIG``."""
    return token(claims, secret=SECRET)


class MovableClock(LoopClock):
    """The clock of the running loop, which a test can put forward."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead = 0.0
        self._numbers = itertools.count()
        self._due: dict[int, tuple[float, asyncio.TimerHandle, Callable[[], object]]] = {}
        loop_now, unix_now = self.now, self.time
        self.now = lambda: loop_now() + self._ahead
        self.time = lambda: unix_now() + self._ahead

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any
    ) -> asyncio.TimerHandle:
        number = next(self._numbers)

        def call() -> None:
            self._due.pop(number, None)
            callback(*args)

        timer = super().call_later(delay, call)
        self._due[number] = (self.now() + delay, timer, call)
        return timer

    async def advance(self, seconds: float) -> None:
        """Let time pass: what becomes due happens at its own time, in order."""
        end = self.now() + seconds
        while (due := self._next()) is not None and due[0] <= end:
            at, timer, call = due
            timer.cancel()
            self._ahead += max(0.0, at - self.now())
            call()
            await settle()
        self._ahead += max(0.0, end - self.now())
        await settle()

    def _next(self) -> tuple[float, asyncio.TimerHandle, Callable[[], object]] | None:
        self._due = {key: due for key, due in self._due.items() if not due[1].cancelled()}
        return min(self._due.values(), key=lambda due: due[0], default=None)


async def settle() -> None:
    """Let the loop go through what is ready, a few times."""
    for _ in range(5):
        await asyncio.sleep(0)


class Neighbours:
    """An honest subscriber, and the application that publishes to it by the API."""

    def __init__(self, victim: "Victim") -> None:
        self._victim = victim
        self._numbers = itertools.count(1)

    async def arrive(self) -> None:
        self._http = aiohttp.ClientSession(
            headers={"X-API-Key": API_KEY}, timeout=aiohttp.ClientTimeout(10)
        )
        self._subscriber = await self._victim.client("honest", NEWS)

    async def look_after_each_other(self) -> None:
        """Publish the next message; it is the next, and the only one, to arrive."""
        number = next(self._numbers)
        answer = await self.api("publish", channel=NEWS, data=number)
        assert answer["result"]["offset"] == number
        push = json.loads(str(await self._subscriber.recv()))["push"]
        assert (push["channel"], push["pub"]["data"]) == (NEWS, number)

    async def api(self, method: str, **params: Any) -> Any:
        """Call the API as the application does."""
        url = f"http://127.0.0.1:{self._victim.port}/api/{method}"
        async with self._http.post(url, json=params) as answer:
            assert answer.status == 200
            return await answer.json()

    async def leave(self) -> None:
        await self._subscriber.close()
        await self._http.close()


class Victim:
    """A server with every door open that has a limit to be tried."""

    def __init__(self, folder: Path, config: Config, sign: Sign) -> None:
        self.sign = sign
        file = folder / "config.json"
        file.write_text(json.dumps(config))
        self.clock = MovableClock()
        self.app = Application(load(str(file)).config, self.clock)
        self.node = self.app.node
        self.server = Server(self.app.router, clock=self.clock)
        self.neighbours = Neighbours(self)
        self._peers: list[Peer] = []
        self._sockets: list[ClientConnection] = []

    async def start(self) -> None:
        await self.app.start()
        ((_, self.port),) = await self.server.start("127.0.0.1", 0)
        await self.neighbours.arrive()

    async def peer(self, *, window: int = 0) -> Peer:
        """Return an attacker who is connected and has not said anything yet."""
        peer = Peer(self.port, window=window)
        self._peers.append(peer)
        return await peer.open()

    async def ask(self, *pieces: bytes) -> bytes:
        """Return all that is answered to a peer who says this and no more."""
        peer = await self.peer()
        await peer.send(*pieces)
        peer.end()
        return await peer.read_all()

    async def client(self, user: str, *channels: str, **claims: Any) -> ClientConnection:
        """Return a client of today who is connected and subscribed."""
        url = f"ws://127.0.0.1:{self.port}/connection/websocket"
        opened = await connect(url, compression=None, proxy=None, ping_interval=None)
        self._sockets.append(opened)
        jwt = self.sign({"sub": user, **claims})
        await opened.send(f'{{"id":1,"connect":{{"token":"{jwt}"}}}}')
        assert '"connect":{"client":' in str(await opened.recv())
        for number, channel in enumerate(channels, 2):
            await opened.send(f'{{"id":{number},"subscribe":{{"channel":"{channel}"}}}}')
            assert f'"id":{number},"subscribe"' in str(await opened.recv())
        return opened

    async def while_(self, attack: Coroutine[Any, Any, Any]) -> None:
        """Carry out an attack; the neighbours look after each other meanwhile and afterwards."""
        going_on = asyncio.ensure_future(attack)
        await settle()
        while not going_on.done():
            await self.neighbours.look_after_each_other()
            await asyncio.wait((going_on,), timeout=0.02)
        await going_on
        await self.neighbours.look_after_each_other()

    async def finish(self) -> None:
        """Let everybody go, and look whether anything is left of them."""
        await self.neighbours.look_after_each_other()
        await self.neighbours.leave()
        for opened in self._sockets:
            await opened.close()
        for peer in self._peers:
            peer.close()
        await self.clock.advance(60)
        self.server.close_idle()
        assert await self.server.drain(5) == 0
        assert self.node.hub.num_clients == 0
        assert self.node.hub.num_subscriptions == 0

    async def cut_off(self) -> None:
        """End what a failed scenario left open: uvloop does not close before."""
        await self.neighbours.leave()
        for opened in self._sockets:
            opened.transport.abort()
        for peer in self._peers:
            peer.close()
        await self.server.stop_accepting()
        await self.server.drain(0)
        await self.app.close()


def connect_command(user: str, **claims: Any) -> str:
    """Return the first command of a client of today."""
    return f'{{"id":1,"connect":{{"token":"{sign({"sub": user, **claims})}"}}}}'
