"""Appends lines to a file in a separate thread, so that a disk that hangs delays no client."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final

from netd.listeners.http.options import STDERR

# O_NONBLOCK: opening a FIFO without a reader fails at once.
_APPEND_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
_READ_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
STALLED_S: Final = 3.0  # without progress, until the writer counts as failing


class LogWriter:
    """A bounded queue of lines, and the thread that writes them; it starts with the first lines.

    The methods are for the thread that owns the writer. That thread and the writing one count in
    variables of their own, so no lock is needed.
    """

    def __init__(self, path: str, max_queued_bytes: int) -> None:
        self.path = path
        self.max_queued_bytes = max_queued_bytes
        self._queue: queue.SimpleQueue[Sequence[bytes] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._queued = self._dropped = 0  # bytes passed to the thread; lines dropped before it
        self._done = self._failed = 0  # the thread's: bytes written or lost; lines lost
        self._error = ""  # the thread's: why its last attempt failed
        self._last_done, self._progress_at = 0, time.monotonic()

    @property
    def lost(self) -> int:
        """The number of lines that could not be written, or did not fit in the queue."""
        return self._dropped + self._failed

    @property
    def is_finished(self) -> bool:
        """Whether the thread has ended, after `close`, or was not needed."""
        return self._thread is None or not self._thread.is_alive()

    def write(self, lines: Sequence[bytes]) -> None:
        """Queue lines, which end with a line feed, for the thread. Returns at once."""
        size = sum(map(len, lines))
        if self._queued - self._done + size > self.max_queued_bytes or not self._has_thread():
            self._dropped += len(lines)
            return
        self._queued += size
        self._queue.put(lines)

    def failure(self) -> str:
        """Why lines are not being written, at a check each second; empty if they are."""
        now, done = time.monotonic(), self._done
        if done == self._queued or done != self._last_done:
            self._last_done, self._progress_at = done, now
        stalled_s = now - self._progress_at
        return f"a write takes more than {STALLED_S:g} s" if stalled_s > STALLED_S else self._error

    def close(self, within_s: float = 0.0) -> None:
        """End the thread once it has written all lines; wait at most `within_s` seconds for it."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(within_s)

    def _has_thread(self) -> bool:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="access-log", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no process or memory is left
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        while (lines := self._queue.get()) is not None:
            try:
                self._append(lines)
                self._error = ""
            except OSError as error:
                self._error = error.strerror or str(error)
            self._done += sum(map(len, lines))

    def _append(self, lines: Sequence[bytes]) -> None:
        """Write lines. The file is opened each time, so it may be rotated at any time."""
        data, start = b"".join(lines), 0
        if self._error and _is_torn(self.path):
            data = b"\n" + data
        try:
            with _opened(self.path) as fd:
                is_regular = stat.S_ISREG(os.fstat(fd).st_mode)
                while start < len(data):
                    end = len(data) if is_regular else _end_of_block(data, start)
                    start += _write(fd, data[start:end])
        except OSError:
            self._failed += min(len(lines), data.count(b"\n", start))
            raise


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    if path == STDERR:
        yield 2
        return
    fd = os.open(path, _APPEND_FLAGS, 0o640)
    try:
        yield fd
    finally:
        os.close(fd)


def _write(fd: int, data: bytes) -> int:
    """Write some of the data, when the reader of a pipe has made room for it."""
    while True:
        try:
            return os.write(fd, data)
        except BlockingIOError:
            writable = select.poll()
            writable.register(fd, select.POLLOUT)
            writable.poll()


def _is_torn(path: str) -> bool:
    """Whether a file ends within a line: a full disk can take a part of a line."""
    if path == STDERR:
        return False
    try:
        with open(path, "rb", opener=lambda name, _flags: os.open(name, _READ_FLAGS)) as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:  # a pipe, a directory, an empty file, or one that cannot be read
        return False


def _end_of_block(data: bytes, start: int) -> int:
    """The end of the lines that a pipe takes atomically (PIPE_BUF, pipe(7)), or of the first one.

    The lines of several processes are then not mixed. No line is so long that the journal would
    split it: a client could choose how the second part begins.
    """
    end = data.rfind(b"\n", start, start + select.PIPE_BUF) + 1
    return end or data.index(b"\n", start) + 1
