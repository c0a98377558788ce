"""Today's API on the wire: appendix A of server.md, literally, and who may call."""

import json
import logging
from typing import Any

import cent
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from girandola.api.methods import METHODS
from girandola.core.grants import PublishOptions
from girandola.model import ClientInfo, Publication
from girandola.options import ClassicOptions, HttpApiOptions
from tests.api.conftest import KEY, Api

BAD_REQUEST = '{"error":{"code":107,"message":"bad request"}}'
UNKNOWN_CHANNEL = '{"error":{"code":102,"message":"unknown channel"}}'
NOT_AVAILABLE = '{"error":{"code":108,"message":"not available"}}'
NOT_FOUND = '{"error":{"code":104,"message":"not found"}}'

# ── answers, to the byte ─────────────────────────────────────────────────────────────────────


def test_publish_answers_with_the_position(api: Api) -> None:
    epoch = api.publish("chat:1", *"123456")
    answer = api.call("publish", '{"channel":"chat:1","data":{"t":"hi"},"idempotency_key":"k1"}')
    assert answer == '{"result":{"offset":7,"epoch":"' + epoch + '"}}'
    again = api.call("publish", '{"channel":"chat:1","data":{"t":"hi"},"idempotency_key":"k1"}')
    assert again == answer
    assert len(api.stored("chat:1")) == 7


def test_publish_without_history_answers_with_nothing(api: Api) -> None:
    assert api.call("publish", '{"channel":"news","data":1}') == '{"result":{}}'


def test_broadcast_answers_for_each_channel(api: Api) -> None:
    epoch = api.publish("chat:1", *"1234567")
    answer = api.call("broadcast", '{"channels":["chat:1","nope:2","a"],"data":{}}')
    assert answer == (
        '{"result":{"responses":[{"result":{"offset":8,"epoch":"' + epoch + '"}},'
        '{"error":{"code":102,"message":"unknown channel"}},{"result":{}}]}}'
    )


def test_presence_tells_who_is_there(api: Api) -> None:
    info = ClientInfo("42", "c1", b'{"n":"A"}', b'{"m":1}')
    api.node.interest.appear("chat:1", info)
    api.node.interest.appear("chat:1", ClientInfo("", "c2"))
    assert api.call("presence", '{"channel":"chat:1"}') == (
        '{"result":{"presence":{"c1":{"user":"42","client":"c1","conn_info":{"n":"A"},'
        '"chan_info":{"m":1}},"c2":{"user":"","client":"c2"}}}}'
    )
    assert api.call("presence", '{"channel":"chat:2"}') == '{"result":{"presence":{}}}'


def test_presence_stats_always_has_both_numbers(api: Api) -> None:
    assert (
        api.call("presence_stats", '{"channel":"chat:1"}')
        == '{"result":{"num_clients":0,"num_users":0}}'
    )


def test_history_answers_with_a_page_and_the_top(api: Api) -> None:
    epoch = api.publish("chat:1", *"12345", '{"t":"x"}')
    api.call("publish", '{"channel":"chat:1","data":{"t":"y"},"tags":{"k":"v"}}')
    since = f'{{"channel":"chat:1","limit":2,"since":{{"offset":5,"epoch":"{epoch}"}}}}'
    assert api.call("history", since) == (
        '{"result":{"publications":[{"data":{"t":"x"},"offset":6},'
        '{"data":{"t":"y"},"offset":7,"tags":{"k":"v"}}],"epoch":"' + epoch + '","offset":7}}'
    )
    position_only = '{"result":{"publications":[],"epoch":"' + epoch + '","offset":7}}'
    assert api.call("history", '{"channel":"chat:1"}') == position_only
    everything = json.loads(api.call("history", '{"channel":"chat:1","limit":-1}'))
    assert [p["offset"] for p in everything["result"]["publications"]] == [1, 2, 3, 4, 5, 6, 7]


def test_history_tells_who_published(api: Api) -> None:
    publication = Publication(data=b"1", info=ClientInfo("42", "c1", b'{"n":1}'))
    options = PublishOptions(history_size=1, history_ttl=60)
    api.clock.result(api.node.publish("chat:1", publication, options))
    answer = api.call("history", '{"channel":"chat:1","limit":1,"reverse":true}')
    assert answer.startswith(
        '{"result":{"publications":[{"data":1,"info":{"user":"42","client":"c1",'
        '"conn_info":{"n":1}},"offset":1}],"epoch":"'
    )


def test_history_carries_binary_publications(api: Api) -> None:
    api.call("publish", '{"channel":"binary:1","b64data":"AP8="}')
    answer = json.loads(api.call("history", '{"channel":"binary:1","limit":1}'))
    assert answer["result"]["publications"] == [{"offset": 1, "b64data": "AP8="}]


def test_channels_lists_who_has_subscribers(api: Api) -> None:
    api.node.listeners = {"chat:2": 1, "chat:1": 3, "news": 1}
    assert (
        api.call("channels", '{"pattern":"chat:*"}')
        == '{"result":{"channels":{"chat:1":{"num_clients":3},"chat:2":{"num_clients":1}}}}'
    )
    api.node.listeners = {}
    assert api.call("channels", "{}") == '{"result":{"channels":{}}}'


def test_info_tells_of_the_nodes(api: Api) -> None:
    api.clock.advance(60)
    assert api.call("info", "{}") == (
        '{"result":{"nodes":[{"uid":"' + api.node.uid + '","name":"host_8000","version":"1.0",'
        '"num_clients":0,"num_users":0,"num_channels":0,"uptime":60,'
        '"metrics":{"interval":60,"items":{}},"num_subs":0}]}}'
    )


@pytest.mark.parametrize("parallel", ["true", "false"])
def test_batch_replies_in_order(api: Api, parallel: str) -> None:
    commands = (
        '{"commands":[{"publish":{"channel":"a","data":{}}},{"presence_stats":{"channel":"zz:1"}},'
        '{"presence_stats":{"channel":"chat:1"}},null,{"what":{}},{}],"parallel":' + parallel + "}"
    )
    assert api.call("batch", commands) == (
        '{"replies":[{"publish":{}},{"error":{"code":102,"message":"unknown channel"}},'
        '{"presence_stats":{"num_clients":0,"num_users":0}},'
        '{"error":{"code":107,"message":"bad request"}},'
        '{"error":{"code":104,"message":"not found"}},'
        '{"error":{"code":104,"message":"not found"}}]}'
    )


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("subscribe", '{"user":"42","channel":"chat:1"}'),
        ("unsubscribe", '{"user":"42"}'),
        ("disconnect", '{"user":"42"}'),
        ("refresh", '{"user":"42"}'),
        ("history_remove", '{"channel":"chat:1"}'),
    ],
)
def test_what_has_nothing_to_say_answers_with_an_empty_result(
    api: Api, name: str, body: str
) -> None:
    assert api.call(name, body) == '{"result":{}}'


@pytest.mark.parametrize(
    ("name", "body", "answer"),
    [
        ("publish", '{"data":1}', BAD_REQUEST),
        ("publish", '{"channel":"a"}', BAD_REQUEST),
        ("publish", '{"channel":"a","b64data":"*"}', BAD_REQUEST),
        ("publish", '{"channel":"nope:1","data":1}', UNKNOWN_CHANNEL),
        ("broadcast", '{"data":1}', BAD_REQUEST),
        ("broadcast", '{"channels":["a","b"]}', BAD_REQUEST),
        ("subscribe", '{"user":"42"}', BAD_REQUEST),
        ("subscribe", '{"channel":"nope:1"}', UNKNOWN_CHANNEL),
        ("unsubscribe", '{"channel":"nope:1"}', UNKNOWN_CHANNEL),
        ("disconnect", '{"user":"42","disconnect":{"code":1,"reason":"x"}}', BAD_REQUEST),
        ("presence", "{}", BAD_REQUEST),
        ("presence", '{"channel":"nope:1"}', UNKNOWN_CHANNEL),
        ("presence", '{"channel":"a"}', NOT_AVAILABLE),
        ("presence_stats", "{}", BAD_REQUEST),
        ("presence_stats", '{"channel":"a"}', NOT_AVAILABLE),
        ("history", "{}", BAD_REQUEST),
        ("history", '{"channel":"nope:1"}', UNKNOWN_CHANNEL),
        ("history", '{"channel":"a"}', NOT_AVAILABLE),
        ("history", '{"channel":"chat:1","reverse":true,"since":{}}', BAD_REQUEST),
        (
            "history",
            '{"channel":"chat:1","since":{"offset":1,"epoch":"gone"}}',
            '{"error":{"code":112,"message":"unrecoverable position"}}',
        ),
        ("history_remove", "{}", BAD_REQUEST),
        ("history_remove", '{"channel":"a"}', NOT_AVAILABLE),
        ("rpc", '{"method":"x","params":{}}', NOT_FOUND),
        ("rpc", "{}", BAD_REQUEST),
    ],
)
def test_errors_come_with_200_and_one_log_line(
    api: Api, caplog: pytest.LogCaptureFixture, name: str, body: str, answer: str
) -> None:
    assert api.call(name, body) == answer
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert name in record.getMessage()
    assert record.exc_info is None


def test_a_failure_of_ours_is_an_internal_error(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    api.node.failure = OSError("engine down")
    answer = api.call("unsubscribe", '{"user":"42"}')
    assert answer == '{"error":{"code":100,"message":"internal server error"}}'
    assert "engine down" in caplog.text


# ── transport error mode ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "body", "status", "text"),
    [
        (
            "publish",
            '{"channel":"nope:1","data":1}',
            404,
            '{"code":102,"message":"unknown channel"}',
        ),
        ("rpc", '{"method":"x"}', 404, '{"code":104,"message":"not found"}'),
        ("publish", "{}", 400, '{"code":107,"message":"bad request"}'),
        ("presence", '{"channel":"a"}', 400, '{"code":108,"message":"not available"}'),
        (
            "history",
            '{"channel":"chat:1","since":{"offset":1,"epoch":"gone"}}',
            416,
            '{"code":112,"message":"unrecoverable position"}',
        ),
    ],
)
def test_in_transport_mode_errors_are_http_statuses(
    api: Api, name: str, body: str, status: int, text: str
) -> None:
    by_header = api.send(
        "POST",
        f"/api/{name}",
        body.encode(),
        x_api_key=KEY,
        x_centrifugo_error_mode="transport",
    )
    api.door.configure(HttpApiOptions(key=KEY, error_mode="transport"), ClassicOptions())
    by_option = api.send("POST", f"/api/{name}", body.encode(), x_api_key=KEY)
    for response in (by_header, by_option):
        assert (response.status, response.body.decode()) == (status, text)
        assert response.content_type == "application/json"


def test_in_transport_mode_failures_of_ours_are_a_500(api: Api) -> None:
    api.node.failure = OSError()
    response = api.send(
        "POST", "/api/disconnect", b"{}", x_api_key=KEY, x_centrifugo_error_mode="transport"
    )
    assert response.status == 500


def test_a_batch_is_always_a_200(api: Api) -> None:
    commands = '{"commands":[{"presence":{"channel":"nope:1"}}]}'
    answer = api.call("batch", commands, x_centrifugo_error_mode="transport")
    assert answer == '{"replies":[{"error":{"code":102,"message":"unknown channel"}}]}'


# ── who may call ─────────────────────────────────────────────────────────────────────────────


def status(api: Api, *, query: str = "", **headers: str) -> int:
    return api.send("POST", "/api/info", b"{}", query=query, **headers).status


def test_the_key_comes_in_a_header_or_the_query(api: Api) -> None:
    api.door.configure(HttpApiOptions(key="secret"), ClassicOptions())
    assert status(api, x_api_key="secret") == 200
    assert status(api, authorization="apikey secret") == 200
    assert status(api, authorization="ApiKey  secret") == 200
    assert status(api, query="api_key=secret") == 200


def test_without_the_key_nobody_may(api: Api) -> None:
    api.door.configure(HttpApiOptions(key="secret"), ClassicOptions())
    assert status(api) == 401
    assert status(api, x_api_key="secre") == 401
    assert status(api, x_api_key="ключ") == 401
    assert status(api, authorization="bearer secret") == 401
    assert status(api, authorization="secret") == 401
    assert status(api, query="api_key=") == 401
    assert status(api, query="api_key=wrong&api_key=secret") == 401
    assert api.send("POST", "/api/info", b"{}").body == b""


def test_the_key_header_goes_before_authorization_but_not_before_the_query(api: Api) -> None:
    api.door.configure(HttpApiOptions(key="secret"), ClassicOptions())
    assert status(api, x_api_key="wrong", authorization="apikey secret") == 401
    assert status(api, x_api_key="wrong", query="api_key=secret") == 200


def test_a_server_without_a_key_refuses_everybody(api: Api) -> None:
    api.door.configure(HttpApiOptions(), ClassicOptions())
    assert status(api) == 401
    assert status(api, x_api_key="") == 401
    assert status(api, query="api_key=") == 401


def test_an_insecure_server_asks_for_no_key(api: Api) -> None:
    api.door.configure(HttpApiOptions(insecure=True), ClassicOptions())
    assert status(api) == 200


def test_the_key_is_never_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    api.door.configure(HttpApiOptions(key="hush"), ClassicOptions())
    status(api, x_api_key="hush-not-quite")
    assert "192.0.2.1:5000" in caplog.text
    assert "hush" not in caplog.text


# ── what is no request ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_only_post_is_taken(api: Api, method: str) -> None:
    response = api.send(method, "/api/info", b"{}", x_api_key=KEY)
    assert response.status == 405


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"{}{}",
        b'{"channel":5}',
        b'{"channel":"a","data":}',
        b'{"channel":"a","data":"\xff"}',
        b'{"channel":"a","data":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"version":-1}',
        b'{"version":99999999999999999999}',
        b'{"tags":{"a":1}}',
    ],
)
def test_what_cannot_be_read_is_a_400_and_one_log_line(
    api: Api, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    response = api.send("POST", "/api/publish", body, x_api_key=KEY)
    assert (response.status, response.body) == (400, b"Bad Request\n")
    assert response.content_type == "text/plain; charset=utf-8"
    [record] = caplog.records
    assert record.exc_info is None


def test_a_batch_with_an_unreadable_command_does_nothing(api: Api) -> None:
    body = b'{"commands":[{"publish":{"channel":"chat:1","data":1}},{"publish":{"channel":5}}]}'
    assert api.send("POST", "/api/batch", body, x_api_key=KEY).status == 400
    assert api.stored("chat:1") == []


def test_null_counts_as_absent_but_not_as_data(api: Api) -> None:
    body = (
        '{"channel":"chat:1","data":null,"tags":null,"b64data":null,"skip_history":null,'
        '"version":null}'
    )
    assert '"offset":1' in api.call("publish", body)
    assert api.stored("chat:1") == [b"null"]
    answer = api.call("history", '{"channel":"chat:1","limit":1,"since":{"offset":0,"epoch":null}}')
    assert '"data":null' in answer
    assert api.call("info", "null").startswith('{"result":{"nodes":')


def test_payloads_are_kept_as_they_were_written(api: Api) -> None:
    payload = '{ "b" : 1.0e3,\n "a":"<\\u00e9>" }'
    api.publish("chat:1", payload)
    assert api.stored("chat:1") == [payload.encode()]
    assert payload in api.call("history", '{"channel":"chat:1","limit":1}')


names = st.sampled_from([*METHODS, "batch", "nothing", ""])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
fields = st.sampled_from(
    [
        "channel",
        "channels",
        "data",
        "b64data",
        "user",
        "limit",
        "since",
        "override",
        "disconnect",
        "commands",
        "pattern",
        "info",
        "b64info",
        "tags",
        "version",
        "method",
    ]
)
bodies = (
    st.binary()
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(fields, json_values | st.sampled_from(["chat:1", "nope:1", "*", "[a"])).map(
        lambda value: json.dumps(value).encode()
    )
)


@given(name=names, body=bodies)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_body_makes_the_server_fail(api: Api, name: str, body: bytes) -> None:
    response = api.send("POST", f"/api/{name}", body, x_api_key=KEY)
    assert response.status in {200, 400, 404}
    if response.status == 200:
        assert "internal server error" not in response.body.decode()
        assert json.loads(response.body).keys() & {"result", "error", "replies"}


# ── the official library ─────────────────────────────────────────────────────────────────────


def test_cent_understands_every_answer(api: Api) -> None:
    """The models of ``cent`` 5 make our requests and read our answers."""
    api.node.listeners = {"chat:1": 1}
    requests: list[cent.CentRequest[Any]] = [
        cent.PublishRequest(channel="chat:1", data={"a": 1}, tags={"k": "v"}),
        cent.BroadcastRequest(channels=["chat:1", "chat:2"], data=1),
        cent.SubscribeRequest(
            user="42",
            channel="chat:1",
            info={"n": 1},
            override=cent.ChannelOptionsOverride(presence=cent.BoolValue(value=True)),
            recover_since=cent.StreamPosition(offset=1, epoch="x"),
        ),
        cent.UnsubscribeRequest(user="42", channel="chat:1"),
        cent.DisconnectRequest(user="42", disconnect=cent.Disconnect(code=4000, reason="bye")),
        cent.RefreshRequest(user="42", expire_at=1),
        cent.PresenceRequest(channel="chat:1"),
        cent.PresenceStatsRequest(channel="chat:1"),
        cent.HistoryRequest(channel="chat:1", limit=10),
        cent.HistoryRemoveRequest(channel="chat:1"),
        cent.ChannelsRequest(),
        cent.InfoRequest(),
    ]
    for request in requests:
        answer = api.call(request.api_method, json.dumps(request.api_payload))
        assert request.parse_response(answer).result is not None
    batch = cent.BatchRequest(requests=requests, parallel=True)
    replies = batch.parse_response(api.call("batch", json.dumps(batch.api_payload)))
    assert isinstance(replies.result, cent.BatchResult)
    assert len(replies.result.replies) == len(requests)
