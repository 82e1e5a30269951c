"""The handlers of the server's messages after registration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netd.client.core import (
    batches,
    chat_lines,
    missed_messages,
    nick_regain,
    numeric_replies,
    read_marks,
)
from netd.client.core.chat_events import (
    ChangeKind,
    ChannelJoined,
    Effect,
    MembershipChange,
    Notice,
    Refused,
    Switched,
    send,
)
from netd.client.core.client_state import ClientState, is_channel
from netd.client.core.mode_changes import mode_changes, prefixes, with_change
from netd.client.core.received import nick_of, time_of, valid_time
from netd.protocols.irc import Message

_SHOWN_IN_HISTORY: Final = frozenset({"PRIVMSG", "NOTICE", "BATCH"})
_Handler = Callable[[ClientState, Message], list[Effect]]


def receive(state: ClientState, message: Message) -> list[Effect]:
    """Process one message; return the events to show and the lines to send."""
    handler = _HANDLERS.get(message.command, numeric_replies.receive)
    history = state.history_batches.get(message.tags.get("batch", ""))
    if history is not None and message.command not in _SHOWN_IN_HISTORY:
        chat_lines.count_event(history, message)
        if message.command != "TAGMSG":
            return []  # it is about the members of that time
    try:
        effects = handler(state, message)
    except (IndexError, ValueError):  # too few or too many parameters: ignore the message
        effects = []
    return [*effects, *_confirmed(state, message)]


def _confirmed(state: ClientState, message: Message) -> list[Effect]:
    """Confirm the message of the user to which this one is the response (labeled-response).

    Services such as NickServ answer, but do not echo. Errors have been processed before.
    """
    label = message.tags.get("label", "")
    if message.command == "BATCH" and message.params:
        sign, reference = message.params[0][:1], message.params[0][1:]
        if sign == "+":
            if label and len(state.labeled_batches) < batches.MAX_BATCHES:
                state.labeled_batches[reference] = label
            return []
        label = state.labeled_batches.pop(reference, "")
    return state.outbox.on_label(label) if label else []


def _change(
    message: Message,
    kind: ChangeKind,
    channel: str = "",
    detail: str = "",
    channels: tuple[str, ...] = (),
) -> MembershipChange:
    return MembershipChange(kind, nick_of(message), channel, detail, time_of(message), channels)


def _ping(_state: ClientState, message: Message) -> list[Effect]:
    return [send("PONG", *message.params)]


def _pong(state: ClientState, message: Message) -> list[Effect]:
    token = message.params[-1]
    return [*state.outbox.on_pong(token), *missed_messages.on_pong(state, token)]


def _join(state: ClientState, message: Message) -> list[Effect]:
    nick, channel = nick_of(message), message.params[0]
    if not state.is_me(nick):
        if (joined := state.roster.get(channel)) is not None:
            joined.add(nick)
        return [_change(message, ChangeKind.JOINED, channel)]
    if not state.record_join(channel):
        return []
    state.source = message.source
    state.conversations.open(channel)
    state.roster.join(channel).add(nick)
    return [ChannelJoined(channel), *missed_messages.on_join(state, channel, time_of(message))]


def _remove_member(state: ClientState, nick: str, channel: str) -> None:
    if state.is_me(nick):
        state.roster.leave(channel)
    elif (joined := state.roster.get(channel)) is not None:
        joined.remove(nick)


def _close(state: ClientState, channel: str) -> list[Effect]:
    """Close the conversation of a channel that the user has left."""
    was_current = state.is_current(channel)
    name = state.roster.first_name()
    if was_current and name and state.conversations.previous.name not in state.roster:
        state.current = name
    state.conversations.close(channel)
    if not was_current or not state.current:
        return []
    return [Switched("you talk here now", state.current)]


def _part(state: ClientState, message: Message) -> list[Effect]:
    channel, reason = message.params[0], message.params[1:]
    left = _change(message, ChangeKind.LEFT, channel, reason[0] if reason else "")
    _remove_member(state, left.nick, channel)
    if not state.is_me(left.nick):
        return [left]
    state.autojoin.pop(state.fold(channel), None)
    state.last_heard.pop(state.fold(channel), None)  # its lines are gone with the conversation
    return [left, *state.outbox.drop(channel, f"you left {channel}"), *_close(state, channel)]


def _kick(state: ClientState, message: Message) -> list[Effect]:
    channel, nick, *reason = message.params
    by = " ".join([f"by {nick_of(message)}", *(f"({text})" for text in reason)])
    _remove_member(state, nick, channel)
    if not state.is_me(nick):
        return [MembershipChange(ChangeKind.KICKED, nick, channel, by, time_of(message))]
    state.autojoin.pop(state.fold(channel), None)
    why = f"you were kicked from {channel} {by}"
    return [Refused(why, "KICK", channel), *state.outbox.drop(channel, why)]


def _quit(state: ClientState, message: Message) -> list[Effect]:
    nick = nick_of(message)
    shared = tuple(channel.name for channel in state.roster if channel.remove(nick))
    reason = message.params[0] if message.params else ""
    gone = _change(message, ChangeKind.QUIT, detail=reason, channels=shared)
    return [gone, *nick_regain.on_nick_free(state, nick)]


def _renamed(state: ClientState, message: Message) -> list[Effect]:
    old, new = nick_of(message), message.params[0]
    if not new:
        return []
    shared = tuple(channel.name for channel in state.roster if old in channel)
    for channel in state.roster:
        channel.rename(old, new)
    renamed = _change(message, ChangeKind.RENAMED, detail=new, channels=shared)
    state.conversations.rename(old, new)
    if not state.is_me(old):
        return [renamed, *nick_regain.on_nick_free(state, old)]
    state.nick = state.wanted_nick = new
    state.source = state.source.replace(old, new, 1)
    return [renamed]


def _away(state: ClientState, message: Message) -> list[Effect]:
    """Process AWAY of another user (away-notify)."""
    for channel in state.roster:
        channel.set_away(nick_of(message), is_away=any(message.params))
    return []


def _topic(state: ClientState, message: Message) -> list[Effect]:
    channel, topic = message.params
    if (conversation := state.conversations.get(channel)) is not None:
        conversation.topic = topic
    nick = nick_of(message)
    text = f"{nick} set the topic: {topic}" if topic else f"{nick} removed the topic"
    return [Notice(text, channel)]


def _mode(state: ClientState, message: Message) -> list[Effect]:
    target, *change = message.params
    if not is_channel(target):
        return []  # the client's own user modes
    _adopt_prefixes(state, target, change)
    return [Notice(f"{nick_of(message)} set mode {' '.join(change)}", target)]


def _adopt_prefixes(state: ClientState, target: str, change: list[str]) -> None:
    channel, known = state.roster.get(target), prefixes(state.isupport)
    for one in mode_changes(state.isupport, change) if channel is not None else ():
        if channel is not None and one.letter in known:
            channel.set_prefix(
                one.parameter, with_change(channel.prefix(one.parameter), one, known)
            )


def _invite(state: ClientState, message: Message) -> list[Effect]:
    guest, channel = message.params[:2]
    if state.is_me(guest):
        return [Notice(f"{nick_of(message)} invites you to {channel}: /join {channel}")]
    return [Notice(f"{nick_of(message)} invited {guest}", channel)]


def _history_target(state: ClientState, message: Message) -> list[Effect]:
    word, target, *newest = message.params
    if word != "TARGETS":
        return []
    return missed_messages.on_target(state, target, valid_time("".join(newest[:1])))


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
    undelivered = state.outbox.on_labeled_refusal(message.tags.get("label", ""), text)
    if not undelivered and target and command in ("PRIVMSG", "NOTICE", "BATCH"):
        undelivered = state.outbox.on_refusal(target, text)
    if undelivered or command != "JOIN":
        return undelivered or [Refused(text, code, target)]
    return [Refused(text, code, target), *numeric_replies.on_join_refused(state, target, text)]


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
    "PRIVMSG": chat_lines.on_message,
    "NOTICE": chat_lines.on_message,
    "BATCH": batches.on_batch,
    "CHATHISTORY": _history_target,
    "CAP": _cap,
    "ERROR": _error,
    "FAIL": _fail,
    "WARN": numeric_replies.last_parameter,
    "NOTE": numeric_replies.last_parameter,
    "WALLOPS": numeric_replies.last_parameter,
    "TAGMSG": chat_lines.on_tag_message,
    "REDACT": chat_lines.on_redact,
    "MARKREAD": read_marks.on_mark,
    "ACK": _ignore,
    "CHGHOST": _ignore,
    "AWAY": _away,
    "ACCOUNT": _ignore,
}
