"""What the room requests of the listener; the room itself does no input or output."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netd.listeners.chat.room.channel import Audience, Channel
from netd.listeners.chat.room.encoded_message import EncodedMessage, HistoryEntry
from netd.listeners.chat.room.member import Member, PasswordCheck


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes to some members."""

    members: Iterable[Member]
    data: bytes


@dataclass(slots=True)  # not frozen: every channel message makes one, and that would cost more
class Broadcast:
    """Send a message to all members of a channel but `skip`.

    As long as the members and their capabilities stay the same, the audience is the same object.
    """

    audience: Audience
    skip: Member | None
    message: EncodedMessage


@dataclass(frozen=True, slots=True)
class Close:
    """Close a member's connection after everything sent to it has left."""

    member: Member
    reason: str


@dataclass(frozen=True, slots=True)
class Verify:
    """Check a password and call `Room.verified`; the member's lines wait until then."""

    member: Member
    check: PasswordCheck
    password: str
    stored: str


@dataclass(frozen=True, slots=True)
class Rehash:
    """Reload the configuration and report the outcome to the operator (`Room.send_notices`)."""

    member: Member


@dataclass(frozen=True, slots=True)
class Record:
    """Store one more message of a persistent channel."""

    channel: Channel
    entry: HistoryEntry


@dataclass(frozen=True, slots=True)
class SaveChannel:
    """Store the state of a channel, or remove it from the store if the channel is no more."""

    channel: Channel


Effect = Send | Broadcast | Close | Verify | Rehash | Record | SaveChannel
