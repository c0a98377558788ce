"""A headless Chromium, driven by its DevTools protocol, in as little code as the tests need.

Knows pages, scripts and consoles; nothing of what the tests do with them.
"""

import asyncio
import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect

TIMEOUT = 30.0
FLAGS = (
    "--headless",
    "--no-sandbox",  # the tests may run as root, which Chromium's sandbox refuses
    "--disable-gpu",
    "--disable-dev-shm-usage",  # a container's /dev/shm may be too small
    "--disable-quic",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
    "--no-proxy-server",
    "--remote-debugging-port=0",
)
_LISTENING = re.compile(rb"DevTools listening on (ws://\S+)")


class Complaint(NamedTuple):
    """An error or a warning in a page's console.

    ``source`` is Chromium's word for where it comes from (``network``, ``javascript``, …),
    ``console`` for what a script wrote and ``exception`` for what nobody caught.
    """

    source: str
    text: str
    url: str = ""


class Browser:
    """The process. Its children, its profile and it are gone after ``stop``.

    It dies with the process that started it, whatever becomes of that.
    """

    def __init__(self, executable: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="girandola-chromium-")
        command = [executable, *FLAGS, f"--user-data-dir={self._profile}", "about:blank"]
        self._process = subprocess.Popen(
            # setpriv becomes Chromium; --pdeathsig holds for the process, not for its program.
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self.address = self._read_address()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all of it at once; nothing it keeps is worth a goodbye."""
        deadline = time.monotonic() + TIMEOUT
        while running := self.processes():
            assert time.monotonic() < deadline, f"Chromium does not end: {running}"
            for number in running:
                kill(number)
        self._process.wait(TIMEOUT)
        assert self._process.stderr is not None
        self._process.stderr.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def processes(self) -> list[int]:
        """Return the process ids of the browser and its children that still run."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            number = int(folder.name)
            with contextlib.suppress(OSError):
                # Only what has ended has no command line.
                command = (folder / "cmdline").read_bytes()
                ours = os.getsid(number) == self._process.pid or self._profile.encode() in command
                if command and ours:
                    found.append(number)
        return found

    def _read_address(self) -> str:
        """Wait until Chromium says where it listens."""
        assert self._process.stderr is not None
        said = b""
        deadline = time.monotonic() + TIMEOUT
        while not (found := _LISTENING.search(said)):
            ready, _, _ = select.select([self._process.stderr], [], [], deadline - time.monotonic())
            part = os.read(self._process.stderr.fileno(), 65536) if ready else b""
            said += part
            assert part, f"Chromium did not start:\n{said.decode(errors='replace')}"
        return found[1].decode()


def kill(number: int) -> None:
    """Kill a process and wait until it has ended."""
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(number)
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            ended, _, _ = select.select([process], [], [], TIMEOUT)
            assert ended, f"process {number} does not end"
        finally:
            os.close(process)


class DevTools:
    """A connection to a browser: commands, and the events of each page."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._listeners: dict[str, Callable[[str, dict[str, Any]], None]] = {}
        self._reading = asyncio.create_task(self._read())

    async def call(self, method: str, session: str = "", **parameters: Any) -> Any:
        """Carry out a command; raise if the browser refuses it."""
        number = len(self._replies) + 1
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        await self._connection.send(json.dumps(message))
        async with asyncio.timeout(TIMEOUT):
            answer = await reply
        assert "error" not in answer, f"{method}: {answer}"
        return answer["result"]

    def listen(self, session: str, listener: Callable[[str, dict[str, Any]], None]) -> None:
        """Hand the events of a page to ``listener``."""
        self._listeners[session] = listener

    async def close(self) -> None:
        await self._connection.close()
        await self._reading

    async def _read(self) -> None:
        async for text in self._connection:
            message = json.loads(text)
            if "id" in message:
                self._replies[message["id"]].set_result(message)
            elif (listener := self._listeners.get(message.get("sessionId", ""))) is not None:
                listener(message["method"], message["params"])
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(AssertionError("Chromium has gone"))


@contextlib.asynccontextmanager
async def devtools(browser: Browser) -> AsyncIterator[DevTools]:
    """Connect to a browser."""
    async with connect(browser.address, max_size=None, proxy=None) as connection:
        tools = DevTools(connection)
        try:
            yield tools
        finally:
            await tools.close()


class Page:
    """A page in a profile of its own: no cookie and no cache is shared with another.

    What the page's scripts pass to ``tell(text)`` goes to ``hear``. ``complaints`` is what its
    console shows in red or yellow.
    """

    def __init__(self, tools: DevTools, hear: Callable[[str], None]) -> None:
        self.complaints: list[Complaint] = []
        self._tools = tools
        self._hear = hear
        self._context = ""
        self._session = ""
        self._loaded = asyncio.Event()

    async def open(self, url: str) -> None:
        """Load a document; return when its scripts have run."""
        call = self._tools.call
        self._context = (await call("Target.createBrowserContext"))["browserContextId"]
        made = await call("Target.createTarget", url="about:blank", browserContextId=self._context)
        attached = await call("Target.attachToTarget", targetId=made["targetId"], flatten=True)
        self._session = attached["sessionId"]
        self._tools.listen(self._session, self._on_event)
        for domain in ("Page", "Runtime", "Log"):
            await call(f"{domain}.enable", self._session)
        await call("Runtime.addBinding", self._session, name="tell")
        await call("Page.navigate", self._session, url=url)
        async with asyncio.timeout(TIMEOUT):
            await self._loaded.wait()

    async def run(self, function: str, *arguments: Any) -> Any:
        """Call a function of the page, and return what its promise gives."""
        texts = ", ".join(json.dumps(argument) for argument in arguments)
        answer = await self._tools.call(
            "Runtime.evaluate",
            self._session,
            expression=f"{function}({texts})",
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def close(self) -> None:
        """Close the page and forget its profile."""
        if self._context:
            await self._tools.call("Target.disposeBrowserContext", browserContextId=self._context)

    def _on_event(self, method: str, event: dict[str, Any]) -> None:
        if method == "Runtime.bindingCalled":
            self._hear(event["payload"])
        elif method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            text = details.get("exception", {}).get("description", details["text"])
            self.complaints.append(Complaint("exception", text, details.get("url", "")))
        elif method == "Runtime.consoleAPICalled":
            if event["type"] in ("error", "warning", "assert"):
                words = [str(one.get("value", one.get("description"))) for one in event["args"]]
                self.complaints.append(Complaint("console", " ".join(words)))
        elif method == "Log.entryAdded":
            entry = event["entry"]
            if entry["level"] in ("error", "warning"):
                url = entry.get("url", "")
                self.complaints.append(Complaint(entry["source"], entry["text"], url))
