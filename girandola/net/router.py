"""Path to route. Knows paths and methods; not what the handlers do.

``Route`` and ``WebSocketRoute`` stand in ``http.py``, which obeys them; import them from here.
"""

from girandola.net.http import Find, Request, Response, Route, WebSocketRoute, plain_response

__all__ = ["Mount", "Route", "Router", "WebSocketRoute"]


class Router:
    """A table of exact paths, of doors, and of prefixes. ``find`` is what the server asks.

    An exact path wins over a door, a door over a prefix, a long prefix over a short one. Adding a
    path or a prefix twice raises ``ValueError``.
    """

    def __init__(self) -> None:
        self._exact: dict[str, Route | WebSocketRoute | Response] = {}
        self._doors: list[tuple[str, Find]] = []
        # Longest first.
        self._prefixes: list[tuple[str, Route | WebSocketRoute]] = []

    @property
    def paths(self) -> list[str]:
        """What leads somewhere, in the order in which it was added; prefixes end with a slash.

        Doors come last. A prefix whose path without the slash is exact is left out.
        """
        exact = [path for path, target in self._exact.items() if not isinstance(target, Response)]
        below = [p for p, _ in reversed(self._prefixes) if p.removesuffix("/") not in exact]
        return exact + below + [prefix or "/" for prefix, _ in self._doors]

    def add(self, path: str, route: Route | WebSocketRoute) -> None:
        """Lead exactly ``path`` (percent-decoded) to ``route``."""
        self._add_exact(path, route)

    def add_prefix(self, prefix: str, route: Route | WebSocketRoute) -> None:
        """Lead ``prefix`` and everything below it to ``route``; ``prefix`` ends with a slash."""
        if not prefix.endswith("/"):
            raise ValueError(f"prefix {prefix!r}: expected a slash at its end")
        if any(known == prefix for known, _ in self._prefixes):
            raise ValueError(f"prefix {prefix!r} is taken")
        self._prefixes.append((prefix, route))
        self._prefixes.sort(key=lambda entry: len(entry[0]), reverse=True)

    def add_door(self, prefix: str, find: Find) -> None:
        """Let ``find`` say where ``prefix`` leads, and what is below it; a later one comes last."""
        self._doors.append((prefix.rstrip("/"), find))

    def redirect(self, path: str, location: str) -> None:
        """Answer ``path`` with a 301 to ``location``."""
        self._add_exact(path, plain_response(301, (("Location", location),)))

    def find(self, request: Request) -> Route | WebSocketRoute | Response:
        """Return what a request leads to: a route that takes its method, or 301, 404 or 405."""
        path = request.path
        target = self._exact.get(path)
        if target is None:
            for prefix, find in self._doors:
                if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                    return find(request)
            target = next(
                (route for prefix, route in self._prefixes if path.startswith(prefix)), None
            )
            if target is None:
                return plain_response(404)
        if not isinstance(target, Route) or not target.methods or request.method in target.methods:
            return target
        if request.method == "HEAD" and "GET" in target.methods:
            return target
        return plain_response(405, (("Allow", ", ".join(_allowed(target.methods))),))

    def _add_exact(self, path: str, target: Route | WebSocketRoute | Response) -> None:
        if not path.startswith("/"):
            raise ValueError(f"path {path!r}: expected a slash at its beginning")
        if path in self._exact:
            raise ValueError(f"path {path!r} is taken")
        self._exact[path] = target


class Mount(Router):
    """Another router, below a prefix: who stands behind it never sees the prefix.

    Everything outside of the prefix is not found. An empty prefix changes nothing.
    """

    def __init__(self, prefix: str, inner: Router) -> None:
        super().__init__()
        self._prefix = prefix.rstrip("/")
        self._inner = inner

    def find(self, request: Request) -> Route | WebSocketRoute | Response:
        """See ``Router.find``. Takes the prefix off ``request.path``."""
        if self._prefix:
            path = request.path.removeprefix(self._prefix)
            if path == request.path or not path.startswith("/"):
                return plain_response(404)
            request.path = path
        return self._inner.find(request)


def _allowed(methods: tuple[str, ...]) -> tuple[str, ...]:
    return (*methods, "HEAD") if "GET" in methods and "HEAD" not in methods else methods
