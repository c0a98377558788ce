"""Defaults, file, environment and flags into one ``Config``, or all that is wrong with them.

``load`` is a function of its arguments and the file: a reload calls it again and compares. Knows
the order in which things happen: the generation is decided first, then the layers are read by its
table, then what it implies is filled in. How each is done is for others.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from girandola.config.classic_rules import complete_classic, settle_classic
from girandola.config.closing import close_unasked
from girandola.config.dotenv_file import DOTENV, PREFIXES, Environment, with_dotenv
from girandola.config.file import ConfigFile, read_file
from girandola.config.generations.detection import NEWEST, Decision, decide
from girandola.config.generations.flat import FLAT_GENERATIONS
from girandola.config.generations.marks import OWN_SECTIONS, is_own_variable
from girandola.config.generations.meaning import translate
from girandola.config.generations.reading import read_flat
from girandola.config.layers import NAMESPACES, Draft, Given, Layer
from girandola.config.names import NEUTRAL
from girandola.config.problems import ConfigError, Problem, unfit
from girandola.config.reload import reload_differences, value_at
from girandola.config.schema import OPTIONS, Config
from girandola.config.text import override_namespaces, read_environment, read_flags
from girandola.config.tree import read_own_sections, read_tree
from girandola.config.validate import Finding, findings
from girandola.options import Namespace

__all__ = [
    "ConfigError",
    "Loaded",
    "Read",
    "Sources",
    "completed",
    "load",
    "read",
    "read_with",
    "reload_differences",
    "surroundings",
    "value_at",
]

ENV_PREFIXES = PREFIXES
"""Later ones win."""
_STATEMENTS = tuple(f"{prefix}GENERATION" for prefix in ENV_PREFIXES)


class Loaded(Struct, frozen=True, kw_only=True):
    """A configuration that can be used, and what is to be said about it.

    ``warnings`` are whole lines for the log; those that ``unknown`` repeats are about names that
    mean nothing, and ``casts`` are about values that are not of the type of their option but mean
    only one thing. ``generation`` is the one that it was read as, 1 to 6; ``why`` says what told
    it. ``given`` are the paths of today that something other than the defaults gave. ``found``
    tells whether there is a file at ``path``. ``dotenv`` is the path of the ``.env`` that was read,
    if any.
    """

    config: Config
    warnings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    casts: tuple[str, ...] = ()
    generation: int = 6
    why: str = ""
    given: frozenset[str] = frozenset()
    path: str = ""
    found: bool = True
    dotenv: str = ""

    @property
    def classic(self) -> bool:
        """Whether it is a configuration of 2018."""
        return self.generation == 1


class Sources(Struct, frozen=True, kw_only=True):
    """Where a configuration comes from, to be read as often as needed."""

    path: str = "config.json"
    flags: dict[str, str] = field(default_factory=dict)

    def load(self) -> Loaded:
        """Return what file, environment (with ``.env``) and flags say now; see ``load``."""
        environment = surroundings(self.path, self.flags)
        loaded = load(self.path, environment.variables, self.flags)
        warnings = (*environment.warnings, *loaded.warnings)
        return replace(loaded, dotenv=environment.dotenv, warnings=warnings)


def surroundings(path: str, flags: Mapping[str, str]) -> Environment:
    """Return the environment, and what ``.env`` adds to it where v6 is read.

    Servers before v6 did not read that file, and v6 knows no names of theirs: for such a
    configuration it says nothing but the generation (config-generations.md section 2.0).

    Raises:
        ConfigError: ``.env`` or the file cannot be read, or the generation cannot be told.
    """
    found = with_dotenv(os.environ)
    if not found.dotenv:
        return found
    file = read_file(path)
    without = {
        name: text
        for name, text in found.variables.items()
        if name in os.environ or name in _STATEMENTS
    }
    if all(decide(file, v, flags).generation == NEWEST for v in (without, found.variables)):
        return found
    if without.keys() == found.variables.keys():
        return found
    warning = f"{DOTENV}: has no effect, since only v6 reads it; set the variables themselves"
    return Environment(without, warnings=(warning,))


class Read(Struct, kw_only=True):
    """Options of today that a configuration comes to, before they become a ``Config``.

    ``given`` are those that are built, with typed values; ``carried`` those that are known, but not
    built yet, as a file of today would say them, those of a namespace under
    ``channel.namespaces[<index>].``; ``drafts`` are the built options of namespaces.
    """

    decision: Decision
    file: ConfigFile
    given: dict[str, Given]
    carried: dict[str, Given]
    drafts: list[Draft]
    notes: Layer
    layers: list[Layer]

    @property
    def problems(self) -> list[Problem]:
        """Everything that is wrong, in the order of the layers."""
        return [problem for layer in self.layers for problem in layer.problems]


def load(
    path: str = "config.json",
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> Loaded:
    """Return the configuration; flags win over environment, file and defaults.

    ``flags`` has names without dashes, of any generation, with their values as text. Without
    ``environ`` no environment is read, and values keep the ``${…}`` that they have. A missing file
    is only a warning.

    Raises:
        ConfigError: with every problem found, or because the generation cannot be told.
    """
    return completed(read(path, environ, flags))


def completed(found: Read) -> Loaded:
    """Return what was read as a configuration; it may not be used for anything afterwards.

    Raises:
        ConfigError: with every problem found.
    """
    close_unasked(found.given, found.drafts, found.carried, found.notes)
    values = {name: given.value for name, given in found.given.items()}
    config = _built(Config, "", values, found.drafts)
    _say_what_is_open(config, found.given, found.notes)
    failed = {name for layer in found.layers for name in layer.failed}
    hidden = {name for layer in found.layers for name in layer.hidden}
    problems = [
        *found.problems,
        *_unbuilt_engine(found.carried),
        *_cross_checked(config, failed, hidden, found.given, found.drafts),
    ]
    if problems:
        raise ConfigError(problems)
    return Loaded(
        config=config,
        warnings=tuple(dict.fromkeys(line for layer in found.layers for line in layer.warnings)),
        unknown=tuple(line for layer in found.layers for line in layer.unknown),
        casts=tuple(line for layer in found.layers for line in layer.casts),
        generation=found.decision.generation,
        why=found.decision.why,
        given=frozenset(found.given),
        path=found.file.path,
        found=found.file.tree is not None,
    )


# ── reading ──────────────────────────────────────────────────────────────────────────────────


def read(
    path: str = "config.json",
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> Read:
    """Return what all sources come to in options of today; problems are noted.

    Raises:
        ConfigError: the file cannot be read, or the generation cannot be told.
    """
    return read_with(read_file(path), environ, flags)


def read_with(
    file: ConfigFile,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> Read:
    """Do as ``read``, with a file that is there already."""
    variables, environ, flags = environ, environ or {}, flags or {}
    decision = decide(file, environ, flags)
    notes = Layer(file.path)
    if file.tree is None:
        notes.warnings.append(
            f"{file.path}: config file not found, going on with environment and command line"
        )
    notes.warnings += [f"{file.path}: {line}" for line in decision.warnings]
    if decision.generation in FLAT_GENERATIONS:
        return _read_flat(file, environ, flags, decision, notes)
    return _read_nested(file, variables, flags, decision, notes)


def _read_nested(
    file: ConfigFile,
    variables: Mapping[str, str] | None,
    flags: Mapping[str, str],
    decision: Decision,
    notes: Layer,
) -> Read:
    """Read a configuration of today, or of 2018, which may have options of today, too."""
    generation, environ = decision.generation, variables or {}
    others = {flag: text for flag, text in flags.items() if flag != "generation"}
    layers = [
        read_tree(file, generation, variables),
        *(read_environment(environ, prefix, generation) for prefix in ENV_PREFIXES),
        read_flags(others, generation, variables),
    ]
    given = {name: value for layer in layers for name, value in layer.given.items()}
    drafts: list[Draft] = given[NAMESPACES].value if NAMESPACES in given else []
    for layer, prefix in zip(layers[1:], ENV_PREFIXES, strict=False):
        drafts = override_namespaces(layer, environ, prefix, drafts)
    if generation == 1:
        other_keys = any(layer.other_keys for layer in layers)
        complete_classic(given, drafts, other_keys, notes)
    else:
        settle_classic(given, drafts, notes)
    carried = {name: value for layer in layers for name, value in layer.carried.items()}
    return Read(
        decision=decision,
        file=file,
        given=given,
        carried=carried,
        drafts=drafts,
        notes=notes,
        layers=[*layers, notes],
    )


def _read_flat(
    file: ConfigFile,
    environ: Mapping[str, str],
    flags: Mapping[str, str],
    decision: Decision,
    notes: Layer,
) -> Read:
    """Read a configuration of v2 to v5 by the table of its generation."""
    layers = {
        "file": Layer(file.path),
        "environment": Layer("environment"),
        "flags": Layer("command line"),
    }
    flat = read_flat(decision.generation, file, environ, flags, layers)
    flat.maybe_of_4 = 4 in decision.candidates
    leaves = translate(flat, notes)
    beside = _beside_flat(file, environ, flags, decision.generation)
    given, carried = leaves.given, leaves.carried
    for layer in beside:
        given, carried = given | layer.given, carried | layer.carried
    return Read(
        decision=decision,
        file=file,
        given=given,
        carried=carried,
        drafts=leaves.drafts,
        notes=notes,
        layers=[*layers.values(), *beside, notes],
    )


def _beside_flat(
    file: ConfigFile, environ: Mapping[str, str], flags: Mapping[str, str], generation: int
) -> list[Layer]:
    """Read what goes with flat names: girandola's own sections, and flags such as ``-p``."""
    own = {
        prefix: {
            variable: text
            for variable, text in environ.items()
            if is_own_variable(variable.removeprefix(prefix))
        }
        for prefix in ENV_PREFIXES
    }
    neutral = {flag: text for flag, text in flags.items() if _is_todays_neutral(flag)}
    return [
        read_own_sections(file, OWN_SECTIONS),
        *(read_environment(own[prefix], prefix, generation) for prefix in ENV_PREFIXES),
        read_flags(neutral, generation),
    ]


def _is_todays_neutral(flag: str) -> bool:
    """Tell whether it is a flag of today, such as ``-p``, that goes with every generation."""
    return flag in NEUTRAL.values() and flag not in NEUTRAL


# ── saying ───────────────────────────────────────────────────────────────────────────────────


def _say_what_is_open(config: Config, given: dict[str, Given], notes: Layer) -> None:
    """Warn of what leaves the server open, and of what it does not offer yet."""
    if config.classic.allow_empty_secret and not config.classic.secret:
        notes.warnings.append(
            "SECURITY: the 2018 secret is empty: anybody can make tokens and signs that this "
            "server accepts; set secret (classic.secret)"
        )
    if config.classic.allow_ambiguous_signatures and config.classic.secret:
        notes.warnings.append(
            "SECURITY: classic.allow_ambiguous_signatures is on: a 2018 token or sign can be shown "
            "as one of another user or for another channel (docs/credentials-of-2018.md)"
        )
    for path, value in (
        ("client.insecure", config.client.insecure),
        ("http_api.insecure", config.http_api.insecure),
        (
            "client.insecure_skip_token_signature_verify",
            config.client.insecure_skip_token_signature_verify,
        ),
    ):
        if value:
            at = given[path]
            notes.warnings.append(f"SECURITY: {at.source}: {at.name} is on, for development only")
    if config.admin.enabled or config.admin.web:
        notes.warnings.append("the admin and web pages come later: admin and web have no effect")


def _unbuilt_engine(carried: Mapping[str, Given]) -> list[Problem]:
    """Return the problem of an engine that an older generation has and girandola has not, yet."""
    engine = carried.get("engine.type")
    if engine is None:
        return []
    expected = '"memory" (other engines are not built yet)'
    return [Problem(engine.source, engine.name, unfit(engine.value, expected))]


# ── building ─────────────────────────────────────────────────────────────────────────────────

_S = TypeVar("_S", bound=Struct)


def _built(struct: type[_S], prefix: str, values: Mapping[str, Any], drafts: Sequence[Draft]) -> _S:
    """Make the struct at ``prefix`` of the tree."""
    default = struct()
    fields: dict[str, Any] = {}
    for name in struct.__struct_fields__:
        path = prefix + name
        below = getattr(default, name)
        if isinstance(below, Struct):
            fields[name] = _built(type(below), path + ".", values, drafts)
        elif path == NAMESPACES:
            fields[name] = tuple(
                Namespace(**{option: g.value for option, g in draft.items()}) for draft in drafts
            )
        elif path in values:
            fields[name] = values[path]
    return struct(**fields)


def _cross_checked(
    config: Config,
    failed: set[str],
    hidden: set[str],
    given: Mapping[str, Given],
    drafts: Sequence[Draft],
) -> list[Problem]:
    """Return the problems between options, where the options as such were good.

    The values at ``hidden`` paths are not shown.
    """
    origins = dict(given)
    for index, draft in enumerate(drafts):
        origins |= {f"{NAMESPACES}[{index}].{name}": g for name, g in draft.items()}
    return [
        _problem(finding, hidden, origins, given)
        for finding in findings(config)
        if not any(path in failed or path.partition("[")[0] in failed for path in finding.paths)
    ]


def _problem(
    finding: Finding, hidden: set[str], origins: Mapping[str, Given], given: Mapping[str, Given]
) -> Problem:
    """Say where the first of the paths that somebody gave was written."""
    path = next((path for path in finding.paths if path in origins), finding.paths[0])
    origin = origins.get(path) or given.get(path.partition("[")[0])
    source, name = (origin.source, origin.name) if origin else ("default", path)
    if origin is not None and path not in origins:
        name = path  # a namespace that does not say it; its list says where it stands
    secret = path in hidden or (path in OPTIONS and OPTIONS[path].secret)
    return Problem(source, name, unfit(finding.shown(path), finding.expected, secret))
