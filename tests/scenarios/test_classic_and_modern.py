"""Two generations in one channel; and the timeline of classic.md section 4.17."""

from pathlib import Path

from tests.scenarios.classic_world import RECOVERY, TOKEN_OF_42, World

EVERYTHING = {"publish": True, "presence": True, "join_leave": True, **RECOVERY}


def test_the_timeline_of_the_specification(tmp_path: Path) -> None:
    """The own join comes before the array; the own leave, as with Redis in 2018, not at all."""
    world = World(tmp_path, namespaces=[{"name": "chat", "presence": True, "join_leave": True}])
    client = world.open()
    assert client.send(
        '{"uid":"1","method":"connect","params":{"user":"42","timestamp":"1528600000","info":"",'
        f'"token":"{TOKEN_OF_42}"}}}}'
    ) == [
        '{"uid":"1","method":"connect","body":{"version":"1.8.0","client":"ID","expires":false,'
        '"expired":false,"ttl":0}}'
    ]
    assert client.send(
        '[{"uid":"2","method":"subscribe","params":{"channel":"chat:a"}},'
        '{"uid":"3","method":"presence","params":{"channel":"chat:a"}}]'
    ) == [
        '{"method":"join","body":{"channel":"chat:a","data":{"user":"42","client":"ID"}}}',
        '[{"uid":"2","method":"subscribe","body":'
        '{"channel":"chat:a","status":true,"last":"","messages":null,"recovered":false}},'
        '{"uid":"3","method":"presence","body":'
        '{"channel":"chat:a","data":{"ID":{"user":"42","client":"ID"}}}}]',
    ]
    world.api("unsubscribe", '{"user":"42","channel":"chat:a"}')
    assert client.received() == [
        '{"method":"unsubscribe","body":{"channel":"chat:a","status":true}}'
    ]
    world.api("disconnect", '{"user":"42"}')
    assert client.received() == []
    assert client.end == '{"reason":"disconnect","reconnect":false}'


def test_they_see_each_other_join_and_leave(tmp_path: Path) -> None:
    world = World(tmp_path, **EVERYTHING)
    old, new = world.client("OLD", "42", info='{"n":1}'), world.modern_client("NEW", "7")
    new.send('{"id":2,"subscribe":{"channel":"a"}}')
    old.subscribe("a")
    assert new.received() == [
        '{"push":{"channel":"a","join":{"info":{"user":"42","client":"OLD","conn_info":{"n":1}}}}}'
    ]
    new.send('{"id":3,"unsubscribe":{"channel":"a"}}')
    assert old.received() == [
        '{"method":"leave","body":{"channel":"a","data":{"user":"7","client":"NEW"}}}'
    ]
    new.send('{"id":4,"subscribe":{"channel":"a"}}')
    assert old.received() == [
        '{"method":"join","body":{"channel":"a","data":{"user":"7","client":"NEW"}}}'
    ]
    old.hang_up()
    assert new.received() == [
        '{"push":{"channel":"a","leave":{"info":{"user":"42","client":"OLD","conn_info":{"n":1}}}}}'
    ]


def test_they_get_each_others_publications(tmp_path: Path) -> None:
    world = World(tmp_path, **EVERYTHING)
    old, new = world.client("OLD", "42"), world.modern_client("NEW", "7")
    old.subscribe("a")
    new.send('{"id":2,"subscribe":{"channel":"a"}}')
    old.received()
    new_sees = [
        '{"push":{"channel":"a","pub":{"data":{"n": 1},"info":{"user":"42","client":"OLD"},'
        '"offset":1,"epoch":"A"}}}'
    ]
    old.call("publish", '{"channel":"a","data":{"n": 1}}')
    assert new.received() == new_sees
    assert new.send('{"id":3,"publish":{"channel":"a","data":[2]}}') == [
        '{"push":{"channel":"a","pub":{"data":[2],"info":{"user":"7","client":"NEW"},"offset":2}}}',
        '{"id":3,"publish":{}}',
    ]
    assert old.received() == [
        '{"method":"message","body":{"uid":"A2","client":"NEW",'
        '"info":{"user":"7","client":"NEW"},"channel":"a","data":[2]}}'
    ]
    world.publish("a", "3")
    assert old.received() == ['{"method":"message","body":{"uid":"A3","channel":"a","data":3}}']
    assert new.received() == ['{"push":{"channel":"a","pub":{"data":3,"offset":3}}}']


def test_they_see_the_same_presence_and_history(tmp_path: Path) -> None:
    world = World(tmp_path, **EVERYTHING)
    old, new = world.client("OLD", "42"), world.modern_client("NEW", "7")
    old.subscribe("a")
    new.send('{"id":2,"subscribe":{"channel":"a"}}')
    old.call("publish", '{"channel":"a","data":1}')
    world.publish("a", "2")
    old.received()
    new.received()
    assert old.call("presence", '{"channel":"a"}') == [
        '{"method":"presence","body":{"channel":"a","data":{'
        '"OLD":{"user":"42","client":"OLD"},"NEW":{"user":"7","client":"NEW"}}}}'
    ]
    assert new.send('{"id":3,"presence":{"channel":"a"}}') == [
        '{"id":3,"presence":{"presence":{'
        '"OLD":{"user":"42","client":"OLD"},"NEW":{"user":"7","client":"NEW"}}}}'
    ]
    assert new.send('{"id":4,"presence_stats":{"channel":"a"}}') == [
        '{"id":4,"presence_stats":{"num_clients":2,"num_users":2}}'
    ]
    assert old.call("history", '{"channel":"a"}') == [
        '{"method":"history","body":{"channel":"a","data":[{"uid":"A2","channel":"a","data":2},'
        '{"uid":"A1","client":"OLD","info":{"user":"42","client":"OLD"},"channel":"a","data":1}]}}'
    ]
    assert new.send('{"id":5,"history":{"channel":"a","limit":-1}}') == [
        '{"id":5,"history":{"publications":['
        '{"data":1,"info":{"user":"42","client":"OLD"},"offset":1,"epoch":"A"},'
        '{"data":2,"offset":2}],"epoch":"A","offset":2}}'
    ]


def test_both_recover_the_same_messages(tmp_path: Path) -> None:
    world = World(tmp_path, **(EVERYTHING | {"join_leave": False}))
    old, new = world.client("OLD", "42"), world.modern_client("NEW", "7")
    old.subscribe("a")
    new.send('{"id":2,"subscribe":{"channel":"a"}}')
    world.publish("a", "1")
    assert old.received() == ['{"method":"message","body":{"uid":"A1","channel":"a","data":1}}']
    epoch = world.clock.result(world.node.history("a")).top.epoch
    old.hang_up()
    new.hang_up()
    world.publish("a", "2", "3")
    assert world.client("OLD").call("subscribe", '{"channel":"a","recover":true,"last":"A1"}') == [
        '{"method":"subscribe","body":{"channel":"a","status":true,"last":"","messages":['
        '{"uid":"A3","channel":"a","data":3},{"uid":"A2","channel":"a","data":2}],'
        '"recovered":true}}'
    ]
    asked = f'"recover":true,"offset":1,"epoch":"{epoch}"'
    assert world.modern_client("NEW", "7").send(
        f'{{"id":2,"subscribe":{{"channel":"a",{asked}}}}}'
    ) == [
        '{"id":2,"subscribe":{"recoverable":true,"epoch":"A","publications":['
        '{"data":2,"offset":2},{"data":3,"offset":3}],"recovered":true,"offset":1,'
        '"positioned":true,"was_recovering":true}}'
    ]


def test_the_application_reaches_both_by_the_user(tmp_path: Path) -> None:
    world = World(tmp_path)
    old, new = world.client("OLD", "42"), world.modern_client("NEW", "42")
    old.subscribe("a")
    new.send('{"id":2,"subscribe":{"channel":"a"}}')
    world.api("unsubscribe", '{"user":"42","channel":"a"}')
    assert old.received() == ['{"method":"unsubscribe","body":{"channel":"a","status":true}}']
    assert new.received() == [
        '{"push":{"channel":"a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}'
    ]
    world.api("disconnect", '{"user":"42"}')
    assert old.end == '{"reason":"disconnect","reconnect":false}'
    assert new.transport.closed_with is not None
    assert new.session.codec.close(new.transport.closed_with) == (3503, "force disconnect")


def test_ten_messages_of_one_tick_are_one_write_for_both(tmp_path: Path) -> None:
    """And each is encoded once for each generation, however many listen."""
    world = World(tmp_path)
    peers = [world.client(f"OLD{number}") for number in range(3)]
    modern = [world.modern_client(f"NEW{number}", "7") for number in range(3)]
    for peer in peers:
        peer.subscribe("a")
    for new in modern:
        new.send('{"id":2,"subscribe":{"channel":"a"}}')
    before = world.node.stats.broadcasts_encoded
    commands = ",".join(
        f'{{"method":"publish","params":{{"channel":"a","data":{number}}}}}' for number in range(10)
    )
    world.post(f"[{commands}]")
    world.clock.run()
    assert world.node.stats.broadcasts_encoded - before == 20
    for peer in [*peers, *modern]:
        (write,) = peer.transport.writes
        assert len(write) == 10
