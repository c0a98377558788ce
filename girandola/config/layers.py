"""One layer of configuration: what a file, the environment or the command line gives.

A layer is a table from dotted paths of today's tree to values, each with the name under which it
was written, and everything there is to say about it. Layers know nothing of each other; ``load.py``
lays them one over the other. ``tree.py``, ``classic.py`` and ``text.py`` fill them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from girandola.config.hints import nearest
from girandola.config.problems import Problem, Unfit, one_line, show, unfit
from girandola.config.schema import Option
from girandola.config.values import expectation
from girandola.config.variables import expanded

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
    """What one source gives. ``variables`` are those that values may name; ``None`` leaves them.

    ``carried`` are options that are known but not built yet, with their values as they are written;
    ``other_keys`` tells whether there are names of authentication that the generation does not
    read. ``failed`` are the paths of values that were refused, ``hidden`` those of values that came
    out of variables, ``casts`` lines about values that were not of the right type.
    """

    def __init__(self, source: str, variables: Mapping[str, str] | None = None) -> None:
        self.source = source
        self.variables = variables
        self.given: dict[str, Given] = {}
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.unknown: list[str] = []
        self.casts: list[str] = []
        self.failed: set[str] = set()
        self.hidden: set[str] = set()
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
        expected = ""
        try:
            meant = value if self.variables is None else expanded(value, self.variables)
            if meant is not value:
                self.hidden.add(path)
                expected = expectation(option)
                if option.secret and meant == "":
                    # An empty secret of 2018 lets everybody make tokens.
                    expected = "a secret; the variable that it names is empty"
                    raise Unfit(expected)
            found = reader(option, meant)
        except Unfit as error:
            self.refuse(path, name, unfit(value, expected or error.expected, option.secret))
            return None
        if option.otherwise and str(meant).lower() not in option.choices:
            shown = show(value, option.secret)
            self.warn(f"{name}: {shown} is not known, taken as {show(option.otherwise)}")
        return found

    def note_cast(self, name: str, text: str) -> None:
        """Note that a value was not of the type that its option takes."""
        self.casts.append(one_line(f"{self.source}: {name}: {text}"))

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
