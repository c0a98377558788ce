"""A library in another language, in a process of its own that is driven by JSON lines.

``node/driver.mjs`` says what the lines are; ``go/client/driver.go`` does the same in Go.
"""

import asyncio
import json
from typing import Any

from tests.sdk.peer import RECONNECT_DELAY, TIMEOUT, Peer, PeerError


class ChildPeer(Peer):
    """The clients of a library, in one process."""

    def __init__(self) -> None:
        super().__init__()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._replies: dict[int, asyncio.Future[Any]] = {}

    def command(self) -> list[str]:
        """Return the program, as an absolute path or a name on the path, and its arguments."""
        raise NotImplementedError

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self.command(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        if self._process is None or self._reading is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._reading
                status = await self._process.wait()
            assert status == 0, f"{self.command()[0]} failed; see its stderr"
        finally:
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()

    async def call(self, do: str, client: str, **parameters: Any) -> Any:
        """Have the process do something, and return what came of it."""
        if self._process is None:
            await self.start()
        number = len(self._replies) + 1
        self._replies[number] = asyncio.get_running_loop().create_future()
        self._write({"id": number, "do": do, "client": client, **parameters})
        async with asyncio.timeout(TIMEOUT):
            return await self._replies[number]

    async def publish(self, client: str, channel: str, data: Any) -> None:
        await self.call("publish", client, channel=channel, data=data)

    async def presence(self, client: str, channel: str) -> list[dict[str, Any]]:
        people = await self.call("presence", client, channel=channel)
        return sorted(people, key=lambda person: str(person["user"]))

    async def history(self, client: str, channel: str) -> list[dict[str, Any]]:
        result = await self.call("history", client, channel=channel, limit=100)
        publications: list[dict[str, Any]] = result["publications"]
        return publications[::-1] if self.newest_first else publications

    async def unsubscribe(self, client: str, channel: str) -> None:
        await self.call("unsubscribe", client, channel=channel)

    async def disconnect(self, client: str) -> None:
        await self.call("close", client)

    def answer(self, what: str, question: dict[str, Any]) -> Any:
        """Play the backend."""
        raise NotImplementedError

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._handle(json.loads(line))
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(PeerError(0, f"{self.command()[0]} ended; see its stderr"))

    def _handle(self, message: dict[str, Any]) -> None:
        if "event" in message:
            self.journal.write(message)
        elif "ask" in message:
            value = self.answer(message["what"], message)
            self._write({"answer": message["ask"], "value": value})
        elif "error" in message:
            error = message["error"]
            self._replies[message["reply"]].set_exception(
                PeerError(error["code"], error["message"])
            )
        else:
            self._replies[message["reply"]].set_result(message["result"])


class ModernChildPeer(ChildPeer):
    """A library that speaks today's protocol."""

    async def _open(self, client: str, url: str) -> None:
        token = self._token(client, first=True)
        delay = int(RECONNECT_DELAY * 1000)
        await self.call("open", client, url=url, token=token, delay=delay)

    async def subscribe(self, client: str, channel: str, **options: Any) -> None:
        ask_token = channel.startswith("$")
        await self.call("subscribe", client, channel=channel, ask_token=ask_token, options=options)

    def answer(self, what: str, question: dict[str, Any]) -> Any:
        if what == "token":
            return self._fresh_token(question["client"])
        return self._subscription_token(question["client"], question["channel"])
