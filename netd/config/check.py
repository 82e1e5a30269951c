"""Faults of a configuration that only this machine can tell: files and directories."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from netd.config.config_file import read_text
from netd.config.model import Config, ListenerOptions
from netd.config.toml_lines import Path, line_of, locate
from netd.errors import ConfigError, Problem


class CheckedKind(Protocol):
    """What must be known of a kind to check its listeners."""

    @property
    def check(self) -> Callable[[ListenerOptions], tuple[Problem, ...]]:
        """Problems with this machine, each key relative to the listener."""


def check_files(config: Config, kinds: Mapping[str, CheckedKind], file: str) -> tuple[Problem, ...]:
    """Every missing directory and unreadable file; `file` is the configuration's own path."""
    return with_lines(_problems(config, kinds), file)


def with_lines(problems: Iterable[Problem], file: str) -> tuple[Problem, ...]:
    """The same problems, each with the file and the line of its key."""
    lines = _lines(file)

    def line(key: str) -> int:
        return line_of(lines, _path(lines, key))

    return tuple(replace(each, file=file, line=line(each.key)) for each in problems)


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
    """Where a dotted key leads: digits are a list's index, or a name such as `404`."""
    path: Path = ()
    for step in key.split("."):
        item = (*path, int(step)) if step.isdecimal() else ()
        path = item if item in lines else (*path, step)
    return path


def _lines(file: str) -> dict[Path, int]:
    """Where the keys stand now; nowhere if the file has been spoilt since it was read."""
    try:
        text = read_text(file)
        tomllib.loads(text)
        return locate(text)
    except (ConfigError, ValueError, RecursionError):
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
