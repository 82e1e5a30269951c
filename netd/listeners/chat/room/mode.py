"""Modes as data: the letters, which of them take a parameter, and the parameters of MODE."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


class ModeKind(enum.Enum):
    """The use of a channel mode's parameter (the four types of CHANMODES, and PREFIX)."""

    LIST = "A: adds to or removes from a list"
    KEY = "B: always a parameter"
    LIMIT = "C: a parameter when set"
    FLAG = "D: never a parameter"
    STATUS = "PREFIX: a nick"


CHANNEL_MODES: Final = {
    "b": ModeKind.LIST,
    "e": ModeKind.LIST,
    "I": ModeKind.LIST,
    "k": ModeKind.KEY,
    "l": ModeKind.LIMIT,
    "i": ModeKind.FLAG,
    "m": ModeKind.FLAG,
    "n": ModeKind.FLAG,
    "s": ModeKind.FLAG,
    "t": ModeKind.FLAG,
    "C": ModeKind.FLAG,
    "M": ModeKind.FLAG,
    "R": ModeKind.FLAG,
    "o": ModeKind.STATUS,
    "v": ModeKind.STATUS,
}
USER_MODES: Final = "BRiorw"
"""Bot, messages from accounts only, invisible, operator, logged in to an account, wallops."""
_ALWAYS_WITH_PARAMETER = (ModeKind.LIST, ModeKind.KEY, ModeKind.STATUS)


def letters(kind: ModeKind) -> str:
    """The channel modes of one kind."""
    return "".join(letter for letter, its_kind in CHANNEL_MODES.items() if its_kind is kind)


@dataclass(frozen=True, slots=True)
class ModeChange:
    """One letter of a MODE line, and its parameter if it has one."""

    letter: str
    setting: bool
    argument: str | None = None


def parse_changes(params: Sequence[str]) -> list[ModeChange]:
    """The changes in `+ov-b nick nick mask`; unknown letters have no argument."""
    changes = []
    arguments = iter(params[1:])
    setting = True
    for letter in params[0]:
        if letter in "+-":
            setting = letter == "+"
            continue
        kind = CHANNEL_MODES.get(letter)
        takes = kind in _ALWAYS_WITH_PARAMETER or (kind is ModeKind.LIMIT and setting)
        changes.append(ModeChange(letter, setting, next(arguments, None) if takes else None))
    return changes


def split_changes(changes: Sequence[ModeChange], max_bytes: int) -> list[list[ModeChange]]:
    """Divide changes among lines with at most `max_bytes` of parameters."""
    lines: list[list[ModeChange]] = []
    used = max_bytes
    for change in changes:
        size = len(f"+{change.letter}".encode())
        size += 0 if change.argument is None else 1 + len(change.argument.encode())
        if used + size > max_bytes:
            lines.append([])
            used = 0
        lines[-1].append(change)
        used += size
    return lines


def format_changes(changes: Sequence[ModeChange]) -> tuple[str, ...]:
    """The parameters of a MODE line for these changes."""
    text, last = "", None
    for change in changes:
        if change.setting is not last:
            text += "+" if change.setting else "-"
            last = change.setting
        text += change.letter
    return (text, *(change.argument for change in changes if change.argument is not None))
