"""The clients of a host whose state was lost: they find or take their places in the new one.

A host loads the room again when it has fallen behind, was removed, or when the engine has lost
entries. Its clients keep their connections. One that is in the new room is put in its place; any
other one enters again, with its nick, or a similar one if that was taken, and joins its channels.
"""

from __future__ import annotations

from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.state import RoomState


def put_in_place(room: RoomState, client: Client, found: Client) -> None:
    """Put a client in the place of the remote one that stands for it in a loaded room."""
    member = found.member
    member.replace_client(found, client)
    client.member = member
    watch_again(room, client)
    room.on_clients_changed(member)


def watch_again(room: RoomState, client: Client) -> None:
    """Let a client monitor in a loaded room the nicks that it monitors."""
    for folded in client.monitoring:
        room.watchers.setdefault(folded, set()).add(client)


class Return:
    """The way back of a client whose state was lost."""

    def __init__(self, earlier: Member) -> None:
        """`earlier` is the client's member before the loss, which is about to leave the room."""
        self.nick, self.prefix = earlier.nick, earlier.prefix
        """Those that the client believes to have."""
        self.channels = list(earlier.channels)
        self._earlier = earlier
        self._member = earlier
        self._wanted = earlier.nick

    def make_entrant(self, room: RoomState, client: Client) -> None:
        """Give the client a provisional member that is like the earlier one."""
        earlier = self._earlier
        member = self._member = Member(client.address, client.local_user)
        member.user, member.realname, member.host = earlier.user, earlier.realname, earlier.host
        member.own_host = earlier.own_host
        member.account = earlier.account
        member.set_nick(self._wanted)
        member.add_client(client)
        client.member, client.state = member, ClientState.REGISTERING
        room.unregistered[client] = None
        watch_again(room, client)

    def take_another_nick(self, max_chars: int) -> None:
        """Try a similar nick: the one before was taken."""
        self._wanted = f"{self._wanted[: max_chars - 1]}_"
        self._member.set_nick(self._wanted)
