"""No request hides in another one: where one ends is never in doubt (RFC 9112 sections 6, 7, 11.2).

Every attack carries a whole request, which publishes to the honest subscriber. Where a proxy in
front could see other requests than we do, there is one refusal and the end of the connection;
where there is only one way to read it, what is inside a request stays inside.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.security.conftest import Attack
from tests.security.peer import OPENS_WEBSOCKET, Peer, close_code, read_answers
from tests.security.victim import API_KEY, NEWS, Victim

KEY = f"X-API-Key: {API_KEY}\r\n".encode()
_DATA = b'{"channel":"%b","data":"smuggled"}' % NEWS.encode()
SMUGGLED = b"POST /api/publish HTTP/1.1\r\nHost: a\r\n%bContent-Length: %d\r\n\r\n%b" % (
    *(KEY, len(_DATA)),
    _DATA,
)
LENGTH = b"Content-Length: %d\r\n" % len(SMUGGLED)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
EMPTY = b"0\r\n\r\n"
"""A chunked body of nothing: whoever does not know chunks sees the next request behind it."""


def post(*headers: bytes, body: bytes = b"", line: bytes = b"POST /api/info HTTP/1.1") -> bytes:
    """Return a request for the API with exactly these headers beside Host and key."""
    return line + b"\r\nHost: a\r\n" + KEY + b"".join(headers) + b"\r\n" + body


def chunks(*parts: bytes) -> bytes:
    """Return a request whose chunked body is written exactly so, and what is smuggled behind it."""
    return post(CHUNKED, body=b"".join(parts)) + SMUGGLED


async def answered(victim: Victim, sent: bytes) -> list[int]:
    return [answer.status for answer in read_answers(await victim.ask(sent))]


def refused(attack: Attack, cases: dict[str, bytes]) -> None:
    """Every case gets one refusal, after which the connection ends."""

    async def scenario(victim: Victim) -> None:
        async def try_all() -> None:
            for name, sent in cases.items():
                statuses = await answered(victim, sent)
                assert len(statuses) == 1, (name, statuses)
                assert statuses[0] in {400, 413, 431, 501, 505}, (name, statuses)

        await victim.while_(try_all())

    attack(scenario)


# ── two lengths ──────────────────────────────────────────────────────────────────────────────


def test_a_length_beside_chunks_is_refused_in_either_order(attack: Attack) -> None:
    refused(
        attack,
        {
            "CL.TE": post(LENGTH, CHUNKED, body=EMPTY + SMUGGLED),
            "TE.CL": post(CHUNKED, LENGTH, body=EMPTY + SMUGGLED),
            "CL.0": post(b"Content-Length: 0\r\n", CHUNKED, body=EMPTY + SMUGGLED),
        },
    )


CODINGS = [
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunkedx",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: chunked;q=1",
    b'Transfer-Encoding: "chunked"',
    b"Transfer-Encoding: chunked,",
    b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding:",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: chunked\x0c",
    b"Transfer-Encoding: chunked\x00",
    b"Transfer-Encoding: chunked\xa0",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b"Transfer-Encoding\x00: chunked",
    b" Transfer-Encoding: chunked",
    b"X: a\r\n Transfer-Encoding: chunked",
    b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer\xadEncoding: chunked\r\nTransfer-Encoding: x",
    b"X: a\nTransfer-Encoding: chunked",
    b"X: a\rTransfer-Encoding: chunked",
    b"X: a\r\rTransfer-Encoding: chunked",
]


def test_a_coding_that_is_not_plainly_chunked_is_refused(attack: Attack) -> None:
    """With a length beside it, and without: then somebody may see no body at all."""
    cases = {}
    for coding in CODINGS:
        line = coding + b"\r\n"
        cases[f"{coding!r} with a length"] = post(line, LENGTH, body=EMPTY + SMUGGLED)
        cases[f"{coding!r} alone"] = post(line, body=EMPTY + SMUGGLED)
    refused(attack, cases)


def test_chunks_in_http_1_0_are_refused(attack: Attack) -> None:
    """RFC 9112 section 6.1: nobody knows what is between us and such a peer."""
    line = b"POST /api/info HTTP/1.0"
    refused(attack, {"1.0": post(CHUNKED, line=line, body=EMPTY + SMUGGLED)})


# ── lengths that are no numbers ──────────────────────────────────────────────────────────────

LENGTHS = [
    b"%d, %d" % (len(SMUGGLED), len(SMUGGLED)),
    b"%d, 0" % len(SMUGGLED),
    b"0\r\nContent-Length: %d" % len(SMUGGLED),
    b"%d\r\nContent-Length: 0" % len(SMUGGLED),
    b"%d\r\ncontent-length: %d" % (len(SMUGGLED), len(SMUGGLED)),
    b"+%d" % len(SMUGGLED),
    b"-%d" % len(SMUGGLED),
    b"-0",
    b"0x%x" % len(SMUGGLED),
    b"%d.0" % len(SMUGGLED),
    b"1e2",
    b"1_0",
    b"1 0",
    b"1\t0",
    b"1,0",
    b"\x0b1",
    b"1\x0c",
    b"1\x00",
    b"\xb2",
    b"\xd9\xa1",
    b"\xef\xbc\x91",
    b"",
    b"a",
    b"18446744073709551616",
    b"18446744073709551617",
    b"9" * 400,
    b"1\r\n 0",
    b"\r\n 10",
    b'"10"',
]


def test_a_length_that_is_not_one_number_is_refused(attack: Attack) -> None:
    refused(
        attack,
        {repr(value): post(b"Content-Length: " + value + b"\r\n") + SMUGGLED for value in LENGTHS},
    )


def test_a_length_beyond_the_limit_is_refused_before_the_body(attack: Attack) -> None:
    """Numbers that would wrap around in 32 or 64 bits are among them."""
    numbers = [2**31, 2**32, 2**32 + 1, 2**63 - 1, 2**63, 2**64 - 1]
    refused(
        attack,
        {str(number): post(b"Content-Length: %d\r\n" % number) + SMUGGLED for number in numbers},
    )


# ── chunks ───────────────────────────────────────────────────────────────────────────────────

SIZES = [
    b"0x0\r\n\r\n",
    b"+0\r\n\r\n",
    b"-0\r\n\r\n",
    b" 0\r\n\r\n",
    b"\t0\r\n\r\n",
    b"\r\n0\r\n\r\n",
    b"g\r\n\r\n",
    b";\r\n\r\n",
    b"\r\n\r\n",
    b"0_0\r\n\r\n",
    b"\xef\xbc\x90\r\n\r\n",
    b"0\x00\r\n\r\n",
    b"0\n\r\n",
    b"0\r\r\n",
    b"0\r\n\n",
    b"0\n\n",
    b"1\na\r\n0\r\n\r\n",
    b"1\r\na0\r\n\r\n",
    b"1\r\na\n0\r\n\r\n",
    b"1\r\na\r0\r\n\r\n",
    b"1\r\nab\r\n0\r\n\r\n",
    b"10000000000000000\r\n\r\n",
    b"10000000000000001\r\na\r\n0\r\n\r\n",
    b"0000000000000000000000000000000000000000000000000001\r\n",
    b"0;a\nb\r\n\r\n",
    b"0;a\rb\r\n\r\n",
    b"0;a\x00b\r\n\r\n",
    b'0;a="\r\n\r\n',
]


def test_a_chunk_that_is_not_by_the_letter_is_refused(attack: Attack) -> None:
    refused(attack, {repr(size): chunks(size) for size in SIZES})


def test_a_chunk_beyond_all_limits_swallows_what_comes_behind(attack: Attack) -> None:
    async def scenario(victim: Victim) -> None:
        for size in (b"7FFFFFFFFFFFFFFF", b"FFFFFFFFFFFFFFFF", b"100000000"):
            assert await answered(victim, chunks(size, b"\r\n")) in ([], [413]), size

    attack(scenario)


def test_trailers_by_the_letter_only(attack: Attack) -> None:
    lines = [
        b"Transfer-Encoding: gzip",
        LENGTH[:-2],
        b"A : b",
        b" A: b",
        b"A\x00: b",
        b"A: b\nC: d",
        b"A: b\rC: d",
        b"A",
        b": b",
    ]
    refused(attack, {repr(line): chunks(b"0\r\n", line, b"\r\n\r\n") for line in lines})


def test_chunk_extensions_and_trailers_change_nothing(attack: Attack) -> None:
    """They are part of the framing, whatever they say; a trailer never becomes a header."""

    async def scenario(victim: Victim) -> None:
        bodies = [
            b"2;name=value\r\n{}\r\n0;last\r\n\r\n",
            b'2;name="quoted"\r\n{}\r\n0\r\n\r\n',
            b"2\r\n{}\r\n0\r\nX-API-Key: another\r\nHost: b\r\n\r\n",
            b"000002\r\n{}\r\n000\r\n\r\n",
            b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        ]
        for body in bodies:
            first = post(CHUNKED, body=body)
            assert await answered(victim, first + post(CHUNKED, body=body)) == [200, 200], body

    attack(scenario)


# ── what is inside stays inside ──────────────────────────────────────────────────────────────


def test_a_request_in_a_body_is_a_body(attack: Attack) -> None:
    """Framed by a length or by chunks, cut anywhere; the request behind it is answered."""
    bodies = [
        post(LENGTH, body=SMUGGLED),
        post(CHUNKED, body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
        post(b"Content-Length:\t %d \r\n" % len(SMUGGLED), body=SMUGGLED),
        post(b"Content-Length: 000%d\r\n" % len(SMUGGLED), body=SMUGGLED),
        post(b"transfer-ENCODING: Chunked\r\n", body=b"%x\r\n%b\r\n0\r\n\r\n" % (
            len(SMUGGLED), SMUGGLED,
        )),
    ]  # fmt: skip

    async def scenario(victim: Victim) -> None:
        for body in bodies:
            for place in (0, 1, len(body) // 2, len(body) - len(SMUGGLED), len(body) - 1):
                peer = await victim.peer()
                await peer.send(body[:place])
                await victim.neighbours.look_after_each_other()
                await peer.send(body[place:] + post(b"Content-Length: 2\r\n", body=b"{}"))
                peer.end()
                statuses = [answer.status for answer in read_answers(await peer.read_all())]
                assert statuses == [400, 200], (body, place)

    attack(scenario)


# ── behind a handshake ───────────────────────────────────────────────────────────────────────


def test_behind_a_handshake_there_are_frames_and_no_requests(attack: Attack) -> None:
    async def scenario(victim: Victim) -> None:
        peer = await victim.peer()
        await peer.open_websocket(OPENS_WEBSOCKET + SMUGGLED)
        assert close_code(await peer.frames()) == 1002

    attack(scenario)


def test_a_handshake_with_a_body_is_refused_and_ends_the_connection(attack: Attack) -> None:
    refused(
        attack,
        {
            "a length": OPENS_WEBSOCKET[:-2] + LENGTH + b"\r\n" + SMUGGLED,
            "chunks": OPENS_WEBSOCKET[:-2] + CHUNKED + b"\r\n" + EMPTY + SMUGGLED,
        },
    )


def test_a_refused_handshake_ends_the_connection(attack: Attack) -> None:
    """A proxy that believes in the handshake passes on whatever comes; none of it is a request."""
    bad = [
        OPENS_WEBSOCKET.replace(b"Version: 13", b"Version: 12"),
        OPENS_WEBSOCKET.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"),
        OPENS_WEBSOCKET.replace(b"Host: test", b"Host: test\r\nOrigin: https://evil.example"),
        OPENS_WEBSOCKET.replace(b"GET", b"POST"),
        OPENS_WEBSOCKET.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ]

    async def scenario(victim: Victim) -> None:
        for handshake in bad:
            (status,) = await answered(victim, handshake + SMUGGLED)
            assert 400 <= status < 500, handshake

    attack(scenario)


def test_an_upgrade_that_nobody_takes_up_changes_nothing_about_the_body(attack: Attack) -> None:
    """Java's client offers h2c with every request; what the body holds is the body's."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"

    async def scenario(victim: Victim) -> None:
        for inside in (
            post(offer, LENGTH, body=SMUGGLED),
            post(offer, CHUNKED, body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
        ):
            assert (await answered(victim, inside))[0] == 400

    attack(scenario)


def test_what_comes_behind_a_request_for_a_stream_is_not_answered_into_it(attack: Attack) -> None:
    """The stream goes on until the peer leaves, and nothing is carried out that came behind."""

    async def scenario(victim: Victim) -> None:
        opens = b"GET /connection/sse?cf_connect=%7B%22id%22:1,%22connect%22:%7B%7D%7D HTTP/1.1\r\n"
        came = await victim.ask(opens + b"Host: a\r\n\r\n" + SMUGGLED)
        assert came.count(b"HTTP/1.1 ") <= 1

        peer = await victim.peer()
        await peer.send(opens + b"Host: a\r\n\r\n" + SMUGGLED)
        head = await peer.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        await victim.neighbours.look_after_each_other()
        await victim.clock.advance(30)
        assert b"HTTP/1.1" not in await peer.read_all()

    attack(scenario)


# ── however it is put together ───────────────────────────────────────────────────────────────

_PIECES = st.lists(
    st.sampled_from(
        [
            *(LENGTH, CHUNKED, EMPTY, KEY, OPENS_WEBSOCKET),
            *(b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b",", b";", b"0", b"5", b"a\r\n"),
            *(b"Content-Length: 0\r\n", b"Content-Length: ", b"Transfer-Encoding: ", b"chunked"),
            *(b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"Connection: close\r\n", b"Expect: x\r\n"),
        ]
    ),
    max_size=12,
).map(b"".join)


def test_whatever_is_sent_answers_are_whole_and_no_more_than_requests(attack: Attack) -> None:
    """An answer for each thing that begins like a request at most, and nothing between them."""

    async def scenario(victim: Victim) -> None:
        sent: list[bytes] = []

        @settings(max_examples=150, deadline=None, database=None, derandomize=True)
        @given(_PIECES)
        def collect(pieces: bytes) -> None:
            sent.append(pieces)

        collect()
        for pieces in sent:
            peer = await victim.peer()
            # Behind a refusal on purpose: a body that goes on for ever is nobody's request.
            await peer.send(post(b"Content-Length: 2\r\n", body=b"{}") + pieces)
            peer.end()
            came = await _before_websocket(peer)
            answers = read_answers(came)
            assert len(answers) <= 1 + pieces.count(b"HTTP/1.1\r\n") + 1, pieces
            assert all(answer.body != b"" or answer.status in {204, 401} for answer in answers)

    attack(scenario)


async def _before_websocket(peer: Peer) -> bytes:
    """Return the HTTP part of what a peer is told."""
    return (await peer.read_all()).partition(b"HTTP/1.1 101 ")[0]
