"""Errors of system calls: their text, and sets of numbers that callers handle in the same way."""

from __future__ import annotations

import errno
from typing import Final

OUT_OF_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""The process or the system has no descriptor, buffer or memory left: pause, then try again."""

SHORT_OF_PASSAGE: Final = OUT_OF_RESOURCES | {errno.ETOOMANYREFS}
"""As above, for calls that pass descriptors.

unix(7): more descriptors of this user than one process may open (RLIMIT_NOFILE) have been sent and
not received yet. All processes of the user count.
"""

TEMPORARY: Final = OUT_OF_RESOURCES | {errno.EAGAIN}
"""As above, for calls that do not wait for a descriptor: fork(2), open(2), openat2(2)."""

UNSUPPORTED: Final = frozenset({errno.ENOSYS, errno.EPERM})
"""The kernel does not have the system call, or a sandbox (seccomp(2)) forbids it."""

CONNECTION_ABORTED: Final = frozenset({
    errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.ENETDOWN, errno.ENOPROTOOPT,
    errno.EHOSTDOWN, errno.ENONET, errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH,
})  # fmt: skip
"""accept(2), section "Error handling": the next connection in the queue has failed already."""

CONNECTION_LOST: Final = CONNECTION_ABORTED | OUT_OF_RESOURCES | {
    errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN, errno.ETIMEDOUT, errno.ECONNREFUSED,
    errno.EACCES, errno.EINVAL,
}  # fmt: skip
"""recv(2) and send(2): the connection has ended, without a fault in netd.

A connection that times out reports the last ICMP error, such as EHOSTUNREACH, or the state of
its route: prohibited (EACCES) or a black hole (EINVAL). ECONNABORTED comes from `ss --kill`.
"""

_TOO_MANY_ON_THEIR_WAY: Final = (
    "this user has more descriptors on their way than `ulimit -n` permits, see unix(7)"
)


def describe(error: OSError) -> str:
    """Return the system's text for an error, in lower case, to follow a colon in a message."""
    if error.errno == errno.ETOOMANYREFS:  # the system's text is "cannot splice"
        return _TOO_MANY_ON_THEIR_WAY
    return (error.strerror or str(error)).lower()
