"""The tables of a saved room: how each attribute is saved, or why it is not."""

from __future__ import annotations

from typing import Final

from netd.listeners.chat.room.channel import Channel, ListEntry, Topic
from netd.listeners.chat.room.client_state import (
    NO_REGISTRATION,
    NO_SASL,
    CheckPurpose,
    ClientState,
    PasswordCheck,
    Registration,
    SaslExchange,
)
from netd.listeners.chat.room.encoded_message import MessageIds
from netd.listeners.chat.room.ghost import Ghost
from netd.listeners.chat.room.history import History, PrivateHistory
from netd.listeners.chat.room.member import NOTHING, Client, Member
from netd.listeners.chat.room.memory import Memory
from netd.listeners.chat.room.multiline import OpenBatch
from netd.listeners.chat.room.saved_history import MAX_TIME
from netd.listeners.chat.room.server_ban import ServerBan, ServerBans, normalize_mask
from netd.listeners.chat.room.state import RoomState, WhowasEntry
from netd.protocols.record import (
    FLAG,
    INTEGER,
    TEXT,
    Field,
    Record,
    list_of,
    load_list,
    load_number,
    load_text,
    mapping_of,
    name_of,
    optional,
    tuple_of,
)

_BESIDE: Final = "saved beside the attributes"
_COMPARED: Final = "the snapshots of a new process compare all"
_DERIVED: Final = "made of other attributes"


def _load_time(data: object) -> float:
    at = load_number(data)
    if not 0 <= at < MAX_TIME:
        raise ValueError("not a time")
    return at


_TIME: Final = Field(_load_time)
_NAMES: Final = Field(lambda data: dict.fromkeys(list_of(TEXT).load(data)), list)
_LETTERS: Final = Field(
    lambda data: frozenset(load_text(data)) or NOTHING, lambda value: "".join(sorted(value))
)


def _load_mask(data: object) -> str:
    mask = load_text(data)
    if normalize_mask(mask) != mask:
        raise ValueError("not the mask of a server ban")
    return mask


_MASK: Final = Field(_load_mask)

MESSAGE_IDS: Final = Record(MessageIds, {"identity": TEXT, "last_number": INTEGER})
REGISTRATION: Final = Record(
    Registration,
    {
        "password": TEXT,
        "is_negotiating": FLAG,
        "password_is_right": FLAG,
        "has_user": FLAG,
        "resume_token": TEXT,
        "claims": TEXT,
        "refused_nick": TEXT,
    },
)
SASL: Final = Record(
    SaslExchange,
    {
        "mechanism": TEXT,
        "data": TEXT,
        "client_first": TEXT,
        "server_first": TEXT,
        "account": TEXT,
    },
)
_WHOLE_CHECK: Final = tuple_of(
    PasswordCheck, purpose=name_of(CheckPurpose), name=TEXT, label=TEXT, detail=TEXT
)
_CHECK: Final = Field(  # an earlier version has no detail
    lambda data: _WHOLE_CHECK.load([*load_list(data), ""]), _WHOLE_CHECK.save
)
LIST_ENTRY: Final = tuple_of(ListEntry, mask=TEXT, by=TEXT, at=_TIME)
_TOPIC: Final = tuple_of(Topic, text=TEXT, by=TEXT, at=_TIME)
WHOWAS: Final = tuple_of(WhowasEntry, nick=TEXT, user=TEXT, host=TEXT, realname=TEXT, at=_TIME)
_OPEN_BATCH: Final = tuple_of(
    OpenBatch,
    reference=TEXT,
    target=TEXT,
    label=TEXT,
    client_tags=mapping_of(TEXT),
    parts=list_of(TEXT),
    used_bytes=INTEGER,
    has_failed=FLAG,
)
SERVER_BAN: Final = tuple_of(ServerBan, mask=_MASK, by=TEXT, at=_TIME, until=_TIME, reason=TEXT)

CLIENT: Final = Record(
    Client,
    {
        "address": TEXT,
        "local_user": TEXT,
        "web_user": TEXT,
        "is_secure": FLAG,
        "is_hook": FLAG,
        "fingerprint": TEXT,
        "resume_token": TEXT,
        "resume_proof": TEXT,
        "state": name_of(ClientState),
        "registration": REGISTRATION.as_constant(NO_REGISTRATION),
        "caps": INTEGER,
        "cap_version": INTEGER,
        "sasl": SASL.as_constant(NO_SASL),
        "password_check": optional(_CHECK),
        "failed_logins": INTEGER,
        "monitoring": mapping_of(TEXT),
        "key": TEXT,
        "is_remote": FLAG,
        "is_waiting": FLAG,
        "open_batch": optional(_OPEN_BATCH),
        "work": INTEGER,
    },
    {
        "tag_caps": _DERIVED,
        "member": _BESIDE,
        "refund": "credited after each line",
        "is_replying": "long replies are completed before the room is saved",
        "is_asking": "as above",
    },
)
"""The attributes of a client; none but `address` and `local_user` has the name of a member's."""

MEMBER: Final = Record(
    Member,
    {
        "address": TEXT,
        "local_user": TEXT,
        "nick": TEXT,
        "user": TEXT,
        "realname": TEXT,
        "host": TEXT,
        "own_host": TEXT,
        "prefix": TEXT,
        "account": TEXT,
        "away": TEXT,
        "oper": TEXT,
        "modes": _LETTERS,
        "accepted": mapping_of(_TIME),
        "absent_since": _TIME,
        "is_auto_away": FLAG,
        "signed_on": _TIME,
        "idle_since": _TIME,
        "channels": _NAMES,
    },
    {
        "clients": _BESIDE,
        "is_registered": "as its clients",
        "folded": _DERIVED,
        "invites": "made of the channels' invitations",
        "read_markers": f"{_BESIDE}, since the members of an account share them",
        "work": "charged to a client after each line",
        "may_have_changed": _COMPARED,
    },
)

CHANNEL: Final = Record(
    Channel,
    {
        "name": TEXT,
        "created": _TIME,
        "topic": optional(_TOPIC),
        "modes": mapping_of(TEXT),
        "is_persistent": FLAG,
        "earlier_status": mapping_of(TEXT),
        "kept_until": _TIME,
    },
    {
        "folded": _DERIVED,
        "members": _BESIDE,
        "access": _BESIDE,
        "lists": _BESIDE,
        "invited": _BESIDE,
        "history": _BESIDE,
        "_memory": "the room's",
        "may_have_changed": _COMPARED,
        "_audience": "made when it is needed",
        "_clients": "made when it is needed",
    },
)

ROOM: Final = Record(
    RoomState,
    {
        "created": _TIME,
        "secret": TEXT,
        "cloak_key": TEXT,
        "read_markers": mapping_of(mapping_of(TEXT)),
        "most_members": INTEGER,
    },
    {
        "level": _BESIDE,
        "settings": "given to the constructor",
        "accounts": _BESIDE,
        "registrations": "the accounts of each address are counted anew",
        "memory": "counted again; see MEMORY",
        "members": _BESIDE,
        "unregistered": _BESIDE,
        "absent": "the members that have no client",
        "ghosts": _BESIDE,
        "channels": _BESIDE,
        "restored": _BESIDE,
        "watchers": "made of the nicks that members monitor",
        "whowas": _BESIDE,
        "server_bans": _BESIDE,
        "private_histories": _BESIDE,
        "ids": _BESIDE,
        "local_ids": "a batch ends with the reply that it is in",
        "host": "the options of the listener have it",
        "entrants": "they are in the log at once",
        "claimants": "they wait, which is saved with the client",
        "on_removal": "the room's",
        "refused_banned": "stays in the totals of the process",
        "returned": "stays in the totals of the process",
        "attached": "stays in the totals of the process",
        "refused_clients": "stays in the totals of the process",
        "not_returned": "stays in the totals of the process",
    },
)

HISTORY: Final = Record(
    History,
    {},
    {
        "_max_lines": "a setting",
        "_memory": "the room's",
        "entries": _BESIDE,
        "bytes": "counted again",
        "is_steady": _DERIVED,
    },
)
PRIVATE_HISTORY: Final = Record(
    PrivateHistory, {}, {"_lines": "a setting", "_memory": "the room's", "conversations": _BESIDE}
)
SERVER_BANS: Final = Record(
    ServerBans, {}, {"by_mask": _BESIDE, "_networks": _DERIVED, "_masks": _DERIVED}
)
MEMORY: Final = Record(
    Memory,
    {},
    {"limit": "a setting", "kept": "counted again", "buffers": "measured every second"},
)
GHOST: Final = Record(
    Ghost,
    {"until": _TIME, "reason": TEXT},
    {
        "claimant": "the claim is given up: a long reply that is completed ends it",
        "kept_bytes": "counted again",
        "_limit": "a setting",
        "_chunks": _BESIDE,
        "_next": "belongs to the claim",
        "is_arrival": "as the claim",
    },
)

RECORDS: Final = (
    *(
        CLIENT,
        MEMBER,
        CHANNEL,
        ROOM,
        HISTORY,
        PRIVATE_HISTORY,
        MEMORY,
        MESSAGE_IDS,
        SERVER_BANS,
        REGISTRATION,
        SASL,
        GHOST,
    ),
)
"""The tables of all classes whose objects make up a room."""
