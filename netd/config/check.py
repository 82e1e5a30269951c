"""Faults of a configuration that only this machine shows: missing files and directories."""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from netd.config.annotations import Secret, Table, UsedAsIs
from netd.config.file_access import why_no_directory
from netd.config.load import ConfigurableKind, read_config
from netd.config.model import Config, ListenerOptions
from netd.config.paths import SYSTEM_CONFIG, SYSTEM_CONTROL
from netd.config.schema import fields_of
from netd.config.source import Source
from netd.errors import Problem
from netd.protocols.password import is_hashed


class CheckedKind(ConfigurableKind, Protocol):
    """The part of a kind that reads a listener's table, and checks its files."""

    @property
    def check(self) -> Callable[[ListenerOptions], tuple[Problem, ...]]:
        """Find problems on this machine; their keys are relative to the listener."""


def read_checked(path: str, kinds: Mapping[str, CheckedKind]) -> Config:
    """Read a configuration and check its files. Raises ConfigError with every fault found."""
    return read_config(path, kinds, lambda config, source: check_files(config, source, kinds))


def check_files(
    config: Config, source: Source, kinds: Mapping[str, CheckedKind]
) -> tuple[Problem, ...]:
    """Find missing directories and unreadable files.

    A password in plain text that every user can read gives a warning.
    """
    return (*_problems(config, kinds, source.file), *_readable_passwords(config, source))


def _problems(config: Config, kinds: Mapping[str, CheckedKind], file: str) -> Iterator[Problem]:
    fault = _why_no_directory(config.netd.control, file)
    if fault:
        yield Problem("netd.control", fault)
    for name, options in config.listeners.items():
        for problem in (*kinds[options.kind].check(options), *_missing_directories(options, file)):
            yield replace(problem, key=f"listeners.{name}.{problem.key}")


def _readable_passwords(config: Config, source: Source) -> Iterator[Problem]:
    commands = {file: _command_to_hide(file) for file in (source.file, *source.files)}
    for name, options in config.listeners.items():
        for key, can_be_hashed in _plain_passwords(options):
            path = f"listeners.{name}{key}"
            command = commands[source.place_of(source.path_of(path)).file]
            if command:
                advice = f"hash it with `netd passwd`, or {command}" if can_be_hashed else command
                yield Problem(path, f"every user can read it; {advice}", is_warning=True)


def _command_to_hide(file: str) -> str:
    """The command after which only this user and root can read a file; empty if it is so."""
    try:
        status = os.stat(file)
    except OSError:  # the file was removed after it had been read
        return ""
    if not status.st_mode & stat.S_IROTH:
        return ""
    if status.st_uid == os.geteuid() or status.st_gid in (os.getegid(), *os.getgroups()):
        return f"chmod o-r {file}"
    return f"chgrp {_own_group()} {file} && chmod 640 {file}"


def _own_group() -> str:
    try:
        return grp.getgrgid(os.getegid()).gr_name
    except KeyError:  # as in a container without this group
        return str(os.getegid())


def _plain_passwords(value: object) -> Iterator[tuple[str, bool]]:
    """Yield the key, with a dot before it, of each secret that is not hashed, and if it can be."""
    if isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from ((f".{number}{key}", can) for key, can in _plain_passwords(item))
    if not isinstance(value, Table):
        return
    for name, field in fields_of(type(value)).items():
        inner = getattr(value, name)
        can_be_hashed = UsedAsIs() not in field.metadata
        if Secret() in field.metadata and inner and not (can_be_hashed and is_hashed(inner)):
            yield f".{name}", can_be_hashed
        yield from ((f".{name}{key}", can) for key, can in _plain_passwords(inner))


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
