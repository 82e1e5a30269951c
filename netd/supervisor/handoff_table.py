"""The queues in which connections wait that one listener hands off to another one.

A queue is a SOCK_SEQPACKET pair. The supervisor owns both ends, as it owns the listening sockets:
connections wait in the queue while the worker that takes them is replaced, and over a restart.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterable, MutableMapping
from typing import Final, NamedTuple

from netd.errors import ReloadError
from netd.runtime.errnos import describe
from netd.runtime.sockets import adopt

HANDOFF: Final = "handoff."
"""The prefix of the labels of the ends: `handoff.lounge.in`, `handoff.lounge.out`."""


# A connection takes 1.3 kB, more with a long head. The kernel permits twice net.core.wmem_max,
# which is often room for 330.
_QUEUE_BYTES: Final = 2**20


class HandoffQueue(NamedTuple):
    """The two ends: connections go in at one, and come out at the other one."""

    entry: socket.socket
    exit: socket.socket

    def close(self) -> None:
        """Close this process's copies of both ends."""
        self.entry.close()
        self.exit.close()


class HandoffTable:
    """The queue of each listener that takes connections, by the listener's name."""

    def __init__(self, passed: MutableMapping[str, int]) -> None:
        """Take the ends out of the sockets that the previous process has passed, by label."""
        self._queues: dict[str, HandoffQueue] = {}
        ends = {
            label: adopt(passed.pop(label)) for label in list(passed) if label.startswith(HANDOFF)
        }
        for label in list(ends):
            name, _, side = label.removeprefix(HANDOFF).rpartition(".")
            if side == "in" and (other := f"{HANDOFF}{name}.out") in ends:
                self._queues[name] = HandoffQueue(ends.pop(label), ends.pop(other))
        for end in ends.values():  # the other end is missing
            end.close()

    def open(self, names: Iterable[str]) -> None:
        """Open the queues of these listeners that are not open yet. Raises ReloadError."""
        for name in names:
            if name not in self._queues:
                self._queues[name] = _open()

    def keep_only(self, names: Collection[str]) -> None:
        """Close the queues of all other listeners."""
        for name in self._queues.keys() - names:
            self._queues.pop(name).close()

    def __getitem__(self, name: str) -> HandoffQueue:
        """The open queue of a listener."""
        return self._queues[name]

    def labelled(self) -> dict[str, list[socket.socket]]:
        """All ends, by their labels in the service manager's store."""
        return {
            f"{HANDOFF}{name}.{side}": [end]
            for name, queue in self._queues.items()
            for side, end in (("in", queue.entry), ("out", queue.exit))
        }


def _open() -> HandoffQueue:
    try:
        entry, exit_ = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError as error:
        raise ReloadError(f"no queue for connections can be made: {describe(error)}") from error
    entry.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _QUEUE_BYTES)
    for end in (entry, exit_):
        end.setblocking(False)
        os.set_inheritable(end.fileno(), False)
    return HandoffQueue(entry, exit_)
