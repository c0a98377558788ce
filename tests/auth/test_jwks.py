"""Key sets over HTTP, against a real server on loopback that each test directs by hand."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from girandola.app.clock import LoopClock
from girandola.auth.claims import InvalidToken
from girandola.auth.jwks import (
    ATTEMPTS,
    LIFETIME,
    MAX_DOCUMENT,
    MAX_FETCHES,
    PAUSE,
    EndpointTemplate,
    KeySets,
    KeysUnavailable,
)
from girandola.auth.jwt import Verifier
from girandola.options import TokenOptions
from tests.auth.tokens import NOW, jwk, token
from tests.fakes import FakeClock


class Endpoint:
    """An issuer's server: answers with ``keys``, or as told otherwise; counts requests."""

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.body: bytes | None = None
        self.status = 200
        self.headers: dict[str, str] = {}
        self.failures = 0
        self.paths: list[str] = []
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.by_path: dict[str, list[Any]] = {}
        self.base = ""

    @property
    def url(self) -> str:
        return f"{self.base}/keys"

    async def handle(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        self.asked.set()
        await self.may_answer.wait()
        if self.failures:
            self.failures -= 1
            return web.Response(status=500)
        keys = self.by_path.get(request.path, self.keys)
        body = json.dumps({"keys": keys}).encode() if self.body is None else self.body
        return web.Response(body=body, status=self.status, headers=self.headers)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    app = web.Application()
    app.router.add_get("/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # a TCP server
    made.base = f"http://127.0.0.1:{port}"
    yield made
    made.may_answer.set()
    await runner.cleanup()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def sets(clock: FakeClock) -> AsyncIterator[KeySets]:
    made = KeySets(now=clock.now, timeout=5.0)
    yield made
    await made.close()


def verifier(sets: KeySets, url: str, **options: Any) -> Verifier:
    return Verifier(
        TokenOptions(jwks_public_endpoint=url, **options), time=lambda: float(NOW), jwks=sets
    )


def of(algorithm: str, kid: str, which: int = 0, **claims: Any) -> str:
    head = {"alg": algorithm, "kid": kid}
    return token({"sub": "42"} | claims, algorithm, which=which, header=head)


# ── keys and tokens ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "ES256", "ES384", "ES512", "EdDSA"])
async def test_a_token_is_verified_by_the_key_that_its_kid_names(
    algorithm: str, endpoint: Endpoint, sets: KeySets
) -> None:
    endpoint.keys = [jwk(algorithm, "other", 1), jwk(algorithm, "mine")]
    verified = await verifier(sets, endpoint.url).connection_token(of(algorithm, "mine"))
    assert verified.user == "42"
    with pytest.raises(InvalidToken, match="signature"):
        await verifier(sets, endpoint.url).connection_token(of(algorithm, "other"))


async def test_with_a_key_set_no_other_key_is_used(endpoint: Endpoint, sets: KeySets) -> None:
    endpoint.keys = [jwk("RS256", "k", 1), {"kty": "oct", "kid": "h", "k": "c2VjcmV0"}]
    both = verifier(sets, endpoint.url, hmac_secret_key="secret")
    for text in (
        token({"sub": "42"}, secret="secret"),
        token({"sub": "42"}, secret="secret", header={"alg": "HS256", "kid": "h"}),
        token({"sub": "42"}, secret="secret", header={"alg": "HS256", "kid": "k"}),
    ):
        with pytest.raises(InvalidToken, match="HS256"):
            await both.connection_token(text)
    assert endpoint.paths == []


async def test_a_token_without_kid_is_invalid(endpoint: Endpoint, sets: KeySets) -> None:
    endpoint.keys = [jwk("RS256", "")]
    with pytest.raises(InvalidToken, match="kid"):
        await verifier(sets, endpoint.url).connection_token(token({}, "RS256"))


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"alg": "RS512"},
        {"alg": "none"},
        {"kty": "EC"},
        {"kty": "oct", "k": "x"},
        {"n": "AQAB"},
        {"n": "!"},
        {"n": 1},
        {"kid": 1},
    ],
)
async def test_a_key_that_is_not_for_this_use_does_not_verify(
    members: dict[str, Any], endpoint: Endpoint, sets: KeySets
) -> None:
    endpoint.keys = [jwk("RS256", "k", **members), 5, None, jwk("ES256", "good")]
    one = verifier(sets, endpoint.url)
    with pytest.raises(InvalidToken, match="no key"):
        await one.connection_token(of("RS256", "k"))
    assert (await one.connection_token(of("ES256", "good"))).user == "42"


async def test_a_key_may_say_its_algorithm_and_operations(
    endpoint: Endpoint, sets: KeySets
) -> None:
    endpoint.keys = [
        jwk("RS256", "r", alg="RS256", key_ops=["verify"]),
        jwk("EdDSA", "e", alg="Ed25519"),
    ]
    one = verifier(sets, endpoint.url)
    assert (await one.connection_token(of("RS256", "r"))).user == "42"
    assert (await one.connection_token(of("EdDSA", "e"))).user == "42"


# ── when it is fetched ───────────────────────────────────────────────────────────────────────


async def test_a_set_is_fetched_once_for_all_who_wait(endpoint: Endpoint, sets: KeySets) -> None:
    endpoint.keys = [jwk("ES256", "k")]
    endpoint.may_answer.clear()
    waiting = [asyncio.ensure_future(sets.keys(endpoint.url, "k")) for _ in range(20)]
    await endpoint.asked.wait()
    waiting.append(asyncio.ensure_future(sets.keys(endpoint.url, "k")))
    endpoint.may_answer.set()
    assert [len(keys) for keys in await asyncio.gather(*waiting)] == [1] * 21
    assert len(endpoint.paths) == 1


async def test_one_who_gives_up_does_not_spoil_it_for_the_others(
    endpoint: Endpoint, sets: KeySets
) -> None:
    endpoint.keys = [jwk("ES256", "k")]
    endpoint.may_answer.clear()
    first, second = (asyncio.ensure_future(sets.keys(endpoint.url, "k")) for _ in range(2))
    await endpoint.asked.wait()
    first.cancel()
    endpoint.may_answer.set()
    assert len(await second) == 1
    assert first.cancelled()


async def test_use_does_not_prolong_the_hour_for_which_a_set_is_believed(
    endpoint: Endpoint, sets: KeySets, clock: FakeClock
) -> None:
    endpoint.keys = [jwk("ES256", "k")]
    for _ in range(10):
        clock.advance(LIFETIME / 10.5)
        assert await sets.keys(endpoint.url, "k")
    assert len(endpoint.paths) == 1
    endpoint.keys = []
    clock.advance(LIFETIME / 5)
    assert await sets.keys(endpoint.url, "k") == []
    assert len(endpoint.paths) == 2


async def test_a_new_key_is_found_when_the_first_token_names_it(
    endpoint: Endpoint, sets: KeySets, clock: FakeClock
) -> None:
    endpoint.keys = [jwk("ES256", "old", 1)]
    one = verifier(sets, endpoint.url)
    await one.connection_token(of("ES256", "old", 1))
    endpoint.keys = [jwk("ES256", "new")]
    clock.advance(PAUSE)
    assert (await one.connection_token(of("ES256", "new"))).user == "42"
    with pytest.raises(KeysUnavailable):
        await one.connection_token(of("ES256", "old", 1))
    clock.advance(PAUSE)
    with pytest.raises(InvalidToken):
        await one.connection_token(of("ES256", "old", 1))


async def test_strangers_with_random_kids_do_not_set_the_pace(
    endpoint: Endpoint, sets: KeySets, clock: FakeClock
) -> None:
    endpoint.keys = [jwk("ES256", "k")]
    assert await sets.keys(endpoint.url, "k")
    for number in range(200):
        with pytest.raises(KeysUnavailable):
            await sets.keys(endpoint.url, f"made up {number}")
        assert await sets.keys(endpoint.url, "k")
        clock.advance(PAUSE / 250)
    assert len(endpoint.paths) == 1
    clock.advance(PAUSE)
    assert await sets.keys(endpoint.url, "made up again") == []
    assert len(endpoint.paths) == 2


async def test_a_failing_endpoint_is_tried_three_times_and_then_left_alone_for_a_while(
    endpoint: Endpoint, sets: KeySets, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.failures = ATTEMPTS + 1
    endpoint.keys = [jwk("ES256", "k")]
    with pytest.raises(KeysUnavailable, match="expected status 200, got 500"):
        await sets.keys(endpoint.url, "k")
    with pytest.raises(KeysUnavailable, match="asked less than"):
        await sets.keys(endpoint.url, "k")
    assert len(endpoint.paths) == ATTEMPTS
    assert len(caplog.records) == 1
    clock.advance(PAUSE)
    assert len(await sets.keys(endpoint.url, "k")) == 1
    assert len(endpoint.paths) == ATTEMPTS + 2


async def test_known_keys_stay_good_while_the_endpoint_fails_but_not_for_ever(
    endpoint: Endpoint, sets: KeySets, clock: FakeClock
) -> None:
    endpoint.keys = [jwk("ES256", "k")]
    await sets.keys(endpoint.url, "k")
    endpoint.status = 503
    clock.advance(PAUSE)
    with pytest.raises(KeysUnavailable):
        await sets.keys(endpoint.url, "other")
    assert await sets.keys(endpoint.url, "k")
    clock.advance(LIFETIME)
    with pytest.raises(KeysUnavailable):
        await sets.keys(endpoint.url, "k")


async def test_a_slow_endpoint_is_given_up(endpoint: Endpoint, clock: FakeClock) -> None:
    endpoint.may_answer.clear()
    impatient = KeySets(now=clock.now, timeout=0.02)
    with pytest.raises(KeysUnavailable, match="TimeoutError"):
        await impatient.keys(endpoint.url, "k")
    await impatient.close()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"keys":{}}', b"<html>", b"\x1f\x8b\x08", b"[" * 5000]
)
async def test_an_answer_that_is_no_key_set_is_a_failure(
    body: bytes, endpoint: Endpoint, sets: KeySets
) -> None:
    endpoint.body = body
    with pytest.raises(KeysUnavailable, match="expected a JSON object with a list of keys"):
        await sets.keys(endpoint.url, "k")


async def test_an_answer_has_a_largest_size(endpoint: Endpoint, sets: KeySets) -> None:
    endpoint.body = b'{"keys":[]}' + b" " * MAX_DOCUMENT
    with pytest.raises(KeysUnavailable, match=str(MAX_DOCUMENT)):
        await sets.keys(endpoint.url, "k")


async def test_redirects_are_not_followed(endpoint: Endpoint, sets: KeySets) -> None:
    endpoint.status = 302
    endpoint.headers = {"Location": f"{endpoint.base}/elsewhere"}
    with pytest.raises(KeysUnavailable, match="302"):
        await sets.keys(endpoint.url, "k")
    assert set(endpoint.paths) == {"/keys"}


async def test_nobody_there_is_a_failure_that_names_no_secrets(sets: KeySets) -> None:
    with pytest.raises(KeysUnavailable) as raised:
        await sets.keys("http://user:hush@127.0.0.1:1/keys?key=hush", "k")
    assert "127.0.0.1" in str(raised.value)
    assert "hush" not in str(raised.value)


async def test_only_so_many_urls_are_fetched_at_a_time(endpoint: Endpoint, sets: KeySets) -> None:
    endpoint.may_answer.clear()
    waiting = [
        asyncio.ensure_future(sets.keys(f"{endpoint.url}/{number}", "k"))
        for number in range(MAX_FETCHES)
    ]
    await endpoint.asked.wait()
    with pytest.raises(KeysUnavailable, match="already"):
        await sets.keys(endpoint.url, "k")
    endpoint.may_answer.set()
    assert await asyncio.gather(*waiting) == [[]] * MAX_FETCHES


async def test_closing_gives_up_what_is_under_way(endpoint: Endpoint, sets: KeySets) -> None:
    endpoint.may_answer.clear()
    waiting = asyncio.ensure_future(sets.keys(endpoint.url, "k"))
    await endpoint.asked.wait()
    await sets.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_it_works_for_a_caller_outside_of_any_task(endpoint: Endpoint, sets: KeySets) -> None:
    """The core begins commands in a callback of the loop."""
    endpoint.keys = [jwk("ES256", "k")]
    clock = LoopClock()
    found = clock.waiter()

    async def ask() -> None:
        found.set_result(await sets.keys(endpoint.url, "k"))

    clock.call_soon(clock.spawn, ask())
    assert len(await found) == 1


# ── URLs with parts taken from the token ─────────────────────────────────────────────────────

TENANTS = r"^https://id\.example\.com/(?P<tenant>one|two)$"


async def test_each_issuer_has_its_own_key_set(endpoint: Endpoint, sets: KeySets) -> None:
    """GHSA-g6vg-wj8f-48cj: a key of one tenant must not verify tokens of another."""
    endpoint.by_path = {"/one/keys": [jwk("ES256", "k")], "/two/keys": [jwk("ES256", "k", 1)]}
    tenants = verifier(sets, f"{endpoint.base}/{{{{tenant}}}}/keys", issuer_regex=TENANTS)
    one = of("ES256", "k", iss="https://id.example.com/one")
    two = of("ES256", "k", 1, iss="https://id.example.com/two")
    forged = of("ES256", "k", iss="https://id.example.com/two")
    assert (await tenants.connection_token(one)).user == "42"
    assert (await tenants.connection_token(two)).user == "42"
    with pytest.raises(InvalidToken, match="signature"):
        await tenants.connection_token(forged)
    for iss in ("https://id.example.com/three", "https://evil.example.com/one"):
        with pytest.raises(InvalidToken, match="issuer"):
            await tenants.connection_token(of("ES256", "k", iss=iss))
    assert endpoint.paths == ["/one/keys", "/two/keys"]


async def test_a_part_of_the_url_can_come_from_the_audience(
    endpoint: Endpoint, sets: KeySets
) -> None:
    endpoint.by_path = {"/app-1": [jwk("ES256", "k")]}
    by_audience = verifier(
        sets, endpoint.base + "/{{ app }}", audience_regex="^(?P<app>app-1|app-2)$"
    )
    text = of("ES256", "k", aud=["other", "app-1"])
    assert (await by_audience.connection_token(text)).user == "42"


@pytest.mark.parametrize(
    "regex",
    [
        r"(?P<t>.+)",
        r"(?P<t>[a-z]+)",
        r"(?P<t>one|.*)",
        r"(?P<t>one|two.com)",
        r"(?P<t>one|)",
        r"(?P<t>\w+)",
        r"(?P<t>a|b+)",
        r"(?P<t>(?:a|b))",
        r"(?P<t>)",
        r"(?<t>.+)",
        r"(?<t>\pL)",
        r"\Q(?P<t>one)\E(?<t>.+)",
        r"\Q(?<t>one)\E(?P<t>.+)",
        r"(?P<t>one)(?<t>.+)",
        r"(?<t>\Qone\E)",
    ],
)
def test_a_group_in_the_url_must_list_its_values(regex: str) -> None:
    with pytest.raises(ValueError, match="group t must list its values"):
        EndpointTemplate("https://x/{{t}}", [regex])
    EndpointTemplate("https://x/{{t}}", [regex], insecure=True)


@pytest.mark.parametrize(
    "regex",
    [
        r"(?P<t>one)",
        r"x(?P<t>one|two)?y",
        r"(?P<t>a\.b|c-d_e)",
        r"^(?<t>one|two)$",
    ],
)
def test_groups_that_list_their_values_are_safe(regex: str) -> None:
    assert EndpointTemplate("https://x/{{t}}", [regex]).names == {"t"}


def test_a_placeholder_needs_its_group() -> None:
    with pytest.raises(ValueError, match="names no group"):
        EndpointTemplate("https://x/{{t}}", ["(?P<u>a)"])


def test_a_group_that_matched_nothing_leaves_no_url() -> None:
    with pytest.raises(ValueError, match="nothing found"):
        EndpointTemplate("https://x/{{t}}", ["x(?P<t>a)?"]).url({})


@pytest.mark.parametrize("value", ["..", ".", "a/b", "a?b", "a#b", "a@b", "a%2fb", "a b", "é"])
def test_without_the_safety_check_a_value_still_stays_in_its_place(value: str) -> None:
    template = EndpointTemplate("https://x/{{t}}/keys", ["(?P<t>.+)"], insecure=True)
    assert template.url({"t": "tenant-1.x"}) == "https://x/tenant-1.x/keys"
    with pytest.raises(ValueError, match="does not fit"):
        template.url({"t": value})


@pytest.mark.parametrize("url", ["file:///etc/passwd", "x", "https://", "ftp://x/", "//x/y"])
def test_only_http_urls_are_endpoints(url: str) -> None:
    with pytest.raises(ValueError, match="http or https"):
        EndpointTemplate(url, [])


def test_without_a_key_set_aiohttp_is_not_even_loaded() -> None:
    """It would cost every start a quarter of its time; whoever needs it has it from the start."""
    script = "import sys, girandola.app.run; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=30).returncode == 0
    script = (
        "import sys; from girandola.auth.jwks import EndpointTemplate;"
        "EndpointTemplate('https://x/keys', []); sys.exit('aiohttp' not in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=30).returncode == 0
