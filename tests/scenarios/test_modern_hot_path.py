"""What docs/architecture.md, "The hot path: plain functions, few objects", promises."""

import ast
import inspect
import textwrap
import tracemalloc
from collections.abc import Callable

import pytest

from girandola.core.hub import Hub
from girandola.core.node import Node
from girandola.core.outbox import Flusher, Outbox
from girandola.core.session import Session
from girandola.core.subscription import Subscription
from girandola.engines.memory.broker import MemoryBroker
from girandola.model import Publication
from girandola.net.websocket import WebSocketConnection
from girandola.protocol.commands import Push
from girandola.protocol.v2_json import V2Json
from girandola.transports.websocket import Framing, WebSocketTransport
from tests.scenarios.modern_world import OPEN, RECOVERY, World

PATH: list[Callable[..., object]] = [
    MemoryBroker._keep,
    Node.on_publication,
    Hub.broadcast,
    Hub._encode,
    Subscription.deliver,
    Subscription._accepts,
    Subscription._hold,
    Session.mark_lost,
    Subscription.skip,
    Outbox.push,
    Outbox.mark,
    Outbox.overflow,
    Outbox.flush,
    Flusher.add,
    Flusher._flush,
    Flusher._flush_slice,
    WebSocketTransport.write,
    WebSocketTransport.buffered,
    Framing.wire,
    WebSocketConnection.write,
    WebSocketConnection.buffered,
]
"""From the broker's call to the socket, in the order of a publication's way."""

WAITING = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.AsyncFunctionDef, ast.Yield, ast.YieldFrom)
TASKS = {"spawn", "create_task", "ensure_future", "gather", "waiter", "create_future", "Queue"}


class CountingCodec(V2Json):
    """Today's protocol, counting what it encodes."""

    name = "counting"

    def __init__(self) -> None:
        self.encoded = 0

    def push(self, channel: str, push: Push) -> bytes:
        self.encoded += 1
        return super().push(channel, push)


@pytest.mark.parametrize("function", PATH, ids=lambda function: function.__qualname__)
def test_nothing_on_the_way_waits(function: Callable[..., object]) -> None:
    """Plain functions: no ``await``, no generator, no task, no future, no queue."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    assert isinstance(tree.body[0], ast.FunctionDef)
    for node in ast.walk(tree):
        assert not isinstance(node, WAITING), ast.unparse(node)
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            assert name not in TASKS, ast.unparse(node)


@pytest.mark.parametrize("method", ["publish", "publish_join", "publish_leave"])
def test_the_memory_engine_never_suspends_a_publisher(method: str) -> None:
    """Coroutines by their contract, with nothing in them that waits."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(getattr(MemoryBroker, method))))
    (function,) = tree.body
    assert isinstance(function, ast.AsyncFunctionDef)
    for statement in function.body:
        assert not [node for node in ast.walk(statement) if isinstance(node, WAITING)]


def test_a_broadcast_encodes_once_for_each_codec() -> None:
    """A thousand subscribers of one codec and ten of another: two encodings, one object each."""
    world = World({"": OPEN})
    counting, other = CountingCodec(), CountingCodec()
    crowd = [world.connect(str(number), counting) for number in range(1000)]
    guests = [world.connect(str(number), other) for number in range(10)]
    for client in crowd + guests:
        client.subscribe("news")
    counting.encoded = other.encoded = world.node.stats.broadcasts_encoded = 0
    world.publish("news", "1")
    assert (counting.encoded, other.encoded) == (1, 1)
    assert world.node.stats.broadcasts_encoded == 2
    assert len({id(client.transport.messages[-1]) for client in crowd}) == 1


def test_a_broadcast_to_nobody_encodes_nothing() -> None:
    world = World({"": OPEN})
    codec = CountingCodec()
    world.connect("42", codec)
    world.publish("news", "1")
    assert codec.encoded == 0


@pytest.mark.parametrize("options", [OPEN, RECOVERY], ids=["plain", "positioned"])
def test_a_broadcast_makes_no_task_and_one_call_of_the_loop(options: dict[str, object]) -> None:
    """No coroutine waits, no timer is set, and one ``call_soon`` flushes all of them."""
    world = World({"": options})
    clients = [world.subscribed("news", str(number)) for number in range(200)]
    waits, later = world.clock.waits, len(world.clock._later)
    calls = len(world.clock._ready)
    world.node.on_publication("news", Publication(b"1"))
    assert len(world.clock._ready) == calls + 1
    assert all(client.read() for client in clients)
    assert (world.clock.waits, len(world.clock._later)) == (waits, later)


def test_connect_subscribe_and_publish_never_wait_with_the_memory_engine() -> None:
    """What would be a task on a loop is carried out at once."""
    options = RECOVERY | {
        "presence": True,
        "join_leave": True,
        "allow_publish_for_client": True,
        "allow_history_for_client": True,
        "allow_presence_for_client": True,
    }
    world = World({"": options})
    client = world.connect(channels=["own"])
    for number, what in enumerate(("subscribe", "presence", "history", "unsubscribe"), 2):
        client.send(f'{{"id":{number},"{what}":{{"channel":"news"}}}}')
    client.send('{"id":9,"publish":{"channel":"own","data":1}}')
    client.hang_up()
    assert world.clock.waits == 0


def test_a_delivery_costs_little_memory() -> None:
    """What one more subscriber adds to a publication is a list with a pointer, no copy of it."""
    world = World({"": OPEN})
    for number in range(500):
        world.subscribed("news", str(number))
    publication = Publication(b'"' + b"x" * 10_000 + b'"')
    tracemalloc.start()
    try:
        world.node.on_publication("news", publication)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 500 * 200 + 10 * 10_000
