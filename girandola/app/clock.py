"""The clock of a running server: an asyncio loop behind ``core.ports.Clock``.

Knows the loop and nothing of the server.
"""

import asyncio
import logging
import time
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

logger = logging.getLogger(__name__)


class LoopClock:
    """Time and tasks of the running event loop. Make it inside the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        # The loop itself holds its tasks weakly only.
        self._tasks: set[asyncio.Task[None]] = set()
        self.now = self._loop.time
        self.time = time.time

    def call_soon(self, callback: Callable[..., object], *args: Any) -> None:
        """See ``Clock.call_soon``."""
        self._loop.call_soon(callback, *args)

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any
    ) -> asyncio.TimerHandle:
        """See ``Clock.call_later``."""
        return self._loop.call_later(delay, callback, *args)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """See ``Clock.spawn``."""
        try:
            waits_for = coroutine.send(None)
        except StopIteration:
            return
        except Exception:
            logger.exception("internal error in a command")
            return
        # Somebody else may wait for the same future before the task begins, and finds it marked.
        _mark(waits_for, False)
        task = self._loop.create_task(_as_coroutine(coroutine, waits_for))
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def waiter(self) -> asyncio.Future[Any]:
        """See ``Clock.waiter``."""
        return self._loop.create_future()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("internal error in a command", exc_info=error)


def _mark(waits_for: Any, waited_for: bool) -> None:
    """Mark a future as a task expects one that a coroutine waits for, or take the mark off.

    The mark is what asyncio asks of everything that can stand for a future. It is of one wait
    only: set by the ``await``, taken off by the task.
    """
    if asyncio.isfuture(waits_for):
        waits_for._asyncio_future_blocking = waited_for


async def _as_coroutine(coroutine: Coroutine[Any, Any, None], waits_for: Any) -> None:
    """Be ``_go_on`` as what a task takes: since Python 3.12 not a generator, however marked."""
    await _go_on(coroutine, waits_for)


@types.coroutine
def _go_on(coroutine: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """Be the rest of a coroutine that was started outside of a task and now waits.

    What it waits for was yielded to us and is passed on to the task as if it had been yielded
    there.
    """
    _mark(waits_for, True)
    while True:
        value, failure = None, None
        try:
            value = yield waits_for
        except BaseException as error:
            failure = error  # a cancellation, too, is the coroutine's to handle
        try:
            waits_for = coroutine.send(value) if failure is None else coroutine.throw(failure)
        except StopIteration:
            return
