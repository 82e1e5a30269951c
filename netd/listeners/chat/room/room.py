"""The room: everybody connected, every channel, and the way of a line through them.

Pure: lines and the time come in, effects come out. The clock is the caller's, in seconds
since the epoch; what a command does is written in `command/`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from netd.errors import RemoteProtocolError
from netd.listeners.chat.room import presence
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel, Topic
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import COMMANDS, registration
from netd.listeners.chat.room.commands.base import Command, Phase
from netd.listeners.chat.room.effect import Effect
from netd.listeners.chat.room.fast_path import FastPath
from netd.listeners.chat.room.history import Mailbox
from netd.listeners.chat.room.member import Member, Stage
from netd.listeners.chat.room.numeric import Numeric
from netd.listeners.chat.room.settings import Settings
from netd.protocols.irc import LineTooLongError, Message, NotUtf8Error, fold, parse
from netd.protocols.lines import Line, Overlong

_MAX_LABEL_CHARS = 64
_UNREGISTERED_PHASES = (Phase.ANY, Phase.REGISTERING)


class Room:
    """One IRC server's state. `identity` makes its message ids unlike any earlier room's."""

    commands = COMMANDS

    def __init__(self, settings: Settings, now: float, identity: str) -> None:
        self.settings: Settings = settings
        self.created = now
        self.members: dict[str, Member] = {}  # by folded nick
        self.unregistered: set[Member] = set()
        self.channels: dict[str, Channel] = {}  # by folded name
        self.watchers: dict[str, set[Member]] = {}  # by the folded nick they MONITOR
        self.departed: deque[presence.WhowasEntry] = deque(maxlen=settings.limits.whowas)
        self.mailboxes: dict[str, Mailbox] = {}  # by folded account
        self.markers: dict[str, dict[str, str]] = {}  # by folded account
        self.most_members = 0
        self._identity = identity
        self._last_number = 0
        self.speech = FastPath(self)
        self.configure(settings, now)

    def configure(self, settings: Settings, now: float) -> list[Effect]:
        """Take new settings; nobody leaves for it, and who cares is told what is offered now."""
        everybody = dict.fromkeys([*self.members.values(), *self.unregistered])
        exchanges = [
            CommandContext(self, each, now) for each in everybody if each.has(Cap.CAP_NOTIFY)
        ]
        offers = [registration.offered(each, each.member) for each in exchanges]
        self.settings = settings
        self.speech.forget()
        self._keep_channels(settings, now)
        for mailbox in self.mailboxes.values():
            mailbox.keep_lines(settings.limits.history_lines)
        for context, before in zip(exchanges, offers, strict=True):
            registration.tell_offers(context, before)
        return [effect for each in exchanges for effect in each.effects]

    def _keep_channels(self, settings: Settings, now: float) -> None:
        for channel in list(self.channels.values()):
            channel.is_kept = channel.folded == fold(settings.channel)
            channel.keep_lines(settings.limits.history_lines)
            self.drop_if_empty(channel)
        if settings.channel:
            channel = self.open_channel(settings.channel, now)
            channel.is_kept = True
            if settings.topic and channel.topic is None:
                channel.topic = Topic(settings.topic, settings.server_name, now)

    def enter(self, member: Member) -> None:
        """A client has connected."""
        self.unregistered.add(member)

    def receive(self, member: Member, line: Line, now: float) -> list[Effect]:
        """One line from a member; while `member.pending` is set none may be given."""
        if isinstance(line, bytes):
            effects = self.speech.hear(member, line, now)
            if effects is not None:
                return effects
        self.speech.forget()
        context = CommandContext(self, member, now)
        message = self._read(context, line)
        if message is not None and member.stage is not Stage.GONE:
            self._begin(context, message)
            self._obey(context, message)
            if member.pending is None:
                context.finish()
        return context.effects

    def verified(self, member: Member, now: float, *, right: bool) -> list[Effect]:
        """The answer to a Verify."""
        self.speech.forget()
        pending, member.pending = member.pending, None
        if pending is None or member.stage is Stage.GONE:
            return []
        context = CommandContext(self, member, now, pending.label)
        pending.then(context, right)
        if member.pending is None:
            context.finish()
        return context.effects

    def leave(self, member: Member, reason: str, now: float) -> list[Effect]:
        """A client's connection is gone, or about to be."""
        self.speech.forget()
        context = CommandContext(self, member, now)
        presence.depart(context, member, reason)
        return context.effects

    def inform(self, member: Member, lines: Iterable[str], now: float) -> list[Effect]:
        """Tell a member something of the server's own."""
        context = CommandContext(self, member, now)
        for line in lines:
            context.tell("NOTICE", member.shown_nick, line)
        return context.effects

    def shut_down(self, reason: str, now: float) -> list[Effect]:
        """Tell everybody that the server goes, and let them go."""
        self.speech.forget()
        effects: list[Effect] = []
        for member in dict.fromkeys([*self.members.values(), *self.unregistered]):
            context = CommandContext(self, member, now)
            context.close(member, reason)
            member.stage = Stage.GONE
            effects += context.effects
        self.members.clear()
        self.unregistered.clear()
        return effects

    def open_channel(self, name: str, now: float) -> Channel:
        """The channel of that name, made if need be."""
        channel = self.channels.get(fold(name))
        if channel is None:
            channel = Channel(name, now, self.settings.limits.history_lines)
            self.channels[channel.folded] = channel
        return channel

    def drop_if_empty(self, channel: Channel) -> None:
        """Forget a channel nobody is in."""
        if not channel.members and not channel.is_kept:
            for member in channel.invited:
                member.invites.discard(channel.folded)
            self.channels.pop(channel.folded, None)

    def next_id(self) -> str:
        """A message or batch id that was never used before."""
        return self.id_of(self.next_number())

    def next_number(self) -> int:
        """What `id_of` makes such an id of."""
        self._last_number += 1
        return self._last_number

    def id_of(self, number: int) -> str:
        """The id that stands for a number."""
        return f"{self._identity}{number:x}"

    def tags_of(self, member: Member) -> dict[str, str]:
        """The tags every message from a member carries."""
        tags = {"account": member.account} if member.account else {}
        if "B" in member.modes:
            tags["bot"] = ""
        return tags

    def _read(self, context: CommandContext, line: Line) -> Message | None:
        try:
            if not isinstance(line, Overlong):
                return parse(line)
            context.reply(Numeric.INPUTTOOLONG)
        except LineTooLongError:
            context.reply(Numeric.INPUTTOOLONG)
        except NotUtf8Error as error:
            context.command = str(error)
            context.fail("INVALID_UTF8", "Your message is not UTF-8")
        except RemoteProtocolError as error:
            context.tell("ERROR", str(error))
        return None

    def _begin(self, context: CommandContext, message: Message) -> None:
        context.command = message.command
        if message.tags:
            label = message.tags.get("label", "")
            if context.member.has(Cap.LABELED_RESPONSE) and len(label) <= _MAX_LABEL_CHARS:
                context.label = label
            if context.member.has(Cap.MESSAGE_TAGS):
                context.tags = {k: v for k, v in message.tags.items() if k[0] == "+"}

    def _obey(self, context: CommandContext, message: Message) -> None:
        command = self.commands.get(message.command)
        if command is None:
            self._refuse_unknown(context, message.command)
        elif self._is_allowed(context, command, message):
            command.handler(context, message.params)

    def _refuse_unknown(self, context: CommandContext, command: str) -> None:
        if context.member.stage is Stage.PRESENT:
            context.reply(Numeric.UNKNOWNCOMMAND, command)
        else:
            context.reply(Numeric.NOTREGISTERED)

    def _is_allowed(self, context: CommandContext, command: Command, message: Message) -> bool:
        """The checks a command declares."""
        is_present = context.member.stage is Stage.PRESENT
        if not is_present and command.phase not in _UNREGISTERED_PHASES:
            context.reply(Numeric.NOTREGISTERED)
        elif is_present and command.phase is Phase.REGISTERING:
            context.reply(Numeric.ALREADYREGISTRED)
        elif len(message.params) < command.params:
            context.reply(Numeric.NEEDMOREPARAMS, message.command)
        elif command.for_opers and not context.member.oper:
            context.reply(Numeric.NOPRIVILEGES)
        else:
            return True
        return False
