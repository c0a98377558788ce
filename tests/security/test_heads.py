"""Heads that somebody else could read in another way are refused; the others are read in one way.

Each carries a request behind it that publishes to the honest subscriber (``test_smuggling.py``).
"""

from tests.security.conftest import Attack
from tests.security.test_smuggling import SMUGGLED, answered, post, refused
from tests.security.victim import Victim

HEADS = {
    "bare line feeds": post().replace(b"\r\n", b"\n"),
    "one bare line feed": post().replace(b"\r\n", b"\n", 1),
    "a head that ends with bare line feeds": post()[:-4] + b"\n\n",
    "a bare carriage return": post(b"A: b\rC: d\r\n"),
    "a folded header": post(b"A: b\r\n c\r\n"),
    "a folded header by a tab": post(b"A: b\r\n\tc\r\n"),
    "space before the first header": post().replace(b"Host", b" Host"),
    "space before a colon": post(b"A : b\r\n"),
    "no colon": post(b"A\r\n"),
    "no name": post(b": b\r\n"),
    "NUL in a value": post(b"A: \x00\r\n"),
    "NUL in a name": post(b"A\x00: b\r\n"),
    "a name with a slash": post(b"A/B: b\r\n"),
    "a name beyond ASCII": post(b"\xc3\xa4: b\r\n"),
    "two hosts": post(b"Host: b\r\n"),
    "no host": post().replace(b"Host: a\r\n", b""),
    "a list of hosts": post().replace(b"Host: a", b"Host: a, b"),
    "NUL in the target": post(line=b"POST /api/info\x00 HTTP/1.1"),
    "a space in the target": post(line=b"POST /api/info a HTTP/1.1"),
    "a tab in the target": post(line=b"POST /api/info\ta HTTP/1.1"),
    "a carriage return in the target": post(line=b"POST /api\rinfo HTTP/1.1"),
    "no target": post(line=b"POST HTTP/1.1"),
    "an authority as target": post(line=b"POST a:80 HTTP/1.1"),
    "a relative target": post(line=b"POST api/info HTTP/1.1"),
    "a URL of another kind": post(line=b"POST file:///api/info HTTP/1.1"),
    "a method with a space before it": post(line=b" POST /api/info HTTP/1.1"),
    "a method in small letters": post(line=b"post /api/info HTTP/1.1"),
    "an unknown method": post(line=b"SMUGGLE /api/info HTTP/1.1"),
    "CONNECT": post(line=b"CONNECT a:80 HTTP/1.1"),
    "the beginning of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /api/info\r\n\r\n",
    "HTTP/2": post(line=b"POST /api/info HTTP/2.0"),
    "HTTP/1.2": post(line=b"POST /api/info HTTP/1.2"),
    "HTTP/1.10": post(line=b"POST /api/info HTTP/1.10"),
    "no version": post(line=b"POST /api/info HTTP/"),
    "another protocol": post(line=b"POST /api/info RTSP/1.0"),
    "something behind the version": post(line=b"POST /api/info HTTP/1.1 x"),
    "a version in small letters": post(line=b"POST /api/info http/1.1"),
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
}


def test_a_head_that_somebody_could_read_otherwise_is_refused(attack: Attack) -> None:
    refused(attack, {name: head + SMUGGLED for name, head in HEADS.items()})


def test_a_head_without_end_is_refused(attack: Attack) -> None:
    long = b"a" * 200_000
    refused(
        attack,
        {
            "a long target": post(line=b"POST /" + long + b" HTTP/1.1"),
            "a long name": post(long + b": b\r\n"),
            "a long value": post(b"A: " + long + b"\r\n"),
            "a long method": long,
            "many headers": post(*(b"A%d: b\r\n" % number for number in range(2000))),
            "the same header many times": post(b"A: b\r\n" * 2000),
        },
    )


TARGETS = {
    b"http://other/api/info": True,
    b"HTTP://a/api/info": True,
    b"/%61pi/info": True,
    b"/api%2finfo": True,
    b"/api/info#x": True,
    b"http://other": False,
    b"http://other/api/../connection": False,
    b"/x/../api/info": False,
    b"/api/./info": False,
    b"//api/info": False,
    b"/api//info": False,
    b"/api/info%00": False,
    b"/api/info%0d%0a": False,
    b"/API/info": False,
    b"*": False,
}
"""What is asked for, and whether it is the API's method."""


def test_a_whole_url_leads_where_its_path_does(attack: Attack) -> None:
    """Whatever host it names (RFC 9112 section 3.2.2); there is one site here."""
    length = b"Content-Length: 2\r\n"

    async def scenario(victim: Victim) -> None:
        for target, arrives in TARGETS.items():
            request = post(length, line=b"POST " + target + b" HTTP/1.1", body=b"{}")
            first, *_ = await answered(victim, request + post(length, body=b"{}"))
            assert (first == 200) == arrives, target

    attack(scenario)
