"""What was said before: a replay for those who join."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netd.protocols.room.capability import Cap

if TYPE_CHECKING:
    from netd.protocols.irc import Message
    from netd.protocols.room.channel import Channel
    from netd.protocols.room.exchange import Exchange
    from netd.protocols.room.member import Member


def replay(exchange: Exchange, channel: Channel) -> None:
    """Give a newcomer the last lines, unless its client asks for them itself."""
    count = exchange.room.settings.replay_lines
    if count and not exchange.member.has(Cap.CHATHISTORY):
        exchange.batch("chathistory", (channel.name,), list(channel.history)[-count:])


def keep_private(exchange: Exchange, member: Member, message: Message) -> None:
    """Keep what two accounts say to each other."""
