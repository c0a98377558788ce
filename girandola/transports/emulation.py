"""The request that carries commands of a client of SSE or HTTP streaming (modern.md 3.5).

It leads to the session by the secret id that only its client was told. One node only so far.
"""

import logging

from girandola.net.http import Request, Response, plain_response
from girandola.net.middleware import cors_headers, preflight_response
from girandola.protocol.emulation import decode_emulation
from girandola.transports.base import Entrance
from girandola.transports.streaming import is_binary

logger = logging.getLogger(__name__)


class EmulationDoor:
    """Hands commands to the sessions that they are for."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    def handle(self, request: Request) -> Response:
        """Answer 204, also for a session that is not, or no longer, here."""
        origins = self._entrance.origins
        if request.method == "OPTIONS":
            return preflight_response(request, origins)
        status = self._carry(request)
        if status == 204:
            return Response(204, headers=cors_headers(request, origins))
        return plain_response(status, cors_headers(request, origins))

    def _carry(self, request: Request) -> int:
        if why := self._entrance.unwelcome(request, check_origin=False):
            logger.info("connection %s: emulation refused with 403: %s", request.peer, why)
            return 403
        try:
            emulation = decode_emulation(request.body, binary=is_binary(request))
        except ValueError as error:
            logger.info("connection %s: emulation refused with 400: %s", request.peer, error)
            return 400
        node = self._entrance.node
        if emulation.node != node.uid:
            logger.info(
                "connection %s: emulation refused with 404: no node %.64r",
                request.peer,
                emulation.node,
            )
            return 404
        node.emulate(emulation.session, emulation.frame)
        return 204
