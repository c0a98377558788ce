"""What Hypothesis draws for protocol tests: frames, requests, payloads and publications."""

import json
from typing import Any

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

# ── requests that mean the same in JSON and in Protobuf ──────────────────────────────────────

PAYLOAD_FIELDS = frozenset({"data", "conn_info", "chan_info"})
"""Fields that are any JSON in JSON, and bytes in Protobuf."""

_UINT32 = st.integers(0, 2**32 - 1)
_UINT64 = st.integers(0, 2**64 - 1)
_INT32 = st.integers(-(2**31), 2**31 - 1)
_CHANNEL = st.sampled_from(["c", "канал", "$priv"]) | st.text(
    st.characters(codec="utf-8"), max_size=5
)
_FILTERS = st.recursive(
    st.fixed_dictionaries(
        {}, optional={"key": TEXT, "cmp": TEXT, "val": TEXT, "vals": st.lists(TEXT, max_size=2)}
    ),
    lambda nodes: st.fixed_dictionaries(
        {}, optional={"op": TEXT, "nodes": st.lists(nodes, max_size=2)}
    ),
    max_leaves=4,
)


def _fields(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def _requests(
    subscribe: dict[str, Any], others: dict[str, dict[str, Any]]
) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Draw the name of a request and its fields."""
    sub = _fields(recover=st.booleans(), offset=_UINT64, epoch=TEXT)
    position = _fields(offset=_UINT64, epoch=TEXT)
    channel = {"channel": _CHANNEL}
    data = {"data": JSON_VALUES}
    names = {"name": TEXT, "version": TEXT}
    requests: dict[str, dict[str, Any]] = {
        "connect": {"token": TEXT, "subs": st.dictionaries(TEXT, sub, max_size=2), **data, **names},
        "subscribe": {
            "token": TEXT,
            "recover": st.booleans(),
            "offset": _UINT64,
            "epoch": TEXT,
            **channel,
            **data,
            **subscribe,
        },
        "unsubscribe": channel,
        "publish": channel | data,
        "presence": channel,
        "presence_stats": channel,
        "history": {"limit": _INT32, "since": position, "reverse": st.booleans()} | channel,
        "rpc": {"method": TEXT} | data,
        "send": data,
        "refresh": {"token": TEXT},
        "sub_refresh": {"token": TEXT} | channel,
        "ping": {},
    }
    return st.sampled_from(sorted(requests)).flatmap(
        lambda name: st.tuples(st.just(name), _fields(**(requests[name] | others.get(name, {}))))
    )


V2_REQUESTS = _requests(
    {
        "positioned": st.booleans(),
        "recoverable": st.booleans(),
        "join_leave": st.booleans(),
        "delta": st.sampled_from(["", "fossil", "other"]),
        "tf": _FILTERS,
        "flag": st.integers(0, 3),
        "type": st.integers(0, 4),
    },
    {
        "connect": {"headers": st.dictionaries(TEXT, TEXT, max_size=2)},
        "publish": {"type": st.integers(0, 1)},
        "sub_refresh": {"type": st.integers(0, 2)},
    },
)
V1_REQUESTS = _requests({"seq": _UINT32, "gen": _UINT32}, {})
IDS = st.sampled_from([0, 1, 2**32 - 1]) | _UINT32
