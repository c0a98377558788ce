"""A policy with everything around it that its tests vary: options, tokens, a peer, the time."""

import asyncio
from typing import Any

import pytest

from girandola.auth.jwks import KeysUnavailable
from girandola.auth.jwt import Verifier, sign
from girandola.channels import Channels
from girandola.core.ports import Policy
from girandola.errors import Close, Disconnect, Error, Reject
from girandola.options import (
    ChannelOptions,
    ChannelSection,
    ClassicOptions,
    ClientSection,
    LegacyOptions,
    Namespace,
    RpcPingOptions,
    TokenOptions,
)
from girandola.policy.policy import ConfiguredPolicy
from girandola.policy.rules import Rules

NOW = 1_700_000_000
KEY = "the key of JWTs"
YEAR = 365 * 24 * 3600


class FakePeer:
    """A connection as the policy sees it."""

    transport_name = "websocket"

    def __init__(self, user: str = "42", *, client: str = "c1", subscribed: str = "") -> None:
        self.user = user
        self.client = client
        self.headers: dict[str, str] = {}
        self.token_channels: frozenset[str] = frozenset()
        self._subscribed = subscribed.split()

    def is_subscribed(self, channel: str) -> bool:
        return channel in self._subscribed


def time() -> float:
    return NOW + 0.25


def policy(
    *,
    without_namespace: dict[str, Any] | None = None,
    chat: dict[str, Any] | None = None,
    channel: dict[str, Any] | None = None,
    classic: dict[str, Any] | None = None,
    legacy: dict[str, Any] | None = None,
    ping: RpcPingOptions = RpcPingOptions(),  # noqa: B008 - an immutable value
    sub_key: str = KEY,
    **client: Any,
) -> ConfiguredPolicy:
    """A policy; ``chat`` gives the options of a namespace of that name."""
    section = ChannelSection(
        without_namespace=ChannelOptions(**without_namespace or {}),
        namespaces=(Namespace(name="chat", **chat or {}),),
        **channel or {},
    )
    made = ConfiguredPolicy(
        Rules(
            channels=Channels(section),
            client=ClientSection(**client),
            classic=ClassicOptions(**({"secret": "secret"} if classic is None else classic)),
            rpc_ping=ping,
            connection_tokens=Verifier(TokenOptions(hmac_secret_key=KEY), time=time),
            subscription_tokens=Verifier(TokenOptions(hmac_secret_key=sub_key), time=time),
            time=time,
            legacy=LegacyOptions(**legacy or {}),
        )
    )
    _is_a_policy: Policy = made
    return made


class NoKeys(Verifier):
    """A verifier whose key set cannot be had."""

    def __init__(self) -> None:
        super().__init__(TokenOptions(), time=time)

    async def connection_token(self, text: str) -> Any:
        raise KeysUnavailable("the endpoint is down")

    async def subscription_token(self, text: str) -> Any:
        raise KeysUnavailable("the endpoint is down")


def jwt(claims: dict[str, Any], key: str = KEY) -> str:
    return sign(claims, key)


def run(coroutine: Any) -> Any:
    """Run a decision; none may wait unless it needs a key set."""
    return asyncio.run(coroutine)


def refusal(coroutine: Any) -> Error | Disconnect:
    """Return with what a decision refuses, and see that it tells the operator why."""
    with pytest.raises((Reject, Close)) as raised:
        run(coroutine)
    refused = raised.value
    assert refused.detail
    assert isinstance(refused, Reject | Close)
    return refused.error if isinstance(refused, Reject) else refused.disconnect


def detail(coroutine: Any) -> str:
    """Return what a refusal tells the operator."""
    with pytest.raises((Reject, Close)) as raised:
        run(coroutine)
    return str(raised.value.detail)
