"""The handlers of what users say: messages, reactions and deleted messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from netd.client.core.chat_events import (
    ChatMessage,
    Effect,
    MessageKind,
    Reaction,
    Redaction,
)
from netd.client.core.client_state import ClientState, HistoryBatch, is_channel, peer_of
from netd.client.core.conversations import Conversation, Reference
from netd.client.core.history_order import HistoryOrder
from netd.client.core.received import nick_of, time_of
from netd.protocols.irc import Message

MAX_BATCH_MESSAGES: Final = 1000
REPLY_TAG: Final = "+draft/reply"
REACT_TAG: Final = "+draft/react"
UNREACT_TAG: Final = "+draft/unreact"
PERSIST_TAG: Final = "+draft/persist"  # has the server keep a TAGMSG in its history
_MAX_REACTION_CHARS: Final = 32
_SHOWN_CHARS: Final = 200


def on_message(state: ClientState, message: Message) -> list[Effect]:
    """Process PRIVMSG or NOTICE; one that belongs to a batch is shown when the batch ends."""
    multiline = state.multiline_batches.get(message.tags.get("batch", ""))
    if multiline is not None:
        if len(multiline.lines) < MAX_BATCH_MESSAGES:
            multiline.lines.append(message)
        return []
    sender, (target, text) = nick_of(message), message.params[:2]
    history = state.history_batches.get(message.tags.get("batch", ""))
    if history is not None:
        _count(history, message)
    is_found = history is not None and history.is_search
    is_ignored = state.fold(sender) in state.ignored and not state.is_me(sender)
    if is_ignored or not (is_found or _is_new(state, history, message)):
        return []
    kind = MessageKind.NOTICE if message.command == "NOTICE" else MessageKind.TEXT
    if _is_request(text):
        return [] if history is not None else _confirm_echo(state, message, text)
    if text.startswith("\x01"):
        kind, text = MessageKind.ACTION, text.strip("\x01").partition(" ")[2]
    chat = ChatMessage(
        *(sender, target, text, kind),
        mine=state.is_me(sender),
        time=time_of(message),
        id=message.tags.get("msgid", ""),
        reply_to=message.tags.get(REPLY_TAG, ""),
    )
    if history is None:
        return _show(state, chat, message)
    return _keep(state, history, chat)


def _is_new(state: ClientState, history: HistoryBatch | None, message: Message) -> bool:
    """Whether a message was not shown before; the first one of a conversation opens it."""
    sender, target, message_id = nick_of(message), message.params[0], message.tags.get("msgid", "")
    peer = history.target if history is not None else ""
    peer = peer or peer_of(sender, target, mine=state.is_me(sender))
    if message.command != "NOTICE" and message_id and not _is_request(message.params[1]):
        state.conversations.open(peer)
    return state.record_message_id(peer, message_id)


def _is_request(text: str) -> bool:
    """Whether a text is a CTCP request, which is ignored; an ACTION is none."""
    return text.startswith("\x01") and text.strip("\x01").partition(" ")[0] != "ACTION"


def _keep(state: ClientState, history: HistoryBatch, chat: ChatMessage) -> list[Effect]:
    """Keep a message of a batch until the batch ends.

    What was said to the other user of a private conversation is the user's, under any nick.
    """
    is_to_peer = history.target and state.fold(chat.target) == state.fold(history.target)
    if is_to_peer and not is_channel(chat.target):
        chat = replace(chat, mine=True)
    if len(history.messages) < MAX_BATCH_MESSAGES:
        history.messages.append(replace(chat, old=True, mention=_is_mention(state, chat)))
    if history.is_search:
        return []
    if chat.time:
        state.record_time(chat.target, chat.time)
    return state.outbox.on_seen(chat.target, chat.text) if chat.mine else []


def _count(history: HistoryBatch, message: Message) -> None:
    history.received += 1
    if len(history.ids) < MAX_BATCH_MESSAGES:
        history.ids.append(message.tags.get("msgid", ""))
    time = time_of(message)
    history.since, history.until = history.since or time, time or history.until
    if "msgid" in message.tags:
        history.last = f"msgid={message.tags['msgid']}"
    elif time:
        history.last = f"timestamp={time}"


def _show(state: ClientState, chat: ChatMessage, message: Message) -> list[Effect]:
    _record(state, chat)
    if (channel := state.roster.get(chat.target)) is not None:
        channel.note_message(chat.sender)
    shown = replace(chat, mention=_is_mention(state, chat))
    return [shown, *_confirm_echo(state, message, chat.text)]


def _is_mention(state: ClientState, chat: ChatMessage) -> bool:
    if chat.mine or chat.kind is MessageKind.NOTICE:
        return False
    return state.is_me(chat.target) or state.mentions_me(chat.text)


def _record(state: ClientState, chat: ChatMessage) -> None:
    """Remember the time of a message, and the message itself for later answers to it."""
    if chat.time:
        state.record_time(chat.target, chat.time)
    conversation = state.conversations.get(peer_of(chat.sender, chat.target, mine=chat.mine))
    if conversation is not None and chat.id:
        conversation.add_reference(_reference(chat))


def _reference(chat: ChatMessage) -> Reference:
    return Reference(chat.id, chat.sender, chat.text[:_SHOWN_CHARS], chat.mine, chat.time)


def remember_history(state: ClientState, history: HistoryBatch) -> None:
    """Remember the messages of a history for later answers to them."""
    orders: dict[Conversation, HistoryOrder] = {}
    for chat in history.messages:
        conversation = state.conversations.get(peer_of(chat.sender, chat.target, mine=chat.mine))
        if conversation is not None and chat.id:
            if conversation not in orders:
                orders[conversation] = HistoryOrder(conversation.references, history.ids)
            conversation.add_reference(_reference(chat), orders[conversation])


def _confirm_echo(state: ClientState, message: Message, text: str) -> list[Effect]:
    if not (state.is_me(nick_of(message)) and state.has_echo):
        return []
    if message.tags.get("label"):
        return []  # the label confirms the message
    has_labels = "labeled-response" in state.capabilities
    return state.outbox.on_echo(message.params[0], text, has_labels=has_labels)


def on_tag_message(state: ClientState, message: Message) -> list[Effect]:
    """Process TAGMSG: a reaction to a message, or its withdrawal; other tags are ignored."""
    sender, target = nick_of(message), message.params[0]
    withdrawn = UNREACT_TAG in message.tags
    reaction = message.tags.get(UNREACT_TAG if withdrawn else REACT_TAG, "")
    answered = message.tags.get(REPLY_TAG, "")
    if not (reaction and answered) or state.fold(sender) in state.ignored:
        return []
    shown = reaction[:_MAX_REACTION_CHARS]
    history = state.history_batches.get(message.tags.get("batch", ""))
    event = Reaction(
        *(sender, target, shown, answered, state.is_me(sender), time_of(message), withdrawn),
        old=history is not None,
    )
    if history is None:
        return [event]
    if len(history.reactions) < MAX_BATCH_MESSAGES:
        history.reactions.append(event)
    return []


def count_event(history: HistoryBatch, message: Message) -> None:
    """Count an event of a history that is not shown, such as a JOIN."""
    _count(history, message)


def on_redact(_state: ClientState, message: Message) -> list[Effect]:
    """Process REDACT: a message was deleted."""
    target, message_id, *reason = message.params
    return [Redaction(nick_of(message), target, message_id, "".join(reason[:1]))]
