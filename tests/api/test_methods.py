"""What the methods ask the node to do, whoever asked and how."""

from typing import Any

import pytest

from girandola.api.schema import base64
from girandola.core.grants import PublishOptions, SubscribeGrant
from girandola.core.node import SLICE, Target
from girandola.core.ports import PublishResult
from girandola.errors import FORCE_DISCONNECT, Disconnect
from girandola.model import ClientInfo, Publication
from girandola.options import ChannelOptions, ChannelSection
from girandola.protocol.commands import Recovery
from tests.api.conftest import Api


def granted(api: Api) -> SubscribeGrant:
    grant = api.node.asked[-1][3]
    assert isinstance(grant, SubscribeGrant)
    return grant


def test_a_publication_carries_data_and_tags(api: Api) -> None:
    api.call("publish", '{"channel":"chat:1","data":[1, 2],"tags":{"k":"v"}}')
    [publication] = api.clock.result(api.node.history("chat:1")).publications
    assert publication.data == b"[1, 2]"
    assert publication.tags == {"k": "v"}


def test_base64_goes_before_json_and_may_be_wrapped(api: Api) -> None:
    api.call("publish", '{"channel":"chat:1","data":1,"b64data":"eyJh\\r\\nIjoxfQ=="}')
    assert api.stored("chat:1") == [b'{"a":1}']


def test_skip_history_keeps_nothing(api: Api) -> None:
    body = '{"channel":"chat:1","data":1,"skip_history":true}'
    assert api.call("publish", body) == '{"result":{}}'
    assert api.stored("chat:1") == []


@pytest.mark.parametrize("method", ["publish", "broadcast"])
@pytest.mark.parametrize("wanted", [True, False])
def test_the_delta_flag_reaches_the_engine(
    api: Api, monkeypatch: pytest.MonkeyPatch, method: str, wanted: bool
) -> None:
    asked: list[PublishOptions] = []

    async def publish(channel: str, publication: Publication, options: PublishOptions) -> Any:
        asked.append(options)
        return PublishResult()

    monkeypatch.setattr(api.node, "publish", publish)
    flag = ',"delta":true' if wanted else ""
    api.call(method, f'{{"channel":"chat:1","channels":["chat:1"],"data":1{flag}}}')
    assert [options.delta for options in asked] == [wanted]


def test_old_versions_are_not_published(api: Api) -> None:
    for version in (2, 1, 3):
        api.call("publish", f'{{"channel":"chat:1","data":{version},"version":{version}}}')
    api.call("publish", '{"channel":"chat:1","data":4,"version":1,"version_epoch":"x"}')
    assert api.stored("chat:1") == [b"2", b"3", b"4"]


def test_a_broadcast_reaches_every_channel_once_per_key(api: Api) -> None:
    body = '{"channels":["chat:1","chat:2"],"data":1,"idempotency_key":"k","tags":{"a":"b"}}'
    assert api.call("broadcast", body) == api.call("broadcast", body)
    assert (api.stored("chat:1"), api.stored("chat:2")) == ([b"1"], [b"1"])


def test_a_broadcast_to_many_channels_makes_no_task(api: Api) -> None:
    """With an engine that never waits, hundreds of publications wait for nothing."""
    channels = ",".join(f'"c{number}"' for number in range(SLICE))
    answer = api.call("broadcast", f'{{"channels":[{channels}],"data":1}}')
    assert answer.count('{"result":{}}') == SLICE
    assert api.clock.waits == 0


def test_huge_requests_let_others_have_a_turn(api: Api) -> None:
    channels = ",".join(f'"c{number}"' for number in range(SLICE + 1))
    api.call("broadcast", f'{{"channels":[{channels}],"data":1}}')
    assert api.clock.waits == 1


@pytest.mark.parametrize(
    ("channel", "data", "accepted"),
    [
        ("json:1", '"b64data":"eA=="', False),
        ("json:1", '"b64data":"MQ=="', True),
        ("json:1", '"data":1', True),
        ("json:1", f'"b64data":"{base64(b"[" * 256 + b"]" * 256)}"', True),
        ("json:1", f'"b64data":"{base64(b"[" * 257 + b"]" * 257)}"', False),
        ("object:1", f'"b64data":"{base64(b" {}")}"', True),
        ("object:1", '"data":1', False),
        ("object:1", '"data":{}', True),
        ("binary:1", '"b64data":"eA=="', True),
        ("binary:1", '"data":1', True),
        ("binary:1", '"tags":{}', True),
        ("chat:1", '"b64data":"eA=="', True),
        ("chat:1", '"tags":{}', False),
    ],
)
def test_namespaces_say_what_data_is(api: Api, channel: str, data: str, accepted: bool) -> None:
    answer = api.call("publish", f'{{"channel":"{channel}",{data}}}')
    assert ("107" not in answer) == accepted
    broadcast = api.call("broadcast", f'{{"channels":["{channel}"],{data}}}')
    assert ("107" not in broadcast) == accepted


def test_connections_are_named_by_user_client_and_session(api: Api) -> None:
    body = '{"user":"42","client":"c1","session":"s1","channel":"chat:1"}'
    target = Target("42", "c1", "s1")
    for name in ("subscribe", "unsubscribe", "disconnect", "refresh"):
        api.call(name, body)
        assert api.node.asked[-1][:2] == (name, target)


def test_a_subscription_gets_what_its_namespace_offers(api: Api) -> None:
    api.call("subscribe", '{"user":"42","channel":"all:1"}')
    grant = granted(api)
    assert (grant.presence, grant.join_leave, grant.recoverable) == (True, False, True)
    assert grant.recovery == Recovery()


def test_a_subscription_gets_what_the_caller_gives(api: Api) -> None:
    api.call(
        "subscribe",
        '{"user":"42","channel":"all:1","info":{"i":1},"b64data":"eyJkIjoxfQ==","expire_at":1700,'
        '"recover_since":{"offset":5,"epoch":"abc"},"override":{"presence":{},'
        '"join_leave":{"value":true},"force_push_join_leave":{"value":true},'
        '"force_recovery":{"value":false},"force_positioning":{"value":true}}}',
    )
    grant = granted(api)
    assert (grant.chan_info, grant.data, grant.expire_at) == (b'{"i":1}', b'{"d":1}', 1700)
    assert (grant.presence, grant.join_leave, grant.push_join_leave) == (False, True, True)
    assert (grant.recoverable, grant.positioned) == (False, True)
    assert grant.recovery == Recovery(recover=True, offset=5, epoch="abc")


def test_an_override_left_out_overrides_nothing(api: Api) -> None:
    api.call("subscribe", '{"channel":"all:1","override":{"presence":null,"join_leave":{}}}')
    assert granted(api).presence
    assert granted(api).recoverable


def test_unsubscribe_without_channel_means_all(api: Api) -> None:
    api.call("unsubscribe", '{"user":"42"}')
    assert api.node.asked == [("unsubscribe", Target("42"), "")]


def test_disconnect_uses_the_code_given_or_force_disconnect(api: Api) -> None:
    api.call("disconnect", '{"user":"42","whitelist":["c1","c2"]}')
    api.call("disconnect", '{"user":"42","disconnect":{"code":4001,"reason":"bye"}}')
    assert api.node.asked == [
        ("disconnect", Target("42"), FORCE_DISCONNECT, {"c1", "c2"}),
        ("disconnect", Target("42"), Disconnect(4001, "bye"), set()),
    ]


@pytest.mark.parametrize("code", [0, 1000, 2999, 5000])
def test_disconnect_codes_are_those_of_close_frames(api: Api, code: int) -> None:
    answer = api.call("disconnect", f'{{"disconnect":{{"code":{code},"reason":"x"}}}}')
    assert '"code":107' in answer


def test_disconnect_reasons_fit_a_close_frame(api: Api) -> None:
    long = "é" * 62
    answer = api.call("disconnect", f'{{"disconnect":{{"code":4000,"reason":"{long}"}}}}')
    assert '"code":107' in answer
    assert api.node.asked == []


def test_refresh_changes_only_what_is_given(api: Api) -> None:
    api.call("refresh", '{"user":"42"}')
    api.call("refresh", '{"user":"42","expired":true,"expire_at":99,"info":{"n":1}}')
    assert api.node.asked == [
        ("refresh", Target("42"), False, 0, None),
        ("refresh", Target("42"), True, 99, b'{"n":1}'),
    ]


def test_history_remove_forgets(api: Api) -> None:
    api.publish("chat:1", "1", "2")
    api.call("history_remove", '{"channel":"chat:1"}')
    assert api.stored("chat:1") == []
    assert '"offset":3' in api.call("publish", '{"channel":"chat:1","data":3}')


def test_history_goes_backwards(api: Api) -> None:
    api.publish("chat:1", "1", "2", "3")
    answer = api.call(
        "history", '{"channel":"chat:1","limit":5,"reverse":true,"since":{"offset":3}}'
    )
    assert '[{"data":2,"offset":2},{"data":1,"offset":1}]' in answer


def test_a_reload_holds_at_once(api: Api) -> None:
    assert "108" in api.call("presence", '{"channel":"a"}')
    api.section = ChannelSection(without_namespace=ChannelOptions(presence=True))
    assert api.call("presence", '{"channel":"a"}') == '{"result":{"presence":{}}}'


def test_presence_leaves_out_info_that_json_cannot_carry(api: Api) -> None:
    api.clock.result(api.node.add_presence("chat:1", "c1", ClientInfo("42", "c1", b"\xff", b"1")))
    answer = api.call("presence", '{"channel":"chat:1"}')
    assert '"c1":{"user":"42","client":"c1","chan_info":1}' in answer
