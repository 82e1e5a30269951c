"""Plays systemd to one unit: starts and restarts a daemon, and keeps the descriptors it stores.

A daemon sees what systemd 252 to 257 do with `Type=notify NotifyAccess=main KillMode=mixed
Restart=on-failure RestartForceExitStatus=75 RestartPreventExitStatus=78`.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import os
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from tests.support import PATIENCE_S, ConfiguredDaemon

_LISTEN_FDS_START: Final = 3
_MAX_DESCRIPTORS: Final = 253  # of one message: SCM_MAX_FD
_FORCED_STATUS: Final = 75  # RestartForceExitStatus=
_PREVENTED_STATUS: Final = 78  # RestartPreventExitStatus=
_CLEAN_SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
_RESTART_S: Final = 0.1  # RestartSec=
_SET_PID: Final = 'LISTEN_PID=$$ exec "$@"'  # the rest of LISTEN_* is in the environment
_UCRED: Final = struct.Struct("3i")
_APPEND: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class UnitFailedError(Exception):
    """The unit is not active, or not in time."""


class Job(enum.Enum):
    """The command of the administrator that is under way."""

    NONE = enum.auto()
    RESTART = enum.auto()
    STOP = enum.auto()


@dataclass(frozen=True, slots=True)
class Stored:
    """A descriptor in the store."""

    name: str
    fd: int
    identity: tuple[int, int]
    """Device and inode; systemd stores no file twice."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the daemon (sd_notify(3)), and when it arrived."""

    fields: dict[str, str]
    at: float = field(default_factory=time.monotonic)


class PlayedSystemd:
    """A unit and its service manager, which runs in a thread."""

    def __init__(
        self,
        directory: Path,
        command: Sequence[str],
        *,
        environ: Mapping[str, str] | None = None,
        sockets: Sequence[tuple[str, socket.socket]] = (),
    ) -> None:
        """Play a unit that is not started yet; `sockets` are those of socket units, with names."""
        self.max_stored = 64
        """FileDescriptorStoreMax="""
        self.restart_signal: signal.Signals = signal.SIGUSR2
        """RestartKillSignal="""
        self.stop_timeout_s = PATIENCE_S
        """TimeoutStopSec="""
        self.replies_to_barriers = True
        self.reexecs_in_restarts = False
        """Whether a daemon-reexec happens in each restart, between the two processes."""
        self.log = directory / "log"
        self.messages: list[Message] = []
        """The messages of all main processes so far."""
        self.stored: list[Stored] = []
        """The store, in the order in which the next process gets it."""
        self.dropped: list[str] = []
        """The names of the descriptors for which the store had no room."""
        self.exits: list[int] = []
        """How the main processes ended: the exit status, or minus the signal's number."""
        self.killed = 0
        """The number of other processes that were left when a main process ended."""
        self.pid = 0
        """The main process; 0 while there is none."""
        self._command, self._sockets = command, sockets
        self._environ = dict(os.environ if environ is None else environ)
        self._job = Job.NONE
        self._is_ready = self._is_closed = False
        self._starts_at: float | None = None
        self._pidfd = -1
        self._withheld: list[int] = []  # of barriers
        self._changed = threading.Condition(threading.RLock())
        self._poll = select.poll()
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._notify.bind(str(directory / "notify"))
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        for fd in (self._notify.fileno(), self._wakeup):
            self._poll.register(fd, select.POLLIN)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """`systemctl start`: return when the daemon is ready. Raises UnitFailedError."""
        self.begin_start()
        self.await_ready()

    def begin_start(self) -> None:
        """`systemctl start --no-block`."""
        with self._changed:
            self._starts_at = 0.0
            self._wake()

    def restart(self, within_s: float = PATIENCE_S) -> None:
        """`systemctl restart`: return when the new process is ready. Raises UnitFailedError."""
        ended = len(self.exits)
        self.begin_restart()
        self._await_exit(ended)
        self.await_ready(within_s)

    def begin_restart(self) -> None:
        """`systemctl restart --no-block`."""
        with self._changed:
            if not self.pid:
                self.begin_start()
                return
            self._job, self._is_ready = Job.RESTART, False
            self.kill(self.restart_signal)

    def stop(self) -> int:
        """`systemctl stop`: return how the main process ended, as in `exits`."""
        with self._changed:
            ended = len(self.exits)
            self._job = Job.STOP
            self.kill(signal.SIGTERM)
        self._await_exit(ended)
        return self.exits[-1]

    def reexec(self) -> None:
        """`systemctl daemon-reexec`: the stored descriptors are in the opposite order after it."""
        with self._changed:
            self.stored.reverse()

    def release_barriers(self) -> None:
        """Reply to the barriers that wait, and to those to come."""
        with self._changed:
            self.replies_to_barriers = True
            self._release_barriers()

    def kill(self, signum: signal.Signals) -> None:
        """`systemctl kill --kill-whom=main`."""
        with self._changed:
            if self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, signum)

    def await_ready(self, within_s: float = PATIENCE_S) -> None:
        """Wait until a main process has reported READY=1. Raises UnitFailedError."""
        self.await_true(lambda: self._is_ready or not self._is_coming(), "READY=1", within_s)
        if not self._is_ready:
            raise UnitFailedError(f"the processes ended with {self.exits}: {self._log_text()}")

    def await_true(
        self, condition: Callable[[], object], what: str, within_s: float = PATIENCE_S
    ) -> None:
        """Wait for a condition that depends on messages or exits. Raises UnitFailedError."""
        with self._changed:
            if not self._changed.wait_for(condition, within_s):
                raise UnitFailedError(f"waited in vain for {what}: {self._log_text()}")

    def stored_names(self) -> list[str]:
        """The names of the stored descriptors."""
        with self._changed:
            return [stored.name for stored in self.stored]

    def values(self, key: str) -> list[str]:
        """The values of a key in all messages so far."""
        with self._changed:
            return [message.fields[key] for message in self.messages if key in message.fields]

    def processes(self) -> list[int]:
        """All processes of the unit; the main process is the first one."""
        return list(_session(self.pid)) if self.pid else []

    def close(self) -> None:
        """Kill the unit in any state, and empty the store."""
        with self._changed:
            if self._is_closed:
                return
            self._job, self._starts_at = Job.STOP, None
            self.kill(signal.SIGKILL)
            self._changed.wait_for(lambda: not self.pid, PATIENCE_S)
            self._is_closed = True
            self._wake()
        self._thread.join(PATIENCE_S)
        self._empty_store()
        self._release_barriers()
        self._notify.close()
        os.close(self._wakeup)

    def _is_coming(self) -> bool:
        """Whether a process runs, or will be started without a further command."""
        return bool(self.pid or self._job is Job.RESTART or self._starts_at is not None)

    def _await_exit(self, ended: int) -> None:
        """Wait until the main process has ended; it is killed after TimeoutStopSec=."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.exits) > ended, self.stop_timeout_s):
                self.kill(signal.SIGKILL)
                self.await_true(lambda: len(self.exits) > ended, "the end after SIGKILL")

    def _log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _wake(self) -> None:
        os.eventfd_write(self._wakeup, 1)

    # All that follows runs in the thread of the service manager.

    def _run(self) -> None:
        while not self._is_closed:
            ready = dict(self._poll.poll(self._timeout_ms()))
            with self._changed:
                self._turn(ready)
                self._changed.notify_all()

    def _turn(self, ready: Mapping[int, int]) -> None:
        while self._receive():  # as in systemd, messages are handled before their sender's end
            pass
        if self._wakeup in ready:
            os.eventfd_read(self._wakeup)
        if self._pidfd in ready:
            self._on_exit()
        if self._starts_at is not None and time.monotonic() >= self._starts_at:
            self._spawn()
        for stored in [stored for stored in self.stored if stored.fd in ready]:
            self._drop(stored)  # it has hung up, and was stored without FDPOLL=0

    def _timeout_ms(self) -> float | None:
        if self._starts_at is None:
            return None
        return max(0.0, self._starts_at - time.monotonic()) * 1000

    def _spawn(self) -> None:
        """Start the main process, with the sockets of socket units and those in the store."""
        self._starts_at, self._is_ready = None, False
        if self.reexecs_in_restarts:
            self.stored.reverse()
        passed = [(name, sock.fileno()) for name, sock in self._sockets]
        passed += [(stored.name, stored.fd) for stored in self.stored]
        environ = {**self._environ, "NOTIFY_SOCKET": self._notify.getsockname()}
        if passed:
            environ["LISTEN_FDS"] = str(len(passed))
            environ["LISTEN_FDNAMES"] = ":".join(name for name, _ in passed)
        lowest = _LISTEN_FDS_START + len(passed)
        copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest) for _, fd in passed]
        self.pid = os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", _SET_PID, "sh", *self._command],
            environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log), _APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                *(
                    (os.POSIX_SPAWN_DUP2, fd, number)
                    for number, fd in enumerate(copies, _LISTEN_FDS_START)
                ),
            ],
            setsid=True,
        )
        for fd in copies:
            os.close(fd)
        self._pidfd = os.pidfd_open(self.pid)
        self._poll.register(self._pidfd, select.POLLIN)

    def _on_exit(self) -> None:
        """Kill the rest of the unit (KillMode=mixed), and start it again if that is due."""
        left = set(_session(self.pid)) - {self.pid}
        self.killed += len(left)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while len(list(_session(self.pid))) > 1:
            time.sleep(0.001)
        _, status = os.waitpid(self.pid, 0)
        self.exits.append(os.waitstatus_to_exitcode(status))
        self._poll.unregister(self._pidfd)
        os.close(self._pidfd)
        self.pid, self._pidfd, self._is_ready = 0, -1, False
        job, self._job = self._job, Job.NONE
        if job is Job.RESTART:
            self._starts_at = 0.0
        elif job is Job.NONE and _restarts_after(self.exits[-1]):
            self._starts_at = time.monotonic() + _RESTART_S
        else:
            self._empty_store()

    def _receive(self) -> bool:
        """Handle a message; false if there is none."""
        room = socket.CMSG_SPACE(4 * _MAX_DESCRIPTORS) + socket.CMSG_SPACE(_UCRED.size)
        try:
            data, ancillary, _, _ = self._notify.recvmsg(65536, room, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return False
        descriptors: list[int] = []
        sender = 0
        for _, kind, content in ancillary:
            if kind == socket.SCM_RIGHTS:
                descriptors += struct.unpack(f"{len(content) // 4}i", content)
            elif kind == socket.SCM_CREDENTIALS:
                sender = _UCRED.unpack(content)[0]
        kept: list[int] = []
        if sender == self.pid:  # NotifyAccess=main
            kept = self._handle(data.decode(errors="replace"), descriptors)
        for fd in set(descriptors) - set(kept):
            os.close(fd)
        return True

    def _handle(self, text: str, descriptors: Sequence[int]) -> list[int]:
        """Handle a message of the main process; return the descriptors that are kept."""
        fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        if "BARRIER" in fields:  # systemd closes the descriptor, and ignores the other fields
            if self.replies_to_barriers:
                return []
            self._withheld += descriptors
            return list(descriptors)
        self.messages.append(Message(fields))
        name = fields.get("FDNAME", "")
        if fields.get("READY") == "1":
            self._is_ready = True
        if fields.get("FDSTOREREMOVE") == "1":
            for stored in [stored for stored in self.stored if stored.name == name]:
                self._drop(stored)
        elif fields.get("FDSTORE") == "1":
            return list(self._store(name or "stored", descriptors, fields.get("FDPOLL") != "0"))
        return []

    def _store(self, name: str, descriptors: Sequence[int], polls: bool) -> Iterator[int]:  # noqa: FBT001 (FDPOLL)
        """Put descriptors into the store; yields those that are kept."""
        for fd in descriptors:
            status = os.fstat(fd)
            identity = (status.st_dev, status.st_ino)
            if any(stored.identity == identity for stored in self.stored):
                continue
            if len(self.stored) >= self.max_stored:
                self.dropped.append(name)
                continue
            self.stored.insert(0, Stored(name, fd, identity))
            if polls:
                self._poll.register(fd, 0)
            yield fd

    def _drop(self, stored: Stored) -> None:
        self.stored.remove(stored)
        with contextlib.suppress(KeyError):
            self._poll.unregister(stored.fd)
        os.close(stored.fd)

    def _empty_store(self) -> None:
        for stored in self.stored.copy():
            self._drop(stored)

    def _release_barriers(self) -> None:
        for fd in self._withheld:
            os.close(fd)
        self._withheld.clear()


def _restarts_after(status: int) -> bool:
    """Whether Restart=on-failure starts a unit again that ended without a command."""
    if status in (_FORCED_STATUS, _PREVENTED_STATUS):
        return status == _FORCED_STATUS
    return status > 0 or (status < 0 and -status not in _CLEAN_SIGNALS)


def _session(leader: int) -> Iterator[int]:
    """The processes of a session, its leader first; it stands for the unit's control group."""
    yield leader
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != leader:
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader and fields[0] not in "ZX":
                    yield int(name)


class ManagedDaemon(ConfiguredDaemon):
    """`netd run` as the unit of a played systemd."""

    def __init__(
        self,
        directory: Path,
        config: str,
        sockets: Sequence[tuple[str, socket.socket]] = (),
        *,
        module: str = "netd",
        environ: dict[str, str] | None = None,
    ) -> None:
        """Prepare it; `systemd.start()` starts it. `module` is what runs in place of netd."""
        super().__init__(directory, config, environ)
        self.command[self.command.index("netd")] = module
        self.systemd = PlayedSystemd(directory, self.command, environ=self.environ, sockets=sockets)
