"""The chat listener's listening sockets: accept what comes, without ever spinning."""

from __future__ import annotations

import errno
import logging
import pwd
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Final

from netd.config.address import Address
from netd.listeners.base import ListeningSocket
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

_BATCH = 64
_PAUSE_S = 0.5
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_ABORTED = (errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.EINTR)
_UCRED: Final = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED
_log = logging.getLogger("netd")

OnAccept = Callable[[socket.socket, Address], object]


class Door:
    """Watches the listening sockets and hands on each connection accepted."""

    def __init__(self, loop: Loop, on_accept: OnAccept) -> None:
        self._loop = loop
        self._on_accept = on_accept
        self._sockets: dict[int, ListeningSocket] = {}
        self._is_paused = False
        self.pauses = 0
        """How often accepting had to pause for want of descriptors or memory."""

    def replace(self, sockets: Sequence[ListeningSocket]) -> None:
        """Listen on these from now on; who waits on the ones before is let in first."""
        before, self._sockets = self._sockets, {each.fileno(): each for each in sockets}
        for fd in self._sockets:
            self._loop.watch(fd, READ, self._on_ready(fd))
        self._is_paused = False
        for fd, listening in before.items():
            while self._accept_from(listening):
                pass
            self._loop.forget(fd)
            listening.sock.close()

    def _on_ready(self, fd: int) -> Callable[[int], object]:
        listening = self._sockets[fd]

        def accept(_mask: int) -> None:
            for _ in range(_BATCH):
                if not self._accept_from(listening):
                    return

        return accept

    def _accept_from(self, listening: ListeningSocket) -> bool:
        try:
            connection, _ = listening.sock.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS:
                self._pause(error)
                return False
            if error.errno in _ABORTED:
                return True
            raise
        self._on_accept(connection, listening.address)
        return True

    def _pause(self, error: OSError) -> None:
        if self._is_paused:
            return
        self._is_paused = True
        self.pauses += 1
        _log.warning("chat: cannot accept for now: %s", error.strerror)
        for fd in self._sockets:
            self._loop.change(fd, 0)
        self._loop.call_later(_PAUSE_S, self._resume)

    def _resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            for fd in self._sockets:
                self._loop.change(fd, READ)


def peer_host(sock: socket.socket) -> str:
    """The text of the peer's address, IPv4 as IPv4; empty on a Unix socket or if it has gone."""
    if sock.family == socket.AF_UNIX:
        return ""
    try:
        host: str = sock.getpeername()[0]
    except OSError:
        return "0.0.0.0"  # noqa: S104 (a placeholder for a peer that is gone)
    return host.removeprefix("::ffff:") if "." in host else host


def peer_user(sock: socket.socket) -> str:
    """The system's name for who connected to a Unix socket; empty where it has none."""
    if sock.family != socket.AF_UNIX:
        return ""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    uid = _UCRED.unpack(raw)[1]
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
