"""What commands lead to where the policy says something unusual, and after waits for it."""

from typing import Any

import pytest

from girandola.core.grants import (
    ConnectGrant,
    HistoryGrant,
    PublishGrant,
    PublishOptions,
    RefreshGrant,
)
from girandola.core.handlers import HANDLERS
from girandola.core.node import Target
from girandola.errors import (
    FORCE_DISCONNECT,
    PERMISSION_DENIED_CLOSE,
    TOO_MANY_REQUESTS,
    Close,
    Disconnect,
    Error,
    Reject,
)
from girandola.protocol import commands
from girandola.protocol.codec import Traits
from girandola.protocol.v2_json import V2Json
from tests.auth.tokens import NOW
from tests.scenarios.modern_world import HISTORY, OPEN, RECOVERY, World, connect_line, sub_token

PERMISSIVE = OPEN | HISTORY | {
    "presence": True,
    "allow_publish_for_client": True,
    "allow_presence_for_client": True,
    "allow_history_for_client": True,
}  # fmt: skip

LINES = {
    "connect": '{"id":1,"connect":{"token":"t"}}',
    "refresh": '{"id":1,"refresh":{"token":"t"}}',
    "subscribe": '{"id":1,"subscribe":{"channel":"news"}}',
    "sub_refresh": '{"id":1,"sub_refresh":{"channel":"own","token":"t"}}',
    "publish": '{"id":1,"publish":{"channel":"news","data":1}}',
    "presence": '{"id":1,"presence":{"channel":"news"}}',
    "history": '{"id":1,"history":{"channel":"news"}}',
    "rpc": '{"id":1,"rpc":{}}',
}


class Slow:
    """A policy that thinks until ``open`` is called, and then answers or raises."""

    def __init__(self, world: World, what: str, answer: Any) -> None:
        world.gates.shut("policy")
        self.world = world

        async def decide(*_: object) -> Any:
            await world.gates.pass_through("policy")
            if isinstance(answer, Exception):
                raise answer
            return answer

        setattr(world.policy, what, decide)

    def open(self) -> None:
        self.world.gates.open("policy")


def test_every_command_has_a_handler() -> None:
    def concrete(kind: type) -> set[type]:
        below = {each for sub in kind.__subclasses__() for each in concrete(sub)}
        return below or {kind}

    kinds = {kind for kind in concrete(commands.Command) if kind.__module__ == commands.__name__}
    assert kinds <= HANDLERS.keys()


@pytest.mark.parametrize("what", LINES)
def test_what_the_policy_raises_is_what_the_client_is_told(what: str) -> None:
    """An error of the application's own, or the end of the connection; codes are passed on."""
    for raised in (Reject(Error(1000, "custom", True)), Close(Disconnect(4001, "go"))):
        world = World({"": PERMISSIVE})
        client = world.open() if what == "connect" else world.connect(channels=["own"])
        Slow(world, what, raised).open()
        answers = client.ask(LINES[what])
        if isinstance(raised, Reject):
            assert answers == ['{"id":1,"error":{"code":1000,"message":"custom","temporary":true}}']
            assert client.closed is None
        else:
            assert answers == []
            assert client.closed == (4001, "go")


@pytest.mark.parametrize("what", LINES)
def test_an_answer_that_comes_after_the_end_leaves_nothing(what: str) -> None:
    """The peer has gone while the policy was thinking."""
    grants: dict[str, Any] = {
        "connect": ConnectGrant(user="42"),
        "refresh": RefreshGrant(),
        "sub_refresh": RefreshGrant(),
        "history": HistoryGrant(),
        "rpc": b"",
        "presence": None,
    }
    world = World({"": PERMISSIVE})
    client = world.open() if what == "connect" else world.connect(channels=["own"])
    if what in grants:
        thinking = Slow(world, what, grants[what])
    else:
        decide = getattr(world.policy, what)
        thinking = Slow(world, what, None)

        async def decide_later(*args: object) -> Any:
            await world.gates.pass_through("policy")
            return await decide(*args)

        setattr(world.policy, what, decide_later)
    client.send(LINES[what])
    client.hang_up()
    thinking.open()
    assert client.read() == []
    assert not world.clock.unfinished
    assert not world.node.hub.sessions()
    assert not any(world.node.wheel._slots.values())
    assert not world.node.hub.num_subscriptions
    assert world.presence.is_empty()
    assert world.broker.is_idle()


def test_a_subscribe_is_withdrawn_while_the_policy_thinks() -> None:
    world = World({"": OPEN}, concurrency=2)
    client = world.connect()
    thinking = Slow(world, "subscribe", None)
    client.send(LINES["subscribe"], '{"id":2,"unsubscribe":{"channel":"news"}}')
    assert client.read() == ['{"id":2,"unsubscribe":{}}']
    thinking.open()
    assert client.read() == ['{"id":1,"error":{"code":103,"message":"permission denied"}}']
    assert world.broker.is_idle()


def test_a_sub_refresh_is_overtaken_by_an_unsubscribe() -> None:
    world = World({"": OPEN}, concurrency=2)
    client = world.connect(channels=["own"])
    thinking = Slow(world, "sub_refresh", RefreshGrant(expire_at=NOW + 60))
    client.send(LINES["sub_refresh"])
    client.send('{"id":2,"unsubscribe":{"channel":"own"}}')
    thinking.open()
    assert client.read() == [
        '{"id":2,"unsubscribe":{}}',
        '{"id":1,"error":{"code":103,"message":"permission denied"}}',
    ]


def test_a_rate_limit_may_be_an_error_or_the_end() -> None:
    """111 and 3507 stand for what a proxy may answer."""
    world = World({"": OPEN})
    client = world.connect()
    Slow(world, "rpc", Reject(TOO_MANY_REQUESTS)).open()
    assert client.ask(LINES["rpc"]) == [
        '{"id":1,"error":{"code":111,"message":"too many requests","temporary":true}}'
    ]
    Slow(world, "rpc", Close(PERMISSION_DENIED_CLOSE)).open()
    client.send(LINES["rpc"])
    assert client.closed == (3507, "permission denied")


def test_an_answer_of_the_application_is_passed_on() -> None:
    world = World()
    client = world.connect()
    Slow(world, "rpc", b'{"s":1}').open()
    assert client.ask(LINES["rpc"]) == ['{"id":1,"rpc":{"data":{"s":1}}}']


def test_an_answer_that_is_no_json_reads_null() -> None:
    world = World()
    client = world.connect()
    Slow(world, "rpc", b"\xff").open()
    assert client.ask(LINES["rpc"]) == ['{"id":1,"rpc":{"data":null}}']


def test_data_of_a_connect_that_is_no_json_reads_null() -> None:
    world = World(ping_interval=0.0)
    Slow(world, "connect", ConnectGrant(user="42", data=b"\xff")).open()
    assert world.open().ask(LINES["connect"]) == [
        '{"id":1,"connect":{"client":"c1","version":"1.0 girandola","data":null}}'
    ]


def test_data_of_the_connect_is_told() -> None:
    world = World(ping_interval=0.0)
    Slow(world, "connect", ConnectGrant(user="42", data=b'{"a":1}')).open()
    assert world.open().ask(LINES["connect"]) == [
        '{"id":1,"connect":{"client":"c1","version":"1.0 girandola","data":{"a":1}}}'
    ]


def test_the_policy_may_change_what_is_published() -> None:
    """Data and tags are those of the grant, not those of the client."""
    world = World({"": PERMISSIVE})
    client = world.subscribed("news")
    grant = PublishGrant(data=b'"other"', options=PublishOptions(), tags={"k": "v"})
    Slow(world, "publish", grant).open()
    push, _ = client.ask(LINES["publish"])
    assert push == (
        '{"push":{"channel":"news","pub":{"data":"other",'
        '"info":{"user":"42","client":"c1"},"tags":{"k":"v"}}}}'
    )


def test_two_connects_of_one_user_at_once_keep_to_the_limit() -> None:
    """The second is counted although the first still waits for its engine."""
    world = World({"": OPEN}, user_connection_limit=1)
    world.gates.shut("subscribe")
    first, second = world.open(), world.open()
    for client in (first, second):
        client.send(connect_line(channels=["news"]))
    assert second.closed == (3504, "connection limit")
    world.gates.open("subscribe")
    assert len(first.read()) == 1


# ── where only subscribers may ask (2018) ────────────────────────────────────────────────────


class ForSubscribers(V2Json):
    """A generation in which publishing and reading are for subscribers."""

    traits = Traits()

    def decode(self, frame: bytes) -> list[commands.Command]:
        decoded = super().decode(frame)
        for command in decoded:
            if isinstance(command, commands.Publish | commands.Presence | commands.History):
                command.subscribers_only = True
        return decoded


@pytest.mark.parametrize("what", ["publish", "presence", "history"])
def test_who_is_not_subscribed_may_not_ask_where_the_generation_says_so(what: str) -> None:
    """Whatever the permissions."""
    client = World({"": PERMISSIVE}).connect(codec=ForSubscribers())
    assert client.ask(LINES[what]) == [
        '{"id":1,"error":{"code":103,"message":"permission denied"}}'
    ]
    client.subscribe("news")
    assert client.ask(LINES[what])[-1].startswith(f'{{"id":1,"{what}":')


# ── the transport without a way in ───────────────────────────────────────────────────────────


def test_a_one_way_connection_is_not_asked_for_pongs_and_expires_without_grace() -> None:
    """It cannot answer, and cannot refresh."""
    world = World(ping_interval=10.0, pong_timeout=3.0)
    client = world.open()
    client.transport.one_way = True
    (answer,) = client.ask(connect_line(exp=NOW + 60))
    assert '"ping":10' in answer
    assert "pong" not in answer
    world.advance(59)
    assert set(client.read()) == {"{}"}
    assert client.closed is None
    world.advance(1.2)
    assert client.closed == (3005, "connection expired")


def test_a_session_id_is_told_with_the_node_it_lives_on() -> None:
    world = World(ping_interval=0.0)
    client = world.open()
    client.session.id = "secret"
    (answer,) = client.ask(connect_line())
    assert f'"session":"secret","node":"{world.node.uid}"' in answer


# ── tokens of subscriptions ──────────────────────────────────────────────────────────────────


def test_a_recovered_private_subscription_tells_everything_at_once() -> None:
    world = World({"": RECOVERY})
    world.publish("$news", "1")
    client = world.connect()
    more = f',"token":"{sub_token("$news", exp=NOW + 60)}","recover":true'
    assert client.subscribe("$news", more) == (
        '{"id":100,"subscribe":{"expires":true,"ttl":60,"recoverable":true,"epoch":"E1",'
        '"publications":[{"data":1,"offset":1,"epoch":"E1"}],'
        '"recovered":true,"positioned":true,"was_recovering":true}}'
    )


def test_a_session_disconnected_while_connecting_is_not_admitted_afterwards() -> None:
    world = World({"": OPEN})
    world.gates.shut("subscribe")
    client = world.open()
    client.send(connect_line(channels=["news"]))
    world.clock.result(world.node.disconnect(Target("42"), FORCE_DISCONNECT))
    world.gates.open("subscribe")
    assert client.read() == []
    assert client.closed == (3503, "force disconnect")
    assert world.broker.is_idle()
