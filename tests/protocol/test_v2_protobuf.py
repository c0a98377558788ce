"""Today's protocol in Protobuf, frame by frame, and side by side with JSON."""

import json
from typing import Any

import pytest
from centrifuge.protocol import client_pb2 as official
from hypothesis import given
from hypothesis import strategies as st

from girandola import errors
from girandola.errors import Disconnect
from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.protocol import commands
from girandola.protocol.codec import Codec
from girandola.protocol.frames import with_length
from girandola.protocol.pb import client_pb2 as pb
from girandola.protocol.v2_json import V2_JSON
from girandola.protocol.v2_protobuf import V2_PROTOBUF, V2_PROTOBUF_FRAME_PINGED
from tests.protocol.protobuf import as_json, filled, only, without_zeros
from tests.protocol.strategies import IDS, PUBLICATIONS, V2_REQUESTS
from tests.protocol.vectors import build, check_server_vector, frame_of, vectors, without_details

CODEC: Codec = V2_PROTOBUF
READERS = pytest.mark.parametrize(
    "schema", [pb, official], ids=["our schema", "the library's schema"]
)


@pytest.mark.parametrize("vector", vectors("v2_protobuf.jsonl", "client"))
def test_a_frame_of_a_client_is_decoded(vector: dict[str, Any]) -> None:
    decoded = CODEC.decode(frame_of(vector, CODEC))
    assert without_details(decoded) == build(vector["meaning"])


@pytest.mark.parametrize("vector", vectors("v2_protobuf.jsonl", "server"))
def test_a_frame_of_the_server_is_encoded(vector: dict[str, Any]) -> None:
    check_server_vector(vector, CODEC)


def test_ping_is_an_empty_message() -> None:
    assert CODEC.ping == b"\x00"


def test_with_frame_pings_there_are_no_others() -> None:
    assert V2_PROTOBUF_FRAME_PINGED.ping == b""
    assert V2_PROTOBUF_FRAME_PINGED.traits.pings_from == "client"


# ── side by side with JSON ───────────────────────────────────────────────────────────────────


@READERS
@pytest.mark.parametrize("vector", vectors("v2_json.jsonl", "server"))
def test_it_says_what_json_says(vector: dict[str, Any], schema: Any) -> None:
    meaning = build(vector["meaning"])
    if isinstance(meaning, commands.Reply):
        message = CODEC.reply(meaning)
    elif "close" in meaning:
        assert CODEC.close(meaning["close"]) == (meaning["code"], vector["frame"])
        return
    else:
        message = CODEC.push(meaning["channel"], meaning["push"])
    told = as_json(schema.Reply.FromString(only(message)))
    expected = json.loads(vector["frame"])
    if schema is official and "push" in expected:
        expected["push"].get("pub", {}).pop("epoch", None)  # younger than this library
    assert without_zeros(told) == without_zeros(expected)


@given(IDS, V2_REQUESTS)
def test_a_command_means_the_same_in_both_encodings(
    number: int, request: tuple[str, dict[str, Any]]
) -> None:
    name, fields = request
    command = {"id": number, name: fields}
    in_json = V2_JSON.decode(json.dumps(command).encode())
    message = filled(pb.Command(), command).SerializeToString()
    assert without_details(CODEC.decode(with_length(message))) == without_details(in_json)


@given(PUBLICATIONS)
def test_a_publication_is_the_same_in_both_encodings(publication: Publication) -> None:
    told = as_json(pb.Reply.FromString(only(CODEC.push("канал", publication))))
    in_json = json.loads(V2_JSON.push("канал", publication))
    assert without_zeros(told) == without_zeros(in_json)


# ── what Protobuf has of its own ─────────────────────────────────────────────────────────────


@given(st.binary() | st.lists(st.binary()).map(lambda parts: b"".join(map(with_length, parts))))
def test_no_frame_raises_and_what_is_malformed_comes_last(frame: bytes) -> None:
    decoded = CODEC.decode(frame)
    assert decoded
    for command in decoded[:-1]:
        assert not isinstance(command, commands.Malformed)


def test_the_first_of_several_requests_counts() -> None:
    command = pb.Command(
        id=1,
        publish=pb.PublishRequest(channel="c"),
        subscribe=pb.SubscribeRequest(channel="c"),
    )
    (decoded,) = CODEC.decode(with_length(command.SerializeToString()))
    assert isinstance(decoded, commands.Subscribe)


def test_what_comes_before_a_malformed_command_is_carried_out() -> None:
    presence = bytes.fromhex("080801") + b"\x42\x04\x0a\x02ch"
    decoded = without_details(CODEC.decode(presence + b"\x02\xff\xff" + presence))
    assert decoded == [
        commands.Presence(id=1, channel="ch"),
        commands.Malformed(disconnect=errors.BAD_REQUEST_CLOSE, detail=""),
    ]


def test_a_filter_nested_without_end_is_malformed() -> None:
    inner = b""
    for _ in range(5000):
        inner = b"\x32" + with_length(inner)
    subscribe = b"\x0a\x01c" + b"\x6a" + with_length(inner)
    command = b"\x08\x01" + b"\x2a" + with_length(subscribe)
    (decoded,) = CODEC.decode(with_length(command))
    assert isinstance(decoded, commands.Malformed)


@pytest.mark.parametrize("data", [b"\x00\x01", b"{", b"\xff", b"\n"])
def test_payloads_are_any_bytes(data: bytes) -> None:
    info = ClientInfo(user="u", client="c", conn_info=data, chan_info=data)
    push = CODEC.push("c", Publication(data=data, info=info))
    pub = official.Reply.FromString(only(push)).push.pub
    assert (pub.data, pub.info.conn_info, pub.info.chan_info) == (data, data, data)
    publish = pb.Command(id=1, publish=pb.PublishRequest(channel="c", data=data))
    (command,) = CODEC.decode(with_length(publish.SerializeToString()))
    assert command == commands.Publish(id=1, channel="c", data=data)


def test_values_that_a_field_cannot_hold_are_the_nearest_it_can() -> None:
    connected = commands.Connected(client="\ud800", version="", expires=True, ttl=2**40)
    message = CODEC.reply(commands.Reply(commands.Connect(id=1), connected))
    connect = official.Reply.FromString(only(message)).connect
    assert (connect.client, connect.ttl) == ("?", 2**32 - 1)
    refreshing = CODEC.push("", commands.Refreshing(expires=True, ttl=-1))
    assert official.Reply.FromString(only(refreshing)).push.refresh.ttl == 0


def test_messages_are_joined_without_anything_between_them() -> None:
    assert CODEC.join([b"\x01a", b"\x00", b"\x01b"]) == [b"\x01a\x00\x01b"]


def test_a_long_reason_of_a_close_is_cut() -> None:
    assert CODEC.close(Disconnect(4000, "é" * 100)) == (4000, "é" * 61)


# ── deltas ───────────────────────────────────────────────────────────────────────────────────

BASE = b'{"text":"' + b"x" * 100 + b'"}'
NEXT = b'{"text":"' + b"x" * 99 + b'\xff"}'


def test_a_delta_is_bytes_and_flagged() -> None:
    assert CODEC.deltas is not None
    publication = Publication(data=NEXT, offset=2, base=BASE)
    pub = official.Reply.FromString(only(CODEC.deltas.delta.push("c", publication))).push.pub
    assert pub.delta
    assert len(pub.data) < len(NEXT)
    assert pub.offset == 2


@pytest.mark.parametrize("publication", [Publication(data=NEXT), Publication(b"1", base=b"2")])
def test_without_a_shorter_delta_a_publication_goes_out_as_to_everyone(
    publication: Publication,
) -> None:
    assert CODEC.deltas is not None
    assert CODEC.deltas.delta.push("c", publication) == CODEC.push("c", publication)
    assert CODEC.deltas.full.push("c", publication) == CODEC.push("c", publication)


def test_recovered_publications_are_deltas_to_each_other() -> None:
    result = commands.Subscribed(
        recoverable=True,
        recovered=True,
        delta=True,
        top=StreamPosition(2, "e"),
        publications=[Publication(data=BASE, offset=1), Publication(data=NEXT, offset=2)],
    )
    command = commands.Subscribe(id=1, channel="c")
    message = CODEC.reply(commands.Reply(command, result))
    subscribe = official.Reply.FromString(only(message)).subscribe
    assert subscribe.delta
    first, second = subscribe.publications
    assert (first.data, first.delta) == (BASE, False)
    assert second.delta
