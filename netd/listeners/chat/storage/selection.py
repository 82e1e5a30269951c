"""Selects messages that a reader may see.

A statement returns its rows as one JSON text: a thread waits for the interpreter lock after each
row.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from netd.listeners.chat.room.stored_message import (
    NEVER,
    AllConversations,
    Bound,
    ConversationView,
    FindMessage,
    LastPosition,
    MessagesAround,
    MessagesSince,
    SelectMessages,
    Targets,
    View,
    message_of_row,
)
from netd.listeners.chat.storage.words import TEXT_COMMANDS
from netd.protocols.irc import Message

Span = tuple[int, int]
"""The first and the last position of what may be seen."""

ROW: Final = "json_array(id, time, command, source, params, text, msgid, tags)"
_TEXTS: Final = f"AND command IN {TEXT_COMMANDS}"
_SPAN: Final = """
SELECT json_group_array({row}) FROM (
    SELECT * FROM message WHERE log = ? AND id BETWEEN ? AND ? {commands}
    ORDER BY id {order} LIMIT ?)
"""
_STAYS: Final = """
SELECT since, until FROM presence WHERE channel = ? AND account = ? ORDER BY since DESC LIMIT 1000
"""
_CONVERSATION: Final = """
SELECT DISTINCT log FROM party
WHERE account = ?1 AND (other IN (SELECT value FROM json_each(?2)) OR folded_nick = ?3)
"""
_ALL_CONVERSATIONS: Final = """
SELECT DISTINCT log FROM party WHERE account = ? ORDER BY log DESC LIMIT 400
"""
_CONVERSATIONS: Final = """
SELECT nick, (SELECT max(id) FROM message WHERE message.log = party.log) FROM party
WHERE account = ?
"""
_SINCE: Final = f"""
SELECT json_group_array(json_array(name, {ROW})) FROM (
    SELECT message.*, log.name AS name FROM message JOIN log ON log.id = message.log
    WHERE message.id > ? AND name LIKE '#%' ORDER BY message.id DESC LIMIT ?)
"""  # noqa: S608 (constants)


@dataclass(frozen=True, slots=True)
class _Range:
    """Positions from which some messages are selected."""

    first: int = 0
    last: int = NEVER
    count: int = 1
    from_start: bool = False
    with_events: bool = True


def select(connection: sqlite3.Connection, query: SelectMessages) -> list[Message]:
    """The messages between two bounds."""
    after, before, from_start = query.after, query.before, query.from_start
    if after and before and _start_of(connection, after) > _start_of(connection, before):
        after, before, from_start = before, after, not from_start
    first, last = bounds_of(connection, after, before)
    wanted = _Range(first, last, query.count, from_start, query.with_events)
    return _messages(_select(connection, spans_of(connection, query.view), wanted))


def select_around(connection: sqlite3.Connection, query: MessagesAround) -> list[Message]:
    """The messages on both sides of a bound."""
    spans, middle = spans_of(connection, query.view), _start_of(connection, query.bound)
    before = _Range(0, middle - 1, query.count // 2, False, query.with_events)
    earlier = _select(connection, spans, before)
    after = _Range(middle, NEVER, query.count - len(earlier), True, query.with_events)
    return _messages([*earlier, *_select(connection, spans, after)])


def find(connection: sqlite3.Connection, query: FindMessage) -> Message | None:
    """The message with a position, if it may be seen."""
    spans = spans_of(connection, query.view)
    found = _messages(_select(connection, spans, _Range(query.position, query.position)))
    return found[0] if found else None


def last_position(connection: sqlite3.Connection, _query: LastPosition) -> int:
    """The position of the last message of all."""
    found: int = connection.execute("SELECT coalesce(max(id), 0) FROM message").fetchone()[0]
    return found


def messages_since(
    connection: sqlite3.Connection, query: MessagesSince
) -> list[tuple[str, Message]]:
    """The messages of channels after a position."""
    (text,) = connection.execute(_SINCE, (query.position, query.count)).fetchone()
    return [(name, message_of_row(row[1:])) for name, row in reversed(json.loads(text))]


def targets(connection: sqlite3.Connection, query: Targets) -> list[tuple[str, int]]:
    """The channels and conversations whose last message is between two times, by that time."""
    ends: list[tuple[str, int]] = []
    for view in query.channels:
        spans = spans_of(connection, view)
        rows = _select(connection, spans, _Range())
        ends += [(view.channel, row[1]) for row in rows]
    if query.account:
        for nick, last in connection.execute(_CONVERSATIONS, (query.account,)).fetchall():
            ends += [(nick, time) for time in _times(connection, last)]
    latest: dict[str, int] = {}
    for name, time in ends:
        latest[name] = max(time, latest.get(name, 0))
    found = [(name, time) for name, time in latest.items() if query.after < time < query.before]
    return sorted(found, key=lambda target: target[::-1])[: query.count]


def _times(connection: sqlite3.Connection, id_: int | None) -> list[int]:
    rows = connection.execute("SELECT time FROM message WHERE id = ?", (id_,)).fetchall()
    return [row[0] for row in rows]


def spans_of(connection: sqlite3.Connection, view: View) -> dict[int, list[Span]]:
    """The spans of each log that the view shows, oldest first."""
    if isinstance(view, AllConversations):
        logs = connection.execute(_ALL_CONVERSATIONS, (view.account,)).fetchall()
        return {log: [(0, NEVER)] for (log,) in logs}
    if isinstance(view, ConversationView):
        values = (view.account, json.dumps(view.others), view.nick)
        logs = connection.execute(_CONVERSATION, values).fetchall()
        return {log: [(0, NEVER)] for (log,) in logs}
    stays = [(view.since, NEVER)]
    if view.account:
        stays += connection.execute(_STAYS, (view.channel, view.account)).fetchall()
    query = "SELECT id, is_open FROM log WHERE name = ?"
    return {
        log: merge([*stays, (view.begin, NEVER)] if is_open else stays)
        for log, is_open in connection.execute(query, (view.channel,)).fetchall()
    }


def merge(spans: Iterable[Span]) -> list[Span]:
    """Spans without overlap that have the same positions, in order."""
    merged: list[Span] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def bounds_of(connection: sqlite3.Connection, after: Bound | None, before: Bound | None) -> Span:
    """The first and last positions between two bounds."""
    first = _end_of(connection, after) + 1 if after else 0
    return first, _start_of(connection, before) - 1 if before else NEVER


def _end_of(connection: sqlite3.Connection, bound: Bound) -> int:
    """The last position that is not after a bound."""
    if bound.time is None:
        return bound.position
    query = "SELECT id FROM message WHERE time <= ? ORDER BY time DESC, id DESC LIMIT 1"
    found = connection.execute(query, (bound.time,)).fetchone()
    return found[0] if found else 0


def _start_of(connection: sqlite3.Connection, bound: Bound) -> int:
    """The first position that is not before a bound."""
    if bound.time is None:
        return bound.position
    query = "SELECT id FROM message WHERE time >= ? ORDER BY time, id LIMIT 1"
    found = connection.execute(query, (bound.time,)).fetchone()
    return found[0] if found else NEVER


def _select(
    connection: sqlite3.Connection, spans: dict[int, list[Span]], wanted: _Range
) -> list[Any]:
    """The first or last rows of all logs in a range, oldest first."""
    rows: list[Any] = []
    for log, seen in spans.items():
        clipped = [(max(first, wanted.first), min(last, wanted.last)) for first, last in seen]
        rows += _rows_of_log(connection, log, clipped, wanted)
    rows.sort(key=lambda row: row[0])
    return rows[: wanted.count] if wanted.from_start else rows[max(0, len(rows) - wanted.count) :]


def _rows_of_log(
    connection: sqlite3.Connection, log: int, spans: Sequence[Span], wanted: _Range
) -> list[Any]:
    commands = "" if wanted.with_events else _TEXTS
    query = _SPAN.format(row=ROW, commands=commands, order="ASC" if wanted.from_start else "DESC")
    rows: list[Any] = []
    for first, last in spans if wanted.from_start else reversed(spans):
        if first <= last and len(rows) < wanted.count:
            values = (log, first, last, wanted.count - len(rows))
            rows += json.loads(connection.execute(query, values).fetchone()[0])
    return rows


def _messages(rows: Iterable[Any]) -> list[Message]:
    return [message_of_row(row[1:]) for row in rows]
