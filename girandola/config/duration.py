"""Durations as configuration writes them: ``"25s"``, ``"1m30s"``, ``"500ms"``, ``"-1s"``.

Knows nothing of options or files. Inside the server durations are seconds.
"""

import re
from decimal import Decimal

_UNITS = {
    "h": Decimal(3600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("1e-3"),
    **dict.fromkeys(("us", "\u00b5s", "\u03bcs"), Decimal("1e-6")),
    "ns": Decimal("1e-9"),
}
_PART = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,40})?|\.[0-9]{1,40})(ms|h|m|s|us|\u00b5s|\u03bcs|ns)")

LONGEST = Decimal(2**63 // 1_000_000_000)
"""Seconds; some 292 years, the most that Centrifugo can hold."""


def parse_duration(text: str) -> float:
    """Return the seconds that ``text`` says; ``"0"`` needs no unit.

    Raises:
        ValueError: the text is no duration, or longer than ``LONGEST``.
    """
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if digits == "0":
        return 0.0
    total, position = Decimal(0), 0
    while part := _PART.match(digits, position):
        total += Decimal(part[1]) * _UNITS[part[2]]
        position = part.end()
    if not digits or position < len(digits) or total > LONGEST:
        raise ValueError(f"not a duration: {text!r}")
    return float(sign * total)


def format_duration(seconds: float) -> str:
    """Return the shortest text that ``parse_duration`` reads back as ``seconds``."""
    total = Decimal(repr(float(seconds)))
    if total == 0:
        return "0s"
    sign, total = ("-", -total) if total < 0 else ("", total)
    if total < 1:
        return f"{sign}{_plain(total * 1000)}ms"
    hours, rest = divmod(total, 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return sign + "".join(f"{_plain(number)}{unit}" for number, unit in parts if number)


def _plain(number: Decimal) -> str:
    """Return the digits without an exponent and without zeros that say nothing."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
