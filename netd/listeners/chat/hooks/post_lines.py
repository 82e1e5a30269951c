"""The lines that send a text to a channel: one PRIVMSG, or a message of several lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from netd.listeners.chat.room.multiline import BATCH_TYPE, CONCAT_TAG
from netd.protocols.irc import MAX_BODY_BYTES, Message, cut, format_message

KEY_TAG: Final = "+netd.dev/post"
"""The tag that names a message, so that it is posted once."""
_REFERENCE: Final = "post"
_MARK_BYTES: Final = 40  # room for the last line of a text that is cut
_MIN_WORD_SHARE: Final = 2  # a line is broken at a space, but not in its first half


class Limits(NamedTuple):
    """The limits of a message: its lines, all of their bytes, and the bytes of one line."""

    lines: int
    total_bytes: int
    line_bytes: int


class _Part(NamedTuple):
    text: str
    is_concat: bool


def limits_for(prefix: str, channel: str, max_lines: int, max_bytes: int) -> Limits:
    """The limits of a message from a member, so that no line of it is truncated."""
    head = f":{prefix} PRIVMSG {channel} :".encode()
    return Limits(max_lines, max_bytes, MAX_BODY_BYTES - len(head))


def post_lines(text: str, channel: str, limits: Limits, label: str, key: str) -> Iterator[bytes]:
    """The lines that post a text; of one that is too long the last line says so."""
    tags = {"label": label, **({KEY_TAG: key} if key else {})}
    parts = _cut_parts(text, limits)
    if len(parts) == 1:
        yield format_message(Message("PRIVMSG", (channel, parts[0].text), tags=tags))
        return
    yield format_message(Message("BATCH", (f"+{_REFERENCE}", BATCH_TYPE, channel), tags=tags))
    for part in parts:
        own = {"batch": _REFERENCE, **({CONCAT_TAG: ""} if part.is_concat else {})}
        yield format_message(Message("PRIVMSG", (channel, part.text), tags=own))
    yield format_message(Message("BATCH", (f"-{_REFERENCE}",)))


def _cut_parts(text: str, limits: Limits) -> list[_Part]:
    lines = text.split("\n")
    parts: list[_Part] = []
    used = 0
    for number, line in enumerate(lines):
        is_last = number == len(lines) - 1
        for part in _split_line(line, limits.line_bytes):
            used += len(part.text.encode()) + 1
            room = limits.total_bytes - (0 if is_last else _MARK_BYTES)
            if used > room or len(parts) == limits.lines - (0 if is_last else 1):
                return [*_with_room(parts, limits), _mark(len(lines) - number)]
            parts.append(part)
    return parts


def _with_room(parts: list[_Part], limits: Limits) -> list[_Part]:
    """The first parts, so that there is room for one more line."""
    kept = parts[: limits.lines - 1]
    while sum(len(part.text.encode()) + 1 for part in kept) > limits.total_bytes - _MARK_BYTES:
        kept.pop()
    return kept


def _mark(count: int) -> _Part:
    return _Part(f"… ({count} more {'line' if count == 1 else 'lines'})", is_concat=False)


def _split_line(line: str, max_bytes: int) -> Iterator[_Part]:
    data, is_concat = line.encode(), False
    while len(data) > max_bytes:
        piece = cut(data, max_bytes)
        space = piece.rfind(b" ") + 1
        if space > len(piece) // _MIN_WORD_SHARE:
            piece = piece[:space]
        yield _Part(piece.decode(), is_concat)
        data, is_concat = data[len(piece) :], True
    yield _Part(data.decode(), is_concat)
