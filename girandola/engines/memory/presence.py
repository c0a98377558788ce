"""Who is in which channel, for a server of one process.

Knows no time: entries live until they are removed, since they die with the process. None of
the methods ever waits.
"""

from girandola.model import ClientInfo, PresenceStats


class MemoryPresence:
    """``core.ports.PresenceStore`` in dictionaries."""

    def __init__(self) -> None:
        self._channels: dict[str, dict[str, ClientInfo]] = {}

    async def add(self, channel: str, client: str, info: ClientInfo) -> None:
        """See ``PresenceStore.add``."""
        self._channels.setdefault(channel, {})[client] = info

    async def remove(self, channel: str, client: str) -> None:
        """See ``PresenceStore.remove``."""
        members = self._channels.get(channel)
        if members is None:
            return
        members.pop(client, None)
        if not members:
            del self._channels[channel]

    async def members(self, channel: str) -> dict[str, ClientInfo]:
        """See ``PresenceStore.members``."""
        return dict(self._channels.get(channel, {}))

    async def stats(self, channel: str) -> PresenceStats:
        """See ``PresenceStore.stats``."""
        members = self._channels.get(channel)
        if members is None:
            return PresenceStats()
        return PresenceStats(len(members), len({info.user for info in members.values()}))
