"""The state of a node's engine, with which another process continues the node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netd.listeners.chat.cluster.log_position import parse_position
from netd.protocols.record import BYTES, INTEGER, TEXT, Field, fields_of, list_of, load_text

ENGINE: Final = fields_of(
    incarnation=TEXT,
    applied=Field(lambda data: parse_position(load_text(data).encode())),
    last=INTEGER,
    sent=list_of(BYTES),
    unsent=list_of(BYTES),
)
"""Checks what `Engine.save` returns."""


@dataclass(frozen=True, slots=True)
class RoomPlace:
    """The engine and the name of a room, as a worker saves them for the next one."""

    engine: tuple[str, ...]
    name: str
    sentinel: str = ""
    password_file: str = ""
    ca_file: str = ""
