"""Many messages in few frames, and texts into close frames, whatever the generation says.

Two ways for messages to stand behind one another: a separator between them (JSON), or the length
of each in front of it (Protobuf). Nothing here knows what a message is about.
"""

from collections.abc import Iterator

MAX_FRAME = 65536
"""Bytes from which on several messages are not put into one frame."""
MAX_REASON = 123
"""Bytes of a close reason (RFC 6455 section 5.5)."""
MAX_COMMANDS = 8192
"""Commands that a peer may put into one frame.

An empty one takes a single byte, or none to speak of where frames are compressed, and a thousand
times as much to be made something of; a frame of them is decoded in one turn of the loop.
"""
_MAX_LENGTH = 2**31
"""No message is longer; this bounds the digits that a length may have."""


class Incomplete(Exception):
    """A frame does not consist of whole messages; the text says where it fails, for the log."""


class TooManyCommands(Incomplete):
    """A frame goes on behind ``MAX_COMMANDS``."""

    def __init__(self) -> None:
        super().__init__(f"expected at most {MAX_COMMANDS} commands in a frame")


def gather(messages: list[bytes], separator: bytes) -> list[bytes]:
    """Return frames that hold ``messages`` in order, none above 64 KiB if it can be helped."""
    if len(messages) == 1:
        return messages
    frames: list[bytes] = []
    waiting: list[bytes] = []
    size = 0
    for message in messages:
        if waiting and size + len(message) > MAX_FRAME:
            frames.append(separator.join(waiting))
            waiting, size = [], 0
        waiting.append(message)
        size += len(message) + len(separator)
    if waiting:
        frames.append(separator.join(waiting))
    return frames


def with_length(message: bytes) -> bytes:
    """Return ``message`` behind its length, an unsigned varint (modern.md section 1.3)."""
    length = len(message)
    if length < 0x80:
        return bytes((length,)) + message
    digits = bytearray()
    while length >= 0x80:
        digits.append(length & 0x7F | 0x80)
        length >>= 7
    digits.append(length)
    return bytes(digits) + message


def without_lengths(frame: bytes) -> Iterator[bytes]:
    """Yield the messages of a frame in which the length of each stands in front of it.

    Raises:
        Incomplete: what follows is not a whole message; those before were yielded.
    """
    at = 0
    while at < len(frame):
        start, length = _length(frame, at)
        at = start + length
        if at > len(frame):
            raise Incomplete(
                f"expected a message of {length} bytes at byte {start}, got {len(frame) - start}"
            )
        yield frame[start:at]


def commands_with_lengths(frame: bytes) -> Iterator[bytes]:
    """Yield the commands of a peer's frame in which the length of each stands in front of it.

    Raises:
        Incomplete: what follows is not a whole command, or one too many; those before were yielded.
    """
    for number, message in enumerate(without_lengths(frame)):
        if number >= MAX_COMMANDS:
            raise TooManyCommands
        yield message


def command_lines(frame: bytes) -> list[bytes]:
    """Return the commands of a peer's frame, one a line.

    Raises ``TooManyCommands``.
    """
    lines = frame.removesuffix(b"\n").split(b"\n", MAX_COMMANDS)
    if len(lines) > MAX_COMMANDS:
        raise TooManyCommands
    return lines


def _length(frame: bytes, at: int) -> tuple[int, int]:
    """Return where the message at ``at`` starts behind its length, and the length."""
    length = shift = 0
    for position in range(at, len(frame)):
        digit = frame[position]
        length |= (digit & 0x7F) << shift
        if length >= _MAX_LENGTH:
            break
        if digit < 0x80:
            return position + 1, length
        shift += 7
        if shift > 35:
            break
    raise Incomplete(f"expected the length of a message at byte {at}")


def cut_reason(reason: str) -> str:
    """Return as much of ``reason`` as fits a close frame, cut between characters."""
    return reason.encode("utf-8", "replace")[:MAX_REASON].decode("utf-8", "ignore")
