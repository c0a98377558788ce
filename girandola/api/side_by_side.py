"""Many calls of one request at the same time, in slices that leave others their turn.

Nothing here knows what is called.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from girandola.core.node import Node
from girandola.core.ports import Waiter

T = TypeVar("T")
R = TypeVar("R")

MAX_SIDE_BY_SIDE = 1024
"""How many calls of a request are carried out at the same time."""


async def side_by_side(
    node: Node, call: Callable[[T], Awaitable[R]], items: Sequence[T]
) -> list[R]:
    """Return the results of calls that do not raise, in the order of ``items``."""
    results: list[R] = []
    for start in range(0, len(items), MAX_SIDE_BY_SIDE):
        await node.breathe(start)
        results += await _gather(node, call, items[start : start + MAX_SIDE_BY_SIDE])
    return results


async def _gather(node: Node, call: Callable[[T], Awaitable[R]], items: Sequence[T]) -> list[R]:
    # Not asyncio.gather: with an engine that never waits, this makes no task at all.
    results: dict[int, R] = {}
    left = len(items)
    finished: Waiter[None] = node.clock.waiter()

    async def run(index: int, item: T) -> None:
        nonlocal left
        try:
            results[index] = await call(item)
        finally:
            left -= 1
            if not left and not finished.done():  # done: the request was cancelled
                finished.set_result(None)

    for index, item in enumerate(items):
        node.clock.spawn(run(index, item))
        if index + 1 < len(items):
            await node.breathe(index + 1)
    if left:
        await finished
    return [results[index] for index in range(len(items))]
