"""News about a member, for those who asked for that kind and can see it."""

from __future__ import annotations

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.command_context import CommandContext
from netd.protocols.irc import Message


def tell_peers(context: CommandContext, message: Message, cap: Cap) -> None:
    """Tell those who share a channel with the sender or MONITOR it (extended-monitor)."""
    seeing = context.member.peers()
    for watcher in context.room.watchers.get(context.member.folded, ()):
        if watcher.has(Cap.EXTENDED_MONITOR) and watcher is not context.member:
            seeing[watcher] = None
    context.send([each for each in seeing if each.has(cap)], message)
