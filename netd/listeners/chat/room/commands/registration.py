"""Registration and the connection: PASS, NICK, USER, PING, PONG, QUIT, and the welcome."""

from __future__ import annotations

from collections.abc import Sequence

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.account_rules import is_service
from netd.listeners.chat.room.client_state import (
    NO_REGISTRATION,
    CheckOutcome,
    CheckPurpose,
    ClientState,
)
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import (
    attach,
    elsewhere,
    membership,
    resume,
    server,
    server_ban,
)
from netd.listeners.chat.room.commands.base import Command, Phase, Steps
from netd.listeners.chat.room.commands.login import own_accounts
from netd.listeners.chat.room.mode import CHANNEL_MODES, USER_MODES
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import fold, is_nick
from netd.protocols.password import Verdict


def pass_(context: CommandContext, params: Sequence[str]) -> None:
    """Keep the server password until registration is complete."""
    context.client.register(password=params[0])


def nick(context: CommandContext, params: Sequence[str]) -> Steps | None:
    """Take a nick, or change it."""
    if not params or not params[0]:
        context.reply(Numeric.NONICKNAMEGIVEN)
        return None
    wanted, sender, room = params[0], context.sender, context.room
    if not is_nick(wanted, room.settings.limits.nick_chars):
        context.reply(Numeric.ERRONEUSNICKNAME, wanted)
    elif not sender.is_registered:
        return _take_nick(context, wanted)
    elif _may_take(context, wanted):
        change_nick(context, wanted)
    return None


def _may_take(context: CommandContext, wanted: str) -> bool:
    """Whether the sender may take a nick; if not, it gets 433."""
    holder = context.room.members.get(fold(wanted))
    if holder is context.sender:
        return True
    if holder is None and not _is_reserved(context, wanted):
        return True
    if not context.client.is_registered:
        context.client.register(refused_nick=wanted)
    if holder is None:
        owner = "services" if is_service(wanted) else "the account of that name"
        text = f"Nickname is reserved for {owner}"
        context.reply_command(Numeric.NICKNAMEINUSE.code, context.sender.shown_nick, wanted, text)
    else:
        context.reply(Numeric.NICKNAMEINUSE, wanted)
    return False


def _is_reserved(context: CommandContext, wanted: str) -> bool:
    """Whether a nick is that of a service, or the name of an account that is not the sender's."""
    if is_service(wanted):
        return True
    account = context.room.accounts.find(wanted)
    if account is None or fold(wanted) == fold(context.sender.account):
        return False
    return account not in own_accounts(context)


def _take_nick(context: CommandContext, wanted: str) -> Steps | None:
    """Take a nick during registration.

    A reserved nick is taken only when the registration is complete, and so is that of a member
    that the client may turn out to be: until then the client may log in.
    """
    sender, room = context.sender, context.room
    must_wait = _may_join(context, wanted) or _is_reserved(context, wanted)
    if not must_wait and not _may_take(context, wanted):
        return None
    context.room.give_up_nick(context.sender)
    sender.set_nick(wanted)
    context.client.register(refused_nick="")
    if not must_wait and room.entrants is None:
        room.members[sender.folded] = sender
    return complete(context)


def _may_join(context: CommandContext, wanted: str) -> bool:
    """Whether the client may become one of the clients of the member that has a nick."""
    holder = context.room.members.get(fold(wanted))
    if holder is None or not holder.is_registered:
        return False
    claimed = elsewhere.claimed_client(context.room, context.client)
    if claimed is not None and claimed.member is holder:
        return True
    if elsewhere.may_be(context, holder):
        return True
    is_logging_in = context.client.registration.is_negotiating or context.sender.account
    return resume.is_place(context.room, holder) or bool(holder.account and is_logging_in)


def change_nick(context: CommandContext, wanted: str) -> None:
    """Change the nick of a registered sender to a free one."""
    sender, room = context.sender, context.room
    if wanted == sender.nick:
        return
    message = context.message_from_sender("NICK", wanted)
    old_nick, old_folded = sender.nick, sender.folded
    presence.remember_whowas(context, sender)
    del room.members[sender.folded]
    sender.set_nick(wanted)
    room.members[sender.folded] = sender
    context.send_to_clients([*sender.clients, *room.clients_near(sender)], message)
    if old_folded != sender.folded:
        presence.announce_offline(context, old_nick, old_folded)
        presence.announce_online(context, sender)


def user(context: CommandContext, params: Sequence[str]) -> Steps | None:
    """Take a user name and a real name."""
    sender, limits = context.sender, context.room.settings.limits
    if not params[0] or not params[3]:
        context.reply(Numeric.NEEDMOREPARAMS, "USER")
        return None
    sender.user = context.client.local_user or f"~{_clean_user(params[0])}"[: limits.user_chars]
    sender.realname = params[3][: limits.realname_chars]
    context.client.register(has_user=True)
    sender.update_prefix()
    return complete(context)


def _clean_user(name: str) -> str:
    allowed = (letter for letter in name if letter.isascii())
    return "".join(letter for letter in allowed if letter.isalnum() or letter in "-_.") or "user"


def complete(context: CommandContext) -> Steps | None:
    """Complete the registration if nothing is missing."""
    sender, settings = context.sender, context.room.settings
    given = context.client.registration
    if not (sender.nick and given.has_user) or given.is_negotiating:
        return None
    if server_ban.refuse_banned(context) or not _has_nick(context):
        return None
    if not settings.password or given.password_is_right or sender.account:
        return _welcome(context)
    if given.password:
        context.verify(CheckPurpose.CONNECT, given.password, settings.password)
    else:
        _refuse(context)  # no guess, and nothing to check
    return None


def _has_nick(context: CommandContext) -> bool:
    """Whether the sender has its nick now, or may take a place in the member that has it."""
    sender = context.sender
    if resume.find_place(context) is not None or attach.find_member(context) is not None:
        return True
    if elsewhere.claimed_client(context.room, context.client) is not None:
        return True
    if elsewhere.claim_nick(context):
        return True
    if _may_take(context, sender.nick):
        if context.room.entrants is None:
            context.room.members[sender.folded] = sender
        return True
    context.room.give_up_nick(context.sender)
    return False


def on_password_verified(context: CommandContext, outcome: CheckOutcome) -> Steps | None:
    """Welcome the client, or close its connection."""
    match outcome.verdict:
        case Verdict.RIGHT:
            context.client.register(password_is_right=True)
            return _welcome(context)
        case Verdict.WRONG:
            _refuse(context)
        case Verdict.UNCHECKED:
            context.close(context.client, "too many passwords to check, try again later")
    return None


def _refuse(context: CommandContext) -> None:
    context.reply(Numeric.PASSWDMISMATCH)
    context.close(context.client, "password incorrect")


def _welcome(context: CommandContext) -> Steps:
    if not _has_nick(context):  # the member whose place it was to take has left
        return
    lost, member = resume.find_place(context), attach.find_member(context)
    if lost is None and member is not None and context.room.entrants is None:
        lost = attach.make_place(context, member)
        if lost is None:
            return
    if lost is not None:
        resume.claim(context, lost)
        greet(context)
        yield from resume.take_place(context, lost)
    elif context.room.entrants is not None:
        context.client.is_waiting = True
        context.room.entrants.append(context.client)
    else:
        yield from admit(context)


def admit(context: CommandContext) -> Steps:
    """Let a client into the room that has registered, and has no place there."""
    client, sender, room = context.client, context.sender, context.room
    lost = elsewhere.claimed_client(room, client)
    if lost is not None:
        elsewhere.take_place(context, lost)
        greet(context)
        if not client.is_remote:
            yield from resume.show_member(context, 0)
        return
    resume.refuse_claim(context)
    member = attach.find_member(context)
    if member is not None:
        absent_since = member.absent_since
        if attach.join_member(context, member):
            greet(context)
            if not client.is_remote:
                yield from resume.show_member(context, absent_since)
        return
    if not _may_take(context, sender.nick):
        room.give_up_nick(sender)
        return
    room.members[sender.folded] = sender
    settings = room.settings
    room.unregistered.pop(client, None)
    client.state = ClientState.REGISTERED
    client.registration = NO_REGISTRATION
    sender.is_registered = True
    sender.signed_on = sender.idle_since = context.now
    room.note_most_members()
    greet(context)
    presence.announce_online(context, sender)
    if settings.joins_channel and settings.channel:
        yield from membership.join_channel(context, settings.channel, "")


def greet(context: CommandContext) -> None:
    """Send the numerics 001 to 005, the figures of LUSERS, and the message of the day."""
    if context.client.is_remote:
        return
    settings = context.room.settings
    name, version = settings.server_name, settings.version
    user_modes, channel_modes = "".join(sorted(USER_MODES)), "".join(sorted(CHANNEL_MODES))
    started = server.format_date(context.room.created)
    context.reply(Numeric.WELCOME, f"Welcome to {settings.network}, {context.sender.prefix}")
    context.reply(Numeric.YOURHOST, f"Your host is {name}, running {version}")
    context.reply(Numeric.CREATED, f"This server was started {started}")
    context.reply(Numeric.MYINFO, name, version, user_modes, channel_modes, "beIklov")
    server.show_isupport(context)
    server.lusers(context, ())
    server.motd(context, ())


def ping(context: CommandContext, params: Sequence[str]) -> None:
    """Return the token."""
    context.reply_command("PONG", context.room.settings.server_name, params[0])


def pong(_context: CommandContext, _params: Sequence[str]) -> None:
    """Do nothing: the session has already recorded that the client is alive."""


def quit_(context: CommandContext, params: Sequence[str]) -> None:
    """Leave the server, with a reason."""
    reason = f"Quit: {params[0]}" if params and params[0] else "Quit"
    if context.client.is_registered:
        context.reply_message(context.message_from_sender("QUIT", reason))
    presence.disconnect_client(context, reason)


COMMANDS = {
    "PASS": Command(pass_, "<password>", params=1, phase=Phase.REGISTERING),
    "NICK": Command(nick, "<nick>", phase=Phase.ANY),
    "USER": Command(user, "<user> 0 * :<real name>", params=4, phase=Phase.REGISTERING),
    "PING": Command(ping, "<token>", params=1, phase=Phase.ANY),
    "PONG": Command(pong, "<token>", phase=Phase.ANY),
    "QUIT": Command(quit_, "[:<reason>]", phase=Phase.ANY),
}
