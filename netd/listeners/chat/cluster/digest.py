"""The part of a room that is the same on all hosts, and its digest, which they compare."""

from __future__ import annotations

import json
from _blake2 import blake2b  # hashlib would load OpenSSL
from typing import Any, Final

from netd.listeners.chat.room.accounts import RegisteredAccount
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.state import RoomState

FORM: Final = 3  # a change of what is in the shared state needs another number
_DIGEST_BYTES: Final = 32


def shared_state(room: RoomState) -> dict[str, Any]:
    """All that decides about what a line does, as plain data."""
    members = sorted(room.registered_members(), key=lambda member: member.folded)
    return {
        "level": room.level,
        "members": [_member(member) for member in members],
        "channels": [_channel(channel) for _, channel in sorted(room.channels.items())],
        "server_bans": sorted(room.server_bans.by_mask),
        "accounts": sorted(map(_account, room.accounts.registered())),
        "ids": [room.ids.identity, room.ids.last_number],
    }


def digest(room: RoomState) -> str:
    """The BLAKE2b of the shared state in hexadecimal, after the number of this form of it."""
    text = json.dumps(shared_state(room), separators=(",", ":"))
    return f"{FORM}:{blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()}"


def are_different(one: str, other: str) -> bool:
    """Whether two digests are those of different rooms.

    Digests of different forms, which hosts of different versions compute, do not show that.
    """
    return one != other and one.partition(":")[0] == other.partition(":")[0]


def _account(account: RegisteredAccount) -> list[Any]:
    facts = [account.name, account.password, account.suspended, account.is_dropped]
    return [*facts, account.is_single, str(account.always_on), list(account.fingerprints)]


def _member(member: Member) -> list[Any]:
    facts = [member.nick, member.user, member.realname, member.host, member.address]
    facts += [member.account, member.local_user, member.away, member.oper]
    return [
        *facts,
        sorted(member.modes),
        list(member.channels),
        sorted(member.invites),
        sorted(member.accepted.items()),
        [client.key for client in member.clients],
    ]


def _channel(channel: Channel) -> list[Any]:
    topic = channel.topic
    return [
        channel.name,
        sorted(channel.modes.items()),
        [topic.text, topic.by, topic.at] if topic else None,
        [[member.folded, status] for member, status in channel.members.items()],
        {
            letter: [[entry.mask, entry.by, entry.at] for entry in entries.values()]
            for letter, entries in channel.lists.items()
        },
        sorted(member.folded for member in channel.invited),
    ]
