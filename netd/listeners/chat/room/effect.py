"""The effects that the room returns; the room driver carries them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from netd.listeners.chat.room.channel import Audience, Channel
from netd.listeners.chat.room.client_state import PasswordCheck
from netd.listeners.chat.room.encoded_message import EncodedMessage, HistoryEntry
from netd.listeners.chat.room.ghost import Ghost
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.storage import Change, Query
from netd.protocols.password_work import PasswordWork


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes to some clients."""

    clients: Sequence[Client]
    data: bytes


@dataclass(slots=True)  # not frozen: every channel message makes one, and that would cost more
class Broadcast:
    """Send a message to the clients of all members of a channel except `skip`.

    Messages with the same audience object go to the same clients with the same capabilities.
    """

    audience: Audience
    skip: Client | None
    message: EncodedMessage


@dataclass(frozen=True, slots=True)
class Close:
    """Close a client's connection after all queued bytes were sent."""

    client: Client
    reason: str


@dataclass(frozen=True, slots=True)
class Verify:
    """Check a password and call `Room.verified`; the client's lines wait until then."""

    client: Client
    check: PasswordCheck
    password: str
    stored: str
    work: PasswordWork | None = None  # in place of the comparison


@dataclass(frozen=True, slots=True)
class Rehash:
    """Reload the configuration and report the outcome to the operator (`Room.send_notices`)."""

    client: Client


@dataclass(frozen=True, slots=True)
class Log:
    """Write a line to the log of the daemon."""

    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """Store one more message of a channel."""

    channel: Channel
    entry: HistoryEntry


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the database, and call `Room.answered` with the result; the client's lines wait."""

    client: Client
    query: Query[Any]


@dataclass(frozen=True, slots=True)
class Store:
    """Change the database."""

    change: Change


@dataclass(frozen=True, slots=True)
class SaveChannel:
    """Store the state of a channel, or remove it from the store if the channel was removed."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class KeepLines:
    """Put the lines for a client that has no connection into its ghost."""

    lost: Client
    ghost: Ghost


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Close the connection of a client, whose place is kept for another one (`Room.suspend`)."""

    client: Client
    reason: str


@dataclass(frozen=True, slots=True)
class TakePlace:
    """A client takes the place of one whose connection was lost, and gets the lines kept for it."""

    client: Client
    lost: Client
    ghost: Ghost


ClientEffect = Send | Broadcast | Close | KeepLines | GiveUp | TakePlace
Effect = ClientEffect | Verify | Ask | Rehash | Log | Record | Store | SaveChannel
