"""Dates in HTTP (RFC 9110 section 5.6.7)."""

from __future__ import annotations

import datetime as dt
import functools
import re
from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_TIME: Final = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_MONTH: Final = rf"(?P<month>{'|'.join(_MONTHS)})"
_FORMATS: Final = (
    re.compile(rf"(?:{'|'.join(_DAYS)}), (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT"),
    re.compile(
        rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) "
        rf"{_TIME} GMT"
    ),
    re.compile(rf"(?:{'|'.join(_DAYS)}) {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})"),
)
_TWO_DIGITS: Final = 100
_PIVOT_YEARS: Final = 50


@functools.lru_cache(maxsize=256)
def format_date(timestamp: int) -> str:
    """Format seconds since the epoch as `Sun, 06 Nov 1994 08:49:37 GMT`."""
    when = dt.datetime.fromtimestamp(timestamp, dt.UTC)
    return (
        f"{_DAYS[when.weekday()]}, {when.day:02} {_MONTHS[when.month - 1]} {when.year:04} "
        f"{when.hour:02}:{when.minute:02}:{when.second:02} GMT"
    )


def parse_date(text: str, *, year_now: int = 2000) -> int | None:
    """Return seconds since the epoch, None if the text is in none of the three formats of HTTP.

    A year of two digits more than 50 years after `year_now` is taken from the century before.
    """
    for pattern in _FORMATS:
        if match := pattern.fullmatch(text):
            return _seconds(match, year_now)
    return None


def _seconds(match: re.Match[str], year_now: int) -> int | None:
    year = int(match["year"])
    if year < _TWO_DIGITS and len(match["year"]) == 2:  # noqa: PLR2004 (a year of two digits)
        year += year_now - year_now % 100
        year -= 100 if year > year_now + _PIVOT_YEARS else 0
    second = min(int(match["second"]), 59)  # a leap second is read as the one before it
    month = _MONTHS.index(match["month"]) + 1
    try:
        when = dt.datetime(
            *(year, month, int(match["day"]), int(match["hour"]), int(match["minute"]), second),
            tzinfo=dt.UTC,
        )
    except ValueError:
        return None
    return int(when.timestamp())
