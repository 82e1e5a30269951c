"""The echo listener (RFC 862): returns all received bytes, over streams and datagrams.

`service` has the pools, the datagram sockets and the time-outs. A `pool` keeps idle slots for its
listening sockets; `connection_slots` are slots for one connection alone; both are a `slot_set`. A
`slot` accepts connections, and a `relay` returns their bytes; a `runner` is the process or thread
in which that happens. All slots and the worker share a `scoreboard`.

In a handover the `collector` interrupts all slots. Each slot posts its connection to the worker's
`mailbox`, and it is a `paused_connection` until a slot of the next worker continues with it.
"""

from __future__ import annotations

from typing import Final

from netd.errors import Problem
from netd.listeners.echo.options import DEFAULT_SPARE, EchoOptions
from netd.listeners.echo.probe import hint, probe
from netd.listeners.kind import Kind, StartService


def check(options: EchoOptions) -> tuple[Problem, ...]:
    """Warn of more idle slots than the pool can have."""
    if options.spare <= max(options.max_connections, DEFAULT_SPARE):
        return ()
    message = f"{options.spare} is above max_connections, which is {options.max_connections}"
    return (Problem("spare", message, is_warning=True),)


def load_service() -> StartService[EchoOptions]:
    """The class of the service."""
    from netd.listeners.echo.service import EchoService  # noqa: PLC0415 (see Kind)

    return EchoService


KIND: Final = Kind(
    name="echo",
    options=EchoOptions,
    load_service=load_service,
    probe=probe,
    hint=hint,
    hands_over=True,
    example_address="tcp://127.0.0.1:7007",
    check=check,
)
