"""Who is refused when descriptors or memory run short, and who is not."""

import logging
import resource

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from girandola.net.capacity import QUIET_TIME, Capacity, raise_descriptor_limit
from girandola.net.connections import Connections
from girandola.net.http import Caller, HttpLimits, Response, Route, WebSocketRoute
from girandola.net.router import Router
from tests.fakes import FakeClock
from tests.net.wire import FakeListener, FakeTransport

ROOM = 1000
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PLENTY = 1_000_000


class Site:
    """Connections to a route for anybody, one for claimants and one for applications."""

    def __init__(self, *, descriptors: int = PLENTY) -> None:
        self.clock = FakeClock()
        router = Router()
        for path, caller in (
            ("/client", Caller.CLIENT),
            ("/claimant", Caller.CLAIMANT),
            ("/application", Caller.APPLICATION),
        ):
            route = Route(lambda request: Response(200), max_body=100_000, caller=caller)
            router.add(path, route)
        router.add("/ws", WebSocketRoute(lambda request: FakeListener()))
        self.capacity = Capacity(self.clock.now, max_unfinished=ROOM, descriptors=descriptors)
        self.connections = Connections(router.find, self.clock, HttpLimits(), self.capacity)

    def connect(self) -> FakeTransport:
        transport = FakeTransport(self.clock)
        transport.connect(self.connections.make())
        return transport

    def has_all_its_room(self) -> bool:
        return self.capacity.has_room(ROOM, Caller.APPLICATION)


def crowded_site() -> Site:
    """Return one where all descriptors are taken but those that are kept."""
    site = Site(descriptors=100)
    site.capacity.kept = 100
    return site


def post(path: str, length: int, sent: int) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode()
    return head + b"x" * sent


def chunk_of(path: str, sent: int) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"%x\r\n" % sent + b"x" * sent + b"\r\n"


def status_of(transport: FakeTransport) -> int:
    """Return the status of the last answer since the last call, 0 for none."""
    written = transport.take()
    return int(written[written.rindex(b"HTTP/1.1 ") + 9 :][:3]) if written else 0


# ── memory ───────────────────────────────────────────────────────────────────────────────────


def test_a_body_for_which_there_is_no_room_is_refused_before_it_comes() -> None:
    site = Site()
    transport = site.connect()
    transport.receive(post("/client", ROOM // 2 + 1, 0))
    assert status_of(transport) == 503
    assert transport.eof_written


def test_bodies_that_say_no_length_are_refused_when_they_fill_the_room() -> None:
    site = Site()
    first, second = site.connect(), site.connect()
    first.receive(chunk_of("/client", 300))
    assert status_of(first) == 0
    second.receive(chunk_of("/client", 300))
    assert status_of(second) == 503
    first.receive(b"0\r\n\r\n")
    assert status_of(first) == 200


def test_heads_take_room_like_bodies() -> None:
    site = Site()
    transport = site.connect()
    transport.receive(b"GET / HTTP/1.1\r\nA: " + b"b" * ROOM)
    assert status_of(transport) == 503


def test_half_of_the_room_is_for_applications() -> None:
    site = Site()
    client, claimant, application = site.connect(), site.connect(), site.connect()
    client.receive(post("/client", 400, 399))
    claimant.receive(post("/claimant", 200, 0))
    assert status_of(claimant) == 503
    application.receive(post("/application", 400, 399))
    assert status_of(application) == 0
    application.receive(b"x")
    assert status_of(application) == 200


@pytest.mark.parametrize("end", ["whole", "lost", "late", "too long", "broken"])
def test_a_request_that_ends_gives_its_room_back(end: str) -> None:
    site = Site()
    transport = site.connect()
    transport.receive(chunk_of("/client", 300))
    assert not site.has_all_its_room()
    if end == "lost":
        transport.abort()
    elif end == "late":
        site.clock.advance(20)
    else:
        rest = {"whole": b"0\r\n\r\n", "broken": b"no chunk", "too long": b"1ffff\r\n" + b"x" * 400}
        transport.receive(rest[end])
    site.clock.run()
    assert site.has_all_its_room()


def test_a_burst_of_refusals_is_one_line_and_the_next_burst_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    site = Site()
    for _ in range(2):
        for _ in range(5):
            site.connect().receive(post("/client", ROOM, 0))
        site.clock.advance(QUIET_TIME + 1)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "http_server.max_unfinished_size is 1000" in caplog.text


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.sampled_from(
                [
                    b"GET /client HTTP/1.1\r\n",
                    b"Host: a\r\n\r\n",
                    chunk_of("/client", 200),
                    chunk_of("/application", 300),
                    b"10\r\n" + b"x" * 16 + b"\r\n",
                    b"0\r\n\r\n",
                    post("/client", 100, 100),
                    post("/nowhere", 100, 10),
                    b"nonsense\r\n\r\n",
                ]
            ),
        ),
        max_size=40,
    )
)
@settings(deadline=None)
def test_whatever_comes_the_room_is_whole_again_when_all_have_gone(
    walk: list[tuple[int, bytes]],
) -> None:
    site = Site()
    transports = [site.connect() for _ in range(5)]
    for number, data in walk:
        if transports[number].closing:
            transports[number] = site.connect()
        transports[number].receive(data)
        # No more was granted than there is.
        assert site.capacity.has_room(0, Caller.APPLICATION)
    site.clock.advance(200)
    assert site.connections.http == set()
    assert site.has_all_its_room()


# ── descriptors ──────────────────────────────────────────────────────────────────────────────


def test_on_one_of_the_last_descriptors_applications_are_answered_and_clients_get_503() -> None:
    site = crowded_site()
    for request, status in (
        (UPGRADE, 503),
        (post("/client", 0, 0), 503),
        (post("/client", 10, 0), 503),
        (post("/application", 3, 3), 200),
        (post("/claimant", 3, 3), 200),
        (post("/nowhere", 0, 0), 404),
    ):
        transport = site.connect()
        transport.receive(request)
        assert status_of(transport) == status
        assert transport.lost, "the place is free again at once"


def test_on_one_of_the_last_descriptors_nobody_takes_his_time() -> None:
    site = crowded_site()
    silent, slow_head, slow_body = site.connect(), site.connect(), site.connect()
    slow_head.receive(b"GET /")
    slow_body.receive(post("/claimant", 10, 5))
    site.clock.advance(3.1)
    assert all(transport.lost for transport in (silent, slow_head, slow_body))


def test_those_who_say_nothing_make_place_for_those_who_come() -> None:
    site = crowded_site()
    silent = [site.connect() for _ in range(50)]
    assert not any(transport.closing for transport in silent)
    transport = site.connect()
    assert status_of(silent[0]) == 503
    assert silent[0].closing
    assert not silent[1].closing
    transport.receive(post("/application", 1, 1))
    assert status_of(transport) == 200


def test_while_there_are_descriptors_nobody_is_refused_and_few_looks_are_taken() -> None:
    site = Site(descriptors=PLENTY)
    for _ in range(100):
        transport = site.connect()
        transport.receive(UPGRADE)
        assert status_of(transport) == 101


def test_a_crowd_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    site = crowded_site()
    for _ in range(5):
        site.connect().receive(UPGRADE)
    (record,) = caplog.records
    assert "nearly all of the 100 files that may be open are" in record.getMessage()
    site.clock.advance(QUIET_TIME + 1)
    site.connect()
    assert len(caplog.records) == 2


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lower = min(before[0], 256)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lower, before[1]))
        assert raise_descriptor_limit() == (lower, before[1])
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
