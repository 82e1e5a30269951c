"""Reads the log, and gives its entries to a node for a few milliseconds of each turn.

A host that sends much fills the log; the clients of the other hosts are served between the slices.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from netd.listeners.chat.cluster.engine_replies import read_entries
from netd.listeners.chat.cluster.log_entry import LogEntry
from netd.listeners.chat.cluster.log_position import Position
from netd.listeners.chat.cluster.redis_connection import RedisConnection
from netd.listeners.chat.cluster.resp import Argument, Reply
from netd.runtime.loop import Loop

_BLOCK_S: Final = 1.0
_COUNT: Final = 100
_SLICE_S: float = 0.004


class LogReader:
    """Reads on a connection until that is closed.

    `take(entry)` returns False to end the reading; `on_end()` is called once, when the log was read
    to its end.
    """

    def __init__(
        self,
        loop: Loop,
        connection: RedisConnection,
        log: str,
        *,
        take: Callable[[LogEntry], bool],
        on_end: Callable[[], object],
    ) -> None:
        self._loop = loop
        self._connection = connection
        self._log = log
        self._take, self._on_end = take, on_end
        self._is_at_end = False

    def read(self, after: Position) -> None:
        """Read the entries after a position."""
        options: tuple[Argument, ...] = ("COUNT", _COUNT)
        if self._is_at_end:
            options += ("BLOCK", int(_BLOCK_S * 1000))
        words = ("XREAD", *options, "STREAMS", self._log, str(after))
        self._connection.call(partial(self._on_read, after), *words, timeout_s=_BLOCK_S)

    def _on_read(self, after: Position, reply: Reply) -> None:
        try:
            entries = read_entries(reply)
        except ValueError as error:
            self._connection.close(str(error))
            return
        last = entries[-1].position if entries else after
        self._give(deque(entries), last, is_end=len(entries) < _COUNT)

    def _give(self, entries: deque[LogEntry], last: Position, *, is_end: bool) -> None:
        pause = self._loop.time() + _SLICE_S
        while entries and not self._connection.is_closed:
            if not self._take(entries.popleft()):
                return
            if entries and self._loop.time() >= pause:
                self._loop.call_next_turn(partial(self._give, entries, last, is_end=is_end))
                return
        if is_end and not self._is_at_end and not self._connection.is_closed:
            self._is_at_end = True
            self._on_end()
        if not self._connection.is_closed:
            self.read(last)
