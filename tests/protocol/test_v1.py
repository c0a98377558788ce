"""The protocol of the Centrifugo 2 and 3 servers, frame by frame, in both encodings."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.core.ports import HistoryPage
from girandola.core.recovery import recover_stream
from girandola.errors import Disconnect
from girandola.model import Publication, StreamPosition
from girandola.protocol import commands, v1
from girandola.protocol.codec import Codec
from girandola.protocol.frames import with_length, without_lengths
from girandola.protocol.pb import v1_pb2 as pb
from girandola.protocol.v1 import Method
from girandola.protocol.v1_json import V1_JSON, V1_JSON_NEWEST_FIRST
from girandola.protocol.v1_protobuf import V1_PROTOBUF, V1_PROTOBUF_NEWEST_FIRST
from tests.protocol.protobuf import as_json, filled, only, without_zeros
from tests.protocol.strategies import FRAMES, IDS, PUBLICATIONS, REASONS, V1_REQUESTS
from tests.protocol.vectors import build, check_server_vector, frame_of, vectors, without_details

JSON: tuple[Codec, ...] = (V1_JSON, V1_JSON_NEWEST_FIRST)
PROTOBUF: tuple[Codec, ...] = (V1_PROTOBUF, V1_PROTOBUF_NEWEST_FIRST)
IN_JSON = pytest.mark.parametrize("codec", JSON, ids=lambda codec: codec.name)
IN_PROTOBUF = pytest.mark.parametrize("codec", PROTOBUF, ids=lambda codec: codec.name)
IN_BOTH = pytest.mark.parametrize("codec", JSON + PROTOBUF, ids=lambda codec: codec.name)
SIDE_BY_SIDE = pytest.mark.parametrize(
    ("in_json", "in_protobuf"), list(zip(JSON, PROTOBUF, strict=True)), ids=["", "newest first"]
)

PARAMS: dict[Method, Any] = {
    Method.CONNECT: pb.ConnectRequest,
    Method.SUBSCRIBE: pb.SubscribeRequest,
    Method.UNSUBSCRIBE: pb.UnsubscribeRequest,
    Method.PUBLISH: pb.PublishRequest,
    Method.PRESENCE: pb.PresenceRequest,
    Method.PRESENCE_STATS: pb.PresenceStatsRequest,
    Method.HISTORY: pb.HistoryRequest,
    Method.PING: pb.PingRequest,
    Method.SEND: pb.SendRequest,
    Method.RPC: pb.RPCRequest,
    Method.REFRESH: pb.RefreshRequest,
    Method.SUB_REFRESH: pb.SubRefreshRequest,
}
RESULTS: dict[type, Any] = {
    commands.Connected: pb.ConnectResult,
    commands.Subscribed: pb.SubscribeResult,
    commands.PresenceResult: pb.PresenceResult,
    commands.PresenceStatsResult: pb.PresenceStatsResult,
    commands.HistoryResult: pb.HistoryResult,
    commands.RpcResult: pb.RPCResult,
    commands.Refreshed: pb.RefreshResult,
    commands.SubRefreshed: pb.SubRefreshResult,
    commands.Done: pb.Empty,
    commands.Pinged: pb.Empty,
}
PUSHES: dict[int, Any] = {
    0: pb.Publication,
    1: pb.Join,
    2: pb.Leave,
    3: pb.Unsubscribe,
    5: pb.Subscribe,
    7: pb.Disconnect,
    8: pb.Refresh,
}

# ── literal frames ───────────────────────────────────────────────────────────────────────────


@IN_JSON
@pytest.mark.parametrize("vector", vectors("v1_json.jsonl", "client"))
def test_a_frame_of_a_client_is_decoded(codec: Codec, vector: dict[str, Any]) -> None:
    decoded = codec.decode(frame_of(vector, codec))
    assert without_details(decoded) == build(vector["meaning"])


@IN_PROTOBUF
@pytest.mark.parametrize("vector", vectors("v1_protobuf.jsonl", "client"))
def test_a_binary_frame_of_a_client_is_decoded(codec: Codec, vector: dict[str, Any]) -> None:
    decoded = codec.decode(frame_of(vector, codec))
    assert without_details(decoded) == build(vector["meaning"])


@IN_JSON
@pytest.mark.parametrize("vector", vectors("v1_json.jsonl", "server"))
def test_a_frame_of_the_server_is_encoded(codec: Codec, vector: dict[str, Any]) -> None:
    check_server_vector(vector, codec)


@IN_PROTOBUF
@pytest.mark.parametrize("vector", vectors("v1_protobuf.jsonl", "server"))
def test_a_binary_frame_of_the_server_is_encoded(codec: Codec, vector: dict[str, Any]) -> None:
    check_server_vector(vector, codec)


@pytest.mark.parametrize("vector", vectors("v1_json.jsonl", "server, newest first"))
def test_a_frame_for_a_library_that_turns_lists_round_is_encoded(vector: dict[str, Any]) -> None:
    check_server_vector(vector, V1_JSON_NEWEST_FIRST)


@pytest.mark.parametrize("vector", vectors("v1_protobuf.jsonl", "server, newest first"))
def test_a_binary_frame_for_a_library_that_turns_lists_round_is_encoded(
    vector: dict[str, Any],
) -> None:
    check_server_vector(vector, V1_PROTOBUF_NEWEST_FIRST)


# ── side by side ─────────────────────────────────────────────────────────────────────────────


def told_in(message: bytes, meaning: Any) -> dict[str, Any]:
    """Return a Protobuf message as it would stand in JSON, with what stands in its bytes."""
    reply = pb.Reply.FromString(message)
    told = {} if not reply.id else {"id": reply.id}
    if reply.HasField("error"):
        return told | {"error": as_json(reply.error)}
    if isinstance(meaning, commands.Reply):
        result = RESULTS[type(meaning.outcome)].FromString(reply.result)
        return (
            told
            if isinstance(meaning.outcome, commands.Pinged)
            else told | {"result": as_json(result)}
        )
    push = pb.Push.FromString(reply.result)
    outer = {"type": push.type, "channel": push.channel}
    data = as_json(PUSHES[push.type].FromString(push.data))
    return {"result": outer | {"data": data}}


@pytest.mark.parametrize("vector", vectors("v1_json.jsonl", "server"))
def test_protobuf_says_what_json_says(vector: dict[str, Any]) -> None:
    meaning = build(vector["meaning"])
    if isinstance(meaning, commands.Reply):
        message = V1_PROTOBUF.reply(meaning)
    elif "close" in meaning:
        assert V1_PROTOBUF.close(meaning["close"]) == (meaning["code"], vector["frame"])
        return
    else:
        message = V1_PROTOBUF.push(meaning["channel"], meaning["push"])
    told = told_in(only(message), meaning)
    expected = json.loads(vector["frame"])
    if not isinstance(meaning, commands.Reply):
        for push in (told["result"], expected["result"]):
            push |= without_zeros(push.pop("data"))
    assert without_zeros(told) == without_zeros(expected)


@SIDE_BY_SIDE
@given(number=IDS, request=V1_REQUESTS)
def test_a_command_means_the_same_in_both_encodings(
    in_json: Codec, in_protobuf: Codec, number: int, request: tuple[str, dict[str, Any]]
) -> None:
    name, params = request
    method = Method[name.upper()]
    command = {"id": number, "method": int(method), "params": params}
    binary = filled(PARAMS[method](), params).SerializeToString()
    message = pb.Command(id=number, method=int(method), params=binary).SerializeToString()
    decoded = without_details(in_json.decode(json.dumps(command).encode()))
    assert without_details(in_protobuf.decode(with_length(message))) == decoded


@SIDE_BY_SIDE
@given(publication=PUBLICATIONS)
def test_a_publication_is_the_same_in_both_encodings(
    in_json: Codec, in_protobuf: Codec, publication: Publication
) -> None:
    told = told_in(only(in_protobuf.push("канал", publication)), None)["result"]["data"]
    pub = json.loads(in_json.push("канал", publication))["result"]["data"]
    assert without_zeros(told) == without_zeros(pub)
    assert set(told) <= {"data", "info", "offset", "seq", "gen"}


@IN_BOTH
@given(frame=FRAMES | st.binary().map(with_length))
def test_no_frame_raises_and_what_is_malformed_comes_last(codec: Codec, frame: bytes) -> None:
    decoded = codec.decode(frame)
    assert decoded
    for command in decoded[:-1]:
        assert not isinstance(command, commands.Malformed)


# ── positions ────────────────────────────────────────────────────────────────────────────────

LISTED = [Publication(data=b"%d" % offset, offset=offset, epoch="e") for offset in (6, 7, 8)]


def recovered(codec: Codec, position: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the publications that a client gets who subscribes from ``position``."""
    params = {"channel": "c", "recover": True, "epoch": "e"} | position
    if codec.binary:
        request = filled(pb.SubscribeRequest(), params).SerializeToString()
        message = pb.Command(id=1, method=1, params=request).SerializeToString()
        (command,) = codec.decode(with_length(message))
    else:
        frame = json.dumps({"id": 1, "method": 1, "params": params})
        (command,) = codec.decode(frame.encode())
    result = commands.Subscribed(
        top=StreamPosition(8, "e"),
        position=StreamPosition(5, "e"),
        recoverable=True,
        was_recovering=True,
        recovered=True,
        publications=LISTED,
    )
    reply = codec.reply(commands.Reply(command, result))
    if codec.binary:
        subscribe = pb.SubscribeResult.FromString(pb.Reply.FromString(only(reply)).result)
        return list(map(as_json, subscribe.publications))
    found: list[dict[str, Any]] = json.loads(reply)["result"]["publications"]
    return found


@IN_BOTH
def test_who_asks_by_offset_gets_offsets_oldest_first(codec: Codec) -> None:
    found = recovered(codec, {"offset": 5})
    assert [(pub["offset"], pub["seq"]) for pub in found] == [(6, 6), (7, 7), (8, 8)]


@pytest.mark.parametrize("codec", [V1_JSON_NEWEST_FIRST, V1_PROTOBUF_NEWEST_FIRST])
def test_libraries_that_turn_lists_round_get_them_newest_first_and_without_offsets(
    codec: Codec,
) -> None:
    found = recovered(codec, {"seq": 5})
    assert [pub["seq"] for pub in found] == [8, 7, 6]
    assert not [pub for pub in found if "offset" in pub]


def test_from_the_start_libraries_that_turn_lists_round_get_them_newest_first_in_json() -> None:
    """They ask with neither spelling, because zeros are left out."""
    found = recovered(V1_JSON_NEWEST_FIRST, {})
    assert [pub["seq"] for pub in found] == [8, 7, 6]
    assert not [pub for pub in found if "offset" in pub]
    found = recovered(V1_JSON_NEWEST_FIRST, {"offset": 0})
    assert [pub["offset"] for pub in found] == [6, 7, 8]


@pytest.mark.parametrize("codec", [V1_JSON, V1_PROTOBUF])
def test_from_the_start_libraries_with_a_name_get_todays_order(codec: Codec) -> None:
    assert [pub["offset"] for pub in recovered(codec, {})] == [6, 7, 8]


def test_from_the_start_libraries_in_protobuf_without_a_name_get_pushes_behind_the_reply() -> None:
    """Some turn a list round and some do not, and nothing in their frames tells which."""
    recovery = v1.FromStart(recover=True, epoch="e")
    sub = commands.Subscribed(
        top=StreamPosition(8, "e"), recoverable=True, recovered=True, publications=LISTED
    )
    subscribe = commands.Subscribe(id=1, channel="a", recovery=recovery)
    connect = commands.Connect(id=1, subs={"a": recovery})
    connected = commands.Connected(client="c", version="6", subs={"a": sub, "b": sub})
    for reply in (commands.Reply(subscribe, sub), commands.Reply(connect, connected)):
        message = V1_PROTOBUF_NEWEST_FIRST.reply(reply)
        first, *behind = map(pb.Reply.FromString, without_lengths(message))
        pushes = [pb.Push.FromString(each.result) for each in behind]
        assert [push.channel for push in pushes] == ["a"] * 3
        assert [pb.Publication.FromString(push.data).seq for push in pushes] == [6, 7, 8]
        if isinstance(reply.outcome, commands.Connected):
            subs = pb.ConnectResult.FromString(first.result).subs
            assert [len(subs[name].publications) for name in "ab"] == [0, 3]
            result = subs["a"]
        else:
            result = pb.SubscribeResult.FromString(first.result)
        assert (result.publications, result.seq, result.recovered) == ([], 8, True)


@pytest.mark.parametrize("codec", [V1_JSON, V1_PROTOBUF])
def test_younger_libraries_that_ask_by_seq_get_offsets_oldest_first(codec: Codec) -> None:
    found = recovered(codec, {"seq": 5})
    assert [(pub["seq"], pub["offset"]) for pub in found] == [(6, 6), (7, 7), (8, 8)]


def test_server_side_channels_are_listed_as_they_were_asked_for() -> None:
    frame = {"id": 1, "params": {"subs": {"a": {"recover": True, "seq": 5, "epoch": "e"}}}}
    (command,) = V1_JSON_NEWEST_FIRST.decode(json.dumps(frame).encode())
    sub = commands.Subscribed(top=StreamPosition(8, "e"), recovered=True, publications=LISTED)
    connected = commands.Connected(client="c", version="6", subs={"a": sub, "b": sub})
    reply = json.loads(V1_JSON_NEWEST_FIRST.reply(commands.Reply(command, connected)))
    lists = {name: told["publications"] for name, told in reply["result"]["subs"].items()}
    assert [pub["data"] for pub in lists["a"]] == [8, 7, 6]
    assert [pub["data"] for pub in lists["b"]] == [6, 7, 8]


@given(st.integers(1, 2**64 - 1))
def test_a_position_told_as_seq_and_gen_comes_back_as_the_same(offset: int) -> None:
    pub = json.loads(V1_JSON.push("c", Publication(data=b"1", offset=offset)))["result"]["data"]
    position = {"seq": pub["seq"], "gen": pub.get("gen", 0)}
    params = {"channel": "c", "recover": True, "epoch": "e"} | position
    (command,) = V1_JSON.decode(json.dumps({"id": 1, "method": 1, "params": params}).encode())
    assert isinstance(command, commands.Subscribe)
    assert command.recovery.offset == offset


@pytest.mark.parametrize(
    ("position", "kept", "outcome"),
    [
        ({"offset": 5}, (4, 5, 6, 7, 8), (True, [6, 7, 8])),
        ({"seq": 5}, (4, 5, 6, 7, 8), (True, [6, 7, 8])),
        ({"offset": 8}, (7, 8), (True, [])),
        ({}, (1, 2), (True, [1, 2])),
        ({"offset": 5}, (7, 8), (False, [7, 8])),
        ({"offset": 5, "epoch": "other"}, (7, 8), (False, [7, 8])),
    ],
)
def test_the_core_recovers_from_the_position_and_else_gives_what_is_left(
    position: dict[str, Any], kept: tuple[int, ...], outcome: tuple[bool, list[int]]
) -> None:
    params = {"channel": "c", "recover": True, "epoch": "e"} | position
    (command,) = V1_JSON.decode(json.dumps({"id": 1, "method": 1, "params": params}).encode())
    assert isinstance(command, commands.Subscribe)
    page = HistoryPage(
        [Publication(data=b"1", offset=offset) for offset in kept], StreamPosition(kept[-1], "e")
    )
    found = recover_stream(command.recovery, page, partial=V1_JSON.traits.partial_recovery)
    assert (found.recovered, [pub.offset for pub in found.publications]) == outcome


# ── the rest ─────────────────────────────────────────────────────────────────────────────────


@IN_BOTH
def test_clients_ping_and_a_gap_ends_the_connection(codec: Codec) -> None:
    assert codec.ping == b""
    assert codec.traits.pings_from == "client"
    assert codec.traits.on_gap == "disconnect"
    assert codec.traits.connect_again
    assert not codec.traits.expired_is_a_result
    assert codec.deltas is None


@pytest.mark.parametrize(
    ("frame", "meaning"),
    [
        (
            b'{"ID":1,"Method":"CONNECT","Params":{"TOKEN":"t","Subs":{"A":{"Recover":true}}}}',
            commands.Connect(id=1, token="t", subs={"A": v1.FromStart(recover=True)}),
        ),
        (
            b'{"Id":2,"method":3,"params":{"Channel":"a","DATA":{"X":1},"new":1}}',
            commands.Publish(id=2, channel="a", data=b'{"X":1}'),
        ),
    ],
)
def test_names_count_in_any_case(frame: bytes, meaning: commands.Command) -> None:
    assert V1_JSON.decode(frame) == [meaning]


def test_what_was_expected_is_named_for_the_log() -> None:
    def detail(codec: Codec, frame: bytes) -> str:
        (command,) = codec.decode(frame)
        assert isinstance(command, commands.Malformed)
        return command.detail

    subscribe = b'{"id":1,"method":1,"params":{"channel":5}}'
    assert detail(V1_JSON, subscribe).startswith("params of subscribe: Expected `str | null`")
    unknown = "expected a method out of 0 connect, 1 subscribe, "
    assert detail(V1_JSON, b'{"id":1,"method":12}').startswith(unknown)
    assert detail(V1_JSON, b'{"id":1,"method":"dance"}').endswith("; got 'dance'")
    assert detail(V1_PROTOBUF, b"\x04\x08\x01\x10\x0c").startswith(unknown)
    assert detail(V1_PROTOBUF, b"\x04\x08\x01\x10\x01") == "params of subscribe: expected a channel"
    assert detail(V1_PROTOBUF, b"\x02\x10\x01") == "expected an id above 0 with subscribe"


@IN_JSON
@pytest.mark.parametrize("data", [b"\x00\x01", b"{", b'"\xff"'])
def test_a_payload_that_is_not_json_reads_null_in_json(codec: Codec, data: bytes) -> None:
    push = codec.push("c", Publication(data=data))
    assert push == b'{"result":{"channel":"c","data":{"data":null}}}'
    answer = codec.reply(commands.Reply(commands.Rpc(id=1, method="m"), commands.RpcResult(data)))
    assert answer == b'{"id":1,"result":{"data":null}}'


@IN_PROTOBUF
def test_payloads_are_any_bytes_in_protobuf(codec: Codec) -> None:
    push = pb.Push.FromString(
        pb.Reply.FromString(only(codec.push("c", Publication(data=b"\x00\xff")))).result
    )
    assert pb.Publication.FromString(push.data).data == b"\x00\xff"


def test_messages_are_joined_in_few_frames() -> None:
    assert V1_JSON.join([b"{}", b"{}"]) == [b"{}\n{}"]
    assert V1_PROTOBUF.join([b"\x01a", b"\x01b"]) == [b"\x01a\x01b"]


@IN_BOTH
@given(reason=REASONS)
def test_a_close_reason_is_json_that_fits_a_close_frame(codec: Codec, reason: str) -> None:
    code, told = codec.close(Disconnect(4500, reason))
    assert code == 4500
    assert len(told.encode()) <= 123
    advice = json.loads(told)
    assert reason.encode("utf-8", "replace").decode().startswith(advice["reason"])
    assert advice["reconnect"] is False
