"""MODE, for channels and for oneself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netd.protocols.irc import MAX_BODY_BYTES, fold, format_body
from netd.protocols.room.channel import Channel, Listed
from netd.protocols.room.command.base import Command
from netd.protocols.room.command.channel import find, find_present
from netd.protocols.room.effect import Preserve
from netd.protocols.room.exchange import Exchange
from netd.protocols.room.isupport import MAX_MODES
from netd.protocols.room.mask import entry
from netd.protocols.room.mode import (
    CHANNEL_MODES,
    USER_MODES,
    Change,
    ModeKind,
    divide,
    format_changes,
    parse_changes,
)
from netd.protocols.room.numeric import Numeric

_LIST_REPLIES = {
    "b": (Numeric.BANLIST, Numeric.ENDOFBANLIST),
    "e": (Numeric.EXCEPTLIST, Numeric.ENDOFEXCEPTLIST),
    "I": (Numeric.INVEXLIST, Numeric.ENDOFINVEXLIST),
}
_OWN_MODES = "Biw"  # those a member may set itself; `o` it may only give up


def mode(exchange: Exchange, params: Sequence[str]) -> None:
    """Show or change the modes of a channel or of oneself."""
    if params[0].startswith("#"):
        _channel_mode(exchange, params)
    else:
        _user_mode(exchange, params)


def _user_mode(exchange: Exchange, params: Sequence[str]) -> None:
    member = exchange.member
    target = find_present(exchange, params[0])
    if target is None:
        return
    if target is not member:
        exchange.reply(Numeric.USERSDONTMATCH)
        return
    if len(params) == 1:
        exchange.reply(Numeric.UMODEIS, "+" + "".join(sorted(member.modes)))
        return
    done = [each for each in parse_changes(params[1:2]) if _set_own(exchange, each)]
    if done:
        message = exchange.from_member("MODE", member.nick, *format_changes(done))
        exchange.answer(message)


def _set_own(exchange: Exchange, change: Change) -> bool:
    member, letter = exchange.member, change.letter
    if letter not in USER_MODES:
        exchange.reply(Numeric.UMODEUNKNOWNFLAG)
        return False
    is_allowed = letter in _OWN_MODES or not change.setting
    if (letter in member.modes) == change.setting or not is_allowed:
        return False
    (member.modes.add if change.setting else member.modes.discard)(letter)
    if letter == "o":
        member.oper = ""
    return True


def _channel_mode(exchange: Exchange, params: Sequence[str]) -> None:
    channel = find(exchange, params[0])
    if channel is None:
        return
    if len(params) == 1:
        inside = exchange.member in channel.members
        shown = channel.shown_modes(with_key=inside)
        exchange.reply(Numeric.CHANNELMODEIS, channel.name, *shown)
        exchange.reply(Numeric.CREATIONTIME, channel.name, str(int(channel.created)))
        return
    change_modes(exchange, channel, parse_changes(params[1:])[:MAX_MODES])


def change_modes(exchange: Exchange, channel: Channel, changes: Sequence[Change]) -> None:
    """Make the changes the sender may make, and tell the channel."""
    done: list[Change] = []
    refused = False
    for change in changes:
        kind = CHANNEL_MODES.get(change.letter)
        if kind is None:
            exchange.reply(Numeric.UNKNOWNMODE, change.letter)
        elif kind is ModeKind.LIST and not change.argument:
            _show_list(exchange, channel, change.letter)
        elif not channel.is_op(exchange.member):
            refused = True
        else:
            effective = _CHANGERS[kind](exchange, channel, change)
            done += [effective] if effective else []
    if refused:
        exchange.reply(Numeric.CHANOPRIVSNEEDED, channel.name)
    if done:
        _announce(exchange, channel, done)
        if channel.is_kept:
            exchange.effects.append(Preserve(channel))


def _announce(exchange: Exchange, channel: Channel, done: Sequence[Change]) -> None:
    """Tell the channel, in lines that nothing is cut off from."""
    head = format_body(exchange.from_member("MODE", channel.name, ""))
    for line in divide(done, MAX_BODY_BYTES - len(head)):
        message = exchange.from_member("MODE", channel.name, *format_changes(line))
        exchange.broadcast(channel, message, to_self=True)


def _show_list(exchange: Exchange, channel: Channel, letter: str) -> None:
    item, end = _LIST_REPLIES[letter]
    if letter != "b" and not channel.is_op(exchange.member):
        exchange.reply(Numeric.CHANOPRIVSNEEDED, channel.name)
        return
    for each in channel.lists[letter].values():
        exchange.reply(item, channel.name, each.mask, each.by, str(int(each.at)))
    exchange.reply(end, channel.name)


def _change_list(exchange: Exchange, channel: Channel, change: Change) -> Change | None:
    entries = channel.lists[change.letter]
    mask = entry(change.argument or "")
    folded = fold(mask)
    if " " in mask or len(mask.encode()) > exchange.room.settings.limits.mask_bytes:
        _refuse(exchange, channel, change.letter, "*", "A mask is one word, and not that long")
        return None
    if not change.setting:
        removed = entries.pop(folded, None)
        return Change(change.letter, False, removed.mask) if removed else None
    if folded in entries:
        return None
    if len(entries) >= exchange.room.settings.limits.list_entries:
        exchange.reply(Numeric.BANLISTFULL, channel.name, change.letter)
        return None
    entries[folded] = Listed(mask, exchange.member.prefix, exchange.now)
    return Change(change.letter, True, mask)


def _change_key(exchange: Exchange, channel: Channel, change: Change) -> Change | None:
    key = change.argument
    if not change.setting:
        removed = channel.modes.pop("k", None)
        return Change("k", False, removed) if removed else None
    if key is None:
        _refuse(exchange, channel, "k", "*", "You must give a key")
    elif not _is_key(key) or len(key) > exchange.room.settings.limits.key_chars:
        exchange.reply(Numeric.INVALIDKEY, channel.name)
    elif channel.modes.get("k") != key:
        channel.modes["k"] = key
        return change
    return None


def _is_key(key: str) -> bool:
    return bool(key) and key.isascii() and key.isprintable() and not set(key) & set(" ,:")


def _change_limit(exchange: Exchange, channel: Channel, change: Change) -> Change | None:
    if not change.setting:
        return change if channel.modes.pop("l", None) else None
    text = change.argument or ""
    if not (text.isascii() and text.isdigit() and 0 < int(text[:10]) < 2**31):
        _refuse(exchange, channel, "l", text or "*", "A limit is a number above 0")
        return None
    if channel.modes.get("l") == text:
        return None
    channel.modes["l"] = str(int(text))
    return Change("l", True, channel.modes["l"])


def _change_flag(_exchange: Exchange, channel: Channel, change: Change) -> Change | None:
    if (change.letter in channel.modes) == change.setting:
        return None
    if change.setting:
        channel.modes[change.letter] = ""
    else:
        del channel.modes[change.letter]
    return change


def _change_status(exchange: Exchange, channel: Channel, change: Change) -> Change | None:
    if not change.argument:
        _refuse(exchange, channel, change.letter, "*", "You must name somebody")
        return None
    member = find_present(exchange, change.argument)
    if member is None:
        return None
    if member not in channel.members:
        exchange.reply(Numeric.USERNOTINCHANNEL, member.nick, channel.name)
        return None
    if not channel.set_status(member, change.letter, given=change.setting):
        return None
    return Change(change.letter, change.setting, member.nick)


def _refuse(exchange: Exchange, channel: Channel, letter: str, value: str, why: str) -> None:
    exchange.reply(Numeric.INVALIDMODEPARAM, channel.name, letter, value, why)


_Changer = Callable[[Exchange, Channel, Change], Change | None]
_CHANGERS: dict[ModeKind, _Changer] = {
    ModeKind.LIST: _change_list,
    ModeKind.KEY: _change_key,
    ModeKind.LIMIT: _change_limit,
    ModeKind.FLAG: _change_flag,
    ModeKind.STATUS: _change_status,
}

COMMANDS = {"MODE": Command(mode, "#channel|<nick> [<modes> [<parameters>]]", params=1)}
