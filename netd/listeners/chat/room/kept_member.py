"""The members that are always on, as the database keeps them over a restart."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from netd.errors import LocalProtocolError
from netd.listeners.chat.room.channel import PREFIXES
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.presence import ABSENT
from netd.listeners.chat.room.room_records import MEMBER
from netd.listeners.chat.room.state import RoomState
from netd.listeners.chat.room.storage import Change, Query
from netd.protocols.irc import fold
from netd.protocols.record import load_integer, load_list, load_mapping, load_text

_STATUSES: Final = ("", *PREFIXES, "".join(PREFIXES))


@dataclass(frozen=True, slots=True)
class SetKeptMember(Change):
    """Store the member of an account (folded) as JSON; "" removes it."""

    account: str
    state: str


@dataclass(frozen=True, slots=True)
class KeptMembers(Query[tuple[str, ...]]):
    """All stored members, each as the JSON of SetKeptMember."""


@dataclass(frozen=True, slots=True)
class SetReadMark(Change):
    """Store the time up to which an account (folded) has read a target; "" removes it."""

    account: str
    target: str
    time: str


@dataclass(frozen=True, slots=True)
class ReadMarks(Query[tuple[tuple[str, str, str], ...]]):
    """All stored read marks: account, target, time; the oldest time first."""


def key_of(room: RoomState, member: Member) -> tuple[object, ...]:
    """A value that differs if the member is to be stored again."""
    joined = [(folded, room.channels[folded].members[member]) for folded in member.channels]
    return (
        *(member.prefix, member.realname, member.account, member.away, member.absent_since),
        frozenset(member.modes),
        tuple(joined),
    )


def format_member(room: RoomState, member: Member) -> str:
    """A member as JSON, with the status in each channel and the position at which it joined."""
    channels = room.channels_of(member)
    joined = [[ch.name, ch.members[member], ch.access.since.get(member, 0)] for ch in channels]
    return json.dumps({**MEMBER.save(member), "joined": joined}, ensure_ascii=False)


def restore_member(room: RoomState, text: str, now: float) -> None:
    """Add a stored member without a client to a room, whose channels are restored already.

    Raises LocalProtocolError if the text is not such a member.
    """
    try:
        saved = load_mapping(json.loads(text))
        member = Member("")
        MEMBER.load_into(member, saved)
        joined = [
            (load_text(name), load_text(status), load_integer(since))
            for name, status, since in load_list(saved["joined"])
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise LocalProtocolError(f"not a member: {text[:100]!r}") from error
    member.folded = fold(member.nick)
    statuses = {status for _, status, _ in joined}
    if not member.account or not member.nick or not statuses <= {*_STATUSES}:
        raise LocalProtocolError(f"not a member: {text[:100]!r}")
    if member.folded not in room.members:
        _add(room, member, joined, now)


def _add(
    room: RoomState, member: Member, joined: Iterable[tuple[str, str, int]], now: float
) -> None:
    member.is_registered = True
    member.oper = ""
    member.set_mode("o", given=False)
    member.absent_since = member.absent_since or now
    if not member.away:
        member.away, member.is_auto_away = ABSENT, True
    member.read_markers = room.read_markers.setdefault(fold(member.account), {})
    member.channels.clear()
    room.members[member.folded] = member
    room.absent[member] = None
    for name, status, since in joined:
        if not name.startswith("#"):
            continue
        channel = room.open_channel(name, now)
        claimed = channel.claim_status(member)
        channel.add(member, "".join(letter for letter in PREFIXES if letter in status + claimed))
        channel.access.since[member] = since
