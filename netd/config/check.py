"""Faults of a configuration that only this machine shows: missing files and directories."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from netd.config.annotations import Secret, Table
from netd.config.file_access import why_no_directory
from netd.config.model import Config, ListenerOptions
from netd.config.paths import SYSTEM_CONFIG, SYSTEM_CONTROL, read_text
from netd.config.schema import fields_of
from netd.config.toml import Path, line_of, parse_toml
from netd.errors import ConfigError, Problem
from netd.protocols.password import is_hashed


class CheckedKind(Protocol):
    """The part of a kind that checks a listener's files."""

    @property
    def check(self) -> Callable[[ListenerOptions], tuple[Problem, ...]]:
        """Find problems on this machine; their keys are relative to the listener."""


def check_files(config: Config, kinds: Mapping[str, CheckedKind], file: str) -> tuple[Problem, ...]:
    """Find missing directories and unreadable files; `file` is the path of the configuration.

    A password in plain text that every user can read gives a warning.
    """
    return with_lines((*_problems(config, kinds, file), *_readable_passwords(config, file)), file)


def with_lines(problems: Iterable[Problem], file: str) -> tuple[Problem, ...]:
    """Add the file to each problem, and the line of its key."""
    lines = _lines(file)
    return tuple(_with_line(problem, file, lines) for problem in problems)


def _with_line(problem: Problem, file: str, lines: Mapping[Path, int]) -> Problem:
    path = _path(lines, problem.key)
    key = problem.key
    if path not in lines and str(path[-1]).isdecimal():  # an only item without brackets
        key = key.rpartition(".")[0]
    return replace(problem, key=key, file=file, line=line_of(lines, path))


def _path(lines: Mapping[Path, int], key: str) -> Path:
    """The path of a dotted key; digits in it are an index, or a name such as `404`."""
    path: Path = ()
    for step in key.split("."):
        item = (*path, int(step)) if step.isdecimal() else ()
        path = item if item in lines else (*path, step)
    return path


def _lines(file: str) -> Mapping[Path, int]:
    """The lines of all keys; empty if the file has become unreadable since it was loaded."""
    try:
        return parse_toml(read_text(file), file).lines
    except ConfigError:
        return {}


def _problems(config: Config, kinds: Mapping[str, CheckedKind], file: str) -> Iterator[Problem]:
    fault = _why_no_directory(config.netd.control, file)
    if fault:
        yield Problem("netd.control", fault)
    for name, options in config.listeners.items():
        for problem in (*kinds[options.kind].check(options), *_missing_directories(options, file)):
            yield replace(problem, key=f"listeners.{name}.{problem.key}")


def _readable_passwords(config: Config, file: str) -> Iterator[Problem]:
    try:
        is_readable = os.stat(file).st_mode & stat.S_IROTH
    except OSError:  # the file was removed after it had been read
        return
    if not is_readable:
        return
    for name, options in config.listeners.items():
        for key in _plain_passwords(options):
            message = f"every user can read it; hash it with `netd passwd`, or chmod o-r {file}"
            yield Problem(f"listeners.{name}{key}", message, is_warning=True)


def _plain_passwords(value: object) -> Iterator[str]:
    """Yield the key, with a dot before it, of each secret that is not hashed."""
    if isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from (f".{number}{key}" for key in _plain_passwords(item))
    if not isinstance(value, Table):
        return
    for name, field in fields_of(type(value)).items():
        inner = getattr(value, name)
        if Secret() in field.metadata and inner and not is_hashed(inner):
            yield f".{name}"
        yield from (f".{name}{key}" for key in _plain_passwords(inner))


def _missing_directories(options: ListenerOptions, file: str) -> Iterator[Problem]:
    for number, address in enumerate(options.address):
        fault = _why_no_directory(address.path, file)
        if fault:
            yield Problem(f"address.{number}", fault)


def _why_no_directory(path: str, file: str) -> str:
    """Why the directory of a socket's file cannot be used; empty also for an empty path."""
    directory = os.path.dirname(path)
    is_made_by_unit = file == SYSTEM_CONFIG and directory == os.path.dirname(SYSTEM_CONTROL)
    return why_no_directory(directory) if path and not is_made_by_unit else ""
