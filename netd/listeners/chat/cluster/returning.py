"""The clients of a host whose state was lost: they find or take their places in the new one.

A client that is in the new room is put in its place; any other one returns with all that it was
(`arrival`), with a similar nick if its own was taken meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from netd.listeners.chat.cluster.arrival import Claim, format_arrival
from netd.listeners.chat.cluster.earlier_room import EarlierRoom
from netd.listeners.chat.cluster.netsplit import status_mode
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.presence import stop_monitoring
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import Message

_NOT_LET_IN: Final = "not let in again"


def put_in_place(room: RoomState, client: Client, found: Client) -> None:
    """Put a client in the place of the remote one that stands for it in a loaded room."""
    member = found.member
    member.replace_client(found, client)
    client.member, client.state = member, ClientState.REGISTERED
    client.resume_proof = found.resume_proof
    watch_again(room, client)
    room.on_clients_changed(member)


def watch_again(room: RoomState, client: Client) -> None:
    """Let a client monitor in a loaded room the nicks that it monitors."""
    for folded in client.monitoring:
        room.watchers.setdefault(folded, set()).add(client)


def stop_watching(room: RoomState, client: Client) -> None:
    """Inform a client no more of the nicks that it monitors: its companions are lost with it."""
    for folded in client.monitoring:
        stop_monitoring(room, client, folded)


class Return:
    """The way back of a client whose state was lost."""

    def __init__(self, room: RoomState, client: Client, earlier: EarlierRoom) -> None:
        """`room` is the room before the loss, and the client is still in it."""
        self._client, self._member = client, client.member
        self.earlier = earlier
        self.nick, self.prefix = client.member.nick, client.member.prefix
        """The nick and the prefix that the client believes to have."""
        self.folded = client.member.folded
        self.claims = {
            name: Claim.of(room.channels[name], client.member) for name in client.member.channels
        }
        self.online = {folded for folded in client.monitoring if room.find_member(folded)}
        """The members that it monitors."""
        self.ghost = room.ghosts.get(client)
        """The place of a client that has lost its connection."""
        self.may_lack_lines = False
        """Whether lines that were sent to it alone can be lost."""
        self.is_sent = False
        """Whether its arrival was appended to the log, or is about to be."""

    def format(self) -> bytes:
        """The client as it was, for the log."""
        return format_arrival(self._client, self._member, self.claims)

    def changes(self, room: RoomState) -> Iterator[tuple[str, Message]]:
        """The changes of the client in another room: of its nick, its places and its status.

        The name of the channel comes before those of a place.
        """
        member, prefix = self._client.member, self.prefix
        if member.nick != self.nick:
            yield "", Message("NICK", (member.nick,), prefix)
            prefix = member.prefix
        for name, claim in self.claims.items():
            if name in member.channels:
                channel = room.channels[name]
                status = channel.members[member]
                if status != claim.status:
                    server = room.settings.server_name
                    yield name, status_mode(server, channel, member.nick, status, claim.status)
            else:
                channel = self.earlier.channels[name].channel
                reason = (_NOT_LET_IN,) if self.is_sent else ()  # or it has left by itself
                yield name, Message("PART", (channel.name, *reason), prefix)
