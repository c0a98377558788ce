"""The servers that are measured: one that the bench starts itself, or one that runs already.

Either is known by its address and its process id; nothing else is ever asked of it.
"""

import json
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from girandola.bench import machine, usage

HOST = "127.0.0.1"
START_TIMEOUT = 20.0
STOP_TIMEOUT = 30.0

PING_INTERVAL = 25
"""Seconds between pings, as the definitions want it."""

HISTORY = "history"
"""The namespace that keeps history and recovers."""


DOORS = ("sse", "http_stream", "uni_websocket", "uni_sse", "uni_http_stream")
"""The ways in beside the WebSocket, by the names that options and paths have."""


class TargetError(Exception):
    """A server cannot be measured; the text says why."""


class Address(Struct, frozen=True):
    """Where a server listens, and the secrets it goes by."""

    host: str
    port: int
    path: str
    api_port: int
    api_path: str
    key: str
    secret: str
    """The HMAC key of connection tokens; empty: sessions without a token."""

    def as_order(self) -> dict[str, Any]:
        """Return what the processes of the load are told (not the secret of tokens)."""
        return {
            "host": self.host,
            "port": self.port,
            "path": self.path,
            "api_port": self.api_port,
            "api_path": self.api_path,
            "key": self.key,
        }


class Target(Protocol):
    """A server to be measured. As a context manager it is there, as fresh as it gets."""

    name: str
    address: Address
    pid: int

    def __enter__(self) -> "Target":
        """Be there."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Be gone, if we started it."""


def configuration(key: str, secret: str, ping_interval: float = PING_INTERVAL) -> dict[str, Any]:
    """Return the configuration a server is measured with, in Centrifugo 6's names."""
    open_to_all = {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True}
    return {
        "client": {
            "token": {"hmac_secret_key": secret},
            "allow_anonymous_connect_without_token": True,
            "ping_interval": f"{ping_interval:g}s",
            # It has to be shorter than the interval; 8 s is the default everywhere.
            "pong_timeout": f"{round(min(8.0, ping_interval * 0.8) * 1000)}ms",
        },
        "http_api": {"key": key},
        **{door: {"enabled": True} for door in DOORS},
        "channel": {
            "without_namespace": open_to_all,
            "namespaces": [
                {
                    "name": HISTORY,
                    "history_size": 1000,
                    "history_ttl": "1h",
                    "force_recovery": True,
                    **open_to_all,
                }
            ],
        },
        "log": {"level": "error"},
    }


class OwnServer:
    """girandola with a configuration of the bench, alone on ``core``; a new process each time."""

    def __init__(self, core: int, ping_interval: float = PING_INTERVAL) -> None:
        self.name = "girandola"
        self.pid = 0
        self._core = core
        self._ping_interval = ping_interval
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "OwnServer":
        self._folder = tempfile.TemporaryDirectory(prefix="girandola-bench-")
        try:
            self._start(Path(self._folder.name))
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _start(self, folder: Path) -> None:
        key, secret = secrets.token_hex(16), secrets.token_hex(16)
        port = _free_port()
        self.address = Address(HOST, port, "/connection/websocket", port, "/api", key, secret)
        config = folder / "config.json"
        config.write_text(
            json.dumps(configuration(key, secret, self._ping_interval)), encoding="utf-8"
        )
        arguments = ["--config", str(config), "--address", HOST, "--port", str(port)]
        log = folder / "server.log"
        with log.open("wb") as lines, machine.on_core(self._core):
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own package
                [sys.executable, "-m", "girandola", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=lines,
                stderr=subprocess.STDOUT,
            )
        self.pid = self._process.pid
        _wait_for(self.address, self._process, log)

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


class GivenServer:
    """A server that somebody else runs. It is never restarted, so memory it holds stays held."""

    def __init__(self, name: str, url: str, api: str, key: str, secret: str, pid: int) -> None:
        """Take note of where it is.

        Raises:
            TargetError: a URL is not what is expected, or there is no such process.
        """
        websocket, http = _split(url, "ws"), _split(api, "http")
        host = socket.gethostbyname(websocket.hostname or "")
        self.name = name
        self.pid = pid
        self.address = Address(
            host=host,
            port=websocket.port or 80,
            path=websocket.path or "/",
            api_port=http.port or 80,
            api_path=http.path.rstrip("/"),
            key=key,
            secret=secret,
        )
        if socket.gethostbyname(http.hostname or "") != host:
            raise TargetError(f"--api {api}: expected on the same host as --url")
        try:
            usage.cpu(pid)
        except usage.ProcessGone as error:
            raise TargetError(f"--pid: {error}") from None

    def __enter__(self) -> "GivenServer":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _split(url: str, scheme: str) -> Any:
    try:
        parts = urlsplit(url)
        good = parts.scheme == scheme and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise TargetError(f"{url!r}: expected a URL like {scheme}://127.0.0.1:8000/…")
    return parts


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(address: Address, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server answers."""
    until = time.monotonic() + START_TIMEOUT
    while True:
        try:
            socket.create_connection((address.host, address.port), timeout=1).close()
        except OSError:
            if process.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
                continue
            lines = log.read_text(errors="replace").strip()
            raise TargetError(f"girandola did not start:\n{lines}") from None
        return
