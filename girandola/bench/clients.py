"""The WebSockets of the load: subscribers, resubscribers; and its API callers.

Written to cost less than what they measure: a subscriber that is live looks at no more than where
its messages end and how often the mark of our payloads stands in them. Runs in ``load``'s process.
"""

import asyncio
import json
from array import array
from typing import Any, cast

from girandola.bench import wire
from girandola.bench.wire import MARK, PING, PONG, ProtocolError

_BRACE = ord("}")


class Tally:
    """What a group of subscribers has received, and how long each message took if ``timed``."""

    __slots__ = ("durations", "lost", "received", "timed")

    def __init__(self) -> None:
        self.timed = False
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.received = 0
        self.lost = 0
        """Connections that ended without our wish."""
        self.durations = array("Q")

    def take(self, data: bytes) -> None:
        """Count the messages in ``data``, which holds whole marks only."""
        self.received += data.count(MARK)
        if self.timed:
            now = wire.now_us()
            self.durations.extend([now - stamp for stamp in wire.stamps(data)])


class Client(asyncio.Protocol):
    """A client from its first request on. ``ready`` is done, or fails, once it is set up.

    With a ``tally``, an end that was not our wish is counted there.
    """

    recovered = 0
    """Messages that came by recovery."""

    def __init__(self, request: bytes, tally: Tally | None = None) -> None:
        self._request = request
        self._tally = tally
        self._rest = b""
        self.leaving = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say the first request."""
        # uvloop's is no asyncio.Transport by name.
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end."""
        if self._tally is not None and not self.leaving and self.ready.done():
            self._tally.lost += 1
        self.fail("the server closed the connection")

    def fail(self, why: str) -> None:
        """Give up on the connection."""
        if self.ready.done():
            self.transport.abort()
        else:
            self.ready.set_exception(ProtocolError(why))
            self.leave()

    def leave(self) -> None:
        """Cut the connection."""
        self.leaving = True
        self.transport.abort()


class WebSocketClient(Client):
    """A client that speaks over a WebSocket."""

    kind = wire.TEXT
    """What its messages come in."""

    def __init__(self, request: bytes, greeting: bytes, tally: Tally | None = None) -> None:
        super().__init__(request, tally)
        self._greeting = greeting
        self._upgraded = False

    def data_received(self, data: bytes) -> None:
        """Take what comes."""
        data = self._rest + data
        try:
            if not self._upgraded:
                data = self._upgrade(data)
            payloads: list[bytes] = []
            pings: list[bytes] = []
            if self._upgraded:
                payloads, data = wire.split_frames(data, self.kind, pings)
            self._rest = data
            for payload in payloads:
                self.on_payload(payload)
            for ping in pings:
                self.transport.write(wire.frame(ping, wire.PONG_FRAME))
        except ProtocolError as error:
            self.fail(str(error))

    def _upgrade(self, data: bytes) -> bytes:
        head, end, rest = data.partition(wire.HEAD_END)
        if not end:
            return data
        if not head.startswith(b"HTTP/1.1 101"):
            raise ProtocolError(head.partition(b"\r\n")[0].decode(errors="replace"))
        self._upgraded = True
        self.transport.write(self._greeting)
        return rest

    def on_payload(self, payload: bytes) -> None:
        """Take what one frame held; raises ``ProtocolError``."""
        for message in payload.split(b"\n"):
            self.on_message(message)

    def on_message(self, message: bytes) -> None:
        """Take one message; raises ``ProtocolError``."""
        raise NotImplementedError


class Subscriber(WebSocketClient):
    """A client that connects, subscribes, and counts.

    ``positions`` (channel to offset and epoch) are what it recovers from; they are kept up to
    date by its replies if ``remember``, and ``recovered`` counts what these brought.
    """

    def __init__(
        self,
        request: bytes,
        tally: Tally,
        *,
        group: str,
        token: str,
        channels: list[str],
        positions: dict[str, tuple[int, str]] | None = None,
        remember: bool = False,
    ) -> None:
        self.positions = positions or {}
        super().__init__(request, wire.commands(token, channels, self.positions), tally)
        self._counts = tally
        self.group = group
        self.token = token
        self.channels = channels
        self._remember = remember
        self._waiting = 1 + len(channels)
        self._live = False

    def data_received(self, data: bytes) -> None:
        """Count messages, or set up."""
        if not self._live:
            super().data_received(data)
            return
        if self._rest:
            data = self._rest + data
        # Every message ends with a brace, and no mark of ours does: what ends with one holds
        # whole marks only, even if it ends inside a message.
        if data[-1] != _BRACE:
            self._rest = data
            return
        self._rest = b""
        self._counts.take(data)
        if PING in data:
            self.transport.write(PONG)

    def on_message(self, message: bytes) -> None:
        """Take a reply, or what comes between replies."""
        if message.startswith(b'{"id":'):
            wire.check_reply(message)
            if self._remember and not message.startswith(b'{"id":1,'):
                self._take_position(message)
            self._waiting -= 1
            if not self._waiting:
                self._live = True
                self.ready.set_result(None)
        elif message == PING:
            self.transport.write(PONG)
        else:
            self._counts.take(message)

    def _take_position(self, message: bytes) -> None:
        reply = json.loads(message)
        result = reply["subscribe"]
        channel = self.channels[reply["id"] - 2]
        before = self.positions.get(channel)
        publications = result.get("publications", [])
        if before is not None:
            offsets = [publication["offset"] for publication in publications]
            expected = list(range(before[0] + 1, before[0] + 1 + len(offsets)))
            if not result.get("recovered") or offsets != expected:
                raise ProtocolError(f"{channel}: not recovered from {before}: {offsets}")
            self.recovered += len(offsets)
            top = before[0] + len(offsets)
        else:
            top = result.get("offset", 0)
        self.positions[channel] = (top, result.get("epoch", ""))


class BinarySubscriber(WebSocketClient):
    """A client that connects and subscribes in Protobuf, and counts."""

    kind = wire.BINARY

    def __init__(self, request: bytes, tally: Tally, *, token: str, channels: list[str]) -> None:
        super().__init__(request, wire.binary_commands(token, channels), tally)
        self._counts = tally
        self._waiting = 1 + len(channels)

    def on_payload(self, payload: bytes) -> None:
        """Take pings, replies and messages, any of which may share a frame."""
        for message in wire.split_messages(payload):
            if not message:
                self.transport.write(wire.BINARY_PONG)
            elif self._waiting and wire.is_binary_reply(message):
                self._waiting -= 1
                if not self._waiting:
                    self.ready.set_result(None)
        self._counts.take(payload)


class OneWaySubscriber(WebSocketClient):
    """A client that says in which channels it wants to be, and counts."""

    def __init__(self, request: bytes, tally: Tally, *, token: str, channels: list[str]) -> None:
        super().__init__(request, wire.frame(wire.connect_request(token, channels)), tally)
        self._counts = tally
        self._channels = channels

    def on_payload(self, payload: bytes) -> None:
        """Take the answer to the connect request, which comes first, or a message."""
        if self.ready.done():
            self._counts.take(payload)
        else:
            wire.check_connected(payload, self._channels)
            self.ready.set_result(None)


class Work:
    """What callers share: how much there is still to do, and what they have done."""

    __slots__ = ("_left", "_until_us", "durations", "errors", "first_error")

    def __init__(self, most: int = 0) -> None:
        """Let callers begin ``most`` times (0: as often as they can), once ``open`` was called."""
        self._until_us = 0
        self._left = most or 1 << 62
        self.durations = array("Q")
        self.errors = 0
        self.first_error = ""

    def open(self, seconds: float) -> None:
        """Let callers begin for so many seconds from now on."""
        self._until_us = wire.now_us() + int(seconds * 1e6)

    def begin(self) -> int:
        """Return the time at which a call begins, or 0 when there is none to do any more."""
        now = wire.now_us()
        if self._left <= 0 or now >= self._until_us:
            return 0
        self._left -= 1
        return now

    def finish(self, began_us: int, error: str = "") -> None:
        """Note a finished call."""
        self.durations.append(wire.now_us() - began_us)
        if error:
            self.fail(error)

    def fail(self, error: str) -> None:
        """Note that something went wrong."""
        self.errors += 1
        self.first_error = self.first_error or error


class Caller(asyncio.Protocol):
    """One keep-alive connection that repeats an API request, one at a time."""

    def __init__(self, request: bytes, work: Work) -> None:
        self._request = request
        self._work = work
        self._rest = b""
        self._began = 0
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready; ``start`` begins."""
        self._transport = cast(asyncio.Transport, transport)

    def start(self) -> None:
        """Send a request, if there is one to send."""
        self._began = self._work.begin()
        if self._began:
            self._transport.write(self._request)
        elif not self.finished.done():
            self.finished.set_result(None)
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Take an answer, or a part of one."""
        data = self._rest + data
        error = ""
        try:
            if not wire.is_whole_response(data):
                self._rest = data
                return
        except ProtocolError as problem:
            error = str(problem)
        self._rest = b""
        if not error and b'"error":' in data:
            error = data.partition(wire.HEAD_END)[2][:200].decode(errors="replace")
        self._work.finish(self._began, error)
        self.start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end."""
        if not self.finished.done():
            self._work.fail("the server closed the connection")
            self.finished.set_result(None)


class Resubscriber(WebSocketClient):
    """A client that leaves a channel and comes back to it, one time after the other.

    ``missed`` is how many of the newest publications it says it has missed, and must be given
    each time; ``None``: it just subscribes.
    """

    def __init__(
        self, request: bytes, work: Work, *, token: str, channel: str, missed: int | None
    ) -> None:
        super().__init__(request, wire.commands(token, [channel], {}))
        self._work = work
        self._channel = channel
        self._missed = missed
        self._round = b""
        self._began = 0
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self) -> None:
        """Leave and come back, if that is still to be done."""
        self._began = self._work.begin()
        if self._began:
            self.transport.write(self._round)
        elif not self.finished.done():
            self.finished.set_result(None)
            self.leave()

    def on_message(self, message: bytes) -> None:
        """Take a reply."""
        if message == PING:
            self.transport.write(PONG)
            return
        wire.check_reply(message)
        if message.startswith(b'{"id":2,'):
            self._prepare(json.loads(message)["subscribe"])
            self.ready.set_result(None)
        elif message.startswith(b'{"id":12,'):
            self._work.finish(self._began, self._problem(message))
            self.start()

    def _prepare(self, subscribed: dict[str, Any]) -> None:
        """Make the frame that is sent each time, from what the first reply says."""
        position = None
        if self._missed is not None:
            position = (subscribed["offset"] - self._missed, subscribed["epoch"])
        leave = json.dumps({"id": 11, "unsubscribe": {"channel": self._channel}})
        back = json.dumps({"id": 12, "subscribe": wire.subscribe(self._channel, position)})
        self._round = wire.frame(f"{leave}\n{back}".encode())

    def _problem(self, message: bytes) -> str:
        if self._missed is not None and b'"recovered":true' not in message:
            return "not recovered"
        came, wanted = message.count(MARK), self._missed or 0
        return "" if came == wanted else f"{came} publications instead of {wanted}"

    def fail(self, why: str) -> None:
        """Give up, and say so where the work is counted."""
        if self.ready.done() and not self.finished.done():
            self._work.fail(why)
            self.finished.set_result(None)
        super().fail(why)
