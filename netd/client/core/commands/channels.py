"""The commands about channels: joining, members, topics and modes."""

from __future__ import annotations

from functools import partial
from itertools import zip_longest
from typing import Final

from netd.client.core.chat_events import Effect, Refused, Switched, send
from netd.client.core.client_state import ClientState, is_channel
from netd.client.core.commands.base import (
    Argument,
    SlashCommand,
    channel_and_rest,
    first_word,
    no_channel,
    send_with,
)


def _join(state: ClientState, argument: str) -> list[Effect]:
    names, *keys = argument.split()
    channels = [name if is_channel(name) else f"#{name}" for name in names.split(",") if name]
    pairs = zip_longest(channels, keys[0].split(",")[: len(channels)] if keys else ())
    return [effect for channel, key in pairs for effect in _join_one(state, channel, key)]


def _join_one(state: ClientState, channel: str, key: str | None) -> list[Effect]:
    state.current = channel
    if channel in state.roster:
        return [Switched("you talk here now", channel)]
    parameters = (channel, key) if key else (channel,)
    state.autojoin[state.fold(channel)] = parameters
    return [send("JOIN", *parameters)]


def _part(state: ClientState, argument: str) -> list[Effect]:
    channel, _, reason = argument.partition(" ") if is_channel(argument) else ("", "", argument)
    channel = channel or state.current
    if not is_channel(channel):  # a private conversation has no PART
        return leave_private(state, channel)
    state.autojoin.pop(state.fold(channel), None)
    return [send_with("PART", channel, text=reason)]


def leave_private(state: ClientState, name: str) -> list[Effect]:
    """Close a private conversation; a channel becomes the current conversation."""
    if not state.is_current(state.conversations.previous.name or state.current):
        state.conversations.close(name)
    else:
        state.current = state.roster.first_name()
        state.conversations.close(name)
    return [Switched("you talk here now", state.current)]


def _topic(state: ClientState, argument: str) -> list[Effect]:
    channel, text = channel_and_rest(state, argument)
    return [send_with("TOPIC", channel, text=text)] if channel else no_channel()


def _names(state: ClientState, argument: str) -> list[Effect]:
    channel, _ = channel_and_rest(state, argument)
    if not channel:
        return no_channel()
    if (joined := state.roster.get(channel)) is not None:
        joined.names_are_wanted = True
    return [send("NAMES", channel)]


def _list(_state: ClientState, argument: str) -> list[Effect]:
    return [send("LIST", *argument.split()[:1])]


def _invite(state: ClientState, argument: str) -> list[Effect]:
    nick, _, channel = argument.partition(" ")
    channel, _ = channel_and_rest(state, channel.strip())
    return [send("INVITE", nick, channel)] if channel else no_channel()


def _kick(state: ClientState, argument: str) -> list[Effect]:
    channel, words = channel_and_rest(state, argument)
    nick, _, reason = words.partition(" ")
    if not channel:
        return no_channel()
    if not nick:
        return [Refused("usage: /kick [CHANNEL] NICK [REASON]")]
    return [send_with("KICK", channel, nick, text=reason)]


def _ban(state: ClientState, argument: str, sign: str = "+") -> list[Effect]:
    channel, words = channel_and_rest(state, argument)
    if not channel:
        return no_channel()
    if not words:
        return [send("MODE", channel, "b")]
    mask = first_word(words)
    if not set(mask) & set("!@*?~$"):
        mask = f"{mask}!*@*"
    return [send("MODE", channel, f"{sign}b", mask)]


def _member_mode(state: ClientState, argument: str, change: str) -> list[Effect]:
    channel, words = channel_and_rest(state, argument)
    nicks = words.split()
    if not channel:
        return no_channel()
    if not nicks:
        return [Refused("name at least one member")]
    return [send("MODE", channel, change[0] + change[1] * len(nicks), *nicks)]


def _mode(state: ClientState, argument: str) -> list[Effect]:
    first, _, rest = argument.partition(" ")
    if first and first[0] not in "+-":
        return [send("MODE", first, *rest.split())]
    target = state.current or state.nick
    return [send("MODE", target, *argument.split())]


def _of_members(change: str, help_text: str) -> SlashCommand:
    run = partial(_member_mode, change=change)
    return SlashCommand("NICK...", help_text, run, arguments=(Argument.NICK,))


COMMANDS: Final[dict[str, SlashCommand]] = {
    "join": SlashCommand(
        *("CHANNEL [KEY]", "join a channel, or make it the current one", _join),
        arguments=(Argument.CHANNEL,),
    ),
    "part": SlashCommand(
        *("[CHANNEL] [REASON]", "leave a channel or private conversation", _part),
        arguments=(Argument.CHANNEL,),
    ),
    "topic": SlashCommand("[TEXT]", "show or set the channel's topic", _topic),
    "names": SlashCommand(
        "[CHANNEL]", "list all members of a channel", _names, arguments=(Argument.CHANNEL,)
    ),
    "list": SlashCommand("[PATTERN]", "list the server's channels", _list),
    "invite": SlashCommand(
        *("NICK [CHANNEL]", "invite a user to a channel", _invite),
        arguments=(Argument.NICK, Argument.CHANNEL),
    ),
    "kick": SlashCommand(
        *("NICK [REASON]", "remove a member from the channel", _kick), arguments=(Argument.NICK,)
    ),
    "ban": SlashCommand(
        *("[NICK|MASK]", "ban a user from the channel, or list the bans", _ban),
        arguments=(Argument.NICK,),
        details="A nick stands for NICK!*@*.",
    ),
    "unban": SlashCommand(
        *("NICK|MASK", "lift a ban", partial(_ban, sign="-")), arguments=(Argument.NICK,)
    ),
    "op": _of_members("+o", "make members operators of the channel"),
    "deop": _of_members("-o", "take that from them"),
    "voice": _of_members("+v", "let members speak in a moderated channel"),
    "devoice": _of_members("-v", "take that from them"),
    "mode": SlashCommand(
        "[TARGET] [MODES]", "show or change the modes of a channel or of yourself", _mode
    ),
}
