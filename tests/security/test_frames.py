"""Frames that no client sends (RFC 6455 section 5): each ends its connection with the right code.

Each is tried alone, cut to bytes and behind a proper frame; what is sent behind it is never looked
at.
"""

from collections.abc import Iterable

from tests.net.wire import client_frame
from tests.security.conftest import Attack
from tests.security.peer import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    Peer,
    close_code,
    frame,
    text_frame,
)
from tests.security.victim import Victim, connect_command

CONTINUATION = 0
MORE = text_frame(connect_command("mallory"))
"""Carried out, it would be answered."""


async def ended_by(victim: Victim, sent: bytes, *, bytewise: bool = False) -> list[Frame]:
    """Return what comes to a peer who sends this, and one message more."""
    peer = await victim.peer()
    await peer.open_websocket()
    pieces = [sent[at : at + 1] for at in range(len(sent))] if bytewise else [sent]
    await peer.send(*pieces)
    await peer.send(MORE)
    return await peer.frames()


async def subscribed(victim: Victim) -> Peer:
    """Return a peer who is connected as a client of today, and subscribed to ``cave``."""
    peer = await victim.peer()
    await peer.open_websocket()
    await peer.send(text_frame(connect_command("mallory")))
    await peer.read_until(b"}}")
    await peer.send(text_frame('{"id":2,"subscribe":{"channel":"cave"}}'))
    await peer.read_until(b"}}")
    return peer


def closed(attack: Attack, cases: dict[str, tuple[int, bytes]]) -> None:
    """Every case ends its connection with its code, and nothing else is said."""

    async def scenario(victim: Victim) -> None:
        async def try_all() -> None:
            for name, (code, sent) in cases.items():
                ways = [await ended_by(victim, sent)]
                ways.append(await ended_by(victim, client_frame(PONG) + sent))
                if len(sent) < 200:
                    ways.append(await ended_by(victim, sent, bytewise=True))
                for frames in ways:
                    assert close_code(frames) == code, (name, frames)
                    assert len(frames) == 1, (name, frames)

        await victim.while_(try_all())

    attack(scenario)


def each(code: int, cases: Iterable[tuple[str, bytes]]) -> dict[str, tuple[int, bytes]]:
    return {name: (code, sent) for name, sent in cases}


# ── heads of frames ──────────────────────────────────────────────────────────────────────────


def test_reserved_bits_that_nobody_agreed_on_are_refused(attack: Attack) -> None:
    opcodes = (TEXT, BINARY, CLOSE, PING)
    closed(
        attack,
        each(
            1002,
            (
                (f"bits {bits} of {opcode}", client_frame(opcode, b"", reserved=bits))
                for bits in (1, 2, 4, 7)
                for opcode in opcodes
            ),
        ),
    )


def test_unknown_opcodes_are_refused(attack: Attack) -> None:
    unknown = (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    closed(attack, each(1002, ((f"opcode {each}", client_frame(each, b"x")) for each in unknown)))


def test_a_frame_without_a_mask_is_refused(attack: Attack) -> None:
    opcodes = (TEXT, BINARY, CLOSE, PING, PONG)
    closed(
        attack,
        each(1002, ((f"of {each}", client_frame(each, b"{}", mask=None)) for each in opcodes)),
    )


def test_a_length_of_64_bits_is_refused_before_its_payload(attack: Attack) -> None:
    lengths = {
        "negative": (1002, b"\xff" * 8),
        "the smallest negative": (1002, b"\x80" + bytes(7)),
        "the greatest": (1009, b"\x7f" + b"\xff" * 7),
        "4 GiB": (1009, (2**32).to_bytes(8, "big")),
        "4 GiB and 2": (1009, (2**32 + 2).to_bytes(8, "big")),
        "over the limit": (1009, (65537).to_bytes(8, "big")),
    }
    closed(
        attack,
        {
            name: (code, client_frame(TEXT, b"{}", length=length))
            for name, (code, length) in lengths.items()
        },
    )


def test_a_length_may_be_written_longer_than_needed(attack: Attack) -> None:
    """The RFC wants the shortest, and nobody refuses the others; what counts is the message."""

    async def scenario(victim: Victim) -> None:
        peer = await subscribed(victim)
        command = b'{"id":3,"publish":{"channel":"cave","data":1}}'
        for size in (2, 8):
            await peer.send(client_frame(TEXT, command, length=len(command).to_bytes(size, "big")))
            await peer.read_until(b'{"id":3,"publish":{}}')

    attack(scenario)


# ── control frames ───────────────────────────────────────────────────────────────────────────


def test_control_frames_that_are_cut_or_long_are_refused(attack: Attack) -> None:
    cases = {}
    for opcode in (CLOSE, PING, PONG):
        cases[f"{opcode} cut"] = (1002, client_frame(opcode, b"", fin=False))
        cases[f"{opcode} of 126 bytes"] = (1002, client_frame(opcode, b"\x03\xe8" + b"a" * 124))
        length = (126).to_bytes(8, "big")
        cases[f"{opcode} of 64 bits"] = (1002, client_frame(opcode, b"a" * 126, length=length))
    closed(attack, cases)


def test_close_frames_that_say_nonsense_are_refused(attack: Attack) -> None:
    codes = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
    cases = {str(code): (1002, client_frame(CLOSE, code.to_bytes(2, "big"))) for code in codes}
    cases["half a code"] = (1002, client_frame(CLOSE, b"\x03"))
    for name, reason in {"cut": b"\xe2\x82", "surrogate": b"\xed\xa0\x80", "byte": b"\xff"}.items():
        cases[name] = (1007, client_frame(CLOSE, b"\x03\xe8" + reason))
    closed(attack, cases)


def test_a_proper_close_is_echoed_and_nothing_behind_it_counts(attack: Attack) -> None:
    async def scenario(victim: Victim) -> None:
        for payload in (b"", b"\x03\xe8", b"\x0b\xb8bye", b"\x13\x87" + b"a" * 123):
            (echo,) = await ended_by(victim, client_frame(CLOSE, payload))
            assert (echo.opcode, echo.payload) == (CLOSE, payload[:2])

    attack(scenario)


def test_pings_are_answered_between_the_fragments_of_a_message(attack: Attack) -> None:
    async def scenario(victim: Victim) -> None:
        peer = await subscribed(victim)
        command = b'{"id":3,"publish":{"channel":"cave","data":1}}'
        await peer.send(client_frame(TEXT, command[:5], fin=False) + client_frame(PING, b"there?"))
        assert await peer.read_until(b"there?") == b"\x8a\x06there?"
        await peer.send(client_frame(CONTINUATION, command[5:]))
        await peer.read_until(b'{"id":3,"publish":{}}')

    attack(scenario)


# ── messages ─────────────────────────────────────────────────────────────────────────────────


def test_fragments_out_of_order_are_refused(attack: Attack) -> None:
    begun = client_frame(TEXT, b"{", fin=False)
    closed(
        attack,
        each(
            1002,
            {
                "a continuation of nothing": client_frame(CONTINUATION, b"{}"),
                "an unfinished continuation of nothing": client_frame(CONTINUATION, fin=False),
                "a message within a message": begun + client_frame(TEXT, b"{}"),
                "another kind of message within": begun + client_frame(BINARY, b"{}"),
                "a continuation too many": client_frame(TEXT, b" ", fin=False)
                + client_frame(CONTINUATION, b"{}", reserved=4),
            }.items(),
        ),
    )


BAD_UTF8 = {
    "a byte that never occurs": b"\xff",
    "a continuation alone": b"\x80",
    "half a character": b"\xe2\x82",
    "an overlong slash": b"\xc0\xaf",
    "an overlong NUL": b"\xe0\x80\x80",
    "a surrogate": b"\xed\xa0\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
}


def test_text_that_is_not_utf8_is_refused(attack: Attack) -> None:
    """In one piece and in fragments, in whichever of them it becomes wrong."""
    cases = {}
    for name, data in BAD_UTF8.items():
        cases[name] = (1007, client_frame(TEXT, b'{"' + data + b'":1}'))
        first, last = client_frame(TEXT, b'{"' + data[:1], fin=False), data[1:] + b'":1}'
        cases[f"{name} in two"] = (1007, first + client_frame(CONTINUATION, last))
    closed(attack, cases)


def test_a_character_cut_between_fragments_is_whole(attack: Attack) -> None:
    async def scenario(victim: Victim) -> None:
        peer = await subscribed(victim)
        command = '{"id":3,"publish":{"channel":"cave","data":"𝄞"}}'.encode()
        place = command.index("𝄞".encode())
        for at in range(place, place + 5):
            parts = client_frame(TEXT, command[:at], fin=False), client_frame(0, command[at:])
            await peer.send(*parts)
            assert '"data":"𝄞"'.encode() in await peer.read_until(b'{"id":3,"publish":{}}')

    attack(scenario)


def test_a_message_over_the_limit_is_refused_whatever_its_fragments(attack: Attack) -> None:
    half = b"a" * 40_000
    closed(
        attack,
        each(
            1009,
            {
                "one frame": frame(TEXT, b"a" * 65_537),
                "two fragments": frame(TEXT, half, fin=False) + frame(CONTINUATION, half),
                "an unfinished message": frame(TEXT, half, fin=False)
                + frame(CONTINUATION, half, fin=False),
                "a head that only says so": frame(BINARY, half + half)[:14],
            }.items(),
        ),
    )
