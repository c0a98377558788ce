"""A server of 2018 on a clock moved by hand, its clients, and the application behind it.

The objects are those of a real server, built from a 2018 configuration file; only time and the
wire are fakes. Frames are literal but for what is made at random: client ids are the names that
tests choose, and a message id that carries a position is shown as ``A1``, a letter for each
epoch in the order of their appearance and the offset. Ids without a position are ``*``.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from girandola.app.build import Application
from girandola.auth.signs import api_sign, channel_sign, client_token
from girandola.config.load import Loaded, load
from girandola.core.session import Session
from girandola.model import StreamPosition
from girandola.net.http import Request, Response, Route
from girandola.protocol.classic import CLASSIC
from girandola.protocol.codec import Codec
from girandola.protocol.uid import position_of, positioned
from girandola.protocol.v2_json import V2_JSON
from tests.auth.tokens import token
from tests.fakes import FakeClock, FakeTransport

NOW = 1528600000
SECRET = "secret"
TOKEN_OF_42 = "9a99a403ba89222e3b5acaeea418fe97362a3f7be46ad3cb5942a4312b7baaf4"
TOKEN_OF_42_WITH_INFO = "925a618a38efdea7081770cac9e23b9d0477f7b541087343a42171c9f2a2b99a"
TOKEN_OF_NOBODY = "ea2496c4498d490b4f56396eb9518f60611976bd10ab227f551412a9f4b01481"
"""classic.md section 14.1: users 42, 42 with info {"a":1}, and "", at NOW."""

HISTORY = {"history_size": 3, "history_lifetime": 60}
RECOVERY = {**HISTORY, "recover": True}

_ID = re.compile(r'"(uid|last)":"([0-9A-Za-z-]{22,})"')
_SHOWN_ID = re.compile(r'"last":"([A-Z])(\d+)"')
_EPOCH = re.compile(r'"epoch":"([a-zA-Z]{8})"')


class World:
    """One server. ``options`` are those of a 2018 configuration; ``secret`` is always there."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self._file = folder / "config.json"
        self.options: dict[str, Any] = {"secret": SECRET, **options}
        self._epochs: dict[str, str] = {}
        self.clock = FakeClock(unix_time=NOW)
        self.app = Application(self._load().config, self.clock)
        self.node = self.app.node

    def _load(self) -> Loaded:
        self._file.write_text(json.dumps(self.options), encoding="utf-8")
        loaded = load(str(self._file))
        assert loaded.classic
        return loaded

    def reload(self, **options: Any) -> None:
        """Change options of the running server; ``None`` takes one out of the file."""
        changed = self.options | options
        self.options = {name: value for name, value in changed.items() if value is not None}
        self.app.reconfigure(self._load().config)

    def shut_down(self) -> None:
        # In a loop, which is what the application's own connections are closed by.
        asyncio.run(self.app.close())
        self.clock.run()

    # ── clients ──────────────────────────────────────────────────────────────────────────────

    def open(self, name: str = "ID") -> "Client":
        """Open a connection of 2018 that has not said anything yet."""
        return Client(self, name)

    def client(self, name: str = "ID", user: str = "42", info: str = "") -> "Client":
        """Open a connection of 2018 and authenticate it."""
        client = self.open(name)
        answer = client.ask(f'{{"method":"connect","params":{credentials(user, info=info)}}}')
        assert f'"client":"{name}"' in answer, answer
        return client

    def modern_client(self, name: str, user: str) -> "Peer":
        """Open a connection of today and authenticate it."""
        peer = Peer(self, name, V2_JSON)
        jwt = token({"sub": user}, secret=SECRET)
        answer = peer.ask(f'{{"id":1,"connect":{{"token":"{jwt}"}}}}')
        assert f'"client":"{name}"' in answer, answer
        return peer

    # ── the application ──────────────────────────────────────────────────────────────────────

    def api(self, method: str, params: str = "{}") -> str:
        """Call the server API of 2018 and return the only answer."""
        response = self.post(f'{{"method":"{method}","params":{params}}}')
        assert response.status == 200, response.body
        text = self.shown(response.body)
        assert text[0] + text[-1] == "[]"
        return text[1:-1]

    def post(self, body: str) -> Response:
        """Send a signed request to the server API of 2018."""
        data = body.encode()
        headers = {"content-type": "application/json", "x-api-sign": api_sign(SECRET, data)}
        request = Request("POST", "/api/", headers=headers, body=data, peer="192.0.2.1:5000")
        found = self.app.router.find(request)
        assert isinstance(found, Route | Response)
        answer = found if isinstance(found, Response) else found.handler(request)
        response = answer if isinstance(answer, Response) else self.clock.result(_of(answer))
        self.clock.run()
        return response

    def publish(self, channel: str, *payloads: str) -> None:
        """Publish by the server API."""
        for data in payloads:
            answer = self.api("publish", f'{{"channel":"{channel}","data":{data}}}')
            assert answer == '{"method":"publish","error":null,"body":null}'

    # ── what was made at random ──────────────────────────────────────────────────────────────

    def shown(self, frame: bytes) -> str:
        """Return a frame with the ids and epochs in it as tests write them."""

        def show(found: re.Match[str]) -> str:
            position = position_of(found[2])
            own = "*" if position is None else f"{self._letter(position.epoch)}{position.offset}"
            return f'"{found[1]}":"{own}"'

        text = _ID.sub(show, frame.decode())
        return _EPOCH.sub(lambda found: f'"epoch":"{self._letter(found[1])}"', text)

    def meant(self, frame: str) -> bytes:
        """Return a frame of a test with the ids that the client was given."""

        def give(found: re.Match[str]) -> str:
            epoch = next(e for e, letter in self._epochs.items() if letter == found[1])
            return f'"last":"{positioned(StreamPosition(int(found[2]), epoch))}"'

        return _SHOWN_ID.sub(give, frame).encode()

    def _letter(self, epoch: str) -> str:
        return self._epochs.setdefault(epoch, chr(ord("A") + len(self._epochs)))


async def _of(answer: Any) -> Response:
    response = await answer
    assert isinstance(response, Response)
    return response


class Peer:
    """A connection, and what came over it."""

    def __init__(self, world: World, name: str, codec: Codec) -> None:
        self.world = world
        self.name = name
        self.transport = FakeTransport()
        self.session = Session(world.node, self.transport, codec)
        self.session.client = name

    def send(self, frame: str) -> list[str]:
        """Send a frame; return what came until nothing more happens."""
        return self.send_bytes(self.world.meant(frame))

    def send_bytes(self, frame: bytes) -> list[str]:
        """Send a frame exactly as it is."""
        self.session.receive(frame)
        return self.received()

    def ask(self, frame: str) -> str:
        """Send a frame that leads to exactly one message and return that."""
        (answer,) = self.send(frame)
        return answer

    def received(self) -> list[str]:
        """Return what came since this was asked last."""
        self.world.clock.run()
        writes, self.transport.writes = self.transport.writes, []
        return [self.world.shown(message) for write in writes for message in write]

    @property
    def end(self) -> str:
        """How the server ended the connection: the close reason, ``"cut"``, or ``""``."""
        self.world.clock.run()
        if self.transport.closed_with is not None:
            code, reason = self.session.codec.close(self.transport.closed_with)
            assert code == 3000
            return reason
        return "cut" if self.transport.aborted else ""

    def hang_up(self) -> None:
        """Go away."""
        self.session.on_transport_closed()
        self.world.clock.run()


class Client(Peer):
    """A connection of 2018."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name, CLASSIC)

    def call(self, method: str, params: str) -> list[str]:
        """Send a command without a uid."""
        return self.send(f'{{"method":"{method}","params":{params}}}')

    def subscribe(self, channel: str) -> None:
        """Subscribe, and let the client forget all that came of it."""
        answers = self.call("subscribe", f'{{"channel":"{channel}"}}')
        assert any('"status":true' in answer for answer in answers), answers


def credentials(user: str = "42", timestamp: int | str = NOW, info: str = "") -> str:
    """Return the parameters of connect and refresh, signed by the application."""
    signed = client_token(SECRET, user, str(timestamp), info)
    return json.dumps({"user": user, "timestamp": str(timestamp), "info": info, "token": signed})


def private(channel: str, client: str, info: str = "") -> str:
    """Return the parameters of subscribe to a private channel, signed by the application."""
    sign = channel_sign(SECRET, client, channel, info)
    return json.dumps({"channel": channel, "client": client, "info": info, "sign": sign})
