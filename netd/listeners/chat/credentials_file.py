"""Files of names and password hashes, which are read again when they change.

A line is `NAME:HASH`, with the hash as `netd passwd` prints it. Empty lines are ignored, and lines
that begin with `#`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from netd.config.regular_file import read_regular_file
from netd.errors import ConfigError, LocalProtocolError, Problem
from netd.listeners.chat.cloak_key import KEY_BYTES, read_or_make
from netd.listeners.chat.options import ChatOptions
from netd.protocols.password import check_hash, is_hashed
from netd.runtime.watched_files import WatchedFiles

# Made before a worker is forked: all workers of a listener have the same ones.
_SPARE_KEY: Final = os.urandom(KEY_BYTES).hex()
_SPARE_SECRET: Final = os.urandom(KEY_BYTES).hex()


class CredentialsFile(WatchedFiles[Mapping[str, str]]):
    """One file; `value` holds the hashes by name. An empty path means no file and no names."""

    def __init__(self, path: str) -> None:
        """Read the file. Raises OSError, or ConfigError with all faults and their lines."""
        super().__init__(path, [path] if path else [], lambda: _read(path) if path else {})


class CredentialsFiles:
    """The files of operators and accounts that the options name, and that of the cloaks' key."""

    def __init__(self, options: ChatOptions) -> None:
        """Read the files. Raises ConfigError."""
        try:
            self._opers = CredentialsFile(options.opers_file)
            self._accounts = CredentialsFile(options.accounts_file)
        except OSError as error:
            problem = Problem("", f"{error.filename}: {error.strerror}")
            raise ConfigError((problem,)) from error
        needs_key = options.cloak and not options.cloak_key
        self.cloak_key = read_or_make() if needs_key else ""
        """A key that lasts; empty for none."""
        self.spare_cloak_key = _SPARE_KEY
        """A key for a new room, if there is no other one."""
        self.spare_secret = _SPARE_SECRET
        """A secret for a new room."""

    @property
    def opers(self) -> Mapping[str, str]:
        """The operators' hashes, by name."""
        return self._opers.value

    @property
    def accounts(self) -> Mapping[str, str]:
        """The accounts' hashes, by name."""
        return self._accounts.value

    def refresh(self) -> bool:
        """Read changed files again. Returns True if the operators or the accounts are new."""
        return bool(self._opers.refresh() | self._accounts.refresh())


def _read(path: str) -> dict[str, str]:
    hashes: dict[str, str] = {}
    problems = []
    text = read_regular_file(path).decode(errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, stored = line.strip().partition(":")
        fault = _fault(name, stored, hashes) if colon else "not NAME:HASH"
        if fault:
            problems.append(Problem("", fault, path, number))
        hashes[name] = stored
    if problems:
        raise ConfigError(tuple(problems))
    return hashes


def _fault(name: str, stored: str, earlier: Mapping[str, str]) -> str:
    """The fault of a line, which must not repeat a name of the earlier lines; empty for none."""
    if not name or " " in name:
        return "not NAME:HASH"
    if name in earlier:
        return f"{name!r} is there twice"
    if not is_hashed(stored):
        return f"the text after {name!r} is not a hash as `netd passwd` prints it"
    try:
        check_hash(stored)
    except LocalProtocolError as error:
        return str(error)
    return ""
