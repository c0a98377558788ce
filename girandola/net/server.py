"""Listening sockets, and the open connections behind them until the last one is gone.

Knows addresses and connections; not what they are for.
"""

import asyncio
import errno
import ipaddress
import logging
import socket
import ssl
import sys
from typing import Any

from girandola.core.ports import Clock, Waiter
from girandola.net.capacity import Capacity
from girandola.net.connections import Connections
from girandola.net.http import HttpLimits
from girandola.net.router import Router
from girandola.net.unix_socket import UnixSocket, listen_at

logger = logging.getLogger(__name__)

BACKLOG = 65535
"""Connections that may wait to be accepted; the kernel makes it ``net.core.somaxconn``, if less.

Where clients come back all at once, those that find no place ask again a second later.
"""

HANDSHAKE_TIMEOUT = 10.0
"""Seconds that a peer has for its part of a TLS handshake."""

SHUTDOWN_TIMEOUT = 5.0
"""Seconds that a peer has to agree to the end of a TLS connection."""

# An address of a machine without this kind of network; another address of the host may do.
_NOT_HERE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class Server:
    """HTTP and WebSocket on any number of addresses.

    In the order of a day: ``start``, ``start_unix`` and ``start_inherited`` (for each address),
    ``stop_accepting``, ``close_idle``, ``drain``. ``tls`` is the context of a listener that speaks
    TLS.
    """

    def __init__(
        self,
        router: Router,
        *,
        clock: Clock,
        limits: HttpLimits | None = None,
        capacity: Capacity | None = None,
    ) -> None:
        """Prepare. ``clock`` must be that of the running loop for ``start`` and ``drain``.

        The servers of a process share one ``capacity``.
        """
        self._clock = clock
        self._connections = Connections(router.find, clock, limits, capacity)
        self._listeners: list[asyncio.AbstractServer] = []
        self._unix_sockets: list[UnixSocket] = []

    @property
    def open_http(self) -> int:
        """How many HTTP connections are open, idle and streaming ones included."""
        return len(self._connections.http) + len(self._connections.streams)

    @property
    def open_websockets(self) -> int:
        """How many WebSockets are open."""
        return len(self._connections.websockets)

    async def start(
        self, host: str, port: int, *, tls: ssl.SSLContext | None = None
    ) -> list[tuple[str, int]]:
        """Accept connections at all addresses of ``host`` and return these, with their port.

        An empty host means all interfaces, IPv4 and IPv6 as far as there are, and so does ``::``;
        port 0 a free one, the same for all. Raises ``OSError`` that names the address when it
        cannot be had.
        """
        sockets = await _bind(host, port)
        for listening in sockets:
            await self._listen(listening, tls)
        return [listening.getsockname()[:2] for listening in sockets]

    async def start_unix(
        self, path: str, *, mode: int = 0o660, tls: ssl.SSLContext | None = None
    ) -> None:
        """Accept connections at a unix socket, whose file is removed at ``stop_accepting``.

        Raises ``OSError`` that names the path.
        """
        made = listen_at(path, mode, BACKLOG)
        self._unix_sockets.append(made)
        await self._listen(made.listening, tls)

    async def start_inherited(
        self, listening: socket.socket, *, tls: ssl.SSLContext | None = None
    ) -> None:
        """Accept connections at a socket that listens already; it is ours from now on.

        The file of a unix socket stays: it is whoever made it who has to remove it.
        """
        listening.setblocking(False)
        await self._listen(listening, tls)

    async def _listen(self, listening: socket.socket, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {"sock": listening, "backlog": BACKLOG, "ssl": tls}
        if tls is not None:
            options["ssl_handshake_timeout"] = HANDSHAKE_TIMEOUT
            options["ssl_shutdown_timeout"] = SHUTDOWN_TIMEOUT
        if listening.family != socket.AF_UNIX:
            listener = await loop.create_server(self._connections.make, **options)
        else:
            if sys.version_info >= (3, 13):
                options["cleanup_socket"] = (
                    False  # the file is UnixSocket's to remove, or another's
                )
            listener = await loop.create_unix_server(self._connections.make, **options)
        self._listeners.append(listener)

    async def stop_accepting(self) -> None:
        """Close the listening sockets. Open connections go on; HTTP ones end with their answer."""
        self._connections.draining = True
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.close()
        unix_sockets, self._unix_sockets = self._unix_sockets, []
        for made in unix_sockets:
            made.remove()
        # Not wait_closed: since Python 3.12 it waits for the connections, too. One turn of the
        # loop is what closing the sockets takes.
        await asyncio.sleep(0)

    def close_idle(self) -> None:
        """Close the HTTP connections that wait for no answer."""
        for connection in list(self._connections.http):
            connection.close_if_idle()

    async def drain(self, timeout: float) -> int:  # noqa: ASYNC109  what is left then is cut off
        """Wait until all connections are gone, at most so many seconds, and cut off the rest.

        WebSockets are the doors' to close. Returns how many connections were cut off.
        """
        if await self._wait_until_empty(timeout):
            return 0
        left = self.open_http + self.open_websockets
        for http in list(self._connections.http):
            http.abort()
        for stream in list(self._connections.streams):
            stream.abort()
        for websocket in list(self._connections.websockets):
            websocket.abort()
        await self._wait_until_empty(1.0)
        logger.info("cut off %d connections that did not end in time", left)
        return left

    async def _wait_until_empty(self, seconds: float) -> bool:
        if not self.open_http and not self.open_websockets:
            return True
        waiter = self._clock.waiter()
        timer = self._clock.call_later(seconds, _finish, waiter, False)
        self._connections.on_empty = lambda: _finish(waiter, True)
        try:
            return bool(await waiter)
        finally:
            timer.cancel()
            self._connections.on_empty = None


def _finish(waiter: Waiter[bool], value: bool) -> None:
    if not waiter.done():
        waiter.set_result(value)


# ── addresses ────────────────────────────────────────────────────────────────────────────────


async def _bind(host: str, port: int) -> list[socket.socket]:
    """Return a bound socket for each address of ``host`` that this machine has."""
    where = f"{host or 'all interfaces'}, port {port}"
    if _is_any(host):
        host = ""
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {where}: {error.strerror}") from None
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    for family, _, _, _, address in dict.fromkeys(infos):
        if not port and sockets:
            address = (address[0], sockets[0].getsockname()[1], *address[2:])
        try:
            sockets.append(_bind_one(family, address))
        except OSError as error:
            if error.errno in _NOT_HERE:
                missing = error
                continue
            for bound in sockets:
                bound.close()
            raise OSError(error.errno, f"cannot listen on {where}: {error.strerror}") from None
    if not sockets:
        reason = missing.strerror if missing is not None else "it has no address"
        number = missing.errno if missing is not None else errno.EADDRNOTAVAIL
        raise OSError(number, f"cannot listen on {where}: {reason}")
    return sockets


def _is_any(host: str) -> bool:
    """Tell whether this is the IPv6 address that means all, which stands for those of IPv4, too."""
    try:
        return ipaddress.ip_address(host) == ipaddress.IPv6Address(0)
    except ValueError:
        return False


def _bind_one(family: int, address: tuple[object, ...]) -> socket.socket:
    # asyncio sets TCP_NODELAY on connections of sockets that say they are TCP, on no others.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # IPv4 has a socket of its own.
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
    except BaseException:
        bound.close()
        raise
    return bound
