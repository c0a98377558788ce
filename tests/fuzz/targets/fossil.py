"""Fossil deltas: a delta makes its target, and what is no delta is refused."""

from girandola.protocol.fossil import BadDelta, apply, create

SEEDS = (
    b"\x04base" + b"base and more of the base",
    b"\x40" + b'{"a":1,"b":[1,2,3],"text":"the same"}' * 2 + b'{"a":2,"b":[1,2,3]}',
    b"\x20" + "ä€𝄞".encode() * 8,
    b"\x00" + create(b"", b"target", text=False),
    b"\x03abc" + create(b"abc", b"abcabc", text=False),
)
WORDS = (b"\n", b"@", b":", b";", b",", b"0", b"~~~~~~", b"Zzzzzz", b"abcabcabc", b"\xff", b"\x00")


def one_input(data: bytes) -> None:
    """Take the first byte for the length of a base, and what follows it for a target."""
    size = data[0] if data else 0
    base, target = data[1 : 1 + size], data[1 + size :]
    delta = create(base, target, text=False)
    assert apply(base, delta) == target
    if base:
        _foreign(base[:-1] + bytes((base[-1] ^ 1,)), delta, target)
    _text(base.decode("utf-8", "replace"), target.decode("utf-8", "replace"))
    try:
        made = apply(base, target)
    except BadDelta:
        return
    assert len(made) <= len(target) * max(1, len(base))


def _foreign(base: bytes, delta: bytes, target: bytes) -> None:
    """See that a delta is refused for another base, unless nothing of the difference is copied."""
    try:
        assert apply(base, delta) == target
    except BadDelta:
        pass


def _text(base: str, target: str) -> None:
    delta = create(base.encode(), target.encode(), text=True)
    delta.decode()
    assert apply(base.encode(), delta).decode() == target
