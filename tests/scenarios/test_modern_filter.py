"""Filters by tags: modern.md section 10.7, and the recovery of 10.3 and 10.4 through them."""

import json
from typing import Any

import pytest

from girandola.core.grants import publish_options
from girandola.model import Publication
from tests.scenarios.modern_world import HISTORY, OPEN, RECOVERY, Connection, World

FILTERED = RECOVERY | {"allow_tags_filter": True}
EVEN = ',"tf":{"key":"parity","cmp":"eq","val":"even"}'
GAP = '{"push":{"channel":"news","unsubscribe":{"code":2500,"reason":"insufficient state"}}}'


def publish(world: World, *numbers: int, **how: Any) -> None:
    """Publish numbers, tagged as even or odd; 0 has no tags."""
    options = publish_options(world.policy.rules.channels.options("news"), **how)
    for number in numbers:
        tags = {"parity": "odd" if number % 2 else "even"} if number else None
        publication = Publication(str(number).encode(), tags=tags)
        world.clock.result(world.node.publish("news", publication, options))


def numbers(client: Connection) -> list[int]:
    """Return the publications that came."""
    return [json.loads(message)["push"]["pub"]["data"] for message in client.read()]


def subscribe(client: Connection, more: str = EVEN) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(client.subscribe("news", more))["subscribe"]
    return result


def recovered(result: dict[str, Any]) -> list[int]:
    assert result["recovered"] is True
    return [publication["data"] for publication in result.get("publications", [])]


# ── live publications ────────────────────────────────────────────────────────────────────────


def test_only_what_matches_is_delivered() -> None:
    world = World({"": FILTERED})
    client, other = world.connect(), world.subscribed("news")
    subscribe(client)
    publish(world, 1, 2, 3, 0, 4)
    assert client.read() == [
        '{"push":{"channel":"news","pub":{"data":2,"offset":2,"tags":{"parity":"even"}}}}',
        '{"push":{"channel":"news","pub":{"data":4,"offset":5,"tags":{"parity":"even"}}}}',
    ]
    assert numbers(other) == [1, 2, 3, 0, 4]


def test_what_nobody_wants_is_not_even_encoded() -> None:
    world = World({"": FILTERED})
    subscribe(world.connect())
    publish(world, 1, 3, 5)
    assert world.node.stats.broadcasts_encoded == 0


def test_a_gap_is_noticed_by_the_next_publication_wanted_or_not() -> None:
    for number in (2, 3):
        world = World({"": FILTERED})
        client = world.connect()
        subscribe(client)
        publish(world, 1)
        world.broker._subscribed.clear()
        publish(world, 1)
        world.broker._subscribed.add("news")
        publish(world, number)
        assert client.read() == [GAP]


def test_a_position_is_kept_over_what_is_not_wanted() -> None:
    """The periodic look at the position finds nothing wrong."""
    world = World({"": FILTERED}, ping_interval=0.0)
    client = world.connect()
    subscribe(client)
    publish(world, 1, 3, 5)
    world.advance(200)
    assert client.read() == []
    assert client.closed is None


def test_channels_without_history_are_filtered_too() -> None:
    world = World({"": OPEN | {"allow_tags_filter": True}})
    client = world.connect()
    subscribe(client)
    publish(world, 1, 2, 3, 4)
    assert numbers(client) == [2, 4]


def test_publications_without_history_are_filtered_between_those_with_it() -> None:
    world = World({"": FILTERED})
    client = world.connect()
    subscribe(client)
    publish(world, 1, 2)
    publish(world, 3, 4, skip_history=True)
    publish(world, 5, 6)
    assert numbers(client) == [2, 4, 6]


def test_server_side_subscriptions_get_everything() -> None:
    world = World({"": FILTERED})
    client = world.connect(channels=["news"])
    publish(world, 1, 2)
    assert numbers(client) == [1, 2]


def test_joins_are_not_filtered() -> None:
    world = World({"": FILTERED | {"join_leave": True, "force_push_join_leave": True}})
    client = world.connect()
    subscribe(client)
    client.read()
    world.subscribed("news", "43")
    (message,) = client.read()
    assert '"join"' in message


def test_the_next_subscription_has_a_filter_of_its_own() -> None:
    world = World({"": FILTERED})
    client = world.connect()
    subscribe(client)
    client.ask('{"id":7,"unsubscribe":{"channel":"news"}}')
    subscribe(client, EVEN.replace("even", "odd"))
    publish(world, 1, 2)
    assert numbers(client) == [1]


# ── while subscribing ────────────────────────────────────────────────────────────────────────


def test_what_comes_while_subscribing_is_filtered_and_moves_the_position() -> None:
    world = World({"": FILTERED})
    publish(world, 1, 2)
    client = world.connect()
    world.gates.shut("history")
    client.send(
        f'{{"id":2,"subscribe":{{"channel":"news","recover":true,"offset":0,"epoch":"E1"{EVEN}}}}}'
    )
    publish(world, 3, 4)
    world.gates.open("history")
    publish(world, 5, 6)
    reply, *pushes = client.read()
    assert recovered(json.loads(reply)["subscribe"]) == [2, 4]
    assert [json.loads(push)["push"]["pub"]["data"] for push in pushes] == [6]


def test_what_comes_after_the_history_was_read_moves_the_position() -> None:
    world = World({"": FILTERED})
    client = world.connect()
    world.gates.shut("history read")
    client.send(f'{{"id":2,"subscribe":{{"channel":"news"{EVEN}}}}}')
    publish(world, 1, 2, 3)
    world.gates.open("history read")
    publish(world, 4)
    _, *pushes = client.read()
    assert [json.loads(push)["push"].get("pub", {}).get("data") for push in pushes] == [2, 4]


def test_what_is_not_wanted_does_not_make_a_client_slow() -> None:
    """Only its offset is held, not its payload."""
    world = World({"": FILTERED}, queue_max_size=2000)
    client = world.connect()
    world.gates.shut("history")
    client.send(f'{{"id":2,"subscribe":{{"channel":"news"{EVEN}}}}}')
    options = publish_options(world.policy.rules.channels.options("news"))
    for _ in range(5):
        world.clock.result(world.node.publish("news", Publication(b"1" * 1500), options))
    world.gates.open("history")
    assert client.closed is None
    assert '"offset":5' in client.read()[0]


def test_what_is_held_is_limited_even_if_none_of_it_is_wanted() -> None:
    world = World({"": FILTERED | {"history_size": 100}}, queue_max_size=2000)
    client = world.connect()
    world.gates.shut("history")
    client.send(f'{{"id":2,"subscribe":{{"channel":"news"{EVEN}}}}}')
    publish(world, *[1] * 50)
    world.gates.open("history")
    assert client.closed == (3008, "slow")


# ── after a cut ──────────────────────────────────────────────────────────────────────────────


def recovering(offset: int, epoch: str = "E1") -> str:
    return f'{EVEN},"recover":true,"offset":{offset},"epoch":"{epoch}"'


def test_only_what_matches_is_recovered() -> None:
    world = World({"": FILTERED})
    publish(world, 1, 2, 3, 4, 5)
    client = world.connect()
    result = subscribe(client, recovering(1))
    assert recovered(result) == [2, 4]
    assert result["offset"] == 1
    publish(world, 6)
    assert numbers(client) == [6]


def test_what_is_not_wanted_fills_the_gap_all_the_same() -> None:
    world = World({"": FILTERED})
    publish(world, 1, 3, 5)
    assert recovered(subscribe(world.connect(), recovering(0))) == []


def test_what_is_gone_is_a_gap_wanted_or_not() -> None:
    world = World({"": FILTERED | {"history_size": 2}})
    publish(world, 1, 2, 4)
    assert "recovered" not in subscribe(world.connect(), recovering(0))


CACHE = FILTERED | {"force_recovery_mode": "cache"}


@pytest.mark.parametrize(("published", "found"), [((2, 4, 1, 3), [4]), ((1, 3), []), ((1, 2), [2])])
def test_a_cache_brings_the_latest_that_matches(published: list[int], found: list[int]) -> None:
    world = World({"": CACHE})
    publish(world, *published)
    client = world.connect()
    result = subscribe(client, f'{EVEN},"recover":true')
    assert recovered(result) == found
    assert result["offset"] == len(published)
    publish(world, 5, 6)
    assert numbers(client) == [6]


def test_a_cache_is_searched_as_far_as_recovery_goes() -> None:
    world = World({"": CACHE}, recovery_max_publication_limit=2)
    publish(world, 2, 1, 3)
    assert recovered(subscribe(world.connect(), f'{EVEN},"recover":true')) == []


def test_a_client_that_has_the_latest_gets_nothing_from_a_cache() -> None:
    world = World({"": CACHE})
    publish(world, 2, 1)
    assert recovered(subscribe(world.connect(), recovering(2))) == []


# ── what is refused ──────────────────────────────────────────────────────────────────────────

BAD_REQUEST = '{"id":2,"error":{"code":107,"message":"bad request"}}'


@pytest.mark.parametrize(
    ("options", "tf"),
    [
        (OPEN | HISTORY, '{"key":"k","cmp":"ex"}'),
        (FILTERED, "{}"),
        (FILTERED, '{"key":"k","cmp":"eq"}'),
        (FILTERED, '{"op":"and"}'),
        (FILTERED, '{"op":"or","nodes":[null]}'),
        (FILTERED, '{"op":"not","nodes":[' * 20 + '{"key":"k","cmp":"ex"}' + "]}" * 20),
        (FILTERED, '{"op":"or","nodes":[' + ",".join(['{"key":"k","cmp":"ex"}'] * 300) + "]}"),
    ],
    ids=["not allowed", "empty", "no val", "no nodes", "null node", "deep", "wide"],
)
def test_a_filter_that_may_not_be_is_refused(options: dict[str, Any], tf: str) -> None:
    """And leaves nothing behind: the client may subscribe without it."""
    world = World({"": options})
    client = world.connect()
    assert client.ask(f'{{"id":2,"subscribe":{{"channel":"news","tf":{tf}}}}}') == [BAD_REQUEST]
    assert not world.node.hub.num_subscriptions
    client.subscribe("news")


@pytest.mark.parametrize("tf", ['"eq"', "[]", '{"key":1}', '{"nodes":{}}', '{"vals":"a"}'])
def test_what_is_no_filter_at_all_ends_the_connection(tf: str) -> None:
    client = World({"": FILTERED}).connect()
    client.send(f'{{"id":2,"subscribe":{{"channel":"news","tf":{tf}}}}}')
    assert client.closed == (3501, "bad request")


def test_no_filter_is_no_filter() -> None:
    world = World({"": OPEN})
    client = world.connect()
    client.subscribe("news", ',"tf":null')
    publish(world, 1, 2)
    assert numbers(client) == [1, 2]
