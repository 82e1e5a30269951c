"""Asks sentinels (redis-sentinel) which engine is the master at present."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from netd.listeners.chat.cluster.engine_address import EngineAddress
from netd.listeners.chat.cluster.redis_connection import Credentials, RedisConnection
from netd.listeners.chat.cluster.resp import Reply, ReplyError
from netd.runtime.loop import Loop

FIND_MASTER: Final = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME")
"""The command that a sentinel is sent, without the name of the master."""


def read_master(sentinel: EngineAddress, reply: Reply, name: str) -> EngineAddress:
    """The master of a sentinel's reply to FIND_MASTER. Raises ReplyError if it names none."""
    match reply:
        case [bytes(host), bytes(port)] if port.isdigit():
            return sentinel.at(host.decode(), int(port))
    raise ReplyError(f"no master {name} is known: {reply!s:.200}")


class MasterFinder:
    """One search: it asks one sentinel after the other, until one of them knows the master.

    Calls `on_found(address)` or `on_failed(reason)` once. The master's address has the user, the
    database and the TLS of the sentinel's.
    """

    def __init__(  # noqa: PLR0913 (its callbacks are its interface)
        self,
        loop: Loop,
        sentinels: Sequence[EngineAddress],
        master: str,
        timeout_s: float,
        *,
        on_found: Callable[[EngineAddress], object],
        on_failed: Callable[[str], object],
    ) -> None:
        self._loop = loop
        self._left: Iterator[EngineAddress] = iter(sentinels)
        self._master = master
        self._timeout_s = timeout_s
        self._on_found, self._on_failed = on_found, on_failed
        self._sentinel: EngineAddress
        self._found: EngineAddress | None = None
        self._connection: RedisConnection | None = None
        self._is_cancelled = False
        self._ask_next("there is no sentinel")

    def cancel(self) -> None:
        """Make no call back."""
        self._is_cancelled = True
        if self._connection is not None:
            self._connection.close("cancelled")

    def _ask_next(self, reason: str) -> None:
        sentinel = next(self._left, None)
        if sentinel is None:
            self._on_failed(reason)
            return
        self._sentinel = sentinel
        self._connection = RedisConnection(
            self._loop,
            EngineAddress(sentinel.host, sentinel.port, sentinel.path),
            Credentials(),
            timeout_s=self._timeout_s,
            on_ready=self._ask,
            on_closed=self._on_closed,
        )

    def _ask(self) -> None:
        assert self._connection is not None
        self._connection.call(self._on_reply, *FIND_MASTER, self._master)

    def _on_reply(self, reply: Reply) -> None:
        assert self._connection is not None
        try:
            self._found = read_master(self._sentinel, reply, self._master)
        except ReplyError as error:
            self._connection.close(str(error))
        else:
            self._connection.close("found")

    def _on_closed(self, reason: str) -> None:
        if self._is_cancelled:
            return
        if self._found is not None:
            self._on_found(self._found)
        else:
            self._ask_next(f"{self._sentinel}: {reason}")
