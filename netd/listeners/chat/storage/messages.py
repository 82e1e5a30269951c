"""The messages of channels and private conversations, and the index of their words."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final

from netd.listeners.chat.room.stored_message import AddMessage, LatestMessages, message_of_row
from netd.listeners.chat.storage.table import Table
from netd.protocols.irc import Message

TEXT_COMMANDS: Final = ("PRIVMSG", "NOTICE")
_ADD: Final = """
INSERT INTO message (log, id, time, is_open, command, source, params, text, msgid, tags)
SELECT ?1, value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
       value->>8
FROM json_each(?2)
"""
_ADD_WORDS: Final = """
INSERT INTO message_words (rowid, place, text)
SELECT value->>0, ?1, value->>1 FROM json_each(?2)
"""
_KNOWN: Final = "SELECT id FROM message WHERE id IN (SELECT value FROM json_each(?))"
_LATEST: Final = """
SELECT json_group_array(json_array(time, command, source, params, text, msgid, tags))
FROM (SELECT * FROM message WHERE log = (SELECT id FROM log WHERE name = ?)
      ORDER BY time DESC, id DESC LIMIT ?)
"""
_FORMATTING: Final = re.compile("\x03[0-9]{0,2}(?:,[0-9]{1,2})?|\x04[0-9a-fA-F]{0,6}")
_UNSPACED: Final = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
                              "\uf900-\ufaff\U00020000-\U0003ffff])")  # fmt: skip


def add_messages(connection: sqlite3.Connection, changes: Sequence[AddMessage]) -> None:
    """Add the messages that are not in the database yet.

    A statement adds many: a thread waits for the interpreter lock after each step of a statement.
    """
    in_logs = sorted(changes, key=attrgetter("log"))
    known = _known_ids(connection, changes)
    for name, added in groupby(in_logs, key=attrgetter("log")):
        fresh = {message.id: message for message in added if message.id not in known}
        if fresh:
            _add_to_log(connection, log_id(connection, name), [*fresh.values()])


def log_id(connection: sqlite3.Connection, name: str) -> int:
    """The number of a log, which is created if there is none."""
    connection.execute("INSERT OR IGNORE INTO log (name) VALUES (?)", (name,))
    found: tuple[int] = connection.execute("SELECT id FROM log WHERE name = ?", (name,)).fetchone()
    return found[0]


def place_of(log: int) -> str:
    """The word by which the index finds the messages of a log."""
    return f"log{log}"


def words_of(text: str) -> str:
    """A text as the index splits it into words.

    Colours are left out. In scripts without spaces every character counts as a word.
    """
    if "\x03" in text or "\x04" in text:
        text = _FORMATTING.sub(" ", text)
    return text if text.isascii() else _UNSPACED.sub(r" \1 ", text)


def _latest(connection: sqlite3.Connection, query: LatestMessages) -> list[Message]:
    return _messages(connection, _LATEST, (query.log, query.count))[::-1]


def _messages(
    connection: sqlite3.Connection, query: str, values: tuple[object, ...]
) -> list[Message]:
    """The messages of a query that returns one JSON text, for one step without the lock."""
    rows = json.loads(connection.execute(query, values).fetchone()[0])
    return [message_of_row(row) for row in rows]


def _known_ids(connection: sqlite3.Connection, changes: Sequence[AddMessage]) -> set[int]:
    ids = json.dumps([message.id for message in changes])
    return {row[0] for row in connection.execute(_KNOWN, (ids,))}


def _add_to_log(connection: sqlite3.Connection, log: int, added: Sequence[AddMessage]) -> None:
    rows = [
        (
            *(message.id, message.time, message.is_open, message.command, message.source),
            *(message.params, message.text, message.msgid, message.tags),
        )
        for message in added
    ]
    connection.execute(_ADD, (log, _encode(rows)))
    words = list(_indexed_rows(added))
    if words:
        connection.execute(_ADD_WORDS, (place_of(log), _encode(words)))
    connection.execute("UPDATE log SET lines = lines + ? WHERE id = ?", (len(added), log))


def _indexed_rows(added: Sequence[AddMessage]) -> Iterator[tuple[int, str]]:
    for message in added:
        if message.command in TEXT_COMMANDS:
            yield message.id, words_of(message.text)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

TABLE = Table(
    """
    CREATE TABLE log (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,        -- of a channel, folded; or of a private conversation
        lines INTEGER NOT NULL DEFAULT 0  -- the number of its messages
    );
    CREATE TABLE message (
        id INTEGER PRIMARY KEY,   -- its position: later messages have greater ones
        log INTEGER NOT NULL,
        time INTEGER NOT NULL,    -- milliseconds since the epoch
        is_open INTEGER NOT NULL, -- 1: said when anyone could join the channel
        command TEXT NOT NULL,
        source TEXT NOT NULL,
        params TEXT NOT NULL,     -- all but the last one
        text TEXT NOT NULL,       -- the last parameter
        msgid TEXT NOT NULL,
        tags TEXT NOT NULL        -- JSON: the tags but time and msgid
    );
    CREATE INDEX message_by_time ON message (log, time);
    CREATE VIRTUAL TABLE message_words USING fts5 (
        place, text, content = '', tokenize = "unicode61 remove_diacritics 2"
    );
    CREATE TABLE party (
        account TEXT NOT NULL,    -- whose conversation it is; folded
        other TEXT NOT NULL,      -- the account or nick of the other; folded
        nick TEXT NOT NULL,       -- the other's nick, as it was last written
        log INTEGER NOT NULL,
        PRIMARY KEY (account, other, log)
    ) WITHOUT ROWID;
    CREATE TABLE presence (
        log INTEGER NOT NULL,
        account TEXT NOT NULL,    -- folded
        since INTEGER NOT NULL,   -- the position at which the account joined the channel
        until INTEGER NOT NULL,   -- the position at which it left
        PRIMARY KEY (log, account, since)
    ) WITHOUT ROWID;
    """,
    writes={AddMessage: add_messages},
    reads={LatestMessages: _latest},
)
