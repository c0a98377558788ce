"""Which generation a configuration is of: said by the user, or told by names that only it has.

A guess never opens anything. Where names disagree, or nothing decides between an open and a closed
reading, the start is refused with the names, what each would mean, and what to write
(config-generations.md section 1.3). Knows names and where they stand; reads no options.
"""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from girandola.config.file import ConfigFile
from girandola.config.generations.flat import CHANNEL_OPTIONS, TODAY_OF, versions
from girandola.config.generations.marks import ALL, Mark, found_in, is_bare_number
from girandola.config.names import NEUTRAL
from girandola.config.problems import ConfigError, Problem, show
from girandola.config.text import variables
from girandola.config.values import parse_bool
from girandola.config.yes_no import as_older_servers

NEWEST = 6

_MEANING = {
    1: "v1 lets every user subscribe and publish where subscribed, any Origin in, and takes HMACs "
    "of 2018 as tokens",
    2: "v2 lets every user subscribe, publish needs no subscription, any Origin in",
    3: "v3 lets every user subscribe, and Origins in that are allowed",
    4: "v4 lets nobody subscribe who is not allowed",
    5: "v5 lets nobody subscribe who is not allowed",
    6: "v6 lets nobody subscribe who is not allowed, and has its options in objects",
}
_HOW = (
    'remove one, or say which generation holds: "generation": "{0}" in the file, '
    "--generation {0} or GIRANDOLA_GENERATION={0}"
)
_OPENED_BY_PUBLISH_PROXY = ("proxy_publish", "publish_proxy_name")


class Decision(Struct, frozen=True):
    """The generation of a configuration, and ``why``; ``stated`` by the user or told by names.

    ``candidates`` are all generations that know every name, and ``warnings`` say what else the
    names could have meant.
    """

    generation: int
    why: str
    candidates: frozenset[int]
    stated: bool = False
    warnings: tuple[str, ...] = ()


def decide(file: ConfigFile, environ: Mapping[str, str], flags: Mapping[str, str]) -> Decision:
    """Return the generation of what file, environment and flags say together.

    Raises:
        ConfigError: the names disagree, or nothing decides between open and closed.
    """
    marks = found_in(file, environ, flags)
    stated = _stated(file, environ, flags)
    if stated is not None:
        _refuse_false_hopes(stated.generation, marks)
        return stated
    by_name = ALL.intersection(*(mark.known_to for mark in marks))
    if not by_name:
        raise _mixture(marks)
    candidates = by_name.intersection(*(mark.fitting for mark in marks))
    if by_name == {NEWEST}:
        return Decision(NEWEST, _why(NEWEST, marks), by_name)
    if not candidates:
        raise _unfit_times(by_name, marks)
    return _chosen(candidates, marks)


# ── said by the user ─────────────────────────────────────────────────────────────────────────


def _stated(
    file: ConfigFile, environ: Mapping[str, str], flags: Mapping[str, str]
) -> Decision | None:
    said = [(file.path, str(k), v) for k, v in (file.tree or {}).items() if _is_statement(k)]
    for prefix in ("CENTRIFUGO_", "GIRANDOLA_"):
        said += [
            ("environment", variable, text)
            for variable, rest, text in variables(environ, prefix)
            if rest == "GENERATION"
        ]
    said += [("command line", "--generation", flags["generation"])] if "generation" in flags else []
    said = [(source, name, value) for source, name, value in said if value is not None]
    if not said:
        return None
    source, name, value = said[-1]
    match = re.fullmatch(r"v?([1-6])", str(value).lower())
    if match is None:
        detail = f"got {show(value)}, expected one of v1, v2, v3, v4, v5, v6"
        raise ConfigError([Problem(source, name, detail)])
    generation = int(match[1])
    return Decision(
        generation,
        f"{name} says so ({source})",
        frozenset({generation}),
        stated=True,
        warnings=tuple(
            f"{name} ({source}) says v{generation}, and {other} ({where}) says {show(text)}, which "
            "does not count"
            for where, other, text in said[:-1]
            if str(text).lower() not in (str(generation), f"v{generation}")
        ),
    )


def _is_statement(key: object) -> bool:
    return str(key).lower() == "generation"


def _refuse_false_hopes(generation: int, marks: Sequence[Mark]) -> None:
    """Refuse permissions that need the closed default of v4 where the default is open."""
    hopes = [mark for mark in marks if mark.name.startswith("allow_") and 4 in mark.known_to]
    if generation > 3 or not any(1 not in mark.known_to for mark in hopes):
        return
    names = [mark for mark in hopes if mark.name != "allowed_origins"]
    if names:
        detail = (
            f"is {versions(names[0].known_to)}, and v{generation}, which is stated, is open where "
            "nothing closes it; remove it, or state the generation that it is of"
        )
        raise ConfigError([Problem(names[0].source, names[0].shown, detail)])


# ── told by names ────────────────────────────────────────────────────────────────────────────


def _chosen(candidates: frozenset[int], marks: Sequence[Mark]) -> Decision:
    """Choose among generations that know every name: the closed one, if there is any."""
    newest = max(candidates)
    _refuse_opening_from_outside(newest, marks)
    if len(candidates) == 1:
        return Decision(newest, _why(newest, marks), candidates)
    if candidates == {1, 2}:
        return _first_or_second(marks)
    if newest < 4 and candidates != {2, 3}:
        raise _undecided(candidates, marks)
    warnings: tuple[str, ...] = ()
    if candidates == {2, 3}:
        warnings = (
            "read as v3: users may subscribe without a token, and no Origin may connect that "
            '"allowed_origins" does not name; if this was written for v2, say so: '
            '"generation": "v2"',
        )
    elif min(candidates) < 4 and newest >= 4:
        warnings = _closed(candidates, marks)
    return Decision(newest, _why(newest, marks, candidates), candidates, warnings=warnings)


def _refuse_opening_from_outside(generation: int, marks: Sequence[Mark]) -> None:
    """Refuse names outside of the file that make an open reading of what is closed without them.

    One stray variable must not open a server.
    """
    inside = [mark for mark in marks if mark.source not in ("environment", "command line")]
    telling = [mark for mark in inside if mark.name not in NEUTRAL]
    newest = max(ALL.intersection(*(mark.known_to & mark.fitting for mark in inside)), default=0)
    if generation > 3 or newest < 4 or not telling:
        return
    narrowing = next(mark for mark in marks if newest not in mark.known_to & mark.fitting)
    detail = (
        f"cannot tell the generation: without {_quoted(narrowing)} the file would be read as "
        f"v{newest}: {_MEANING[newest]}; with it as v{generation}: {_MEANING[generation]}. Please "
        f"{_HOW.format(f'v{generation}')}"
    )
    raise ConfigError([Problem("", "", detail)])


def _first_or_second(marks: Sequence[Mark]) -> Decision:
    """Choose between two generations of which only the first takes forged tokens without a key."""
    both = frozenset({1, 2})
    if any(mark.name == "secret" and mark.value not in ("", None) for mark in marks):
        warning = (
            'read as v1, of 2018: "secret" is the key of HMACs; if this was written for v2, say '
            'so: "generation": "v2"'
        )
        return Decision(1, _why(1, marks, both), both, warnings=(warning,))
    return Decision(2, _why(2, marks, both), both)


def _closed(candidates: frozenset[int], marks: Sequence[Mark]) -> tuple[str, ...]:
    """Warn that an older reading would be open; refuse where a newer one opens something."""
    if candidates & {2, 3}:
        for mark in marks:
            if _opens_when_newer(mark):
                raise _undecided(candidates, marks, mark)
    written = [mark for mark in marks if _is_about_channels(mark)]
    if not written:
        return ()
    others = versions(candidates - {max(candidates)})
    return (
        f"read as v{max(candidates)}: clients may not subscribe without a token; "
        f"{_quoted(written[0])} is also {others}: if this was written for v2 or v3, where they "
        'may, say so: "generation": "v3"',
    )


def _opens_when_newer(mark: Mark) -> bool:
    if mark.name == "client_insecure" or mark.name == "proxy_publish":
        value = as_older_servers(mark.value)
        return (
            value is True
            or (isinstance(value, str) and parse_bool(value) is True)
            or is_bare_number(value)
        )
    return mark.name == "publish_proxy_name" and bool(mark.value)


def _is_about_channels(mark: Mark) -> bool:
    if mark.name == "namespaces":
        return bool(mark.value)
    return mark.name in CHANNEL_OPTIONS and mark.name != "name"


def _why(generation: int, marks: Sequence[Mark], candidates: frozenset[int] = ALL) -> str:
    """Return a sentence about the names that told the generation."""
    if not marks:
        return "nothing says otherwise"
    if len(candidates) > 1 and candidates != ALL:
        return f"every name is known to {versions(candidates)}; v{generation} is the safe reading"
    if candidates == ALL and all(mark.known_to == ALL for mark in marks):
        return "every name is the same in all generations"
    telling = _telling(marks)
    return ", ".join(
        f"{_quoted(mark)} is {versions(mark.known_to & mark.fitting)}" for mark in telling
    )


def _telling(marks: Sequence[Mark]) -> list[Mark]:
    """Return few marks that narrow the choice as much as all of them do."""
    left, telling = ALL, []
    for mark in sorted(marks, key=lambda mark: len(mark.known_to & mark.fitting)):
        narrowed = left & mark.known_to & mark.fitting
        if narrowed != left:
            telling.append(mark)
            left = narrowed
    return telling


def _quoted(mark: Mark) -> str:
    return f'"{mark.shown}" ({mark.source})'


# ── refusals ─────────────────────────────────────────────────────────────────────────────────


def _mixture(marks: Sequence[Mark]) -> ConfigError:
    """Say which names belong to generations that have nothing in common."""
    telling = _disagreeing(marks)
    names = ", ".join(f"{_quoted(mark)} is {versions(mark.known_to)}" for mark in telling)
    cure = ""
    if any(mark.known_to == {NEWEST} for mark in telling):
        flat = [mark for mark in telling if mark.name in TODAY_OF]
        cure = "".join(f'; in v6 "{m.shown}" is "{TODAY_OF[m.name]}"' for m in flat[:1])
    ends = {end for mark in telling for end in (min(mark.known_to), max(mark.known_to))}
    meant = "; ".join(_MEANING[generation] for generation in sorted(ends))
    newest = max(max(mark.known_to) for mark in telling)
    how = _HOW.format(f"v{newest}")
    detail = f"cannot tell the generation: {names}{cure}. {meant}. Please {how}"
    return ConfigError([Problem("", "", detail)])


def _disagreeing(marks: Sequence[Mark]) -> list[Mark]:
    """Return the fewest marks, in a greedy way, that have no generation in common."""
    ordered = sorted(marks, key=lambda mark: len(mark.known_to))
    for first in ordered:
        for second in ordered:
            if not first.known_to & second.known_to:
                return [first, second]
    return _telling(ordered)


def _undecided(
    candidates: frozenset[int], marks: Sequence[Mark], mark: Mark | None = None
) -> ConfigError:
    """Say that all names are known to generations of which one is open and one is closed."""
    shown = _quoted(mark if mark is not None else _telling(marks)[-1])
    meant = "; ".join(_MEANING[generation] for generation in sorted(candidates))
    how = _HOW.format(f"v{max(candidates)}").removeprefix("remove one, or ")
    detail = (
        f"cannot tell the generation: {shown} and every other name is known to "
        f"{versions(candidates)}. {meant}. Please {how}"
    )
    return ConfigError([Problem("", "", detail)])


def _unfit_times(by_name: frozenset[int], marks: Sequence[Mark]) -> ConfigError:
    """Say that a time is written as the only generations that know all names cannot read it."""
    problems = [
        Problem(mark.source, mark.shown, time_problem(max(by_name), mark.value))
        for mark in marks
        if not by_name & mark.fitting
    ]
    if problems:
        return ConfigError(problems)
    shapes = [mark for mark in marks if mark.fitting != ALL]
    one, other = shapes[0], next(m for m in shapes if not m.fitting & shapes[0].fitting)
    detail = (
        f"{_quoted(one)} is written as in {versions(one.fitting)}, {_quoted(other)} as in "
        f"{versions(other.fitting)}; v1 and v2 have whole seconds, later ones durations such as "
        '"25s"'
    )
    return ConfigError([Problem("", "", detail)])


def time_problem(generation: int, value: object) -> str:
    """Return what is wrong with a time that the generation cannot read."""
    if generation < 3:
        return (
            f"{show(value)} has a unit, and v{generation} has whole seconds; without a number it "
            "took this for 0"
        )
    return f'{show(value)} has no unit; write "{value}s" (v1 and v2 have seconds)'
