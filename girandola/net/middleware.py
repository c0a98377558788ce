"""Who may come in at all: origins of browsers, and how many connections.

Knows requests and numbers; not what is behind the doors it guards.
"""

from collections.abc import Callable, Sequence

from girandola.globs import compile_glob
from girandola.net.http import Request, Response

# Longer than any host name makes it.
MAX_ORIGIN_LENGTH = 512


class OriginCheck:
    """Whether a browser's page may talk to us, by patterns of origins (modern.md section 3.1).

    Patterns are globs (``girandola.globs``), in any case. ``*`` alone allows everything, no
    pattern at all refuses every origin.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        """Prepare. Raises ``ValueError`` that names a pattern and what is wrong with it."""
        self._everything = "*" in patterns
        self._patterns = tuple(map(_compiled, patterns))

    def allows(self, origin: str | None) -> bool:
        """Tell whether a request with this Origin header is welcome.

        Without one, or with an empty one, it always is.
        """
        if not origin or self._everything:
            return True
        if len(origin) > MAX_ORIGIN_LENGTH:
            return False
        origin = origin.lower()
        return any(matches(origin) for matches in self._patterns)


def _compiled(pattern: str) -> Callable[[str], bool]:
    try:
        return compile_glob(pattern.lower())
    except ValueError as error:
        raise ValueError(f"origin pattern {pattern!r}: {error}") from None


def cors_headers(
    request: Request, origins: OriginCheck, *, without_origin: str = ""
) -> tuple[tuple[str, str], ...]:
    """Return what lets a page of an allowed origin read the answer; nothing for others.

    ``without_origin`` is the origin named to who tells none; empty: they get nothing, either.
    A request from an origin that is not allowed is answered all the same: it is the browser that
    keeps the answer from the page (modern.md section 3.1).
    """
    origin = request.headers.get("origin")
    if not origins.allows(origin) or not (origin or without_origin):
        return ()
    headers = [
        ("Access-Control-Allow-Origin", origin or without_origin),
        ("Access-Control-Allow-Credentials", "true"),
        ("Vary", "Origin"),
    ]
    wanted = request.headers.get("access-control-request-headers")
    if wanted:
        headers.append(("Access-Control-Allow-Headers", wanted))
    return tuple(headers)


def preflight_response(
    request: Request, origins: OriginCheck, methods: str = "POST, OPTIONS"
) -> Response:
    """Return the answer to an OPTIONS by which a browser asks before the real request."""
    headers = (
        *cors_headers(request, origins),
        ("Access-Control-Max-Age", "300"),
        ("Access-Control-Allow-Methods", methods),
    )
    return Response(204, headers=headers)


class ConnectionLimit:
    """How many connections there may be, and how many new ones a second. 0: any number.

    After a quiet second, ``rate`` connections may come at once; then ``rate`` each second.
    """

    def __init__(self, limit: int, rate: int, now: Callable[[], float]) -> None:
        """Prepare; ``now`` gives seconds that never go back."""
        self._limit = limit
        self._rate = rate
        self._now = now
        self._open = 0
        self._tokens = float(rate)
        self._filled_at = now()

    def change(self, limit: int, rate: int) -> None:
        """Go by other numbers from now on; the open connections stay counted."""
        self._limit = limit
        self._rate = rate
        self._tokens = min(self._tokens, float(rate)) if rate else 0.0

    def acquire(self) -> bool:
        """Count a connection in, or tell that it may not come (answer it with 503)."""
        if self._limit and self._open >= self._limit:
            return False
        if self._rate and not self._take_token():
            return False
        self._open += 1
        return True

    def release(self) -> None:
        """Count a connection out: once for each ``acquire`` that was granted."""
        self._open -= 1

    def _take_token(self) -> bool:
        now = self._now()
        grown = self._tokens + (now - self._filled_at) * self._rate
        self._tokens, self._filled_at = min(float(self._rate), grown), now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
