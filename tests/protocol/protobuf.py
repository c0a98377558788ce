"""Protobuf messages in tests: made from what stands in JSON, and turned into what would."""

import base64
import json
from typing import Any, TypeVar

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from girandola.protocol.frames import without_lengths
from tests.protocol.strategies import PAYLOAD_FIELDS

M = TypeVar("M", bound=Message)


def filled(message: M, fields: dict[str, Any]) -> M:
    """Fill a message with the fields of an object; payloads become their JSON text."""
    return ParseDict(_encoded(fields), message)


def _encoded(value: Any) -> Any:
    if isinstance(value, list):
        return list(map(_encoded, value))
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(json.dumps(item).encode()).decode()
        if name in PAYLOAD_FIELDS
        else _encoded(item)
        for name, item in value.items()
    }


def only(frame: bytes) -> bytes:
    """Return the only message of a frame, without its length."""
    (message,) = without_lengths(frame)
    return message


def as_json(message: Message) -> dict[str, Any]:
    """Return the fields that are set as they would stand in JSON, payloads parsed."""
    return {field.name: _value(field, value) for field, value in message.ListFields()}


def _value(field: Any, value: Any) -> Any:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        of = entry.fields_by_name["value"]
        return {key: _single(of, value[key]) for key in value}
    if isinstance(value, bytes | str | int | Message):
        return _single(field, value)
    return [_single(field, item) for item in value]


def _single(field: Any, value: Any) -> Any:
    if isinstance(value, Message):
        return as_json(value)
    return json.loads(value) if isinstance(value, bytes) else value


def without_zeros(value: Any) -> Any:
    """Return parsed JSON without the zero values that only JSON writes; payloads stay."""
    if isinstance(value, list):
        return list(map(without_zeros, value))
    if not isinstance(value, dict):
        return value
    plain = {
        name: item if name in PAYLOAD_FIELDS else without_zeros(item)
        for name, item in value.items()
    }
    return {
        name: item
        for name, item in plain.items()
        if name in PAYLOAD_FIELDS
        or not (item in (0, "", []) or (name in ("presence", "subs", "tags") and item == {}))
    }
