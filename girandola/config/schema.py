"""The whole configuration as one typed value, and as a table of dotted option names.

``Config`` is the single source of defaults, ranges and descriptions: loading, validation,
``defaultconfig``, ``defaultenv`` and ``configdoc`` all read the tables below, which are made from
it. Knows nothing of files, environment or flags. Names: server.md, appendix C.
"""

from typing import Annotated, Any, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct

from girandola.options import (
    AutocertOptions,
    ChannelSection,
    ClassicOptions,
    ClientSection,
    Duration,
    EmulationOptions,
    HttpApiOptions,
    HttpStreamOptions,
    LegacyOptions,
    Namespace,
    RpcPingOptions,
    SockJsOptions,
    SseOptions,
    TlsOptions,
    UniGrpcOptions,
    UniHttpStreamOptions,
    UniSseOptions,
    UniWebSocketOptions,
    WebSocketOptions,
)

# ── sections that only the app reads ─────────────────────────────────────────────────────────


class HttpServerOptions(Struct, frozen=True, kw_only=True):
    """Where the server listens (``http_server.*``)."""

    address: Annotated[str, Meta(description="Address to listen on; empty: all.")] = ""
    port: Annotated[
        int, Meta(ge=0, le=65535, description="Port to listen on; 0: any that is free.")
    ] = 8000
    unix_socket: Annotated[
        str,
        Meta(description="Path of a unix socket, instead of address and port (girandola)."),
    ] = ""
    unix_socket_mode: Annotated[
        str,
        Meta(
            pattern="^0?[0-7]{3}$",
            description="Permissions of the unix sockets, in octal (girandola).",
        ),
    ] = "0660"
    http_prefix: Annotated[
        str,
        Meta(description="Goes before every path, such as /rt (girandola; 2018 option)."),
    ] = ""
    max_head_size: Annotated[
        int,
        Meta(
            ge=1024,
            le=1024 * 1024,
            description="Longest head of a request, in bytes; one line of it may have half "
            "(girandola).",
        ),
    ] = 64 * 1024
    max_unfinished_size: Annotated[
        int,
        Meta(
            ge=1024 * 1024,
            description="Bytes that all requests that are not whole yet may hold together, half of "
            "them for callers who show http_api.key; beyond that the answer is 503 (girandola).",
        ),
    ] = 256 * 1024 * 1024
    internal_address: Annotated[
        str,
        Meta(description="Address of the internal listener; empty: http_server.address."),
    ] = ""
    internal_port: Annotated[
        str,
        Meta(
            extra={"type": "port"},
            description="Port of the internal listener, where the API is then instead; "
            "empty: http_server.port; 0: any that is free.",
        ),
    ] = ""
    internal_unix_socket: Annotated[
        str,
        Meta(
            description="Path of a unix socket for the internal listener, instead of address and "
            "port (girandola)."
        ),
    ] = ""
    tls: Annotated[TlsOptions, Meta(description="Certificates from files or from here.")] = (
        TlsOptions()
    )
    tls_autocert: Annotated[
        AutocertOptions, Meta(description="Certificates by ACME, such as of Let's Encrypt.")
    ] = AutocertOptions()
    tls_external: Annotated[
        bool, Meta(description="No TLS on the internal listener, unless it has its own.")
    ] = False
    internal_tls: Annotated[
        TlsOptions, Meta(description="Other certificates for the internal listener.")
    ] = TlsOptions()


class LogOptions(Struct, frozen=True, kw_only=True):
    """What is logged, and where (``log.*``)."""

    level: Annotated[
        str,
        Meta(
            extra={
                "choices": (
                    *("none", "trace", "debug", "info", "warn", "warning"),
                    *("error", "fatal"),
                ),
                "otherwise": "info",
            },
            description="The least severe that is logged, in any case. What is not known means "
            "info, with a warning.",
        ),
    ] = "info"
    file: Annotated[
        str, Meta(description="Log to this file; empty: to the standard error output.")
    ] = ""


class MemoryEngineOptions(Struct, frozen=True, kw_only=True):
    """The engine of one process (``engine.memory.*``)."""

    max_streams: Annotated[
        int,
        Meta(
            ge=0,
            description="Most channels whose position is remembered, at 500 to 1000 bytes each; "
            "those that are empty, unused and old are forgotten first, and who was there cannot "
            "recover. 0: any number (girandola).",
        ),
    ] = 1_000_000


class EngineOptions(Struct, frozen=True, kw_only=True):
    """What keeps history and presence and carries publications (``engine.*``)."""

    type: Annotated[
        str,
        Meta(
            extra={"choices": ("memory",), "note": "other engines are not built yet"},
            description="memory: one process, nothing else needed.",
        ),
    ] = "memory"
    memory: Annotated[MemoryEngineOptions, Meta(description="The memory engine.")] = (
        MemoryEngineOptions()
    )


class RpcSection(Struct, frozen=True, kw_only=True):
    """Calls of clients (``rpc.*``)."""

    ping: Annotated[RpcPingOptions, Meta(description="Measuring round trips.")] = RpcPingOptions()


class AdminOptions(Struct, frozen=True, kw_only=True):
    """The admin pages (``admin.*``). Read and kept, but the pages are not built yet."""

    enabled: Annotated[bool, Meta(description="Offer the admin API and pages. Not built yet.")] = (
        False
    )
    web: Annotated[
        bool, Meta(description="Offer the pages (girandola; 2018 option). Not built yet.")
    ] = False
    password: Annotated[
        str, Meta(extra={"secret": True}, description="The password of the pages.")
    ] = ""
    secret: Annotated[
        str, Meta(extra={"secret": True}, description="The key that signs admin sessions.")
    ] = ""


class NodeOptions(Struct, frozen=True, kw_only=True):
    """This server among others (``node.*``)."""

    name: Annotated[str, Meta(description="Its name; empty: <host name>_<port>.")] = ""


class ShutdownOptions(Struct, frozen=True, kw_only=True):
    """How the server stops (``shutdown.*``)."""

    timeout: Annotated[
        Duration, Meta(ge=0, description="How long connections are given to close.")
    ] = 30.0


class Config(Struct, frozen=True, kw_only=True):
    """Everything that can be configured. Made by ``load``, read-only."""

    http_server: Annotated[
        HttpServerOptions,
        Meta(
            description="Where the server listens. Sockets that systemd opened (ListenStream=) are "
            "served instead of the addresses here: those named internal (FileDescriptorName=) as "
            "the internal listener, all others for clients. SIGHUP reads certificates again."
        ),
    ] = HttpServerOptions()
    log: Annotated[LogOptions, Meta(description="What is logged, and where.")] = LogOptions()
    engine: Annotated[
        EngineOptions,
        Meta(description="What keeps history and presence and carries publications."),
    ] = EngineOptions()
    client: Annotated[
        ClientSection, Meta(description="Client connections: limits, times, authentication.")
    ] = ClientSection()
    channel: Annotated[
        ChannelSection, Meta(description="Channel names, and what channels can do.")
    ] = ChannelSection()
    rpc: Annotated[RpcSection, Meta(description="Calls of clients.")] = RpcSection()
    http_api: Annotated[HttpApiOptions, Meta(description="The server HTTP API.")] = HttpApiOptions()
    websocket: Annotated[WebSocketOptions, Meta(description="The WebSocket endpoint.")] = (
        WebSocketOptions()
    )
    sse: Annotated[SseOptions, Meta(description="Server-sent events in both directions.")] = (
        SseOptions()
    )
    http_stream: Annotated[
        HttpStreamOptions, Meta(description="HTTP streaming in both directions.")
    ] = HttpStreamOptions()
    emulation: Annotated[
        EmulationOptions,
        Meta(
            description="Where clients of SSE and HTTP streaming send commands. Offered with "
            "either of them."
        ),
    ] = EmulationOptions()
    sockjs: Annotated[
        SockJsOptions,
        Meta(
            description="SockJS. A configuration of 2018 always offers it. Clients of 2018 look "
            "for it at classic.sockjs_handler_prefix, where it is, too."
        ),
    ] = SockJsOptions()
    uni_websocket: Annotated[
        UniWebSocketOptions, Meta(description="WebSocket in one direction.")
    ] = UniWebSocketOptions()
    uni_sse: Annotated[UniSseOptions, Meta(description="Server-sent events in one direction.")] = (
        UniSseOptions()
    )
    uni_http_stream: Annotated[
        UniHttpStreamOptions, Meta(description="HTTP streaming in one direction.")
    ] = UniHttpStreamOptions()
    uni_grpc: Annotated[
        UniGrpcOptions, Meta(description="The one-way gRPC stream, on a port of its own.")
    ] = UniGrpcOptions()
    classic: Annotated[
        ClassicOptions,
        Meta(description="The protocol and API of 2018. A section that only girandola has."),
    ] = ClassicOptions()
    legacy: Annotated[
        LegacyOptions,
        Meta(
            description="Rules of the servers between 2018 and today. A section that only "
            "girandola has; a configuration of theirs sets it by itself."
        ),
    ] = LegacyOptions()
    admin: Annotated[AdminOptions, Meta(description="The admin pages. Not built yet.")] = (
        AdminOptions()
    )
    node: Annotated[NodeOptions, Meta(description="This server among others.")] = NodeOptions()
    shutdown: Annotated[ShutdownOptions, Meta(description="How the server stops.")] = (
        ShutdownOptions()
    )
    pid_file: Annotated[
        str, Meta(description="File to write the process id into; removed at the end.")
    ] = ""


# ── the same as a table ──────────────────────────────────────────────────────────────────────


class Option(Struct, frozen=True, kw_only=True):
    """One option: what it is called, what it may be, what it is for.

    ``kind`` is bool, int, duration, port, string, strings, namespaces or objects (of ``type``).
    Ranges are in the unit of the value (seconds for durations). Where ``otherwise`` is set, choices
    may be written in any case, and what is none of them means ``otherwise``.
    """

    path: str
    kind: str
    default: Any
    description: str
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    pattern: str = ""
    choices: tuple[str, ...] = ()
    note: str = ""
    otherwise: str = ""
    regex: bool = False
    secret: bool = False
    type: Any = None


class Section(Struct, frozen=True, kw_only=True):
    """One node of the tree: its dotted path and its sentence."""

    path: str
    description: str


def walk(struct: type[Struct], prefix: str = "") -> list[Option | Section]:
    """Return the options and sections of ``struct`` in the order in which they are written."""
    found: list[Option | Section] = []
    for name, hint in get_type_hints(struct, include_extras=True).items():
        path = f"{prefix}{name}"
        type_, metas = _unwrapped(hint)
        description = next((m.description for m in reversed(metas) if m.description), "")
        if isinstance(type_, type) and issubclass(type_, Struct):
            found.append(Section(path=path, description=description))
            found.extend(walk(type_, path + "."))
        else:
            default = getattr(struct(), name)
            found.append(_option(path, type_, metas, default, description))
    return found


def _unwrapped(hint: Any) -> tuple[Any, list[Meta]]:
    """Split ``Annotated[type, Meta, …]``."""
    if get_origin(hint) is Annotated:
        type_, *metas = get_args(hint)
        return type_, [meta for meta in metas if isinstance(meta, Meta)]
    return hint, []


def _option(path: str, type_: Any, metas: list[Meta], default: Any, description: str) -> Option:
    extra: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for meta in metas:
        extra |= meta.extra or {}
        given = {"ge": meta.ge, "gt": meta.gt, "le": meta.le, "pattern": meta.pattern}
        limits |= {name: value for name, value in given.items() if value is not None}
    return Option(
        path=path,
        kind=extra["type"] if extra.get("type") in ("duration", "port") else _kind(path, type_),
        default=default,
        description=description,
        choices=extra.get("choices", ()),
        note=extra.get("note", ""),
        otherwise=extra.get("otherwise", ""),
        regex=extra.get("type") == "regex",
        secret=extra.get("secret", False),
        type=type_ if _is_list_of_objects(type_) else None,
        **limits,
    )


def _kind(path: str, type_: Any) -> str:
    kinds: dict[Any, str] = {
        bool: "bool",
        int: "int",
        str: "string",
        tuple[str, ...]: "strings",
        tuple[Namespace, ...]: "namespaces",
    }
    if type_ not in kinds and _is_list_of_objects(type_):
        return "objects"
    if type_ not in kinds:
        raise TypeError(f"no way to read option {path} of type {type_}")
    return kinds[type_]


def _is_list_of_objects(type_: Any) -> bool:
    """Tell whether it is ``tuple[struct, ...]``."""
    item = get_args(type_)[0] if get_origin(type_) is tuple else None
    return isinstance(item, type) and issubclass(item, Struct)


TREE = tuple(walk(Config))
"""Options and sections in writing order, for documentation."""

OPTIONS = {entry.path: entry for entry in TREE if isinstance(entry, Option)}
"""Every option by its dotted path."""

NAMESPACE_OPTIONS = {entry.path: entry for entry in walk(Namespace) if isinstance(entry, Option)}
"""Every option of one item of ``channel.namespaces``, by name."""

SECTIONS = frozenset(entry.path for entry in TREE if isinstance(entry, Section))
