"""Who may publish, and what: the decision on ``publish`` (modern.md sections 5.3 and 8.5).

Clients of 2018 publish only where they are subscribed (classic.md section 4.11); their command
says so. How a publication is kept follows from the channel's options alone.
"""

from girandola.core.grants import PublishGrant, publish_options
from girandola.core.ports import Peer
from girandola.errors import BAD_REQUEST, INTERNAL, PERMISSION_DENIED, Reject
from girandola.options import ChannelOptions
from girandola.policy.rules import Rules, described, may
from girandola.protocol.commands import Publish
from girandola.protocol.payloads import fits


def publish(rules: Rules, peer: Peer, command: Publish) -> PublishGrant:
    """Decide whether the peer publishes.

    Raises:
        Reject: UNKNOWN_CHANNEL, BAD_REQUEST for data that is not what the channel wants,
            PERMISSION_DENIED; in this order, and by the order of 2018 for its clients.
    """
    if command.subscribers_only:
        options = _options_for_2018(rules, peer, command)
    else:
        options = rules.channels.options(command.channel)
        check_data(options, command.channel, command.data)
    if not _may_publish(rules, options, peer, command.channel):
        raise Reject(
            PERMISSION_DENIED,
            f"publish to {described(peer, command.channel)}: allow_publish_for_client, "
            "_for_subscriber and _for_anonymous of its namespace do not allow it",
        )
    return PublishGrant(data=command.data, options=publish_options(options))


def check_data(options: ChannelOptions, channel: str, data: bytes) -> None:
    """Check that data is what ``publication_data_format`` wants.

    Raises:
        Reject: BAD_REQUEST otherwise.
    """
    wanted = options.publication_data_format
    if not fits(data, wanted):
        expected = f"expected data to be {wanted}" if data else "expected data"
        raise Reject(BAD_REQUEST, f"publish to channel {channel!r:.100}: {expected}")


def _options_for_2018(rules: Rules, peer: Peer, command: Publish) -> ChannelOptions:
    where = f"publish to {described(peer, command.channel)}"
    if not command.channel or not command.data:
        raise Reject(BAD_REQUEST, f"{where}: expected a channel and data")
    if not peer.is_subscribed(command.channel):
        raise Reject(PERMISSION_DENIED, f"{where}: not subscribed")
    try:
        options = rules.channels.options(command.channel)
    except Reject:
        raise Reject(INTERNAL, f"{where}: its namespace is not configured any more") from None
    check_data(options, command.channel, command.data)
    return options


def _may_publish(rules: Rules, options: ChannelOptions, peer: Peer, channel: str) -> bool:
    return rules.client.insecure or may(
        peer,
        client=options.allow_publish_for_client,
        subscriber=options.allow_publish_for_subscriber,
        anonymous=options.allow_publish_for_anonymous,
        is_subscribed=options.allow_publish_for_subscriber and peer.is_subscribed(channel),
    )
