"""The thread that answers queries. A query that takes too long fails; the loop never waits."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from netd.listeners.chat.room.storage import Query, QueryFailedError
from netd.listeners.chat.storage.path_uri import path_uri
from netd.listeners.chat.storage.tables import answer
from netd.listeners.chat.storage.writer import Writer
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

_log = logging.getLogger("netd")
TIMEOUT_S: Final = 2.0
MAX_WAITING: Final = 64
_BUSY_S: Final = 1.0

OnResult = Callable[[Any], object]
"""Gets the result of a query, or a QueryFailedError."""


@dataclass(slots=True)
class _Request:
    """A query that waits for its answer."""

    query: Query[Any]
    changes: int
    """The number of changes that are made before it is answered."""
    until: float
    on_result: OnResult | None
    """None when the result is not awaited any more."""
    result: object = None

    def finish(self, result: object) -> None:
        on_result, self.on_result = self.on_result, None
        if on_result is not None:
            on_result(result)


class Reader:
    """One thread and the queue of its queries; results come back in the loop."""

    def __init__(self, loop: Loop, path: str, writer: Writer) -> None:
        """`writer` writes the same file: its earlier changes are in the results."""
        self._loop = loop
        self._path = path
        self._writer = writer
        self._pending: deque[_Request] = deque()
        self._to_answer: deque[_Request] = deque()
        self._answered: deque[_Request] = deque()
        self._work = threading.Semaphore(0)
        self._connection: sqlite3.Connection | None = None
        self._file = 0  # `Writer.files` of the connection
        self._has_reported = False  # an unexpected value in the file
        self._is_closing = False
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        loop.watch(self._wakeup, READ, self._on_answers)
        self.failed = 0
        """The number of queries that had no answer."""
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._thread.start()

    def ask(self, query: Query[Any], on_result: OnResult) -> None:
        """Call `on_result` in a later turn of the loop."""
        until = time.monotonic() + TIMEOUT_S
        request = _Request(query, self._writer.queued, until, on_result)
        if len(self._to_answer) >= MAX_WAITING or self._is_closing:
            request.result = QueryFailedError("too many queries wait")
            self._loop.call_next_turn(lambda: self._finish(request))
            return
        if not self._pending:
            self._loop.call_later(TIMEOUT_S, self._check_time_out)
        self._pending.append(request)
        self._to_answer.append(request)
        self._work.release()

    def close(self) -> None:
        """Fail the queries that have no answer, and end the thread when its query is done."""
        if self._is_closing:
            return
        self._is_closing = True
        self._loop.unwatch(self._wakeup)  # the thread closes it
        self._interrupt()
        self._work.release()
        while self._pending:
            self._fail(self._pending.popleft(), "the file is being closed")

    @property
    def is_closed(self) -> bool:
        """Whether the thread has ended."""
        return not self._thread.is_alive()

    def _on_answers(self, _mask: int) -> None:
        with contextlib.suppress(BlockingIOError):  # the event was of a closed one with this number
            os.eventfd_read(self._wakeup)
        while self._answered:
            self._finish(self._answered.popleft())
        self._drop_finished()

    def _finish(self, request: _Request) -> None:
        self.failed += (
            isinstance(request.result, QueryFailedError) and request.on_result is not None
        )
        request.finish(request.result)

    def _fail(self, request: _Request, reason: str) -> None:
        request.result = QueryFailedError(reason)
        self._finish(request)

    def _drop_finished(self) -> None:
        while self._pending and self._pending[0].on_result is None:
            self._pending.popleft()

    def _check_time_out(self) -> None:
        now = time.monotonic()
        while self._pending and (
            self._pending[0].on_result is None or self._pending[0].until <= now
        ):
            request = self._pending.popleft()
            if request.on_result is not None:
                self._interrupt()
                self._fail(request, "the database does not answer")
        if self._pending:
            self._loop.call_later(self._pending[0].until - now, self._check_time_out)

    def _interrupt(self) -> None:
        """End the statement that the thread executes."""
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(sqlite3.ProgrammingError):  # it was closed meanwhile
                connection.interrupt()

    # The thread.

    def _run(self) -> None:
        while self._work.acquire() and not self._is_closing:
            request = self._to_answer.popleft()
            if request.on_result is not None:
                request.result = self._answer(request)
                self._answered.append(request)
                os.eventfd_write(self._wakeup, 1)
        self._close_connection()
        os.close(self._wakeup)

    def _answer(self, request: _Request) -> object:
        if not self._writer.await_written(request.changes, request.query.awaits, request.until):
            return QueryFailedError("the database is not written")
        try:
            connection = self._open()
            connection.execute("BEGIN")
            with connection:
                return answer(connection, request.query)
        except sqlite3.Error as error:
            self._close_connection()
            return QueryFailedError(str(error))
        except Exception as error:  # noqa: BLE001 (a row can be any; the thread goes on)
            if not self._has_reported:
                _log.error("chat: %s: %s", self._path, traceback.format_exc())
            self._has_reported = True
            self._close_connection()
            return QueryFailedError(str(error))

    def _open(self) -> sqlite3.Connection:
        if self._file != self._writer.files:
            self._close_connection()
        if self._connection is None:
            self._file = self._writer.files
            self._connection = sqlite3.connect(
                path_uri(self._path, "ro"),
                uri=True,
                timeout=_BUSY_S,
                isolation_level=None,
                check_same_thread=False,  # for `interrupt`
            )
        return self._connection

    def _close_connection(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(sqlite3.Error):
                connection.close()
