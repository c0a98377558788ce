"""Fossil deltas: modern.md section 10.6, on a fake wire."""

import json
from typing import Any

import pytest

from girandola.core.node import Target
from girandola.protocol import fossil
from girandola.protocol.classic import CLASSIC
from tests.scenarios.modern_world import HISTORY, OPEN, RECOVERY, Connection, World

DELTA = RECOVERY | {"allowed_delta_types": ("fossil",), "delta_publish": True}
FOSSIL = ',"delta":"fossil"'


def payload(number: int) -> str:
    """A payload of which most is the same each time, some of it in two bytes a character."""
    return f'{{"text":"Größe und Gewicht bleiben, wie sie waren","number":{number}}}'


def publish(world: World, *numbers: int, **how: Any) -> None:
    world.publish("news", *map(payload, numbers), **how)


class Reader:
    """A client library with deltas on: notes how each publication came, and what it read."""

    def __init__(self, connection: Connection, base: bytes = b"") -> None:
        self.connection = connection
        self.base = base
        self.result: dict[str, Any] = {}
        """What the subscribe was answered."""
        self.seen: list[str] = []
        """``full`` or ``delta``, and the number."""

    def read(self) -> list[str]:
        """Take in what came; return all that was seen so far."""
        for message in map(json.loads, self.connection.read()):
            if "subscribe" in message:
                self.result = message["subscribe"]
                for pub in self.result.get("publications", []):
                    self._take(pub)
            elif message:  # and no ping
                self._take(message["push"]["pub"])
        return self.seen

    def _take(self, pub: dict[str, Any]) -> None:
        assert isinstance(pub["data"], str)
        data = pub["data"].encode()
        self.base = fossil.apply(self.base, data) if pub.get("delta") else data
        number = json.loads(self.base)["number"]
        assert self.base.decode() == payload(number)
        self.seen.append(f"{'delta' if pub.get('delta') else 'full'} {number}")


def reading(world: World, more: str = "", base: bytes = b"") -> Reader:
    """A new client that subscribed with deltas."""
    reader = Reader(world.connect(), base)
    line = f'{{"channel":"news","delta":"fossil"{more}}}'
    reader.connection.send(f'{{"id":2,"subscribe":{line}}}')
    reader.read()
    return reader


def recovering(world: World, offset: int, base: bytes = b"", epoch: str = "E1") -> Reader:
    """A client that comes back from a position, with the base it had."""
    return reading(world, f',"recover":true,"offset":{offset},"epoch":"{epoch}"', base)


# ── who gets deltas ──────────────────────────────────────────────────────────────────────────


def test_the_first_publication_is_full_and_the_next_ones_are_deltas() -> None:
    world = World({"": DELTA})
    publish(world, 1)
    reader = reading(world)
    assert reader.result["delta"] is True
    publish(world, 2, 3, 4)
    assert reader.read() == ["full 2", "delta 3", "delta 4"]


def test_those_who_did_not_ask_get_plain_json() -> None:
    world = World({"": DELTA})
    client = world.connect()
    assert "delta" not in client.subscribe("news")
    publish(world, 1, 2)
    assert client.read() == [
        f'{{"push":{{"channel":"news","pub":{{"data":{payload(1)},"offset":1,"epoch":"E1"}}}}}}',
        f'{{"push":{{"channel":"news","pub":{{"data":{payload(2)},"offset":2}}}}}}',
    ]


@pytest.mark.parametrize(
    ("options", "more"),
    [
        (DELTA | {"allowed_delta_types": ()}, FOSSIL),
        (DELTA, ',"delta":""'),
        (DELTA | {"allow_tags_filter": True}, FOSSIL + ',"tf":{"key":"k","cmp":"nex"}'),
    ],
    ids=["not allowed", "not asked for", "with a filter"],
)
def test_where_deltas_are_not_agreed_on_the_reply_does_not_speak_of_them(
    options: dict[str, Any], more: str
) -> None:
    world = World({"": options})
    client = world.connect()
    assert "delta" not in client.subscribe("news", more)
    publish(world, 1, 2)
    pubs = [json.loads(message)["push"]["pub"] for message in client.read()]
    assert [pub["data"]["number"] for pub in pubs] == [1, 2]
    assert not any("delta" in pub for pub in pubs)


def test_an_unknown_kind_of_delta_ends_the_connection() -> None:
    client = World({"": DELTA}).connect()
    client.send('{"id":2,"subscribe":{"channel":"news","delta":"xdelta"}}')
    assert client.closed == (3501, "bad request")


def test_server_side_subscriptions_get_plain_json() -> None:
    world = World({"": DELTA})
    client = world.connect(channels=["news"])
    publish(world, 1, 2)
    assert all('"data":{"text"' in message for message in client.read())


def test_clients_of_2018_in_the_same_channel_get_their_json() -> None:
    world = World({"": DELTA})
    reader = reading(world)
    old = world.open(CLASSIC)
    publish(world, 1, 2)
    assert reader.read() == ["full 1", "delta 2"]
    assert old.closed is None


# ── which publications are deltas ────────────────────────────────────────────────────────────


def test_only_publications_with_the_flag_are_deltas() -> None:
    """But each is the base of the next one."""
    world = World({"": DELTA | {"delta_publish": False}})
    reader = reading(world)
    publish(world, 1, delta=True)
    publish(world, 2)
    publish(world, 3, delta=True)
    assert reader.read() == ["full 1", "full 2", "delta 3"]


def test_a_publication_without_history_breaks_the_chain_for_one() -> None:
    """The client takes as base what came last; the stream does not know of it."""
    world = World({"": DELTA})
    reader = reading(world)
    publish(world, 1, 2)
    publish(world, 3, skip_history=True)
    publish(world, 4, 5)
    assert reader.read() == ["full 1", "delta 2", "full 3", "full 4", "delta 5"]


def test_without_the_publication_before_there_is_no_delta() -> None:
    world = World({"": DELTA}, ping_interval=0.0)
    reader = reading(world)
    publish(world, 1, 2)
    world.clock.result(world.node.remove_history("news"))
    publish(world, 3, 4)
    world.advance(61)
    publish(world, 5, 6)
    assert reader.read() == ["full 1", "delta 2", "full 3", "delta 4", "full 5", "delta 6"]


def test_channels_without_history_have_no_deltas() -> None:
    world = World({"": OPEN | {"allowed_delta_types": ("fossil",), "delta_publish": True}})
    reader = reading(world)
    publish(world, 1, 2)
    assert reader.read() == ["full 1", "full 2"]


def test_a_subscription_without_position_gets_deltas_too() -> None:
    options = OPEN | HISTORY | {"allowed_delta_types": ("fossil",), "delta_publish": True}
    world = World({"": options})
    reader = reading(world)
    assert "positioned" not in reader.result
    publish(world, 1, 2)
    publish(world, 3, skip_history=True)
    publish(world, 4, 5)
    assert reader.read() == ["full 1", "delta 2", "full 3", "full 4", "delta 5"]


def test_a_loss_that_nobody_looks_for_does_not_break_the_chain() -> None:
    """Without a position, what follows something lost by the engine is sent in full."""
    options = OPEN | HISTORY | {"allowed_delta_types": ("fossil",), "delta_publish": True}
    world = World({"": options})
    readers = [reading(world), reading(world)]
    publish(world, 1, 2)
    world.broker._subscribed.clear()
    publish(world, 3)
    world.broker._subscribed.add("news")
    publish(world, 4, 5)
    for reader in readers:
        assert reader.read() == ["full 1", "delta 2", "full 4", "delta 5"]


def test_a_stream_holds_no_payload_twice() -> None:
    world = World({"": DELTA})
    reading(world)
    publish(world, 1, 2, 3)
    page = world.clock.result(world.node.read_history("news"))
    assert [publication.base for publication in page.publications] == [b"", b"", b""]


def test_a_publication_that_nobody_here_gets_has_no_base_to_forget() -> None:
    world = World({"": DELTA})
    publish(world, 1, 2)
    page = world.clock.result(world.node.read_history("news"))
    assert [publication.base for publication in page.publications] == [b"", b""]


def test_a_broadcast_is_encoded_once_plain_once_in_full_and_once_as_a_delta() -> None:
    world = World({"": DELTA})
    for _ in range(3):
        world.subscribed("news")
        reading(world)
    publish(world, 1)
    for _ in range(3):
        reading(world)
    before = world.node.stats.broadcasts_encoded
    publish(world, 2)
    assert world.node.stats.broadcasts_encoded == before + 3


def test_joins_are_encoded_once_whoever_takes_deltas() -> None:
    world = World({"": DELTA | {"join_leave": True, "force_push_join_leave": True}})
    client = world.subscribed("news")
    first = world.connect()
    first.subscribe("news", FOSSIL)
    before = world.node.stats.broadcasts_encoded
    world.connect("43").subscribe("news", FOSSIL)
    assert world.node.stats.broadcasts_encoded == before + 1
    assert client.read()[-1] == first.read()[-1]


# ── after a cut ──────────────────────────────────────────────────────────────────────────────


def test_what_was_missed_comes_as_deltas_and_live_publications_follow() -> None:
    world = World({"": DELTA})
    publish(world, 1, 2, 3, 4)
    reader = recovering(world, 1)
    assert reader.result["recovered"] is True
    publish(world, 5)
    assert reader.read() == ["full 2", "delta 3", "delta 4", "delta 5"]


def test_recovered_publications_are_deltas_whatever_they_were_published_as() -> None:
    world = World({"": DELTA | {"delta_publish": False}})
    publish(world, 1, 2, 3)
    assert recovering(world, 0).read() == ["full 1", "delta 2", "delta 3"]


def test_who_missed_nothing_gets_the_next_one_in_full() -> None:
    """What it received last may have been no part of the stream, and nobody here knows."""
    world = World({"": DELTA})
    publish(world, 1, 2)
    reader = recovering(world, 2, payload(99).encode())
    assert reader.result["recovered"] is True
    publish(world, 3, 4)
    assert reader.read() == ["full 3", "delta 4"]


def test_who_could_not_recover_starts_anew() -> None:
    world = World({"": DELTA})
    publish(world, 1, 2)
    reader = recovering(world, 1, epoch="E0")
    assert "recovered" not in reader.result
    publish(world, 3, 4)
    assert reader.read() == ["full 3", "delta 4"]


def test_the_latest_publication_of_a_cache_is_a_base() -> None:
    world = World({"": DELTA | {"force_recovery_mode": "cache", "auto_cache_recover": True}})
    publish(world, 1, 2)
    reader = reading(world)
    publish(world, 3)
    assert reader.read() == ["full 2", "delta 3"]


def test_what_comes_while_subscribing_is_read_after_the_reply() -> None:
    """Publications held meanwhile are full; those that history brought are not repeated."""
    world = World({"": DELTA})
    publish(world, 1)
    world.gates.shut("history")
    reader = recovering(world, 0)
    publish(world, 2)
    assert not reader.seen
    world.gates.open("history")
    publish(world, 3)
    assert reader.read() == ["full 1", "delta 2", "delta 3"]


def test_what_comes_before_the_position_is_known_is_not_sent() -> None:
    world = World({"": DELTA})
    world.gates.shut("history")
    reader = reading(world)
    publish(world, 1)
    world.gates.open("history")
    publish(world, 2, 3)
    assert reader.read() == ["full 2", "delta 3"]


def test_what_comes_after_the_history_was_read_follows_in_full() -> None:
    world = World({"": DELTA})
    publish(world, 1)
    world.gates.shut("history read")
    reader = recovering(world, 0)
    publish(world, 2, 3)
    world.gates.open("history read")
    publish(world, 4)
    assert reader.read() == ["full 1", "full 2", "full 3", "delta 4"]


def test_a_gap_ends_a_subscription_with_deltas_as_any_other() -> None:
    world = World({"": DELTA})
    reader = reading(world)
    publish(world, 1, 2)
    assert reader.read() == ["full 1", "delta 2"]
    world.broker._subscribed.clear()
    publish(world, 3)
    world.broker._subscribed.add("news")
    publish(world, 4)
    assert reader.connection.read() == [
        '{"push":{"channel":"news","unsubscribe":{"code":2500,"reason":"insufficient state"}}}'
    ]


def test_a_payload_that_json_cannot_carry_is_null_and_the_next_one_is_no_delta_to_it() -> None:
    world = World({"": DELTA})
    reader = reading(world)
    publish(world, 1)
    assert reader.read() == ["full 1"]
    world.publish("news", "no json")
    assert reader.connection.read() == [
        '{"push":{"channel":"news","pub":{"data":"null","offset":2}}}'
    ]
    publish(world, 3)
    publish(world, 4)
    assert reader.read() == ["full 1", "full 3", "delta 4"]


def test_an_unsubscribe_by_the_server_is_told_as_ever() -> None:
    world = World({"": DELTA})
    reader = reading(world)
    world.clock.result(world.node.unsubscribe(Target("42"), "news"))
    (message,) = reader.connection.read()
    assert '"unsubscribe":{"code":2000' in message
