"""The commands about conversations and what was said in them."""

from __future__ import annotations

import datetime as dt
from typing import Final

from netd.client.core.chat_events import (
    Effect,
    Notice,
    Refused,
    ScreenAction,
    ScreenRequest,
    send,
)
from netd.client.core.client_state import ClientState, is_channel
from netd.client.core.commands.base import Argument, SlashCommand
from netd.client.core.commands.channels import leave_private
from netd.client.core.conversations import Conversation
from netd.client.core.received import shifted
from netd.protocols.irc import format_tags

_SEARCHES: Final = frozenset({"soju.im/search", "draft/search"})
_ATTRIBUTES: Final = frozenset({"from", "in", "before", "after", "limit"})
_MAX_FOUND: Final = "50"
_MILLISECOND: Final = dt.timedelta(milliseconds=1)


def _win(state: ClientState, argument: str) -> list[Effect]:
    words = argument.removeprefix("goto ").strip()
    steps = {"next": 1, "+1": 1, "prev": -1, "previous": -1, "-1": -1}
    match words:
        case "" | "list":
            return _listed(state)
        case "close":
            return _close(state, "")
    found = state.conversations.find(words)
    if words in steps:
        found = state.conversations.step(steps[words])
    if found is None:
        return [Refused(f"no conversation {words}; /win lists them")]
    state.current = found.name
    return []


def _listed(state: ClientState) -> list[Effect]:
    conversations = state.conversations
    return [Notice(f"{conversations.number(c)}  {_described(state, c)}") for c in conversations]


def _described(state: ClientState, conversation: Conversation) -> str:
    current = " (current)" if conversation is state.conversations.current else ""
    counts = f" {conversation.unread} unread" if conversation.unread else ""
    mentions = f", {conversation.mentions} for you" if conversation.mentions else ""
    return f"{conversation.name or 'server'}{current}{counts}{mentions}"


def _close(state: ClientState, argument: str) -> list[Effect]:
    found = state.conversations.find(argument) if argument else state.conversations.current
    if found is None:
        return [Refused(f"no conversation {argument}; /win lists them")]
    if found is state.conversations.server:
        return [Refused("the server's conversation stays open; /quit leaves")]
    if found.name in state.roster:
        state.autojoin.pop(state.fold(found.name), None)
        return [send("PART", found.name)]
    if is_channel(found.name):
        state.autojoin.pop(state.fold(found.name), None)
        state.conversations.close(found.name)
        return state.outbox.drop(found.name, f"you left {found.name}")
    return leave_private(state, found.name)


def _clear(_state: ClientState, _argument: str) -> list[Effect]:
    return [ScreenRequest(ScreenAction.CLEAR)]


def _lastlog(_state: ClientState, argument: str) -> list[Effect]:
    return [ScreenRequest(ScreenAction.FIND, argument)]


def _search(state: ClientState, argument: str) -> list[Effect]:
    if not (state.is_registered and _SEARCHES & state.capabilities):
        return [ScreenRequest(ScreenAction.FIND, argument)]
    attributes, text = {"limit": _MAX_FOUND}, []
    if state.current:
        attributes["in"] = state.current
    for word in argument.split():
        name, sign, value = word.partition("=")
        if sign and name in _ATTRIBUTES:
            attributes[name] = value
        else:
            text.append(word)
    if attributes.get("in") == "*":
        del attributes["in"]
    state.searched_in = attributes.get("in", "")
    if text:
        attributes["text"] = " ".join(text)
    return [send("SEARCH", format_tags(attributes)[1:-1])]


def _history(state: ClientState, argument: str) -> list[Effect]:
    if "draft/chathistory" not in state.capabilities or not state.current:
        return [Refused("there is no history here")]
    count = argument if argument.isdecimal() and len(argument) < 5 else ""  # noqa: PLR2004 (digits)
    if argument and not count:
        return [Refused("usage: /history [COUNT]")]
    state.conversations.current.wants_earlier = True
    return ask_earlier(state, int(count or state.history_page))


def ask_earlier(state: ClientState, count: int) -> list[Effect]:
    """Request the messages before the oldest one of the current conversation.

    Earlier ones may have the same millisecond; the oldest ones are recognized by their ids.
    """
    conversation = state.conversations.current
    known = len(conversation.oldest_ids)  # the server sends them again
    count = max(1, min(count + known, state.history_page))
    if conversation.oldest:
        time = shifted(conversation.oldest, _MILLISECOND) if known else conversation.oldest
        return [send("CHATHISTORY", "BEFORE", state.current, f"timestamp={time}", str(count))]
    return [send("CHATHISTORY", "LATEST", state.current, "*", str(count))]


def _cancel(state: ClientState, _argument: str) -> list[Effect]:
    count = state.outbox.cancel()
    return [Notice(f"{count} line{'' if count == 1 else 's'} will not be sent")]


COMMANDS: Final[dict[str, SlashCommand]] = {
    "win": SlashCommand(
        *("[NUMBER|NAME]", "make a conversation the current one, or list all", _win, True),
        (Argument.CONVERSATION,),
        "/win next, /win prev and /win close work as well.",
    ),
    "close": SlashCommand(
        *("[NUMBER|NAME]", "close a conversation, and leave its channel", _close, True),
        (Argument.CONVERSATION,),
    ),
    "clear": SlashCommand("", "forget the lines of the conversation", _clear, works_offline=True),
    "lastlog": SlashCommand(
        "TEXT", "find the lines of the conversation with TEXT", _lastlog, works_offline=True
    ),
    "search": SlashCommand(
        *("TEXT", "find messages on the server, or in the lines shown", _search, True),
        details="On a server with a search: from=NICK, in=CHANNEL (in=* for all), "
        "before=TIME and after=TIME narrow it.",
    ),
    "history": SlashCommand(
        "[COUNT]", "show the messages before the first line of the conversation", _history
    ),
    "cancel": SlashCommand("", "drop the lines that wait to be sent", _cancel, works_offline=True),
}
