"""Unix sockets to listen on: made where nobody else listens, and removed at the end if still ours.

Knows paths, modes and sockets; not what is served there.
"""

import contextlib
import errno
import os
import socket
import stat

from msgspec import Struct


class UnixSocket(Struct, frozen=True):
    """A listening socket, and which file it was when it was made."""

    listening: socket.socket
    path: str
    file: tuple[int, int]

    def remove(self) -> None:
        """Remove the file, unless another server has put its own there meanwhile."""
        with contextlib.suppress(OSError):
            if _file(self.path) == self.file:
                os.unlink(self.path)


def listen_at(path: str, mode: int, backlog: int) -> UnixSocket:
    """Listen at ``path`` with the permissions ``mode``.

    A socket left behind by a server that is gone is replaced. Raises ``OSError`` that names the
    path: somebody listens there, or it is something else, or it cannot be made.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        _make_room(path)
        listening.bind(path)
        # Nobody can connect before listen, so nobody gets in by the permissions in between.
        os.chmod(path, mode)
        listening.listen(backlog)
        return UnixSocket(listening, path, _file(path))
    except (OSError, ValueError) as error:
        listening.close()
        number = getattr(error, "errno", None) or errno.EINVAL
        reason = getattr(error, "strerror", None) or str(error)
        raise OSError(number, f"cannot listen on the unix socket {path}: {reason}") from None


def _make_room(path: str) -> None:
    """Remove a socket on which nobody listens. Raises ``OSError`` where something else is."""
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise OSError(errno.EEXIST, "it exists and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # Somebody whose backlog is full lets us wait, and is somebody.
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass
    raise OSError(errno.EADDRINUSE, "somebody listens there")


def _file(path: str) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino
