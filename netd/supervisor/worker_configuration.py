"""The configuration of a worker: its options and sockets, and the message that carries them."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from netd.config.address import Address
from netd.config.model import ListenerOptions
from netd.config.serialize import serialize
from netd.listeners.bundle import Bundle
from netd.protocols.link import Configure

Sockets = Sequence[tuple[Address, socket.socket]]


class Queues(NamedTuple):
    """A worker's ends of hand-off queues."""

    ends: Mapping[str, socket.socket]
    """By the listener that takes the connections."""
    gets_handoffs: bool = False
    """Whether the configuration has listeners that hand off connections to this one."""


NO_QUEUES: Final = Queues({})


class WorkerConfiguration(NamedTuple):
    """The options of a worker, its listening sockets, and its ends of hand-off queues."""

    options: ListenerOptions
    sockets: Sockets
    queues: Queues

    def message(
        self, name: str, number: int, bundles: Sequence[Bundle], *, needs_state: bool
    ) -> tuple[Configure, list[int]]:
        """Return the message for a process of the worker, and the descriptors to send with it.

        The process takes over the clients of the bundles; see WorkerHandle.start.
        """
        message = Configure(
            name,
            serialize(self.options),
            tuple(str(address) for address, _ in self.sockets),
            tuple(len(bundle.descriptors) for bundle in bundles),
            needs_state,
            tuple(self.queues.ends),
            number,
            self.queues.gets_handoffs,
        )
        descriptors = [sock.fileno() for _, sock in self.sockets]
        descriptors += [fd for bundle in bundles for fd in bundle.descriptors]
        descriptors += [end.fileno() for end in self.queues.ends.values()]
        return message, descriptors
