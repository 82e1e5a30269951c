"""The facts about a client that returns, with which all hosts let it in as it was before.

A channel that is created again is another one, so a place in a channel is claimed with the time of
its creation: in the same channel the member is what it was, and is not refused but by a ban.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from netd.listeners.chat.cluster.entrant import parse_caps
from netd.listeners.chat.room.capability import wire_names
from netd.listeners.chat.room.channel import PREFIXES, Channel
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.membership import refusal_of
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.room_records import CLIENT, MEMBER
from netd.listeners.chat.room.saved_history import HistoryReader, save_history
from netd.listeners.chat.room.saved_room import load_channel, save_channel
from netd.listeners.chat.room.state import RoomState
from netd.listeners.chat.room.stored_message import NEVER
from netd.protocols.irc import fold
from netd.protocols.record import (
    INTEGER,
    NUMBER,
    TEXT,
    list_of,
    load_mapping,
    mapping_of,
    refuse_malformed,
    tuple_of,
)

OF_ALL_HOSTS: Final = frozenset(
    (
        *("address", "local_user", "is_secure", "fingerprint", "resume_proof"),
        *("state", "key", "open_batch"),
    )
)
"""The attributes of a client that the other hosts have, too; and the capabilities."""

_MAX_HISTORY_BYTES: Final = 65_536
_KEPT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Claim:
    """The place that a member had in a channel."""

    created: float
    """When the channel was created."""
    status: str
    since: int
    """The position at which it has joined."""

    @classmethod
    def of(cls, channel: Channel, member: Member) -> Claim:
        """The place of a member that is in a channel."""
        since = channel.access.since.get(member, NEVER)
        return cls(channel.created, channel.members[member], since)


Claims = Mapping[str, Claim]
"""By the folded name of the channel."""

_CLAIMS: Final = mapping_of(tuple_of(Claim, created=NUMBER, status=TEXT, since=INTEGER))
_CAPS: Final = list_of(TEXT)
_MARKERS: Final = mapping_of(TEXT)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A client that returns, with its member."""

    client: Client
    markers: dict[str, str]
    claims: Claims


def format_arrival(client: Client, member: Member, claims: Claims) -> bytes:
    """The facts as JSON; `member` is the one of the client before its state was lost."""
    about = CLIENT.save(client)
    facts = {
        "member": {**MEMBER.save(member), "channels": []},
        "client": {key: about[key] for key in OF_ALL_HOSTS},
        "caps": wire_names(client.caps),
        "markers": {} if member.account else member.read_markers,
        "claims": {
            name: [claim.created, claim.status, claim.since] for name, claim in claims.items()
        },
    }
    return json.dumps(facts, separators=(",", ":")).encode()


def parse_arrival(data: bytes) -> Arrival:
    """Make a remote client. Raises StateError."""
    with refuse_malformed("an entry of the log"):
        facts = load_mapping(json.loads(data))
        client = Client("")
        CLIENT.load_into(client, facts["client"])
        client.state, client.is_remote = ClientState.REGISTERING, True
        client.set_caps(parse_caps(_CAPS.load(facts["caps"])))
        MEMBER.load_into(client.member, {**load_mapping(facts["member"]), "channels": []})
        client.member.set_nick(client.member.nick)
        client.member.share_host()
        claims: Claims = _CLAIMS.load(facts["claims"])
        if not client.member.nick or any(set(c.status) - set(PREFIXES) for c in claims.values()):
            raise ValueError("not a member")
        return Arrival(client, _MARKERS.load(facts["markers"]), claims)


def free_nick(room: RoomState, wanted: str) -> str:
    """The nick of a member that returns; a similar one if it was taken meanwhile."""
    nick, number = wanted, 0
    while fold(nick) in room.members:
        end = f"_{number or ''}"
        nick = f"{wanted[: room.settings.limits.nick_chars - len(end)]}{end}"
        number += 1
    return nick


def rejoin(context: CommandContext, folded: str, claim: Claim) -> Channel | None:
    """Put the sender into a channel that it was in; None if it is not let in."""
    room, member = context.room, context.sender
    channel, status, since = room.channels.get(folded), claim.status, claim.since
    is_same = channel is None or channel.is_persistent or channel.created == claim.created
    if channel is None or not is_same:
        if refusal_of(context, channel, "") is not None:
            return None
    elif channel.is_banned(member):
        return None
    if not is_same:
        status, since = "", room.ids.position + 1
    channel = channel or room.open_channel(folded, claim.created)
    channel.add(member, status)
    channel.access.since[member] = since
    room.restored.discard(channel)
    channel.kept_until = 0.0  # it has a member, and ends with the last one
    context.save(channel)
    return channel


def format_channel(channel: Channel) -> bytes:
    """A channel without its members, as JSON, for the case that no host has it any more."""
    saved = save_channel(channel, defaultdict(int))
    history = save_history(channel.history.entries)
    if channel.history.bytes > _MAX_HISTORY_BYTES:
        history = save_history(())
    access = {**saved["access"], "since": []}
    return _json({**saved, "members": [], "invited": [], "access": access, "history": history})


def restore_channel(room: RoomState, data: bytes, now: float) -> None:
    """Create a channel again as it was, unless it is there. Raises StateError.

    It waits for its members for some time, as none may be let in: all can be banned.
    """
    with refuse_malformed("an entry of the log"):
        saved = load_mapping(json.loads(data))
        is_there = room.find_channel(str(saved["name"])) is not None
        if not is_there and len(room.channels) < room.settings.limits.channels:
            facts = {**saved, "is_persistent": False, "kept_until": now + _KEPT_S}
            load_channel(room, (), facts, HistoryReader(room.ids))
            room.restored.add(room.channels[fold(str(saved["name"]))])


def _json(facts: dict[str, Any]) -> bytes:
    return json.dumps(facts, separators=(",", ":")).encode()
