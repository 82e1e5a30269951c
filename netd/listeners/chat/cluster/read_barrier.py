"""Reads that wait until all that was in the log when they were requested is applied.

A member that is answered on one host can tell another member on another host, which then must not
read an older state. The barrier asks the engine for the number of the log's last entry. While the
engine cannot be reached, reads do not wait.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from netd.listeners.chat.cluster.resp import Reply

OnCurrent = Callable[[], object]
Ask = Callable[[Callable[[Reply], object]], object]


class ReadBarrier:
    """The reads that wait, in the order in which they were requested."""

    def __init__(self) -> None:
        self._asked: dict[int, OnCurrent] = {}  # the engine has not replied
        self._waiting: list[tuple[int, OnCurrent]] = []  # with the number that they need
        self._next = 0
        self._applied = 0

    def wait(self, ask: Ask, on_current: OnCurrent) -> None:
        """Call back when all is applied that is in the log now; `ask` requests its last number."""
        self._next += 1
        self._asked[self._next] = on_current
        ask(partial(self._on_reply, self._next))

    def _on_reply(self, key: int, reply: Reply) -> None:
        on_current = self._asked.pop(key, None)
        if on_current is None:
            return
        number = int(reply) if isinstance(reply, bytes) and reply.isdigit() else 0
        if number <= self._applied:
            on_current()
        else:
            self._waiting.append((number, on_current))

    def on_applied(self, number: int) -> None:
        """Call back the reads that waited for entries up to this one."""
        self._applied = number
        while self._waiting and self._waiting[0][0] <= number:
            self._waiting.pop(0)[1]()

    def release_all(self) -> None:
        """Let all reads go on: the engine cannot be reached."""
        callbacks = [*self._asked.values(), *(callback for _, callback in self._waiting)]
        self._asked.clear()
        self._waiting.clear()
        for on_current in callbacks:
            on_current()
