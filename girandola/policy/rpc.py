"""Calls of the application's methods (modern.md section 5.6): so far the built-in ping only."""

from girandola.core.ports import Peer
from girandola.errors import NOT_AVAILABLE, Reject
from girandola.policy.rules import Rules
from girandola.protocol.commands import Rpc


def rpc(rules: Rules, peer: Peer, command: Rpc) -> bytes:
    """Answer a call.

    Raises:
        Reject: NOT_AVAILABLE when nothing here answers it.
    """
    if rules.rpc_ping.enabled and command.method == rules.rpc_ping.method:
        return b""
    raise Reject(
        NOT_AVAILABLE,
        f"rpc {command.method!r:.100} of user {peer.user!r:.100}: no such method is configured",
    )
