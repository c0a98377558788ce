"""The JSON protocol of 2018, frame by frame."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola import errors
from girandola.errors import Disconnect
from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.protocol import commands
from girandola.protocol.classic import CLASSIC
from girandola.protocol.codec import Codec
from tests.protocol.strategies import FRAMES, PAYLOADS, PUBLICATIONS, REASONS
from tests.protocol.vectors import build, vectors, without_details

CODEC: Codec = CLASSIC


@pytest.mark.parametrize("vector", vectors("classic.jsonl", "client"))
def test_a_message_of_a_client_is_decoded(vector: dict[str, Any]) -> None:
    decoded = CODEC.decode(vector["frame"].encode())
    assert without_details(decoded) == build(vector["meaning"])


@pytest.mark.parametrize("vector", vectors("classic.jsonl", "server"))
def test_a_message_of_the_server_is_encoded(vector: dict[str, Any]) -> None:
    meaning = build(vector["meaning"])
    if isinstance(meaning, commands.Reply):
        assert CODEC.reply(meaning).decode() == vector["frame"]
    elif "close" in meaning:
        assert CODEC.close(meaning["close"]) == (meaning["code"], vector["frame"])
    else:
        assert CODEC.push(meaning["channel"], meaning["push"]).decode() == vector["frame"]


def test_the_facts_of_this_generation() -> None:
    traits = CODEC.traits
    assert traits.pings_from == "client"
    assert traits.on_gap == "nothing"
    assert traits.partial_recovery
    assert traits.replies_together
    assert traits.connect_again
    assert traits.expired_is_a_result
    assert CODEC.ping == b""


def test_replies_to_an_array_make_an_array() -> None:
    assert CODEC.together([b'{"uid":"1"}', b'{"uid":"2"}']) == b'[{"uid":"1"},{"uid":"2"}]'


def test_every_message_is_a_frame_of_its_own() -> None:
    assert CODEC.join([b"{}", b"[]"]) == [b"{}", b"[]"]


@given(FRAMES)
def test_no_frame_raises_and_what_is_malformed_comes_last(frame: bytes) -> None:
    decoded = CODEC.decode(frame)
    assert decoded
    for command in decoded[:-1]:
        assert not isinstance(command, commands.Malformed)


@pytest.mark.parametrize(
    ("frame", "detail"),
    [
        (b"x", "expected an object or an array at the very beginning"),
        (b"[]", "expected at least one command"),
        (b'{"uid":1}', "uid: Expected `str | null`, got `int`"),
        (b'{"method":"connect"}', "params of connect: expected params with connect"),
        (
            b'{"method":"connect","params":{"user":42}}',
            "params of connect: user: Expected `str | null`, got `int`",
        ),
        (b'{"method":"subscribe","params":{}}', "params of subscribe: expected a channel"),
    ],
)
def test_what_was_expected_is_named_for_the_log(frame: bytes, detail: str) -> None:
    (command,) = CODEC.decode(frame)
    assert isinstance(command, commands.Malformed)
    assert command.detail == detail


def test_an_unknown_method_is_named_for_the_log_but_not_at_any_length() -> None:
    (command,) = CODEC.decode(b'{"method":"%b","params":{}}' % (b"x" * 1000))
    assert isinstance(command, commands.Malformed)
    assert command.disconnect == errors.UNKNOWN_METHOD
    assert "connect, refresh, subscribe" in command.detail
    assert len(command.detail) < 200


@given(PUBLICATIONS)
def test_every_publication_is_told_with_its_payload_verbatim(publication: Publication) -> None:
    message = CODEC.push("канал", publication)
    assert b',"data":' + publication.data + b"}}" in message
    told = json.loads(message)
    assert told["method"] == "message"
    body = told["body"]
    assert body["channel"] == "канал"
    assert body["data"] == json.loads(publication.data)
    assert body["uid"] == publication.uid or not publication.uid
    publisher = publication.info.client if publication.info else ""
    assert body.get("client", "") == (publication.client or publisher)
    assert ("info" in body) == (publication.info is not None)


@given(st.integers(1, 2**64 - 1), st.sampled_from(["AbCdEfGh", "QpWr", "1.5-x"]))
def test_the_id_of_a_message_brings_its_position_back(offset: int, epoch: str) -> None:
    message = CODEC.push("c", Publication(data=b"1", offset=offset, epoch=epoch))
    last = json.loads(message)["body"]["uid"]
    params = {"channel": "c", "recover": True, "last": last}
    frame = json.dumps({"method": "subscribe", "params": params}).encode()
    (command,) = CODEC.decode(frame)
    assert isinstance(command, commands.Subscribe)
    assert command.recovery == commands.Recovery(
        recover=True, offset=offset, epoch=epoch, since_uid=last
    )


def test_a_message_has_the_same_id_in_push_history_recovery_and_as_last() -> None:
    publication = Publication(data=b"1", offset=7, epoch="AbCdEfGh")
    top = StreamPosition(7, "AbCdEfGh")
    pushed = json.loads(CODEC.push("c", publication))["body"]["uid"]
    history = _body(
        commands.History(channel="c"),
        commands.HistoryResult([Publication(data=b"1", offset=7)], top),
    )
    subscribe = commands.Subscribe(channel="c", recovery=commands.Recovery(recover=True))
    recovered = _body(
        subscribe, commands.Subscribed(recoverable=True, top=top, publications=[publication])
    )
    subscribed = _body(subscribe, commands.Subscribed(recoverable=True, top=top))
    assert history["data"][0]["uid"] == pushed
    assert recovered["messages"][0]["uid"] == pushed
    assert subscribed["last"] == pushed


def _body(command: commands.Command, result: commands.Result) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(CODEC.reply(commands.Reply(command, result)))["body"]
    return body


def test_messages_without_history_have_ids_of_their_own() -> None:
    publication = Publication(data=b"1")
    ids = {json.loads(CODEC.push("c", publication))["body"]["uid"] for _ in range(10)}
    assert len(ids) == 10
    assert all(len(one) == 22 and one.isalnum() for one in ids)


@given(PAYLOADS)
def test_history_means_the_same_on_one_line_and_safe_within_html(payload: bytes) -> None:
    result = commands.HistoryResult([Publication(data=payload, offset=5)], StreamPosition(5))
    reply = CODEC.reply(commands.Reply(commands.History(channel="c"), result))
    assert not set(b"\n<>&") & set(reply)
    (message,) = json.loads(reply)["body"]["data"]
    assert message["data"] == json.loads(payload)


@pytest.mark.parametrize("data", [b"\x00\x01", b"{", b'"\xff"'])
def test_a_payload_that_is_not_json_reads_null(data: bytes) -> None:
    info = ClientInfo(user="", client="", chan_info=data)
    history = commands.HistoryResult([Publication(data=data)], StreamPosition())
    assert json.loads(CODEC.push("c", Publication(data=data)))["body"]["data"] is None
    left = json.loads(CODEC.push("c", commands.Leave(info)))["body"]["data"]
    assert left == {"user": "", "client": "", "channel_info": None}
    reply = CODEC.reply(commands.Reply(commands.History(channel="c"), history))
    assert [message["data"] for message in json.loads(reply)["body"]["data"]] == [None]


def test_errors_of_applications_keep_their_words_and_advise_by_their_nature() -> None:
    command = commands.Publish(id="1", channel="c", data=b"1")
    replies = [
        json.loads(CODEC.reply(commands.Reply(command, error)))
        for error in (errors.Error(450, "no way"), errors.Error(451, "busy", True))
    ]
    assert [(reply["error"], reply["advice"]) for reply in replies] == [
        ("no way", "fix"),
        ("busy", "retry"),
    ]


def test_an_error_without_words_is_still_seen_as_an_error() -> None:
    command = commands.Publish(id="1", channel="c", data=b"1")
    reply = json.loads(CODEC.reply(commands.Reply(command, errors.Error(450, ""))))
    assert reply["error"] == "internal server error"


@given(REASONS, st.integers(3000, 4999))
def test_a_close_reason_is_json_that_fits_a_close_frame(reason: str, code: int) -> None:
    told_code, told = CODEC.close(Disconnect(code, reason))
    assert told_code == 3000
    assert len(told.encode()) <= 123
    disconnect = json.loads(told)
    assert list(disconnect) == ["reason", "reconnect"]
    whole = reason.encode("utf-8", "replace").decode()
    assert whole.startswith(disconnect["reason"])
    assert disconnect["reconnect"] == Disconnect(code, "").reconnect
    if disconnect["reason"] != whole:
        assert len(told.encode()) > 115
