"""Where requests for the server API come in: which generation each is of.

Paths and settings only; what is said there is for ``http`` (today's), ``legacy`` (Centrifugo 2
to 5) and ``classic`` (2018).
"""

from collections.abc import Awaitable
from functools import partial

from girandola.api import classic, http, legacy
from girandola.api.methods import METHODS, Methods
from girandola.net.http import Request, Response, Route
from girandola.options import ClassicOptions, HttpApiOptions


class ApiDoor:
    """The server API of all generations below one path prefix."""

    def __init__(self, methods: Methods, http_api: HttpApiOptions, classic: ClassicOptions) -> None:
        self._methods = methods
        self._closed = False
        self.configure(http_api, classic)

    def configure(self, http_api: HttpApiOptions, classic: ClassicOptions) -> None:
        """Go by these settings from the next request on."""
        self._http_api = http_api
        self._methods.options = http_api
        self._classic = classic
        self._prefix = http_api.handler_prefix.rstrip("/")
        self._speaks_classic = bool(
            classic.secret or classic.allow_empty_secret or http_api.insecure
        )
        limit = http_api.max_body_size
        self._general = Route(self.handle, max_body=limit)
        self._calls = {
            f"{self._prefix}/{name}": Route(partial(self._call, name), max_body=limit)
            for name in (*METHODS, "batch")
        }

    def close(self) -> None:
        """Answer 503 from now on: the server stops."""
        self._closed = True

    def find(self, request: Request) -> Route:
        """Return who answers a request for the prefix or a path below it."""
        return self._calls.get(request.path, self._general)

    def _call(self, name: str, request: Request) -> Awaitable[Response]:
        """Answer at the path of a method of today's API, where 2018 has paths, too."""
        if self._closed or self._http_api.disabled or self._is_classic(request):
            return self.handle(request)
        return http.handle(self._methods, self._http_api, name, request)

    async def handle(self, request: Request) -> Response:
        """Answer a request for the prefix or below it that is no call of today's API."""
        if self._closed:
            return http.refuse(503, request, "the server stops", silent=True)
        options = self._http_api
        root, slash, _ = request.path[len(self._prefix) :].partition("/")
        if options.disabled or root or not request.path.startswith(self._prefix):
            return http.refuse(404, request, f"no API at {request.path!r}")
        if not slash:
            return await self._handle_root(request)
        if self._speaks_classic:
            secret = self._classic.secret
            return await classic.handle(self._methods, secret, options.insecure, request)
        return http.refuse(404, request, f"no API method at {request.path!r}")

    def _is_classic(self, request: Request) -> bool:
        """Tell whether a request for a path that both generations have is one of 2018."""
        return self._speaks_classic and (
            request.method != "POST" or "x-api-sign" in request.headers
        )

    async def _handle_root(self, request: Request) -> Response:
        """Answer at the prefix itself: 2018 sends on, Centrifugo 2 to 5 had its API here."""
        if request.method == "POST":
            return await legacy.handle(self._methods, self._http_api, request)
        if not self._speaks_classic:
            return http.refuse(405, request, f"{request.method} {self._prefix}, expected POST")
        query = f"?{request.query}" if request.query else ""
        # As the client wrote it: a prefix of the listener (http_server.http_prefix) is not ours.
        return Response(301, headers=[("Location", f"{request.raw_path}/{query}")])
