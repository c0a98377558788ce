"""Sessions of transports that cannot be answered, and commands that come beside a connection."""

import pytest

from girandola.core.node import Target
from girandola.core.one_way import ConnectRefused, refused
from girandola.core.session import State
from girandola.errors import Disconnect, Error
from girandola.options import CodeToDisconnect, ConnectCodeToDisconnect, DisconnectOptions
from tests.auth.tokens import NOW
from tests.scenarios.modern_world import OPEN, Connection, World, connect_line


def one_way(world: World) -> Connection:
    client = world.open()
    client.transport.one_way = True
    client.session.id = f"secret of {client.name}"
    return client


def emulated(world: World) -> Connection:
    client = world.open()
    client.session.id = f"secret of {client.name}"
    return client


# ── a refused connect becomes a disconnect ───────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "becomes"),
    [
        (100, (3004, "internal server error")),
        (103, (3507, "permission denied")),
        (109, (3005, "connection expired")),
        (110, (3005, "connection expired")),
        (111, (3013, "too many requests")),
        (1000, (3004, "internal server error")),
    ],
)
def test_an_error_has_a_disconnect(code: int, becomes: tuple[int, str]) -> None:
    """modern.md section 3.7."""
    why = refused(Error(code, "words"), ConnectCodeToDisconnect())
    assert (why.code, why.reason) == becomes
    assert why.error == Error(code, "words")


def test_transforms_come_first_if_they_are_enabled() -> None:
    to = DisconnectOptions(code=4501, reason="log in again")
    second = DisconnectOptions(code=4502)
    transforms = (CodeToDisconnect(code=109, to=to), CodeToDisconnect(code=109, to=second))
    why = refused(Error(109, ""), ConnectCodeToDisconnect(enabled=True, transforms=transforms))
    assert (why.code, why.reason) == (4501, "log in again")
    why = refused(Error(110, ""), ConnectCodeToDisconnect(enabled=True, transforms=transforms))
    assert why.code == 3005
    why = refused(Error(109, ""), ConnectCodeToDisconnect(transforms=transforms))
    assert why.code == 3005


def test_a_one_way_session_ends_with_an_error_to_its_connect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = one_way(World())
    with caplog.at_level("INFO"):
        client.send(connect_line(exp=NOW - 10))
    assert client.read() == []
    assert client.closed == (3005, "connection expired")
    assert isinstance(client.transport.closed_with, ConnectRefused)
    assert client.transport.closed_with.error.code == 109
    (line,) = [record.getMessage() for record in caplog.records]
    assert "closing: 3005 connection expired: 109 token expired: connection token" in line


def test_a_one_way_session_goes_by_the_transforms_of_the_configuration() -> None:
    transforms = (CodeToDisconnect(code=109, to=DisconnectOptions(code=4501)),)
    options = ConnectCodeToDisconnect(enabled=True, transforms=transforms)
    client = one_way(World(connect_code_to_unidirectional_disconnect=options))
    client.send(connect_line(exp=NOW - 10))
    assert client.closed == (4501, "")


def test_a_disconnect_instead_of_an_error_stays_what_it_is() -> None:
    client = one_way(World())
    client.send('{"id":1,"connect":{"token":"forged"}}')
    assert client.closed == (3500, "invalid token")
    assert type(client.transport.closed_with) is Disconnect


# ── time ─────────────────────────────────────────────────────────────────────────────────────


def test_a_one_way_connection_ends_when_its_token_does() -> None:
    """Its client cannot refresh, so there is no grace (modern.md section 3.7)."""
    world = World(expired_close_delay=25.0)
    client = one_way(world)
    client.ask(connect_line(exp=NOW + 60))
    world.advance(59)
    assert client.closed is None
    world.advance(1.2)
    assert client.closed == (3005, "connection expired")


def test_the_server_can_prolong_a_one_way_connection() -> None:
    world = World()
    client = one_way(world)
    client.ask(connect_line(exp=NOW + 60))
    target = Target("42")
    world.clock.result(world.node.refresh(target, expire_at=NOW + 120))
    assert '"refresh":{"expires":true,"ttl":120}' in client.read()[0]
    world.advance(70)
    assert client.closed is None
    world.advance(60)
    assert client.closed == (3005, "connection expired")


def test_nobody_waits_for_the_pong_of_a_one_way_client() -> None:
    world = World(ping_interval=10.0, pong_timeout=3.0)
    client = one_way(world)
    client.ask(connect_line())
    world.advance(100)
    assert client.read().count("{}") >= 9
    assert client.closed is None


# ── commands beside the connection ───────────────────────────────────────────────────────────


def test_a_session_is_found_by_its_secret_id_as_long_as_it_is_connected() -> None:
    world = World({"": OPEN})
    client = emulated(world)
    line = b'{"id":2,"subscribe":{"channel":"news"}}'
    assert not world.node.emulate("secret of c1", line)
    (reply,) = client.ask(connect_line())
    assert '"session":"secret of c1"' in reply
    assert f'"node":"{world.node.uid}"' in reply
    assert world.node.emulate("secret of c1", line)
    assert client.read() == ['{"id":2,"subscribe":{}}']
    assert not world.node.emulate("c1", line)
    assert not world.node.emulate("", line)
    client.hang_up()
    assert not world.node.emulate("secret of c1", line)
    assert world.node.hub.session_by_id("secret of c1") is None


def test_a_refused_connect_leaves_no_id_behind() -> None:
    world = World()
    client = emulated(world)
    client.ask('{"id":1,"connect":{"token":"forged"}}')
    assert world.node.hub.session_by_id("secret of c1") is None


def test_one_way_sessions_take_no_commands() -> None:
    world = World({"": OPEN})
    client = one_way(world)
    client.ask(connect_line())
    assert world.node.hub.session_by_id("secret of c1") is client.session
    assert not world.node.emulate("secret of c1", b'{"id":2,"subscribe":{"channel":"news"}}')
    assert client.read() == []
    assert client.closed is None


def test_a_refused_client_of_emulation_is_told_in_the_end_that_it_is_stale() -> None:
    """modern.md section 4.3."""
    world = World(stale_close_delay=10.0)
    client = emulated(world)
    (reply,) = client.ask(connect_line(exp=NOW - 10))
    assert '"code":109' in reply
    assert client.session.state is State.REFUSED
    world.advance(9)
    assert client.closed is None
    world.advance(1.2)
    assert client.closed == (3502, "stale")


def test_commands_that_wait_are_limited_also_where_pausing_holds_nothing_back() -> None:
    world = World({"": OPEN}, queue_max_size=1000)
    client = emulated(world)
    client.ask(connect_line())
    world.gates.shut("subscribe")
    line = b'{"id":%d,"subscribe":{"channel":"news%d","data":"' + b"x" * 300 + b'"}}'
    for number in range(2, 5):  # one is being carried out, two wait
        assert world.node.emulate("secret of c1", line % (number, number))
    assert client.closed is None
    world.node.emulate("secret of c1", line % (5, 5))
    assert client.closed == (3013, "too many requests")


def test_commands_that_waited_and_were_carried_out_count_no_more() -> None:
    world = World({"": OPEN}, queue_max_size=1000)
    client = emulated(world)
    client.ask(connect_line())
    line = b'{"id":%d,"subscribe":{"channel":"news%d","data":"' + b"x" * 300 + b'"}}'
    for number in range(2, 20, 2):
        world.gates.shut("subscribe")
        world.node.emulate("secret of c1", line % (number, number))
        world.node.emulate("secret of c1", line % (number + 1, number + 1))
        world.gates.open("subscribe")
    assert client.closed is None
    assert len(client.read()) == 18


def test_a_connection_that_can_be_paused_has_no_such_limit() -> None:
    world = World({"": OPEN}, queue_max_size=1000)
    client = world.connect()
    world.gates.shut("subscribe")
    for number in range(2, 9):
        client.send(f'{{"id":{number},"subscribe":{{"channel":"{"x" * 200}{number}"}}}}')
    assert client.closed is None
    assert client.transport.paused
    world.gates.open("subscribe")
    assert len(client.read()) == 7
