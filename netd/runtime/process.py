"""Child processes: fork, watch by pidfd, reap, and never leave an orphan.

The one place that forks. A child starts with default signals, holds only the descriptors it
was given, and dies with its parent (PR_SET_PDEATHSIG, prctl(2)), so no parent's death leaves
anybody behind. The caller must be single-threaded: fork copies one thread and every lock.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import resource
import select
import signal
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_TERMINAL_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
_log = logging.getLogger("netd")


@dataclass(frozen=True, slots=True)
class Exit:
    """How a child ended."""

    status: int  # its exit code, or the signal that ended it
    by_signal: bool

    def __str__(self) -> str:
        if not self.by_signal:
            return f"exit status {self.status}"
        try:
            return f"killed by {signal.Signals(self.status).name}"
        except ValueError:  # most real-time signals have no name
            return f"killed by signal {self.status}"


@dataclass(frozen=True, slots=True)
class Process:
    """A child; `pidfd` is readable once it has ended."""

    pid: int
    pidfd: int

    def kill(self, signum: signal.Signals) -> None:
        """Send a signal; a child that has ended already is left in peace."""
        try:
            signal.pidfd_send_signal(self.pidfd, signum)
        except ProcessLookupError:
            return

    def reap(self) -> Exit | None:
        """How it ended, None if it has not; closes the pidfd, so call it no more after."""
        info = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        if info is None:
            return None
        os.close(self.pidfd)
        return Exit(info.si_status, info.si_code != os.CLD_EXITED)


def rename(title: str) -> None:
    """Show this process as `title`, of which `ps` keeps 15 bytes (proc_pid_comm(5))."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w", encoding="utf-8") as comm:
        comm.write(title)


def open_standard_descriptors() -> None:
    """Have those of the standard three that were closed lead nowhere.

    A socket would get the number else, and every child would keep it.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, so this one
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def raise_descriptor_limit() -> None:
    """Let this process and its children to come have as many descriptors as they may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def spawn(main: Callable[[], int | None], keep: Collection[int] = ()) -> Process:
    """Fork a child that runs `main` and exits with what it returns (None is 0).

    The child keeps the standard three descriptors and those in `keep`; all others are closed.
    Raises OSError (EAGAIN, ENOMEM, EMFILE) when the system has no room for another process.
    """
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _be_child(main, parent, keep)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    try:
        return Process(pid, os.pidfd_open(pid))
    except OSError:  # nobody could tell when it ends, so it must not be
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def result_of(work: Callable[[], bytes], within_s: float) -> bytes:
    """What `work` returns in a child of its own, whose memory ends with it; waits for it.

    Raises OSError where spawn does, ChildProcessError if the child fails, and TimeoutError if it
    takes longer than `within_s` seconds.
    """
    ours, theirs = os.pipe()
    with open(ours, "rb") as answer, open(theirs, "wb") as pipe:
        child = spawn(lambda: _write(pipe, work()), keep=[theirs])
        pipe.close()
        waiting = select.poll()  # select takes no descriptor past FD_SETSIZE
        waiting.register(ours, select.POLLIN)
        in_time = waiting.poll(within_s * 1000)
        if not in_time:
            child.kill(signal.SIGKILL)
        result = answer.read()
    os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED | os.WNOWAIT)
    ended = child.reap()
    if not in_time:
        raise TimeoutError(f"gave no answer within {within_s:g} s")
    if ended != Exit(os.EX_OK, by_signal=False):
        raise ChildProcessError(f"the process that was to do it ended: {ended}")
    return result


def _write(pipe: BinaryIO, data: bytes) -> None:
    pipe.write(data)
    pipe.flush()


def _be_child(main: Callable[[], int | None], parent: int, keep: Collection[int]) -> NoReturn:
    status = os.EX_SOFTWARE
    try:
        _reset_signals()
        _die_with(parent)
        _close_all_but(keep)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        status = main() or 0
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else os.EX_SOFTWARE
    except BaseException:  # noqa: BLE001 (a process's edge: nothing may escape into the parent's code)
        _log.exception("worker failed")
    finally:
        logging.shutdown()
        os._exit(status)


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for signum in signal.valid_signals():
        if callable(signal.getsignal(signum)):
            signal.signal(signum, signal.SIG_DFL)
    for signum in _TERMINAL_SIGNALS:  # a terminal sends these to the whole group; the
        signal.signal(signum, signal.SIG_IGN)  # supervisor alone answers them


def _die_with(parent: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(os.EX_UNAVAILABLE)


def _close_all_but(keep: Collection[int]) -> None:
    start = sys.stderr.fileno() + 1 if sys.stderr else 3
    for fd in sorted(keep):
        os.closerange(start, fd)
        start = max(start, fd + 1)
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))
