"""Events as lines of text for a person, or as JSON for a program.

Text that came from the network is sanitized here, last before it is shown.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import zlib
from typing import Final

from netd.client.core.chat_events import (
    ChangeKind,
    ChannelJoined,
    ChatEvent,
    ChatMessage,
    Delivered,
    Disconnected,
    MembershipChange,
    MessageKind,
    Notice,
    Refused,
    Registered,
    Undelivered,
)
from netd.client.core.sanitize import sanitize
from netd.protocols.irc import fold

_RESET: Final = "\x1b[0m"
_BOLD: Final = "\x1b[1m"
_DIM: Final = "\x1b[2m"
_REVERSE: Final = "\x1b[7m"
_RED: Final = "\x1b[31m"
_NICK_COLORS: Final = tuple(f"\x1b[{n}m" for n in (32, 33, 34, 35, 36, 92, 93, 94, 95, 96))

_JSON_NAMES: Final[dict[type[ChatEvent], str]] = {
    Notice: "told",
    Refused: "refused",
    Registered: "registered",
    ChannelJoined: "entered",
    Delivered: "delivered",
    Undelivered: "undelivered",
    Disconnected: "lost",
}


class EventFormatter:
    """Formats events as lines of text, with or without colours."""

    def __init__(self, *, colors: bool) -> None:
        self._colors = colors

    def line(self, event: ChatEvent, now: dt.datetime, current: str = "") -> str:
        """Return the line for an event; empty if the event is not shown.

        A line about the `current` channel does not name the channel.
        """
        match event:
            case ChatMessage():
                return self._chat_message(event, now, current)
            case Refused() | Disconnected() | Undelivered():
                return self._error(error_text(event), now)
        text = _information_text(event, current)
        time = event.time if isinstance(event, MembershipChange) else ""
        return self._information(text, now, time) if text else ""

    def _chat_message(self, chat: ChatMessage, now: dt.datetime, current: str) -> str:
        target = "" if fold(chat.target) == fold(current) else f"{sanitize(chat.target)} "
        sender = self._sender(chat)
        match chat.kind:
            case MessageKind.ACTION:
                sender = f"* {sender}"
            case MessageKind.NOTICE:
                sender = f"-{sender}-"
            case MessageKind.TEXT:
                sender = f"<{sender}>"
        text = sanitize(chat.text)
        if chat.old:
            text = self._paint(text, _DIM)
        elif chat.mention:
            text = self._paint(text, _BOLD)
        return f"{self._stamp(chat.time, now)} {self._paint(target, _DIM)}{sender} {text}"

    def _sender(self, chat: ChatMessage) -> str:
        if chat.mine:
            color = _BOLD
        elif chat.mention:
            color = _REVERSE + _BOLD
        else:
            color = nick_color(chat.sender)
        return self._paint(sanitize(chat.sender), color)

    def _information(self, text: str, now: dt.datetime, time: str) -> str:
        return f"{self._stamp(time, now)} {self._paint(f'-- {sanitize(text)}', _DIM)}"

    def _error(self, text: str, now: dt.datetime) -> str:
        return f"{self._stamp('', now)} {self._paint(f'!! {sanitize(text)}', _RED)}"

    def _stamp(self, time: str, now: dt.datetime) -> str:
        when = local_time(time, now)
        form = "%H:%M" if when.date() == now.date() else "%b %d %H:%M"
        return self._paint(when.strftime(form), _DIM)

    def _paint(self, text: str, color: str) -> str:
        return f"{color}{text}{_RESET}" if self._colors and text else text


def nick_color(nick: str) -> str:
    """Return the colour of a nick, the same in every run and on every machine."""
    return _NICK_COLORS[zlib.crc32(fold(nick).encode()) % len(_NICK_COLORS)]


def local_time(time: str, now: dt.datetime) -> dt.datetime:
    """Convert the server's time to the time zone of `now`; `now` if it is empty or malformed."""
    try:
        return dt.datetime.fromisoformat(time).astimezone(now.tzinfo) if time else now
    except (ValueError, OverflowError):
        return now


def error_text(event: Refused | Disconnected | Undelivered) -> str:
    """Return the words for an event that reports an error, not sanitized."""
    if isinstance(event, Undelivered):
        return f"not delivered: {event.text!r}: {event.why}"
    return event.text


def _information_text(event: ChatEvent, current: str) -> str:
    match event:
        case MembershipChange():
            return _change_text(event, current)
        case Notice():
            return f"{event.channel}: {event.text}" if event.channel else event.text
        case Registered(nick, again, resumed):
            if resumed:
                return f"connected again as {nick}; the server has kept the place"
            if again:
                return f"connected again as {nick}"
            return f"welcome, {nick}; /help lists the commands"
    return ""


def _change_text(change: MembershipChange, current: str) -> str:
    channel = "" if fold(change.channel) == fold(current) else f" {change.channel}"
    reason = f" ({change.detail})" if change.detail else ""
    match change.kind:
        case ChangeKind.JOINED:
            return f"{change.nick} has joined{channel}"
        case ChangeKind.LEFT:
            return f"{change.nick} has left{channel}{reason}"
        case ChangeKind.QUIT:
            return f"{change.nick} has gone{reason}"
        case ChangeKind.KICKED:
            return f"{change.nick} was thrown out{channel} {change.detail}"
        case ChangeKind.RENAMED:
            return f"{change.nick} is now {change.detail}"


def to_json(event: ChatEvent, now: dt.datetime) -> str:
    """Return the event as one line of JSON: "event", "time" and the fields of the event."""
    match event:
        case ChatMessage() | MembershipChange():
            name = event.kind.value
        case _:
            name = _JSON_NAMES[type(event)]
    fields = {
        field.name: value
        for field in dataclasses.fields(event)
        if not isinstance(value := getattr(event, field.name), enum.Enum)
    }
    time = fields.pop("time", "") or now.isoformat(timespec="milliseconds")
    return json.dumps({"event": name, "time": time, **fields})
