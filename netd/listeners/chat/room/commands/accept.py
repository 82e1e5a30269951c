"""ACCEPT: the members that may send a private message to a member with the user mode +R."""

from __future__ import annotations

from collections.abc import Sequence

from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.commands.lookup import find_member, split_targets
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.numeric import Numeric


def accept(context: CommandContext, params: Sequence[str]) -> Steps | None:
    """Add members to the sender's list, or remove them (`-nick`); `*` shows the list."""
    if not params or params[0] == "*":
        return _show(context)
    for name in split_targets(params[0]):
        member = find_member(context, name.removeprefix("-"))
        if member is not None:
            _change(context, member, is_added=not name.startswith("-"))
    return None


def _change(context: CommandContext, member: Member, *, is_added: bool) -> None:
    sender = context.sender
    if sender.has_accepted(member) == is_added:
        context.reply(Numeric.ACCEPTEXIST if is_added else Numeric.ACCEPTNOT, member.nick)
    elif not is_added:
        del sender.accepted[member.folded]
    elif len(sender.accepted) >= context.room.settings.limits.accepted:
        context.reply(Numeric.ACCEPTFULL)
    else:
        sender.accepted[member.folded] = member.signed_on


def _show(context: CommandContext) -> Steps:
    found = [context.room.find_member(folded) for folded in context.sender.accepted]
    nicks = [member.nick for member in found if member and context.sender.has_accepted(member)]
    yield from context.reply_words(Numeric.ACCEPTLIST, (), nicks)
    context.reply(Numeric.ENDOFACCEPT)


def accept_reply(context: CommandContext, member: Member) -> None:
    """Let a member reply to the sender, which has +R and writes to it; the oldest entry gives way.

    An entry of a member that has left, or has another nick now, does not count.
    """
    sender = context.sender
    if not sender.is_registered_only or sender.has_accepted(member):
        return
    sender.accepted.pop(member.folded, None)
    if len(sender.accepted) >= context.room.settings.limits.accepted:
        del sender.accepted[next(iter(sender.accepted))]
    sender.accepted[member.folded] = member.signed_on


COMMANDS = {"ACCEPT": Command(accept, "[-]<nick>[,[-]<nick>]|*")}
