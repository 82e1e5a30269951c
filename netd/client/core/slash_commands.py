"""Typed lines: plain text for the current channel or user, or a /command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from netd.client.core.chat_events import (
    Effect,
    Leave,
    MessageKind,
    Notice,
    Refused,
    SendLine,
    send,
)
from netd.client.core.client_state import ClientState, is_channel
from netd.errors import RemoteProtocolError
from netd.protocols.irc import parse


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """One /command; `usage` names its arguments, optional ones in brackets."""

    usage: str
    help: str
    run: Callable[[ClientState, str], list[Effect]]
    works_offline: bool = False

    @property
    def needs_argument(self) -> bool:
        """Whether the first argument is required."""
        return bool(self.usage) and not self.usage.startswith("[")


def interpret(state: ClientState, line: str) -> list[Effect]:
    """Process a typed line; a leading // sends text that begins with a slash."""
    if not line.strip():
        return []
    if line.startswith("//") or not line.startswith("/"):
        return _say(state, line.removeprefix("/"))
    name, _, argument = line[1:].partition(" ")
    return _run(state, name.lower(), argument.strip())


def _run(state: ClientState, name: str, argument: str) -> list[Effect]:
    command = COMMANDS.get(name)
    if command is None:
        return [_unknown(name)]
    if command.needs_argument and not argument:
        return [Refused(f"usage: /{name} {command.usage}")]
    if not (state.is_registered or command.works_offline):
        return [Refused("not connected")]
    return command.run(state, argument)


def _unknown(name: str) -> Refused:
    return Refused(f"unknown command /{name}; /help lists the commands")


def _say(state: ClientState, text: str, kind: MessageKind = MessageKind.TEXT) -> list[Effect]:
    if not state.current:
        return [Refused("you are in no channel; use /join CHANNEL or /msg NICK TEXT")]
    return _say_to(state, state.current, text, kind)


def _say_to(
    state: ClientState, targets: str, text: str, kind: MessageKind = MessageKind.TEXT
) -> list[Effect]:
    effects: list[Effect] = []
    for target in filter(None, targets.split(",")):  # the server confirms each message separately
        if state.can_queue(target):
            effects += state.queue_text(target, text, kind)
        else:
            effects.append(Refused(f"you are not in {target}; /join {target}"))
    return effects


def _help(_state: ClientState, argument: str) -> list[Effect]:
    wanted = argument.removeprefix("/").lower()
    if wanted and wanted not in COMMANDS:
        return [_unknown(wanted)]
    shown = {wanted: COMMANDS[wanted]} if wanted else COMMANDS
    heads = {name: f"/{name} {command.usage}".rstrip() for name, command in shown.items()}
    width = max(map(len, heads.values()))
    return [Notice(f"{heads[name]:{width}}  {command.help}") for name, command in shown.items()]


def _quit(_state: ClientState, argument: str) -> list[Effect]:
    return [Leave(argument)]


def _nick(_state: ClientState, argument: str) -> list[Effect]:
    return [send("NICK", _first_word(argument))]


def _me(state: ClientState, argument: str) -> list[Effect]:
    return _say(state, argument, MessageKind.ACTION)


def _who(state: ClientState, argument: str) -> list[Effect]:
    target = argument or state.current
    return [send("NAMES" if is_channel(target) else "WHOIS", target)]


def _whois(_state: ClientState, argument: str) -> list[Effect]:
    return [send("WHOIS", _first_word(argument))]


def _join(state: ClientState, argument: str) -> list[Effect]:
    names, *keys = argument.split()
    channels = [name if is_channel(name) else f"#{name}" for name in names.split(",") if name]
    pairs = zip_longest(channels, keys[0].split(",")[: len(channels)] if keys else ())
    return [effect for channel, key in pairs for effect in _join_one(state, channel, key)]


def _join_one(state: ClientState, channel: str, key: str | None) -> list[Effect]:
    state.current = channel
    if channel in state.roster:
        return [Notice("you talk here now", channel)]
    parameters = (channel, key) if key else (channel,)
    state.autojoin[state.fold(channel)] = parameters
    return [send("JOIN", *parameters)]


def _part(state: ClientState, argument: str) -> list[Effect]:
    channel, _, reason = argument.partition(" ") if is_channel(argument) else ("", "", argument)
    channel = channel or state.current
    if not is_channel(channel):  # a private conversation has no PART
        state.current = state.roster.first_name()
        return [Notice("you talk here now", state.current)]
    state.autojoin.pop(state.fold(channel), None)
    return [_send_with("PART", channel, text=reason)]


def _msg(state: ClientState, argument: str) -> list[Effect]:
    target, _, text = argument.partition(" ")
    if text.strip():
        return _say_to(state, target, text)
    state.current = target
    return [Notice(f"you talk to {target} now; /join CHANNEL returns to a channel")]


def _topic(state: ClientState, argument: str) -> list[Effect]:
    if not is_channel(state.current):
        return [Refused("you are in no channel")]
    return [_send_with("TOPIC", state.current, text=argument)]


def _away(_state: ClientState, argument: str) -> list[Effect]:
    return [_send_with("AWAY", text=argument)]


def _ignore(state: ClientState, argument: str) -> list[Effect]:
    nick = state.fold(argument)
    if not nick:
        return [Notice(f"ignored: {', '.join(sorted(state.ignored.values())) or 'nobody'}")]
    if nick in state.ignored:
        del state.ignored[nick]
        return [Notice(f"{argument} is no longer ignored")]
    state.ignored[nick] = argument
    return [Notice(f"{argument} is ignored; /ignore {argument} again ends it")]


def _quiet(state: ClientState, _argument: str) -> list[Effect]:
    state.is_quiet = not state.is_quiet
    return [Notice(f"join and leave notices are {'off' if state.is_quiet else 'on'}")]


def _raw(_state: ClientState, argument: str) -> list[Effect]:
    try:
        message = parse(argument.encode())
    except RemoteProtocolError as error:
        return [Refused(str(error))]
    return [SendLine(message)] if message is not None else []


def _first_word(argument: str) -> str:
    return argument.split(maxsplit=1)[0]


def _send_with(command: str, *parameters: str, text: str) -> SendLine:
    """Send a command; the text is its last parameter, and is left out if it is empty."""
    return send(command, *parameters, *([text] if text else []))


COMMANDS: Final[dict[str, SlashCommand]] = {
    "join": SlashCommand("CHANNEL [KEY]", "join a channel, or make it the current one", _join),
    "part": SlashCommand("[CHANNEL] [REASON]", "leave a channel or private conversation", _part),
    "msg": SlashCommand("NICK [TEXT]", "private message; without TEXT: talk to NICK", _msg),
    "me": SlashCommand("TEXT", "say what you do", _me, works_offline=True),
    "nick": SlashCommand("NAME", "change your name", _nick),
    "who": SlashCommand("[CHANNEL]", "list the members of a channel", _who),
    "whois": SlashCommand("NICK", "show what the server knows about a user", _whois),
    "topic": SlashCommand("[TEXT]", "show or set the channel's topic", _topic),
    "away": SlashCommand("[TEXT]", "mark yourself away; without TEXT: back", _away),
    "ignore": SlashCommand("[NICK]", "hide a user's messages; again: show them", _ignore, True),
    "quiet": SlashCommand("", "hide or show join and leave notices", _quiet, True),
    "raw": SlashCommand("LINE", "send a line of IRC as it is", _raw),
    "help": SlashCommand("[COMMAND]", "list the commands, or explain one", _help, True),
    "quit": SlashCommand("[REASON]", "leave the server and end netd-chat", _quit, True),
}
