"""Pebble, the ACME server for tests (Debian's package ``pebble``), with its own fake DNS."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from tests.net.certificates import Authority

START_TIMEOUT = 20.0


class Pebble(Struct, frozen=True):
    """A running ACME server: its directory, who vouches for it, and where challenges must be."""

    directory_url: str
    ca_file: str
    http_port: int


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running_pebble(folder: Path) -> Iterator[Pebble]:
    """Run Pebble, for which every host name is 127.0.0.1.

    Skip the test where there is none; in CI that fails, since there it would go unnoticed.
    """
    pebble, fake_dns = (_program(name) for name in ("pebble", "pebble-challtestsrv"))
    authority = Authority("authority of the ACME server")
    issued = authority.issue("localhost", "127.0.0.1")
    for name, content in (("ca", authority.pem), ("cert", issued.cert), ("key", issued.key)):
        (folder / f"{name}.pem").write_text(content)
    port, http_port = free_port(), free_port()
    dns, management = free_port(socket.SOCK_DGRAM), free_port()
    config = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": "",
        "certificate": str(folder / "cert.pem"),
        "privateKey": str(folder / "key.pem"),
        "httpPort": http_port,
        "tlsPort": free_port(),
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": config}))
    # Pebble likes to sleep and to refuse good nonces at random; a test wants the same every time.
    environ = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
    commands = [
        [
            *(fake_dns, "-dns01", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{management}"),
            *("-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""),
        ],
        [pebble, "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{dns}"],
    ]
    with contextlib.ExitStack() as stack:
        for command in commands:
            stack.enter_context(_process(command, environ, folder / "pebble.log"))
        for own in (management, port):
            _await_port(own, folder / "pebble.log")
        yield Pebble(f"https://127.0.0.1:{port}/dir", str(folder / "ca.pem"), http_port)


def _program(name: str) -> str:
    """Return the path of a program. Skips the test, or fails it in CI, where there is none."""
    found = shutil.which(name)
    if found is None:
        reason = f"needs {name} (Debian: the package pebble)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return found


@contextlib.contextmanager
def _process(command: list[str], environ: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _await_port(port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        assert time.monotonic() < deadline, f"port {port} does not answer:\n{log.read_text()}"
        time.sleep(0.02)  # an open port cannot be waited for otherwise
