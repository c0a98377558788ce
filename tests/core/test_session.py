"""A session's life: what it tells the policy and the log, and how it ends."""

import logging

import pytest

from girandola.core.session import State
from girandola.errors import FORCE_DISCONNECT, SHUTDOWN
from girandola.protocol.codec import Traits
from girandola.protocol.commands import (
    Connected,
    Disconnected,
    Done,
    Join,
    Push,
    Refreshing,
    Reply,
)
from girandola.protocol.v2_json import V2Json
from tests.auth.tokens import NOW
from tests.scenarios.modern_world import OPEN, World, connect_line, sub_token


class Together(V2Json):
    """A generation that answers a frame as a whole, and lets a refused client try again."""

    traits = Traits(replies_together=True, connect_again=True)

    def together(self, replies: list[bytes]) -> bytes:
        return b"[" + b",".join(replies) + b"]"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


# ── states ───────────────────────────────────────────────────────────────────────────────────


def test_a_session_goes_from_connecting_to_connected_to_closed() -> None:
    world = World()
    client = world.open()
    assert client.session.state is State.CONNECTING
    client.ask(connect_line())
    assert client.session.state is State.CONNECTED
    client.hang_up()
    assert client.session.state is State.CLOSED


def test_ids_are_not_to_be_guessed() -> None:
    node = World().node
    assert len({node.new_id() for _ in range(100)}) == 100
    assert len(node.new_id()) == 36


def test_a_session_forgets_the_request_headers_once_it_is_connected() -> None:
    """They are for the policy's decision only, and there may be a hundred thousand sessions."""
    client = World(user_id_http_header="X-User").open(headers={"x-user": "7"})
    client.ask('{"id":1,"connect":{}}')
    assert client.session.user == "7"
    assert client.session.headers == {}


def test_the_policy_sees_what_the_token_listed_as_far_as_it_is_still_there() -> None:
    client = World({"": OPEN}).connect(channels=["a", "b"])
    client.subscribe("c")
    assert client.session.token_channels == {"a", "b"}
    client.send('{"id":2,"unsubscribe":{"channel":"a"}}')
    assert client.session.token_channels == {"b"}


def test_a_subscription_under_way_does_not_count_as_subscribed() -> None:
    world = World({"": OPEN})
    client = world.connect()
    world.gates.shut("subscribe")
    client.send('{"id":2,"subscribe":{"channel":"news"}}')
    assert not client.session.is_subscribed("news")
    world.gates.open("subscribe")
    assert client.session.is_subscribed("news")


def test_meta_stays_with_the_session() -> None:
    """It is for the application's own use, and a refresh may replace it."""
    client = World().connect(exp=NOW + 60, meta={"a": 1})
    assert client.session.meta == b'{"a": 1}'


# ── replies that go together ─────────────────────────────────────────────────────────────────


def test_replies_to_one_frame_go_out_together_where_the_generation_wants_so() -> None:
    """And once all are there; a single command is answered by itself."""
    world = World({"": OPEN}, ping_interval=0.0)
    client = world.open(Together())
    world.gates.shut("subscribe")
    client.send(connect_line(), '{"id":2,"rpc":{}}', '{"id":3,"subscribe":{"channel":"a"}}')
    assert client.read() == []
    world.gates.open("subscribe")
    assert client.read() == [
        '[{"id":1,"connect":{"client":"c1","version":"1.0 girandola"}},'
        '{"id":2,"error":{"code":108,"message":"not available"}},'
        '{"id":3,"subscribe":{}}]'
    ]
    assert client.ask('{"id":4,"unsubscribe":{"channel":"a"}}') == ['{"id":4,"unsubscribe":{}}']


def test_a_close_among_such_replies_takes_them_along() -> None:
    client = World().open(Together())
    assert client.ask(connect_line(), "{", '{"id":2,"rpc":{}}') == []
    assert client.closed == (3501, "bad request")


def test_such_replies_are_one_at_a_time_whatever_the_concurrency() -> None:
    world = World({"": OPEN}, concurrency=8)
    client = world.connect(codec=Together())
    world.gates.shut("subscribe")
    client.send('{"id":3,"subscribe":{"channel":"a"}}')
    assert client.ask('{"id":4,"rpc":{}}') == []


def test_a_refused_client_may_try_again_where_the_generation_allows_it() -> None:
    client = World(ping_interval=0.0).open(Together())
    assert client.ask(connect_line(exp=NOW - 1)) == [
        '{"id":1,"error":{"code":109,"message":"token expired"}}'
    ]
    assert client.ask(connect_line(number=2)) == [
        '{"id":2,"connect":{"client":"c1","version":"1.0 girandola"}}'
    ]


# ── pushes of our own ────────────────────────────────────────────────────────────────────────


class Broken(V2Json):
    """A codec that fails on pushes, or on connect replies."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def push(self, channel: str, push: Push) -> bytes:
        if isinstance(push, self.kind):
            raise RuntimeError("a mistake in a codec")
        return super().push(channel, push)

    def reply(self, reply: Reply) -> bytes:
        if isinstance(reply.outcome, self.kind):
            raise RuntimeError("a mistake in a codec")
        return super().reply(reply)


def test_a_push_that_fails_ends_the_session_at_the_end_of_the_tick(
    log: pytest.LogCaptureFixture,
) -> None:
    """Its client comes back to a state that both agree on."""
    client = World().connect(codec=Broken(Refreshing))
    client.session.push("", Refreshing())
    assert not client.session.closed
    assert client.closed == (3004, "internal server error")
    assert "internal error telling it of Refreshing" in log.text


def test_a_reply_that_fails_is_an_error_reply(log: pytest.LogCaptureFixture) -> None:
    client = World().connect(codec=Broken(Done))
    assert client.ask('{"id":2,"unsubscribe":{"channel":"news"}}') == [
        '{"id":2,"error":{"code":100,"message":"internal server error","temporary":true}}'
    ]
    assert "internal error in unsubscribe" in log.text


def test_a_connect_whose_reply_fails_leaves_nothing_behind(log: pytest.LogCaptureFixture) -> None:
    world = World()
    client = world.open(Broken(Connected))
    assert client.ask(connect_line(channels=["news"])) == [
        '{"id":1,"error":{"code":100,"message":"internal server error","temporary":true}}'
    ]
    assert not client.session.connected
    assert (world.node.hub.num_clients, world.node.hub.num_subscriptions) == (0, 0)


def test_a_write_that_fails_ends_that_session_only(log: pytest.LogCaptureFixture) -> None:
    """Nobody knows what its client was sent; the others are not concerned, the log says it once."""
    world = World({"": OPEN})
    broken, sound = [world.subscribed("news") for _ in range(3)], world.subscribed("news")

    def write(messages: list[bytes]) -> None:
        raise RuntimeError("a mistake in a transport")

    for each in broken:
        each.transport.write = write  # type: ignore[method-assign]
    world.publish("news", "1")
    assert sound.read() == ['{"push":{"channel":"news","pub":{"data":1}}}']
    assert all(each.transport.aborted and each.session.closed for each in broken)
    assert log.text.count("RuntimeError: a mistake") == 1
    assert log.text.count("dropped: a write failed") == 3
    assert world.node.hub.num_subscriptions == 1


def test_a_push_that_the_generation_does_not_know_is_not_sent() -> None:
    class Deaf(V2Json):
        def push(self, channel: str, push: object) -> bytes:
            return b""

    client = World().connect(codec=Deaf())
    client.session.push("", Disconnected(FORCE_DISCONNECT))
    client.session.push("a", Join(client.session.client_info()))
    assert client.read() == []


# ── the log ──────────────────────────────────────────────────────────────────────────────────


def test_a_refusal_is_one_line_that_names_client_user_and_reason(
    log: pytest.LogCaptureFixture,
) -> None:
    World({"shut": {}}).connect("42").ask('{"id":2,"subscribe":{"channel":"shut:x"}}')
    (line,) = [record.getMessage() for record in log.records]
    for part in ("c1", "'42'", "subscribe", "103", "shut:x", "allow_subscribe_for_client"):
        assert part in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "frame", ["no JSON", '{"id":1,"connect":{"token":5}}', '{"id":2}', '{"id":"x","rpc":{}}']
)
def test_a_peer_s_mistake_is_one_line_without_a_traceback(
    log: pytest.LogCaptureFixture, frame: str
) -> None:
    World().open().send(frame)
    (record,) = log.records
    assert record.exc_info is None
    assert "3501" in record.getMessage()


def test_no_token_is_ever_logged(log: pytest.LogCaptureFixture) -> None:
    world = World({"": OPEN}, ping_interval=0.0)
    tokens = []
    for claims in ({"exp": NOW - 1}, {"channel": "x"}, {}, {"exp": NOW + 60, "expire_at": 1}):
        line = connect_line(**claims)
        tokens.append(line.split('"')[7])
        client = world.open()
        client.send(line)
    bad = sub_token("$other")
    client = world.connect()
    client.send(f'{{"id":2,"subscribe":{{"channel":"$news","token":"{bad}"}}}}')
    assert len(log.records) >= 4
    for token in [*tokens, bad]:
        _, payload, signature = token.split(".")
        assert payload not in log.text
        assert signature not in log.text


def test_a_shutdown_is_not_logged_session_by_session(log: pytest.LogCaptureFixture) -> None:
    """There may be a hundred thousand of them."""
    World().connect().session.close(SHUTDOWN)
    assert log.records == []


def test_an_internal_error_is_logged_with_its_traceback(log: pytest.LogCaptureFixture) -> None:
    world = World({"": {"presence": True, "allow_presence_for_client": True}})
    client = world.connect()
    world.node._presence = None  # type: ignore[assignment]
    assert client.ask('{"id":2,"presence":{"channel":"news"}}') == [
        '{"id":2,"error":{"code":100,"message":"internal server error","temporary":true}}'
    ]
    assert any(record.exc_info for record in log.records)
    assert client.closed is None


def test_a_failure_after_the_end_is_nobody_s_business(log: pytest.LogCaptureFixture) -> None:
    """The peer went away while its command waited; then the engine failed, too."""
    world = World({"": {"allow_publish_for_client": True}})
    client = world.connect()
    world.gates.shut("publish")
    client.send('{"id":2,"publish":{"channel":"news","data":1}}')
    client.hang_up()
    world.gates.broken.add("publish")
    world.gates.open("publish")
    assert client.read() == []
    assert not world.clock.unfinished
    assert not [record for record in log.records if record.exc_info]


# ── counters ─────────────────────────────────────────────────────────────────────────────────


def test_what_happens_is_counted() -> None:
    world = World({"": OPEN | {"allow_publish_for_client": True}})
    client = world.subscribed("news")
    client.send('{"id":2,"publish":{"channel":"news","data":1}}', '{"id":3,"rpc":{}}')
    client.send('{"id":4,"unsubscribe":{"channel":"news"}}')
    client.session.close(FORCE_DISCONNECT)
    world.connect().hang_up()
    stats = world.node.stats
    assert (stats.connections_opened, stats.connections_closed) == (2, 2)
    assert (stats.connects, stats.subscribes, stats.unsubscribes) == (2, 1, 1)
    assert (stats.commands, stats.client_publishes, stats.errors) == (6, 1, 1)
    assert (stats.publications_published, stats.publications_received) == (1, 1)
    assert stats.disconnects == 1
    assert stats.bytes_in > 0
