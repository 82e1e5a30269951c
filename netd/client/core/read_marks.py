"""Up to which message the user has read, on any device (MARKREAD of draft/read-marker)."""

from __future__ import annotations

from typing import Final

from netd.client.core.chat_events import Effect, send
from netd.client.core.client_state import ClientState
from netd.client.core.conversations import Conversation, ConversationKind
from netd.client.core.received import valid_time
from netd.protocols.irc import Message

_CAPABILITY: Final = "draft/read-marker"
_MAX_ASKED: Final = 100


def are_known(state: ClientState) -> bool:
    """Whether the server keeps the marks."""
    return _CAPABILITY in state.capabilities


def on_mark(state: ClientState, message: Message) -> list[Effect]:
    """Adopt a mark of the server; request the messages after it if the user has not seen them."""
    target, value = message.params[:2]
    until = valid_time(value.removeprefix("timestamp="))
    newest = state.unread_targets.pop(state.fold(target), "")
    effects: list[Effect] = []
    if newest and newest > until:
        count = str(state.identity.history_lines)
        after = ("AFTER", target, f"timestamp={until}") if until else ("LATEST", target, "*")
        state.conversations.open(target)
        effects = [send("CHATHISTORY", *after, count)]
    conversation = state.conversations.get(target)
    if conversation is not None and until:
        conversation.mark_read(until)
    return effects


def ask(state: ClientState, target: str, newest: str) -> list[Effect]:
    """Ask for the mark of a user with whom there are messages up to `newest`."""
    if len(state.unread_targets) >= _MAX_ASKED or state.conversations.get(target) is not None:
        return []
    state.unread_targets[state.fold(target)] = newest
    return [send("MARKREAD", target)]


def read_current(state: ClientState) -> list[Effect]:
    """Mark the current conversation as read, since the user is there."""
    conversation = state.conversations.current
    conversation.see()
    until = conversation.newest
    if conversation.kind is ConversationKind.SERVER or until <= conversation.read_until:
        return []
    conversation.mark_read(until)
    return _report(state, conversation)


def _report(state: ClientState, conversation: Conversation) -> list[Effect]:
    if not (state.is_registered and are_known(state)):
        return []
    until = f"timestamp={_in_milliseconds(conversation.read_until)}"
    return [send("MARKREAD", conversation.name, until)]


def _in_milliseconds(time: str) -> str:
    """Return a time with exactly three digits after the second, as the draft requires."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    return f"{whole}.{fraction[:3]:0<3}Z"
