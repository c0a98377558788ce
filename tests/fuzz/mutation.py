"""Inputs made of other inputs: the seeds of a target, changed, cut, joined and repeated at random.

The same seed of the generator gives the same inputs. Nothing here knows what they are for.
"""

import random
from collections.abc import Callable, Iterator, Sequence

MAX_SIZE = 4096
_NUMBERS = (0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, 2**64)

Change = Callable[[random.Random, bytes], bytes]


def inputs(
    seeds: Sequence[bytes], words: Sequence[bytes], chance: random.Random
) -> Iterator[bytes]:
    """Yield the seeds, then changes of them without end; ``words`` are what is worth inserting."""
    yield b""
    yield from seeds
    while True:
        data = chance.choice(seeds)
        for _ in range(min(int(chance.expovariate(0.4)) + 1, 12)):
            data = chance.choice(_CHANGES)(chance, data)
            if chance.random() < 0.4:
                data = _inserted(chance, data, chance.choice(words))
            if chance.random() < 0.1:
                data = _joined(chance, data, chance.choice(seeds))
        yield data[:MAX_SIZE]


def _inserted(chance: random.Random, data: bytes, word: bytes) -> bytes:
    start = chance.randint(0, len(data))
    end = start if chance.random() < 0.6 else min(len(data), start + len(word))
    return data[:start] + word + data[end:]


def _joined(chance: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


def _slice(chance: random.Random, data: bytes) -> tuple[int, int]:
    start = chance.randint(0, len(data))
    return start, min(len(data), start + int(chance.expovariate(0.1)))


def _bit(chance: random.Random, data: bytes) -> bytes:
    if not data:
        return b"\x00"
    place = chance.randrange(len(data))
    return data[:place] + bytes((data[place] ^ 1 << chance.randrange(8),)) + data[place + 1 :]


def _byte(chance: random.Random, data: bytes) -> bytes:
    return _inserted(chance, data, bytes((chance.randrange(256),)))


def _number(chance: random.Random, data: bytes) -> bytes:
    number = chance.choice(_NUMBERS) + chance.choice((-1, 0, 1))
    if chance.random() < 0.5:
        return _inserted(chance, data, str(number).encode())
    size = chance.choice((1, 2, 4, 8))
    return _inserted(chance, data, (number % 256**size).to_bytes(size, "big"))


def _removed(chance: random.Random, data: bytes) -> bytes:
    start, end = _slice(chance, data)
    return data[:start] + data[end:]


def _repeated(chance: random.Random, data: bytes) -> bytes:
    start, end = _slice(chance, data)
    times = chance.choice((2, 2, 3, 10, 300))
    return (data[:start] + data[start:end] * times + data[end:])[: 2 * MAX_SIZE]


def _moved(chance: random.Random, data: bytes) -> bytes:
    start, end = _slice(chance, data)
    return _inserted(chance, data[:start] + data[end:], data[start:end])


_CHANGES: tuple[Change, ...] = (_bit, _byte, _number, _removed, _repeated, _moved)
