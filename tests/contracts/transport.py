"""What every transport promises, with the door that opens it, over a real loopback socket.

A test file makes a subclass of ``TransportContract`` named ``Test…`` and a fixture ``run``, which
plays a scenario against a ``Door`` and afterwards sees to it that nothing is left behind. What is
said is in a ``Dialect``, so that the suite knows neither protocol generations nor frames.
"""

import asyncio
import json
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

from girandola.core.node import Node, Target

USER = "42"

# ── what the suite asks of an implementation ─────────────────────────────────────────────────


class Said(NamedTuple):
    """A message of the server, in no dialect. ``place`` is where recovery goes on from.

    ``kind`` is connected, subscribed, published, message or something else that is only looked
    at as ``raw``. ``recovered`` are payloads, oldest first.
    """

    kind: str
    raw: str
    channel: str = ""
    data: Any = None
    recovered: Sequence[Any] = ()
    place: Any = None


class Dialect(Protocol):
    """How one protocol generation says what the suite needs."""

    ends: ClassVar[dict[str, tuple[int, str]]]
    """Code and reason by the name of the disconnect."""

    def connect(self) -> str:
        """Authenticate as ``USER``."""

    def subscribe(self, channel: str, place: Any = None) -> str:
        """Subscribe; from ``place`` on, where one is given."""

    def publish(self, channel: str, payload: str) -> str:
        """Publish."""

    def nonsense(self) -> str:
        """Say what is no command."""

    def read(self, message: str) -> Said:
        """Understand a message of the server."""


class Line(Protocol):
    """A client's end of a connection."""

    async def send(self, command: str) -> None:
        """Send a command."""

    async def receive(self) -> str:
        """Return the next message; raise ``EOFError`` at the end of the connection."""

    async def ended(self) -> tuple[int, str]:
        """Return code and reason, once everything was received."""

    async def close(self) -> None:
        """Say goodbye."""

    def vanish(self) -> None:
        """Be gone without a word."""


class Door(Protocol):
    """A running server with one way in. Channels keep 1000 messages and recover."""

    dialect: Dialect
    node: Node

    async def open(self) -> Line:
        """Connect; nothing is said yet."""

    async def publish(self, channel: str, *payloads: str) -> None:
        """Publish as the application does."""

    async def emptied(self) -> None:
        """Return when the server has no connection left."""

    async def shut_down(self) -> None:
        """Stop as the server does."""


Scenario = Callable[[Any], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]


class Client:
    """A client that speaks the dialect of a door."""

    def __init__(self, dialect: Dialect, line: Line) -> None:
        self.line = line
        self._dialect = dialect

    async def say(self, command: str) -> None:
        await self.line.send(command)

    async def hear(self, kind: str) -> Said:
        """Return the next message, which must be of this kind."""
        said = self._dialect.read(await self.line.receive())
        assert said.kind == kind, said.raw
        return said

    async def subscribe(self, channel: str, place: Any = None) -> Said:
        await self.say(self._dialect.subscribe(channel, place))
        return await self.hear("subscribed")

    async def hear_all(self, count: int) -> list[Any]:
        """Return the payloads of the next messages."""
        return [(await self.hear("message")).data for _ in range(count)]

    async def hear_rest(self) -> list[Any]:
        """Return the payloads of the messages that come until the end."""
        payloads = []
        while True:
            try:
                payloads.append((await self.hear("message")).data)
            except EOFError:
                return payloads


async def come(door: Door) -> Client:
    client = Client(door.dialect, await door.open())
    await client.say(door.dialect.connect())
    await client.hear("connected")
    return client


def numbers(first: int, count: int) -> list[str]:
    return [str(number) for number in range(first, first + count)]


# ── the suite ────────────────────────────────────────────────────────────────────────────────


class TransportContract:
    """The suite."""

    def test_a_client_connects_subscribes_and_is_counted(self, run: Run) -> None:
        async def scenario(door: Door) -> None:
            client = await come(door)
            await client.subscribe("a")
            assert door.node.hub.num_clients == 1
            assert dict(door.node.hub.channels()) == {"a": 1}
            await client.line.close()
            await door.emptied()
            assert door.node.hub.num_clients == 0
            assert dict(door.node.hub.channels()) == {}

        run(scenario)

    def test_live_publications_come_in_order(self, run: Run) -> None:
        """Whether they are made in one tick or in many."""

        async def scenario(door: Door) -> None:
            client = await come(door)
            await client.subscribe("a")
            for first in range(0, 500, 50):
                await door.publish("a", *numbers(first, 50))
                await asyncio.sleep(0)
            assert await client.hear_all(500) == list(range(500))

        run(scenario)

    def test_everybody_gets_everything_once(self, run: Run) -> None:
        async def scenario(door: Door) -> None:
            clients = await asyncio.gather(*(come(door) for _ in range(50)))
            await asyncio.gather(*(client.subscribe("a") for client in clients))
            await door.publish("a", *numbers(0, 10))
            await door.publish("b", "99")
            heard = await asyncio.gather(*(client.hear_all(10) for client in clients))
            assert heard == [list(range(10))] * 50
            assert dict(door.node.hub.channels()) == {"a": 50}

        run(scenario)

    def test_what_was_missed_comes_before_what_is_live(self, run: Run) -> None:
        async def scenario(door: Door) -> None:
            client = await come(door)
            await client.subscribe("a")
            await door.publish("a", "0", "1")
            await client.hear("message")
            place = (await client.hear("message")).place
            client.line.vanish()
            await door.emptied()
            await door.publish("a", *numbers(2, 100))

            back = await come(door)
            answer = await back.subscribe("a", place)
            assert answer.recovered == list(range(2, 102))
            await door.publish("a", *numbers(102, 10))
            assert await back.hear_all(10) == list(range(102, 112))

        run(scenario)

    def test_nothing_is_lost_between_recovery_and_live(self, run: Run) -> None:
        """Publications are made all the while, and the reply comes before all of them."""

        async def scenario(door: Door) -> None:
            client = await come(door)
            await client.subscribe("a")
            await door.publish("a", "0")
            place = (await client.hear("message")).place
            client.line.vanish()
            await door.emptied()

            async def publish() -> None:
                for number in range(1, 301):
                    await door.publish("a", str(number))
                    await asyncio.sleep(0)

            back = await come(door)
            publishing = asyncio.create_task(publish())
            recovered = (await back.subscribe("a", place)).recovered
            live = await back.hear_all(300 - len(recovered))
            await publishing
            assert [*recovered, *live] == list(range(1, 301))

        run(scenario)

    def test_commands_sent_together_are_answered_in_order(self, run: Run) -> None:
        async def scenario(door: Door) -> None:
            client = await come(door)
            names = [f"channel-{number}" for number in range(100)]
            for name in names:
                await client.say(door.dialect.subscribe(name))
            assert [(await client.hear("subscribed")).channel for _ in names] == names

        run(scenario)

    def test_a_large_message_goes_both_ways(self, run: Run) -> None:
        async def scenario(door: Door) -> None:
            client = await come(door)
            await client.subscribe("a")
            text = "ü" * 30_000
            await client.say(door.dialect.publish("a", json.dumps(text, ensure_ascii=False)))
            assert (await client.hear("message")).data == text
            await client.hear("published")

        run(scenario)

    def test_a_client_that_vanishes_leaves_nothing_behind(self, run: Run) -> None:
        async def scenario(door: Door) -> None:
            clients = [await come(door) for _ in range(3)]
            for client in clients:
                await client.subscribe("a")
                await client.subscribe("b")
            for client in clients:
                client.line.vanish()
            await door.emptied()
            assert await door.node.presence("a") == {}

        run(scenario)

    def test_a_disconnect_comes_after_what_was_published_before(self, run: Run) -> None:
        async def scenario(door: Door) -> None:
            client = await come(door)
            await client.subscribe("a")
            await door.publish("a", "1", "2", "3")
            await door.node.disconnect(Target(USER))
            assert await client.hear_rest() == [1, 2, 3]
            assert await client.line.ended() == door.dialect.ends["force_disconnect"]
            await door.emptied()

        run(scenario)

    def test_nonsense_ends_the_connection_and_nobody_elses(self, run: Run) -> None:
        async def scenario(door: Door) -> None:
            client, other = await come(door), await come(door)
            await other.subscribe("a")
            await client.say(door.dialect.nonsense())
            assert await client.hear_rest() == []
            assert await client.line.ended() == door.dialect.ends["bad_request"]
            await door.publish("a", "1")
            assert await other.hear_all(1) == [1]

        run(scenario)

    def test_at_shutdown_everybody_is_told_to_come_back(self, run: Run) -> None:
        async def scenario(door: Door) -> None:
            clients = [await come(door) for _ in range(5)]
            for client in clients:
                await client.subscribe("a")
            await door.shut_down()
            for client in clients:
                assert await client.hear_rest() == []
                assert await client.line.ended() == door.dialect.ends["shutdown"]

        run(scenario)

    def test_a_slow_reader_is_closed_and_holds_nobody_up(self, run: Run) -> None:
        """What it got until then is in order and without a hole."""

        async def scenario(door: Door) -> None:
            slow, quick = await come(door), await come(door)
            await slow.subscribe("a")
            await quick.subscribe("a")
            padding = random.Random(1).randbytes(25_000).hex()  # no compression helps
            published = 0
            while door.node.hub.num_clients == 2:
                assert published < 2000, "nobody is ever too slow"
                await door.publish("a", f'[{published},"{padding}"]')
                assert (await quick.hear("message")).data[0] == published
                published += 1
            heard = [data[0] for data in await slow.hear_rest()]
            assert heard == list(range(len(heard)))
            assert len(heard) < published
            assert await slow.line.ended() == door.dialect.ends["slow"]
            await door.publish("a", "1")
            assert await quick.hear_all(1) == [1]
            assert dict(door.node.hub.channels()) == {"a": 1}

        run(scenario)


# ── one-way ──────────────────────────────────────────────────────────────────────────────────


class OneWayDialect(Protocol):
    """How one-way clients of a generation say and hear what the suite needs.

    ``read`` of the first message is ``Said("connected", …)`` whose ``place`` has what was
    recovered, by channel.
    """

    def connect(self, *channels: str, token: str = "", **places: Any) -> Any:
        """Authenticate as ``USER``, or by ``token``, and listen to channels, from places on."""

    def read(self, message: Any) -> Said:
        """Understand a message of the server."""


class OneWayDoor(Door, Protocol):
    """A running server with one one-way way in."""

    dialect: OneWayDialect  # type: ignore[assignment]  # a one-way client says less

    def bad_tokens(self) -> dict[str, tuple[int, str]]:
        """Return tokens that are refused, with code and reason of the disconnect."""


async def listen(door: OneWayDoor, *channels: str, **places: Any) -> tuple[Client, dict[str, Any]]:
    """Connect a client that listens to channels; return it and what it recovered in each."""
    client = Client(door.dialect, await door.open())  # type: ignore[arg-type]  # hears only
    await client.say(door.dialect.connect(*channels, **places))
    return client, (await client.hear("connected")).place


class OneWayContract:
    """The suite for transports whose clients say one thing, the connect request."""

    def test_a_client_listens_is_counted_and_leaves_nothing_behind(self, run: Run) -> None:
        async def scenario(door: OneWayDoor) -> None:
            client, _ = await listen(door, "a", "b")
            assert door.node.hub.num_clients == 1
            assert dict(door.node.hub.channels()) == {"a": 1, "b": 1}
            assert len(await door.node.presence("a")) == 1
            client.line.vanish()
            await door.emptied()
            assert door.node.hub.num_clients == 0
            assert dict(door.node.hub.channels()) == {}
            assert await door.node.presence("a") == {}

        run(scenario)

    def test_live_publications_come_in_order_to_everybody(self, run: Run) -> None:
        async def scenario(door: OneWayDoor) -> None:
            clients = [(await listen(door, "a"))[0] for _ in range(20)]
            for first in range(0, 200, 20):
                await door.publish("a", *numbers(first, 20))
                await asyncio.sleep(0)
            await door.publish("b", "999")
            heard = await asyncio.gather(*(client.hear_all(200) for client in clients))
            assert heard == [list(range(200))] * 20

        run(scenario)

    def test_nothing_is_lost_between_recovery_and_live(self, run: Run) -> None:
        """Publications are made all the while."""

        async def scenario(door: OneWayDoor) -> None:
            client, _ = await listen(door, "a")
            await door.publish("a", "0")
            place = (await client.hear("message")).place
            client.line.vanish()
            await door.emptied()
            await door.publish("a", *numbers(1, 100))

            async def publish() -> None:
                for number in range(101, 301):
                    await door.publish("a", str(number))
                    await asyncio.sleep(0)

            publishing = asyncio.create_task(publish())
            back, recovered = await listen(door, "a", a=place)
            live = await back.hear_all(300 - len(recovered["a"]))
            await publishing
            assert recovered["a"] + live == list(range(1, 301))

        run(scenario)

    def test_a_refused_connect_is_a_disconnect(self, run: Run) -> None:
        """modern.md section 3.7."""

        async def scenario(door: OneWayDoor) -> None:
            for token, end in door.bad_tokens().items():
                client = Client(door.dialect, await door.open())  # type: ignore[arg-type]
                await client.say(door.dialect.connect(token=token))
                assert await client.hear_rest() == []
                assert await client.line.ended() == end
            await door.emptied()
            assert door.node.hub.sessions() == []

        run(scenario)

    def test_a_disconnect_comes_after_what_was_published_before(self, run: Run) -> None:
        async def scenario(door: OneWayDoor) -> None:
            client, _ = await listen(door, "a")
            await door.publish("a", "1", "2", "3")
            await door.node.disconnect(Target(USER))
            assert await client.hear_rest() == [1, 2, 3]
            assert await client.line.ended() == (3503, "force disconnect")
            await door.emptied()

        run(scenario)

    def test_at_shutdown_everybody_is_told_to_come_back(self, run: Run) -> None:
        async def scenario(door: OneWayDoor) -> None:
            clients = [(await listen(door, "a"))[0] for _ in range(5)]
            await door.shut_down()
            for client in clients:
                assert await client.hear_rest() == []
                assert await client.line.ended() == (3001, "shutdown")

        run(scenario)

    def test_a_slow_reader_is_closed_and_holds_nobody_up(self, run: Run) -> None:
        """What it got until then is in order and without a hole."""

        async def scenario(door: OneWayDoor) -> None:
            (slow, _), (quick, _) = await listen(door, "a"), await listen(door, "a")
            padding = random.Random(1).randbytes(25_000).hex()  # no compression helps
            published = 0
            while door.node.hub.num_clients == 2:
                assert published < 2000, "nobody is ever too slow"
                await door.publish("a", f'[{published},"{padding}"]')
                assert (await quick.hear("message")).data[0] == published
                published += 1
            heard = [data[0] for data in await slow.hear_rest()]
            assert heard == list(range(len(heard)))
            assert len(heard) < published
            assert await slow.line.ended() == (3008, "slow")
            await door.publish("a", "1")
            assert await quick.hear_all(1) == [1]
            assert dict(door.node.hub.channels()) == {"a": 1}

        run(scenario)

    def test_pings_come_and_want_no_answer(self, run_impatiently: Run) -> None:
        """The server pings every 100 ms and would wait 50 ms for an answer."""

        async def scenario(door: OneWayDoor) -> None:
            client, _ = await listen(door, "a")
            for _ in range(4):
                await client.hear("ping")
            await door.publish("a", "1")
            while (said := door.dialect.read(await client.line.receive())).kind == "ping":
                pass
            assert said.data == 1

        run_impatiently(scenario)
