"""Finds messages by their words, in the index (FTS5). No syntax of a client gets into a query."""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from netd.listeners.chat.room.stored_message import SearchMessages, message_of_row
from netd.listeners.chat.storage.selection import ROW, bounds_of, spans_of
from netd.listeners.chat.storage.words import log_word, sender_word, words_of
from netd.protocols.irc import Message

MAX_LOGS: Final = 500
_MAX_SPANS: Final = 2000
_MAY_SEE: Final = """
EXISTS (SELECT 1 FROM json_each(:spans) WHERE value->>0 = log
        AND message.id BETWEEN value->>1 AND value->>2)
"""
_FIND: Final = f"""
SELECT json_group_array({ROW}) FROM (
    SELECT message.* FROM message_words JOIN message ON message.id = message_words.rowid
    WHERE message_words MATCH :match AND message_words.rowid BETWEEN :first AND :last
      AND {_MAY_SEE}
    ORDER BY message_words.rowid DESC LIMIT :count)
"""  # noqa: S608 (constants)


def search(connection: sqlite3.Connection, query: SearchMessages) -> list[Message]:
    """The last messages that match, oldest first."""
    spans: list[tuple[int, int, int]] = []
    for view in query.views:
        for log, seen in spans_of(connection, view).items():
            spans += [(log, first, last) for first, last in seen]
    spans = spans[-_MAX_SPANS:]
    logs = [*dict.fromkeys(log for log, _, _ in spans)][-MAX_LOGS:]
    if not logs:
        return []
    first, last = bounds_of(connection, query.after, query.before)
    values = {
        "match": match_of(query, logs),
        "first": max(first, min(span[1] for span in spans)),
        "last": min(last, max(span[2] for span in spans)),
        "spans": json.dumps(spans),
        "count": query.count,
    }
    (text,) = connection.execute(_FIND, values).fetchone()
    return [message_of_row(row[1:]) for row in reversed(json.loads(text))]


def match_of(query: SearchMessages, logs: list[int]) -> str:
    """The query to the index: all words, from the sender, in one of these logs."""
    terms = [f"{{origin}} : ({' OR '.join(map(log_word, logs))})"]
    if query.sender:
        terms.append(f"{{origin}} : {sender_word(query.sender)}")
    return " AND ".join([*terms, *map(_term, query.words)])


def _term(word: str) -> str:
    text = words_of(word).replace('"', '""')
    return f'{{text}} : "{text}"'
