"""What `netd check` finds out about the ports: whether every address can be listened on."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace

from netd.config.address import Address
from netd.config.model import Config
from netd.errors import BindError, Problem
from netd.supervisor.socket_table import SocketTable


def check_ports(config: Config, held: AbstractSet[Address]) -> tuple[Problem, ...]:
    """Every address that is taken or forbidden; those `held` by the daemon itself are not tried."""
    problems = []
    table = SocketTable()
    for name, options in config.listeners.items():
        for number, address in enumerate(options.address):
            if address in held:
                continue
            try:
                table.open(name, replace(options, address=(address,)))
            except BindError as error:
                problems.append(Problem(f"listeners.{name}.address.{number}", str(error)))
    table.keep_only({})
    return tuple(problems)
