"""Reads a configuration file into a Config, and finds all of its faults at once.

The kinds are an argument: this module imports no listener.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final, Protocol

from pydantic import ValidationError

from netd.config.address import MAX_SUN_PATH_BYTES, Address, Scheme
from netd.config.file_paths import with_whole_paths
from netd.config.messages import explain, suggest
from netd.config.model import Config, DaemonOptions, ListenerOptions
from netd.config.schema import Options, fields_of, read_options
from netd.config.source import Source, parse_source, read_source
from netd.config.toml import Path
from netd.errors import ConfigError, Problem

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_COMMON_KEYS: Final = frozenset(field.name for field in fields(ListenerOptions))
_MAX_DEPTH: Final = 16  # twice what any key needs, and less than a JSON parser takes
_INTEGERS: Final = range(-(2**63), 2**63)


class ConfigurableKind(Protocol):
    """The part of a kind that is needed to read a listener's table."""

    @property
    def options(self) -> type[ListenerOptions]:
        """The dataclass of its table."""

    @property
    def schemes(self) -> frozenset[Scheme]:
        """The transports that its addresses may have."""

    @property
    def max_workers(self) -> int:
        """The number of workers that may share its sockets."""

    @property
    def takes_handoffs(self) -> bool:
        """Whether other listeners can hand off connections to it."""


Kinds = Mapping[str, ConfigurableKind]
Check = Callable[[Config, Source], Iterable[Problem]]
"""Finds problems of a configuration, named by their keys; the reader adds file and line."""


def read_config(path: str, kinds: Kinds, check: Check = lambda _, __: ()) -> Config:
    """Read the configuration in a file. Raises ConfigError with every fault found.

    `check` gets the configuration without the options that have faults; the problems that it
    returns are reported as well, and warnings are kept in the Config.
    """
    return _Reader(read_source(path), kinds).read(check)


def config_of(source: Source, kinds: Kinds) -> Config:
    """The configuration that files have which were read. Raises ConfigError as read_config."""
    return _Reader(source, kinds).read(lambda _, __: ())


def parse_config(text: str, file: str, kinds: Kinds) -> Config:
    """Read a configuration; messages call it `file`. Raises ConfigError with every fault found."""
    return config_of(parse_source(text, file), kinds)


class _Reader:
    """Reads one configuration, and collects the problems that it finds."""

    def __init__(self, source: Source, kinds: Kinds) -> None:
        self._document = source.values
        self._source = source
        self._kinds = kinds
        self._problems: list[Problem] = []

    def read(self, check: Check) -> Config:
        self._refuse_impossible_values((), self._document)
        self._raise_problems()
        self._refuse_unknown_tables()
        config = Config(netd=self._daemon(), listeners=self._listeners())
        self._refuse_shared_addresses(config.listeners)
        self._refuse_handoffs(config.listeners)
        reported = {problem.key for problem in self._problems}
        located = (self._located(problem) for problem in check(config, self._source))
        found = [problem for problem in located if problem.key not in reported]
        self._problems += [problem for problem in found if not problem.is_warning]
        self._raise_problems()
        return replace(config, warnings=_by_line(found))  # nothing else was found

    def _raise_problems(self) -> None:
        if self._problems:
            raise ConfigError(_by_line(self._problems))

    def _refuse_impossible_values(self, path: Path, value: object) -> None:
        """Refuse values that no key can have, such as a text with a NUL character."""
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
            if key not in allowed:
                self._add((key,), self._why_unknown(key, value, allowed))

    def _why_unknown(self, key: str, value: object, allowed: Sequence[str]) -> str:
        """The message for a key at the top of the document that is none of the allowed tables."""
        owners = [name for name, kind in self._declared() if key in fields_of(kind.options)]
        if owners and isinstance(value, dict | list):
            name = f"listeners.{owners[0] if len(owners) == 1 else 'NAME'}.{key}"
            return f"belongs to a listener; write {_in_brackets(name, value)}"
        if not isinstance(value, dict):
            return "is in no table; write [netd] or [listeners.NAME] above it"
        if "kind" in value:
            return f"unknown table; a listener's is [listeners.{key}]"
        return f"unknown table{suggest(key, allowed)}"

    def _declared(self) -> Iterator[tuple[str, ConfigurableKind]]:
        """Yield the name and the kind of each listener that has a known one."""
        tables = self._document.get("listeners", {})
        for name, table in tables.items() if isinstance(tables, dict) else ():
            kind = table.get("kind") if isinstance(table, dict) else None
            if isinstance(kind, str) and kind in self._kinds:
                yield name, self._kinds[kind]

    def _daemon(self) -> DaemonOptions:
        table = self._document.get("netd", {})
        if isinstance(table, dict) and "include" in table:
            self._add(("netd", "include"), "stands at the top of the file, above all tables")
            table = {key: value for key, value in table.items() if key != "include"}
        options = self._options(DaemonOptions, ("netd",), table)
        if options is None:
            return DaemonOptions()
        if options.control and not os.path.isabs(options.control):
            self._add(("netd", "control"), f"{options.control!r} must begin with /")
        if len(os.fsencode(options.control)) > MAX_SUN_PATH_BYTES:
            message = f"a socket's path holds at most {MAX_SUN_PATH_BYTES} bytes"
            self._add(("netd", "control"), message)
        return options

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
            self._add(path, _not_a_table(name, table))
            return None
        if _has_only_tables(table):  # as with [[listeners.wep.routes]]
            names = [other for other, _ in self._declared()]
            self._add(path, f"is not declared as a listener; declared are {', '.join(names)}")
            return None
        kind = self._kind(path, table)
        if kind is None:
            common = {key: table[key] for key in table if key in _COMMON_KEYS}
            self._options(ListenerOptions, path, {**common, "kind": ""})
            return None
        options = self._options(kind.options, path, table)
        if options is None:
            return None
        self._check_limits(path, options, kind)
        return with_whole_paths(options, path, self._folder_of)

    def _folder_of(self, path: Path) -> str:
        """The absolute path of the folder of the file that has a key."""
        return os.path.dirname(os.path.abspath(self._source.place_of(path).file))

    def _kind(self, path: Path, table: dict[str, Any]) -> ConfigurableKind | None:
        allowed = ", ".join(self._kinds)
        if "kind" not in table:
            close = suggest("kind", tuple(table))
            self._add((*path, "kind"), f"is missing; write one of {allowed}{close}")
            return None
        kind = table["kind"]
        if not isinstance(kind, str) or kind not in self._kinds:
            close = suggest(kind, tuple(self._kinds)) if isinstance(kind, str) else ""
            self._add((*path, "kind"), f"{kind!r} is not a kind; write one of {allowed}{close}")
            return None
        return self._kinds[kind]

    def _options(self, options: type[Options], path: Path, table: object) -> Options | None:
        """The options without the keys that have faults; None if a required key has one."""
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

    def _check_limits(self, path: Path, options: ListenerOptions, kind: ConfigurableKind) -> None:
        if options.workers > kind.max_workers:
            most = f"{options.workers} is above {kind.max_workers}"
            self._add((*path, "workers"), f"{most}, the most that {options.kind} can have")
        for key, message in options.contradictions().items():
            self._add((*path, key), message)
        for number, address in enumerate(options.address):
            if address.scheme not in kind.schemes:
                allowed = ", ".join(f"{scheme}://" for scheme in Scheme if scheme in kind.schemes)
                message = f"{options.kind} cannot listen on {address.scheme}://; write {allowed}"
                self._add((*path, "address", number), message)

    def _refuse_shared_addresses(self, listeners: dict[str, ListenerOptions]) -> None:
        taken: list[tuple[Address, str]] = []
        for name, options in listeners.items():
            for number, address in enumerate(options.address):
                for other, owner in taken:
                    if address.overlaps(other):
                        path = ("listeners", name, "address", number)
                        self._add(path, f"{address} is taken by listeners.{owner} ({other})")
                taken.append((address, name))

    def _refuse_handoffs(self, listeners: dict[str, ListenerOptions]) -> None:
        """Refuse keys that name a listener to which no connections can be handed off."""
        tables = self._document.get("listeners", {})
        takers = [name for name in listeners if self._kinds[listeners[name].kind].takes_handoffs]
        for name, options in listeners.items():
            for key, target in options.handoffs().items():
                path = ("listeners", name, *key)
                if target not in tables:
                    close = suggest(target, takers)
                    self._add(path, f"there is no listener {target!r}{close}")
                elif target in listeners and target not in takers:
                    kind = listeners[target].kind
                    self._add(path, f"{target!r} is of kind {kind}, which takes no connections")

    def _add(self, path: Path, message: str) -> None:
        shown = ".".join(map(str, self._source.written_path(path)))
        self._problems.append(Problem(shown, message, *self._source.place_of(path)))

    def _located(self, problem: Problem) -> Problem:
        """The problem with its file and line."""
        path = self._source.path_of(problem.key)
        file, line = self._source.place_of(path)
        return replace(problem, key=".".join(map(str, path)), file=file, line=line)


def _by_line(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(dict.fromkeys(sorted(problems, key=lambda found: (found.file, found.line))))


def _in_brackets(name: str, value: object) -> str:
    return f"[[{name}]]" if isinstance(value, list) else f"[{name}]"


def _has_only_tables(table: dict[str, Any]) -> bool:
    """Whether a listener's table has tables inside it, and no key of its own."""
    return bool(table) and all(isinstance(value, dict | list) for value in table.values())


def _not_a_table(name: str, value: object) -> str:
    """The message for another value in the place of a listener's table."""
    if isinstance(value, list):
        return f"expected one table; write [listeners.{name}] in single brackets"
    if name in _COMMON_KEYS:
        return "is in no listener; write its table's name above it, as in [listeners.web]"
    return f"expected a table, as in [listeners.{name}]"
