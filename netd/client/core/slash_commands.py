"""Typed lines: plain text for the current conversation, or a /command."""

from __future__ import annotations

from typing import Final

from netd.client.core.chat_events import Effect, Leave, Notice, Refused
from netd.client.core.client_state import ClientState
from netd.client.core.commands import channels, people, server, talking, windows
from netd.client.core.commands.base import Argument, SlashCommand, say

KEYS: Final = (
    ("Ctrl-N, Ctrl-P", "next and previous conversation"),
    ("Alt-1 ... Alt-9, Alt-0", "conversation 1 to 10"),
    ("Alt-A", "the next unread conversation"),
    ("Alt-/", "the conversation before"),
    ("PgUp, PgDn", "scroll by a page"),
    ("Alt-Home, Alt-End", "the first and the last line"),
    ("Alt-U", "the first unread line"),
    ("Tab", "complete; again: the next completion"),
    ("Up, Down", "earlier typed lines; Ctrl-R searches them"),
    ("Alt-Enter", "begin a new line in the input"),
    ("Alt-N", "show or hide the list of members"),
    ("Alt-M", "let the mouse wheel scroll, or not"),
    ("Ctrl-L", "draw the screen again"),
    ("Ctrl-C", "clear the input; twice: leave"),
    ("Ctrl-D", "leave, if the input is empty"),
    ("Ctrl-Z", "suspend"),
)
"""The keys of the full-screen view."""

ALIASES: Final = {
    "j": "join",
    "leave": "part",
    "q": "query",
    "n": "names",
    "k": "kick",
    "t": "topic",
    "window": "win",
    "buffer": "win",
    "b": "win",
    "wc": "close",
    "exit": "quit",
    "bye": "quit",
    "quote": "raw",
    "delete": "redact",
    "nickserv": "ns",
    "wi": "whois",
}
"""Other names of commands, as users of irssi and WeeChat know them."""


def interpret(state: ClientState, line: str) -> list[Effect]:
    """Process a typed line; a leading // sends text that begins with a slash."""
    if not line.strip():
        return []
    if line.startswith("//") or not line.startswith("/"):
        return say(state, line.removeprefix("/"))
    name, _, argument = line[1:].partition(" ")
    return _run(state, name.lower(), argument.strip())


def find(name: str) -> SlashCommand | None:
    """Return the command of a name or an alias."""
    return COMMANDS.get(ALIASES.get(name, name))


def _run(state: ClientState, name: str, argument: str) -> list[Effect]:
    command = find(name)
    if command is not None and command.needs_argument and not argument:
        return [Refused(f"usage: /{name} {command.usage}")]
    if not (state.is_registered or (command is not None and command.works_offline)):
        return [Refused("not connected")]
    return command.run(state, argument) if command else server.pass_on(state, name, argument)


def _help(_state: ClientState, argument: str) -> list[Effect]:
    wanted = argument.removeprefix("/").lower()
    if wanted == "keys":
        return _table([(keys, text) for keys, text in KEYS])
    if not wanted:
        return _table([(_head(name), command.help) for name, command in COMMANDS.items()])
    command = find(wanted)
    if command is None:
        return [Refused(f"/{wanted} is not a command of netd-chat, but may be one of the server")]
    name = ALIASES.get(wanted, wanted)
    aliases = [f"/{alias}" for alias, meant in ALIASES.items() if meant == name]
    more = [command.details] if command.details else []
    more += [f"Also: {', '.join(aliases)}"] if aliases else []
    return [*_table([(_head(name), command.help)]), *map(Notice, more)]


def _head(name: str) -> str:
    return f"/{name} {COMMANDS[name].usage}".rstrip()


def _table(rows: list[tuple[str, str]]) -> list[Effect]:
    width = max(len(head) for head, _ in rows)
    return [Notice(f"{head:{width}}  {text}") for head, text in rows]


def _quit(_state: ClientState, argument: str) -> list[Effect]:
    return [Leave(argument)]


COMMANDS: Final[dict[str, SlashCommand]] = {
    **channels.COMMANDS,
    **talking.COMMANDS,
    **windows.COMMANDS,
    **people.COMMANDS,
    **server.COMMANDS,
    "help": SlashCommand(
        *("[COMMAND]", "list the commands, or explain one", _help, True),
        (Argument.COMMAND,),
        "/help keys lists the keys.",
    ),
    "quit": SlashCommand("[REASON]", "leave the server and end netd-chat", _quit, True),
}
