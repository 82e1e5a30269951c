"""The options of a chat that runs on several hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, MinLen

from netd.config.annotations import AfterValidator, OneOrMany, Pattern, Table
from netd.config.units import Duration
from netd.listeners.chat.cluster.engine_address import parse_engine


def _check_engine(text: str) -> str:
    parse_engine(text)
    return text


EngineUrl = Annotated[str, AfterValidator(_check_engine)]
RoomName = Annotated[str, Pattern(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterOptions(Table):
    """`[listeners.NAME.cluster]`: one chat on several hosts, by a log in Redis or Valkey."""

    engine: Annotated[OneOrMany[EngineUrl], MinLen(1)]
    """The engine, as `redis://USER@HOST:PORT/DATABASE`, `rediss://...` for TLS, or
    `unix:///PATH`. With `sentinel`, the addresses of the sentinels."""

    name: RoomName = "chat"
    """The name of the room: listeners with the same name and engine are one chat."""

    node: Annotated[str, Pattern(r"^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?$")] = ""
    """The name of this host in the room, which no other host may have; empty for the host name."""

    password_file: Annotated[str, Pattern(r"^(/.*)?$")] = ""
    """The file with the password for the engine; empty for none."""

    ca_file: Annotated[str, Pattern(r"^(/.*)?$")] = ""
    """The PEM file of the authorities that may certify the engine under TLS; empty for those of the
    system."""

    sentinel: str = ""
    """The name by which sentinels know the engine; empty if `engine` is the engine itself."""

    hold: Annotated[Duration, Ge(0)] = 10.0
    """How long a member's line waits for an engine that cannot be reached, before the member is
    informed that it was not sent."""

    deadline: Annotated[Duration, Gt(1)] = 10.0
    """How long a host that does not reach the engine stays in the room, by the engine's clock;
    then its members leave for the others."""
