"""Where a server listens and with which certificates, as its clients and its operator see it."""

import asyncio
import fcntl
import os
import shutil
import socket
import ssl
import stat
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from cryptography import x509
from websockets.asyncio.client import ClientConnection, connect, unix_connect

from girandola.app.activation import Inherited
from girandola.app.listeners import Listeners, Place, places
from girandola.config.schema import Config, HttpServerOptions
from tests.app.test_run import API_KEY, HOST, Process, configuration
from tests.fakes import FakeClock
from tests.net.certificates import Authority, Issued
from tests.net.pebble import free_port, running_pebble

WEBSOCKET = "/connection/websocket"
SERVING = "INFO girandola.app.run: serving "
AUTHORITY = Authority()
FIRST = AUTHORITY.issue("localhost", HOST, common_name="first")
SECOND = AUTHORITY.issue("localhost", HOST, common_name="second")


class Server(Process):
    """A process that may listen at several places, and be given some."""

    async def launch(
        self, config: dict[str, Any], *flags: str, listeners: int = 1, **environ: str
    ) -> list[str]:
        """Start; return what is served where, once that is said of so many listeners."""
        self.configure(config)
        await self.execute([sys.executable], *flags, environ=environ)
        return [(await self.line(SERVING)).partition(SERVING)[2] for _ in range(listeners)]

    async def execute(
        self,
        before: Sequence[str],
        *flags: str,
        pass_fds: Sequence[int] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(*before, "-m", "girandola", "--config", str(self.file), *flags),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=pass_fds,
            env={**os.environ, **(environ or {})},
        )


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path)
    yield server
    await server.end()


def with_server(**options: Any) -> dict[str, Any]:
    return configuration(http_server=options)


def port_of(served: str) -> int:
    return int(served.rpartition(":")[2])


async def status(url: str, method: str = "GET", connector: Any = None, **options: Any) -> int:
    headers = {"X-API-Key": API_KEY}
    async with (
        aiohttp.ClientSession(connector=connector, trust_env=False) as session,
        session.request(method, url, headers=headers, **options) as answer,
    ):
        await answer.read()
        return answer.status


async def has_api(base: str, **options: Any) -> bool:
    found = await status(f"{base}/api/info", "POST", json={}, **options)
    assert found in {200, 404}
    return found == 200


async def has_websocket(base: str, **options: Any) -> bool:
    found = await status(f"{base}{WEBSOCKET}", **options)
    assert found in {400, 404, 426}  # a plain request is no handshake
    return found != 404


# ── which listeners there are ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "external", "internal"),
    [
        ({}, Place("", 8000), None),
        ({"internal_port": "8000"}, Place("", 8000), None),
        ({"internal_port": "9000"}, Place("", 8000), Place("", 9000)),
        ({"internal_port": "0", "port": 0}, Place("", 0), Place("", 0)),
        (
            {"address": "10.0.0.1", "internal_address": "127.0.0.1"},
            Place("10.0.0.1", 8000),
            Place("127.0.0.1", 8000),
        ),
        ({"address": "::1", "internal_port": "9000"}, Place("::1", 8000), Place("::1", 9000)),
        ({"unix_socket": "a"}, Place(unix_socket="a"), None),
        ({"unix_socket": "a", "internal_unix_socket": "a"}, Place(unix_socket="a"), None),
        ({"unix_socket": "a", "internal_port": "9000"}, Place(unix_socket="a"), Place("", 9000)),
        ({"internal_unix_socket": "b"}, Place("", 8000), Place(unix_socket="b")),
    ],
)
def test_the_internal_listener_is_one_of_its_own_only_where_it_is_elsewhere(
    options: dict[str, Any], external: Place, internal: Place | None
) -> None:
    assert places(HttpServerOptions(**options), Inherited()) == (external, internal)


async def test_applications_come_in_at_the_internal_port_only(server: Server) -> None:
    outside, inside = await server.launch(with_server(internal_port="0"), listeners=2)
    assert outside == f"{WEBSOCKET} on http://{HOST}:{port_of(outside)}"
    assert inside == f"/api on http://{HOST}:{port_of(inside)}"
    external, internal = (f"http://{HOST}:{port_of(served)}" for served in (outside, inside))
    assert await has_websocket(external)
    assert not await has_api(external)
    assert await has_api(internal)
    assert not await has_websocket(internal)
    assert await server.stop() == 0


async def test_the_api_can_be_outside_as_well(server: Server) -> None:
    config = with_server(internal_port="0")
    config["http_api"]["external"] = True
    outside, inside = await server.launch(config, listeners=2)
    for served in (outside, inside):
        assert await has_api(f"http://{HOST}:{port_of(served)}")


async def test_a_port_of_2018_for_the_api_keeps_it_inside(server: Server) -> None:
    config = {"secret": "s", "insecure_api": True, "address": HOST, "port": "0"}
    outside, inside = await server.launch(config, "--api_port", str(free_port()), listeners=2)
    assert not await has_api(f"http://{HOST}:{port_of(outside)}")
    assert await has_api(f"http://{HOST}:{port_of(inside)}")


async def test_a_prefix_goes_before_every_path(server: Server) -> None:
    (served,) = await server.launch(with_server(http_prefix="/rt/"))
    base = f"http://{HOST}:{port_of(served)}"
    assert served == f"/rt{WEBSOCKET} and /rt/api on {base}"
    assert await has_websocket(f"{base}/rt")
    assert await has_api(f"{base}/rt")
    assert not await has_websocket(base)
    assert not await has_api(base)
    assert await status(f"{base}/rt") == 404
    assert await status(f"{base}/rtconnection/websocket") == 404


async def test_whoever_is_sent_on_stays_below_the_prefix(server: Server) -> None:
    config = {"secret": "s", "address": HOST, "port": "0", "http_prefix": "/rt"}
    (served,) = await server.launch(config)
    base = f"http://{HOST}:{port_of(served)}"
    async with aiohttp.ClientSession() as session:
        for path in ("/rt/api", "/rt/connection"):
            async with session.get(base + path, allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Location"]) == (301, f"{path}/")


async def test_ipv6_addresses_are_written_so_that_they_can_be_opened(server: Server) -> None:
    (served,) = await server.launch(with_server(address="::1"))
    assert f" on http://[::1]:{port_of(served)}" in served
    assert await has_api(f"http://[::1]:{port_of(served)}")


async def test_an_internal_address_that_cannot_be_had_stops_the_start(server: Server) -> None:
    with socket.create_server((HOST, 0)) as occupied:
        port = occupied.getsockname()[1]
        await server.start(with_server(internal_port=str(port)))
        assert await server.exit_code() == 1
    assert f"cannot start: cannot listen on {HOST}, port {port}: " in server.log


# ── unix sockets ─────────────────────────────────────────────────────────────────────────────


async def test_both_listeners_can_be_unix_sockets(server: Server, tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("clients.sock", "internal.sock")]
    config = with_server(
        unix_socket=paths[0], internal_unix_socket=paths[1], unix_socket_mode="0600"
    )
    outside, inside = await server.launch(config, listeners=2)
    assert outside == f"{WEBSOCKET} on http+unix:{paths[0]}"
    assert inside == f"/api on http+unix:{paths[1]}"
    assert [stat.S_IMODE(os.stat(path).st_mode) for path in paths] == [0o600, 0o600]
    assert await has_api("http://girandola", connector=aiohttp.UnixConnector(paths[1]))
    assert not await has_api("http://girandola", connector=aiohttp.UnixConnector(paths[0]))
    async with unix_connect(paths[0], f"ws://girandola{WEBSOCKET}") as client:
        await client.send("{}")
    assert await server.stop() == 0
    assert os.listdir(tmp_path) == ["config.json"]


async def test_a_socket_left_behind_is_replaced_and_a_used_one_is_not(
    server: Server, tmp_path: Path
) -> None:
    path = str(tmp_path / "server.sock")
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(path)
    await server.launch(with_server(unix_socket=path))
    second = Server(tmp_path)
    await second.execute([sys.executable])
    assert await second.exit_code() == 1
    expected = f"cannot start: cannot listen on the unix socket {path}: somebody listens there"
    assert expected in second.log
    assert await has_api("http://girandola", connector=aiohttp.UnixConnector(path))


# ── socket activation ────────────────────────────────────────────────────────────────────────


LAUNCH = """
import os, sys
for number, own in enumerate(sys.argv[1].split(), start=3):
    os.dup2(int(own), number)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


async def activate(
    server: Server, config: dict[str, Any], sockets: dict[str, socket.socket], **environ: str
) -> None:
    """Start as systemd does: with the sockets from descriptor 3 on, and their names."""
    server.configure(config)
    descriptors = [own.fileno() for own in sockets.values()]
    await server.execute(
        [sys.executable, "-c", LAUNCH, " ".join(map(str, descriptors))],
        pass_fds=descriptors,
        environ={"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": ":".join(sockets)} | environ,
    )


def high(own: socket.socket) -> socket.socket:
    """Return the socket at a descriptor that the launcher does not write over meanwhile."""
    return socket.socket(fileno=fcntl.fcntl(own.detach(), fcntl.F_DUPFD_CLOEXEC, 50))


async def test_sockets_of_systemd_are_served_instead_of_addresses(
    server: Server, tmp_path: Path
) -> None:
    path = str(tmp_path / "internal.sock")
    inside = socket.socket(socket.AF_UNIX)
    inside.bind(path)
    inside.listen()
    outside = socket.create_server((HOST, 0))
    port = outside.getsockname()[1]
    with high(outside) as outside, high(inside) as inside:
        await activate(
            server, with_server(port=1), {"girandola.socket": outside, "internal": inside}
        )
        await server.line(f"serving {WEBSOCKET} on http://{HOST}:{port} (from systemd)")
        await server.line(f"serving /api on http+unix:{path} (from systemd)")
    assert await has_websocket(f"http://{HOST}:{port}")
    assert await has_api("http://girandola", connector=aiohttp.UnixConnector(path))
    assert await server.stop() == 0
    assert "internal.sock" in os.listdir(tmp_path)


async def test_one_socket_of_systemd_serves_both_sides(server: Server) -> None:
    outside = socket.create_server((HOST, 0))
    port = outside.getsockname()[1]
    with high(outside) as outside:
        await activate(server, with_server(port=1), {"": outside})
        await server.line(f"serving {WEBSOCKET} and /api on http://{HOST}:{port} (from systemd)")
    assert await has_api(f"http://{HOST}:{port}")


async def test_sockets_for_another_process_are_not_ours(server: Server) -> None:
    (served,) = await server.launch(configuration(), LISTEN_PID="1", LISTEN_FDS="1")
    assert "systemd" not in served


@pytest.mark.parametrize(
    ("count", "told"),
    [
        ("2", "descriptor 4 (no name) of LISTEN_FDS: expected a listening"),
        ("many", "LISTEN_FDS: got 'many', expected a number from 0 to 64"),
        ("1", "descriptor 3 (no name) of LISTEN_FDS: expected a listening TCP or unix stream"),
    ],
)
async def test_descriptors_that_are_no_listening_sockets_stop_the_start(
    server: Server, count: str, told: str
) -> None:
    own = socket.create_server((HOST, 0)) if count == "2" else socket.socket(type=socket.SOCK_DGRAM)
    with high(own) as own:
        sockets = {"": own}
        await activate(server, configuration(), sockets, LISTEN_FDS=count)
        assert await server.exit_code() == 1
    assert f"cannot start: {told}" in server.log


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────


class Files:
    """A certificate in files, as an operator renews it."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.hold(FIRST)

    def hold(self, issued: Issued) -> None:
        self.cert.write_text(issued.cert)
        self.key.write_text(issued.key)

    @property
    def options(self) -> dict[str, Any]:
        return {"enabled": True, "cert_pem": str(self.cert), "key_pem": str(self.key)}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


async def wss(port: int) -> ClientConnection:
    return await connect(
        f"wss://localhost:{port}{WEBSOCKET}",
        host=HOST,
        ssl=AUTHORITY.client_context(),
        proxy=None,
    )


def shown(client: ClientConnection) -> str:
    certificate = client.transport.get_extra_info("peercert")
    return str(dict(pair for group in certificate["subject"] for pair in group)["commonName"])


async def is_alive(client: ClientConnection) -> bool:
    await (await client.ping())
    return True


async def test_clients_come_in_by_wss_and_the_log_says_so(server: Server, files: Files) -> None:
    (served,) = await server.launch(with_server(tls=files.options))
    assert f" on https://{HOST}:{port_of(served)}" in served
    assert "http_server.tls: certificate for localhost, valid until " in server.log
    client = await wss(port_of(served))
    assert shown(client) == "first"
    await client.close()
    trusted = AUTHORITY.client_context()
    assert await has_api(f"https://{HOST}:{port_of(served)}", ssl=trusted)
    assert await server.stop() == 0
    assert "PRIVATE" not in server.log


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_curl_is_content_with_the_certificate(
    server: Server, files: Files, tmp_path: Path
) -> None:
    (served,) = await server.launch(with_server(tls=files.options))
    authority = tmp_path / "authority.pem"
    authority.write_text(AUTHORITY.pem)
    curl = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--show-error", "--noproxy", "*", "--cacert", str(authority)),
        *("--header", f"X-API-Key: {API_KEY}", "--data", "{}"),
        f"https://localhost:{port_of(served)}/api/info",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await curl.communicate()
    assert (curl.returncode, err) == (0, b"")
    assert b'"nodes"' in out


async def test_a_renewed_certificate_is_shown_after_a_reload_and_old_connections_stay(
    server: Server, files: Files
) -> None:
    config = with_server(tls=files.options)
    (served,) = await server.launch(config)
    before = await wss(port_of(served))
    files.hold(SECOND)
    await server.reload(config)
    after = await wss(port_of(served))
    assert (shown(before), shown(after)) == ("first", "second")
    assert await is_alive(before)
    assert await is_alive(after)
    assert await server.stop() == 0


async def test_a_bad_certificate_keeps_the_old_one_and_the_old_configuration(
    server: Server, files: Files
) -> None:
    (served,) = await server.launch(with_server(tls=files.options))
    files.key.write_text(SECOND.key)
    changed = with_server(tls=files.options)
    changed["client"]["allowed_origins"] = ["https://new.example"]
    await server.reload(changed)
    told = "http_server.tls.key_pem: is not the key of the certificate in http_server.tls.cert_pem"
    assert f"ERROR girandola.app.run: reload: {told}" in server.log
    assert server.lines[-1].endswith("reload: the old configuration stays")
    assert shown(await wss(port_of(served))) == "first"
    files.hold(SECOND)
    await server.reload(changed)
    assert shown(await wss(port_of(served))) == "second"
    assert await server.stop() == 0


async def test_tls_that_is_switched_off_stays_until_the_next_start(
    server: Server, files: Files
) -> None:
    (served,) = await server.launch(with_server(tls=files.options))
    await server.reload(with_server(tls={"enabled": False}))
    assert "reload: http_server.tls.enabled changes with the next start only" in server.log
    assert shown(await wss(port_of(served))) == "first"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"cert_pem": "/nowhere/cert.pem"},
            "http_server.tls.cert_pem: expected PEM, PEM in base64, or the path of a file; "
            "as a path: No such file or directory",
        ),
        ({"key_pem": FIRST.cert}, "http_server.tls.key_pem: holds no private key that can be read"),
        (
            {"client_ca_pem": "-----BEGIN X-----"},
            "http_server.tls.client_ca_pem: holds no certificate that can be read",
        ),
    ],
)
async def test_a_bad_certificate_stops_the_start(
    server: Server, files: Files, changes: dict[str, str], told: str
) -> None:
    await server.start(with_server(tls=files.options | changes))
    assert await server.exit_code() == 1
    assert f"cannot start: {told}" in server.log


async def test_tls_by_the_names_of_2018_is_on_all_ports(server: Server, files: Files) -> None:
    config = {"secret": "s", "insecure_api": True, "address": HOST, "port": "0"}
    names = [f"--ssl_cert={files.cert}", f"--ssl_key={files.key}", f"--api_port={free_port()}"]
    outside, inside = await server.launch(config, "--ssl", *names, listeners=2)
    assert shown(await wss(port_of(outside))) == "first"
    trusted = AUTHORITY.client_context()
    assert await has_api(f"https://{HOST}:{port_of(inside)}", ssl=trusted)


async def test_tls_can_be_outside_only(server: Server, files: Files) -> None:
    config = with_server(tls=files.options, tls_external=True, internal_port="0")
    outside, inside = await server.launch(config, listeners=2)
    assert "https://" in outside
    assert await has_api(f"http://{HOST}:{port_of(inside)}")


async def test_the_internal_listener_can_have_its_own_certificate(
    server: Server, files: Files
) -> None:
    other = {"enabled": True, "cert_pem": SECOND.cert, "key_pem": SECOND.key}
    config = with_server(tls=files.options, internal_tls=other, internal_port="0")
    outside, inside = await server.launch(config, listeners=2)
    assert shown(await wss(port_of(outside))) == "first"
    trusted = AUTHORITY.client_context()
    _, writer = await asyncio.open_connection(
        HOST, port_of(inside), ssl=trusted, server_hostname="localhost"
    )
    subject = writer.get_extra_info("peercert")["subject"]
    assert (("commonName", "second"),) in subject
    writer.close()


def listeners_of(**options: Any) -> Listeners:
    config = msgspec.convert({"http_server": options}, Config, strict=True)
    return Listeners(config, FakeClock())


async def test_options_without_effect_are_told(caplog: pytest.LogCaptureFixture) -> None:
    tls = {"enabled": True, "cert_pem": FIRST.cert, "key_pem": FIRST.key}
    autocert = {"enabled": True, "http": True, "host_whitelist": ["rt.example"]}
    listeners_of(
        tls=tls | {"server_name": "x", "insecure_skip_verify": True},
        internal_tls=tls | {"server_ca_pem": "x"},
        tls_autocert=autocert,
    )
    assert caplog.messages == [
        "http_server.tls has no effect: http_server.tls_autocert is on",
        "http_server.tls_autocert.cache_dir is empty: every start asks for new certificates",
        "http_server.internal_tls has no effect: there is no separate internal listener",
        "http_server.tls.insecure_skip_verify has no effect on a listener",
        "http_server.tls.server_name has no effect on a listener",
        "http_server.internal_tls.server_ca_pem has no effect on a listener",
    ]


# ── certificates by ACME ─────────────────────────────────────────────────────────────────────


async def test_without_the_extra_acme_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "acme", None)
    monkeypatch.delitem(sys.modules, "girandola.net.acme", raising=False)
    with pytest.raises(ValueError, match=r"^http_server.tls_autocert: .* girandola\[acme\]$"):
        listeners_of(tls_autocert={"enabled": True, "http": True, "host_whitelist": ["rt.example"]})


async def test_a_cache_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"^http_server.tls_autocert.cache_dir: .*: File exists$"):
        listeners_of(tls_autocert={"enabled": True, "cache_dir": str(tmp_path / "file")})


async def certificate_shown(port: int, host: str) -> x509.Certificate:
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(HOST, port, ssl=anybody, server_hostname=host)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(found)


async def test_a_certificate_is_obtained_served_and_kept_for_the_next_start(
    server: Server, tmp_path: Path
) -> None:
    host = "rt.girandola.example"
    with running_pebble(tmp_path) as pebble:
        autocert = {
            "enabled": True,
            "host_whitelist": [host],
            "cache_dir": str(tmp_path / "cache"),
            "email": "me@girandola.example",
            "http": True,
            "http_addr": f"{HOST}:{pebble.http_port}",
            "directory_url": pebble.directory_url,
        }
        config = with_server(tls_autocert=autocert, internal_port="0", tls_external=True)
        environ = {"REQUESTS_CA_BUNDLE": pebble.ca_file, "NO_PROXY": HOST}
        challenges, outside, inside = await server.launch(config, listeners=3, **environ)
        assert challenges == f"ACME challenges on http://{HOST}:{pebble.http_port}"
        told = f"http_server.tls_autocert: certificate for {host}, valid until "
        if told not in server.log:
            await server.line(told)
        first = await certificate_shown(port_of(outside), host)
        assert await has_api(f"http://{HOST}:{port_of(inside)}")
        redirected = f"http://{HOST}:{pebble.http_port}/x"
        assert await status(redirected, allow_redirects=False) == 404  # not one of our hosts
        assert await server.stop() == 0
    again = Server(tmp_path)
    try:
        _, outside, _ = await again.launch(config, listeners=3, **environ)
        assert (await certificate_shown(port_of(outside), host)) == first
        assert f"obtaining a certificate for {host}" not in again.log
        assert await again.stop() == 0
    finally:
        await again.end()


async def test_an_acme_server_that_is_not_there_does_not_stop_the_server(
    server: Server, tmp_path: Path
) -> None:
    autocert = {
        "enabled": True,
        "host_whitelist": ["rt.girandola.example"],
        "http": True,
        "http_addr": f"{HOST}:0",
        "directory_url": f"https://{HOST}:{free_port()}/dir",
    }
    config = with_server(tls_autocert=autocert, internal_port="0", tls_external=True)
    *_, inside = await server.launch(config, listeners=3, NO_PROXY=HOST)
    if "no certificate for" not in server.log:
        await server.line("ERROR girandola.net.autocert: no certificate for rt.girandola.example: ")
    assert await has_api(f"http://{HOST}:{port_of(inside)}")
    assert await server.stop() == 0
