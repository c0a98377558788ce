"""What Hypothesis draws for protocol tests: frames, payloads and publications."""

import json

from hypothesis import strategies as st

from girandola.model import ClientInfo, Publication

TEXT = st.text(st.characters(codec="utf-8"))

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda children: st.lists(children) | st.dictionaries(TEXT, children),
    max_leaves=10,
)

PAYLOADS = st.builds(
    lambda value, indent, ascii_only: json.dumps(
        value, indent=indent, ensure_ascii=ascii_only
    ).encode(),
    JSON_VALUES,
    st.sampled_from([None, 0, 2]),
    st.booleans(),
)

INFOS = st.builds(
    ClientInfo,
    user=TEXT,
    client=TEXT,
    conn_info=st.just(b"") | PAYLOADS,
    chan_info=st.just(b"") | PAYLOADS,
)

PUBLICATIONS = st.builds(
    Publication,
    data=PAYLOADS,
    info=st.none() | INFOS,
    offset=st.integers(0, 2**64 - 1),
    epoch=st.sampled_from(["", "AbCdEfGh", "QpWr"]),
    tags=st.none() | st.dictionaries(TEXT, TEXT),
    uid=st.just("") | TEXT,
    client=st.just("") | TEXT,
)

# The longer ones are on both sides of what a close frame holds.
REASONS = st.text() | st.text(st.sampled_from('aé€😀"\n'), min_size=20, max_size=140)

_WORDS = st.sampled_from(
    [
        "id",
        "uid",
        "method",
        "params",
        "connect",
        "subscribe",
        "publish",
        "history",
        "ping",
        "send",
        "channel",
        "data",
        "subs",
        "recover",
        "last",
        "offset",
        "epoch",
        "since",
        "limit",
        "token",
        "flag",
        "tf",
        "delta",
        "UID",
        "Params",
        "c",
        "1",
    ]
)
_COMMANDS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "c", "subscribe", "ping"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(_WORDS, children, max_size=4),
    max_leaves=12,
)

FRAMES = (
    st.binary()
    | st.lists(_COMMANDS.map(json.dumps), max_size=4).map(lambda lines: "\n".join(lines).encode())
    | st.lists(_COMMANDS, max_size=3).map(lambda value: json.dumps(value).encode())
    | st.builds(bytes.__add__, _COMMANDS.map(lambda value: json.dumps(value).encode()), st.binary())
)
"""Garbage of every kind, from random bytes to objects that are nearly commands."""
