"""The environments in which projects of client and server libraries start their server for tests.

Names and values are those of their docker-compose files and of what their CI runs; which server
they are for stands beside them. What a server makes of them is said in the words of today.
"""

from dataclasses import dataclass, field

RECOVERY = {"recoverable": True, "positioned": True}
POSITIONS = {"recoverable": False, "positioned": True}
NEITHER = {"recoverable": False, "positioned": False}


@dataclass(frozen=True)
class Environment:
    """Variables (``NAME=value`` a line) and flags, and what they mean.

    ``token_key`` is what tokens of clients are signed with; without it clients come without one.
    ``channels`` says of one channel of each kind what a subscriber is told.
    """

    variables: str = ""
    flags: tuple[str, ...] = ()
    token_key: str = ""
    api_key: str | None = None
    channels: dict[str, dict[str, bool]] = field(default_factory=lambda: {"test": NEITHER})
    doors: tuple[str, ...] = ("centrifuge-js-5.8",)
    presence: bool = False
    deltas: bool = False

    def environ(self) -> dict[str, str]:
        pairs = (
            line.strip().partition("=") for line in self.variables.splitlines() if line.strip()
        )
        return {f"CENTRIFUGO_{name}": value for name, _, value in pairs}


STREAM = """
    CHANNEL_WITHOUT_NAMESPACE_HISTORY_SIZE=100
    CHANNEL_WITHOUT_NAMESPACE_HISTORY_TTL=300s
    CHANNEL_WITHOUT_NAMESPACE_FORCE_RECOVERY=true
"""
DELTAS = """
    CHANNEL_WITHOUT_NAMESPACE_ALLOWED_DELTA_TYPES=fossil
    CHANNEL_WITHOUT_NAMESPACE_DELTA_PUBLISH=true
"""
SMALL_HISTORY = """
    CHANNEL_NAMESPACES_SMALLHISTORY_FORCE_RECOVERY=true
    CHANNEL_NAMESPACES_SMALLHISTORY_HISTORY_SIZE=2
    CHANNEL_NAMESPACES_SMALLHISTORY_HISTORY_TTL=300s
"""

# ── for v6 ───────────────────────────────────────────────────────────────────────────────────

JS_AND_CSHARP = Environment(
    """
    CLIENT_INSECURE=true
    HTTP_STREAM_ENABLED=true
    SSE_ENABLED=true
    CHANNEL_WITHOUT_NAMESPACE_PRESENCE=true
    CLIENT_CONCURRENCY=8
    LOG_LEVEL=trace
    CLIENT_TOKEN_HMAC_SECRET_KEY=secret
    """,
    doors=("centrifuge-js-5.8", "centrifuge-js-5.8-http-stream", "centrifuge-js-5.8-sse"),
    presence=True,
)
JAVA = Environment(
    """
    CLIENT_INSECURE=true
    HTTP_STREAM_ENABLED=true
    CHANNEL_WITHOUT_NAMESPACE_PRESENCE=true
    CHANNEL_WITHOUT_NAMESPACE_FORCE_POSITIONING=true
    CHANNEL_WITHOUT_NAMESPACE_HISTORY_SIZE=10
    CHANNEL_WITHOUT_NAMESPACE_HISTORY_TTL=60s
    CHANNEL_WITHOUT_NAMESPACE_JOIN_LEAVE=true
    CHANNEL_WITHOUT_NAMESPACE_FORCE_PUSH_JOIN_LEAVE=true
    CLIENT_CONCURRENCY=8
    LOG_LEVEL=trace
    CLIENT_TOKEN_HMAC_SECRET_KEY=secret
    HTTP_API_INSECURE=true
    """
    + DELTAS,
    api_key="",
    channels={"test": POSITIONS},
    doors=("centrifuge-js-5.8-protobuf", "centrifuge-js-5.8-http-stream-protobuf"),
    presence=True,
    deltas=True,
)
GO = Environment(
    DELTAS + STREAM,
    ("--client.insecure",),
    channels={"test": RECOVERY},
    doors=("centrifuge-js-5.8", "centrifuge-js-5.8-protobuf"),
    deltas=True,
)
GO_WITH_NAMESPACES = Environment(
    DELTAS + STREAM + "CHANNEL_NAMESPACES=smallhistory" + SMALL_HISTORY,
    ("--client.insecure",),
    channels={"test": RECOVERY, "smallhistory:test": RECOVERY},
    deltas=True,
)
SWIFT = Environment(
    "CLIENT_INSECURE=true\nLOG_LEVEL=debug\nCHANNEL_NAMESPACES=smallhistory"
    + STREAM
    + SMALL_HISTORY,
    channels={"test": RECOVERY, "smallhistory:test": RECOVERY},
)
DART = Environment(
    """
    CLIENT_INSECURE=true
    CLIENT_CONCURRENCY=8
    CLIENT_TOKEN_HMAC_SECRET_KEY=secret
    LOG_LEVEL=trace
    HTTP_API_KEY=test-api-key
    CHANNEL_WITHOUT_NAMESPACE_PRESENCE=true
    CHANNEL_NAMESPACES=delta recovery smallhistory
    CHANNEL_NAMESPACES_DELTA_ALLOWED_DELTA_TYPES=fossil
    CHANNEL_NAMESPACES_DELTA_DELTA_PUBLISH=true
    CHANNEL_NAMESPACES_DELTA_FORCE_RECOVERY=true
    CHANNEL_NAMESPACES_DELTA_HISTORY_SIZE=100
    CHANNEL_NAMESPACES_DELTA_HISTORY_TTL=300s
    CHANNEL_NAMESPACES_RECOVERY_FORCE_RECOVERY=true
    CHANNEL_NAMESPACES_RECOVERY_HISTORY_SIZE=100
    CHANNEL_NAMESPACES_RECOVERY_HISTORY_TTL=300s
    CHANNEL_NAMESPACES_RECOVERY_ALLOW_SUBSCRIBE_FOR_CLIENT=true
    CHANNEL_NAMESPACES_RECOVERY_ALLOW_PUBLISH_FOR_SUBSCRIBER=true
    """
    + DELTAS
    + STREAM
    + SMALL_HISTORY,
    api_key="test-api-key",
    channels=dict.fromkeys(["test", "delta:a", "recovery:a", "smallhistory:a"], RECOVERY),
    presence=True,
    deltas=True,
)
PYTHON = Environment(
    """
    CLIENT_TOKEN_HMAC_SECRET_KEY=secret
    LOG_LEVEL=trace
    CHANNEL_WITHOUT_NAMESPACE_PRESENCE=true
    CHANNEL_WITHOUT_NAMESPACE_JOIN_LEAVE=true
    CHANNEL_WITHOUT_NAMESPACE_FORCE_PUSH_JOIN_LEAVE=true
    CHANNEL_WITHOUT_NAMESPACE_ALLOW_PUBLISH_FOR_SUBSCRIBER=true
    CHANNEL_WITHOUT_NAMESPACE_ALLOW_PRESENCE_FOR_SUBSCRIBER=true
    CHANNEL_WITHOUT_NAMESPACE_ALLOW_HISTORY_FOR_SUBSCRIBER=true
    CLIENT_SUBSCRIBE_TO_USER_PERSONAL_CHANNEL_ENABLED=true
    """
    + DELTAS
    + STREAM,
    token_key="secret",
    channels={"$test": RECOVERY},
    doors=("centrifuge-python-0.7", "centrifuge-python-0.7-protobuf"),
    presence=True,
    deltas=True,
)
PYTHON_WITH_NAMESPACES = Environment(
    PYTHON.variables
    + """
    CHANNEL_NAMESPACES=smallhistory example
    CHANNEL_NAMESPACES_EXAMPLE_PRESENCE=true
    CHANNEL_NAMESPACES_EXAMPLE_HISTORY_SIZE=300
    CHANNEL_NAMESPACES_EXAMPLE_HISTORY_TTL=300s
    CHANNEL_NAMESPACES_EXAMPLE_ALLOW_PUBLISH_FOR_SUBSCRIBER=true
    CHANNEL_NAMESPACES_EXAMPLE_ALLOW_PRESENCE_FOR_SUBSCRIBER=true
    CHANNEL_NAMESPACES_EXAMPLE_ALLOW_HISTORY_FOR_SUBSCRIBER=true
    CHANNEL_NAMESPACES_SMALLHISTORY_ALLOW_PUBLISH_FOR_SUBSCRIBER=true
    CHANNEL_NAMESPACES_SMALLHISTORY_ALLOW_HISTORY_FOR_SUBSCRIBER=true
    """
    + SMALL_HISTORY,
    token_key="secret",
    channels={"$test": RECOVERY, "$smallhistory:test": RECOVERY, "$example:test": NEITHER},
    presence=True,
    deltas=True,
)
PYCENT = Environment(
    """
    HTTP_API_KEY=api_key
    CHANNEL_WITHOUT_NAMESPACE_HISTORY_TTL=300s
    CHANNEL_WITHOUT_NAMESPACE_HISTORY_SIZE=100
    CHANNEL_WITHOUT_NAMESPACE_PRESENCE=true
    GRPC_API_ENABLED=true
    """,
    api_key="api_key",
    channels={},
    doors=(),
)

# ── for v3 to v5 ─────────────────────────────────────────────────────────────────────────────

# Four generations know this flag, and differ in what is open: so it has to be said which one holds.
GO_BEFORE_V6 = Environment("", ("--client_insecure", "--generation", "v5"))
PHPCENT = Environment("", ("--api_insecure",), api_key="", channels={}, doors=())
SPINIFY = Environment(
    """
    ADMIN=true
    TOKEN_HMAC_SECRET_KEY=80e88856
    ADMIN_PASSWORD=6cec4cc2
    ADMIN_SECRET=70957aac
    API_KEY=8aba9113
    ALLOWED_ORIGINS=*
    HEALTH=true
    HISTORY_SIZE=10
    HISTORY_TTL=300s
    FORCE_RECOVERY=true
    ALLOW_PUBLISH_FOR_CLIENT=true
    ALLOW_SUBSCRIBE_FOR_CLIENT=true
    ALLOW_SUBSCRIBE_FOR_ANONYMOUS=true
    ALLOW_PUBLISH_FOR_SUBSCRIBER=true
    ALLOW_PUBLISH_FOR_ANONYMOUS=true
    ALLOW_USER_LIMITED_CHANNELS=true
    LOG_LEVEL=debug
    """,
    ("--client_insecure", "--admin"),
    api_key="8aba9113",
    channels={"test": RECOVERY},
)

ENVIRONMENTS: dict[str, Environment] = {
    name.lower(): value for name, value in list(globals().items()) if isinstance(value, Environment)
}
