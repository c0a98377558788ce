"""Small things that want to become large or deep: each is refused by its size, and costs little.

What a stranger sends may take as much memory and time as it is long, never a multiple of it.
"""

import json
import logging
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from girandola.protocol.frames import with_length
from girandola.protocol.pb import client_pb2 as pb
from tests.auth.tokens import token
from tests.security.conftest import Attack
from tests.security.peer import (
    BINARY,
    OPENS_WEBSOCKET,
    TEXT,
    Frame,
    close_code,
    frame,
    read_answers,
    text_frame,
)
from tests.security.victim import API_KEY, SECRET, Victim, connect_command

MEGABYTE = 1 << 20
OFFERS_DEFLATE = OPENS_WEBSOCKET.replace(
    b"Sec-WebSocket-V", b"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-V"
)
OFFERS_PROTOBUF = OPENS_WEBSOCKET.replace(
    b"Sec-WebSocket-V", b"Sec-WebSocket-Protocol: centrifuge-protobuf\r\nSec-WebSocket-V"
)
CLASSIC_CONNECT = '{"method":"connect","params":{"user":"","timestamp":"","token":""}}'


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """See that no more than so many bytes are taken at any time beyond what was there before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield
        peak = tracemalloc.get_traced_memory()[1] - before
        assert peak <= size, f"{peak} bytes"
    finally:
        tracemalloc.stop()


async def said_to(victim: Victim, *frames: bytes, head: bytes = OPENS_WEBSOCKET) -> list[Frame]:
    """Return what a peer is told who sends these frames on a WebSocket, and then goes."""
    peer = await victim.peer()
    await peer.open_websocket(head)
    await peer.send(*frames)
    peer.end()
    return await peer.frames()


def raw_deflate(data: bytes) -> bytes:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (squeezer.compress(data) + squeezer.flush(zlib.Z_SYNC_FLUSH))[:-4]


# ── deflate ──────────────────────────────────────────────────────────────────────────────────


def test_a_message_that_inflates_without_end_is_refused_at_the_limit(attack: Attack) -> None:
    """60 KB of DEFLATE make 60 MB; what is ever there is the limit of 640 KiB and a little."""
    bomb = frame(TEXT, raw_deflate(bytes(60 * MEGABYTE)), reserved=4)
    assert len(bomb) < 65536

    async def scenario(victim: Victim) -> None:
        with at_most(4 * MEGABYTE):
            frames = await said_to(victim, bomb, head=OFFERS_DEFLATE)
        assert close_code(frames) == 1009

    attack(scenario)


def test_many_small_bombs_in_one_connection_are_one(attack: Attack) -> None:
    bomb = frame(TEXT, raw_deflate(b" " * MEGABYTE), reserved=4)

    async def scenario(victim: Victim) -> None:
        with at_most(4 * MEGABYTE):
            frames = await said_to(victim, bomb * 50, head=OFFERS_DEFLATE)
        assert close_code(frames) == 1009

    attack(scenario)


def test_what_is_not_deflate_is_refused(attack: Attack) -> None:
    cases = {
        "a block of a kind that is none": b"\x07",
        "a copy from before the beginning": b"\x03\x02\x00",
        "half a block": raw_deflate(b"hello " * 100)[:-5],
        "a stored block whose length lies": b"\x00\x05\x00\x00\x00hello",
        "something behind the end": b"\x03\x00garbage",
        "nothing": b"",
    }

    async def scenario(victim: Victim) -> None:
        for name, data in cases.items():
            frames = await said_to(victim, frame(TEXT, data, reserved=4), head=OFFERS_DEFLATE)
            assert close_code(frames) == 1002, name

    attack(scenario)


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────

DEEP = {
    "arrays": "[" * 30_000 + "]" * 30_000,
    "objects": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "unfinished arrays": "[" * 60_000,
    "unfinished objects": '{"a":' * 12_000,
    "both": '[{"a":' * 8_000,
    "just too deep": "[" * 257 + "]" * 257,
}


def test_deep_json_is_refused_by_every_generation(attack: Attack) -> None:
    """As data, as a command, as a parameter of 2018; the code is that of a bad request."""

    async def scenario(victim: Victim) -> None:
        async def try_all() -> None:
            for name, deep in DEEP.items():
                for said in (
                    f'{{"id":1,"connect":{{"data":{deep}}}}}',
                    f'{{"id":1,"params":{{"data":{deep}}}}}',
                    f'{{"method":"connect","params":{deep}}}',
                    f'{{"uid":"1","method":"ping","params":{{"data":{deep}}}}}',
                    f"[{deep}]",
                    deep,
                ):
                    frames = await said_to(victim, text_frame(said))
                    assert close_code(frames) in {3000, 3003, 3501}, (name, said[:40], frames)

        await victim.while_(try_all())

    attack(scenario)


def test_deep_json_is_refused_by_the_api(attack: Attack) -> None:
    async def scenario(victim: Victim) -> None:
        for name, deep in DEEP.items():
            for path, body in (
                ("/api/publish", f'{{"channel":"a","data":{deep}}}'),
                ("/api/publish", deep),
                ("/api/batch", f'{{"commands":[{{"publish":{deep}}}]}}'),
                ("/api", f'{{"method":"publish","params":{{"channel":"a","data":{deep}}}}}'),
                ("/api", deep),
            ):
                said = (
                    f"POST {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {API_KEY}\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n{body}"
                )
                (answer,) = read_answers(await victim.ask(said.encode()))
                refused = answer.status == 400 or b'"code":107' in answer.body
                assert refused, (name, path, answer)

    attack(scenario)


NUMBERS = [
    "9" * 60_000,
    "-" + "9" * 60_000,
    "0." + "9" * 60_000,
    "1e" + "9" * 60_000,
    "1" + "0" * 400,
    "1e400",
    "-1e400",
    "1e-400",
]


def test_huge_numbers_are_refused_or_passed_on_as_they_are(attack: Attack) -> None:
    """Where a number has a meaning it has a range; where it is data nobody calculates it."""

    async def scenario(victim: Victim) -> None:
        connect = text_frame(connect_command("mallory"))
        for number in NUMBERS:
            for command in (
                f'{{"id":{number},"rpc":{{}}}}',
                f'{{"id":2,"history":{{"channel":"a","limit":{number}}}}}',
                f'{{"id":2,"subscribe":{{"channel":"a","recover":true,"offset":{number}}}}}',
            ):
                frames = await said_to(victim, connect, text_frame(command))
                fine = number == "1e-400" or close_code(frames) == 3501
                assert fine, (number[:9], command[:30], frames)
            client = await victim.client("mallory", "a")
            await client.send(f'{{"id":3,"publish":{{"channel":"a","data":{number}}}}}')
            push = str(await client.recv())
            assert f'"data":{number}' in push or "error" in push, push[:80]

    attack(scenario)


def test_huge_ids_and_names_stay_within_their_message(attack: Attack) -> None:
    """60 KB of channel, user or id are refused, or answered once; they are never multiplied."""
    long = "a" * 60_000

    async def scenario(victim: Victim) -> None:
        connect = text_frame(connect_command("mallory"))
        for command in (
            f'{{"id":2,"subscribe":{{"channel":"{long}"}}}}',
            f'{{"id":2,"publish":{{"channel":"{long}","data":1}}}}',
            f'{{"id":2,"unsubscribe":{{"channel":"{long}"}}}}',
            f'{{"id":2,"rpc":{{"method":"{long}"}}}}',
            f'{{"id":2,"refresh":{{"token":"{long}"}}}}',
            f'{{"{long}":2}}',
        ):
            frames = await said_to(victim, connect, text_frame(command))
            assert sum(len(each.payload) for each in frames) < 2 * len(long), command[:40]
        said = f'{{"uid":"{long}","method":"{long}","params":{{}}}}'
        frames = await said_to(victim, text_frame(said))
        assert sum(len(each.payload) for each in frames) < 2 * len(long)

    attack(scenario)


# ── many in one ──────────────────────────────────────────────────────────────────────────────


def test_a_frame_full_of_commands_holds_nobody_up(attack: Attack) -> None:
    """As many as fit: pongs nobody asked for, repeated connects, reads, 2018's arrays."""
    connect = connect_command("mallory")
    floods = [
        "\n".join(["{}"] * 20_000),
        "\n".join([connect] + [connect] * 200),
        "\n".join([connect] + ['{"id":2,"presence":{"channel":"a"}}'] * 1500),
        "\n".join([connect] + ['{"id":2,"rpc":{"method":"x"}}'] * 1500),
        "\n".join([connect] + [f'{{"id":2,"subscribe":{{"channel":"{n}"}}}}' for n in range(1000)]),
        "\n".join([connect] + ['{"send":{}}'] * 4000),
        "[" + ",".join(["null"] * 10_000) + "]",
        "[" + ",".join([CLASSIC_CONNECT] * 700) + "]",
        "[" + ",".join(['{"method":"ping"}'] * 3000) + "]",
        "\n" * 60_000,
    ]

    async def scenario(victim: Victim) -> None:
        async def try_all() -> None:
            for flood in floods:
                assert len(flood) < 65536
                frames = await said_to(victim, text_frame(flood))
                assert sum(len(each.payload) for each in frames) < MEGABYTE, flood[:60]

        with at_most(32 * MEGABYTE):
            await victim.while_(try_all())

    attack(scenario, level=logging.WARNING)


def test_a_connect_that_asks_for_thousands_of_channels_gets_the_limit_at_most(
    attack: Attack,
) -> None:
    subs = ",".join(f'"{number}":{{}}' for number in range(4000))
    said = (
        f'{{"id":1,"connect":{{"token":"{token({"sub": "4"}, secret=SECRET)}","subs":{{{subs}}}}}}}'
    )

    async def scenario(victim: Victim) -> None:
        (reply, *_) = await said_to(victim, text_frame(said))
        assert victim.node.hub.num_subscriptions <= 129
        if reply.opcode == TEXT:
            assert len(json.loads(reply.payload)["connect"].get("subs", {})) <= 128

    attack(scenario)


# ── Protobuf ─────────────────────────────────────────────────────────────────────────────────


def _filter(depth: int) -> pb.FilterNode:
    node = pb.FilterNode(op="and")
    for _ in range(depth):
        node = pb.FilterNode(op="and", nodes=[node])
    return node


def test_protobuf_that_is_deep_repeated_or_unknown_is_refused_or_costs_its_size(
    attack: Attack,
) -> None:
    jwt = token({"sub": "4"}, secret=SECRET)
    connect = with_length(
        pb.Command(id=1, connect=pb.ConnectRequest(token=jwt)).SerializeToString()
    )
    plain = pb.Command(id=2, rpc=pb.RPCRequest(method="x")).SerializeToString()
    subscribe = pb.SubscribeRequest(channel="a", tf=_filter(90))
    cases = {
        "groups in groups": with_length(b"\x0b" * 20_000),
        "closed groups": with_length(b"\x0b" * 10_000 + b"\x0c" * 10_000),
        "the end of a group": with_length(b"\x0c"),
        "unknown fields": with_length(plain + b"\xf8\x7f\x01" * 20_000),
        "the same field again": with_length(b"\x08\x02" * 20_000 + plain),
        "fields within fields": with_length(b"".join([b"\x22\xff\xff\x7f"] * 5_000)),
        "a field longer than its message": with_length(b"\x0a\xff\xff\xff\xff\x07"),
        "a varint without end": with_length(b"\x08" + b"\xff" * 20_000),
        "field 0": with_length(b"\x00" * 20_000),
        "text that is not UTF-8": with_length(b"\x22\x02\x0a\xff"),
        "a deep filter": with_length(pb.Command(id=2, subscribe=subscribe).SerializeToString()),
        "a length without end": b"\xff" * 20_000,
        "a length beyond the frame": b"\xff\xff\xff\xff\x07",
        "a length in more digits than needed": b"\x80" * 20_000 + b"\x00",
        "pongs": b"\x00" * 60_000,
        "many commands": with_length(plain) * 6_000,
    }

    async def scenario(victim: Victim) -> None:
        async def try_all() -> None:
            for name, data in cases.items():
                assert len(data) < 65536, name
                sent = frame(BINARY, connect), frame(BINARY, data)
                frames = await said_to(victim, *sent, head=OFFERS_PROTOBUF)
                assert b"mallory" not in frames[0].payload
                assert sum(len(each.payload) for each in frames) < MEGABYTE, name

        with at_most(32 * MEGABYTE):
            await victim.while_(try_all())

    attack(scenario, level=logging.WARNING)


# ── what is not finished ─────────────────────────────────────────────────────────────────────


def test_unfinished_messages_cost_no_more_than_their_bytes(attack: Attack) -> None:
    """A head that promises the limit takes nothing until the bytes come."""

    async def scenario(victim: Victim) -> None:
        with at_most(2 * MEGABYTE):
            for _ in range(50):
                peer = await victim.peer()
                await peer.open_websocket()
                await peer.send(frame(TEXT, bytes(65_536))[:100])
            await victim.neighbours.look_after_each_other()

    attack(scenario)
