"""Getting in and out: PASS, NICK, USER, CAP, PING, PONG, QUIT, and the welcome."""

from __future__ import annotations

from collections.abc import Sequence

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.capability import BY_WIRE_NAME, WIRE_NAMES, Cap, names
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import membership, server
from netd.listeners.chat.room.commands.account import mechanisms
from netd.listeners.chat.room.commands.base import Command, Phase
from netd.listeners.chat.room.effect import Verify
from netd.listeners.chat.room.isupport import isupport_lines
from netd.listeners.chat.room.member import Member, Pending, Stage
from netd.listeners.chat.room.mode import CHANNEL_MODES, USER_MODES
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import fold, is_nick

_CAPS_PER_LINE = 12
_CAP_302 = 302


def pass_(context: CommandContext, params: Sequence[str]) -> None:
    """Keep the connection's password until registration is complete."""
    context.member.registering.password = params[0]


def nick(context: CommandContext, params: Sequence[str]) -> None:
    """Take a nick, or another one."""
    if not params or not params[0]:
        context.reply(Numeric.NONICKNAMEGIVEN)
        return
    wanted, member, room = params[0], context.member, context.room
    holder = room.members.get(fold(wanted))
    if not is_nick(wanted, room.settings.limits.nick_chars):
        context.reply(Numeric.ERRONEUSNICKNAME, wanted)
    elif holder not in (None, member) or _is_reserved(context, wanted):
        context.reply(Numeric.NICKNAMEINUSE, wanted)
    elif member.stage is Stage.PRESENT:
        _rename(context, wanted)
    else:
        _claim(context, wanted)


def _is_reserved(context: CommandContext, wanted: str) -> bool:
    """An account's name as a nick is that account's own, once it is known who asks."""
    accounts = context.room.settings.accounts
    return (
        context.member.stage is Stage.PRESENT
        and fold(wanted) in accounts
        and fold(wanted) not in (fold(context.member.account), context.member.folded)
    )


def _claim(context: CommandContext, wanted: str) -> None:
    member, room = context.member, context.room
    if room.members.get(member.folded) is member:
        del room.members[member.folded]
    member.name(wanted)
    room.members[member.folded] = member
    complete(context)


def _rename(context: CommandContext, wanted: str) -> None:
    member, room = context.member, context.room
    if wanted == member.nick:
        return
    message = context.from_member("NICK", wanted)
    was_nick, was_folded = member.nick, member.folded
    presence.remember(context, member)
    del room.members[member.folded]
    member.name(wanted)
    room.members[member.folded] = member
    context.send([member, *member.peers()], message)
    if was_folded != member.folded:
        presence.announce_offline(context, was_nick, was_folded)
        presence.announce_online(context, member)


def user(context: CommandContext, params: Sequence[str]) -> None:
    """Take a user name and a real name."""
    member, limits = context.member, context.room.settings.limits
    name = "".join(
        each for each in params[0] if each.isascii() and (each.isalnum() or each in "-_.")
    )
    if not params[0] or not params[3]:
        context.reply(Numeric.NEEDMOREPARAMS, "USER")
        return
    member.user = member.local_user or f"~{name or 'user'}"[: limits.user_chars]
    member.realname = params[3][: limits.realname_chars]
    member.registering.has_user = True
    if member.nick:
        member.name(member.nick)
    complete(context)


def cap(context: CommandContext, params: Sequence[str]) -> None:
    """Negotiate capabilities (IRCv3 capability-negotiation)."""
    subcommand = _CAP_SUBCOMMANDS.get(params[0].upper())
    if subcommand is None:
        context.reply(Numeric.INVALIDCAPCMD, params[0])
    else:
        subcommand(context, params[1:])


def _cap_ls(context: CommandContext, params: Sequence[str]) -> None:
    member = context.member
    member.registering.is_negotiating = True
    if params and params[0].isdecimal():
        member.cap_version = max(member.cap_version, int(params[0]))
    if member.cap_version >= _CAP_302:
        member.set_caps(member.caps | Cap.CAP_NOTIFY.value)
    _list_caps(context, "LS", offered(context, member))


def _cap_list(context: CommandContext, _params: Sequence[str]) -> None:
    _list_caps(context, "LIST", names(context.member.caps))


def _list_caps(context: CommandContext, subcommand: str, words: list[str]) -> None:
    nick_ = context.member.shown_nick
    while len(words) > _CAPS_PER_LINE and context.member.cap_version >= _CAP_302:
        context.tell("CAP", nick_, subcommand, "*", " ".join(words[:_CAPS_PER_LINE]))
        words = words[_CAPS_PER_LINE:]
    context.tell("CAP", nick_, subcommand, " ".join(words))


def _cap_req(context: CommandContext, params: Sequence[str]) -> None:
    member, asked = context.member, params[0] if params else ""
    member.registering.is_negotiating = True
    known = available(context)
    caps = member.caps
    for word in asked.split():
        cap_ = BY_WIRE_NAME.get(word.removeprefix("-"))
        if (
            cap_ is None
            or cap_ not in known
            or (word == "-cap-notify" and member.cap_version >= _CAP_302)
        ):
            context.tell("CAP", member.shown_nick, "NAK", asked)
            return
        caps = caps & ~cap_.value if word.startswith("-") else caps | cap_.value
    context.tell("CAP", member.shown_nick, "ACK", asked)
    member.set_caps(caps)


def _cap_end(context: CommandContext, _params: Sequence[str]) -> None:
    context.member.registering.is_negotiating = False
    if context.member.stage is Stage.REGISTERING:
        complete(context)


_CAP_SUBCOMMANDS = {"LS": _cap_ls, "LIST": _cap_list, "REQ": _cap_req, "END": _cap_end}


def available(context: CommandContext) -> list[Cap]:
    """The capabilities these settings give."""
    has_sasl = bool(mechanisms(context))
    return [each for each in Cap if each is not Cap.SASL or has_sasl]


def offered(context: CommandContext, member: Member) -> list[str]:
    """What CAP LS shows: names, and from version 302 on values."""
    words = []
    for each in available(context):
        name = WIRE_NAMES[each]
        if member.cap_version >= _CAP_302 and each is Cap.SASL:
            name += f"={','.join(mechanisms(context))}"
        words.append(name)
    return [*words, *_sts(context, member)]


def tell_offers(context: CommandContext, before: Sequence[str]) -> None:
    """Tell what is offered no longer, and what anew or otherwise, since it was so (cap-notify)."""
    member = context.member
    now = offered(context, member)
    left = {word.partition("=")[0] for word in now}
    gone = [name for word in before if (name := word.partition("=")[0]) not in left]
    new = [word for word in now if word not in before]
    if gone:
        lost = sum(BY_WIRE_NAME[name].value for name in gone if name in BY_WIRE_NAME)
        member.set_caps(member.caps & ~lost)
        context.tell("CAP", member.shown_nick, "DEL", " ".join(gone))
    if new:
        context.tell("CAP", member.shown_nick, "NEW", " ".join(new))


def _sts(context: CommandContext, member: Member) -> list[str]:
    """IRCv3 sts: the port to a client in the clear, the duration to one under TLS."""
    settings = context.room.settings
    if member.cap_version < _CAP_302 or not settings.sts_duration_s:
        return []
    if member.is_secure:
        return [f"sts=duration={settings.sts_duration_s}"]
    return [f"sts=port={settings.sts_port}"] if settings.sts_port else []


def complete(context: CommandContext) -> None:
    """Let a member in if nothing is missing."""
    member, settings = context.member, context.room.settings
    waiting = member.registering
    if not (member.nick and waiting.has_user) or waiting.is_negotiating:
        return
    if not settings.password or waiting.password_is_right or member.account:
        _welcome(context)
        return
    member.pending = Pending(_password_checked, context.label)
    context.effects.append(Verify(member, waiting.password, settings.password))


def _password_checked(context: CommandContext, right: bool) -> None:  # noqa: FBT001 (Pending calls it)
    if right:
        context.member.registering.password_is_right = True
        _welcome(context)
    else:
        context.reply(Numeric.PASSWDMISMATCH)
        context.close(context.member, "password incorrect")


def _welcome(context: CommandContext) -> None:
    member, room = context.member, context.room
    settings = room.settings
    room.unregistered.discard(member)
    member.stage = Stage.PRESENT
    member.signed_on = member.idle_since = context.now
    member.registering.password = ""
    room.most_members = max(room.most_members, len(room.members) - _unready(context))
    context.reply(Numeric.WELCOME, f"Welcome to {settings.network}, {member.prefix}")
    context.reply(
        Numeric.YOURHOST, f"Your host is {settings.server_name}, running {settings.version}"
    )
    context.reply(Numeric.CREATED, f"This server was started {server.date(room.created)}")
    context.reply(
        Numeric.MYINFO,
        settings.server_name,
        settings.version,
        "".join(sorted(USER_MODES)),
        "".join(sorted(CHANNEL_MODES)),
        "beIklov",
    )
    for tokens in isupport_lines(settings):
        context.reply(Numeric.ISUPPORT, *tokens)
    server.lusers(context, ())
    server.motd(context, ())
    presence.announce_online(context, member)
    if settings.joins_channel and settings.channel:
        membership.enter(context, settings.channel, "")


def _unready(context: CommandContext) -> int:
    """Members that have a nick and nothing more yet."""
    return sum(1 for each in context.room.unregistered if each.nick)


def ping(context: CommandContext, params: Sequence[str]) -> None:
    """Answer with the token."""
    context.tell("PONG", context.room.settings.server_name, params[0])


def pong(_exchange: CommandContext, _params: Sequence[str]) -> None:
    """The listener has noted already that something came."""


def quit_(context: CommandContext, params: Sequence[str]) -> None:
    """Leave, with a reason."""
    reason = f"Quit: {params[0]}" if params and params[0] else "Quit"
    presence.put_out(context, reason)


COMMANDS = {
    "PASS": Command(pass_, "<password>", params=1, phase=Phase.REGISTERING),
    "NICK": Command(nick, "<nick>", phase=Phase.ANY),
    "USER": Command(user, "<user> 0 * :<real name>", params=4, phase=Phase.REGISTERING),
    "CAP": Command(cap, "LS|LIST|REQ|END [:<capabilities>]", params=1, phase=Phase.ANY),
    "PING": Command(ping, "<token>", params=1, phase=Phase.ANY),
    "PONG": Command(pong, "<token>", phase=Phase.ANY),
    "QUIT": Command(quit_, "[:<reason>]", phase=Phase.ANY),
}
