"""Members and their clients as plain data.

The row of a member has the attributes of the member and those of its first client, as in the first
version, in which each member was one client; `clients` has the others. A client is referred to by
the number of its member and its place among that member's clients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netd.listeners.chat.room.capability import BY_WIRE_NAME
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.room_records import CLIENT, MEMBER
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import fold
from netd.protocols.record import (
    TEXT,
    load_flag,
    load_integer,
    load_list,
    load_mapping,
    load_text,
    mapping_of,
)

Members = Sequence[Member | None]
"""Members by number; a snapshot has unused numbers."""


def number_members(room: RoomState) -> dict[Member, int]:
    """The numbers of all members, with those of clients that are not registered."""
    provisional = [client.member for client in room.unregistered]
    members = dict.fromkeys([*room.members.values(), *provisional])
    return {member: number for number, member in enumerate(members)}


def member_at(members: Members, number: object) -> Member:
    """The member with a number. Raises ValueError, TypeError or LookupError if there is none."""
    member = members[load_integer(number)]
    if member is None:
        raise ValueError("an unused number")
    return member


def client_at(members: Members, number: object, place: object = 0) -> Client:
    """A client of the member with a number; raises as `member_at` does."""
    return member_at(members, number).clients[load_integer(place)]


def place_of(client: Client) -> int:
    """The place of a client among its member's."""
    return client.member.clients.index(client)


def save_member(room: RoomState, member: Member) -> dict[str, Any]:
    """A member and its clients as plain data."""
    first, *others = map(_save_client, member.clients) if member.clients else (_NO_CLIENT,)
    is_shared = room.read_markers.get(fold(member.account)) is member.read_markers
    return {
        **_without(_NEW_MEMBER, MEMBER.save(member)),
        **first,
        "read_markers": None if is_shared else dict(member.read_markers),
        "clients": others,
    }


def _save_client(client: Client) -> dict[str, Any]:
    return _without(_NEW_CLIENT, CLIENT.save(client))


def _without(new: Mapping[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that are not those of a new object: those that are missing are so."""
    return {key: value for key, value in saved.items() if value != new[key]}


_NEW_MEMBER, _NEW_CLIENT = MEMBER.save(Member("")), CLIENT.save(Client(""))
_NO_CLIENT: dict[str, Any] = {"state": ClientState.REGISTERED.name, "has_client": False}


def load_member(room: RoomState, row: object) -> Member:
    """Make a member and its clients of saved data. Raises as `Record.load_into` does."""
    data = load_mapping(row)
    member = Member("")
    MEMBER.load_into(member, data)
    member.folded = fold(member.nick)
    member.own_host = member.own_host or member.address  # of a state without cloaks
    member.share_host()
    if load_flag(data.get("has_client", True)):
        for saved in (data, *load_list(data.get("clients", []))):
            _load_client(room, member, saved)
    states = {client.state for client in member.clients} or {ClientState.REGISTERED}
    member.is_registered = states == {ClientState.REGISTERED}
    is_provisional = states == {ClientState.REGISTERING} and len(member.clients) == 1
    if not (is_provisional or (member.is_registered and member.nick)):
        raise ValueError("a member that is not in the room")
    member.update_origin()
    markers = data.get("read_markers")
    if markers is not None:
        member.read_markers = mapping_of(TEXT).load(markers)
    elif member.account:
        member.read_markers = room.read_markers.setdefault(fold(member.account), {})
    return member


def _load_client(room: RoomState, member: Member, row: object) -> None:
    client = Client("")
    CLIENT.load_into(client, load_mapping(row))
    client.member = member
    member.add_client(client)
    for folded in client.monitoring:
        room.watchers.setdefault(folded, set()).add(client)


def load_caps(members: Sequence[Member], names: Sequence[object]) -> None:
    """Set the capabilities; the bits of another version may have another order."""
    bits = [
        BY_WIRE_NAME[name].value if name in BY_WIRE_NAME else 0 for name in map(load_text, names)
    ]
    known: dict[int, int] = {}
    for client in [client for member in members for client in member.clients]:
        saved = client.caps
        if saved not in known:
            known[saved] = sum(bit for place, bit in enumerate(bits) if saved >> place & 1)
        client.set_caps(known[saved])
