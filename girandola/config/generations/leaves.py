"""Options of today that a configuration of an older generation comes to, on their way.

What is built goes into ``given``, typed; what is known, but not built yet, into ``carried``, as a
file of today would say it. Knows nothing of flat names.
"""

from typing import Any

from girandola.config.duration import format_duration
from girandola.config.layers import NAMESPACES, Draft, Given, Layer
from girandola.config.problems import Problem, Unfit, unfit
from girandola.config.schema import NAMESPACE_OPTIONS, OPTIONS, Option
from girandola.config.unbuilt import UNBUILT, UNBUILT_CHANNEL, is_default, warning
from girandola.config.values import check, parse_bool, read, read_text

_ZERO_IS_DEFAULT = frozenset({"client.channel_limit"})
"""Options of which 0 meant the default in v2 to v5, and means something else today."""


class Leaves:
    """Paths of today with their values and origins. What there is to say goes to ``notes``."""

    def __init__(self, notes: Layer) -> None:
        self.given: dict[str, Given] = {}
        self.carried: dict[str, Given] = {}
        self.drafts: list[Draft] = []
        self.notes = notes

    def put(self, path: str, value: Any, origin: Given) -> None:
        """Set an option; an empty text does not replace what is there."""
        if value in ("", ()) and (path in self.given or path in self.carried):
            return
        option = OPTIONS.get(path)
        if option is None:
            self._carry(path, path, value, origin)
            return
        if path in _ZERO_IS_DEFAULT and value == 0:
            self._tell_of_default(origin)
            return
        found = self.fit(option, path, value, origin)
        if found is not None:
            self.given[path] = found

    def default(self, path: str, value: Any) -> None:
        """Set an option that is not set yet, because its generation implies it."""
        if path in OPTIONS:
            self.given.setdefault(path, self.notes.note(value, path))
        else:
            self.carried.setdefault(path, self.notes.note(as_written(value), path))

    def put_in_namespace(self, index: int, name: str, value: Any, origin: Given) -> None:
        """Set an option of one namespace, whose draft is there."""
        path = f"{NAMESPACES}[{index}].{name}"
        option = NAMESPACE_OPTIONS.get(name)
        if option is None:
            self._carry(path, name, value, origin, UNBUILT_CHANNEL)
            return
        found = self.fit(option, path, value, origin)
        if found is not None:
            self.drafts[index][name] = found

    def fit(self, option: Option, path: str, value: Any, origin: Given) -> Given | None:
        """Return a typed value for a built option; ``None`` where there is none to set.

        0 meant the default to the older servers wherever it can mean nothing today.
        """
        try:
            return Given(_typed(option, value), origin.source, origin.name)
        except Unfit as error:
            if value == 0 and not isinstance(value, bool):
                self._tell_of_default(origin)
                return None
            self.notes.failed.add(path)
            detail = unfit(value, error.expected, option.secret)
            self.notes.problems.append(Problem(origin.source, origin.name, detail))
            return None

    def refuse(self, origin: Given, detail: str) -> None:
        """Note a problem of what the older servers refused, too, or what cannot be said today."""
        self.notes.problems.append(Problem(origin.source, origin.name, detail))

    def warn(self, origin: Given, text: str) -> None:
        """Note a line for the log."""
        self.notes.warnings.append(f"{origin.source}: {origin.name} {text}")

    def _tell_of_default(self, origin: Given) -> None:
        self.warn(origin, "is 0, which means the default, as it did")

    def _carry(
        self,
        path: str,
        name: str,
        value: Any,
        origin: Given,
        defaults: dict[str, Any] = UNBUILT,
    ) -> None:
        value = as_written(value)
        if isinstance(defaults.get(name), bool) and isinstance(value, str):
            value = parse_bool(value) is True
        self.carried[path] = Given(value, origin.source, origin.name)
        if not is_default(defaults.get(name), value):
            self.notes.warnings.append(f"{origin.source}: {warning(origin.name)}")


def _typed(option: Option, value: Any) -> Any:
    if option.kind in ("bool", "int", "port", "objects") and isinstance(value, str):
        return read_text(option, value)
    if option.kind == "bool" and not isinstance(value, bool):
        raise Unfit("true or false")
    if option.kind == "objects":
        return read(option, value)
    return check(option, value)


def as_written(value: Any) -> Any:
    """Return a value as a file of today would say it."""
    if isinstance(value, float):
        return format_duration(value)
    return list(value) if isinstance(value, tuple) else value
