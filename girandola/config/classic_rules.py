"""What a configuration of 2018 implies, and where it is no copy of today's options.

Works on what the layers gave together. Knows nothing of how it was read (classic.md section 2).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from girandola.config.layers import Draft, Given, Layer
from girandola.config.names import IMPLIED, IMPLIED_CHANNEL, SPLIT_PORTS, TOP
from girandola.config.problems import Problem, unfit
from girandola.config.schema import OPTIONS

_PORT = "http_server.port"
_INTERNAL_PORT = "http_server.internal_port"
_TOKEN_KEYS = ("hmac_secret_key", "rsa_public_key", "ecdsa_public_key", "eddsa_public_key")
_TOKEN_PATHS = tuple(f"client.token.{key}" for key in (*_TOKEN_KEYS, "jwks_public_endpoint"))


def complete_classic(
    given: dict[str, Given], drafts: Sequence[Draft], other_keys: bool, notes: Layer
) -> None:
    """Fill in what held in 2018 without being said, and settle what its names leave open.

    ``other_keys`` tells whether there are names of authentication that are not read: then what 2018
    left open (origins, an empty secret) stays closed.
    """
    _imply(given, other_keys, notes)
    _share_secret(given)
    settle_classic(given, drafts, notes)
    _remember_longest(given, drafts, notes)


def settle_classic(given: dict[str, Given], drafts: Sequence[Draft], notes: Layer) -> None:
    """Settle what single names of 2018 leave open, whatever the generation."""
    _join_ports(given, notes)
    _tidy_history(given, TOP, notes)
    for draft in drafts:
        _tidy_history(draft, "", notes)


def _imply(given: dict[str, Given], other_keys: bool, notes: Layer) -> None:
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
    if other_keys:
        return
    default("client.allowed_origins", ("*",))
    insecure = "client.insecure" in given and given["client.insecure"].value
    if not insecure and not _authenticates(given):
        default("classic.allow_empty_secret", True)


def _authenticates(given: Mapping[str, Given]) -> bool:
    """Tell whether any key is there to verify connections with."""
    return any(path in given and given[path].value for path in ("classic.secret", *_TOKEN_PATHS))


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
    main = given[_PORT].value if _PORT in given else OPTIONS[_PORT].default
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


def _remember_longest(given: dict[str, Given], drafts: Sequence[Draft], notes: Layer) -> None:
    """Make the time that positions are remembered as long as the longest history.

    In 2018 they had no time of their own.
    """
    path = "channel.history_meta_ttl"
    places = [(given, TOP), *((draft, "") for draft in drafts)]
    ttls = [options[f"{at}history_ttl"] for options, at in places if f"{at}history_ttl" in options]
    longest = max((ttl.value for ttl in ttls if ttl.classic), default=0.0)
    if path not in given and longest > OPTIONS[path].default:
        given[path] = notes.note(longest, path, classic=True)
