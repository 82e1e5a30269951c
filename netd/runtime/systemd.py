"""systemd's side of the process: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).

Outside systemd every call is harmless: there is nobody to tell and nothing to take over.
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
from netd.runtime.sockets import adopt

_FIRST_PASSED_FD: Final = 3
_MAX_MESSAGE_BYTES: Final = 4096  # PIPE_BUF, past which systemd ignores a message whole
_PATIENCE_S: Final = 0.2  # with a manager that does not read


class Notifier:
    """Tells the service manager how the daemon is."""

    def __init__(self) -> None:
        self._watchdog_usec = _watchdog_usec()
        self._notifier = sdnotify.SystemdNotifier()
        if self._notifier.socket is not None:
            self._notifier.socket.settimeout(_PATIENCE_S)

    def ready(self, status: str) -> None:
        """The configuration is in force, first or anew."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload begins; systemd waits for `ready`. MONOTONIC_USEC is not optional."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The daemon drains."""
        self._tell("STOPPING=1", "STATUS=Stopping")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._tell(f"STATUS={status}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._tell("WATCHDOG=1")

    def store(self, label: str, sock: socket.socket) -> None:
        """Have systemd keep a copy and pass it to the next process of this unit, by `label`."""
        path = os.environ.get("NOTIFY_SOCKET", "")
        if not path:
            return
        with (
            contextlib.suppress(OSError),  # as sdnotify does: a manager that is gone harms nobody
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
        ):
            notify.settimeout(_PATIENCE_S)
            notify.connect(path.replace("@", "\0", 1) if path.startswith("@") else path)
            message = f"FDSTORE=1\nFDNAME={label}\nFDPOLL=0"
            socket.send_fds(notify, [message.encode()], [sock.fileno()])

    def unstore(self, label: str) -> None:
        """Have systemd close what it keeps by that label."""
        self._tell("FDSTOREREMOVE=1", f"FDNAME={label}")

    @property
    def watchdog_period_s(self) -> float | None:
        """How often to call `alive`: half of what systemd allows. None: it does not watch."""
        return self._watchdog_usec / 2e6 if self._watchdog_usec else None

    def _tell(self, *assignments: str) -> None:
        text = "\n".join(each.replace("\n", " | ") for each in assignments)
        whole = text.encode(errors="replace")[:_MAX_MESSAGE_BYTES].decode(errors="ignore")
        self._notifier.notify(whole.encode().decode("latin-1"))  # which sdnotify makes bytes of


def _watchdog_usec() -> int:
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    usec = os.environ.get("WATCHDOG_USEC", "0")
    return int(usec) if usec.isdecimal() else 0


def take_passed_sockets(environ: MutableMapping[str, str]) -> list[tuple[str, socket.socket]]:
    """The sockets systemd opened for us, each with its FileDescriptorName.

    Takes the variables out of the environment: they speak of this process, not of a child.
    Raises BindError for what is no socket.
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
        raise BindError(
            f"passed descriptor {fd} ({name}): {(error.strerror or '').lower()}"
        ) from error
