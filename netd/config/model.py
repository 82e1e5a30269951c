"""The configuration as frozen dataclasses.

This module has the options that listeners of every kind share. A kind derives its own options
from ListenerOptions, in its own package. Every options object is valid: `schema` validates a table
before it makes one.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Literal, get_type_hints

from annotated_types import Ge, Gt, Interval, Len

from netd.config.address import Address
from netd.config.annotations import FromText, NeedsNewWorker, OneOrMany, Pattern, Table
from netd.config.units import Duration
from netd.errors import Problem

_NOT_A_NETWORK = "is not a network, such as 10.0.0.0/8 or ::1"


def _parse_network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(f"{text!r} {_NOT_A_NETWORK}") from error
    address = text.partition("/")[0]
    if ip_address(address) != network.network_address:
        raise ValueError(f"{text!r} has bits beyond its prefix; write {network} or {address}")
    return network


Network = Annotated[
    IPv4Network | IPv6Network, FromText(_parse_network, _NOT_A_NETWORK, {"format": "ipnetwork"})
]
Networks = OneOrMany[Network]
Addresses = OneOrMany[
    Annotated[
        Address,
        FromText(
            Address.parse,
            "is not an address; write one as in tcp://127.0.0.1:7000",
            {"pattern": "^(tcp|udp|unix|unixgram)://"},
        ),
    ]
]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListenerOptions(Table):
    """The options of every listener; only `kind` and `address` are required.

    The docstring of a field is its documentation in `netd config default`, in netd.toml(5) and in
    the JSON Schema.
    """

    kind: str
    """The kind of listener, such as `echo`."""

    address: Annotated[Addresses, Len(1, 64)]
    """The address to listen on, or a list of addresses."""

    workers: Annotated[int, Interval(ge=1, le=64)] = 1
    """The number of worker processes; they share the listener's sockets. A connection belongs to
    the worker that is the first to accept it, so a few connections can all belong to one worker."""

    backlog: Annotated[int, Interval(ge=1, le=65535)] = 1024
    """The number of connections that may wait to be accepted, as in listen(2)."""

    socket_mode: Annotated[str, Pattern("^0?[0-7]{3}$")] = "0666"
    """The permissions of a Unix socket's file, in octal."""

    max_connections: Annotated[int, Ge(1)] = 1000
    """The number of connections that each worker serves at once; a further connection is closed and
    counted."""

    max_connections_per_address: Annotated[int, Ge(0)] = 0
    """The number of connections that each worker serves from one source address; 0 for no limit."""

    allow: Networks = ()
    """The networks that clients may connect from; empty for all networks."""

    deny: Networks = ()
    """The networks that clients may not connect from, even if `allow` names them."""

    def contradictions(self) -> dict[str, str]:
        """Faults that several keys have together, by one of the keys."""
        return {}

    def handoffs(self) -> dict[tuple[str | int, ...], str]:
        """The listeners to which connections are handed off, by the key that names each one."""
        return {}


@dataclass(frozen=True, kw_only=True, slots=True)
class DaemonOptions(Table):
    """The `[netd]` table: the options of the daemon as a whole."""

    control: str = ""
    """The path of the control socket. If it is empty, the path is `/run/netd/control.sock`, or a
    path under `XDG_RUNTIME_DIR` if the daemon cannot write there."""

    control_mode: Annotated[str, Pattern("^0?[0-7]{3}$")] = "0660"
    """The permissions of the control socket, in octal; they are set when the socket is opened. By
    default, members of the group that netd runs as can connect to it, too."""

    control_allows: Literal["status", "all"] = "status"
    """The requests that users may make who can connect to the control socket, and are neither root
    nor its owner nor the user that netd runs as: its `status`, or `all`. It is set when the socket
    is opened."""

    control_owner: str = ""
    """The owner of the control socket, as `user` or `user:group`; empty for the user that runs
    netd. It is set when the socket is opened."""

    drain_timeout: Duration = 10.0
    """How long open connections may continue after the daemon is stopped."""

    heartbeat_timeout: Annotated[Duration, Ge(1)] = 10.0
    """How long a worker may send no heartbeat before it is killed and replaced."""

    start_timeout: Annotated[Duration, Gt(0)] = 10.0
    """How long a new worker may take to become ready."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """A whole configuration: the options of the daemon, and of each listener by its name."""

    netd: DaemonOptions
    listeners: dict[str, ListenerOptions]
    warnings: tuple[Problem, ...] = ()


def fields_for_new_workers(options: type[ListenerOptions]) -> tuple[str, ...]:
    """The fields whose new value takes effect in a new worker only."""
    hints = get_type_hints(options, include_extras=True).items()
    mark = NeedsNewWorker()
    return tuple(name for name, hint in hints if mark in getattr(hint, "__metadata__", ()))
