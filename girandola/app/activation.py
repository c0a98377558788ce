"""Sockets that systemd opened for us (socket activation, sd_listen_fds(3)).

Knows the environment and file descriptors; not what is served where. A socket named ``internal``
(``FileDescriptorName=``) is for the internal listener, any other for clients.
"""

import os
import socket
from collections.abc import MutableMapping

from msgspec import Struct

FIRST = 3
"""The number of the first descriptor."""

MOST = 64
"""How many sockets are taken; more is a mistake."""

INTERNAL = "internal"


class Inherited(Struct, frozen=True):
    """Listening sockets, each for one of the two listeners."""

    external: tuple[socket.socket, ...] = ()
    internal: tuple[socket.socket, ...] = ()


def take_sockets(environ: MutableMapping[str, str]) -> Inherited:
    """Take over the sockets that are meant for this process, and the variables that say so.

    Children must neither inherit the sockets nor think that they are theirs. Raises ``OSError``
    that names what is wrong.
    """
    pid, count, names = (
        environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
    )
    if pid != str(os.getpid()):
        return Inherited()
    if not count.isdecimal() or int(count) > MOST:
        raise OSError(f"LISTEN_FDS: got {count!a}, expected a number from 0 to {MOST}")
    named = names.split(":") if names else []
    external: list[socket.socket] = []
    internal: list[socket.socket] = []
    for index in range(int(count)):
        name = named[index] if index < len(named) else ""
        taken = _take(FIRST + index, name)
        (internal if name == INTERNAL else external).append(taken)
    return Inherited(tuple(external), tuple(internal))


def _take(descriptor: int, name: str) -> socket.socket:
    expected = f"descriptor {descriptor} ({name or 'no name'}) of LISTEN_FDS: expected a listening"
    try:
        os.set_inheritable(descriptor, False)
        taken = socket.socket(fileno=descriptor)
    except OSError as error:
        raise OSError(f"{expected} socket: {error.strerror}") from None
    families = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
    if (
        taken.family not in families
        or taken.type != socket.SOCK_STREAM
        or not taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    ):
        taken.detach()
        raise OSError(f"{expected} TCP or unix stream socket (ListenStream=, Accept=no)")
    return taken
