"""The access log: entries are collected as responses are sent, and written once a second.

A line never contains a byte from a client that could end the line or control a terminal.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from select import PIPE_BUF
from typing import Final

from netd.config.model import Networks
from netd.listeners.http.options import STDERR, HttpOptions
from netd.listeners.http.protocol import grammar
from netd.listeners.http.response.log_writer import LogWriter
from netd.listeners.http.routes.client_address import client_of, credentials_of
from netd.runtime import journal

_MAX_ENTRIES: Final = 1000
_SHORT: Final = 100
_UNSAFE: Final = re.compile(rb"[^\x20-\x21\x23-\x5b\x5d-\x7e]")

_log = logging.getLogger("netd")


@dataclass(frozen=True, slots=True)
class Entry:
    """One response; `head` is the request's head as received, empty for an invalid request."""

    time_s: float
    host: str
    head: bytes
    status: int
    sent: int
    duration_s: float = 0.0


class AccessLog:
    """Collects entries; a LogWriter appends them to a file or to standard error (the journal)."""

    def __init__(self, options: HttpOptions) -> None:
        self._writer = LogWriter(options.access_log, options.access_log_buffer)
        self._entries: list[Entry] = []
        self._is_held = False
        self._lost_before = 0  # by the writers before this one
        self._failure = ""
        self.configure(options)

    @property
    def path(self) -> str:
        """The file of the log; STDERR for standard error."""
        return self._writer.path

    @property
    def lost(self) -> int:
        """The number of lines that could not be written."""
        return self._lost_before + self._writer.lost

    @property
    def failure(self) -> str:
        """Why lines are not being written; empty if they are."""
        return f"access log {self.path}: {self._failure}" if self._failure else ""

    def configure(self, options: HttpOptions) -> None:
        """Use other options, but the same file, for the entries to come."""
        self.flush()
        self._writer.max_queued_bytes = options.access_log_buffer
        self._format = _FORMATS[options.access_log_format]
        self._trusted = options.forwarded_from

    def add(self, host: str, head: bytes, status: int, sent: int, duration_s: float) -> None:
        """Add an entry for a response that is being sent."""
        self._entries.append(Entry(time.time(), host, head, status, sent, duration_s))
        if len(self._entries) >= _MAX_ENTRIES:
            self.flush()

    def flush(self) -> None:
        """Pass all entries to the writer, once a second. Logs when writing fails and recovers."""
        if self._is_held:
            return
        entries, self._entries = self._entries, []
        if entries:
            lines = [self._line(entry) for entry in entries]
            if self.path == STDERR and journal.is_native():
                for line in lines:
                    _log.info("%s", line.decode().rstrip("\n"))
            else:
                self._writer.write(lines)
        self._report()

    def hold(self) -> None:
        """Let the writer end once it has written all entries; keep those to come until `resume`."""
        self.close()
        self._is_held = True

    @property
    def is_written(self) -> bool:
        """Whether the writer has ended, after `hold`."""
        return self._writer.is_finished

    @property
    def held(self) -> tuple[Entry, ...]:
        """The entries that were not passed to the writer."""
        return tuple(self._entries)

    def resume(self) -> None:
        """Write again, after `hold`."""
        if self._is_held:
            self._is_held = False
            self._lost_before += self._writer.lost
            self._writer = LogWriter(self.path, self._writer.max_queued_bytes)

    def pass_on(self) -> None:
        """Forget the held entries, which another process writes, and write again."""
        self._entries.clear()
        self.resume()

    def take_over(self, entries: Sequence[Entry]) -> None:
        """Add the entries that another process has kept."""
        self._entries += entries

    def close(self, within_s: float = 0.0) -> None:
        """Pass all entries to the writer, wait at most `within_s` seconds for it, and end it."""
        self.flush()
        self._writer.close(within_s)

    def _report(self) -> None:
        before, self._failure = self._failure, self._writer.failure()
        if self._failure and not before:
            _log.warning("%s", self.failure)
        elif before and not self._failure:
            _log.info("access log %s is written again; %d lines were lost", self.path, self.lost)

    def _line(self, entry: Entry) -> bytes:
        """Format an entry; in a line too long for standard error the client's texts are cut."""
        line = self._format(entry, self._trusted, None)
        if self.path == STDERR and len(line) >= PIPE_BUF:
            line = self._format(entry, self._trusted, _SHORT)
        return f"{line}\n".encode()


def _fields(head: bytes) -> dict[bytes, bytes]:
    found = grammar.FIELDS.findall(head, head.find(b"\r\n") + 2)
    return {name.lower(): value.strip(b" \t") for name, value in found}


def _escape(data: bytes) -> str:
    return _UNSAFE.sub(lambda match: b"\\x%02x" % match[0][0], data).decode()


def _client(entry: Entry, fields: dict[bytes, bytes], trusted: Networks) -> str:
    return client_of(entry.host, fields, trusted) or "unix"


def _user(entry: Entry, fields: dict[bytes, bytes]) -> str:
    """Return the user name in the request's credentials, unless they were refused."""
    credentials = credentials_of(fields)
    is_refused = entry.status == HTTPStatus.UNAUTHORIZED
    return credentials[0] if credentials and not is_refused else ""


def _format_combined(entry: Entry, trusted: Networks, max_bytes: int | None) -> str:
    """Format a line; `max_bytes` limits each text that came from the client."""
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(entry.time_s))
    fields = _fields(entry.head)
    client = _client(entry, fields, trusted)
    user = _escape(_user(entry, fields)[:max_bytes].replace(" ", "_").encode()) or "-"
    line = _escape(entry.head.partition(b"\r\n")[0][:max_bytes]) or "-"
    referer = _escape(fields.get(b"referer", b"-")[:max_bytes])
    agent = _escape(fields.get(b"user-agent", b"-")[:max_bytes])
    return f'{client} - {user} [{when}] "{line}" {entry.status} {entry.sent} "{referer}" "{agent}"'


def _format_timed(entry: Entry, trusted: Networks, max_bytes: int | None) -> str:
    """Format a line as `_format_combined`, and the seconds until the response was ready."""
    return f"{_format_combined(entry, trusted, max_bytes)} {entry.duration_s:.6f}"


def _format_json(entry: Entry, trusted: Networks, max_bytes: int | None) -> str:
    """Format the same values as JSON, and the Host field."""
    fields = _fields(entry.head)

    def text(name: bytes) -> str:
        return fields.get(name, b"")[:max_bytes].decode("latin-1")

    record = {
        "time": round(entry.time_s, 3),
        "client": _client(entry, fields, trusted),
        "user": _user(entry, fields)[:max_bytes],
        "request": entry.head.partition(b"\r\n")[0][:max_bytes].decode("latin-1"),
        "status": entry.status,
        "bytes": entry.sent,
        "duration": round(entry.duration_s, 6),
        "host": text(b"host"),
        "referer": text(b"referer"),
        "user_agent": text(b"user-agent"),
    }
    return json.dumps(record)


_FORMATS: Final = {"combined": _format_combined, "timed": _format_timed, "json": _format_json}
