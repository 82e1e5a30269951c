"""Histories as plain data: a row for each message.

Most messages are of the fast path. Their rows have the position of a template in a table, the text,
the time and the number; the row of any other message has its command, parameters, source and tags.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from netd.listeners.chat.room.encoded_message import (
    HistoryEntry,
    MessageIds,
    MessageTemplate,
    TemplateMessage,
    head_of,
)
from netd.protocols.irc import Message
from netd.protocols.record import (
    TEXT,
    Field,
    list_of,
    load_list,
    load_mapping,
    load_text,
    mapping_of,
    tuple_of,
)

MAX_TIME: Final = 1 << 37  # seconds since the epoch; a year of four digits
_LINE_ENDS: Final = "\r\n\0"
_load_tags: Final = mapping_of(TEXT).load
_MESSAGE: Final = tuple_of(
    Message,
    command=TEXT,
    params=Field(lambda data: tuple(list_of(TEXT).load(data)), list),
    source=TEXT,
    tags=Field(_load_tags, dict),
)


def save_history(entries: Iterable[HistoryEntry]) -> dict[str, Any]:
    """The messages of a history, oldest first."""
    templates = TemplateTable()
    return {"templates": templates.rows, "entries": save_entries(entries, templates)}


class TemplateTable:
    """The templates of a history's messages."""

    def __init__(self) -> None:
        self._positions: dict[MessageTemplate, int] = {}
        self.rows: list[list[Any]] = []
        """The templates as plain data."""

    def position(self, template: MessageTemplate) -> int:
        """The position of a template, which is added if it is new."""
        position = self._positions.get(template)
        if position is None:
            position = self._positions[template] = len(self.rows)
            row = (template.command, template.target, template.source, dict(template.tags))
            self.rows.append([template.ids.identity, *row])
        return position


def save_entries(entries: Iterable[HistoryEntry], templates: TemplateTable) -> list[list[Any]]:
    """The rows of messages."""
    position = templates.position
    return [
        [position(entry.template), entry.text, entry.now, entry.number]
        if isinstance(entry, TemplateMessage)
        else [entry.command, entry.params, entry.source, dict(entry.tags)]
        for entry in entries
    ]


class HistoryReader:
    """Loads the histories of a room. Raises ValueError or TypeError if one is malformed."""

    def __init__(self, ids: MessageIds) -> None:
        """`ids` are those of the room."""
        self._ids = {ids.identity: ids}

    def load(self, data: object) -> list[HistoryEntry]:
        """The messages of a history, oldest first."""
        saved = load_mapping(data)
        templates = [self._load_template(row) for row in load_list(saved["templates"])]
        rows = load_list(saved["entries"])
        plain = [row for row in rows if type(row[0]) is int]
        loaded = iter(_load_plain(plain, templates))
        if len(plain) == len(rows):
            return list(loaded)
        return [next(loaded) if type(row[0]) is int else _load_other(row) for row in rows]

    def _load_template(self, data: object) -> MessageTemplate:
        identity, command, target, source = map(load_text, load_list(data)[:4])
        tags = _load_tags(load_list(data)[4])
        ids = self._ids.setdefault(identity, MessageIds(identity))
        return MessageTemplate(command, target, source, tags, ids, head_of(source, command, target))


def _load_plain(
    rows: Sequence[Sequence[Any]], templates: Sequence[MessageTemplate]
) -> list[TemplateMessage]:
    """Check whole columns: there can be a million rows."""
    if not rows:
        return []
    positions, texts, times, numbers = tuple(zip(*rows, strict=True))[:4]
    _check_types(positions, int)
    _check_types(texts, str)
    _check_types(times, float, int)
    _check_types(numbers, int)
    if not (min(positions) >= 0 and min(numbers) >= 0 and all(map(math.isfinite, times))):
        raise ValueError("not a number")
    if not (min(times) >= 0 and max(times) < MAX_TIME):
        raise ValueError("not a time")
    whole = "".join(texts)
    if any(end in whole for end in _LINE_ENDS):
        raise ValueError("a text has several lines")
    found = map(templates.__getitem__, positions)
    return list(map(TemplateMessage.restore, found, texts, times, numbers))


def _check_types(column: Sequence[object], *types: type) -> None:
    if not set(map(type, column)) <= set(types):
        raise TypeError(f"not of {types}")


def _load_other(data: object) -> Message:
    message: Message = _MESSAGE.load(data)
    if not {"time", "msgid"} <= message.tags.keys():
        raise ValueError("a message without time or id")
    return message
