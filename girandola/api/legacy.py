"""The server API of Centrifugo 2 to 5: ``POST /api`` with one or many commands in one body.

Commands are ``{"id", "method", "params"}`` objects, one after the other; replies come one a
line. Only the envelope is of its own; methods, parameters and keys are today's.
"""

import msgspec
from msgspec import Raw, Struct

from girandola.api import schema
from girandola.api.http import json_response, refuse, refuse_as_too_much
from girandola.api.methods import METHODS, Methods, too_many
from girandola.errors import BAD_REQUEST, METHOD_NOT_FOUND, Error, Reject
from girandola.net.http import Request, Response
from girandola.protocol.json_requests import Request as ReadRequest
from girandola.protocol.json_values import values
from girandola.protocol.raw_json import Unreadable

_NUMBERED = (
    "publish",
    "broadcast",
    "unsubscribe",
    "disconnect",
    "presence",
    "presence_stats",
    "history",
    "history_remove",
    "channels",
    "info",
    "rpc",
    "subscribe",
    "refresh",
)
"""Names of methods by the numbers that callers may use instead."""

_UNAVAILABLE = frozenset(
    {
        "connections",
        "update_user_status",
        "get_user_status",
        "delete_user_status",
        "block_user",
        "unblock_user",
        "revoke_token",
        "invalidate_user_tokens",
        "device_register",
        "device_update",
        "device_remove",
        "device_list",
        "device_topic_list",
        "device_topic_update",
        "user_topic_list",
        "user_topic_update",
        "send_push_notification",
        "update_push_status",
        "cancel_push",
    }
)
"""Names that are answered with an error, while any other name makes the request a bad one."""


_WITHOUT_PARAMS = {"channels": (b"", b"[]"), "info": None}
"""Methods that need no params, with those that count as none: all of them for ``None``.

Libraries for PHP write an empty array for what has none.
"""


class Command(ReadRequest):
    """One command; without a method it is a publish, as the number 0 is."""

    id: schema.UInt32 = 0
    method: str | int = 0
    params: Raw = schema.ABSENT


class Reply(Struct, omit_defaults=True):
    """What became of a command."""

    id: int = 0
    error: schema.Error | None = None
    result: object = None


_MOST_AT_ONCE = 100_000
"""How many objects a body may hold, payloads included, to be read at once."""

_as_usual = msgspec.json.Decoder(Command)
_command = schema.reader(Command)


async def handle(methods: Methods, request: Request) -> Response:
    """Answer a POST. Nothing is done when any of its commands cannot be read.

    The caller was admitted by ``http.refusal``.
    """
    try:
        commands = await _commands(methods, request.body)
    except Unreadable as error:
        return refuse(400, request, str(error))
    except Reject as reject:
        return refuse_as_too_much(request, reject)
    replies = []
    for number, (command, name) in enumerate(commands, 1):
        replies.append(await _reply(methods, command, name, request))
        await methods.node.breathe(number)
    # A payload may hold line breaks between its tokens; inside strings JSON has none.
    lines = [schema.encode(reply).translate(None, b"\r\n") for reply in replies]
    return json_response(b"\n".join(lines))


async def _reply(methods: Methods, command: Command, name: str, request: Request) -> Reply:
    outcome = await _outcome(methods, command, name, request)
    if isinstance(outcome, Error):
        return Reply(command.id, error=schema.error(outcome))
    return Reply(command.id, result=outcome)


async def _outcome(
    methods: Methods, command: Command, name: str, request: Request
) -> Struct | Error:
    if name not in METHODS:
        methods.log_refusal(name, request.peer, METHOD_NOT_FOUND, "no such method")
        return METHOD_NOT_FOUND
    try:
        parameters = methods.read(name, _params(command, name))
    except Unreadable as error:
        methods.log_refusal(name, request.peer, BAD_REQUEST, str(error))
        return BAD_REQUEST
    except Reject as reject:
        return methods.refuse(name, request.peer, reject)
    return await methods.answer(name, parameters, request.peer)


def _name(command: Command) -> str:
    """Return the method's name; a number that stands for none is its own name."""
    method = command.method
    if isinstance(method, int):
        return _NUMBERED[method] if 0 <= method < len(_NUMBERED) else str(method)
    name = method.lower()
    if name not in METHODS and name not in _UNAVAILABLE:
        raise Unreadable(f"unknown method {method!r}")
    return name


def _params(command: Command, name: str) -> bytes:
    """Return the params of a command, ``{}`` for none where none are needed."""
    params = bytes(command.params)
    if name in _WITHOUT_PARAMS:
        counting_as_none = _WITHOUT_PARAMS[name]
        if counting_as_none is None or params in counting_as_none:
            return b"{}"
    if not params:
        raise Unreadable(f"expected params of {name}")
    return params


async def _commands(methods: Methods, body: bytes) -> list[tuple[Command, str]]:
    """Return the commands of a body, with the names of their methods.

    They are JSON objects with or without space between them.
    """
    if not body:
        raise Unreadable("expected commands, got an empty body")
    most = methods.options.max_batch_size
    usual = _lines(body, most)
    if usual is not None:
        return [(command, _name(command)) for command in usual]
    commands: list[tuple[Command, str]] = []
    for number, text in enumerate(values(body)):
        if number == most:
            raise too_many("commands", most, "max_batch_size")
        command = _command.read(text)
        commands.append((command, _name(command)))
        await methods.node.breathe(number)
    return commands


def _lines(body: bytes, most: int) -> list[Command] | None:
    """Read commands of a line each, as libraries write them; ``None`` for others.

    Their params are still to be read, and so checked.
    """
    if body.count(b"{") > _MOST_AT_ONCE:
        return None
    try:
        commands = _as_usual.decode_lines(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return commands if len(commands) <= most else None
