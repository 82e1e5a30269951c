"""MODE, for channels and for the sender itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netd.listeners.chat.room.channel import Channel, ListEntry
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.commands.lookup import find_channel, find_member
from netd.listeners.chat.room.isupport import MAX_MODES
from netd.listeners.chat.room.mask import normalize
from netd.listeners.chat.room.mode import (
    CHANNEL_MODES,
    USER_MODES,
    ModeChange,
    ModeKind,
    format_changes,
    parse_changes,
    split_changes,
)
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import MAX_BODY_BYTES, fold, format_body

_LIST_REPLIES = {
    "b": (Numeric.BANLIST, Numeric.ENDOFBANLIST),
    "e": (Numeric.EXCEPTLIST, Numeric.ENDOFEXCEPTLIST),
    "I": (Numeric.INVEXLIST, Numeric.ENDOFINVEXLIST),
}
_SETTABLE_USER_MODES = "BRiw"  # a member can only give up `o`; the server sets `r`


def mode(context: CommandContext, params: Sequence[str]) -> Steps | None:
    """Show or change the modes of a channel or of the sender."""
    if params[0].startswith("#"):
        return _channel_mode(context, params)
    _user_mode(context, params)
    return None


def _user_mode(context: CommandContext, params: Sequence[str]) -> None:
    sender = context.sender
    target = find_member(context, params[0])
    if target is None:
        return
    if target is not sender:
        context.reply(Numeric.USERSDONTMATCH)
        return
    if len(params) == 1:
        context.reply(Numeric.UMODEIS, "+" + sender.mode_letters)
        return
    changes = parse_changes(params[1:2])
    effective = [change for change in changes if _change_user_mode(context, change)]
    if effective:
        message = context.message_from_sender("MODE", sender.nick, *format_changes(effective))
        context.reply_message(message)
        context.send_to_others(message)


def _change_user_mode(context: CommandContext, change: ModeChange) -> bool:
    """Change one mode of the sender; return whether that had an effect."""
    sender, letter = context.sender, change.letter
    if letter not in USER_MODES:
        context.reply(Numeric.UMODEUNKNOWNFLAG)
        return False
    is_allowed = letter in _SETTABLE_USER_MODES or not change.setting
    if (letter in sender.modes) == change.setting or not is_allowed:
        return False
    sender.set_mode(letter, given=change.setting)
    if letter == "o":
        sender.oper = ""
    return True


def _channel_mode(context: CommandContext, params: Sequence[str]) -> Steps | None:
    channel = find_channel(context, params[0])
    if channel is None:
        return None
    if len(params) == 1:
        is_inside = context.sender in channel.members
        modes = channel.format_modes(with_key=is_inside)
        context.reply(Numeric.CHANNELMODEIS, channel.name, *modes)
        context.reply(Numeric.CREATIONTIME, channel.name, str(int(channel.created)))
        return None
    changes = parse_changes(params[1:])[:MAX_MODES]
    _change_channel_modes(context, channel, changes)
    return _show_lists(context, channel, changes)


def _change_channel_modes(
    context: CommandContext, channel: Channel, changes: Sequence[ModeChange]
) -> None:
    """Make the changes that the sender is allowed to make, and announce them to the channel."""
    done: list[ModeChange] = []
    is_refused = False
    for change in changes:
        kind = CHANNEL_MODES.get(change.letter)
        if kind is None:
            context.reply(Numeric.UNKNOWNMODE, change.letter)
        elif _is_query(change):
            continue
        elif not channel.is_op(context.sender):
            is_refused = True
        else:
            effective = _CHANGERS[kind](context, channel, change)
            done += [effective] if effective else []
    if is_refused:
        context.reply(Numeric.CHANOPRIVSNEEDED, channel.name)
    if done:
        _announce(context, channel, done)
        context.save(channel)


def _announce(context: CommandContext, channel: Channel, done: Sequence[ModeChange]) -> None:
    """Send the changes to the channel, in as many lines as they need."""
    head = format_body(context.message_from_sender("MODE", channel.name, ""))
    for changes in split_changes(done, MAX_BODY_BYTES - len(head)):
        message = context.message_from_sender("MODE", channel.name, *format_changes(changes))
        context.broadcast(channel, message)


def _is_query(change: ModeChange) -> bool:
    """Whether a letter requests a list: `MODE #channel b`."""
    return CHANNEL_MODES.get(change.letter) is ModeKind.LIST and not change.argument


def _show_lists(context: CommandContext, channel: Channel, changes: Sequence[ModeChange]) -> Steps:
    """Show each list that is requested, once."""
    for letter in dict.fromkeys(change.letter for change in changes if _is_query(change)):
        item, end = _LIST_REPLIES[letter]
        if letter != "b" and not channel.is_op(context.sender):
            context.reply(Numeric.CHANOPRIVSNEEDED, channel.name)
            continue
        for entry in list(channel.lists[letter].values()):
            context.reply(item, channel.name, entry.mask, entry.by, str(int(entry.at)))
            yield
        context.reply(end, channel.name)


def _change_list(
    context: CommandContext, channel: Channel, change: ModeChange
) -> ModeChange | None:
    entries = channel.lists[change.letter]
    mask = normalize(change.argument or "")
    folded = fold(mask)
    max_bytes = context.room.settings.limits.mask_bytes
    if " " in mask or len(mask.encode()) > max_bytes:
        reason = f"A mask is one word of at most {max_bytes} bytes"
        _refuse(context, channel, change.letter, "*", reason)
        return None
    if not change.setting:
        removed = channel.remove_entry(change.letter, folded)
        return ModeChange(change.letter, False, removed.mask) if removed else None
    if folded in entries:
        return None
    is_full = len(entries) >= context.room.settings.limits.list_entries
    if is_full or context.room.memory.is_full:
        context.reply(Numeric.BANLISTFULL, channel.name, change.letter)
        return None
    channel.add_entry(change.letter, ListEntry(mask, context.sender.prefix, context.now))
    return ModeChange(change.letter, True, mask)


def _change_key(context: CommandContext, channel: Channel, change: ModeChange) -> ModeChange | None:
    key = change.argument
    if not change.setting:
        removed = channel.modes.pop("k", None)
        return ModeChange("k", False, removed) if removed else None
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


def _change_limit(
    context: CommandContext, channel: Channel, change: ModeChange
) -> ModeChange | None:
    if not change.setting:
        return change if channel.modes.pop("l", None) else None
    text = change.argument or ""
    if not (text.isascii() and text.isdigit() and 0 < int(text[:10]) < 2**31):
        _refuse(context, channel, "l", text or "*", "A limit is a number above 0")
        return None
    if channel.modes.get("l") == text:
        return None
    channel.modes["l"] = str(int(text))
    return ModeChange("l", True, channel.modes["l"])


def _change_flag(
    _context: CommandContext, channel: Channel, change: ModeChange
) -> ModeChange | None:
    if (change.letter in channel.modes) == change.setting:
        return None
    if change.setting:
        channel.modes[change.letter] = ""
    else:
        del channel.modes[change.letter]
    return change


def _change_status(
    context: CommandContext, channel: Channel, change: ModeChange
) -> ModeChange | None:
    if not change.argument:
        _refuse(context, channel, change.letter, "*", "You must give a nick")
        return None
    member = find_member(context, change.argument)
    if member is None:
        return None
    if member not in channel.members:
        context.reply(Numeric.USERNOTINCHANNEL, member.nick, channel.name)
        return None
    if not channel.set_status(member, change.letter, given=change.setting):
        return None
    return ModeChange(change.letter, change.setting, member.nick)


def _refuse(
    context: CommandContext, channel: Channel, letter: str, value: str, reason: str
) -> None:
    context.reply(Numeric.INVALIDMODEPARAM, channel.name, letter, value, reason)


_Changer = Callable[[CommandContext, Channel, ModeChange], ModeChange | None]
_CHANGERS: dict[ModeKind, _Changer] = {  # a changer returns the change that it made
    ModeKind.LIST: _change_list,
    ModeKind.KEY: _change_key,
    ModeKind.LIMIT: _change_limit,
    ModeKind.FLAG: _change_flag,
    ModeKind.STATUS: _change_status,
}

COMMANDS = {"MODE": Command(mode, "#channel|<nick> [<modes> [<parameters>]]", params=1)}
