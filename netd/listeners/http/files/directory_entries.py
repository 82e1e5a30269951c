"""Reads what a directory contains, a slice at a time: a large one takes long."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

SLICE: Final = 200
"""The number of entries that are read or formatted in one slice; they take about 2 ms."""

_NUMBER: Final = re.compile("[0-9]+")


class EntryType(Enum):
    """The type of a directory entry, with its name in JSON (as in nginx's autoindex)."""

    DIRECTORY = "directory"
    FILE = "file"
    OTHER = "other"


class Entry(NamedTuple):
    """A directory entry; a symbolic link to a directory is one, any other link is OTHER."""

    name: str
    type: EntryType
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of a directory in natural order; with `is_cut` it has more than these."""

    directories: list[Entry]
    files: list[Entry]
    is_cut: bool

    @property
    def count(self) -> int:
        """The number of entries."""
        return len(self.directories) + len(self.files)


def read_entries(fd: int, *, dotfiles: bool, limit: int) -> Generator[None, None, Entries]:
    """Read at most `limit` entries of an open directory; returns them. Raises OSError."""
    found: list[tuple[str, Entry]] = []
    with os.scandir(fd) as entries:
        while True:
            part = list(itertools.islice(entries, SLICE))
            found += _describe(part, dotfiles=dotfiles)
            if len(part) < SLICE or len(found) > limit:
                break
            yield
    is_cut = len(found) > limit
    ordered = [entry for _, entry in sorted(found[:limit])]
    directories = [entry for entry in ordered if entry.type is EntryType.DIRECTORY]
    files = [entry for entry in ordered if entry.type is not EntryType.DIRECTORY]
    return Entries(directories, files, is_cut)


def natural_key(name: str) -> str:
    """Return a sort key that compares numbers in names by value and letters without case."""
    return _NUMBER.sub(_number_key, name.lower())


def _number_key(match: re.Match[str]) -> str:
    digits = match[0].lstrip("0")
    return f"0{chr(len(digits))}{digits}"


def _describe(part: list[os.DirEntry[str]], *, dotfiles: bool) -> list[tuple[str, Entry]]:
    """Return the entries to show with their sort keys."""
    found = []
    for entry in part:
        if dotfiles or not entry.name.startswith("."):
            try:
                info = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # removed meanwhile
            described = Entry(entry.name, _type_of(entry), info.st_size, info.st_mtime)
            found.append((natural_key(entry.name), described))
    return found


def _type_of(entry: os.DirEntry[str]) -> EntryType:
    try:
        if entry.is_dir():
            return EntryType.DIRECTORY
    except OSError:
        return EntryType.OTHER  # a link to itself, or into a directory without permission
    return EntryType.FILE if entry.is_file(follow_symlinks=False) else EntryType.OTHER
