"""The commands that the server and its services carry out."""

from __future__ import annotations

from typing import Final

from netd.client.core.chat_events import Effect, Refused, SendLine
from netd.client.core.client_state import ClientState
from netd.client.core.commands.base import SlashCommand, say_to
from netd.errors import RemoteProtocolError
from netd.protocols.irc import Message, parse

NICKSERV: Final = "NickServ"
_WORDS_BEFORE_TEXT: Final = {"kill": 1, "setname": 0, "wallops": 0}


def _raw(_state: ClientState, argument: str) -> list[Effect]:
    try:
        message = parse(argument.encode())
    except RemoteProtocolError as error:
        return [Refused(str(error))]
    return [SendLine(message)] if message is not None else []


def _nickserv(state: ClientState, argument: str) -> list[Effect]:
    return say_to(state, NICKSERV, argument or "HELP")


def pass_on(state: ClientState, name: str, argument: str) -> list[Effect]:
    """Send a command that netd-chat does not know to the server, as in `/oper NAME PASSWORD`."""
    if not (name.isascii() and name.isalnum()):
        return [Refused(f"no command /{name}; // begins a message that begins with a slash")]
    words = _WORDS_BEFORE_TEXT.get(name)
    if words is None:
        return _raw(state, f"{name.upper()} {argument}")
    return [SendLine(Message(name.upper(), tuple(filter(None, argument.split(" ", words)))))]


COMMANDS: Final[dict[str, SlashCommand]] = {
    "ns": SlashCommand(
        "[COMMAND]",
        "send a command to NickServ, which has the accounts",
        _nickserv,
        details="/ns HELP lists its commands.",
    ),
    "raw": SlashCommand(
        *("LINE", "send a line of IRC as it is", _raw),
        details="A command that netd-chat does not know is sent to the server as well, as in "
        "/oper NAME PASSWORD.",
    ),
}
