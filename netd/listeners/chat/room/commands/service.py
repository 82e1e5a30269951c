"""A service such as NickServ: its notices, and the table of its commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from netd.listeners.chat.room.account_rules import SERVICE_NICK
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Steps
from netd.protocols.irc import Message

ServiceHandler = Callable[[CommandContext, Sequence[str]], Steps | None]


@dataclass(frozen=True, slots=True)
class ServiceCommand:
    """A command of a service: its handler, and the conditions checked before it is called."""

    handler: ServiceHandler
    syntax: str
    summary: str
    params: int = 0
    needs_account: bool = False
    for_opers: bool = False


def say(context: CommandContext, text: str) -> None:
    """Send the client a notice of NickServ."""
    source = f"{SERVICE_NICK}!{SERVICE_NICK}@{context.room.settings.server_name}"
    context.reply_message(Message("NOTICE", (context.sender.shown_nick, text), source))


def run(
    context: CommandContext, commands: Mapping[str, ServiceCommand], words: Sequence[str]
) -> Steps | None:
    """Run the command of a line to the service."""
    words = words or ["HELP"]
    name = words[0].upper()
    command = commands.get(name)
    if command is None or (command.for_opers and not context.sender.oper):
        say(context, f"There is no command {name[:30]}; HELP shows all")
    elif len(words) <= command.params:
        say(context, f"Syntax: {name} {command.syntax}")
    elif command.needs_account and not context.sender.account:
        say(context, "You have to log in first: IDENTIFY [<account>] <password>")
    else:
        return command.handler(context, words[1:])
    return None


def help_(
    context: CommandContext, commands: Mapping[str, ServiceCommand], words: Sequence[str]
) -> None:
    """Show the commands, or one of them."""
    seen = {
        name: command
        for name, command in commands.items()
        if context.sender.oper or not command.for_opers
    }
    name = words[0].upper() if words else ""
    if name in seen:
        say(context, f"{name} {seen[name].syntax}: {seen[name].summary}")
        return
    say(context, f"Commands, as in /msg {SERVICE_NICK} HELP REGISTER:")
    for known, command in seen.items():
        say(context, f"  {known} {command.syntax}")
