"""Unix sockets to listen on: whose file may be taken, and whose is removed."""

import re
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from girandola.net.unix_socket import UnixSocket, listen_at


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "server.sock")


@pytest.fixture
def made(path: str) -> Iterator[UnixSocket]:
    made = listen_at(path, 0o640, 10)
    with closing(made.listening):
        yield made


def _connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_the_file_has_the_permissions_asked_for(made: UnixSocket) -> None:
    found = Path(made.path).stat().st_mode
    assert stat.S_ISSOCK(found)
    assert stat.S_IMODE(found) == 0o640


def test_a_socket_nobody_listens_on_is_replaced(path: str) -> None:
    listen_at(path, 0o600, 10).listening.close()
    made = listen_at(path, 0o600, 10)
    with closing(made.listening):
        _connect(path)


def test_a_socket_somebody_listens_on_is_left_alone(made: UnixSocket) -> None:
    expected = f"cannot listen on the unix socket {made.path}: somebody listens there"
    with pytest.raises(OSError, match=re.escape(expected)):
        listen_at(made.path, 0o600, 10)
    _connect(made.path)


def test_a_full_backlog_is_not_taken_for_nobody(path: str) -> None:
    made = listen_at(path, 0o600, 0)
    clients = []
    with closing(made.listening):
        for _ in range(10):
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            clients.append(client)
            try:
                client.connect(path)
            except BlockingIOError:
                break
        else:
            pytest.fail("the backlog does not fill up")
        with pytest.raises(OSError, match="somebody listens there"):
            listen_at(path, 0o600, 10)
    for client in clients:
        client.close()


def test_a_file_that_is_no_socket_is_left_alone(path: str) -> None:
    Path(path).write_text("precious")
    with pytest.raises(OSError, match="it exists and is no socket"):
        listen_at(path, 0o600, 10)
    assert Path(path).read_text() == "precious"


@pytest.mark.parametrize(
    "path", ["/nowhere/at/all.sock", "/tmp/" + "x" * 200], ids=["no folder", "long"]
)
def test_a_path_that_cannot_be_had_is_named(path: str) -> None:
    with pytest.raises(OSError, match=re.escape(f"cannot listen on the unix socket {path}: ")):
        listen_at(path, 0o600, 10)


def test_our_own_file_is_removed_at_the_end_even_twice(made: UnixSocket) -> None:
    made.remove()
    assert not Path(made.path).exists()
    made.remove()


def test_the_file_of_our_successor_stays(made: UnixSocket) -> None:
    """As when a new server was started at the same path before the old one has ended."""
    Path(made.path).rename(made.path + ".old")
    successor = listen_at(made.path, 0o600, 10)
    with closing(successor.listening):
        made.remove()
        _connect(made.path)
