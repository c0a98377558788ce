"""A head that is remembered answers for no other one: what is read is what a new reader reads.

``RequestParser.read_familiar`` takes a request whose head came before without parsing it. So heads
are changed in every place, and followed by each other, and read with and without that memory.
"""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from girandola.net.request_parser import RequestParser
from tests.fuzz.mutation import inputs
from tests.fuzz.targets import request_parser as target
from tests.fuzz.targets.request_parser import HEAD, LIMITS, Forgetful, read
from tests.security.conftest import Attack
from tests.security.peer import read_answers
from tests.security.test_smuggling import KEY, SMUGGLED
from tests.security.victim import API_KEY, NEWS, Victim

BODY = b"{}"
BYTES = [bytes((byte,)) for byte in (0, 9, 10, 11, 13, 32, 43, 45, 48, 57, 58, 65, 97, 127, 178)]
"""What means something in a head, or seems to."""


def same(stream: bytes) -> None:
    """See that both readers, who know ``HEAD`` by then, read the same in what follows it."""
    stream = HEAD + BODY + stream
    assert read(RequestParser(LIMITS, ""), [stream]) == read(Forgetful(LIMITS, ""), [stream])


def test_the_memory_is_used() -> None:
    """Or else nothing here would be tried."""
    parser = RequestParser(LIMITS, "")
    parser.feed(HEAD + BODY + HEAD + BODY)
    assert parser.read_familiar() is None
    read_first = parser.read_head()
    assert read_first is not None
    parser.begin_body()
    assert parser.read_body(100)
    parser.forget()
    familiar = parser.read_familiar()
    assert familiar is not None
    assert familiar.body == BODY


def test_a_byte_more_less_or_other_anywhere_is_seen() -> None:
    for place in range(len(HEAD) + 1):
        before, after = HEAD[:place], HEAD[place:]
        same(before + after[1:] + BODY + HEAD + BODY)
        for byte in BYTES:
            same(before + byte + after + BODY + HEAD + BODY)
            same(before + byte + after[1:] + BODY + HEAD + BODY)


def test_a_head_cut_anywhere_is_no_other_one() -> None:
    for place in range(len(HEAD) + len(BODY)):
        pieces = [HEAD + BODY + (HEAD + BODY)[:place], (HEAD + BODY)[place:] + HEAD + BODY]
        assert read(RequestParser(LIMITS, ""), pieces) == read(Forgetful(LIMITS, ""), pieces)


LENGTHS = [
    *(
        b"0",
        b"1",
        b"2",
        b"3",
        b"00000002",
        b"000000002",
        b"0000000000000002",
        b"4097",
        b"999999999",
    ),
    *(b"9999999999", b"18446744073709551618", b"+2", b"-2", b" 2", b"2 ", b"\t2", b"2,2", b"0x2"),
    *(
        b"2\r\nContent-Length: 2",
        b"2\r\nContent-Length: 0",
        b"",
        b"\xb2",
        b"2\x00",
        b"2\x0b",
        b"2_0",
    ),
    *(
        b"2\r\nTransfer-Encoding: chunked",
        b"2\r\n X",
        b"2\nX: y",
        b"2\rX: y",
        b"2;a",
        b"1_0",
        b"2.",
    ),
    *(b"\xd9\xa2", b"\xef\xbc\x92"),
]


def test_every_length_is_read_as_by_a_new_reader() -> None:
    for first in LENGTHS:
        for second in LENGTHS:
            heads = [HEAD.replace(b": 2\r", b": " + length + b"\r") for length in (first, second)]
            same(heads[0] + BODY + heads[1] + BODY + HEAD + BODY)


def test_headers_that_look_like_the_length_are_not_taken_for_it() -> None:
    decoys = [
        *(
            b"X-Content-Length: 9",
            b"Content-Length-X: 9",
            b"X: Content-Length: 9",
            b"Content-Lengt: 9",
        ),
        *(b"Content_Length: 9", b"X: a\r\n Content-Length: 9", b"Cookie: \r\tContent-Length: 9"),
    ]
    for decoy in decoys:
        for place in (HEAD.index(b"Host"), HEAD.index(b"Content"), len(HEAD) - 2):
            head = HEAD[:place] + decoy + b"\r\n" + HEAD[place:]
            same(head + BODY + head.replace(b": 2", b": 3") + b"{ }" + head + BODY)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([HEAD, BODY, b"\r\n", *target.WORDS, *target.SEEDS, *BYTES]), max_size=8
    ).map(b"".join)
)
def test_whatever_follows_is_read_as_by_a_new_reader(stream: bytes) -> None:
    target.one_input(stream)


def test_two_thousand_random_changes_are_read_as_by_a_new_reader() -> None:
    """The same ones every time; scripts/fuzz goes on from there."""
    changes = inputs(target.SEEDS, target.WORDS, random.Random(7))
    for _ in range(2000):
        same(next(changes))


# ── on a server ──────────────────────────────────────────────────────────────────────────────


def test_a_remembered_head_with_a_key_lets_nobody_in_who_has_none(attack: Attack) -> None:
    """On the same connection, as behind a proxy that shares it between its clients."""
    body = b'{"channel":"%b","data":"smuggled"}' % NEWS.encode()
    ours = SMUGGLED.replace(b"/api/publish", b"/api/info").replace(body, b"{}" + b" " * 60)
    ours = ours.replace(b"Length: %d" % len(body), b"Length: 62")
    keys = [
        *(b"", b"X-API-Key: \r\n", b"X-API-Key: x\r\n", KEY.upper(), KEY.replace(b"key", b"kez")),
        *(KEY[:-3] + b"\r\n", KEY.replace(b"Key", b"Kex"), b"X-" + KEY),
    ]

    async def scenario(victim: Victim) -> None:
        for key in keys:
            theirs = SMUGGLED.replace(KEY, key)
            answers = read_answers(await victim.ask(ours, ours, theirs))
            assert [answer.status for answer in answers] == [200, 200, 401], key

    assert API_KEY.encode() in KEY
    attack(scenario)
