"""The handlers of the server's messages after registration."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from netd.client.core import missed_messages, numeric_replies
from netd.client.core.chat_events import (
    ChangeKind,
    ChannelJoined,
    ChatMessage,
    Effect,
    MembershipChange,
    MessageKind,
    Notice,
    Refused,
    send,
)
from netd.client.core.client_state import ClientState, HistoryBatch, is_channel
from netd.protocols.irc import Message

MAX_BATCHES: Final = 10
MAX_BATCH_MESSAGES: Final = 1000
_HISTORY_BATCHES: Final = frozenset({"chathistory", "draft/chathistory", "znc.in/playback"})
# server-time: ISO 8601 in UTC
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z")

_Handler = Callable[[ClientState, Message], list[Effect]]


def receive(state: ClientState, message: Message) -> list[Effect]:
    """Process one message; return the events to show and the lines to send."""
    handler = _HANDLERS.get(message.command, numeric_replies.receive)
    try:
        return handler(state, message)
    except (IndexError, ValueError):  # too few or too many parameters: ignore the message
        return []


def _nick(message: Message) -> str:
    return message.source.partition("!")[0]


def _time(message: Message) -> str:
    """Return the server's time; empty if malformed, since it is sent back in CHATHISTORY."""
    time = message.tags.get("time", "")
    return time if _TIME.fullmatch(time) else ""


def _change(
    message: Message, kind: ChangeKind, channel: str = "", detail: str = ""
) -> MembershipChange:
    return MembershipChange(kind, _nick(message), channel, detail, _time(message))


def _ping(_state: ClientState, message: Message) -> list[Effect]:
    return [send("PONG", *message.params)]


def _pong(state: ClientState, message: Message) -> list[Effect]:
    token = message.params[-1]
    return [*state.outbox.on_pong(token), *missed_messages.on_pong(state, token)]


def _join(state: ClientState, message: Message) -> list[Effect]:
    nick, channel = _nick(message), message.params[0]
    if not state.is_me(nick):
        if (joined := state.roster.get(channel)) is not None:
            joined.add(nick)
        return [_change(message, ChangeKind.JOINED, channel)]
    if not state.record_join(channel):
        return []
    state.source = message.source
    state.roster.join(channel).add(nick)
    return [ChannelJoined(channel), *missed_messages.on_join(state, channel, _time(message))]


def _remove_member(state: ClientState, nick: str, channel: str) -> list[Effect]:
    if not state.is_me(nick):
        if (joined := state.roster.get(channel)) is not None:
            joined.remove(nick)
        return []
    state.roster.leave(channel)
    if not state.is_current(channel) or not len(state.roster):
        return []
    state.current = state.roster.first_name()
    return [Notice("you talk here now", state.current)]


def _part(state: ClientState, message: Message) -> list[Effect]:
    channel, reason = message.params[0], message.params[1:]
    left = _change(message, ChangeKind.LEFT, channel, reason[0] if reason else "")
    switched = _remove_member(state, left.nick, channel)
    dropped = state.outbox.drop(channel, f"you left {channel}") if state.is_me(left.nick) else []
    return [left, *dropped, *switched]


def _kick(state: ClientState, message: Message) -> list[Effect]:
    channel, nick, *reason = message.params
    by = " ".join([f"by {_nick(message)}", *(f"({text})" for text in reason)])
    switched = _remove_member(state, nick, channel)
    if not state.is_me(nick):
        return [MembershipChange(ChangeKind.KICKED, nick, channel, by, _time(message))]
    state.autojoin.pop(state.fold(channel), None)
    why = f"you were thrown out of {channel} {by}"
    return [Refused(why, "KICK", channel), *state.outbox.drop(channel, why), *switched]


def _quit(state: ClientState, message: Message) -> list[Effect]:
    for channel in state.roster:
        channel.remove(_nick(message))
    reason = message.params[0] if message.params else ""
    return [_change(message, ChangeKind.QUIT, detail=reason)]


def _renamed(state: ClientState, message: Message) -> list[Effect]:
    old, new = _nick(message), message.params[0]
    for channel in state.roster:
        channel.rename(old, new)
    if state.is_me(old):
        state.nick = state.wanted_nick = new
        state.source = state.source.replace(old, new, 1)
    if state.is_current(old):
        state.current = new
    return [_change(message, ChangeKind.RENAMED, detail=new)]


def _topic(_state: ClientState, message: Message) -> list[Effect]:
    channel, topic = message.params
    nick = _nick(message)
    text = f"{nick} set the topic: {topic}" if topic else f"{nick} removed the topic"
    return [Notice(text, channel)]


def _mode(_state: ClientState, message: Message) -> list[Effect]:
    target, *change = message.params
    if not is_channel(target):
        return []  # the client's own user modes
    return [Notice(f"{_nick(message)} set mode {' '.join(change)}", target)]


def _invite(state: ClientState, message: Message) -> list[Effect]:
    guest, channel = message.params[:2]
    if state.is_me(guest):
        return [Notice(f"{_nick(message)} invites you to {channel}: /join {channel}")]
    return [Notice(f"{_nick(message)} invited {guest}", channel)]


def _chat_message(state: ClientState, message: Message) -> list[Effect]:
    sender, (target, text) = _nick(message), message.params[:2]
    history = state.history_batches.get(message.tags.get("batch", ""))
    if history is not None:
        _count(history, message)
    is_ignored = state.fold(sender) in state.ignored and not state.is_me(sender)
    if is_ignored or not state.record_message_id(message.tags.get("msgid", "")):
        return []
    kind = MessageKind.NOTICE if message.command == "NOTICE" else MessageKind.TEXT
    if text.startswith("\x01"):
        verb, _, text = text.strip("\x01").partition(" ")
        if verb != "ACTION":  # another CTCP request: ignored
            return [] if history is not None else _confirm_echo(state, sender, target, text)
        kind = MessageKind.ACTION
    chat = ChatMessage(sender, target, text, kind, mine=state.is_me(sender), time=_time(message))
    if chat.time:
        state.record_time(target, chat.time)
    if history is None:
        return _show(state, chat)
    if len(history.messages) < MAX_BATCH_MESSAGES:
        history.messages.append(replace(chat, old=True))  # until the batch ends
    return state.outbox.on_seen(target, text) if chat.mine else []


def _count(history: HistoryBatch, message: Message) -> None:
    history.received += 1
    if "msgid" in message.tags:
        history.last = f"msgid={message.tags['msgid']}"
    elif time := _time(message):
        history.last = f"timestamp={time}"


def _show(state: ClientState, chat: ChatMessage) -> list[Effect]:
    if (channel := state.roster.get(chat.target)) is not None:
        channel.note_message(chat.sender)
    if chat.mine or chat.kind is MessageKind.NOTICE:
        mention = False
    else:
        mention = state.is_me(chat.target) or state.mentions_me(chat.text)
    shown = replace(chat, mention=mention)
    return [shown, *_confirm_echo(state, chat.sender, chat.target, chat.text)]


def _confirm_echo(state: ClientState, sender: str, target: str, text: str) -> list[Effect]:
    return state.outbox.on_echo(target, text) if state.is_me(sender) and state.has_echo else []


def _batch(state: ClientState, message: Message) -> list[Effect]:
    sign, reference = message.params[0][:1], message.params[0][1:]
    if sign == "+":
        is_history = message.params[1] in _HISTORY_BATCHES
        if is_history and len(state.history_batches) < MAX_BATCHES:
            state.history_batches[reference] = HistoryBatch("".join(message.params[2:3]))
        return []
    history = state.history_batches.pop(reference, None)
    if history is None:
        return []
    messages, more = history.messages, missed_messages.on_batch_end(state, history)
    if not messages:
        return more
    count = f"{len(messages)} earlier message{'s' if len(messages) > 1 else ''}"
    return [Notice(count, history.target or messages[0].target), *messages, *more]


def _history_target(state: ClientState, message: Message) -> list[Effect]:
    word, target = message.params[:2]
    return missed_messages.on_target(state, target) if word == "TARGETS" else []


def _cap(state: ClientState, message: Message) -> list[Effect]:
    _, subcommand, *_, capabilities = message.params
    if subcommand != "DEL":
        return []
    had_echo = state.has_echo
    state.capabilities -= set(capabilities.split())
    # Without echoes only a PONG can confirm the messages already sent.
    token = state.outbox.last_ping_token if had_echo and not state.has_echo else ""
    return [send("PING", token)] if token else []


def _error(state: ClientState, message: Message) -> list[Effect]:
    state.closing_reason = message.params[0]  # it is shown when the connection ends
    return []


def _fail(state: ClientState, message: Message) -> list[Effect]:
    command, code, *context, text = message.params
    target = context[0] if context else ""
    undelivered = (
        state.outbox.on_refusal(target, text) if target and command in ("PRIVMSG", "NOTICE") else []
    )
    return undelivered or [Refused(text, code, target)]


def _last_parameter(_state: ClientState, message: Message) -> list[Effect]:
    return [Notice(message.params[-1])]


def _ignore(_state: ClientState, _message: Message) -> list[Effect]:
    return []


_HANDLERS: Final[dict[str, _Handler]] = {
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
    "PRIVMSG": _chat_message,
    "NOTICE": _chat_message,
    "BATCH": _batch,
    "CHATHISTORY": _history_target,
    "CAP": _cap,
    "ERROR": _error,
    "FAIL": _fail,
    "WARN": _last_parameter,
    "NOTE": _last_parameter,
    "WALLOPS": _last_parameter,
    "TAGMSG": _ignore,
    "AWAY": _ignore,
    "ACCOUNT": _ignore,
}
