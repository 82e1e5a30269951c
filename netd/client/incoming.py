"""What a line of the server's means once we are welcome; pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from netd.client import reply
from netd.client.event import (
    Effect,
    Entered,
    Manner,
    Move,
    Moved,
    Refused,
    Said,
    Told,
    send,
)
from netd.client.state import State, is_channel
from netd.protocols.irc import Message

MAX_BATCHES: Final = 10
MAX_BATCH_MESSAGES: Final = 1000
_HISTORY_BATCHES: Final = frozenset({"chathistory", "draft/chathistory", "znc.in/playback"})
# server-time: ISO 8601, to the millisecond, UTC
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z")

Handler = Callable[[State, Message], list[Effect]]


def receive(state: State, message: Message) -> list[Effect]:
    """Take in one line; give what is to be shown and sent."""
    handler = _HANDLERS.get(message.command)
    try:
        return handler(state, message) if handler else reply.receive(state, message)
    except (IndexError, ValueError):  # too few parameters, or too many, tell nothing
        return []


def _time(message: Message) -> str:
    """When the server says it was; empty for what is no time, which must not be asked after."""
    time = message.tags.get("time", "")
    return time if _TIME.fullmatch(time) else ""


def _nick(message: Message) -> str:
    return message.source.partition("!")[0]


def _moved(message: Message, move: Move, channel: str = "", detail: str = "") -> Moved:
    return Moved(move, _nick(message), channel, detail, _time(message))


def _ping(_state: State, message: Message) -> list[Effect]:
    return [send("PONG", *message.params)]


def _pong(state: State, message: Message) -> list[Effect]:
    return state.outbox.on_pong(message.params[-1])


def _join(state: State, message: Message) -> list[Effect]:
    nick, channel = _nick(message), message.params[0]
    if not state.is_me(nick):
        if (known := state.roster.get(channel)) is not None:
            known.add(nick)
        return [_moved(message, Move.JOINED, channel)]
    state.source = message.source
    state.wanted.setdefault(state.fold(channel), (channel,))
    state.roster.enter(channel).add(nick)
    return [Entered(channel), *_ask_history(state, channel, _time(message))]


def _ask_history(state: State, channel: str, now: str) -> list[Effect]:
    heard_until = state.heard_until.get(state.fold(channel))
    if now:
        state.heard_until.setdefault(state.fold(channel), now)
    if "draft/chathistory" not in state.caps or not state.identity.history_lines:
        return []
    since = f"timestamp={heard_until}" if heard_until else "*"
    return [send("CHATHISTORY", "LATEST", channel, since, str(state.identity.history_lines))]


def _gone(state: State, nick: str, channel: str) -> list[Effect]:
    if not state.is_me(nick):
        if (known := state.roster.get(channel)) is not None:
            known.remove(nick)
        return []
    state.roster.leave(channel)
    if state.fold(state.current) != state.fold(channel) or not len(state.roster):
        return []
    state.current = next(each.name for each in state.roster)
    return [Told("you talk here now", state.current)]


def _part(state: State, message: Message) -> list[Effect]:
    channel, reason = message.params[0], message.params[1:]
    elsewhere = _gone(state, _nick(message), channel)
    left = _moved(message, Move.LEFT, channel, reason[0] if reason else "")
    dropped = state.outbox.drop(channel, f"you left {channel}") if state.is_me(left.nick) else []
    return [left, *dropped, *elsewhere]


def _kick(state: State, message: Message) -> list[Effect]:
    channel, victim, *reason = message.params
    by = " ".join([f"by {_nick(message)}", *(f"({each})" for each in reason)])
    elsewhere = _gone(state, victim, channel)
    if state.is_me(victim):
        state.wanted.pop(state.fold(channel), None)
        why = f"you were thrown out of {channel} {by}"
        dropped = state.outbox.drop(channel, why)
        return [Refused(why, "KICK", channel), *dropped, *elsewhere]
    return [Moved(Move.KICKED, victim, channel, by, _time(message))]


def _quit(state: State, message: Message) -> list[Effect]:
    for channel in state.roster:
        channel.remove(_nick(message))
    return [_moved(message, Move.QUIT, detail=message.params[0] if message.params else "")]


def _renamed(state: State, message: Message) -> list[Effect]:
    old, new = _nick(message), message.params[0]
    for channel in state.roster:
        channel.rename(old, new)
    if state.is_me(old):
        state.nick = state.wanted_nick = new
        state.source = state.source.replace(old, new, 1)
    if state.fold(state.current) == state.fold(old):
        state.current = new
    return [_moved(message, Move.RENAMED, detail=new)]


def _topic(_state: State, message: Message) -> list[Effect]:
    channel, topic = message.params
    who = _nick(message)
    words = f"{who} set the topic: {topic}" if topic else f"{who} removed the topic"
    return [Told(words, channel)]


def _mode(_state: State, message: Message) -> list[Effect]:
    target, *change = message.params
    if not is_channel(target):
        return []  # our own user modes: nothing a person asked for
    return [Told(f"{_nick(message)} set mode {' '.join(change)}", target)]


def _invite(state: State, message: Message) -> list[Effect]:
    guest, channel = message.params[:2]
    if state.is_me(guest):
        return [Told(f"{_nick(message)} invites you to {channel}: /join {channel}")]
    return [Told(f"{_nick(message)} invited {guest}", channel)]


def _said(state: State, message: Message) -> list[Effect]:
    sender, (target, text) = _nick(message), message.params[:2]
    is_ignored = state.fold(sender) in state.ignored and not state.is_me(sender)
    if is_ignored or not state.is_new(message.tags.get("msgid", "")):
        return []
    manner = Manner.NOTICE if message.command == "NOTICE" else Manner.TEXT
    if text.startswith("\x01"):
        verb, _, text = text.strip("\x01").partition(" ")
        if verb != "ACTION":  # CTCP: questions to the program, which it keeps to itself
            is_old = message.tags.get("batch", "") in state.batches
            return [] if is_old else _confirmed(state, sender, target)
        manner = Manner.ACTION
    said = Said(sender, target, text, manner, time=_time(message))
    return _place(state, message, said)


def _place(state: State, message: Message, said: Said) -> list[Effect]:
    if said.time and is_channel(said.target):
        heard_until = state.heard_until.get(state.fold(said.target), "")
        state.heard_until[state.fold(said.target)] = max(heard_until, said.time)
    history = state.batches.get(message.tags.get("batch", ""))
    mine = state.is_me(said.sender)
    if history is not None:
        if len(history) < MAX_BATCH_MESSAGES:
            history.append(replace(said, mine=mine, old=True))
        return []
    if (channel := state.roster.get(said.target)) is not None:
        channel.spoke(said.sender)
    is_chat = not mine and said.manner is not Manner.NOTICE
    to_me = state.is_me(said.target) or state.mentions_me(said.text)
    shown = replace(said, mine=mine, mention=is_chat and to_me)
    return [shown, *_confirmed(state, said.sender, said.target)]


def _confirmed(state: State, sender: str, target: str) -> list[Effect]:
    return state.outbox.on_echo(target) if state.is_me(sender) and state.echoes else []


def _batch(state: State, message: Message) -> list[Effect]:
    sign, reference = message.params[0][:1], message.params[0][1:]
    if sign == "+":
        if message.params[1] in _HISTORY_BATCHES and len(state.batches) < MAX_BATCHES:
            state.batches[reference] = []
        return []
    history = state.batches.pop(reference, [])
    if not history:
        return []
    count = f"{len(history)} earlier message{'s' if len(history) > 1 else ''}"
    return [Told(count, history[0].target), *history]


def _cap(state: State, message: Message) -> list[Effect]:
    _, verb, *_, listed = message.params
    if verb != "DEL":
        return []
    echoed = state.echoes
    state.caps -= set(listed.split())
    unconfirmed = state.outbox.last_ping if echoed and not state.echoes else ""
    return [send("PING", unconfirmed)] if unconfirmed else []


def _error(_state: State, message: Message) -> list[Effect]:
    return [Refused(message.params[0], "ERROR")]


def _failed(state: State, message: Message) -> list[Effect]:
    command, code, *context, words = message.params
    if command in ("PRIVMSG", "NOTICE") and context:
        refused = state.outbox.on_refusal(context[0], words)
        if refused:
            return refused
    return [Refused(words, code, context[0] if context else "")]


def _noted(_state: State, message: Message) -> list[Effect]:
    return [Told(message.params[-1])]


def _nothing(_state: State, _message: Message) -> list[Effect]:
    return []


_HANDLERS: Final[dict[str, Handler]] = {
    "PING": _ping,
    "PONG": _pong,
    "JOIN": _join,
    "PART": _part,
    "KICK": _kick,
    "QUIT": _quit,
    "NICK": _renamed,
    "TOPIC": _topic,
    "MODE": _mode,
    "INVITE": _invite,
    "PRIVMSG": _said,
    "NOTICE": _said,
    "BATCH": _batch,
    "ERROR": _error,
    "FAIL": _failed,
    "WARN": _noted,
    "NOTE": _noted,
    "WALLOPS": _noted,
    "TAGMSG": _nothing,
    "CAP": _cap,
    "AWAY": _nothing,
    "ACCOUNT": _nothing,
}
