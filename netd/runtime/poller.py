"""epoll(7), poll(2) and select(2) behind one interface, all level-triggered.

epoll keeps the set of descriptors in the kernel, so the time of a call depends only on the number
of ready descriptors. poll and select pass the whole set with each call; select accepts no
descriptor whose number is FD_SETSIZE or more.
"""

from __future__ import annotations

import math
import select
from typing import Final, Protocol

READ: Final = select.EPOLLIN
WRITE: Final = select.EPOLLOUT
FD_SETSIZE: Final = 1024  # select(2): fixed by the C library

ReadyList = list[tuple[int, int]]


class PollerFullError(Exception):
    """The descriptor's number is too high for this poller."""


class Poller(Protocol):
    """Watches descriptors for READ and WRITE; `poll` returns (descriptor, mask) pairs.

    A mask can have other bits (EPOLLERR, EPOLLHUP). Any bit except WRITE means that a read
    returns at once, with data, end-of-file or the error.
    """

    def add(self, fd: int, mask: int) -> None:
        """Watch a descriptor. Raises PollerFullError."""

    def modify(self, fd: int, mask: int) -> None:
        """Change the events that a descriptor is watched for."""

    def remove(self, fd: int) -> None:
        """Stop watching a descriptor, which must still be open."""

    def poll(self, timeout_s: float) -> ReadyList:
        """Wait until a descriptor is ready, at most `timeout_s` seconds (math.inf: no limit)."""

    def close(self) -> None:
        """Close the poller's own descriptor, if it has one."""


class EpollPoller:
    """epoll(7)."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.add = self._epoll.register
        self.modify = self._epoll.modify
        self.remove = self._epoll.unregister
        self.close = self._epoll.close

    def poll(self, timeout_s: float) -> ReadyList:
        return self._epoll.poll(-1 if timeout_s == math.inf else timeout_s, 512)


class PollPoller:
    """poll(2)."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self.add = self._poll.register
        self.modify = self._poll.modify
        self.remove = self._poll.unregister

    def poll(self, timeout_s: float) -> ReadyList:
        return self._poll.poll(None if timeout_s == math.inf else math.ceil(timeout_s * 1000))

    def close(self) -> None:
        """Do nothing: this poller has no descriptor."""


class SelectPoller:
    """select(2)."""

    def __init__(self) -> None:
        self._readers: set[int] = set()
        self._writers: set[int] = set()

    def add(self, fd: int, mask: int) -> None:
        if fd >= FD_SETSIZE:
            raise PollerFullError(f"select watches descriptors below {FD_SETSIZE}, not {fd}")
        self.modify(fd, mask)

    def modify(self, fd: int, mask: int) -> None:
        (self._readers.add if mask & READ else self._readers.discard)(fd)
        (self._writers.add if mask & WRITE else self._writers.discard)(fd)

    def remove(self, fd: int) -> None:
        self._readers.discard(fd)
        self._writers.discard(fd)

    def poll(self, timeout_s: float) -> ReadyList:
        timeout = None if timeout_s == math.inf else timeout_s
        readable, writable, _ = select.select(self._readers, self._writers, (), timeout)
        if not writable:
            return [(fd, READ) for fd in readable]
        ready = dict.fromkeys(readable, READ)
        for fd in writable:
            ready[fd] = ready.get(fd, 0) | WRITE
        return list(ready.items())

    def close(self) -> None:
        """Do nothing: this poller has no descriptor."""


POLLERS: Final[dict[str, type[EpollPoller | PollPoller | SelectPoller]]] = {
    "epoll": EpollPoller,
    "poll": PollPoller,
    "select": SelectPoller,
}
