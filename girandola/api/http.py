"""Today's server API over HTTP: ``POST /api/<method>`` with JSON in and out.

One walk over the table of methods; which path this is and which generation the caller speaks is
decided in ``door``. Status codes, texts and keys: server.md section 7 and appendix A.
"""

import hmac
import logging

from msgspec import Struct

from girandola.api import schema
from girandola.api.batches import carry_out
from girandola.api.methods import Methods
from girandola.errors import Error, Reject
from girandola.net.http import Request, Response, plain_response
from girandola.options import HttpApiOptions
from girandola.protocol.raw_json import Unreadable

logger = logging.getLogger(__name__)

STATUS_OF_ERROR = {100: 500, 102: 404, 104: 404, 107: 400, 108: 400, 112: 416, 113: 409}
"""What the transport error mode answers with."""

_NO_SNIFF = (("X-Content-Type-Options", "nosniff"),)


async def handle(
    methods: Methods, options: HttpApiOptions, name: str, request: Request
) -> Response:
    """Answer a call of the method ``name``, which is one of ``METHODS`` or ``batch``.

    The caller was admitted by ``refusal``.
    """
    try:
        if name == "batch":
            replies = await carry_out(methods, request.body, request.peer)
            return json_response(schema.encode(replies))
        parameters = methods.read(name, request.body)
    except Unreadable as error:
        return refuse(400, request, f"{name}: {error}")
    except Reject as reject:
        return _answer(options, request, methods.refuse(name, request.peer, reject))
    return _answer(options, request, await methods.answer(name, parameters, request.peer))


def _answer(options: HttpApiOptions, request: Request, outcome: Struct | Error) -> Response:
    if not isinstance(outcome, Error):
        return json_response(b'{"result":%b}' % schema.encode(outcome))
    error_text = schema.encode(schema.error(outcome))
    mode = request.headers.get("x-centrifugo-error-mode", options.error_mode)
    if mode.lower() == "transport":
        return json_response(error_text, STATUS_OF_ERROR.get(outcome.code, 500))
    return json_response(b'{"error":%b}' % error_text)


def refusal(options: HttpApiOptions, request: Request) -> Response | None:
    """Return what is answered to somebody who may not call, by the head of the request alone."""
    if request.method == "POST":
        if is_authorized(options, request):
            return None
        return refuse(401, request, f"no or a wrong API key for {request.path}", silent=True)
    return refuse(405, request, f"{request.method} {request.path}, expected POST")


def is_authorized(options: HttpApiOptions, request: Request) -> bool:
    """Tell whether the caller shows the API key, or need not.

    An ``X-API-Key`` is the only header looked at when it is there; the query comes last.
    """
    if options.insecure:
        return True
    if not options.key:
        return False
    shown = request.headers.get("x-api-key", "")
    if not shown:
        words = request.headers.get("authorization", "").split()
        if len(words) == 2 and words[0].lower() == "apikey":
            shown = words[1]
    # Header text is bytes read as Latin-1.
    if shown and _same(options.key, shown.encode("latin-1", "replace")):
        return True
    in_query = request.query_params().get("api_key", [""])[0] if request.query else ""
    return bool(in_query) and _same(options.key, in_query.encode("utf-8", "replace"))


def json_response(body: bytes, status: int = 200) -> Response:
    """Return an answer in JSON."""
    return Response(status, body, "application/json")


def refuse_as_too_much(request: Request, reject: Reject) -> Response:
    """Return an answer that says of what there is too much, where there is no other envelope."""
    logger.warning("API request from %s answered with 413: %s", request.peer, reject.detail)
    return Response(413, f"{reject.error.message}\n".encode(), headers=_NO_SNIFF)


def refuse(status: int, request: Request, reason: str, *, silent: bool = False) -> Response:
    """Return an answer that says no, and log why. ``silent``: it has no body."""
    logger.warning("API request from %s answered with %d: %s", request.peer, status, reason)
    if silent:
        return Response(status)
    headers = _NO_SNIFF if status != 405 else (*_NO_SNIFF, ("Allow", "POST"))
    return plain_response(status, headers)


def _same(key: str, shown: bytes) -> bool:
    return hmac.compare_digest(key.encode(), shown)
