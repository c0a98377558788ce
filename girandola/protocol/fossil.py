"""Fossil deltas: what changed between two payloads, as bytes (modern.md section 10.6).

A delta is the size of the target, then commands that copy from the base or insert bytes, then a
checksum. Knows bytes only: no publication, no protocol. Any valid delta is as good as another to
those who apply it, so ``create`` looks for as much as its work limits allow and inserts the rest.
"""

from array import array
from sys import byteorder

MAX_BLOCKS = 4096
"""Most places of a base that are remembered to be found again; larger bases get larger blocks."""
MIN_BLOCK = 8
"""Bytes of the smallest block; what is shorter is cheaper to insert than to copy."""
BUDGET = 16384
"""Steps of the search, one for each place looked at; each takes about 0.1 µs."""
MATCH_STEPS = 32
"""Steps that a found block costs, for the search of its ends."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
_VALUES = {ord(digit): value for value, digit in enumerate(_DIGITS)}
_NEWLINE, _COMMA, _COPY, _INSERT, _END = b"\n,@:;"


class BadDelta(Exception):
    """Bytes are not a delta, or not one for this base."""


# ── making ───────────────────────────────────────────────────────────────────────────────────


def create(base: bytes, target: bytes, *, text: bool) -> bytes:
    """Return a delta that makes ``target`` out of ``base``; it may be longer than ``target``.

    ``text``: ``target`` is UTF-8, and so must be the delta: no command begins or ends within a
    character. The search is limited: two times 64 KiB take 3 to 5 ms at worst and less than one
    where they differ in one place, 4 KiB a tenth of a millisecond. Beyond that the time grows
    with the sizes by 10 ms a MiB.
    """
    parts = [_number(len(target)), b"\n"]
    done = 0
    for start, end, offset in _copies(base, target):
        if text:
            start, end, offset = _whole_characters(target, start, end, offset)
        copy = b"%b@%b," % (_number(end - start), _number(offset))
        if end - start <= len(copy) + 2:
            continue
        if done < start:
            parts.append(b"%b:%b" % (_number(start - done), target[done:start]))
        parts.append(copy)
        done = end
    if done < len(target):
        parts.append(b"%b:%b" % (_number(len(target) - done), target[done:]))
    parts.append(_number(_checksum(target)) + b";")
    return b"".join(parts)


def _copies(base: bytes, target: bytes) -> list[tuple[int, int, int]]:
    """Return what the target has in common with the base, in order, without overlaps.

    Each is start and end in the target, and where it starts in the base.
    """
    head = _common_head(base, 0, target, 0)
    most = min(len(base), len(target)) - head
    tail = _common_tail(base[len(base) - most :], target[len(target) - most :])
    end = len(target) - tail
    copies = [(0, head, 0)] if head else []
    if head < end:
        copies += _search(base, target, head, end)
    if tail:
        copies.append((end, len(target), len(base) - tail))
    return copies


def _search(base: bytes, target: bytes, start: int, stop: int) -> list[tuple[int, int, int]]:
    """Find blocks of the base again between two places of the target, while the budget lasts."""
    size = MIN_BLOCK
    while len(base) > MAX_BLOCKS * size:
        size *= 2
    places = {base[at : at + size]: at for at in range(len(base) - size, -1, -size)}
    copies = []
    done = start
    shift = 0
    budget = BUDGET
    while budget > 0 and (found := _find(places, size, target, start, min(stop, start + budget))):
        at, offset = found
        budget -= at - start + MATCH_STEPS
        # What follows an edit mostly goes on where it stood, and what repeats stands elsewhere.
        if at + shift >= 0 and base.startswith(target[at : at + size], at + shift):
            offset = at + shift
        back = _common_tail(base[max(0, offset - size) : offset], target[max(done, at - size) : at])
        end = min(stop, at + _common_head(base, offset, target, at))
        copies.append((at - back, end, offset - back))
        done = start = end
        shift = offset - at
    return copies


def _find(
    places: dict[bytes, int], size: int, target: bytes, start: int, stop: int
) -> tuple[int, int] | None:
    """Return the first place of the target with a known block, and where the base has it."""
    find = places.get
    for at in range(start, stop - size + 1):
        offset = find(target[at : at + size])
        if offset is not None:
            return at, offset
    return None


def _whole_characters(target: bytes, start: int, end: int, offset: int) -> tuple[int, int, int]:
    """Shrink a copy until it begins and ends between two characters of the target."""
    while start < end and _is_within(target, start):
        start += 1
        offset += 1
    while start < end and _is_within(target, end):
        end -= 1
    return start, end, offset


def _is_within(text: bytes, place: int) -> bool:
    return place < len(text) and text[place] & 0xC0 == 0x80


def _common_head(one: bytes, i: int, other: bytes, j: int) -> int:
    """Count the equal bytes from ``i`` and ``j`` on: steps that double, then halve."""
    most = min(len(one) - i, len(other) - j)
    same, step = 0, 32
    while same < most and step:
        width = min(step, most - same)
        at = i + same
        if one[at : at + width] == other[j + same : j + same + width]:
            same += width
            step *= 2
        else:
            return same + _halved(one[at : at + width], other[j + same : j + same + width])
    return same


def _halved(one: bytes, other: bytes) -> int:
    """Count the equal bytes at the head of two texts of one length that differ somewhere."""
    low, high = 0, len(one)
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _common_tail(one: bytes, other: bytes) -> int:
    """Count the equal bytes at the end."""
    most = min(len(one), len(other))
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        if one[len(one) - middle :] == other[len(other) - middle :]:
            low = middle
        else:
            high = middle
    return low


# ── applying ─────────────────────────────────────────────────────────────────────────────────


def apply(base: bytes, delta: bytes) -> bytes:
    """Return what ``delta`` makes out of ``base``.

    Raises:
        BadDelta: it is no delta, or made for another base.
    """
    size, place = _read(delta, 0, _NEWLINE)
    target = bytearray()
    while True:
        number, operator, place = _command(delta, place)
        if operator == _COPY:
            offset, place = _read(delta, place, _COMMA)
            part = base[offset : offset + number]
        elif operator == _INSERT:
            part = delta[place : place + number]
            place += number
        else:
            break
        target += part
        if len(part) != number or len(target) > size:
            raise BadDelta("a command reaches beyond the base, the delta or the target")
    if len(target) != size or _checksum(target) != number:
        raise BadDelta("size or checksum of the target differ: the delta is for another base")
    return bytes(target)


def _command(delta: bytes, place: int) -> tuple[int, int, int]:
    """Return a number, the operator behind it, and the place behind that."""
    start, number = place, 0
    while place < len(delta):
        value = _VALUES.get(delta[place])
        place += 1
        if value is None:
            operator = delta[place - 1]
            if place - 1 == start or operator not in (_COPY, _INSERT, _END, _NEWLINE, _COMMA):
                break
            return number, operator, place
        number = number * 64 + value
    raise BadDelta(f"expected a number and a command at byte {start}")


def _read(delta: bytes, place: int, terminator: int) -> tuple[int, int]:
    number, operator, place = _command(delta, place)
    if operator != terminator:
        raise BadDelta(f"expected {chr(terminator)!r} before byte {place}")
    return number, place


# ── both ─────────────────────────────────────────────────────────────────────────────────────


def _number(value: int) -> bytes:
    """Write a number with the 64 digits of Fossil."""
    digits = ""
    while True:
        value, digit = divmod(value, 64)
        digits = _DIGITS[digit] + digits
        if not value:
            return digits.encode()


def _checksum(data: bytes | bytearray) -> int:
    """Return the sum of the big-endian 32-bit words, the last one filled up with zeros."""
    words = array("I", bytes(data) + bytes(-len(data) % 4))
    if byteorder == "little":
        words.byteswap()
    return sum(words) & 0xFFFFFFFF
