"""Facts of a message that the server has sent."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from netd.protocols.irc import Message

# server-time: ISO 8601 in UTC
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z")
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 9998  # conversion to local time stays within the years of datetime


def nick_of(message: Message) -> str:
    """Return the nick of the sender, or the name of the server."""
    return message.source.partition("!")[0]


def time_of(message: Message) -> str:
    """Return the server's time; empty if malformed, since it is sent back in CHATHISTORY."""
    return valid_time(message.tags.get("time", ""))


def shifted(time: str, by: dt.timedelta) -> str:
    """Return a valid time that is later by so much, in whole milliseconds."""
    at = dt.datetime.fromisoformat(time) + by
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def valid_time(time: str) -> str:
    """Return a time of the server; empty if it is malformed, or in no year of this protocol."""
    if not _TIME.fullmatch(time):
        return ""
    try:
        return time if _FIRST_YEAR <= dt.datetime.fromisoformat(time).year <= _LAST_YEAR else ""
    except ValueError:  # such as a 13th month
        return ""
