"""The messages of channels and private conversations, and the index of their words: their tables.

What is said in a channel while it is closed is in a log of its own, so that its messages can be
found, or passed over, without a look at each one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from netd.listeners.chat.room.stored_message import (
    AddMessage,
    AddParty,
    AddPresence,
    FindMessage,
    LastPosition,
    MessagesAround,
    MessagesSince,
    RemoveMessage,
    SearchMessages,
    SelectMessages,
    Targets,
)
from netd.listeners.chat.storage import selection
from netd.listeners.chat.storage.removal import remove_message
from netd.listeners.chat.storage.search import search
from netd.listeners.chat.storage.table import Table, each
from netd.listeners.chat.storage.words import TEXT_COMMANDS, origin_of, words_of
from netd.protocols.irc import fold

_ADD: Final = """
INSERT INTO message (log, id, time, command, source, params, text, msgid, tags)
SELECT ?1, value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7
FROM json_each(?2)
"""
_ADD_WORDS: Final = """
INSERT INTO message_words (rowid, origin, text)
SELECT value->>0, value->>1, value->>2 FROM json_each(?)
"""
_KNOWN: Final = "SELECT id FROM message WHERE id IN (SELECT value FROM json_each(?))"


def add_messages(connection: sqlite3.Connection, changes: Sequence[AddMessage]) -> None:
    """Add the messages that are not in the database yet.

    A statement adds many: a thread waits for the interpreter lock after each step of a statement.
    """
    in_logs = sorted(changes, key=_log_of)
    known = _known_ids(connection, changes)
    for (name, is_open), added in groupby(in_logs, key=_log_of):
        fresh = {message.id: message for message in added if message.id not in known}
        if fresh:
            log = log_id(connection, name, is_open=is_open)
            _add_to_log(connection, log, [*fresh.values()])


def log_id(connection: sqlite3.Connection, name: str, *, is_open: bool) -> int:
    """The number of a log, which is created if there is none."""
    values = (name, is_open)
    connection.execute("INSERT OR IGNORE INTO log (name, is_open) VALUES (?, ?)", values)
    query = "SELECT id FROM log WHERE name = ? AND is_open = ?"
    found: tuple[int] = connection.execute(query, values).fetchone()
    return found[0]


def _log_of(message: AddMessage) -> tuple[str, bool]:
    return message.log, message.is_open


def _known_ids(connection: sqlite3.Connection, changes: Sequence[AddMessage]) -> set[int]:
    ids = json.dumps([message.id for message in changes])
    return {row[0] for row in connection.execute(_KNOWN, (ids,))}


def _add_to_log(connection: sqlite3.Connection, log: int, added: Sequence[AddMessage]) -> None:
    rows = [
        (
            *(message.id, message.time, message.command, message.source),
            *(message.params, message.text, message.msgid, message.tags),
        )
        for message in added
    ]
    connection.execute(_ADD, (log, _encode(rows)))
    words = list(_indexed_rows(log, added))
    if words:
        connection.execute(_ADD_WORDS, (_encode(words),))
    connection.execute("UPDATE log SET lines = lines + ? WHERE id = ?", (len(added), log))


def _indexed_rows(log: int, added: Sequence[AddMessage]) -> Iterator[tuple[int, str, str]]:
    for message in added:
        if message.command in TEXT_COMMANDS:
            yield message.id, origin_of(log, message.source), words_of(message.text)


def _add_party(connection: sqlite3.Connection, change: AddParty) -> None:
    log = log_id(connection, change.log, is_open=False)
    connection.execute(
        "INSERT OR REPLACE INTO party (account, other, log, nick, folded_nick)"
        " VALUES (?, ?, ?, ?, ?)",
        (change.account, change.other, log, change.nick, fold(change.nick)),
    )


def _add_presence(connection: sqlite3.Connection, change: AddPresence) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO presence (channel, account, since, until) VALUES (?, ?, ?, ?)",
        (change.channel, change.account, change.since, change.until),
    )


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

TABLE = Table(
    """
    CREATE TABLE log (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,               -- of a channel, folded; or of a private conversation
        is_open INTEGER NOT NULL,         -- 1: what was said when anyone could join the channel
        lines INTEGER NOT NULL DEFAULT 0, -- the number of its messages
        UNIQUE (name, is_open)
    );
    CREATE TABLE message (
        id INTEGER PRIMARY KEY,   -- its position: later messages have greater ones
        log INTEGER NOT NULL,
        time INTEGER NOT NULL,    -- milliseconds since the epoch
        command TEXT NOT NULL,
        source TEXT NOT NULL,
        params TEXT NOT NULL,     -- all but the last one
        text TEXT NOT NULL,       -- the last parameter
        msgid TEXT NOT NULL,
        tags TEXT NOT NULL        -- JSON: the tags but time and msgid
    );
    CREATE INDEX message_of_log ON message (log);
    CREATE INDEX message_at_time ON message (time);
    CREATE VIRTUAL TABLE message_words USING fts5 (
        origin, text, content = '', tokenize = "unicode61 remove_diacritics 2"
    );
    CREATE TABLE party (
        account TEXT NOT NULL,     -- whose conversation it is; folded
        other TEXT NOT NULL,       -- the key of the other party: its account, or ~ and its nick
        log INTEGER NOT NULL,
        nick TEXT NOT NULL,        -- the other party's nick, as it was last written
        folded_nick TEXT NOT NULL,
        PRIMARY KEY (account, other, log)
    ) WITHOUT ROWID;
    CREATE TABLE presence (
        channel TEXT NOT NULL,    -- folded
        account TEXT NOT NULL,    -- folded
        since INTEGER NOT NULL,   -- the position at which the account joined the channel
        until INTEGER NOT NULL,   -- the position at which it left
        PRIMARY KEY (channel, account, since)
    ) WITHOUT ROWID;
    """,
    writes={
        AddMessage: add_messages,
        AddParty: each(_add_party),
        AddPresence: each(_add_presence),
        RemoveMessage: each(remove_message),
    },
    reads={
        SelectMessages: selection.select,
        SearchMessages: search,
        MessagesAround: selection.select_around,
        FindMessage: selection.find,
        Targets: selection.targets,
        LastPosition: selection.last_position,
        MessagesSince: selection.messages_since,
    },
)
