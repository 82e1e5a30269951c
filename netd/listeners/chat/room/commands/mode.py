"""MODE, for channels and for oneself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netd.listeners.chat.room.channel import Channel, ListEntry
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command
from netd.listeners.chat.room.commands.membership import find, find_present
from netd.listeners.chat.room.effect import SaveChannel
from netd.listeners.chat.room.isupport import MAX_MODES
from netd.listeners.chat.room.mask import entry
from netd.listeners.chat.room.mode import (
    CHANNEL_MODES,
    USER_MODES,
    Change,
    ModeKind,
    divide,
    format_changes,
    parse_changes,
)
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import MAX_BODY_BYTES, fold, format_body

_LIST_REPLIES = {
    "b": (Numeric.BANLIST, Numeric.ENDOFBANLIST),
    "e": (Numeric.EXCEPTLIST, Numeric.ENDOFEXCEPTLIST),
    "I": (Numeric.INVEXLIST, Numeric.ENDOFINVEXLIST),
}
_OWN_MODES = "Biw"  # those a member may set itself; `o` it may only give up


def mode(context: CommandContext, params: Sequence[str]) -> None:
    """Show or change the modes of a channel or of oneself."""
    if params[0].startswith("#"):
        _channel_mode(context, params)
    else:
        _user_mode(context, params)


def _user_mode(context: CommandContext, params: Sequence[str]) -> None:
    member = context.member
    target = find_present(context, params[0])
    if target is None:
        return
    if target is not member:
        context.reply(Numeric.USERSDONTMATCH)
        return
    if len(params) == 1:
        context.reply(Numeric.UMODEIS, "+" + "".join(sorted(member.modes)))
        return
    done = [each for each in parse_changes(params[1:2]) if _set_own(context, each)]
    if done:
        message = context.from_member("MODE", member.nick, *format_changes(done))
        context.answer(message)


def _set_own(context: CommandContext, change: Change) -> bool:
    member, letter = context.member, change.letter
    if letter not in USER_MODES:
        context.reply(Numeric.UMODEUNKNOWNFLAG)
        return False
    is_allowed = letter in _OWN_MODES or not change.setting
    if (letter in member.modes) == change.setting or not is_allowed:
        return False
    (member.modes.add if change.setting else member.modes.discard)(letter)
    if letter == "o":
        member.oper = ""
    return True


def _channel_mode(context: CommandContext, params: Sequence[str]) -> None:
    channel = find(context, params[0])
    if channel is None:
        return
    if len(params) == 1:
        inside = context.member in channel.members
        shown = channel.shown_modes(with_key=inside)
        context.reply(Numeric.CHANNELMODEIS, channel.name, *shown)
        context.reply(Numeric.CREATIONTIME, channel.name, str(int(channel.created)))
        return
    change_modes(context, channel, parse_changes(params[1:])[:MAX_MODES])


def change_modes(context: CommandContext, channel: Channel, changes: Sequence[Change]) -> None:
    """Make the changes the sender may make, and tell the channel."""
    done: list[Change] = []
    refused = False
    for change in changes:
        kind = CHANNEL_MODES.get(change.letter)
        if kind is None:
            context.reply(Numeric.UNKNOWNMODE, change.letter)
        elif kind is ModeKind.LIST and not change.argument:
            _show_list(context, channel, change.letter)
        elif not channel.is_op(context.member):
            refused = True
        else:
            effective = _CHANGERS[kind](context, channel, change)
            done += [effective] if effective else []
    if refused:
        context.reply(Numeric.CHANOPRIVSNEEDED, channel.name)
    if done:
        _announce(context, channel, done)
        if channel.is_kept:
            context.effects.append(SaveChannel(channel))


def _announce(context: CommandContext, channel: Channel, done: Sequence[Change]) -> None:
    """Tell the channel, in lines that nothing is cut off from."""
    head = format_body(context.from_member("MODE", channel.name, ""))
    for line in divide(done, MAX_BODY_BYTES - len(head)):
        message = context.from_member("MODE", channel.name, *format_changes(line))
        context.broadcast(channel, message, to_self=True)


def _show_list(context: CommandContext, channel: Channel, letter: str) -> None:
    item, end = _LIST_REPLIES[letter]
    if letter != "b" and not channel.is_op(context.member):
        context.reply(Numeric.CHANOPRIVSNEEDED, channel.name)
        return
    for each in channel.lists[letter].values():
        context.reply(item, channel.name, each.mask, each.by, str(int(each.at)))
    context.reply(end, channel.name)


def _change_list(context: CommandContext, channel: Channel, change: Change) -> Change | None:
    entries = channel.lists[change.letter]
    mask = entry(change.argument or "")
    folded = fold(mask)
    if " " in mask or len(mask.encode()) > context.room.settings.limits.mask_bytes:
        _refuse(context, channel, change.letter, "*", "A mask is one word, and not that long")
        return None
    if not change.setting:
        removed = entries.pop(folded, None)
        return Change(change.letter, False, removed.mask) if removed else None
    if folded in entries:
        return None
    if len(entries) >= context.room.settings.limits.list_entries:
        context.reply(Numeric.BANLISTFULL, channel.name, change.letter)
        return None
    entries[folded] = ListEntry(mask, context.member.prefix, context.now)
    return Change(change.letter, True, mask)


def _change_key(context: CommandContext, channel: Channel, change: Change) -> Change | None:
    key = change.argument
    if not change.setting:
        removed = channel.modes.pop("k", None)
        return Change("k", False, removed) if removed else None
    if key is None:
        _refuse(context, channel, "k", "*", "You must give a key")
    elif not _is_key(key) or len(key) > context.room.settings.limits.key_chars:
        context.reply(Numeric.INVALIDKEY, channel.name)
    elif channel.modes.get("k") != key:
        channel.modes["k"] = key
        return change
    return None


def _is_key(key: str) -> bool:
    return bool(key) and key.isascii() and key.isprintable() and not set(key) & set(" ,:")


def _change_limit(context: CommandContext, channel: Channel, change: Change) -> Change | None:
    if not change.setting:
        return change if channel.modes.pop("l", None) else None
    text = change.argument or ""
    if not (text.isascii() and text.isdigit() and 0 < int(text[:10]) < 2**31):
        _refuse(context, channel, "l", text or "*", "A limit is a number above 0")
        return None
    if channel.modes.get("l") == text:
        return None
    channel.modes["l"] = str(int(text))
    return Change("l", True, channel.modes["l"])


def _change_flag(_exchange: CommandContext, channel: Channel, change: Change) -> Change | None:
    if (change.letter in channel.modes) == change.setting:
        return None
    if change.setting:
        channel.modes[change.letter] = ""
    else:
        del channel.modes[change.letter]
    return change


def _change_status(context: CommandContext, channel: Channel, change: Change) -> Change | None:
    if not change.argument:
        _refuse(context, channel, change.letter, "*", "You must name somebody")
        return None
    member = find_present(context, change.argument)
    if member is None:
        return None
    if member not in channel.members:
        context.reply(Numeric.USERNOTINCHANNEL, member.nick, channel.name)
        return None
    if not channel.set_status(member, change.letter, given=change.setting):
        return None
    return Change(change.letter, change.setting, member.nick)


def _refuse(context: CommandContext, channel: Channel, letter: str, value: str, why: str) -> None:
    context.reply(Numeric.INVALIDMODEPARAM, channel.name, letter, value, why)


_Changer = Callable[[CommandContext, Channel, Change], Change | None]
_CHANGERS: dict[ModeKind, _Changer] = {
    ModeKind.LIST: _change_list,
    ModeKind.KEY: _change_key,
    ModeKind.LIMIT: _change_limit,
    ModeKind.FLAG: _change_flag,
    ModeKind.STATUS: _change_status,
}

COMMANDS = {"MODE": Command(mode, "#channel|<nick> [<modes> [<parameters>]]", params=1)}
