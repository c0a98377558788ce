"""The settings that the core and the policy read, as typed values, each with its sentence.

These classes are sections of the configuration tree (``config/schema.py`` composes them), so a
default, a range or a description stands here once. They know nothing of files, environment or
flags. Durations are seconds. Names: server.md, appendix C; options that only girandola has say
so.
"""

from typing import Annotated

from msgspec import Meta, Struct

Duration = Annotated[float, Meta(extra={"type": "duration"})]
"""Seconds; written as ``"25s"``, ``"1m30s"``, ``"720h"`` or ``"500ms"`` in configuration."""

Count = Annotated[int, Meta(ge=0)]

DEFAULT_CHANNEL_LIMIT = 128

EndpointPath = Annotated[str, Meta(description="Path of the endpoint.")]


class ChannelOptions(Struct, frozen=True, kw_only=True):
    """What the channels of one namespace can do."""

    presence: Annotated[bool, Meta(description="Keep who is subscribed.")] = False
    join_leave: Annotated[bool, Meta(description="Make join and leave messages.")] = False
    force_push_join_leave: Annotated[
        bool,
        Meta(description="Send join and leave to every subscriber, not only to those who ask."),
    ] = False
    history_size: Annotated[
        int, Meta(ge=0, description="How many publications a channel's stream keeps; 0 for none.")
    ] = 0
    history_ttl: Annotated[
        Duration,
        Meta(ge=0, description="How long publications are kept after the newest one."),
    ] = 0.0
    history_meta_ttl: Annotated[
        Duration,
        Meta(
            ge=0,
            description="How long a stream's position outlives its publications; "
            "0 takes channel.history_meta_ttl.",
        ),
    ] = 0.0
    history_drop_inactive: Annotated[
        bool,
        Meta(
            description="Store publications only for channels that have, or had within "
            "history_ttl, a subscriber (girandola; 2018 option)."
        ),
    ] = False
    force_positioning: Annotated[
        bool, Meta(description="Watch every subscriber's stream position.")
    ] = False
    allow_positioning: Annotated[
        bool, Meta(description="Watch the stream position of subscribers who ask for it.")
    ] = False
    force_recovery: Annotated[
        bool, Meta(description="Let every subscriber recover what it missed. Needs history.")
    ] = False
    allow_recovery: Annotated[
        bool, Meta(description="Let subscribers who ask for it recover. Needs history.")
    ] = False
    force_recovery_mode: Annotated[
        str,
        Meta(
            extra={"choices": ("", "stream", "cache")},
            description="stream recovers all that was missed, cache the latest publication only.",
        ),
    ] = ""
    auto_cache_recover: Annotated[
        bool,
        Meta(
            description="Send the latest publication on every subscribe. "
            "Needs force_recovery with force_recovery_mode cache."
        ),
    ] = False
    allowed_delta_types: Annotated[
        tuple[str, ...],
        Meta(
            extra={"choices": ("fossil",)},
            description="How differences between publications may be sent to subscribers who ask "
            'for it: "fossil", or not at all.',
        ),
    ] = ()
    delta_publish: Annotated[
        bool,
        Meta(
            description="Send differences wherever a subscriber takes them, not only for "
            "publications with the delta flag of the API. Needs history."
        ),
    ] = False
    allow_tags_filter: Annotated[
        bool, Meta(description="Subscribers may filter publications by their tags.")
    ] = False
    allow_subscribe_for_client: Annotated[
        bool, Meta(description="Any user may subscribe, without a subscription token.")
    ] = False
    allow_subscribe_for_anonymous: Annotated[
        bool, Meta(description="Extends allow_subscribe_for_client to users without an id.")
    ] = False
    allow_publish_for_client: Annotated[bool, Meta(description="Any connection may publish.")] = (
        False
    )
    allow_publish_for_subscriber: Annotated[bool, Meta(description="Subscribers may publish.")] = (
        False
    )
    allow_publish_for_anonymous: Annotated[
        bool, Meta(description="Extends the publish permissions to users without an id.")
    ] = False
    allow_presence_for_client: Annotated[
        bool, Meta(description="Any connection may ask for presence.")
    ] = False
    allow_presence_for_subscriber: Annotated[
        bool, Meta(description="Subscribers may ask for presence.")
    ] = False
    allow_presence_for_anonymous: Annotated[
        bool, Meta(description="Extends the presence permissions to users without an id.")
    ] = False
    allow_history_for_client: Annotated[
        bool, Meta(description="Any connection may read history.")
    ] = False
    allow_history_for_subscriber: Annotated[
        bool, Meta(description="Subscribers may read history.")
    ] = False
    allow_history_for_anonymous: Annotated[
        bool, Meta(description="Extends the history permissions to users without an id.")
    ] = False
    allow_user_limited_channels: Annotated[
        bool, Meta(description="Give # in channel names its meaning: a list of allowed user ids.")
    ] = False
    channel_regex: Annotated[
        str,
        Meta(
            extra={"type": "regex"},
            description="What clients' channel names must contain, after the namespace; "
            "^ and $ stand for its ends.",
        ),
    ] = ""
    publication_data_format: Annotated[
        str,
        Meta(
            extra={"choices": ("", "json", "json_object", "binary")},
            description="What publications must be; empty refuses empty data only. What is no JSON "
            "reads null to clients that speak JSON.",
        ),
    ] = ""
    watch: Annotated[
        bool,
        Meta(description="Copy publications to watching admins (girandola; 2018 option)."),
    ] = False
    server_side_only: Annotated[
        bool,
        Meta(
            description="Clients may not subscribe by any means, a token included; only the "
            "server subscribes them (girandola; server_side of v2)."
        ),
    ] = False
    subscription_type: Annotated[
        str,
        Meta(
            extra={"choices": ("", "stream", "map", "map_clients", "map_users", "shared_poll")},
            description="What subscriptions are; empty: stream. The others are not built yet: "
            "clients are refused there.",
        ),
    ] = ""

    @property
    def keeps_history(self) -> bool:
        """Whether channels have a stream at all: both size and time are needed."""
        return self.history_size > 0 and self.history_ttl > 0


class Namespace(ChannelOptions, frozen=True, kw_only=True):
    """The options of channels named ``<name>:…``."""

    name: Annotated[
        str,
        Meta(
            pattern="^[-a-zA-Z0-9_.]{2,}$",
            description="Two or more letters, digits, dots, hyphens or underscores.",
        ),
    ] = ""


class ChannelSection(Struct, frozen=True, kw_only=True):
    """How channel names are read, and the options they resolve to (``channel.*``)."""

    without_namespace: Annotated[
        ChannelOptions, Meta(description="Options of channels outside any namespace.")
    ] = ChannelOptions()
    namespaces: Annotated[
        tuple[Namespace, ...], Meta(description="Namespaces, each with a name of its own.")
    ] = ()
    history_meta_ttl: Annotated[
        Duration,
        Meta(ge=0, description="How long a stream's position outlives its publications."),
    ] = 720 * 3600.0
    publication_data_format: Annotated[
        str,
        Meta(
            extra={"choices": ("", "json", "json_object", "binary")},
            description="For namespaces that do not say it themselves.",
        ),
    ] = ""
    max_length: Annotated[
        int, Meta(ge=1, description="Longest channel name a client may use, in bytes.")
    ] = 255
    private_prefix: Annotated[
        str,
        Meta(
            description="Channels that start with it need a subscription token; empty switches "
            "it off."
        ),
    ] = "$"
    namespace_boundary: Annotated[
        str, Meta(description="Ends the namespace in a name; empty switches namespaces off.")
    ] = ":"
    user_boundary: Annotated[
        str, Meta(description="Begins the list of allowed users; empty switches it off.")
    ] = "#"
    user_separator: Annotated[str, Meta(description="Separates the allowed users.")] = ","
    client_boundary: Annotated[
        str,
        Meta(
            description="Begins the id of the only client allowed; empty switches it off "
            "(girandola; 2018 option, & there)."
        ),
    ] = ""


class PersonalChannel(Struct, frozen=True, kw_only=True):
    """``client.subscribe_to_user_personal_channel``."""

    enabled: Annotated[
        bool, Meta(description="Subscribe every user to the channel #<user id>.")
    ] = False
    personal_channel_namespace: Annotated[
        str, Meta(description="The namespace of the personal channels.")
    ] = ""
    single_connection: Annotated[
        bool,
        Meta(description="A new connection ends the user's other ones. Needs presence."),
    ] = False


class DisconnectOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a connection ends."""

    code: Annotated[int, Meta(ge=3000, le=4999)]
    reason: Annotated[str, Meta(max_length=123)] = ""


class CodeToDisconnect(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the error ``code`` becomes."""

    code: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    to: DisconnectOptions


class ConnectCodeToDisconnect(Struct, frozen=True, kw_only=True):
    """``client.connect_code_to_unidirectional_disconnect``."""

    enabled: Annotated[bool, Meta(description="Use the transforms.")] = False
    transforms: Annotated[
        tuple[CodeToDisconnect, ...],
        Meta(
            description='Such as {"code": 101, "to": {"code": 4501, "reason": "log in"}}; the '
            "first with the code of the error counts."
        ),
    ] = ()


class ClientOptions(Struct, frozen=True, kw_only=True):
    """What holds for every client connection (the part of ``client.*`` that the core reads)."""

    ping_interval: Annotated[
        Duration, Meta(ge=-1, description="How often clients are pinged; 0 or -1s: never.")
    ] = 25.0
    pong_timeout: Annotated[
        Duration, Meta(ge=-1, description="How long a pong may take; 0 or -1s: not asked for.")
    ] = 8.0
    stale_close_delay: Annotated[
        Duration, Meta(ge=0, description="How long a connection may stay unauthenticated.")
    ] = 10.0
    expired_close_delay: Annotated[
        Duration, Meta(ge=0, description="Grace to refresh a connection after it expired.")
    ] = 25.0
    expired_sub_close_delay: Annotated[
        Duration, Meta(ge=0, description="Grace to refresh a subscription after it expired.")
    ] = 25.0
    channel_limit: Annotated[
        int, Meta(ge=0, description="Most subscriptions of one connection; 0 means the default.")
    ] = DEFAULT_CHANNEL_LIMIT
    queue_max_size: Annotated[
        int,
        Meta(
            ge=1,
            description="Bytes queued for a slow client before it is closed. What would make an "
            "answer larger is not recovered; larger publications are refused.",
        ),
    ] = 1048576
    presence_update_interval: Annotated[
        Duration, Meta(gt=0, description="How often connections re-assert their presence.")
    ] = 27.0
    concurrency: Annotated[
        int, Meta(ge=0, description="Commands of one connection handled at a time; 0 and 1: one.")
    ] = 0
    channel_position_check_delay: Annotated[
        Duration, Meta(gt=0, description="How often a quiet subscription's position is checked.")
    ] = 40.0
    user_connection_limit: Annotated[
        int, Meta(ge=0, description="Most connections of one user on this node; 0: no limit.")
    ] = 0
    connect_include_server_time: Annotated[
        bool, Meta(description="Tell the server's time in the connect reply.")
    ] = False
    history_max_publication_limit: Annotated[
        int,
        Meta(ge=0, description="Most publications a client gets in one history call; 0: no limit."),
    ] = 300
    recovery_max_publication_limit: Annotated[
        int, Meta(ge=0, description="Most publications that are recovered; 0: no limit.")
    ] = 300
    connect_code_to_unidirectional_disconnect: Annotated[
        ConnectCodeToDisconnect,
        Meta(description="How a one-way connection ends when its connect is refused."),
    ] = ConnectCodeToDisconnect()

    @property
    def subscription_limit(self) -> int:
        """Most subscriptions of one connection."""
        return self.channel_limit or DEFAULT_CHANNEL_LIMIT


class TokenOptions(Struct, frozen=True, kw_only=True):
    """How JSON Web Tokens are verified (``client.token.*``)."""

    hmac_secret_key: Annotated[
        str, Meta(extra={"secret": True}, description="Key of HS256, HS384 and HS512 tokens.")
    ] = ""
    hmac_previous_secret_key: Annotated[
        str, Meta(extra={"secret": True}, description="The key before, while keys are changed.")
    ] = ""
    hmac_previous_secret_key_valid_until: Annotated[
        int, Meta(ge=0, description="Unix seconds until which the key before is good; 0: always.")
    ] = 0
    rsa_public_key: Annotated[
        str, Meta(description="PEM public key, or certificate, of RS256, RS384 and RS512 tokens.")
    ] = ""
    ecdsa_public_key: Annotated[
        str, Meta(description="PEM public key, or certificate, of ES256, ES384 and ES512 tokens.")
    ] = ""
    eddsa_public_key: Annotated[
        str, Meta(description="PEM public key, or certificate, of EdDSA tokens (girandola).")
    ] = ""
    jwks_public_endpoint: Annotated[
        str,
        Meta(
            description="URL of a JWK set. Its keys are used instead of all others. May hold "
            "{{name}} for named groups of issuer_regex and audience_regex."
        ),
    ] = ""
    audience: Annotated[str, Meta(description="What aud must name.")] = ""
    audience_regex: Annotated[
        str, Meta(extra={"type": "regex"}, description="What aud must match.")
    ] = ""
    issuer: Annotated[str, Meta(description="What iss must be.")] = ""
    issuer_regex: Annotated[
        str, Meta(extra={"type": "regex"}, description="What iss must match.")
    ] = ""
    user_id_claim: Annotated[
        str,
        Meta(pattern="^[a-zA-Z_]*$", description="The claim that holds the user id; empty: sub."),
    ] = ""
    insecure_skip_jwks_endpoint_safety_check: Annotated[
        bool,
        Meta(description="Let {{name}} in the JWK set's URL take any text the regex matches."),
    ] = False


class SubscriptionTokenOptions(TokenOptions, frozen=True, kw_only=True):
    """How subscription tokens are verified (``client.subscription_token.*``)."""

    enabled: Annotated[
        bool, Meta(description="Verify subscription tokens by this section, not client.token.")
    ] = False


class ClientSection(ClientOptions, frozen=True, kw_only=True):
    """The whole of ``client.*``: what the core reads, and what policy and doors read."""

    allowed_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Patterns with * that a browser's Origin must match; none: no browser "
            "may connect."
        ),
    ] = ()
    token: Annotated[TokenOptions, Meta(description="Connection tokens.")] = TokenOptions()
    subscription_token: Annotated[
        SubscriptionTokenOptions, Meta(description="Subscription tokens.")
    ] = SubscriptionTokenOptions()
    allow_anonymous_connect_without_token: Annotated[
        bool, Meta(description="Without a token a connection is anonymous, not refused.")
    ] = False
    disallow_anonymous_connection_tokens: Annotated[
        bool, Meta(description="Refuse tokens without a user id.")
    ] = False
    insecure: Annotated[
        bool, Meta(description="No authentication and no permission checks. Development only.")
    ] = False
    insecure_skip_token_signature_verify: Annotated[
        bool, Meta(description="Believe tokens without verifying them. Tests only.")
    ] = False
    user_id_http_header: Annotated[
        str,
        Meta(description="Header that a trusted proxy in front sets to the user id."),
    ] = ""
    connection_limit: Annotated[
        int, Meta(ge=0, description="Most connections of this node; 0: no limit.")
    ] = 0
    connection_rate_limit: Annotated[
        int, Meta(ge=0, description="Most new connections a second; 0: no limit.")
    ] = 0
    subscribe_to_user_personal_channel: Annotated[
        PersonalChannel, Meta(description="A channel of their own for every user.")
    ] = PersonalChannel()


class ClassicOptions(Struct, frozen=True, kw_only=True):
    """The protocol and API of 2018 (``classic.*``, girandola's own section)."""

    secret: Annotated[
        str,
        Meta(
            extra={"secret": True},
            description="HMAC key of 2018 connection tokens, channel signs and API signs; "
            "empty: no 2018 token is accepted.",
        ),
    ] = ""
    allow_empty_secret: Annotated[
        bool,
        Meta(description="Check 2018 tokens against an empty key, so that anybody can make them."),
    ] = False
    allow_ambiguous_signatures: Annotated[
        bool,
        Meta(
            description="Take 2018 tokens with any timestamp and any info, and signs with any "
            "info. What was signed for one user can then be shown as another's: user, time and "
            "info are signed without separators (docs/credentials-of-2018.md)."
        ),
    ] = False
    connection_lifetime: Annotated[
        Duration, Meta(ge=0, description="How long 2018 tokens are valid; 0: for ever.")
    ] = 0.0
    max_signed_body_size: Annotated[
        int,
        Meta(
            ge=1,
            le=64 * 1024 * 1024,
            description="Largest body, in bytes, of a 2018 API request: its sign can be checked "
            "only when all of it is here. Who also shows http_api.key may send "
            "http_api.max_body_size.",
        ),
    ] = 1024 * 1024
    sockjs_handler_prefix: Annotated[
        str,
        Meta(
            description="Where clients of 2018 look for SockJS, beside sockjs.handler_prefix; "
            "empty: nowhere else."
        ),
    ] = "/connection"


class LegacyOptions(Struct, frozen=True, kw_only=True):
    """Rules of the v2 to v4 servers that no option of today can say (``legacy.*``, girandola).

    A configuration of those servers sets them by itself (config-generations.md section 2.3).
    """

    gate_anonymous: Annotated[
        bool,
        Meta(
            description="Users without an id may subscribe only where "
            "allow_subscribe_for_anonymous is set, even with a token (v2, v3)."
        ),
    ] = False
    tokens_on_private_channels_only: Annotated[
        bool,
        Meta(
            description="A subscription token is looked at on channels with the private prefix "
            "only; elsewhere it proves nothing (v2, v3)."
        ),
    ] = False
    private_user_limited_needs_both: Annotated[
        bool,
        Meta(
            description="A private channel that lists users asks for a token and for being "
            "listed (v2, v3)."
        ),
    ] = False
    subscription_token_owner: Annotated[
        str,
        Meta(
            extra={"choices": ("user", "client", "client_if_named", "any_user")},
            description="What binds a subscription token: user: its sub (and client, if it has "
            "one); client: its client, always (v2); client_if_named: its client, if it has one "
            "(v3); any_user: like user, but a sub is not compared (v4 with "
            "skip_user_check_in_subscription_token).",
        ),
    ] = "user"  # noqa: S105  whose tokens, no token
    narrow_insecure: Annotated[
        bool,
        Meta(
            description="client.insecure lets anybody connect and publish, but opens no channel "
            "that is private, server_side_only, user-limited or not open to clients, and no "
            "presence or history (v2, v3)."
        ),
    ] = False
    disabled_reads_are_unavailable: Annotated[
        bool,
        Meta(
            description="Presence and history that clients may not read are answered with 108, "
            "not 103 (v2, v3)."
        ),
    ] = False
    connect_subs_for_users_only: Annotated[
        bool,
        Meta(
            description="Channels that a connect asks for are granted to users with a token "
            "only (v3)."
        ),
    ] = False
    unlimited_history_by_default: Annotated[
        bool,
        Meta(
            description="A client's history call without a limit returns everything, not only "
            "the position (v2, v3 with use_unlimited_history_by_default)."
        ),
    ] = False


# Two sections have these, each between options of its own, so a base class would move them.
_Compression = Annotated[
    bool, Meta(description="Compress messages for clients that offer permessage-deflate.")
]
_CompressionMinSize = Annotated[
    int, Meta(ge=0, description="Longest message, in bytes, that is not worth compressing.")
]
_CompressionLevel = Annotated[
    int,
    Meta(
        ge=-2,
        le=9,
        description="From 1, fast, to 9, small; 0: none, -1: as zlib likes, -2: Huffman only.",
    ),
]
_InflatedSizeLimit = Annotated[
    int,
    Meta(
        ge=0,
        description="Largest message of a client that compresses, in bytes; "
        "0: ten times message_size_limit.",
    ),
]


class WebSocketOptions(Struct, frozen=True, kw_only=True):
    """The WebSocket endpoint (``websocket.*``)."""

    disabled: Annotated[bool, Meta(description="Do not offer WebSocket.")] = False
    handler_prefix: EndpointPath = "/connection/websocket"
    message_size_limit: Annotated[
        int, Meta(ge=1, description="Largest message of a client, in bytes.")
    ] = 65536
    write_timeout: Annotated[
        Duration, Meta(ge=0, description="How long a write may take; 0: no limit.")
    ] = 1.0
    compression: _Compression = False
    compression_min_size: _CompressionMinSize = 0
    compression_level: _CompressionLevel = 1
    decompressed_message_size_limit: _InflatedSizeLimit = 0

    @property
    def inflated_size_limit(self) -> int:
        """The largest message that a compressed one may become; 0 where none is taken."""
        return _inflated_size_limit(self)


class HttpResponseOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An HTTP answer. An empty body says what the code says."""

    status_code: Annotated[int, Meta(ge=200, le=599)]
    body: str = ""


class CodeToHttpResponse(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the error or disconnect ``code`` becomes."""

    code: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    to: HttpResponseOptions


class ConnectCodeToHttpResponse(Struct, frozen=True, kw_only=True):
    """``uni_sse.connect_code_to_http_response``, and that of ``uni_http_stream``."""

    enabled: Annotated[
        bool,
        Meta(description="Answer a refused connect by an HTTP status: the transform's, or 500."),
    ] = False
    transforms: Annotated[
        tuple[CodeToHttpResponse, ...],
        Meta(
            description='Such as {"code": 3500, "to": {"status_code": 401, "body": "log in"}}; '
            "the first with the code of the error or disconnect counts."
        ),
    ] = ()


class StreamOptions(Struct, frozen=True, kw_only=True):
    """What two-way streams have in common; each has its own path."""

    enabled: Annotated[bool, Meta(description="Offer it.")] = False
    handler_prefix: EndpointPath
    max_request_body_size: Annotated[
        int, Meta(ge=1, description="Largest request body, in bytes.")
    ] = 65536
    write_timeout: Annotated[
        Duration, Meta(ge=0, description="How long a write may take; 0: no limit (girandola).")
    ] = 1.0


class SseOptions(StreamOptions, frozen=True, kw_only=True):
    """Server-sent events in both directions (``sse.*``)."""

    handler_prefix: EndpointPath = "/connection/sse"


class HttpStreamOptions(StreamOptions, frozen=True, kw_only=True):
    """HTTP streaming in both directions (``http_stream.*``)."""

    handler_prefix: EndpointPath = "/connection/http_stream"


class EmulationOptions(Struct, frozen=True, kw_only=True):
    """Where clients of SSE and HTTP streaming send commands (``emulation.*``)."""

    handler_prefix: EndpointPath = "/emulation"
    max_request_body_size: Annotated[
        int, Meta(ge=1, description="Largest request body, in bytes.")
    ] = 65536


class SockJsOptions(Struct, frozen=True, kw_only=True):
    """SockJS, for browsers without WebSocket and for clients of 2018 to v5 (``sockjs.*``)."""

    enabled: Annotated[bool, Meta(description="Offer it.")] = False
    handler_prefix: Annotated[
        str, Meta(description="Path of the endpoint; its transports are below it.")
    ] = "/connection/sockjs"
    url: Annotated[
        str,
        Meta(
            description="Where the iframe page loads the client library from; its version must be "
            "that of the pages."
        ),
    ] = "https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js"
    heartbeat_delay: Annotated[
        Duration, Meta(ge=0, description="How often a receiver gets a heartbeat; 0: never.")
    ] = 25.0
    max_request_body_size: Annotated[
        int,
        Meta(
            ge=1,
            description="Largest request body, in bytes (girandola). Each of the messages in it "
            "may have websocket.message_size_limit.",
        ),
    ] = 262144


class UniWebSocketOptions(Struct, frozen=True, kw_only=True):
    """The one-way WebSocket endpoint (``uni_websocket.*``)."""

    enabled: Annotated[bool, Meta(description="Offer it.")] = False
    handler_prefix: EndpointPath = "/connection/uni_websocket"
    message_size_limit: Annotated[
        int, Meta(ge=1, description="Largest message of a client, in bytes.")
    ] = 65536
    write_timeout: Annotated[
        Duration, Meta(ge=0, description="How long a write may take; 0: no limit.")
    ] = 1.0
    join_push_messages: Annotated[
        bool, Meta(description="Put pushes of one moment into one message, one a line.")
    ] = False
    disable_disconnect_push: Annotated[
        bool, Meta(description="Do not say in a push why the connection ends.")
    ] = False
    disable_closing_handshake: Annotated[
        bool, Meta(description="End connections without a close frame.")
    ] = False
    compression: _Compression = False
    compression_min_size: _CompressionMinSize = 0
    compression_level: _CompressionLevel = 1
    decompressed_message_size_limit: _InflatedSizeLimit = 0

    @property
    def inflated_size_limit(self) -> int:
        """The largest message that a compressed one may become; 0 where none is taken."""
        return _inflated_size_limit(self)


def _inflated_size_limit(options: WebSocketOptions | UniWebSocketOptions) -> int:
    if not options.compression:
        return 0
    return options.decompressed_message_size_limit or 10 * options.message_size_limit


class UniStreamOptions(Struct, frozen=True, kw_only=True):
    """What one-way streams have in common; each has its own path."""

    enabled: Annotated[bool, Meta(description="Offer it.")] = False
    handler_prefix: EndpointPath
    max_request_body_size: Annotated[
        int, Meta(ge=1, description="Largest request body, in bytes.")
    ] = 65536
    connect_code_to_http_response: Annotated[
        ConnectCodeToHttpResponse,
        Meta(description="Refused connects as HTTP statuses, instead of disconnects in a stream."),
    ] = ConnectCodeToHttpResponse()
    write_timeout: Annotated[
        Duration, Meta(ge=0, description="How long a write may take; 0: no limit (girandola).")
    ] = 1.0


class UniSseOptions(UniStreamOptions, frozen=True, kw_only=True):
    """Server-sent events in one direction (``uni_sse.*``)."""

    handler_prefix: EndpointPath = "/connection/uni_sse"


class UniHttpStreamOptions(UniStreamOptions, frozen=True, kw_only=True):
    """HTTP streaming in one direction (``uni_http_stream.*``)."""

    handler_prefix: EndpointPath = "/connection/uni_http_stream"


class HttpApiOptions(Struct, frozen=True, kw_only=True):
    """The server HTTP API (``http_api.*``)."""

    disabled: Annotated[bool, Meta(description="Do not offer the HTTP API.")] = False
    handler_prefix: Annotated[str, Meta(description="Path of the API.")] = "/api"
    key: Annotated[
        str,
        Meta(
            extra={"secret": True}, description="The key callers must show; empty refuses everyone."
        ),
    ] = ""
    error_mode: Annotated[
        str,
        Meta(
            extra={"choices": ("", "transport")},
            description="transport answers errors by HTTP status, not 200.",
        ),
    ] = ""
    insecure: Annotated[bool, Meta(description="Ask for no key. Development only.")] = False
    external: Annotated[
        bool, Meta(description="Offer the API also where clients connect, not only internally.")
    ] = False
    max_body_size: Annotated[
        int, Meta(ge=1, description="Largest request body, in bytes (girandola).")
    ] = 64 * 1024 * 1024
    max_batch_size: Annotated[
        int,
        Meta(
            ge=1,
            description="Most commands in one request, in the API of every generation (girandola).",
        ),
    ] = 10_000
    max_broadcast_size: Annotated[
        int,
        Meta(
            ge=1,
            description="Most channels of one broadcast, and most entries of any other list or map "
            "in a request, payloads excepted (girandola).",
        ),
    ] = 100_000


class RpcPingOptions(Struct, frozen=True, kw_only=True):
    """The built-in empty call that clients measure round trips by (``rpc.ping.*``)."""

    enabled: Annotated[bool, Meta(description="Offer it.")] = False
    method: Annotated[str, Meta(description="Its name.")] = "ping"


class TlsOptions(Struct, frozen=True, kw_only=True):
    """Certificates of one end of TLS connections (type TLS of server.md, appendix C)."""

    enabled: Annotated[bool, Meta(description="Use TLS, 1.2 or newer.")] = False
    cert_pem: Annotated[
        str,
        Meta(
            description="Own certificate, with its chain behind it: PEM, PEM in base64, or the "
            "path of a file."
        ),
    ] = ""
    key_pem: Annotated[
        str,
        Meta(
            extra={"secret": True},
            description="Its private key, without a passphrase: PEM, PEM in base64, or the path "
            "of a file.",
        ),
    ] = ""
    server_ca_pem: Annotated[
        str, Meta(description="Authorities a server is checked against; not for listeners.")
    ] = ""
    client_ca_pem: Annotated[
        str,
        Meta(
            description="Authorities of client certificates: PEM, PEM in base64, or the path of "
            "a file. Set, every client must show a certificate of theirs."
        ),
    ] = ""
    insecure_skip_verify: Annotated[
        bool, Meta(description="Do not check a server's certificate; not for listeners.")
    ] = False
    server_name: Annotated[
        str, Meta(description="The name a server's certificate must have; not for listeners.")
    ] = ""


class UniGrpcOptions(Struct, frozen=True, kw_only=True):
    """The one-way gRPC stream, on a port of its own (``uni_grpc.*``)."""

    enabled: Annotated[bool, Meta(description="Offer it. Needs girandola[grpc].")] = False
    address: Annotated[str, Meta(description="Address to listen on; empty: all.")] = ""
    port: Annotated[
        int, Meta(ge=0, le=65535, description="Port to listen on; 0: any that is free.")
    ] = 11000
    max_receive_message_size: Annotated[
        int, Meta(ge=0, description="Largest connect request, in bytes; 0: 65536.")
    ] = 0
    tls: Annotated[TlsOptions, Meta(description="Certificates of this port.")] = TlsOptions()


class AutocertOptions(Struct, frozen=True, kw_only=True):
    """Certificates obtained and renewed by ACME (``http_server.tls_autocert.*``)."""

    enabled: Annotated[
        bool,
        Meta(
            description="Obtain and renew certificates by ACME, used instead of http_server.tls. "
            "Agrees to the terms of the certificate authority. Needs girandola[acme]."
        ),
    ] = False
    host_whitelist: Annotated[
        tuple[str, ...], Meta(description="Hosts to have certificates for, one each.")
    ] = ()
    cache_dir: Annotated[
        str,
        Meta(
            description="Folder that keeps keys and certificates, made if missing; empty: every "
            "start asks for new ones."
        ),
    ] = ""
    email: Annotated[str, Meta(description="Where the certificate authority can write to.")] = ""
    server_name: Annotated[str, Meta(description="The host meant by clients that name none.")] = ""
    http: Annotated[
        bool,
        Meta(description="Prove the hosts by HTTP-01. Must be on: there is no other way yet."),
    ] = False
    http_addr: Annotated[
        str,
        Meta(
            pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*):[0-9]{1,5}$",
            description="Where the certificate authority's challenges arrive, as host:port.",
        ),
    ] = ":80"
    force_rsa: Annotated[
        bool, Meta(description="RSA keys, for old clients (girandola; 2018 option).")
    ] = False
    directory_url: Annotated[
        str,
        Meta(
            pattern="^https://.",
            description="The certificate authority's ACME directory (girandola). Its own "
            "certificate is checked against REQUESTS_CA_BUNDLE of the environment, if that is set.",
        ),
    ] = "https://acme-v02.api.letsencrypt.org/directory"
