"""Batches: many commands of today's API in one request, one after the other or side by side.

How a batch is read without making objects of more commands than are allowed, and how each gets
its reply. Requests, replies and errors: server.md, appendix A.
"""

from types import GenericAlias
from typing import Any

import msgspec
from msgspec import Raw, field

from girandola.api import schema
from girandola.api.methods import METHODS, Methods, too_many
from girandola.api.side_by_side import side_by_side
from girandola.errors import BAD_REQUEST, METHOD_NOT_FOUND, Error
from girandola.protocol import raw_json
from girandola.protocol.json_requests import Reader, Request, TooMany
from girandola.protocol.raw_json import Unreadable

_Call = tuple[str, Any] | Error
"""The name of a method and its request, or why there is none."""

_Command = msgspec.defstruct(
    "_Command",
    [(name, method.request | None, None) for name, method in METHODS.items()],
    bases=(Request,),
)
"""A command: the request of one method, by its name."""

_Batch = msgspec.defstruct(
    "_Batch",
    [
        ("commands", GenericAlias(list, (_Command | None,)), field(default_factory=list)),
        ("parallel", bool, False),
    ],
    bases=(Request,),
)


class _Commands(Request):
    """A batch of which the commands are not read yet."""

    commands: list[Raw] = field(default_factory=list)
    parallel: bool = False


_batch: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Batch)
_commands = schema.reader(_Commands)
_command: Reader[Any] = schema.reader(_Command)


async def carry_out(methods: Methods, text: bytes, peer: str = "") -> schema.BatchResult:
    """Carry out the commands of a batch; replies stand in their order.

    Raises:
        Unreadable: it is no batch, or one of its commands cannot be read; nothing is done then.
        Reject: it has more commands than allowed.
    """
    calls, is_parallel = await _read(methods, text)

    async def reply(call: _Call) -> dict[str, Any]:
        if isinstance(call, Error):
            methods.log_refusal("batch", peer, call, "a command without a known method")
            return {"error": schema.error(call)}
        name, request = call
        outcome = await methods.answer(name, request, peer)
        if isinstance(outcome, Error):
            return {"error": schema.error(outcome)}
        return {name: outcome}

    if is_parallel:
        return schema.BatchResult(await side_by_side(methods.node, reply, calls))
    replies = []
    for number, call in enumerate(calls, 1):
        replies.append(await reply(call))
        await methods.node.breathe(number)
    return schema.BatchResult(replies)


async def _read(methods: Methods, text: bytes) -> tuple[list[_Call], bool]:
    at_once = _read_at_once(methods, text)
    if at_once is not None:
        return at_once
    most = methods.options.max_batch_size
    try:
        unread = _commands.read(text, most)
    except TooMany as error:
        raise too_many(error.name, most, "max_batch_size") from None
    if len(unread.commands) > most:
        raise too_many("commands", most, "max_batch_size")
    calls: list[_Call] = []
    for number, command in enumerate(unread.commands, 1):
        calls.append(_read_one(methods, bytes(command)))
        await methods.node.breathe(number)
    return calls, unread.parallel


def _read_at_once(methods: Methods, text: bytes) -> tuple[list[_Call], bool] | None:
    """Read a batch that is not large and written as usual; ``None`` for others."""
    if text.count(b",") >= methods.options.max_broadcast_size:
        return None
    try:
        batch = raw_json.read(_batch, text)
    except Unreadable:
        return None
    if len(batch.commands) > methods.options.max_batch_size:
        return None
    return [_call(command) for command in batch.commands], batch.parallel


def _read_one(methods: Methods, text: bytes) -> _Call:
    if text == b"null":
        return BAD_REQUEST
    try:
        return _call(_command.read(text, methods.options.max_broadcast_size))
    except TooMany as error:
        return methods.refuse("batch", "", too_many(error.name, error.most))


def _call(command: Any) -> _Call:
    if command is None:
        return BAD_REQUEST
    for name in METHODS:
        request = getattr(command, name)
        if request is not None:
            return name, request
    return METHOD_NOT_FOUND
