"""Where the server listens: for clients, for the applications behind it, and with which TLS.

Makes addresses, sockets and certificates of ``http_server.*``. Knows what is served as routers
only. One listener serves both, unless the configuration or systemd gives the internal side a place
of its own.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator

from msgspec import Struct

from girandola.app.activation import Inherited
from girandola.config.schema import Config, HttpServerOptions
from girandola.core.ports import Clock
from girandola.net.autocert import Autocert, CertificateCache, account_key, challenge_router
from girandola.net.capacity import Capacity
from girandola.net.messages import HttpLimits
from girandola.net.router import Mount, Router
from girandola.net.server import Server
from girandola.net.tls import CurrentContext, server_context
from girandola.options import AutocertOptions

logger = logging.getLogger(__name__)

TLS, INTERNAL_TLS = "http_server.tls", "http_server.internal_tls"
AUTOCERT = "http_server.tls_autocert"

Certificates = dict[str, ssl.SSLContext]
"""Contexts by the section of their options."""


class Place(Struct, frozen=True):
    """Where one listener is: a unix socket, or an address and a port."""

    address: str = ""
    port: int = 0
    unix_socket: str = ""


def places(options: HttpServerOptions, inherited: Inherited) -> tuple[Place, Place | None]:
    """Return where clients come in, and where applications do if that is elsewhere."""
    external = Place(options.address, options.port, options.unix_socket)
    if options.unix_socket:
        external = Place(unix_socket=options.unix_socket)
    if options.internal_unix_socket:
        internal = Place(unix_socket=options.internal_unix_socket)
    elif options.internal_port or options.internal_address:
        port = int(options.internal_port) if options.internal_port else options.port
        internal = Place(options.internal_address or options.address, port)
    else:
        internal = external
    # Port 0 is another one each time.
    any_port = options.internal_port != "" and int(options.internal_port) == 0
    elsewhere = internal != external or any_port or bool(inherited.internal)
    return external, internal if elsewhere else None


class Listeners:
    """All listening sockets of the process, and the connections behind them.

    In the order of a day: ``start``; ``certificates`` and ``use`` at every reload;
    ``stop_accepting``, ``close_idle``, ``drain``. Make it inside the running loop.
    """

    def __init__(self, config: Config, clock: Clock, inherited: Inherited | None = None) -> None:
        """Read certificates. Raises ``ValueError`` that begins with the name of an option."""
        self._options = config.http_server
        self._clock = clock
        self._inherited = Inherited() if inherited is None else inherited
        self._external, self._internal = places(self._options, self._inherited)
        self._servers: list[Server] = []
        self._capacity = Capacity(clock.now, max_unfinished=self._options.max_unfinished_size)
        self._answers: dict[str, str] = {}
        self._autocert = self._make_autocert(self._options.tls_autocert)
        self._contexts = {
            section: CurrentContext(context)
            for section, context in self.certificates(config).items()
        }
        self.where: list[tuple[str, list[str]]] = []
        """Addresses as URLs, and the paths that are served there, once they are."""
        for sentence in self._without_effect():
            logger.warning("%s", sentence)

    @property
    def separate_internal(self) -> bool:
        """Whether applications come in elsewhere than clients."""
        return self._internal is not None

    async def start(self, external: Router, internal: Router | None) -> None:
        """Listen; ``internal`` is needed where it is separate.

        Raises ``OSError`` that names the address or path, and then listens nowhere.
        """
        try:
            if self._autocert is not None:
                await self._start_challenges(self._options.tls_autocert)
            await self._start(
                external, self._external, self._inherited.external, self._external_tls()
            )
            if self._internal is not None and internal is not None:
                await self._start(
                    internal, self._internal, self._inherited.internal, self._internal_tls()
                )
        except OSError:
            await self.stop_accepting()
            raise
        if self._autocert is not None:
            self._autocert.start()

    def certificates(self, config: Config) -> Certificates:
        """Return contexts made of what the options say and the files hold now.

        Raises ``ValueError`` that begins with the name of an option.
        """
        now, started = config.http_server, self._options
        return {
            section: server_context(current, section)
            for section, current, at_start in (
                (TLS, now.tls, started.tls),
                (INTERNAL_TLS, now.internal_tls, started.internal_tls),
            )
            if at_start.enabled
            and current.enabled  # else it says nothing of use, and holds from the next start on
            and not (section == TLS and self._autocert is not None)
        }

    def use(self, certificates: Certificates) -> None:
        """Let new connections have these certificates; open ones keep theirs."""
        for section, context in certificates.items():
            self._contexts[section].now = context

    async def stop_accepting(self) -> None:
        """Close the listening sockets; open connections go on."""
        if self._autocert is not None:
            self._autocert.stop()
        for server in self._servers:
            await server.stop_accepting()

    def close_idle(self) -> None:
        """Close the HTTP connections that wait for no answer."""
        for server in self._servers:
            server.close_idle()

    async def drain(self, timeout: float) -> int:  # noqa: ASYNC109  what is left then is cut off
        """Wait for connections to end, cut off the rest, and return how many that were."""
        return sum(await asyncio.gather(*(server.drain(timeout) for server in self._servers)))

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    async def _start(
        self,
        router: Router,
        place: Place,
        inherited: tuple[socket.socket, ...],
        tls: ssl.SSLContext | None,
    ) -> None:
        server = self._server(Mount(self._options.http_prefix, router))
        scheme = "http" if tls is None else "https"
        if inherited:
            for listening in inherited:
                await server.start_inherited(listening, tls=tls)
                self._say(f"{_url(scheme, listening.getsockname())} (from systemd)", router)
        elif place.unix_socket:
            mode = int(self._options.unix_socket_mode, 8)
            await server.start_unix(place.unix_socket, mode=mode, tls=tls)
            self._say(_url(scheme, place.unix_socket), router)
        else:
            for address in await server.start(place.address, place.port, tls=tls):
                self._say(_url(scheme, address), router)

    def _server(self, router: Router) -> Server:
        limits = HttpLimits(head_size=self._options.max_head_size)
        server = Server(router, clock=self._clock, limits=limits, capacity=self._capacity)
        self._servers.append(server)
        return server

    def _say(self, where: str, router: Router) -> None:
        prefix = self._options.http_prefix.rstrip("/")
        self.where.append((where, [prefix + path for path in router.paths]))

    async def _start_challenges(self, options: AutocertOptions) -> None:
        server = self._server(challenge_router(self._answers, options.host_whitelist))
        host, _, port = options.http_addr.rpartition(":")
        for address in await server.start(host.strip("[]"), int(port)):
            self.where.append((_url("http", address), ["ACME challenges"]))

    def _make_autocert(self, options: AutocertOptions) -> Autocert | None:
        if not options.enabled:
            return None
        try:
            from girandola.net.acme import AcmeClient
        except ImportError:
            raise ValueError(f"{AUTOCERT}: is an extra; install girandola[acme]") from None
        try:
            cache = CertificateCache(options.cache_dir)
            key = account_key(cache)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"{AUTOCERT}.cache_dir: {options.cache_dir}: {reason}") from None
        client = AcmeClient(options.directory_url, options.email, key, self._answers)
        return Autocert(
            options.host_whitelist,
            cache,
            client.obtain,
            self._clock,
            default_host=options.server_name,
            use_rsa=options.force_rsa,
        )

    def _external_tls(self) -> ssl.SSLContext | None:
        return self._contexts.get(TLS) if self._autocert is None else self._autocert.context

    def _internal_tls(self) -> ssl.SSLContext | None:
        if INTERNAL_TLS in self._contexts:
            return self._contexts[INTERNAL_TLS]
        return None if self._options.tls_external else self._external_tls()

    def _without_effect(self) -> Iterator[str]:
        """Yield a sentence for each option that does nothing here, though it says something."""
        options = self._options
        if self._autocert is not None and options.tls.enabled:
            yield f"{TLS} has no effect: {AUTOCERT} is on"
        if self._autocert is not None and not options.tls_autocert.cache_dir:
            yield f"{AUTOCERT}.cache_dir is empty: every start asks for new certificates"
        if options.internal_tls.enabled and self._internal is None:
            yield f"{INTERNAL_TLS} has no effect: there is no separate internal listener"
        for section, tls in ((TLS, options.tls), (INTERNAL_TLS, options.internal_tls)):
            for name in ("server_ca_pem", "insecure_skip_verify", "server_name"):
                if getattr(tls, name):
                    yield f"{section}.{name} has no effect on a listener"


def _url(scheme: str, address: object) -> str:
    """Return where a socket is, by what it says of itself: a path, or host and port."""
    if isinstance(address, tuple):
        host, port = address[:2]
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    return f"{scheme}+unix:{address}"
