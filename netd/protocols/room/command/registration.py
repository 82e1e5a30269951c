"""Getting in and out: PASS, NICK, USER, CAP, PING, PONG, QUIT, and the welcome."""

from __future__ import annotations

from collections.abc import Sequence

from netd.protocols.irc import fold, is_nick
from netd.protocols.room import presence
from netd.protocols.room.capability import BY_WIRE_NAME, WIRE_NAMES, Cap, names
from netd.protocols.room.command import channel as channel_commands
from netd.protocols.room.command import server
from netd.protocols.room.command.account import mechanisms
from netd.protocols.room.command.base import Command, Phase
from netd.protocols.room.effect import Verify
from netd.protocols.room.exchange import Exchange
from netd.protocols.room.isupport import isupport_lines
from netd.protocols.room.member import Member, Pending, Stage
from netd.protocols.room.mode import CHANNEL_MODES, USER_MODES
from netd.protocols.room.numeric import Numeric

_CAPS_PER_LINE = 12
_CAP_302 = 302


def pass_(exchange: Exchange, params: Sequence[str]) -> None:
    """Keep the connection's password until registration is complete."""
    exchange.member.registering.password = params[0]


def nick(exchange: Exchange, params: Sequence[str]) -> None:
    """Take a nick, or another one."""
    if not params or not params[0]:
        exchange.reply(Numeric.NONICKNAMEGIVEN)
        return
    wanted, member, room = params[0], exchange.member, exchange.room
    holder = room.members.get(fold(wanted))
    if not is_nick(wanted, room.settings.limits.nick_chars):
        exchange.reply(Numeric.ERRONEUSNICKNAME, wanted)
    elif holder not in (None, member) or _is_reserved(exchange, wanted):
        exchange.reply(Numeric.NICKNAMEINUSE, wanted)
    elif member.stage is Stage.PRESENT:
        _rename(exchange, wanted)
    else:
        _claim(exchange, wanted)


def _is_reserved(exchange: Exchange, wanted: str) -> bool:
    """An account's name as a nick is that account's own, once it is known who asks."""
    accounts = exchange.room.settings.accounts
    return (
        exchange.member.stage is Stage.PRESENT
        and fold(wanted) in accounts
        and fold(wanted) not in (fold(exchange.member.account), exchange.member.folded)
    )


def _claim(exchange: Exchange, wanted: str) -> None:
    member, room = exchange.member, exchange.room
    if room.members.get(member.folded) is member:
        del room.members[member.folded]
    member.name(wanted)
    room.members[member.folded] = member
    complete(exchange)


def _rename(exchange: Exchange, wanted: str) -> None:
    member, room = exchange.member, exchange.room
    if wanted == member.nick:
        return
    message = exchange.from_member("NICK", wanted)
    was_nick, was_folded = member.nick, member.folded
    presence.remember(exchange, member)
    del room.members[member.folded]
    member.name(wanted)
    room.members[member.folded] = member
    exchange.send([member, *member.peers()], message)
    if was_folded != member.folded:
        presence.announce_offline(exchange, was_nick, was_folded)
        presence.announce_online(exchange, member)


def user(exchange: Exchange, params: Sequence[str]) -> None:
    """Take a user name and a real name."""
    member, limits = exchange.member, exchange.room.settings.limits
    name = "".join(
        each for each in params[0] if each.isascii() and (each.isalnum() or each in "-_.")
    )
    if not params[0] or not params[3]:
        exchange.reply(Numeric.NEEDMOREPARAMS, "USER")
        return
    member.user = member.local_user or f"~{name or 'user'}"[: limits.user_chars]
    member.realname = params[3][: limits.realname_chars]
    member.registering.has_user = True
    if member.nick:
        member.name(member.nick)
    complete(exchange)


def cap(exchange: Exchange, params: Sequence[str]) -> None:
    """Negotiate capabilities (IRCv3 capability-negotiation)."""
    subcommand = _CAP_SUBCOMMANDS.get(params[0].upper())
    if subcommand is None:
        exchange.reply(Numeric.INVALIDCAPCMD, params[0])
    else:
        subcommand(exchange, params[1:])


def _cap_ls(exchange: Exchange, params: Sequence[str]) -> None:
    member = exchange.member
    member.registering.is_negotiating = True
    if params and params[0].isdecimal():
        member.cap_version = max(member.cap_version, int(params[0]))
    if member.cap_version >= _CAP_302:
        member.set_caps(member.caps | Cap.CAP_NOTIFY.value)
    _list_caps(exchange, "LS", offered(exchange, member))


def _cap_list(exchange: Exchange, _params: Sequence[str]) -> None:
    _list_caps(exchange, "LIST", names(exchange.member.caps))


def _list_caps(exchange: Exchange, subcommand: str, words: list[str]) -> None:
    nick_ = exchange.member.shown_nick
    while len(words) > _CAPS_PER_LINE and exchange.member.cap_version >= _CAP_302:
        exchange.tell("CAP", nick_, subcommand, "*", " ".join(words[:_CAPS_PER_LINE]))
        words = words[_CAPS_PER_LINE:]
    exchange.tell("CAP", nick_, subcommand, " ".join(words))


def _cap_req(exchange: Exchange, params: Sequence[str]) -> None:
    member, asked = exchange.member, params[0] if params else ""
    member.registering.is_negotiating = True
    known = available(exchange)
    caps = member.caps
    for word in asked.split():
        cap_ = BY_WIRE_NAME.get(word.removeprefix("-"))
        if (
            cap_ is None
            or cap_ not in known
            or (word == "-cap-notify" and member.cap_version >= _CAP_302)
        ):
            exchange.tell("CAP", member.shown_nick, "NAK", asked)
            return
        caps = caps & ~cap_.value if word.startswith("-") else caps | cap_.value
    exchange.tell("CAP", member.shown_nick, "ACK", asked)
    member.set_caps(caps)


def _cap_end(exchange: Exchange, _params: Sequence[str]) -> None:
    exchange.member.registering.is_negotiating = False
    if exchange.member.stage is Stage.REGISTERING:
        complete(exchange)


_CAP_SUBCOMMANDS = {"LS": _cap_ls, "LIST": _cap_list, "REQ": _cap_req, "END": _cap_end}


def available(exchange: Exchange) -> list[Cap]:
    """The capabilities these settings give."""
    has_sasl = bool(mechanisms(exchange))
    return [each for each in Cap if each is not Cap.SASL or has_sasl]


def offered(exchange: Exchange, member: Member) -> list[str]:
    """What CAP LS shows: names, and from version 302 on values."""
    words = []
    for each in available(exchange):
        name = WIRE_NAMES[each]
        if member.cap_version >= _CAP_302 and each is Cap.SASL:
            name += f"={','.join(mechanisms(exchange))}"
        words.append(name)
    return [*words, *_sts(exchange, member)]


def tell_offers(exchange: Exchange, before: Sequence[str]) -> None:
    """Tell what is offered no longer, and what anew or otherwise, since it was so (cap-notify)."""
    member = exchange.member
    now = offered(exchange, member)
    left = {word.partition("=")[0] for word in now}
    gone = [name for word in before if (name := word.partition("=")[0]) not in left]
    new = [word for word in now if word not in before]
    if gone:
        lost = sum(BY_WIRE_NAME[name].value for name in gone if name in BY_WIRE_NAME)
        member.set_caps(member.caps & ~lost)
        exchange.tell("CAP", member.shown_nick, "DEL", " ".join(gone))
    if new:
        exchange.tell("CAP", member.shown_nick, "NEW", " ".join(new))


def _sts(exchange: Exchange, member: Member) -> list[str]:
    """IRCv3 sts: the port to a client in the clear, the duration to one under TLS."""
    settings = exchange.room.settings
    if member.cap_version < _CAP_302 or not settings.sts_duration_s:
        return []
    if member.is_secure:
        return [f"sts=duration={settings.sts_duration_s}"]
    return [f"sts=port={settings.sts_port}"] if settings.sts_port else []


def complete(exchange: Exchange) -> None:
    """Let a member in if nothing is missing."""
    member, settings = exchange.member, exchange.room.settings
    waiting = member.registering
    if not (member.nick and waiting.has_user) or waiting.is_negotiating:
        return
    if not settings.password or waiting.password_is_right or member.account:
        _welcome(exchange)
        return
    member.pending = Pending(_password_checked, exchange.label)
    exchange.effects.append(Verify(member, waiting.password, settings.password))


def _password_checked(exchange: Exchange, right: bool) -> None:  # noqa: FBT001 (Pending calls it)
    if right:
        exchange.member.registering.password_is_right = True
        _welcome(exchange)
    else:
        exchange.reply(Numeric.PASSWDMISMATCH)
        exchange.close(exchange.member, "password incorrect")


def _welcome(exchange: Exchange) -> None:
    member, room = exchange.member, exchange.room
    settings = room.settings
    room.unregistered.discard(member)
    member.stage = Stage.PRESENT
    member.signed_on = member.idle_since = exchange.now
    member.registering.password = ""
    room.most_members = max(room.most_members, len(room.members) - _unready(exchange))
    exchange.reply(Numeric.WELCOME, f"Welcome to {settings.network}, {member.prefix}")
    exchange.reply(
        Numeric.YOURHOST, f"Your host is {settings.server_name}, running {settings.version}"
    )
    exchange.reply(Numeric.CREATED, f"This server was started {server.date(room.created)}")
    exchange.reply(
        Numeric.MYINFO,
        settings.server_name,
        settings.version,
        "".join(sorted(USER_MODES)),
        "".join(sorted(CHANNEL_MODES)),
        "beIklov",
    )
    for tokens in isupport_lines(settings):
        exchange.reply(Numeric.ISUPPORT, *tokens)
    server.lusers(exchange, ())
    server.motd(exchange, ())
    presence.announce_online(exchange, member)
    if settings.joins_channel and settings.channel:
        channel_commands.enter(exchange, settings.channel, "")


def _unready(exchange: Exchange) -> int:
    """Members that have a nick and nothing more yet."""
    return sum(1 for each in exchange.room.unregistered if each.nick)


def ping(exchange: Exchange, params: Sequence[str]) -> None:
    """Answer with the token."""
    exchange.tell("PONG", exchange.room.settings.server_name, params[0])


def pong(_exchange: Exchange, _params: Sequence[str]) -> None:
    """The listener has noted already that something came."""


def quit_(exchange: Exchange, params: Sequence[str]) -> None:
    """Leave, with a reason."""
    reason = f"Quit: {params[0]}" if params and params[0] else "Quit"
    presence.put_out(exchange, reason)


COMMANDS = {
    "PASS": Command(pass_, "<password>", params=1, phase=Phase.REGISTERING),
    "NICK": Command(nick, "<nick>", phase=Phase.ANY),
    "USER": Command(user, "<user> 0 * :<real name>", params=4, phase=Phase.REGISTERING),
    "CAP": Command(cap, "LS|LIST|REQ|END [:<capabilities>]", params=1, phase=Phase.ANY),
    "PING": Command(ping, "<token>", params=1, phase=Phase.ANY),
    "PONG": Command(pong, "<token>", phase=Phase.ANY),
    "QUIT": Command(quit_, "[:<reason>]", phase=Phase.ANY),
}
