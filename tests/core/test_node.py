"""First and last subscribers, streams and presence: what a node asks of its engines, and when."""

import pytest

from girandola.core.grants import SubscribeGrant
from girandola.core.node import SLICE, Node, Target
from girandola.core.session import Session
from girandola.errors import BAD_REQUEST, UNRECOVERABLE, Reject
from girandola.model import ClientInfo, PresenceStats, Publication, StreamPosition
from tests.scenarios.modern_world import HISTORY, OPEN, RECOVERY, Connection, Engine, World

SUBSCRIBE = '{"id":2,"subscribe":{"channel":"news"}}'
UNSUBSCRIBE = '{"id":3,"unsubscribe":{"channel":"news"}}'


def joining(world: World, many: int) -> list[Connection]:
    clients = [world.connect(str(number)) for number in range(many)]
    for client in clients:
        client.send(SUBSCRIBE)
    return clients


# ── who listens ──────────────────────────────────────────────────────────────────────────────


def test_the_engine_is_asked_for_the_first_and_after_the_last_subscriber_only() -> None:
    world = World({"": OPEN})
    clients = joining(world, 5)
    assert world.gates.calls["subscribe"] == 1
    for client in clients[1:]:
        client.hang_up()
    assert world.gates.calls["unsubscribe"] == 0
    clients[0].hang_up()
    assert world.gates.calls["unsubscribe"] == 1
    assert world.broker.is_idle()


def test_everybody_waits_for_the_first_one_s_answer() -> None:
    """One question to the engine, and nobody is answered before it is."""
    world = World({"": OPEN})
    world.gates.shut("subscribe")
    clients = joining(world, 3)
    assert [client.read() for client in clients] == [[]] * 3
    assert world.gates.calls["subscribe"] == 1
    world.gates.open("subscribe")
    assert [client.read() for client in clients] == [['{"id":2,"subscribe":{}}']] * 3
    assert world.gates.calls["subscribe"] == 1


def test_a_subscriber_that_comes_while_the_node_leaves_is_heard() -> None:
    world = World({"": OPEN})
    world.gates.shut("unsubscribe")
    leaver, comer = joining(world, 1)[0], world.connect()
    leaver.send(UNSUBSCRIBE)
    comer.send(SUBSCRIBE)
    assert comer.read() == []
    world.gates.open("unsubscribe")
    assert comer.read() == ['{"id":2,"subscribe":{}}']
    world.publish("news", "1")
    assert comer.read() == ['{"push":{"channel":"news","pub":{"data":1}}}']


def test_a_subscriber_that_goes_while_the_node_subscribes_leaves_nothing() -> None:
    world = World({"": OPEN})
    world.gates.shut("subscribe")
    (client,) = joining(world, 1)
    client.hang_up()
    world.gates.open("subscribe")
    assert world.broker.is_idle()
    assert not world.clock.unfinished


def test_a_failed_question_does_not_answer_for_the_others() -> None:
    """Whoever waited for it asks again."""
    world = World({"": OPEN})
    asked = world.broker.subscribe

    async def fail_once(channel: str) -> None:
        world.broker.subscribe = asked  # type: ignore[method-assign]
        await world.gates.pass_through("answer")
        raise ConnectionError

    world.broker.subscribe = fail_once  # type: ignore[method-assign]
    world.gates.shut("answer")
    first, second = joining(world, 2)
    assert world.gates.calls["subscribe"] == 0
    world.gates.open("answer")
    assert first.closed == (3004, "internal server error")
    assert second.read() == ['{"id":2,"subscribe":{}}']
    assert world.gates.calls["subscribe"] == 1


def test_a_channel_lingers_as_long_as_its_options_say() -> None:
    """``history_drop_inactive``: active for ``history_ttl`` after the last subscriber."""
    world = World({"": OPEN | HISTORY | {"history_drop_inactive": True}})
    client = world.subscribed("news")
    world.publish("news", "1")
    client.hang_up()
    world.advance(61)
    world.publish("news", "2")
    assert world.clock.result(world.node.read_history("news")).publications == []


# ── streams ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def kept() -> World:
    world = World({"": HISTORY})
    world.publish("news", "1", "2", "3")
    return world


def test_a_wrong_epoch_is_refused_to_callers_of_history(kept: World) -> None:
    with pytest.raises(Reject) as refusal:
        kept.clock.result(kept.node.history("news", since=StreamPosition(1, "other")))
    assert refusal.value.error == UNRECOVERABLE


def test_backwards_from_nowhere_is_refused_to_callers_of_history(kept: World) -> None:
    with pytest.raises(Reject) as refusal:
        kept.clock.result(kept.node.history("news", since=StreamPosition(), reverse=True))
    assert refusal.value.error == BAD_REQUEST


def test_history_is_read_by_callers(kept: World) -> None:
    page = kept.clock.result(
        kept.node.history("news", since=StreamPosition(1, "E1"), limit=1, reverse=False)
    )
    assert [publication.data for publication in page.publications] == [b"2"]
    assert page.top == StreamPosition(3, "E1")
    before = kept.node.stats.history_reads
    kept.clock.result(kept.node.history("news"))
    assert kept.node.stats.history_reads == before + 1


def test_removed_history_is_gone(kept: World) -> None:
    kept.clock.result(kept.node.remove_history("news"))
    page = kept.clock.result(kept.node.history("news"))
    assert (page.publications, page.top) == ([], StreamPosition(3, "E1"))


class Forgetful(Engine):
    """An engine that keeps no history, and must not be asked for any."""

    keeps_history = False


def test_an_engine_without_history_makes_plain_subscriptions() -> None:
    """Wishes for position and recovery are not honoured, and no gap is ever found."""
    world = World({"": RECOVERY}, ping_interval=0.0)
    broker = Forgetful(world.clock, world.gates)
    world.broker, world.node._broker = broker, broker
    broker.start(world.node)
    assert not world.node.keeps_history
    client = world.connect()
    assert client.ask('{"id":2,"subscribe":{"channel":"news","recover":true,"offset":3}}') == [
        '{"id":2,"subscribe":{"was_recovering":true}}'
    ]
    assert world.gates.calls["history"] == 0
    world.node.on_publication("news", Publication(b"1", offset=7, epoch="E"))
    assert len(client.read()) == 1
    world.advance(200)
    assert client.session.is_subscribed("news")
    assert world.gates.calls["history"] == 0


# ── presence ─────────────────────────────────────────────────────────────────────────────────


def test_presence_is_the_engine_s() -> None:
    world = World()
    info = ClientInfo("42", "c1")
    node: Node = world.node
    world.clock.result(node.add_presence("news", "c1", info))
    assert world.members("news") == {"c1": info}
    assert world.clock.result(node.presence_stats("news")) == PresenceStats(1, 1)
    world.clock.result(node.remove_presence("news", "c1"))
    assert world.clock.result(node.presence_stats("news")) == PresenceStats()
    stats = node.stats
    assert (stats.presence_adds, stats.presence_removes, stats.presence_reads) == (1, 1, 3)


def test_joins_and_leaves_are_counted_both_ways() -> None:
    world = World({"": OPEN | {"join_leave": True}})
    joining(world, 2)[0].hang_up()
    stats = world.node.stats
    assert (stats.joins_published, stats.leaves_published) == (2, 1)
    assert (stats.joins_received, stats.leaves_received) == (2, 1)


# ── long work ────────────────────────────────────────────────────────────────────────────────


def test_channels_are_listed_by_a_glob() -> None:
    world = World({"": OPEN, "chat": OPEN})
    for channel in ("chat:1", "chat:10", "news"):
        world.subscribed(channel)
    list_of = world.node.channels
    assert world.clock.result(list_of()) == {"chat:1": 1, "chat:10": 1, "news": 1}
    assert world.clock.result(list_of("chat:?")) == {"chat:1": 1}
    assert list(world.clock.result(list_of("{chat:*0,n*}"))) == ["chat:10", "news"]
    with pytest.raises(ValueError, match="without"):
        world.clock.result(list_of("{chat"))


def test_a_list_of_very_many_channels_leaves_others_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    very_many = [(str(number), 1) for number in range(2 * SLICE + 1)]
    monkeypatch.setattr(world.node.hub, "channels", lambda: very_many)
    assert world.clock.result(world.node.channels()) == dict(very_many)
    assert world.clock.waits == 1


@pytest.mark.parametrize("work", ["subscribe", "unsubscribe", "disconnect", "refresh"])
def test_a_call_about_very_many_connections_leaves_others_a_turn(work: str) -> None:
    world = World({"": OPEN})
    clients = [world.connect(user="42") for _ in range(SLICE + 1)]
    target, node = Target("42"), world.node
    calls = {
        "subscribe": lambda: node.subscribe(target, "news", SubscribeGrant()),
        "unsubscribe": lambda: node.unsubscribe(target, "news"),
        "disconnect": lambda: node.disconnect(target),
        "refresh": lambda: node.refresh(target, expired=True),
    }
    before = world.clock.waits
    world.clock.result(calls[work]())
    assert world.clock.waits == before + 1
    last = clients[-1]
    assert bool(last.closed or last.read()) is (work != "unsubscribe")


def test_connections_that_end_in_such_a_turn_are_not_refreshed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    clients = [world.connect(user="42") for _ in range(SLICE + 1)]
    refreshed: list[bool] = []
    monkeypatch.setattr(Session, "refresh_by_server", lambda *_: refreshed.append(True))
    world.clock.spawn(world.node.refresh(Target("42"), expire_at=2**31))
    for client in clients:
        client.session.on_transport_closed()
    world.clock.run()
    assert len(refreshed) == SLICE
