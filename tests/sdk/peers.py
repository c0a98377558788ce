"""The real client libraries behind one face, so that one scenario runs with all of them.

A peer drives the clients of one library. What happens to them is written into a journal as plain
dictionaries with the same words for all libraries; scenarios wait for entries. Whatever a library
asks of an application's backend (tokens, signs), the peer answers, and notes that it was asked.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import centrifuge

from tests.sdk.backend import classic_credentials, classic_sign, jwt

NODE = Path(__file__).parent / "node"
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
        return jwt(claims, **({"key": user["key"]} if "key" in user else {}))

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
        return jwt(claims, "a guess") if "forged" in user else jwt(claims)


class NodePeer(Peer):
    """A JavaScript library, in a Node process of its own."""

    script = ""
    arguments: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._replies: dict[int, asyncio.Future[Any]] = {}

    async def start(self) -> None:
        assert (NODE / "node_modules").is_dir(), "the Node libraries are missing: run scripts/test"
        self._process = await asyncio.create_subprocess_exec(
            "node",
            self.script,
            *self.arguments,
            cwd=NODE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
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
                assert await self._process.wait() == 0, "the Node process failed; see its stderr"
        finally:
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()

    async def call(self, do: str, client: str, **parameters: Any) -> Any:
        """Have the Node process do something, and return what came of it."""
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
                reply.set_exception(PeerError(0, "the Node process ended; see its stderr"))

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


class ModernJs(NodePeer):
    """npm centrifuge 5.8.0."""

    script = "modern.mjs"

    async def _open(self, client: str, url: str) -> None:
        token = self._token(client, first=True)
        delay = int(RECONNECT_DELAY * 1000)
        await self.call("open", client, url=url, token=token, delay=delay)

    async def subscribe(self, client: str, channel: str, **options: Any) -> None:
        await self.call(
            "subscribe",
            client,
            channel=channel,
            ask_token=channel.startswith("$"),
            options={"joinLeave": True, **options},
        )

    def answer(self, what: str, question: dict[str, Any]) -> Any:
        if what == "token":
            return self._fresh_token(question["client"])
        return self._subscription_token(question["client"], question["channel"])


class ModernJsProtobuf(ModernJs):
    """The same in Protobuf."""

    arguments = ("protobuf",)


class ModernJsHttpStream(ModernJs):
    """The same in JSON over HTTP streaming."""

    arguments = ("json", "http_stream")


class ModernJsHttpStreamProtobuf(ModernJs):
    """The same in Protobuf over HTTP streaming."""

    arguments = ("protobuf", "http_stream")


class ModernJsSse(ModernJs):
    """The same in JSON over server-sent events."""

    arguments = ("json", "sse")


class ClassicJs(NodePeer):
    """npm centrifuge 1.5.0, the library of 2018."""

    script = "classic.mjs"
    modern = False
    newest_first = True

    async def _open(self, client: str, url: str) -> None:
        credentials = self._credentials(client, first=True)
        delay = int(RECONNECT_DELAY * 1000)
        await self.call("open", client, url=url, credentials=credentials, delay=delay)

    async def subscribe(self, client: str, channel: str, **options: Any) -> None:
        assert not options, "a client of 2018 has no subscription options"
        await self.call("subscribe", client, channel=channel)

    def _credentials(self, client: str, *, first: bool = False) -> dict[str, str]:
        user = self._users[client]
        given = {name: user[name] for name in ("info", "key") if name in user}
        return classic_credentials(user["user"], age=user.get("age", 0) if first else 0, **given)

    def answer(self, what: str, question: dict[str, Any]) -> Any:
        client = question["client"]
        if what == "token":
            self.journal.write({"event": "asked_token", "client": client})
            return self._credentials(client)
        return {channel: self._sign(question, channel) for channel in question["channels"]}

    def _sign(self, question: dict[str, Any], channel: str) -> dict[str, Any]:
        client = question["client"]
        self.journal.write({"event": "asked_subscription", "client": client, "channel": channel})
        if channel in self._users[client].get("denied", ()):
            return {"status": 403}
        keys = {"key": self._users[client]["key"]} if "key" in self._users[client] else {}
        if "forged" in self._users[client]:
            keys = {"key": "a guess"}
        return {"sign": classic_sign(question["id"], channel, **keys), "info": ""}


class V1Js(NodePeer):
    """npm centrifuge 2.8.5, a library for the v2 and v3 servers."""

    script = "v1.mjs"
    modern = False
    query = ""
    options: ClassVar[dict[str, Any]] = {}

    async def _open(self, client: str, url: str) -> None:
        await self.call(
            "open",
            client,
            url=url + self.query,
            options=self.options,
            token=self._token(client, first=True),
            delay=int(RECONNECT_DELAY * 1000),
        )

    async def subscribe(self, client: str, channel: str, **options: Any) -> None:
        assert not options, "a client of this generation has no subscription options"
        await self.call("subscribe", client, channel=channel)

    def answer(self, what: str, question: dict[str, Any]) -> Any:
        client = question["client"]
        if what == "token":
            return self._fresh_token(client)
        # The backends of then made tokens for one connection only.
        connection = self._users[client].get("connection", question["id"])
        tokens = {
            name: self._subscription_token(client, name, connection=connection)
            for name in question["channels"]
        }
        return [{"channel": name, "token": token} for name, token in tokens.items() if token]


class V1JsProtobuf(V1Js):
    """The same in Protobuf, which the address asks for."""

    arguments = ("protobuf",)
    query = "?format=protobuf"


class V1JsProtobufByOption(V1Js):
    """The same in Protobuf, which only the subprotocol asks for."""

    arguments = ("protobuf",)
    options: ClassVar = {"protocol": "protobuf"}


class PythonPeer(Peer):
    """PyPI centrifuge-python, in this process."""

    protobuf = False

    def __init__(self) -> None:
        super().__init__()
        self._clients: dict[str, centrifuge.Client] = {}

    async def _open(self, client: str, url: str) -> None:
        async def get_token() -> str:
            return str(self._fresh_token(client))

        self._clients[client] = centrifuge.Client(
            url,
            events=_ClientEvents(lambda event, **facts: self._note(event, client, **facts)),
            token=self._token(client, first=True),
            get_token=get_token,
            min_reconnect_delay=RECONNECT_DELAY,
            max_reconnect_delay=RECONNECT_DELAY * 4,
            use_protobuf=self.protobuf,
            proxy=None,
        )
        await self._clients[client].connect()

    def _note(self, event: str, client: str, **facts: Any) -> None:
        self.journal.write({**facts, "event": event, "client": client})

    async def subscribe(self, client: str, channel: str, **options: Any) -> None:
        async def get_token(channel: str) -> str:
            token = self._subscription_token(client, channel)
            if token is None:
                raise centrifuge.UnauthorizedError
            return token

        if channel.startswith("$"):
            options["get_token"] = get_token

        def note(event: str, **facts: Any) -> None:
            self._note(event, client, channel=channel, **facts)

        subscription = self._clients[client].new_subscription(
            channel,
            events=_SubscriptionEvents(note),
            min_resubscribe_delay=RECONNECT_DELAY,
            **{"join_leave": True, **options},
        )
        await subscription.subscribe()

    async def publish(self, client: str, channel: str, data: Any) -> None:
        with _errors_of_the_library():
            payload = json.dumps(data).encode() if self.protobuf else data
            await self._clients[client].publish(channel, payload)

    async def presence(self, client: str, channel: str) -> list[dict[str, Any]]:
        with _errors_of_the_library():
            result = await self._clients[client].presence(channel)
        people = [_person(info) for info in result.clients.values()]
        return sorted(people, key=lambda person: str(person["user"]))

    async def history(self, client: str, channel: str) -> list[dict[str, Any]]:
        with _errors_of_the_library():
            result = await self._clients[client].history(channel, limit=100)
        return [_publication(publication) for publication in result.publications]

    async def unsubscribe(self, client: str, channel: str) -> None:
        subscription = self._clients[client].get_subscription(channel)
        assert subscription is not None
        await subscription.unsubscribe()
        self._clients[client].remove_subscription(subscription)

    async def disconnect(self, client: str) -> None:
        await self._clients[client].disconnect()

    async def close(self) -> None:
        for client in self._clients.values():
            await client.disconnect()
            # Its tasks end by themselves; a loop that closes before they do complains.
            await asyncio.gather(*client._background_tasks, return_exceptions=True)


class PythonProtobufPeer(PythonPeer):
    """The same in Protobuf."""

    protobuf = True


PEERS: dict[str, Callable[[], Peer]] = {
    "centrifuge-js-1.5": ClassicJs,
    "centrifuge-js-5.8": ModernJs,
    "centrifuge-js-5.8-protobuf": ModernJsProtobuf,
    "centrifuge-js-5.8-http-stream": ModernJsHttpStream,
    "centrifuge-js-5.8-http-stream-protobuf": ModernJsHttpStreamProtobuf,
    "centrifuge-js-5.8-sse": ModernJsSse,
    "centrifuge-python-0.7": PythonPeer,
    "centrifuge-python-0.7-protobuf": PythonProtobufPeer,
}

V1_PEERS: dict[str, Callable[[], Peer]] = {
    "centrifuge-js-2.8": V1Js,
    "centrifuge-js-2.8-protobuf": V1JsProtobuf,
    "centrifuge-js-2.8-protobuf-by-option": V1JsProtobufByOption,
}
"""Of the v2 and v3 servers, whose words for errors are others: see ``test_v1.py``."""


# ── centrifuge-python's words into the journal's ─────────────────────────────────────────────


@contextlib.contextmanager
def _errors_of_the_library() -> Iterator[None]:
    try:
        yield
    except centrifuge.ReplyError as error:
        raise PeerError(error.code, error.message) from error


def _value(data: Any) -> Any:
    """Return the JSON value of a payload, which is bytes in Protobuf."""
    if not isinstance(data, bytes):
        return data
    return json.loads(data) if data else None


def _person(info: centrifuge.ClientInfo) -> dict[str, Any]:
    return {
        "user": info.user,
        "id": info.client,
        "conn_info": _value(info.conn_info),
        "chan_info": _value(info.chan_info),
    }


def _publication(publication: centrifuge.Publication) -> dict[str, Any]:
    return {
        "data": _value(publication.data),
        "offset": publication.offset,
        "info": _person(publication.info) if publication.info else None,
        "tags": publication.tags or None,
    }


def _subscribed(ctx: Any) -> dict[str, Any]:
    return {
        "was_recovering": ctx.was_recovering,
        "recovered": ctx.recovered,
        "recoverable": ctx.recoverable,
        "positioned": ctx.positioned,
        "data": _value(ctx.data),
    }


class _ClientEvents(centrifuge.ClientEventHandler):
    def __init__(self, note: Callable[..., None]) -> None:
        self._note = note

    async def on_connecting(self, ctx: Any) -> None:
        self._note("connecting", code=ctx.code, reason=ctx.reason)

    async def on_connected(self, ctx: Any) -> None:
        self._note("connected", id=ctx.client, data=_value(ctx.data))

    async def on_disconnected(self, ctx: Any) -> None:
        self._note("disconnected", code=ctx.code, reason=ctx.reason)

    async def on_error(self, ctx: Any) -> None:
        self._note("error", code=ctx.code, message=str(ctx.error))

    async def on_subscribed(self, ctx: Any) -> None:
        self._note("server_subscribed", channel=ctx.channel, **_subscribed(ctx))

    async def on_subscribing(self, ctx: Any) -> None:
        self._note("server_subscribing", channel=ctx.channel)

    async def on_unsubscribed(self, ctx: Any) -> None:
        self._note("server_unsubscribed", channel=ctx.channel)

    async def on_publication(self, ctx: Any) -> None:
        self._note("server_publication", channel=ctx.channel, **_publication(ctx.pub))

    async def on_join(self, ctx: Any) -> None:
        self._note("server_join", channel=ctx.channel, **_person(ctx.info))

    async def on_leave(self, ctx: Any) -> None:
        self._note("server_leave", channel=ctx.channel, **_person(ctx.info))


class _SubscriptionEvents(centrifuge.SubscriptionEventHandler):
    def __init__(self, note: Callable[..., None]) -> None:
        self._note = note

    async def on_subscribing(self, ctx: Any) -> None:
        self._note("subscribing", code=ctx.code, reason=ctx.reason)

    async def on_subscribed(self, ctx: Any) -> None:
        self._note("subscribed", **_subscribed(ctx))

    async def on_unsubscribed(self, ctx: Any) -> None:
        self._note("unsubscribed", code=ctx.code, reason=ctx.reason)

    async def on_publication(self, ctx: Any) -> None:
        self._note("publication", **_publication(ctx.pub))

    async def on_join(self, ctx: Any) -> None:
        self._note("join", **_person(ctx.info))

    async def on_leave(self, ctx: Any) -> None:
        self._note("leave", **_person(ctx.info))

    async def on_error(self, ctx: Any) -> None:
        self._note("subscription_error", code=ctx.code, message=str(ctx.error))
