"""The handler of BATCH: histories, search results, and messages of several lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netd.client.core import chat_lines, missed_messages
from netd.client.core.chat_events import ChatMessage, EarlierMessages, Effect, Found, Notice
from netd.client.core.client_state import ClientState, HistoryBatch, MultilineBatch
from netd.client.core.conversations import Conversation
from netd.protocols.irc import Message

MAX_BATCHES: Final = 10
CONCAT_TAG: Final = "draft/multiline-concat"
_HISTORY_BATCHES: Final = frozenset({"chathistory", "draft/chathistory", "znc.in/playback"})
_SEARCH_BATCHES: Final = frozenset({"soju.im/search", "draft/search", "search"})


def on_batch(state: ClientState, message: Message) -> list[Effect]:
    """Open a batch, or show what a batch that ends has brought."""
    sign, reference = message.params[0][:1], message.params[0][1:]
    if sign == "+":
        _open(state, message, reference)
        return []
    multiline = state.multiline_batches.pop(reference, None)
    if multiline is not None:
        joined = join_lines(multiline)
        return chat_lines.on_message(state, joined) if joined else []
    history = state.history_batches.pop(reference, None)
    if history is None:
        return []
    if history.is_search:
        return _found(state, history.messages)
    messages, more = history.messages, missed_messages.on_batch_end(state, history)
    conversation = state.conversations.get(history.target)
    was_wanted = conversation is not None and conversation.wants_earlier
    if conversation is not None:
        conversation.wants_earlier = False
        _follow_page(conversation, history)
    if not messages:
        return [*history.reactions, *_nothing_earlier(history, was_wanted=was_wanted), *more]
    count = f"{len(messages)} earlier message{'s' if len(messages) > 1 else ''}"
    target = history.target or messages[0].target
    chat_lines.remember_history(state, history)
    heading = EarlierMessages(count, target, tuple(history.ids))
    return [heading, *messages, *history.reactions, *more]


def _follow_page(conversation: Conversation, history: HistoryBatch) -> None:
    """Put the ids of the page before this one first: both may have messages of a millisecond."""
    before, until = conversation.page_ids, conversation.page_until
    conversation.page_ids, conversation.page_until = tuple(history.ids), history.until
    if before and history.since >= until:
        history.ids = [*before, *history.ids]


def _nothing_earlier(history: HistoryBatch, *, was_wanted: bool) -> list[Effect]:
    return [Notice("there are no earlier messages", history.target)] if was_wanted else []


def _open(state: ClientState, message: Message, reference: str) -> None:
    kind, target = message.params[1], "".join(message.params[2:3])
    if kind in _HISTORY_BATCHES | _SEARCH_BATCHES and len(state.history_batches) < MAX_BATCHES:
        state.history_batches[reference] = HistoryBatch(target, is_search=kind in _SEARCH_BATCHES)
    elif kind == "draft/multiline" and len(state.multiline_batches) < MAX_BATCHES:
        state.multiline_batches[reference] = MultilineBatch(message)


def join_lines(batch: MultilineBatch) -> Message | None:
    """Return the message of a multiline batch; None if it has no line."""
    if not batch.lines:
        return None
    text = ""
    for number, line in enumerate(batch.lines):
        is_continued = not number or CONCAT_TAG in line.tags
        text += ("" if is_continued else "\n") + line.params[-1]
    first = batch.lines[0]
    tags = {**first.tags, **batch.opening.tags}
    if "batch" not in batch.opening.tags:
        tags.pop("batch", None)
    source = batch.opening.source or first.source
    return Message(first.command, (batch.opening.params[2], text), source, tags)


def _found(state: ClientState, messages: Sequence[ChatMessage]) -> list[Effect]:
    found = [Found(chat.sender, chat.target, chat.text, chat.time) for chat in messages]
    count = f"{len(found)} message{'' if len(found) == 1 else 's'} found"
    place = f" in {state.searched_in}; in=* searches all" if state.searched_in else ""
    return [Notice(f"{count}{place}"), *found]
