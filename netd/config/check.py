"""Faults of a configuration that only this machine shows: missing files and directories."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from netd.config.model import Config, ListenerOptions
from netd.config.paths import read_text
from netd.config.toml import Path, line_of, parse_toml
from netd.errors import ConfigError, Problem


class CheckedKind(Protocol):
    """What the check of listeners needs of their kind."""

    @property
    def check(self) -> Callable[[ListenerOptions], tuple[Problem, ...]]:
        """Find problems with this machine; the keys in them are relative to the listener."""


def check_files(config: Config, kinds: Mapping[str, CheckedKind], file: str) -> tuple[Problem, ...]:
    """Find missing directories and unreadable files; `file` is the path of the configuration."""
    return with_lines(_problems(config, kinds), file)


def with_lines(problems: Iterable[Problem], file: str) -> tuple[Problem, ...]:
    """Add the file to each problem, and the line of its key."""
    lines = _lines(file)
    return tuple(
        replace(problem, file=file, line=line_of(lines, _path(lines, problem.key)))
        for problem in problems
    )


def why_not_writable(path: str) -> str:
    """Return why a file cannot be created or written to; empty if it can."""
    directory = os.path.dirname(path) or os.curdir
    if not os.path.isdir(directory):
        return f"there is no directory {directory}"
    if os.path.isdir(path):
        return f"{path} is a directory"
    is_writable = os.access(path if os.path.exists(path) else directory, os.W_OK)
    return "" if is_writable else f"{path} cannot be written"


def _path(lines: Mapping[Path, int], key: str) -> Path:
    """The path of a dotted key, in which digits are an index or a name such as `404`."""
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


def _problems(config: Config, kinds: Mapping[str, CheckedKind]) -> Iterator[Problem]:
    directory = os.path.dirname(config.netd.control)
    if directory and not os.path.isdir(directory):
        yield Problem("netd.control", f"there is no directory {directory}")
    for name, options in config.listeners.items():
        for problem in (*kinds[options.kind].check(options), *_missing_directories(options)):
            yield replace(problem, key=f"listeners.{name}.{problem.key}")


def _missing_directories(options: ListenerOptions) -> Iterator[Problem]:
    for number, address in enumerate(options.address):
        directory = os.path.dirname(address.path)
        if address.scheme.is_local and not os.path.isdir(directory):
            yield Problem(f"address.{number}", f"there is no directory {directory}")
