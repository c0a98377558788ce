"""What a request asks for, and which generation a first message belongs to."""

from typing import Any

import pytest
from hypothesis import given

from girandola.protocol.classic import CLASSIC
from girandola.protocol.codec import Codec
from girandola.protocol.frames import with_length
from girandola.protocol.negotiation import (
    PROTOCOLS,
    SUBPROTOCOLS,
    negotiate,
    recognise,
    recognise_binary,
)
from girandola.protocol.v1_json import V1_JSON, V1_JSON_NEWEST_FIRST
from girandola.protocol.v1_protobuf import V1_PROTOBUF, V1_PROTOBUF_NEWEST_FIRST
from girandola.protocol.v2_json import V2_JSON
from girandola.protocol.v2_protobuf import V2_PROTOBUF
from tests.protocol.strategies import FRAMES
from tests.protocol.vectors import frame_of, vectors


def connects(file: str) -> list[Any]:
    """Return the frames that begin a connection."""
    return [one for one in vectors(file, "client") if "Connect" in one.values[0]["meaning"][0]]


@pytest.mark.parametrize("vector", connects("classic.jsonl"))
def test_a_connect_of_2018_is_recognised(vector: dict[str, Any]) -> None:
    assert recognise(vector["frame"].encode()) is CLASSIC


@pytest.mark.parametrize("vector", connects("v2_json.jsonl"))
def test_a_connect_of_today_is_recognised(vector: dict[str, Any]) -> None:
    assert recognise(vector["frame"].encode()) is V2_JSON


@pytest.mark.parametrize(
    "frame",
    [
        b"[]",
        b'[{"method":"connect","params":{}}]',
        b'{"method":"connect","params":{}}',
        b'{"UID":"1","Method":"connect"}',
        b'{"uid":"1"}',
        b'{\n  "method": "connect",\n  "params": {"user": ""}\n}',
    ],
)
def test_these_are_of_2018(frame: bytes) -> None:
    assert recognise(frame) is CLASSIC


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{}",
        b'{"id":1,"connect":{}}',
        b'{"ID":1,"Connect":{}}',
        b'{"id":1,"connect":{"data":{"method":"x"}}}\n{"id":2,"rpc":{"method":"x"}}',
        b'{"connect":{},"id":1}\n[broken',
        b'{"id":1,"connect":{},"params":{}}',
        b'{"id":"1","method":0,"params":{}}',
        b'{"id":-1,"method":0,"params":{}}',
        b'{"id":1,"token":"x"}',
        b"\x00\xff",
        b"{" * 65536,
        b'{"a":' + b"[" * 65536,
        b'"method"',
    ],
    ids=lambda frame: repr(frame[:30]),
)
def test_all_the_rest_is_of_today(frame: bytes) -> None:
    assert recognise(frame) is V2_JSON


@pytest.mark.parametrize("vector", connects("v1_json.jsonl"))
def test_a_connect_for_the_v2_and_v3_servers_is_recognised(vector: dict[str, Any]) -> None:
    has_name = "name" in vector["meaning"][0]["Connect"]
    codec = V1_JSON if has_name else V1_JSON_NEWEST_FIRST
    assert recognise(vector["frame"].encode()) is codec


@pytest.mark.parametrize("vector", connects("v1_protobuf.jsonl"))
def test_a_binary_connect_for_the_v2_and_v3_servers_is_recognised(vector: dict[str, Any]) -> None:
    has_name = "name" in vector["meaning"][0]["Connect"]
    codec = V1_PROTOBUF if has_name else V1_PROTOBUF_NEWEST_FIRST
    assert recognise_binary(frame_of(vector, codec)) is codec


@pytest.mark.parametrize("vector", connects("v2_protobuf.jsonl"))
def test_a_binary_connect_of_today_is_recognised(vector: dict[str, Any]) -> None:
    assert recognise_binary(frame_of(vector, V2_PROTOBUF)) is V2_PROTOBUF


@pytest.mark.parametrize(
    ("frame", "codec"),
    [
        (b'{"id":1,"method":0,"params":{}}', V1_JSON_NEWEST_FIRST),
        (b'{"id":1,"method":"connect"}', V1_JSON_NEWEST_FIRST),
        (b'{"id":1}', V1_JSON_NEWEST_FIRST),
        (b'{"id":1,"params":{"name":""}}', V1_JSON_NEWEST_FIRST),
        (b'{"id":1,"params":{"name":null}}', V1_JSON_NEWEST_FIRST),
        (b'{ "params" : { "name" : "dart" } , "id" : 1 }\n', V1_JSON),
        (b'{"Id":1,"Params":{"NAME":"go"}}', V1_JSON),
        (b'{"id":1,"params":{"name":"go"}}\n{"id":2,"method":1,"params":{}}', V1_JSON),
    ],
)
def test_these_are_for_the_v2_and_v3_servers(frame: bytes, codec: Codec) -> None:
    assert recognise(frame) is codec


@pytest.mark.parametrize(
    "frame",
    [b"", b"\x00", b"\xff", b"\x02\xff\xff", b"\x04\x08\x01\x22\x00", b"\x02\x22\x00"],
)
def test_all_other_binary_messages_are_of_today(frame: bytes) -> None:
    assert recognise_binary(frame) is V2_PROTOBUF


@given(FRAMES)
def test_no_frame_raises(frame: bytes) -> None:
    assert recognise(frame) in PROTOCOLS
    assert recognise_binary(frame) in PROTOCOLS
    assert recognise_binary(with_length(frame)) in PROTOCOLS


@pytest.mark.parametrize(
    ("query", "subprotocol"),
    [
        ({"format": ["protobuf"]}, ""),
        ({"cf_protocol": ["protobuf"], "cf_protocol_version": ["v2"]}, ""),
        ({}, "centrifuge-protobuf"),
    ],
)
def test_protobuf_is_asked_for_in_three_ways(query: dict[str, list[str]], subprotocol: str) -> None:
    assert negotiate(query, subprotocol) is V2_PROTOBUF
    assert "centrifuge-protobuf" in SUBPROTOCOLS


@pytest.mark.parametrize(
    ("query", "subprotocol"),
    [({}, ""), ({}, "centrifuge-json"), ({"format": ["json"]}, ""), ({"token": ["protobuf"]}, "")],
)
def test_else_the_first_message_decides(query: dict[str, list[str]], subprotocol: str) -> None:
    assert negotiate(query, subprotocol) is None


def test_every_codec_has_a_name_of_its_own() -> None:
    assert len({codec.name for codec in PROTOCOLS}) == len(PROTOCOLS)
