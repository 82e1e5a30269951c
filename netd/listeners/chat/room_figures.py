"""The figures of a room, for `netd status`."""

from __future__ import annotations

from netd.listeners.chat.room.state import RoomState


def totals_of(state: RoomState) -> dict[str, int]:
    """What has happened in the room since the process started."""
    return {
        "refused_banned": state.refused_banned,
        "returned": state.returned,
        "not_returned": state.not_returned,
        "attached": state.attached,
        "refused_clients": state.refused_clients,
    }


def gauges_of(state: RoomState) -> dict[str, int]:
    """What is in the room at present."""
    return {
        "members": len(state.members),
        "ghosts": len(state.ghosts),
        "absent": len(state.absent),
        "channels": len(state.channels),
        "server_bans": len(state.server_bans),
        "memory": state.memory.used,
    }
