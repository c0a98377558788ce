"""What holds for every codec: whatever anybody sends can be told to everybody.

Payloads come from clients of any generation, from the server API and from tokens, as any bytes
(Protobuf, Base64) or as JSON. None of them may keep a codec from writing, and every message must
be one that its reader can read.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from girandola.model import ClientInfo, PresenceStats, Publication, StreamPosition
from girandola.protocol import commands, raw_json
from girandola.protocol.codec import Codec, Encoding
from girandola.protocol.event_ids import V2_JSON_EVENTS
from girandola.protocol.frames import MAX_COMMANDS, with_length, without_lengths
from girandola.protocol.negotiation import PROTOCOLS
from girandola.protocol.pb import client_pb2, v1_pb2
from girandola.protocol.v2_json import V2_JSON
from girandola.protocol.v2_protobuf import V2_PROTOBUF
from tests.protocol.strategies import PAYLOADS

CODECS = (*PROTOCOLS, V2_JSON_EVENTS)
EVERY = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
IN_JSON = pytest.mark.parametrize(
    "codec", [codec for codec in CODECS if not codec.binary], ids=lambda codec: codec.name
)

DEPTHS = st.integers(200, 2000)
DEEP = DEPTHS.map(lambda depth: b"[" * depth + b"]" * depth) | DEPTHS.map(
    lambda depth: b'{"a":' * depth + b"1" + b"}" * depth
)
ALIKE = st.integers(0, 9).map(lambda number: b"\xff" * 60 + b"%d" % number)
"""Of these, one as a delta to another is short."""
ANYTHING = st.one_of(
    ALIKE, DEEP, PAYLOADS, st.binary(), st.builds(bytes.__add__, PAYLOADS, st.binary(max_size=3))
)
TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
INFOS = st.builds(ClientInfo, user=TEXT, client=TEXT, conn_info=ANYTHING, chan_info=ANYTHING)
PUBLICATIONS = st.builds(
    Publication,
    data=ANYTHING,
    info=st.none() | INFOS,
    offset=st.integers(0, 2**64 - 1),
    epoch=TEXT,
    tags=st.none() | st.dictionaries(TEXT, TEXT, max_size=3),
    uid=TEXT,
    client=TEXT,
    base=ANYTHING,
)
LISTS = st.lists(PUBLICATIONS, max_size=3)
POSITIONS = st.builds(StreamPosition, offset=st.integers(0, 2**64 - 1), epoch=TEXT)
SUBSCRIBED = st.builds(
    commands.Subscribed,
    position=POSITIONS,
    top=POSITIONS,
    ttl=st.integers(0, 2**40),
    recoverable=st.booleans(),
    recovered=st.booleans(),
    publications=LISTS,
    data=ANYTHING,
    delta=st.booleans(),
)
PUSHES = st.one_of(
    PUBLICATIONS,
    st.builds(commands.Join, INFOS),
    st.builds(commands.Leave, INFOS),
    st.builds(commands.SubscribedByServer, position=POSITIONS, data=ANYTHING),
)
REPLIES = st.one_of(
    st.builds(
        commands.Reply,
        st.builds(commands.Subscribe, id=st.just(1), channel=TEXT),
        SUBSCRIBED,
    ),
    st.builds(
        commands.Reply,
        st.just(commands.Connect(id=1)),
        st.builds(
            commands.Connected,
            client=TEXT,
            version=TEXT,
            data=ANYTHING,
            subs=st.dictionaries(TEXT, SUBSCRIBED, max_size=2),
            ttl=st.integers(0, 2**40),
        ),
    ),
    st.builds(
        commands.Reply,
        st.builds(commands.History, id=st.just(1), channel=TEXT),
        st.builds(commands.HistoryResult, LISTS, POSITIONS),
    ),
    st.builds(
        commands.Reply,
        st.builds(commands.Presence, id=st.just(1), channel=TEXT),
        st.builds(commands.PresenceResult, st.dictionaries(TEXT, INFOS, max_size=2)),
    ),
)
OF_TODAY = st.one_of(
    st.builds(
        commands.Reply,
        st.just(commands.Rpc(id=1, method="m")),
        st.builds(commands.RpcResult, ANYTHING),
    ),
    st.just(
        commands.Reply(
            commands.PresenceStatsQuery(id=1, channel="c"),
            commands.PresenceStatsResult(PresenceStats(2**40, 1)),
        )
    ),
)
"""What 2018 did not know."""


def encodings(codec: Codec) -> Iterator[Encoding]:
    yield codec
    if codec.deltas is not None:
        yield codec.deltas.full
        yield codec.deltas.delta


def read(codec: Codec, message: bytes) -> Any:
    """Read a message as a client does, which must be the only one in it; ``None`` for none."""
    if not message:
        return None
    (frame,) = codec.join([message])
    if not codec.binary:
        if codec.name != "classic":
            assert b"\n" not in frame
        return json.loads(frame, parse_constant=pytest.fail)
    (alone,) = without_lengths(frame)
    if codec.name.startswith("v1"):
        return v1_pb2.Reply.FromString(alone)
    kind = client_pb2.Push if "one-way" in codec.name else client_pb2.Reply
    return kind.FromString(alone)


@EVERY
@settings(max_examples=50)
@given(channel=TEXT, push=PUSHES)
def test_whatever_is_pushed_can_be_read(codec: Codec, channel: str, push: commands.Push) -> None:
    for encoding in encodings(codec):
        told = read(codec, encoding.push(channel, push))
        assert told is not None or codec.name == "classic"


@EVERY
@settings(max_examples=50)
@given(reply=REPLIES)
def test_whatever_is_answered_can_be_read(codec: Codec, reply: commands.Reply) -> None:
    read(codec, codec.reply(reply))


@EVERY
@settings(max_examples=20)
@given(reply=OF_TODAY)
def test_whatever_is_answered_since_2018_can_be_read(codec: Codec, reply: commands.Reply) -> None:
    if codec.name != "classic":
        read(codec, codec.reply(reply))


def published(codec: Codec, payload: bytes) -> bytes | None:
    """Return what a client of this generation has published with ``payload``, if anything."""
    if codec.binary:
        frame = client_pb2.Command(id=1, publish={"channel": "c", "data": payload})
        (command,) = codec.decode(with_length(frame.SerializeToString()))
    else:
        frames = {
            "classic": b'{"method":"publish","params":{"channel":"c","data":%b}}',
            "v1-json": b'{"id":1,"method":3,"params":{"channel":"c","data":%b}}',
            "v2-json": b'{"id":1,"publish":{"channel":"c","data":%b}}',
        }
        command = codec.decode(frames[codec.name] % payload)[0]
    return command.data if isinstance(command, commands.Publish) else None


@pytest.mark.parametrize("depth", [*range(240, 260), 300, 1000, 100_000])
@pytest.mark.parametrize("name", ["classic", "v1-json", "v2-json"])
def test_what_json_clients_publish_reaches_json_clients_however_deep(name: str, depth: int) -> None:
    """What is too deep is refused to its publisher."""
    codec = next(codec for codec in CODECS if codec.name == name)
    payload = b"[" * depth + b"]" * depth
    data = published(codec, payload)
    assert data in (payload, None)
    # The command and its params are two levels more.
    assert (data is None) == (depth + 2 > raw_json.MAX_DEPTH)
    if data is not None:
        assert data in V2_JSON.push("c", Publication(data))


@IN_JSON
@settings(max_examples=50)
@given(payload=ANYTHING)
def test_what_protobuf_clients_publish_reaches_json_clients_if_it_is_json(
    codec: Codec, payload: bytes
) -> None:
    data = published(V2_PROTOBUF, payload)
    assert data == payload
    told = read(codec, codec.push("c", Publication(payload, offset=1)))
    found = json.dumps(told)
    expected = json.loads(payload) if raw_json.is_json(payload) else None
    if payload or codec.name == "classic":
        assert f'"data": {json.dumps(expected)}' in found


def frame_of(codec: Codec, count: int) -> bytes:
    """Return a frame of so many commands, each as short as its generation allows."""
    if codec.name.startswith("classic"):
        ping = b'{"method":"ping"}'
        return b"[%b]" % b",".join([ping] * count)
    if codec.binary:
        ping = b"\x08\x01\x10\x07" if "v1" in codec.name else b""
        return with_length(ping) * count
    return b"\n".join([b'{"id":1,"method":7}' if "v1" in codec.name else b"{}"] * count)


@pytest.mark.parametrize(
    "codec",
    [codec for codec in PROTOCOLS if "one-way" not in codec.name],  # those take one request
    ids=lambda codec: codec.name,
)
def test_a_frame_holds_so_many_commands_and_no_more(codec: Codec) -> None:
    """What is made of a stranger's frame in one turn of the loop is bounded."""
    whole = codec.decode(frame_of(codec, MAX_COMMANDS))
    assert len(whole) == MAX_COMMANDS
    assert not any(isinstance(command, commands.Malformed) for command in whole)
    decoded = codec.decode(frame_of(codec, 2 * MAX_COMMANDS))
    assert len(decoded) <= MAX_COMMANDS + 1
    assert isinstance(last := decoded[-1], commands.Malformed)
    assert f"at most {MAX_COMMANDS} commands" in last.detail
