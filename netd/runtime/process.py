"""Child processes: fork, watch through a pidfd, reap.

Only this module forks. A child starts with default signal handlers, has only the descriptors
that it was given, and is killed when its parent dies (PR_SET_PDEATHSIG, prctl(2)), so that no
orphan is left. The caller must be single-threaded: fork copies one thread, but all locks.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final, NoReturn

from netd.runtime.loop import Loop
from netd.runtime.poller import READ

_PR_SET_PDEATHSIG = 1
_OOM_STEP, _MAX_OOM_SCORE = 250, 1000
_libc = ctypes.CDLL(None, use_errno=True)
_TERMINAL_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
_log = logging.getLogger("netd")


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of a child: its exit code, or the signal."""

    status: int  # its exit code, or the signal that ended it
    by_signal: bool

    def __str__(self) -> str:
        if self == UNKNOWN_EXIT:
            return "ended in an unknown way"
        if not self.by_signal:
            return f"exit status {self.status}"
        try:
            return f"killed by {signal.Signals(self.status).name}"
        except ValueError:  # most real-time signals have no name
            return f"killed by signal {self.status}"


UNKNOWN_EXIT: Final = Exit(-1, by_signal=False)
"""Stands for an exit status that the system has lost."""


@dataclass(frozen=True, slots=True)
class Process:
    """A child process; `pidfd` is readable once it has ended."""

    pid: int
    pidfd: int

    def kill(self, signum: signal.Signals) -> None:
        """Send a signal; does nothing if the child has ended."""
        try:
            signal.pidfd_send_signal(self.pidfd, signum)
        except ProcessLookupError:
            return

    def reap(self) -> Exit | None:
        """Return how the child ended, and close the pidfd; None if it still runs."""
        try:
            info = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        except OSError:  # ECHILD, though it is our child
            os.close(self.pidfd)
            return UNKNOWN_EXIT
        if info is None:
            return None
        os.close(self.pidfd)
        return Exit(info.si_status, info.si_code != os.CLD_EXITED)

    def destroy(self) -> None:
        """Kill the child, wait for its end, and close the pidfd."""
        self.kill(signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        os.close(self.pidfd)


def set_name(name: str) -> None:
    """Set the name that `ps` shows, of which 15 bytes are kept (proc_pid_comm(5))."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w", encoding="utf-8") as comm:
        comm.write(name)


def open_standard_descriptors() -> None:
    """Open /dev/null for each of the descriptors 0, 1 and 2 that is closed.

    Otherwise a socket would get the number, and every child would keep it open.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is `fd`
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def raise_descriptor_limit() -> None:
    """Raise the soft limit of descriptors to the hard limit, for this process and its children.

    If a sandbox forbids that, the soft limit stays.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # Python raises ValueError for EPERM
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def reap_all(loop: Loop, pids: Iterable[int]) -> set[int]:
    """Reap children of this process when they end; a pid that is none of them is left out.

    Returns those that live; the set is kept up to date.
    """
    living: set[int] = set()

    def reap(child: Process, _mask: int) -> None:
        loop.unwatch(child.pidfd)
        child.reap()
        living.discard(child.pid)

    for pid in pids:
        with contextlib.suppress(OSError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # ECHILD: not a child
            child = Process(pid, os.pidfd_open(pid))
            loop.watch(child.pidfd, READ, partial(reap, child))
            living.add(pid)
    return living


def spawn(main: Callable[[], int | None], keep: Collection[int] = ()) -> Process:
    """Fork a child that runs `main` and exits with the status it returns (None is 0).

    The child keeps the descriptors 0, 1, 2 and those in `keep`; all others are closed in it.
    Raises OSError (EAGAIN, ENOMEM, EMFILE) if the system has no room for another process.
    """
    parent = os.getpid()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a full disk, a pipe without a reader
            stream.flush()
    # Holds the descriptor that the child's pidfd needs: a child that has no pidfd is killed, and
    # could have accepted a client by then.
    reserved = os.pidfd_open(parent)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _be_child(main, parent, keep)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(reserved)
    try:
        return Process(pid, os.pidfd_open(pid))
    except OSError:  # without a pidfd the child cannot be watched
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _be_child(main: Callable[[], int | None], parent: int, keep: Collection[int]) -> NoReturn:
    status = os.EX_SOFTWARE
    # Objects of the parent are never collected here: a descriptor that one of them would close
    # can have been closed and opened anew by this process.
    gc.freeze()
    try:
        _reset_signals()
        _die_with(parent)
        _offer_to_oom_killer()
        _close_all_but(keep)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        status = main() or 0
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else os.EX_SOFTWARE
    except BaseException:  # noqa: BLE001 (no exception may reach the parent's code)
        _log.exception("worker failed")
    finally:
        logging.shutdown()
        os._exit(status)


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for signum in signal.valid_signals():
        if callable(signal.getsignal(signum)):
            signal.signal(signum, signal.SIG_DFL)
    for signum in _TERMINAL_SIGNALS:  # a terminal sends them to the process group; only the
        signal.signal(signum, signal.SIG_IGN)  # supervisor handles them


def _die_with(parent: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before the call of prctl
        os._exit(os.EX_UNAVAILABLE)


def _offer_to_oom_killer() -> None:
    """Let the kernel kill this process before its parent if memory runs out.

    A child is replaced; the supervisor is not. The score is relative: proc_pid_oom_score_adj(5).
    """
    with (
        contextlib.suppress(OSError, ValueError),
        open("/proc/self/oom_score_adj", "r+", encoding="ascii") as score,
    ):
        preferred = min(int(score.read()) + _OOM_STEP, _MAX_OOM_SCORE)
        score.seek(0)
        score.write(str(preferred))


def _close_all_but(keep: Collection[int]) -> None:
    start = sys.stderr.fileno() + 1 if sys.stderr else 3
    for fd in sorted(keep):
        os.closerange(start, fd)
        start = max(start, fd + 1)
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))
