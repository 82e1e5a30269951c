"""The whole room as plain data, which JSON can hold, and back.

A member is referred to by its number: its position in the list of members. What can be made again
of other data is not saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from netd.listeners.chat.room.capability import BY_WIRE_NAME, WIRE_NAMES
from netd.listeners.chat.room.channel import PREFIXES, Channel
from netd.listeners.chat.room.ghost import Ghost
from netd.listeners.chat.room.history import History, PrivateHistory
from netd.listeners.chat.room.member import (
    Member,
    MemberState,
)
from netd.listeners.chat.room.room_records import (
    CHANNEL,
    GHOST,
    LIST_ENTRY,
    MEMBER,
    MESSAGE_IDS,
    ROOM,
    SERVER_BAN,
    WHOWAS,
)
from netd.listeners.chat.room.saved_history import HistoryReader, save_history
from netd.listeners.chat.room.settings import Account, RoomSettings
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import fold
from netd.protocols.record import (
    TEXT,
    load_bytes,
    load_flag,
    load_integer,
    load_list,
    load_mapping,
    load_text,
    mapping_of,
    refuse_malformed,
    save_all,
    save_bytes,
)

Members = Sequence[Member | None]
"""Members by number."""


def member_at(members: Members, number: object) -> Member:
    """The member with a number. Raises ValueError, TypeError or LookupError if there is none."""
    member = members[load_integer(number)]
    if member is None:
        raise ValueError("an unused number")
    return member


@dataclass(frozen=True, slots=True)
class LoadedRoom:
    """A room that was loaded, and its members by number; a snapshot has unused numbers."""

    state: RoomState
    members: list[Member | None]


def save_room(room: RoomState) -> dict[str, Any]:
    """The whole room as plain data. No long reply may be pending."""
    members = room.connected_members()
    numbers = {member: number for number, member in enumerate(members)}
    return {
        **ROOM.save(room),
        "ids": MESSAGE_IDS.save(room.ids),
        "offers": save_offers(room.settings),
        "caps": list(WIRE_NAMES.values()),
        "members": [save_member(room, member) for member in members],
        "nicks": [numbers[member] for member in room.members.values()],
        "unregistered": [numbers[member] for member in room.unregistered],
        "ghosts": [
            [numbers[member], {**GHOST.save(ghost), "lines": save_bytes(ghost.lines())}]
            for member, ghost in room.ghosts.items()
        ],
        "channels": [
            {**save_channel(channel, numbers), "history": save_history(channel.history.entries)}
            for channel in room.channels.values()
        ],
        "restored": [name for name, ch in room.channels.items() if ch in room.restored],
        "whowas": save_all(WHOWAS, room.whowas),
        "server_bans": save_all(SERVER_BAN, room.server_bans),
        "private_histories": {
            account: [
                [folded, nick, save_history(log.entries)]
                for folded, (nick, log) in private.conversations.items()
            ]
            for account, private in room.private_histories.items()
        },
    }


def save_member(room: RoomState, member: Member) -> dict[str, Any]:
    """A member as plain data."""
    saved = MEMBER.save(member)
    is_shared = room.read_markers.get(fold(member.account)) is member.read_markers
    saved["read_markers"] = None if is_shared else dict(member.read_markers)
    return saved


def save_channel(channel: Channel, numbers: Mapping[Member, int]) -> dict[str, Any]:
    """A channel as plain data, without its history."""
    return {
        **CHANNEL.save(channel),
        "members": [[numbers[member], status] for member, status in channel.members.items()],
        "lists": {
            letter: [[entry.mask, entry.by, entry.at] for entry in entries.values()]
            for letter, entries in channel.lists.items()
        },
        "invited": sorted(numbers[member] for member in channel.invited),
    }


def save_offers(settings: RoomSettings) -> dict[str, Any]:
    """The settings on which the offered capabilities depend."""
    return {
        "has_passwords": any(account.password for account in settings.accounts.values()),
        "sts_port": settings.sts_port,
        "sts_duration_s": settings.sts_duration_s,
    }


def load_room(saved: object, settings: RoomSettings, now: float) -> LoadedRoom:
    """Make a room of saved data; `now` is for what an earlier version did not save.

    Of `settings` the limits are in force. What members were offered is as in the saved room, until
    the caller applies `settings` with `Room.configure`. Raises StateError if the data is malformed.
    """
    with refuse_malformed("room"):
        data = load_mapping(saved)
        room = RoomState(_earlier(settings, data), now, "")
        MESSAGE_IDS.load_into(room.ids, data["ids"])
        ROOM.load_into(room, data)
        rows = load_list(data["members"])
        members = [None if row is None else _load_member(room, row) for row in rows]
        present = [member for member in members if member is not None]
        _load_caps(present, load_list(data["caps"]))
        _load_nicks(room, members, data)
        _load_ghosts(room, members, load_list(data.get("ghosts", [])))
        histories = HistoryReader(room.ids)
        for row in load_list(data["channels"]):
            _load_channel(room, members, load_mapping(row), histories)
        _check_channels(room, present)
        room.restored.update(room.channels[name] for name in load_list(data["restored"]))
        whowas = [WHOWAS.load(row) for row in load_list(data["whowas"])]
        room.whowas.extend(whowas[: settings.limits.whowas])
        for row in load_list(data.get("server_bans", [])):
            room.server_bans.add(SERVER_BAN.load(row))
        _load_private(room, load_mapping(data["private_histories"]), histories)
        return LoadedRoom(room, members)


def _earlier(settings: RoomSettings, data: Mapping[str, Any]) -> RoomSettings:
    """The settings, but with the offers of the saved room."""
    offers = load_mapping(data["offers"])
    has_passwords = load_flag(offers["has_passwords"])
    return replace(
        settings,
        accounts={"": Account("", password="*")} if has_passwords else {},  # noqa: S106 (never compared)
        sts_port=load_integer(offers["sts_port"]),
        sts_duration_s=load_integer(offers["sts_duration_s"]),
    )


def _load_member(room: RoomState, row: object) -> Member:
    data = load_mapping(row)
    member = Member("")
    MEMBER.load_into(member, data)
    member.folded = fold(member.nick)
    if member.state is MemberState.GONE or (member.is_registered and not member.nick):
        raise ValueError("a member that is not in the room")
    markers = data.get("read_markers")
    if markers is not None:
        member.read_markers = mapping_of(TEXT).load(markers)
    elif member.account:
        member.read_markers = room.read_markers.setdefault(fold(member.account), {})
    for folded in member.monitoring:
        room.watchers.setdefault(folded, set()).add(member)
    return member


def _load_caps(members: Sequence[Member], names: Sequence[object]) -> None:
    """Set the capabilities; the bits of a later version may have another order."""
    bits = [
        BY_WIRE_NAME[name].value if name in BY_WIRE_NAME else 0 for name in map(load_text, names)
    ]
    known: dict[int, int] = {}
    for member in members:
        saved = member.caps
        if saved not in known:
            known[saved] = sum(bit for place, bit in enumerate(bits) if saved >> place & 1)
        member.set_caps(known[saved])


def _load_nicks(room: RoomState, members: Members, data: Mapping[str, Any]) -> None:
    holders = [member_at(members, number) for number in load_list(data["nicks"])]
    room.members.update({member.folded: member for member in holders if member.nick})
    for number in load_list(data["unregistered"]):
        room.unregistered[member_at(members, number)] = None
    if len(room.members) < len(holders):
        raise ValueError("a nick has several holders")
    for member in filter(None, members):
        holds_nick = room.members.get(member.folded) is member
        if member.is_registered == (member in room.unregistered) or (
            member.is_registered and not holds_nick
        ):
            raise ValueError(f"a member is not in the room: {member.nick!r}")


def _load_ghosts(room: RoomState, members: Members, rows: Sequence[object]) -> None:
    for row in rows:
        number, saved = load_list(row)[:2]
        ghost = Ghost(0.0, "", room.settings.limits.ghost_bytes)
        GHOST.load_into(ghost, saved)
        ghost.keep_unsent(load_bytes(load_mapping(saved)["lines"]))
        member = member_at(members, number)
        if not member.is_registered:
            raise ValueError("a place is kept for a client that is not registered")
        room.ghosts[member] = ghost


def _load_channel(
    room: RoomState, members: Members, data: dict[str, Any], histories: HistoryReader
) -> None:
    lines = room.settings.limits.history_lines
    channel = Channel(load_text(data["name"]), room.created, lines, room.memory)
    CHANNEL.load_into(channel, data)
    int(channel.modes.get("l") or 0)
    for number, status in load_list(data["members"]):
        if status not in ("", *PREFIXES, "".join(PREFIXES)):
            raise ValueError("not a status")
        channel.members[member_at(members, number)] = status
    lists = load_mapping(data["lists"])
    for letter in channel.lists:
        for row in load_list(lists.get(letter, [])):
            entry = LIST_ENTRY.load(row)
            if fold(entry.mask) not in channel.lists[letter]:
                channel.add_entry(letter, entry)
    for number in load_list(data["invited"]):
        guest = member_at(members, number)
        channel.invited.add(guest)
        guest.invites.add(channel.folded)
    channel.history.restore(histories.load(data["history"]))
    if not channel.folded.startswith("#") or channel.folded in room.channels:
        raise ValueError("not a channel, or twice")
    room.channels[channel.folded] = channel


def _check_channels(room: RoomState, members: Sequence[Member]) -> None:
    """Refuse a room in which members and channels do not agree."""
    places = {(member, folded) for member in members for folded in member.channels}
    if places != {(member, ch.folded) for ch in room.channels.values() for member in ch.members}:
        raise ValueError("members and channels do not agree")
    if any(member.channels and not member.is_registered for member in members):
        raise ValueError("a member of a channel is not registered")


def _load_private(room: RoomState, data: Mapping[str, Any], histories: HistoryReader) -> None:
    lines = room.settings.limits.history_lines
    for account, rows in data.items():
        private = room.private_histories[load_text(account)] = PrivateHistory(lines, room.memory)
        for folded, nick, saved in load_list(rows):
            log = History(lines, room.memory)
            log.restore(histories.load(saved))
            private.conversations[load_text(folded)] = (load_text(nick), log)
