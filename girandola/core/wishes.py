"""A table kept far away, brought to what is wished here, key by key.

Rule 1: one flight a key. While a call about a key is under way no other one about it is made, so
what this node asks takes effect in the order in which it was wished. Rule 2: the last wish wins;
those in between are never asked for. Rule 3: a call that failed may have taken effect or not, so
the key is asked for again, with back-off, until the table is known to be as wished. Rule 4: what is
wished in one tick goes out together.

Knows neither channels nor presence, and no engine: two functions that put and drop many keys.
"""

from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import Generic, TypeVar

from girandola.core.outage import Outage, describe
from girandola.core.ports import Clock, Waiter
from girandola.errors import Unavailable

K = TypeVar("K")
V = TypeVar("V")

BATCH = 512
"""Keys of one call."""

FIRST_RETRY = 0.25
LAST_RETRY = 10.0
"""Seconds between a failure and the next attempt; they double in between."""


class _Change(Generic[V]):
    """A key that is not, or not surely, as wished."""

    __slots__ = ("absent", "failure", "flying", "parting", "value", "waiter", "wanted")

    def __init__(self, value: V, *, absent: bool) -> None:
        self.value = value
        """What is wished to be there, or was before it was wished away."""
        self.wanted = True
        self.parting: V = value
        self.absent = absent
        """Whether it is surely not there."""
        self.flying = False
        self.failure: Exception | None = None
        """Why the last call failed, until there is another one."""
        self.waiter: Waiter[None] | None = None


class Wishes(Generic[K, V]):
    """What is wished to be in a far table. Nothing here raises but ``reached``.

    ``put`` writes keys with their values, ``drop`` removes keys (each with the value it had, or
    with what ``forget`` gave); both get at most ``BATCH`` keys and may be called again for a key
    that is, or is not, there. ``far`` tells whether they wait: else each wish is carried out at
    once. ``outage`` hears of failures and successes. ``on_settled`` is called when everything is
    as wished.
    """

    def __init__(
        self,
        clock: Clock,
        put: Callable[[dict[K, V]], Awaitable[None]],
        drop: Callable[[dict[K, V]], Awaitable[None]],
        *,
        far: bool,
        outage: Outage,
        on_settled: Callable[[], object],
    ) -> None:
        self._clock = clock
        self._put = put
        self._drop = drop
        self._far = far
        self._outage = outage
        self._held: dict[K, V] = {}
        self._changes: dict[K, _Change[V]] = {}
        self._due: dict[K, None] = {}
        self._scheduled = False
        self._failed: dict[K, None] = {}
        self._pause = FIRST_RETRY
        self._retrying = False
        self._on_settled = on_settled

    # ── wishing ──────────────────────────────────────────────────────────────────────────────

    def want(self, key: K, value: V) -> None:
        """Wish ``key`` to be there with ``value``."""
        change = self._changes.get(key)
        if change is None:
            held = self._held.get(key)
            if held is not None and held == value:
                return
            change = self._changes[key] = _Change(value, absent=held is None)
        change.wanted = True
        change.value = change.parting = value
        self._ask(key, change)

    def forget(self, key: K, parting: V | None = None) -> None:
        """Wish ``key`` away; harmless where it is not. ``parting`` is handed to ``drop``."""
        change = self._changes.get(key)
        # Not held from now on, even if it is wished again before the call to drop it lands.
        held = self._held.pop(key, None)
        if change is None:
            if held is None:
                return
            change = self._changes[key] = _Change(held, absent=False)
        change.wanted = False
        if parting is not None:
            change.parting = parting
        self._ask(key, change)

    def renew(self, keys: Iterable[K]) -> None:
        """Put again what is held, as it is: the far table may have lost it."""
        for key in keys:
            value = self._held.get(key)
            if value is not None and key not in self._changes:
                change = self._changes[key] = _Change(value, absent=False)
                self._ask(key, change)

    # ── asking ───────────────────────────────────────────────────────────────────────────────

    def holds(self, key: K) -> bool:
        """Tell whether ``key`` is surely there and wished to be."""
        change = self._changes.get(key)
        return key in self._held and (change is None or change.wanted)

    def __len__(self) -> int:
        """Return how many keys are surely there."""
        return len(self._held)

    @property
    def held(self) -> list[K]:
        """The keys that are surely there, oldest first."""
        return list(self._held)

    @property
    def unsettled(self) -> int:
        """How many keys are not, or not surely, as wished."""
        return len(self._changes)

    async def reached(self, key: K) -> None:
        """Return when ``key`` is there, or is wished away.

        Raises:
            Unavailable: the last call about it failed. The wish stands until it is forgotten.
        """
        while (change := self._changes.get(key)) is not None and not self.holds(key):
            if change.failure is not None:
                raise Unavailable(describe(change.failure))
            await self._waiter(change)
            if not change.wanted:
                return

    async def gone(self, key: K) -> None:
        """Return when ``key`` is not there, is wished again, or the last call about it failed."""
        while (change := self._changes.get(key)) is not None:
            if change.wanted or change.failure is not None:
                return
            await self._waiter(change)

    def _waiter(self, change: _Change[V]) -> Waiter[None]:
        if change.waiter is None:
            change.waiter = self._clock.waiter()
        return change.waiter

    # ── flights ──────────────────────────────────────────────────────────────────────────────

    def _ask(self, key: K, change: _Change[V]) -> None:
        if change.flying:
            return  # looked at again when it lands
        change.failure = None
        if not self._far:
            self._go_at_once(key, change)
            return
        self._due[key] = None
        if not self._scheduled:
            self._scheduled = True
            self._clock.call_soon(self._launch)

    def _go_at_once(self, key: K, change: _Change[V]) -> None:
        """Carry out one wish; with an engine of this process it has come true afterwards."""
        change.flying = True
        if change.wanted:
            self._clock.spawn(self._fly(self._put, {key: change.value}, there=True))
        else:
            self._clock.spawn(self._fly(self._drop, {key: change.parting}, there=False))

    def _launch(self) -> None:
        """Send off everything that is due."""
        self._scheduled = False
        due, self._due = self._due, {}
        puts: dict[K, V] = {}
        drops: dict[K, V] = {}
        for key in due:
            change = self._changes[key]
            if change.wanted:
                puts[key] = change.value
            elif change.absent:
                self._settle(key, change)  # wished away before anything was asked for
                continue
            else:
                drops[key] = change.parting
            change.flying = True
        # What is to go goes first: it makes room.
        for batch in _batches(drops):
            self._clock.spawn(self._fly(self._drop, batch, there=False))
        for batch in _batches(puts):
            self._clock.spawn(self._fly(self._put, batch, there=True))

    async def _fly(
        self,
        act: Callable[[dict[K, V]], Awaitable[None]],
        batch: dict[K, V],
        *,
        there: bool,
    ) -> None:
        try:
            await act(batch)
        except Exception as error:
            self._outage.failed(error, len(batch))
            for key in batch:
                self._crash(key, error)
            self._retry_later()
            return
        self._outage.worked()
        self._pause = FIRST_RETRY
        for key, value in batch.items():
            self._land(key, value, there=there)

    def _land(self, key: K, value: V, *, there: bool) -> None:
        change = self._changes[key]
        change.flying = False
        change.absent = not there
        self._held.pop(key, None)
        if there and change.wanted:
            self._held[key] = value  # stands last now
        if change.wanted is there and (not there or change.value == value):
            self._settle(key, change)
        else:
            self._wake(change)
            self._ask(key, change)

    def _crash(self, key: K, error: Exception) -> None:
        change = self._changes[key]
        change.flying = False
        change.absent = False
        change.failure = error
        self._failed[key] = None
        self._wake(change)

    def _settle(self, key: K, change: _Change[V]) -> None:
        del self._changes[key]
        self._wake(change)
        if not self._changes:
            self._on_settled()

    def _wake(self, change: _Change[V]) -> None:
        waiter, change.waiter = change.waiter, None
        if waiter is not None:
            waiter.set_result(None)

    def _retry_later(self) -> None:
        if not self._retrying:
            self._retrying = True
            self._clock.call_later(self._pause, self._retry)
            self._pause = min(2 * self._pause, LAST_RETRY)

    def _retry(self) -> None:
        self._retrying = False
        failed, self._failed = self._failed, {}
        for key in failed:
            change = self._changes.get(key)
            if change is not None and change.failure is not None:
                self._due[key] = None
                change.failure = None
        if self._due:
            self._launch()


def _batches(table: dict[K, V]) -> Iterable[dict[K, V]]:
    if len(table) <= BATCH:
        return [table] if table else []
    items = iter(table.items())
    return iter(lambda: dict(islice(items, BATCH)), {})
