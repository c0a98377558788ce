"""README.md: every command in it, run as it is written, in the order in which it is written."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.sdk.server import free_port

ROOT = Path(__file__).parent.parent
TIMEOUT = 60.0
README_PORT = "8000"
INSTALLED = "tests/sdk/node/node_modules"


def commands() -> list[str]:
    """Return the command blocks of the README, in order."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^```(\w+)$", readme, re.MULTILINE)) == {"bash"}, "all blocks are run"
    return re.findall(r"^```bash\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone as someone has it who just ran the installation, and nothing else."""
    if not (ROOT / ".venv").is_dir():
        pytest.fail("there is no .venv: run scripts/test")
    # The clone borrows .venv. Were it out of date, the clone would install itself into it.
    subprocess.run([ROOT / "scripts/install", "development"], check=True)
    leave_out = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in ("scripts", "requirements", "girandola", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=leave_out)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    # What the installation makes is taken as it stands, so that the test needs no network.
    for name in (".venv", ".tools", INSTALLED):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


class Terminal:
    """A shell that runs commands one after the other, and what it printed."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._output = folder / f"terminal-{len(list(folder.glob('terminal-*')))}.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                ["bash", "-e"],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    def type(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command.encode())
        self.process.stdin.flush()

    def finish(self) -> int:
        """Type no more, and return the exit status of the last command."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(TIMEOUT)

    def wait_for(self, text: str) -> None:
        """Wait until this text was printed."""
        deadline = time.monotonic() + TIMEOUT
        while text not in self.output:
            assert self.process.poll() is None, f"it ended before {text!r}:\n{self.output}"
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.output}"
            time.sleep(0.02)  # a file that grows cannot be waited for otherwise

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(TIMEOUT)
        finally:
            if self.process.stdin is not None:
                self.process.stdin.close()


@contextmanager
def terminal(folder: Path, **variables: str) -> Iterator[Terminal]:
    opened = Terminal(folder, {**os.environ, **variables})
    try:
        yield opened
    finally:
        opened.close()


def wait_for_port(port: int, server: Terminal) -> None:
    deadline = time.monotonic() + TIMEOUT
    while True:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        assert server.process.poll() is None, server.output
        assert time.monotonic() < deadline, server.output
        time.sleep(0.02)  # an open port cannot be waited for otherwise


def listen_on(port: int) -> dict[str, str]:
    return {
        "GIRANDOLA_HTTP_SERVER_ADDRESS": "127.0.0.1",
        "GIRANDOLA_HTTP_SERVER_PORT": str(port),
    }


def test_the_readme_leads_to_a_first_message(clone: Path) -> None:
    """Serving, tokens, subscribing and publishing work as typed, and the message arrives."""
    serve, tokens, subscribe, publish, _ = commands()
    port = free_port()
    config_made = clone / "config.json"
    assert not config_made.exists()

    with (
        terminal(clone, **listen_on(port)) as first,
        terminal(clone) as second,
        terminal(clone) as third,
    ):
        first.type(f"exec {serve}")
        wait_for_port(port, first)
        assert json.loads(config_made.read_text(encoding="utf-8"))["http_api"]["key"]

        second.type(tokens)
        second.type(subscribe.replace(README_PORT, str(port)))
        second.wait_for('"subscribe"')
        third.type(publish.replace(README_PORT, str(port)))
        assert third.finish() == 0, third.output
        assert '"result"' in third.output
        second.wait_for("hello")


@pytest.mark.skipif(
    "CI" not in os.environ and not (ROOT / INSTALLED / "installed").is_file(),
    reason="there is nothing but .venv; scripts/test installs the rest",
)
def test_the_readme_says_how_to_run_the_tests(clone: Path) -> None:
    """The command that runs the suite runs pytest; one file of it stands for all here."""
    command = commands()[-1]
    with terminal(clone, PYTEST_ADDOPTS="tests/test_layers.py -p no:cacheprovider") as shell:
        shell.type(command)
        assert shell.finish() == 0, shell.output
    assert re.search(r"\d+ passed in ", shell.output), shell.output
