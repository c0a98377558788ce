"""The one-way gRPC door: a real grpcio client in front of it, and the transport with time in hand.

What clients send and receive are the messages of ``unistream.proto``, the public schema, not those
of the schema that the server works with.
"""

import asyncio
import contextlib
import json
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from girandola.app.build import Application
from girandola.app.clock import LoopClock
from girandola.config.load import load
from girandola.core.grants import PublishOptions, publish_options
from girandola.core.node import Target
from girandola.core.session import Session
from girandola.errors import CONNECTION_CLOSED, SHUTDOWN
from girandola.model import Publication
from girandola.net.middleware import ConnectionLimit
from girandola.options import ChannelOptions, TlsOptions, UniGrpcOptions
from girandola.protocol.pb import unistream_pb2 as pb
from girandola.protocol.v2_one_way import V2_PROTOBUF_ONE_WAY
from girandola.transports import uni_grpc
from girandola.transports.uni_grpc import UniGrpcDoor, UniGrpcTransport
from tests.auth.tokens import SECRET, token
from tests.contracts.transport import USER, OneWayContract, Run, Said, Scenario, numbers
from tests.fakes import FakeClock
from tests.net.certificates import Authority
from tests.transports.test_websocket import ALL_LOOPS

METHOD = "/centrifugal.centrifugo.unistream.CentrifugoUniStream/Consume"

TIMEOUT = 10.0
BIG = "x" * 250_000
"""More than a peer has room for, of whom nobody reads."""
UNREAD = {"grpc.http2.bdp_probe": 0}
"""So that there is room for 64 KiB, however quick the peer is."""
KEPT = ChannelOptions(history_size=1000, history_ttl=60.0)
CONFIG: dict[str, Any] = {
    "client": {"token": {"hmac_secret_key": SECRET}, "queue_max_size": 300_000},
    "channel": {
        "without_namespace": {
            "presence": True,
            "history_size": 1000,
            "history_ttl": "60s",
            "force_recovery": True,
            "allow_subscribe_for_client": True,
        },
        "namespaces": [{"name": "closed"}],
    },
}


def application(folder: Path, clock: Any, **client: Any) -> Application:
    file = folder / "config.json"
    file.write_text(json.dumps({**CONFIG, "client": CONFIG["client"] | client}))
    return Application(load(str(file)).config, clock)


def request(*channels: str, **fields: Any) -> pb.ConnectRequest:
    """Return the connect request of ``USER`` for channels, from their tops on."""
    subs = {channel: pb.SubscribeRequest() for channel in channels}
    return pb.ConnectRequest(
        **{"token": token({"sub": USER, "exp": int(time.time()) + 3600}), "subs": subs, **fields}
    )


# ── the server and a client's end ────────────────────────────────────────────────────────────


class Stream:
    """A client's end of a stream."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def push(self) -> pb.Push:
        """Return the next push; raise ``EOFError`` at the end of the stream."""
        async with asyncio.timeout(TIMEOUT):
            push = await self.call.read()
        if push is grpc.aio.EOF:
            raise EOFError
        assert isinstance(push, pb.Push)
        return push

    async def status(self) -> grpc.StatusCode:
        """Return how the stream ended."""
        async with asyncio.timeout(TIMEOUT):
            status: grpc.StatusCode = await self.call.code()
        return status

    async def connected(self) -> pb.Connect:
        push = await self.push()
        assert push.HasField("connect"), push
        return push.connect

    async def data(self, count: int) -> list[Any]:
        """Return the payloads of the next pushes, which must be publications."""
        pushes = [await self.push() for _ in range(count)]
        return [json.loads(push.pub.data) for push in pushes]

    async def rest(self) -> tuple[list[Any], tuple[int, str]]:
        """Return the payloads that come until the end, and the disconnect behind them."""
        pushes = []
        try:
            while True:
                pushes.append(await self.push())
        except EOFError:
            assert await self.status() is grpc.StatusCode.OK
        last = pushes.pop()
        assert last.HasField("disconnect"), last
        assert all(push.HasField("pub") for push in pushes)
        payloads = [json.loads(push.pub.data) for push in pushes]
        return payloads, (last.disconnect.code, last.disconnect.reason)


class Running:
    """A door on a free port of loopback, and its clients."""

    def __init__(self, app: Application, door: UniGrpcDoor, limit: ConnectionLimit) -> None:
        self.node = app.node
        self.app = app
        self.door = door
        self.limit = limit
        self.port = 0
        self._channels: list[Any] = []

    async def start(self) -> None:
        self.port = await self.door.start()
        self._channel = self.channel()

    def channel(self, credentials: Any = None, *, options: dict[str, int] | None = None) -> Any:
        """Return a connection of its own."""
        address = f"127.0.0.1:{self.port}"
        # Otherwise grpcio lets all channels with the same options share one connection.
        settings = [("grpc.use_local_subchannel_pool", 1), *(options or {}).items()]
        if credentials is None:
            channel = grpc.aio.insecure_channel(address, options=settings)
        else:
            channel = grpc.aio.secure_channel(address, credentials, options=settings)
        self._channels.append(channel)
        return channel

    def open(self, asked: pb.ConnectRequest | bytes, channel: Any = None) -> Stream:
        """Ask for a stream."""
        method = (channel or self._channel).unary_stream(
            METHOD,
            request_serializer=lambda asked: (
                asked if isinstance(asked, bytes) else asked.SerializeToString()
            ),
            response_deserializer=pb.Push.FromString,
        )
        return Stream(method(asked))

    async def come(self, *channels: str, **fields: Any) -> Stream:
        """Open a stream as ``USER`` and wait until it is connected."""
        stream = self.open(request(*channels, **fields))
        await stream.connected()
        return stream

    async def publish(self, channel: str, *payloads: str) -> None:
        for data in payloads:
            await self.node.publish(channel, Publication(data.encode()), publish_options(KEPT))

    async def emptied(self) -> None:
        """Wait until nobody is left, and see that nothing is left of them."""
        async with asyncio.timeout(TIMEOUT):
            while self.node.hub.num_clients:  # noqa: ASYNC110  no event tells it
                await asyncio.sleep(0)
        assert dict(self.node.hub.channels()) == {}

    async def stop(self) -> None:
        """Stop as the server does."""
        await self.app.close()
        await self.door.stop()

    async def finish(self) -> None:
        async with asyncio.timeout(TIMEOUT):
            for channel in self._channels:
                await channel.close()
            await self.stop()


def made(folder: Path, uni_grpc: dict[str, Any] | None = None, **client: Any) -> Running:
    """Make a server, not started yet, inside the running loop."""
    clock = LoopClock()
    app = application(folder, clock, **client)
    limit = ConnectionLimit(client.get("connection_limit", 0), 0, clock.now)
    options = UniGrpcOptions(address="127.0.0.1", port=0, **(uni_grpc or {}))
    return Running(app, UniGrpcDoor(app.node, limit, options), limit)


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not holds():  # noqa: ASYNC110  no event tells it
            await asyncio.sleep(0)


Start = Callable[..., Any]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a server; what is given goes over ``CONFIG``."""
    servers: list[Running] = []

    async def start(uni_grpc: dict[str, Any] | None = None, **client: Any) -> Running:
        running = made(tmp_path, uni_grpc, **client)
        servers.append(running)
        await running.start()
        return running

    yield start
    for running in servers:
        await running.finish()


# ── what every one-way transport promises ────────────────────────────────────────────────────


class OneWayBinary:
    """Today's one-way Protobuf."""

    def __init__(self) -> None:
        self._epochs: dict[str, str] = {}

    def connect(self, *channels: str, token: str = "", **places: Any) -> pb.ConnectRequest:
        subs = {channel: pb.SubscribeRequest() for channel in channels}
        for channel, (offset, epoch) in places.items():
            subs[channel] = pb.SubscribeRequest(recover=True, offset=offset, epoch=epoch)
        return request(**({"token": token} if token else {}), subs=subs)

    def read(self, push: pb.Push) -> Said:
        raw = str(push)
        if push.HasField("connect"):
            subs = push.connect.subs
            self._epochs = {channel: sub.epoch for channel, sub in subs.items()}
            found = {
                channel: [json.loads(each.data) for each in sub.publications]
                for channel, sub in subs.items()
            }
            return Said("connected", raw, place=found)
        if push.HasField("pub"):
            place = (push.pub.offset, self._epochs[push.channel])
            return Said("message", raw, push.channel, json.loads(push.pub.data), place=place)
        return Said("other" if raw else "ping", raw)


class GrpcLine:
    """A client's end of a stream on a connection of its own."""

    def __init__(self, server: Running) -> None:
        self._server = server
        self._stream: Stream | None = None
        self._reason: tuple[int, str] | None = None

    @property
    def stream(self) -> Stream:
        assert self._stream is not None, "nothing was said yet"
        return self._stream

    async def send(self, asked: pb.ConnectRequest) -> None:
        self._stream = self._server.open(asked, self._server.channel())

    async def receive(self) -> pb.Push:
        push = await self.stream.push()
        if push.HasField("disconnect"):
            self._reason = push.disconnect.code, push.disconnect.reason
            with pytest.raises(EOFError):
                await self.stream.push()
            raise EOFError
        return push

    async def ended(self) -> tuple[int, str]:
        with contextlib.suppress(EOFError):
            while self._reason is None:
                await self.receive()
        assert await self.stream.status() is grpc.StatusCode.OK
        assert self._reason is not None
        return self._reason

    def vanish(self) -> None:
        self.stream.call.cancel()


class GrpcDoor:
    """The server as the contract sees it."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.dialect = OneWayBinary()
        self.node = running.node
        self.publish = running.publish
        self.emptied = running.emptied
        self.shut_down = running.stop

    async def open(self) -> GrpcLine:
        return GrpcLine(self._running)

    def bad_tokens(self) -> dict[str, tuple[int, str]]:
        return {
            token({"sub": USER, "exp": 1}): (3005, "connection expired"),
            token({"sub": USER}, secret="a guess"): (3500, "invalid token"),
        }


class TestUniGrpc(OneWayContract):
    """The suite that every one-way transport runs."""

    @pytest.fixture(params=ALL_LOOPS)
    def loop(self, request: pytest.FixtureRequest) -> Any:
        return ALL_LOOPS[request.param]

    @pytest.fixture
    def run(self, loop: Any, tmp_path: Path) -> Run:
        return lambda scenario: play(tmp_path, scenario, loop)

    @pytest.fixture
    def run_impatiently(self, loop: Any, tmp_path: Path) -> Run:
        often = {"ping_interval": "100ms", "pong_timeout": "50ms"}
        return lambda scenario: play(tmp_path, scenario, loop, **often)


def play(folder: Path, scenario: Scenario, loop: Any, **client: Any) -> None:
    """Play a scenario, and see that nobody is left and every place is free again."""

    async def with_server() -> None:
        running = made(folder, **client)
        await running.start()
        try:
            async with asyncio.timeout(20):
                await scenario(GrpcDoor(running))
        finally:
            await running.finish()
        await running.emptied()
        running.limit.change(1, 0)
        assert running.limit.acquire()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(with_server())


# ── connecting ───────────────────────────────────────────────────────────────────────────────


async def test_the_first_push_tells_of_the_connection(start: Start) -> None:
    """With a session, and without what is only for two-way transports."""
    running = await start()
    connected = await running.open(request("a", "closed:b")).connected()
    assert connected.version == running.node.version
    assert connected.ping == 25
    assert len(connected.client) == len(connected.session) == 36
    assert connected.client != connected.session
    assert connected.expires
    assert not connected.pong
    assert connected.node == ""
    assert list(connected.subs) == ["a"]
    assert connected.subs["a"].recoverable
    (session,) = running.node.hub.sessions()
    assert session.transport.name == "uni_grpc"
    assert session.transport.peer.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("asked", "end"),
    [
        (request(token=token({"sub": USER}, secret="a guess")), (3500, "invalid token")),
        (request(token=token({"sub": USER, "exp": 1})), (3005, "connection expired")),
        (request("nowhere:a"), (3501, "bad request")),
        (pb.ConnectRequest(), (3501, "bad request")),
        (b"\xff no protobuf", (3501, "bad request")),
    ],
    ids=["forged token", "expired token", "unknown namespace", "no token", "nonsense"],
)
async def test_who_is_refused_is_told_why_and_the_stream_ends(
    start: Start, asked: pb.ConnectRequest | bytes, end: tuple[int, str]
) -> None:
    running = await start()
    assert await running.open(asked).rest() == ([], end)
    await running.emptied()


async def test_errors_become_the_disconnects_that_the_configuration_names(start: Start) -> None:
    expired = {"code": 109, "to": {"code": 4501, "reason": "log in again"}}
    running = await start(
        connect_code_to_unidirectional_disconnect={"enabled": True, "transforms": [expired]}
    )
    stream = running.open(request(token=token({"sub": USER, "exp": 1})))
    assert await stream.rest() == ([], (4501, "log in again"))


async def test_there_are_as_many_streams_as_allowed(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the option; whoever goes frees a place."""
    running = await start(connection_limit=1)
    first = await running.come()
    with caplog.at_level(logging.INFO, "girandola.transports.uni_grpc"):
        stream = running.open(request())
        assert await stream.status() is grpc.StatusCode.UNAVAILABLE
    assert "too many connections" in await stream.call.details()
    assert "client.connection_limit" in caplog.text
    first.call.cancel()
    await running.emptied()
    await running.come()


async def test_a_connect_request_over_the_limit_is_refused(start: Start) -> None:
    running = await start({"max_receive_message_size": 1000})
    await running.come(data=b"x" * 500)
    stream = running.open(request(data=b"x" * 1001))
    assert await stream.status() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_connect_request_of_more_than_64_kib_is_refused_without_an_option(
    start: Start,
) -> None:
    running = await start()
    stream = running.open(request(data=b"x" * 65536))
    assert await stream.status() is grpc.StatusCode.RESOURCE_EXHAUSTED


# ── publications ─────────────────────────────────────────────────────────────────────────────


async def test_live_publications_come_in_order(start: Start) -> None:
    """Whether they are made in one tick or in many; with offset, and from the right channel."""
    running = await start()
    stream = await running.come("a", "b")
    for first in range(0, 500, 50):
        await running.publish("a", *numbers(first, 50))
        await asyncio.sleep(0)
    assert await stream.data(500) == list(range(500))
    await running.publish("b", '"ü"')
    push = await stream.push()
    assert (push.channel, push.pub.offset, push.pub.data) == ("b", 1, '"ü"'.encode())


async def test_everybody_gets_everything_once(start: Start) -> None:
    """Streams over one connection and over several."""
    running = await start()
    channels = [None, running.channel(), running.channel()]
    streams = [running.open(request("a"), channels[number % 3]) for number in range(50)]
    for stream in streams:
        await stream.connected()
    await running.publish("a", *numbers(0, 10))
    await running.publish("c", "99")
    heard = await asyncio.gather(*(stream.data(10) for stream in streams))
    assert heard == [list(range(10))] * 50
    assert dict(running.node.hub.channels()) == {"a": 50}


async def test_a_subscription_of_the_server_api_is_told(start: Start) -> None:
    running = await start()
    stream = await running.come("a")
    await running.node.unsubscribe(Target(USER), "a")
    push = await stream.push()
    assert (push.channel, push.unsubscribe.code) == ("a", 2000)
    assert dict(running.node.hub.channels()) == {}


# ── the end ──────────────────────────────────────────────────────────────────────────────────


async def test_a_connection_ends_when_its_token_expires(start: Start) -> None:
    """No client could refresh it, so there is no grace."""
    running = await start()
    stream = await running.come(token=token({"sub": USER, "exp": int(time.time()) + 1}))
    assert await stream.rest() == ([], (3005, "connection expired"))


async def test_a_client_that_cancels_leaves_nothing_behind(start: Start) -> None:
    """Also with messages on their way to it, and when its whole connection breaks."""
    running = await start()
    waiting = await running.come("a")
    busy = await running.come("a", "b")
    channel = running.channel()
    broken = running.open(request("a"), channel)
    await broken.connected()
    await running.publish("a", *[json.dumps("x" * 50_000)] * 5)
    waiting.call.cancel()
    busy.call.cancel()
    await channel.close()
    await running.emptied()
    assert await running.node.presence("a") == {}


async def test_a_peer_that_goes_while_a_message_is_on_its_way_is_no_error(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start()
    channel = running.channel(options=UNREAD)
    stuck = running.open(request("a"), channel)
    await stuck.connected()
    (session,) = running.node.hub.sessions()
    await running.publish("a", json.dumps(BIG))
    await until(lambda: not session.outbox.messages and not session.transport.buffered())
    stuck.call.cancel()
    await running.emptied()
    await running.finish()  # what gRPC logs of a handler, it has logged by now
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_at_shutdown_nobody_new_comes_in(start: Start) -> None:
    running = await start()
    await running.come()
    running.node.shutting_down = True
    stream = running.open(request())
    assert await stream.status() is grpc.StatusCode.UNAVAILABLE


# ── a peer that does not read ────────────────────────────────────────────────────────────────


async def slow(running: Running, *streams: Stream) -> None:
    """Let the sessions of streams that listen to ``slow`` end because nobody reads."""
    for stream in streams:
        await stream.connected()
    others = running.node.hub.num_clients - len(streams)
    await running.publish("slow", json.dumps(BIG))
    for session in running.node.hub.sessions():
        await until(lambda s=session: not s.outbox.messages and not s.transport.buffered())
    await running.publish("slow", json.dumps(BIG), json.dumps(BIG))
    await until(lambda: running.node.hub.num_clients == others)


async def test_the_place_of_a_session_is_free_when_it_ends_though_its_peer_reads_nothing(
    start: Start,
) -> None:
    """The peer can read on for a while, to the reason."""
    running = await start(connection_limit=1)
    stream = running.open(request("slow"), running.channel(options=UNREAD))
    await slow(running, stream)
    await running.come()
    assert await stream.rest() == ([BIG], (3008, "slow"))


@pytest.mark.parametrize("reads", [True, False])
async def test_a_peer_that_does_not_read_to_the_end_is_cut_off(
    start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    """If it reads at last, it finds how the stream ended; if it goes, that is no error."""
    monkeypatch.setattr(uni_grpc, "CLOSE_TIMEOUT", 0.05)
    caplog.set_level(logging.INFO)
    running = await start()
    stream = running.open(request("slow"), running.channel(options=UNREAD))
    await slow(running, stream)
    await until(lambda: ": cut off: did not take the end of its stream" in caplog.text)
    if reads:
        with pytest.raises(grpc.aio.AioRpcError, match="slow"):
            await stream.rest()
        assert await stream.status() is grpc.StatusCode.RESOURCE_EXHAUSTED
    else:
        stream.call.cancel()
    await running.finish()
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_a_connection_cannot_leave_any_number_of_streams_behind(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others come in meanwhile, and itself again when it has read what was there."""
    monkeypatch.setattr(uni_grpc, "MAX_LEFT_OVER", 2)
    running = await start()
    channel = running.channel(options=UNREAD)
    forged = request(token=token({"sub": USER}, secret="a guess"))
    for _ in range(3):
        assert (await running.open(forged, channel).rest())[1] == (3500, "invalid token")
    streams = [running.open(request("slow"), channel) for _ in range(2)]
    await slow(running, *streams)
    refused = running.open(request(), channel)
    assert await refused.status() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await running.come()
    for stream in streams:
        assert (await stream.rest())[1] == (3008, "slow")
    await running.open(request(), channel).connected()


# ── the port ─────────────────────────────────────────────────────────────────────────────────


async def test_a_port_that_is_taken_is_named_with_the_reason(start: Start, tmp_path: Path) -> None:
    running = await start()
    app = application(tmp_path, LoopClock())
    options = UniGrpcOptions(address="127.0.0.1", port=running.port)
    door = UniGrpcDoor(app.node, running.limit, options)
    with pytest.raises(OSError, match=f"uni_grpc: .* 127.0.0.1, port {running.port}: .* in use"):
        await door.start()
    await door.stop()
    await app.close()


async def test_tls_shows_the_certificate_and_asks_for_the_clients(start: Start) -> None:
    """A client without one, and one without TLS, get nothing."""
    ours, theirs = Authority(), Authority("of the clients")
    own = ours.issue("127.0.0.1")
    tls = TlsOptions(enabled=True, cert_pem=own.cert, key_pem=own.key, client_ca_pem=theirs.pem)
    running = await start({"tls": tls})
    client = theirs.issue(common_name="client")
    known = grpc.ssl_channel_credentials(
        ours.pem.encode(), client.key.encode(), client.cert.encode()
    )
    await running.open(request(), running.channel(known)).connected()
    for credentials in (grpc.ssl_channel_credentials(ours.pem.encode()), None):
        stream = running.open(request(), running.channel(credentials))
        assert await stream.status() is grpc.StatusCode.UNAVAILABLE


async def test_a_renewed_certificate_is_shown_to_new_connections(
    start: Start, tmp_path: Path
) -> None:
    """Streams go on, and one that cannot be read leaves the old one in its place."""
    before, after = Authority(), Authority()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def write(authority: Authority) -> None:
        issued = authority.issue("127.0.0.1")
        cert.write_text(issued.cert)
        key.write_text(issued.key)

    def trusting(authority: Authority) -> Any:
        return running.channel(grpc.ssl_channel_credentials(authority.pem.encode()))

    write(before)
    running = await start({"tls": TlsOptions(enabled=True, cert_pem=str(cert), key_pem=str(key))})
    stream = running.open(request("a"), trusting(before))
    await stream.connected()
    cert.write_text("no certificate")
    with pytest.raises(ValueError, match=r"^uni_grpc\.tls\.cert_pem: "):
        running.door.reload()
    await running.open(request(), trusting(before)).connected()
    write(after)
    running.door.reload()()
    await running.open(request(), trusting(after)).connected()
    refused = running.open(request(), trusting(before))
    assert await refused.status() is grpc.StatusCode.UNAVAILABLE
    await running.publish("a", "1")
    assert await stream.data(1) == [1]


async def test_a_wrong_certificate_is_named(start: Start) -> None:
    tls = TlsOptions(enabled=True, cert_pem="/nowhere", key_pem="/nowhere")
    with pytest.raises(ValueError, match=r"^uni_grpc\.tls\.cert_pem: "):
        await start({"tls": tls})


# ── without grpcio ───────────────────────────────────────────────────────────────────────────

WITHOUT_GRPC = """
import sys
sys.modules["grpc"] = None
from girandola.cli.main import main
main()
"""


def test_without_grpcio_the_server_does_not_start_and_says_what_to_install(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"uni_grpc": {"enabled": true}}')
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_GRPC, "--config", str(file), "--port", "0"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 1
    assert "uni_grpc.enabled" in ended.stderr
    assert "pip install girandola[grpc]" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_the_option_grpcio_is_not_even_loaded(tmp_path: Path) -> None:
    clock = FakeClock()
    script = "import sys, girandola.app.run; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=30).returncode == 0
    application(tmp_path, clock)


# ── the transport, with time in hand ─────────────────────────────────────────────────────────


class Held:
    """A stream whose peer takes a message only when the test says so."""

    def __init__(self, folder: Path, **client: Any) -> None:
        self.clock = FakeClock(time.time())
        self.node = application(folder, self.clock, **client).node
        self.node.random = lambda: 1.0
        self.ends = 0
        self.transport = UniGrpcTransport(self.clock, "192.0.2.1:5000", self._count_end)
        self.session = Session(self.node, self.transport, V2_PROTOBUF_ONE_WAY)
        self.pushes: list[pb.Push] = []
        self._full: Any = None
        self.has_room = True
        self.ended = False
        self.session.receive(request("a").SerializeToString())
        self.clock.run()
        self.clock.spawn(self._carry())

    def _count_end(self) -> None:
        self.ends += 1

    async def _carry(self) -> None:
        await self.transport.carry(self._send)
        self.ended = True

    async def _send(self, message: bytes) -> None:
        self.pushes.append(pb.Push.FromString(message))
        if not self.has_room:
            self._full = self.clock.waiter()
            await self._full

    def make_room(self) -> None:
        self.has_room = True
        self._full.set_result(None)
        self.clock.run()

    def publish(self, *payloads: bytes) -> None:
        async def publish() -> None:
            for data in payloads:
                await self.node.publish("a", Publication(data), PublishOptions())

        self.clock.spawn(publish())
        self.clock.run()

    def taken(self) -> list[pb.Push]:
        """Return the pushes since the last time."""
        pushes, self.pushes = self.pushes, []
        return pushes


def test_a_ping_is_an_empty_push(tmp_path: Path) -> None:
    """And nobody waits for an answer."""
    held = Held(tmp_path)
    held.taken()
    held.clock.advance(26)
    assert held.taken() == [pb.Push()]
    held.clock.advance(25)
    assert held.taken() == [pb.Push()]
    assert held.session.connected


def test_messages_wait_until_the_stream_takes_them(tmp_path: Path) -> None:
    held = Held(tmp_path)
    held.taken()
    held.has_room = False
    held.publish(b"1", b"2")
    held.publish(b"3")
    assert [push.pub.data for push in held.taken()] == [b"1"]
    assert held.transport.buffered() > 0
    held.make_room()
    assert [push.pub.data for push in held.taken()] == [b"2", b"3"]
    assert held.transport.buffered() == 0


def test_over_the_limit_what_waits_is_dropped_and_the_stream_ends(tmp_path: Path) -> None:
    """Nothing is held for a peer that takes nothing, but the reason it gets in the end."""
    held = Held(tmp_path, queue_max_size=10_000)
    held.taken()
    held.has_room = False
    for _ in range(12):
        held.publish(b"x" * 1000)
    assert held.session.closed
    assert dict(held.node.hub.channels()) == {}
    assert held.transport.buffered() < 100
    assert not held.ended
    held.make_room()
    assert [push.disconnect.code for push in held.taken()] == [0, 3008]
    assert held.ended


def test_nothing_comes_after_the_push_that_says_why(tmp_path: Path) -> None:
    """Whatever is written meanwhile, and however often the end is told."""
    held = Held(tmp_path)
    held.taken()
    held.session.close(SHUTDOWN)
    held.transport.close(SHUTDOWN)
    held.transport.write([V2_PROTOBUF_ONE_WAY.ping])
    held.clock.run()
    assert [push.disconnect.code for push in held.taken()] == [3001]
    assert held.ended


def test_the_code_of_a_peer_that_went_away_is_never_said(tmp_path: Path) -> None:
    """modern.md section 4.6: what was written before goes out, and the stream ends."""
    held = Held(tmp_path)
    held.taken()
    held.transport.write([V2_PROTOBUF_ONE_WAY.ping])
    held.session.close(CONNECTION_CLOSED)
    held.clock.run()
    assert held.taken() == [pb.Push()]
    assert held.ended


def test_the_end_is_told_once(tmp_path: Path) -> None:
    """However often and in whatever way a stream ends."""
    held = Held(tmp_path)
    held.session.close(SHUTDOWN)
    held.transport.close(SHUTDOWN)
    held.transport.abort()
    assert held.ends == 1


def test_an_aborted_stream_ends_without_a_word(tmp_path: Path) -> None:
    held = Held(tmp_path)
    held.taken()
    held.transport.write([V2_PROTOBUF_ONE_WAY.ping])
    held.transport.abort()
    held.clock.run()
    assert held.taken() == []
    assert held.ended


def test_a_waiting_stream_ends_when_it_is_aborted(tmp_path: Path) -> None:
    held = Held(tmp_path)
    held.transport.abort()
    held.clock.run()
    assert held.ended
