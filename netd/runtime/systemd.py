"""The interfaces of systemd: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).

Without systemd, the calls have no effect.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping
from typing import Final

import sdnotify

from netd.errors import BindError
from netd.runtime.errnos import describe
from netd.runtime.sockets import adopt

_FIRST_PASSED_FD: Final = 3
_MAX_MESSAGE_BYTES: Final = 4096  # PIPE_BUF; systemd ignores a longer message
_SEND_TIMEOUT_S: Final = 0.2  # if the service manager does not read


class Notifier:
    """Reports the daemon's state to the service manager (sd_notify(3))."""

    def __init__(self) -> None:
        self._watchdog_usec = _watchdog_usec()
        # Without NOTIFY_SOCKET, sdnotify would open a socket and never close it.
        managed = bool(os.environ.get("NOTIFY_SOCKET"))
        self._notifier = sdnotify.SystemdNotifier() if managed else None
        if self._notifier is not None and self._notifier.socket is not None:
            self._notifier.socket.settimeout(_SEND_TIMEOUT_S)

    def ready(self, status: str) -> None:
        """Report that the first or a new configuration is in force."""
        self._notify("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Report that a reload begins; systemd waits for `ready`, and requires MONOTONIC_USEC."""
        self._notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Report that the daemon drains."""
        self._notify("STOPPING=1", "STATUS=Stopping")

    def status(self, status: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._notify(f"STATUS={status}")

    def alive(self) -> None:
        """Reset the watchdog's timer."""
        self._notify("WATCHDOG=1")

    def store(self, label: str, sock: socket.socket) -> None:
        """Store a copy of a socket in systemd for the next start of this unit (FDSTORE=1)."""
        path = os.environ.get("NOTIFY_SOCKET", "")
        if not path:
            return
        with (
            contextlib.suppress(OSError),  # as sdnotify does, if the manager is gone
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
        ):
            notify.settimeout(_SEND_TIMEOUT_S)
            notify.connect(path.replace("@", "\0", 1) if path.startswith("@") else path)
            message = f"FDSTORE=1\nFDNAME={label}\nFDPOLL=0"
            socket.send_fds(notify, [message.encode()], [sock.fileno()])

    def unstore(self, label: str) -> None:
        """Remove the sockets with a label from systemd's store."""
        self._notify("FDSTOREREMOVE=1", f"FDNAME={label}")

    def close(self) -> None:
        """Close the socket to the service manager."""
        if self._notifier is not None and self._notifier.socket is not None:
            self._notifier.socket.close()

    @property
    def watchdog_period_s(self) -> float | None:
        """The period for `alive`: half of WATCHDOG_USEC; None if the watchdog is off."""
        return self._watchdog_usec / 2e6 if self._watchdog_usec else None

    def _notify(self, *assignments: str) -> None:
        if self._notifier is None:
            return
        text = "\n".join(assignment.replace("\n", " | ") for assignment in assignments)
        whole = text.encode(errors="replace")[:_MAX_MESSAGE_BYTES].decode(errors="ignore")
        self._notifier.notify(whole.encode().decode("latin-1"))  # sdnotify encodes it again


def _watchdog_usec() -> int:
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    usec = os.environ.get("WATCHDOG_USEC", "0")
    return int(usec) if usec.isdecimal() else 0


def take_passed_sockets(environ: MutableMapping[str, str]) -> list[tuple[str, socket.socket]]:
    """Return the sockets that systemd passed, each one after its FileDescriptorName.

    Removes the variables from the environment, since they are not meant for child processes.
    Raises BindError if a descriptor is not a socket.
    """
    names = environ.pop("LISTEN_FDNAMES", "")
    count, pid = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_PID", "")
    if not count.isdecimal() or pid != str(os.getpid()):
        return []
    named = names.split(":") if names else []
    named += ["unknown"] * (int(count) - len(named))
    return [(name, _take(_FIRST_PASSED_FD + i, name)) for i, name in enumerate(named[: int(count)])]


def _take(fd: int, name: str) -> socket.socket:
    try:
        return adopt(fd)
    except OSError as error:
        raise BindError(f"passed descriptor {fd} ({name}): {describe(error)}") from error
