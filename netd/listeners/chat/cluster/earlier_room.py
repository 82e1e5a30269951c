"""The room as the clients of a host know it when its state is lost, and the changes since then.

A host loads the room again when it has fallen behind, was removed, or when the engine has lost
entries. Its clients keep their connections, and meanwhile get no lines. When they are in the room
again, the differences are sent to them as if they had just happened.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from netd.listeners.chat.cluster.missed_messages import MissedMessages, Said
from netd.listeners.chat.cluster.netsplit import status_mode
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.membership import join_message
from netd.listeners.chat.room.commands.missed import send_missed
from netd.listeners.chat.room.encoded_message import message_of
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.numeric import Numeric
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import Message

_LEFT_OUT: Final = "Some of what was said here meanwhile is not sent"


class EarlierChannel:
    """A channel when its state was lost."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        """The object, which is as it was if the channel was removed because it was empty."""
        self.topic = channel.topic
        self.modes = dict(channel.modes)
        self.members = {
            member.folded: (member.prefix, status) for member, status in channel.members.items()
        }
        """Prefix and status of each member, by the folded nick."""


class EarlierRoom:
    """The channels of some members when their state was lost."""

    def __init__(self, room: RoomState, members: Iterable[Member]) -> None:
        self.position = room.ids.position
        """That of the last message that the clients have got."""
        names = dict.fromkeys(name for member in members for name in member.channels)
        self.channels = {name: EarlierChannel(room.channels[name]) for name in names}


@dataclass(frozen=True, slots=True)
class _News:
    """The changes of a channel, in the forms for clients without and with extended-join."""

    plain: list[Message]
    extended: list[Message]
    modes_changed: bool
    said: list[Said]
    is_all: bool
    """Whether no message is lacking."""


class CatchUp:
    """The changes since a state was lost, for all clients that return in one turn."""

    def __init__(
        self,
        room: RoomState,
        missed: MissedMessages,
        earlier: Container[str],
        present: Container[str],
    ) -> None:
        """Compare with a room; the changes of the host's own members do not concern its clients.

        `earlier` and `present` are the folded nicks of those members, before and after.
        """
        self._room, self._missed = room, missed
        self._earlier, self._present = earlier, present
        self._news: dict[tuple[EarlierRoom, Channel], _News] = {}

    def send(self, context: CommandContext, earlier: EarlierRoom, channel: Channel) -> None:
        """Send the client what has changed in a channel, and what was said there."""
        news = self._news.get((earlier, channel))
        if news is None:
            news = self._news[earlier, channel] = self._compare(earlier, channel)
        client = context.client
        for message in news.extended if client.has(Cap.EXTENDED_JOIN) else news.plain:
            context.send_unlabeled(client, message)
        if news.modes_changed:
            modes = channel.format_modes(with_key=True)
            context.reply(Numeric.CHANNELMODEIS, channel.name, *modes)
        before = earlier.channels[channel.folded].channel
        if not news.is_all:
            context.reply_command("NOTICE", channel.name, _LEFT_OUT)
        missed = [
            message_of(said.entry)
            for said in news.said
            if said.channel is before or said.channel.access.may_read(context.sender, said.position)
        ]
        for _ in send_missed(context, channel.name, missed):
            pass

    def _compare(self, earlier: EarlierRoom, channel: Channel) -> _News:
        before = earlier.channels[channel.folded]
        server = self._room.settings.server_name
        changes = [*self._departures(before, channel)]
        plain, extended = [*changes], [*changes]
        for member, status in channel.members.items():
            folded = member.folded
            if folded in self._present:
                continue
            is_known = folded in before.members and folded not in self._earlier
            held = before.members[folded][1] if is_known else ""
            if not is_known:
                plain.append(join_message(member, channel, is_extended=False))
                extended.append(join_message(member, channel, is_extended=True))
            if status != held:
                given = status_mode(server, channel, member.nick, status, held)
                plain.append(given)
                extended.append(given)
        topic = channel.topic
        if topic != before.topic:
            text, by = (topic.text, topic.by) if topic is not None else ("", server)
            message = Message("TOPIC", (channel.name, text), by)
            plain.append(message)
            extended.append(message)
        said, is_all = self._missed.since(channel, earlier.position)
        return _News(plain, extended, channel.modes != before.modes, said, is_all)

    def _departures(self, before: EarlierChannel, channel: Channel) -> Iterator[Message]:
        present = {member.folded for member in channel.members}
        for folded, (prefix, _) in before.members.items():
            if folded not in present and folded not in self._earlier:
                yield Message("PART", (channel.name,), prefix)
