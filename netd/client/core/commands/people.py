"""The commands about users: who they are, the own nick, who is ignored."""

from __future__ import annotations

from typing import Final

from netd.client.core.chat_events import Effect, Notice, send
from netd.client.core.client_state import ClientState, is_channel
from netd.client.core.commands.base import Argument, SlashCommand, first_word, send_with


def _nick(_state: ClientState, argument: str) -> list[Effect]:
    return [send("NICK", first_word(argument))]


def _who(state: ClientState, argument: str) -> list[Effect]:
    target = argument or state.current or state.nick
    return [send("NAMES" if is_channel(target) else "WHOIS", target)]


def _whois(_state: ClientState, argument: str) -> list[Effect]:
    return [send("WHOIS", first_word(argument))]


def _away(_state: ClientState, argument: str) -> list[Effect]:
    return [send_with("AWAY", text=argument)]


def _ignore(state: ClientState, argument: str) -> list[Effect]:
    nick = state.fold(argument)
    if not nick:
        return [Notice(f"ignored: {', '.join(sorted(state.ignored.values())) or 'no user'}")]
    if nick in state.ignored:
        del state.ignored[nick]
        return [Notice(f"{argument} is no longer ignored")]
    state.ignored[nick] = argument
    return [Notice(f"{argument} is ignored; /ignore {argument} again ends it")]


def _quiet(state: ClientState, _argument: str) -> list[Effect]:
    state.is_quiet = not state.is_quiet
    return [Notice(f"join and leave notices are {'off' if state.is_quiet else 'on'}")]


COMMANDS: Final[dict[str, SlashCommand]] = {
    "nick": SlashCommand("NAME", "change your name", _nick),
    "who": SlashCommand(
        *("[CHANNEL]", "list the members of a channel", _who), arguments=(Argument.CHANNEL,)
    ),
    "whois": SlashCommand(
        *("NICK", "show what the server knows about a user", _whois), arguments=(Argument.NICK,)
    ),
    "away": SlashCommand("[TEXT]", "mark yourself away; without TEXT: back", _away),
    "ignore": SlashCommand(
        *("[NICK]", "hide a user's messages; again: show them", _ignore, True), (Argument.NICK,)
    ),
    "quiet": SlashCommand("", "hide or show join and leave notices", _quiet, works_offline=True),
}
