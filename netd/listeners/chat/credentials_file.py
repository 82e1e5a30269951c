"""The files of names and password hashes beside the configuration, read again when they change.

A line is `NAME:HASH`, the hash as `netd passwd` prints it; empty lines and those that begin with
`#` count for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from netd.errors import ConfigError, LocalProtocolError, Problem
from netd.listeners.chat.options import ChatOptions
from netd.protocols.password import check_hash, is_hashed
from netd.runtime.watched_files import WatchedFiles

_MAX_BYTES: Final = 2**20


class CredentialsFile(WatchedFiles[Mapping[str, str]]):
    """One such file; `value` holds the hashes by name, and is empty if `path` is."""

    def __init__(self, path: str) -> None:
        """Read it. Raises OSError, or ConfigError with every fault and its line."""
        super().__init__(path, [path] if path else [], lambda: read(path) if path else {})


class People:
    """The files of operators and of accounts."""

    def __init__(self, options: ChatOptions) -> None:
        """Read them. Raises ConfigError."""
        try:
            self._opers = CredentialsFile(options.opers_file)
            self._accounts = CredentialsFile(options.accounts_file)
        except OSError as error:
            problem = Problem("", f"{error.filename}: {error.strerror}")
            raise ConfigError((problem,)) from error

    @property
    def opers(self) -> Mapping[str, str]:
        """Each operator's hash, by name."""
        return self._opers.value

    @property
    def accounts(self) -> Mapping[str, str]:
        """Each account's hash, by name."""
        return self._accounts.value

    def refresh(self) -> bool:
        """Read again what has changed, and say whether anything has."""
        return bool(self._opers.refresh() | self._accounts.refresh())


def read(path: str) -> dict[str, str]:
    """The hashes by name. Raises OSError, or ConfigError with every fault and its line."""
    with open(path, "rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ConfigError((Problem("", f"more than {_MAX_BYTES} bytes", path),))
    found: dict[str, str] = {}
    problems = []
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, stored = line.strip().partition(":")
        fault = _fault(name, stored, found)
        if fault:
            problems.append(Problem("", fault, path, number))
        found[name] = stored
    if problems:
        raise ConfigError(tuple(problems))
    return found


def _fault(name: str, stored: str, before: Mapping[str, str]) -> str:
    if not name or " " in name:
        return "not NAME:HASH"
    if name in before:
        return f"{name!r} a second time"
    if not is_hashed(stored):
        return f"what follows {name!r} is no hash as `netd passwd` prints it"
    try:
        check_hash(stored)
    except LocalProtocolError as error:
        return str(error)
    return ""
