"""Long work in parts, so that others have their turn in between. Knows the clock only."""

from girandola.core.ports import Clock, Waiter

COMMANDS_IN_A_TURN = 64
"""How many commands of one connection are carried out before others have their turn."""


async def next_turn(clock: Clock) -> None:
    """Wait for the next turn of the loop. Afterwards, the world has moved: look again."""
    turn: Waiter[None] = clock.waiter()
    clock.call_soon(_begin, turn)
    await turn


def _begin(turn: Waiter[None]) -> None:
    if not turn.done():
        turn.set_result(None)
