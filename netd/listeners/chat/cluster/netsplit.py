"""The batches of IRCv3 netsplit and netjoin: all members of a host leave, or return, at once.

Many members leave many clients, so the lines are joined: members in the same channels are seen by
the same clients, and a line is encoded once for each set of capabilities.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Final

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.membership import join_message
from netd.listeners.chat.room.effect import Effect, Send
from netd.listeners.chat.room.encoded_message import EncodedMessage
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import Message

LOST: Final = "the connection to its server was lost"


class _Lines:
    """Lines to many clients."""

    def __init__(self, now: float) -> None:
        self._now = now
        self.recipients: dict[Client, None] = {}
        self.effects: list[Effect] = []

    def add(self, clients: Iterable[Client], messages: Iterable[Message]) -> None:
        """Send messages to clients of this host."""
        groups: defaultdict[int, list[Client]] = defaultdict(list)
        for client in clients:
            groups[client.tag_caps].append(client)
            self.recipients[client] = None
        if not groups:
            return
        encoded = [EncodedMessage(message, self._now) for message in messages]
        for tag_caps, group in groups.items():
            data = b"".join(line.bytes_for(tag_caps) for line in encoded)
            if data:
                self.effects.append(Send(group, data))


class _Batch(_Lines):
    """Lines to many clients, which are one batch for those that take batches."""

    def __init__(self, room: RoomState, kind: str, node: str, now: float) -> None:
        super().__init__(now)
        self._source = room.settings.server_name
        self._params = (kind, self._source, node)
        self._reference = room.next_batch_id()

    def add(self, clients: Iterable[Client], messages: Iterable[Message]) -> None:
        super().add(clients, map(self._tagged, messages))

    def _tagged(self, message: Message) -> Message:
        tags = {**message.tags, "batch": self._reference}
        return Message(message.command, message.params, message.source, tags)

    def complete(self) -> list[Effect]:
        """All lines, between the start and the end of the batch."""
        if not self.effects:
            return []
        return [*self._marks("+", *self._params), *self.effects, *self._marks("-")]

    def _marks(self, sign: str, *params: str) -> list[Effect]:
        marks = _Lines(self._now)
        able = [client for client in self.recipients if client.has(Cap.BATCH)]
        marks.add(able, [Message("BATCH", (f"{sign}{self._reference}", *params), self._source)])
        return marks.effects


def lose_members(
    room: RoomState, members: Sequence[Member], node: str, reason: str, now: float
) -> list[Effect]:
    """Remove the members of a host that is not in the room any more."""
    lost = dict.fromkeys(members)
    groups: defaultdict[frozenset[str], list[Member]] = defaultdict(list)
    for member in members:
        groups[frozenset(member.channels)].append(member)
    batch = _Batch(room, "netsplit", node, now)
    for names, group in groups.items():
        quits = [
            Message("QUIT", (reason,), member.prefix, member.message_tags()) for member in group
        ]
        batch.add(_others_in(room, names, lost), quits)
    effects = batch.complete()
    for member in members:
        context = CommandContext(room, Client.absent(member), now)
        presence.remove_member(context, member, reason, is_announced=True)
        effects += context.effects
    return effects


def _others_in(
    room: RoomState, names: Iterable[str], lost: Mapping[Member, None]
) -> dict[Client, None]:
    """The clients on this host that are in one of the channels, and stay."""
    peers = dict.fromkeys(member for name in names for member in room.channels[name].members)
    clients = (client for peer in peers if peer not in lost for client in peer.clients)
    return dict.fromkeys(client for client in clients if not client.is_remote)


class NetJoin:
    """The members of a host that return to their channels."""

    def __init__(self, room: RoomState, node: str, now: float) -> None:
        self._room, self._node, self._now = room, node, now
        self._returned: defaultdict[Channel, dict[Member, None]] = defaultdict(dict)

    def add(self, member: Member, channel: Channel) -> None:
        """Note that a member is in a channel again."""
        self._returned[channel][member] = None

    def effects(self, knowing: Container[Client]) -> list[Effect]:
        """The lines for the other members, except for clients that did not see them leave."""
        batch = _Batch(self._room, "netjoin", self._node, self._now)
        after = _Lines(self._now)
        for channel, members in self._returned.items():
            clients = [client for client in channel.clients() if not client.is_remote]
            others = [
                client
                for client in clients
                if client.member not in members and client not in knowing
            ]
            self._add_joins(batch, others, channel, members)
            after.add(others, _status_modes(self._room.settings.server_name, channel, members))
            notified = [client for client in others if client.has(Cap.AWAY_NOTIFY)]
            after.add(notified, map(_away, (member for member in members if member.away)))
        return [*batch.complete(), *after.effects]

    @staticmethod
    def _add_joins(
        batch: _Batch, clients: Sequence[Client], channel: Channel, members: Iterable[Member]
    ) -> None:
        for is_extended in (False, True):
            able = [client for client in clients if client.has(Cap.EXTENDED_JOIN) is is_extended]
            joins = (join_message(member, channel, is_extended=is_extended) for member in members)
            batch.add(able, joins)


def _status_modes(server: str, channel: Channel, members: Iterable[Member]) -> Iterator[Message]:
    for member in members:
        if held := channel.members[member]:
            yield status_mode(server, channel, member.nick, held)


def status_mode(server: str, channel: Channel, nick: str, held: str, before: str = "") -> Message:
    """The MODE that gives a member its status, in place of the one before."""
    taken = [letter for letter in before if letter not in held]
    given = [letter for letter in held if letter not in before]
    modes = "".join([*(taken and ["-", *taken]), *(given and ["+", *given])])
    return Message("MODE", (channel.name, modes, *[nick] * len(taken + given)), server)


def _away(member: Member) -> Message:
    return Message("AWAY", (member.away,), member.prefix, member.message_tags())
