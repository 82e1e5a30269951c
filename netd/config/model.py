"""What a configuration holds, as plain frozen data.

The kinds' own options derive from ListenerOptions and live beside their code; this module
knows what every listener has in common and nothing of any kind. Whoever has such an object may
trust it: `schema` proved what was written before it was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, get_type_hints

from annotated_types import Ge, Gt, Interval, Len

from netd.config.address import Address
from netd.config.annotations import FromText, NeedsNewWorker, OneOrMany, Pattern, Table
from netd.config.units import Duration

_NOT_A_NETWORK = "is no network, such as 10.0.0.0/8 or ::1"


def _parse_network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} {_NOT_A_NETWORK}") from error


Network = Annotated[
    IPv4Network | IPv6Network, FromText(_parse_network, _NOT_A_NETWORK, {"format": "ipnetwork"})
]
Networks = OneOrMany[Network]
Addresses = OneOrMany[
    Annotated[
        Address,
        FromText(
            Address.parse,
            "is no address; write one as in tcp://127.0.0.1:7000",
            {"pattern": "^(tcp|udp|unix|unixgram)://"},
        ),
    ]
]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListenerOptions(Table):
    """What every listener has; `kind` and `address` suffice.

    Each field's docstring is its documentation: `netd config default`, the manual page and the
    JSON Schema are made from it.
    """

    kind: str
    """The service: echo, chat or http."""

    address: Annotated[Addresses, Len(1, 64)]
    """Where to listen: one address or a list of them."""

    workers: Annotated[int, Interval(ge=1, le=64)] = 1
    """How many worker processes share the listener's sockets."""

    backlog: Annotated[int, Interval(ge=1, le=65535)] = 1024
    """How many connections may wait to be accepted."""

    socket_mode: Annotated[str, Pattern("^0?[0-7]{3}$")] = "0666"
    """Permissions of a Unix socket's file, in octal."""

    max_connections: Annotated[int, Ge(1)] = 1000
    """How many connections each worker serves at once; one past that is closed and counted."""

    max_connections_per_address: Annotated[int, Ge(0)] = 0
    """How many of a worker's may come from one source address; 0 for no limit."""

    allow: Networks = ()
    """Source networks that may connect; none named means all."""

    deny: Networks = ()
    """Source networks that may not connect, even where `allow` names them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DaemonOptions(Table):
    """The `[netd]` table: what holds for the daemon as a whole."""

    control: str = ""
    """Path of the control socket; empty for /run/netd/control.sock, else under XDG_RUNTIME_DIR."""

    control_mode: Annotated[str, Pattern("^0?[0-7]{3}$")] = "0600"
    """Permissions of the control socket, in octal; taken when the socket is opened."""

    control_owner: str = ""
    """Owner of the control socket, as `user` or `user:group`; empty for whoever runs netd; taken
    when the socket is opened."""

    drain_timeout: Duration = 10.0
    """How long open connections may go on after a stop is asked for."""

    heartbeat_timeout: Annotated[Duration, Ge(1)] = 10.0
    """How long a worker may be silent before it is killed and replaced."""

    start_timeout: Annotated[Duration, Gt(0)] = 10.0
    """How long a new worker may take to become ready."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """One whole configuration: the daemon's options, and each listener's by its name."""

    netd: DaemonOptions
    listeners: dict[str, ListenerOptions]


def needs_new_worker(options: type[ListenerOptions], field: str) -> bool:
    """Whether a changed `field` of a kind's options needs a new worker to take effect."""
    hint = get_type_hints(options, include_extras=True)[field]
    return NeedsNewWorker() in getattr(hint, "__metadata__", ())
