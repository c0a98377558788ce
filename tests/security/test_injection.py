"""What a stranger says stays text: in log lines, in heads of answers, in scripts and in pages.

Every word of his is tried everywhere where one of it comes out again. The log is the file that an
operator reads, not the records it is made of.
"""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from girandola.observe.logging import LineFormatter
from tests.security.conftest import Attack
from tests.security.peer import OPENS_WEBSOCKET, Answer, read_answers, text_frame
from tests.security.victim import API_KEY, ORIGIN, Victim, connect_command

FORGED = "2026-01-01 00:00:00.000 ERROR girandola.app.run: the key is 1234"
"""What an attacker would like to read in the log."""
WORDS = [
    f"a\n{FORGED}",
    f"a\r\n{FORGED}",
    f"a\r{FORGED}",
    f"a\x0b{FORGED}",
    f"a\x0c{FORGED}",
    f"a\x1c{FORGED}",
    f"a\x85{FORGED}",
    f"a\u2028{FORGED}",
    f"a\u2029{FORGED}",
    "a\x1b[2J\x1b[1;31mred\x1b]0;title\x07",
    "a\x9b31m",
    "a\x08\x08\x08\x7f",
    "a\x00b",
    "a\u202eb\u2066c",
    "%s%n%(message)s{0}{self}",
    "${jndi:ldap://x}",
    "a" * 5000,
]
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z]+ girandola\.[a-z_.]+: ")
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
MAX_LINE = 11_000
"""Characters: no line repeats the longest word more than twice."""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """The log at its chattiest, as it is written to a file."""
    path = tmp_path / "girandola.log"
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(LineFormatter())
    logger = logging.getLogger("girandola")
    logger.addHandler(handler)
    yield path
    logger.removeHandler(handler)
    handler.close()


def check_log(path: Path) -> None:
    """See that every line is one of ours, from its beginning to its end."""
    text = path.read_text(encoding="utf-8")
    assert FORGED.partition(": ")[2] in text, "none of the words came into the log"
    for line in text.removesuffix("\n").split("\n"):
        assert LINE.match(line), line
        assert not line.startswith(FORGED)
        assert not CONTROL.search(line), line
        assert len(line) < MAX_LINE, line[:200]


# ── the log ──────────────────────────────────────────────────────────────────────────────────


async def say(victim: Victim, *commands: str) -> None:
    """Say commands as one client, and read what comes of it."""
    peer = await victim.peer()
    await peer.open_websocket()
    await peer.send(*map(text_frame, commands))
    peer.end()
    await peer.read_all()


def test_words_of_clients_never_break_a_log_line(attack: Attack, log: Path) -> None:
    """Users, channels, methods, tokens and names of them, of today and of 2018."""

    async def scenario(victim: Victim) -> None:
        for word in WORDS:
            text = json.dumps(word)
            await say(
                victim,
                connect_command(word),
                f'{{"id":2,"subscribe":{{"channel":{text},"token":{text}}}}}',
                f'{{"id":3,"rpc":{{"method":{text}}}}}',
                f'{{"id":4,"publish":{{"channel":{text},"data":1}}}}',
                f'{{"id":5,"refresh":{{"token":{text}}}}}',
            )
            await say(victim, f'{{"id":1,"connect":{{"token":{text},"name":{text}}}}}')
            await say(victim, f'{{"id":1,"connect":{{{text}:1}},"x":{text}}}')
            await say(
                victim, connect_command("4"), f'{{"id":3,"subscribe":{{"channel":[{text}]}}}}'
            )
            await say(victim, f'{{"uid":{text},"method":{text},"params":{{}}}}')
            await say(victim, f'{{"method":"connect","params":{{"user":{text},"token":{text}}}}}')
            await say(victim, word)

    attack(scenario)
    check_log(log)


def test_words_in_requests_never_break_a_log_line(attack: Attack, log: Path) -> None:
    """Targets, headers and bodies, to every door."""

    async def scenario(victim: Victim) -> None:
        for word in WORDS:
            raw = re.sub("[\x00\r\n]", "?", word).encode()
            quoted = quote(word).encode()
            body = json.dumps({"channel": word, "data": 1, "pattern": word, "x": word}).encode()
            for path in (b"/%b", b"/api/%b", b"/api/publish?api_key=%b", b"/connection/sockjs/%b"):
                await victim.ask(
                    _request(path % quoted, b"GET"), _request(path % quoted, body=body)
                )
            for path in (b"/connection/websocket", b"/connection/sse", b"/connection/uni_sse"):
                headers = (
                    *(b"Origin: " + raw, b"User-Agent: " + raw, b"Last-Event-ID: " + raw),
                    *(b"Referer: " + raw, b"X-Forwarded-For: " + raw, b"Cookie: " + raw),
                )
                upgrade = OPENS_WEBSOCKET.split(b"\r\n")[2:-2]
                await victim.ask(_request(path, b"GET", *headers[:1], *upgrade))
                await victim.ask(_request(path + b"?cf_connect=" + quoted, b"GET", *headers[1:]))
            key = b"X-API-Key: " + API_KEY.encode()
            for name in (b"publish", b"channels", b"history", b"batch", b""):
                path = (b"/api/" + name).removesuffix(b"/")
                await victim.ask(_request(path, b"POST", key, body=body))
                await victim.ask(_request(path, b"POST", b"X-API-Key: " + raw, body=body))
                await victim.ask(_request(path, b"POST", key, body=word.encode()))
            emulation = json.dumps({"session": word, "node": word, "data": word}).encode()
            await victim.ask(_request(b"/emulation", b"POST", body=emulation))

    attack(scenario)
    check_log(log)


def _request(path: bytes, method: bytes = b"POST", *headers: bytes, body: bytes = b"") -> bytes:
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: a", *headers]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


# ── heads of answers ─────────────────────────────────────────────────────────────────────────

SPLITTERS = ["a%0d%0aX-Evil: 1", "a%0aX-Evil: 1", "a%0dX-Evil: 1", "a%00", "a%e5%98%8d%e5%98%8aX"]
PATHS = [
    *("/{}", "/api/{}", "/api?{}", "/api/?{}", "/connection/sockjs?{}", "/connection/sockjs/{}"),
    *("/connection/sockjs/000/{}/xhr", "/connection/sockjs/000/1/jsonp?c={}", "/connection/{}"),
    *("/connection/sockjs/iframe{}.html", "/connection/sockjs/info?{}", "/emulation?{}"),
]


def test_no_word_of_a_request_makes_a_header_of_the_answer(attack: Attack) -> None:
    """Also not where an answer repeats words: redirects, allowed headers, allowed origins."""

    async def scenario(victim: Victim) -> None:
        async def try_all() -> None:
            for word in SPLITTERS:
                for path in PATHS:
                    for method in (b"GET", b"POST", b"OPTIONS"):
                        target = path.format(word.replace(" ", "%20")).encode()
                        wanted = f"Access-Control-Request-Headers: {word}".encode()
                        origin = f"Origin: {ORIGIN}".encode()
                        sent = _request(target, method, origin, wanted)
                        came = (await victim.ask(sent)).partition(b"\r\n\r\n")[0]
                        assert b"\nX-Evil" not in came, (path, came)
                        assert b"\rX-Evil" not in came, (path, came)

        await victim.while_(try_all())

    attack(scenario)


def test_a_redirect_leads_nowhere_else(attack: Attack) -> None:
    """A path of two slashes would be a host, if it were repeated as it came."""

    async def scenario(victim: Victim) -> None:
        for path in ("/api", "/connection/sockjs", "//evil.example/api", "//evil.example/%2e%2e"):
            (answer,) = read_answers(await victim.ask(_request(path.encode(), b"GET")))
            location = answer.headers.get("location", "/")
            assert re.match(r"/(?!/)", location), (path, location)

    attack(scenario)


# ── origins ──────────────────────────────────────────────────────────────────────────────────

FOREIGN = [
    *("https://evil.example", "null", "https://good.example.evil.example", "http://good.example"),
    *("https://good.example:8443", "https://good.example@evil.example", "https://xgood.example"),
    *("https://evil.example/https://good.example", "file://", "https://good.example\x00", "*"),
    *("https://good.example.", "https://good.exampl\xe9", "https://good.example https://a"),
]
CORS_PATHS = [
    *("/connection/sse", "/connection/http_stream", "/connection/uni_sse", "/emulation"),
    *("/connection/uni_http_stream", "/connection/sockjs/info", "/connection/sockjs/0/1/xhr"),
    *("/connection/sockjs/0/1/xhr_send", "/api/info", "/"),
]


def test_no_foreign_origin_may_read_an_answer(attack: Attack) -> None:
    async def scenario(victim: Victim) -> None:
        async def try_all() -> None:
            for origin in FOREIGN:
                header = b"Origin: " + origin.encode("latin-1")
                for path in CORS_PATHS:
                    for method in (b"OPTIONS", b"POST", b"GET"):
                        sent = _request(path.encode(), method, header)
                        head = (await victim.ask(sent)).partition(b"\r\n\r\n")[0].lower()
                        assert b"access-control-allow-origin" not in head, (origin, path)
                        assert b"access-control-allow-credentials" not in head, (origin, path)

        await victim.while_(try_all())

    attack(scenario)


def test_an_allowed_origin_is_named_alone_and_for_itself_only(attack: Attack) -> None:
    """With ``Vary``, so that no cache gives the answer to another one."""

    async def scenario(victim: Victim) -> None:
        for path in CORS_PATHS[:8]:
            sent = _request(path.encode(), b"OPTIONS", b"Origin: " + ORIGIN.encode())
            (answer,) = read_answers(await victim.ask(sent))
            assert answer.headers["access-control-allow-origin"] == ORIGIN, path
            assert answer.headers["vary"] == "Origin"

    attack(scenario)


# ── scripts and pages ────────────────────────────────────────────────────────────────────────

CALLBACKS = [
    *(
        "alert(1)//",
        "a;b",
        "a(b",
        "a b",
        "</script>",
        "a\n",
        "a\u2028",
        "ä",
        "a[0]",
        "a=1",
        "'",
        '"',
    ),
    *("a/*", "a<!--", "\\u0061", "a%00", "a" * 129, "", "a\r", "`", "a{", "new Image", '"'),
]
HOSTILE = "</script><script>alert(1)</script><!--\u2028\u2029&\"'\n"


async def _get(victim: Victim, path: str) -> Answer:
    return read_answers(await victim.ask(_request(path.encode(), b"GET", b"Connection: close")))[0]


def test_a_callback_is_a_name_or_refused(attack: Attack) -> None:
    async def scenario(victim: Victim) -> None:
        for transport in ("jsonp", "htmlfile"):
            for name in CALLBACKS:
                path = f"/connection/sockjs/0/1/{transport}?c={quote(name)}"
                answer = await _get(victim, path)
                assert answer.status == 500, name
                assert answer.headers["content-type"].startswith("text/plain")
                assert b"<" not in answer.body

    attack(scenario)


def test_messages_in_scripts_and_pages_cannot_leave_their_string(attack: Attack) -> None:
    """A user's id comes back as a publication's info, in JSONP and in the page of htmlfile."""

    async def scenario(victim: Victim) -> None:
        for transport in ("jsonp", "htmlfile"):
            base = f"/connection/sockjs/0/{transport}"
            opening = await victim.peer()
            await opening.send(_request(f"{base}/{transport}?c=cb".encode(), b"GET"))
            await opening.read_until(b"o" if transport == "jsonp" else b'p("o");')
            commands = [connect_command(HOSTILE), '{"id":2,"subscribe":{"channel":"a"}}']
            commands.append(f'{{"id":3,"publish":{{"channel":"a","data":{json.dumps(HOSTILE)}}}}}')
            body = json.dumps(commands).encode()
            await victim.ask(_request(f"{base}/xhr_send".encode(), b"POST", body=body))
            if transport == "jsonp":
                await victim.clock.advance(1)
                sent = _request(f"{base}/jsonp?c=cb".encode(), b"GET", b"Connection: close")
                reader = await victim.peer()
                await reader.send(sent)
                came = await reader.read_until(b");\r\n")
            else:
                came = await opening.read_until(b"alert")
                came += await opening.read_until(b"</script>")
            assert b"alert(1)" in came
            assert b"</script><script>alert" not in came
            assert b"<!--" not in came
            assert "\u2028".encode() not in came
            opening.close()

    attack(scenario)


def test_pages_and_errors_are_no_html_of_a_stranger(attack: Attack) -> None:
    """Refusals are plain text that repeats nothing; the page of SockJS holds only what we say."""
    words = ["<script>alert(1)</script>", "'><img src=x onerror=alert(1)>"]
    paths = ["/{}", "/api/{}", "/connection/sockjs/{}", "/connection/sockjs/iframe{}.html"]

    async def scenario(victim: Victim) -> None:
        for word in words:
            for path in paths:
                for target in (path.format(quote(word)), path.format("x") + "?" + quote(word)):
                    answer = await _get(victim, target)
                    assert b"alert(1)" not in answer.body, target
                    if "iframe" not in path:
                        assert not answer.headers.get("content-type", "").startswith("text/html")

    attack(scenario)
