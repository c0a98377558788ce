"""Where requests for the server API come in: which generation each is of, and who may go on.

Paths, heads and settings only; what is said there is for ``http`` (today's), ``legacy`` (Centrifugo
2 to 5) and ``classic`` (2018). Who is no caller is refused by the head, before a body is read; only
2018 has its proof in the body, so those bodies have a limit of their own.
"""

from functools import partial

from msgspec import structs

from girandola.api import classic, http, legacy
from girandola.api.classic import handle as handle_signed
from girandola.api.methods import METHODS, Methods
from girandola.net.http import Caller, Request, Response, Route
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
        known = Route(
            partial(legacy.handle, self._methods),
            max_body=http_api.max_body_size,
            limited_by="http_api.max_body_size",
            caller=Caller.APPLICATION,
        )
        self._commands = known
        self._calls = {
            f"{self._prefix}/{name}": structs.replace(
                known, handler=partial(http.handle, self._methods, http_api, name)
            )
            for name in (*METHODS, "batch")
        }
        answer = partial(handle_signed, self._methods, classic.secret, http_api.insecure)
        self._signed = structs.replace(known, handler=answer)
        self._signed_by_strangers = Route(
            answer,
            max_body=min(classic.max_signed_body_size, http_api.max_body_size),
            limited_by="classic.max_signed_body_size",
            caller=Caller.CLAIMANT,
        )

    def close(self) -> None:
        """Answer 503 from now on: the server stops."""
        self._closed = True

    def find(self, request: Request) -> Route | Response:
        """Return who answers a request for the prefix or a path below it, or a refusal.

        The body is not needed: it need not be there yet.
        """
        call = self._calls.get(request.path)
        if call is None or self._closed or self._http_api.disabled or self._is_classic(request):
            return self._find_other(request)
        return http.refusal(self._http_api, request) or call

    def _find_other(self, request: Request) -> Route | Response:
        """Return who answers what is no call of today's API."""
        if self._closed:
            return http.refuse(503, request, "the server stops", silent=True)
        root, slash, _ = request.path[len(self._prefix) :].partition("/")
        if self._http_api.disabled or root or not request.path.startswith(self._prefix):
            return http.refuse(404, request, f"no API at {request.path!r}")
        if not slash:
            return self._find_root(request)
        if self._speaks_classic:
            return self._find_classic(request)
        return http.refuse(404, request, f"no API method at {request.path!r}")

    def _is_classic(self, request: Request) -> bool:
        """Tell whether a request for a path that both generations have is one of 2018."""
        return self._speaks_classic and (
            request.method != "POST" or "x-api-sign" in request.headers
        )

    def _find_classic(self, request: Request) -> Route | Response:
        secret, insecure = self._classic.secret, self._http_api.insecure
        refusal = classic.refusal(secret, insecure, request)
        if refusal is not None:
            return refusal
        # Who shows a key as well is known before the sign is looked at.
        known = http.is_authorized(self._http_api, request)
        return self._signed if known else self._signed_by_strangers

    def _find_root(self, request: Request) -> Route | Response:
        """Return who answers at the prefix itself: 2018 sends on, Centrifugo 2 to 5 are here."""
        if request.method == "POST" or not self._speaks_classic:
            return http.refusal(self._http_api, request) or self._commands
        query = f"?{request.query}" if request.query else ""
        # As the client wrote it: a prefix of the listener (http_server.http_prefix) is not ours.
        return Response(301, headers=[("Location", f"{request.raw_path}/{query}")])
