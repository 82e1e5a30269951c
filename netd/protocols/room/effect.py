"""What the room asks of whoever runs it; the room itself touches nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from netd.protocols.irc import Message
from netd.protocols.room.channel import Audience, Channel
from netd.protocols.room.envelope import Envelope
from netd.protocols.room.member import Member

if TYPE_CHECKING:
    from netd.protocols.room.speech import Utterance


@dataclass(frozen=True, slots=True)
class Send:
    """Give these bytes to each of the members."""

    members: Iterable[Member]
    data: bytes


class Broadcast(NamedTuple):  # the one effect that each line said makes: cheaper to make
    """Give a channel's audience a line, in the form each group of it takes, but not to `skip`.

    The audience is the same object as long as it is the same.
    """

    audience: Audience
    envelope: Envelope | Utterance
    skip: Member | None


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
class Preserve:
    """Keep a channel's topic, modes and lists as they are now."""

    channel: Channel


Effect = Send | Broadcast | Close | Verify | Rehash | Record | Preserve
