"""The figures of a room and its sessions, for `netd status` and for the limit of the memory."""

from __future__ import annotations

from collections.abc import Iterable

from netd.listeners.chat.room.memory import CLIENT_BYTES, MARKER_BYTES
from netd.listeners.chat.room.state import RoomState
from netd.listeners.chat.session import Session


def memory_of(session: Session) -> int:
    """The estimated memory of a connection, with its queues."""
    client = session.client
    names = len(client.monitoring)
    begun = client.open_batch.kept_bytes if client.open_batch else 0
    return CLIENT_BYTES + MARKER_BYTES * names + session.buffered_bytes + begun


def buffers_of(state: RoomState, sessions: Iterable[Session]) -> int:
    """The estimated memory of all clients, those that have lost their connection included."""
    kept = sum(CLIENT_BYTES + ghost.kept_bytes for ghost in state.ghosts.values())
    return kept + state.people_bytes() + sum(map(memory_of, sessions))


def totals_of(state: RoomState) -> dict[str, int]:
    """The totals of this process's clients since it started."""
    return {
        "refused_banned": state.refused_banned,
        "returned": state.returned,
        "not_returned": state.not_returned,
        "attached": state.attached,
        "refused_clients": state.refused_clients,
    }


def gauges_of(state: RoomState) -> dict[str, int]:
    """The places that are kept for lost clients of this process, and its bytes of memory."""
    return {"ghosts": len(state.ghosts), "memory": state.memory.used}


def shared_of(state: RoomState) -> dict[str, int]:
    """Numbers of members, channels and bans in the room, which all workers of a listener share."""
    return {
        "members": len(state.members),
        "absent": len(state.absent),
        "channels": len(state.channels),
        "server_bans": len(state.server_bans),
    }
