"""Who is in which channel, for a server of one process.

Knows no time: entries live until they are removed, since they die with the process. None of
the methods ever waits.
"""

from collections.abc import Sequence

from girandola.core.ports import Entry
from girandola.model import ClientInfo, PresenceStats


class MemoryPresence:
    """``core.ports.PresenceStore`` in dictionaries."""

    far = False

    def __init__(self) -> None:
        self._channels: dict[str, dict[str, ClientInfo]] = {}

    async def start(self) -> None:
        """See ``PresenceStore.start``."""

    async def check(self) -> None:
        """See ``Engine.check``."""

    async def close(self) -> None:
        """See ``Engine.close``."""

    async def put(self, entries: Sequence[Entry]) -> None:
        """See ``PresenceStore.put``."""
        for entry in entries:
            self._channels.setdefault(entry.channel, {})[entry.info.client] = entry.info

    async def remove(self, entries: Sequence[Entry]) -> None:
        """See ``PresenceStore.remove``."""
        for entry in entries:
            members = self._channels.get(entry.channel)
            if members is None:
                continue
            members.pop(entry.info.client, None)
            if not members:
                del self._channels[entry.channel]

    async def members(self, channel: str) -> dict[str, ClientInfo]:
        """See ``PresenceStore.members``."""
        return dict(self._channels.get(channel, {}))

    async def stats(self, channel: str) -> PresenceStats:
        """See ``PresenceStore.stats``."""
        members = self._channels.get(channel)
        if members is None:
            return PresenceStats()
        return PresenceStats(len(members), len({info.user for info in members.values()}))
