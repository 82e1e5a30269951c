"""Events as lines of text for a person, or as JSON for a program.

Text that came from the network is sanitized here, last before it is shown.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
from typing import Final

from netd.client.core.chat_events import (
    ChangeKind,
    ChannelJoined,
    ChatEvent,
    ChatMessage,
    Delivered,
    Disconnected,
    EarlierMessages,
    Found,
    MembershipChange,
    Notice,
    Reaction,
    Redaction,
    Refused,
    Registered,
    SentAside,
    ServerNotice,
    Switched,
    Undelivered,
)
from netd.client.core.client_state import is_channel
from netd.client.core.sanitize import sanitize
from netd.client.core.secrets import masked
from netd.client.core.styled_text import Spans, Style, nick_style, plain_text, to_ansi
from netd.protocols.irc import fold

_JSON_NAMES: Final[dict[type[ChatEvent], str]] = {
    Notice: "info",
    ServerNotice: "info",
    Switched: "info",
    SentAside: "info",
    EarlierMessages: "info",
    Found: "found",
    Reaction: "react",
    Redaction: "redact",
    Refused: "refused",
    Registered: "registered",
    ChannelJoined: "joined",
    Delivered: "delivered",
    Undelivered: "undelivered",
    Disconnected: "disconnected",
}

_OPTIONAL_FIELDS: Final = ("id", "reply_to", "channels")  # left out where they are empty
_INTERNAL_FIELD: Final = "ids"  # the order in which a screen places lines
MAX_NAME_CHARS: Final = 40


class EventFormatter:
    """Formats events as lines of text, with or without colours."""

    def __init__(self, *, colors: bool) -> None:
        self._colors = colors

    def line(
        self,
        event: ChatEvent,
        now: dt.datetime,
        current: str = "",
        *,
        stamp: str = "",
        reply: str = "",
    ) -> str:
        """Return the line for an event; empty if the event is not shown.

        A line about the `current` channel does not name the channel. `stamp` is the form of the
        time; by default it has the day if it is not today.
        """
        spans = format_event(event, now, current, reply=reply, stamp=stamp)
        text = to_ansi(spans) if self._colors else plain_text(spans)
        return text.replace("\n", "\n      ")  # a line of its own would look like a message


def format_event(
    event: ChatEvent, now: dt.datetime, current: str = "", *, reply: str = "", stamp: str = ""
) -> Spans:
    """Return the line for an event in spans, empty if the event is not shown.

    `reply` is the text of the message that this one answers; `stamp` is the form of the time.
    """
    match event:
        case ChatMessage():
            return _chat_message(event, now, current, reply, stamp)
        case Found():
            found = ChatMessage(event.sender, event.target, event.text, time=event.time)
            return _chat_message(found, now, "", "", "")
        case Refused() | Disconnected() | Undelivered():
            return [*_stamp("", now, stamp), (Style.ERROR, f"!! {sanitize(error_text(event))}")]
    text = _information_text(event, current, reply)
    time = event.time if isinstance(event, MembershipChange | Reaction) else ""
    if not text:
        return []
    return [*_stamp(time, now, stamp), (Style.DIM, f"-- {sanitize(text)}")]


def _chat_message(
    chat: ChatMessage, now: dt.datetime, current: str, reply: str, stamp: str
) -> Spans:
    before, after = {"action": ("* ", ""), "notice": ("-", "-")}.get(chat.kind.value, ("<", ">"))
    spans = _stamp(chat.time, now, stamp)
    if place := _place(chat, current):
        spans += [(Style.DIM, f"{clip(sanitize(place))} ")]
    # In the window of a private conversation, every message is for the user.
    is_marked = chat.mention and (bool(place) or is_channel(chat.target))
    sender_style = Style.MENTION if is_marked else _sender_style(chat)
    spans += [(Style.PLAIN, before), (sender_style, clip(sanitize(chat.sender)))]
    spans += [(Style.PLAIN, f"{after} ")]
    if chat.reply_to:
        spans += [(Style.DIM, f"(re {sanitize(reply) or 'an earlier message'}) ")]
    shown = masked(chat.target, chat.text) if chat.mine else chat.text
    text = "\n".join(map(sanitize, shown.split("\n")))
    style = Style.BOLD if is_marked else Style.PLAIN
    return [*spans, (Style.DIM if chat.old else style, text)]


def _place(chat: ChatMessage, current: str) -> str:
    """Return the words for the conversation of a message; empty for the current one."""
    if is_channel(chat.target):
        return "" if fold(chat.target) == fold(current) else chat.target
    peer = chat.target if chat.mine else chat.sender
    if fold(peer) == fold(current):
        return ""
    return f"[to {chat.target}]" if chat.mine else "[private]"


def _sender_style(chat: ChatMessage) -> Style:
    return Style.BOLD if chat.mine else nick_style(chat.sender)


def _stamp(time: str, now: dt.datetime, form: str) -> Spans:
    when = local_time(time, now)
    by_day = "%H:%M" if when.date() == now.date() else "%b %d %H:%M"
    return [(Style.DIM, when.strftime(form or by_day)), (Style.PLAIN, " ")]


def clip(name: str) -> str:
    """Return a name, cut if it is so long that only a hostile server sends it."""
    return name if len(name) <= MAX_NAME_CHARS else f"{name[: MAX_NAME_CHARS - 1]}\u2026"


def local_time(time: str, now: dt.datetime) -> dt.datetime:
    """Convert the server's time to the time zone of `now`; `now` if it is empty or malformed."""
    try:
        return dt.datetime.fromisoformat(time).astimezone(now.tzinfo) if time else now
    except (ValueError, OverflowError):
        return now


def error_text(event: Refused | Disconnected | Undelivered) -> str:
    """Return the words for an event that reports an error, not sanitized."""
    if isinstance(event, Undelivered):
        return f"not delivered: {masked(event.target, event.text)!r}: {event.why}"
    return event.text


def _information_text(event: ChatEvent, current: str, reply: str) -> str:
    match event:
        case MembershipChange():
            return _change_text(event, current)
        case Reaction() | Redaction():
            return _answer_text(event, reply or "an earlier message")
        case Notice():
            is_named = event.channel and fold(event.channel) != fold(current)
            return f"{event.channel}: {event.text}" if is_named else event.text
        case Registered():
            return _welcome_text(event)
    return ""


def _answer_text(event: Reaction | Redaction, message: str) -> str:
    if isinstance(event, Redaction):
        reason = f" ({event.reason})" if event.reason else ""
        return f"{event.nick} deleted {message}{reason}"
    verb = "withdrew" if event.withdrawn else "reacted"
    return f"{event.sender} {verb} {event.reaction} to {message}"


def _welcome_text(event: Registered) -> str:
    if event.resumed:
        return f"connected again as {event.nick}; the server has kept the place"
    if event.again:
        return f"connected again as {event.nick}"
    return f"welcome, {event.nick}; /help lists the commands"


def _change_text(change: MembershipChange, current: str) -> str:
    channel = "" if fold(change.channel) == fold(current) else f" {change.channel}"
    reason = f" ({change.detail})" if change.detail else ""
    match change.kind:
        case ChangeKind.JOINED:
            return f"{change.nick} has joined{channel}"
        case ChangeKind.LEFT:
            return f"{change.nick} has left{channel}{reason}"
        case ChangeKind.QUIT:
            return f"{change.nick} has quit{reason}"
        case ChangeKind.KICKED:
            return f"{change.nick} was kicked{channel} {change.detail}"
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
        if field.name != _INTERNAL_FIELD
        and not isinstance(value := getattr(event, field.name), enum.Enum)
    }
    for name_of_field in _OPTIONAL_FIELDS:
        if not fields.get(name_of_field, True):
            del fields[name_of_field]
    time = fields.pop("time", "") or now.isoformat(timespec="milliseconds")
    return json.dumps({"event": name, "time": time, **fields})
