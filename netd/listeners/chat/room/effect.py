"""What the room asks of whoever runs it; the room itself touches nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netd.listeners.chat.room.channel import Audience, Channel
from netd.listeners.chat.room.encoded_message import EncodedMessage
from netd.listeners.chat.room.member import Member
from netd.protocols.irc import Message

if TYPE_CHECKING:
    from netd.listeners.chat.room.fast_path import Utterance


@dataclass(frozen=True, slots=True)
class Send:
    """Give these bytes to each of the members."""

    members: Iterable[Member]
    data: bytes


class Broadcast:
    """Give a channel's audience a line, in the form each group of it takes, but not to `skip`.

    The audience is the same object as long as it is the same.
    """

    __slots__ = ("audience", "skip")  # no dataclass: each line said makes one

    def __init__(self, audience: Audience, skip: Member | None) -> None:
        self.audience = audience
        self.skip = skip

    def bytes_for(self, tag_caps: int) -> bytes:
        """The line as a client with these capabilities is sent it."""
        raise NotImplementedError


class Announcement(Broadcast):
    """A line in its envelope."""

    __slots__ = ("_envelope",)

    def __init__(self, audience: Audience, skip: Member | None, envelope: EncodedMessage) -> None:
        super().__init__(audience, skip)
        self._envelope = envelope

    def bytes_for(self, tag_caps: int) -> bytes:
        return self._envelope.bytes_for(tag_caps)


@dataclass(frozen=True, slots=True)
class Close:
    """Close a member's connection once what was sent to it has left."""

    member: Member
    reason: str


@dataclass(frozen=True, slots=True)
class Verify:
    """Check a password and call `Room.verified`; the member's lines wait until then."""

    member: Member
    password: str
    stored: str


@dataclass(frozen=True, slots=True)
class Rehash:
    """An operator wants the configuration read again, and told what came of it (`Room.inform`)."""

    member: Member


@dataclass(frozen=True, slots=True)
class Record:
    """Keep one more line of a channel that outlasts its members."""

    channel: Channel
    said: Message | Utterance


@dataclass(frozen=True, slots=True)
class SaveChannel:
    """Keep a channel's topic, modes and lists as they are now."""

    channel: Channel


Effect = Send | Broadcast | Close | Verify | Rehash | Record | SaveChannel
