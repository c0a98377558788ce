"""Today's protocol in JSON, frame by frame."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from girandola.errors import BAD_REQUEST_CLOSE, Disconnect
from girandola.model import ClientInfo, Publication
from girandola.protocol import commands, v2_json
from girandola.protocol.codec import Codec
from girandola.protocol.pb import client_pb2
from girandola.protocol.v2_json import V2_JSON
from tests.protocol.strategies import FRAMES, PUBLICATIONS, REASONS
from tests.protocol.vectors import build, vectors, without_details

CODEC: Codec = V2_JSON


@pytest.mark.parametrize("vector", vectors("v2_json.jsonl", "client"))
def test_a_frame_of_a_client_is_decoded(vector: dict[str, Any]) -> None:
    decoded = CODEC.decode(vector["frame"].encode())
    assert without_details(decoded) == build(vector["meaning"])


@pytest.mark.parametrize("vector", vectors("v2_json.jsonl", "server"))
def test_a_frame_of_the_server_is_encoded(vector: dict[str, Any]) -> None:
    meaning = build(vector["meaning"])
    if isinstance(meaning, commands.Reply):
        assert CODEC.reply(meaning).decode() == vector["frame"]
    elif "close" in meaning:
        assert CODEC.close(meaning["close"]) == (meaning["code"], vector["frame"])
    else:
        assert CODEC.push(meaning["channel"], meaning["push"]).decode() == vector["frame"]


def test_ping_is_an_empty_object() -> None:
    assert CODEC.ping == b"{}"


@given(FRAMES)
def test_no_frame_raises_and_what_is_malformed_comes_last(frame: bytes) -> None:
    decoded = CODEC.decode(frame)
    assert decoded
    for command in decoded[:-1]:
        assert not isinstance(command, commands.Malformed)


def test_a_binary_frame_that_is_not_utf8_is_malformed_wherever_the_bytes_stand() -> None:
    for frame in (b'{"id":1,"publish":{"channel":"c","data":"\xff"}}', b'{"id":1,"x":"\xff"}'):
        (command,) = CODEC.decode(frame)
        assert isinstance(command, commands.Malformed)
        assert command.disconnect == BAD_REQUEST_CLOSE
        assert "UTF-8" in command.detail


@pytest.mark.parametrize(
    ("frame", "meaning"),
    [
        (b'{"ID":1,"Connect":{}}', commands.Connect(id=1)),
        (
            b'{"Id":1,"CONNECT":{"Token":"t","subs":{"A":{"Recover":true,"OFFSET":5}}}}',
            commands.Connect(
                id=1, token="t", subs={"A": commands.Recovery(recover=True, offset=5)}
            ),
        ),
        (
            b'{"id":2,"subscribe":{"Channel":"a","tf":{"Nodes":[{"Key":"K"}]},"new":1}}',
            commands.Subscribe(
                id=2,
                channel="a",
                filter=commands.FilterNode(nodes=(commands.FilterNode(key="K"),)),
            ),
        ),
        (
            b'{"id":3,"Publish":{"channel":"a","Data":{"Channel":null}}}',
            commands.Publish(id=3, channel="a", data=b'{"Channel":null}'),
        ),
    ],
)
def test_names_count_in_any_case(frame: bytes, meaning: commands.Command) -> None:
    assert CODEC.decode(frame) == [meaning]


def test_every_field_of_the_schema_is_known_so_that_libraries_never_take_the_long_way() -> None:
    """A name that the struct does not have makes reading several times slower."""
    requests = {field.name: field for field in client_pb2.Command.DESCRIPTOR.fields}
    for field in inspect.type_info(v2_json._Command).fields:  # type: ignore[attr-defined]
        message = requests[field.name].message_type
        if message is None:
            continue
        struct = next(one for one in field.type.types if isinstance(one, inspect.StructType))
        assert {one.name for one in struct.fields} >= {one.name for one in message.fields}, field


def test_what_was_expected_is_named_for_the_log() -> None:
    (command,) = CODEC.decode(b'{"id":1,"subscribe":{"channel":5}}')
    assert isinstance(command, commands.Malformed)
    assert command.detail == "Expected `str | null`, got `int` - at `$.subscribe.channel`"
    (command,) = CODEC.decode(b'{"id":1}')
    assert isinstance(command, commands.Malformed)
    assert command.detail.startswith("expected an object with one of connect, subscribe, ")


def test_decoded_payloads_do_not_keep_the_frame_alive() -> None:
    (command,) = CODEC.decode(b'{"id":1,"publish":{"channel":"c","data":{"a":1}}}')
    assert isinstance(command, commands.Publish)
    assert type(command.data) is bytes


@given(PUBLICATIONS)
def test_every_publication_is_told_in_one_line_of_json(publication: Publication) -> None:
    message = CODEC.push("канал", publication)
    assert b"\n" not in message
    push = json.loads(message)["push"]
    pub = push["pub"]
    assert push["channel"] == "канал"
    assert pub["data"] == json.loads(publication.data)
    assert pub.get("offset", 0) == publication.offset
    assert pub.get("tags") == (publication.tags or None)
    assert set(pub) <= {"data", "info", "offset", "tags", "epoch"}
    assert pub.get("info") == _in_json(publication.info)


def _in_json(info: ClientInfo | None) -> dict[str, Any] | None:
    if info is None:
        return None
    payloads = {"conn_info": info.conn_info, "chan_info": info.chan_info}
    return {"user": info.user, "client": info.client} | {
        name: json.loads(payload) for name, payload in payloads.items() if payload
    }


@pytest.mark.parametrize("data", [b"\x00\x01", b"{", b'"\xff"'])
def test_a_payload_that_is_not_json_reads_null(data: bytes) -> None:
    push = CODEC.push("c", Publication(data=data, offset=7))
    assert push == b'{"push":{"channel":"c","pub":{"data":null,"offset":7}}}'
    info = ClientInfo(user="u", client="c1", conn_info=data)
    join = CODEC.push("c", commands.Join(info))
    about = b'{"user":"u","client":"c1","conn_info":null}'
    assert join == b'{"push":{"channel":"c","join":{"info":%b}}}' % about
    answer = CODEC.reply(commands.Reply(commands.Rpc(id=1, method="m"), commands.RpcResult(data)))
    assert answer == b'{"id":1,"rpc":{"data":null}}'


@given(st.lists(st.binary(min_size=1, max_size=20_000).map(lambda data: data.hex().encode())))
def test_messages_are_joined_by_newlines_into_frames_of_at_most_64_kib(
    messages: list[bytes],
) -> None:
    frames = CODEC.join(messages)
    assert b"\n".join(frames) == b"\n".join(messages)
    assert all(len(frame) <= 65536 for frame in frames)
    for frame, following in pairwise(frames):
        next_message, _, _ = following.partition(b"\n")
        assert len(frame) + 1 + len(next_message) > 65536


def test_a_message_above_64_kib_is_a_frame_of_its_own() -> None:
    big = b"x" * 70_000
    assert CODEC.join([b"a", b"b", big, b"c"]) == [b"a\nb", big, b"c"]
    assert CODEC.join([big]) == [big]


def test_frames_are_filled_to_64_kib_exactly() -> None:
    assert len(CODEC.join([b"x" * 32767, b"y" * 32768])) == 1
    assert len(CODEC.join([b"x" * 32768, b"y" * 32768])) == 2


@given(REASONS)
def test_a_close_reason_fits_a_close_frame_and_is_cut_between_characters(reason: str) -> None:
    code, told = CODEC.close(Disconnect(4000, reason))
    assert code == 4000
    assert len(told.encode()) <= 123
    whole = reason.encode("utf-8", "replace").decode()
    assert whole.startswith(told)
    if told != whole:
        assert len(told.encode()) > 119
