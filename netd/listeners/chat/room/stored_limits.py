"""The limits of the history in the database."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The messages that the file may keep; 0 for no limit."""

    lines: int = 0
    """Messages of each channel, and of each conversation."""
    age_s: float = 0.0
    bytes: int = 0
    """Of the whole file."""
