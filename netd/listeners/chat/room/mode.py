"""Modes as data: which letters there are, which take a parameter, and how MODE is read."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


class ModeKind(enum.Enum):
    """How a channel mode's parameter goes (the four classes of CHANMODES, and PREFIX)."""

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
    "o": ModeKind.STATUS,
    "v": ModeKind.STATUS,
}
USER_MODES: Final = "Biow"  # bot, invisible, operator, wallops
_NEEDS_ALWAYS = (ModeKind.KEY, ModeKind.STATUS)


def letters(kind: ModeKind) -> str:
    """The channel modes of one kind."""
    return "".join(letter for letter, each in CHANNEL_MODES.items() if each is kind)


@dataclass(frozen=True, slots=True)
class Change:
    """One letter of a MODE line; `argument` is None where it has, or was given, none."""

    letter: str
    setting: bool
    argument: str | None = None


def parse_changes(params: Sequence[str]) -> list[Change]:
    """The changes of `+ov-b nick nick mask`; letters nobody knows come without argument."""
    changes = []
    arguments = iter(params[1:])
    setting = True
    for letter in params[0]:
        if letter in "+-":
            setting = letter == "+"
            continue
        kind = CHANNEL_MODES.get(letter)
        takes = kind in (*_NEEDS_ALWAYS, ModeKind.LIST) or (kind is ModeKind.LIMIT and setting)
        changes.append(Change(letter, setting, next(arguments, None) if takes else None))
    return changes


def divide(changes: Sequence[Change], max_bytes: int) -> list[list[Change]]:
    """The changes in as many lines as they need, each of at most so many bytes of parameters."""
    lines: list[list[Change]] = []
    used = max_bytes
    for each in changes:
        size = len(f"+{each.letter}".encode())
        size += 0 if each.argument is None else 1 + len(each.argument.encode())
        if used + size > max_bytes:
            lines.append([])
            used = 0
        lines[-1].append(each)
        used += size
    return lines


def format_changes(changes: Sequence[Change]) -> tuple[str, ...]:
    """The parameters of a MODE line that says these changes."""
    text, last = "", None
    for each in changes:
        if each.setting is not last:
            text += "+" if each.setting else "-"
            last = each.setting
        text += each.letter
    return (text, *(each.argument for each in changes if each.argument is not None))
