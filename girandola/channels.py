"""What a channel name means: namespace, private prefix, user and client limits, options.

Pure look-ups on names; who is asking, and whether they may, is for the policy. Rules:
modern.md section 8.4 and classic.md section 3.2.
"""

from girandola.errors import UNKNOWN_CHANNEL, Reject
from girandola.options import ChannelOptions, ChannelSection
from girandola.regex import Regex


class Channels:
    """Channel names as one configuration reads them. Immutable; a reload makes a new one."""

    def __init__(self, section: ChannelSection) -> None:
        self.section = section
        self._options = {"": _completed(section.without_namespace, section)} | {
            namespace.name: _completed(namespace, section) for namespace in section.namespaces
        }
        self._regexes = {
            name: Regex(options.channel_regex)
            for name, options in self._options.items()
            if options.channel_regex
        }

    def options(self, channel: str) -> ChannelOptions:
        """Return the options of ``channel``.

        Raises:
            Reject: UNKNOWN_CHANNEL when the name is empty or its namespace is not configured.
        """
        if channel:
            options = self._options.get(self.namespace(channel))
            if options is not None:
                return options
        raise Reject(UNKNOWN_CHANNEL, f"no namespace configured for channel {channel!r}")

    def namespace(self, channel: str) -> str:
        """Return the namespace part of the name, ``""`` where there is none.

        Whether it is configured is another question.
        """
        section = self.section
        start = 0
        if section.private_prefix and channel.startswith(section.private_prefix):
            start = len(section.private_prefix)
        if not section.namespace_boundary:
            return ""
        end = channel.find(section.namespace_boundary, start)
        return channel[start:end] if end >= 0 else ""

    def is_private(self, channel: str) -> bool:
        """Tell whether subscribing always needs a token or a sign; false where no prefix is set."""
        prefix = self.section.private_prefix
        return bool(prefix) and channel.startswith(prefix)

    def is_too_long(self, channel: str) -> bool:
        """Tell whether a client may not use so long a name (UTF-8 bytes count)."""
        limit = self.section.max_length
        return len(channel) > limit or (
            not channel.isascii() and len(channel.encode("utf-8", "surrogatepass")) > limit
        )

    def is_well_named(self, channel: str) -> bool:
        """Tell whether a modern client may use the name: the namespace's regex, or else ASCII."""
        namespace = self.namespace(channel)
        regex = self._regexes.get(namespace)
        if regex is None:
            return channel.isascii()
        if namespace:
            channel = channel.partition(self.section.namespace_boundary)[2]
        return regex.found_in(channel)

    def is_user_limited(self, channel: str) -> bool:
        """Tell whether the name lists the users allowed. The namespace may not care."""
        boundary = self.section.user_boundary
        return bool(boundary) and boundary in channel

    def allows_user(self, channel: str, user: str) -> bool:
        """Tell whether ``user`` is among those listed; true where the name has no list.

        An empty entry of a list is nobody's. A list without any entry (``inbox#``) is that of the
        users without an id; whether these may be there at all, the namespace says.
        """
        if not self.is_user_limited(channel):
            return True
        listed = channel.rpartition(self.section.user_boundary)[2]
        if not user:
            return not listed
        separator = self.section.user_separator
        return user in (listed.split(separator) if separator else [listed])

    def allows_client(self, channel: str, client: str) -> bool:
        """Tell whether the name is open to this connection; true where it names no client."""
        boundary = self.section.client_boundary
        if not boundary or boundary not in channel:
            return True
        return channel.rpartition(boundary)[2] == client

    def personal(self, user: str, namespace: str) -> str:
        """Return the name of the personal channel of ``user`` (modern.md section 8.7)."""
        prefix = namespace + self.section.namespace_boundary if namespace else ""
        return prefix + self.section.user_boundary + user


def _completed(options: ChannelOptions, section: ChannelSection) -> ChannelOptions:
    """Fill in what a namespace leaves to the whole channel section."""
    values = {name: getattr(options, name) for name in ChannelOptions.__struct_fields__}
    values["history_meta_ttl"] = options.history_meta_ttl or section.history_meta_ttl
    values["publication_data_format"] = (
        options.publication_data_format or section.publication_data_format
    )
    return ChannelOptions(**values)
