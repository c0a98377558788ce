"""Recovery in 2018: every row of the table in classic.md section 4.9, and what it is for.

Ids are opaque to clients, and so they are to these tests: a client sends back what it was given.
"""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from girandola.core.session import Session
from girandola.protocol.classic import CLASSIC
from tests.fakes import FakeTransport
from tests.scenarios.classic_world import RECOVERY, Client, World, credentials


def subscribe(client: Client, asked: str = "") -> str:
    """Subscribe to ``a`` and return the literal body; ``asked`` are further parameters."""
    (answer,) = client.call("subscribe", f'{{"channel":"a"{asked}}}')
    head = '{"method":"subscribe","body":{"channel":"a","status":true,'
    assert answer.startswith(head)
    return "{" + answer.removeprefix(head).removesuffix("}")


def message(uid: str, data: str) -> str:
    return f'{{"uid":"{uid}","channel":"a","data":{data}}}'


LAST_IS = ',"recover":true,"last":"%s"'
M1, M2, M3, M4, M5 = (message(f"A{number}", str(number)) for number in range(1, 6))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A server that recovers, and keeps three messages."""
    return World(tmp_path, **RECOVERY)


# ── the table ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("asked", ["", ',"recover":false', LAST_IS % "", LAST_IS % "A1"])
def test_without_the_option_nothing_is_recovered(tmp_path: Path, asked: str) -> None:
    world = World(tmp_path, history_size=3, history_lifetime=60)
    world.publish("a", "1", "2")
    world.api("history", '{"channel":"a"}')  # so that A1 is known
    assert subscribe(world.client(), asked) == '{"last":"","messages":null,"recovered":false}'


@pytest.mark.parametrize("asked", ["", ',"recover":false', ',"recover":false,"last":"x"'])
def test_who_does_not_ask_is_told_the_newest_message(world: World, asked: str) -> None:
    world.publish("a", "1", "2")
    assert subscribe(world.client(), asked) == '{"last":"A2","messages":null,"recovered":false}'


def test_who_does_not_ask_is_told_of_no_message_where_there_is_none(world: World) -> None:
    assert subscribe(world.client()) == '{"last":"","messages":null,"recovered":false}'


def test_what_came_after_the_last_message_is_recovered_newest_first(world: World) -> None:
    seen = world.client("SEEN")
    subscribe(seen)
    world.publish("a", "1", "2", "3")
    seen.received()
    assert subscribe(world.client(), LAST_IS % "A1") == (
        f'{{"last":"","messages":[{M3},{M2}],"recovered":true}}'
    )


def test_who_has_seen_all_gets_nothing_and_keeps_its_place(world: World) -> None:
    """``last`` is filled, or centrifuge-js would forget where it was (an improvement)."""
    client = world.client()
    subscribe(client)
    world.publish("a", "1", "2")
    client.received()
    assert subscribe(world.client(), LAST_IS % "A2") == (
        '{"last":"A2","messages":[],"recovered":true}'
    )


@pytest.mark.parametrize("last", ["", "unknown", "0" * 22, "ZZZZZZZZ00000000000001", "42"])
def test_who_names_no_known_message_gets_the_whole_history(world: World, last: str) -> None:
    world.publish("a", "1", "2")
    assert subscribe(world.client(), LAST_IS % last) == (
        f'{{"last":"","messages":[{M2},{M1}],"recovered":false}}'
    )


def test_who_asks_without_naming_a_message_gets_the_whole_history(world: World) -> None:
    world.publish("a", "1", "2")
    assert subscribe(world.client(), ',"recover":true') == (
        f'{{"last":"","messages":[{M2},{M1}],"recovered":false}}'
    )


@pytest.mark.parametrize("asked", [LAST_IS % "", LAST_IS % "unknown"])
def test_an_empty_history_is_an_empty_list(world: World, asked: str) -> None:
    assert subscribe(world.client(), asked) == '{"last":"","messages":[],"recovered":false}'


def test_who_was_away_too_long_gets_what_is_left(world: World) -> None:
    """Three are kept: the second one is lost, and the client is told so."""
    client = world.client()
    subscribe(client)
    world.publish("a", "1", "2", "3", "4", "5")
    client.received()
    assert subscribe(world.client(), LAST_IS % "A1") == (
        f'{{"last":"","messages":[{M5},{M4},{M3}],"recovered":false}}'
    )


def test_who_missed_just_what_is_kept_recovers(world: World) -> None:
    """In 2018 the message named had to be kept itself; all that was missed is enough."""
    client = world.client()
    subscribe(client)
    world.publish("a", "1", "2", "3", "4", "5")
    client.received()
    assert subscribe(world.client(), LAST_IS % "A2") == (
        f'{{"last":"","messages":[{M5},{M4},{M3}],"recovered":true}}'
    )


def test_a_history_that_expired_recovers_nobody_who_missed_something(world: World) -> None:
    client = world.client()
    subscribe(client)
    world.publish("a", "1", "2")
    client.received()
    world.clock.advance(61)
    answer = json.loads(subscribe(world.client(), LAST_IS % "A1"))
    assert (answer["messages"], answer["recovered"]) == ([], False)


def test_a_client_keeps_its_place_when_the_history_expired(world: World) -> None:
    client = world.client()
    subscribe(client)
    world.publish("a", "1", "2")
    client.received()
    world.clock.advance(61)
    assert subscribe(world.client(), LAST_IS % "A2") == (
        '{"last":"A2","messages":[],"recovered":true}'
    )


@pytest.mark.xfail(strict=True, reason="without history the option counts as off: null, not []")
def test_where_history_is_off_the_list_is_empty(tmp_path: Path) -> None:
    client = World(tmp_path, recover=True, history_size=3).client()
    assert subscribe(client, LAST_IS % "") == '{"last":"","messages":[],"recovered":false}'


def test_where_history_is_off_nothing_is_recovered(tmp_path: Path) -> None:
    client = World(tmp_path, recover=True, history_size=3).client()
    answer = json.loads(subscribe(client, LAST_IS % ""))
    assert not answer["messages"]
    assert (answer["last"], answer["recovered"]) == ("", False)


# ── ids ──────────────────────────────────────────────────────────────────────────────────────


def test_an_id_is_22_base_62_characters(world: World) -> None:
    client = world.client()
    subscribe(client)
    world.publish("a", "1")
    world.clock.run()
    (message,) = client.transport.messages
    uid = json.loads(message)["body"]["uid"]
    assert len(uid) == 22
    assert uid.isascii()
    assert uid.isalnum()


def test_a_message_has_the_same_id_wherever_it_is_seen(world: World) -> None:
    """Live, in history by client and application, recovered, and as ``last``."""
    client = world.client()
    subscribe(client)
    world.publish("a", "1")
    assert client.received() == [f'{{"method":"message","body":{M1}}}']
    history = f'"body":{{"channel":"a","data":[{M1}]}}}}'
    assert client.call("history", '{"channel":"a"}') == ['{"method":"history",' + history]
    assert world.api("history", '{"channel":"a"}') == '{"method":"history","error":null,' + history
    assert f'"messages":[{M1}]' in subscribe(world.client(), LAST_IS % "")
    assert '"last":"A1"' in subscribe(world.client())


def publish_as(world: World, uid: str, data: str) -> None:
    world.api("publish", f'{{"channel":"a","uid":"{uid}","data":{data}}}')


def test_an_id_that_the_application_chose_is_kept(world: World) -> None:
    client = world.client()
    subscribe(client)
    publish_as(world, "order-1", "1")
    own = message("order-1", "1")
    assert client.received() == [f'{{"method":"message","body":{own}}}']
    assert client.call("history", '{"channel":"a"}') == [
        f'{{"method":"history","body":{{"channel":"a","data":[{own}]}}}}'
    ]


def test_a_client_recovers_from_an_id_that_the_application_chose(world: World) -> None:
    publish_as(world, "order-1", "1")
    publish_as(world, "order-2", "2")
    world.publish("a", "3")
    recovered = f'{{"last":"","messages":[{M3},{message("order-2", "2")}],"recovered":true}}'
    assert subscribe(world.client(), LAST_IS % "order-1") == recovered


def test_an_id_of_the_application_is_found_only_while_it_is_kept(world: World) -> None:
    publish_as(world, "order-1", "1")
    world.publish("a", "2", "3", "4")
    assert subscribe(world.client(), LAST_IS % "order-1") == (
        f'{{"last":"","messages":[{M4},{M3},{M2}],"recovered":false}}'
    )


def test_a_client_that_has_seen_the_applications_newest_id_keeps_its_place(world: World) -> None:
    """What it is given as ``last`` stands for the same message."""
    publish_as(world, "order-1", "1")
    answer = subscribe(world.client(), LAST_IS % "order-1")
    assert answer == '{"last":"A1","messages":[],"recovered":true}'
    world.publish("a", "2")
    assert subscribe(world.client(), LAST_IS % "A1") == (
        f'{{"last":"","messages":[{M2}],"recovered":true}}'
    )


def test_the_same_id_twice_counts_as_the_newer_one(world: World) -> None:
    publish_as(world, "same", "1")
    publish_as(world, "same", "2")
    world.publish("a", "3")
    assert subscribe(world.client(), LAST_IS % "same") == (
        f'{{"last":"","messages":[{M3}],"recovered":true}}'
    )


def test_after_a_restart_the_ids_of_before_are_unknown(tmp_path: Path) -> None:
    """A position of another stream is not taken for one of this, although it looks like it."""
    before, transport = World(tmp_path, **RECOVERY), FakeTransport()
    session = Session(before.node, transport, CLASSIC)
    session.receive(f'{{"method":"connect","params":{credentials()}}}'.encode())
    session.receive(b'{"method":"subscribe","params":{"channel":"a"}}')
    before.publish("a", "1")
    last = json.loads(transport.messages[-1])["body"]["uid"]

    after = World(tmp_path, **RECOVERY)
    after.publish("a", "8", "9")
    client = after.client()
    (answer,) = client.send_bytes(
        f'{{"method":"subscribe","params":{{"channel":"a","recover":true,"last":"{last}"}}}}'.encode()
    )
    assert answer.endswith(
        f'"last":"","messages":[{message("A2", "9")},{message("A1", "8")}],"recovered":false}}}}'
    )


def test_recovered_messages_are_compacted_and_safe_in_html(world: World) -> None:
    """Live ones are copied as they came (classic.md section 4.4)."""
    client = world.client()
    subscribe(client)
    world.publish("a", '{"html":  "<b>&"}')
    assert client.received() == [
        '{"method":"message","body":{"uid":"A1","channel":"a","data":{"html":  "<b>&"}}}'
    ]
    safe = message("A1", r'{"html":"\u003cb\u003e\u0026"}')
    assert subscribe(world.client(), LAST_IS % "") == (
        f'{{"last":"","messages":[{safe}],"recovered":false}}'
    )


# ── what it is for ───────────────────────────────────────────────────────────────────────────


class Reader:
    """What centrifuge-js 1.x does with its place in a channel (classic.md section 11)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.client: Client | None = None
        self.last = ""
        self.got: list[int] = []
        self.told_of_a_loss = False

    def come(self) -> None:
        self.client = self.world.client("READER")
        asked = LAST_IS % self.last if self.got or self.last else ""
        answer = json.loads(subscribe(self.client, asked))
        for found in reversed(answer["messages"] or []):
            self._take(found)
        if not answer["messages"]:
            self.last = answer["last"]
        if asked and not answer["recovered"]:
            self.told_of_a_loss = True

    def listen(self) -> None:
        assert self.client is not None
        for frame in self.client.received():
            self._take(json.loads(frame)["body"])

    def go(self) -> None:
        assert self.client is not None
        self.client.hang_up()
        self.client = None

    def _take(self, message: dict[str, object]) -> None:
        self.last = str(message["uid"])
        self.got.append(int(str(message["data"])))


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(st.sampled_from(["publish", "publish", "come or go", "named"]), max_size=25))
def test_a_client_that_comes_and_goes_misses_nothing_and_sees_nothing_twice(
    tmp_path: Path, steps: list[str]
) -> None:
    world = World(tmp_path, history_size=100, history_lifetime=60, recover=True)
    world.publish("a", "0")  # a client that knows no message at all cannot ask
    reader = Reader(world)
    reader.come()
    for number, step in enumerate(steps):
        if step == "come or go":
            if reader.client is None:
                reader.come()
            else:
                reader.go()
        elif step == "named":
            publish_as(world, f"order-{number}", str(number))
        else:
            world.publish("a", str(number))
        if reader.client is not None:
            reader.listen()
    if reader.client is None:
        reader.come()
    assert reader.got == [number for number, step in enumerate(steps) if step != "come or go"]
    assert not reader.told_of_a_loss
