"""How much one request may ask for, in every generation, and how others keep their turn."""

import json
import logging
import tracemalloc

import pytest
from msgspec import Raw

from girandola.api.schema import BroadcastRequest
from girandola.core.node import SLICE
from girandola.errors import Error
from girandola.model import ClientInfo
from girandola.net.http import Response
from girandola.options import ChannelSection, ClassicOptions, HttpApiOptions, Namespace
from tests.api.conftest import KEY, Api

PUBLISH = '{"channel":"chat:1","data":1}'
MANY_COMMANDS = (
    '{"code":107,"message":"bad request: expected at most 3 commands (http_api.max_batch_size)"}'
)
MANY_CHANNELS = (
    '{"code":107,"message":"bad request: '
    'expected at most 5 channels (http_api.max_broadcast_size)"}'
)


@pytest.fixture
def api(api: Api) -> Api:
    options = HttpApiOptions(key=KEY, insecure=True, max_batch_size=3, max_broadcast_size=5)
    api.door.configure(options, ClassicOptions())
    return api


def post(api: Api, path: str, body: str) -> Response:
    return api.send("POST", path, body.encode(), content_type="application/json", x_api_key=KEY)


def channels(count: int) -> str:
    return ",".join(f'"chat:{number}"' for number in range(count))


# ── commands of a request ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("parallel", ["true", "false"])
def test_a_batch_has_no_more_commands_than_allowed(api: Api, parallel: str) -> None:
    def batch(count: int) -> str:
        commands = ",".join([f'{{"publish":{PUBLISH}}}'] * count)
        return api.call("batch", f'{{"commands":[{commands}],"parallel":{parallel}}}')

    assert json.loads(batch(3))["replies"][2]["publish"]["offset"] == 3
    assert batch(4) == f'{{"error":{MANY_COMMANDS}}}'
    assert len(api.stored("chat:1")) == 3


@pytest.mark.parametrize("between", ["\n", ""])
def test_a_body_has_no_more_commands_than_allowed(api: Api, between: str) -> None:
    command = f'{{"method":"publish","params":{PUBLISH}}}'
    assert post(api, "/api", between.join([command] * 3)).status == 200
    answer = post(api, "/api", between.join([command] * 4))
    assert (answer.status, answer.body) == (
        413,
        b"bad request: expected at most 3 commands (http_api.max_batch_size)\n",
    )
    assert len(api.stored("chat:1")) == 3


def test_an_array_of_2018_has_no_more_commands_than_allowed(api: Api) -> None:
    command = f'{{"method":"publish","params":{PUBLISH}}}'
    assert post(api, "/api/", f"[{','.join([command] * 3)}]").status == 200
    answer = post(api, "/api/", f"[{','.join([command] * 4)}]")
    assert (answer.status, answer.body) == (
        413,
        b"bad request: expected at most 3 commands (http_api.max_batch_size)\n",
    )
    assert len(api.stored("chat:1")) == 3


@pytest.mark.parametrize("command", ["{}", "null", '{"publish":{}}'])
def test_commands_beyond_those_allowed_are_not_looked_at(api: Api, command: str) -> None:
    """The rest need not even be JSON: nothing is made of what would be refused anyway."""
    flood = f"{command}," * 20_000 + "nonsense"
    assert api.call("batch", f'{{"commands":[{flood}]}}') == f'{{"error":{MANY_COMMANDS}}}'
    assert post(api, "/api", "{}" * 20_000 + "nonsense").status == 413
    assert post(api, "/api/", "[" + "{}," * 20_000 + "nonsense").status == 413


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/batch", '{"commands":[' + "{}," * 120_000 + "{}]}"),
        ("/api/batch", '{"commands":[' + "1," * 120_000 + "1]}"),
        ("/api", "{}" * 120_000),
        ("/api", "{}\n" * 120_000),
        ("/api/", "[" + "{}," * 120_000 + "{}]"),
        ("/api/broadcast", '{"channels":[' + '"a",' * 120_000 + '"a"]}'),
        ("/api/publish", "{" + '"a":0,' * 120_000 + '"a":0}'),
    ],
    ids=lambda text: text[:16],
)
def test_a_flood_takes_no_more_memory_than_its_text_a_few_times(
    api: Api, path: str, body: str
) -> None:
    post(api, path, body)  # what is made ready the first time is not counted
    tracemalloc.start()
    try:
        post(api, path, body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(body) + 100_000


def test_who_asked_for_too_much_is_told_and_logged_once(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    api.call("batch", f'{{"commands":[{",".join(["{}"] * 4)}]}}')
    post(api, "/api", "{}" * 4)
    post(api, "/api/", "[{},{},{},{}]")
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3
    assert all("3 commands" in record.getMessage() for record in caplog.records)


def test_in_transport_mode_too_many_commands_are_a_400(api: Api) -> None:
    body = b'{"commands":[{},{},{},{}]}'
    answer = api.send(
        "POST", "/api/batch", body, x_api_key=KEY, x_centrifugo_error_mode="transport"
    )
    assert (answer.status, answer.body.decode()) == (400, MANY_COMMANDS)


# ── channels of a broadcast, and other lists ─────────────────────────────────────────────────


def test_a_broadcast_has_no_more_channels_than_allowed(api: Api) -> None:
    assert "error" not in api.call("broadcast", f'{{"channels":[{channels(5)}],"data":1}}')
    params = f'{{"channels":[{channels(6)}],"data":2}}'
    assert api.call("broadcast", params) == f'{{"error":{MANY_CHANNELS}}}'
    command = f'{{"method":"broadcast","params":{params}}}'
    assert post(api, "/api", command).body.decode() == f'{{"error":{MANY_CHANNELS}}}'
    assert post(api, "/api/", command).status == 413
    in_a_batch = api.call("batch", f'{{"commands":[{{"broadcast":{params}}}]}}')
    assert in_a_batch == f'{{"replies":[{{"error":{MANY_CHANNELS}}}]}}'
    assert api.stored("chat:0") == [b"1"]


def test_a_broadcast_is_limited_whoever_read_it(api: Api) -> None:
    request = BroadcastRequest(channels=["a"] * 6, data=Raw(b"1"))
    outcome = api.clock.result(api.methods.answer("broadcast", request))
    assert isinstance(outcome, Error)
    assert "at most 5 channels" in outcome.message


@pytest.mark.parametrize(
    ("method", "field", "entry"),
    [("broadcast", "channels", '"a"'), ("disconnect", "whitelist", '"a"')],
)
def test_entries_beyond_those_allowed_are_not_looked_at(
    api: Api, method: str, field: str, entry: str
) -> None:
    body = f'{{"{field}":[' + f"{entry}," * 20_000 + "nonsense]}"
    assert f"expected at most 5 {field}" in api.call(method, body)


def test_tags_are_counted_too_and_payloads_are_not(api: Api) -> None:
    tags = ",".join(f'"{number}":""' for number in range(20_000))
    body = '{"channel":"chat:1","tags":{%s},"data":[1,2,3,4,5,6,7]}'
    assert "expected at most 5 tags" in api.call("publish", body % tags)
    assert '"offset":1' in api.call("publish", body % '"a":"b"')
    assert api.stored("chat:1") == [b"[1,2,3,4,5,6,7]"]


def test_a_refused_broadcast_is_logged_in_one_line(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    api.call("broadcast", '{"channels":["chat:1","nope:1","nope:2",""],"data":1}')
    [record] = caplog.records
    assert "3 of 4 channels" in record.getMessage()
    assert "nope:1" in record.getMessage()


# ── long work in slices ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def wide(api: Api) -> Api:
    api.door.configure(HttpApiOptions(key=KEY, insecure=True), ClassicOptions())
    return api


@pytest.mark.parametrize("command", ["channels", "Channels"])
def test_a_long_batch_leaves_others_a_turn(wide: Api, command: str) -> None:
    commands = ",".join([f'{{"{command}":{{}}}}'] * (SLICE + 1))
    answer = wide.call("batch", f'{{"commands":[{commands}]}}')
    assert answer.count('{"channels":{}}') == SLICE + 1
    assert wide.clock.waits


def test_long_bodies_of_older_generations_leave_others_a_turn(wide: Api) -> None:
    commands = ['{"method":"channels"}'] * (SLICE + 1)
    for path, body in (("/api", "\n".join(commands)), ("/api/", f"[{','.join(commands)}]")):
        before = wide.clock.waits
        assert post(wide, path, body).status == 200
        assert wide.clock.waits > before


@pytest.mark.parametrize("method", ["presence", "history", "channels"])
def test_long_answers_leave_others_a_turn(wide: Api, method: str) -> None:
    for number in range(SLICE + 1):
        wide.clock.result(wide.node.add_presence("chat:1", str(number), ClientInfo("", "")))
        wide.node.listeners[str(number)] = 1
    long = Namespace(name="chat", presence=True, history_size=2 * SLICE, history_ttl=60)
    wide.section = ChannelSection(namespaces=(long,))
    wide.publish("chat:1", *["1"] * (SLICE + 1))
    before = wide.clock.waits
    answer = json.loads(wide.call(method, '{"channel":"chat:1","limit":-1}'))
    (found,) = [value for value in answer["result"].values() if isinstance(value, dict | list)]
    assert len(found) == SLICE + 1
    assert wide.clock.waits == before + 1
