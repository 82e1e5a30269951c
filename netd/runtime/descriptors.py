"""Sends and receives descriptors (SCM_RIGHTS, unix(7)), copies and closes them."""

from __future__ import annotations

import array
import contextlib
import errno
import os
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

MAX_DESCRIPTORS: Final = 253
"""The most that one message carries (SCM_MAX_FD)."""
_PAUSE_S: Final = 0.02


def send(sock: socket.socket, message: bytes, descriptors: Sequence[int], within_s: float) -> None:
    """Send a message with descriptors, if need be after other ones have arrived. Raises OSError.

    That is ETOOMANYREFS if for `within_s` seconds more descriptors are on their way than this user
    may open.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            socket.send_fds(sock, [message], descriptors)
        except OSError as error:
            if error.errno != errno.ETOOMANYREFS or time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def receive(
    sock: socket.socket, max_bytes: int, max_descriptors: int = MAX_DESCRIPTORS
) -> tuple[bytes, list[int]]:
    """Receive bytes, and the descriptors that came with them, close-on-exec; the caller owns them.

    socket.recv_fds cannot do that: it ignores its flags, so a program that is run by execve(2)
    would keep the descriptors. Those for which this process has no room are missing.
    """
    fds = array.array("i")
    room = socket.CMSG_LEN(max_descriptors * fds.itemsize)
    data, messages, _, _ = sock.recvmsg(max_bytes, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in messages:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return data, list(fds)


def close_all(descriptors: Iterable[int]) -> None:
    """Close descriptors that this process owns."""
    for fd in descriptors:
        os.close(fd)


def duplicate_all(descriptors: Iterable[int]) -> list[int]:
    """Return copies of descriptors. Raises OSError, without a copy, if there is no room for all."""
    copies: list[int] = []
    try:
        for fd in descriptors:
            copies.append(os.dup(fd))  # noqa: PERF401 (an error must leave those made so far)
    except OSError:
        close_all(copies)
        raise
    return copies


@contextlib.contextmanager
def borrowed_socket(descriptor: int) -> Iterator[socket.socket]:
    """A socket object for a descriptor, which stays open. Raises OSError."""
    sock = socket.socket(fileno=descriptor)
    try:
        yield sock
    finally:
        sock.detach()
