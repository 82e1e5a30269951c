"""IRCv3 capabilities: their names, and the capability that each message tag needs."""

from __future__ import annotations

import enum
from typing import Final


class Cap(enum.IntFlag):
    """A capability that a client can request."""

    ACCOUNT_NOTIFY = enum.auto()
    ACCOUNT_TAG = enum.auto()
    AWAY_NOTIFY = enum.auto()
    BATCH = enum.auto()
    CAP_NOTIFY = enum.auto()
    CHGHOST = enum.auto()
    ECHO_MESSAGE = enum.auto()
    EXTENDED_JOIN = enum.auto()
    EXTENDED_MONITOR = enum.auto()
    INVITE_NOTIFY = enum.auto()
    LABELED_RESPONSE = enum.auto()
    MESSAGE_TAGS = enum.auto()
    MULTI_PREFIX = enum.auto()
    SASL = enum.auto()
    SERVER_TIME = enum.auto()
    SETNAME = enum.auto()
    STANDARD_REPLIES = enum.auto()
    USERHOST_IN_NAMES = enum.auto()
    CHATHISTORY = enum.auto()
    EVENT_PLAYBACK = enum.auto()
    READ_MARKER = enum.auto()
    RESUME = enum.auto()
    MESSAGE_REDACTION = enum.auto()
    MULTILINE = enum.auto()
    PRE_AWAY = enum.auto()
    ACCOUNT_REGISTRATION = enum.auto()
    NO_IMPLICIT_NAMES = enum.auto()
    EXTENDED_ISUPPORT = enum.auto()
    SEARCH = enum.auto()


_OTHER_NAMES: Final = {
    Cap.ACCOUNT_REGISTRATION: "draft/account-registration",
    Cap.CHATHISTORY: "draft/chathistory",
    Cap.EVENT_PLAYBACK: "draft/event-playback",
    Cap.READ_MARKER: "draft/read-marker",
    Cap.MESSAGE_REDACTION: "draft/message-redaction",
    Cap.MULTILINE: "draft/multiline",
    Cap.PRE_AWAY: "draft/pre-away",
    Cap.EXTENDED_ISUPPORT: "draft/extended-isupport",
    Cap.SEARCH: "draft/search",
    Cap.RESUME: "netd.dev/resume",  # the grammar of the draft resume-0.5
}
WIRE_NAMES: Final = {
    cap: _OTHER_NAMES.get(cap, (cap.name or "").lower().replace("_", "-")) for cap in Cap
}
BY_WIRE_NAME: Final = {name: cap for cap, name in WIRE_NAMES.items()}

_TAG_NEEDS: Final = {  # numbers, as may_see is hot: an operation of Cap takes a microsecond
    "time": int(Cap.SERVER_TIME),
    "account": int(Cap.ACCOUNT_TAG),
    "batch": int(Cap.BATCH),
    "label": int(Cap.LABELED_RESPONSE),
    "draft/multiline-concat": int(Cap.MULTILINE),
}
_OTHER_TAG_NEEDS: Final = int(Cap.MESSAGE_TAGS)
TAG_CAPS: Final = int(
    Cap.SERVER_TIME
    | Cap.ACCOUNT_TAG
    | Cap.BATCH
    | Cap.LABELED_RESPONSE
    | Cap.MESSAGE_TAGS
    | Cap.MULTILINE
)
"""The capabilities on which the form of a message depends."""


def may_see(caps: int, tag: str) -> bool:
    """Whether a client with these capabilities gets a tag."""
    return caps & _TAG_NEEDS.get(tag, _OTHER_TAG_NEEDS) != 0


def wire_names(caps: int) -> list[str]:
    """The wire names of a set of capabilities."""
    return [name for cap, name in WIRE_NAMES.items() if caps & cap]
