"""The API of 2018: every row of classic.md sections 5.2 and 5.4, literally."""

import json
import logging
from urllib.parse import quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from girandola.api.classic_metrics import METRICS
from girandola.auth.signs import api_sign
from girandola.core.grants import PublishOptions
from girandola.core.node import Target
from girandola.core.ports import HistoryPage, PublishResult
from girandola.errors import FORCE_DISCONNECT
from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.net.http import Response
from girandola.options import ClassicOptions, HttpApiOptions
from girandola.protocol.uid import position_of
from tests.api.conftest import KEY, Api

SECRET = "secret"
PUBLISH = b'{"method":"publish","params":{"channel":"news","data":{"input":"hello"}}}'
PUBLISH_SIGN = "a607fa1715a4f561b2ca9248ae36d988136e23e933d035bf9bdc227c9375580d"
PUBLISHED = b'[{"method":"publish","error":null,"body":null}]'


@pytest.fixture
def api(api: Api) -> Api:
    api.door.configure(HttpApiOptions(key=KEY), ClassicOptions(secret=SECRET))
    return api


def send(api: Api, body: str, path: str = "/api/") -> Response:
    data = body.encode()
    return api.send(
        "POST",
        path,
        data,
        content_type="application/json",
        x_api_sign=api_sign(SECRET, data),
    )


def call(api: Api, body: str) -> str:
    """Send signed commands and return the body of a 200."""
    response = send(api, body)
    assert response.status == 200
    assert response.content_type == "application/json"
    return response.body.decode()


def answer(api: Api, method: str, params: str) -> str:
    """Call one method and return its answer without the array around it."""
    text = call(api, f'{{"method":"{method}","params":{params}}}')
    assert text[0] + text[-1] == "[]"
    return text[1:-1]


# ── section 5.2: signs and forms ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
@pytest.mark.parametrize("path", ["/api/", "/api/whatever", "/api/publish"])
def test_json_is_signed_in_a_header(api: Api, content_type: str, path: str) -> None:
    response = api.send("POST", path, PUBLISH, content_type=content_type, x_api_sign=PUBLISH_SIGN)
    assert (response.status, response.body) == (200, PUBLISHED)


def test_a_form_is_signed_in_a_field(api: Api) -> None:
    body = f"data={quote_plus(PUBLISH)}&sign={PUBLISH_SIGN}".encode()
    response = api.send("POST", "/api/", body, content_type="application/x-www-form-urlencoded")
    assert (response.status, response.body) == (200, PUBLISHED)


@pytest.mark.parametrize("boundary", ["XyZ", '"XyZ"'])
def test_a_multipart_form_is_signed_in_a_field(api: Api, boundary: str) -> None:
    body = (
        b'--XyZ\r\nContent-Disposition: form-data; name="data"\r\n\r\n' + PUBLISH + b"\r\n"
        b'--XyZ\r\nContent-Disposition: form-data; name="f"; filename="sign"\r\n\r\nx\r\n'
        b"--XyZ\r\ncontent-disposition: form-data; name=sign\r\n\r\n"
        + PUBLISH_SIGN.encode()
        + b"\r\n--XyZ--\r\n"
    )
    response = api.send(
        "POST", "/api/", body, content_type=f"multipart/form-data; boundary={boundary}"
    )
    assert (response.status, response.body) == (200, PUBLISHED)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_the_query_is_a_form_too(api: Api, method: str) -> None:
    query = f"data={quote_plus(PUBLISH)}&sign={PUBLISH_SIGN}"
    response = api.send(method, "/api/", query=query)
    assert (response.status, response.body) == (200, PUBLISHED)


def test_the_body_of_a_form_goes_before_the_query(api: Api) -> None:
    body = f"data={quote_plus(PUBLISH)}&sign={PUBLISH_SIGN}".encode()
    response = api.send(
        "POST",
        "/api/",
        body,
        query="data=x&sign=y",
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_any_http_method_is_taken(api: Api, method: str) -> None:
    response = api.send(
        method, "/api/", PUBLISH, content_type="application/json", x_api_sign=PUBLISH_SIGN
    )
    assert (response.status, response.body) == (200, PUBLISHED)


def test_the_sign_is_of_the_exact_bytes(api: Api) -> None:
    for data in (PUBLISH + b" ", PUBLISH.replace(b":", b": ")):
        response = api.send(
            "POST", "/api/", data, content_type="application/json", x_api_sign=PUBLISH_SIGN
        )
        assert response.status == 401
    data = '{"method":"publish","params":{"channel":"news","data":"\\u00e9 é +%20"}}'.encode()
    body = f"data={quote_plus(data)}&sign={api_sign(SECRET, data)}".encode()
    response = api.send("POST", "/api/", body, content_type="application/x-www-form-urlencoded")
    assert response.status == 200


JSON = "application/json"


@pytest.mark.parametrize(
    ("body", "headers", "secret", "status", "text"),
    [
        (PUBLISH, {"content_type": JSON}, SECRET, 400, b"Bad Request\n"),
        (PUBLISH, {"content_type": JSON, "x_api_sign": ""}, SECRET, 400, b"Bad Request\n"),
        (PUBLISH, {}, SECRET, 400, b"Bad Request\n"),
        (b"", {"content_type": JSON, "x_api_sign": "x"}, SECRET, 400, b"Bad Request\n"),
        (PUBLISH, {"content_type": JSON, "x_api_sign": PUBLISH_SIGN}, "", 400, b"Bad Request\n"),
        (PUBLISH, {"content_type": JSON, "x_api_sign": "x"}, SECRET, 401, b"Unauthorized\n"),
        (PUBLISH, {"content_type": JSON, "x_api_sign": "é"}, SECRET, 401, b"Unauthorized\n"),
        (PUBLISH, {"content_type": JSON, "x_api_sign": PUBLISH_SIGN}, "s", 401, b"Unauthorized\n"),
        (b"x", {"content_type": JSON, "x_api_sign": "x"}, SECRET, 401, b"Unauthorized\n"),
    ],
)
def test_who_did_not_sign_is_refused(
    api: Api,
    caplog: pytest.LogCaptureFixture,
    body: bytes,
    headers: dict[str, str],
    secret: str,
    status: int,
    text: bytes,
) -> None:
    options = ClassicOptions(secret=secret, allow_empty_secret=True)
    api.door.configure(HttpApiOptions(key=KEY), options)
    response = api.send("POST", "/api/", body, **headers)
    assert (response.status, response.body) == (status, text)
    assert response.content_type == "text/plain; charset=utf-8"
    assert ("X-Content-Type-Options", "nosniff") in response.headers
    [record] = caplog.records
    assert "192.0.2.1:5000" in record.getMessage()
    assert PUBLISH_SIGN not in record.getMessage()


def test_an_insecure_api_asks_for_no_sign(api: Api) -> None:
    api.door.configure(HttpApiOptions(insecure=True), ClassicOptions())
    for headers in ({}, {"x_api_sign": "wrong"}):
        response = api.send("POST", "/api/", PUBLISH, content_type=JSON, **headers)
        assert (response.status, response.body) == (200, PUBLISHED)
    assert api.send("POST", "/api/", b"", content_type=JSON).status == 400


def test_json_without_its_content_type_is_no_form(api: Api) -> None:
    """What ``curl -d`` sends."""
    api.door.configure(HttpApiOptions(insecure=True), ClassicOptions())
    content_type = "application/x-www-form-urlencoded"
    assert api.send("POST", "/api/", PUBLISH, content_type=content_type).status == 400


@pytest.mark.parametrize(
    "body",
    [
        "null",
        '"x"',
        "5",
        " {}",
        "{",
        "[{]",
        "[null]",
        "[5]",
        "{}",
        '{"method":"unknown","params":{}}',
        '{"method":"publish"}',
        '{"method":"publish","params":[]}',
        '{"method":"publish","params":{"channel":"","data":1}}',
        '{"method":"publish","params":{"data":1}}',
        '{"method":"publish","params":{"channel":"a"}}',
        '{"method":"publish","params":{"channel":5,"data":1}}',
        '{"method":"broadcast","params":{"channels":"a","data":1}}',
        '{"method":"presence"}',
        '{"method":"presence","params":{"channel":[]}}',
        '{"uid":5,"method":"channels"}',
    ],
)
def test_what_is_no_command_makes_a_400(api: Api, body: str) -> None:
    assert send(api, body).status == 400


def test_a_bad_command_spoils_the_reply_but_not_what_was_done_before(api: Api) -> None:
    body = (
        '[{"method":"publish","params":{"channel":"chat:1","data":1}},{"method":"publish"},'
        '{"method":"publish","params":{"channel":"chat:1","data":2}}]'
    )
    assert send(api, body).status == 400
    assert api.stored("chat:1") == [b"1"]


# ── section 5.3: the envelope ────────────────────────────────────────────────────────────────


def test_the_answer_is_always_an_array(api: Api) -> None:
    one = '{"uid":"77","method":"publish","params":{"channel":"a","data":1}}'
    answered = '{"uid":"77","method":"publish","error":null,"body":null}'
    assert call(api, one) == f"[{answered}]"
    assert call(api, f"[{one}]") == f"[{answered}]"
    assert call(api, f"[{one}, {one}]") == f"[{answered},{answered}]"
    assert call(api, "[]") == "[]"


# ── section 5.4: the methods ─────────────────────────────────────────────────────────────────

NO_NAMESPACE = '"error":"namespace not found","advice":"fix","body":null}'
INVALID = '"error":"invalid message","advice":"fix","body":null}'


def test_publish_needs_no_more_than_a_namespace(api: Api) -> None:
    done = '{"method":"publish","error":null,"body":null}'
    assert answer(api, "publish", '{"channel":"chat:1","data":null}') == done
    assert answer(api, "publish", f'{{"channel":"{"x" * 300}","data":1}}') == done
    assert answer(api, "publish", '{"channel":"$a#42","data":1}') == done
    assert api.stored("chat:1") == [b"null"]
    refused = answer(api, "publish", '{"channel":"nope:1","data":1}')
    assert refused == '{"method":"publish",' + NO_NAMESPACE


def test_publish_takes_the_callers_uid_and_client(api: Api) -> None:
    answer(api, "publish", '{"channel":"chat:1","data":{"a":1},"client":"c1","uid":"u1"}')
    assert answer(api, "history", '{"channel":"chat:1"}') == (
        '{"method":"history","error":null,"body":{"channel":"chat:1","data":['
        '{"uid":"u1","client":"c1","channel":"chat:1","data":{"a":1}}]}}'
    )


def test_a_failing_engine_is_an_error_without_advice(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(channel: str, *_: object) -> PublishResult:
        if channel == "bad":
            raise OSError("engine down")
        return PublishResult()

    monkeypatch.setattr(api.node, "publish", fail)
    failed = '"error":"internal server error","body":null}'
    assert answer(api, "publish", '{"channel":"bad","data":1}') == '{"method":"publish",' + failed
    params = '{"channels":["a","bad","b"],"data":1}'
    assert answer(api, "broadcast", params) == '{"method":"broadcast",' + failed


def test_broadcast_publishes_into_each_channel(api: Api) -> None:
    params = '{"channels":["chat:1","chat:2"],"data":[1],"client":"c1"}'
    assert answer(api, "broadcast", params) == '{"method":"broadcast","error":null,"body":null}'
    assert (api.stored("chat:1"), api.stored("chat:2")) == ([b"[1]"], [b"[1]"])


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ('{"data":1}', INVALID),
        ('{"channels":[],"data":1}', INVALID),
        ('{"channels":["chat:1"]}', INVALID),
        ('{"channels":["chat:1","","chat:2"],"data":1}', INVALID),
        ('{"channels":["chat:1","nope:1","chat:2"],"data":1}', NO_NAMESPACE),
    ],
)
def test_broadcast_stops_where_it_makes_no_sense(api: Api, params: str, error: str) -> None:
    assert answer(api, "broadcast", params) == '{"method":"broadcast",' + error
    assert api.stored("chat:2") == []


def test_a_broadcast_that_stops_has_published_before(api: Api) -> None:
    answer(api, "broadcast", '{"channels":["chat:1","nope:1"],"data":1}')
    assert api.stored("chat:1") == [b"1"]


def test_unsubscribe_is_for_one_channel_or_all(api: Api) -> None:
    done = '{"method":"unsubscribe","error":null,"body":null}'
    assert answer(api, "unsubscribe", '{"user":"42","channel":"chat:1"}') == done
    assert answer(api, "unsubscribe", '{"user":"42","channel":""}') == done
    assert answer(api, "unsubscribe", '{"user":"42"}') == done
    assert [asked[1:] for asked in api.node.asked] == [
        (Target("42"), "chat:1"),
        (Target("42"), ""),
        (Target("42"), ""),
    ]


def test_disconnect_ends_a_users_connections(api: Api) -> None:
    done = '{"method":"disconnect","error":null,"body":null}'
    assert answer(api, "disconnect", '{"user":"42"}') == done
    assert api.node.asked == [("disconnect", Target("42"), FORCE_DISCONNECT, set())]
    assert not FORCE_DISCONNECT.reconnect


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("unsubscribe", "{}", "invalid message"),
        ("unsubscribe", '{"user":"","channel":"chat:1"}', "invalid message"),
        ("unsubscribe", '{"user":"42","channel":"nope:1"}', "namespace not found"),
        ("disconnect", "{}", "invalid message"),
        ("disconnect", '{"user":null}', "invalid message"),
    ],
)
def test_errors_about_connections_have_no_advice(
    api: Api, caplog: pytest.LogCaptureFixture, method: str, params: str, error: str
) -> None:
    expected = f'{{"method":"{method}","error":"{error}","body":null}}'
    assert answer(api, method, params) == expected
    assert api.node.asked == []
    [record] = caplog.records
    assert record.levelno == logging.WARNING


@pytest.mark.parametrize("method", ["unsubscribe", "disconnect"])
def test_failures_about_connections_are_internal_errors(api: Api, method: str) -> None:
    api.node.failure = OSError("engine down")
    expected = f'{{"method":"{method}","error":"internal server error","body":null}}'
    assert answer(api, method, '{"user":"42"}') == expected


def test_presence_tells_who_is_there(api: Api) -> None:
    info = ClientInfo("42", "c1", b'{"n":1}', b'"x"')
    api.clock.result(api.node.add_presence("chat:1", "c1", info))
    assert answer(api, "presence", '{"channel":"chat:1"}') == (
        '{"method":"presence","error":null,"body":{"channel":"chat:1","data":{"c1":'
        '{"user":"42","client":"c1","default_info":{"n":1},"channel_info":"x"}}}}'
    )
    assert '"data":{}' in answer(api, "presence", '{"channel":"chat:2"}')


def test_history_is_newest_first_with_uids_that_are_positions(api: Api) -> None:
    epoch = api.publish("chat:1", '"old"')
    publication = Publication(data=b'"new"', info=ClientInfo("42", "c1", b"1"))
    options = PublishOptions(history_size=10, history_ttl=60)
    api.clock.result(api.node.publish("chat:1", publication, options))
    [reply] = json.loads(call(api, '{"method":"history","params":{"channel":"chat:1"}}'))
    new, old = reply["body"]["data"]
    assert (new["data"], old["data"]) == ("new", "old")
    assert new["client"] == "c1"
    assert new["info"] == {"user": "42", "client": "c1", "default_info": 1}
    assert old.keys() == {"uid", "channel", "data"}
    assert position_of(old["uid"]) == StreamPosition(1, epoch)
    assert position_of(new["uid"]) == StreamPosition(2, epoch)


def test_history_of_nothing_is_an_empty_list(api: Api) -> None:
    assert answer(api, "history", '{"channel":"chat:1"}') == (
        '{"method":"history","error":null,"body":{"channel":"chat:1","data":[]}}'
    )


def test_what_json_cannot_carry_is_null_in_the_history(api: Api) -> None:
    """As for the clients of 2018."""
    api.call("publish", '{"channel":"binary:1","b64data":"AP8="}')
    assert '"channel":"binary:1","data":null}]' in answer(api, "history", '{"channel":"binary:1"}')


@pytest.mark.parametrize("method", ["presence", "history"])
@pytest.mark.parametrize(
    ("channel", "error"),
    [
        ("", "invalid message"),
        ("nope:1", "namespace not found"),
        ("news", "not available"),
    ],
)
def test_where_nothing_can_be_read_data_is_null(
    api: Api, method: str, channel: str, error: str
) -> None:
    assert answer(api, method, f'{{"channel":"{channel}"}}') == (
        f'{{"method":"{method}","error":"{error}","body":{{"channel":"{channel}","data":null}}}}'
    )


@pytest.mark.parametrize("method", ["presence", "history"])
def test_reading_from_a_failing_engine_is_an_internal_error(
    api: Api, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async def fail(*_: object, **__: object) -> HistoryPage:
        raise OSError("engine down")

    monkeypatch.setattr(api.node, method, fail)
    assert answer(api, method, '{"channel":"chat:1"}') == (
        f'{{"method":"{method}","error":"internal server error",'
        '"body":{"channel":"chat:1","data":null}}'
    )


def test_channels_lists_names(api: Api) -> None:
    assert call(api, '{"method":"channels"}') == (
        '[{"method":"channels","error":null,"body":{"data":[]}}]'
    )
    api.node.listeners = {"a": 1, "b": 2}
    assert answer(api, "channels", "{}") == (
        '{"method":"channels","error":null,"body":{"data":["a","b"]}}'
    )


def test_node_and_stats_tell_all_metrics(api: Api) -> None:
    api.clock.advance(90)
    api.node.stats.connects = 7
    [node, stats] = json.loads(call(api, '[{"method":"node"},{"method":"stats","params":{}}]'))
    info = node["body"]["data"]
    assert list(info) == ["uid", "version", "name", "started_at", "metrics"]
    assert (info["uid"], info["name"], info["version"]) == (api.node.uid, "host_8000", "1.0")
    assert info["started_at"] == 1_700_000_000
    metrics = info["metrics"]
    assert len(metrics) == len(METRICS) == 74
    assert all(type(value) is int for value in metrics.values())
    assert metrics["client_num_connect"] == 7
    assert metrics["node_uptime_seconds"] == 90
    assert metrics["node_memory_sys"] > 1_000_000
    assert metrics["http_api_15_microseconds_99.99%ile"] == 0
    data = stats["body"]["data"]
    assert data["metrics_interval"] == 60
    assert [each["uid"] for each in data["nodes"]] == [api.node.uid]


METHODS = ("publish", "broadcast", "unsubscribe", "presence", "history", "node", "x")


@given(
    body=st.binary()
    | st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "uid": st.text(),
                "method": st.sampled_from(METHODS),
                "params": st.none()
                | st.dictionaries(
                    st.sampled_from(["channel", "channels", "user", "data", "uid"]),
                    st.none() | st.text() | st.lists(st.text()) | st.integers(),
                ),
            },
        )
    ).map(lambda commands: json.dumps(commands).encode()),
    content_type=st.sampled_from(
        [JSON, "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", ""]
    ),
    query=st.text(st.characters(max_codepoint=255)),
)
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_request_makes_the_server_fail(
    api: Api, body: bytes, content_type: str, query: str
) -> None:
    response = api.send(
        "POST",
        "/api/",
        body,
        query=query,
        content_type=content_type,
        x_api_sign=api_sign(SECRET, body),
    )
    assert response.status in {200, 400, 401}
    assert b"internal server error" not in response.body
    if response.status == 200:
        assert isinstance(json.loads(response.body), list)
