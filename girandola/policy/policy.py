"""The policy of a configured server: ``core.ports.Policy`` made of one file per event.

It decides nothing itself. A reload replaces the rules as a whole; a decision under way goes on
by those it began with.
"""

from girandola.core.grants import (
    ConnectGrant,
    HistoryGrant,
    PublishGrant,
    RefreshGrant,
    SubscribeGrant,
)
from girandola.core.ports import Peer
from girandola.policy import connect, publish, reads, refresh, rpc, subscribe
from girandola.policy.rules import Rules
from girandola.protocol import commands


class ConfiguredPolicy:
    """Who may do what by one configuration. ``rules`` may be assigned at any time."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules

    async def connect(self, peer: Peer, command: commands.Connect) -> ConnectGrant:
        """See ``policy/connect.py``."""
        return await connect.connect(self.rules, peer, command)

    async def refresh(self, peer: Peer, command: commands.Refresh) -> RefreshGrant:
        """See ``policy/refresh.py``."""
        return await refresh.refresh(self.rules, peer, command)

    async def subscribe(self, peer: Peer, command: commands.Subscribe) -> SubscribeGrant:
        """See ``policy/subscribe.py``."""
        return await subscribe.subscribe(self.rules, peer, command)

    async def sub_refresh(self, peer: Peer, command: commands.SubRefresh) -> RefreshGrant:
        """See ``policy/refresh.py``."""
        return await refresh.sub_refresh(self.rules, peer, command)

    async def publish(self, peer: Peer, command: commands.Publish) -> PublishGrant:
        """See ``policy/publish.py``."""
        return publish.publish(self.rules, peer, command)

    async def presence(self, peer: Peer, channel: str) -> None:
        """See ``policy/reads.py``."""
        reads.presence(self.rules, peer, channel)

    async def history(self, peer: Peer, channel: str) -> HistoryGrant:
        """See ``policy/reads.py``."""
        return reads.history(self.rules, peer, channel)

    async def rpc(self, peer: Peer, command: commands.Rpc) -> bytes:
        """See ``policy/rpc.py``."""
        return rpc.rpc(self.rules, peer, command)

    def is_too_long(self, channel: str) -> bool:
        """See ``Channels.is_too_long``."""
        return self.rules.channels.is_too_long(channel)
