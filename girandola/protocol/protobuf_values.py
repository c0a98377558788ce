"""Values for the fields of Protobuf messages, which take less than Python does.

Nothing here knows a message of any protocol generation.
"""

MAX_UINT32 = 2**32 - 1


def text(value: str) -> str:
    """Return ``value``; what UTF-8 cannot carry becomes a question mark."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def texts(values: dict[str, str] | None) -> dict[str, str]:
    """Return a map of texts, each as ``text`` does it."""
    return {text(key): text(value) for key, value in (values or {}).items()}


def uint32(value: int) -> int:
    """Return ``value``, or the nearest number that the field can hold."""
    return max(0, min(value, MAX_UINT32))
