"""Replaces the program of this process by execve(2), and passes descriptors to the new one.

The new program gets them as from systemd: sd_listen_fds(3), `take_passed`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from netd.runtime.systemd import FIRST_PASSED_FD


def own_command() -> list[str]:
    """The command line of this process, with the interpreter and its options."""
    return [sys.executable, *sys.orig_argv[1:]]


def replace_process(
    command: Sequence[str], environ: Mapping[str, str], descriptors: Sequence[tuple[str, int]]
) -> NoReturn:
    """Run `command` in this process, with these descriptors, each one after its label.

    All other descriptors above 2 should be close-on-exec, as Python opens them. The signals that
    have a handler are blocked from now on: the new program unblocks them when it has its own.
    Raises OSError if the program cannot be run; every descriptor is then as it was before.
    """
    count = len(descriptors)
    with _blocked_signals(), contextlib.ExitStack() as copies:
        sources = [_copy(fd, FIRST_PASSED_FD + count, copies) for _, fd in descriptors]
        with _preserved(range(FIRST_PASSED_FD, FIRST_PASSED_FD + count)):
            for number, fd in enumerate(sources, FIRST_PASSED_FD):
                os.dup2(fd, number, inheritable=True)
            passed = {
                "LISTEN_FDS": str(count),
                "LISTEN_PID": str(os.getpid()),
                "LISTEN_FDNAMES": ":".join(label for label, _ in descriptors),
            }
            os.execve(command[0], list(command), {**environ, **passed})  # noqa: S606 (our own)


@contextlib.contextmanager
def _blocked_signals() -> Iterator[None]:
    """Block the signals that have a handler: after execve(2) they would end the process."""
    handled = [signum for signum in signal.valid_signals() if callable(signal.getsignal(signum))]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, handled)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _preserved(numbers: Sequence[int]) -> Iterator[None]:
    """Put the open files of these descriptors back afterwards.

    An epoll set keeps watching a file in the meantime, because it stays open at another number.
    """
    with contextlib.ExitStack() as copies:
        before = {}
        for fd in filter(_is_open, numbers):
            before[fd] = _copy(fd, numbers[-1] + 1, copies), os.get_inheritable(fd)
        try:
            yield
        finally:
            for fd in numbers:
                if fd in before:
                    copy, is_inheritable = before[fd]
                    os.dup2(copy, fd, inheritable=is_inheritable)
                else:
                    with contextlib.suppress(OSError):  # it was not reached
                        os.close(fd)


def _is_open(fd: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_GETFD)
    except OSError:  # EBADF
        return False
    return True


def _copy(fd: int, above: int, copies: contextlib.ExitStack) -> int:
    """Duplicate a descriptor to a close-on-exec one of at least `above`."""
    copy = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, above)
    copies.callback(os.close, copy)
    return copy
