"""The two connections of a node to its engine: one appends to the log, and the other one reads it.

If one of them is lost, the other one is closed as well, and both are made again after a pause. With
sentinels, the master that they name is the engine. An engine that does not execute all commands
counts as one that cannot be reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from netd.listeners.chat.cluster.engine_address import EngineAddress
from netd.listeners.chat.cluster.engine_contract import EngineSettings
from netd.listeners.chat.cluster.engine_replies import read_run_id
from netd.listeners.chat.cluster.master_finder import MasterFinder
from netd.listeners.chat.cluster.permissions import TRY, describe_refused
from netd.listeners.chat.cluster.redis_connection import RedisConnection
from netd.listeners.chat.cluster.resp import Reply
from netd.listeners.chat.cluster.scripts import ALL, Keys
from netd.runtime.loop import Loop, Timer

_RETRY_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)  # the pauses before the attempts to connect


class EngineLink:
    """Connects until it is closed.

    `on_connected(writer, run_id)` is called when the connection that appends may be used, and the
    engine has the scripts; then `open_reader` may be called. `on_lost(reason)` is called when a
    connection was lost, or could not be made.
    """

    def __init__(
        self,
        loop: Loop,
        settings: EngineSettings,
        on_connected: Callable[[RedisConnection, bytes], object],
        on_lost: Callable[[str], object],
    ) -> None:
        self._loop = loop
        self._settings = settings
        self._on_connected, self._on_lost = on_connected, on_lost
        self._credentials = settings.credentials
        self._address = settings.addresses[0]
        self.writer: RedisConnection | None = None
        """The connection that appends."""
        self.reader: RedisConnection | None = None
        """The connection that reads."""
        self._attempts = 0
        self._retry: Timer | None = None
        self._finder: MasterFinder | None = None
        self._is_closing = False
        self._on_closed: Callable[[], object] | None = None

    def connect(self) -> None:
        """Connect to the engine, or to the next one of its addresses."""
        settings = self._settings
        if not settings.master:
            self._open_writer(settings.addresses[self._attempts % len(settings.addresses)])
            return
        self._finder = MasterFinder(
            self._loop,
            settings.addresses,
            settings.master,
            settings.timeout_s,
            on_found=self._open_writer,
            on_failed=self._connect_later,
        )

    def open_reader(self, on_ready: Callable[[RedisConnection], object]) -> None:
        """Open the connection that reads."""
        reader = self._open(lambda: on_ready(reader))
        self.reader = reader

    def use_password(self, password: str) -> None:
        """Log in with another password the next time."""
        self._credentials = replace(self._credentials, password=password)

    def note_success(self) -> None:
        """Make the next pause a short one: the engine does what it should."""
        self._attempts = 0

    def fail(self, reason: str) -> None:
        """End both connections, to begin anew."""
        if self.writer is not None:
            self.writer.close(reason)

    def release(self) -> None:
        """Read no more, and connect no more; the connection that appends stays until `fail`."""
        self._is_closing = True
        for attempt in (self._retry, self._finder):
            if attempt is not None:
                attempt.cancel()
        if self.reader is not None:
            self.reader.close("closed")

    @property
    def is_closed(self) -> bool:
        """Whether it connects no more, and there is no connection."""
        return self._is_closing and (self.writer is None or self.writer.is_closed)

    def when_closed(self, on_closed: Callable[[], object]) -> None:
        """Call back once as soon as it is closed, which can be now."""
        if self.is_closed:
            on_closed()
        else:
            self._on_closed = on_closed

    def _open_writer(self, address: EngineAddress) -> None:
        self._address = address
        writer = self._open(lambda: self._prepare(writer))
        self.writer = writer

    def _prepare(self, writer: RedisConnection) -> None:
        for script in (TRY, *ALL):
            writer.call(writer.expect_success, "SCRIPT", "LOAD", script.text)
        writer.run(self._check_permitted, TRY, Keys(self._settings.name))
        writer.call(partial(self._on_info, writer), "INFO", "server")

    def _check_permitted(self, reply: Reply) -> None:
        if fault := describe_refused(reply):
            self.fail(fault)

    def _on_info(self, writer: RedisConnection, reply: Reply) -> None:
        if run_id := read_run_id(reply):
            self._on_connected(writer, run_id)
        else:
            self.fail(f"no run id: {reply!s:.200}")

    def _open(self, on_ready: Callable[[], object]) -> RedisConnection:
        return RedisConnection(
            self._loop,
            self._address,
            self._credentials,
            timeout_s=self._settings.timeout_s,
            on_ready=on_ready,
            on_closed=self._on_connection_closed,
        )

    def _on_connection_closed(self, reason: str) -> None:
        if self._is_closing:
            on_closed = self._on_closed
            if self.is_closed and on_closed is not None:
                self._on_closed = None
                on_closed()
            return
        writer, self.writer = self.writer, None
        reader, self.reader = self.reader, None
        for connection in (writer, reader):
            if connection is not None:
                connection.close(reason)
        if self._retry is None or not self._retry.is_live:
            self._connect_later(f"{self._address}: {reason}")

    def _connect_later(self, reason: str) -> None:
        self._on_lost(reason)
        if self._is_closing:
            return
        delay_s = _RETRY_S[min(self._attempts, len(_RETRY_S) - 1)]
        self._attempts += 1
        self._retry = self._loop.call_later(delay_s, self.connect)
