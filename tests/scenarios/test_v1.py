"""The protocol of the v2 and v3 servers on a fake wire: literal frames, and time moved by hand."""

import pytest

from girandola.core.node import Target
from girandola.protocol.v1_json import V1_JSON, V1_JSON_NEWEST_FIRST, V1Json
from tests.auth.tokens import NOW, token
from tests.scenarios.modern_world import OPEN, RECOVERY, Connection, World, sub_token
from tests.scenarios.test_modern_recovery import forget, positioned_world


def connect_line(**claims: object) -> str:
    jwt = token({"sub": "42", **claims})
    return f'{{"id":1,"params":{{"token":"{jwt}","name":"js"}}}}'


def connected(world: World, codec: V1Json = V1_JSON, **claims: object) -> Connection:
    """Open a connection that is authenticated; its reply is read already."""
    client = world.open(codec)
    (answer,) = client.ask(connect_line(**claims))
    assert f'"client":"{client.name}"' in answer, answer
    return client


def published(many: int) -> World:
    world = World({"": RECOVERY})
    world.publish("news", *(str(number + 1) for number in range(many)))
    return world


def test_a_client_connects_subscribes_and_listens() -> None:
    """Positions come in both spellings."""
    world = World({"": RECOVERY})
    client = world.open(V1_JSON)
    assert client.ask(connect_line(exp=NOW + 60)) == [
        '{"id":1,"result":{"client":"c1","version":"1.0 girandola","expires":true,"ttl":60}}'
    ]
    assert client.ask('{"id":2,"method":1,"params":{"channel":"news"}}', '{"id":3,"method":7}') == [
        '{"id":2,"result":{"recoverable":true,"epoch":"E1","positioned":true}}',
        '{"id":3}',
    ]
    world.publish("news", '"hi"')
    assert client.read() == [
        '{"result":{"channel":"news","data":{"data":"hi","seq":1,"offset":1}}}'
    ]
    assert client.ask('{"id":4,"method":2,"params":{"channel":"news"}}') == ['{"id":4,"result":{}}']
    world.publish("news", '"nobody?"')
    assert client.read() == []


@pytest.mark.parametrize(
    ("codec", "since", "found"),
    [
        (
            V1_JSON,
            '"offset":1',
            '{"data":2,"seq":2,"offset":2},{"data":3,"seq":3,"offset":3}',
        ),
        (V1_JSON, '"seq":1', '{"data":2,"seq":2,"offset":2},{"data":3,"seq":3,"offset":3}'),
        (V1_JSON_NEWEST_FIRST, '"seq":1', '{"data":3,"seq":3},{"data":2,"seq":2}'),
        (
            V1_JSON_NEWEST_FIRST,
            '"gen":0',
            '{"data":3,"seq":3},{"data":2,"seq":2},{"data":1,"seq":1}',
        ),
    ],
    ids=[
        "by offset",
        "by seq",
        "by seq, of a library that turns lists round",
        "from the start, of such a library",
    ],
)
def test_what_was_missed_is_in_the_reply(codec: V1Json, since: str, found: str) -> None:
    """In the order that the library expects, which its first message told."""
    client = connected(published(3), codec)
    assert client.ask(
        f'{{"id":2,"method":1,"params":{{"channel":"news","recover":true,{since},"epoch":"E1"}}}}'
    ) == [
        f'{{"id":2,"result":{{"recoverable":true,"epoch":"E1","publications":[{found}],'
        '"recovered":true,"seq":3,"offset":3,"positioned":true}}'
    ]


def test_where_too_much_was_missed_what_is_left_is_sent() -> None:
    """Unlike today, though nothing says that it is all."""
    client = connected(published(12))
    (answer,) = client.ask(
        '{"id":2,"method":1,"params":{"channel":"news","recover":true,"offset":1,"epoch":"E1"}}'
    )
    assert '"publications":[{"data":3,' in answer
    assert answer.count('"data":') == 10
    assert '"recovered"' not in answer


def test_a_gap_ends_the_connection_for_the_client_to_recover() -> None:
    """Unlike today, when it ends the subscription; others are not concerned."""
    world = positioned_world()
    client, other = connected(world), connected(world)
    for each, channel in ((client, "news"), (other, "other")):
        each.ask(f'{{"id":2,"method":1,"params":{{"channel":"{channel}"}}}}')
    world.publish("news", "1")
    forget(world, "2")
    client.read()
    world.publish("news", "3")
    world.publish("other", "1")
    assert client.read() == []
    assert client.closed == (3010, '{"reason":"insufficient state","reconnect":true}')
    assert len(other.read()) == 1
    assert other.closed is None


def test_the_server_ends_a_subscription_and_then_the_connection() -> None:
    """The client is told, and that it shall not come back to either."""
    world = World({"": OPEN})
    client = connected(world)
    client.ask('{"id":2,"method":1,"params":{"channel":"news"}}')
    world.clock.result(world.node.unsubscribe(Target("42"), "news"))
    assert client.read() == ['{"result":{"type":3,"channel":"news","data":{}}}']
    world.clock.result(world.node.disconnect(Target("42")))
    assert client.closed == (3012, '{"reason":"force disconnect","reconnect":false}')


def test_an_expired_connection_is_closed_unless_it_is_refreshed() -> None:
    """It is told to come back, with a new token."""
    world = World(ping_interval=0.0, expired_close_delay=25.0)
    refreshed, forgetful = connected(world, exp=NOW + 60), connected(world, exp=NOW + 60)
    jwt = token({"sub": "42", "exp": NOW + 200})
    assert refreshed.ask(f'{{"id":2,"method":10,"params":{{"token":"{jwt}"}}}}') == [
        '{"id":2,"result":{"client":"c1","version":"1.0 girandola","expires":true,"ttl":200}}'
    ]
    world.advance(86)
    assert forgetful.closed == (3005, '{"reason":"expired","reconnect":true}')
    assert refreshed.closed is None


def test_an_expired_token_is_refused_with_its_number() -> None:
    """By which a client knows that it has to ask for another one."""
    client = World().open(V1_JSON)
    assert client.ask(connect_line(exp=NOW - 1)) == [
        '{"id":1,"error":{"code":109,"message":"token expired"}}'
    ]


def test_a_token_for_a_connection_that_is_over_is_refused_with_another_number() -> None:
    """The token itself is good for longer than what it grants; 2018 had a result for that."""
    client = World().open(V1_JSON)
    assert client.ask(connect_line(expire_at=NOW - 1)) == [
        '{"id":1,"error":{"code":110,"message":"expired"}}'
    ]


def test_a_refused_connect_may_be_repeated_with_a_new_token() -> None:
    """On the same connection; but nothing else may be asked meanwhile, and not for ever."""
    world = World({"": OPEN}, stale_close_delay=15.0)
    client, impatient, idle = world.open(V1_JSON), world.open(V1_JSON), world.open(V1_JSON)
    for each in (client, impatient, idle):
        assert "token expired" in each.ask(connect_line(exp=NOW - 1))[0]
        assert "token expired" in each.ask(connect_line(exp=NOW - 1))[0]
    (answer,) = client.ask(connect_line(exp=NOW + 60))
    assert '"client":"c1"' in answer
    assert client.ask('{"id":2,"method":1,"params":{"channel":"news"}}') == ['{"id":2,"result":{}}']
    impatient.send('{"id":2,"method":1,"params":{"channel":"news"}}')
    assert impatient.closed == (3003, '{"reason":"bad request","reconnect":false}')
    world.advance(16)
    assert idle.closed == (3007, '{"reason":"stale","reconnect":false}')
    assert client.closed is None


def test_who_is_connected_may_not_connect_again() -> None:
    client = connected(World())
    client.send(connect_line())
    assert client.closed == (3003, '{"reason":"bad request","reconnect":false}')


HS256 = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
FOR_C1 = (
    # {"client": "c1", "channel": "$x"}
    f"{HS256}.eyJjbGllbnQiOiAiYzEiLCAiY2hhbm5lbCI6ICIkeCJ9"
    ".bigflCcXBS1CTvGAY-A57dG6gX3ibbJaq9SKRbVgE10"
)
FOR_A_MINUTE = (
    # {"client": "c1", "channel": "$x", "exp": 1700000060}
    f"{HS256}.eyJjbGllbnQiOiAiYzEiLCAiY2hhbm5lbCI6ICIkeCIsICJleHAiOiAxNzAwMDAwMDYwfQ"
    ".pwAVeBiYeUeWwFTjda-B7RcteQQEtHbFXX3-dhQ19lo"
)
USED_WITHIN_A_MINUTE = (
    # {"client": "c1", "channel": "$x", "exp": 1700000060, "eto": true}
    f"{HS256}.eyJjbGllbnQiOiAiYzEiLCAiY2hhbm5lbCI6ICIkeCIsICJleHAiOiAxNzAwMDAwMDYwLCAiZXRvIjogd"
    "HJ1ZX0.rs7XA1qG0v6JUS9EP93CaLGdzQUNfVYPFMUjRlDMpqo"
)
"""What a backend of then signed: no word of the user."""


def private_line(token: str, channel: str = "$x") -> str:
    return f'{{"id":2,"method":1,"params":{{"channel":"{channel}","token":"{token}"}}}}'


def test_a_private_channel_opens_to_a_token_for_this_connection() -> None:
    """A token for another connection or channel is refused; the connection goes on."""
    world = World({"": OPEN})
    client, other = connected(world), connected(world)
    assert client.ask(private_line(FOR_C1)) == ['{"id":2,"result":{}}']
    denied = ['{"id":2,"error":{"code":103,"message":"permission denied"}}']
    assert other.ask(private_line(FOR_C1)) == denied
    assert client.ask(private_line(FOR_C1, "$y")) == denied
    assert other.ask(private_line(sub_token("$x"))) == ['{"id":2,"result":{}}']


def test_clients_of_today_need_a_token_that_names_the_user() -> None:
    client = World({"": OPEN}).connect()
    client.send(f'{{"id":2,"subscribe":{{"channel":"$x","token":"{FOR_C1}"}}}}')
    assert client.closed == (3500, "invalid token")


def test_a_token_limits_the_subscription_unless_it_only_limits_itself() -> None:
    world = World({"": OPEN}, ping_interval=0.0, expired_sub_close_delay=5.0)
    limited, free = connected(world), connected(world)
    free.session.client = "c1"
    assert limited.ask(private_line(FOR_A_MINUTE)) == [
        '{"id":2,"result":{"expires":true,"ttl":60}}'
    ]
    assert free.ask(private_line(USED_WITHIN_A_MINUTE)) == ['{"id":2,"result":{}}']
    world.advance(120)
    assert limited.closed == (3006, '{"reason":"subscription expired","reconnect":true}')
    assert free.closed is None
    late = connected(world)
    late.session.client = "c1"
    assert late.ask(private_line(USED_WITHIN_A_MINUTE)) == [
        '{"id":2,"error":{"code":109,"message":"token expired"}}'
    ]
