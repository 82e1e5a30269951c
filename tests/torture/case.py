"""One injected failure: which system call of which process fails, when, and how."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

KILL: Final = "SIGKILL"
PERSISTENT: Final = "1+"  # strace's notation: the first call and all that follow

_PASSING: Final = ("EINTR", "EAGAIN", "ENOENT", "ESRCH")  # not reported again and again
_NO_DESCRIPTOR = ("EMFILE", "ENFILE", "ENOMEM")
_PATH = ("EACCES", "ENOENT", "ENOTDIR", "EROFS", "EIO")

ERRORS: Final[Mapping[str, tuple[str, ...]]] = {
    "accept4": (*_NO_DESCRIPTOR, "ENOBUFS", "ECONNABORTED", "EPERM"),
    "bind": ("EADDRINUSE", "EADDRNOTAVAIL", "EACCES", "ENOMEM", "ENOSPC"),
    "chmod": ("EPERM", *_PATH),
    "chown": ("EPERM", *_PATH),
    "clone": ("EAGAIN", "ENOMEM"),
    "clone3": ("EAGAIN", "ENOMEM"),
    "connect": ("ECONNREFUSED", "EACCES", "EAGAIN", "ENOENT"),
    "dup": ("EMFILE",),
    "epoll_create1": _NO_DESCRIPTOR,
    "epoll_ctl": ("ENOMEM", "ENOSPC"),
    "epoll_wait": ("EINTR",),
    "eventfd2": _NO_DESCRIPTOR,
    "fchmodat": ("EPERM", *_PATH),
    "fcntl": ("EMFILE", "ENOMEM"),
    "fork": ("EAGAIN", "ENOMEM"),
    "fstat": ("EIO", "ENOMEM"),
    "ftruncate": ("EIO",),
    "getdents64": ("EIO",),
    "getpeername": ("ENOTCONN", "ENOBUFS"),
    "getsockname": ("ENOBUFS",),
    "getsockopt": ("ENOBUFS", "EPERM"),
    "ioctl": ("ENOMEM", "EPERM"),
    "kill": ("ESRCH", "EPERM"),
    "listen": ("EADDRINUSE", "ENOBUFS"),
    "lseek": ("EIO",),
    "lstat": _PATH,
    "mkdir": ("EACCES", "EROFS", "ENOSPC"),
    "mmap": ("ENOMEM",),
    "mremap": ("ENOMEM",),
    "newfstatat": _PATH,
    "openat": (*_NO_DESCRIPTOR, "EACCES", "ENOENT", "EIO"),
    "openat2": (*_NO_DESCRIPTOR, "EACCES", "ENOSYS", "EIO"),
    "pidfd_open": (*_NO_DESCRIPTOR, "EPERM"),
    "pidfd_send_signal": ("ESRCH", "EPERM"),
    "pipe2": ("EMFILE", "ENFILE"),
    "poll": ("EINTR", "ENOMEM"),
    "prctl": ("EPERM",),
    "pread64": ("EIO",),
    "prlimit64": ("EPERM",),
    "pwrite64": ("EIO", "ENOSPC"),
    "read": ("EIO", "EINTR", "ENOMEM"),
    "recvfrom": ("ECONNRESET", "ETIMEDOUT", "ENOMEM", "EAGAIN", "EINTR"),
    "recvmsg": ("ECONNRESET", "ENOMEM", "EAGAIN", "EINTR"),
    "rename": ("EACCES", "EROFS", "ENOSPC"),
    "select": ("EINTR", "ENOMEM"),
    "sendfile": ("EIO", "ENOMEM", "EAGAIN", "EPIPE"),
    "sendmsg": ("EPIPE", "ENOBUFS", "ENOMEM", "EAGAIN", "ETOOMANYREFS"),
    "sendto": ("EPIPE", "ECONNRESET", "ENOBUFS", "ENOMEM", "EAGAIN"),
    "setsockopt": ("ENOBUFS", "ENOMEM", "EPERM"),
    "shutdown": ("ENOTCONN",),
    "socket": (*_NO_DESCRIPTOR, "ENOBUFS", "EACCES"),
    "socketpair": _NO_DESCRIPTOR,
    "splice": ("EPIPE", "ENOMEM", "ECONNRESET"),
    "stat": _PATH,
    "statx": _PATH,
    "unlink": ("EACCES", "EPERM", "EROFS", "ENOENT", "ENOTDIR", "EIO"),
    "unlinkat": ("EACCES", "EPERM", "EROFS", "ENOENT", "EIO"),
    "wait4": ("EINTR",),
    "waitid": ("EINTR",),
    "write": ("EIO", "ENOSPC", "EPIPE", "EAGAIN", "EINTR"),
}
"""The errors that a call can report on a healthy Linux system that runs short of something.

close(2) is not among them: for sockets, pipes and epoll it does not fail, and an injected failure
would leave a descriptor open that the kernel would have released. Nor is brk(2): the system call
reports no error, but returns the break, and an injected number would corrupt the heap. Errors of a
wrong program (EBADF, EFAULT, EINVAL) are not among them either.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """The call number `when` of a kind fails with `error`, in one process and phase."""

    role: str
    phase: str
    call: str
    error: str  # the name of an errno, or KILL
    when: str  # counted from 1 at the start of the phase; "3+" means the third and all later ones

    @property
    def injection(self) -> str:
        """The value of strace's option `-e inject`."""
        action = "signal" if self.error == KILL else "error"
        return f"{self.call}:{action}={self.error}:when={self.when}"

    @property
    def arguments(self) -> str:
        """The command-line arguments that run only this case."""
        case = f"{self.call}:{self.error}:{self.when}"
        return f"--role {self.role} --phase {self.phase} --case {case}"

    def __str__(self) -> str:
        return f"{self.role} {self.phase} {self.call}:{self.error}:{self.when}"


def parse_case(role: str, phase: str, text: str) -> Case:
    """Read `call:errno:n`. Raises ValueError."""
    call, error, when = text.split(":")
    return Case(role, phase, call, error, when)


def all_cases(role: str, phase: str, calls: Mapping[str, Sequence[int]]) -> Iterator[Case]:
    """Every failure of every call that a phase makes: `calls` has the numbers of each call."""
    for call, numbers in sorted(calls.items()):
        for error in ERRORS.get(call, ()):
            for number in numbers:
                yield Case(role, phase, call, error, str(number))
            if len(numbers) > 1 and error not in _PASSING:
                yield Case(role, phase, call, error, PERSISTENT)
        for number in numbers:
            yield Case(role, phase, call, KILL, str(number))


def sample(cases: list[Case], count: int, seed: int) -> list[Case]:
    """Choose `count` cases at random (0: all), so that no frequent call displaces a rare one.

    The calls of all phases take turns, and so do the errors of a call.
    """
    chance = random.Random(seed)
    if not count or count >= len(cases):
        return cases
    groups: dict[tuple[str, ...], dict[str, list[Case]]] = {}
    for case in cases:
        group = groups.setdefault((case.role, case.phase, case.call), {})
        group.setdefault(case.error, []).append(case)
    turns = []
    for group in groups.values():
        for by_error in group.values():
            chance.shuffle(by_error)
        errors = list(group)
        chance.shuffle(errors)
        depth = max(map(len, group.values()))
        queue = [group[error][i] for i in range(depth) for error in errors if i < len(group[error])]
        turns += [(position + chance.random(), case) for position, case in enumerate(queue)]
    turns.sort(key=lambda turn: turn[0])
    chosen = {case for _, case in turns[:count]}
    return [case for case in cases if case in chosen]
