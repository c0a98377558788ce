"""Message ids of 2018 that carry a stream position.

Clients of 2018 take the id of a message as opaque and only give the last one seen back when
they return. So a position written into it is all that recovery needs (classic.md sections 0.3
and 4.9). Two forms are told apart from each other and from ids chosen by publishers:

- ``<8 letters of epoch><offset>``: 22 base-62 characters, as ids of 2018 look; ``00000000``
  stands for an epoch that is not known;
- ``<offset>-<epoch>``: for epochs of any other form.

``<offset>`` is 14 base-62 digits.
"""

import secrets
import string
from itertools import count

from girandola.model import StreamPosition

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_LETTERS = frozenset(string.ascii_letters)
_EPOCH_LENGTH = 8
_OFFSET_LENGTH = 14
_UID_LENGTH = _EPOCH_LENGTH + _OFFSET_LENGTH
_NO_EPOCH = "0" * _EPOCH_LENGTH
_MAX_OFFSET = 2**64 - 1

# A digit in front that is not 0: a unique id cannot be taken for a position.
_PROCESS = secrets.choice("123456789") + "".join(secrets.choice(_DIGITS) for _ in range(9))
_numbers = count(secrets.randbelow(2**32))


def positioned(position: StreamPosition) -> str:
    """Return the id of the message at ``position``, whose offset is above zero."""
    offset = _base62(position.offset).rjust(_OFFSET_LENGTH, "0")
    if not position.epoch:
        return _NO_EPOCH + offset
    if _is_letters(position.epoch):
        return position.epoch + offset
    return f"{offset}-{position.epoch}"


def unique() -> str:
    """Return a new id for a message without a position: 22 base-62 characters."""
    return _PROCESS + _base62(next(_numbers)).rjust(_UID_LENGTH - len(_PROCESS), "0")


def position_of(uid: str) -> StreamPosition | None:
    """Return the position that ``positioned`` wrote into ``uid``, or ``None``."""
    if uid[_OFFSET_LENGTH : _OFFSET_LENGTH + 1] == "-":
        return _position(uid[:_OFFSET_LENGTH], uid[_OFFSET_LENGTH + 1 :])
    epoch = uid[:_EPOCH_LENGTH]
    if len(uid) != _UID_LENGTH or not (epoch == _NO_EPOCH or _is_letters(epoch)):
        return None
    return _position(uid[_EPOCH_LENGTH:], "" if epoch == _NO_EPOCH else epoch)


def _position(digits: str, epoch: str) -> StreamPosition | None:
    offset = 0
    for digit in digits:
        value = _VALUES.get(digit)
        if value is None:
            return None
        offset = offset * len(_DIGITS) + value
    return StreamPosition(offset, epoch) if 0 < offset <= _MAX_OFFSET else None


def _is_letters(epoch: str) -> bool:
    return len(epoch) == _EPOCH_LENGTH and _LETTERS.issuperset(epoch)


def _base62(number: int) -> str:
    digits = ""
    while number:
        number, value = divmod(number, len(_DIGITS))
        digits = _DIGITS[value] + digits
    return digits
