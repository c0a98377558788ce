"""Many calls side by side, some at a time, none of which concerns another.

Knows nothing of what is called.
"""

from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from girandola.core.ports import Clock, Waiter

T = TypeVar("T")

AT_ONCE = 64


async def together(
    clock: Clock, coroutines: Iterable[Coroutine[Any, Any, T]], at_once: int = AT_ONCE
) -> list[T | Exception]:
    """Run the coroutines, at most ``at_once`` at a time; return what each returned or raised.

    The order is that of the coroutines. What never waits is over without a task.
    """
    waiting = list(coroutines)
    outcomes: dict[int, T | Exception] = {}
    numbered = iter(enumerate(waiting))
    running = min(at_once, len(waiting))
    finished: Waiter[None] | None = None

    async def work() -> None:
        nonlocal running
        for number, coroutine in numbered:
            try:
                outcomes[number] = await coroutine
            except Exception as error:
                outcomes[number] = error
        running -= 1
        if not running and finished is not None:
            finished.set_result(None)

    for _ in range(running):
        clock.spawn(work())
    if running:
        finished = clock.waiter()
        await finished
    return [outcomes[number] for number in range(len(waiting))]
