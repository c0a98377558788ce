"""Certificates that renew themselves, by a clock moved by hand; what clients see of them."""

import asyncio
import logging
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from girandola.net.autocert import (
    CHECK_INTERVAL,
    RETRY_DELAY,
    Autocert,
    CertificateCache,
    PrivateKey,
    account_key,
    challenge_router,
)
from girandola.net.http import Request, Response
from tests.fakes import FakeClock
from tests.net.certificates import Authority, key_pem
from tests.net.running import Run, Running

HOST = "rt.example"
DAY = 86400.0
AUTHORITY = Authority()


class Issuer:
    """Issues what it is asked for, for 90 days by the wall clock; ``fails`` says why not."""

    def __init__(self, folder: Path, *hosts: str, use_rsa: bool = False) -> None:
        self.clock = FakeClock(datetime.now(UTC).timestamp())
        self.asked: list[str] = []
        self.fails = ""
        self.cache = CertificateCache(str(folder))
        self.keys: list[PrivateKey] = []
        self.hosts = hosts or (HOST,)
        self.named = ""
        self._use_rsa = use_rsa

    def autocert(self, default_host: str = "") -> Autocert:
        return Autocert(
            self.hosts,
            self.cache,
            self.obtain,
            self.clock,
            default_host=default_host,
            use_rsa=self._use_rsa,
        )

    async def obtain(self, host: str, key: PrivateKey) -> bytes:
        self.asked.append(host)
        self.keys.append(key)
        if self.fails:
            raise OSError(self.fails)
        ends = timedelta(seconds=self.clock.time() - datetime.now(UTC).timestamp(), days=90)
        common_name = f"number {len(self.asked)}"
        issued = AUTHORITY.issue(self.named or host, common_name=common_name, ends=ends, key=key)
        return issued.cert.encode()


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path / "cache")


# ── when ─────────────────────────────────────────────────────────────────────────────────────


def test_every_host_gets_a_certificate_at_the_start(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path, HOST, "Other.example.", HOST)
    issuer.autocert().start()
    assert issuer.asked == [HOST, "other.example"]


def test_a_certificate_is_renewed_in_the_last_third_of_its_life(issuer: Issuer) -> None:
    issuer.autocert().start()
    issuer.clock.advance(59 * DAY)
    assert len(issuer.asked) == 1
    issuer.clock.advance(2 * DAY)
    assert len(issuer.asked) == 2
    assert issuer.keys[0] is not issuer.keys[1]
    issuer.clock.advance(30 * DAY)
    assert len(issuer.asked) == 2


def test_what_the_cache_has_is_not_asked_for_again(issuer: Issuer) -> None:
    issuer.autocert().start()
    issuer.autocert().start()
    assert len(issuer.asked) == 1


def test_a_cached_certificate_near_its_end_is_renewed_at_once(issuer: Issuer) -> None:
    autocert = issuer.autocert()
    autocert.start()
    autocert.stop()
    issuer.clock.advance(70 * DAY)
    issuer.autocert().start()
    assert len(issuer.asked) == 2


def test_a_failure_is_told_and_tried_again_ever_more_slowly(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.fails = "the server says no"
    issuer.autocert().start()
    assert caplog.messages == [f"no certificate for {HOST}: the server says no"]
    delays = []
    for _ in range(6):
        asked, began = len(issuer.asked), issuer.clock.now()
        while len(issuer.asked) == asked:
            issuer.clock.advance(10.0)
        delays.append(issuer.clock.now() - began)
    assert delays == [RETRY_DELAY * factor for factor in (1, 2, 4, 8)] + [CHECK_INTERVAL] * 2
    issuer.fails = ""
    issuer.clock.advance(CHECK_INTERVAL)
    asked = len(issuer.asked)
    issuer.clock.advance(10 * DAY)
    assert len(issuer.asked) == asked


def test_a_failed_renewal_keeps_the_certificate_there_is(run: Run, issuer: Issuer) -> None:
    autocert = issuer.autocert()
    autocert.start()
    issuer.fails = "the server says no"
    issuer.clock.advance(70 * DAY)
    assert len(issuer.asked) > 1

    async def scenario(running: Running) -> None:
        assert await name_shown(running, autocert, HOST) == "number 1"

    run(scenario)


def test_nothing_is_asked_for_once_stopped(issuer: Issuer) -> None:
    autocert = issuer.autocert()
    autocert.start()
    autocert.stop()
    issuer.clock.advance(90 * DAY)
    assert len(issuer.asked) == 1


def test_a_certificate_that_comes_after_the_stop_starts_nothing(issuer: Issuer) -> None:
    waiter = issuer.clock.waiter()

    async def obtain(host: str, key: PrivateKey) -> bytes:
        issuer.asked.append(host)
        return bytes(await waiter)

    autocert = Autocert([HOST, "other.example"], issuer.cache, obtain, issuer.clock)
    autocert.start()
    autocert.stop()
    waiter.set_result(b"")
    issuer.clock.advance(90 * DAY)
    assert issuer.asked == [HOST]


def test_a_certificate_for_somebody_else_is_refused(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.named = "evil.example"
    issuer.autocert().start()
    assert f"no certificate for {HOST}: the certificate is for evil.example" in caplog.messages


# ── where ────────────────────────────────────────────────────────────────────────────────────


def test_keys_and_certificates_are_kept_for_ourselves_only(issuer: Issuer, tmp_path: Path) -> None:
    issuer.autocert().start()
    folder = tmp_path / "cache"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (file,) = folder.iterdir()
    assert file.name == HOST
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = load_pem_private_key(file.read_bytes(), None)
    assert key.public_key() == issuer.keys[0].public_key()
    assert file.read_bytes().startswith(b"-----BEGIN EC PRIVATE KEY-----")


def test_rsa_keys_have_a_file_of_their_own(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path, use_rsa=True)
    issuer.autocert().start()
    assert isinstance(issuer.keys[0], rsa.RSAPrivateKey)
    assert [file.name for file in tmp_path.iterdir()] == [f"{HOST}+rsa"]


def test_without_a_folder_nothing_is_kept() -> None:
    issuer = Issuer(Path())
    issuer.cache = CertificateCache("")
    issuer.autocert().start()
    issuer.autocert().start()
    assert len(issuer.asked) == 2


@pytest.mark.parametrize(
    "content", [b"garbage", key_pem(ec.generate_private_key(ec.SECP256R1())).encode()]
)
def test_a_broken_file_is_told_and_replaced(
    issuer: Issuer, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache" / HOST).write_bytes(content)
    issuer.autocert().start()
    assert f"the cached certificate for {HOST} is of no use: " in caplog.text
    assert issuer.asked == [HOST]
    assert b"CERTIFICATE" in (tmp_path / "cache" / HOST).read_bytes()


def test_a_certificate_that_cannot_be_kept_is_used_all_the_same(
    issuer: Issuer, tmp_path: Path, caplog: pytest.LogCaptureFixture, run: Run
) -> None:
    (tmp_path / "cache" / HOST).mkdir()
    autocert = issuer.autocert()
    autocert.start()
    assert f"the certificate for {HOST} could not be kept: Is a directory" in caplog.text

    async def scenario(running: Running) -> None:
        assert await name_shown(running, autocert, HOST) == "number 1"

    run(scenario)


def test_a_cache_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        CertificateCache(str(tmp_path / "file"))


def test_the_account_has_one_key_for_ever(tmp_path: Path) -> None:
    cache = CertificateCache(str(tmp_path))
    first, second = account_key(cache), account_key(cache)
    assert first.private_numbers() == second.private_numbers()


@pytest.mark.parametrize(
    "content", [b"garbage", key_pem(rsa.generate_private_key(65537, 1024)).encode()]
)
def test_an_account_file_without_our_kind_of_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "acme_account+key").write_bytes(content)
    with pytest.raises(ValueError, match="holds no P-256 key"):
        account_key(CertificateCache(str(tmp_path)))


# ── who sees which ───────────────────────────────────────────────────────────────────────────


async def name_shown(running: Running, autocert: Autocert, host: str | None) -> str:
    """Return the common name of the certificate that a client gets who asks for ``host``."""
    ((_, port),) = await running.server.start("127.0.0.1", 0, tls=autocert.context)
    trusted = AUTHORITY.client_context()
    trusted.check_hostname = False
    # Without a name to ask for, asyncio would ask for the address it connects to.
    _, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=trusted, server_hostname=host or ""
    )
    certificate = writer.get_extra_info("peercert")
    writer.close()
    return str(dict(pair for group in certificate["subject"] for pair in group)["commonName"])


@pytest.mark.parametrize(
    ("asked", "shown"),
    [(HOST, "number 1"), ("OTHER.example", "number 2"), (None, "number 2")],
)
def test_every_client_sees_the_certificate_of_the_host_it_asks_for(
    run: Run, tmp_path: Path, asked: str | None, shown: str
) -> None:
    autocert = Issuer(tmp_path, HOST, "other.example").autocert(default_host="other.example")
    autocert.start()

    async def scenario(running: Running) -> None:
        assert await name_shown(running, autocert, asked) == shown

    run(scenario)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("evil.example", "TLS: a client asked for the host 'evil.example'"),
        (None, "TLS: a client asked for no host"),
    ],
)
def test_who_asks_for_another_host_is_turned_away_with_one_line(
    run: Run, issuer: Issuer, asked: str | None, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    autocert = issuer.autocert()
    autocert.start()
    caplog.set_level(logging.INFO, "girandola")
    caplog.clear()

    async def scenario(running: Running) -> None:
        with pytest.raises(ssl.SSLError, match="unrecognized name"):
            await name_shown(running, autocert, asked)

    run(scenario)
    assert caplog.messages == [told]


def test_before_there_is_a_certificate_clients_are_turned_away(
    run: Run, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.fails = "not now"
    autocert = issuer.autocert()
    autocert.start()

    async def scenario(running: Running) -> None:
        with pytest.raises(ssl.SSLError, match="internal error"):
            await name_shown(running, autocert, HOST)

    run(scenario)
    assert f"TLS: there is no certificate for {HOST} yet" in caplog.messages


def test_a_renewed_certificate_is_shown_from_then_on(run: Run, issuer: Issuer) -> None:
    autocert = issuer.autocert()
    autocert.start()

    async def scenario(running: Running) -> None:
        assert await name_shown(running, autocert, HOST) == "number 1"
        issuer.clock.advance(61 * DAY)
        assert await name_shown(running, autocert, HOST) == "number 2"

    run(scenario)


# ── challenges ───────────────────────────────────────────────────────────────────────────────


def asked(path: str, host: str = HOST, query: str = "") -> Response:
    router = challenge_router({"/.well-known/acme-challenge/token": "text"}, [HOST])
    request = Request("GET", path, query=query, headers={"host": host})
    route = router.find(request)
    assert not isinstance(route, Response)
    answer = route.handler(request)  # type: ignore[union-attr]  # there is no other kind of route
    assert isinstance(answer, Response)
    return answer


def test_a_challenge_is_answered_and_no_other() -> None:
    answer = asked("/.well-known/acme-challenge/token", host="whatever")
    assert (answer.status, answer.body) == (200, b"text")
    assert asked("/.well-known/acme-challenge/other").status == 404


def test_everything_else_is_sent_to_https_at_our_hosts_only() -> None:
    answer = asked("/a%20b", host="RT.example:80", query="c=d")
    assert answer.status == 302
    assert tuple(answer.headers) == (("Location", "https://rt.example/a%20b?c=d"),)
    assert asked("/", host="evil.example").status == 404
