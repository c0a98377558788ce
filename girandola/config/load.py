"""Defaults, file, environment and flags into one ``Config``, or all that is wrong with them.

``load`` is a function of its arguments and the file: a reload calls it again and compares. Knows
the order of layers and what a configuration of 2018 implies; the layers know how to be read.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from girandola.config.dotenv_file import PREFIXES, with_dotenv
from girandola.config.file import read_file
from girandola.config.layers import NAMESPACES, Draft, Given, Layer
from girandola.config.names import IMPLIED, IMPLIED_CHANNEL, SPLIT_PORTS, TOP
from girandola.config.problems import ConfigError, Problem, unfit
from girandola.config.schema import OPTIONS, Config
from girandola.config.text import override_namespaces, read_environment, read_flags
from girandola.config.tree import read_tree
from girandola.config.validate import Finding, findings
from girandola.options import Namespace

__all__ = ["ConfigError", "Loaded", "Sources", "load", "reload_differences"]

ENV_PREFIXES = PREFIXES
"""Later ones win."""

_PORT = "http_server.port"
_INTERNAL_PORT = "http_server.internal_port"
_TOKEN_KEYS = ("hmac_secret_key", "rsa_public_key", "ecdsa_public_key", "eddsa_public_key")
_TOKEN_PATHS = tuple(f"client.token.{key}" for key in (*_TOKEN_KEYS, "jwks_public_endpoint"))


class Loaded(Struct, frozen=True, kw_only=True):
    """A configuration that can be used, and what is to be said about it.

    ``warnings`` are whole lines for the log; those that ``unknown`` repeats are about names that
    mean nothing, and ``casts`` are about values that are not of the type of their option but mean
    only one thing. ``classic`` tells whether it is a configuration of 2018. ``given`` are the paths
    of today that something other than the defaults gave. ``found`` tells whether there is a file
    at ``path``. ``dotenv`` is the path of the ``.env`` that was read, if any.
    """

    config: Config
    warnings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    casts: tuple[str, ...] = ()
    classic: bool = False
    given: frozenset[str] = frozenset()
    path: str = ""
    found: bool = True
    dotenv: str = ""


class Sources(Struct, frozen=True, kw_only=True):
    """Where a configuration comes from, to be read as often as needed."""

    path: str = "config.json"
    flags: dict[str, str] = field(default_factory=dict)

    def load(self) -> Loaded:
        """Return what file, environment (with ``.env``) and flags say now; see ``load``."""
        environment = with_dotenv(os.environ)
        loaded = load(self.path, environment.variables, self.flags)
        return replace(loaded, dotenv=environment.dotenv)


def load(
    path: str = "config.json",
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> Loaded:
    """Return the configuration; flags win over environment, file and defaults.

    ``flags`` has names without dashes, of today or of 2018, with their values as text. Without
    ``environ`` no environment is read, and values keep the ``${…}`` that they have. A missing file
    is only a warning.

    Raises:
        ConfigError: with every problem found.
    """
    variables, environ = environ, environ or {}
    file = read_file(path)
    layers = [
        read_tree(file, variables),
        *(read_environment(environ, prefix) for prefix in ENV_PREFIXES),
        read_flags(flags or {}, variables),
    ]
    given = {name: value for layer in layers for name, value in layer.given.items()}
    drafts: list[Draft] = given[NAMESPACES].value if NAMESPACES in given else []
    for layer, prefix in zip(layers[1:], ENV_PREFIXES, strict=False):
        drafts = override_namespaces(layer, environ, prefix, drafts)

    notes = Layer(path)
    if file.tree is None:
        notes.warnings.append(
            f"{path}: config file not found, going on with environment and command line"
        )
    classic = _is_classic(layers)
    if classic:
        _imply(given, layers, notes)
    _share_secret(given)
    _join_ports(given, notes)
    _tidy_history(given, TOP, notes)
    for draft in drafts:
        _tidy_history(draft, "", notes)

    config = _built(Config, "", {name: g.value for name, g in given.items()}, drafts)
    _say_what_is_open(config, given, notes)
    layers.append(notes)
    problems = [problem for layer in layers for problem in layer.problems]
    failed = {name for layer in layers for name in layer.failed}
    hidden = {name for layer in layers for name in layer.hidden}
    problems += _cross_checked(config, failed, hidden, given, drafts)
    if problems:
        raise ConfigError(problems)
    return Loaded(
        config=config,
        warnings=tuple(line for layer in layers for line in layer.warnings),
        unknown=tuple(line for layer in layers for line in layer.unknown),
        casts=tuple(line for layer in layers for line in layer.casts),
        classic=classic,
        given=frozenset(given),
        path=path,
        found=file.tree is not None,
    )


# ── 2018 ─────────────────────────────────────────────────────────────────────────────────────


def _is_classic(layers: Sequence[Layer]) -> bool:
    """Tell whether names of 2018 make this a configuration of 2018.

    The file decides where it has names of either generation. A flag like ``--insecure_api`` alone
    may not open, by what 2018 implies, a server that a file of today configures.
    """
    file = layers[0]
    if file.marked_classic or file.marked_modern:
        return file.marked_classic
    return any(layer.marked_classic for layer in layers)


def _imply(given: dict[str, Given], layers: Sequence[Layer], notes: Layer) -> None:
    """Fill in what holds in 2018 without being said; never over something given."""

    def default(path: str, value: Any) -> None:
        given.setdefault(path, notes.note(value, path, classic=True))

    for path, value in IMPLIED.items():
        default(path, value)
    top = {path: g for path, g in given.items() if path.startswith(TOP)}
    if not top or any(g.classic for g in top.values()):
        for name, value in IMPLIED_CHANNEL.items():
            default(TOP + name, value)
    ping = given.get("client.ping_interval")
    if ping is not None and ping.classic and 0 < ping.value <= 8:
        # 2018 knows no pong timeout; today's default must stay below so short an interval.
        default("client.pong_timeout", ping.value / 3)
    if any(layer.marked_between for layer in layers):
        return
    default("client.allowed_origins", ("*",))
    insecure = "client.insecure" in given and given["client.insecure"].value
    if not insecure and not _authenticates(given):
        default("classic.allow_empty_secret", True)


def _authenticates(given: Mapping[str, Given]) -> bool:
    """Tell whether any key is there to verify connections with."""
    return any(path in given and given[path].value for path in ("classic.secret", *_TOKEN_PATHS))


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


def _share_secret(given: dict[str, Given]) -> None:
    """Let the 2018 secret verify the JSON Web Tokens of today's clients where no key is given.

    That a token of one kind is not taken for the other is the verifiers' care.
    """
    secret = given.get("classic.secret")
    if secret is None or not secret.classic or not secret.value:
        return
    if not any(path in given and given[path].value for path in _TOKEN_PATHS):
        given["client.token.hmac_secret_key"] = secret


def _join_ports(given: dict[str, Given], notes: Layer) -> None:
    """Make one internal port of the two that 2018 could have beside the main one."""
    split = {name: given.pop(name) for name in SPLIT_PORTS if name in given}
    main = given[_PORT].value if _PORT in given else value_at(Config(), _PORT)
    apart = {name: g for name, g in split.items() if g.value and int(g.value) != main}
    if not apart:
        return
    first, *_, last = (*apart.values(), *apart.values())
    today = given.get(_INTERNAL_PORT)
    if today is not None:
        detail = f'sets the same as "{today.name}", expected only one of them'
        notes.problems.append(Problem(first.source, first.name, detail))
    elif int(first.value) != int(last.value):
        expected = (
            f'the same port as "{first.name}" ({first.value}) or the main one: girandola has one '
            "internal listener, with the API and the admin pages"
        )
        notes.problems.append(Problem(last.source, last.name, unfit(last.value, expected)))
    else:
        given[_INTERNAL_PORT] = first
    if "api_port" not in apart:
        # In 2018 the API stayed where the clients connect.
        given.setdefault("http_api.external", notes.note(True, "http_api.external", classic=True))


def _tidy_history(options: dict[str, Given], prefix: str, notes: Layer) -> None:
    """Switch off history, and recovery, that names of 2018 give only half of.

    In 2018 a size without a lifetime meant no history, not an error.
    """
    pair = [options.get(prefix + name) for name in ("history_size", "history_ttl")]
    parts = [part for part in pair if part is not None]
    if len([part for part in parts if part.value]) == 2 or not all(p.classic for p in parts):
        return
    for part in parts:
        if part.value:
            notes.warnings.append(
                f"{part.source}: {part.name} alone keeps no history, that takes both "
                "history_size and history_lifetime"
            )
    options.pop(prefix + "history_size", None)
    options.pop(prefix + "history_ttl", None)
    recover = options.get(prefix + "force_recovery")
    if recover is not None and recover.classic and recover.value:
        notes.warnings.append(f"{recover.source}: {recover.name} has no effect without history")
        del options[prefix + "force_recovery"]


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


# ── reloading ────────────────────────────────────────────────────────────────────────────────

_FIXED = (
    "http_server.address",
    "http_server.port",
    "http_server.unix_",
    "http_server.http_prefix",
    "http_server.internal_address",
    "http_server.internal_port",
    "http_server.internal_unix_",
    "http_server.tls.enabled",
    "http_server.internal_tls.enabled",
    "http_server.tls_",
    "engine.",
    "websocket.disabled",
    "websocket.handler_prefix",
    "uni_grpc.",
    "http_api.disabled",
    "http_api.handler_prefix",
    "sse.enabled",
    "sse.handler_prefix",
    "http_stream.enabled",
    "http_stream.handler_prefix",
    "emulation.handler_prefix",
    "sockjs.",
    "classic.sockjs_handler_prefix",
    "uni_websocket.enabled",
    "uni_websocket.handler_prefix",
    "uni_sse.enabled",
    "uni_sse.handler_prefix",
    "uni_http_stream.enabled",
    "uni_http_stream.handler_prefix",
    "http_api.external",
    "admin.enabled",
    "admin.web",
    "node.name",
    "pid_file",
)


def reload_differences(old: Config, new: Config) -> list[str]:
    """Return the names of changed options that a running server cannot change."""
    return [
        path
        for path in OPTIONS
        if path.startswith(_FIXED) and value_at(old, path) != value_at(new, path)
    ]


def value_at(config: Config, path: str) -> Any:
    """Return the value of the option at a dotted path."""
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value
