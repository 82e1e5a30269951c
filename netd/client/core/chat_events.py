"""Effects of the client's core: events to show and lines to send.

The core returns effects; the connector sends the lines, and a front end shows the events.
Texts in events are as the network delivered them; `event_format` makes them safe to display.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from netd.protocols.irc import Message


class MessageKind(enum.Enum):
    """The form of a chat message; the value is its event name in JSON."""

    TEXT = "message"
    ACTION = "action"
    NOTICE = "notice"


class ChangeKind(enum.Enum):
    """The kind of a membership change; the value is its event name in JSON."""

    JOINED = "join"
    LEFT = "part"
    QUIT = "quit"
    KICKED = "kick"
    RENAMED = "nick"


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A message in a channel or to one user."""

    sender: str
    target: str
    text: str
    kind: MessageKind = MessageKind.TEXT
    mine: bool = False
    mention: bool = False
    time: str = ""  # the server's, RFC 3339; empty if it sent none
    old: bool = False  # from the server's history
    id: str = ""  # the server's msgid
    reply_to: str = ""  # the msgid of the message that this one answers


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """A user joined, left or changed nick; `detail` is the reason, the kicker or the new nick."""

    kind: ChangeKind
    nick: str
    channel: str = ""
    detail: str = ""
    time: str = ""
    channels: tuple[str, ...] = ()  # those that the user shares with the nick: of QUIT and NICK


@dataclass(frozen=True, slots=True)
class Notice:
    """Information for the user, in words (an IRC NOTICE is a ChatMessage)."""

    text: str
    channel: str = ""


@dataclass(frozen=True, slots=True)
class ServerNotice(Notice):
    """Information about the server or the connection: it is about no channel or user."""


@dataclass(frozen=True, slots=True)
class Switched(Notice):
    """Another conversation has become the current one; a full screen shows it by itself."""


@dataclass(frozen=True, slots=True)
class SentAside(Notice):
    """A message of the user goes to another conversation; printed lines show it by itself."""


@dataclass(frozen=True, slots=True)
class EarlierMessages(Notice):
    """The heading of the messages of a history, which follow it."""

    ids: tuple[str, ...] = field(default=(), compare=False)
    """The msgids of all its messages, in its order, also of those that were shown before."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """A user reacts to a message, or withdraws the reaction."""

    sender: str
    target: str
    reaction: str
    id: str  # the msgid of the message
    mine: bool = False
    time: str = ""
    withdrawn: bool = False
    old: bool = False  # from the server's history


@dataclass(frozen=True, slots=True)
class Redaction:
    """A message was deleted by its sender or an operator."""

    nick: str
    target: str
    id: str  # the msgid of the message
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A message that a search has found."""

    sender: str
    target: str
    text: str
    time: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A request failed; `code` is the server's numeric or code, empty if the client refused."""

    text: str
    code: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """The server has accepted the client under this nick; `again` after a reconnect.

    `resumed` if the server has kept the client's place, and sends all that it missed.
    """

    nick: str
    again: bool = False
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class ChannelJoined:
    """The client itself has joined a channel."""

    channel: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """The server has accepted a message of the user."""

    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A message of the user was not delivered."""

    target: str
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection has ended; the text gives the reason and the time of the next attempt."""

    text: str


@dataclass(frozen=True, slots=True)
class SendLine:
    """A line to send to the server now."""

    message: Message


@dataclass(frozen=True, slots=True)
class Leave:
    """The user wants to leave."""

    reason: str = ""


class ScreenAction(enum.Enum):
    """A request of a slash command to the front end, which keeps the lines that were shown."""

    FIND = "find"  # the lines that contain the argument
    CLEAR = "clear"
    CLOSE = "close"  # forget the lines of the conversation that the argument names


@dataclass(frozen=True, slots=True)
class ScreenRequest:
    """A request to the front end; scripts have none, and ignore it."""

    action: ScreenAction
    argument: str = ""


ChatEvent = (
    ChatMessage
    | MembershipChange
    | Reaction
    | Redaction
    | Notice
    | Found
    | Refused
    | Registered
    | ChannelJoined
    | Delivered
    | Undelivered
    | Disconnected
)
Effect = ChatEvent | SendLine | Leave | ScreenRequest


def send(command: str, *params: str, tags: Mapping[str, str] | None = None) -> SendLine:
    """Return the effect that sends this line."""
    return SendLine(Message(command, params, tags=tags or {}))
