"""The listening sockets in the service manager's descriptor store, which keeps them over a restart.

The store holds a socket from the moment it serves, so that connections wait in its queue even
after the supervisor was killed.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from netd.errors import NotifyError
from netd.runtime import sealed_memory
from netd.runtime.systemd import Notifier
from netd.supervisor.passed_sockets import STORED

_BATCH: Final = 253  # descriptors in a message: SCM_MAX_FD, unix(7)

_log = logging.getLogger("netd")


class DescriptorStore:
    """Keeps the store's content equal to the daemon's listening sockets."""

    def __init__(
        self,
        notifier: Notifier,
        passed: Iterable[tuple[str, socket.socket]],
        queues: Mapping[str, Sequence[socket.socket]] | None = None,
    ) -> None:
        """`passed` are the sockets that this process got; those from the store are still in it.

        So are the ends of hand-off queues that it got.
        """
        self._notifier = notifier
        self._held = {label: set(ends) for label, ends in (queues or {}).items()}
        for label, sock in passed:
            if label.startswith(STORED):
                self._held.setdefault(label, set()).add(sock)
        self.problem = ""
        """Why a socket could not be stored; empty if all are."""

    def keep(self, wanted: Mapping[str, Sequence[socket.socket]], reserve: int = 0) -> None:
        """Store these sockets, by label, and remove the other ones of earlier configurations.

        At least `reserve` places are left for a handover. A failure is logged once; the daemon
        serves on, but without the socket in the store its address is closed during a restart.
        """
        problems = [
            problem
            for label in (*(self._held.keys() - wanted.keys()), *wanted)
            if (problem := self._set(label, wanted.get(label, ()), reserve))
        ]
        if problems and problems[0] != self.problem:
            _log.warning("%s; a restart will refuse connections for a moment", problems[0])
        self.problem = problems[0] if problems else ""

    def keep_memory(self, label: str, content: bytes) -> None:
        """Store a memory file with this content, in place of the one with this label."""
        try:
            self._notifier.unstore(label)
            memory = sealed_memory.seal(content, label)
        except (NotifyError, OSError) as error:
            _log.warning("cannot store %s: %s", label, error)
            return
        try:
            self._notifier.store(label, memory)
        except NotifyError as error:
            _log.warning("cannot store %s: %s", label, error)
        finally:
            os.close(memory)

    def drop(self, labels: Iterable[str]) -> None:
        """Remove descriptors that are not needed any more."""
        for label in labels:
            with contextlib.suppress(NotifyError):  # a manager that is gone has no store
                self._notifier.unstore(label)

    def _set(self, label: str, socks: Sequence[socket.socket], reserve: int) -> str:
        """Make the sockets with a label these; returns why it failed, or an empty text."""
        held = self._held.get(label, set())
        try:
            if held - set(socks):
                self._notifier.unstore(label)
                held = set()
            self._held[label] = held
            for batch in _batches([sock for sock in socks if sock not in held]):
                descriptors = [sock.fileno() for sock in batch]
                self._notifier.store(label, *descriptors, reserve=reserve)
                held |= set(batch)
        except NotifyError as error:
            return f"cannot store a listening socket ({label}): {error}"
        if not held:
            del self._held[label]
        return ""


def _batches(socks: Iterable[socket.socket]) -> Iterable[list[socket.socket]]:
    left = iter(socks)
    return iter(lambda: list(itertools.islice(left, _BATCH)), [])
