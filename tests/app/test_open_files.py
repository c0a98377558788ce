"""A server that may open few files, under more clients than that."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.test_run import HOST, Process, configuration

SOFT, HARD = 40, 120
CLIENTS = 150
HANDSHAKE = (
    b"GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Limited(Process):
    """A process with a low limit of open files, which it may raise a little."""

    async def start(self, config: dict[str, object] | str, *flags: str) -> None:
        self.configure(config)
        self._process = await asyncio.create_subprocess_exec(
            *("sh", "-c", f'ulimit -S -n {SOFT}; ulimit -H -n {HARD}; exec "$@"', "sh"),
            *(sys.executable, "-m", "girandola", "--config", str(self.file), *flags),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )

    async def open_websocket(self) -> tuple[bytes, asyncio.StreamWriter]:
        """Return the status of a handshake and what keeps the connection open."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        writer.write(HANDSHAKE)
        status = await reader.readline()
        return status.split()[1] if status else b"nothing", writer


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Limited]:
    process = Limited(tmp_path)
    yield process
    await process.end()


async def test_clients_are_refused_before_applications_are_cut_off(process: Limited) -> None:
    """The limit is raised as far as it may be; both are one line in the log."""
    await process.serve(configuration())
    async with contextlib.AsyncExitStack() as stack:
        statuses = []
        for _ in range(CLIENTS):
            status, writer = await process.open_websocket()
            stack.callback(writer.close)
            statuses.append(status)
        taken = statuses.index(b"503")
        assert SOFT < taken < HARD
        assert set(statuses[:taken]) == {b"101"}
        assert set(statuses[taken:]) == {b"503"}
        for _ in range(3):
            assert (await process.api("info"))["result"]["nodes"][0]["num_clients"] == 0
    assert await process.stop() == 0
    assert f"limit of open files raised from {SOFT} to {HARD}" in process.log
    assert process.log.count("nearly all of the 120 files that may be open are") == 1
