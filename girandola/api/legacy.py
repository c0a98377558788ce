"""The server API of Centrifugo 2 to 5: ``POST /api`` with one or many commands in one body.

Commands are ``{"id", "method", "params"}`` objects, one after the other; replies come one a
line. Only the envelope is of its own; methods, parameters and keys are today's.
"""

import json
import re

import msgspec
from msgspec import Raw, Struct

from girandola.api import schema
from girandola.api.http import json_response, refuse
from girandola.api.methods import METHODS, Methods
from girandola.errors import BAD_REQUEST, METHOD_NOT_FOUND, Error
from girandola.net.http import Request, Response
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


class Command(Struct):
    """One command; without a method it is a publish, as the number 0 is."""

    id: schema.UInt32 = 0
    method: str | int = 0
    params: Raw = schema.ABSENT


class Reply(Struct, omit_defaults=True):
    """What became of a command."""

    id: int = 0
    error: schema.Error | None = None
    result: object = None


_command = msgspec.json.Decoder(Command)
_scanner = json.JSONDecoder()
_space = re.compile(r"[ \t\r\n]*+")


async def handle(methods: Methods, request: Request) -> Response:
    """Answer a POST. Nothing is done when any of its commands cannot be read.

    The caller was admitted by ``http.refusal``.
    """
    try:
        commands = [(command, _name(command)) for command in _commands(request.body)]
    except Unreadable as error:
        return refuse(400, request, str(error))
    replies = []
    for number, (command, name) in enumerate(commands, 1):
        replies.append(await _reply(methods, command, name, request))
        await methods.breathe(number)
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
    method = METHODS.get(name)
    if method is None:
        methods.log_refusal(name, request.peer, METHOD_NOT_FOUND, "no such method")
        return METHOD_NOT_FOUND
    try:
        parameters = method.read(bytes(command.params) or b"{}")
    except Unreadable as error:
        methods.log_refusal(name, request.peer, BAD_REQUEST, str(error))
        return BAD_REQUEST
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


def _commands(body: bytes) -> list[Command]:
    """Return the commands of a body: JSON objects with or without space between them."""
    if not body:
        raise Unreadable("expected commands, got an empty body")
    try:
        return [schema.read(_command, body)]
    except Unreadable:
        return [schema.read(_command, text) for text in _split(body)]


def _split(body: bytes) -> list[bytes]:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"expected UTF-8, got {error.reason} at byte {error.start}") from None
    texts = []
    position = _after_space(text, 0)
    while position < len(text):
        try:
            _, end = _scanner.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"expected a JSON object: {error}") from None
        texts.append(text[position:end].encode())
        position = _after_space(text, end)
    return texts


def _after_space(text: str, position: int) -> int:
    found = _space.match(text, position)
    return position if found is None else found.end()
