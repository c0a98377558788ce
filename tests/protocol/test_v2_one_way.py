"""Today's protocol for one-way transports, in both encodings."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola import errors
from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.protocol import commands
from girandola.protocol.codec import Codec
from girandola.protocol.pb import client_pb2 as pb
from girandola.protocol.v2_one_way import V2_JSON_ONE_WAY, V2_PROTOBUF_ONE_WAY
from tests.protocol.protobuf import as_json, filled, only, without_zeros
from tests.protocol.strategies import FRAMES, PUBLICATIONS
from tests.protocol.vectors import without_details

JSON: Codec = V2_JSON_ONE_WAY
PROTOBUF: Codec = V2_PROTOBUF_ONE_WAY
CODECS = pytest.mark.parametrize("codec", [JSON, PROTOBUF], ids=lambda codec: codec.name)

CONNECTED = commands.Connected(
    client="c1",
    version="6",
    expires=True,
    ttl=60,
    data=b'{"hi":1}',
    subs={
        "news": commands.Subscribed(
            top=StreamPosition(7, "e"),
            position=StreamPosition(7, "e"),
            recoverable=True,
            positioned=True,
        )
    },
    ping=25,
    pong=True,
    session="secret",
    node="n1",
    time=5,
)
CONNECT_PUSH = (
    '{"connect":{"client":"c1","version":"6","expires":true,"ttl":60,"data":{"hi":1},'
    '"subs":{"news":{"recoverable":true,"epoch":"e","offset":7,"positioned":true}},'
    '"ping":25,"session":"secret","time":5}}'
)
INFO = ClientInfo(user="u", client="c2")

PUSHES: list[tuple[str, commands.Push, str]] = [
    ("news", Publication(data=b'{"x":1}', offset=7), '"pub":{"data":{"x":1},"offset":7}'),
    ("news", commands.Join(INFO), '"join":{"info":{"user":"u","client":"c2"}}'),
    ("news", commands.Leave(INFO), '"leave":{"info":{"user":"u","client":"c2"}}'),
    (
        "c",
        commands.Unsubscribed(errors.UNSUBSCRIBED_BY_SERVER),
        '"unsubscribe":{"code":2000,"reason":"server unsubscribe"}',
    ),
    (
        "c",
        commands.SubscribedByServer(positioned=True, position=StreamPosition(1, "e")),
        '"subscribe":{"epoch":"e","offset":1,"positioned":true}',
    ),
    ("", commands.Refreshing(expires=True, ttl=60), '"refresh":{"expires":true,"ttl":60}'),
    (
        "",
        commands.Disconnected(errors.SHUTDOWN),
        '"disconnect":{"code":3001,"reason":"shutdown"}',
    ),
]

# ── the request ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("frame", [b"", b"null", b"{}", b" \n", b"\r\nnull\n", b"{ }\n"])
def test_nothing_is_a_request_too(frame: bytes) -> None:
    assert JSON.decode(frame) == [commands.Connect(id=1)]


def test_a_request_stands_without_a_command_around_it_on_as_many_lines_as_it_likes() -> None:
    request = b"""
    {
      "token": "eyJ", "data": {"a":
        [1]}, "name": "x", "version": "1", "headers": {"H": "v"},
      "subs": {"news": {"recover": true, "offset": 5, "epoch": "xyz"}}
    }
    """
    recovery = commands.Recovery(recover=True, offset=5, epoch="xyz")
    assert JSON.decode(request) == [
        commands.Connect(
            id=1,
            token="eyJ",
            data=b'{"a":        [1]}',
            subs={"news": recovery},
            name="x",
            version="1",
            headers={"H": "v"},
        )
    ]


def test_a_string_cut_within_a_character_is_taken_as_in_commands() -> None:
    (command,) = JSON.decode(b'{"data":"\\ud83d"}')
    assert command == commands.Connect(id=1, data=b'"\\ufffd"')


@pytest.mark.parametrize(
    "frame",
    [
        b"[]",
        b"5",
        b"{",
        b'{"token":5}',
        b'{}\n{"id":2,"subscribe":{"channel":"c"}}',
        b'{},"subscribe":{"channel":"c"}',
        b'{"token":"\xff"}',
        b'{"data":' + b"[" * 70_000,
    ],
    ids=lambda frame: repr(frame[:30]),
)
def test_what_is_no_request_is_malformed(frame: bytes) -> None:
    assert without_details(JSON.decode(frame)) == [
        commands.Malformed(disconnect=errors.BAD_REQUEST_CLOSE, detail="")
    ]


def test_in_protobuf_the_request_stands_without_its_length() -> None:
    request = pb.ConnectRequest(token="eyJ", subs={"c": pb.SubscribeRequest(recover=True)})
    recovery = commands.Recovery(recover=True)
    assert PROTOBUF.decode(request.SerializeToString()) == [
        commands.Connect(id=1, token="eyJ", subs={"c": recovery})
    ]
    assert PROTOBUF.decode(b"") == [commands.Connect(id=1)]
    assert without_details(PROTOBUF.decode(b"\xff")) == [
        commands.Malformed(disconnect=errors.BAD_REQUEST_CLOSE, detail="")
    ]


@CODECS
@given(frame=FRAMES)
def test_no_frame_raises_and_one_request_is_one_command(codec: Codec, frame: bytes) -> None:
    (command,) = codec.decode(frame)
    assert isinstance(command, commands.Connect | commands.Malformed)


@given(st.dictionaries(st.sampled_from(["token", "name", "version"]), st.text("aé😀", max_size=3)))
def test_a_request_means_the_same_in_both_encodings(request: dict[str, Any]) -> None:
    message = filled(pb.ConnectRequest(), request).SerializeToString()
    assert PROTOBUF.decode(message) == JSON.decode(json.dumps(request).encode())


# ── what the server says ─────────────────────────────────────────────────────────────────────


def test_the_reply_to_connect_is_a_push_without_node_and_pong() -> None:
    reply = commands.Reply(commands.Connect(id=1), CONNECTED)
    assert JSON.reply(reply).decode() == CONNECT_PUSH
    push = pb.Push.FromString(only(PROTOBUF.reply(reply)))
    assert without_zeros(as_json(push)) == json.loads(CONNECT_PUSH)


@CODECS
def test_an_error_has_no_form(codec: Codec) -> None:
    assert codec.reply(commands.Reply(commands.Connect(id=1), errors.TOKEN_EXPIRED)) == b""


@pytest.mark.parametrize(
    ("channel", "push", "fields"), PUSHES, ids=lambda value: type(value).__name__
)
def test_a_push_is_bare(channel: str, push: commands.Push, fields: str) -> None:
    expected = f'{{"channel":"{channel}",{fields}}}' if channel else f"{{{fields}}}"
    assert JSON.push(channel, push).decode() == expected
    told = as_json(pb.Push.FromString(only(PROTOBUF.push(channel, push))))
    assert told == json.loads(expected)


@given(PUBLICATIONS)
def test_a_publication_is_the_same_in_both_encodings(publication: Publication) -> None:
    told = as_json(pb.Push.FromString(only(PROTOBUF.push("c", publication))))
    assert without_zeros(told) == without_zeros(json.loads(JSON.push("c", publication)))


def test_pings_are_empty_messages() -> None:
    assert (JSON.ping, PROTOBUF.ping) == (b"{}", b"\x00")


def test_messages_are_joined_as_on_two_way_transports() -> None:
    assert JSON.join([b"{}", b"{}"]) == [b"{}\n{}"]
    assert PROTOBUF.join([b"\x00", b"\x00"]) == [b"\x00\x00"]


@CODECS
def test_deltas_are_not_for_one_way_clients(codec: Codec) -> None:
    assert codec.deltas is None
