"""What a configuration holds: frozen models, unknown keys refused.

The kinds' own options derive from ListenerOptions and live beside their code; this module
knows what every listener has in common and nothing of any kind.
"""

from __future__ import annotations

import enum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from netd.config.address import AddressField
from netd.config.unit import Duration


class Change(enum.Enum):
    """What it takes to put a field's new value to work; a field that says nothing is LIVE."""

    LIVE = "the running worker takes it"
    NEW_WORKER = "a new worker takes over and the old one drains"


class Frozen(BaseModel):
    """Every model of a configuration: immutable, strict about its keys, defaults checked."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )


def one_or_many(value: object) -> object:
    """Let a list's only member stand alone, as in `address = "tcp://[::]:80"`."""
    if isinstance(value, str | dict):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _read_network(value: object) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        if isinstance(value, str):
            return ip_network(value)
    except ValueError:
        pass  # told below, as for what is no text
    raise ValueError(f"{value!r} is no network, such as 10.0.0.0/8 or ::1")


Network = Annotated[
    IPv4Network | IPv6Network,
    PlainValidator(_read_network),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "format": "ipnetwork"}),
]
Networks = Annotated[
    tuple[Network, ...],
    BeforeValidator(one_or_many, json_schema_input_type=Network | tuple[Network, ...]),
]
Addresses = Annotated[
    tuple[AddressField, ...],
    BeforeValidator(one_or_many, json_schema_input_type=AddressField | tuple[AddressField, ...]),
]


class ListenerOptions(Frozen):
    """What every listener has; `kind` and `address` suffice.

    Each field's docstring is its documentation: `netd config default`, the manual page and the
    JSON Schema are made from it.
    """

    kind: str
    """The service: echo, chat or http."""

    address: Addresses = Field(min_length=1, max_length=64)
    """Where to listen: one address or a list of them."""

    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """How many worker processes share the listener's sockets."""

    backlog: Annotated[int, Field(ge=1, le=65535)] = 1024
    """How many connections may wait to be accepted."""

    socket_mode: Annotated[str, Field(pattern="^0?[0-7]{3}$")] = "0666"
    """Permissions of a Unix socket's file, in octal."""

    max_connections: Annotated[int, Field(ge=1)] = 1000
    """How many connections are served at once; one past that is closed and counted."""

    max_connections_per_address: Annotated[int, Field(ge=0)] = 0
    """How many of them may come from one source address; 0 for no limit."""

    allow: Networks = ()
    """Source networks that may connect; none named means all."""

    deny: Networks = ()
    """Source networks that may not connect, even where `allow` names them."""


class DaemonOptions(Frozen):
    """The `[netd]` table: what holds for the daemon as a whole."""

    control: str = ""
    """Path of the control socket; empty for /run/netd/control.sock, else under XDG_RUNTIME_DIR."""

    control_mode: Annotated[str, Field(pattern="^0?[0-7]{3}$")] = "0600"
    """Permissions of the control socket, in octal; taken when the socket is opened."""

    control_owner: str = ""
    """Owner of the control socket, as `user` or `user:group`; empty for whoever runs netd; taken
    when the socket is opened."""

    drain_timeout: Duration = 10.0
    """How long open connections may go on after a stop is asked for."""

    heartbeat_timeout: Annotated[Duration, Field(ge=1)] = 10.0
    """How long a worker may be silent before it is killed and replaced."""

    start_timeout: Annotated[Duration, Field(gt=0)] = 10.0
    """How long a new worker may take to become ready."""


class Config(Frozen):
    """One whole configuration: the daemon's options, and each listener's by its name."""

    netd: DaemonOptions
    listeners: dict[str, ListenerOptions]


def needs_new_worker(options: type[BaseModel], field: str) -> bool:
    """Whether a changed `field` of a kind's options needs a new worker to take effect."""
    return Change.NEW_WORKER in options.model_fields[field].metadata


def plain(options: BaseModel) -> dict[str, Any]:
    """The options as JSON-ready data, which the same model reads back unchanged."""
    return options.model_dump(mode="json")
