"""The contract between a kind of listener, its worker process and the supervisor.

A kind is one `Kind` value: its name, its options, the function that loads its service, and the
functions that the command line calls (probe, hint, check). `worker` runs a service in a process.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from netd.config.address import ALL_SCHEMES, Address, Scheme
from netd.config.model import ListenerOptions
from netd.errors import Problem
from netd.listeners.counters import Counters
from netd.runtime.loop import Loop

Options = TypeVar("Options", bound=ListenerOptions)
Options_contra = TypeVar("Options_contra", bound=ListenerOptions, contravariant=True)


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """An open, non-blocking socket and the configured address that it was opened for.

    One address may have several sockets, since a host name can resolve to several addresses.
    """

    address: Address
    sock: socket.socket


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """The outcome of a reload that a worker requested."""

    ok: bool
    detail: str
    """The changes, or the errors, one on each line."""


class Daemon(Protocol):
    """The requests that a service can make to the supervisor. Both calls return at once."""

    @property
    def datagram_names(self) -> AbstractSet[int | str]:
        """The UDP ports and Unix datagram paths of the daemon; always this set, kept up to date."""

    @property
    def handoff_queues(self) -> Mapping[str, socket.socket]:
        """Ends of queues of connections, by the listener that takes them (`Kind.takes_handoffs`).

        Always this mapping; it is up to date when the service starts and is reconfigured. A worker
        of the listener that takes connections has the exit of its own queue, one that hands them
        off the entries of the queues that its options name (`ListenerOptions.handoffs`). A
        connection is a message as in netd.protocols.handoff, with its descriptor.
        """

    @property
    def gets_handoffs(self) -> bool:
        """Whether other listeners of the configuration hand off connections to this one.

        The service can then load what it needs for them before it is ready.
        """

    @property
    def worker_number(self) -> int:
        """The number of this worker among those of its listener, from 0.

        Its next process has the same one. The numbers of a listener's workers are dense.
        """

    def request_status(self, on_status: Callable[[dict[str, Any]], object]) -> None:
        """Call `on_status` with the daemon's status, as `netd status --json` prints it."""

    def request_reload(self, on_result: Callable[[ReloadResult], object]) -> None:
        """Request a reload of the configuration, and call `on_result` with the outcome."""


class Service(Protocol[Options_contra]):
    """A running listener in its worker process."""

    def reconfigure(self, options: Options_contra, sockets: Sequence[ListeningSocket]) -> None:
        """Replace the options and the listening sockets; established connections continue.

        Connections are accepted from the previous sockets too, until `release_sockets`. Raises
        NetdError if the new options cannot be used; the previous options and sockets then stay in
        force, and the supervisor rolls the reload back.
        """

    def release_sockets(self) -> None:
        """Accept what waits in the queues of the previous sockets, and close them.

        The supervisor has closed its own copies of those that are no longer configured.
        """

    def drain(self, within_s: float | None, *, stopping: bool) -> None:
        """Accept the connections that wait, close the listening sockets, and finish.

        Open connections are closed after `within_s` seconds (None: no deadline). `stopping` is
        true if the whole daemon stops, so that idle connections need not be kept. The service
        calls `Loop.stop` when its last connection has ended.
        """

    def counters(self) -> Counters:
        """The service's figures: at least those of `Admission`, `bytes_in` and `bytes_out`."""

    def degraded(self) -> str:
        """Why the service is degraded, for `netd status`; empty if it is not."""


@dataclass(frozen=True, slots=True)
class Handover:
    """The state and descriptors for the next process that serves a service's clients.

    The state is plain data that JSON can hold; bytes are text in Latin-1. It refers to a descriptor
    by its position in `descriptors`, which stay open and belong to the service that saved them.
    """

    state: dict[str, Any]
    descriptors: Sequence[int] = ()


Attach = Callable[[Mapping[int, int]], object]
"""Begin to serve the clients of a loaded state: {position: descriptor}, owned by the callee.

A position whose descriptor did not arrive is missing; the client is then treated as lost. The
callee closes the descriptors that it has no use for.
"""


class HandoverService(Service[Options_contra], Protocol[Options_contra]):
    """A service whose clients another process can continue to serve (`Kind.hands_over`).

    No byte of a client moves during a handover. The worker calls `prepare_handover`; after the turn
    in which `on_prepared` was called, it calls `save`, and its loop does not turn until the
    supervisor has decided: `leave` is called if another process takes over, else `resume`, and the
    loop turns again. The other process starts the service, calls
    `load`, and its loop does not turn before the decision either; then it calls the `Attach`.
    Hence a service needs no frozen state of its own: only its threads and child processes have to
    be stopped, by `prepare_handover`.
    """

    def prepare_handover(self, within_s: float, on_prepared: Callable[[], object]) -> None:
        """Bring the service into a state that `save` can describe; then call `on_prepared`, once.

        It takes at most `within_s` seconds; what cannot be described then is lost, closed, or left
        for `leave`. Other clients are served meanwhile, and connections may be accepted.
        `on_prepared` can be called at once.
        """

    def save(self) -> Handover:
        """Describe all clients, after `on_prepared`; changes nothing that `resume` cannot undo."""

    def resume(self) -> None:
        """Continue to serve as before `prepare_handover`, which may have called back or not."""

    def leave(self, within_s: float | None) -> None:
        """Forget the clients of the last `save`: another process serves them.

        A client that no process but this one can serve may be served for `within_s` seconds (None:
        no deadline). The service calls `Loop.stop` when none is left; it accepts no more.
        """

    def load(self, state: dict[str, Any]) -> Attach:
        """Check and load a saved state; it may be that of an earlier version of netd.

        It is called on a service that has just been started, several times if the service takes
        over from several processes. The sockets of the clients are not there yet. Raises
        StateError if the state cannot be used; the service then is as before the call.
        """


class SnapshotService(HandoverService[Options_contra], Protocol[Options_contra]):
    """A service whose state, without the clients, survives the death of its process.

    The successor loads the latest snapshot, and its `Attach` gets no descriptors.
    """

    def snapshot(self, on_snapshot: Callable[[Sequence[bytes]], object]) -> None:
        """Describe the state for the successor of a process that is killed; called each second.

        `on_snapshot` gets JSON text in pieces, in a later turn, unless nothing has changed. A call
        makes an earlier one that has not called back void.
        """


def no_problems(_options: ListenerOptions) -> tuple[Problem, ...]:
    """The check of a kind whose options need no check beyond their types."""
    return ()


def no_hint(_address: Address, _options: ListenerOptions) -> str:
    """The hint of a kind that has none."""
    return ""


def share_nothing(_options: ListenerOptions) -> None:
    """Make nothing: the `share` of a kind whose workers need nothing in common."""


StartService = Callable[[Loop, Options, Sequence[ListeningSocket], Daemon], Service[Options]]
"""Start a service on a worker's loop. Raises NetdError if it cannot start; the loop is then left as
it was."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[Options]):
    """A kind of listener, such as echo: its options and its functions."""

    name: str
    options: type[Options]
    load_service: Callable[[], StartService[Options]]
    """Import the code of the service, and return its class. The supervisor calls it before it forks
    the first worker, so that all workers share that code; without a listener it is not loaded."""
    probe: Callable[[str, Address, float], str]
    """Speak the protocol as a client: (listener's name, address, timeout in seconds). Returns a
    sentence about the reply. Raises NetdError or OSError if the listener does not work."""
    share: Callable[[Options], None] = share_nothing
    """Make what the workers of a listener share. The supervisor calls it before it forks them."""
    hint: Callable[[Address, Options], str] = no_hint
    """A shell command that tries the listener at an address: `curl http://127.0.0.1:8080/`."""
    check: Callable[[Options], tuple[Problem, ...]] = no_problems
    """Faults that only this machine shows, such as a missing directory; the key of a Problem is
    relative to the listener (`routes.0.directory`). A fault that the listener can serve with is a
    warning."""
    schemes: frozenset[Scheme] = ALL_SCHEMES
    """The address schemes that the kind can listen on."""
    max_workers: int = 64
    hands_over: bool = False
    """Whether the service is a `HandoverService`; if not, its connections are drained instead."""
    takes_handoffs: bool = False
    """Whether other listeners can hand off connections to it (`Daemon.handoff_queues`)."""
    keeps_snapshots: bool = False
    """Whether the service is a `SnapshotService`."""
    example_address: str = "tcp://127.0.0.1:0"
    """The address in `netd config default`; port 0 lets the system choose one."""


AnyKind = Kind[Any]
"""A kind with options of any type."""
