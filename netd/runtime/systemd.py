"""The interfaces of systemd: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).

Without systemd, the calls have no effect.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import socket
import stat
import time
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import sdnotify

from netd.errors import BindError, NotifyError
from netd.runtime import sealed_memory
from netd.runtime.descriptors import borrowed_socket, send
from netd.runtime.errnos import describe
from netd.runtime.loop import Loop
from netd.runtime.poller import READ
from netd.runtime.sockets import adopt

FIRST_PASSED_FD: Final = 3
"""The number of the first passed descriptor (SD_LISTEN_FDS_START)."""
_MAX_MESSAGE_BYTES: Final = 4096  # PIPE_BUF; systemd ignores a longer message
_SEND_TIMEOUT_S: Final = 0.2  # if the service manager does not read

_log = logging.getLogger("netd")


class Notifier:
    """Reports the daemon's state to the service manager, and stores descriptors in it.

    A report that the manager does not take is logged, once until it takes one again: the daemon
    serves on. `store`, `unstore` and `barrier` raise NotifyError.
    """

    def __init__(self, stored: Mapping[str, int] | None = None) -> None:
        """`stored` counts the descriptors that the manager's store holds, by label."""
        path = os.environ.get("NOTIFY_SOCKET", "")
        # Open from now on: the watchdog must be fed when no descriptor is left, too.
        self._manager = _Manager(path) if path else None
        self._watchdog_usec = _watchdog_usec()
        self._stored = Counter(stored or {})
        self._is_heard = True
        maximum = os.environ.get("FDSTORE", "")  # set by systemd 254 and later
        self.capacity = int(maximum) if maximum.isdecimal() else None
        """How many descriptors the store can hold (FileDescriptorStoreMax=); None if unknown."""

    @property
    def is_managed(self) -> bool:
        """True if a service manager takes messages of this process."""
        return self._manager is not None

    @property
    def watchdog_period_s(self) -> float | None:
        """The period for `alive`: half of WATCHDOG_USEC; None if the watchdog is off."""
        return self._watchdog_usec / 2e6 if self._watchdog_usec else None

    def ready(self, status: str) -> None:
        """Report that the first or a new configuration is in force."""
        self._report("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Report that a reload begins; systemd waits for `ready`, and requires MONOTONIC_USEC."""
        self._report("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Report that the daemon drains."""
        self._report("STOPPING=1", "STATUS=Stopping")

    def status(self, status: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._report(f"STATUS={status}")

    def alive(self) -> None:
        """Reset the watchdog's timer."""
        self._report("WATCHDOG=1")

    def store(
        self, label: str, *descriptors: int, reserve: int = 0, timeout_s: float = _SEND_TIMEOUT_S
    ) -> None:
        """Store copies of descriptors under one label for the next start of this unit (FDSTORE=1).

        All of them travel in one message. The store keeps them even if a peer is closed
        (FDPOLL=0). Raises NotifyError if the manager does not take the message within
        `timeout_s`, or if the store would not have `reserve` places left.
        """
        if not self.is_managed:
            return
        free = self._free_places()
        if free is not None and len(descriptors) + reserve > free:
            size = f"FileDescriptorStoreMax={self.capacity}"
            raise NotifyError(f"the descriptor store of the service manager is full: {size}")
        message = _encode("FDSTORE=1", f"FDNAME={label}", "FDPOLL=0")
        self._send(message, descriptors, timeout_s)
        self._stored[label] += len(descriptors)

    def unstore(self, label: str) -> None:
        """Remove the descriptors with a label from the store. Raises NotifyError."""
        self._send(_encode("FDSTOREREMOVE=1", f"FDNAME={label}"))
        del self._stored[label]

    def barrier(self, timeout_s: float) -> None:
        """Wait until the manager has processed every earlier message. Raises NotifyError."""
        if not self.is_managed:
            return
        answer = self._request_barrier()
        try:
            waiting = select.poll()
            waiting.register(answer)  # POLLHUP: the manager has closed the other end
            if not waiting.poll(timeout_s * 1000):
                raise _unanswered(timeout_s)
        finally:
            os.close(answer)

    def begin_barrier(
        self, loop: Loop, timeout_s: float, on_done: Callable[[NotifyError | None], object]
    ) -> None:
        """Call `on_done(None)` once the manager has processed every earlier message.

        `on_done` gets the error if it has not within `timeout_s`. It is called once, on the loop.
        """
        if not self.is_managed:
            loop.defer(lambda: on_done(None))
            return
        try:
            answer = self._request_barrier()
        except NotifyError as error:
            failure = error
            loop.defer(lambda: on_done(failure))
            return

        def finish(error: NotifyError | None) -> None:
            deadline.cancel()
            loop.unwatch(answer)
            os.close(answer)
            on_done(error)

        deadline = loop.call_later(timeout_s, lambda: finish(_unanswered(timeout_s)))
        loop.watch(answer, READ, lambda _mask: finish(None))

    def close(self) -> None:
        """Close the socket to the service manager."""
        if self._manager is not None:
            self._manager.socket.close()

    def _free_places(self) -> int | None:
        return None if self.capacity is None else self.capacity - self._stored.total()

    def _request_barrier(self) -> int:
        """Send BARRIER=1 with one end of a pipe, which the manager closes; returns the other."""
        try:
            reader, writer = os.pipe2(os.O_CLOEXEC)
        except OSError as error:
            raise NotifyError(f"no barrier can be sent: {describe(error)}") from error
        try:
            self._send(b"BARRIER=1", [writer])
        except NotifyError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        return reader

    def _report(self, *assignments: str) -> None:
        try:
            self._send(_encode(*assignments))
        except NotifyError as error:
            if self._is_heard:
                _log.warning("%s", error)
            self._is_heard = False
        else:
            self._is_heard = True

    def _send(
        self, message: bytes, descriptors: Sequence[int] = (), timeout_s: float = _SEND_TIMEOUT_S
    ) -> None:
        if self._manager is None:
            return
        self._manager.socket.settimeout(timeout_s)
        try:
            try:
                self._manager.send(message, descriptors, timeout_s)
            except TimeoutError:
                raise
            except OSError as error:
                if error.errno == errno.ETOOMANYREFS:
                    raise
                self._manager.connect()  # the first time, or the manager has started anew since
                self._manager.send(message, descriptors, timeout_s)
        except OSError as error:
            text = "the service manager does not take messages"
            raise NotifyError(f"{text}: {describe(error)}") from error


class _Manager(sdnotify.SystemdNotifier):  # type: ignore[misc]  # sdnotify has no types
    """The service manager's socket, connected when the first message is sent; raises OSError.

    sdnotify sends the text messages; it has no way to pass descriptors.
    """

    def __init__(self, path: str) -> None:
        self.debug = True  # `notify` raises errors
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._path = f"\0{path[1:]}" if path.startswith("@") else path

    def connect(self) -> None:
        self.socket.connect(self._path)

    def send(self, message: bytes, descriptors: Sequence[int], within_s: float) -> None:
        if descriptors:
            send(self.socket, message, descriptors, within_s)
        else:
            self.notify(message.decode("latin-1"))  # sdnotify encodes it again


@dataclass(frozen=True, slots=True)
class Passed:
    """The descriptors that a process got at its start; they belong to the caller now."""

    sockets: list[tuple[str, socket.socket]] = field(default_factory=list)
    """Listening and datagram sockets, each one after its label (FileDescriptorName)."""
    memories: dict[str, int] = field(default_factory=dict)
    """Sealed memory files, by label."""
    queues: dict[str, int] = field(default_factory=dict)
    """Unix SOCK_SEQPACKET sockets, in whose receive queues descriptors wait, by label."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many descriptors came with each label."""


def take_passed(environ: MutableMapping[str, str]) -> Passed:
    """Return the descriptors that systemd or `replace_process` passed, close-on-exec.

    A memory file and a queue can have the same label; in which order they come is not defined.
    A second one under the same label is closed, with a warning. Removes the variables from the
    environment, since they are not meant for child processes. Raises BindError if a descriptor is
    of another type.
    """
    passed = Passed()
    for fd, label in enumerate(_take_labels(environ), FIRST_PASSED_FD):
        passed.counts[label] += 1
        _sort(fd, label, passed)
    return passed


def _take_labels(environ: MutableMapping[str, str]) -> list[str]:
    names = environ.pop("LISTEN_FDNAMES", "")
    count, pid = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_PID", "")
    environ.pop("LISTEN_PIDFDID", None)  # systemd 259 and later
    if not count.isdecimal() or pid != str(os.getpid()):
        return []
    labels = names.split(":") if names else []
    labels += ["unknown"] * (int(count) - len(labels))
    return labels[: int(count)]


def _sort(fd: int, label: str, passed: Passed) -> None:
    try:
        os.set_inheritable(fd, False)
        if sealed_memory.is_sealed(fd):
            _keep_one(passed.memories, label, fd)
        elif _is_queue(fd):
            _keep_one(passed.queues, label, fd)
        else:
            passed.sockets.append((label, adopt(fd)))
    except OSError as error:
        raise BindError(f"passed descriptor {fd} ({label}): {describe(error)}") from error


def _is_queue(fd: int) -> bool:
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        return False
    with borrowed_socket(fd) as sock:
        is_listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return sock.type == socket.SOCK_SEQPACKET and not is_listening


def _keep_one(kept: dict[str, int], label: str, fd: int) -> None:
    if label in kept:
        _log.warning("passed descriptor %d (%s): another one has the same label; closed", fd, label)
        os.close(fd)
    else:
        kept[label] = fd


def _encode(*assignments: str) -> bytes:
    text = "\n".join(assignment.replace("\n", " | ") for assignment in assignments)
    whole = text.encode(errors="replace")[:_MAX_MESSAGE_BYTES]
    return whole.decode(errors="ignore").encode()  # no part of a character at the end


def _unanswered(timeout_s: float) -> NotifyError:
    return NotifyError(f"the service manager gave no answer within {timeout_s:g} s")


def _watchdog_usec() -> int:
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    usec = os.environ.get("WATCHDOG_USEC", "0")
    return int(usec) if usec.isdecimal() else 0
