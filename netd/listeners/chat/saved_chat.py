"""The state of a whole chat service as plain data: its room, its sessions, and the rest.

The room and the sessions are separate: a session refers to its client by the number of the member.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from netd.listeners.chat.channel_store import UNWRITTEN
from netd.listeners.chat.cluster.engine_state import ENGINE, RoomPlace
from netd.listeners.chat.gatekeeper import THROTTLE
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.saved_room import load_room
from netd.listeners.chat.room.settings import RoomSettings
from netd.listeners.chat.room.state import RoomState
from netd.listeners.chat.saved_session import SavedSession
from netd.listeners.logins.password_verifier import VERIFIER
from netd.listeners.proxy_headers import SavedProxied
from netd.protocols.record import (
    BYTES,
    list_of,
    load_flag,
    load_list,
    load_mapping,
    load_text,
    mapping_of,
    optional,
    refuse_malformed,
)
from netd.protocols.saved_record import load_record
from netd.protocols.token_bucket import TokenBucket


@dataclass(frozen=True, slots=True)
class SavedChat:
    """A chat service that another process has saved, checked: its clients have no connection."""

    room: RoomState
    sessions: list[SavedSession]
    proxied: list[SavedProxied]
    """The connections whose PROXY protocol header has not come."""
    throttle: Mapping[object, TokenBucket]
    verifier: Mapping[str, Any] | None
    unwritten: Mapping[str, Any] | None
    is_snapshot: bool
    """Whether it was saved while the process went on, which has then ended: message ids that come
    later than these may be in use."""
    engine: Mapping[str, Any] | None
    """The engine of a node of a room on several hosts."""
    node: str
    """The name of that node; empty in states of earlier versions."""
    place: RoomPlace | None
    """The place of the room; None in states of earlier versions."""
    held: Mapping[str, list[bytes]]
    """The lines that wait for earlier ones to be in the log, by the client's key."""

    @classmethod
    def load(cls, data: object, settings: RoomSettings, now: float) -> Self:
        """Check saved data, and make the objects of it. Raises StateError."""
        with refuse_malformed("chat"):
            saved = load_mapping(data)
            room = load_room(saved["room"], settings, now)
            rows = load_list(saved["sessions"])
            for later in ("further_sessions", "web_sessions"):  # unknown to earlier versions
                rows = rows + load_list(saved.get(later, []))
            sessions = [SavedSession.load(row, room.members) for row in rows]
            proxied = [
                load_record(SavedProxied, row) for row in load_list(saved.get("proxied", []))
            ]
            _check_distinct(room.state, sessions, proxied)
            return cls(
                room.state,
                sessions,
                proxied,
                THROTTLE.load(saved["throttle"]),
                optional(VERIFIER).load(saved["verifier"]),
                optional(UNWRITTEN).load(saved["unwritten"]),
                load_flag(saved["is_snapshot"]),
                optional(ENGINE).load(saved.get("engine")),
                load_text(saved.get("node", "")),
                _load_place(saved.get("place")),
                mapping_of(list_of(BYTES)).load(saved.get("held", {})),
            )

    def lost(self, connected: set[Client]) -> dict[Client, bytes]:
        """The clients without a connection, with the lines that they have not got."""
        unsent = {session.client: session.unsent_lines() for session in self.sessions}
        clients = self.room.clients()
        here = (client for client in clients if not client.is_remote)
        return {client: unsent.get(client, b"") for client in here if client not in connected}


def _load_place(data: object) -> RoomPlace | None:
    return None if data is None else load_record(RoomPlace, data)


def _check_distinct(
    room: RoomState, sessions: list[SavedSession], proxied: list[SavedProxied]
) -> None:
    clients = [session.client for session in sessions]
    descriptors = [session.descriptor for session in sessions]
    descriptors += [waiting.descriptor for waiting in proxied]
    if len({*clients}) < len(sessions) or len({*descriptors}) < len(descriptors):
        raise ValueError("a client or a descriptor has several sessions")
    if any(client in room.ghosts for client in clients):
        raise ValueError("a client with a session has no connection")
