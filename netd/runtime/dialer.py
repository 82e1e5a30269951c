"""Connects to a host by name, in a thread: getaddrinfo(3) blocks."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import Final

from netd.runtime.loop import Loop
from netd.runtime.poller import READ
from netd.runtime.unix_connection import connect_unix

_UNIX: Final = 0  # in place of a port


class Dialer:
    """One attempt to connect; calls back on the loop, exactly once, unless it is cancelled."""

    def __init__(  # noqa: PLR0913 (its callbacks are its interface)
        self,
        loop: Loop,
        host: str,
        port: int,
        timeout_s: float,
        *,
        on_connected: Callable[[socket.socket], object],
        on_failed: Callable[[str], object],
    ) -> None:
        """Begin. With port 0, `host` is the path of a Unix socket."""
        self._loop = loop
        self._host, self._port, self._timeout_s = host, port, timeout_s
        self._on_connected, self._on_failed = on_connected, on_failed
        self._outcome: socket.socket | str = ""  # the thread's, until it writes the eventfd
        self._is_cancelled = False
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        loop.watch(self._wakeup, READ, self._on_done)
        threading.Thread(target=self._run, name="dialer", daemon=True).start()

    def cancel(self) -> None:
        """Make no call back; a connection that is made nevertheless is closed."""
        self._is_cancelled = True

    def _run(self) -> None:
        try:
            self._outcome = self._connect()
        except OSError as error:
            self._outcome = error.strerror or str(error)
        os.eventfd_write(self._wakeup, 1)

    def _connect(self) -> socket.socket:
        if self._port == _UNIX:
            return connect_unix(self._host, self._timeout_s)
        return socket.create_connection((self._host, self._port), self._timeout_s)

    def _on_done(self, _mask: int) -> None:
        self._loop.unwatch(self._wakeup)
        os.close(self._wakeup)
        outcome = self._outcome
        if isinstance(outcome, str):
            if not self._is_cancelled:
                self._on_failed(outcome)
        elif self._is_cancelled:
            outcome.close()
        else:
            self._on_connected(outcome)
