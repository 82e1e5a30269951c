"""What a person types: plain text for the current channel, or a /command; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from netd.client.event import Effect, Leave, Manner, Refused, Send, Told, send
from netd.client.state import State, is_channel
from netd.errors import RemoteProtocolError
from netd.protocols.irc import parse

Run = Callable[[State, str], list[Effect]]


@dataclass(frozen=True, slots=True)
class Command:
    """One /command; `usage` names its arguments, those in brackets may be left out."""

    usage: str
    help: str
    run: Run
    works_offline: bool = False

    @property
    def needs_argument(self) -> bool:
        """Whether it makes no sense without one."""
        return bool(self.usage) and not self.usage.startswith("[")


def interpret(state: State, line: str) -> list[Effect]:
    """What a typed line calls for; a leading // says a text that begins with a slash."""
    if not line.strip():
        return []
    if line.startswith("//") or not line.startswith("/"):
        return _say(state, line.removeprefix("/") if line.startswith("//") else line)
    name, _, argument = line[1:].partition(" ")
    return _run(state, name.lower(), argument.strip())


def _run(state: State, name: str, argument: str) -> list[Effect]:
    command = COMMANDS.get(name)
    if command is None:
        return [Refused(f"there is no command /{name}; /help lists those there are")]
    if command.needs_argument and not argument:
        return [Refused(f"usage: /{name} {command.usage}")]
    if not (state.is_registered or command.works_offline):
        return [Refused("not connected")]
    return command.run(state, argument)


def _say(state: State, text: str, manner: Manner = Manner.TEXT) -> list[Effect]:
    if not state.current:
        return [Refused("you are in no channel; /join one, or /msg somebody")]
    return _say_to(state, state.current, text, manner)


def _say_to(state: State, targets: str, text: str, manner: Manner = Manner.TEXT) -> list[Effect]:
    effects: list[Effect] = []
    for target in filter(None, targets.split(",")):  # one message each: each is confirmed
        if not state.will_open(target):
            effects.append(Refused(f"you are not in {target}; /join {target}"))
        else:
            effects += state.say(target, text, manner)
    return effects


def _help(_state: State, argument: str) -> list[Effect]:
    wanted = argument.removeprefix("/").lower()
    if wanted and wanted not in COMMANDS:
        return [Refused(f"there is no command /{wanted}")]
    shown = {wanted: COMMANDS[wanted]} if wanted else COMMANDS
    heads = {name: f"/{name} {command.usage}".rstrip() for name, command in shown.items()}
    width = max(map(len, heads.values()))
    return [Told(f"{heads[name]:{width}}  {command.help}") for name, command in shown.items()]


def _quit(_state: State, argument: str) -> list[Effect]:
    return [Leave(argument)]


def _nick(_state: State, argument: str) -> list[Effect]:
    return [send("NICK", argument.split(maxsplit=1)[0])]


def _me(state: State, argument: str) -> list[Effect]:
    return _say(state, argument, Manner.ACTION)


def _who(state: State, argument: str) -> list[Effect]:
    target = argument or state.current
    return [send("NAMES", target)] if is_channel(target) else [send("WHOIS", target)]


def _whois(_state: State, argument: str) -> list[Effect]:
    return [send("WHOIS", argument.split(maxsplit=1)[0])]


def _join(state: State, argument: str) -> list[Effect]:
    names, *keys = argument.split()
    channels = [name if is_channel(name) else f"#{name}" for name in names.split(",") if name]
    pairs = zip_longest(channels, keys[0].split(",")[: len(channels)] if keys else ())
    return [effect for channel, key in pairs for effect in _enter(state, channel, key)]


def _enter(state: State, channel: str, key: str | None) -> list[Effect]:
    state.current = channel
    if channel in state.roster:
        return [Told("you talk here now", channel)]
    state.wanted[state.fold(channel)] = (channel, key) if key else (channel,)
    return [send("JOIN", *state.wanted[state.fold(channel)])]


def _part(state: State, argument: str) -> list[Effect]:
    channel, _, reason = argument.partition(" ") if is_channel(argument) else ("", "", argument)
    channel = channel or state.current
    if not is_channel(channel):
        state.current = next((each.name for each in state.roster), "")
        return [Told("you talk here now", state.current)]
    state.wanted.pop(state.fold(channel), None)
    return [send("PART", channel, *([reason] if reason else []))]


def _msg(state: State, argument: str) -> list[Effect]:
    target, _, text = argument.partition(" ")
    if text.strip():
        return _say_to(state, target, text)
    state.current = target
    return [Told(f"you talk with {target} now; /join takes you back to a channel")]


def _topic(state: State, argument: str) -> list[Effect]:
    if not is_channel(state.current):
        return [Refused("you are in no channel")]
    return [send("TOPIC", state.current, *([argument] if argument else []))]


def _away(_state: State, argument: str) -> list[Effect]:
    return [send("AWAY", *([argument] if argument else []))]


def _ignore(state: State, argument: str) -> list[Effect]:
    nick = state.fold(argument)
    if not nick:
        return [Told(f"ignored: {', '.join(sorted(state.ignored.values())) or 'nobody'}")]
    if nick in state.ignored:
        del state.ignored[nick]
        return [Told(f"{argument} is heard again")]
    state.ignored[nick] = argument
    return [Told(f"{argument} is ignored; the same again undoes it")]


def _quiet(state: State, _argument: str) -> list[Effect]:
    state.is_quiet = not state.is_quiet
    return [Told(f"join and leave notices are {'off' if state.is_quiet else 'on'}")]


def _raw(_state: State, argument: str) -> list[Effect]:
    try:
        message = parse(argument.encode())
    except RemoteProtocolError as error:
        return [Refused(str(error))]
    return [Send(message)] if message is not None else []


COMMANDS: Final[dict[str, Command]] = {
    "join": Command("CHANNEL [KEY]", "enter a channel, or talk in one you are in", _join),
    "part": Command("[CHANNEL] [REASON]", "leave a channel, or a talk with one person", _part),
    "msg": Command("NICK [TEXT]", "say something to one person; without text: talk there", _msg),
    "me": Command("TEXT", "say what you do", _me, works_offline=True),
    "nick": Command("NAME", "take another name", _nick),
    "who": Command("[CHANNEL]", "who is here", _who),
    "whois": Command("NICK", "what the server knows of somebody", _whois),
    "topic": Command("[TEXT]", "show or set the channel's topic", _topic),
    "away": Command("[TEXT]", "say that you are away; without text: that you are back", _away),
    "ignore": Command("[NICK]", "no longer hear somebody; again: hear them", _ignore, True),
    "quiet": Command("", "show or hide who joins and leaves", _quiet, True),
    "raw": Command("LINE", "send a line of IRC as it is", _raw),
    "help": Command("[COMMAND]", "this list", _help, True),
    "quit": Command("[REASON]", "leave", _quit, True),
}
