"""Certificates from a real ACME server, and its refusals in words."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from girandola.app.clock import LoopClock
from girandola.net.acme import AcmeClient
from girandola.net.autocert import PrivateKey, challenge_router
from girandola.net.server import Server
from tests.net.pebble import Pebble, free_port, running_pebble


@pytest.fixture(scope="module")
def pebble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    with running_pebble(tmp_path_factory.mktemp("pebble")) as pebble:
        yield pebble


@pytest.fixture(autouse=True)
def trust(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    if "pebble" in request.fixturenames:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", request.getfixturevalue("pebble").ca_file)


class House:
    """An account, and a server that answers challenges."""

    def __init__(self, pebble: Pebble, email: str = "me@girandola.example") -> None:
        self.answers: dict[str, str] = {}
        self._server = Server(
            challenge_router(self.answers, ["rt.girandola.example"]), clock=LoopClock()
        )
        self._port = pebble.http_port
        key = ec.generate_private_key(ec.SECP256R1())
        self.client = AcmeClient(pebble.directory_url, email, key, self.answers)

    async def __aenter__(self) -> "House":
        await self._server.start("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop_accepting()
        await self._server.drain(0)


@pytest.mark.parametrize("email", ["me@girandola.example", ""])
async def test_a_certificate_is_obtained_twice_by_one_account(pebble: Pebble, email: str) -> None:
    async with House(pebble, email) as house:
        keys: list[PrivateKey] = [
            ec.generate_private_key(ec.SECP256R1()),
            rsa.generate_private_key(65537, 2048),
        ]
        for key in keys:
            pem = await house.client.obtain("rt.girandola.example", key)
            leaf, *chain = x509.load_pem_x509_certificates(pem)
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            assert names.get_values_for_type(x509.DNSName) == ["rt.girandola.example"]
            assert leaf.public_key() == key.public_key()
            assert chain
        assert house.answers == {}


async def test_a_host_that_does_not_answer_is_refused_in_the_servers_words(pebble: Pebble) -> None:
    house = House(pebble)  # nobody listens where the challenge arrives
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(OSError, match="connection refused"):
        await house.client.obtain("rt.girandola.example", key)
    assert house.answers == {}


async def test_an_order_the_server_refuses_has_its_reason(pebble: Pebble) -> None:
    async with House(pebble, email="nonsense") as house:
        key = ec.generate_private_key(ec.SECP256R1())
        with pytest.raises(OSError, match=r"^urn:ietf:params:acme:error:invalidContact: "):
            await house.client.obtain("rt.girandola.example", key)


async def test_a_server_that_is_not_trusted_is_not_told_anything(
    pebble: Pebble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    async with House(pebble) as house:
        key = ec.generate_private_key(ec.SECP256R1())
        with pytest.raises(OSError, match="certificate verify failed"):
            await house.client.obtain("rt.girandola.example", key)


async def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    url = f"https://127.0.0.1:{free_port()}/dir"
    client = AcmeClient(url, "", ec.generate_private_key(ec.SECP256R1()), {})
    with pytest.raises(OSError, match="Connection refused") as caught:
        await client.obtain("rt.girandola.example", ec.generate_private_key(ec.SECP256R1()))
    assert "\n" not in str(caught.value)


async def test_what_is_no_acme_server_is_one_line() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        body = b'{"newNonce": 7}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    client = AcmeClient(
        f"http://127.0.0.1:{port}/dir", "", ec.generate_private_key(ec.SECP256R1()), {}
    )
    with pytest.raises(OSError, match=r"\S") as caught:
        await client.obtain("rt.girandola.example", ec.generate_private_key(ec.SECP256R1()))
    assert "\n" not in str(caught.value)
    listener.close()
