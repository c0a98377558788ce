"""The WebSocket door keeps what every transport promises in the other protocols it speaks.

Those of 2018 and today's JSON are in ``test_websocket.py``.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from websockets.exceptions import ConnectionClosed

from girandola.protocol.frames import with_length, without_lengths
from girandola.protocol.pb import client_pb2
from girandola.protocol.pb import v1_pb2 as pb
from girandola.protocol.v1 import Method, PushType
from tests.auth.tokens import token
from tests.contracts.transport import USER, Run, Said, Scenario, TransportContract
from tests.protocol.protobuf import as_json, filled
from tests.transports import test_websocket
from tests.transports.test_websocket import SECRET, Play, Running, Today, WebSocketLine

KINDS = {
    Method.CONNECT: "connected",
    Method.SUBSCRIBE: "subscribed",
    Method.PUBLISH: "published",
}
V1_ENDS = {
    "force_disconnect": (3012, '{"reason":"force disconnect","reconnect":false}'),
    "bad_request": (3003, '{"reason":"bad request","reconnect":false}'),
    "shutdown": (3001, '{"reason":"shutdown","reconnect":true}'),
    "slow": (3008, '{"reason":"slow","reconnect":true}'),
}


# ── dialects ─────────────────────────────────────────────────────────────────────────────────


class TodayBinary:
    """Today's Protobuf, which says the same as today's JSON."""

    ends: ClassVar = Today.ends

    def __init__(self) -> None:
        self._today = Today()

    def connect(self) -> bytes:
        return with_length(self._command(self._today.connect()).SerializeToString())

    def subscribe(self, channel: str, place: Any = None) -> bytes:
        command = self._command(self._today.subscribe(channel, place))
        return with_length(command.SerializeToString())

    def publish(self, channel: str, payload: str) -> bytes:
        command = self._command(self._today.publish(channel, "null"))
        command.publish.data = payload.encode()
        return with_length(command.SerializeToString())

    def nonsense(self) -> bytes:
        return b"\xff"

    def read(self, message: bytes) -> Said:
        return self._today.read(json.dumps(as_json(client_pb2.Reply.FromString(message))))

    def _command(self, text: str) -> client_pb2.Command:
        return filled(client_pb2.Command(), json.loads(text))


class V1:
    """The JSON of the v2 and v3 servers."""

    ends: ClassVar = V1_ENDS

    def __init__(self) -> None:
        self._asked: list[tuple[Method, str]] = []
        self._epochs: dict[str, str] = {}

    def _command(self, method: Method, **params: Any) -> str:
        self._asked.append((method, params.get("channel", "")))
        command = {"id": len(self._asked), "method": method, "params": params}
        return json.dumps(command, ensure_ascii=False)

    def connect(self) -> str:
        return self._command(Method.CONNECT, token=token({"sub": USER}, secret=SECRET), name="js")

    def subscribe(self, channel: str, place: Any = None) -> str:
        since = {}
        if place is not None:
            since = {"recover": True, "offset": place[0], "epoch": place[1]}
        return self._command(Method.SUBSCRIBE, channel=channel, **since)

    def publish(self, channel: str, payload: str) -> str:
        return self._command(Method.PUBLISH, channel=channel, data=json.loads(payload))

    def nonsense(self) -> str:
        return "nonsense"

    def read(self, message: str) -> Said:
        said = json.loads(message)
        result = said.get("result", {})
        if "id" not in said:
            return self._pushed(message, result)
        method, channel = self._asked[said["id"] - 1]
        if "error" in said:
            return Said("refused", message)
        if method == Method.SUBSCRIBE:
            self._epochs[channel] = result["epoch"]
        found = [each["data"] for each in result.get("publications", [])]
        return Said(KINDS[method], message, channel, recovered=found)

    def _pushed(self, message: str, push: dict[str, Any]) -> Said:
        if push.get("type", PushType.PUBLICATION) != PushType.PUBLICATION:
            return Said("other", message)
        channel, publication = push["channel"], push["data"]
        place = (publication.get("offset"), self._epochs[channel])
        return Said("message", message, channel, publication["data"], place=place)


class V1Binary:
    """The Protobuf of the v2 and v3 servers."""

    ends: ClassVar = V1_ENDS

    def __init__(self) -> None:
        self._asked: list[tuple[Method, str]] = []
        self._epochs: dict[str, str] = {}

    def _command(self, method: Method, params: Any) -> bytes:
        self._asked.append((method, getattr(params, "channel", "")))
        command = pb.Command(
            id=len(self._asked), method=int(method), params=params.SerializeToString()
        )
        return with_length(command.SerializeToString())

    def connect(self) -> bytes:
        jwt = token({"sub": USER}, secret=SECRET)
        return self._command(Method.CONNECT, pb.ConnectRequest(token=jwt, name="js"))

    def subscribe(self, channel: str, place: Any = None) -> bytes:
        request = pb.SubscribeRequest(channel=channel)
        if place is not None:
            request.recover = True
            request.offset, request.epoch = place
        return self._command(Method.SUBSCRIBE, request)

    def publish(self, channel: str, payload: str) -> bytes:
        request = pb.PublishRequest(channel=channel, data=payload.encode())
        return self._command(Method.PUBLISH, request)

    def nonsense(self) -> bytes:
        return b"\xff"

    def read(self, message: bytes) -> Said:
        said = pb.Reply.FromString(message)
        if not said.id:
            return self._pushed(pb.Push.FromString(said.result))
        method, channel = self._asked[said.id - 1]
        if said.HasField("error"):
            return Said("refused", str(said))
        if method != Method.SUBSCRIBE:
            return Said(KINDS[method], str(said), channel)
        result = pb.SubscribeResult.FromString(said.result)
        self._epochs[channel] = result.epoch
        found = [json.loads(each.data) for each in result.publications]
        return Said("subscribed", str(said), channel, recovered=found)

    def _pushed(self, push: pb.Push) -> Said:
        if push.type != PushType.PUBLICATION:
            return Said("other", str(push))
        publication = pb.Publication.FromString(push.data)
        place = (publication.offset, self._epochs[push.channel])
        data = json.loads(publication.data)
        return Said("message", str(push), push.channel, data, place=place)


# ── a client's end ───────────────────────────────────────────────────────────────────────────


class BinaryLine(WebSocketLine):
    """A client's end of a WebSocket that carries messages behind their lengths."""

    _messages: list[bytes]

    def __init__(self, socket: Any) -> None:
        super().__init__(socket)
        self._messages = []

    async def send(self, command: Any) -> None:
        await self.socket.send(command)

    async def receive(self) -> Any:
        if not self._messages:
            try:
                frame = await self.socket.recv()
            except ConnectionClosed:
                raise EOFError from None
            assert isinstance(frame, bytes)
            self._messages = list(without_lengths(frame))
        return self._messages.pop(0)


class AskedByAddress(Running):
    """A server whose clients say in the address that they speak Protobuf."""

    async def open(self) -> WebSocketLine:
        return BinaryLine(await self.connect("?format=protobuf"))


class AskedBySubprotocol(Running):
    """A server whose clients say in the handshake that they speak Protobuf."""

    async def open(self) -> WebSocketLine:
        return BinaryLine(await self.connect(subprotocols=["centrifuge-protobuf"]))


# ── the suite ────────────────────────────────────────────────────────────────────────────────

play = test_websocket.play
loop = test_websocket.loop

CODECS: dict[str, tuple[type[Running], Callable[[], Any]]] = {
    "today, Protobuf": (AskedBySubprotocol, TodayBinary),
    "v1, JSON": (Running, V1),
    "v1, Protobuf": (AskedByAddress, V1Binary),
}


class TestEveryTransport(TransportContract):
    """The suite that every transport runs, on both loops."""

    @pytest.fixture(params=CODECS)
    def run(
        self,
        request: pytest.FixtureRequest,
        play: Play,
        loop: Callable[[], asyncio.AbstractEventLoop],
    ) -> Run:
        def run(scenario: Scenario) -> None:
            server, dialect = CODECS[request.param]
            play(scenario, loop, dialect(), server=server)

        return run
