"""Events in words, for a person, or as JSON, for a program; pure.

Whatever came from the network is cleaned here, at the last moment before it is shown.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import zlib
from typing import Final

from netd.client.clean import clean
from netd.client.event import (
    Event,
    Lost,
    Manner,
    Move,
    Moved,
    Refused,
    Registered,
    Said,
    Told,
    Undelivered,
)
from netd.protocols.irc import fold

INTERRUPT_HINT: Final = "Ctrl-C again leaves, so does Ctrl-D; /help lists the commands"

_RESET: Final = "\x1b[0m"
_BOLD: Final = "\x1b[1m"
_DIM: Final = "\x1b[2m"
_REVERSE: Final = "\x1b[7m"
_RED: Final = "\x1b[31m"
_NICK_COLORS: Final = tuple(f"\x1b[{n}m" for n in (32, 33, 34, 35, 36, 92, 93, 94, 95, 96))


class Wording:
    """Puts events into lines of text, with or without colours."""

    def __init__(self, *, colors: bool) -> None:
        self._colors = colors

    def line(self, event: Event, now: dt.datetime, current: str = "") -> str:
        """The line for an event, empty where there is nothing to say.

        What concerns the `current` channel does not name it.
        """
        match event:
            case Said():
                return self._said(event, now, current)
            case Refused() | Lost():
                return self._error(now, event.text)
            case Undelivered():
                return self._error(now, f"not delivered: {event.text!r}: {event.why}")
        words = _words(event, current)
        return self._aside(getattr(event, "time", ""), now, words) if words else ""

    def _said(self, said: Said, now: dt.datetime, current: str) -> str:
        nick = self._paint(clean(said.sender), nick_color(said.sender))
        if said.mine:
            nick = self._paint(clean(said.sender), _BOLD)
        elif said.mention:
            nick = self._paint(clean(said.sender), _REVERSE + _BOLD)
        where = clean(said.target)
        is_here = fold(said.target) == fold(current)
        to = "" if is_here else self._paint(f"{where} ", _DIM)
        match said.manner:
            case Manner.ACTION:
                head = f"{to}* {nick}"
            case Manner.NOTICE:
                head = f"{to}-{nick}-"
            case _:
                head = f"{to}<{nick}>"
        text = clean(said.text)
        if said.old:
            text = self._paint(text, _DIM)
        elif said.mention:
            text = self._paint(text, _BOLD)
        return f"{self._stamp(said.time, now)} {head} {text}"

    def _aside(self, time: str, now: dt.datetime, text: str) -> str:
        return f"{self._stamp(time, now)} {self._paint(f'-- {clean(text)}', _DIM)}"

    def _error(self, now: dt.datetime, text: str) -> str:
        return f"{self._stamp('', now)} {self._paint(f'!! {clean(text)}', _RED)}"

    def _stamp(self, time: str, now: dt.datetime) -> str:
        when = local_time(time, now)
        form = "%H:%M" if when.date() == now.date() else "%b %d %H:%M"
        return self._paint(when.strftime(form), _DIM)

    def _paint(self, text: str, color: str) -> str:
        return f"{color}{text}{_RESET}" if self._colors else text


def nick_color(nick: str) -> str:
    """The colour of a nick: the same today and tomorrow, here and in every other terminal."""
    return _NICK_COLORS[zlib.crc32(fold(nick).encode()) % len(_NICK_COLORS)]


def local_time(time: str, now: dt.datetime) -> dt.datetime:
    """The server's time where `now` is; `now` itself where it told none that can be read."""
    try:
        return dt.datetime.fromisoformat(time).astimezone(now.tzinfo) if time else now
    except (ValueError, OverflowError):
        return now


def _words(event: Event, current: str) -> str:
    match event:
        case Moved():
            return _moved(event, current)
        case Told():
            return f"{event.channel}: {event.text}" if event.channel else event.text
        case Registered(nick, again):
            if again:
                return f"connected again as {nick}"
            return f"welcome, {nick}; /help lists the commands"
    return ""


def _moved(moved: Moved, current: str) -> str:
    here = "" if fold(moved.channel) == fold(current) else f" {moved.channel}"
    why = f" ({moved.detail})" if moved.detail else ""
    match moved.move:
        case Move.JOINED:
            return f"{moved.nick} has joined{here}"
        case Move.LEFT:
            return f"{moved.nick} has left{here}{why}"
        case Move.QUIT:
            return f"{moved.nick} has gone{why}"
        case Move.KICKED:
            return f"{moved.nick} was thrown out{here} {moved.detail}"
        case Move.RENAMED:
            return f"{moved.nick} is now {moved.detail}"


def to_json(event: Event, now: dt.datetime) -> str:
    """The event as one line of JSON; what it is stands under "event"."""
    match event:
        case Said():
            name = event.manner.value
        case Moved():
            name = event.move.value
        case _:
            name = type(event).__name__.lower()
    plain = {
        field.name: value
        for field in dataclasses.fields(event)
        if not isinstance(value := getattr(event, field.name), enum.Enum)
    }
    time = plain.pop("time", "") or now.isoformat(timespec="milliseconds")
    return json.dumps({"event": name, "time": time, **plain})
