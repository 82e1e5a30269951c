"""Finds the command of a line, and checks whether the client may give it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from netd.errors import RemoteProtocolError
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import COMMANDS, multiline
from netd.listeners.chat.room.commands.base import Command, Phase, Steps
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import LineTooLongError, Message, NotUtf8Error, parse
from netd.protocols.lines import Line, Overlong

_MAX_LABEL_CHARS: Final = 64
_QUICK: Final = frozenset({b"PING", b"PONG", b"PRIVMSG", b"NOTICE"})
_UNREGISTERED_PHASES: Final = (Phase.ANY, Phase.REGISTERING)


def is_quick(line: Line) -> bool:
    """Whether a line takes little time, however large the room is; messages are sent later."""
    if not isinstance(line, bytes):
        return False
    words = line.split(b" ", 2)
    command = words[1] if line[:1] == b"@" and words[1:] else words[0]
    return command.upper() in _QUICK


def parse_line(context: CommandContext, line: Line) -> Message | None:
    """The message of a line; None for an empty line, or an invalid one, which gets an error."""
    try:
        if not isinstance(line, Overlong):
            return parse(line)
        context.reply(Numeric.INPUTTOOLONG)
    except LineTooLongError:
        context.reply(Numeric.INPUTTOOLONG)
    except NotUtf8Error as error:
        take_tags(context, error.command, error.tags)
        context.fail("INVALID_UTF8", "Your message is not UTF-8")
    except RemoteProtocolError as error:
        context.reply_command("ERROR", str(error))
    return None


def take_tags(context: CommandContext, command: str, tags: Mapping[str, str]) -> None:
    """Note the command of a line, its label and its client-only tags."""
    context.command = command
    if tags:
        label = tags.get("label", "")
        if context.client.has(Cap.LABELED_RESPONSE) and len(label) <= _MAX_LABEL_CHARS:
            context.label = label
        if context.client.has(Cap.MESSAGE_TAGS):
            context.client_tags = {k: v for k, v in tags.items() if k[0] == "+"}


def dispatch(context: CommandContext, message: Message) -> Steps | None:
    """Do the command of a message; return the steps that are left."""
    command = COMMANDS.get(message.command)
    if "batch" in message.tags and context.client.has(Cap.MULTILINE):
        if context.client.is_registered:
            multiline.collect(context, message)
    elif command is not None:
        if _is_allowed(context, command, message):
            return command.handler(context, message.params)
    elif context.client.is_registered:
        context.reply(Numeric.UNKNOWNCOMMAND, message.command)
    else:
        context.reply(Numeric.NOTREGISTERED)
    return None


def _is_allowed(context: CommandContext, command: Command, message: Message) -> bool:
    """Check the conditions of a command; the reply to a refused command names the reason."""
    is_registered = context.client.is_registered
    if not is_registered and command.phase not in _UNREGISTERED_PHASES:
        context.reply(Numeric.NOTREGISTERED)
    elif is_registered and command.phase is Phase.REGISTERING:
        context.reply(Numeric.ALREADYREGISTRED)
    elif len(message.params) < command.params:
        context.reply(Numeric.NEEDMOREPARAMS, message.command)
    elif command.for_opers and not context.sender.oper:
        context.reply(Numeric.NOPRIVILEGES)
    else:
        return True
    return False
