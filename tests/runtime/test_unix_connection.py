"""Connections to a Unix socket whose process does not accept at the moment."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netd.errors import BindError
from netd.runtime.sockets import open_unix
from netd.runtime.unix_connection import connect_unix


@contextlib.contextmanager
def listening_with_full_queue(path: str) -> Iterator[socket.socket]:
    """A listening socket whose queue takes no further connection."""
    with contextlib.ExitStack() as stack, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                waiting.connect(path)
        yield listening


def accept_and_close(listening: socket.socket) -> None:
    listening.accept()[0].close()


def test_a_connection_waits_while_the_queue_is_full(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with listening_with_full_queue(path) as listening:
        with pytest.raises(TimeoutError, match="timed out"):
            connect_unix(path, 0.01)
        accepting = threading.Thread(target=accept_and_close, args=(listening,))
        accepting.start()
        with connect_unix(path, 60) as sock:
            assert sock.gettimeout() == 60
        accepting.join()


def test_a_socket_whose_queue_is_full_counts_as_in_use(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with listening_with_full_queue(path), pytest.raises(BindError, match="address already in use"):
        open_unix(socket.SOCK_STREAM, path, 0o600, 1)
