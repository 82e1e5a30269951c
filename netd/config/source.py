"""Reads the files of a configuration: the main file, and the files that it includes.

The tables of all files are joined. A list of tables, such as `[[listeners.web.routes]]`, continues
in the next file, so that each site of a web server can have a file of its own.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from netd.config.paths import read_text
from netd.config.toml import Document, Path, line_of, parse_toml
from netd.errors import ConfigError, Problem

MAX_FILES: Final = 1000
"""The number of files that a configuration may include."""

INCLUDE_HELP: Final = (
    'Further files with listeners, as in ["/etc/netd.d/*.toml"]; above all tables.'
)

_INCLUDE: Final = "include"
_TABLES: Final = "listeners"


class Place(NamedTuple):
    """A line of a file; the lines are counted from 1, and 0 is for no line."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Source:
    """The values of a configuration, and the place of each one."""

    file: str
    """The main file."""

    values: dict[str, Any]
    places: Mapping[Path, Place]
    files: tuple[str, ...] = field(default=())
    """The files that are included."""

    def place_of(self, path: Path) -> Place:
        """The place of a path, or of the nearest path that contains it."""
        for length in range(len(path), 0, -1):
            place = self.places.get(path[:length])
            if place is not None:
                return place
        return Place(self.file, 0)

    def path_of(self, key: str) -> Path:
        """The path of a dotted key, as its file has it.

        Digits in it are an index, or a name such as `404`.
        """
        path: Path = ()
        for step in key.split("."):
            named = (*path, step)
            is_index = step.isdecimal() and named not in self.places
            path = (*path, int(step)) if is_index else named
        return self.written_path(path)

    def written_path(self, path: Path) -> Path:
        """The path as its file has it: without the index of an only item without brackets."""
        written: Path = ()
        for step in path:
            if isinstance(step, str) or (*written, step) in self.places:
                written = (*written, step)
        return written


def read_source(path: str) -> Source:
    """Read a file and the files that it includes. Raises ConfigError with the faults found."""
    return parse_source(read_text(path), path)


def parse_source(text: str, file: str) -> Source:
    """Parse the text of the main file, and read the files that it includes.

    Raises ConfigError with the faults found.
    """
    main = parse_toml(text, file)
    patterns = main.values.pop(_INCLUDE, [])
    joined = _JoinedFiles(file, main)
    line = line_of(main.lines, (_INCLUDE,))
    for included in _included_files(patterns, Place(file, line)):
        joined.add(included, parse_toml(_read_included(included, Place(file, line)), included))
    return joined.source()


def _read_included(file: str, place: Place) -> str:
    """The text of a file. A fault of the file as a whole is one of the line that includes it."""
    try:
        return read_text(file)
    except ConfigError as error:
        for problem in error.problems:
            if not problem.line:
                _refuse(place, f"{problem.file}: {problem.message}")
        raise


def _included_files(include: object, place: Place) -> Sequence[str]:
    """The files that match the patterns; relative ones begin at the folder of the main file."""
    listed = include if isinstance(include, list) else [include]
    patterns = [pattern for pattern in listed if isinstance(pattern, str) and pattern]
    if len(patterns) < len(listed):
        _refuse(place, 'expected a list of files, as in include = ["/etc/netd.d/*.toml"]')
    if any("\0" in pattern for pattern in patterns):
        _refuse(place, "holds a NUL character, which no text may")
    found = [file for pattern in patterns for file in _matching(pattern, place)]
    files = [file for file in dict.fromkeys(found) if not _is_same(file, place.file)]
    if len(files) > MAX_FILES:
        _refuse(place, f"{len(files)} files are above {MAX_FILES}")
    return files


def _matching(pattern: str, place: Place) -> Sequence[str]:
    """The files that match one pattern, sorted. A name without a wildcard must be there."""
    path = os.path.join(os.path.dirname(place.file), pattern)
    if not glob.has_magic(pattern):
        return [path]
    folder = os.path.dirname(path) or "."
    if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK):
        _refuse(place, f"{folder} cannot be listed: permission denied")
    return sorted(file for file in glob.iglob(path) if not os.path.isdir(file))


def _is_same(file: str, main: str) -> bool:
    """Whether a pattern such as `*.toml` has matched the main file itself."""
    return os.path.realpath(file) == os.path.realpath(main)


def _refuse(place: Place, message: str) -> None:
    raise ConfigError((Problem(_INCLUDE, message, *place),))


class _JoinedFiles:
    """Joins the tables of files, one file after the other."""

    def __init__(self, file: str, main: Document) -> None:
        self._file = file
        self._values = main.values
        self._places = {path: Place(file, line) for path, line in main.lines.items()}
        self._files: list[str] = []
        self._problems: list[Problem] = []

    def source(self) -> Source:
        if self._problems:
            raise ConfigError(tuple(self._problems))
        return Source(self._file, self._values, self._places, tuple(self._files))

    def add(self, file: str, document: Document) -> None:
        """Join the tables of another file."""
        self._files.append(file)
        for key in document.values.keys() - {_TABLES}:
            message = "stands in the main file only; a file that is included has [listeners.NAME]"
            self._problems.append(Problem(key, message, file, document.lines[(key,)]))
        tables = {key: value for key, value in document.values.items() if key == _TABLES}
        moved: dict[Path, int] = {}
        conflicts = list(self._join(self._values, tables, (), moved))
        for path, line in document.lines.items():
            self._places.setdefault(_moved_path(path, moved), Place(file, line))
        for path in conflicts:
            here = Place(file, line_of(document.lines, path))
            there = self._places[path]
            message = f"is given in {there.file}:{there.line} as well"
            self._problems.append(Problem(".".join(map(str, path)), message, *here))

    def _join(
        self, ours: dict[str, Any], theirs: dict[str, Any], above: Path, moved: dict[Path, int]
    ) -> Iterator[Path]:
        """Add their values to ours. Yield the paths that both have, as the other file has them.

        `moved` gets the number of our items before theirs, by the path of the list.
        """
        for key, value in theirs.items():
            path = (*above, key)
            own = ours.setdefault(key, value)
            if own is value:
                continue
            if isinstance(own, dict) and isinstance(value, dict):
                yield from self._join(own, value, path, moved)
            elif _is_list_of_tables(own) and _is_list_of_tables(value):
                moved[path] = len(own)
                own += value
            else:
                yield path


def _is_list_of_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _moved_path(path: Path, moved: Mapping[Path, int]) -> Path:
    """The path among the joined values of a path in one file."""
    steps = enumerate(path)
    return tuple(
        step + moved.get(path[:at], 0) if isinstance(step, int) else step for at, step in steps
    )
