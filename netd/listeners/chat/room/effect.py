"""The effects that the room returns; the room driver carries them out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netd.listeners.chat.room.channel import Audience, Channel
from netd.listeners.chat.room.encoded_message import EncodedMessage, HistoryEntry
from netd.listeners.chat.room.ghost import Ghost
from netd.listeners.chat.room.member import Member, PasswordCheck


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes to some members."""

    members: Iterable[Member]
    data: bytes


@dataclass(slots=True)  # not frozen: every channel message makes one, and that would cost more
class Broadcast:
    """Send a message to all members of a channel except `skip`.

    Messages with the same audience object go to the same members with the same capabilities.
    """

    audience: Audience
    skip: Member | None
    message: EncodedMessage


@dataclass(frozen=True, slots=True)
class Close:
    """Close a member's connection after all queued bytes were sent."""

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
class Log:
    """Write a line to the log of the daemon."""

    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """Store one more message of a persistent channel."""

    channel: Channel
    entry: HistoryEntry


@dataclass(frozen=True, slots=True)
class SaveChannel:
    """Store the state of a channel, or remove it from the store if the channel was removed."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class TakePlace:
    """The connection of a client becomes that of a member that had none, and gets its lines."""

    client: Member
    member: Member
    ghost: Ghost


Effect = Send | Broadcast | Close | Verify | Rehash | Log | Record | SaveChannel | TakePlace
