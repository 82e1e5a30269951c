"""Histories as plain data: in columns, since there can be a million messages.

Most messages are of the fast path. Of such a message the text, the time, the number, and the
position of its template in a table are saved; the templates are shared by all histories of a room.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
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
    load_integer,
    load_list,
    load_mapping,
    load_text,
    mapping_of,
    save_all,
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


class HistoryWriter:
    """Saves histories, and collects the templates of their messages."""

    def __init__(self) -> None:
        self._positions: dict[int, int] = {}  # by id()
        self._templates: list[MessageTemplate] = []

    def save(self, entries: Collection[HistoryEntry]) -> dict[str, Any]:
        """The messages of a history, oldest first."""
        plain = [entry for entry in entries if isinstance(entry, TemplateMessage)]
        saved: dict[str, Any] = {
            "templates": [self._position(entry.template) for entry in plain],
            "texts": [entry.text for entry in plain],
            "times": [entry.now for entry in plain],
            "numbers": [entry.number for entry in plain],
        }
        if len(plain) < len(entries):
            saved["others"] = [
                [position, *save_all(_MESSAGE, [entry])]
                for position, entry in enumerate(entries)
                if not isinstance(entry, TemplateMessage)
            ]
        return saved

    def templates(self) -> list[list[Any]]:
        """The table of the templates."""
        return [
            [template.ids.identity, template.command, template.target, template.source,
             dict(template.tags)]
            for template in self._templates
        ]  # fmt: skip

    def _position(self, template: MessageTemplate) -> int:
        position = self._positions.get(id(template))
        if position is None:
            position = self._positions[id(template)] = len(self._templates)
            self._templates.append(template)
        return position


class HistoryReader:
    """Loads histories. Raises ValueError or TypeError if one is malformed."""

    def __init__(self, templates: object, ids: MessageIds) -> None:
        """`templates` is the saved table; `ids` are those of the room."""
        self._ids = {ids.identity: ids}
        self._templates = [self._load_template(row) for row in load_list(templates)]

    def load(self, data: object) -> list[HistoryEntry]:
        """The messages of a history, oldest first."""
        saved = load_mapping(data)
        plain = self._load_plain(saved)
        others = [load_list(row) for row in load_list(saved.get("others", []))]
        return list(_merge(plain, {load_integer(row[0]): _load_other(row[1]) for row in others}))

    def _load_plain(self, saved: dict[str, Any]) -> list[TemplateMessage]:
        positions = _column(saved, "templates", int)
        texts = _column(saved, "texts", str)
        times = _column(saved, "times", float, int)
        numbers = _column(saved, "numbers", int)
        if not len(positions) == len(texts) == len(times) == len(numbers):
            raise ValueError("columns of different lengths")
        if positions and not (min(positions) >= 0 and max(positions) < len(self._templates)):
            raise ValueError("no such template")
        if not all(map(math.isfinite, times)):
            raise ValueError("not a time")
        if times and not (min(times) >= 0 and max(times) < MAX_TIME and min(numbers) >= 0):
            raise ValueError("not a time or number")
        whole = "".join(texts)
        if any(end in whole for end in _LINE_ENDS):
            raise ValueError("a text has several lines")
        templates = map(self._templates.__getitem__, positions)
        return list(map(TemplateMessage.restore, templates, texts, times, numbers))

    def _load_template(self, data: object) -> MessageTemplate:
        identity, command, target, source = map(load_text, load_list(data)[:4])
        tags = _load_tags(load_list(data)[4])
        ids = self._ids.setdefault(identity, MessageIds(identity))
        return MessageTemplate(command, target, source, tags, ids, head_of(source, command, target))


def _column(saved: dict[str, Any], name: str, *types: type) -> list[Any]:
    column = load_list(saved.get(name, []))
    if not set(map(type, column)) <= set(types):
        raise TypeError(f"wrong values in {name}")
    return column


def _load_other(data: object) -> Message:
    message: Message = _MESSAGE.load(data)
    if not {"time", "msgid"} <= message.tags.keys():
        raise ValueError("a message without time or id")
    return message


def _merge(plain: Sequence[TemplateMessage], others: dict[int, Message]) -> Iterator[HistoryEntry]:
    """Insert the other messages at their positions."""
    rest = iter(plain)
    total = len(plain) + len(others)
    if others and max(others) >= total:
        raise ValueError("no such position")
    for position in range(total):
        yield others[position] if position in others else next(rest)
