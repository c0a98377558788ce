"""Which generation a first message belongs to."""

from typing import Any

import pytest
from hypothesis import given

from girandola.protocol.classic import CLASSIC
from girandola.protocol.negotiation import PROTOCOLS, recognise
from girandola.protocol.v2_json import V2_JSON
from tests.protocol.strategies import FRAMES
from tests.protocol.vectors import vectors


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
        b'{"id":1,"connect":{"data":{"method":"x"}}}\n{"id":2,"rpc":{"method":"x"}}',
        b'{"connect":{},"id":1}\n[broken',
        b'{"id":1,"method":0,"params":{}}',
        b"\x00\xff",
        b"{" * 65536,
        b'{"a":' + b"[" * 65536,
        b'"method"',
    ],
    ids=lambda frame: repr(frame[:30]),
)
def test_all_the_rest_is_of_today(frame: bytes) -> None:
    assert recognise(frame) is V2_JSON


@given(FRAMES)
def test_no_frame_raises(frame: bytes) -> None:
    assert recognise(frame) in PROTOCOLS
