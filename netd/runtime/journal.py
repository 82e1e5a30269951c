"""Sends log records to systemd's journal with fields, or to standard error.

Under systemd, records use the journal's native protocol, with PRIORITY and LISTENER as fields
(`journalctl -u netd LISTENER=web`). If the journal's socket is missing but standard error leads
to the journal, lines begin with the priority, `<3>` (sd-daemon(3)). Elsewhere lines have the
time, the process, the level from WARNING on, and the message.

Bytes from a client cannot forge a line: control characters are escaped, and continuation lines
of a record are indented.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import select
import socket
import struct
import sys
import time
import traceback
from collections import deque
from typing import Final

JOURNAL_SOCKET: Final = "/run/systemd/journal/socket"
_IDENTIFIER: Final = "netd"
_MAX_QUEUED: Final = 1000  # records that wait for the journal or for the reader of stderr
_CLOSE_S: Final = 0.2  # at the end of a process, for records that are queued
_CLOSE_RETRY_S: Final = 0.005
_MAX_MESSAGE_BYTES: Final = 48 * 1024  # a datagram must hold it
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PRIORITIES: Final = (  # syslog(3); the first level that is not above the record's
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.NOTSET, 7),
)


def configure_logging(level: int = logging.INFO) -> None:
    """Send netd's records to the journal, if standard error leads there, else to standard error."""
    log = logging.getLogger("netd")
    log.setLevel(level)
    log.propagate = False
    log.handlers[:] = [_choose_handler()]


def is_native() -> bool:
    """Whether records go to the journal by its native protocol, with the listener as a field."""
    handlers = logging.getLogger("netd").handlers
    return any(isinstance(handler, JournalHandler) for handler in handlers)


def flush_log() -> None:
    """Write the log records that the journal or the reader of stderr has not accepted so far."""
    for handler in logging.getLogger("netd").handlers:
        handler.flush()


def name_listener(name: str) -> None:
    """Add the listener's name to all further records of this process."""
    for handler in logging.getLogger("netd").handlers:
        if isinstance(handler, _QueueHandler):
            handler.listener = name


def listener_name() -> str:
    """The name that `name_listener` added; "" in the supervisor."""
    handlers = logging.getLogger("netd").handlers
    named = (handler.listener for handler in handlers if isinstance(handler, _QueueHandler))
    return next(named, "")


def log_unexpected(error: Exception) -> None:
    """Log an exception in one line, with the place in netd's code that it comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/netd/" in frame.filename] or frames
    where = f"{ours[-1].filename.rpartition('/netd/')[2]}:{ours[-1].lineno}" if ours else "?"
    text = "unexpected error at %s: %s: %s"
    logging.getLogger("netd").error(text, where, type(error).__name__, error)


class _QueueHandler(logging.Handler):
    """Writes without blocking, and never raises.

    A record that cannot be written now waits in a bounded queue. If the queue is full, records
    are dropped and counted, and the number is logged when records can be written again.
    """

    listener = ""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0
        """The number of records dropped since the last one was written."""
        self._queue: deque[bytes] = deque()
        self._owner = os.getpid()

    def emit(self, record: logging.LogRecord) -> None:
        self.flush()
        if len(self._queue) < _MAX_QUEUED:
            self._queue.append(self._encode(record))
            self.flush()
        else:
            self.lost += 1

    def flush(self) -> None:
        """Write the records that wait, as far as that does not block."""
        if self._owner != os.getpid():
            self._after_fork()
        try:
            while self._queue:
                rest = self._write(self._queue[0])
                if rest:
                    self._queue[0] = rest
                else:
                    self._queue.popleft()
                    self._report_lost()
        except BlockingIOError:
            return
        except OSError:  # the reader has gone, or the disk is full
            self.lost += len(self._queue)
            self._queue.clear()

    def close(self) -> None:
        """Wait a moment until the queued records are written: the process ends."""
        deadline = time.monotonic() + _CLOSE_S
        while self._queue and self._owner == os.getpid() and time.monotonic() < deadline:
            time.sleep(_CLOSE_RETRY_S)
            self.flush()
        super().close()

    def _report_lost(self) -> None:
        if self.lost and not self._queue:
            text, self.lost = f"{self.lost} log records were lost", 0
            record = logging.LogRecord("netd", logging.WARNING, "", 0, text, None, None)
            self._queue.append(self._encode(record))

    def _after_fork(self) -> None:
        """Drop the records that wait: the parent writes them."""
        self._owner, self.lost = os.getpid(), 0
        self._queue.clear()

    def _encode(self, record: logging.LogRecord) -> bytes:
        raise NotImplementedError

    def _write(self, data: bytes) -> bytes:
        """Write some of the data and return the rest. Raises BlockingIOError, OSError."""
        raise NotImplementedError


class JournalHandler(_QueueHandler):
    """Writes to the journal by its native protocol: one datagram for each record."""

    def __init__(self, path: str = JOURNAL_SOCKET) -> None:
        """Connect to the journal. Raises OSError."""
        super().__init__()
        self._path = path
        self._sock = _connect(path)

    def _encode(self, record: logging.LogRecord) -> bytes:
        fields = {
            "MESSAGE": _text(record),
            "PRIORITY": str(_priority(record)),
            "SYSLOG_IDENTIFIER": _IDENTIFIER,
            "LISTENER": getattr(record, "listener", self.listener),
        }
        return b"".join(_field(name, value) for name, value in fields.items() if value)

    def _write(self, data: bytes) -> bytes:
        self._sock.send(data)
        return b""

    def _after_fork(self) -> None:
        """Connect again: a forked child has lost the parent's descriptor.

        The number of that descriptor can belong to another file by now, so it is neither used
        nor closed.
        """
        super()._after_fork()
        self._sock.detach()
        with contextlib.suppress(OSError):
            self._sock = _connect(self._path)

    def close(self) -> None:
        super().close()
        if self._owner == os.getpid():
            self._sock.close()
        else:
            self._sock.detach()


def _connect(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


class LineHandler(_QueueHandler):
    """Writes lines to standard error: with priorities for the journal, or with the time."""

    def __init__(self, fd: int = 2, *, with_priority: bool) -> None:
        super().__init__()
        self._fd = fd
        self._with_priority = with_priority
        self._writable = select.poll()
        self._writable.register(fd, select.POLLOUT)
        self._is_torn = False

    def format(self, record: logging.LogRecord) -> str:
        text = _text(record).replace("\n", "\n  ")  # a line without indent is netd's
        if self._with_priority:
            prefix = f"<{_priority(record)}>"
            return "\n".join(prefix + line for line in text.split("\n"))
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        clock_time = _clock.formatTime(record, "%H:%M:%S")
        return f"{clock_time} netd[{record.process}] {level}{text}"

    def _encode(self, record: logging.LogRecord) -> bytes:
        return self.format(record).encode(errors="replace") + b"\n"

    def _write(self, data: bytes) -> bytes:
        """Write what fits: a pipe that polls writable takes PIPE_BUF bytes without blocking."""
        if not self._accepts():
            raise BlockingIOError
        return data[os.write(self._fd, data[: select.PIPE_BUF]) :]

    def _accepts(self) -> bool:
        try:
            return bool(self._writable.poll(0))
        except OSError:  # poll(2) refuses any descriptor where RLIMIT_NOFILE is 0
            return True


_clock = logging.Formatter()


def _choose_handler() -> logging.Handler:
    if not _leads_to_journal(sys.stderr.fileno()):
        return LineHandler(with_priority=False)
    try:
        return JournalHandler()
    except OSError:
        return LineHandler(with_priority=True)


def _leads_to_journal(fd: int) -> bool:
    """Whether systemd connected this descriptor to the journal: JOURNAL_STREAM, systemd.exec(5)."""
    found = os.fstat(fd)
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _text(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info:
        text += "\n" + _clock.formatException(record.exc_info)
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _priority(record: logging.LogRecord) -> int:
    return next(priority for level, priority in _PRIORITIES if record.levelno >= level)


def _field(name: str, value: str) -> bytes:
    data = value.encode(errors="replace")[:_MAX_MESSAGE_BYTES]
    if b"\n" not in data:
        return f"{name}=".encode() + data + b"\n"
    return f"{name}\n".encode() + struct.pack("<Q", len(data)) + data + b"\n"
