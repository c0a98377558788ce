"""npm centrifuge of every generation, in Node."""

from pathlib import Path
from typing import Any, ClassVar

from tests.sdk.backend import classic_credentials, classic_sign
from tests.sdk.child_peer import ChildPeer, ModernChildPeer
from tests.sdk.peer import RECONNECT_DELAY

NODE = Path(__file__).parent / "node"


class NodePeer(ChildPeer):
    """A JavaScript library.

    ``library``, its folder in ``node_modules``, is the script's first argument.
    """

    script = ""
    library = ""
    arguments: tuple[str, ...] = ()

    def command(self) -> list[str]:
        assert (NODE / "node_modules").is_dir(), "the Node libraries are missing: run scripts/test"
        library = [self.library] if self.library else []
        return ["node", str(NODE / self.script), *library, *self.arguments]


class ModernJs(NodePeer, ModernChildPeer):
    """npm centrifuge 5.8.0."""

    script = "modern.mjs"
    library = "centrifuge-5.8"
    deltas = True


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


class Js3(ModernJs):
    """npm centrifuge 3.1.2, the first generation of today's protocol."""

    library = "centrifuge-3.1"
    deltas = False


class Js3Protobuf(Js3):
    """The same in Protobuf."""

    arguments = ("protobuf",)


class ClassicJs(NodePeer):
    """npm centrifuge 1.5.0, the library of 2018."""

    script = "classic.mjs"
    library = "centrifuge-1.5"
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
    library = "centrifuge-2.8"
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


class V1JsBySeq(V1Js):
    """npm centrifuge 2.4.0, from before offsets, for the v2 servers."""

    library = "centrifuge-2.4"


class V1JsBySeqProtobuf(V1JsBySeq):
    """The same in Protobuf."""

    arguments = ("protobuf",)
    query = "?format=protobuf"
