"""The command form of Centrifugo 2 to 5: ``POST /api``."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from girandola.core.node import Target
from tests.api.conftest import KEY, Api


def call(api: Api, body: str) -> str:
    response = api.send("POST", "/api", body.encode(), authorization=f"apikey {KEY}")
    assert response.status == 200
    assert response.content_type == "application/json"
    return response.body.decode()


def test_one_command_has_one_reply(api: Api) -> None:
    body = '{"id":1,"method":"publish","params":{"channel":"a","data":{}}}'
    assert call(api, body) == '{"id":1,"result":{}}'


def test_an_error_stands_in_its_reply(api: Api) -> None:
    body = '{"id":2,"method":"presence","params":{"channel":"nope:1"}}'
    assert call(api, body) == '{"id":2,"error":{"code":102,"message":"unknown channel"}}'


@pytest.mark.parametrize("between", ["\n", "\n\n", "", " \r\n\t"])
def test_many_commands_have_one_line_each(api: Api, between: str) -> None:
    commands = [
        '{"id":1,"method":"presence_stats","params":{"channel":"chat:1"}}',
        '{"method":"unsubscribe","params":{"user":"42"}}',
        '{"id":3,"method":"history","params":{"channel":"a"}}',
        '{"id":4,"method":"channels"}',
    ]
    assert call(api, between.join(commands) + between) == (
        '{"id":1,"result":{"num_clients":0,"num_users":0}}\n'
        '{"result":{}}\n'
        '{"id":3,"error":{"code":108,"message":"not available"}}\n'
        '{"id":4,"result":{"channels":{}}}'
    )
    assert api.node.asked == [("unsubscribe", Target("42"), "")]


def test_a_command_may_be_written_on_many_lines(api: Api) -> None:
    command = {"id": 1, "method": "publish", "params": {"channel": "chat:1", "data": {"a": 1}}}
    pretty = json.dumps(command, indent=2)
    replies = [json.loads(line) for line in call(api, pretty + "\n" + pretty).split("\n")]
    assert [reply["result"]["offset"] for reply in replies] == [1, 2]


def test_a_payload_with_line_breaks_stays_on_its_line(api: Api) -> None:
    api.publish("chat:1", '{\r\n"a":1}')
    reply = call(api, '{"method":"history","params":{"channel":"chat:1","limit":1}}')
    assert "\n" not in reply
    assert '"data":{"a":1}' in reply


@pytest.mark.parametrize(
    "method", ['"method":"PUBLISH",', '"method":"Publish",', '"method":0,', ""]
)
def test_methods_have_names_in_any_case_and_numbers(api: Api, method: str) -> None:
    body = '{"id":1,' + method + '"params":{"channel":"a","data":1}}'
    assert call(api, body) == '{"id":1,"result":{}}'


@pytest.mark.parametrize(
    ("number", "result"),
    [(5, "num_clients"), (8, "channels"), (9, "nodes"), (11, "{}"), (12, "{}"), (3, "{}")],
)
def test_numbers_stand_for_the_methods_they_always_did(api: Api, number: int, result: str) -> None:
    body = f'{{"id":1,"method":{number},"params":{{"channel":"chat:1","user":"42"}}}}'
    assert result in call(api, body)


@pytest.mark.parametrize("method", ['"connections"', '"block_user"', "13", "99", "-1"])
def test_methods_that_others_have_are_not_found(api: Api, method: str) -> None:
    reply = call(api, f'{{"id":1,"method":{method},"params":{{}}}}')
    assert reply == '{"id":1,"error":{"code":104,"message":"not found"}}'


def test_params_of_a_wrong_type_are_a_bad_request_of_that_command(api: Api) -> None:
    body = '{"id":1,"method":"publish","params":{"channel":5}}{"id":2,"method":"info"}'
    first, second = call(api, body).split("\n")
    assert first == '{"id":1,"error":{"code":107,"message":"bad request"}}'
    assert second.startswith('{"id":2,"result":{"nodes":')


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "[]",
        "{",
        '{"method":"nonsense"}',
        '{"id":"1","method":"info"}',
        '{"id":-1}',
        '{"method":"info"} x',
        '{"method":"info","params":NaN}',
        "[" * 100000,
    ],
)
def test_what_is_no_command_makes_a_400_and_nothing_is_done(api: Api, bad: str) -> None:
    good = '{"method":"publish","params":{"channel":"chat:1","data":1}}\n'
    for body in (bad, good + bad) if bad else ("",):
        response = api.send("POST", "/api", body.encode(), x_api_key=KEY)
        assert (response.status, response.body) == (400, b"Bad Request\n")
    assert api.stored("chat:1") == []


def test_without_the_key_nobody_may(api: Api) -> None:
    assert api.send("POST", "/api", b'{"method":"info"}').status == 401


@given(
    body=st.binary()
    | st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "id": st.integers(-1, 2**33),
                "method": st.sampled_from(["publish", "info", "x"]) | st.integers(-1, 40),
                "params": st.none() | st.dictionaries(st.sampled_from(["channel"]), st.text()),
            },
        )
    ).map(lambda commands: "\n".join(map(json.dumps, commands)).encode())
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_makes_the_server_fail(api: Api, body: bytes) -> None:
    response = api.send("POST", "/api", body, x_api_key=KEY)
    assert response.status in {200, 400}
    assert b"internal server error" not in response.body
