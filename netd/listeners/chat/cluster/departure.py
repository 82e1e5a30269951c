"""Leaves the room in which an earlier process was a node, if this one is not in that room.

That is so when the key `cluster` was removed, or names another room or engine. The earlier process
cannot leave itself: it does not know whether the next one continues its node.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from netd.errors import ConfigError
from netd.listeners.chat.cluster.engine_contract import EngineSettings
from netd.listeners.chat.cluster.engine_link import EngineLink
from netd.listeners.chat.cluster.engine_state import RoomPlace
from netd.listeners.chat.cluster.redis_connection import RedisConnection
from netd.listeners.chat.cluster.resp import Reply, ReplyError
from netd.listeners.chat.cluster.room_place import engine_settings, options_of
from netd.listeners.chat.cluster.scripts import LEAVE, Keys
from netd.runtime.loop import Loop

MOVED: Final = "its server has left this chat"

_log = logging.getLogger("netd")


def leave_room(loop: Loop, place: RoomPlace, node: str, saved: Mapping[str, Any]) -> None:
    """Remove a node from the room at a place; its members there leave.

    `saved` is what its engine has saved. A node that another process has continued stays.
    """
    try:
        settings = engine_settings(options_of(place), 0)
    except ConfigError as error:
        _log.warning("chat: the earlier room is left at the deadline: %s", error)
    else:
        _Departure(loop, settings, node, saved["incarnation"])


class _Departure:
    """Tries it once: after the deadline, the other hosts remove the node."""

    def __init__(self, loop: Loop, settings: EngineSettings, node: str, incarnation: str) -> None:
        self._words = (node, incarnation, MOVED)
        self._keys = Keys(settings.name)
        self._link = EngineLink(loop, settings, self._on_connected, self._on_lost)
        self._link.connect()

    def _on_connected(self, writer: RedisConnection, run_id: bytes) -> None:
        del run_id
        writer.run(self._on_left, LEAVE, self._keys, *self._words)

    def _on_left(self, reply: Reply) -> None:
        if not isinstance(reply, ReplyError):
            self._link.release()
            _log.info("chat: the earlier room is left")
        self._link.fail(str(reply))

    def _on_lost(self, reason: str) -> None:
        _log.warning("chat: the earlier room is left at the deadline: %s", reason)
        self._link.release()
