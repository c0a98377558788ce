"""A server process from its start to its end, as whoever operates it sees it.

Nothing here sleeps: a test waits for the lines that the process logs.
"""

import asyncio
import json
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect

from girandola.auth.signs import client_token
from tests.auth.tokens import public_pem, token

HOST = "127.0.0.1"
SECRET = "secret"
API_KEY = "key"
TIMEOUT = 20.0
LOG_FORMAT = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (INFO|WARNING) girandola\.[a-z.]+: \S"

Config = dict[str, Any]


def configuration(**changes: Any) -> Config:
    """Return a configuration of today that takes clients of 2018, too; on any free port."""
    config: Config = {
        "http_server": {"address": HOST, "port": 0},
        "client": {"token": {"hmac_secret_key": SECRET}},
        "classic": {"secret": SECRET},
        "http_api": {"key": API_KEY},
        "channel": {"without_namespace": {"allow_subscribe_for_client": True}},
    }
    return {
        name: config.get(name, {}) | changes[name] if isinstance(changes.get(name), dict) else value
        for name, value in (config | changes).items()
    }


class Process:
    """``python -m girandola`` with a configuration file of the test."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "config.json"
        self.lines: list[str] = []
        self.port = 0
        self._process: asyncio.subprocess.Process

    async def start(self, config: Config | str, *flags: str) -> None:
        self.configure(config)
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "girandola", "--config", str(self.file), *flags),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )

    async def serve(self, config: Config, *flags: str) -> None:
        """Start, and return when it serves."""
        await self.start(config, *flags)
        self.port = int((await self.line("INFO girandola.app.run: serving ")).rpartition(":")[2])

    def configure(self, config: Config | str) -> None:
        text = config if isinstance(config, str) else json.dumps(config)
        self.file.write_text(text, encoding="utf-8")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    async def line(self, text: str) -> str:
        """Return the next line of the log that holds ``text``."""
        assert self._process.stderr is not None
        async with asyncio.timeout(TIMEOUT):
            while line := (await self._process.stderr.readline()).decode().rstrip("\n"):
                self.lines.append(line)
                if text in line:
                    return line
        raise AssertionError(f"no line with {text!r} in the log:\n{self.log}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def reload(self, config: Config | str) -> None:
        """Change the file and return when the process has looked at it."""
        self.configure(config)
        self.signal(signal.SIGHUP)
        await self.line("reload: the ")

    async def exit_code(self) -> int:
        """Return how the process ended; the rest of its log is in ``lines``."""
        assert self._process.stderr is not None
        async with asyncio.timeout(TIMEOUT):
            rest = (await self._process.stderr.read()).decode()
            self.lines += rest.splitlines()
            code = await self._process.wait()
        assert "Traceback" not in self.log, self.log
        return code

    async def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return await self.exit_code()

    async def end(self) -> None:
        """End the process, however the test went; it may have been skipped before the start."""
        if not hasattr(self, "_process"):
            return
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()

    # ── its clients ──────────────────────────────────────────────────────────────────────────

    async def connect(self) -> ClientConnection:
        url = f"ws://{HOST}:{self.port}/connection/websocket"
        return await connect(url, compression=None, proxy=None, ping_interval=None)

    async def client(self) -> ClientConnection:
        """Connect as a client of today."""
        opened = await self.connect()
        jwt = token({"sub": "42"}, secret=SECRET)
        assert '"connect":{"client":' in await ask(
            opened, f'{{"id":1,"connect":{{"token":"{jwt}"}}}}'
        )
        return opened

    async def client_of_2018(self) -> ClientConnection:
        opened = await self.connect()
        signed = client_token(SECRET, "42", "1528600000")
        params = f'{{"user":"42","timestamp":"1528600000","token":"{signed}"}}'
        answer = await ask(opened, f'{{"method":"connect","params":{params}}}')
        assert '"version":"1.8.0"' in answer
        return opened

    async def api(self, method: str, **params: Any) -> Any:
        url = f"http://{HOST}:{self.port}/api/{method}"
        headers = {"X-API-Key": API_KEY}
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json=params, headers=headers) as answer,
        ):
            assert answer.status == 200
            return await answer.json()


async def ask(opened: ClientConnection, command: str) -> str:
    await opened.send(command)
    return str(await opened.recv())


async def end_of(opened: ClientConnection) -> tuple[int | None, str | None]:
    async with asyncio.timeout(TIMEOUT):
        await opened.wait_closed()
    return opened.close_code, opened.close_reason


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    process = Process(tmp_path)
    yield process
    await process.end()


# ── start ────────────────────────────────────────────────────────────────────────────────────


async def test_it_says_what_it_serves_and_where(process: Process) -> None:
    """And who it is, with which configuration, and that browsers cannot come in yet."""
    await process.serve(configuration())
    assert str(process.pid) in process.log
    assert str(process.file) in process.log
    assert "engine memory" in process.log
    assert "client.allowed_origins is empty" in process.log
    assert process.lines[-1].endswith(
        f"serving /connection/websocket and /api on http://{HOST}:{process.port}"
    )
    assert SECRET not in process.log.replace(str(process.file), "")


async def test_it_names_the_dotenv_file_and_tells_casts_at_debug(
    process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("GIRANDOLA_LOG_LEVEL=DEBUG\n")
    await process.serve(configuration(http_server={"port": "0"}))
    assert f"variables from {tmp_path}/.env" in process.log
    assert f'DEBUG girandola.app.run: {process.file}: http_server.port: got "0"' in process.log


async def test_it_names_every_door_that_is_enabled(process: Process) -> None:
    """Below the prefix that clients see; SockJS by its name, since it has all that is below."""
    streams = ("sse", "http_stream", "uni_sse", "uni_http_stream", "uni_websocket")
    doors: Config = {name: {"enabled": True} for name in streams}
    doors["sockjs"] = {"enabled": True}
    await process.serve(
        configuration(http_server={"http_prefix": "/chat"}, http_api={"disabled": True}, **doors)
    )
    said = process.lines[-1].partition(": serving ")[2].rpartition(" on ")[0]
    named = said.replace(" and ", ", ").split(", ")
    paths = [f"/chat/connection/{name}" for name in ("websocket", *streams)]
    paths += [f"/chat/connection{place} (SockJS)" for place in ("", "/sockjs")]
    assert sorted(named) == sorted([*paths, "/chat/emulation"])


async def test_every_line_has_time_level_and_origin(process: Process) -> None:
    await process.serve(configuration())
    assert await process.stop() == 0
    for line in process.lines:
        assert re.match(LOG_FORMAT, line), line


async def test_clients_of_both_generations_and_the_application_come_in(process: Process) -> None:
    await process.serve(configuration())
    today, of_2018 = await process.client(), await process.client_of_2018()
    await ask(today, '{"id":2,"subscribe":{"channel":"a"}}')
    await ask(of_2018, '{"method":"subscribe","params":{"channel":"a"}}')
    assert await process.api("publish", channel="a", data=1) == {"result": {}}
    assert await today.recv() == '{"push":{"channel":"a","pub":{"data":1}}}'
    assert '"channel":"a","data":1}' in str(await of_2018.recv())


async def test_a_port_in_use_is_one_line_and_exit_1(process: Process) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        await process.start(configuration(http_server={"port": port}))
        assert await process.exit_code() == 1
    (line,) = process.lines
    assert f"cannot start: cannot listen on {HOST}, port {port}: " in line


BAD: list[tuple[str, Config]] = [
    ("client.token.rsa_public_key", {"client": {"token": {"rsa_public_key": "no key"}}}),
    ("client.token.ecdsa_public_key", {"client": {"token": {"ecdsa_public_key": "no key"}}}),
    (
        "client.token.rsa_public_key",
        {"client": {"token": {"rsa_public_key": public_pem("ES256")}}},
    ),
    (
        "client.subscription_token.rsa_public_key",
        {"client": {"subscription_token": {"enabled": True, "rsa_public_key": "no key"}}},
    ),
    ("client.allowed_origins", {"client": {"allowed_origins": ["https://[a"]}}),
    ("log.file", {"log": {"file": "/nowhere/at/all.log"}}),
    ("pid_file", {"pid_file": "/nowhere/at/all.pid"}),
    ("http_server.port", {"http_server": {"port": 65536}}),
]


@pytest.mark.parametrize(("name", "changes"), BAD, ids=[name for name, _ in BAD])
async def test_a_bad_option_is_named_and_exit_1(
    process: Process, name: str, changes: Config
) -> None:
    await process.start(configuration(**changes))
    assert await process.exit_code() == 1
    (line,) = process.lines
    assert name in line


# ── pid file and log file ────────────────────────────────────────────────────────────────────


async def test_the_pid_file_is_there_while_it_serves(process: Process, tmp_path: Path) -> None:
    pid_file = tmp_path / "server.pid"
    await process.serve(configuration(pid_file=str(pid_file)))
    assert pid_file.read_text() == f"{process.pid}\n"
    assert await process.stop() == 0
    assert not pid_file.exists()


async def test_a_second_start_by_mistake_leaves_the_pid_file_alone(
    process: Process, tmp_path: Path
) -> None:
    pid_file = tmp_path / "server.pid"
    await process.serve(configuration(pid_file=str(pid_file)))
    second = Process(tmp_path)
    try:
        await second.start(
            configuration(pid_file=str(pid_file), http_server={"port": process.port})
        )
        assert await second.exit_code() == 1
    finally:
        await second.end()
    assert pid_file.read_text() == f"{process.pid}\n"


async def test_the_log_goes_to_its_file(process: Process, tmp_path: Path) -> None:
    """From the first line on; the standard error output stays empty."""
    log = tmp_path / "server.log"
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        await process.start(configuration(log={"file": str(log)}, http_server={"port": port}))
        assert await process.exit_code() == 1
    assert process.lines == []
    assert f"cannot start: cannot listen on {HOST}, port {port}: " in log.read_text()


async def test_a_reload_moves_the_log(process: Process, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    await process.serve(configuration())
    process.configure(configuration(log={"file": str(log)}))
    process.signal(signal.SIGHUP)
    assert await process.stop() == 0
    assert "reload: the new configuration holds from now on" in log.read_text()
    assert "stopping: received SIGTERM" in log.read_text()
    assert "run: reload" not in process.log
    assert "stopping" not in process.log


# ── reload ───────────────────────────────────────────────────────────────────────────────────


async def test_a_reload_holds_for_new_subscriptions(process: Process) -> None:
    await process.serve(configuration())
    client = await process.client()
    await ask(client, '{"id":2,"subscribe":{"channel":"a"}}')
    closed = {"without_namespace": {"allow_subscribe_for_client": False}}
    await process.reload(configuration(channel=closed))
    assert process.lines[-1].endswith("reload: the new configuration holds from now on")
    assert '"permission denied"' in await ask(client, '{"id":3,"subscribe":{"channel":"b"}}')
    await process.api("publish", channel="a", data=1)
    assert await client.recv() == '{"push":{"channel":"a","pub":{"data":1}}}'


async def test_a_reload_changes_keys_and_the_log_level(process: Process) -> None:
    await process.serve(configuration())
    assert "DEBUG" not in process.log
    await process.reload(
        configuration(client={"token": {"hmac_secret_key": "another"}}, log={"level": "debug"})
    )
    client = await process.connect()
    jwt = token({"sub": "42"}, secret="another")
    assert '"connect":{"client":' in await ask(client, f'{{"id":1,"connect":{{"token":"{jwt}"}}}}')
    assert "DEBUG" in await process.line("/connection/websocket")


async def test_what_a_reload_cannot_change_is_said(process: Process) -> None:
    await process.serve(configuration())
    await process.reload(
        configuration(
            http_server={"port": process.port + 1},
            websocket={"handler_prefix": "/ws"},
            http_api={"handler_prefix": "/other"},
        )
    )
    for name in ("http_server.port", "websocket.handler_prefix", "http_api.handler_prefix"):
        assert f"reload: {name} changes with the next start only" in process.log
    await process.client()
    assert await process.api("publish", channel="a", data=1) == {"result": {}}


BAD_RELOADS: list[tuple[str, Config | str]] = [
    ("config.json", '{"client": '),
    ("client.ping_interval", configuration(client={"ping_interval": "soon"})),
    ("rsa_public_key", configuration(client={"token": {"rsa_public_key": "no key"}})),
    ("client.allowed_origins", configuration(client={"allowed_origins": ["https://[a"]})),
    ("log.file", configuration(log={"file": "/nowhere/at/all.log"})),
]


@pytest.mark.parametrize(("name", "config"), BAD_RELOADS)
async def test_a_bad_reload_changes_nothing_and_says_why(
    process: Process, name: str, config: Config | str
) -> None:
    """Not even those of its options that are good."""
    await process.serve(configuration())
    if isinstance(config, dict):
        config = config | {"channel": {"without_namespace": {"allow_subscribe_for_client": False}}}
    await process.reload(config)
    reason, verdict = process.lines[-2:]
    assert "ERROR girandola.app.run: reload: " in reason
    assert name in reason
    assert verdict.endswith("ERROR girandola.app.run: reload: the old configuration stays")
    client = await process.client()
    answer = await ask(client, '{"id":2,"subscribe":{"channel":"a"}}')
    assert answer == '{"id":2,"subscribe":{}}'
    assert await process.stop() == 0


async def test_a_file_that_is_gone_changes_nothing(process: Process) -> None:
    await process.serve(configuration())
    process.file.unlink()
    process.signal(signal.SIGHUP)
    assert "there is no such file any more" in await process.line("config.json")
    await process.line("reload: the old configuration stays")
    await process.client()


# ── stop ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_tells_every_client_to_come_back(
    process: Process, number: signal.Signals
) -> None:
    await process.serve(configuration())
    today, of_2018 = await process.client(), await process.client_of_2018()
    process.signal(number)
    assert await end_of(today) == (3001, "shutdown")
    assert await end_of(of_2018) == (3000, '{"reason":"shutting down","reconnect":true}')
    assert await process.exit_code() == 0
    assert f"stopping: received {number.name}" in process.log
    assert process.lines[-1].endswith(": stopped")


async def test_a_stop_does_not_wait_for_who_never_said_who_they_are(process: Process) -> None:
    """They get no word, and the exit code is that of an orderly stop."""
    await process.serve(configuration())
    stranger, waiting = await process.connect(), await process.connect()
    await ask(waiting, f'{{"id":1,"connect":{{"token":"{token({"exp": 1}, secret=SECRET)}"}}}}')
    async with asyncio.timeout(5):
        assert await process.stop() == 0
    assert await end_of(stranger) == (1006, "")
    assert await end_of(waiting) == (1006, "")


async def test_a_stop_does_not_wait_for_idle_http_connections(process: Process) -> None:
    await process.serve(configuration())
    reader, writer = await asyncio.open_connection(HOST, process.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 404")
    async with asyncio.timeout(5):
        assert await process.stop() == 0
    await reader.read()
    writer.close()


async def test_who_does_not_answer_the_close_frame_is_cut_off_in_time(process: Process) -> None:
    """The exit code then says that not everybody left in order."""
    await process.serve(configuration(shutdown={"timeout": "300ms"}))
    client = await process.client()
    client.transport.pause_reading()
    assert await process.stop() == 1
    assert "cut off 1 connections that did not end in time" in process.log
    client.transport.abort()
