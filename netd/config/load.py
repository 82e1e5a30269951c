"""TOML text to Config, with every fault of it told at once, as file and line.

The kinds are handed in: this module knows no listener.
"""

from __future__ import annotations

import contextlib
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, Final, Protocol

from pydantic import ValidationError

from netd.config.address import Address, Scheme
from netd.config.config_file import read_text
from netd.config.messages import explain, suggest
from netd.config.model import Config, DaemonOptions, ListenerOptions
from netd.config.schema import Options, read_options
from netd.config.toml_lines import Path, line_of, locate
from netd.errors import ConfigError, Problem

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_SYNTAX_ERROR: Final = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)")
_SYNTAX: Final = {  # what tomllib says, and what it means to who wrote the file
    "Expected newline or end of document after a statement": (
        'unexpected text after the value; text needs quotes, as in "10s"'
    ),
    "Invalid value": 'no value that TOML knows; text needs quotes, as in "echo"',
    "Invalid statement": "expected a line such as key = value or [table]",
    "Cannot overwrite a value": "this key or table has been given before",
}
_COMMON: Final = frozenset(field.name for field in fields(ListenerOptions))
_MAX_DEPTH: Final = 16  # twice what any key needs; JSON readers end somewhere beyond
_INTEGERS: Final = range(-(2**63), 2**63)
_TWICE: Final = re.compile(r"Cannot declare \((.*)\) twice")


class KindLike(Protocol):
    """What must be known of a kind to read its listeners."""

    @property
    def options(self) -> type[ListenerOptions]:
        """What its table holds."""

    @property
    def schemes(self) -> frozenset[Scheme]:
        """The transports it can stand on."""

    @property
    def max_workers(self) -> int:
        """How many workers it can share its sockets among."""


Kinds = Mapping[str, KindLike]
Check = Callable[[Config], Iterable[Problem]]


def read_config(path: str, kinds: Kinds, check: Check = lambda _: ()) -> Config:
    """The configuration in a file. Raises ConfigError, also where it cannot be read.

    What `check` finds in it, or in as much of it as can be read, is told with the rest.
    """
    return _Reading(read_text(path), path, kinds).config(check)


def parse_config(text: str, file: str, kinds: Kinds) -> Config:
    """The configuration a text stands for; `file` is its name in what is told of it.

    Raises ConfigError with every problem found.
    """
    return _Reading(text, file, kinds).config(lambda _: ())


class _Reading:
    """One text being read, and the problems found in it so far."""

    def __init__(self, text: str, file: str, kinds: Kinds) -> None:
        self._file = file
        self._kinds = kinds
        self._problems: list[Problem] = []
        self._lines: dict[Path, int] = {}
        self._document = self._parse(text)

    def config(self, check: Check) -> Config:
        """Read everything, then raise or return."""
        self._refuse_impossible_values((), self._document)
        self._raise_if_faulty()
        self._refuse_unknown_tables()
        daemon = self._options(DaemonOptions, ("netd",), self._document.get("netd", {}))
        if daemon is not None and daemon.control and not os.path.isabs(daemon.control):
            self._add(("netd", "control"), f"{daemon.control!r} must begin with /")
        listeners = self._listeners()
        self._compare_addresses(listeners)
        config = Config(netd=daemon or DaemonOptions(), listeners=listeners)
        told = {problem.key for problem in self._problems}
        self._problems += [each for each in check(config) if each.key not in told]
        self._raise_if_faulty()
        return config

    def _raise_if_faulty(self) -> None:
        if self._problems:
            ordered = sorted(self._problems, key=lambda problem: problem.line)
            raise ConfigError(tuple(dict.fromkeys(ordered)))

    def _parse(self, text: str) -> dict[str, Any]:
        try:
            document = tomllib.loads(text)
            self._lines = locate(text)
        except RecursionError as error:
            problem = Problem("", "lists or tables are nested too deeply", self._file)
            raise ConfigError((problem,)) from error
        except tomllib.TOMLDecodeError as error:
            match = _SYNTAX_ERROR.fullmatch(str(error))
            message = match[1] if match else str(error)
            line = int(match[2]) if match and match[2] else text.rstrip().count("\n") + 1
            raise ConfigError((Problem("", _plain(message), self._file, line),)) from error
        except ValueError as error:  # int() takes no number of thousands of digits
            raise ConfigError((Problem("", "a number is too long", self._file),)) from error
        return document

    def _refuse_impossible_values(self, path: Path, value: object) -> None:
        """Whatever their key: paths and IRC know no NUL, and whoever reads them has bounds."""
        match value:
            case dict() | list() if len(path) > _MAX_DEPTH:
                self._add(path[:3], "lists or tables are nested too deeply")
            case dict():
                for key, inner in value.items():
                    self._refuse_impossible_values((*path, key), inner)
            case list():
                for number, inner in enumerate(value):
                    self._refuse_impossible_values((*path, number), inner)
            case str() if "\0" in value:
                self._add(path, "holds a NUL character, which no text may")
            case int() if value not in _INTEGERS:
                self._add(path, "the number is too large")

    def _refuse_unknown_tables(self) -> None:
        allowed = ("netd", "listeners")
        for key, value in self._document.items():
            if key in allowed:
                continue
            if not isinstance(value, dict):
                self._add((key,), "stands in no table; write [netd] or [listeners.NAME] above it")
            elif "kind" in value:
                self._add((key,), f"unknown table; a listener's is [listeners.{key}]")
            else:
                self._add((key,), f"unknown table{suggest(key, allowed)}")

    def _listeners(self) -> dict[str, ListenerOptions]:
        tables = self._document.get("listeners", {})
        if not isinstance(tables, dict):
            self._add(("listeners",), "expected tables, as in [listeners.web]")
            return {}
        if not tables and not self._problems:
            self._add(("listeners",), "no listener is declared; add a [listeners.NAME] table")
        read = {name: self._listener(name, table) for name, table in tables.items()}
        return {name: options for name, options in read.items() if options is not None}

    def _listener(self, name: str, table: object) -> ListenerOptions | None:
        path = ("listeners", name)
        if not _NAME.fullmatch(name):
            self._add(path, "a name has 1 to 32 letters, digits, - and _, a letter or digit first")
        if not isinstance(table, dict):
            self._add(path, _no_table(name, table))
            return None
        kind = self._kind(path, table)
        if kind is None:
            common = {key: table[key] for key in table if key in _COMMON}
            self._options(ListenerOptions, path, {**common, "kind": ""})
            return None
        options = self._options(kind.options, path, table)
        if options is not None:
            self._check_limits(path, options, kind)
        return options

    def _kind(self, path: Path, table: dict[str, Any]) -> KindLike | None:
        allowed = ", ".join(self._kinds)
        if "kind" not in table:
            close = suggest("kind", tuple(table))
            self._add((*path, "kind"), f"is missing; write one of {allowed}{close}")
            return None
        kind = table["kind"]
        if not isinstance(kind, str) or kind not in self._kinds:
            close = suggest(kind, tuple(self._kinds)) if isinstance(kind, str) else ""
            self._add((*path, "kind"), f"{kind!r} is no kind; write one of {allowed}{close}")
            return None
        return self._kinds[kind]

    def _options(self, options: type[Options], path: Path, table: object) -> Options | None:
        """The options, or what they would be without the keys that have a fault."""
        try:
            return read_options(options, table)
        except ValidationError as error:
            faults = list(explain(error, options, table))
        for key, message in faults:
            self._add((*path, *key), message)
        if not isinstance(table, dict):
            return None
        faulty = {key[0] for key, _ in faults if key}
        with contextlib.suppress(ValidationError):
            return read_options(options, {key: table[key] for key in table.keys() - faulty})
        return None

    def _check_limits(self, path: Path, options: ListenerOptions, kind: KindLike) -> None:
        if options.workers > kind.max_workers:
            most = f"{options.workers} is above {kind.max_workers}"
            self._add((*path, "workers"), f"{most}, the most that {options.kind} can have")
        for number, address in enumerate(options.address):
            if address.scheme not in kind.schemes:
                allowed = ", ".join(f"{scheme}://" for scheme in Scheme if scheme in kind.schemes)
                message = f"{options.kind} cannot stand on {address.scheme}://; write {allowed}"
                self._add((*path, "address", number), message)

    def _compare_addresses(self, listeners: dict[str, ListenerOptions]) -> None:
        taken: list[tuple[Address, str]] = []
        for name, options in listeners.items():
            for number, address in enumerate(options.address):
                for other, owner in taken:
                    if address.overlaps(other):
                        path = ("listeners", name, "address", number)
                        self._add(path, f"{address} is taken by listeners.{owner} ({other})")
                taken.append((address, name))

    def _add(self, path: Path, message: str) -> None:
        shown = ".".join(str(part) for part in self._known(path))
        self._problems.append(Problem(shown, message, self._file, line_of(self._lines, path)))

    def _known(self, path: Path) -> Path:
        """The path without the index of a list's only member that stands alone."""
        if path and isinstance(path[-1], int) and path not in self._lines:
            return path[:-1]
        return path


def _plain(message: str) -> str:
    """What tomllib says, for a person."""
    twice = _TWICE.fullmatch(message)
    if twice:
        name = ".".join(re.findall(r"'([^']*)'", twice[1]))
        return f"the table [{name}] has been declared before"
    return _SYNTAX.get(message, f"{message[0].lower()}{message[1:]}")


def _no_table(name: str, value: object) -> str:
    """What to write in place of a value that stands where a listener's table should."""
    if isinstance(value, list):
        return f"expected one table; write [listeners.{name}] in single brackets"
    if name in _COMMON:
        return "stands in no listener; write its table's name above it, as in [listeners.web]"
    return f"expected a table, as in [listeners.{name}]"
