"""The bars of the full-screen view: the title, the activity, the waiting lines, the prompt."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import Final

from netd.client.core.client_state import ClientState
from netd.client.core.conversations import Conversation, ConversationKind
from netd.client.core.event_format import clip
from netd.client.core.sanitize import sanitize
from netd.client.core.secrets import masked
from netd.client.core.steady_cells import steady
from netd.client.core.styled_text import Spans, Style, plain_text

MAX_WAITING_ROWS: Final = 3

Columns = Callable[[str], int]


def title(state: ClientState, server: str) -> Spans:
    """Return the name of the current conversation and its topic."""
    conversation = state.conversations.current
    name = clip(steady(sanitize(conversation.name))) or sanitize(server) or "server"
    if conversation.kind is ConversationKind.PRIVATE:
        away = ", away" if state.roster.is_away(conversation.name) else ""
        return [(Style.BOLD, f" {name}"), (Style.PLAIN, f"  private conversation{away}")]
    if conversation.kind is ConversationKind.SERVER:
        return [(Style.BOLD, f" {name}")]
    joined = state.roster.get(conversation.name)
    count = f" {len(joined)}" if joined is not None else " (not joined)"
    return [
        *((Style.BOLD, f" {name}"), (Style.PLAIN, count)),
        (Style.PLAIN, f"  {steady(sanitize(conversation.topic))}" if conversation.topic else ""),
    ]


def status(state: ClientState, clock: str, lines_below: int, width: int, columns: Columns) -> Spans:
    """Return the clock, the own nick, the current conversation and the others' activity."""
    conversations = state.conversations
    current = conversations.current
    mode = " (away)" if state.is_away else "" if state.is_registered else " (offline)"
    nick = f"{clip(sanitize(state.nick))}{mode}"
    place = f"{conversations.number(current)}:{_name(current)}"
    head: Spans = [(Style.PLAIN, f" {clock} "), (Style.BOLD, nick), (Style.PLAIN, f"  {place}")]
    if lines_below:
        head.append((Style.ERROR, f"  {lines_below} more below"))
    for names in (True, False):
        items = _activity(state, with_names=names)
        shown = _fitting(items, width - columns(plain_text(head)), columns)
        if len(shown) == len(items):
            break
    more = f" +{len(items) - len(shown)}" if len(shown) < len(items) else ""
    rule = [(Style.PLAIN, "  |")] if items else []
    return [*head, *rule, *(span for item in shown for span in item), (Style.PLAIN, more)]


def _fitting(items: list[Spans], width: int, columns: Columns) -> list[Spans]:
    """Return the items, or the first ones of them if their number has to follow."""
    left = width - len("  |")
    ends = list(accumulate(columns(plain_text(item)) for item in items))
    if not ends or ends[-1] <= left:
        return items
    left -= len(f" +{len(items)}")
    return items[: bisect_right(ends, left)]


def _activity(state: ClientState, *, with_names: bool) -> list[Spans]:
    """Return the spans of each other conversation with unread messages."""
    conversations = state.conversations
    items: list[Spans] = []
    for number, conversation in enumerate(conversations, 1):
        if not conversation.unread or conversation is conversations.current:
            continue
        name = f":{_name(conversation)}" if with_names else ""
        count = f" {conversation.unread}" if with_names else f"({conversation.unread})"
        mentions = conversation.mentions
        if mentions and mentions != conversation.unread:
            count += f"/{mentions}"
        style = Style.MENTION if mentions else Style.PLAIN
        space = "  " if with_names else " "
        items.append([(Style.PLAIN, space), (style, f"{number}{name}{count}")])
    return items


def _name(conversation: Conversation) -> str:
    return clip(steady(sanitize(conversation.name))) or "server"


def waiting(state: ClientState, width: int) -> list[Spans]:
    """Return rows for the lines that are not sent yet: the first ones, and how many there are."""
    messages = state.outbox.waiting()
    if not messages:
        return []
    seconds = state.outbox.wait_s()
    time = f", {seconds:.0f} s" if seconds >= 1 and state.is_registered else ""
    lines = state.outbox.waiting_lines()
    count = f"{lines} line{'' if lines == 1 else 's'} to send{time}"
    heading = f"-- {count}; /cancel drops them"
    if len(heading) > width:
        heading = f"-- {count}; /cancel"[:width]
    rows: list[Spans] = [[(Style.DIM, heading)]]
    for message in messages[: MAX_WAITING_ROWS - 1]:
        text = masked(message.target, message.text).replace("\n", " ")
        text = steady(sanitize(text))[: max(0, width)]
        rows.append([(Style.DIM, f"   {clip(sanitize(message.target))}: {text}")])
    return rows


def prompt(state: ClientState) -> str:
    """Return the prompt of the full-screen view: where typed text goes."""
    return f"[{_name(state.conversations.current)}] "
