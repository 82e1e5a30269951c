"""The differences between the room and the one that clients of a host know whose state was lost.

A host loads the room again when it has fallen behind, was removed, or when the engine has lost
entries. Its clients keep their connections, and meanwhile get no lines. When they are in the room
again, the differences are sent to them as if they had just happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from netd.listeners.chat.cluster.earlier_room import EarlierChannel, EarlierRoom
from netd.listeners.chat.cluster.missed_messages import MissedMessages, Said
from netd.listeners.chat.cluster.netsplit import status_mode
from netd.listeners.chat.cluster.returning import Return
from netd.listeners.chat.cluster.shared_room import Outcome
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.membership import join_message, show_channel
from netd.listeners.chat.room.commands.missed import send_missed
from netd.listeners.chat.room.encoded_message import message_of
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.numeric import Numeric
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import Message

_LEFT_OUT: Final = "Some of what was said here meanwhile is not sent"
_PRIVATE_LEFT_OUT: Final = "Private messages to you of the last moments may be lost"


@dataclass(frozen=True, slots=True)
class _News:
    """The changes of a channel, in the forms for clients without and with extended-join."""

    departures: list[Message]
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
        returned: Mapping[Client, Return],
        awaited: Mapping[Client, Return],
        now: float,
    ) -> None:
        """The clients of this host are in the room again, or are awaited: they know each other."""
        self._room, self._missed, self._now = room, missed, now
        self._returned, self._awaited = returned, awaited
        self._earlier = {one.folded for one in [*returned.values(), *awaited.values()]}
        self._absent = {one.folded for one in awaited.values()}
        self._nick_before = {client.member.folded: one.folded for client, one in returned.items()}
        self._news: dict[tuple[EarlierRoom, Channel], _News] = {}

    def inform(self, clients: Sequence[Client]) -> Iterator[Outcome]:
        """Send returned clients what has changed; first the changes that make a nick free."""
        steps = (self._send_departures, self._send_changes, self._send_news, self._send_monitored)
        for send in steps:
            for client in clients:
                context = CommandContext(self._room, client, self._now)
                send(context, self._returned[client])
                yield client, context.effects

    def _send_departures(self, context: CommandContext, return_: Return) -> None:
        for channel in self._room.channels_of(context.sender):
            if channel.folded in return_.claims:
                for message in self._news_of(return_.earlier, channel).departures:
                    context.send_unlabeled(context.client, message)

    def _send_changes(self, context: CommandContext, return_: Return) -> None:
        """Send the client, and those of this host that know it, what has become of itself."""
        for name, message in [*return_.changes(self._room)]:
            names = {name} if name else return_.claims.keys()
            companions = {
                client: None
                for client, its in [*self._awaited.items(), *self._returned.items()]
                if its.claims.keys() & names
            }
            context.send_to_clients({context.client: None} | companions, message)
            if message.command == "PART":
                del return_.claims[name]

    def _send_news(self, context: CommandContext, return_: Return) -> None:
        if return_.may_lack_lines:
            context.reply_command("NOTICE", context.sender.nick, _PRIVATE_LEFT_OUT)
        for channel in self._room.channels_of(context.sender):
            if channel.folded in return_.claims:
                self._send_channel(context, return_.earlier, channel)
            else:
                for _ in show_channel(context, channel):
                    pass

    def _send_monitored(self, context: CommandContext, return_: Return) -> None:
        online, offline = [], []
        for folded, nick in context.client.monitoring.items():
            member = self._room.find_member(folded)
            if folded in self._absent or (member is not None) == (folded in return_.online):
                continue
            if member is not None:
                online.append(member.prefix)
            else:
                offline.append(nick)
        for numeric, words in ((Numeric.MONONLINE, online), (Numeric.MONOFFLINE, offline)):
            for _ in context.reply_words(numeric, (), words, ","):
                pass

    def _send_channel(
        self, context: CommandContext, earlier: EarlierRoom, channel: Channel
    ) -> None:
        news, client = self._news_of(earlier, channel), context.client
        for message in news.extended if client.has(Cap.EXTENDED_JOIN) else news.plain:
            context.send_unlabeled(client, message)
        if news.modes_changed:
            modes = channel.format_modes(with_key=True)
            context.reply(Numeric.CHANNELMODEIS, channel.name, *modes)
        if not news.is_all:
            context.reply_command("NOTICE", channel.name, _LEFT_OUT)
        before = earlier.channels[channel.folded].channel
        missed = [
            message_of(said.entry)
            for said in news.said
            if said.channel is before or said.channel.access.may_read(context.sender, said.position)
        ]
        for _ in send_missed(context, channel.name, missed):
            pass

    def _news_of(self, earlier: EarlierRoom, channel: Channel) -> _News:
        news = self._news.get((earlier, channel))
        if news is None:
            news = self._news[earlier, channel] = self._compare(earlier, channel)
        return news

    def _compare(self, earlier: EarlierRoom, channel: Channel) -> _News:
        before = earlier.channels[channel.folded]
        server = self._room.settings.server_name
        plain: list[Message] = []
        extended: list[Message] = []
        for member, status in channel.members.items():
            folded = member.folded
            if self._nick_before.get(folded) in before.members:
                continue  # see `_send_changes`
            prefix, held = before.members.get(folded, ("", ""))
            if prefix != member.prefix or folded in self._earlier:
                held = ""
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
        departures = [*self._departures(before, channel)]
        said, is_all = self._missed.since(channel, earlier.position)
        return _News(departures, plain, extended, channel.modes != before.modes, said, is_all)

    def _departures(self, before: EarlierChannel, channel: Channel) -> Iterator[Message]:
        present = {member.folded: member.prefix for member in channel.members}
        for folded, (prefix, _) in before.members.items():
            if present.get(folded) != prefix and folded not in self._earlier:
                yield Message("PART", (channel.name,), prefix)
