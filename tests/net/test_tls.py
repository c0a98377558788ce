"""TLS: certificates from options, and real handshakes under both loops."""

import asyncio
import base64
import logging
import socket
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from msgspec import structs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake

from girandola.net.tls import CurrentContext, read_pem, server_context
from girandola.options import TlsOptions
from tests.net.certificates import Authority, Issued
from tests.net.running import HANDSHAKE, Run, Running
from tests.net.wire import client_frame

AUTHORITY = Authority()
SERVER = AUTHORITY.issue("localhost", "127.0.0.1", common_name="first")
REFUSED = (OSError, InvalidHandshake)
"""How a refused handshake shows depends on its version: TLS 1.3 tells clients when they go on."""

OTHER = AUTHORITY.issue("localhost", "127.0.0.1", common_name="second")


def options(issued: Issued = SERVER, **changes: str) -> TlsOptions:
    return structs.replace(
        TlsOptions(enabled=True, cert_pem=issued.cert, key_pem=issued.key), **changes
    )


def context(issued: Issued = SERVER, **changes: str) -> ssl.SSLContext:
    return server_context(options(issued, **changes), "tls")


# ── PEM ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", ["text", "base64", "path"])
def test_pem_is_taken_as_text_in_base64_or_from_a_file(form: str, tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.write_text(SERVER.cert)
    given = {
        "text": SERVER.cert,
        "base64": base64.encodebytes(SERVER.cert.encode()).decode(),
        "path": str(file),
    }
    assert read_pem(given[form], "tls.cert_pem") == SERVER.cert.encode()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "No such file or directory"),
        ("/nowhere/cert.pem", "No such file or directory"),
        ("/tmp", "Is a directory"),
        ("half\0a key", "not a path"),
    ],
)
def test_what_is_no_pem_is_refused_by_name_and_not_shown(value: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^tls.key_pem: expected PEM, PEM in base64, ") as caught:
        read_pem(value, "tls.key_pem")
    assert reason in str(caught.value)
    assert not value or value not in str(caught.value)


@pytest.mark.parametrize("content", ["no PEM", "-----BEGIN " + "x" * 2_000_000])
def test_a_file_without_pem_or_without_end_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"^tls.cert_pem: the file it names holds no PEM$"):
        read_pem(str(file), "tls.cert_pem")


def _encrypted() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    protected = BestAvailableEncryption(b"passphrase")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protected).decode()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cert_pem": SERVER.key}, "tls.cert_pem: holds no certificate that can be read"),
        (
            {"cert_pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
            "tls.cert_pem: holds no certificate that can be read",
        ),
        ({"key_pem": SERVER.cert}, "tls.key_pem: holds no private key that can be read"),
        ({"key_pem": OTHER.key}, "tls.key_pem: is not the key of the certificate in tls.cert_pem"),
        (
            {"key_pem": _encrypted()},
            "tls.key_pem: is encrypted, expected a key without a passphrase",
        ),
        ({"client_ca_pem": SERVER.key}, "tls.client_ca_pem: holds no certificate that can be read"),
    ],
)
def test_a_bad_certificate_or_key_is_refused_by_the_name_of_its_option(
    changes: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        server_context(options(SERVER, **changes), "tls")


def test_a_key_too_weak_for_openssl_is_refused_with_its_reason() -> None:
    weak = AUTHORITY.issue("localhost", key=rsa.generate_private_key(65537, 1024))
    with pytest.raises(ValueError, match=r"^tls.cert_pem: OpenSSL refuses it: ee key too small$"):
        context(weak)


def test_an_rsa_key_and_one_file_for_both_are_taken(tmp_path: Path) -> None:
    issued = AUTHORITY.issue("localhost", key=rsa.generate_private_key(65537, 2048))
    both = tmp_path / "both.pem"
    both.write_text(issued.key + issued.cert + AUTHORITY.pem)
    assert context(issued, cert_pem=str(both), key_pem=str(both)).get_ca_certs() == []


def test_a_key_as_openssl_ecparam_writes_it_is_taken() -> None:
    """With its curve's parameters in front."""
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    key = ec.generate_private_key(ec.SECP256R1())
    traditional = key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ).decode()
    issued = AUTHORITY.issue("localhost", key=key)
    assert context(issued, key_pem=parameters + traditional)


def test_what_a_certificate_is_for_is_logged_and_no_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    context()
    assert "tls: certificate for localhost, valid until 20" in caplog.text
    assert "KEY" not in caplog.text


def test_a_certificate_that_has_ended_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    context(AUTHORITY.issue("localhost", ends=timedelta(days=-1)))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "not now" in record.getMessage()


# ── handshakes ───────────────────────────────────────────────────────────────────────────────


async def tls_port(running: Running, tls: ssl.SSLContext) -> int:
    ((_, port),) = await running.server.start("127.0.0.1", 0, tls=tls)
    return port


def websocket(port: int, trusted: ssl.SSLContext | None = None) -> connect:
    trusted = AUTHORITY.client_context() if trusted is None else trusted
    return connect(f"wss://localhost:{port}/ws", ssl=trusted, host="127.0.0.1", proxy=None)


def peer_common_name(client: ClientConnection) -> str:
    certificate = client.transport.get_extra_info("peercert")
    names = dict(pair for group in certificate["subject"] for pair in group)
    return str(names["commonName"])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_messages_of_any_size_go_over_tls(run: Run, version: ssl.TLSVersion) -> None:
    async def scenario(running: Running) -> None:
        trusted = AUTHORITY.client_context()
        trusted.minimum_version = trusted.maximum_version = version
        async with websocket(await tls_port(running, context()), trusted) as client:
            assert client.transport.get_extra_info("ssl_object").version() == version.name.replace(
                "_", "."
            )
            for message in ["hello", "", "ü" * 300_000]:
                await client.send(message)
                assert await client.recv() == message
        assert await running.closed.get() == (1000, "")

    run(scenario)


def test_many_messages_in_one_go_come_back_in_order_over_tls(run: Run) -> None:
    """More than one turn of the loop looks at: reading pauses, above and below TLS."""

    async def scenario(running: Running) -> None:
        port = await tls_port(running, context())
        async with websocket(port) as client:
            sent = [str(number) for number in range(3000)]
            async with asyncio.TaskGroup() as group:
                group.create_task(send_all(client, sent))
                assert [await client.recv() for _ in sent] == sent

    async def send_all(client: ClientConnection, texts: list[str]) -> None:
        for text in texts:
            await client.send(text)

    run(scenario)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_tls_1_1_is_refused(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "girandola")

    async def scenario(running: Running) -> None:
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(REFUSED):
            async with websocket(await tls_port(running, context()), old):
                pass

    run(scenario)
    assert "TLS handshake failed: unsupported protocol" in caplog.text


def test_without_a_client_certificate_nobody_comes_in_where_one_is_asked_for(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "girandola")

    async def scenario(running: Running) -> None:
        port = await tls_port(running, context(client_ca_pem=AUTHORITY.pem))
        with pytest.raises(REFUSED):
            async with websocket(port):
                pass
        assert not running.open

    run(scenario)
    assert "TLS handshake failed: peer did not return a certificate" in caplog.text


def test_the_peer_hears_why_it_is_refused(run: Run) -> None:
    async def scenario(running: Running) -> None:
        port = await tls_port(running, context(client_ca_pem=AUTHORITY.pem))
        reader, writer = await open_tls(port)
        with pytest.raises(ssl.SSLError, match=r"(?i)certificate.required"):
            await reader.read()
        writer.close()

    run(scenario)


@pytest.mark.parametrize("known", [True, False])
def test_only_client_certificates_of_the_named_authority_come_in(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture, known: bool
) -> None:
    caplog.set_level(logging.INFO, "girandola")
    issued = (AUTHORITY if known else Authority("another authority")).issue(common_name="client")
    file = tmp_path / "client.pem"
    file.write_text(issued.cert + issued.key)

    async def scenario(running: Running) -> None:
        port = await tls_port(running, context(client_ca_pem=AUTHORITY.pem))
        trusted = AUTHORITY.client_context()
        trusted.load_cert_chain(file)
        async with websocket(port, trusted) as client:
            await client.send("hello")
            assert await client.recv() == "hello"

    if known:
        run(scenario)
    else:
        with pytest.raises(REFUSED):
            run(scenario)
        assert "TLS handshake failed: certificate verify failed: " in caplog.text


def test_a_new_certificate_is_for_new_connections_and_old_ones_stay(run: Run) -> None:
    async def scenario(running: Running) -> None:
        current = CurrentContext(context())
        port = await tls_port(running, current)
        async with websocket(port) as before:
            current.now = context(OTHER)
            async with websocket(port) as after:
                assert peer_common_name(before) == "first"
                assert peer_common_name(after) == "second"
                for client in (before, after):
                    await client.send("hello")
                    assert await client.recv() == "hello"

    run(scenario)


def test_client_certificates_can_be_asked_for_and_no_longer_asked_for(run: Run) -> None:
    async def scenario(running: Running) -> None:
        current = CurrentContext(context(client_ca_pem=AUTHORITY.pem))
        port = await tls_port(running, current)
        with pytest.raises(REFUSED):
            async with websocket(port):
                pass
        current.now = context()
        async with websocket(port) as client:
            await client.send("hello")
            assert await client.recv() == "hello"

    run(scenario)


@pytest.mark.parametrize("method", [b"GET", b"POST", b"HEAD", b"PUT"])
def test_plain_http_on_a_tls_port_is_answered_in_plain_http_with_one_line_in_the_log(
    run: Run, method: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def scenario(running: Running) -> None:
        port = await tls_port(running, context())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(method + b" /echo HTTP/1.1\r\nHost: test\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"\r\nConnection: close\r\n" in head
        length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        assert b"This port speaks TLS" in await reader.readexactly(length)
        writer.close()
        async with websocket(port):  # others come in
            pass

    run(scenario)
    failed = [record for record in caplog.records if "TLS handshake" in record.getMessage()]
    assert [record.getMessage() for record in failed] == ["TLS handshake failed: http request"]
    assert not [record for record in caplog.records if record.exc_info]


def test_looking_whether_the_port_is_open_leaves_no_line(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def scenario(running: Running) -> None:
        port = await tls_port(running, context())
        socket.create_connection(("127.0.0.1", port)).close()
        async with websocket(port):  # by now the server has seen the first one go
            pass

    run(scenario)
    assert "TLS handshake" not in caplog.text


async def open_tls(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(
        "127.0.0.1", port, ssl=AUTHORITY.client_context(), server_hostname="localhost"
    )


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (
            lambda: b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5000000\r\n\r\n",
            b"HTTP/1.1 413 ",
        ),
        (
            lambda: HANDSHAKE + client_frame(1, b"early") + client_frame(3),
            b"\x81\x05early\x88\x12\x03\xeaunknown opcode 3",
        ),
    ],
    ids=["a body too long", "a broken frame"],
)
def test_a_refusal_arrives_also_when_much_more_was_sent(
    run: Run, sent: Callable[[], bytes], expected: bytes
) -> None:
    async def scenario(running: Running) -> None:
        reader, writer = await open_tls(await tls_port(running, context()))
        writer.write(sent() + bytes(3_000_000))
        await reader.readuntil(expected)
        writer.close()

    run(scenario)


def test_a_client_that_leaves_before_its_answer_makes_no_noise(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(running: Running) -> None:
        _, writer = await open_tls(await tls_port(running, context()))
        writer.write(b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n")
        await running.asked.wait()
        writer.close()
        assert await running.server.drain(5) == 0
        running.finish.set()

    run(scenario)
    assert not caplog.records


def test_http_1_1_is_what_clients_that_offer_more_get(run: Run) -> None:
    async def scenario(running: Running) -> None:
        trusted = AUTHORITY.client_context()
        trusted.set_alpn_protocols(["h2", "http/1.1"])
        port = await tls_port(running, context())
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusted, server_hostname="localhost"
        )
        ssl_object = writer.get_extra_info("ssl_object")
        assert ssl_object.selected_alpn_protocol() == "http/1.1"
        writer.close()

    run(scenario)
