"""Which known name somebody may have meant by an unknown one.

No hint is better than a wrong one: names are compared part by part, so that one which shares most
letters but says something else is not suggested. Knows no options.
"""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

_PART = 0.7
_WHOLE = 0.85
_LONGEST = 100
"""Characters of a name that is compared; no option is nearly as long."""


def nearest(name: str, candidates: Iterable[str]) -> str:
    """Return the candidate that ``name`` most likely stands for, or ``""``.

    That is the switch of a section of this name; a name that differs in capitals and separators
    only, or by a slip in each of its parts; or the only one that ends so.
    """
    known = list(candidates)
    if len(name) > _LONGEST:
        return ""
    for switch in (f"{name}.enabled", f"{name}_ENABLED"):
        if switch in known:
            return switch
    likeness, near = max(((_likeness(name, other), other) for other in known), default=(0.0, ""))
    if likeness >= _WHOLE:
        return near
    places = [other for other in known if other.rpartition(".")[2] == name]
    return places[0] if len(places) == 1 else ""


def _likeness(name: str, other: str) -> float:
    """Return 1 for the same, 0 for names of which a part is another word."""
    parts, others = _parts(name), _parts(other)
    if "".join(parts) == "".join(others):
        return 1.0
    if len(parts) != len(others):
        return 0.0
    ratios = [SequenceMatcher(None, *pair).ratio() for pair in zip(parts, others, strict=True)]
    return sum(ratios) / len(ratios) if min(ratios) >= _PART else 0.0


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"[^a-z0-9]+", name.lower()) if part]
