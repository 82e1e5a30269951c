"""The access log: what was asked is noted as bytes when it is answered, and told later.

Lines are made and written once a second, off the hot path, and never hold a byte of the
client's that could end a line or act on a terminal.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from netd.config.model import Networks
from netd.listeners.http.options import HttpOptions
from netd.protocols.http import grammar

STDERR: Final = "-"
_MAX_NOTES: Final = 1000
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
        form = _as_json if self._is_json else _as_combined
        text = "".join(form(each, client_of(each, self._trusted)) + "\n" for each in notes)
        try:
            self._write(text.encode())
        except OSError as error:
            if not self.lost:
                log.warning("access log %s: %s", self._path, error.strerror)
            self.lost += len(notes)

    def _write(self, data: bytes) -> None:
        if self._path == STDERR:
            os.write(2, data)
            return
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)


def client_of(note: Note, trusted: Networks) -> str:
    """The client's address: the last one in X-Forwarded-For that no trusted proxy has."""
    client = note.host or "unix"
    forwarded = _fields(note.head).get(b"x-forwarded-for", b"").decode("latin-1")
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    while hops and _is_trusted(client, trusted):
        hop = hops.pop()
        try:
            client = str(ip_address(hop))
        except ValueError:
            break
    return client


def _is_trusted(host: str, trusted: Networks) -> bool:
    return host != "unix" and any(ip_address(host) in network for network in trusted)


def _fields(head: bytes) -> dict[bytes, bytes]:
    found = grammar.FIELDS.findall(head, head.find(b"\r\n") + 2)
    return {name.lower(): value.strip(b" \t") for name, value in found}


def _escape(data: bytes) -> str:
    return _UNSAFE.sub(lambda match: b"\\x%02x" % match[0][0], data).decode()


def _as_combined(note: Note, client: str) -> str:
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(note.at))
    fields = _fields(note.head)
    line = _escape(note.head.partition(b"\r\n")[0]) or "-"
    referer = _escape(fields.get(b"referer", b"-"))
    agent = _escape(fields.get(b"user-agent", b"-"))
    return f'{client} - - [{when}] "{line}" {note.status} {note.sent} "{referer}" "{agent}"'


def _as_json(note: Note, client: str) -> str:
    fields = _fields(note.head)
    told = {
        "time": round(note.at, 3),
        "client": client,
        "request": note.head.partition(b"\r\n")[0].decode("latin-1"),
        "status": note.status,
        "bytes": note.sent,
        "host": fields.get(b"host", b"").decode("latin-1"),
        "referer": fields.get(b"referer", b"").decode("latin-1"),
        "user_agent": fields.get(b"user-agent", b"").decode("latin-1"),
    }
    return json.dumps(told)
