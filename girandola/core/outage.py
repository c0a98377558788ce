"""That an engine does not answer: one line in the log when it begins, and one when it is over.

Knows neither engines nor what was asked of them.
"""

import logging
from collections.abc import Awaitable
from typing import TypeVar

from girandola.core.ports import Clock
from girandola.errors import Reject, Unavailable

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Outage:
    """Whether calls to ``name`` fail at the moment, as far as those who call have told."""

    def __init__(self, clock: Clock, name: str) -> None:
        self._clock = clock
        self._name = name
        self._since: float | None = None
        self._failures = 0

    async def watch(self, call: Awaitable[T]) -> T:
        """Return what a call to the engine returns, and note whether it was answered.

        Raises:
            Reject: the engine's answer is no.
            Unavailable: it did not answer.
        """
        try:
            answer = await call
        except Reject:
            raise
        except Exception as error:
            self.failed(error)
            raise Unavailable(describe(error)) from None
        if self._since is not None:
            self.worked()
        return answer

    def failed(self, error: BaseException, calls: int = 1) -> None:
        """Note that calls failed, whatever they were about."""
        self._failures += calls
        if self._since is None:
            self._since = self._clock.now()
            # Anything but its own word for it is a fault of ours, or of the driver.
            fault = None if isinstance(error, Unavailable) else error
            logger.error("%s: calls fail: %s", self._name, describe(error), exc_info=fault)

    def worked(self) -> None:
        """Note that a call was answered."""
        if self._since is not None:
            seconds = self._clock.now() - self._since
            logger.warning(
                "%s: works again after %.1f seconds; %d calls failed",
                self._name,
                seconds,
                self._failures,
            )
            self._since, self._failures = None, 0


def describe(error: BaseException) -> str:
    """Return what went wrong as one line for the log."""
    text = " ".join(str(error).split())
    if isinstance(error, Unavailable):
        return text
    return f"{type(error).__name__}: {text:.300}" if text else type(error).__name__
