"""What a conversation brings: shown to a person, or printed as JSON for a program.

Effects are events and the lines to send; the session decides, others carry out. Texts are as
they came from the network: whoever shows them must make them safe (`clean.py`).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from netd.protocols.irc import Message


class Manner(enum.Enum):
    """How something was said."""

    TEXT = "message"
    ACTION = "action"
    NOTICE = "notice"


class Move(enum.Enum):
    """How somebody came, went or changed."""

    JOINED = "join"
    LEFT = "part"
    QUIT = "quit"
    KICKED = "kick"
    RENAMED = "nick"


@dataclass(frozen=True, slots=True)
class Said:
    """Somebody spoke in a channel, or to one person."""

    sender: str
    target: str
    text: str
    manner: Manner = Manner.TEXT
    mine: bool = False
    mention: bool = False
    time: str = ""  # as the server told it, RFC 3339; empty for now
    old: bool = False  # from the server's history


@dataclass(frozen=True, slots=True)
class Moved:
    """Somebody came or went; `detail` is the reason, the kicker, or the new nick."""

    move: Move
    nick: str
    channel: str = ""
    detail: str = ""
    time: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """Something to know, in words."""

    text: str
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Something did not work; `code` is the server's numeric or code, if it was the server."""

    text: str
    code: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """The server has let us in under this nick, for the first time or after a break."""

    nick: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Entered:
    """We are in a channel."""

    channel: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message of ours has reached the server and was not refused."""

    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A message of ours was refused."""

    target: str
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone; the text says why, and when the next is tried."""

    text: str


@dataclass(frozen=True, slots=True)
class Send:
    """A line for the server, now."""

    message: Message


@dataclass(frozen=True, slots=True)
class Leave:
    """The person wants to go."""

    reason: str = ""


Event = Said | Moved | Told | Refused | Registered | Entered | Delivered | Undelivered | Lost
Effect = Event | Send | Leave


def send(command: str, *params: str) -> Send:
    """A line to send, in one word."""
    return Send(Message(command, params))
