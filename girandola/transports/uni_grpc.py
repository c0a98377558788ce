"""The one-way gRPC door: a stream of pushes on a port of its own (modern.md sections 2.6, 3.11).

Needs grpcio, which is an extra: import this file only where the option is on. gRPC asks for the
next message when the peer has room for it, so messages wait here until then. It knows how
messages get into a stream and nothing of what they say; ``protocol/pb/unistream.proto`` is what
clients are made from.
"""

import asyncio
import logging
import os
import socket
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any
from urllib.parse import unquote

# A stranger's failed handshake is not worth lines of the C library's own making.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc

from girandola.core.node import Node
from girandola.core.ports import Clock, Waiter
from girandola.core.session import Session
from girandola.errors import CONNECTION_CLOSED, SLOW, Disconnect
from girandola.net.middleware import ConnectionLimit
from girandola.net.tls import parse_certificates, parse_identity, read_pem, say_validity
from girandola.options import TlsOptions, UniGrpcOptions
from girandola.protocol.commands import Disconnected
from girandola.protocol.frames import without_lengths
from girandola.protocol.v2_one_way import V2_PROTOBUF_ONE_WAY

logger = logging.getLogger(__name__)

SERVICE = "centrifugal.centrifugo.unistream.CentrifugoUniStream"
REFUSED = "connection %s: refused: over client.connection_limit or client.connection_rate_limit"
CLOSE_TIMEOUT = 5.0
"""Seconds that peers have to take what they were sent last, when a session or the server ends."""
MAX_LEFT_OVER = 100
"""Streams that one connection may leave behind: ended, and not taken to their end by the peer."""
DEFAULT_MAX_REQUEST = 65536
"""Bytes of the largest connect request; what the other doors take, too."""

_LIMITS = {
    # Two processes that share a port would each get half of the clients.
    "grpc.so_reuseport": 0,
    "grpc.server_handshake_timeout_ms": 10_000,
    "grpc.max_connection_idle_ms": 60_000,
    # Pings of one-way clients are not answered; these find out who has vanished.
    "grpc.keepalive_time_ms": 25_000,
    "grpc.keepalive_timeout_ms": 8_000,
    # How often clients may do the same to us.
    "grpc.http2.min_ping_interval_without_data_ms": 10_000,
}


class UniGrpcTransport:
    """A session's way out into one stream.

    What waits counts as not sent, so the outbox's limit holds for it, too; only the one message
    that gRPC holds while the peer has no room does not count.
    """

    __slots__ = ("_buffered", "_clock", "_ending", "_more", "_on_end", "_waiting", "peer")

    name = "uni_grpc"
    one_way = True

    def __init__(self, clock: Clock, peer: str, on_end: Callable[[], None]) -> None:
        """Prepare; ``on_end`` is called once, when nothing more will be written."""
        self.peer = peer
        self._clock = clock
        self._on_end = on_end
        self._waiting: deque[bytes] = deque()
        self._buffered = 0
        self._ending = False
        self._more: Waiter[None] | None = None

    # ── for the stream ───────────────────────────────────────────────────────────────────────

    async def carry(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send every message, in order and as ``send`` takes them, until the session has ended."""
        while True:
            while self._waiting:
                message = self._waiting.popleft()
                self._buffered -= len(message)
                for bare in without_lengths(message):
                    await send(bare)
            if self._ending:
                return
            self._more = self._clock.waiter()
            await self._more

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    def _drop(self) -> None:
        self._waiting.clear()
        self._buffered = 0

    # ── for the session ──────────────────────────────────────────────────────────────────────

    def write(self, messages: list[bytes]) -> None:
        """See ``ports.Transport``."""
        if not self._ending:
            self._waiting.extend(messages)
            self._buffered += sum(map(len, messages))
            self._wake()

    def buffered(self) -> int:
        """See ``ports.Transport``."""
        return self._buffered

    def ping(self) -> None:
        """See ``ports.Transport``; gRPC pings by itself."""

    def pause(self) -> None:
        """See ``ports.Transport``; the peer has said all it will."""

    def resume(self) -> None:
        """See ``ports.Transport``."""

    def close(self, disconnect: Disconnect) -> None:
        """See ``ports.Transport``. The stream ends behind a push that says why.

        Code 3000 is never said (modern.md section 4.6).
        """
        if disconnect.code == SLOW.code:
            self._drop()
        if not self._ending and disconnect.code != CONNECTION_CLOSED.code:
            self.write([V2_PROTOBUF_ONE_WAY.push("", Disconnected(disconnect))])
        self._end()

    def abort(self) -> None:
        """See ``ports.Transport``."""
        self._drop()
        self._end()

    def _end(self) -> None:
        if not self._ending:
            self._ending = True
            self._on_end()
        self._wake()


class UniGrpcDoor:
    """The service, and the port it is offered on. Make it inside the running loop.

    Request headers say nothing of the user here: no proxy in front of this port is known.

    A stream whose session has ended gives its place back at once. Its peer then has
    ``CLOSE_TIMEOUT`` seconds to take the rest; after that the stream ends for us, with a status
    behind what gRPC holds of it already. gRPC for asyncio has no way to reset a stream or to
    close its connection, and a status waits for the messages before it. So what is left of a
    stream that nobody reads (one message, and gRPC's own record) stays until its connection
    breaks, and each connection may have ``MAX_LEFT_OVER`` of them.

    Raises:
        ValueError: an option of TLS is wrong; the text begins with its name.
    """

    def __init__(self, node: Node, limit: ConnectionLimit, options: UniGrpcOptions) -> None:
        self._node = node
        self._limit = limit
        self._options = options
        self._left_over: Counter[str] = Counter()
        self._certificates = _certificates(options.tls)
        size = options.max_receive_message_size or DEFAULT_MAX_REQUEST
        limits = {**_LIMITS, "grpc.max_receive_message_length": size}
        self._server = grpc.aio.server(options=list(limits.items()))
        # Without (de)serializers: requests and pushes are bytes, and our codec's business.
        method = grpc.unary_stream_rpc_method_handler(self._consume)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {"Consume": method}),)
        )

    async def start(self) -> int:
        """Accept streams; return the port.

        Raises ``OSError`` that names the address when it cannot be had.
        """
        host, port = self._options.address, self._options.port
        try:
            port = self._listen(f"{_host_in_url(host or '::')}:{port}")
        except RuntimeError:
            where = f"{host or 'all interfaces'}, port {port}"
            raise OSError(f"uni_grpc: cannot listen on {where}: {_reason(host, port)}") from None
        await self._server.start()
        scheme = "grpcs" if self._options.tls.enabled else "grpc"
        logger.info("serving one-way gRPC on %s://%s:%d", scheme, _host_in_url(host or "::"), port)
        return port

    async def stop(self) -> None:
        """Accept no more streams and return when all have ended; cut off what does not."""
        await self._server.stop(CLOSE_TIMEOUT)

    def reload(self) -> Callable[[], None]:
        """Read the certificates again; return what shows them to new connections.

        Raises ``ValueError`` like the constructor.
        """
        certificates = _certificates(self._options.tls)

        def show() -> None:
            self._certificates = certificates

        return show

    def _listen(self, address: str) -> int:
        if self._options.tls.enabled:
            port: int = self._server.add_secure_port(address, self._credentials())
        else:
            port = self._server.add_insecure_port(address)
        return port

    def _credentials(self) -> Any:
        """Return what asks for the certificates of the moment for every connection."""
        must_show = bool(self._options.tls.client_ca_pem)
        return grpc.dynamic_ssl_server_credentials(
            self._certificates, lambda: self._certificates, must_show
        )

    async def _consume(self, request: bytes, context: Any) -> None:
        """Be one stream, from the connect request to its end."""
        peer = unquote(context.peer()).partition(":")[2]
        if self._node.shutting_down:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "shutting down")
        if self._left_over[peer] >= MAX_LEFT_OVER:
            logger.info("connection %s: refused: reads too few of its streams", peer)
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many unread streams")
        if not self._limit.acquire():
            logger.info(REFUSED, peer)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "too many connections")
        try:
            if not await self._serve(request, peer, context):
                logger.info("connection %s: cut off: did not take the end of its stream", peer)
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow")
        except grpc.aio.AbortError:
            raise  # how gRPC ends a stream
        except grpc.aio.BaseError:
            pass  # the peer has gone while something was on its way

    async def _serve(self, request: bytes, peer: str, context: Any) -> bool:
        """Be the session of a stream; return whether its peer took everything in time."""
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(None) as patience:

                def on_end() -> None:
                    self._limit.release()
                    self._left_over[peer] += 1
                    context.add_done_callback(lambda _: self._forget(peer))
                    patience.reschedule(now() + CLOSE_TIMEOUT)

                transport = UniGrpcTransport(self._node.clock, peer, on_end)
                session = Session(self._node, transport, V2_PROTOBUF_ONE_WAY)
                session.id = self._node.new_id()
                try:
                    session.receive(request)
                    await transport.carry(context.write)
                finally:
                    session.on_transport_closed()
                    transport.abort()
        except TimeoutError:
            return False
        return True

    def _forget(self, peer: str) -> None:
        self._left_over[peer] -= 1
        if not self._left_over[peer]:
            del self._left_over[peer]


def _certificates(options: TlsOptions) -> Any:
    """Return what the port shows, and whose certificates it asks for; nothing without TLS.

    Raises ``ValueError`` that names the option.
    """
    if not options.enabled:
        return None
    names = ("uni_grpc.tls.cert_pem", "uni_grpc.tls.key_pem")
    chain = read_pem(options.cert_pem, names[0])
    key = read_pem(options.key_pem, names[1])
    say_validity(parse_identity(chain, key, *names), "uni_grpc.tls")
    authorities = None
    if options.client_ca_pem:
        option = "uni_grpc.tls.client_ca_pem"
        authorities = read_pem(options.client_ca_pem, option)
        parse_certificates(authorities, option)
    return grpc.ssl_server_certificate_configuration([(key, chain)], authorities)


def _host_in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _reason(host: str, port: int) -> str:
    """Return why the address cannot be had, which gRPC does not tell."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with closing(socket.create_server((host, port), family=family)):
            return "gRPC does not say why"
    except OSError as error:
        return error.strerror or str(error)
