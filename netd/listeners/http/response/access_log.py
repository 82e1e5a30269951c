"""The access log: what was asked is noted as bytes when it is answered, and told later.

Lines are made and written once a second, off the hot path, and never hold a byte of the
client's that could end a line or act on a terminal.
"""

from __future__ import annotations

import json
import logging
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from select import PIPE_BUF
from typing import Final

from netd.config.model import Networks
from netd.listeners.http.options import HttpOptions
from netd.listeners.http.protocol import grammar
from netd.listeners.http.routes.client_address import client_of, credentials_of
from netd.runtime import journal

STDERR: Final = "-"
# O_NONBLOCK: a FIFO that nobody reads must not hold the worker.
_APPENDING: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
_MAX_NOTES: Final = 1000
_SHORT: Final = 100
_UNSAFE: Final = re.compile(rb"[^\x20-\x21\x23-\x5b\x5d-\x7e]")

log = logging.getLogger("netd")


@dataclass(frozen=True, slots=True)
class Note:
    """One answer; `head` is the request's as it came, empty for what was no request."""

    at: float
    host: str
    head: bytes
    status: int
    sent: int


class AccessLog:
    """Gathers notes and appends them to a file, or to standard error (the journal)."""

    def __init__(self, options: HttpOptions) -> None:
        self._path = options.access_log
        self._is_json = options.access_log_format == "json"
        self._trusted = options.forwarded_from
        self._notes: list[Note] = []
        self.lost = 0
        """Lines that could not be written."""

    def add(self, host: str, head: bytes, status: int, sent: int) -> None:
        """Note an answer."""
        self._notes.append(Note(time.time(), host, head, status, sent))
        if len(self._notes) >= _MAX_NOTES:
            self.flush()

    def flush(self) -> None:
        """Write what was noted. The file is opened each time, so it may be rotated any time."""
        notes, self._notes = self._notes, []
        if not notes:
            return
        lines = [self._line(each) for each in notes]
        try:
            self._write(lines)
        except OSError as error:
            if not self.lost:
                log.warning("access log %s: %s", self._path, error.strerror)
            self.lost += len(notes)

    def _line(self, note: Note) -> bytes:
        """On standard error a line that is too long shows only how its texts begin."""
        form = _as_json if self._is_json else _as_combined
        line = form(note, self._trusted, None)
        if self._path == STDERR and len(line) >= PIPE_BUF:
            line = form(note, self._trusted, _SHORT)
        return f"{line}\n".encode()

    def _write(self, lines: Sequence[bytes]) -> None:
        if self._path == STDERR and journal.is_native():
            for line in lines:
                log.info("%s", line.decode().rstrip("\n"))
            return
        if self._path == STDERR:
            for piece in _pieces(lines):
                os.write(2, piece)
            return
        fd = os.open(self._path, _APPENDING, 0o640)
        try:
            is_fifo = stat.S_ISFIFO(os.fstat(fd).st_mode)
            for piece in _pieces(lines) if is_fifo else [b"".join(lines)]:
                os.write(fd, piece)
        finally:
            os.close(fd)


def _pieces(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Whole lines together, no more than a pipe takes at once (pipe(7)).

    So other processes' lines stay apart from ours; and no line is so long that the journal
    would make two of it, the second of which might begin as a client likes.
    """
    piece = b""
    for line in lines:
        if len(piece) + len(line) > PIPE_BUF:
            yield piece
            piece = b""
        piece += line
    yield piece


def _fields(head: bytes) -> dict[bytes, bytes]:
    found = grammar.FIELDS.findall(head, head.find(b"\r\n") + 2)
    return {name.lower(): value.strip(b" \t") for name, value in found}


def _escape(data: bytes) -> str:
    return _UNSAFE.sub(lambda match: b"\\x%02x" % match[0][0], data).decode()


def _client(note: Note, fields: dict[bytes, bytes], trusted: Networks) -> str:
    return client_of(note.host, fields, trusted) or "unix"


def _user(note: Note, fields: dict[bytes, bytes]) -> str:
    """Who the client says it is, where that was not refused."""
    given = credentials_of(fields)
    return given[0] if given and note.status != HTTPStatus.UNAUTHORIZED else ""


def _as_combined(note: Note, trusted: Networks, most: int | None) -> str:
    """The line; `most` is how much of each text of the client's is shown."""
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(note.at))
    fields = _fields(note.head)
    client = _client(note, fields, trusted)
    user = _escape(_user(note, fields)[:most].replace(" ", "_").encode()) or "-"
    line = _escape(note.head.partition(b"\r\n")[0][:most]) or "-"
    referer = _escape(fields.get(b"referer", b"-")[:most])
    agent = _escape(fields.get(b"user-agent", b"-")[:most])
    return f'{client} - {user} [{when}] "{line}" {note.status} {note.sent} "{referer}" "{agent}"'


def _as_json(note: Note, trusted: Networks, most: int | None) -> str:
    """The same as JSON, and the host that was asked for."""
    fields = _fields(note.head)

    def text(name: bytes) -> str:
        return fields.get(name, b"")[:most].decode("latin-1")

    told = {
        "time": round(note.at, 3),
        "client": _client(note, fields, trusted),
        "user": _user(note, fields)[:most],
        "request": note.head.partition(b"\r\n")[0][:most].decode("latin-1"),
        "status": note.status,
        "bytes": note.sent,
        "host": text(b"host"),
        "referer": text(b"referer"),
        "user_agent": text(b"user-agent"),
    }
    return json.dumps(told)
