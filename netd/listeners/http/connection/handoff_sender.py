"""Hands off connections to chat workers, which speak WebSocket on them."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Mapping
from typing import Final

from netd.errors import LocalProtocolError
from netd.protocols.handoff import MAX_HANDOFF_BYTES, Handoff, format_handoff
from netd.runtime.errnos import SHORT_OF_PASSAGE, describe

_FULL: Final = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS})
_GONE: Final = frozenset({errno.EPIPE, errno.ECONNRESET})

_log = logging.getLogger("netd")


class HandoffSender:
    """Puts connections into the queues of chat listeners, and counts them."""

    def __init__(self, queues: Mapping[str, socket.socket]) -> None:
        """`queues` are those of `Daemon.handoff_queues`."""
        self._queues = queues
        self.handed_off = 0
        """Connections that chat workers have got."""
        self.refused = 0
        """Connections for which there was no room."""
        self._is_short = False

    def send(self, listener: str, handoff: Handoff, descriptor: int) -> bool:
        """Hand off a connection; the caller then closes its own descriptor.

        Returns False if the queue is full or closed. Raises LocalProtocolError if the record is too
        long.
        """
        record = format_handoff(handoff)
        if len(record) > MAX_HANDOFF_BYTES:
            raise LocalProtocolError("the head of the request is too long")
        queue = self._queues.get(listener)
        if queue is not None and self._send(queue, record, descriptor):
            self.handed_off += 1
            self._is_short = False
            return True
        self.refused += 1
        return False

    def _send(self, queue: socket.socket, record: bytes, descriptor: int) -> bool:
        try:
            socket.send_fds(queue, [record], [descriptor])
        except OSError as error:
            if error.errno not in _FULL | _GONE:
                raise
            if error.errno in SHORT_OF_PASSAGE and not self._is_short:
                self._is_short = True
                _log.warning("cannot hand off a connection: %s", describe(error))
            return False
        return True
