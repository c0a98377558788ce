"""Nodes find each other, tell each other, and ask each other; who is silent is left out."""

import logging

import pytest

from girandola.core.grants import SubscribeGrant
from girandola.core.node import Node
from girandola.model import Target
from girandola.protocol import internode
from girandola.protocol.internode import Survey, SurveyAnswer
from tests.core.cluster_walk import CHANNEL, GRANT, Client, World


def world(clients: int = 2, delays: tuple[int, ...] = (1,)) -> World:
    made = World(clients, delays, (), plain=False)
    made.clock.run()
    for client in made.clients:
        client.listen()
    return made


def uids(node: Node) -> list[str]:
    return [info.uid for info in node.info()]


def test_nodes_know_each_other_soon_after_their_start() -> None:
    first, second = world().nodes
    assert uids(first) == [first.uid, second.uid]
    assert uids(second) == [second.uid, first.uid]


def test_a_new_node_is_answered_at_once() -> None:
    """It need not wait for the next ping of the others."""
    made = world()
    third = made._node()
    made.clock.spawn(third.start())
    made.clock.advance(0.1)
    assert len(uids(third)) == 3


def test_a_node_that_says_good_bye_is_forgotten_at_once() -> None:
    made = world()
    first, second = made.nodes
    made.clock.spawn(second.shutdown())
    made.clock.advance(0.5)
    assert uids(first) == [first.uid]


def test_a_node_that_falls_silent_is_forgotten_after_a_while() -> None:
    made = world()
    first, second = made.nodes
    made.sea.controllers[first.uid].cut = True
    made.clock.advance(3)
    assert uids(first) == [first.uid, second.uid]
    made.clock.advance(20)
    assert uids(first) == [first.uid]


def test_channels_are_counted_over_all_nodes() -> None:
    made = world(3)
    for client in made.clients:
        client.subscribe()
    made.clock.run()
    assert made.clock.result(made.nodes[1].channels()) == {CHANNEL: 3}
    assert made.clock.result(made.nodes[1].channels("other*")) == {}


def test_a_node_that_does_not_answer_in_time_is_left_out_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = world()
    for client in made.clients:
        client.subscribe()
    made.clock.run()
    first, second = made.nodes
    made.sea.controllers[second.uid].cut = True
    counted: list[dict[str, int]] = []

    async def count() -> None:
        counted.append(await first.channels())

    with caplog.at_level(logging.WARNING):
        made.clock.spawn(count())
        made.clock.advance(4)
        # Its pings still come, so it is not taken for gone.
        assert counted == []
        made.clock.advance(7)
    assert counted == [{CHANNEL: 1}]
    assert second.uid in caplog.text


def test_a_survey_that_a_node_does_not_know_is_answered_as_such() -> None:
    made = world()
    first, second = made.nodes
    answers = made.clock.result(first.cluster.ask("no such survey"))
    assert {uid: answer.code for uid, answer in answers.items()} == {
        first.uid: internode.SURVEY_UNKNOWN,
        second.uid: internode.SURVEY_UNKNOWN,
    }


def test_one_node_is_asked_alone() -> None:
    made = world()
    first, second = made.nodes
    answers = made.clock.result(first.cluster.ask(internode.CHANNELS, node=second.uid))
    assert list(answers) == [second.uid]


def test_an_answer_that_nobody_asked_for_is_thrown_away() -> None:
    made = world()
    first, second = made.nodes
    for answer in (SurveyAnswer(1), SurveyAnswer(2**63)):
        first.cluster.on_control(internode.write(second.uid, answer))
    first.cluster.on_control(internode.write(second.uid, Survey(1, internode.CHANNELS, b"\xff")))
    made.clock.run()
    assert uids(first) == [first.uid, second.uid]


def test_what_is_no_message_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    made = world()
    with caplog.at_level(logging.WARNING):
        made.nodes[0].cluster.on_control(b"\xff\xff")
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info is None


@pytest.mark.parametrize("asked", [0, 1])
def test_the_server_api_reaches_connections_of_every_node(asked: int) -> None:
    made = world()
    node = made.nodes[asked]
    made.clock.result(node.subscribe(Target(all_users=True), CHANNEL, SubscribeGrant(**GRANT)))
    made.clock.run()
    assert all(client.session.is_subscribed(CHANNEL) for client in made.clients)
    made.clock.result(node.unsubscribe(Target("u0"), CHANNEL))
    made.clock.result(node.unsubscribe(Target("u1")))
    made.clock.run()
    assert not any(client.session.subscriptions for client in made.clients)
    made.clock.result(node.disconnect(Target("u0")))
    made.clock.result(node.disconnect(Target("u1")))
    made.clock.run()
    assert [end(client) for client in made.clients] == [3503, 3503]


def test_a_refresh_reaches_connections_of_every_node() -> None:
    made = world()
    soon = int(made.clock.time()) + 5
    made.clock.result(made.nodes[0].refresh(Target("u1"), expire_at=soon))
    made.clock.advance(40)
    assert [end(client) for client in made.clients] == [0, 3005]


def end(client: Client) -> int:
    closed = client.transport.closed_with
    return 0 if closed is None else closed.code
