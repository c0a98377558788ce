"""The flags of the server, of every generation, and how a command line is read.

A flag has the name of the option that it sets, of today (server.md section 2), of 2018 (classic.md
section 1.2) or of a generation between (``generations/flat.py``). What it means is for ``config``;
here stand names and help only.
"""

from collections.abc import Sequence

from msgspec import Struct

from girandola.config.generations.flat import FLAGS as FLAGS_BETWEEN
from girandola.config.generations.flat import TOP_OPTIONS
from girandola.config.names import CLASSIC
from girandola.config.schema import OPTIONS
from girandola.config.unbuilt import UNBUILT

TODAY = "Flags"
OF_2018 = "Flags of 2018"
BETWEEN = "Flags of Centrifugo 2 to 5, named as the options that they set"
UNBUILT_GROUP = "Flags that are known, but not built yet"


class Flag(Struct, frozen=True, kw_only=True):
    """One flag, without its dashes."""

    name: str
    short: str = ""
    boolean: bool = False
    group: str = TODAY
    help: str = ""


_TODAY = (
    ("http_server.address", "a"),
    ("http_server.port", "p"),
    ("http_server.internal_address", ""),
    ("http_server.internal_port", ""),
    ("pid_file", ""),
    ("engine.type", ""),
    ("log.level", ""),
    ("log.file", ""),
    ("client.insecure", ""),
    ("http_api.insecure", ""),
    ("http_api.external", ""),
    ("uni_grpc.enabled", ""),
    ("uni_grpc.port", ""),
    ("admin.enabled", ""),
    ("sse.enabled", ""),
    ("http_stream.enabled", ""),
    ("uni_websocket.enabled", ""),
    ("uni_sse.enabled", ""),
    ("uni_http_stream.enabled", ""),
)

_OF_2018 = (
    ("address", ""),
    ("port", ""),
    ("api_port", ""),
    ("admin_port", ""),
    ("ssl", ""),
    ("ssl_cert", ""),
    ("ssl_key", ""),
    ("engine", "e"),
    ("name", "n"),
    ("admin", ""),
    ("web", "w"),
    ("insecure", ""),
    ("insecure_api", ""),
    ("log_level", ""),
    ("log_file", ""),
)

_UNBUILT_TODAY = (
    "broker.enabled",
    "broker.type",
    "presence_manager.enabled",
    "presence_manager.type",
    "map_broker.type",
    "debug.enabled",
    "admin.external",
    "admin.insecure",
    "prometheus.enabled",
    "swagger.enabled",
    "health.enabled",
    "init.enabled",
    "grpc_api.enabled",
    "grpc_api.port",
)

_UNBUILT_2018 = (
    ("debug", "d"),
    ("web_path", ""),
    ("insecure_admin", ""),
    ("redis_host", ""),
    ("redis_port", ""),
    ("redis_password", ""),
    ("redis_db", ""),
    ("redis_url", ""),
    ("redis_api", ""),
    ("redis_api_num_shards", ""),
    ("redis_pool", ""),
    ("redis_master_name", ""),
    ("redis_sentinels", ""),
)


_TAKEN = {name for name, _ in (*_TODAY, *_OF_2018, *_UNBUILT_2018)}
"""Names that a flag of today or of 2018 has already; generations share many."""


def _of_today(name: str, short: str) -> Flag:
    option = OPTIONS[name]
    boolean = option.kind == "bool"
    return Flag(name=name, short=short, boolean=boolean, help=option.description)


def _of_2018(name: str, short: str, group: str = OF_2018) -> Flag:
    entry = CLASSIC[name]
    help_ = f"Sets {', '.join(entry.targets)}." if entry.targets else ""
    boolean = entry.kind == "bool"
    return Flag(name=name, short=short, boolean=boolean, group=group, help=help_)


FLAGS = (
    Flag(name="config", short="c", help="Configuration file (default: config.json)."),
    Flag(
        name="generation",
        help="Whose configuration it is: v1 (2018) to v6 (default: told by its names).",
    ),
    *(_of_today(name, short) for name, short in _TODAY),
    *(_of_2018(name, short) for name, short in _OF_2018),
    *(
        Flag(name=name, boolean=isinstance(UNBUILT[name], bool), group=UNBUILT_GROUP)
        for name in _UNBUILT_TODAY
    ),
    *(_of_2018(name, short, UNBUILT_GROUP) for name, short in _UNBUILT_2018),
    *(
        Flag(name=name, boolean=TOP_OPTIONS[name].kind == "bool", group=BETWEEN)
        for name in FLAGS_BETWEEN
        if name not in _TAKEN
    ),
)
"""Every flag of the server."""


def spelled_out(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the spellings of Go's flags made plain, up to a sub-command.

    ``--web`` becomes ``--web=true`` (a word behind it is never its value), ``-w`` likewise, and
    ``-p=8000`` becomes ``--http_server.port=8000``.
    """
    by_short = {f"-{flag.short}": flag for flag in FLAGS if flag.short}
    by_name = {f"--{flag.name}": flag for flag in FLAGS}
    plain: list[str] = []
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "--":
        argument = rest.pop(0)
        name, equals, value = argument.partition("=")
        flag = by_name.get(name) or by_short.get(name)
        if flag is None:
            plain.append(argument)
        elif equals or flag.boolean:
            plain.append(f"--{flag.name}={value if equals else 'true'}")
        else:
            plain += [f"--{flag.name}", *rest[:1]]
            rest = rest[1:]
    return plain + rest
