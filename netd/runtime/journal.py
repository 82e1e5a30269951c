"""Where log records go: systemd's journal with its fields, or standard error.

Under systemd a record goes to the journal by its native protocol, with PRIORITY and LISTENER as
fields of their own (`journalctl -u netd LISTENER=web`). Where only standard error leads to the
journal, each line begins with its priority, `<3>` (sd-daemon(3)). Elsewhere the lines are for
a person: time, process, level if it matters, message.

Bytes of a client never split or forge a line: control characters are written as escapes, and a
record's further lines are indented.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import struct
import sys
from typing import Final

JOURNAL_SOCKET: Final = "/run/systemd/journal/socket"
_IDENTIFIER: Final = "netd"
_PATIENCE_S: Final = 0.5  # below the least heartbeat_timeout
_MAX_MESSAGE_BYTES: Final = 48 * 1024  # a datagram must hold it
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PRIORITIES: Final = (  # the highest that fits: syslog(3)
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.NOTSET, 7),
)


def configure_logging(level: int = logging.INFO) -> None:
    """Send netd's records to where this process's standard error leads."""
    log = logging.getLogger("netd")
    log.setLevel(level)
    log.propagate = False
    log.handlers[:] = [_choose_handler()]


def is_native() -> bool:
    """Whether records go to the journal by its own protocol, each with its listener's name."""
    return any(isinstance(each, JournalHandler) for each in logging.getLogger("netd").handlers)


def name_listener(name: str) -> None:
    """Let every record of this process from now on carry the listener's name."""
    for handler in logging.getLogger("netd").handlers:
        if isinstance(handler, JournalHandler | LineHandler):
            handler.listener = name
        if isinstance(handler, JournalHandler):
            with contextlib.suppress(OSError):  # each record tries again
                handler.renew()


class JournalHandler(logging.Handler):
    """Writes to the journal by its native protocol, one datagram a record."""

    listener = ""
    lost = 0
    """Records the journal has not taken since it last took one."""

    def __init__(self, path: str = JOURNAL_SOCKET) -> None:
        """Connect. OSError where there is no journal."""
        super().__init__()
        self._path = path
        self._sock = _connect(path)
        self._owner = os.getpid()

    def renew(self) -> None:
        """Connect anew if this is a child: it inherits no descriptor but those it is given.

        The old one's number is by now another's, who must neither get our records nor be closed.
        """
        if self._owner != os.getpid():
            self._sock.detach()
            self._sock, self._owner, self.lost = _connect(self._path), os.getpid(), 0

    def emit(self, record: logging.LogRecord) -> None:
        fields = {
            "MESSAGE": _text(record),
            "PRIORITY": str(_priority(record)),
            "SYSLOG_IDENTIFIER": _IDENTIFIER,
            "LISTENER": getattr(record, "listener", self.listener),
        }
        datagram = b"".join(_field(name, value) for name, value in fields.items() if value)
        try:
            self.renew()
            self._send(datagram)
        except OSError:
            self.handleError(record)

    def _send(self, datagram: bytes) -> None:
        """Wait for a slow journal once; while it stands still, lose records rather than clients."""
        try:
            self._sock.send(datagram)
        except (TimeoutError, BlockingIOError):
            self.lost += 1
            self._sock.settimeout(0)
            return
        if self.lost:
            lost, self.lost = self.lost, 0
            self._sock.settimeout(_PATIENCE_S)
            logging.getLogger("netd").warning("the journal did not take %d records", lost)

    def close(self) -> None:
        if self._owner == os.getpid():
            self._sock.close()
        else:
            self._sock.detach()
        super().close()


def _connect(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.settimeout(_PATIENCE_S)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


class LineHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic in typeshed only
    """Writes lines to standard error, with priorities for the journal or plain for a person."""

    def __init__(self, *, with_priority: bool) -> None:
        super().__init__(sys.stderr)
        self.listener = ""
        self._with_priority = with_priority

    def format(self, record: logging.LogRecord) -> str:
        text = _text(record).replace("\n", "\n  ")  # a line that begins a record is always ours
        if self._with_priority:
            prefix = f"<{_priority(record)}>"
            return "\n".join(prefix + line for line in text.split("\n"))
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        time = _clock.formatTime(record, "%H:%M:%S")
        return f"{time} netd[{record.process}] {level}{text}"


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
