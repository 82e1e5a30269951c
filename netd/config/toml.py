"""Parses a TOML document, and finds the line of each key in it.

tomllib gives values without their positions. The scanner here reads a document that tomllib has
accepted, and records the line of every key, table, array item and inline key, so that an error
message can name it.
"""

from __future__ import annotations

import bisect
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from netd.config.syntax_errors import explain_syntax_error
from netd.errors import ConfigError, Problem

Path = tuple[str | int, ...]
"""The keys and the array indexes that lead to a value."""

_MAX_DEPTH: Final = 100  # longer paths would need far more memory than their document
_SYNTAX_ERROR: Final = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)")

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\n]+")
_STRINGS = (  # the longer delimiters first
    re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"((?:[^"\\\n]|\\.)*)"'),
    re.compile(r"'([^'\n]*)'"),
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed TOML document."""

    values: dict[str, Any]
    lines: Mapping[Path, int]
    """The line, counted from 1, of each path."""


def parse_toml(text: str, file: str) -> Document:
    """Parse a document. Raises ConfigError, which names `file`, for a syntax error."""
    try:
        return Document(tomllib.loads(text), find_lines(text))
    except RecursionError as error:
        problem = Problem("", "lists or tables are nested too deeply", file)
        raise ConfigError((problem,)) from error
    except tomllib.TOMLDecodeError as error:
        match = _SYNTAX_ERROR.fullmatch(str(error))
        message = match[1] if match else str(error)
        line = int(match[2]) if match and match[2] else text.rstrip().count("\n") + 1
        line, message = explain_syntax_error(message, text, line)
        raise ConfigError((Problem("", message, file, line),)) from error
    except ValueError as error:  # int() refuses a number of thousands of digits
        raise ConfigError((Problem("", "a number is too long", file),)) from error


def find_lines(text: str) -> dict[Path, int]:
    """The line, counted from 1, of every path in a valid TOML document."""
    return _Scanner(text).scan()


def line_of(lines: Mapping[Path, int], path: Sequence[str | int]) -> int:
    """The line of a path, or of the nearest path that contains it; 0 if there is none."""
    for length in range(len(path), 0, -1):
        line = lines.get(tuple(path[:length]))
        if line is not None:
            return line
    return 0


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._line_ends = [match.start() for match in re.finditer("\n", text)]
        self._at = 0
        self._lines: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}  # the tables so far in each array of tables

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._lines

    def _header(self) -> Path:
        line = self._line()
        is_array = self._text.startswith("[[", self._at)
        self._at += 1 + is_array
        *parents, last = self._key()
        self._at += 1 + is_array
        path = _below(self._resolve(parents, line), last)
        if is_array:
            self._record(path, line)
            number = self._counts.get(path, 0)
            self._counts[path] = number + 1
            path = (*path, number)
        self._record(path, line)
        return path

    def _resolve(self, keys: Sequence[str], line: int) -> Path:
        """The path of a table; the key of an array of tables means its last item."""
        path: Path = ()
        for key in keys:
            path = _below(path, key)
            self._record(path, line)
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
        return path

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for key in self._key():
            path = _below(path, key)
            self._record(path, line)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            keys.append(self._simple_key())
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _simple_key(self) -> str:
        match = _BARE_KEY.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
            return match[0]
        is_basic = self._text[self._at] == '"'
        match = _STRINGS[2 if is_basic else 3].match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return _ESCAPE.sub(_unescape, match[1]) if is_basic else match[1]

    def _value(self, path: Path) -> None:
        start = self._text[self._at]
        if start == "[":
            self._array(path)
        elif start == "{":
            self._inline_table(path)
        elif start in "\"'":
            match = next(m for p in _STRINGS if (m := p.match(self._text, self._at)))
            self._at = match.end()
        else:
            self._skip(_BARE_VALUE)

    def _array(self, path: Path) -> None:
        self._at += 1
        number = 0
        while not self._ends("]"):
            item = _below(path, number)
            self._record(item, self._line())
            self._value(item)
            number += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while not self._ends("}"):
            self._pair(path)

    def _ends(self, bracket: str) -> bool:
        """Skip blanks and a comma; return True if the closing bracket was skipped as well."""
        self._skip(_BLANK)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_BLANK)
        if self._text[self._at] == bracket:
            self._at += 1
            return True
        return False

    def _record(self, path: Path, line: int) -> None:
        self._lines.setdefault(path, line)

    def _line(self) -> int:
        return bisect.bisect_left(self._line_ends, self._at) + 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        assert match is not None
        self._at = match.end()


def _below(path: Path, step: str | int) -> Path:
    """The path of an item of a table or an array; one that lies too deep has the path of those."""
    return (*path, step) if len(path) < _MAX_DEPTH else path


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _ESCAPED.get(match[3], match[3])
