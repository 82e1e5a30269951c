"""The lines of each conversation: events become lines, which count as unread until seen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netd.client.core.chat_events import (
    ChatEvent,
    ChatMessage,
    Disconnected,
    EarlierMessages,
    MembershipChange,
    Reaction,
    Redaction,
    Switched,
)
from netd.client.core.client_state import ClientState
from netd.client.core.conversations import Conversation, ConversationKind
from netd.client.core.crowds import Crowd, can_fold
from netd.client.core.event_format import format_event, local_time
from netd.client.core.history_order import HistoryOrder
from netd.client.core.placement import conversations_of
from netd.client.core.sanitize import sanitize
from netd.client.core.scrollback import Line, Scrollback, longest
from netd.client.core.steady_cells import steady, steady_spans
from netd.client.core.styled_text import Spans, Style

MAX_LINES: Final = 100_000  # of all conversations together
_MAX_QUOTED: Final = 40
_CROWD_AGE: Final = dt.timedelta(minutes=10)  # later changes begin a new line


@dataclass(frozen=True, slots=True)
class Placed:
    """An event in a conversation that shows it."""

    conversation: Conversation
    event: ChatEvent
    is_unread: bool = False


class Desk:
    """The lines of all conversations; `columns` measures text as the terminal does."""

    def __init__(self, state: ClientState, columns: Callable[[str], int]) -> None:
        self._state, self._columns = state, columns
        self._scrollbacks: dict[Conversation, Scrollback] = {}
        self._shown = state.conversations.current
        self._line_count = 0
        self._history_ids: tuple[str, ...] = ()
        self._orders: dict[Conversation, HistoryOrder] = {}  # of the history that is being shown

    @property
    def current(self) -> Scrollback:
        """The lines of the current conversation."""
        return self.of(self._state.conversations.current)

    def of(self, conversation: Conversation) -> Scrollback:
        """Return the lines of a conversation."""
        if conversation not in self._scrollbacks:
            self._scrollbacks[conversation] = Scrollback(self._columns)
        return self._scrollbacks[conversation]

    def record(self, event: ChatEvent, now: dt.datetime, *, is_present: bool) -> list[Placed]:
        """Add an event to the conversations that show it; the user sees it if `is_present`."""
        if isinstance(event, MembershipChange) and self._state.is_quiet:
            return []
        if isinstance(event, EarlierMessages):
            self._history_ids, self._orders = event.ids, {}
        return [
            self._place(conversation, event, now, is_present=is_present)
            for conversation in conversations_of(self._state, event)
            if not self._is_repeated(conversation, event)
        ]

    def quote(self, conversation: Conversation, message_id: str) -> str:
        """Return the begin of a message that another one answers; empty if it is not known."""
        reference = conversation.reference(message_id) if message_id else None
        if reference is None:
            return ""
        text = reference.text.replace("\n", " ")
        cut = text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED].rstrip()}\u2026"
        return f"{reference.sender}: {cut}"

    def quote_for(self, conversation: Conversation, event: ChatEvent) -> str:
        """Return the begin of the message to which an event refers; empty if there is none."""
        message_id = getattr(event, "reply_to", "") or getattr(event, "id", "")
        return self.quote(conversation, message_id)

    def follow(self) -> None:
        """Take note of the conversation that the user sees now, and of those that were closed."""
        conversations = self._state.conversations
        if self._shown is not conversations.current:
            if self._shown in self._scrollbacks:
                self._scrollbacks[self._shown].unread = None
            self._shown = conversations.current
        if len(self._scrollbacks) > len(conversations):
            kept = set(conversations)
            for closed in [c for c in self._scrollbacks if c not in kept]:
                del self._scrollbacks[closed]

    def note(self, text: str, now: dt.datetime, style: Style = Style.DIM) -> None:
        """Show a text of the program itself in the current conversation."""
        self.add_spans([(Style.DIM, f"{now:%H:%M} "), (style, f"-- {sanitize(text)}")], now)

    def add_spans(self, spans: Spans, now: dt.datetime) -> None:
        """Show spans in the current conversation."""
        self._append(self.current, Line(spans, now, is_own_note=True), is_unread=False)

    def _place(
        self, conversation: Conversation, event: ChatEvent, now: dt.datetime, *, is_present: bool
    ) -> Placed:
        scrollback = self.of(conversation)
        is_unread = False
        match event:
            case ChatMessage():
                is_unread = self._count(conversation, event, is_present=is_present)
            case Reaction():
                self._react(scrollback, event)
                return Placed(conversation, event)
            case Redaction():
                self._redact(scrollback, event)
                return Placed(conversation, event)
            case EarlierMessages() | Switched():
                return Placed(conversation, event)
            case MembershipChange() if can_fold(event):
                self._add_change(scrollback, event, now)
                return Placed(conversation, event)
        line = self._line(conversation, event, now)
        if line is not None:
            if isinstance(event, ChatMessage) and event.old:
                self._insert(conversation, line, is_unread=is_unread)
            else:
                self._append(scrollback, line, is_unread=is_unread)
        return Placed(conversation, event, is_unread)

    def _count(self, conversation: Conversation, chat: ChatMessage, *, is_present: bool) -> bool:
        """Count a message; return whether it is unread."""
        is_private = conversation.kind is ConversationKind.PRIVATE
        is_here = conversation is self._state.conversations.current
        if chat.old:
            is_seen = not conversation.read_until and not is_private
        else:
            is_seen = is_here and is_present and not self.of(conversation).is_scrolled
        return self._state.conversations.note_message(
            conversation,
            chat.time,
            chat.id,
            is_mention=chat.mention or is_private,
            is_seen=chat.mine or is_seen,
        )

    def _line(self, conversation: Conversation, event: ChatEvent, now: dt.datetime) -> Line | None:
        reply_to = event.reply_to if isinstance(event, ChatMessage) else ""
        reply = self.quote(conversation, reply_to)
        spans = format_event(event, now, conversation.name, reply=reply, stamp="%H:%M")
        if not spans:
            return None
        spans = steady_spans(spans)
        if not isinstance(event, ChatMessage):
            return Line(spans, now, is_retry=isinstance(event, Disconnected))
        return Line(spans, local_time(event.time, now), event.id, event.sender)

    def _append(self, scrollback: Scrollback, line: Line, *, is_unread: bool) -> None:
        last = scrollback.lines[-1] if scrollback.lines else None
        if line.is_retry and last is not None and last.is_retry:
            last.replace(line.spans)  # one line for all attempts to connect
            return
        scrollback.append(line, is_unread=is_unread)
        self._count_line()

    def _is_repeated(self, conversation: Conversation, event: ChatEvent) -> bool:
        """Whether a message of a history has a line; more lines are kept than ids remembered."""
        if not isinstance(event, ChatMessage) or not event.old:
            return False
        return self._order(conversation).has_shown(event.id)

    def _insert(self, conversation: Conversation, line: Line, *, is_unread: bool) -> None:
        scrollback = self.of(conversation)
        place = self._order(conversation).place(scrollback.lines, line)
        scrollback.insert(line, place, is_unread=is_unread)
        self._count_line()

    def _order(self, conversation: Conversation) -> HistoryOrder:
        """Return the order in which the messages of the present history are put."""
        if conversation not in self._orders:
            lines = self.of(conversation).lines
            self._orders[conversation] = HistoryOrder(lines, self._history_ids)
        return self._orders[conversation]

    def _count_line(self) -> None:
        self._line_count += 1
        if self._line_count > MAX_LINES:
            longest(self._scrollbacks.values()).forget(MAX_LINES // 100)
            self._line_count = sum(len(s.lines) for s in self._scrollbacks.values())

    def _add_change(
        self, scrollback: Scrollback, change: MembershipChange, now: dt.datetime
    ) -> None:
        last = scrollback.lines[-1] if scrollback.lines else None
        if last is not None and last.crowd is not None and now - last.time < _CROWD_AGE:
            last.crowd.add(change)
            last.replace(self._crowd_spans(last.crowd, last.time))
            return
        crowd = Crowd([change])
        time = local_time(change.time, now)
        line = Line(self._crowd_spans(crowd, time), time, crowd=crowd)
        self._append(scrollback, line, is_unread=False)

    def _crowd_spans(self, crowd: Crowd, time: dt.datetime) -> Spans:
        return [(Style.DIM, f"{time:%H:%M} -- {steady(sanitize(crowd.text()))}")]

    def _react(self, scrollback: Scrollback, event: Reaction) -> None:
        line = scrollback.with_id(event.id)
        if line is not None:
            line.react(event.sender, steady(sanitize(event.reaction)), withdrawn=event.withdrawn)

    def _redact(self, scrollback: Scrollback, event: Redaction) -> None:
        line = scrollback.with_id(event.id)
        if line is None:
            return
        by = "" if self._state.fold(line.sender) == self._state.fold(event.nick) else event.nick
        reason = f": {event.reason}" if event.reason else ""
        text = f"{line.sender} deleted this message" if not by else f"deleted by {by}"
        stamp: Spans = [(Style.DIM, f"{line.time:%H:%M} ")]
        line.replace([*stamp, (Style.DIM, f"-- {sanitize(text + reason)}")])
