"""Attacks on who somebody is and what he may: each as a stranger, or a page of his in a victim's
browser, would make it, on a real server on loopback.

The victim is known by a header that a trusted proxy in front sets, and that comes with whatever
her browser sends; the attacker's own requests come with his name, or with none.
"""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from girandola.auth.signs import client_token
from girandola.core.node import Target
from girandola.model import StreamPosition
from girandola.protocol.event_ids import encode_id
from tests.auth.tokens import token
from tests.transports.streams import Streams, play_streams
from tests.transports.test_websocket import SECRET

FRIEND = "https://www.example.com"
EVIL = "https://evil.net"
VICTIM = {"X-User": "victim"}
MALLORY = {"X-User": "mallory"}

BY_HEADER: dict[str, dict[str, Any]] = {
    "client": {"user_id_http_header": "X-User"},
    "sockjs": {"enabled": True},
    "classic": {"sockjs_handler_prefix": ""},
    "channel": {
        "client_boundary": "&",
        "without_namespace": {
            "allow_publish_for_client": True,
            "allow_subscribe_for_client": True,
            "allow_user_limited_channels": True,
            "history_size": 9,
            "history_ttl": "60s",
            "force_recovery": True,
        },
    },
}
NO_HEADER = {**BY_HEADER, "client": {"allow_anonymous_connect_without_token": True}}

CONNECT = '{"id":1,"connect":{}}'
PUBLISH = '{"id":2,"publish":{"channel":"a","data":"as the victim"}}'
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}

Attack = Callable[[Streams], Awaitable[None]]


@asynccontextmanager
async def asked(
    server: Streams, method: str, path: str, body: str = "", **headers: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Send a request of which only the head of the answer matters, or as much as is read of it."""
    url = server.http_url(path)
    sent = {"Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with server.http.request(method, url, data=body.encode(), headers=sent) as answer:
        yield answer
        answer.close()


async def status(server: Streams, method: str, path: str, body: str = "", **headers: str) -> int:
    async with asked(server, method, path, body, **headers) as answer:
        return answer.status


async def published(server: Streams, channel: str = "a") -> list[bytes]:
    page = await server.node.history(channel)
    return [publication.data for publication in page.publications]


def attack(folder: Path, scenario: Attack, **changes: dict[str, Any]) -> None:
    play_streams(folder, scenario, **changes)


# ── a page of another site, where a header says who the user is ──────────────────────────────

GETS = f"?cf_connect={quote(CONNECT)}"
UNI = f"?cf_connect={quote('{}')}"
DOORS = {
    "sse by GET": ("GET", f"/connection/sse{GETS}", "", {}),
    "sse": ("POST", "/connection/sse", CONNECT, {}),
    "http_stream": ("POST", "/connection/http_stream", CONNECT, {}),
    "uni_sse by GET": ("GET", f"/connection/uni_sse{UNI}", "", {}),
    "uni_sse": ("POST", "/connection/uni_sse", "{}", {}),
    "uni_http_stream": ("POST", "/connection/uni_http_stream", "{}", {}),
    "websocket": ("GET", "/connection/websocket", "", WEBSOCKET),
    "uni_websocket": ("GET", f"/connection/uni_websocket{UNI}", "", WEBSOCKET),
    "sockjs xhr": ("POST", "/connection/sockjs/0/S/xhr", "", {}),
    "sockjs xhr_streaming": ("POST", "/connection/sockjs/0/S/xhr_streaming", "", {}),
    "sockjs eventsource": ("GET", "/connection/sockjs/0/S/eventsource", "", {}),
    "sockjs htmlfile": ("GET", "/connection/sockjs/0/S/htmlfile?c=c", "", {}),
    "sockjs jsonp": ("GET", "/connection/sockjs/0/S/jsonp?c=c", "", {}),
    "sockjs websocket": ("GET", "/connection/sockjs/0/S/websocket", "", WEBSOCKET),
    "emulation": ("POST", "/emulation", '{"session":"s","node":"n","data":"{}"}', {}),
    "sockjs xhr_send": ("POST", "/connection/sockjs/0/S/xhr_send", '["x"]', {}),
    "sockjs jsonp_send": ("POST", "/connection/sockjs/0/S/jsonp_send", '["x"]', {}),
}
every_door = pytest.mark.parametrize("door", DOORS)


@every_door
def test_a_page_of_another_site_does_nothing_as_its_visitor(door: str, tmp_path: Path) -> None:
    """Neither with an Origin that is not allowed, nor by what browsers send without one."""
    method, path, body, more = DOORS[door]

    async def scenario(server: Streams) -> None:
        foreign = ({"Origin": EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"})
        for headers in (*foreign, {"Sec-Fetch-Site": "cross-site", "Origin": ""}):
            sent = {**more, **VICTIM, **headers, "Content-Type": "text/plain"}
            assert await status(server, method, path, body, **sent) == 403, headers
        assert server.node.hub.num_clients == 0

    attack(tmp_path, scenario, **BY_HEADER)


@every_door
def test_own_pages_and_programs_come_in_as_before(door: str, tmp_path: Path) -> None:
    method, path, body, more = DOORS[door]

    async def scenario(server: Streams) -> None:
        welcome = ({}, {"Origin": FRIEND, "Sec-Fetch-Site": "cross-site"}, {"Origin": ""})
        for number, headers in enumerate((*welcome, {"Sec-Fetch-Site": "same-origin"})):
            own = path.replace("/S/", f"/S{number}/")
            sent = {**more, **VICTIM, **headers}
            found = await status(server, method, own, body, **sent)
            assert found in (200, 101, 404), headers  # 404: no such session or node

    attack(tmp_path, scenario, **BY_HEADER)


@pytest.mark.parametrize("door", ["sse", "http_stream", "uni_sse", "uni_http_stream"])
def test_a_page_of_the_server_itself_need_not_be_listed(door: str, tmp_path: Path) -> None:
    """Browsers send an Origin with every POST, and say that it is the same."""
    method, path, body, _ = DOORS[door]

    async def scenario(server: Streams) -> None:
        own = {"Origin": "https://rt.example.com", "Sec-Fetch-Site": "same-origin"}
        assert await status(server, method, path, body, **VICTIM, **own) == 200

    client = {"allowed_origins": [], "user_id_http_header": "X-User"}
    attack(tmp_path, scenario, **{**BY_HEADER, "client": client})


@pytest.mark.parametrize("door", ["sse", "http_stream", "uni_sse", "uni_http_stream"])
def test_where_no_header_says_who_it_is_browsers_keep_the_answer_from_the_page(
    door: str, tmp_path: Path
) -> None:
    """modern.md section 3.1: there is nothing of the visitor's that a page could use."""
    method, path, body, _ = DOORS[door]

    async def scenario(server: Streams) -> None:
        async with asked(server, method, path, body, Origin=EVIL) as answer:
            assert answer.status == 200
            assert "Access-Control-Allow-Origin" not in answer.headers

    attack(tmp_path, scenario, **NO_HEADER)


def test_what_is_refused_is_one_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def scenario(server: Streams) -> None:
        for door in DOORS:
            method, path, body, more = DOORS[door]
            caplog.clear()
            await status(server, method, path, body, **more, **VICTIM, Origin=EVIL)
            (line,) = [text for text in caplog.messages if "refused" in text]
            assert f"refused with 403: origin '{EVIL}' matches none of client.all" in line, door

    attack(tmp_path, scenario, **BY_HEADER)


# ── a link: whatever a GET says ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "more", [PUBLISH, '{"id":2,"rpc":{"method":"ping"}}', '{"id":2,"subscribe":{"channel":"a"}}']
)
@pytest.mark.parametrize("config", [BY_HEADER, NO_HEADER], ids=["by header", "anonymous"])
def test_by_get_nothing_but_a_connect_is_carried_out(
    more: str, config: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """As an old browser sends it, which says nothing of where the link was."""

    async def scenario(server: Streams) -> None:
        both = "\n".join((CONNECT, more))
        path = f"/connection/sse?cf_connect={quote(both)}"
        async with server.http.get(server.http_url(path), headers=VICTIM) as answer:
            said = (await answer.read()).decode()
        assert '{"id":1,"connect":' in said
        assert '"disconnect":{"code":3501' in said
        assert '{"id":2' not in said
        assert await published(server) == []

    attack(tmp_path, scenario, **config)


def test_by_post_more_than_a_connect_is(tmp_path: Path) -> None:
    async def scenario(server: Streams) -> None:
        body = f"{CONNECT}\n{PUBLISH}"
        async with asked(server, "POST", "/connection/sse", body, **VICTIM) as answer:
            while b'{"id":2,"publish":{}}' not in await answer.content.readany():
                pass
        assert await published(server) == [b'"as the victim"']

    attack(tmp_path, scenario, **BY_HEADER)


# ── sessions of SockJS, whose ids are chosen by clients ──────────────────────────────────────

RECEIVING = {
    "xhr": "POST",
    "xhr_streaming": "POST",
    "eventsource": "GET",
    "htmlfile": "GET",
    "jsonp": "GET",
}
SENT = json.dumps([CONNECT, PUBLISH])
SESSION = "/connection/sockjs/000/EVIL"


@pytest.mark.parametrize("receiving", RECEIVING)
@pytest.mark.parametrize("mallory", [MALLORY, {}, {"X-User": ""}], ids=str)
def test_nobody_sends_into_or_reads_from_a_session_that_somebody_else_opened(
    receiving: str, mallory: dict[str, str], tmp_path: Path
) -> None:
    """The victim's browser is old, and was led to an address with the attacker's session id."""

    async def scenario(server: Streams) -> None:
        opening = f"{SESSION}/{receiving}?c=c"
        async with server.http.request(
            RECEIVING[receiving], server.http_url(opening), headers=VICTIM
        ) as answer:
            assert answer.status == 200
            for sending in ("xhr_send", "jsonp_send"):
                path = f"{SESSION}/{sending}"
                assert await status(server, "POST", path, SENT, **mallory) == 403
            for other, method in RECEIVING.items():
                assert await status(server, method, f"{SESSION}/{other}?c=c", **mallory) == 403
            assert await status(server, "POST", f"{SESSION}/xhr_send", SENT, **VICTIM) == 204
        assert await published(server) == [b'"as the victim"']
        await server.node.disconnect(Target("victim"))

    attack(tmp_path, scenario, **BY_HEADER)


def test_an_ended_session_says_its_farewell_to_its_opener_only(tmp_path: Path) -> None:
    async def scenario(server: Streams) -> None:
        path = f"{SESSION}/xhr"
        assert await status(server, "POST", path, **VICTIM) == 200
        assert await status(server, "POST", f"{SESSION}/xhr_send", SENT, **VICTIM) == 204
        await server.node.disconnect(Target("victim"))
        assert await status(server, "POST", path, **MALLORY) == 403
        said = "a"
        while said.startswith("a"):
            async with server.http.post(server.http_url(path), headers=VICTIM) as answer:
                said = await answer.text()
        assert said == 'c[3503,"force disconnect"]\n'

    attack(tmp_path, scenario, **BY_HEADER)


NAVIGATED = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize("receiving", [name for name, how in RECEIVING.items() if how == "GET"])
@pytest.mark.parametrize("config", [BY_HEADER, NO_HEADER], ids=["by header", "anonymous"])
@pytest.mark.parametrize("site", ["none", "same-site", "same-origin", "cross-site"])
def test_a_navigation_opens_no_session(
    receiving: str, config: dict[str, dict[str, Any]], site: str, tmp_path: Path
) -> None:
    async def scenario(server: Streams) -> None:
        sent = {**VICTIM, **NAVIGATED, "Sec-Fetch-Site": site}
        assert await status(server, "GET", f"{SESSION}/{receiving}?c=c", **sent) == 403
        assert await status(server, "POST", f"{SESSION}/xhr_send", SENT, **VICTIM) == 404

    attack(tmp_path, scenario, **config)


@pytest.mark.parametrize(
    ("receiving", "site", "dest", "expected"),
    [
        ("htmlfile", "same-origin", "iframe", 200),
        ("htmlfile", "cross-site", "iframe", 403),
        ("htmlfile", "same-site", "iframe", 403),
        ("htmlfile", "same-origin", "embed", 403),
        ("jsonp", "same-origin", "iframe", 403),
        ("eventsource", "same-origin", "iframe", 403),
    ],
)
def test_a_frame_opens_a_session_only_as_the_library_makes_it(
    receiving: str, site: str, dest: str, expected: int, tmp_path: Path
) -> None:
    """``htmlfile`` is a page in a frame of one that this server sent."""

    async def scenario(server: Streams) -> None:
        sent = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": dest, "Sec-Fetch-Site": site}
        assert await status(server, "GET", f"{SESSION}/{receiving}?c=c", **sent) == expected

    attack(tmp_path, scenario, **NO_HEADER)


@pytest.mark.parametrize("receiving", ["jsonp", "eventsource"])
def test_scripts_and_event_sources_open_sessions_as_before(receiving: str, tmp_path: Path) -> None:
    async def scenario(server: Streams) -> None:
        sent = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}
        sent["Sec-Fetch-Site"] = "cross-site"
        assert await status(server, "GET", f"{SESSION}/{receiving}?c=c", **sent) == 200

    attack(tmp_path, scenario, **NO_HEADER)


# ── channels of others ───────────────────────────────────────────────────────────────────────


async def said_first(server: Streams, *frames: str) -> dict[str, Any]:
    """Return the answer to the last frame on a new WebSocket."""
    socket = await server.connect()
    for frame in frames:
        await socket.send(frame)
        answer = str(await socket.recv())
    said: dict[str, Any] = json.loads(answer)
    return said


def test_no_way_in_gives_the_channel_of_another_connection(tmp_path: Path) -> None:
    shown = token({"sub": "mallory"}, secret=SECRET)

    async def scenario(server: Streams) -> None:
        alice = await said_first(server, CONNECT[:-2] + f'"token":"{shown}"}}}}')
        channel = f"priv&{alice['connect']['client']}"
        asks = json.dumps({"token": shown, "subs": {channel: {}}})
        mallory = await said_first(server, f'{{"id":1,"connect":{asks}}}')
        assert "subs" not in mallory["connect"]
        direct = await said_first(
            server,
            f'{{"id":1,"connect":{{"token":"{shown}"}}}}',
            json.dumps({"id": 2, "subscribe": {"channel": channel}}),
        )
        assert direct["error"]["code"] == 103
        stands = encode_id({channel: StreamPosition(1, "e"), "open": StreamPosition(0, "e")})
        path = f"/connection/uni_sse?cf_connect={quote(json.dumps({'token': shown}))}"
        async with asked(server, "GET", path, Last_Event_ID=stands) as answer:
            said = b""
            while b'"connect":' not in said:
                said += await answer.content.readany()
        assert channel.encode() not in said
        assert b'"open":' in said

    attack(tmp_path, scenario, **NO_HEADER)


def test_an_empty_entry_in_a_list_of_users_lets_nobody_in(tmp_path: Path) -> None:
    async def scenario(server: Streams) -> None:
        for channel in ("x#42,", "x#,42", "x#,"):
            asks = json.dumps({"id": 2, "subscribe": {"channel": channel}})
            answer = await said_first(server, CONNECT, asks)
            assert answer["error"]["code"] == 103
            connected = await said_first(
                server, json.dumps({"id": 1, "connect": {"subs": {channel: {}}}})
            )
            assert "subs" not in connected["connect"]

    channel = {
        "without_namespace": {
            "allow_subscribe_for_client": True,
            "allow_subscribe_for_anonymous": True,
            "allow_user_limited_channels": True,
        }
    }
    attack(tmp_path, scenario, **{**NO_HEADER, "channel": channel})


# ── tokens ───────────────────────────────────────────────────────────────────────────────────

OF_2018 = {**NO_HEADER, "classic": {"secret": SECRET}}


def of_2018(user: str, timestamp: str, info: str, signed: str) -> str:
    params = {"user": user, "timestamp": timestamp, "info": info, "token": signed}
    return json.dumps({"method": "connect", "params": params})


@pytest.mark.parametrize(
    ("genuine", "info"),
    [("42", ""), ("4217000000", ""), ('4"1700000000', '{"a":1}'), ("42", '["1700000000[]"]')],
)
def test_a_token_of_2018_is_taken_apart_in_one_way_only(
    genuine: str, info: str, tmp_path: Path
) -> None:
    """User, time and info are signed without separators."""
    timestamp = "1700000000"
    signed = client_token(SECRET, genuine, timestamp, info)
    text = genuine + timestamp + info

    async def scenario(server: Streams) -> None:
        for user in range(len(text) + 1):
            for info_ in range(user, min(user + 12, len(text)) + 1):
                parts = text[:user], text[user:info_], text[info_:]
                socket = await server.connect()
                await socket.send(of_2018(*parts, signed))
                if parts == (genuine, timestamp, info):
                    assert '"client":' in str(await socket.recv())
                else:
                    await socket.wait_closed()
                await socket.close()

    attack(tmp_path, scenario, **OF_2018)


@pytest.mark.parametrize("claim", ["iat", "exp", "nbf", "expire_at"])
@pytest.mark.parametrize("number", ["9" * 400, "1e400", '"1e400"', "[[{}]]"])
def test_a_claim_that_no_clock_can_hold_is_an_invalid_token(
    claim: str, number: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """However rightly it is signed: no traceback, and no error of ours."""
    shown = token(f'{{"sub":"42","channel":"c","{claim}":{number}}}'.encode(), secret=SECRET)
    bare = token(f'{{"sub":"42","{claim}":{number}}}'.encode(), secret=SECRET)

    async def scenario(server: Streams) -> None:
        socket = await server.connect()
        await socket.send(f'{{"id":1,"connect":{{"token":"{bare}"}}}}')
        await socket.wait_closed()
        assert socket.close_code == 3500
        subscribe = f'{{"id":2,"subscribe":{{"channel":"c","token":"{shown}"}}}}'
        assert (await said_first(server, CONNECT, subscribe))["error"]["code"] == 103

    attack(tmp_path, scenario, **NO_HEADER)
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
