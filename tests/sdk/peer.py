"""What a scenario sees of a client library: one face for all, so that one scenario runs with each.

A peer drives the clients of one library. What happens to them is written into a journal as plain
dictionaries with the same words for all libraries; scenarios wait for entries. Whatever a library
asks of an application's backend (tokens, signs), the peer answers, and notes that it was asked.

Knows no library; ``peers.py`` lists those that there are.
"""

import asyncio
import time
from typing import Any

from tests.sdk.backend import TOKEN_KEY, jwt

TIMEOUT = 15.0
RECONNECT_DELAY = 0.05


class PeerError(Exception):
    """What a library answered to a call that failed."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class Journal:
    """What happened to the clients of a peer, in order."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []
        self._changed = asyncio.Event()

    def write(self, entry: dict[str, Any]) -> None:
        self._entries.append(entry)
        self._changed.set()

    def all(self, event: str, client: str, **facts: Any) -> list[dict[str, Any]]:
        """Return the entries of this event, oldest first."""
        wanted = {"event": event, "client": client, **facts}
        return [entry for entry in self._entries if wanted.items() <= entry.items()]

    async def wait(
        self, event: str, client: str, *, count: int = 1, **facts: Any
    ) -> list[dict[str, Any]]:
        """Wait until there are ``count`` entries of this event, and return them."""
        try:
            async with asyncio.timeout(TIMEOUT):
                while len(found := self.all(event, client, **facts)) < count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            known = "\n".join(map(str, self._entries)) or "nothing at all"
            raise AssertionError(
                f"waited for {count} × {event} of {client} {facts}; what happened:\n{known}"
            ) from None
        return found


class Peer:
    """The clients of one library, by the names that a scenario gives them."""

    modern = True
    """Whether the library speaks today's protocol; the others speak older ones."""
    newest_first = False
    """The order in which the library hands out history."""
    deltas = False
    """Whether the library knows deltas and filters by tags."""

    @classmethod
    def missing(cls) -> str:
        """Return why the library is not on this machine, or nothing if it is."""
        return ""

    def __init__(self) -> None:
        self.journal = Journal()
        self.wait = self.journal.wait
        self.all = self.journal.all
        self._users: dict[str, dict[str, Any]] = {}

    # ── what scenarios do ────────────────────────────────────────────────────────────────────

    async def connect(self, client: str, url: str, **user: Any) -> None:
        """Start connecting ``client``.

        ``user`` is the id; ``info`` what others may know of the connection; ``lifetime`` (s) how
        long its tokens are good for (a server decides that for those of 2018); ``age`` (s) how old
        the first one is; ``key`` what tokens are signed with; ``claims`` what else a modern token
        says; ``subscription_lifetime`` (s), ``denied`` (channels), ``forged`` (any value) and, with
        ``V1Js``, ``connection`` (id) what subscription tokens the backend gives.
        """
        self._users[client] = user
        await self._open(client, url)

    async def connected(self, client: str, url: str, **user: Any) -> str:
        """Connect ``client``, wait until it is, and return the id that the server gave it."""
        await self.connect(client, url, **user)
        entry = (await self.wait("connected", client))[0]
        assert entry["id"]
        return str(entry["id"])

    async def subscribe(self, client: str, channel: str, **options: Any) -> None:
        """Start subscribing; joins and leaves are asked for.

        ``options``, of libraries that know them: ``delta`` (its type), ``tags_filter`` (a node).
        """
        raise NotImplementedError

    async def subscribed(self, client: str, channel: str, **options: Any) -> dict[str, Any]:
        """Subscribe ``client``, wait until it is, and return what it was told."""
        await self.subscribe(client, channel, **options)
        return (await self.wait("subscribed", client, channel=channel))[0]

    async def publish(self, client: str, channel: str, data: Any) -> None:
        raise NotImplementedError

    async def presence(self, client: str, channel: str) -> list[dict[str, Any]]:
        """Return who is in the channel, ordered by user."""
        raise NotImplementedError

    async def history(self, client: str, channel: str) -> list[dict[str, Any]]:
        """Return up to a hundred publications, oldest first."""
        raise NotImplementedError

    async def unsubscribe(self, client: str, channel: str) -> None:
        raise NotImplementedError

    async def disconnect(self, client: str) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        """End all clients."""
        raise NotImplementedError

    async def lost(self, client: str, *, times: int = 1) -> None:
        """Wait until the client noticed for the ``times``th time that its connection is gone."""
        # Today's libraries also tell the first time that they start to connect.
        await self.wait("connecting", client, count=times + self.modern)

    def data(self, client: str, channel: str) -> list[Any]:
        """Return what the client received in the channel so far, in order."""
        return [entry["data"] for entry in self.all("publication", client, channel=channel)]

    async def data_until(self, last: Any, client: str, channel: str) -> list[Any]:
        """Wait until the client received ``last``; return all that it received, in order."""
        await self.wait("publication", client, channel=channel, data=last)
        return self.data(client, channel)

    # ── what libraries need ──────────────────────────────────────────────────────────────────

    async def _open(self, client: str, url: str) -> None:
        raise NotImplementedError

    def _fresh_token(self, client: str) -> Any:
        """Play the backend: a token for the user, as if asked for by the library."""
        self.journal.write({"event": "asked_token", "client": client})
        return self._token(client)

    def _token(self, client: str, *, first: bool = False) -> str:
        user = self._users[client]
        claims: dict[str, Any] = {"sub": user["user"], **user.get("claims", {})}
        if "info" in user:
            claims["info"] = user["info"]
        if "lifetime" in user:
            age = user.get("age", 0) if first else 0
            claims["exp"] = int(time.time()) - age + user["lifetime"]
        return jwt(claims, user.get("key", TOKEN_KEY))

    def _subscription_token(self, client: str, channel: str, *, connection: str = "") -> str | None:
        """Play the backend: a token for the channel, or None for a user who may not.

        Where a ``connection`` is given, the token is for that one, and does not name the user.
        """
        self.journal.write({"event": "asked_subscription", "client": client, "channel": channel})
        user = self._users[client]
        if channel in user.get("denied", ()):
            return None
        who = {"client": connection} if connection else {"sub": user["user"]}
        claims: dict[str, Any] = {"channel": channel, **who}
        if "subscription_lifetime" in user:
            claims["exp"] = int(time.time()) + user["subscription_lifetime"]
        return jwt(claims, "a guess" if "forged" in user else user.get("key", TOKEN_KEY))
