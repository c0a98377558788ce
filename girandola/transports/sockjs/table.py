"""Which SockJS sessions there are over HTTP, by the ids that clients chose.

An id leads to one session at a time: nobody can open a second one with it, neither while it lives
nor while its farewell is remembered.
"""

from girandola.transports.sockjs.session import HttpSession

MAX_LIVE = 100_000
"""Live sessions: they need no open socket, so nothing else would bound them by default."""
MAX_RETIRED = 10_000
"""Farewells remembered; the oldest go first."""


class Sessions:
    """A table of live and retired sessions."""

    def __init__(self) -> None:
        self._live: dict[str, HttpSession] = {}
        self._retired: dict[str, HttpSession] = {}

    @property
    def full(self) -> bool:
        """Whether no other session may be opened."""
        return len(self._live) >= MAX_LIVE

    def find(self, id_: str) -> HttpSession | None:
        """Return the session of an id, live or retired."""
        return self._live.get(id_) or self._retired.get(id_)

    def find_live(self, id_: str) -> HttpSession | None:
        """Return the live session of an id."""
        return self._live.get(id_)

    def strangers(self) -> list[HttpSession]:
        """Return the live sessions in which nobody was recognised yet."""
        return [session for session in self._live.values() if session.stranger]

    def add(self, session: HttpSession) -> None:
        """Let a new session be found."""
        self._live[session.id] = session

    def retire(self, session: HttpSession) -> None:
        """Keep an ended session for its farewell."""
        self._live.pop(session.id, None)
        self._retired[session.id] = session
        if len(self._retired) > MAX_RETIRED:
            self._retired.pop(next(iter(self._retired))).drop()

    def forget(self, session: HttpSession) -> None:
        """Let go of a retired session; its id is free again."""
        if self._retired.get(session.id) is session:
            del self._retired[session.id]
