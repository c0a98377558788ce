"""Who may do what by one configuration or another: the policy asked, not explained by hand.

A visitor who is no connection asks the policy of each configuration what connections ask it.
Tokens are made here with a key of our own, which takes the place of the configuration's keys if
there are any: what is told is what holders of genuine tokens may do. Decides nothing itself, and
knows no files.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from girandola.app.build import rules_of
from girandola.auth import jwt, signs
from girandola.auth.jwks import KeySets
from girandola.config.schema import Config
from girandola.errors import BAD_REQUEST, Close, Reject
from girandola.options import TokenOptions
from girandola.policy.policy import ConfiguredPolicy
from girandola.protocol import commands

CLIENT = "2b2f8d1c-7a8e-4d36-9d65-0c5a3c1f6b7e"
"""The id of the connection that asks."""

_T = TypeVar("_T", bound=TokenOptions)

_KEYS = ("hmac_secret_key", "rsa_public_key", "ecdsa_public_key", "eddsa_public_key")
_WITHOUT_KEYS: dict[str, Any] = dict.fromkeys(
    (*_KEYS, "jwks_public_endpoint", "hmac_previous_secret_key"), ""
)
_ANYBODYS = dict.fromkeys(("issuer", "issuer_regex", "audience", "audience_regex"), "")


class Visitor(Struct, frozen=True, kw_only=True):
    """A ``core.ports.Peer`` with what matters to the policy."""

    user: str
    subscribed: bool = False
    client: str = CLIENT
    transport_name: str = "websocket"
    headers: dict[str, str] = {}
    token_channels: frozenset[str] = frozenset()

    def is_subscribed(self, channel: str) -> bool:
        """See ``core.ports.Peer``."""
        return self.subscribed


class Answer(Struct, frozen=True, kw_only=True):
    """What the policy answers: code 0 and what it grants, or code, reason and why not."""

    code: int = 0
    reason: str = ""
    why: str = ""
    grant: Any = None

    def __str__(self) -> str:
        return f"no: {self.code} {self.reason}" if self.code else "yes"


class Row(Struct, frozen=True):
    """One thing that a user may try, and how it is answered ``before`` and ``after``."""

    what: str
    before: Answer
    after: Answer

    @property
    def differs(self) -> bool:
        """Whether the answer or what it grants is another one."""
        same = self.before.code == self.after.code and self.before.grant == self.after.grant
        return not same


def compared(before: Config, after: Config, user: str, channel: str) -> list[Row]:
    """Return what ``user`` (``""`` for anonymous) may do in ``channel`` by both configurations.

    Not to be called in a running loop. Raises ``ValueError`` like ``app.build.Application``: with a
    key that is none there is no server to ask.
    """
    now = time.time()
    for config in (before, after):
        rules_of(config, time.time, KeySets(now=time.monotonic))
    both = [Questions(config, user, channel, now) for config in (before, after)]
    asked = [name for name in both[0].rows if any(questions.fits(name) for questions in both)]

    async def ask() -> list[Row]:
        return [Row(name, *[await questions.answer(name) for questions in both]) for name in asked]

    return asyncio.run(ask())


Ask = Callable[[], Coroutine[Any, Any, Any]]


class Questions:
    """What one user can ask of the policy of one configuration. ``now`` is in Unix seconds."""

    def __init__(self, config: Config, user: str, channel: str, now: float) -> None:
        self._config, self._user, self._channel = config, user, channel
        self._now = int(now)
        self._key = secrets.token_hex()
        self._policy = ConfiguredPolicy(rules_of(self._with_our_key(config), lambda: now))
        self._stranger = Visitor(user=user)
        self._subscriber = Visitor(user=user, subscribed=True)
        self.rows: dict[str, Ask] = {
            "connect without a token": lambda: self._connect(),
            "connect with a token": lambda: self._connect(token=self._token()),
            _BY_HEADER: self._by_header,
            _CLASSIC + "connect with a token": lambda: self._connect(signed=self._signed()),
            "subscribe without a token": lambda: self._subscribe(),
            "subscribe with a token": lambda: self._subscribe(token=self._sub_token()),
            _CLASSIC + "subscribe without a sign": lambda: self._subscribe(
                signed=commands.SignedChannel()
            ),
            _CLASSIC + "subscribe with a sign": lambda: self._subscribe(signed=self._sign()),
            "publish without subscribing": lambda: self._publish(self._stranger),
            "publish as a subscriber": lambda: self._publish(self._subscriber),
            "presence without subscribing": lambda: self._presence(self._stranger),
            "presence as a subscriber": lambda: self._presence(self._subscriber),
            "history without subscribing": lambda: self._history(self._stranger),
            "history as a subscriber": lambda: self._history(self._subscriber),
        }

    def fits(self, row: str) -> bool:
        """Tell whether the configuration has a use for the question."""
        if row == _BY_HEADER:
            return bool(self._config.client.user_id_http_header)
        classic = self._config.classic
        return not row.startswith(_CLASSIC) or bool(classic.secret or classic.allow_empty_secret)

    async def answer(self, row: str) -> Answer:
        """Ask one of ``rows``."""
        try:
            return Answer(grant=await self.rows[row]())
        except Reject as reject:
            return Answer(code=reject.error.code, reason=reject.error.message, why=reject.detail)
        except Close as close:
            return Answer(
                code=close.disconnect.code, reason=close.disconnect.reason, why=close.detail
            )

    # ── what connections say ─────────────────────────────────────────────────────────────────

    async def _connect(self, token: str = "", signed: commands.SignedUser | None = None) -> Any:
        nobody = Visitor(user="")
        return await self._policy.connect(nobody, commands.Connect(token=token, signed=signed))

    async def _by_header(self) -> Any:
        name = self._config.client.user_id_http_header.lower()
        visitor = Visitor(user="", headers={name: self._user} if name else {})
        return await self._policy.connect(visitor, commands.Connect())

    async def _subscribe(
        self, token: str = "", signed: commands.SignedChannel | None = None
    ) -> Any:
        if self._policy.is_too_long(self._channel):
            raise Reject(BAD_REQUEST, "the name of the channel is too long")
        command = commands.Subscribe(channel=self._channel, token=token, signed=signed)
        return await self._policy.subscribe(self._stranger, command)

    async def _publish(self, visitor: Visitor) -> Any:
        command = commands.Publish(channel=self._channel, data=b"{}")
        return await self._policy.publish(visitor, command)

    async def _presence(self, visitor: Visitor) -> Any:
        return await self._policy.presence(visitor, self._channel)

    async def _history(self, visitor: Visitor) -> Any:
        return await self._policy.history(visitor, self._channel)

    # ── what they show ───────────────────────────────────────────────────────────────────────

    def _with_our_key(self, config: Config) -> Config:
        client = config.client
        own = replace(
            client,
            token=self._ours(client.token),
            subscription_token=self._ours(client.subscription_token),
        )
        return replace(config, client=own)

    def _ours(self, options: _T) -> _T:
        """Return options that take our tokens, if they take any."""
        keys = (*_KEYS, "jwks_public_endpoint")
        if not any(getattr(options, key) for key in keys):
            return options
        own = _WITHOUT_KEYS | _ANYBODYS | {"hmac_secret_key": self._key}
        return replace(options, **own)

    def _token(self, **claims: Any) -> str:
        options: TokenOptions = self._config.client.token
        if claims and self._config.client.subscription_token.enabled:
            options = self._config.client.subscription_token
        claim = options.user_id_claim or "sub"
        return jwt.sign({claim: self._user, **claims}, self._key)

    def _sub_token(self) -> str:
        return self._token(channel=self._channel, client=CLIENT)

    def _signed(self) -> commands.SignedUser:
        secret, at = self._config.classic.secret, str(self._now)
        token = signs.client_token(secret, self._user, at)
        return commands.SignedUser(user=self._user, timestamp=at, info="", token=token)

    def _sign(self) -> commands.SignedChannel:
        sign = signs.channel_sign(self._config.classic.secret, CLIENT, self._channel)
        return commands.SignedChannel(client=CLIENT, sign=sign)


_BY_HEADER = "connect with user_id_http_header"
_CLASSIC = "2018: "
