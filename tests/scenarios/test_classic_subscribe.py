"""Who may subscribe in 2018, and how it ends: classic.md sections 3.2, 3.3, 4.8 and 4.10."""

from pathlib import Path
from typing import Any

import pytest

from girandola.config.problems import ConfigError
from tests.scenarios.classic_world import Client, World, private

NAMESPACES = {"namespaces": [{"name": "chat"}, {"name": "news", "anonymous": True}]}
OPEN_NAMESPACES = {
    "namespaces": [
        {"name": name, "publish": True, "presence": True, "history_size": 9, "history_lifetime": 9}
        for name in ("chat", "news")
    ]
}

YES = ""
DENIED = "permission denied"
NOT_FOUND = "namespace not found"
LIMIT = "limit exceeded"


def subscribe(client: Client, params: str) -> str:
    """Return the literal answer to a subscribe, without the pushes around it."""
    (answer,) = [
        frame
        for frame in client.send(f'{{"uid":"5","method":"subscribe","params":{params}}}')
        if '"uid":"5"' in frame
    ]
    return answer


def subscribed(channel: str) -> str:
    return (
        '{"uid":"5","method":"subscribe","body":'
        f'{{"channel":"{channel}","status":true,"last":"","messages":null,"recovered":false}}}}'
    )


def refused(channel: str, error: str) -> str:
    return (
        f'{{"uid":"5","method":"subscribe","error":"{error}","advice":"fix","body":'
        f'{{"channel":"{channel}","status":false,"last":"","messages":null,"recovered":false}}}}'
    )


def try_to_subscribe(client: Client, channel: str) -> str:
    """Return the error of a subscribe, ``YES`` when there is none; literally checked."""
    answer = subscribe(client, f'{{"channel":"{channel}"}}')
    for error in (DENIED, NOT_FOUND, LIMIT):
        if answer == refused(channel, error):
            return error
    assert answer == subscribed(channel)
    return YES


# ── channel names: section 3.2 ───────────────────────────────────────────────────────────────

EXAMPLES = [
    # channel, for user 42, for user 44, for the anonymous user
    ("updates", YES, YES, DENIED),
    ("chat:room1", YES, YES, DENIED),
    ("chat:a:b", YES, YES, DENIED),
    ("news:today", YES, YES, YES),
    ("$chat:vip", DENIED, DENIED, DENIED),
    ("inbox#42", YES, DENIED, DENIED),
    ("chat:dm#42,43", YES, DENIED, DENIED),
    ("$pay#42", DENIED, DENIED, DENIED),
    ("dev&ID", YES, YES, DENIED),
    ("dev&7a37e561-c720-4608-52a8-a964a9db7a8a", DENIED, DENIED, DENIED),
    ("shop:x", NOT_FOUND, NOT_FOUND, NOT_FOUND),
    # the rules behind the examples
    (":x", YES, YES, DENIED),
    ("Chat:x", NOT_FOUND, NOT_FOUND, NOT_FOUND),
    ("room#10:20", DENIED, DENIED, DENIED),
    ("room#42:42", DENIED, DENIED, DENIED),
    ("room:10#42", NOT_FOUND, DENIED, DENIED),
    ("news:x#42#43", DENIED, DENIED, DENIED),
    ("news:x#43#42", YES, DENIED, DENIED),
    ("news:x#42, 44", YES, DENIED, DENIED),
    ("news:x#", DENIED, DENIED, YES),
    ("news:x#42,", YES, DENIED, DENIED),
    ("news:x&OTHER&ID", YES, YES, YES),
    ("news:x&ID&OTHER", DENIED, DENIED, DENIED),
    ("news:x&ID#42", DENIED, DENIED, DENIED),
    (" a/*\\n?ü ", YES, YES, DENIED),
    ("$", DENIED, DENIED, DENIED),
]


@pytest.mark.parametrize(("channel", "for_42", "for_44", "for_nobody"), EXAMPLES)
def test_who_may_subscribe_without_a_sign(
    tmp_path: Path, channel: str, for_42: str, for_44: str, for_nobody: str
) -> None:
    world = World(tmp_path, **NAMESPACES)
    for user, expected in {"42": for_42, "44": for_44, "": for_nobody}.items():
        assert try_to_subscribe(world.client(user=user), channel) == expected, f"user {user!r}"


@pytest.mark.parametrize(
    ("channel", "user", "expected"),
    [
        ("$chat:vip", "42", YES),
        ("$pay#42", "42", YES),
        ("$pay#42", "43", DENIED),
        ("$vip", "", DENIED),
        ("$news:vip", "", YES),
        ("$shop:x", "42", NOT_FOUND),
        ("$dev&ID", "42", YES),
        ("$dev&OTHER", "42", DENIED),
        ("$$chat:x", "42", NOT_FOUND),
    ],
)
def test_who_may_subscribe_with_a_sign(
    tmp_path: Path, channel: str, user: str, expected: str
) -> None:
    client = World(tmp_path, **NAMESPACES).client(user=user)
    answer = subscribe(client, private(channel, "ID"))
    assert answer == (refused(channel, expected) if expected else subscribed(channel))


@pytest.mark.parametrize(
    ("options", "channel", "expected"),
    [
        ({"private_channel_prefix": "%%"}, "%%a", DENIED),
        ({"private_channel_prefix": "%%"}, "$a", YES),
        ({"namespace_channel_boundary": "::"}, "chat::a", YES),
        ({"namespace_channel_boundary": "::"}, "shop:a", YES),
        ({"namespace_channel_boundary": "::"}, "shop::a", NOT_FOUND),
        ({"user_channel_boundary": "@@"}, "a@@42", YES),
        ({"user_channel_boundary": "@@"}, "a@@43", DENIED),
        ({"user_channel_boundary": "@@"}, "a#43", YES),
        ({"user_channel_separator": "--"}, "a#43--42", YES),
        ({"user_channel_separator": "--"}, "a#43,42", DENIED),
        ({"client_channel_boundary": "=="}, "a==ID", YES),
        ({"client_channel_boundary": "=="}, "a==OTHER", DENIED),
        ({"client_channel_boundary": "=="}, "a&OTHER", YES),
    ],
)
def test_the_special_tokens_can_be_chosen(
    tmp_path: Path, options: dict[str, str], channel: str, expected: str
) -> None:
    client = World(tmp_path, **NAMESPACES, **options).client()
    assert try_to_subscribe(client, channel) == expected


@pytest.mark.parametrize("name", ["private_channel_prefix", "user_channel_boundary"])
def test_what_closed_every_channel_opens_none_today(tmp_path: Path, name: str) -> None:
    """Today an empty one switches a restriction off, so the start is refused."""
    with pytest.raises(ConfigError, match=f"{name}: expected a text: empty, .* of 2018"):
        World(tmp_path, **{name: ""})


def test_a_namespace_inherits_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, anonymous=True, **NAMESPACES)
    nobody = world.client(user="")
    assert try_to_subscribe(nobody, "updates") == YES
    assert try_to_subscribe(nobody, "chat:room1") == DENIED


# ── which check applies where: section 3.3 ───────────────────────────────────────────────────


def test_a_name_may_have_as_many_bytes_as_configured(tmp_path: Path) -> None:
    client = World(tmp_path, max_channel_length=6).client()
    assert try_to_subscribe(client, "abcdef") == YES
    assert try_to_subscribe(client, "äöü") == YES
    assert try_to_subscribe(client, "abcdefg") == LIMIT
    assert try_to_subscribe(client, "äöüa") == LIMIT


def test_the_default_length_is_255(tmp_path: Path) -> None:
    client = World(tmp_path).client()
    assert try_to_subscribe(client, "a" * 255) == YES
    assert try_to_subscribe(client, "a" * 256) == LIMIT


NOT_FOR_API = ["a" * 300, "inbox#43", "dev&OTHER", "$vip", "chat:" + "a" * 300]


@pytest.mark.parametrize("channel", NOT_FOR_API, ids=["long", "user", "client", "private", "ns"])
def test_the_application_may_use_every_name(tmp_path: Path, channel: str) -> None:
    """Length, users, clients and signs limit clients only; the publish option, too."""
    options = {"presence": True, "history_size": 9, "history_lifetime": 9}
    world = World(tmp_path, **options, namespaces=[{"name": "chat", **options}])
    world.publish(channel, "1")
    assert world.api("broadcast", f'{{"channels":["{channel}"],"data":2}}') == (
        '{"method":"broadcast","error":null,"body":null}'
    )
    assert world.api("history", f'{{"channel":"{channel}"}}') == (
        '{"method":"history","error":null,"body":'
        f'{{"channel":"{channel}","data":[{{"uid":"A2","channel":"{channel}","data":2}},'
        f'{{"uid":"A1","channel":"{channel}","data":1}}]}}}}'
    )
    assert world.api("presence", f'{{"channel":"{channel}"}}') == (
        f'{{"method":"presence","error":null,"body":{{"channel":"{channel}","data":{{}}}}}}'
    )
    assert world.api("unsubscribe", f'{{"user":"42","channel":"{channel}"}}') == (
        '{"method":"unsubscribe","error":null,"body":null}'
    )


def test_the_application_needs_a_namespace_that_exists(tmp_path: Path) -> None:
    world = World(tmp_path, **NAMESPACES)
    no_data = '"body":{"channel":"shop:x","data":null}}'
    for method, params, rest in (
        ("publish", '{"channel":"shop:x","data":1}', '"advice":"fix","body":null}'),
        ("broadcast", '{"channels":["shop:x"],"data":1}', '"advice":"fix","body":null}'),
        ("presence", '{"channel":"shop:x"}', no_data),
        ("history", '{"channel":"shop:x"}', no_data),
        ("unsubscribe", '{"user":"42","channel":"shop:x"}', '"body":null}'),
    ):
        assert world.api(method, params) == (
            f'{{"method":"{method}","error":"namespace not found",{rest}'
        )


def test_the_application_needs_the_option_to_read(tmp_path: Path) -> None:
    world = World(tmp_path)
    for method in ("presence", "history"):
        assert world.api(method, '{"channel":"a"}') == (
            f'{{"method":"{method}","error":"not available","body":{{"channel":"a","data":null}}}}'
        )


# ── subscribe: section 4.8 ───────────────────────────────────────────────────────────────────


def test_subscribing_twice_is_refused(tmp_path: Path) -> None:
    client = World(tmp_path).client()
    assert try_to_subscribe(client, "a") == YES
    assert subscribe(client, '{"channel":"a"}') == refused("a", "already subscribed")


def test_as_many_channels_as_configured(tmp_path: Path) -> None:
    client = World(tmp_path, client_channel_limit=2).client()
    assert [try_to_subscribe(client, name) for name in "abc"] == [YES, YES, LIMIT]
    client.call("unsubscribe", '{"channel":"a"}')
    assert try_to_subscribe(client, "c") == YES


def test_a_limit_of_0_is_the_default(tmp_path: Path) -> None:
    client = World(tmp_path, client_channel_limit=0).client()
    answers = [try_to_subscribe(client, f"a{number}") for number in range(129)]
    assert answers == [YES] * 128 + [LIMIT]


ORDER: list[tuple[str, dict[str, Any], str, str, str]] = [
    # each request fails by the named check and by all that come after it
    ("length before all", {"max_channel_length": 2}, "42", "$shop:x#43", LIMIT),
    ("users before namespace", {}, "42", "$shop:x#43", DENIED),
    ("clients before namespace", {}, "42", "$shop:x&OTHER", DENIED),
    ("namespace before anonymous", {}, "", "$shop:x", NOT_FOUND),
]


@pytest.mark.parametrize(
    ("options", "user", "channel", "error"), [row[1:] for row in ORDER], ids=[r[0] for r in ORDER]
)
def test_the_first_check_that_fails_is_told(
    tmp_path: Path, options: dict[str, Any], user: str, channel: str, error: str
) -> None:
    client = World(tmp_path, **options).client(user=user)
    assert subscribe(client, f'{{"channel":"{channel}"}}') == refused(channel, error)


def test_the_count_is_checked_before_the_subscription(tmp_path: Path) -> None:
    client = World(tmp_path, client_channel_limit=1).client()
    client.subscribe("a")
    assert subscribe(client, '{"channel":"a"}') == refused("a", LIMIT)


SIGN_OF_VIP = "cd0707c97da011a4d38b30acf1f22a0a6cfa609ca52c2f41409cf4c2e484994d"
SIGN_OF_VIP_WITH_INFO = "dbe037c73e5ebdb8578d55d39ce6605f8bfa48c2b790b41476846a30b0bb4526"
OWN = "7a37e561-c720-4608-52a8-a964a9db7a8a"


@pytest.mark.parametrize(
    ("info", "sign"), [("", SIGN_OF_VIP), (r"{\"role\":\"mod\"}", SIGN_OF_VIP_WITH_INFO)]
)
def test_the_signs_of_the_specification_are_good(tmp_path: Path, info: str, sign: str) -> None:
    client = World(tmp_path).client(OWN)
    params = f'{{"channel":"$vip","client":"{OWN}","info":"{info}","sign":"{sign}"}}'
    assert subscribe(client, params) == subscribed("$vip")


@pytest.mark.parametrize(
    "params",
    [
        '{"channel":"$vip"}',
        f'{{"channel":"$vip","client":"{OWN}"}}',
        f'{{"channel":"$vip","client":"{OWN}","info":"","sign":""}}',
        f'{{"channel":"$vip","client":"{OWN}","info":"1","sign":"{SIGN_OF_VIP}"}}',
        f'{{"channel":"$vip","client":"{OWN}","sign":"{SIGN_OF_VIP.upper()}"}}',
        f'{{"channel":"$vip2","client":"{OWN}","sign":"{SIGN_OF_VIP}"}}',
        f'{{"channel":"vip$","client":"{OWN}","sign":"{SIGN_OF_VIP}"}}'.replace("vip$", "$v"),
        private("$vip", "OTHER"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"insecure": True}], ids=["secure", "insecure"])
def test_a_private_channel_without_its_sign_is_denied(
    tmp_path: Path, params: str, options: dict[str, bool]
) -> None:
    """In insecure mode, too."""
    client = World(tmp_path, **options).client(OWN)
    answer = subscribe(client, params)
    assert answer in {refused(channel, DENIED) for channel in ("$vip", "$vip2", "$v")}


def test_the_info_of_a_sign_is_seen_by_the_others(tmp_path: Path) -> None:
    world = World(tmp_path, presence=True, join_leave=True, publish=True)
    client = world.client(info='{"a": 1}')
    info = '{"default_info":{"a":1},"channel_info":{"role":"<mod>"},"user":"42","client":"ID"}'
    assert client.call("subscribe", private("$vip", "ID", '{"role": "<mod>"}')) == [
        '{"method":"subscribe","body":'
        '{"channel":"$vip","status":true,"last":"","messages":null,"recovered":false}}',
        f'{{"method":"join","body":{{"channel":"$vip","data":{info}}}}}',
    ]
    assert client.call("publish", '{"channel":"$vip","data":1}')[0] == (
        f'{{"method":"message","body":{{"uid":"*","client":"ID","info":{info},'
        '"channel":"$vip","data":1}}'
    )
    safe = info.replace("<", r"\u003c").replace(">", r"\u003e")
    assert client.call("presence", '{"channel":"$vip"}') == [
        f'{{"method":"presence","body":{{"channel":"$vip","data":{{"ID":{safe}}}}}}}'
    ]


def test_signs_are_ignored_where_none_is_needed(tmp_path: Path) -> None:
    world = World(tmp_path, join_leave=True)
    client = world.client()
    answers = client.call(
        "subscribe", '{"channel":"a","client":"OTHER","info":"{}","sign":"garbage"}'
    )
    assert answers[1] == (
        '{"method":"join","body":{"channel":"a","data":{"user":"42","client":"ID"}}}'
    )


def test_info_that_is_no_json_becomes_a_string(tmp_path: Path) -> None:
    """2018 servers copied it as it was and broke everybody's frames (classic.md section 13)."""
    by_option = {"allow_ambiguous_signatures": True}
    world = World(tmp_path, join_leave=True, presence=True, classic=by_option)
    client = world.client(info='{"broken')
    assert client.call("subscribe", '{"channel":"a"}')[1] == (
        r'{"method":"join","body":{"channel":"a","data":{"default_info":"{\"broken",'
        '"user":"42","client":"ID"}}}'
    )
    assert client.call("presence", '{"channel":"a"}') == [
        r'{"method":"presence","body":{"channel":"a","data":{"ID":{"default_info":"{\"broken",'
        '"user":"42","client":"ID"}}}}'
    ]


@pytest.mark.parametrize(
    ("channel", "expected"), [("updates", YES), ("chat:a", YES), ("a#42", DENIED), ("$a", DENIED)]
)
def test_insecure_mode_opens_channels_to_anonymous_users(
    tmp_path: Path, channel: str, expected: str
) -> None:
    """Limits by name and signs stay (section 4.14)."""
    client = World(tmp_path, insecure=True, **NAMESPACES).client(user="")
    assert try_to_subscribe(client, channel) == expected


def test_a_subscriber_sees_itself_join_and_is_present(tmp_path: Path) -> None:
    """After the response, as on the Redis servers of 2018 (classic.md section 0.4, fact 8)."""
    world = World(tmp_path, presence=True, join_leave=True)
    first, second = world.client("ONE"), world.client("TWO", user="43")
    first.subscribe("a")
    assert second.call("subscribe", '{"channel":"a"}') == [
        '{"method":"subscribe","body":'
        '{"channel":"a","status":true,"last":"","messages":null,"recovered":false}}',
        '{"method":"join","body":{"channel":"a","data":{"user":"43","client":"TWO"}}}',
    ]
    assert first.received() == [
        '{"method":"join","body":{"channel":"a","data":{"user":"43","client":"TWO"}}}'
    ]
    assert second.call("presence", '{"channel":"a"}') == [
        '{"method":"presence","body":{"channel":"a","data":{'
        '"ONE":{"user":"42","client":"ONE"},"TWO":{"user":"43","client":"TWO"}}}}'
    ]


def test_a_refused_subscribe_leaves_no_trace(tmp_path: Path) -> None:
    world = World(tmp_path, presence=True, join_leave=True)
    client, other = world.client(user=""), world.client("OTHER")
    other.subscribe("a")
    assert try_to_subscribe(client, "a") == DENIED
    assert other.received() == []
    assert world.node.hub.num_subscriptions == 1
    assert client.send('{"method":"ping"}') == ['{"method":"ping"}']


# ── unsubscribe: section 4.10 ────────────────────────────────────────────────────────────────


def test_unsubscribing_takes_the_client_out_of_the_channel(tmp_path: Path) -> None:
    """The others hear of it; the leaver does not, as on the Redis servers of 2018."""
    world = World(tmp_path, presence=True, join_leave=True)
    client, other = world.client(), world.client("OTHER", user="43")
    client.subscribe("a")
    other.subscribe("a")
    client.received()
    assert client.send('{"uid":"8","method":"unsubscribe","params":{"channel":"a"}}') == [
        '{"uid":"8","method":"unsubscribe","body":{"channel":"a","status":true}}'
    ]
    assert other.received() == [
        '{"method":"leave","body":{"channel":"a","data":{"user":"42","client":"ID"}}}'
    ]
    assert '"ID"' not in world.api("presence", '{"channel":"a"}')
    world.publish("a", "1")
    assert client.received() == []
    assert len(other.received()) == 1


def test_unsubscribing_from_what_one_is_not_subscribed_to_succeeds(tmp_path: Path) -> None:
    world = World(tmp_path, join_leave=True)
    other = world.client("OTHER")
    other.subscribe("a")
    assert world.client().call("unsubscribe", '{"channel":"a"}') == [
        '{"method":"unsubscribe","body":{"channel":"a","status":true}}'
    ]
    assert other.received() == []


@pytest.mark.xfail(strict=True, reason="the core never refuses an unsubscribe")
def test_unsubscribing_from_an_unknown_namespace_is_refused(tmp_path: Path) -> None:
    assert World(tmp_path).client().call("unsubscribe", '{"channel":"shop:x"}') == [
        '{"method":"unsubscribe","error":"namespace not found","advice":"fix",'
        '"body":{"channel":"shop:x","status":false}}'
    ]


def test_the_application_unsubscribes_a_user_from_a_channel(tmp_path: Path) -> None:
    world = World(tmp_path)
    one, two = world.client("ONE"), world.client("TWO")
    one.subscribe("a")
    one.subscribe("b")
    two.subscribe("a")
    world.api("unsubscribe", '{"user":"42","channel":"a"}')
    push = '{"method":"unsubscribe","body":{"channel":"a","status":true}}'
    assert one.received() == two.received() == [push]
    world.publish("a", "1")
    world.publish("b", "2")
    assert one.received() == ['{"method":"message","body":{"uid":"*","channel":"b","data":2}}']
    assert two.received() == []


def test_the_application_unsubscribes_a_user_from_all_channels(tmp_path: Path) -> None:
    world = World(tmp_path)
    client = world.client()
    client.subscribe("a")
    client.subscribe("b")
    world.api("unsubscribe", '{"user":"42"}')
    assert sorted(client.received()) == [
        '{"method":"unsubscribe","body":{"channel":"a","status":true}}',
        '{"method":"unsubscribe","body":{"channel":"b","status":true}}',
    ]
    assert world.node.hub.num_subscriptions == 0
    assert try_to_subscribe(client, "a") == YES
