"""Saying something in a channel, the short way: nearly every line of a busy room is that.

What a line begins with tells who says it where. If the same member's line began so before, and
nothing but such lines has come since, then whatever was checked still holds. Any other line
takes the long way through the command table, after which nothing is taken for granted. Both
ways give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Audience, Channel
from netd.listeners.chat.room.effect import Broadcast, Effect, Record
from netd.listeners.chat.room.encoded_message import EncodedMessage, timestamp
from netd.listeners.chat.room.member import Member, Stage
from netd.protocols.irc import MAX_BODY_BYTES, Message, fold, is_clean

if TYPE_CHECKING:
    from netd.listeners.chat.room.room import Room

MAX_VOICES: Final = 4096
_COMMANDS: Final = (b"PRIVMSG", b"NOTICE")
_CTCP: Final = 1  # the byte
_END: Final = b"\r\n"


@dataclass(frozen=True, slots=True)
class CachedRoute:
    """A member that may speak in a channel, and how what it says there goes out."""

    room: Room
    channel: Channel
    audience: Audience
    skip: Member | None
    command: str
    source: str
    tags: Mapping[str, str]
    head: bytes  # all of the line that goes out but the text
    max_text_bytes: int


class Utterance(Broadcast):
    """One line said; the message it stands for is made when somebody asks."""

    __slots__ = ("_body", "_envelope", "_now", "_number", "_voice")

    def __init__(self, voice: CachedRoute, text: bytes, now: float) -> None:
        self.audience = voice.audience
        self.skip = voice.skip
        self._voice = voice
        self._now = now
        self._number = voice.room.next_number()
        self._body = voice.head + text + _END
        self._envelope: EncodedMessage | None = None

    def bytes_for(self, tag_caps: int) -> bytes:
        if not tag_caps:
            return self._body
        if self._envelope is None:
            self._envelope = EncodedMessage(self.message(), self._now, self._body)
        return self._envelope.bytes_for(tag_caps)

    def message(self) -> Message:
        """The message, as the long way makes it."""
        voice = self._voice
        text = self._body[len(voice.head) : -len(_END)].decode()
        msgid = voice.room.id_of(self._number)
        tags = {"time": timestamp(self._now), "msgid": msgid, **voice.tags}
        return Message(voice.command, (voice.channel.name, text), voice.source, tags)


class FastPath:
    """The voices known in a room at the moment."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._voices: dict[tuple[Member, bytes], CachedRoute] = {}

    @property
    def known(self) -> int:
        """How many voices are known, at most MAX_VOICES."""
        return len(self._voices)

    def forget(self) -> None:
        """Something else has happened: check everything anew."""
        self._voices.clear()

    def hear(self, member: Member, line: bytes, now: float) -> list[Effect] | None:
        """What follows from a line; None for one that must go the long way."""
        head, _, text = line.partition(b" :")
        voice = self._voices.get((member, head)) or self._learn(member, head)
        if voice is None or not _is_plain(text, voice.max_text_bytes):
            return None
        member.idle_since = now
        channel = voice.channel
        said = Utterance(voice, text, now)
        channel.history.append(said)
        return [Record(channel, said), said] if channel.is_kept else [said]

    def _learn(self, member: Member, head: bytes) -> CachedRoute | None:
        """The voice of a member whose lines begin like this, if there is one."""
        command, _, target = head.partition(b" ")
        if command not in _COMMANDS or not target.isascii() or member.stage is not Stage.PRESENT:
            return None
        channel = self._room.channels.get(fold(target.decode()))
        if channel is None or not channel.may_speak(member):
            return None
        name = command.decode()
        spoken = f":{member.prefix} {name} {channel.name} :".encode()
        voice = CachedRoute(
            self._room,
            channel,
            channel.audience(),
            None if member.has(Cap.ECHO_MESSAGE) else member,
            name,
            member.prefix,
            self._room.tags_of(member),
            spoken,
            MAX_BODY_BYTES - len(spoken),
        )
        if len(self._voices) >= MAX_VOICES:
            self.forget()
        self._voices[member, head] = voice
        return voice


def _is_plain(text: bytes, max_bytes: int) -> bool:
    """Whether a text goes out as it came, and to everybody whatever the channel's modes."""
    if not 0 < len(text) <= max_bytes or text[0] == _CTCP or not is_clean(text):
        return False
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
