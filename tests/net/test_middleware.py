"""Origins, CORS, and how many connections may come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.net.http import Request
from girandola.net.middleware import ConnectionLimit, OriginCheck, cors_headers, preflight_response
from tests.fakes import FakeClock


@pytest.mark.parametrize(
    ("patterns", "origin", "allowed"),
    [
        ([], None, True),
        ([], "https://example.com", False),
        (["*"], "https://example.com", True),
        (["*"], "null", True),
        (["https://example.com"], "https://example.com", True),
        (["https://example.com"], "HTTPS://Example.COM", True),
        (["https://EXAMPLE.com"], "https://example.com", True),
        (["https://example.com"], "https://example.com.evil.net", False),
        (["https://example.com"], "https://exampleXcom", False),
        (["https://example.com"], "https://example.com\n", False),
        (["https://example.com"], "http://example.com", False),
        (["https://example.com"], "null", False),
        (["https://example.com"], "", True),
        (["https://*.example.com"], "https://a.b.example.com", True),
        (["https://*.example.com"], "https://example.com", False),
        (["https://*.example.com"], "https://evil.net/.example.com.evil.net", False),
        (["http://localhost:*"], "http://localhost:3000", True),
        (["http://a", "http://b"], "http://b", True),
        (["http://app?.test"], "http://app1.test", True),
        (["http://app?.test"], "http://app12.test", False),
        (["http://app[1-3].test"], "http://app2.test", True),
        (["http://app[!1-3].test"], "http://app2.test", False),
        (["http://app[!1-3].test"], "http://app4.test", True),
        (["http://[+--].test"], "http://-.test", True),
        (["http://[+--].test"], "http://*.test", False),
        (["http{,s}://{a,b*}.test"], "https://bob.test", True),
        (["http{,s}://{a,b*}.test"], "http://c.test", False),
        ([r"http://\*.test"], "http://a.test", False),
        ([r"http://\*.test"], "http://*.test", True),
        (["http://a+b(.test"], "http://a+b(.test", True),
    ],
)
def test_an_origin_is_allowed_by_the_patterns(
    patterns: list[str], origin: str | None, allowed: bool
) -> None:
    """modern.md section 3.1."""
    assert OriginCheck(patterns).allows(origin) is allowed


def test_an_empty_origin_is_as_none() -> None:
    assert OriginCheck([]).allows("")
    assert cors_headers(request(origin=""), ORIGINS) == ()
    named = dict(cors_headers(request(origin=""), ORIGINS, without_origin="*"))
    assert named["Access-Control-Allow-Origin"] == "*"


def test_a_longest_origin_does_not_take_long_to_refuse() -> None:
    check = OriginCheck(["*a" * 20 + "b", "*.*.*.*.*.*.example.com"])
    assert not check.allows("a" * 512)
    assert not check.allows("." * 512)
    assert not check.allows("https://" + "a" * 16000 + "bc")


@pytest.mark.parametrize("pattern", ["http://[a", "http://{a,b", "http://[z-a]"])
def test_a_pattern_that_is_not_finished_is_named(pattern: str) -> None:
    with pytest.raises(ValueError, match="origin pattern 'http://"):
        OriginCheck([pattern])


@given(st.text(st.characters(codec="ascii", exclude_characters="*?[]{}\\,"), max_size=20))
def test_text_without_wildcards_matches_itself_only(text: str) -> None:
    check = OriginCheck([text])
    assert check.allows(text)
    assert not check.allows(text + "x")


def request(**headers: str) -> Request:
    return Request("OPTIONS", "/", headers={k.replace("_", "-"): v for k, v in headers.items()})


ORIGINS = OriginCheck(["https://*.test"])


def test_an_allowed_origin_may_read_the_answer() -> None:
    asked = request(origin="https://a.test", access_control_request_headers="x-a, x-b")
    assert dict(cors_headers(asked, ORIGINS)) == {
        "Access-Control-Allow-Origin": "https://a.test",
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Headers": "x-a, x-b",
        "Vary": "Origin",
    }


@pytest.mark.parametrize("headers", [{}, {"origin": "https://evil.net"}])
def test_another_origin_gets_no_cors_headers(headers: dict[str, str]) -> None:
    assert cors_headers(request(**headers), ORIGINS) == ()


def test_a_preflight_is_answered_without_a_body() -> None:
    answer = preflight_response(request(origin="https://a.test"), ORIGINS)
    headers = dict(answer.headers)
    assert answer.status == 204
    assert headers["Access-Control-Max-Age"] == "300"
    assert headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
    assert headers["Access-Control-Allow-Origin"] == "https://a.test"


def test_no_more_connections_than_the_limit_are_open() -> None:
    limit = ConnectionLimit(2, 0, FakeClock().now)
    assert [limit.acquire() for _ in range(3)] == [True, True, False]
    limit.release()
    assert [limit.acquire() for _ in range(2)] == [True, False]


def test_a_rate_of_n_lets_n_connections_in_every_second() -> None:
    """Centrifugo's let one in (server.md section 19, item 1)."""
    clock = FakeClock()
    limit = ConnectionLimit(0, 10, clock.now)
    assert sum(limit.acquire() for _ in range(100)) == 10
    for _ in range(5):
        clock.advance(1)
        assert sum(limit.acquire() for _ in range(100)) == 10
    clock.advance(0.5)
    assert sum(limit.acquire() for _ in range(100)) == 5
    clock.advance(60)
    assert sum(limit.acquire() for _ in range(100)) == 10, "a pause saves up one second, no more"


def test_a_connection_over_the_limit_uses_up_none_of_the_rate() -> None:
    limit = ConnectionLimit(1, 2, FakeClock().now)
    assert [limit.acquire(), limit.acquire()] == [True, False]
    limit.release()
    assert limit.acquire()


def test_without_limits_everybody_comes_in() -> None:
    limit = ConnectionLimit(0, 0, FakeClock().now)
    assert all(limit.acquire() for _ in range(1000))
