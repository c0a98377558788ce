"""The protocol of the Centrifugo 2 and 3 servers: what its JSON and its Protobuf have in common.

A command names its method by a number and holds its request as ``params``; a reply holds the
result of that method; a push is a reply without an id. As ``centrifuge`` 2.x for JavaScript and
the libraries of its time speak it (centrifugal/protocol v0.3 to v0.7).

A subscription token was for one connection, which it named as ``client``, and named no user; with
``eto`` its ``exp`` limited the token only and not the subscription.

Positions were ``seq`` and ``gen``, the halves of what became ``offset`` late in version 2. Which
of the two a library knows it does not say, so it is told both and answered in the one that it
asks with. From the start of a stream it asks with neither, because zeros are left out.
"""

from enum import IntEnum
from typing import NamedTuple

import msgspec

from girandola import errors
from girandola.errors import Disconnect
from girandola.model import Publication
from girandola.protocol import commands
from girandola.protocol.codec import Traits
from girandola.protocol.frames import MAX_REASON

TRAITS = Traits(
    pings_from="client",
    on_gap="disconnect",
    partial_recovery=True,
    connect_again=True,
    subscribes_again=False,
)


class Method(IntEnum):
    """What a command asks for; connect where nothing is said."""

    CONNECT = 0
    SUBSCRIBE = 1
    UNSUBSCRIBE = 2
    PUBLISH = 3
    PRESENCE = 4
    PRESENCE_STATS = 5
    HISTORY = 6
    PING = 7
    SEND = 8
    RPC = 9
    REFRESH = 10
    SUB_REFRESH = 11


class PushType(IntEnum):
    """What a push tells of; a publication where nothing is said."""

    PUBLICATION = 0
    JOIN = 1
    LEAVE = 2
    UNSUBSCRIBE = 3
    SUBSCRIBE = 5
    DISCONNECT = 7
    REFRESH = 8


PUSH_TYPES: dict[type[commands.Push], PushType] = {
    Publication: PushType.PUBLICATION,
    commands.Join: PushType.JOIN,
    commands.Leave: PushType.LEAVE,
    commands.Unsubscribed: PushType.UNSUBSCRIBE,
    commands.SubscribedByServer: PushType.SUBSCRIBE,
    commands.Disconnected: PushType.DISCONNECT,
    commands.Refreshing: PushType.REFRESH,
}

METHODS = ", ".join(f"{method} {method.name.lower()}" for method in Method)
"""All methods, for the log."""


class Unreadable(Exception):
    """A command of this generation makes no sense; the text says why, for the log."""


def method_of(number: int) -> Method:
    """Return the method with this number.

    Raises:
        Unreadable: there is none.
    """
    try:
        return Method(number)
    except ValueError:
        raise Unreadable(f"expected a method out of {METHODS}; got {number}") from None


def named(channel: str) -> str:
    """Return ``channel``.

    Raises:
        Unreadable: it is empty.
    """
    if not channel:
        raise Unreadable("expected a channel")
    return channel


# ── positions ────────────────────────────────────────────────────────────────────────────────


class BySeqGen(commands.Recovery, frozen=True):
    """A position that the client wrote as ``seq`` and ``gen``."""


class FromStart(commands.Recovery, frozen=True):
    """The start of a stream, which the client wrote in neither way."""


def recovery(
    *, recover: bool, seq: int, gen: int, offset: int | None, epoch: str
) -> commands.Recovery:
    """Return from where a client wants to go on; ``seq`` and ``gen`` come first.

    ``offset`` is ``None`` where the client did not write it.
    """
    if seq or gen:
        return BySeqGen(recover=recover, offset=gen << 32 | seq, epoch=epoch)
    kind = FromStart if recover and offset is None else commands.Recovery
    return kind(recover=recover, offset=offset or 0, epoch=epoch)


def seq_gen(offset: int) -> tuple[int, int]:
    """Return an offset as ``seq`` and ``gen``."""
    return offset & 0xFFFFFFFF, offset >> 32


class Recovered(NamedTuple):
    """Recovered publications as they are listed in a result."""

    publications: list[Publication]
    with_offsets: bool


def listed(
    asked: commands.Recovery, publications: list[Publication], *, newest_first: bool
) -> Recovered:
    """Return publications in the order in which the client expects them.

    ``newest_first``: a library that asks by ``seq`` may turn every list round (JavaScript before
    2.6, Go before 0.5), or just those without offsets (since then). Others turn nothing round.
    """
    if newest_first and isinstance(asked, BySeqGen | FromStart):
        return Recovered(publications[::-1], with_offsets=False)
    return Recovered(publications, with_offsets=True)


def asked_for(command: commands.Command, channel: str = "") -> commands.Recovery:
    """Return from where a client wanted to go on: in what it subscribes to, or in ``channel``.

    The latter is a server-side channel of a connect.
    """
    match command:
        case commands.Subscribe():
            return command.recovery
        case commands.Connect():
            return command.subs.get(channel, commands.Recovery())
        case _:
            return commands.Recovery()


def history_limit(limit: int | None, *, pages: bool) -> int | None:
    """Return how many publications are wanted; ``pages``: the request has more than a channel.

    Without a word libraries of version 2 want everything, because they know no pages.
    """
    return limit if limit is not None else 0 if pages else None


def resubscribes(push: commands.Unsubscribed) -> bool:
    """Tell whether the client shall subscribe again by itself."""
    return push.why.code >= errors.UNSUBSCRIBED_INSUFFICIENT_STATE.code


# ── closing ──────────────────────────────────────────────────────────────────────────────────


class Farewell(NamedTuple):
    """How the end of a connection is told."""

    code: int
    reason: str
    reconnect: bool


_FAREWELLS = {
    errors.CONNECTION_EXPIRED.name: Farewell(3005, "expired", True),
    errors.INVALID_TOKEN.name: Farewell(3002, "invalid token", False),
    errors.BAD_REQUEST_CLOSE.name: Farewell(3003, "bad request", False),
    errors.NOT_CONNECTED.name: Farewell(3003, "bad request", False),
    errors.UNKNOWN_METHOD.name: Farewell(3003, "bad request", False),
    errors.STALE.name: Farewell(3007, "stale", False),
    errors.FORCE_DISCONNECT.name: Farewell(3012, "force disconnect", False),
    errors.CONNECTION_LIMIT.name: Farewell(3013, "connection limit", False),
    errors.CHANNEL_LIMIT.name: Farewell(3013, "channel limit", False),
}
"""Codes and words of versions 2 and 3 by ``Disconnect.name``, where today's are others."""


def farewell(disconnect: Disconnect) -> Farewell:
    """Return how versions 2 and 3 tell of ``disconnect``."""
    own_words = Farewell(disconnect.code, disconnect.reason, disconnect.reconnect)
    return _FAREWELLS.get(disconnect.name, own_words)


def close(disconnect: Disconnect) -> tuple[int, str]:
    """Return code and reason of a close frame; the reason is JSON, its text cut until all fits."""
    code, reason, reconnect = farewell(disconnect)
    text = reason.encode("utf-8", "replace").decode()[:MAX_REASON]
    while True:
        told = msgspec.json.encode({"reason": text, "reconnect": reconnect})
        if len(told) <= MAX_REASON:
            return code, told.decode()
        text = text[:-1]
