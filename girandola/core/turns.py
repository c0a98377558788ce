"""Long work in parts, so that others have their turn in between. Knows the clock only."""

from girandola.core.ports import Clock, Waiter

COMMANDS_IN_A_TURN = 64
"""How many commands of one connection are carried out before others have their turn."""

SECONDS_OF_A_TURN = 0.005
"""The same as time: some commands are more work than others."""


class Turn:
    """How much of many commands was done before others have their turn."""

    __slots__ = ("_clock", "_done", "_ends")

    def __init__(self, clock: Clock) -> None:
        """Begin the first turn."""
        self._clock = clock
        self._begin()

    def _begin(self) -> None:
        self._done = 0
        self._ends = self._clock.now() + SECONDS_OF_A_TURN

    async def count(self, commands: int = 1) -> None:
        """Count what was done, and wait for the next turn if that was enough for this one."""
        if self.is_over(commands):
            await self.next()

    def is_over(self, commands: int = 1) -> bool:
        """Count what was done; tell whether that was enough for this turn."""
        self._done += commands
        return self._done >= COMMANDS_IN_A_TURN or self._clock.now() >= self._ends

    async def next(self) -> None:
        """Wait for the next turn, and begin it."""
        await next_turn(self._clock)
        self._begin()


async def next_turn(clock: Clock) -> None:
    """Wait for the next turn of the loop. Afterwards, the world has moved: look again."""
    turn: Waiter[None] = clock.waiter()
    clock.call_soon(_begin, turn)
    await turn


def _begin(turn: Waiter[None]) -> None:
    if not turn.done():
        turn.set_result(None)
