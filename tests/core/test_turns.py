"""Many commands at once: their sender waits for his turns, others do not wait for him."""

import re

import pytest

from girandola.core.session import Session
from girandola.core.turns import COMMANDS_IN_A_TURN, SECONDS_OF_A_TURN
from girandola.protocol.commands import Command
from girandola.protocol.v2_json import V2_JSON, V2Json
from tests.core.test_session import Together
from tests.scenarios.modern_world import OPEN, Connection, World

MANY = 10 * COMMANDS_IN_A_TURN


def rpcs(first: int, count: int) -> list[str]:
    return [f'{{"id":{number},"rpc":{{}}}}' for number in range(first, first + count)]


def answered(client: Connection) -> list[int]:
    """Return the ids of all commands answered so far."""
    client.world.clock.run()
    return [int(found) for line in client.read() for found in re.findall(r'"id":(\d+)', line)]


@pytest.mark.parametrize("codec", [V2_JSON, Together()])
@pytest.mark.parametrize("concurrency", [0, 4])
def test_a_frame_of_many_commands_takes_many_turns(codec: V2Json, concurrency: int) -> None:
    world = World({"": OPEN}, concurrency=concurrency)
    client = world.connect(codec=codec)
    turns = 0
    client.session.receive("\n".join(rpcs(2, MANY)).encode())
    while world.clock.unfinished:
        turns += 1
        world.clock.tick()
    assert turns >= MANY // COMMANDS_IN_A_TURN // (concurrency or 1) - 1
    assert answered(client) == list(range(2, 2 + MANY))


@pytest.mark.parametrize("codec", [V2_JSON, Together()])
def test_commands_that_are_much_work_take_more_turns(
    codec: V2Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World({"": OPEN})
    client = world.connect(codec=codec)
    handle = type(client.session)._handle

    async def at_length(session: Session, command: Command) -> None:
        await handle(session, command)
        world.clock.pass_time(SECONDS_OF_A_TURN)

    monkeypatch.setattr(Session, "_handle", at_length)
    turns = 0
    client.session.receive("\n".join(rpcs(2, 20)).encode())
    while world.clock.unfinished:
        turns += 1
        world.clock.tick()
    assert turns >= 19
    assert answered(client) == list(range(2, 22))


def test_what_comes_behind_waits_and_nothing_more_is_read_meanwhile() -> None:
    world = World({"": OPEN})
    client = world.connect()
    client.session.receive("\n".join(rpcs(2, MANY)).encode())
    client.session.receive(rpcs(2 + MANY, 1)[0].encode())
    assert client.transport.paused
    assert answered(client) == list(range(2, 3 + MANY))
    assert not client.transport.paused


def test_a_client_that_leaves_meanwhile_has_no_more_turns() -> None:
    world = World({"": OPEN})
    client = world.connect()
    client.session.receive("\n".join(rpcs(2, MANY)).encode())
    client.hang_up()
    assert world.clock.unfinished == 0
    assert len(answered(client)) <= COMMANDS_IN_A_TURN


def test_as_many_commands_as_clients_send_at_once_take_one_turn() -> None:
    world = World({"": OPEN})
    client = world.connect()
    client.session.receive("\n".join(rpcs(2, COMMANDS_IN_A_TURN - 1)).encode())
    assert world.clock.unfinished == 0


def test_frames_that_came_at_once_take_turns_as_one_does() -> None:
    world = World({"": OPEN})
    client = world.connect()
    with client.session.at_once():
        for command in rpcs(2, MANY):
            client.session.receive(command.encode())
    turns = 0
    while world.clock.unfinished:
        turns += 1
        world.clock.tick()
    assert turns >= MANY // COMMANDS_IN_A_TURN - 1
    assert not client.transport.paused
    assert answered(client) == list(range(2, 2 + MANY))


def test_one_frame_alone_that_came_at_once_does_not_stop_the_reading() -> None:
    world = World({"": OPEN})
    client = world.connect()
    with client.session.at_once():
        client.session.receive(rpcs(2, 1)[0].encode())
    assert not client.transport.paused
    assert answered(client) == [2]


def test_of_frames_that_came_at_once_none_is_carried_out_behind_the_end() -> None:
    world = World({"": OPEN})
    client = world.connect()
    with client.session.at_once():
        for command in ("x", *rpcs(2, MANY)):
            client.session.receive(command.encode())
    assert world.clock.unfinished == 0
    assert answered(client) == []
