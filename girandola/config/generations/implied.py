"""What held in v2 to v5 without being said, where it differs from today.

Defaults (config-generations.md section 5.0), and the rules of ``legacy.*`` that no other option of
today can say (section 2.3). Knows nothing of what a configuration says.
"""

from typing import Any

_HOUR = 3600.0

_2_AND_3: dict[str, Any] = {
    "client.stale_close_delay": 25.0,
    "channel.history_meta_ttl": 87600 * _HOUR,
    "engine.redis.io_timeout": 5.0,
    "legacy.gate_anonymous": True,
    "legacy.tokens_on_private_channels_only": True,
    "legacy.private_user_limited_needs_both": True,
    "legacy.narrow_insecure": True,
    "legacy.disabled_reads_are_unavailable": True,
    "legacy.connect_subs_for_users_only": True,
}

IMPLIED: dict[int, dict[str, Any]] = {
    2: {
        **_2_AND_3,
        "client.allowed_origins": ("*",),
        "client.queue_max_size": 10485760,
        "client.presence_update_interval": 25.0,
        "client.history_max_publication_limit": 0,
        "client.recovery_max_publication_limit": 0,
        "client.ping_interval": 25.0,
        "engine.redis.history_use_lists": True,
        "sockjs.enabled": True,
        "legacy.subscription_token_owner": "client",
        "legacy.unlimited_history_by_default": True,
    },
    3: {
        **_2_AND_3,
        "uni_grpc.max_receive_message_size": 65536,
        "legacy.subscription_token_owner": "client_if_named",
    },
    4: {
        "channel.history_meta_ttl": 2160 * _HOUR,
        "uni_grpc.max_receive_message_size": 65536,
    },
    5: {"uni_grpc.max_receive_message_size": 65536},
}
"""Path of today to value, by generation. Nothing here replaces what is set."""
