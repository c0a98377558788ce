"""Globs and channel names: any pattern works or is refused, and a match takes a short time."""

import re
import time

from girandola.channels import Channels
from girandola.errors import Reject
from girandola.net.middleware import OriginCheck
from girandola.options import ChannelOptions, ChannelSection, Namespace

MAX_SECONDS = 2.0
"""Far beyond what any match may take, on however busy a machine."""

SECTION = ChannelSection(
    without_namespace=ChannelOptions(allow_user_limited_channels=True),
    namespaces=(Namespace(name="chat", channel_regex="^[a-z]+$"),),
    client_boundary="&",
)

SEEDS = (
    b"https://*.example.com\0https://www.example.com",
    b"http://{a,b[!c-e]}?\\*\0http://ax*",
    b"*a*a*a*b\0" + b"a" * 100,
    b"[\0[",
    b"chat:room#42,43\0$chat:a&client",
)
WORDS = (
    *(b"*", b"?", b"[", b"]", b"!", b"^", b"-", b"{", b"}", b",", b"\\", b"\0", b"a", b"a" * 50),
    *(b"&&", b"||", b"~~", b"[[:alpha:]]", b"(?i)", b":", b"#", b"$", b"&", b"https://"),
)


def one_input(data: bytes) -> None:
    """Take the part before the first NUL for a pattern of origins, the rest for an origin."""
    pattern, _, text = data[:200].decode("latin-1").partition("\0")
    _channel(pattern)
    began = time.monotonic()
    try:
        check = OriginCheck([pattern])
    except ValueError as error:
        assert "origin pattern" in str(error)
        return
    check.allows(text)
    assert time.monotonic() - began < MAX_SECONDS
    if re.fullmatch(r"[a-z:/.]*", pattern):
        assert check.allows(text) == (text.lower() in ("", pattern))


def _channel(name: str) -> None:
    channels = Channels(SECTION)
    try:
        channels.options(name)
    except Reject as reject:
        assert reject.error.code == 102
