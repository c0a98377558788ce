"""No answer is so large that a client is closed for it, comes back and asks for it again."""

import json
from typing import Any

import pytest

from girandola.core.grants import ConnectGrant, SubscribeGrant
from girandola.model import StreamPosition
from girandola.protocol import commands
from girandola.protocol.classic import CLASSIC
from girandola.protocol.codec import Codec
from girandola.protocol.v1_json import V1_JSON, V1_JSON_NEWEST_FIRST
from girandola.protocol.v1_protobuf import V1_PROTOBUF
from girandola.protocol.v2_json import V2_JSON
from girandola.protocol.v2_protobuf import V2_PROTOBUF
from tests.auth.tokens import token
from tests.scenarios.modern_world import OPEN, Connection, World

KEPT: dict[str, Any] = OPEN | {
    "history_size": 1000,
    "history_ttl": 60.0,
    "force_recovery": True,
    "allow_history_for_client": True,
    "allowed_delta_types": ("fossil",),
}
BIG = '"' + "x" * 4000 + '"'
CODECS = (V2_JSON, V2_PROTOBUF, V1_JSON, V1_JSON_NEWEST_FIRST, V1_PROTOBUF, CLASSIC)
EVERY = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)


def connected(world: World, codec: Codec) -> Connection:
    client = world.open(codec)
    client.session.receive_commands([commands.Connect(id=1, token=token({"sub": "42"}))], 0)
    assert client.session.connected
    world.clock.run()
    client.transport.writes.clear()
    return client


class Told(list[commands.Result]):
    """What a session answers, before it is encoded."""

    def __init__(self, client: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        codec = client.session.codec
        encode = codec.reply

        def reply(reply: commands.Reply) -> bytes:
            self.append(reply.outcome)  # type: ignore[arg-type]
            return encode(reply)

        monkeypatch.setattr(codec, "reply", reply)


def subscribe(channel: str, offset: int) -> commands.Subscribe:
    recovery = commands.Recovery(recover=True, offset=offset, epoch="E1")
    return commands.Subscribe(id=2, channel=channel, recovery=recovery)


@EVERY
def test_too_much_to_send_is_not_recovered_and_the_client_is_told(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is live at the newest position; the next time it recovers as ever."""
    world = World({"": KEPT})
    world.publish("news", *[BIG] * 300)
    client = connected(world, codec)
    told = Told(client, monkeypatch)
    client.session.receive_commands([subscribe("news", 0)], 0)
    (result,) = told
    assert isinstance(result, commands.Subscribed)
    assert (result.recovered, result.top) == (False, StreamPosition(300, "E1"))
    if codec.traits.partial_recovery:
        assert result.publications[-1].offset == 300
        assert 180 < len(result.publications) < 200
    else:
        assert result.publications == []
        assert result.position == result.top
    assert client.closed is None
    assert client.transport.writes
    world.publish("news", BIG)
    client.hang_up()
    again = connected(world, codec)
    again.session.receive_commands([subscribe("news", 300)], 0)
    assert isinstance(told[-1], commands.Subscribed)
    assert told[-1].recovered
    assert [publication.offset for publication in told[-1].publications] == [301]


def test_what_fits_is_recovered_as_ever() -> None:
    world = World({"": KEPT})
    world.publish("news", *[BIG] * 180)
    answer = world.connect().subscribe("news", ',"recover":true,"offset":0,"epoch":"E1"')
    assert answer.count('"offset":') == 180
    assert '"recovered":true' in answer


def test_many_channels_recover_as_long_as_there_is_room(log: pytest.LogCaptureFixture) -> None:
    """What the socket takes meanwhile makes room; the others are told."""
    world = World({"": KEPT}, queue_max_size=100_000)
    for number in range(20):
        world.publish(f"news{number}", *[BIG] * 10)
    lines = [
        f'{{"id":{number + 2},"subscribe":{{"channel":"news{number}","recover":true}}}}'
        for number in range(20)
    ]
    quick, slow = world.connect(), world.connect()
    assert sum('"recovered":true' in answer for answer in quick.ask(*lines)) == 20
    write = slow.transport.write

    def hold(messages: list[bytes]) -> None:
        slow.transport.stuck += sum(map(len, messages))
        write(messages)

    slow.transport.write = hold  # type: ignore[method-assign]
    answers = slow.ask(*lines)
    assert [f'"id":{number + 2},' in answers[number] for number in range(20)] == [True] * 20
    assert sum('"recovered":true' in answer for answer in answers) == 1
    assert (quick.closed, slow.closed) == (None, None)
    assert "did not recover 'news19'" in log.text


def test_channels_of_a_connect_share_the_room_of_its_reply() -> None:
    world = World({"": KEPT}, queue_max_size=100_000)
    grants = {}
    for number in range(5):
        channel = f"news{number}"
        world.publish(channel, *[BIG] * 8)
        recovery = commands.Recovery(recover=True, epoch=world.top(channel).epoch)
        grants[channel] = SubscribeGrant(recoverable=True, recovery=recovery)

    async def connect(*_: object) -> ConnectGrant:
        return ConnectGrant(user="42", subs=grants)

    world.policy.connect = connect  # type: ignore[method-assign]
    client = world.open()
    (answer,) = client.ask('{"id":1,"connect":{}}')
    told = json.loads(answer)["connect"]["subs"]
    recovered = [channel for channel in told if told[channel].get("recovered")]
    assert recovered == ["news0", "news1"]
    assert [told[channel].get("offset", 0) for channel in grants] == [0, 0, 8, 8, 8]
    world.publish("news4", "1")
    assert len(client.read()) == 1
    assert client.closed is None


def test_recovery_that_must_not_fail_is_an_error_where_there_is_no_room() -> None:
    world = World({"": KEPT})
    world.publish("news", *[BIG] * 300)
    client = world.connect()
    line = '{"id":2,"subscribe":{"channel":"news","recover":true,"epoch":"E1","flag":2}}'
    assert client.ask(line) == ['{"id":2,"error":{"code":112,"message":"unrecoverable position"}}']
    assert not world.node.hub.num_subscriptions


def test_deltas_in_json_are_counted_as_they_are_escaped() -> None:
    """And what is delivered next is no delta to what was not sent."""
    world = World({"": KEPT}, queue_max_size=10_000)
    world.publish("news", "[" + ",".join(['"\\\\"'] * 999) + "]", '"b"', delta=True)
    client = world.connect()
    asked = ',"delta":"fossil","recover":true,"epoch":"E1"'
    answer = client.subscribe("news", asked)
    assert '"recovered"' not in answer
    assert '"offset":2' in answer
    world.publish("news", '"bb"', delta=True)
    assert client.read() == ['{"push":{"channel":"news","pub":{"data":"\\"bb\\"","offset":3}}}']


@EVERY
def test_a_history_is_as_much_as_fits(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    """From where the client asked for it; it goes on after that."""
    world = World({"": KEPT}, history_max_publication_limit=1000)
    world.publish("news", *[BIG] * 400)
    client = connected(world, codec)
    if codec.name == "classic":
        client.session.receive_commands([commands.Subscribe(id=2, channel="news")], 0)
    told = Told(client, monkeypatch)
    asked: list[dict[str, Any]] = [
        {"limit": 400},
        {"limit": 400, "reverse": True},
        {"limit": None},
    ]
    for how in asked:
        world.clock.run()
        client.session.receive_commands([commands.History(id=3, channel="news", **how)], 0)
    found = []
    for result in told:
        assert isinstance(result, commands.HistoryResult)
        assert 240 < len(result.publications) < 260
        assert result.top.offset == 400
        found.append((result.publications[0].offset, result.publications[-1].offset))
    forward, reverse, newest = found
    assert forward[0] == 1
    assert reverse[0] == newest[1] == 400
    assert client.closed is None


def test_an_answer_for_which_there_is_no_room_is_an_error() -> None:
    """Presence of a crowd, an answer of the application: the connection goes on."""
    options = OPEN | {"presence": True, "allow_presence_for_client": True}
    world = World({"": options}, queue_max_size=1500)
    for number in range(50):
        world.subscribed("news", str(number))
    client = world.connect()
    error = '"error":{"code":106,"message":"limit exceeded"}}'
    assert client.ask('{"id":2,"presence":{"channel":"news"}}') == ['{"id":2,' + error]

    async def rpc(*_: object) -> bytes:
        return b'"' + b"x" * 1500 + b'"'

    world.policy.rpc = rpc  # type: ignore[method-assign]
    assert client.ask('{"id":3,"rpc":{}}') == ['{"id":3,' + error]
    assert client.ask('{"id":4,"unsubscribe":{"channel":"a"}}') == ['{"id":4,"unsubscribe":{}}']


def test_an_answer_that_is_larger_than_it_seemed_comes_without_publications() -> None:
    """2018 escapes for HTML, sixfold."""
    world = World({"": KEPT}, queue_max_size=10_000)
    world.publish("news", *['"' + "<" * 1000 + '"'] * 4)
    client = connected(world, CLASSIC)
    command = commands.Subscribe(
        id="2",
        channel="news",
        recovery=commands.Recovery(recover=True, epoch="E1"),
    )
    client.session.receive_commands([command], 0)
    (answer,) = client.read()
    body = json.loads(answer)["body"]
    assert (body["status"], body["recovered"], body["messages"]) == (True, False, [])
    assert client.closed is None


def test_a_publication_that_nobody_could_be_sent_is_refused_to_its_publisher() -> None:
    """It would end the connections of all subscribers."""
    world = World({"": OPEN | {"allow_publish_for_client": True}}, queue_max_size=1000)
    listener, client = world.subscribed("news"), world.connect()
    line = f'{{"id":2,"publish":{{"channel":"news","data":"{"x" * 999}"}}}}'
    assert client.ask(line) == ['{"id":2,"error":{"code":107,"message":"bad request"}}']
    assert listener.read() == []
    assert listener.closed is None


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO")
    return caplog
