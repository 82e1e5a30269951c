"""Conditional requests (RFC 9110 section 13): whether the client's copy is current."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from netd.listeners.http.protocol.date import parse_date

_TAG: Final = rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*+"'
_TAGS: Final = re.compile(rb"[ \t,]*+(?:" + _TAG + rb"(?:[ \t]*+,[ \t,]*+|[ \t]*+$))++")
_TAG_PATTERN: Final = re.compile(_TAG)


class Outcome(Enum):
    """The outcome of the conditions; the value is the status of the response."""

    SEND = 200
    UNCHANGED = 304
    FAILED = 412


@dataclass(frozen=True, slots=True)
class Validators:
    """The ETag and date of a representation; without a date, conditions on dates do not match."""

    etag: bytes  # with its quotes, strong
    modified: int | None  # seconds since the epoch


def evaluate(fields: dict[bytes, bytes], current: Validators, *, is_read: bool) -> Outcome:
    """Evaluate the conditions in the order of RFC 9110 section 13.2.2.

    `is_read` is true for GET and HEAD.
    """
    if (wanted := fields.get(b"if-match")) is not None:
        if not _matches(wanted, current.etag, strong=True):
            return Outcome.FAILED
    elif (since := _date(fields, b"if-unmodified-since")) is not None and (
        current.modified is None or current.modified > since
    ):
        return Outcome.FAILED
    if (known := fields.get(b"if-none-match")) is not None:
        if _matches(known, current.etag, strong=False):
            return Outcome.UNCHANGED if is_read else Outcome.FAILED
    elif (
        is_read
        and (since := _date(fields, b"if-modified-since")) is not None
        and (current.modified is not None and current.modified <= since)
    ):
        return Outcome.UNCHANGED
    return Outcome.SEND


def range_applies(fields: dict[bytes, bytes], current: Validators) -> bool:
    """Whether a range may be sent: If-Range is absent or matches (RFC 9110 section 13.1.5)."""
    wanted = fields.get(b"if-range")
    if wanted is None:
        return True
    if _TAG_PATTERN.fullmatch(wanted):
        return wanted == current.etag
    since = parse_date(wanted.decode("latin-1"))
    return since is not None and since == current.modified


def _matches(wanted: bytes, etag: bytes, *, strong: bool) -> bool:
    if wanted == b"*":
        return True
    if _TAGS.fullmatch(wanted) is None:
        return False
    tags = _TAG_PATTERN.findall(wanted)
    return etag in tags or (not strong and b"W/" + etag in tags)


def _date(fields: dict[bytes, bytes], name: bytes) -> int | None:
    value = fields.get(name)
    return None if value is None else parse_date(value.decode("latin-1"))
