"""Configuration into objects: what a change of it reaches, and what it leaves alone.

How the objects then behave is told by the scenarios; this is about the wiring.
"""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from girandola.app.build import Application
from girandola.config.load import load
from girandola.config.schema import Config
from girandola.core.session import Session
from girandola.net.http import Request, Response, Route
from girandola.net.router import WebSocketRoute
from girandola.net.websocket import WebSocketConnection
from girandola.protocol.v2_json import V2_JSON
from tests.auth.tokens import public_pem, token
from tests.fakes import FakeClock, FakeTransport
from tests.net.wire import FakeTransport as FakeSocket

SECRET = "secret"
KEYS: dict[str, Any] = {"client": {"token": {"hmac_secret_key": SECRET}}}
OPEN: dict[str, Any] = {"channel": {"without_namespace": {"allow_subscribe_for_client": True}}}


class Built:
    """An application on a clock moved by hand."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self._file = folder / "config.json"
        self.clock = FakeClock()
        self.app = Application(self.load(**config), self.clock)

    def load(self, **config: Any) -> Config:
        self._file.write_bytes(msgspec.json.encode({"log": {"level": "info"}, **config}))
        return load(str(self._file)).config

    def reload(self, **config: Any) -> None:
        self.app.reconfigure(self.load(**config))

    # ── what can be reached ──────────────────────────────────────────────────────────────────

    def route(self, path: str, **headers: str) -> Route | WebSocketRoute | Response:
        return self.app.router.find(Request("POST", path, headers=headers))

    def websocket(self, path: str = "/connection/websocket") -> WebSocketRoute:
        route = self.app.router.find(Request("GET", path))
        assert isinstance(route, WebSocketRoute)
        return route

    def accept(self, **headers: str) -> int:
        """Return the status of a handshake."""
        accepted = self.websocket().accept(Request("GET", "/connection/websocket", headers=headers))
        return accepted.status if isinstance(accepted, Response) else 101

    def api(self, path: str, body: bytes, **headers: str) -> Response:
        request = Request("POST", path, headers=headers, body=body, peer="192.0.2.1:5000")
        route = self.app.router.find(request)
        if isinstance(route, Response):
            return route
        assert isinstance(route, Route)
        answer = route.handler(request)
        assert not isinstance(answer, Response)

        async def handle() -> Response:
            return await answer

        return self.clock.result(handle())

    def connect(self, **claims: Any) -> tuple[Session, FakeTransport]:
        transport = FakeTransport()
        session = Session(self.app.node, transport, V2_JSON)
        jwt = token({"sub": "42", **claims}, secret=SECRET)
        session.receive(f'{{"id":1,"connect":{{"token":"{jwt}"}}}}'.encode())
        self.clock.run()
        return session, transport


def test_paths_lead_to_doors(tmp_path: Path) -> None:
    built = Built(tmp_path, http_api={"insecure": True})
    built.websocket()
    assert isinstance(built.route("/api"), Route)
    assert isinstance(built.route("/api/publish"), Route)
    missing = built.route("/connection/sse")
    assert isinstance(missing, Response)
    assert missing.status == 404


def test_paths_can_be_chosen(tmp_path: Path) -> None:
    http_api = {"handler_prefix": "/a", "insecure": True}
    built = Built(tmp_path, websocket={"handler_prefix": "/ws"}, http_api=http_api)
    built.websocket("/ws")
    assert isinstance(built.route("/a/publish"), Route)
    assert isinstance(built.route("/connection/websocket"), Response)
    assert isinstance(built.route("/api/publish"), Response)


def test_doors_can_be_left_out(tmp_path: Path) -> None:
    built = Built(tmp_path, websocket={"disabled": True}, http_api={"disabled": True})
    assert isinstance(built.route("/connection/websocket"), Response)
    assert isinstance(built.route("/api/publish"), Response)


def test_a_reload_leaves_doors_where_they_are(tmp_path: Path) -> None:
    """The log says so (``reload_differences``); nothing may close half a door meanwhile."""
    built = Built(tmp_path, http_api={"key": "key"})
    built.reload(
        websocket={"handler_prefix": "/ws"}, http_api={"key": "key", "handler_prefix": "/other"}
    )
    built.websocket()
    assert isinstance(built.route("/ws"), Response)
    answer = built.api("/api/channels", b"{}", **{"x-api-key": "key"})
    assert (answer.status, answer.body) == (200, b'{"result":{"channels":{}}}')
    built.reload(websocket={"disabled": True}, http_api={"key": "key", "disabled": True})
    built.websocket()
    assert built.api("/api/channels", b"{}", **{"x-api-key": "key"}).status == 200


def test_a_reload_changes_the_limits_of_new_connections_and_requests(tmp_path: Path) -> None:
    built = Built(tmp_path)
    before = built.websocket()
    assert (before.max_message_size, before.write_timeout) == (65536, 1.0)
    built.reload(
        websocket={"message_size_limit": 1000, "write_timeout": "5s"},
        http_api={"max_body_size": 100, "key": "key"},
    )
    after = built.websocket()
    assert (after.max_message_size, after.write_timeout) == (1000, 5.0)
    route = built.route("/api/publish", **{"x-api-key": "key"})
    assert isinstance(route, Route)
    assert route.max_body == 100


def test_a_reload_changes_origins_and_connection_limits(tmp_path: Path) -> None:
    built = Built(tmp_path)
    assert built.accept(origin="https://example.com") == 403
    built.reload(client={"allowed_origins": ["https://example.com"], "connection_limit": 1})
    assert built.accept(origin="https://example.com") == 101
    assert built.accept(origin="https://example.com") == 503


def test_a_reload_changes_keys_of_clients_and_api(tmp_path: Path) -> None:
    built = Built(tmp_path, http_api={"key": "key"})
    assert built.connect()[1].closed_with is not None
    built.reload(**KEYS, http_api={"key": "another"})
    assert built.connect()[0].connected
    assert built.api("/api/channels", b"{}", **{"x-api-key": "key"}).status == 401
    assert built.api("/api/channels", b"{}", **{"x-api-key": "another"}).status == 200


@pytest.mark.parametrize(
    ("name", "client"),
    [
        ("client.token.rsa_public_key", {"token": {"rsa_public_key": "no key"}}),
        ("client.token.ecdsa_public_key", {"token": {"ecdsa_public_key": public_pem("RS256")}}),
        (
            "client.subscription_token.eddsa_public_key",
            {"subscription_token": {"enabled": True, "eddsa_public_key": "no key"}},
        ),
        ("client.allowed_origins", {"allowed_origins": ["https://[example.com"]}),
    ],
)
def test_a_bad_option_is_named_and_changes_nothing(
    tmp_path: Path, name: str, client: dict[str, Any]
) -> None:
    built = Built(tmp_path, **KEYS, **OPEN)
    bad = built.load(client={"channel_limit": 1, **client}, http_api={"key": "new"})
    with pytest.raises(ValueError, match=name):
        built.app.reconfigure(bad)
    assert built.app.node.options.channel_limit == 128
    assert built.connect()[0].connected
    assert built.api("/api/channels", b"{}", **{"x-api-key": "new"}).status == 401
    with pytest.raises(ValueError, match=name):
        Application(bad, built.clock)


def test_subscription_tokens_have_keys_of_their_own_where_enabled(tmp_path: Path) -> None:
    own = {"subscription_token": {"enabled": True, "hmac_secret_key": "other secret"}}
    for client, secret in ((KEYS["client"], SECRET), (KEYS["client"] | own, "other secret")):
        built = Built(tmp_path, client=client)
        session, transport = built.connect()
        for key in ("wrong", secret):
            jwt = token({"sub": "42", "channel": "a"}, secret=key)
            session.receive(f'{{"id":2,"subscribe":{{"channel":"a","token":"{jwt}"}}}}'.encode())
            built.clock.run()
        assert [b'"error"' in message for message in transport.messages] == [False, True, False]


def test_closing_tells_clients_refuses_callers_and_drops_strangers(tmp_path: Path) -> None:
    built = Built(tmp_path, **KEYS, http_api={"key": "key"})
    session, transport = built.connect()
    stranger = FakeSocket(built.clock)
    open_stranger(built, stranger)
    asyncio.run(built.app.close())
    built.clock.run()
    assert transport.closed_with is not None
    assert transport.closed_with.code == 3001
    assert session.closed
    assert stranger.aborted
    assert stranger.written == b""
    assert built.api("/api/channels", b"{}", **{"x-api-key": "key"}).status == 503
    assert built.accept() == 503


def open_stranger(built: Built, socket: FakeSocket) -> None:
    """Open a WebSocket on which nobody says who they are."""
    listener = built.websocket().accept(Request("GET", "/connection/websocket"))
    assert not isinstance(listener, Response)
    socket.connect(WebSocketConnection(listener, clock=built.clock, max_message_size=1000))
