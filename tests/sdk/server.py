"""A real server process, its HTTP API as an application calls it, and a link that can be cut."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from tests.sdk.backend import API_KEY

HOST = "127.0.0.1"
START_TIMEOUT = 20.0
STOP_TIMEOUT = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def websocket_url(port: int) -> str:
    return f"ws://{HOST}:{port}/connection/websocket"


class Server:
    """``girandola`` in a process of its own, with a configuration of the test.

    Without a ``config`` there is no file; ``flags`` and ``variables`` come on top of it.
    """

    def __init__(
        self,
        config: dict[str, Any] | None,
        folder: Path,
        *,
        flags: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.log_file = folder / "server.log"
        self._folder = folder
        self._flags = list(flags)
        self._variables = variables or {}
        if config is not None:
            file = folder / "config.json"
            file.write_text(json.dumps(config), encoding="utf-8")
            self._flags += ["--config", str(file)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def url(self) -> str:
        return websocket_url(self.port)

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start the server and return when its port answers."""
        arguments = [*self._flags, "--address", HOST, "--port", str(self.port)]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "girandola", *arguments],
                cwd=self._folder,
                env={**os.environ, **self._variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection((HOST, self.port), timeout=1).close()
                return
            assert self._process.poll() is None, f"the server did not start:\n{self.log}"
            assert time.monotonic() < deadline, f"the port does not answer:\n{self.log}"
            time.sleep(0.02)  # an open port cannot be waited for otherwise

    def stop(self) -> int:
        """Stop the server as an operator does, and return its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_TIMEOUT)
        finally:
            self._process.kill()
            self._process.wait()

    def check_log(self) -> None:
        """Fail if anything went wrong inside the server that clients did not notice."""
        assert "Traceback" not in self.log, self.log
        assert "Exception" not in self.log, self.log


class ApiError(Exception):
    """The error object that the server API answered."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code


class Api:
    """The server HTTP API, called as an application calls it."""

    def __init__(self, address: str, key: str = API_KEY) -> None:
        self._address = address
        self._key = key
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10))

    async def __call__(self, method: str, **request: Any) -> Any:
        url = f"{self._address}/api/{method}"
        async with self._session.post(
            url, json=request, headers={"X-API-Key": self._key}
        ) as answer:
            assert answer.status == 200, await answer.text()
            body = await answer.json()
        if "error" in body:
            raise ApiError(**body["error"])
        return body.get("result", body)  # a batch answers "replies" instead

    async def publish_all(self, channel: str, values: list[Any]) -> None:
        for value in values:
            await self("publish", channel=channel, data=value)

    async def close(self) -> None:
        await self._session.close()


class Link:
    """A TCP proxy in front of the server: what is between a client and us. It can be cut."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cut = False
        self.port = 0

    @property
    def url(self) -> str:
        return websocket_url(self.port)

    async def open(self) -> None:
        self._listener = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._listener.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break what is connected, and everything that comes until ``restore``."""
        self._cut = True
        for writer in self._writers:
            writer.transport.abort()

    def restore(self) -> None:
        self._cut = False

    async def close(self) -> None:
        assert self._listener is not None
        self.cut()
        self._listener.close()
        await asyncio.gather(*self._tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        if self._cut:
            writer.transport.abort()
            return
        with contextlib.suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection(HOST, self._server_port)
            self._writers.add(inner_writer)
            if self._cut:
                inner_writer.transport.abort()
            await asyncio.gather(
                self._carry(reader, inner_writer), self._carry(inner_reader, writer)
            )

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
