"""The whole room as plain data, which JSON can hold, and back.

A member is referred to by its number: its position in the list of members (`saved_member`). What
can be made again of other data is not saved.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from netd.listeners.chat.room.accounts import RegisteredAccount, can_scram
from netd.listeners.chat.room.capability import WIRE_NAMES
from netd.listeners.chat.room.channel import PREFIXES, Channel
from netd.listeners.chat.room.ghost import Ghost
from netd.listeners.chat.room.history import History, PrivateHistory
from netd.listeners.chat.room.level import FIRST_LEVEL
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.room_records import (
    CHANNEL,
    GHOST,
    LIST_ENTRY,
    MESSAGE_IDS,
    ROOM,
    SERVER_BAN,
    WHOWAS,
)
from netd.listeners.chat.room.saved_history import HistoryReader, save_history
from netd.listeners.chat.room.saved_member import (
    Members,
    client_at,
    load_caps,
    load_member,
    member_at,
    number_members,
    place_of,
    save_member,
)
from netd.listeners.chat.room.settings import Account, RegistrationSettings, RoomSettings
from netd.listeners.chat.room.state import RoomState
from netd.listeners.chat.room.stored_message import NEVER
from netd.protocols.irc import fold
from netd.protocols.record import (
    load_bytes,
    load_flag,
    load_integer,
    load_list,
    load_mapping,
    load_text,
    refuse_malformed,
    save_all,
    save_bytes,
)
from netd.protocols.saved_record import load_record, save_record

T = TypeVar("T")

_MEMBERS_A_STEP: Final = 16


@dataclass(frozen=True, slots=True)
class LoadedRoom:
    """A room that was loaded, and its members by number; a snapshot has unused numbers."""

    state: RoomState
    members: list[Member | None]


def save_room(room: RoomState) -> dict[str, Any]:
    """The whole room as plain data. No long reply may be pending."""
    numbers = number_members(room)
    return {
        **ROOM.save(room),
        "level": room.level,
        "ids": MESSAGE_IDS.save(room.ids),
        "offers": save_offers(room.settings),
        "caps": list(WIRE_NAMES.values()),
        "members": [save_member(room, member) for member in numbers],
        "nicks": [numbers[member] for member in room.members.values()],
        "unregistered": [numbers[client.member] for client in room.unregistered],
        **save_ghosts(room, numbers),
        "channels": [
            {**save_channel(channel, numbers), "history": save_history(channel.history.entries)}
            for channel in room.channels.values()
        ],
        "restored": [name for name, ch in room.channels.items() if ch in room.restored],
        "whowas": save_all(WHOWAS, room.whowas),
        "server_bans": save_all(SERVER_BAN, room.server_bans),
        "accounts": _save_accounts(room),
        "private_histories": {
            account: [
                [folded, nick, save_history(log.entries)]
                for folded, (nick, log) in private.conversations.items()
            ]
            for account, private in room.private_histories.items()
        },
    }


def _save_accounts(room: RoomState) -> list[Any] | None:
    """The registered accounts; None if they are not known."""
    accounts = room.accounts
    return [save_record(account) for account in accounts.registered()] if accounts.is_open else None


def save_ghosts(
    room: RoomState, numbers: Mapping[Member, int], *, with_lines: bool = True
) -> dict[str, Any]:
    """The lost clients; those of the first version are the first ones of their members."""
    rows = [
        [numbers[lost.member], place_of(lost), _save_ghost(ghost, with_lines=with_lines)]
        for lost, ghost in room.ghosts.items()
    ]
    return {
        "ghosts": [[number, saved] for number, place, saved in rows if not place],
        "further_ghosts": [row for row in rows if row[1]],
    }


def _save_ghost(ghost: Ghost, *, with_lines: bool) -> dict[str, Any]:
    return {**GHOST.save(ghost), "lines": save_bytes(ghost.lines()) if with_lines else ""}


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
        "access": {
            "begin": channel.access.begin,
            "since": [channel.access.since.get(member, NEVER) for member in channel.members],
            "closed": [list(span) for span in channel.access.closed],
        },
    }


def save_offers(settings: RoomSettings) -> dict[str, Any]:
    """The settings on which the offered capabilities depend."""
    stored = [account.password for account in settings.accounts.values() if account.password]
    return {
        "has_passwords": bool(stored),
        "registration": _save_registration(settings.registration),
        "has_scram": any(map(can_scram, stored)),
        "sts_port": settings.sts_port,
        "sts_duration_s": settings.sts_duration_s,
        "stores_messages": settings.stores_messages,
    }


def _save_registration(registration: RegistrationSettings | None) -> list[bool] | None:
    """The facts about the registration of accounts that clients know."""
    if registration is None:
        return None
    return [registration.before_connect, registration.requires_email]


def load_room(saved: object, settings: RoomSettings, now: float) -> LoadedRoom:
    """Make a room of saved data; `now` is for what an earlier version did not save.

    Of `settings` the limits are in force. What members were offered is as in the saved room, until
    the caller applies `settings` with `Room.configure`. Raises StateError if the data is malformed.
    """
    return complete(load_room_in_steps(saved, settings, now))


def complete(steps: Generator[None, None, T]) -> T:
    """The result of steps that are made at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def load_room_in_steps(
    saved: object, settings: RoomSettings, now: float
) -> Generator[None, None, LoadedRoom]:
    """As `load_room`, but pause after each small part."""
    with refuse_malformed("room"):
        data = load_mapping(saved)
        room = RoomState(_earlier(settings, data), now, "")
        MESSAGE_IDS.load_into(room.ids, data["ids"])
        ROOM.load_into(room, data)
        room.level = load_integer(data.get("level", FIRST_LEVEL))
        rows = load_list(data["members"])
        members = yield from _load_members(room, rows)
        present = [member for member in members if member is not None]
        load_caps(present, load_list(data["caps"]))
        yield
        _load_nicks(room, members, data)
        yield
        _load_ghosts(room, members, data)
        histories = HistoryReader(room.ids)
        for row in load_list(data["channels"]):
            load_channel(room, members, load_mapping(row), histories)
            yield
        yield from _check_channels(room, present)
        absent = [member for member in present if not member.clients]
        room.absent.update(dict.fromkeys(sorted(absent, key=lambda one: one.absent_since)))
        room.restored.update(room.channels[name] for name in load_list(data["restored"]))
        whowas = [WHOWAS.load(row) for row in load_list(data["whowas"])]
        room.whowas.extend(whowas[: settings.limits.whowas])
        for row in load_list(data.get("server_bans", [])):
            room.server_bans.add(SERVER_BAN.load(row))
        if (accounts := data.get("accounts")) is not None:
            rows = load_list(accounts)
            room.accounts.load(load_record(RegisteredAccount, row) for row in rows)
        _load_private(room, load_mapping(data["private_histories"]), histories)
        return LoadedRoom(room, members)


def _earlier(settings: RoomSettings, data: Mapping[str, Any]) -> RoomSettings:
    """The settings, but with the offers of the saved room."""
    offers = load_mapping(data["offers"])
    has_passwords = load_flag(offers["has_passwords"])
    has_scram = load_flag(offers.get("has_scram", False))
    stored = "*" if has_scram else "$scrypt$"  # which no password is ever compared with
    return replace(
        settings,
        accounts={"": Account("", stored)} if has_passwords else {},
        registration=_load_registration(offers.get("registration")),
        sts_port=load_integer(offers["sts_port"]),
        sts_duration_s=load_integer(offers["sts_duration_s"]),
        stores_messages=load_flag(offers.get("stores_messages", False)),
    )


def _load_registration(data: object) -> RegistrationSettings | None:
    if data is None:
        return None
    before_connect, requires_email = map(load_flag, load_list(data))
    return RegistrationSettings(before_connect=before_connect, requires_email=requires_email)


def _load_members(
    room: RoomState, rows: Sequence[object]
) -> Generator[None, None, list[Member | None]]:
    members: list[Member | None] = []
    for number, row in enumerate(rows):
        members.append(None if row is None else load_member(room, row))
        if not number % _MEMBERS_A_STEP:
            yield
    return members


def _load_nicks(room: RoomState, members: Members, data: Mapping[str, Any]) -> None:
    holders = [member_at(members, number) for number in load_list(data["nicks"])]
    room.members.update({member.folded: member for member in holders if member.nick})
    for number in load_list(data["unregistered"]):
        room.unregistered[client_at(members, number)] = None
    if len(room.members) < len(holders):
        raise ValueError("a nick has several holders")
    for member in filter(None, members):
        holds_nick = room.members.get(member.folded) is member
        is_registering = any(client in room.unregistered for client in member.clients)
        if member.is_registered == is_registering or (member.is_registered and not holds_nick):
            raise ValueError(f"a member is not in the room: {member.nick!r}")


def _load_ghosts(room: RoomState, members: Members, data: Mapping[str, Any]) -> None:
    for number, saved in load_list(data.get("ghosts", [])):
        _load_ghost(room, client_at(members, number), saved)
    for number, place, saved in load_list(data.get("further_ghosts", [])):
        _load_ghost(room, client_at(members, number, place), saved)


def _load_ghost(room: RoomState, lost: Client, saved: object) -> None:
    ghost = Ghost(0.0, "", room.settings.limits.ghost_bytes)
    GHOST.load_into(ghost, saved)
    ghost.keep_unsent(load_bytes(load_mapping(saved)["lines"]))
    if not lost.is_registered:
        raise ValueError("a place is kept for a client that is not registered")
    room.ghosts[lost] = ghost


def load_channel(
    room: RoomState, members: Members, data: dict[str, Any], histories: HistoryReader
) -> None:
    """Make a channel of saved data; raises as `Record.load_into` does."""
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
        guest.invites |= {channel.folded}
    channel.history.restore(histories.load(data["history"]))
    _load_access(channel, room.ids.position, load_mapping(data.get("access", {})))
    if not channel.folded.startswith("#") or channel.folded in room.channels:
        raise ValueError("not a channel, or twice")
    room.channels[channel.folded] = channel


def _load_access(channel: Channel, now: int, data: Mapping[str, Any]) -> None:
    """Load what members may read. In a state of an earlier version all messages are open."""
    access = channel.access
    access.begin = load_integer(data.get("begin", 0))
    since = map(load_integer, load_list(data.get("since", [])))
    access.since = {
        **dict.fromkeys(channel.members, now + 1),
        **dict(zip(channel.members, since, strict=False)),
    }
    for first, last in load_list(data.get("closed", [])):
        access.closed.append([load_integer(first), load_integer(last)])
    access.note_openness(now, is_open=channel.is_open)


def _check_channels(room: RoomState, members: Sequence[Member]) -> Iterator[None]:
    """Refuse a room in which members and channels do not agree."""
    places = 0
    for channel in room.channels.values():
        places += len(channel.members)
        if not all(channel.folded in member.channels for member in channel.members):
            raise ValueError("members and channels do not agree")
        yield
    if places != sum(len(member.channels) for member in members):
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
