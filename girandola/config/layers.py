"""One layer of configuration: what a file, the environment or the command line gives.

A layer is a table from dotted paths of today's tree to values, each with the name under which it
was written, and everything there is to say about it. Layers know nothing of each other; ``load.py``
lays them one over the other. ``tree.py``, ``classic.py`` and ``text.py`` fill them.
"""

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from girandola.config.problems import Problem, Unfit, one_line, unfit
from girandola.config.schema import Option

NAMESPACES = "channel.namespaces"
"""The only list of objects so far; its value in a layer is a list of drafts."""


class Given(Struct, frozen=True):
    """A value that some layer gives, and where: ``source`` and the ``name`` it has there.

    ``classic`` tells that the name is one of 2018.
    """

    value: Any
    source: str
    name: str
    classic: bool = False


Draft = dict[str, Given]
"""One namespace on its way: option name to what is given for it."""


class Layer:
    """What one source gives.

    ``carried`` are options that are known but not built yet, with their values as they are written;
    ``failed`` are the paths of values that were refused; ``other_keys`` tells whether names of
    authentication are there that the generation does not read.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.given: dict[str, Given] = {}
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.unknown: list[str] = []
        self.failed: set[str] = set()
        self.carried: dict[str, Given] = {}
        self.other_keys = False
        self._clashes: set[tuple[str, str]] = set()

    def give(self, path: str, value: Any, name: str, *, classic: bool = False) -> None:
        """Note a value; a second name for the same thing is a problem."""
        before = self.given.get(path)
        if before is None or before.name == name:
            self.given[path] = self.note(value, name, classic=classic)
        elif (before.name, name) not in self._clashes:
            self._clashes.add((before.name, name))
            self.refuse(path, name, f'sets the same as "{before.name}", expected only one of them')

    def note(self, value: Any, name: str, *, classic: bool = False) -> Given:
        """Return ``value`` with its origin."""
        return Given(value, self.source, name, classic)

    def fit(
        self,
        path: str,
        option: Option,
        name: str,
        value: Any,
        reader: Callable[[Option, Any], Any],
    ) -> Any:
        """Return what ``reader`` makes of ``value``; ``None`` where that is noted as a problem."""
        try:
            return reader(option, value)
        except Unfit as error:
            self.refuse(path, name, unfit(value, error.expected, option.secret))
            return None

    def refuse(self, path: str, name: str, detail: str) -> None:
        """Note a problem; ``path`` is left out of the checks across options."""
        self.failed.add(path)
        self.problems.append(Problem(self.source, name, detail))

    def warn(self, text: str) -> None:
        """Note a line for the log."""
        self.warnings.append(one_line(f"{self.source}: {text}"))

    def do_not_know(self, name: str, candidates: Iterable[str], prefix: str = "") -> None:
        """Note a name that means nothing, and which one may have been meant.

        ``prefix`` is what the name and all candidates begin with; it says nothing of likeness.
        """
        known = [candidate.removeprefix(prefix) for candidate in candidates]
        near = nearest(name.removeprefix(prefix), known)
        hint = f' (did you mean "{prefix}{near}"?)' if near else ""
        self.ignore(f'unknown option "{name}", it has no effect{hint}')

    def ignore(self, text: str) -> None:
        """Note a line for the log about a name that is not read."""
        self.warn(text)
        self.unknown.append(self.warnings[-1])


def nearest(name: str, candidates: Iterable[str]) -> str:
    """Return the candidate that is most like ``name``, or ends in it, or ``""``."""
    known = list(candidates)
    close = difflib.get_close_matches(name[:100], known, n=3, cutoff=0.7)
    # One more word is another option, not a slip: presence_stats is not presence.
    slips = [path for path in close if not _is_longer(path, name) and not _is_longer(name, path)]
    if slips:
        return slips[0]
    last = [path for path in known if path.rpartition(".")[2] == name]
    return min(last, key=len) if last else ""


def _is_longer(name: str, other: str) -> bool:
    """Tell whether ``name`` is the other one and further words."""
    return name.lower().startswith((f"{other.lower()}_", f"{other.lower()}."))
