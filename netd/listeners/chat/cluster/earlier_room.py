"""The room as the clients of a host know it when its state is lost."""

from __future__ import annotations

from collections.abc import Iterable

from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.state import RoomState


class EarlierChannel:
    """A channel when its state was lost."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        """The object, which is as it was if the channel was removed because it was empty."""
        self.topic = channel.topic
        self.modes = dict(channel.modes)
        self.members = {
            member.folded: (member.prefix, status) for member, status in channel.members.items()
        }
        """Prefix and status of each member, by the folded nick."""


class EarlierRoom:
    """The channels of some members when their state was lost."""

    def __init__(self, room: RoomState, members: Iterable[Member], position: int) -> None:
        self.position = position
        """That of the last message that the clients have got."""
        names = dict.fromkeys(name for member in members for name in member.channels)
        self.channels = {name: EarlierChannel(room.channels[name]) for name in names}
