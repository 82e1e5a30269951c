"""An input of the log: something that a client of one node does in the room.

It is a line of fields that are separated by NUL bytes, which no IRC line can have. An unknown kind
is of a later version.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

_END: Final = b"\0"


class InputKind(enum.Enum):
    """An action of a client; the value is in the log."""

    ENTER = b"E"
    """It has registered. `data` are the facts about it (`entrant`)."""
    LINE = b"L"
    """It has sent a line, which is `data`."""
    LEAVE = b"Q"
    """Its connection is closed. `data` is the reason."""
    CAPS = b"C"
    """It has other capabilities; `data` are their names, with spaces between them."""
    CHECK = b"K"
    """All hosts compute the digest of their rooms, and this one keeps a snapshot."""
    CHANNEL = b"H"
    """Its channel is to be created again, as it was when the state was lost (`arrival`)."""
    RETURN = b"R"
    """It is in the room again as it was; `data` are the facts (`arrival`)."""
    ACCOUNT = b"A"
    """A registered account that the engine has lost, or had never; `data` is JSON."""
    EDIT = b"D"
    """An administrator has changed an account; `data` is JSON."""
    SETTINGS = b"S"
    """The settings of its host that should be those of all (`agreement`)."""
    PROOF = b"P"
    """It has another token for RESUME; `data` is the hash."""
    VERDICT = b"V"
    """Its password was checked. `data` are purpose, verdict, name, detail and result."""


@dataclass(frozen=True, slots=True)
class RoomInput:
    """One input; `client` is the number of the client on its node."""

    kind: InputKind
    client: int
    data: bytes


def format_input(item: RoomInput) -> bytes:
    """The bytes for the log."""
    return _END.join((item.kind.value, b"%d" % item.client, item.data))


def may_expire(payload: bytes) -> bool:
    """Whether an input may be given up while the engine is away: the client is informed of it.

    Any other input is a change that has happened on its host.
    """
    return payload.startswith(InputKind.LINE.value + _END)


def parse_input(payload: bytes) -> RoomInput:
    """Read an input. Raises ValueError."""
    kind, client, data = payload.split(_END, 2)
    return RoomInput(InputKind(kind), int(client), data)
