"""HELP: shows the syntax of the commands, from the command table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, Phase
from netd.listeners.chat.room.numeric import Numeric

_INTRODUCTION = (
    "To talk in a channel: JOIN #channel, then PRIVMSG #channel :your words",
    "HELP COMMANDS lists every command; HELP <command> shows how it is written",
)


def help_commands(table: Mapping[str, Command]) -> dict[str, Command]:
    """HELP and HELPOP, which explain the commands of the table."""

    def help_(context: CommandContext, params: Sequence[str]) -> None:
        _help(context, table, params[0].upper() if params and params[0] else "*")

    return {
        "HELP": Command(help_, "[<command>]", phase=Phase.ANY),
        "HELPOP": Command(help_, "[<command>]"),
    }


def _help(context: CommandContext, table: Mapping[str, Command], subject: str) -> None:
    if subject == "*":
        lines = list(_INTRODUCTION)
    elif subject == "COMMANDS":
        lines = [" ".join(sorted(table))]
    elif subject in table:
        lines = [f"{subject} {table[subject].syntax}"]
    else:
        context.reply(Numeric.HELPNOTFOUND, subject)
        return
    context.reply(Numeric.HELPSTART, subject, f"Help on {subject}")
    for line in lines:
        context.reply(Numeric.HELPTXT, subject, line)
    context.reply(Numeric.ENDOFHELP, subject, "End of /HELP")
