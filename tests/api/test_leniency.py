"""What callers in Go and PHP write, taken as Go's decoder takes it."""

import pytest

from girandola.core.node import Target
from girandola.errors import FORCE_DISCONNECT, Disconnect
from girandola.options import ClassicOptions, HttpApiOptions
from tests.api.conftest import KEY, Api

BAD_REQUEST = '{"error":{"code":107,"message":"bad request"}}'


def command(api: Api, body: str, path: str = "/api") -> str:
    response = api.send("POST", path, body.encode(), x_api_key=KEY, content_type="application/json")
    assert response.status == 200
    return response.body.decode()


# ── names in any case ────────────────────────────────────────────────────────────────────────


def test_a_publication_may_be_spelled_in_any_case(api: Api) -> None:
    body = '{"Channel":"chat:1","DATA":{"Channel":1},"Tags":{"A":"b"},"what":null}'
    assert '"offset":1' in api.call("publish", body)
    [publication] = api.clock.result(api.node.history("chat:1")).publications
    assert (publication.data, publication.tags) == (b'{"Channel":1}', {"A": "b"})


def test_a_limit_in_another_case_is_a_limit(api: Api) -> None:
    api.publish("chat:1", "1", "2", "3")
    answer = api.call("history", '{"channel":"chat:1","Limit":10,"Since":{"Offset":1}}')
    assert answer.startswith('{"result":{"publications":[{"data":2,"offset":2},{"data":3')


def test_of_several_spellings_the_last_one_counts(api: Api) -> None:
    api.call("publish", '{"channel":"chat:1","Channel":"chat:2","data":1}')
    assert (api.stored("chat:1"), api.stored("chat:2")) == ([], [b"1"])


def test_a_batch_may_be_spelled_in_any_case(api: Api) -> None:
    body = (
        '{"Commands":[{"Publish":{"Channel":"chat:1","Data":1}},{"PRESENCE_STATS":'
        '{"channel":"chat:1"}},null,{"what":{}}],"Parallel":true}'
    )
    assert '"replies":[{"publish":{"offset":1' in api.call("batch", body)
    assert api.call("batch", body).endswith(
        ',{"presence_stats":{"num_clients":0,"num_users":0}},'
        '{"error":{"code":107,"message":"bad request"}},'
        '{"error":{"code":104,"message":"not found"}}]}'
    )


def test_older_commands_may_be_spelled_in_any_case(api: Api) -> None:
    body = '{"ID":7,"Method":"PUBLISH","Params":{"Channel":"news","Data":1}}'
    assert command(api, body + body) == '{"id":7,"result":{}}\n{"id":7,"result":{}}'
    api.door.configure(HttpApiOptions(insecure=True), ClassicOptions())
    body = '{"UID":"7","Method":"publish","Params":{"Channel":"chat:1","Data":{"A":1}}}'
    expected = '{"uid":"7","method":"publish","error":null,"body":null}'
    assert command(api, body, "/api/") == f"[{expected}]"
    assert command(api, f"[{body},{body}]", "/api/") == f"[{expected},{expected}]"
    assert api.stored("chat:1") == [b'{"A":1}'] * 3


@pytest.mark.parametrize(
    ("disconnect", "why", "kept"),
    [
        (
            '"Disconnect":{"code":4600,"reason":"bye","reconnect":false},"ClientWhitelist":["c1"]',
            Disconnect(4600, "bye"),
            set(),
        ),
        ('"Disconnect":null,"ClientWhitelist":null', FORCE_DISCONNECT, set()),
        ('"Whitelist":["c1"]', FORCE_DISCONNECT, {"c1"}),
    ],
)
def test_disconnects_of_gocent_3_are_understood(
    api: Api, disconnect: str, why: Disconnect, kept: set[str]
) -> None:
    """Its options have no names of their own in JSON; the list of clients is unknown to servers."""
    params = f'{{"user":"42",{disconnect}}}'
    assert command(api, f'{{"method":"disconnect","params":{params}}}') == '{"result":{}}'
    assert api.node.asked == [("disconnect", Target("42"), why, kept)]


# ── params that do not matter ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("params", ["", ',"params":[]', ',"params":{}', ',"params":null'])
@pytest.mark.parametrize("method", ["info", "channels"])
def test_what_needs_no_params_takes_the_empty_array_of_php(
    api: Api, method: str, params: str
) -> None:
    assert command(api, f'{{"method":"{method}"{params}}}').startswith('{"result":{')


def test_info_looks_at_no_params_at_all(api: Api) -> None:
    assert command(api, '{"method":"info","params":[1,"a"]}').startswith('{"result":{"nodes":')


@pytest.mark.parametrize(
    "body",
    [
        '{"method":"channels","params":["a"]}',
        '{"method":"presence","params":[]}',
        '{"method":"disconnect","params":[]}',
        '{"method":"disconnect"}',
        '{"method":"publish","params":{"channel":"chat:1","data":1,"tags":[]}}',
    ],
)
def test_elsewhere_an_array_is_no_object_and_params_are_needed(api: Api, body: str) -> None:
    assert command(api, body) == BAD_REQUEST
    assert api.node.asked == []


def test_that_params_are_missing_is_said_in_the_log(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    command(api, '{"method":"disconnect"}')
    assert "expected params of disconnect" in caplog.text


# ── patterns ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("pattern", ["[a", "{a", "a" * 1025])
def test_a_wrong_pattern_is_a_bad_request_and_one_log_line(
    api: Api, caplog: pytest.LogCaptureFixture, pattern: str
) -> None:
    assert api.call("channels", f'{{"pattern":"{pattern}"}}') == BAD_REQUEST
    [record] = caplog.records
    assert "pattern" in record.getMessage()
