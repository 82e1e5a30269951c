"""Logging in to an account and out of it: what the ways of logging in have in common."""

from __future__ import annotations

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import attach
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.numeric import Numeric
from netd.listeners.chat.room.settings import Account
from netd.protocols.irc import Message, fold, is_nick
from netd.protocols.password import decoy

_MAX_ACCOUNT_CHARS = 64  # of the user of a route


def own_accounts(context: CommandContext) -> list[Account]:
    """The accounts that belong to the client's certificate, system user or user of a route.

    A system user without an account has one with its own name, and so has a user of a route, unless
    another user has registered that name.
    """
    client, accounts = context.client, context.room.accounts
    own = list(accounts.of_client(client.local_user, client.fingerprint))
    if not own and client.local_user and accounts.find(client.local_user) is None:
        own.append(Account(client.local_user))
    web_user = client.web_user
    if is_nick(web_user, _MAX_ACCOUNT_CHARS) and accounts.find_registered(web_user) is None:
        own.append(accounts.find(web_user) or Account(web_user))
    return own


def stored_password(context: CommandContext, folded: str) -> str:
    """The password of an account; for a name without one a decoy, or "" if there is no password."""
    accounts = context.room.accounts
    account = accounts.find(folded)
    if account is not None and account.password:
        return account.password
    return decoy(folded, accounts.passwords())


def count_failure(context: CommandContext) -> None:
    """Count a wrong name or password; a client that keeps guessing is disconnected."""
    context.client.failed_logins += 1
    if context.client.failed_logins >= context.room.settings.limits.failed_logins:
        presence.disconnect_client(context, "Too many failed logins")


def refuse_login(context: CommandContext, numeric: Numeric) -> None:
    """Reply to a wrong name or password. A client that keeps guessing is disconnected."""
    context.reply(numeric)
    count_failure(context)


def refuse_unchecked(context: CommandContext) -> None:
    """Reply that too many passwords wait to be checked."""
    context.reply(Numeric.TRYAGAIN, "AUTHENTICATE")
    context.reply(Numeric.SASLFAIL)


def complete_sasl(context: CommandContext, account: Account | None) -> None:
    """Complete a SASL exchange; without an account, it has failed."""
    if account is None or context.room.accounts.is_suspended(account.name):
        refuse_login(context, Numeric.SASLFAIL)
    elif not attach.may_log_in(context, account.name):
        context.reply(Numeric.SASLFAIL)
    else:
        log_in(context, account, Numeric.SASLSUCCESS)


def log_in(context: CommandContext, account: Account, *also: Numeric) -> None:
    """Log the sender in, reply 900 and more numerics, and notify other members."""
    member, name = context.sender, account.name
    before, member.account = member.account, name
    own_markers = {} if before else member.read_markers  # keep the markers set before the login
    member.read_markers = context.room.read_markers.setdefault(fold(name), own_markers)
    context.reply(Numeric.LOGGEDIN, member.prefix, name, f"You are now logged in as {name}")
    for numeric in also:
        context.reply(numeric)
    if before != name and member.is_registered:
        _announce(context, Cap.ACCOUNT_NOTIFY, "ACCOUNT", name)
    _set_shown_host(context, account.host or member.own_host)
    for channel in context.room.channels_of(member):
        presence.restore_status(context, channel)
        if channel.members[member]:
            context.save(channel)  # the account can be recognized after a restart


def _set_shown_host(context: CommandContext, host: str) -> None:
    """Change the host that other members see (IRCv3 chghost)."""
    member = context.sender
    if host == member.host:
        return
    if member.is_registered:
        _announce(context, Cap.CHGHOST, "CHGHOST", member.user, host)
    member.host = host
    member.update_prefix()
    context.reply(Numeric.VISIBLEHOST, host)


def _announce(context: CommandContext, cap: Cap, command: str, *params: str) -> None:
    """Send a change of the sender to its peers and to its own clients."""
    message = context.message_from_sender(command, *params)
    presence.notify_peers(context, message, cap)
    for client in context.sender.clients:
        if client.has(cap):
            context.send_unlabeled(client, message)


def members_of(context: CommandContext, name: str) -> list[Member]:
    """The members that are logged in to an account, also those that are not registered."""
    folded, room = fold(name), context.room
    members = [client.member for client in room.unregistered]
    members += room.members.values()
    return [member for member in dict.fromkeys(members) if fold(member.account) == folded]


def log_out(context: CommandContext, member: Member) -> None:
    """Log a member out of its account, which does not exist any more.

    A member that stays only because of its account leaves.
    """
    if member.is_registered and not member.clients:
        presence.disconnect_member(context, member, "The account was dropped")
        return
    message = Message("ACCOUNT", ("*",), member.prefix)
    member.account, member.read_markers = "", {}
    others = context.room.clients_near(member) if member.is_registered else {}
    context.send_to_clients([*others, *member.clients], message, cap=Cap.ACCOUNT_NOTIFY)
    server, nick = context.room.settings.server_name, member.shown_nick
    params = (nick, member.prefix, Numeric.LOGGEDOUT.text)
    context.send_to([member], Message(Numeric.LOGGEDOUT.code, params, server))
