"""What is asked about connections by the server API, on whichever node: done to the sessions here.

Sessions are dealt with side by side, and what fails in one concerns no other. Knows nothing of who
asks, nor of the other nodes.
"""

import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from girandola.core.grants import SubscribeGrant
from girandola.core.joining import subscribe_by_server, unsubscribe_by_server
from girandola.core.together import AT_ONCE, together
from girandola.errors import Unavailable, UnsubscribeCode, disconnect_of
from girandola.model import StreamPosition, Target
from girandola.protocol import internode
from girandola.protocol.commands import Recovery
from girandola.protocol.internode import Message

if TYPE_CHECKING:
    from girandola.core.node import Node
    from girandola.core.session import Session

logger = logging.getLogger(__name__)


class Control:
    """Carries out calls on the sessions of one node."""

    def __init__(self, node: "Node") -> None:
        self._node = node

    async def handle(self, message: Message) -> None:
        """Do what another node asks for; failures are logged."""
        try:
            await self.carry_out(message)
        except Unavailable as error:
            logger.warning("a call of another node was not carried out everywhere: %s", error)

    async def carry_out(self, message: Message) -> None:
        """Do what ``message`` asks for to the sessions here.

        Raises:
            Unavailable: in some of them the engine failed; the others have it.
        """
        match message:
            case internode.Subscribe():
                await self.subscribe(message.target, message.channel, grant_of(message))
            case internode.Unsubscribe():
                why = UnsubscribeCode(message.code, message.reason)
                await self._in_turns(
                    message, lambda session: unsubscribe_by_server(session, message.channel, why)
                )
            case internode.Disconnect():
                why_closing = disconnect_of(message.code, message.reason)
                spared = frozenset(message.whitelist)

                def close(session: "Session") -> None:
                    if session.client not in spared:
                        session.close(why_closing, "by the server API")

                await self._in_turns(message, close)
            case internode.Refresh():
                expired, until, info = message.expired, message.expire_at, message.info or None
                await self._in_turns(
                    message, lambda session: session.refresh_by_server(expired, until, info)
                )
            case internode.Notification():
                logger.debug("a notification %r of another node is for nobody", message.op)

    async def subscribe(self, target: Target, channel: str, grant: SubscribeGrant) -> None:
        """Subscribe sessions here; those that are already stay as they are.

        Raises:
            Unavailable: in some of them the engine failed; the others have it.
        """
        await self._each(
            self._node.hub.find(target),
            lambda session: subscribe_by_server(session, channel, grant),
        )

    async def _in_turns(
        self,
        message: internode.Unsubscribe | internode.Disconnect | internode.Refresh,
        call: Callable[["Session"], None],
    ) -> None:
        """Call for each session, those that are still connecting, too; others have their turns."""
        found = self._node.hub.find(message.target, connecting=True)
        for number, session in enumerate(found, 1):
            if not session.closed:
                call(session)
            await self._node.breathe(number)

    async def _each(
        self,
        sessions: list["Session"],
        call: Callable[["Session"], Coroutine[Any, Any, None]],
    ) -> None:
        failures: list[Exception] = []
        for start in range(0, len(sessions), AT_ONCE):
            part = sessions[start : start + AT_ONCE]
            outcomes = await together(self._node.clock, map(call, part))
            failures += [outcome for outcome in outcomes if isinstance(outcome, Exception)]
            await self._node.breathe(start)
        for failure in failures:
            if not isinstance(failure, Unavailable):
                logger.error("internal error in a call", exc_info=failure)
        if failures:
            raise Unavailable(f"{len(failures)} of {len(sessions)} sessions: {failures[0]}")


def subscribe_message(target: Target, channel: str, grant: SubscribeGrant) -> Message:
    """Return the message that has other nodes make the same subscription."""
    since = grant.recovery
    return internode.Subscribe(
        target=target,
        channel=channel,
        presence=grant.presence,
        join_leave=grant.join_leave,
        push_join_leave=grant.push_join_leave,
        positioned=grant.positioned,
        recoverable=grant.recoverable,
        recover_since=StreamPosition(since.offset, since.epoch) if since.recover else None,
        chan_info=grant.chan_info,
        data=grant.data,
        expire_at=grant.expire_at,
    )


def grant_of(message: internode.Subscribe) -> SubscribeGrant:
    """Return what the subscription that another node asks for may do."""
    since = message.recover_since
    return SubscribeGrant(
        chan_info=message.chan_info,
        data=message.data,
        expire_at=message.expire_at,
        presence=message.presence,
        join_leave=message.join_leave,
        push_join_leave=message.push_join_leave,
        positioned=message.positioned,
        recoverable=message.recoverable,
        recovery=Recovery()
        if since is None
        else Recovery(recover=True, offset=since.offset, epoch=since.epoch),
    )
