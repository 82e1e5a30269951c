"""News about a member, for those who asked for that kind and can see it."""

from __future__ import annotations

from netd.protocols.irc import Message
from netd.protocols.room.capability import Cap
from netd.protocols.room.exchange import Exchange


def tell_peers(exchange: Exchange, message: Message, cap: Cap) -> None:
    """Tell those who share a channel with the sender or MONITOR it (extended-monitor)."""
    seeing = exchange.member.peers()
    for watcher in exchange.room.watchers.get(exchange.member.folded, ()):
        if watcher.has(Cap.EXTENDED_MONITOR) and watcher is not exchange.member:
            seeing[watcher] = None
    exchange.send([each for each in seeing if each.has(cap)], message)
