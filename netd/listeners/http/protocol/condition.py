"""Conditional requests (RFC 9110 section 13): whether the client's copy still holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from netd.listeners.http.protocol.date import parse_date

_TAG: Final = rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*+"'
_TAGS: Final = re.compile(rb"[ \t,]*+(?:" + _TAG + rb"(?:[ \t]*+,[ \t,]*+|[ \t]*+$))++")
_EACH_TAG: Final = re.compile(_TAG)


class Verdict(Enum):
    """What the conditions let an answer be; the value is its status."""

    SEND = 200
    UNCHANGED = 304
    FAILED = 412


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one state of a resource from another; a date of None is not to be relied on."""

    etag: bytes  # with its quotes, strong
    modified: int | None  # seconds since the epoch


def judge(fields: dict[bytes, bytes], now_has: Validators, *, is_read: bool) -> Verdict:
    """RFC 9110 section 13.2.2: the conditions in their order of precedence.

    `is_read` is true for GET and HEAD.
    """
    if (wanted := fields.get(b"if-match")) is not None:
        if not _matches(wanted, now_has.etag, strong=True):
            return Verdict.FAILED
    elif (since := _date(fields, b"if-unmodified-since")) is not None and (
        now_has.modified is None or now_has.modified > since
    ):
        return Verdict.FAILED
    if (known := fields.get(b"if-none-match")) is not None:
        if _matches(known, now_has.etag, strong=False):
            return Verdict.UNCHANGED if is_read else Verdict.FAILED
    elif (
        is_read
        and (since := _date(fields, b"if-modified-since")) is not None
        and (now_has.modified is not None and now_has.modified <= since)
    ):
        return Verdict.UNCHANGED
    return Verdict.SEND


def range_applies(fields: dict[bytes, bytes], now_has: Validators) -> bool:
    """Whether If-Range, if there is one, lets a range be sent (section 13.1.5)."""
    wanted = fields.get(b"if-range")
    if wanted is None:
        return True
    if _EACH_TAG.fullmatch(wanted):
        return wanted == now_has.etag
    since = parse_date(wanted.decode("latin-1"))
    return since is not None and since == now_has.modified


def _matches(wanted: bytes, etag: bytes, *, strong: bool) -> bool:
    if wanted == b"*":
        return True
    if _TAGS.fullmatch(wanted) is None:
        return False
    tags = _EACH_TAG.findall(wanted)
    return etag in tags or (not strong and b"W/" + etag in tags)


def _date(fields: dict[bytes, bytes], name: bytes) -> int | None:
    value = fields.get(name)
    return None if value is None else parse_date(value.decode("latin-1"))
