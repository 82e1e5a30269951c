"""The thread that writes changes to the database.

A slow disk does not delay the chat. Changes that cannot be written now (disk full, file locked)
wait and are tried again; when too many wait, further ones are lost and counted. A damaged file is
moved aside, and a missing file is created again.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Final

from netd.listeners.chat.room.storage import Change
from netd.listeners.chat.storage.file import (
    BUSY_S,
    DatabaseFile,
    is_damage,
    is_lock,
    move_aside,
)
from netd.listeners.chat.storage.schema import NewerVersionError
from netd.listeners.chat.storage.tables import write_changes

STALLED_S: Final = 2 * BUSY_S  # a write that takes longer waits for a disk, not for a lock
CHECK_S: Final = 1.0  # the period in which the thread checks that the file still exists
RETRY_S: Final = 0.5
GATHER_S: Final = 0.01  # changes in this time are one transaction
MAX_WAITING: Final = 20_000
_MAX_BATCH: Final = 1000
_TIDY_S: Final = 0.05  # between two steps of other work
_OPENING: Final = 1
"""The number of the first change: the opening of the file."""
Awaits = Callable[[Change], bool]
"""Whether a query can depend on a change."""
Tidy = Callable[[sqlite3.Connection], bool]
"""Does a small step of other work within a transaction; returns whether there is more."""

_log = logging.getLogger("netd")


class Writer:
    """One thread and the queue of its changes."""

    def __init__(self, path: str, tidy: Tidy) -> None:
        self.path = path
        self._tidy = tidy
        self._waiting: deque[Change] = deque()
        self._batch: list[Change] = []  # the thread's: not written yet
        self._file: DatabaseFile | None = None  # the thread's
        self._is_connected = False  # the thread's
        self._error = ""  # the thread's: why its last write failed
        self._writing_since: float | None = None  # the thread's
        self._wakeup = threading.Event()
        self._hurry = threading.Event()
        self._closing = threading.Event()
        self._gives_up = False
        self._is_locked = False  # the thread's: whether its last write waited for a lock
        self._dropped = 0  # the loop's
        self._failed = 0  # the thread's
        self._taken = _OPENING  # the thread's
        self._written = 0
        self._lock = threading.Condition()  # of `_batch` and `_written`
        self.queued = self._taken
        """The number of changes so far."""
        self.must_repeat = threading.Event()
        """Set when changes were lost, or the file with all earlier changes: the present state is to
        be written again."""
        self.files = 0
        """How many files the thread has opened: after a change readers open the file again."""
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str:
        """Why nothing is written at present; empty if writes succeed."""
        since = self._writing_since
        if since is not None and time.monotonic() - since > STALLED_S:
            return f"chat: {self.path}: a write takes more than {STALLED_S:g} s"
        return self._error

    @property
    def written(self) -> int:
        """The number of changes that are written, or lost."""
        return self._written

    @property
    def lost(self) -> int:
        """The number of changes that could not be written."""
        return self._dropped + self._failed

    def put(self, change: Change) -> None:
        """Write a change soon."""
        if len(self._waiting) >= MAX_WAITING:
            self._dropped += 1
            self.must_repeat.set()
            return
        self.queued += 1
        self._waiting.append(change)
        if not self._wakeup.is_set():
            self._wakeup.set()

    def await_written(self, count: int, awaits: Awaits, until: float) -> bool:
        """Wait for those of the first `count` changes that are awaited; not in the loop's thread.

        Returns whether they are written.
        """
        with self._lock:
            last = self._last_awaited(count, awaits)
            if self._written < last:
                self._hurry.set()
                left = max(0.0, until - time.monotonic())
                self._lock.wait_for(lambda: self._written >= last, left)
            return self._written >= last

    def _last_awaited(self, count: int, awaits: Awaits) -> int:
        """The number of the last awaited change among the first `count`; under the lock."""
        first = self._taken - len(self._batch) + 1
        unwritten = [*self._batch, *self._waiting][: max(0, count - first + 1)]
        for number in range(first + len(unwritten) - 1, first - 1, -1):
            if awaits(unwritten[number - first]):
                return number
        return _OPENING

    def try_close(self) -> bool:
        """Begin to close, without waiting; return whether the file is closed."""
        self._closing.set()
        self._hurry.set()
        self._wakeup.set()
        return not self._thread.is_alive()

    def take_unwritten(self) -> list[Change]:
        """The changes that are not written, or perhaps not; the thread ends soon."""
        self._gives_up = True
        self.try_close()
        with self._lock:
            return [*self._batch, *self._waiting]

    def close(self, within_s: float) -> None:
        """Wait until the changes are written, but at most `within_s`."""
        self.try_close()
        self._thread.join(within_s)
        self._gives_up = True

    def _run(self) -> None:
        has_more = False  # to tidy
        self._write_batch()  # opens the file
        while not self._gives_up:
            if self._error:
                self._closing.wait(RETRY_S)
            self._gather(0 if self._error else _TIDY_S if has_more else CHECK_S)
            self._check_file()
            if self._batch or self._error:
                self._write_batch()
                if self._error and self._closing.is_set() and not self._is_locked:
                    break  # it is not worth waiting for
            elif self._closing.is_set():
                break
            has_more = not self._waiting and self._do_tidy()
        self._close_file()

    def _gather(self, within_s: float) -> None:
        """Wait for changes, and take those of the next transaction."""
        if self._wakeup.wait(within_s) and not self._closing.is_set():
            self._hurry.wait(GATHER_S)
        self._hurry.clear()
        self._wakeup.clear()
        with self._lock:
            while self._waiting and len(self._batch) < _MAX_BATCH:
                self._batch.append(self._waiting.popleft())
                self._taken += 1
        if self._waiting or self._closing.is_set():
            self._wakeup.set()

    def _check_file(self) -> None:
        """Give up a file that is not the one at the path any more."""
        if self._file is None:
            return
        if self._file.is_gone():
            _log.warning("chat: %s: the file was removed; it is written anew", self.path)
            self._begin_anew()
        elif self._file.is_overwritten():
            self._replace("file is not a database")

    def _write_batch(self) -> None:
        self._writing_since = time.monotonic()
        try:
            self._transact(lambda connection: write_changes(connection, self._batch))
        except NewerVersionError as error:
            self._fail(error)
            self._drop_batch()
        except sqlite3.OperationalError as error:  # locked, no directory, disk full
            self._is_locked = is_lock(error)
            self._fail(error)
        except sqlite3.Error as error:
            if is_damage(error):
                self._replace(error)
            else:
                _log.error("chat: %s: %s; these changes are lost", self.path, error)
                self._drop_batch()
        except Exception:  # noqa: BLE001 (SQLite does not take each value; the thread goes on)
            _log.error("chat: %s: %s", self.path, traceback.format_exc())
            self._drop_batch()
        else:
            self._succeed()
        self._writing_since = None

    def _transact(self, work: Callable[[sqlite3.Connection], object]) -> object:
        if self._file is None:
            self._file = DatabaseFile(self.path)
            self.files += 1
        elif not self._is_connected:
            self._file.reconnect()
            self.files += 1
        self._is_connected = True
        connection = self._file.connection
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            return work(connection)

    def _succeed(self) -> None:
        if self._error:
            _log.info("chat: %s: history is written again", self.path)
            self._error = ""
        self._end_batch()

    def _fail(self, error: Exception) -> None:
        self._disconnect()
        before, self._error = self._error, f"chat: {self.path}: {error}; nothing is written"
        if not before:
            _log.warning("%s", self._error)

    def _drop_batch(self) -> None:
        self._failed += len(self._batch)
        self.must_repeat.set()
        self._end_batch()

    def _end_batch(self) -> None:
        with self._lock:
            self._written = self._taken
            self._batch = []
            self._lock.notify_all()

    def _replace(self, error: object) -> None:
        is_known = self._file is None or not self._file.is_gone()  # by no other worker
        self._close_file()
        if is_known:
            move_aside(self.path, error)
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._close_file()
        self.must_repeat.set()

    def _do_tidy(self) -> bool:
        if self._file is None:
            return False
        try:
            return bool(self._transact(self._tidy))
        except sqlite3.Error:  # the next write reports it
            self._disconnect()
            return False

    def _disconnect(self) -> None:
        if self._file is not None:
            self._file.disconnect()
            self._is_connected = False

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
