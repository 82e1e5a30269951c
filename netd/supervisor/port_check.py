"""Whether the addresses of a configuration can be bound, for `netd check`."""

from __future__ import annotations

import errno
import os
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from netd.config.address import Address
from netd.config.model import Config, ListenerOptions
from netd.errors import BindError, Problem
from netd.supervisor.socket_addresses import overlap, resolve, taken
from netd.supervisor.socket_table import SocketTable


@dataclass(frozen=True, slots=True)
class HeldAddresses:
    """The addresses of the running daemon, as in its configuration and as bound."""

    configured: AbstractSet[Address] = frozenset()
    bound: AbstractSet[Address] = frozenset()
    unknown: str = ""
    """Why the daemon's status is unknown; then an address in use may be the daemon's."""


def check_ports(config: Config, held: HeldAddresses) -> tuple[Problem, ...]:
    """The addresses that cannot be bound, or that two listeners name in different ways.

    An address is bound for a moment, unless the running daemon holds it.
    """
    problems: list[Problem] = []
    earlier: list[tuple[Address, str, list[Address]]] = []
    for name, options in config.listeners.items():
        for number, address in enumerate(options.address):
            key = f"listeners.{name}.address.{number}"
            if address.path and not os.path.isdir(os.path.dirname(address.path)):
                continue  # is reported with the other files
            try:
                resolved = resolve(address)
                _refuse_taken(address, resolved, earlier)
                earlier.append((address, name, resolved))
                if address not in held.configured and not overlap(resolved, held.bound):
                    _try(address, options)
            except BindError as error:
                is_unknown = bool(held.unknown) and error.errno == errno.EADDRINUSE
                text = f"{error}; {held.unknown}" if is_unknown else str(error)
                problems.append(Problem(key, text, is_warning=is_unknown))
    return tuple(problems)


def _refuse_taken(
    address: Address, resolved: list[Address], earlier: list[tuple[Address, str, list[Address]]]
) -> None:
    for other, owner, others in earlier:
        if overlap(resolved, others):
            raise BindError(taken(address, owner, other))


def _try(address: Address, options: ListenerOptions) -> None:
    """Bind an address, and close the socket. Raises BindError."""
    table = SocketTable()
    table.open({"": replace(options, address=(address,))})
    table.keep_only({})
