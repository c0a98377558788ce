"""Literal frames and what they mean: how the files in ``tests/vectors`` are read.

A line is an object: ``name``; ``direction``, who sends it; ``frame``, the text on the wire, or its
bytes in hexadecimal digits where it is binary; and ``meaning``. A client's frame means a list of
commands. A server's frame means a ``Reply``, a push to a channel, or a close frame's reason;
where its direction is ``"server, newest first"``, for libraries that turn lists round.
``{"Type": {...}}`` stands for that value, where fields of bytes are written as text, and
``{"errors": "NAME"}`` for one of ``girandola.errors``.
"""

import json
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from girandola import errors, model
from girandola.protocol import commands, v1
from girandola.protocol.codec import Codec

FOLDER = Path(__file__).parent.parent / "vectors"

_TYPES = {
    name: value
    for module in (model, errors, commands, v1)
    for name, value in vars(module).items()
    if isinstance(value, type)
}


def vectors(file: str, direction: str) -> list[Any]:
    """Return the vectors of one direction as pytest parameters."""
    lines = (FOLDER / file).read_text().splitlines()
    found = [vector for vector in map(json.loads, lines) if vector["direction"] == direction]
    assert found
    return [pytest.param(vector, id=vector["name"]) for vector in found]


def build(meaning: Any) -> Any:
    """Return the value that ``meaning`` stands for."""
    if isinstance(meaning, list):
        return [build(item) for item in meaning]
    if not isinstance(meaning, dict):
        return meaning
    if "errors" in meaning:
        return getattr(errors, meaning["errors"])
    if "Malformed" in meaning:
        disconnect = getattr(errors, meaning["Malformed"])
        return commands.Malformed(disconnect=disconnect, detail="")
    for name, fields in meaning.items():
        if name in _TYPES:
            return _instance(_TYPES[name], fields)
    return {key: build(value) for key, value in meaning.items()}


def _instance(cls: type, fields: dict[str, Any]) -> Any:
    hints = get_type_hints(cls)
    values = {
        name: value.encode() if hints[name] is bytes else build(value)
        for name, value in fields.items()
    }
    return cls(**values)


def frame_of(vector: dict[str, Any], codec: Codec) -> bytes:
    """Return the bytes on the wire."""
    frame: str = vector["frame"]
    return bytes.fromhex(frame) if codec.binary else frame.encode()


def check_server_vector(vector: dict[str, Any], codec: Codec) -> None:
    """Assert that ``codec`` writes what the vector means as it stands in it."""
    frame = frame_of(vector, codec)
    meaning = build(vector["meaning"])
    if isinstance(meaning, commands.Reply):
        assert codec.reply(meaning) == frame
    elif "close" in meaning:
        code, reason = codec.close(meaning["close"])
        assert (code, reason.encode()) == (meaning["code"], frame)
    else:
        assert codec.push(meaning["channel"], meaning["push"]) == frame


def without_details(decoded: list[commands.Command]) -> list[commands.Command]:
    """Return the commands with empty details, after a look that every refusal had some."""
    plain = []
    for command in decoded:
        if isinstance(command, commands.Malformed):
            assert command.detail
            command = commands.Malformed(disconnect=command.disconnect, detail="")
        plain.append(command)
    return plain
