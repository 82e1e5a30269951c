"""The room as a host saves it for the others, without what concerns single connections."""

from __future__ import annotations

import json
from typing import Any, Final

from netd.listeners.chat.room.room_records import CLIENT
from netd.listeners.chat.room.saved_room import load_room, save_room
from netd.listeners.chat.room.settings import RoomSettings
from netd.listeners.chat.room.state import RoomState
from netd.protocols.record import load_mapping, refuse_malformed

_OF_A_REMOTE_CLIENT: Final = {
    *("address", "local_user", "is_secure", "fingerprint", "state", "caps", "key"),
    "open_batch",
}
_LOCAL: Final = CLIENT.saved.keys() - _OF_A_REMOTE_CLIENT - {"is_remote"}


def save_shared(room: RoomState) -> bytes:
    """The members, channels and histories, as JSON; all clients are remote ones."""
    saved = save_room(room)
    present = len(saved["nicks"])  # members that are registering come after those
    rows = [_without_local(row) for row in saved["members"][:present]]
    changes = {"members": rows, "unregistered": [], "ghosts": [], "further_ghosts": []}
    return json.dumps({**saved, **changes}, separators=(",", ":")).encode()


def _without_local(row: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in row.items() if key not in _LOCAL}
    kept["is_remote"] = True
    kept["clients"] = [_without_local(further) for further in row.get("clients", ())]
    return kept


def load_shared(data: bytes, settings: RoomSettings, now: float) -> RoomState:
    """Make a room of saved data. Raises StateError if it is malformed."""
    with refuse_malformed("the snapshot of the room"):
        saved = load_mapping(json.loads(data))
    return load_room(saved, settings, now).state
